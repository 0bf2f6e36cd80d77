"""A second opinion: an independent POP3 logon beside the probe of Managed Availability.

It is told in the report and decides nothing: see :class:`~popheal.second_opinion.settings.Opinion`
for what it can't say.
"""

from popheal.second_opinion.settings import Answer, Consulted, Opinion, SecondOpinion

__all__ = ["Answer", "Consulted", "Opinion", "SecondOpinion"]

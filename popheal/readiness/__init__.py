"""Whether popheal finds in an organisation what it needs: a check that only looks.

The items are a table (:mod:`popheal.readiness.items`); what comes of them is a list of lines for
each server (:class:`~popheal.readiness.lines.Readiness`).
"""

from popheal.readiness.lines import Judgement, Line, Readiness, ServerReadiness

__all__ = ["Judgement", "Line", "Readiness", "ServerReadiness"]

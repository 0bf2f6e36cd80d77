"""Causes that the message details name (Verifying 2.1), and what may still be done about each.

Words forbid, they never permit: a cause found here takes steps away from a procedure. Words
that are not in the table change nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from typing import Final

from attrs import frozen


class Helps(Enum):
    """What may still be done about a cause."""

    NOTHING = "nothing"  #: Neither a restart of the service nor one of the server helps.
    SERVICE_RESTART = "service_restart"  #: A restart of the service may help; a reboot does not.


@frozen(kw_only=True)
class Cause:
    """One cause.

    Attributes:
        name: One word or two, for reports and policies.
        pattern: Matches the words by which it is known, without case: codes, ``Error=`` and
            ``ErrMsg=`` values and types of exceptions, not whole sentences.
        says: What it means, for the operator.
        next_step: What makes it well.
        helps: What may still be done.
        source: Where it was seen in public.
    """

    name: str
    pattern: str
    says: str
    next_step: str
    helps: Helps = Helps.NOTHING
    source: str = ""

    def is_named_in(self, text: str) -> bool:
        """Whether the text names this cause."""
        return re.search(self.pattern, text, re.IGNORECASE) is not None


CAUSES: Final[tuple[Cause, ...]] = ()


def find_cause(texts: Iterable[str], causes: Iterable[Cause] = CAUSES) -> Cause | None:
    """The first cause in the table that one of the texts names; None if there is none."""
    said = [text for text in texts if text]
    return next((one for one in causes if any(map(one.is_named_in, said))), None)

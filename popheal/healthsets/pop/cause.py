"""What a cause is that words name, and what may still be done about it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from enum import Enum
from typing import Any, Final

from attrs import field, frozen

from popheal.util.schema import TEXT, Rule


class Helps(Enum):
    """What may still be done about a cause."""

    NOTHING = "nothing"  #: Neither a restart of the service nor one of the server helps.
    SERVICE_RESTART = "service_restart"  #: A restart of the service may help; a reboot does not.
    UNDECIDED = "undecided"  #: The words have several causes: they only say where to look next.


def _is_pattern(value: Any) -> bool:
    """Whether it is a regular expression that finds something, but not everything."""
    try:
        return isinstance(value, str) and bool(value) and not re.search(value, "")
    except re.error:
        return False


_PATTERN: Final = Rule("a regular expression that does not match an empty text", _is_pattern)


@frozen(kw_only=True)
class Cause:
    """One cause.

    Attributes:
        name: A few words, for reports and policies.
        pattern: Matches the words by which it is known, without case: codes, ``Error=`` and
            ``ErrMsg=`` values and types of exceptions, not whole sentences.
        says: What it means, for the operator; part of a sentence.
        next_step: What makes it well; or the look that decides, where the words don't.
        helps: What may still be done.
        source: Where it was seen in public.
    """

    name: str = field(validator=TEXT)
    pattern: str = field(validator=_PATTERN)
    says: str = field(validator=TEXT)
    next_step: str = field(validator=TEXT)
    helps: Helps = Helps.NOTHING
    source: str = ""

    def is_named_in(self, text: str) -> bool:
        """Whether the text names this cause."""
        # Not all of a text without end: what it is about stands near its beginning.
        return re.search(self.pattern, text[:_LONGEST], re.IGNORECASE | re.DOTALL) is not None


#: As much of a text as is looked at.
_LONGEST: Final = 50_000


#: Where several causes are named, the one that forbids most counts.
_GRAVEST_FIRST: Final = (Helps.NOTHING, Helps.SERVICE_RESTART, Helps.UNDECIDED)


def gravest_named(texts: Iterable[str], causes: Iterable[Cause]) -> Cause | None:
    """The cause that one of the texts names; of several the gravest, then the first in the table.

    Args:
        texts: What was told, from wherever. Each is looked at by itself.
        causes: The table.
    """
    said = [text for text in texts if text]
    named = [one for one in causes if any(map(one.is_named_in, said))]
    return min(named, key=lambda one: _GRAVEST_FIRST.index(one.helps), default=None)

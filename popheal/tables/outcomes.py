"""What an action can come to: words that know what they mean."""

from __future__ import annotations

from typing import Final


class Outcome(str):
    """What an action came to: a word, for tables, journals and people, that knows its meaning.

    It is equal to the plain word, to which :func:`outcome_of` gives its meaning back. The
    outcomes of an action of one's own are plain words, or made here where they mean something.

    Attributes:
        good: Whether it is what was hoped for: it ends nothing, and nobody is told to act on it.
        unknown: Whether it means that nobody knows. Then nothing may be changed next.
    """

    __slots__ = ("good", "unknown")
    good: bool
    unknown: bool

    def __new__(cls, word: str, *, good: bool = False, unknown: bool = False) -> Outcome:
        self = super().__new__(cls, word)
        self.good, self.unknown = good, unknown
        return self


DONE: Final = Outcome("done", good=True)
#: Attempted, and it did not do what it should; what it did change may remain.
FAILED: Final = Outcome("failed")
#: Not attempted, nothing was changed.
REFUSED: Final = Outcome("refused")
#: Nobody knows. The outcome that every action but a wait can have.
COULD_NOT_TELL: Final = Outcome("could_not_tell", unknown=True)
#: What an effect can come to.
EFFECT_OUTCOMES: Final = (DONE, FAILED, REFUSED, COULD_NOT_TELL)

_GOOD: Final = ("succeeded", "healthy", "feasible", "clear", "found", "up", "elapsed")
_KNOWN: Final[dict[str, Outcome]] = {
    one: one for one in (*EFFECT_OUTCOMES, *(Outcome(word, good=True) for word in _GOOD))
}


def outcome_of(word: str) -> Outcome:
    """A word with its meaning; one that is not known here is neither good nor unknown."""
    return word if isinstance(word, Outcome) else _KNOWN.get(word) or Outcome(word)

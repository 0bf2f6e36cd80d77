"""What an action can come to: words that know what they mean."""

from __future__ import annotations

from typing import Final

from popheal.tables.impacts import Impact


class Outcome(str):
    """What an action came to: a word, for tables, journals and people, that knows its meaning.

    It is equal to the plain word, to which :func:`outcome_of` gives its meaning back. The
    outcomes of an action of one's own are plain words, or made here where they mean something.

    Attributes:
        good: Whether it is what was hoped for: it ends nothing, and nobody is told to act on it.
        unknown: Whether it means that nobody knows.
        furthest: The most that may be done to the world next. After "nobody knows" nothing may
            be changed; after a hang a service may be restarted, but no server.
    """

    __slots__ = ("furthest", "good", "unknown")
    good: bool
    unknown: bool
    furthest: Impact

    def __new__(
        cls,
        word: str,
        *,
        good: bool = False,
        unknown: bool = False,
        furthest: Impact = Impact.DISRUPT,
    ) -> Outcome:
        self = super().__new__(cls, word)
        self.good, self.unknown = good, unknown
        self.furthest = Impact.RESTORE if unknown else furthest
        return self

    @property
    def futile(self) -> bool:
        """Whether it says, for certain, that nothing that may be done next would help."""
        return not self.good and not self.unknown and self.furthest.harmless


DONE: Final = Outcome("done", good=True)
#: Attempted, and it did not do what it should; what it did change may remain.
FAILED: Final = Outcome("failed")
#: Not attempted, nothing was changed.
REFUSED: Final = Outcome("refused")
#: Nobody knows. The outcome that every action but a wait can have.
COULD_NOT_TELL: Final = Outcome("could_not_tell", unknown=True)
#: A probe ran into its time limit as often in a row as a failure takes: POP hangs. A restart of
#: the service is what cures a hang; for a restart of the server it is not enough.
TIMED_OUT: Final = Outcome("timed_out", furthest=Impact.CHANGE)
#: POP fails, and something that triage would stop at holds now, or what the probe says names a
#: cause that no further step cures.
BLOCKED: Final = Outcome("blocked", furthest=Impact.RESTORE)
#: POP is deliberately switched off there: no restart helps, nor is one wanted.
OFF: Final = Outcome("off", furthest=Impact.RESTORE)
#: What an effect can come to.
EFFECT_OUTCOMES: Final = (DONE, FAILED, REFUSED, COULD_NOT_TELL)

_GOOD: Final = ("succeeded", "healthy", "feasible", "clear", "found", "up", "elapsed")
_KNOWN: Final[dict[str, Outcome]] = {
    one: one
    for one in (
        *EFFECT_OUTCOMES,
        TIMED_OUT,
        BLOCKED,
        OFF,
        *(Outcome(word, good=True) for word in _GOOD),
    )
}


def outcome_of(word: str) -> Outcome:
    """A word with its meaning; one that is not known here means nothing in
    particular: neither good nor unknown, and anything may follow."""
    return word if isinstance(word, Outcome) else _KNOWN.get(word) or Outcome(word)

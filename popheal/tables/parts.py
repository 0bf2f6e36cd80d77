"""The parts of a long table: which states a reader takes in together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from attrs import frozen


@frozen
class Part:
    """A part of a procedure, for pictures and readers; what the table does knows nothing of it.

    Attributes:
        title: A few words for all of it.
        states: Names of the states in it.
    """

    title: str
    states: tuple[str, ...]


def not_divided(parts: Sequence[Part], states: Iterable[str]) -> Iterator[tuple[str | None, str]]:
    """Each state that is not in one part, as (state, what is wrong); none if there are no parts."""
    if not parts:
        return
    counted = Counter(name for part in parts for name in part.states)
    for name in states:
        if counted[name] != 1:
            yield name, f"is in {counted[name] or 'none'} of the parts, instead of one"
        del counted[name]
    for name in counted:
        yield None, f"a part names '{name}', which is not a state"

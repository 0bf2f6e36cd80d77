"""Walking a graph: what can be reached, what goes round in a circle, and the dearest way."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from graphlib import CycleError, TopologicalSorter
from typing import TypeVar

N = TypeVar("N", bound=Hashable)
#: What each place leads to. A place that isn't there, or leads nowhere, is an end.
Arrows = Mapping[N, Iterable[N]]


def reached(start: Iterable[N], ahead: Callable[[N], Iterable[N]]) -> list[N]:
    """Every place that can be reached, each once: the start first, then the nearest."""
    seen = dict.fromkeys(start)
    found = list(seen)
    for place in found:  # which grows meanwhile
        for new in ahead(place):
            if new not in seen:
                seen[new] = None
                found.append(new)
    return found


def reached_from(start: Iterable[N], arrows: Arrows[N]) -> set[N]:
    """The same for arrows that are there already, as a set."""
    return set(reached(start, lambda place: arrows.get(place, ())))


def turned_round(arrows: Arrows[N]) -> dict[N, list[N]]:
    """The same arrows, each pointing to where it came from."""
    behind: dict[N, list[N]] = {}
    for source, targets in arrows.items():
        for target in targets:
            behind.setdefault(target, []).append(source)
    return behind


def circle(arrows: Arrows[N]) -> list[N] | None:
    """A way from a place back to itself, which stands at both ends; None if there is none."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        way: list[N] = error.args[1]
        return way[::-1]
    return None


def dearest(arrows: Arrows[N], cost: Callable[[N], float]) -> dict[N, float]:
    """What the dearest way from each place to an end costs, ends being free.

    Args:
        arrows: Without circles (see :func:`circle`).
        cost: Of a place that leads somewhere.
    """
    costs: dict[N, float] = {}
    # The sorter has first what the others lead to.
    for place in TopologicalSorter(arrows).static_order():
        ahead = [costs[one] for one in arrows.get(place, ())]
        costs[place] = cost(place) + max(ahead) if ahead else 0
    return costs

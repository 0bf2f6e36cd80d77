"""The most that a procedure can do: one sum, for a plan before it runs and for the proof."""

from __future__ import annotations

from collections.abc import Callable

from attrs import frozen

from popheal.tables.actions import Action
from popheal.tables.reachability import Arrows, N, dearest
from popheal.tables.timing import Timing


@frozen(kw_only=True)
class WorstCase:
    """At most this much, over all paths of one procedure.

    Attributes:
        actions: Actions carried out, looks included.
        restarts: Restarts of POP3 services.
        reboots: Restarts of the server.
        seconds: Longest time that waits and deadlines add up to, without the commands' own.
    """

    actions: int
    restarts: int
    reboots: int
    seconds: float


def worst_case(
    start: N, arrows: Arrows[N], action_at: Callable[[N], Action], timing: Timing
) -> WorstCase:
    """The worst of all ways to an end, each figure by itself: no one way need reach them all.

    Args:
        start: Where every way begins.
        arrows: What each place leads to, without circles.
        action_at: What is done at a place that leads somewhere.
        timing: How long is waited, and how often is looked.
    """

    def most(cost: Callable[[Action], float]) -> float:
        return dearest(arrows, lambda place: cost(action_at(place)))[start]

    return WorstCase(
        actions=int(most(lambda _: 1)),
        restarts=int(most(lambda action: action.restarts)),
        reboots=int(most(lambda action: action.reboots)),
        seconds=most(lambda action: action.longest(timing)),
    )

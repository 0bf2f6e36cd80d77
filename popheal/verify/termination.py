"""Does every run end, and how much can it do until then?

A table ends if there is a rank for each of its states that falls with every step the run can
take; what happens in the world leaves it alone, and each action ends by a deadline of its own.
The rank used is the length of the longest way to an ending, so it is a bound as well.
"""

from __future__ import annotations

from typing import Final

from attrs import frozen

from popheal.tables.bounds import worst_case
from popheal.tables.reachability import circle, dearest
from popheal.tables.timing import Timing
from popheal.verify.explorer import Exploration

#: How long is waited by default.
TIMING: Final = Timing()


@frozen(kw_only=True)
class Bounds:
    """The most that one run can do.

    Attributes:
        actions: States gone through.
        effects: Of these, how many may change something.
        service_restarts: How often a service is restarted, each service by itself.
        reboots: How often the server is restarted.
        longest_seconds: The waits, pauses and deadlines, added up. The time in which remote
            commands answer, each within its own timeout, comes on top outside of deadlines.
        each_back_end: The same for one recovery of a back end on the way; None if there is none.
    """

    actions: int
    effects: int
    service_restarts: int
    reboots: int
    longest_seconds: float
    each_back_end: Bounds | None = None

    def __str__(self) -> str:
        said = (
            f"at most {self.actions} actions, {self.effects} of them effects, "
            f"{_times(self.service_restarts, 'service restart')}, "
            f"{_times(self.reboots, 'reboot')}, {self.longest_seconds / 60:.0f} min of waiting"
        )
        return said + (f"; each back end: {self.each_back_end}" if self.each_back_end else "")


def _times(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def bounds(
    found: Exploration, timing: Timing = TIMING, each_back_end: Bounds | None = None
) -> Bounds | None:
    """The most that a run can do, a person's stop and what follows it included.

    Returns:
        None if there is no bound. Each number is a maximum of its own: no one run need reach
        them all.
    """
    arrows, start = arrows_taken(found), found.system.table.start
    if circle(arrows):
        return None
    actions = {one.name: one.action for one in found.system.table.states}
    changing = {one.state for one in found.system.steps if one.answer and one.answer.sends}
    worst = worst_case(start, arrows, actions.__getitem__, timing)
    return Bounds(
        actions=worst.actions,
        effects=int(dearest(arrows, lambda state: state in changing)[start]),
        service_restarts=worst.restarts,
        reboots=worst.reboots,
        longest_seconds=worst.seconds,
        each_back_end=each_back_end,
    )


def arrows_taken(found: Exploration) -> dict[str, list[str]]:
    """Which state follows which, by the steps that were really taken."""
    arrows: dict[str, list[str]] = {found.system.table.start: []}
    for index, roles in found.taken.items():
        step = found.system.steps[index]
        if roles:
            arrows.setdefault(step.state, []).append(step.target)
    return arrows

"""Does every run end, and how much can it do until then?

A table ends if there is a rank for each of its states that falls with every step the run can
take; what happens in the world leaves it alone, and each action ends by a deadline of its own.
The rank used is the length of the longest way to an ending, so it is a bound as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from attrs import frozen

from popheal.verify.explorer import Exploration
from popheal.verify.model import Contract, Tabular

#: The waits, deadlines and attempts that a policy has by default: seconds, except attempts.
TIMING: Final[Mapping[str, float]] = MappingProxyType(
    {
        "settle": 600.0,
        "probe_attempts": 3,
        "probe_pause": 30.0,
        "service_deadline": 300.0,
        "drain_deadline": 1800.0,
        "reboot_deadline": 2700.0,
    }
)


def _again(timing: Mapping[str, float]) -> float:
    """The pauses between looks, tried as often as allowed."""
    return (timing["probe_attempts"] - 1) * timing["probe_pause"]


_Duration = Callable[[Mapping[str, float]], float]

#: The longest that each action may wait and pause in all, in terms of the policy's timing.
DURATIONS: Final[Mapping[str, _Duration]] = MappingProxyType(
    {
        "wait": lambda t: t["settle"],
        "probe": lambda t: 3 * _again(t),
        "check_health": _again,
        "check_switchover": lambda t: 2 * _again(t),
        "restart_service": lambda t: _again(t) + t["service_deadline"],
        "restart_service(by_role)": lambda t: 2 * (_again(t) + t["service_deadline"]),
        "reload_pop3": lambda t: _again(t) + t["service_deadline"],
        "enable_protocol_logging": lambda t: _again(t) + t["service_deadline"],
        "restore_protocol_logging": lambda t: t["service_deadline"],
        "drain": lambda t: 2 * _again(t) + t["service_deadline"],
        "verify_copies": lambda t: t["drain_deadline"],
        "reboot": lambda t: 5 * _again(t),
        "await_server": lambda t: t["reboot_deadline"],
        "fail_back": lambda t: 2 * _again(t) + t["service_deadline"],
        "find_backends": lambda t: 3 * _again(t),
        "check_backends": _again,
    }
)


@frozen(kw_only=True)
class Bounds:
    """The most that one run can do.

    Attributes:
        actions: States gone through.
        effects: Of these, how many may change something.
        service_restarts: How often a service is restarted.
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


def ranks(found: Exploration) -> dict[str, int] | None:
    """For each state that was reached, the most steps that can still follow; None if endless."""
    return _longest(found.system.table, _ahead(found), lambda _: 1)


def bounds(
    found: Exploration,
    timing: Mapping[str, float] = TIMING,
    each_back_end: Bounds | None = None,
) -> Bounds | None:
    """The most that a run can do; None if there is no bound.

    Each number is a maximum of its own: no one run need reach them all.
    """
    table = found.system.table
    ahead = _ahead(found)
    contracts = {one.state: one.contract for one in found.system.steps if one.contract}

    def most(cost: Callable[[str], float]) -> float:
        longest = _longest(table, ahead, cost)
        return longest[table.start] if longest else 0

    def counts(*names: str) -> Callable[[str], float]:
        actions = {one.name: one.action.name for one in table.states}
        return lambda state: int(actions[state] in names)

    if _longest(table, ahead, lambda _: 1) is None:
        return None
    return Bounds(
        actions=int(most(lambda _: 1)),
        effects=int(most(lambda state: int(_changes(contracts[state])))),
        service_restarts=int(most(counts("restart_service", "reload_pop3", "restart_everywhere"))),
        reboots=int(most(counts("reboot", "restart_server"))),
        longest_seconds=most(lambda state: _seconds(table, state, timing)),
        each_back_end=each_back_end if any(map(counts("recover_backends"), ahead)) else None,
    )


def _changes(contract: Contract) -> bool:
    return any(answer.sends for answer in contract.answers)


def _seconds(table: Tabular, state: str, timing: Mapping[str, float]) -> float:
    action = next(one.action for one in table.states if one.name == state)
    duration = DURATIONS.get(str(action)) or DURATIONS.get(action.name)
    return duration(timing) if duration else 0.0


def _ahead(found: Exploration) -> dict[str, set[str]]:
    """Which state follows which, by the steps that were really taken."""
    ahead: dict[str, set[str]] = {found.system.table.start: set()}
    for index, roles in found.taken.items():
        step = found.system.steps[index]
        if roles:
            ahead.setdefault(step.state, set()).add(step.target)
    return ahead


def _longest(
    table: Tabular, ahead: Mapping[str, Iterable[str]], cost: Callable[[str], Any]
) -> dict[str, Any] | None:
    """The dearest way to an ending from each state; None if there is a cycle."""
    known: dict[str, Any] = dict.fromkeys((*table.endings, ""), 0)
    waiting: set[str] = set()

    def visit(state: str) -> bool:
        if state in known:
            return True
        if state in waiting:
            return False
        waiting.add(state)
        if not all(visit(target) for target in ahead.get(state, ())):
            return False
        known[state] = cost(state) + max((known[one] for one in ahead.get(state, ())), default=0)
        return True

    return known if all(visit(state) for state in ahead) else None


def endless(found: Exploration) -> tuple[list[tuple[int, int]], int] | None:
    """The shortest way into a circle that the run can go round for ever, and where it begins.

    Returns:
        The way and the index of the first move of the circle; None if every run ends.
    """
    if ranks(found) is not None:
        return None
    component = _components(found)
    steps = len(found.system.steps)
    for packed in found.parents:
        for index, new in found.successors(packed):
            if index < steps and component[new] == component[packed]:
                before = found.way_to(packed)
                return [*before, (packed, index), *_way_between(found, new, packed)], len(before)
    return None


def _components(found: Exploration) -> dict[int, int]:
    """The strongly connected component of each situation (Tarjan's algorithm, no recursion)."""
    number: dict[int, int] = {}
    low: dict[int, int] = {}
    component: dict[int, int] = {}
    stack: list[int] = []
    for root in found.layout.starts():
        todo = [(root, found.successors(root))] if root not in number else []
        while todo:
            packed, ahead = todo[-1]
            if packed not in number:
                number[packed] = low[packed] = len(number)
                stack.append(packed)
            for _, new in ahead:
                if new not in number:
                    todo.append((new, found.successors(new)))
                    break
                if new not in component:
                    low[packed] = min(low[packed], number[new])
            else:
                todo.pop()
                if todo:
                    parent = todo[-1][0]
                    low[parent] = min(low[parent], low[packed])
                if low[packed] == number[packed]:
                    while packed not in component:
                        component[stack.pop()] = number[packed]
    return component


def _way_between(found: Exploration, start: int, goal: int) -> list[tuple[int, int]]:
    """The shortest way from one situation to another that can be reached from it."""
    came: dict[int, tuple[int, int] | None] = {start: None}
    frontier = [start]
    while goal not in came:
        reached = []
        for packed in frontier:
            for index, new in found.successors(packed):
                if new not in came:
                    came[new] = (packed, index)
                    reached.append(new)
        frontier = reached
    way = []
    at = came[goal]
    while at is not None:
        way.append(at)
        at = came[at[0]]
    return way[::-1]

"""Ways that go on for ever, in tables that break the law against circles: the runbook's text."""

from __future__ import annotations

from attrs import evolve

from popheal.tables.reachability import circle
from popheal.verify.explorer import Exploration
from popheal.verify.termination import arrows_taken
from popheal.verify.traces import Trace, trace


def lasso(found: Exploration, claim: str) -> Trace | None:
    """The shortest way to go on for ever, with the circle that it ends in; None if none does."""
    circle = endless(found)
    return evolve(trace(found, circle[0], claim), loop=circle[1]) if circle else None


def endless(found: Exploration) -> tuple[list[tuple[int, int]], int] | None:
    """The shortest way into a circle that the run can go round for ever, and where it begins.

    Returns:
        The way and the index of the first move of the circle; None if every run ends.
    """
    if not circle(arrows_taken(found)):
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

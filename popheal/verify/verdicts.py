"""Which properties an exploration shows to be broken."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from popheal.tables.reachability import circle, reached_from
from popheal.tables.table import Guard, Transition
from popheal.verify.environment import NO
from popheal.verify.explorer import Exploration
from popheal.verify.model import Cond, Tabular
from popheal.verify.termination import arrows_taken


def ambiguous(table: Tabular) -> str | None:
    """Two rows that apply at once, in words; None if there are none (P15)."""
    places: Iterable[tuple[str, tuple[Transition, ...]]] = (
        *((one.name, one.transitions) for one in table.states),
        ("any state", table.on_cancel),
    )
    for name, rows in places:
        for at, one in enumerate(rows):
            for other in rows[at + 1 :]:
                if one.outcome == other.outcome and not _opposite(one, other):
                    return f"in {name}, both '{one.label}' and '{other.label}' apply"
    return None


def _opposite(one: Transition, other: Transition) -> bool:
    def excludes(guard: Guard | None, opposite: Guard | None) -> bool:
        return guard is not None and guard is opposite

    return excludes(one.given, other.unless) or excludes(other.given, one.unless)


# --- what an exploration shows -------------------------------------------------------------------


def without_witness(found: Exploration) -> str | None:
    """A state, row or verdict that never comes about, in words; None if all do (P14)."""
    table = found.system.table
    rows: set[tuple[str, str]] = set()
    reached = {table.start}
    for index, roles in found.taken.items():
        step = found.system.steps[index]
        if roles:
            rows.add((step.state, step.label))
            reached.add(step.target)
    for one in table.states:
        if one.name not in reached:
            return f"{one.name} is never reached"
        for row in one.transitions:
            if (one.name, row.label) not in rows:
                return f"in {one.name}, '{row.label}' never happens"
    return next((f"no run ends as {name}" for name in table.endings if name not in reached), None)


def never_well(calm: Exploration) -> int | None:
    """A situation of a calm world in which what is done can't go well; None if there is none.

    A policy that forbids it is no such reason. A table need not be meant for servers of both
    roles: on one that it isn't meant for, it can't even begin well.
    """
    at_once, before = _well_at_once(calm)
    well = reached_from(at_once, before)
    layout = calm.layout
    # Masks of the same variables throughout, so it is enough to compare.
    allowed = layout.tests({n: v for n, v in _WILLING.items() if n in layout.places})
    mask, values = allowed[0][0], {value for _, value in allowed}
    shift, role_mask = layout.places["role"]
    meant = _meant_for(calm)
    for packed in calm.parents:
        if packed in well or packed & layout.node_mask not in calm.commands:
            continue
        if packed & mask in values and 1 << ((packed & role_mask) >> shift) & meant:
            return packed
    return None


#: A policy that allows everything, and no stop that waits to be heeded.
_WILLING: Final[Cond] = {"policy": "one_reboot", "stop": (NO, "heeded")}


def _good(calm: Exploration) -> set[int]:
    """The steps that mean that an action has gone well."""
    return {
        index
        for index, step in enumerate(calm.system.steps)
        if step.answer and step.answer.outcome.good
    }


def _well_at_once(calm: Exploration) -> tuple[set[int], dict[int, list[int]]]:
    """Where an action can go well at once; and from where events lead to each situation."""
    good, steps = _good(calm), len(calm.system.steps)
    well: set[int] = set()
    before: dict[int, list[int]] = {}
    for packed in calm.parents:
        for index, new in calm.successors(packed):
            if index in good:
                well.add(packed)
            elif index >= steps:
                before.setdefault(new, []).append(packed)
    return well, before


def _meant_for(calm: Exploration) -> int:
    """The roles, as bits, with which a run can at least begin well."""
    start, roles = calm.system.table.start, 0
    for index in _good(calm):
        if calm.system.steps[index].state == start:
            roles |= calm.taken[index]
    return roles


def judge(found: Exploration | None, calm: Exploration, *, thorough: bool = True) -> dict[str, str]:
    """Every property that is broken, with how in a few words; those that are open left out.

    Args:
        found: What was found in the whole world; None to judge by the calm one alone.
        calm: What was found in a world in which nothing fails and nobody interferes.
        thorough: Look at what takes longer (P14), and at P13, even if something is broken already.
    """
    seen = found or calm
    broken = dict.fromkeys(seen.broken, "")
    if said := ambiguous(seen.system.table):
        broken["P15"] = said
    if broken and not thorough:
        return broken
    if found and (said := without_witness(found)):
        broken["P14"] = said
    if (stuck := never_well(calm)) is not None:
        broken["P14"] = f"{calm.layout.read(stuck)[0]} can be entered where it can't go well"
    if way := circle(arrows_taken(seen)):
        broken["P13"] = f"a run may come round again: {' -> '.join(way)}"
    return broken

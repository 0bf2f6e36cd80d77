"""Leaving out what can't matter: values never taken, variables on which nothing depends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from attrs import evolve

from popheal.verify.environment import VARIABLES
from popheal.verify.model import Assign, Bad, Cond, Event, Note, Step, System

_VALUES = {one.name: one.values for one in VARIABLES}

#: The values that each variable can ever have.
_Possible = dict[str, tuple[str, ...]]


def values_of(cond: Cond, name: str) -> tuple[str, ...]:
    """The values that a condition allows a variable."""
    allowed = cond.get(name, _VALUES[name])
    return (allowed,) if isinstance(allowed, str) else allowed


def both(one: Cond, other: Cond) -> Cond | None:
    """The conjunction; None if it can never hold."""
    merged = dict(one)
    for name in other:
        allowed = tuple(v for v in values_of(one, name) if v in values_of(other, name))
        if not allowed:
            return None
        merged[name] = allowed
    return merged


def sliced(system: System) -> System:
    """The same system, without what has no influence on any step or property."""
    possible = _possible(system)
    steps = tuple(
        evolve(
            step,
            when=when,
            notes=tuple(
                Note(when=cond, then=note.then)
                for note in step.notes
                if (cond := _trimmed(note.when, possible)) is not None
            ),
            bad=_bads(step.bad, possible),
            ends_bad=_bads(step.ends_bad, possible),
        )
        for step in system.steps
        if (when := _trimmed(step.when, possible)) is not None
    )
    events = tuple(
        evolve(event, when=when)
        for event in system.events
        if (when := _trimmed(event.when, possible)) is not None
    )
    relevant = _relevant(steps, events)
    return evolve(
        system,
        variables=tuple(
            evolve(one, values=possible[one.name])
            for one in system.variables
            if one.name in relevant
        ),
        impossible=tuple(one for one in system.impossible if relevant.issuperset(one)),
        steps=tuple(
            evolve(
                step,
                then=_only(step.then, relevant),
                notes=tuple(
                    evolve(note, then=_only(note.then, relevant))
                    for note in step.notes
                    if not relevant.isdisjoint(note.then)
                ),
            )
            for step in steps
        ),
        events=tuple(
            evolve(one, then=_only(one.then, relevant))
            for one in events
            if not relevant.isdisjoint(one.then)
        ),
    )


def _writes(system: System) -> Iterator[tuple[Cond, Assign]]:
    for step in system.steps:
        yield step.when, step.then
        for note in step.notes:
            cond = both(step.when, note.when)
            if cond is not None:
                yield cond, note.then
    for event in system.events:
        yield event.when, event.then


def _possible(system: System) -> _Possible:
    """Every value that each variable can have, at most: guards are looked at one by one."""
    reached = {one.name: set(one.initial) for one in system.variables}
    writes = list(_writes(system))
    grown = True
    while grown:
        grown = False
        for when, then in writes:
            if not all(reached[name].intersection(values_of(when, name)) for name in when):
                continue
            for name, value in then.items():
                if value not in reached[name]:
                    reached[name].add(value)
                    grown = True
    return {
        one.name: tuple(value for value in one.values if value in reached[one.name])
        for one in system.variables
    }


def _trimmed(cond: Cond, possible: _Possible) -> dict[str, tuple[str, ...]] | None:
    """The condition, as far as it excludes anything that is possible; None if it never holds."""
    trimmed = {}
    for name in cond:
        allowed = tuple(value for value in possible[name] if value in values_of(cond, name))
        if not allowed:
            return None
        if allowed != possible[name]:
            trimmed[name] = allowed
    return trimmed


def _bads(given: tuple[Bad, ...], possible: _Possible) -> tuple[Bad, ...]:
    return tuple(
        evolve(one, when=cond)
        for one in given
        if (cond := _trimmed(one.when, possible)) is not None
    )


def _only(then: Mapping[str, str], relevant: set[str]) -> Assign:
    return {name: value for name, value in then.items() if name in relevant}


def _relevant(steps: tuple[Step, ...], events: tuple[Event, ...]) -> set[str]:
    """The variables on which anything depends: what is only written need not be explored."""
    need = {"role"}
    for step in steps:
        need.update(step.when)
        for bad in (*step.bad, *step.ends_bad):
            need.update(bad.when)
    writes = [(note.when, note.then) for step in steps for note in step.notes]
    writes += [(event.when, event.then) for event in events]
    grown = True
    while grown:
        grown = False
        for when, then in writes:
            if not need.isdisjoint(then) and not need.issuperset(when):
                need.update(when)
                grown = True
    return need

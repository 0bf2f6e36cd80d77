"""Breadth-first through everything that can happen to a table.

A situation is one integer: the control state in the lowest bits, then each variable in bits of
its own. A guard is a mask and a value, a change is a mask to keep and bits to set, so that a
step costs a few operations on integers, and a million of them a second or two.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final

from attrs import Factory, define, field, frozen

from popheal.verify.model import Assign, Bad, Cond, Event, Step, System
from popheal.verify.slice import values_of

_Test = tuple[int, int]
_Change = tuple[int, int]


@define
class Layout:
    """Where in the integer each variable is."""

    system: System
    places: dict[str, tuple[int, int]] = field(init=False, factory=dict)
    _bits: dict[str, dict[str, int]] = field(init=False, factory=dict)
    nodes: dict[str, int] = field(init=False)
    node_mask: int = field(init=False)

    def __attrs_post_init__(self) -> None:
        # One more than there are: where a run is stuck for want of a row.
        names = (*self.system.nodes, "")
        self.nodes = {name: at for at, name in enumerate(names)}
        shift = len(names).bit_length()
        self.node_mask = (1 << shift) - 1
        for one in self.system.variables:
            width = max(1, (len(one.values) - 1).bit_length())
            self.places[one.name] = (shift, ((1 << width) - 1) << shift)
            self._bits[one.name] = {value: at << shift for at, value in enumerate(one.values)}
            shift += width

    def bits(self, name: str, value: str) -> int:
        """The bits of a value, in place."""
        return self._bits[name][value]

    def tests(self, cond: Cond) -> list[_Test]:
        """A condition as alternatives of (mask, value); values never taken are left out."""
        mask = 0
        for name in cond:
            mask |= self.places[name][1]
        known = self._bits
        alternatives = itertools.product(
            *(
                [known[name][value] for value in values_of(cond, name) if value in known[name]]
                for name in cond
            )
        )
        return [(mask, sum(values)) for values in alternatives]

    def change(self, then: Assign) -> _Change:
        """An assignment as (mask to keep, bits to set)."""
        keep, bits = -1, 0
        for name, value in then.items():
            keep &= ~self.places[name][1]
            bits |= self.bits(name, value)
        return keep, bits

    def read(self, packed: int) -> tuple[str, dict[str, str]]:
        """A situation in words: the control state and every variable."""
        names = (*self.system.nodes, "")
        return names[packed & self.node_mask], {
            one.name: one.values[(packed & self.places[one.name][1]) >> self.places[one.name][0]]
            for one in self.system.variables
        }

    def starts(self) -> list[int]:
        """Every situation in which a run may start."""
        variables = self.system.variables
        start = self.nodes[self.system.table.start]
        forbidden = [test for cond in self.system.impossible for test in self.tests(cond)]
        packed = [
            start + sum(self.bits(one.name, v) for one, v in zip(variables, values, strict=True))
            for values in itertools.product(*(one.initial for one in variables))
        ]
        return [one for one in packed if not any(one & mask == value for mask, value in forbidden)]


@frozen
class Command:
    """A step or an event, ready to be carried out many times."""

    index: int
    keep: int
    bits: int
    notes: tuple[tuple[int, int, int, int], ...] = ()
    bad: tuple[tuple[int, int, str], ...] = ()
    ends_bad: tuple[tuple[int, int, str], ...] = ()


#: Where a situation came from, and by which command, is kept as one integer, too: no objects,
#: no work for the garbage collector. The index takes the lowest bits; a start has none.
_INDEX_BITS: Final = 12
_START: Final = -1


@define(kw_only=True)
class Exploration:
    """Everything that was found.

    Attributes:
        system: What was explored.
        layout: How its situations are written as integers.
        parents: Every situation reached, and from where first (see :meth:`way_to`).
        edges: How many steps and events were taken between them.
        depth: The length of the longest of the shortest ways.
        broken: The first step found to break each property: where, and by which command.
        taken: For each step, the roles (as bits) with which it was taken.
    """

    system: System
    layout: Layout
    commands: dict[int, list[tuple[int, int, Command]]]
    parents: dict[int, int] = Factory(dict)
    edges: int = 0
    depth: int = 0
    broken: dict[str, tuple[int, int]] = Factory(dict)
    taken: dict[int, int] = Factory(dict)

    def command(self, index: int) -> Step | Event:
        """The step or event of an index."""
        steps = self.system.steps
        return steps[index] if index < len(steps) else self.system.events[index - len(steps)]

    def way_to(self, packed: int) -> list[tuple[int, int]]:
        """The shortest way: each situation with the command that leads on from it."""
        way: list[tuple[int, int]] = []
        while (came := self.parents[packed]) != _START:
            packed = came >> _INDEX_BITS
            way.append((packed, came & ((1 << _INDEX_BITS) - 1)))
        return way[::-1]

    def after(self, packed: int, index: int) -> int:
        """The situation that a command leads to."""
        return next(new for at, new in self.successors(packed) if at == index)

    def successors(self, packed: int) -> Iterator[tuple[int, int]]:
        """Every command possible in a situation, with where it leads."""
        for mask, value, one in self.commands.get(packed & self.layout.node_mask, ()):
            if packed & mask == value:
                yield one.index, _after(packed, one)


def _after(packed: int, one: Command) -> int:
    new = packed & one.keep | one.bits
    for mask, value, keep, bits in one.notes:
        if packed & mask == value:
            new = new & keep | bits
    return new


def _commands(system: System, layout: Layout) -> dict[int, list[tuple[int, int, Command]]]:
    """For each control state: guard mask, guard value, and what to do."""

    def bads(given: tuple[Bad, ...]) -> tuple[tuple[int, int, str], ...]:
        return tuple((*test, one.property) for one in given for test in layout.tests(one.when))

    by_node: dict[int, list[tuple[int, int, Command]]] = {
        layout.nodes[one.name]: [] for one in system.table.states
    }
    for index, step in enumerate(system.steps):
        keep, bits = layout.change(step.then)
        command = Command(
            index,
            keep & ~layout.node_mask,
            bits | layout.nodes[step.target],
            tuple(
                (*test, *layout.change(note.then))
                for note in step.notes
                for test in layout.tests(note.when)
            ),
            bads(step.bad),
            bads(step.ends_bad),
        )
        place = by_node[layout.nodes[step.state]]
        place.extend((*test, command) for test in layout.tests(step.when))
    for index, event in enumerate(system.events, start=len(system.steps)):
        command = Command(index, *layout.change(event.then))
        for place in by_node.values():
            place.extend((*test, command) for test in layout.tests(event.when))
    return by_node


def explore(  # noqa: C901, PLR0912 - one loop, in place: it runs a million times
    system: System, *, until_broken: bool = False
) -> Exploration:
    """Visit every situation that can be reached.

    Args:
        system: What to explore.
        until_broken: Stop after the first property found broken.
    """
    layout = Layout(system)
    commands = _commands(system, layout)
    found = Exploration(system=system, layout=layout, commands=commands)
    parents, broken, taken = found.parents, found.broken, found.taken
    taken.update(dict.fromkeys(range(len(system.steps)), 0))
    node_mask = layout.node_mask
    shift, mask_of_role = layout.places["role"]
    ready = {
        node: [
            (guard, value, one.keep, one.bits, one.index, one if one.index in taken else None)
            for guard, value, one in ways
        ]
        for node, ways in commands.items()
    }
    frontier, edges = layout.starts(), 0
    parents.update(dict.fromkeys(frontier, _START))
    while frontier and not (until_broken and broken):
        reached: list[int] = []
        for packed in frontier:
            for guard, value, keep, bits, index, step in ready.get(packed & node_mask, ()):
                if packed & guard != value:
                    continue
                edges += 1
                new = packed & keep | bits
                if step is not None:
                    taken[index] |= 1 << ((packed & mask_of_role) >> shift)
                    for mask, wanted, kept, noted in step.notes:
                        if packed & mask == wanted:
                            new = new & kept | noted
                    for mask, wanted, name in step.bad:
                        if packed & mask == wanted and name not in broken:
                            broken[name] = (packed, index)
                    for mask, wanted, name in step.ends_bad:
                        if new & mask == wanted and name not in broken:
                            broken[name] = (packed, index)
                if new not in parents:
                    parents[new] = packed << _INDEX_BITS | index
                    reached.append(new)
        if reached:
            found.depth += 1
        frontier = reached
    found.edges = edges
    return found

"""Every move that a table allows, and where it leads: what others make of it must agree."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

from attrs import evolve, frozen

from popheal.diagrams.graph import ANYWHERE
from popheal.healthsets.pop import PROCEDURES, SETTLE_DEBTS
from popheal.tables.table import CANCEL, Guard, Procedure
from tests.diagrams.test_diagrams import ODD

#: All that are shipped, and one whose names mean something to the formats.
TABLES = {
    **PROCEDURES,
    SETTLE_DEBTS.name: SETTLE_DEBTS,
    "odd": evolve(ODD, name="odd"),
}


@frozen
class Move:
    """From a state, with some guards held, by an outcome, to where the table says."""

    table: str
    state: str
    held: tuple[Guard, ...]
    outcome: str
    target: str

    @property
    def asked(self):
        """As JSON, for others, without the answer."""
        return [self.table, self.state, [one.value for one in self.held], self.outcome]


def guards_of(table: Procedure) -> list[Guard]:
    """The guards that decide anything in it."""
    rows = [*table.on_cancel, *(row for one in table.states for row in one.transitions)]
    return [guard for guard in Guard if any(guard in (row.given, row.unless) for row in rows)]


def moves_of(name: str) -> Iterator[Move]:
    """Each set of guards that can hold, each state, each outcome of its action, and a stop."""
    table = TABLES[name]
    guards = guards_of(table)
    for count in range(len(guards) + 1):
        for held in combinations(guards, count):
            for state in table.by_name:
                for outcome in (*table.expected(state), CANCEL):
                    row = table.next(state, outcome, frozenset(held))
                    yield Move(name, state, held, str(outcome), row.target)


def walk(edges, move):
    """Where a picture's arrows, each (from, to, label), lead: everywhere that a label allows."""
    labels = {move.outcome}
    for guard in Guard:
        no = "" if guard in move.held else "not "
        labels.add(f"{move.outcome} [{no}{guard.value}]")
    source = ANYWHERE if move.outcome == CANCEL else move.state
    return [target for begin, target, label in edges if begin == source and label in labels]

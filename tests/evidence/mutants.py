"""Tables with one mistake each, to see whether anything notices (see :mod:`.killing`)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from attrs import evolve, field, frozen

from popheal.errors import DefinitionError
from popheal.tables.actions import DRAIN, REBOOT, Action, Impact
from popheal.tables.table import Procedure, State, Transition, Verdict
from popheal.verify.model import Tabular
from tests.evidence.literal_actions import LITERAL_RESTART, UNASKED


@frozen(kw_only=True)
class Table:
    """A table that need not keep any law."""

    name: str
    start: str
    states: tuple[State, ...]
    endings: Mapping[str, Verdict]
    on_cancel: tuple[Transition, ...]

    @classmethod
    def of(cls, procedure: Tabular) -> Table:
        """The table of a procedure."""
        return cls(
            name=procedure.name,
            start=procedure.start,
            states=procedure.states,
            endings=procedure.endings,
            on_cancel=procedure.on_cancel,
        )

    @property
    def behaviour(self) -> object:
        """Equal exactly if two tables act the same: citations and order don't count."""
        return (
            self.start,
            frozenset(
                (one.name, one.action, frozenset(map(_acts, one.transitions)))
                for one in self.states
            ),
            frozenset(map(_acts, self.on_cancel)),
        )

    def lawful(self) -> bool:
        """Whether it could be built as a procedure."""
        try:
            Procedure(
                name=self.name,
                start=self.start,
                states=self.states,
                endings=self.endings,
                on_cancel=self.on_cancel,
            )
        except DefinitionError:
            return False
        return True


def _acts(row: Transition) -> tuple[object, ...]:
    return row.outcome, row.target, row.given, row.unless


@frozen(kw_only=True)
class Mutant:
    """A table with one mistake.

    Attributes:
        kind: What sort of mistake.
        said: Which one, in words.
        kills: What notices: ``law``, or ids of properties; empty if nothing does.
    """

    procedure: str
    kind: str
    said: str
    table: Table = field(repr=False)
    kills: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The mutant in one line."""
        return f"{self.procedure}: {self.kind}: {self.said}"


# --- making them ---------------------------------------------------------------------------------


def mutants_of(procedure: Procedure) -> Iterator[Mutant]:
    """Every mutant of a procedure; tables that act the same only once."""
    original = Table.of(procedure)
    seen = {original.behaviour}
    for make in _MAKERS:
        for said, table in make(original):
            if table.behaviour not in seen:
                seen.add(table.behaviour)
                kind = make.__name__.strip("_").replace("_", " ")
                yield Mutant(procedure=procedure.name, kind=kind, said=said, table=table)


_Made = Iterator[tuple[str, Table]]


def _with_rows(table: Table, at: State, rows: Iterable[Transition]) -> Table:
    return _with_state(table, at, evolve(at, transitions=tuple(rows)))


def _with_state(table: Table, old: State, new: State) -> Table:
    return evolve(table, states=tuple(new if one is old else one for one in table.states))


def _without(rows: tuple[Transition, ...], row: Transition) -> list[Transition]:
    return [one for one in rows if one is not row]


def _instead(
    rows: tuple[Transition, ...], row: Transition, new: Transition
) -> tuple[Transition, ...]:
    return tuple(new if one is row else one for one in rows)


def _row_dropped(table: Table) -> _Made:
    for one in table.states:
        for row in one.transitions:
            yield f"{one.name} {row.label}", _with_rows(table, one, _without(one.transitions, row))
    for row in table.on_cancel:
        yield row.label, evolve(table, on_cancel=tuple(_without(table.on_cancel, row)))


def _row_added(table: Table) -> _Made:
    for one in table.states:
        for row in one.transitions:
            target = table.start if row.target != table.start else next(iter(table.endings))
            twin = evolve(row, target=target)
            yield f"{one.name} {row.label}", _with_rows(table, one, (*one.transitions, twin))


def _row_retargeted(table: Table) -> _Made:
    targets = (*(one.name for one in table.states), *table.endings)
    for one in table.states:
        for row in one.transitions:
            for target in targets:
                new = _instead(one.transitions, row, evolve(row, target=target))
                yield f"{one.name} {row.label} to {target}", _with_rows(table, one, new)
    for row in table.on_cancel:
        for target in targets:
            rows = _instead(table.on_cancel, row, evolve(row, target=target))
            yield f"{row.label} to {target}", evolve(table, on_cancel=rows)


def _outcomes_swapped(table: Table) -> _Made:
    for one in table.states:
        outcomes = list(dict.fromkeys(row.outcome for row in one.transitions))
        for at, first in enumerate(outcomes):
            for second in outcomes[at + 1 :]:
                swap = {first: second, second: first}
                rows = [
                    evolve(row, outcome=swap.get(row.outcome, row.outcome))
                    for row in one.transitions
                ]
                yield f"{one.name} {first} and {second}", _with_rows(table, one, rows)


def _guard_negated(table: Table) -> _Made:
    for one in table.states:
        for outcome in {row.outcome for row in one.transitions if row.given}:
            rows = [
                evolve(row, given=row.unless, unless=row.given) if row.outcome == outcome else row
                for row in one.transitions
            ]
            yield f"{one.name} {outcome}", _with_rows(table, one, rows)
    if any(row.given for row in table.on_cancel):
        rows = [evolve(row, given=row.unless, unless=row.given) for row in table.on_cancel]
        yield "cancel", evolve(table, on_cancel=tuple(rows))


def _guard_dropped(table: Table) -> _Made:
    for one in table.states:
        for row in one.transitions:
            if row.given or row.unless:
                rows = [
                    other
                    for other in one.transitions
                    if other.outcome != row.outcome or other is row
                ]
                new = _instead(tuple(rows), row, evolve(row, given=None, unless=None))
                yield f"{one.name}, always {row.label}", _with_rows(table, one, new)
    for row in table.on_cancel:
        if row.given or row.unless:
            yield (
                f"always {row.label}",
                evolve(table, on_cancel=(evolve(row, given=None, unless=None),)),
            )


def _state_skipped(table: Table) -> _Made:
    for one in table.states:
        for target in dict.fromkeys(row.target for row in one.transitions):
            if target == one.name:
                continue
            states = tuple(
                evolve(
                    other,
                    transitions=tuple(
                        evolve(row, target=target) if row.target == one.name else row
                        for row in other.transitions
                    ),
                )
                for other in table.states
                if other is not one
            )
            start = target if table.start == one.name else table.start
            cancel = tuple(
                evolve(row, target=target) if row.target == one.name else row
                for row in table.on_cancel
            )
            if start not in table.endings:
                yield (
                    f"{one.name}, straight to {target}",
                    evolve(table, states=states, start=start, on_cancel=cancel),
                )


def _start_moved(table: Table) -> _Made:
    for one in table.states:
        yield one.name, evolve(table, start=one.name)


def _action_changed(table: Table) -> _Made:
    for one in table.states:
        for said, action in _wrong(one.action):
            yield f"{one.name}: {said}", _with_state(table, one, evolve(one, action=action))


def _wrong(action: Action) -> Iterator[tuple[str, Action]]:
    if action.incurs:
        yield "no debt noted", evolve(action, incurs=None)
    if action.pays:
        yield "debt not settled", evolve(action, pays=None)
    if not action.impact.harmless:
        yield "impact understated", evolve(action, impact=Impact.LOOK)
    if action.impact is Impact.DISRUPT:
        yield "impact a little understated", evolve(action, impact=Impact.CHANGE)
    if action.name == DRAIN.name:
        yield "without asking what holds", evolve(action, name=UNASKED)
    if action.name == REBOOT.name:
        yield (
            "without its last look",
            evolve(action, name=LITERAL_RESTART, sentence="Restart the server"),
        )


_MAKERS = (
    _row_dropped,
    _row_added,
    _row_retargeted,
    _outcomes_swapped,
    _guard_negated,
    _guard_dropped,
    _state_skipped,
    _start_moved,
    _action_changed,
)

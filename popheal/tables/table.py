"""What a procedure is: a frozen table, and the laws that every table must keep.

A table is data. It has states; each state performs one action; each outcome of that action
leads to one next state. Nothing here runs anything: :mod:`popheal.engine.run` moves through a
table, :mod:`popheal.engine.actions` carries actions out, and everything that checks, draws or
explains a procedure reads the same table.

A few transitions depend on what a run knows (has the server the Mailbox role? did this run
drain it?). Such a transition names a :class:`Guard`, and there is always exactly one for the
guard and one for its opposite, so a table leaves nothing open.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from functools import cached_property
from types import MappingProxyType
from typing import Final

from attrs import define, evolve, field, frozen

from popheal.errors import DefinitionError
from popheal.tables.actions import Action, Impact
from popheal.tables.citations import Citation, Section
from popheal.tables.debts import DebtKind
from popheal.tables.parts import Part, not_divided
from popheal.tables.reachability import circle, reached_from, turned_round


class Verdict(Enum):
    """How a run, or a whole healing, ended."""

    NOTHING_WRONG = "nothing_wrong"
    TRANSIENT = "transient"
    RECOVERED = "recovered"
    ESCALATED = "escalated"
    HELD = "held"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"

    @property
    def exit_status(self) -> int:
        """The exit status of a command that ends so."""
        return _ENDS[self][0]

    @property
    def meaning(self) -> str:
        """What it means, for people."""
        return _ENDS[self][1]

    @property
    def good(self) -> bool:
        """Whether all is well, so that nobody is needed."""
        return self.exit_status == 0

    @property
    def for_a_person(self) -> bool:
        """Whether the matter is a person's now, so that nothing more is tried."""
        return self.exit_status == 1


_ENDS: Final = {
    Verdict.NOTHING_WRONG: (0, "nothing to do"),
    Verdict.TRANSIENT: (0, "the fault has gone by itself"),
    Verdict.RECOVERED: (0, "healed"),
    Verdict.ESCALATED: (1, "a person is needed"),
    Verdict.HELD: (3, "popheal holds itself back"),
    Verdict.UNKNOWN: (4, "could not tell"),
    Verdict.CANCELLED: (1, "stopped by a person"),
}


class Guard(Enum):
    """What a transition may depend on besides the outcome. Always known to a run, never asked."""

    MAILBOX_ROLE = "mailbox_role"  #: The server has the Mailbox role, so it may host databases.
    DRAINED = "drained"  #: This run disabled activation on the server and still owes it.
    LOGGING = "logging"  #: This run turned protocol logging on and still owes it.
    ACTIVATED = "activated"  #: This run made PopProxy active and still owes it.


#: Which owed debt makes which guard true.
GUARD_OF_DEBT: Final = MappingProxyType(
    {
        DebtKind.ACTIVATION_DISABLED: Guard.DRAINED,
        DebtKind.PROTOCOL_LOGGING: Guard.LOGGING,
        DebtKind.COMPONENT_ACTIVATED: Guard.ACTIVATED,
    }
)


@frozen(kw_only=True)
class Transition:
    """One row of a table: on this outcome (and guard), go there, because.

    Attributes:
        outcome: What the state's action came to.
        target: The next state, or an ending.
        why: The runbook sentence, or our reason.
        given: Taken only if this guard holds.
        unless: Taken only if this guard does not hold.
    """

    outcome: str
    target: str
    why: Citation
    given: Guard | None = None
    unless: Guard | None = None

    @property
    def label(self) -> str:
        """The outcome with its guard, for people: ``failed [drained]``."""
        if self.given:
            return f"{self.outcome} [{self.given.value}]"
        if self.unless:
            return f"{self.outcome} [not {self.unless.value}]"
        return self.outcome

    def holds(self, facts: frozenset[Guard]) -> bool:
        """Whether the guard allows it for a run of which these guards are true."""
        return (self.given is None or self.given in facts) and self.unless not in facts


@frozen(kw_only=True)
class State:
    """A state: what it does, which sentence of the runbook that is, and where it leads."""

    name: str
    action: Action
    cites: Citation
    transitions: tuple[Transition, ...]

    def next(self, outcome: str, facts: frozenset[Guard]) -> Transition | None:
        """The transition for this outcome and these guards; None if the outcome is impossible."""
        for transition in self.transitions:
            if transition.outcome == outcome and transition.holds(facts):
                return transition
        return None


#: The outcome by which a person's "stop" enters a table; possible in every state.
CANCEL = "cancel"


# --- writing tables ------------------------------------------------------------------------------


@frozen
class _Otherwise:
    target: str
    why: Citation


def on(
    outcome: str,
    target: str,
    why: Citation,
    *,
    given: Guard | None = None,
    unless: Guard | None = None,
) -> Transition:
    """One row: on ``outcome``, go to ``target``."""
    return Transition(outcome=outcome, target=target, why=why, given=given, unless=unless)


def otherwise(target: str, why: Citation) -> _Otherwise:
    """A row for every outcome of the action that no other row of the state names."""
    return _Otherwise(target, why)


def state(name: str, action: Action, cites: Citation, *rows: Transition | _Otherwise) -> State:
    """A state and its rows."""
    named = {row.outcome for row in rows if isinstance(row, Transition)}
    transitions: list[Transition] = []
    for row in rows:
        if isinstance(row, Transition):
            transitions.append(row)
        else:
            transitions += [
                on(outcome, row.target, row.why)
                for outcome in action.outcomes
                if outcome not in named
            ]
    return State(name=name, action=action, cites=cites, transitions=tuple(transitions))


# --- a procedure ---------------------------------------------------------------------------------


def arrows_of(states: Iterable[State]) -> dict[str, tuple[str, ...]]:
    """Which states and endings each state leads to; a cancel left out."""
    return {one.name: tuple(dict.fromkeys(row.target for row in one.transitions)) for one in states}


def _by_name(states: Iterable[State]) -> Mapping[str, State]:
    return MappingProxyType({one.name: one for one in states})


def _frozen(endings: Mapping[str, Verdict]) -> Mapping[str, Verdict]:
    return MappingProxyType(dict(endings))


@define(frozen=True, kw_only=True, eq=False, slots=False)
class Procedure:
    """A recovery procedure: a table that keeps the laws (else :class:`DefinitionError`).

    Attributes:
        name: ``mailbox``, ``client_access``, ``proxy``, ``command_time``, or a user's own.
        section: The section of the runbook it implements; None for a user's own.
        monitors: The monitors whose alerts it answers.
        start: The first state.
        states: All states, in reading order.
        endings: Name of each ending and its verdict.
        on_cancel: Where a person's "stop" leads, from any state.
        parts: How it is divided for readers, if it is long.
    """

    name: str
    section: Section | None = None
    monitors: tuple[str, ...] = ()
    start: str
    states: tuple[State, ...] = field(repr=False)
    endings: Mapping[str, Verdict] = field(converter=_frozen, repr=False)
    on_cancel: tuple[Transition, ...] = field(repr=False)
    parts: tuple[Part, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        return self.name

    def __attrs_post_init__(self) -> None:
        check_laws(self)

    @cached_property
    def by_name(self) -> Mapping[str, State]:
        """The states by their names."""
        return _by_name(self.states)

    @cached_property
    def hash(self) -> str:
        """Identifies the table's behaviour: equal exactly if it acts the same.

        Citations, wording and parts don't count, the order of states doesn't either.
        """
        import hashlib
        import json

        rows = sorted(
            [one.name, str(one.action), one.action.impact.value, *_row(transition)]
            for one in self.states
            for transition in one.transitions
        )
        rows += [["", CANCEL, "", *_row(transition)] for transition in self.on_cancel]
        endings = sorted((name, verdict.value) for name, verdict in self.endings.items())
        table = json.dumps([self.start, rows, endings])
        return hashlib.sha256(table.encode()).hexdigest()[:16]

    def next(self, current: str, outcome: str, facts: frozenset[Guard]) -> Transition | None:
        """The row taken from ``current`` on ``outcome``; None where that is impossible."""
        if current in self.endings:
            return None
        if outcome == CANCEL:
            return next((row for row in self.on_cancel if row.holds(facts)), None)
        return self.by_name[current].next(outcome, facts)

    def expected(self, current: str) -> tuple[str, ...]:
        """The outcomes possible in a state; none at an ending."""
        return () if current in self.endings else self.by_name[current].action.outcomes

    def with_states(self, *changed: State) -> Procedure:
        """A copy in which the named states are replaced; the laws are checked again."""
        new = _by_name(changed)
        return evolve(self, states=tuple(new.get(one.name, one) for one in self.states))


def _row(transition: Transition) -> list[str]:
    return [
        transition.outcome,
        transition.given.value if transition.given else "",
        transition.unless.value if transition.unless else "",
        transition.target,
    ]


# --- the laws ------------------------------------------------------------------------------------
# Each yields (state, what is broken). In order: a later law may rely on the earlier ones.

_Broken = Iterator[tuple[str | None, str]]


def _names_are_unique_and_known(table: Procedure) -> _Broken:
    names = [one.name for one in table.states]
    for name in names:
        if names.count(name) > 1 or name in table.endings:
            yield name, "two states (or a state and an ending) have this name"
    known = {*names, *table.endings}
    if table.start not in names:
        yield None, f"it starts in '{table.start}', which is not a state"
    for one in table.states:
        for row in one.transitions:
            if row.target not in known:
                yield one.name, f"'{row.label}' leads to '{row.target}', which does not exist"
    for row in table.on_cancel:
        if row.outcome != CANCEL or row.target not in known:
            yield None, f"its cancel row '{row.label}' to '{row.target}' is not valid"


def _exactly_one_row_for_each_outcome(table: Procedure) -> _Broken:
    for one in table.states:
        for row in one.transitions:
            if row.outcome not in one.action.outcomes:
                yield one.name, f"'{one.action}' can't have the outcome '{row.outcome}'"
        for outcome in one.action.outcomes:
            rows = [row for row in one.transitions if row.outcome == outcome]
            if problem := _not_exactly_one(rows):
                yield one.name, f"outcome '{outcome}' {problem}"
    if problem := _not_exactly_one(list(table.on_cancel)):
        yield None, f"cancel {problem}"


def _not_exactly_one(rows: list[Transition]) -> str | None:
    """Why these rows of one outcome are not one row in every situation."""
    if not rows:
        return "leads nowhere"
    if len(rows) == 1 and not rows[0].given and not rows[0].unless:
        return None
    givens = [row.given for row in rows if row.given]
    opposites = [row.unless for row in rows if row.unless]
    if len(rows) == 2 and len(givens) == 1 and givens == opposites:  # noqa: PLR2004
        return None
    return "must have one row, or one for a guard and one for its opposite"


def _every_state_is_reached_and_ends(table: Procedure) -> _Broken:
    arrows = arrows_of(table.states)
    reached = reached_from({table.start, *(row.target for row in table.on_cancel)}, arrows)
    ends = reached_from(table.endings, turned_round(arrows))
    for name in arrows:
        if name not in reached:
            yield name, "is never reached"
        if name not in ends:
            yield name, "has no way to an ending"


def no_state_comes_round_again(table: Procedure) -> _Broken:
    """Else a run might not end. Public, as tests look at tables that break nothing but this."""
    if way := circle(arrows_of(table.states)):
        instead = "look again inside an action instead, which gives up in time"
        why = f"a run must end within a bound that can be computed: {instead}"
        yield way[0], f"comes round again ({' -> '.join(way)}); {why}"


def _no_outcome_leads_too_far(table: Procedure) -> _Broken:
    for one in table.states:
        for outcome in one.action.outcomes:
            said = "could not tell" if outcome.unknown else outcome
            does = "changes things" if outcome.furthest.harmless else "disrupts service"
            for row in one.transitions:
                target = table.by_name.get(row.target)
                if row.outcome != outcome or target is None:
                    continue
                if target.action.impact.goes_beyond(outcome.furthest):
                    yield one.name, f"'{said}' leads to '{target.name}', which {does}"


def _after_cancel_only_restoring(table: Procedure) -> _Broken:
    after = reached_from([row.target for row in table.on_cancel], arrows_of(table.states))
    for name in after - set(table.endings):
        if table.by_name[name].action.impact is not Impact.RESTORE:
            yield name, "can be entered after a cancel, but is not a restoring action"


def _each_state_is_in_one_part(table: Procedure) -> _Broken:
    return not_divided(table.parts, (one.name for one in table.states))


LAWS: Final = (
    _names_are_unique_and_known,
    _exactly_one_row_for_each_outcome,
    _every_state_is_reached_and_ends,
    no_state_comes_round_again,
    _no_outcome_leads_too_far,
    _after_cancel_only_restoring,
    _each_state_is_in_one_part,
)


def check_laws(table: Procedure, laws: Iterable[Callable[[Procedure], _Broken]] = LAWS) -> None:
    """See that a table keeps the laws. Raises DefinitionError for the first that it breaks."""
    for law in laws:
        for at, broken in law(table):
            raise DefinitionError(procedure=table.name, state=at, law=broken)

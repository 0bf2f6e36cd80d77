"""From a table to the system that is explored: its steps, and the part of the world it needs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping

from attrs import evolve

from popheal.errors import UnknownName
from popheal.tables.actions import Action, Impact
from popheal.tables.debts import DebtKind
from popheal.tables.outcomes import DONE, REFUSED
from popheal.tables.table import Guard, State, Transition
from popheal.verify.checks import outlook_of
from popheal.verify.environment import EVENTS, IMPOSSIBLE, NO, VARIABLES, YES
from popheal.verify.history_variables import notes
from popheal.verify.model import Answer, Bad, Cond, Contract, Outlook, Step, System, Tabular
from popheal.verify.properties import PROPERTIES
from popheal.verify.slice import both, sliced, values_of

#: Whether a run can only hand over, not pay, a debt of which it does not know whether its command
#: was carried out. As the engine has it.
UNCLEAR_DEBTS_STAY = True

_DEBT_VARIABLE = {
    DebtKind.ACTIVATION_DISABLED: "owes_activation",
    DebtKind.PROTOCOL_LOGGING: "owes_logging",
    DebtKind.COMPONENT_ACTIVATED: "owes_component",
}
_GUARDS: Mapping[Guard, tuple[str, tuple[str, ...], tuple[str, ...]]] = {
    Guard.MAILBOX_ROLE: ("role", ("mailbox",), ("no_mailbox",)),
    Guard.DRAINED: ("owes_activation", (YES, "unclear"), (NO,)),
    Guard.LOGGING: ("owes_logging", (YES, "unclear"), (NO,)),
    Guard.ACTIVATED: ("owes_component", (YES, "unclear"), (NO,)),
}
_POLICIES = {
    Impact.CHANGE: ("change_only", "no_reboot", "one_reboot"),
    Impact.DISRUPT: ("no_reboot", "one_reboot"),
}


def build(
    table: Tabular,
    contracts: Mapping[str, Contract],
    *,
    calm: bool = False,
    without: Collection[str] = (),
    given: Cond | None = None,
    unclear_debts_stay: bool | None = None,
) -> System:
    """The system of a table.

    Args:
        table: What is to be examined.
        contracts: What is assumed of each action, by name.
        calm: Leave out what happens only if something fails or somebody interferes.
        without: Names of events that do not happen.
        given: What the world is like when a run starts.
        unclear_debts_stay: Assume that a debt of which the run does not know whether it was
            incurred can't be paid, only handed over; by default, what the engine does.

    Raises:
        UnknownName: If a state's action, or one of its outcomes, has no contract.
    """
    outlook = outlook_of(table)
    steps = tuple(
        _checked(table, outlook, one)
        for one in _steps(
            table,
            contracts,
            UNCLEAR_DEBTS_STAY if unclear_debts_stay is None else unclear_debts_stay,
        )
        if one.calm or not calm
    )
    return sliced(
        System(
            table=table,
            variables=tuple(
                evolve(
                    one, initial=tuple(v for v in one.initial if v in values_of(given, one.name))
                )
                if given
                else one
                for one in VARIABLES
            ),
            impossible=IMPOSSIBLE,
            steps=steps,
            events=tuple(
                one for one in EVENTS if (one.calm or not calm) and one.name not in without
            ),
        )
    )


# --- steps ---------------------------------------------------------------------------------------


def _steps(
    table: Tabular, contracts: Mapping[str, Contract], unclear_debts_stay: bool
) -> Iterator[Step]:
    for one in table.states:
        contract = contract_of(one.action, contracts)
        for answer in contract.answers:
            if answer.outcome not in one.action.outcomes:
                continue
            when = _allowed(one.action, answer)
            if when is None:
                continue
            then = {**answer.then, **_debts(one.action, answer)}
            found = tuple(notes(one.action, contract, answer))
            rows = [row for row in one.transitions if row.outcome == answer.outcome]
            for row, guarded in _rows(rows, one.action, answer, when):
                for cond, changed in _paid(one.action, answer, guarded, then, unclear_debts_stay):
                    yield Step(
                        state=one.name,
                        action=one.action,
                        contract=contract,
                        answer=answer,
                        row=row,
                        when=cond,
                        then=changed,
                        notes=found,
                    )
        yield from _cancels(table, one)


def contract_of(action: Action, contracts: Mapping[str, Contract]) -> Contract:
    """The contract of an action. Raises UnknownName."""
    contract = contracts.get(str(action)) or contracts.get(action.name)
    if contract is None:
        raise UnknownName(kind="action with a contract", name=action.name, known=contracts)
    known = {answer.outcome for answer in contract.answers}
    for outcome in action.outcomes:
        if outcome not in known:
            raise UnknownName(kind=f"outcome of '{action}'", name=outcome, known=sorted(known))
    return contract


def _allowed(action: Action, answer: Answer) -> Cond | None:
    """Not after a stop; and refused unseen if the impact, as declared, is not allowed."""
    allowed: dict[str, tuple[str, ...]] = {"stop": (NO, "heeded")}
    if answer.outcome != REFUSED and action.impact in _POLICIES:
        allowed["policy"] = _POLICIES[action.impact]
    return both(answer.when, allowed)


def _debts(action: Action, answer: Answer) -> dict[str, str]:
    """The debt incurred by an answer: the run keeps it unless the effect was refused."""
    if action.incurs not in _DEBT_VARIABLE or not answer.owes:
        return {}
    return {_DEBT_VARIABLE[action.incurs]: YES if answer.outcome == DONE else "unclear"}


def _paid(
    action: Action, answer: Answer, when: Cond, then: Mapping[str, str], unclear_debts_stay: bool
) -> Iterator[tuple[Cond, Mapping[str, str]]]:
    """Split a step by whether it settles a debt."""
    if action.pays not in _DEBT_VARIABLE or answer.outcome != DONE:
        yield when, then
        return
    name = _DEBT_VARIABLE[action.pays]
    if not unclear_debts_stay:
        yield when, {**then, name: NO}
        return
    for values, changed in (((NO, YES), {**then, name: NO}), (("unclear",), then)):
        cond = both(when, {name: values})
        if cond is not None:
            yield cond, changed


def _rows(
    rows: list[Transition], action: Action, answer: Answer, when: Cond
) -> Iterator[tuple[Transition | None, Cond]]:
    """Every row that can be taken on an answer, and when; without one, when none can be."""
    for row in rows:
        cond = _guarded(row, action, answer, when)
        if cond is not None:
            yield row, cond
    left: list[Cond] = [when]
    for row in rows:
        left = [rest for cond in left for rest in _not_guarded(row, action, answer, cond)]
    for cond in left:
        yield None, cond


def _guarded(
    row: Transition, action: Action | None, answer: Answer | None, when: Cond
) -> Cond | None:
    cond: Cond | None = when
    for guard, wanted in ((row.given, True), (row.unless, False)):
        if guard and cond is not None:
            cond = _if(guard, wanted, action, answer, cond)
    return cond


def _not_guarded(row: Transition, action: Action, answer: Answer, when: Cond) -> list[Cond]:
    ways = []
    for guard, wanted in ((row.given, True), (row.unless, False)):
        if guard:
            cond = _if(guard, not wanted, action, answer, when)
            if cond is not None:
                ways.append(cond)
    return ways


def _if(
    guard: Guard, wanted: bool, action: Action | None, answer: Answer | None, when: Cond
) -> Cond | None:
    name, true, false = _GUARDS[guard]
    # A debt is noted before its command is sent, so the present step's own counts already.
    owes = action.incurs if action and answer and answer.owes else None
    if owes and _DEBT_VARIABLE.get(owes) == name:
        return when if wanted else None
    return both(when, {name: true if wanted else false})


def _cancels(table: Tabular, one: State) -> Iterator[Step]:
    for row in table.on_cancel:
        when = _guarded(row, None, None, {"stop": "asked"})
        if when is not None:
            yield Step(
                state=one.name,
                action=None,
                contract=None,
                answer=None,
                row=row,
                when=when,
                then={"stop": "heeded"},
            )


# --- properties ----------------------------------------------------------------------------------


def _checked(table: Tabular, outlook: Outlook, step: Step) -> Step:
    """The step with every situation in which it breaks a property."""
    verdict = table.endings.get(step.target)
    bad = [
        Bad(property=one.id, when=cond)
        for one in PROPERTIES
        if one.on_step
        for cond in one.on_step(outlook, step)
    ]
    ends_bad = [
        Bad(property=one.id, when=cond)
        for one in PROPERTIES
        if one.on_end and verdict
        for cond in one.on_end(verdict)
    ]
    return evolve(step, bad=tuple(bad), ends_bad=tuple(ends_bad))

"""Runs: the engine follows the table, illegal news changes nothing, debts follow outcomes."""

from __future__ import annotations

import json
from itertools import chain, combinations, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popheal import Verdict
from popheal.engine.run import Run, engine
from popheal.errors import IllegalOutcome
from popheal.healthsets.pop import CLIENT_ACCESS, MAILBOX, PROCEDURES
from popheal.tables.debts import Debt, DebtKind, DebtStatus
from popheal.tables.outcomes import COULD_NOT_TELL, EFFECT_OUTCOMES
from popheal.tables.table import CANCEL, Guard

EVERY_OUTCOME = sorted(
    {CANCEL, *EFFECT_OUTCOMES}
    | {
        outcome
        for table in PROCEDURES.values()
        for one in table.states
        for outcome in one.action.outcomes
    }
)
GUARDS = [
    frozenset(chosen)
    for chosen in chain.from_iterable(combinations(Guard, n) for n in range(len(Guard) + 1))
]
OWED = {
    Guard.DRAINED: DebtKind.ACTIVATION_DISABLED,
    Guard.LOGGING: DebtKind.PROTOCOL_LOGGING,
    Guard.ACTIVATED: DebtKind.COMPONENT_ACTIVATED,
}


def run_in(procedure, name, facts=frozenset()):
    """A run in that state for which these guards hold."""
    debts = [
        Debt(kind=OWED[g], server="s", prior=False) for g in sorted(facts, key=str) if g in OWED
    ]
    return Run(
        id="r",
        procedure=procedure,
        server="s",
        mailbox_role=Guard.MAILBOX_ROLE in facts,
        state=name,
        debts=debts,
    )


STATES = [
    pytest.param(table, one.name, id=f"{table.name}-{one.name}")
    for table in PROCEDURES.values()
    for one in table.states
]


@pytest.mark.parametrize(("procedure", "name"), STATES)
def test_engine_and_table_agree(procedure, name):
    """For each state, outcome and set of guards the engine goes where the table says."""
    for outcome, facts in product(EVERY_OUTCOME, GUARDS):
        run = run_in(procedure, name, facts)
        row = procedure.next(name, outcome, facts)
        event = engine(procedure).events.get(outcome)
        if row is None:
            assert event is None or name not in event.transitions
            continue
        assert event.trigger(run)
        assert run.state == row.target


def engine_rows(procedure):
    """What the engine would do, as (state, trigger) to targets: to compare with the table."""
    machine = engine(procedure)
    return {
        (source, name): [one.dest for one in rows]
        for name, event in machine.events.items()
        for source, rows in event.transitions.items()
        if rows
    }


@pytest.mark.parametrize("procedure", PROCEDURES.values(), ids=str)
def test_the_engine_has_no_row_of_its_own(procedure):
    """Its transitions are the table's, one to one: no back door, nothing forgotten."""
    table = sorted(
        (one.name, row.outcome, row.target)
        for one in procedure.states
        for row in (*one.transitions, *procedure.on_cancel)
    )
    machine = sorted(
        (source, trigger, target)
        for trigger, event in engine(procedure).events.items()
        for source, rows in event.transitions.items()
        for target in (row.dest for row in rows)
    )
    assert table == machine


@pytest.mark.parametrize(("procedure", "name"), STATES)
def test_a_wrong_outcome_raises_and_changes_nothing(procedure, name):
    """The error has fields; the run is byte for byte as before."""
    right = procedure.by_name[name].action.outcomes
    run = run_in(procedure, name)
    before = json.dumps(run.to_json())
    for outcome in (one for one in EVERY_OUTCOME if one not in right):
        with pytest.raises(IllegalOutcome) as error:
            run.observe(outcome)
        assert (name, outcome) == (error.value.current, error.value.outcome)
        assert error.value.expected == right
        assert json.dumps(run.to_json()) == before


def test_an_ended_run_takes_nothing():
    """No outcome, no cancel, no debt; and the error says so."""
    run = run_in(MAILBOX, "recovered")
    assert run.next_action() is None
    for attempt in (lambda: run.observe("done"), run.cancel, lambda: run.owe(prior=False)):
        with pytest.raises(IllegalOutcome, match="the run has ended"):
            attempt()
    assert run.path == ["recovered"]


def walk(run, *outcomes):
    for outcome in outcomes:
        run.observe(outcome)
    return run


def draining():
    run = Run(id="r", procedure=MAILBOX, server="s", mailbox_role=True)
    return walk(run, "done", "failed", "feasible")


def test_debts_follow_outcomes():
    """Refused: no debt. Done, failed or unknown: owed, until paid or handed over."""
    for outcome, owed in [("done", 1), (COULD_NOT_TELL, 1), ("refused", 0), ("failed", 1)]:
        run = draining()
        run.owe(prior=False)
        run.observe(outcome)
        assert len(run.debts) == owed
    run = draining()
    run.owe(prior=False)
    walk(run, "done", "clear", "done", "up", "succeeded", "done")
    assert run.verdict is Verdict.RECOVERED
    assert [debt.status for debt in run.debts] == [DebtStatus.PAID]


def test_what_is_owed_at_the_end_is_handed_over():
    """Whether the run gives up or is cancelled."""
    for end in (lambda run: walk(run, "done", "active"), lambda run: run.cancel()):
        run = draining()
        run.owe(prior=True)
        end(run)
        assert run.verdict in (Verdict.ESCALATED, Verdict.CANCELLED)
        assert [(debt.status, debt.prior) for debt in run.debts] == [(DebtStatus.HANDED_OVER, True)]


def test_only_an_incurring_action_can_owe():
    """A probe leaves no debt."""
    run = Run(id="r", procedure=MAILBOX, server="s", mailbox_role=True)
    with pytest.raises(IllegalOutcome):
        run.owe(prior=False)


def test_cancel_restores_logging_first():
    """A stop after logging was turned on leads through its restoration, else straight out."""
    run = Run(id="r", procedure=CLIENT_ACCESS, server="s", mailbox_role=False)
    walk(run, "done", "failed")
    run.owe(prior=False)
    run.observe("done")
    run.cancel()
    assert run.cancelled
    assert run.state == "disabling_protocol_logging_cancelled"
    walk(run, "done", "done")
    assert run.verdict is Verdict.CANCELLED
    assert run.debts[0].status is DebtStatus.PAID
    quick = Run(id="r", procedure=CLIENT_ACCESS, server="s", mailbox_role=False)
    quick.cancel()
    assert quick.verdict is Verdict.CANCELLED


@given(st.data(), st.sampled_from(list(PROCEDURES.values())), st.booleans())
def test_any_walk_ends_and_survives_serialisation(data, procedure, mailbox_role):
    """Stored and loaded after each step, a run goes on just the same, and comes to an end."""
    run = Run(id="r", procedure=procedure, server="s", mailbox_role=mailbox_role)
    for _ in range(2 * len(procedure.states)):
        action = run.next_action()
        if action is None:
            break
        if action.incurs and data.draw(st.booleans()):
            run.owe(prior=data.draw(st.booleans()))
        if not run.cancelled and data.draw(st.integers(0, 9)) == 0:
            run.cancel()
        else:
            run.observe(data.draw(st.sampled_from(action.outcomes)))
        stored = json.loads(json.dumps(run.to_json()))
        run = Run.from_json(stored, PROCEDURES.values())
        assert run.to_json() == stored
    assert run.verdict
    assert all(debt.status is not DebtStatus.OWED for debt in run.debts)


def test_a_run_of_another_table_is_not_loaded():
    """The hash must match: a changed table is not carried on blindly."""
    stored = Run(id="r", procedure=MAILBOX, server="s", mailbox_role=True).to_json()
    with pytest.raises(LookupError, match="hash"):
        Run.from_json({**stored, "hash": "0"}, PROCEDURES.values())

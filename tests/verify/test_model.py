"""How the proof works: guards, debts, circles, and tables that no procedure could have."""

from __future__ import annotations

import pytest
from attrs import evolve

from popheal import Verdict, verify
from popheal.healthsets.pop import CLIENT_ACCESS, MAILBOX
from popheal.tables import actions
from popheal.tables.actions import Impact
from popheal.tables.citations import Ours
from popheal.tables.reachability import circle, dearest
from popheal.tables.table import CANCEL, Guard, Procedure, on, otherwise, state
from popheal.verify.build import build
from popheal.verify.environment import YES
from popheal.verify.explorer import explore
from popheal.verify.model import Answer, Contract
from popheal.verify.properties import PROPERTIES
from popheal.verify.prove import contracts_for, result_of
from popheal.verify.slice import both, values_of
from popheal.verify.termination import arrows_taken
from popheal.verify.verdicts import ambiguous, judge, without_witness
from tests.evidence.endless import endless
from tests.evidence.literal_actions import LITERAL_CONTRACTS
from tests.evidence.mutants import Table, mutants_of
from tests.evidence.mutation_score import LAW, killers
from tests.support.circular import Circular

WHY = Ours("a test")
ENDINGS = {"well": Verdict.RECOVERED, "ill": Verdict.ESCALATED, "stopped": Verdict.CANCELLED}


def table(*states, start=None, kind=Procedure, endings=ENDINGS):
    return kind(
        name="own",
        start=start or states[0].name,
        states=states,
        endings=endings,
        on_cancel=(on(CANCEL, "stopped", WHY),),
    )


def explored(examined, **options):
    contracts = contracts_for(examined, extra=LITERAL_CONTRACTS)
    return explore(build(examined, contracts, **options))


# --- conditions ----------------------------------------------------------------------------------


def test_conditions():
    """A conjunction that can't hold is none at all."""
    assert both({"role": "mailbox"}, {"stop": "asked"}) == {"role": "mailbox", "stop": ("asked",)}
    assert both({"role": "mailbox"}, {"role": "no_mailbox"}) is None
    assert values_of({}, "role") == ("no_mailbox", "mailbox")


# --- steps ---------------------------------------------------------------------------------------


def test_a_guard_sees_the_debt_of_the_step_itself():
    """As in the engine: a debt is noted before its command is sent."""
    draining = state(
        "draining",
        actions.DRAIN,
        WHY,
        on("done", "probing", WHY, given=Guard.DRAINED),
        on("done", "never", WHY, unless=Guard.DRAINED),
        otherwise("ill", WHY),
    )
    probing = state("probing", actions.PROBE, WHY, otherwise("ill", WHY))
    never = state("never", actions.PROBE, WHY, otherwise("ill", WHY))
    found = explored(table(draining, probing, never))
    reached = {found.layout.read(one)[0] for one in found.parents}
    assert "probing" in reached
    assert "never" not in reached
    assert without_witness(found) == "in draining, 'done [not drained]' never happens"
    assert without_witness(explored(table(never, draining, probing, start="draining"))) == (
        "never is never reached"
    )


def test_what_never_happens_is_told_in_words():
    """P14 has no sequence of events to show, then."""
    probing = state("probing", actions.PROBE, WHY, otherwise("ill", WHY))
    result = verify.verify(table(probing)).result("P14")
    assert result.verdict == "refuted"
    assert result.counterexample == "no run ends as well"
    assert result.trace is None
    assert verify.counterexample(result, "mermaid") == "no run ends as well"


def test_a_contract_against_the_policy():
    """An answer that the policy never lets come about is no step."""
    dig = actions.Action(name="dig", impact=Impact.DISRUPT, outcomes=("done", "refused"))
    contract = Contract(
        action=dig,
        sentence="Only where nothing is allowed.",
        answers=(
            Answer(outcome="done", sentence="Dug.", when={"policy": "look_only"}, sends="dig"),
            Answer(outcome="refused", sentence="Not dug."),
        ),
    )
    digging = state("digging", dig, WHY, on("done", "well", WHY), on("refused", "ill", WHY))
    system = build(table(digging), {"dig": contract})
    assert {step.outcome for step in system.steps} == {"refused", "cancel"}


def test_debts_that_can_only_be_handed_over():
    """What the engine could do with a debt of which it does not know whether it was incurred."""
    staying = explored(CLIENT_ACCESS, unclear_debts_stay=True, given={"policy": "one_reboot"})
    layout = staying.layout
    ends = [layout.read(one) for one in staying.parents]
    assert not any(
        name == "escalated" and values["logging"] == "sent" and values["owes_logging"] == "no"
        for name, values in ends
    )


def test_a_guarded_cancel():
    """Where it leads depends on what is owed."""
    shown = verify.witness(CLIENT_ACCESS, "disabling_protocol_logging_cancelled")
    assert shown.moves[-2].said == "a person says stop"
    assert shown.moves[-1].outcome == "cancel [logging]"
    assert "stopped -> disabling_protocol_logging_cancelled" in shown.text()
    drawn = shown.mermaid()
    assert "person->>run: a person says stop" in drawn
    assert "Note over run: cancel [logging]" in drawn


# --- tables that break laws ----------------------------------------------------------------------


def mutant(procedure, part):
    return next(one.table for one in mutants_of(procedure) if part in one.name)


def property_named(name):
    return next(one for one in PROPERTIES if one.id == name)


def test_two_rows_for_one_outcome():
    """P15, from the table alone."""
    twice = mutant(MAILBOX, "row added: reprobing succeeded")
    assert ambiguous(twice) == "in reprobing, both 'succeeded' and 'succeeded' apply"
    assert ambiguous(CLIENT_ACCESS) is None
    calm = explored(twice, calm=True)
    result = result_of(property_named("P15"), calm, calm, judge(None, calm))
    assert result.counterexample == ambiguous(twice)


def test_no_row_for_an_outcome():
    """P16: the run is stuck."""
    stuck = mutant(MAILBOX, "row dropped: reprobing failed")
    found = explored(stuck)
    result = result_of(property_named("P16"), found, explored(stuck, calm=True), {"P16": ""})
    assert "reprobing: probe failed -> (no row)" in result.counterexample


def test_no_row_for_a_guard():
    """P16 likewise, on the servers that the other row is not for."""
    one_sided = mutant(CLIENT_ACCESS, "row dropped: finding_backends not_found [mailbox_role]")
    found = explored(one_sided, calm=True)
    packed, index = found.broken["P16"]
    assert found.layout.read(packed)[1]["role"] == "mailbox"
    assert found.command(index).row is None


def test_what_kills_mutants_of_a_large_table():
    """Enough that something does."""
    contracts = contracts_for(CLIENT_ACCESS, extra=LITERAL_CONTRACTS)
    unlawful = mutant(CLIENT_ACCESS, "row dropped: reprobing failed")
    assert killers(unlawful, contracts) == (LAW,)
    looping = mutant(CLIENT_ACCESS, "reprobing_finally failed to reprobing_finally")
    assert killers(looping, contracts)
    understated = mutant(CLIENT_ACCESS, "recovering_backends: impact understated")
    assert "P8" in explored(understated, calm=True).broken


def test_as_many_mutants_as_there_are_mistakes():
    """Of every kind."""
    made = list(mutants_of(CLIENT_ACCESS))
    assert len(made) > 2000
    assert {one.kind for one in made} == {
        "row dropped",
        "row added",
        "row retargeted",
        "outcomes swapped",
        "guard negated",
        "guard dropped",
        "state skipped",
        "start moved",
        "action changed",
    }


# --- ending --------------------------------------------------------------------------------------


def test_ranks_fall_with_every_step():
    """And nothing is endless that has them."""
    found = explored(MAILBOX)
    rank = dearest(arrows_taken(found), lambda _: 1)
    assert rank[MAILBOX.start] == 11
    for step in found.system.steps:
        if step.state in rank:
            assert rank[step.target] < rank[step.state]
    assert endless(found) is None


def test_a_circle_of_the_table_that_no_run_can_take():
    """The debt that leads back is paid on the way: P13 holds, but there is no simple bound."""
    first = state(
        "first",
        evolve(actions.ENABLE_PROTOCOL_LOGGING, incurs=None),
        WHY,
        on("done", "second", WHY),
        otherwise("ill", WHY),
    )
    second = state("second", actions.WAIT, WHY, otherwise("third", WHY))
    third = state(
        "third",
        actions.PROBE,
        WHY,
        on("succeeded", "well", WHY),
        on("failed", "first", WHY),
        otherwise("ill", WHY),
    )
    found = explored(
        table(first, second, third, kind=Circular),
        without=("somebody turns logging off",),
        calm=True,
    )
    assert circle(arrows_taken(found))
    assert endless(found) is None


@pytest.mark.parametrize("name", ["restored", "owes_logging"])
def test_what_does_not_matter_is_left_out(name):
    """A table without logging is explored without it."""
    assert name not in {one.name for one in build(MAILBOX, contracts_for(MAILBOX)).variables}
    kept = build(CLIENT_ACCESS, contracts_for(CLIENT_ACCESS)).variables
    values = {one.name: one.values for one in kept}
    assert YES in values[name]


def test_an_unlawful_table_is_no_procedure():
    """But can be looked at."""
    probing = state("probing", actions.PROBE, WHY, on("succeeded", "well", WHY))
    assert not table(probing, kind=Table).lawful()
    assert "P16" in judge(None, explored(table(probing, kind=Table), calm=True))

"""The proof: what holds for the runbook's tables, and that it would show if it didn't."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest
from attrs import evolve, fields

import popheal
from popheal import Verdict, verify
from popheal.engine.run import Run
from popheal.errors import PophealError, UnknownName
from popheal.healthsets.pop import CLIENT_ACCESS, MAILBOX, PROCEDURES, PROXY
from popheal.tables import actions
from popheal.tables.actions import Action, Impact
from popheal.tables.citations import Ours
from popheal.tables.debts import DebtKind, DebtStatus
from popheal.tables.outcomes import COULD_NOT_TELL
from popheal.tables.table import CANCEL, Procedure, on, otherwise, state
from popheal.verify import build, prove
from popheal.verify.contracts import CONTRACTS
from popheal.verify.environment import EVENTS, VARIABLES
from popheal.verify.explorer import explore
from tests.evidence.literal_actions import LITERAL_CONTRACTS, UNASKED
from tests.evidence.test_mutants import failback_first, retargeted, without
from tests.support.circular import Circular

WHY = Ours("a test")
#: A world in which nothing happens but what popheal does. What is broken there is broken in the
#: whole one, of which it is a part and by far the smaller.
QUIET = [one.name for one in EVENTS if not one.name.startswith("our ")]
NAMES = sorted(PROCEDURES)
AFTER = "reprobing_after_reboot"
OPEN = {"P4", "P11", "P12", "P19", "P20"}
#: What does not hold yet: protocol logging whose debt is settled too early, or left unsettled.
NOT_YET: dict[str, set[str]] = {}


def proof_of(proofs, name):
    return next(one for one in proofs.procedures if one.name == name)


def refuted(procedure, **options):
    """What does not hold for a table, by id."""
    return {one.property.id: one for one in verify.verify(procedure, **options).refuted}


# --- the runbook's tables ------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_property_holds_or_is_open(proofs, name):
    """With the counterexample as the message, if one does not."""
    proof = proof_of(proofs, name)
    unexpected = [one for one in proof.refuted if one.property.id not in NOT_YET.get(name, set())]
    assert not unexpected, "\n".join(one.counterexample or "" for one in unexpected)
    assert {one.property.id for one in proof.results if one.verdict == "open"} == OPEN


def test_what_does_not_hold_yet_is_still_so(proofs):
    """Else the list above is out of date."""
    found = {one.name: {r.property.id for r in one.refuted} for one in proofs.procedures}
    assert {name: broken for name, broken in found.items() if broken} == NOT_YET
    assert proofs.ok is not bool(NOT_YET)


@pytest.mark.parametrize("name", NAMES)
def test_everything_is_reached(proofs, name):
    """Not a proof about nothing: every state and ending is there."""
    table = PROCEDURES[name]
    assert proof_of(proofs, name).control_states == {*table.by_name, *table.endings}


@pytest.mark.parametrize("name", NAMES)
def test_bounds(proofs, name):
    """The server is restarted once at most, within six hours: two of them while it updates.

    For PopProxy it is not at all.
    """
    bounds = proof_of(proofs, name).bounds
    assert bounds.reboots == (name != "pop_proxy")
    assert bounds.effects <= bounds.actions <= len(PROCEDURES[name].states)
    assert bounds.longest_seconds < 6 * 3600
    assert (bounds.each_back_end is not None) is (name == "client_access")


def test_it_is_small(proofs):
    """So few states that somebody waits for a proof: it is made whenever a table is changed."""
    assert sum(one.states for one in proofs.procedures) < 1_000_000


def test_as_json(proofs):
    """The shape that the command line promises."""
    said = json.loads(json.dumps(proofs.to_json()))
    assert set(said) == {"ok", "procedures"}
    for one in said["procedures"]:
        assert set(one) == {
            "name", "hash", "states", "edges", "depth", "seconds", "bounds", "properties",
        }  # fmt: skip
        assert one["hash"] == PROCEDURES[one["name"]].hash
        assert [p["id"] for p in one["properties"]] == [p.id for p in verify.PROPERTIES]
        for p in one["properties"]:
            assert set(p) == {"id", "sentence", "verdict", "counterexample"}
            assert (p["counterexample"] is None) is (p["verdict"] != "refuted")


# --- that it would show --------------------------------------------------------------------------


def test_verification_skipped():
    """P1, although the last look before the command is still there."""
    broken = refuted(without(MAILBOX, "verifying_no_active_copies", into="rebooting"))
    assert "P1" in broken
    trace = broken["P1"].trace
    assert trace.moves[-1].said == "reboot"
    assert "verify_copies" not in {move.said for move in trace.moves}


def test_verification_ignored():
    """P1: rebooted although a copy was seen to be active."""
    assert "P1" in refuted(retargeted(MAILBOX, verifying_no_active_copies={"active": "rebooting"}))


def test_failback_before_the_probe():
    """P7, although a failback looks whether the server has booted since."""
    trace = refuted(failback_first())["P7"].trace
    assert trace.moves[-1].said == "fail_back"
    assert trace.moves[-2].said == "await_server"


def test_failback_forgotten():
    """P10: a recovery that leaves the server drained."""
    mutant = retargeted(
        MAILBOX, reprobing_after_reboot={"succeeded": "recovered", "failed": "failing_back"}
    )
    assert {"P7", "P10"} <= set(refuted(mutant))


def test_reboot_without_a_restart_first():
    """P6: a table that starts with the safe reboot."""
    mutant = evolve(MAILBOX, start="checking_switchover", states=MAILBOX.states[2:])
    assert "P6" in refuted(mutant)


def test_two_members_at_once():
    """P2: going on with the front end when its back end was not healed."""
    mutant = retargeted(CLIENT_ACCESS, recovering_backends={"failed": "checking_switchover"})
    broken = refuted(mutant, without=QUIET)
    assert "P2" in broken


def test_logging_forgotten():
    """P9: a recovery that does not turn logging off."""
    mutant = retargeted(CLIENT_ACCESS, reprobing_with_logging={"succeeded": "recovered"})
    shown = refuted(mutant, without=QUIET)["P9"].trace
    assert shown.end["logging"] == "ours"
    assert shown.moves[-1].target == "recovered"


def test_a_loop():
    """P13, where the law against circles is left out; there are no bounds then."""
    proxy = Circular(**{one.name: getattr(PROXY, one.name) for one in fields(Procedure)})
    rows = [
        evolve(one, target="checking_switchover") if one.label == "failed [drained]" else one
        for one in PROXY.by_name[AFTER].transitions
    ]
    mutant = proxy.with_states(evolve(PROXY.by_name[AFTER], transitions=tuple(rows)))
    proof = verify.verify(mutant)
    assert "reprobing_after_reboot" in proof.result("P13").counterexample
    assert proof.bounds is None
    assert proof.to_json()["bounds"] == {}
    assert "P3" in {one.property.id for one in proof.refuted}


def test_an_understated_impact():
    """P8: a policy goes by what a table says of an action; the proof does not."""
    low = evolve(actions.DRAIN, impact=Impact.CHANGE)
    draining = evolve(MAILBOX.by_name["draining"], action=low)
    assert "P8" in refuted(MAILBOX.with_states(draining))


def test_somebody_elses_drain_undone():
    """P21: failing back whether this run has drained the server or not."""
    always = [
        on("succeeded", "reprobing_mailbox_side", WHY),
        *(one for one in PROXY.by_name[AFTER].transitions if one.outcome != "succeeded"),
    ]
    mutant = PROXY.with_states(evolve(PROXY.by_name[AFTER], transitions=tuple(always)))
    assert {"P14", "P21"} & set(refuted(mutant))


def test_a_hang_that_leads_to_a_reboot():
    """P5, though no single row breaks a law: a look lies between."""
    swapped = {"timed_out": "finding_backends", "failed": "finding_backends_hung"}
    mutant = retargeted(CLIENT_ACCESS, reprobing_with_logging=swapped)
    trace = refuted(mutant, without=QUIET)["P5"].trace
    assert trace.moves[-1].said in ("drain", "reboot")
    assert "timed_out" in {move.outcome for move in trace.moves}


def test_going_on_although_a_cause_is_named():
    """P24, though no single row breaks a law."""
    mutant = retargeted(CLIENT_ACCESS, reprobing_with_logging={"blocked": "finding_backends"})
    trace = refuted(mutant, without=QUIET)["P24"].trace
    assert "blocked" in {move.outcome for move in trace.moves}
    off = retargeted(CLIENT_ACCESS, checking_backends={"off": "reprobing_after_backends"})
    assert "P24" in refuted(off, without=QUIET)


def test_a_gate_that_is_not_asked_again():
    """P25: somebody begins to work on the server while the run is at work."""
    draining = MAILBOX.by_name["draining"]
    unasked = evolve(draining, action=evolve(draining.action, name=UNASKED))
    broken = refuted(MAILBOX.with_states(unasked), contracts=LITERAL_CONTRACTS)
    assert set(broken) == {"P25"}
    assert "a gate closes" in {move.said for move in broken["P25"].trace.moves}


def test_a_server_left_drained_for_its_front_end():
    """P26: given up, although nobody has looked whether the mailbox side is well."""
    rows = [
        evolve(one, target="escalated") if one.label == "failed [drained]" else one
        for one in PROXY.by_name[AFTER].transitions
    ]
    mutant = PROXY.with_states(evolve(PROXY.by_name[AFTER], transitions=tuple(rows)))
    shown = refuted(mutant)["P26"].trace
    assert shown.end["owes_activation"] == "yes"


def test_failing_back_on_the_front_ends_word():
    """P7: its own probe may have been passed on to another back end."""
    rows = [
        evolve(one, target="failing_back") if one.label == "succeeded [drained]" else one
        for one in PROXY.by_name[AFTER].transitions
    ]
    left = [one for one in PROXY.states if one.name != "reprobing_mailbox_side"]
    states = [evolve(one, transitions=tuple(rows)) if one.name == AFTER else one for one in left]
    assert "P7" in refuted(evolve(PROXY, states=tuple(states)))


def test_failing_back_on_another_probes_word():
    """P7: where the failing monitor's own probe of the mailbox side fails, no other lifts that."""
    mutant = retargeted(MAILBOX, reprobing_after_reboot={"failed": "reprobing_mailbox_side"})
    assert "P7" in refuted(mutant)


def test_giving_up_too_early():
    """P23: a server that could have been restarted is left alone."""
    mutant = retargeted(CLIENT_ACCESS, finding_backends={"not_found": "escalated"})
    assert "P23" in refuted(mutant, without=QUIET)


def test_what_the_child_may_leave_behind_reaches_the_parent():
    """P2 by composition: the child is explored by itself, the parent meets all its endings."""
    careless = retargeted(
        MAILBOX, reprobing_after_reboot={"succeeded": "recovered", "failed": "failing_back"}
    )
    assert (Verdict.RECOVERED, True) in prove.ends_of(careless)
    assert (Verdict.RECOVERED, True) not in prove.ends_of(MAILBOX)
    assert (Verdict.ESCALATED, True) in prove.ends_of(MAILBOX)
    assert "P2" in refuted(CLIENT_ACCESS, child=careless, without=QUIET)


def test_counterexamples_can_be_read():
    """As text and as a diagram; nothing where there is nothing to show."""
    proof = verify.verify(failback_first())
    result = proof.result("P7")
    text = verify.counterexample(result)
    assert text.startswith("mailbox: P7 does not hold.")
    assert "awaiting_server: await_server up -> failing_back" in text
    drawn = verify.counterexample(result, "mermaid")
    assert drawn.startswith("sequenceDiagram\n")
    assert "run->>server: failing_back: fail_back" in drawn
    assert ";" not in drawn
    assert not verify.counterexample(proof.result("P6"))
    with pytest.raises(UnknownName, match="format"):
        verify.counterexample(result, "png")


def test_the_shortest_counterexample():
    """No shorter way leads there: the table alone needs as many steps."""
    shown = refuted(failback_first())["P7"].trace
    # restart, probe, check, drain, databases leave and mount, verify, reboot, down, up, await.
    assert len(shown) <= 12


def test_witnesses():
    """How a run gets somewhere."""
    shown = verify.witness(MAILBOX, "recovered")
    assert shown.moves[-1].target == "recovered"
    assert len(shown) == 2
    with pytest.raises(UnknownName, match="reached"):
        verify.witness(MAILBOX, "nowhere")


# --- tables of one's own -------------------------------------------------------------------------


def own_table(*states, start="restarting"):
    return Procedure(
        name="own",
        start=start,
        states=states,
        endings={
            "well": Verdict.RECOVERED,
            "ill": Verdict.ESCALATED,
            "stopped": Verdict.CANCELLED,
        },
        on_cancel=(on(CANCEL, "stopped", WHY),),
    )


PROBING = state("probing", actions.PROBE, WHY, on("succeeded", "well", WHY), otherwise("ill", WHY))


def test_a_table_of_ones_own():
    """Made of the known actions, it is judged like the runbook's."""
    restarting = state(
        "restarting",
        actions.restart_service(actions.BACK_END),
        WHY,
        on("done", "probing", WHY),
        on("failed", "probing", WHY),
        otherwise("ill", WHY),
    )
    proof = verify.verify(own_table(restarting, PROBING))
    assert set(refuted(own_table(restarting, PROBING))) == {"P23"}
    assert "a probe" in proof.result("P23").property.sentence
    assert proof.bounds.actions == 2
    assert proof.bounds.reboots == 0


def test_an_unknown_action():
    """Nothing is assumed of what is not known."""
    unknown = Action(name="pray", impact=Impact.LOOK, outcomes=("heard", COULD_NOT_TELL))
    table = own_table(
        state("restarting", unknown, WHY, on("heard", "probing", WHY), otherwise("ill", WHY)),
        PROBING,
    )
    with pytest.raises(PophealError, match="action with a contract 'pray'"):
        verify.verify(table)


def test_an_unknown_outcome():
    """Nor of what a known action can't come to."""
    odd = evolve(actions.WAIT, outcomes=("elapsed", "interrupted"))
    table = own_table(state("restarting", odd, WHY, otherwise("probing", WHY)), PROBING)
    with pytest.raises(UnknownName, match="outcome of 'wait' 'interrupted'"):
        verify.verify(table)


# --- the model -----------------------------------------------------------------------------------


def test_nothing_that_runs_is_imported():
    """The proof reads tables; it shares nothing with what carries them out."""
    allowed = ("errors", "healthsets", "tables", "verify")
    for file in Path(popheal.__file__).parent.joinpath("verify").glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module]
                if node.module == "popheal":
                    names = [f"popheal.{alias.name}" for alias in node.names]
            for name in names:
                if name.split(".")[0] == "popheal":
                    assert name.split(".")[1] in allowed, f"{file.name} imports {name}"


def test_every_action_has_a_contract():
    """With every outcome that it can have, and all of them words of the model."""
    contracts = prove.contracts_for(CLIENT_ACCESS)
    known = {one.name: set(one.values) for one in VARIABLES}
    used = {one.action for table in PROCEDURES.values() for one in table.states}
    for action in used:
        contract = build.contract_of(action, contracts)
        assert {answer.outcome for answer in contract.answers} == set(action.outcomes)
        assert contract.action.impact is action.impact
        assert {*action.reasons, *action.last_resort} <= set(action.outcomes)
    spoken = [(a.when, a.then) for c in contracts.values() for a in c.answers]
    spoken += [(event.when, event.then) for event in EVENTS]
    for when, then in spoken:
        for cond in (when, then):
            for name, value in cond.items():
                assert set((value,) if isinstance(value, str) else value) <= known[name]


def test_a_calm_world_is_part_of_the_whole_one():
    """So that what is broken there is broken."""
    contracts = prove.contracts_for(MAILBOX)
    whole = explore(build.build(MAILBOX, contracts))
    calm = explore(build.build(MAILBOX, contracts, calm=True))

    def situations(found):
        shared = [one.name for one in calm.system.variables]
        return {
            (name, *(values[one] for one in shared if one in values))
            for name, values in map(found.layout.read, found.parents)
        }

    assert situations(calm) <= situations(whole)


@pytest.mark.parametrize("unclear", ["failed", COULD_NOT_TELL])
def test_debts_are_settled_as_the_engine_does_it(unclear):
    """Whether a debt can be paid of which the run does not know if its effect took place."""
    run = Run(id="1", procedure=CLIENT_ACCESS, server="cas1", mailbox_role=False)
    for outcome in ("done", "failed"):
        run.observe(outcome)
    assert run.state == "enabling_protocol_logging"
    run.owe(prior=False)
    for outcome in (unclear, "done", "done"):
        run.observe(outcome)
    assert run.verdict
    (debt,) = run.debts
    assert debt.kind is DebtKind.PROTOCOL_LOGGING
    assert (debt.status is not DebtStatus.PAID) is build.UNCLEAR_DEBTS_STAY


def test_rows_to_print(proofs):
    """Tables for people; nothing is left without a sentence."""
    head, *rest = verify.rows(proofs)
    assert head[2:] == tuple(PROCEDURES)
    assert len(rest) == len(verify.PROPERTIES)
    sizes = verify.size_rows(proofs)
    assert len(sizes) == 1 + len(PROCEDURES)
    assert {row[0] for row in verify.open_rows()} == OPEN
    assert all(sentence and why for _, sentence, why in verify.open_rows())
    assumed = verify.assumption_rows()
    assert len(assumed) == len(VARIABLES) + len(EVENTS) + len(CONTRACTS)
    assert all(all(row) for row in assumed)
    assert all(one.endswith(".") for one in verify.NOT_PROVED)

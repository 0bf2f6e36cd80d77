"""What is true of an action stands in one place, and every table of actions is complete."""

from __future__ import annotations

import pickle

import pytest

from popheal import Verdict
from popheal.engine.actions.handlers import HANDLERS
from popheal.engine.limits import CHECKS
from popheal.engine.plan import worst_of
from popheal.exchange.backend import EFFECTS
from popheal.healthsets.pop import PROCEDURES
from popheal.tables import actions
from popheal.tables.actions import ACTIONS, Action, Impact, for_each_action
from popheal.tables.debts import DebtKind, DebtStatus
from popheal.tables.outcomes import COULD_NOT_TELL, DONE, Outcome, outcome_of
from popheal.tables.palette import IMPACTS, VERDICT_STYLES
from popheal.tables.table import Guard
from popheal.tables.timing import Timing


@pytest.mark.parametrize("action", ACTIONS.values(), ids=str)
def test_what_an_action_says_of_itself(action):
    """Its outcomes, effects and deadline are there."""
    assert {*action.reasons, *action.last_resort} <= set(action.outcomes)
    assert not any(one.good for one in action.outcomes if one in action.reasons)
    assert set(action.effects) <= set(EFFECTS)
    assert action.longest(Timing()) >= action.waits(Timing()) >= 0
    assert action.sentence


def test_every_action_of_a_procedure_is_known():
    """By its name, whatever its argument."""
    used = {one.action.name for table in PROCEDURES.values() for one in table.states}
    assert used <= set(ACTIONS)
    assert set(HANDLERS) == set(ACTIONS)
    assert set(CHECKS) == {one.name for one in ACTIONS.values() if not one.impact.harmless}


@pytest.mark.parametrize(
    "table", [{}, {actions.DRAIN: 1, actions.REBOOT: 1}, {actions.REBOOT: 1}], ids=str
)
def test_a_table_of_actions_is_complete(table):
    """Neither less nor more than one entry an action."""
    with pytest.raises(ValueError, match=r"(drain|reboot)"):
        for_each_action(table, [actions.DRAIN])
    assert for_each_action({actions.DRAIN: 1}, [actions.DRAIN]) == {"drain": 1}


def test_an_outcome_is_its_word():
    """In tables, journals and JSON; and it comes back whole."""
    assert (DONE, COULD_NOT_TELL) == ("done", "could_not_tell")
    assert outcome_of("done") is DONE
    assert outcome_of("could_not_tell").unknown
    assert not outcome_of("odd").good
    again = pickle.loads(pickle.dumps(DONE))
    assert again == DONE
    assert again.good


def test_outcomes_of_an_action_of_ones_own():
    """Plain words or not; by default whatever isn't good justifies giving up."""
    heard = Outcome("heard", good=True)
    pray = Action(name="pray", impact=Impact.LOOK, outcomes=(heard, "unheard"))
    assert pray.outcomes[0] is heard
    assert pray.reasons == ("unheard",)


def test_a_verdict_knows_what_it_means():
    """Whether anybody is needed, and what a script is told."""
    assert {one.value for one in Verdict if one.good} == {"nothing_wrong", "transient", "recovered"}
    assert {one.value for one in Verdict if one.for_a_person} == {"escalated", "cancelled"}
    assert all(one.meaning for one in Verdict)


def test_what_is_still_to_be_paid():
    """By whomever."""
    assert [one for one in DebtStatus if not one.is_open] == [DebtStatus.PAID]
    assert {one.incurs for one in ACTIONS.values()} >= {one.pays for one in ACTIONS.values()}
    assert {one.pays for one in ACTIONS.values()} - {None} <= set(DebtKind)


def test_everything_has_a_colour():
    """Every impact and every verdict."""
    assert set(IMPACTS) == set(Impact)
    assert set(VERDICT_STYLES) == set(Verdict)


@pytest.mark.parametrize("name", PROCEDURES)
@pytest.mark.parametrize("role", [frozenset(), frozenset({Guard.MAILBOX_ROLE})], ids=str)
def test_a_plan_keeps_within_the_proof(proofs, name, role):
    """Equal, but for the other role and a person's stop, which the proof has as well."""
    plan = worst_of(PROCEDURES[name], role, Timing())
    proof = next(one.bounds for one in proofs.procedures if one.name == name)
    assert plan.actions <= proof.actions
    assert plan.restarts <= proof.service_restarts
    assert plan.reboots <= proof.reboots
    assert plan.seconds <= proof.longest_seconds
    # Only these have something to put back after a stop, and that only the proof counts.
    if role and name not in ("client_access", "pop_proxy"):
        assert (plan.actions, plan.restarts) == (proof.actions, proof.service_restarts)
        assert (plan.reboots, plan.seconds) == (proof.reboots, proof.longest_seconds)

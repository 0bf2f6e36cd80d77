"""The property tests can fail: mutants of the tables, each caught by the property it breaks.

Several mistakes in a table are caught a second time where the action is carried out: a failback
looks for the probe itself, a reboot looks at the copies once more. For those the second
safeguard is switched off here, so that it is the property that has to notice; and a test
beside it shows that with the safeguard in place nothing bad happens even so.
"""

from __future__ import annotations

import pytest
from attrs import evolve

from popheal import Policy, Verdict
from popheal.backends.simulated import load_scenario
from popheal.engine.actions import gates, reboot, settings
from popheal.engine.looks import feasibility
from popheal.engine.looks.group import Member
from popheal.engine.triage import blockers
from popheal.errors import DefinitionError
from popheal.healthsets.pop import CLIENT_ACCESS, MAILBOX, PROCEDURES
from popheal.tables.citations import Ours
from popheal.tables.outcomes import COULD_NOT_TELL
from popheal.tables.table import on
from tests.support.healing import healed
from tests.support.properties import violations

WHY = Ours("a mutant of the table")


def retargeted(procedure, **changes):
    """The table, with rows leading elsewhere: state={outcome: target}."""
    return procedure.with_states(
        *(
            evolve(
                procedure.by_name[name],
                transitions=tuple(
                    dict.fromkeys(
                        on(row.outcome, targets[row.outcome], WHY)
                        if row.outcome in targets
                        else row
                        for row in procedure.by_name[name].transitions
                    )
                ),
            )
            for name, targets in changes.items()
        )
    )


def without(procedure, name, into):
    """The table without a state: what led to it leads to ``into`` instead."""
    states = tuple(
        evolve(
            one,
            transitions=tuple(
                evolve(row, target=into) if row.target == name else row for row in one.transitions
            ),
        )
        for one in procedure.states
        if one.name != name
    )
    return evolve(procedure, states=states)


def heal_with(mutant, scenario, **options):
    """Heal the scenario with the mutant in place of the runbook's table."""
    return healed(
        load_scenario(scenario), procedures={**PROCEDURES, mutant.name: mutant}, **options
    )


def failback_first():
    """Fails back when the server is up, and probes afterwards."""
    return retargeted(
        MAILBOX,
        awaiting_server={"up": "failing_back"},
        failing_back={"done": "reprobing_after_reboot"},
        reprobing_after_reboot={"succeeded": "recovered"},
    )


def test_failback_moved_before_the_probe(monkeypatch):
    """P7 fails once the performer no longer looks for the probe itself."""
    case = heal_with(failback_first(), "mailbox-healed-by-reboot")
    assert violations(case) == []
    assert case.report.verdict is Verdict.ESCALATED
    monkeypatch.setattr(settings, "same_boot", lambda *_: True)
    monkeypatch.setattr(settings, "_passed_on", lambda work: work.memory.boot_before)
    case = heal_with(failback_first(), "mailbox-healed-by-reboot")
    assert violations(case, "P7")


def test_verification_skipped(monkeypatch):
    """P1 fails once the performer no longer looks at the copies itself."""
    mutant = without(MAILBOX, "verifying_no_active_copies", into="rebooting")
    case = heal_with(mutant, "mailbox-healed-by-reboot")
    assert violations(case) == []
    assert case.report.verdict is Verdict.ESCALATED

    async def blind(_work):
        pass

    monkeypatch.setattr(reboot, "why_not_clear", blind)
    assert violations(heal_with(mutant, "mailbox-healed-by-reboot"), "P1")


def test_the_last_look_alone_prevents_a_reboot():
    """A table that ignores what verification saw still reboots over nothing."""
    mutant = retargeted(MAILBOX, verifying_no_active_copies={"active": "rebooting"})
    case = heal_with(mutant, "databases-stay")
    assert violations(case) == []
    assert case.report.verdict is Verdict.ESCALATED


def test_logging_not_restored():
    """P9 fails: a recovery that forgets protocol logging."""
    mutant = retargeted(CLIENT_ACCESS, reprobing_with_logging={"succeeded": "recovered"})
    assert violations(heal_with(mutant, "client-access-healed-by-logging-restart"), "P9")


def test_failback_forgotten():
    """P10 fails: a recovery that leaves the server drained."""
    # The failing_back state must stay reachable for the table to be lawful.
    mutant = retargeted(
        MAILBOX, reprobing_after_reboot={"succeeded": "recovered", "failed": "failing_back"}
    )
    assert violations(heal_with(mutant, "mailbox-healed-by-reboot"), "P10")


def test_reboot_without_a_restart_first():
    """P6 fails: a table that starts with the safe reboot."""
    states = MAILBOX.states[2:]
    mutant = evolve(MAILBOX, start="checking_switchover", states=states)
    assert violations(heal_with(mutant, "mailbox-healed-by-reboot"), "P6")


def test_acting_on_not_knowing_is_refused_when_built():
    """P17 can't even be written down: such a table breaks a law."""
    for name, target in [("reprobing", "rebooting"), ("checking_switchover", "draining")]:
        with pytest.raises(DefinitionError, match="which changes things"):
            retargeted(MAILBOX, **{name: {COULD_NOT_TELL: target}})


def test_two_members_at_once(monkeypatch):
    """P2 fails once nobody looks at the other members: a back end is left drained first."""
    scenario = "client-access-back-end-stays-drained"
    mutant = retargeted(CLIENT_ACCESS, recovering_backends={"failed": "checking_switchover"})
    policy = Policy(hours_between_reboots=0)  # which would forbid it as well
    case = heal_with(mutant, scenario, policy=policy)
    assert violations(case) == []

    async def unaware(*_):
        return None

    monkeypatch.setattr(blockers, "_why_elsewhere", unaware)  # that back end is still unwell
    monkeypatch.setattr(gates, "why_members_forbid", lambda *_: None)
    monkeypatch.setattr(feasibility, "why_out", lambda _: "")
    monkeypatch.setattr(Member, "takes_no_more", False)
    assert violations(heal_with(mutant, scenario, policy=policy), "P2")


def test_effects_without_a_verified_failure(monkeypatch):
    """P5 fails where triage takes the monitor's word for it."""
    from popheal.engine.triage import verification

    async def credulous(_scene, _monitor):
        return "failed", "the monitor says so", None

    monkeypatch.setattr(verification, "_verify_one", credulous)
    assert violations(healed(load_scenario("transient")), "P5")


def test_undoing_what_somebody_else_set(monkeypatch):
    """P21 fails where the value from before is not heeded."""
    from popheal.engine import executor
    from popheal.engine.actions.handlers import HANDLERS
    from popheal.engine.context import ActionResult

    async def careless(work):
        work.run.owe(prior=False)
        return ActionResult("done")

    performers = {**HANDLERS, "enable_protocol_logging": careless}
    monkeypatch.setattr(executor, "HANDLERS", performers)
    assert violations(healed(load_scenario("logging-already-on")), "P21")

"""After a restart of the server: patience, proof, and who is put back although not healed."""

from __future__ import annotations

from datetime import timedelta

import pytest
from attrs import evolve

from popheal import Journal, Policy, Verdict, heal
from popheal.backends.simulated import SimulatedBackend, load_scenario
from popheal.backends.simulated import history as h
from popheal.exchange.models import ComponentState, ReplicationCheck
from popheal.healthsets.pop.catalog import DEEP_TEST_PROBE, SELF_TEST_PROBE
from popheal.reports.report import FindingKind
from popheal.tables.debts import DebtStatus
from tests.support.healing import alert_of

PROXY = "proxy-healed-by-reboot"
MAILBOX = "mailbox-healed-by-reboot"


def is_back(real, server):
    """Whether popheal has restarted the server, and it has booted again."""
    seen = [one for one in real.simulation.history.of(h.Booted) if one.server == "MBX1"]
    return bool(seen) and server.casefold().startswith("mbx1")


def healed_with(name, policy=None, **methods):
    """Heal a scenario with some answers replaced; each gets the real backend first."""
    scenario = load_scenario(name)

    class Odd(SimulatedBackend):
        pass

    for method, replacement in methods.items():
        setattr(
            Odd,
            method,
            lambda self, *args, _do=replacement: _do(SimulatedBackend(self.simulation), *args),
        )
    options = {"policy": policy} if policy else {}
    backend = Odd(scenario.organisation)
    return scenario, heal(alert_of(scenario), backend, journal=Journal(), **options)


def never_well(real, server, probe):
    """A front end that no restart heals."""
    result = real.invoke_probe(server, probe)
    return evolve(result, result="Failed", error="No.") if "Proxy" in probe else result


def step_of(report, state):
    (found,) = [one for run in report.runs for one in run.steps if one.state == state]
    return found


def debt_of(report):
    (debt,) = [one for one in report.debts if one.kind.value == "activation_disabled"]
    return debt.status


# --- a front end that is not healed --------------------------------------------------------------


def test_a_server_is_put_back_although_its_front_end_is_not_healed():
    """Its databases have no part in that; and a person is needed all the same."""
    _, report = healed_with(PROXY, invoke_probe=never_well)
    assert report.verdict is Verdict.ESCALATED
    assert debt_of(report) is DebtStatus.PAID
    assert report.runs[0].path[-4:] == (
        "reprobing_after_reboot",
        "reprobing_mailbox_side_unhealed",
        "failing_back_unhealed",
        "escalated",
    )


def unhealthy_copies(real, server):
    copies = real.database_copies(server)
    if not is_back(real, server):
        return copies
    return [evolve(one, replay_queue=400) if not one.active_copy else one for one in copies]


def failing_replication(real, server):
    checks = real.replication_health(server)
    if not is_back(real, server):
        return checks
    return [*checks, ReplicationCheck(server=server, check="DBCopyFailed", result="*FAILED*")]


def silent_replication(real, server):
    return [] if is_back(real, server) else real.replication_health(server)


def begun_to_be_maintained(real, server):
    seen = real.component_states(server)
    if not is_back(real, server):
        return seen
    off = ComponentState(
        component="ServerWideOffline", state="Inactive", requesters=(("Maintenance", "Inactive"),)
    )
    return [*(one for one in seen if one.component != off.component), off]


@pytest.mark.parametrize(
    ("odd", "kind", "said"),
    [
        ({"database_copies": unhealthy_copies}, FindingKind.REDUNDANCY, "replay queue 400"),
        ({"replication_health": failing_replication}, FindingKind.REDUNDANCY, "DBCopyFailed"),
        ({"replication_health": silent_replication}, FindingKind.REDUNDANCY, "told nothing"),
        (
            {"component_states": begun_to_be_maintained},
            FindingKind.MAINTENANCE,
            "ServerWideOffline",
        ),
    ],
    ids=["copies", "replication", "silence", "maintenance"],
)
def test_it_stays_drained_where_it_is_not_fit_to_serve(odd, kind, said):
    _, report = healed_with(PROXY, invoke_probe=never_well, **odd)
    step = step_of(report, "failing_back_unhealed")
    assert (step.outcome, step.kind) == ("refused", kind)
    assert said in step.detail
    assert debt_of(report) is DebtStatus.HANDED_OVER


def test_a_policy_may_keep_it_drained():
    policy = Policy(fail_back_unhealed=False)
    scenario, report = healed_with(PROXY, policy, invoke_probe=never_well)
    assert "fail_back_unhealed" in step_of(report, "failing_back_unhealed").detail
    assert debt_of(report) is DebtStatus.HANDED_OVER
    set_to = [one.value for one in scenario.organisation.history.of(h.ActivationDisabledSet)]
    assert set_to == [True]


def test_it_stays_drained_where_its_mailbox_side_is_ill():
    """Neither probe of it succeeds; that is looked at as long as POP may still come up."""

    def ill(real, server, probe):
        result = never_well(real, server, probe)
        sick = is_back(real, server) and "Protocol" in probe
        return evolve(result, result="Failed", error="No.") if sick else result

    _, report = healed_with(PROXY, invoke_probe=ill)
    step = step_of(report, "reprobing_mailbox_side_unhealed")
    assert (step.outcome, step.kind) == ("failed", FindingKind.NO_PROOF)
    assert DEEP_TEST_PROBE in step.detail
    assert SELF_TEST_PROBE in step.detail
    assert debt_of(report) is DebtStatus.HANDED_OVER


def test_a_front_end_that_is_well_proves_no_back_end():
    """Its probe may have been passed on to another server."""

    def ill(real, server, probe):
        result = real.invoke_probe(server, probe)
        sick = is_back(real, server) and "Protocol" in probe
        return evolve(result, result="Failed", error="No.") if sick else result

    _, report = healed_with(PROXY, invoke_probe=ill)
    assert step_of(report, "reprobing_after_reboot").outcome == "succeeded"
    assert step_of(report, "reprobing_mailbox_side").outcome == "failed"
    assert report.verdict is Verdict.ESCALATED
    assert debt_of(report) is DebtStatus.HANDED_OVER


# --- patience ------------------------------------------------------------------------------------


def well_after(minutes):
    """POP takes its time after the boot."""

    def invoke(real, server, probe):
        result = real.invoke_probe(server, probe)
        (*_, booted) = real.simulation.history.of(h.Booted) or (None,)
        if booted is None or result.finished is None:
            return evolve(result, error=result.error and "No.")  # the same words before it
        early = real.clock.now() - booted.at < timedelta(minutes=minutes)
        return evolve(result, result="Failed", error="No.") if early else result

    return invoke


def test_pop_may_take_its_time_after_a_boot():
    _, report = healed_with(MAILBOX, invoke_probe=well_after(15))
    assert report.verdict is Verdict.RECOVERED
    step = step_of(report, "reprobing_after_reboot")
    assert step.finished_at - step.started_at > timedelta(minutes=5)


def test_but_not_for_ever():
    _, report = healed_with(MAILBOX, invoke_probe=well_after(300))
    assert report.verdict is Verdict.ESCALATED
    step = step_of(report, "reprobing_after_reboot")
    assert step.outcome == "failed"
    assert step.finished_at - step.started_at < timedelta(minutes=22)
    assert debt_of(report) is DebtStatus.HANDED_OVER


# --- services ------------------------------------------------------------------------------------


class Stays:
    """A service that does not come back by itself after a boot, until it is started."""

    def __init__(self, name, start_type="Automatic"):
        self.name, self.start_type, self.started = name, start_type, []

    def services(self, real, server, names):
        seen = real.services(server, names)
        if not is_back(real, server) or self.started:
            return seen
        return [
            evolve(one, state="Stopped", start_type=self.start_type, process_id=None)
            if one.name == self.name
            else one
            for one in seen
        ]

    def start(self, real, server, name):
        self.started.append(name)


@pytest.mark.parametrize("start_type", ["Automatic", "Manual"])
def test_a_pop_service_that_did_not_come_back_is_started_once(start_type):
    stays = Stays("MSExchangePOP3BE", start_type)
    _, report = healed_with(MAILBOX, services=stays.services, start_service=stays.start)
    assert stays.started == ["MSExchangePOP3BE"]
    assert "MSExchangePOP3BE had to be started" in step_of(report, "awaiting_server").detail
    assert report.verdict is Verdict.RECOVERED


def test_the_health_manager_is_named_and_left_alone():
    stays = Stays("MSExchangeHM")
    _, report = healed_with(MAILBOX, services=stays.services, start_service=stays.start)
    step = step_of(report, "awaiting_server")
    assert (step.outcome, step.kind) == ("not_back", FindingKind.NOT_RUNNING)
    assert "MSExchangeHM (Stopped, Automatic)" in step.detail
    assert "start_health_manager" in step.detail
    assert stays.started == []


def test_the_health_manager_is_started_where_the_policy_allows_it():
    stays = Stays("MSExchangeHM")
    policy = Policy(start_health_manager=True)
    _, report = healed_with(MAILBOX, policy, services=stays.services, start_service=stays.start)
    assert stays.started == ["MSExchangeHM"]
    assert report.verdict is Verdict.RECOVERED

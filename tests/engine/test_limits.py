"""The policy's limits, over several healings and beside Managed Availability."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from popheal import Alert, Journal, Policy, Verdict, heal
from popheal.backends.simulated import SimulatedBackend, load_scenario
from popheal.backends.simulated import history as h
from popheal.engine.run import Run
from popheal.errors import CommandFailed
from popheal.exchange.models import RecoveryAction
from popheal.healthsets.pop import MAILBOX
from popheal.journal import entries
from popheal.policy.windows import DAYS, Window
from popheal.reports.report import FindingKind, Step
from popheal.tables.actions import Impact
from tests.support.healing import alert_of

DEFAULT = "mailbox-healed-by-reboot"


def rebooted(scenario) -> int:
    """How often a server of the organisation went down."""
    return len(scenario.organisation.history.of(h.WentDown))


def touched(scenario) -> list[h.Happening]:
    """What popheal did to it."""
    kinds = (h.ServiceRestarted, h.ActivationDisabledSet, h.RebootCommanded, h.ProtocolLoggingSet)
    return [
        one
        for one in scenario.organisation.history
        if isinstance(one, kinds) and one.actor == h.POPHEAL
    ]


#: A fault that a reboot heals, and the same again later: on that server, or on another one.
TWICE = """
title = "The fault comes twice"

[alert]
server = "MBX1"
health_set = "POP.Protocol"
monitor = "PopDeepTestMonitor"

[organisation]
preset = "dag3"

[[faults]]
server = "MBX1"
fails = ["deep"]
cure = "reboot"

[[faults]]
server = "{again}"
fails = ["deep"]
cure = "reboot"
begins = {begins}

[expect]
verdict = "recovered"
"""


def twice(tmp_path, again: str = "MBX1", begins: int = 7200):
    """An organisation whose fault comes again, two hours after the start."""
    path = tmp_path / "twice.toml"
    path.write_text(TWICE.format(again=again, begins=begins))
    return load_scenario(str(path))


def wait_until(scenario, at: datetime) -> None:
    scenario.backend.clock.sleep((at - scenario.backend.clock.now()).total_seconds())


class Acting(SimulatedBackend):
    """Beside Managed Availability, which has done what the test says."""

    def __init__(self, organisation, *actions, error=None) -> None:
        super().__init__(organisation)
        self.actions, self.error = actions, error

    def recovery_actions(self, server, since):
        if self.error:
            raise self.error
        return [one for one in self.actions if (one.started or one.finished) >= since]


def forced_reboot(at: datetime, *, ended: bool = True) -> RecoveryAction:
    return RecoveryAction(
        server="MBX1",
        action="ForceReboot",
        resource="MBX1",
        started=at,
        expected_finish=at + timedelta(minutes=5),
        finished=at + timedelta(minutes=4) if ended else None,
        result="Succeeded" if ended else "",
    )


# --- over several healings -----------------------------------------------------------------------


def test_one_restart_of_a_server_a_day(tmp_path):
    """The second fault of a day is not answered by a second restart, but the day after it is."""
    scenario, journal = twice(tmp_path), Journal()
    began = scenario.backend.clock.now()
    first = heal(alert_of(scenario), scenario.backend, journal=journal)
    assert first.verdict is Verdict.RECOVERED

    wait_until(scenario, began + timedelta(hours=3))
    second = heal(alert_of(scenario), scenario.backend, journal=journal)
    assert second.verdict is Verdict.ESCALATED
    assert "reboots_per_server = 1" in second.summary
    assert second.debts == ()
    assert rebooted(scenario) == 1
    assert second.retry_at is not None
    assert began + timedelta(days=1) < second.retry_at < began + timedelta(hours=25)

    wait_until(scenario, second.retry_at)
    third = heal(alert_of(scenario), scenario.backend, journal=journal)
    assert third.verdict is Verdict.RECOVERED
    assert rebooted(scenario) == 2


def test_a_budget_outlives_the_process(tmp_path):
    """It is read from the journal's file, and with another one from the server's boot time."""
    for journals, reboots in ((["one", "one"], 1), (["two", "three"], 1)):
        scenario = twice(tmp_path)
        began = scenario.backend.clock.now()
        for name in journals:
            with Journal(tmp_path / name) as journal:
                heal(alert_of(scenario), scenario.backend, journal=journal)
            wait_until(scenario, began + timedelta(hours=3))
        assert rebooted(scenario) == reboots


@pytest.mark.parametrize(("outcome", "counts"), [("", True), ("done", True), ("refused", False)])
def test_a_restart_that_may_have_been_commanded_counts(outcome, counts):
    """An intent without an outcome: whoever wrote it died, and nobody knows what came of it."""
    scenario, journal = load_scenario(DEFAULT), Journal()
    now = scenario.backend.clock.now()
    lease = journal.begin(
        "earlier",
        at=now,
        organisation=scenario.backend.organisation,
        server="mbx1.contoso.com",
        version="0",
        alert={},
        policy={},
    )
    run = Run(id="earlier.1", procedure=MAILBOX, server="mbx1.contoso.com", mailbox_role=True)
    about = {"at": now, "server": run.server, "run_id": run.id, "memory": {}, "dag": "DAG1"}
    about["run"] = run.snapshot()
    lease.write(entries.EffectIntended(effect="reboot", command="Restart-Computer", **about))
    if outcome:
        step = Step(
            state="rebooting",
            action="reboot",
            impact=Impact.DISRUPT,
            outcome=outcome,
            started_at=now,
            finished_at=now,
        )
        lease.write(entries.ActionFinished(step=step, **about))
    lease.end(at=now, verdict="escalated", report={})
    report = heal(alert_of(scenario), scenario.backend, journal=journal)
    assert (report.verdict is Verdict.ESCALATED) is counts
    assert ("reboots_per_server" in report.summary) is counts
    assert rebooted(scenario) == (0 if counts else 1)


def test_hours_between_two_members_of_a_group(tmp_path):
    """Another member was restarted two hours ago: this one stays in service, and may later."""
    scenario, journal = twice(tmp_path, again="MBX2"), Journal()
    began = scenario.backend.clock.now()
    heal(alert_of(scenario), scenario.backend, journal=journal)
    alert = Alert(server="MBX2", health_set="POP.Protocol", monitor="PopDeepTestMonitor")

    wait_until(scenario, began + timedelta(hours=3))
    report = heal(alert, scenario.backend, journal=journal)
    assert report.verdict is Verdict.ESCALATED
    assert "hours_between_reboots = 4" in report.summary
    assert "mbx1.contoso.com" in report.summary
    assert rebooted(scenario) == 1
    assert report.retry_at is not None
    assert began + timedelta(hours=4) < report.retry_at < began + timedelta(hours=5)

    wait_until(scenario, report.retry_at)
    assert heal(alert, scenario.backend, journal=journal).verdict is Verdict.RECOVERED
    assert rebooted(scenario) == 2


def test_members_that_need_not_wait(tmp_path):
    """With no hours between, only that they are not out of service together."""
    scenario, journal = twice(tmp_path, again="MBX2"), Journal()
    began = scenario.backend.clock.now()
    policy = Policy(hours_between_reboots=0)
    heal(alert_of(scenario), scenario.backend, journal=journal)
    alert = Alert(server="MBX2", health_set="POP.Protocol", monitor="PopDeepTestMonitor")
    wait_until(scenario, began + timedelta(hours=3))
    report = heal(alert, scenario.backend, journal=journal, policy=policy)
    assert report.verdict is Verdict.RECOVERED


@pytest.mark.parametrize("limit", [0, 1])
@pytest.mark.parametrize("spelt", [str.lower, str.upper])
def test_service_restarts_within_the_hour(tmp_path, limit, spelt):
    """Held before the first that is too many, with the time at which there may be another.

    However the directory spells the server meanwhile: names have no case.
    """
    scenario, journal = twice(tmp_path, begins=1800), Journal()
    began = scenario.backend.clock.now()
    policy = Policy(restarts_per_hour=limit)
    for _ in range(limit):
        heal(alert_of(scenario), scenario.backend, journal=journal, policy=policy)
        wait_until(scenario, began + timedelta(seconds=2700))
    for one in scenario.organisation.world.servers:
        one.fqdn = spelt(one.fqdn)
    before = touched(scenario)
    report = heal(alert_of(scenario), scenario.backend, journal=journal, policy=policy)
    assert report.verdict is Verdict.HELD
    assert report.findings[-1].kind is (FindingKind.BUDGET if limit else FindingKind.POLICY)
    assert f"restarts_per_hour = {limit}" in report.summary
    assert touched(scenario) == before
    if limit:
        assert began + timedelta(hours=1) < report.retry_at < began + timedelta(hours=1.2)
    else:
        assert report.retry_at is None


# --- members that must stay ----------------------------------------------------------------------


def short_of(tmp_path, members: int):
    """A group in which the last member is down."""
    scenario = load_scenario("another-member-is-down")
    if members == 3:
        return scenario
    text = TWICE.format(again="MBX1", begins=10**6).replace("dag3", f"dag{members}")
    for name in ("DB05", "DB10"):
        text += f'[databases.{name}]\nactive = "MBX2"\n'
    path = tmp_path / "short.toml"
    path.write_text(f"{text}[servers.MBX{members}]\ndown = true\n")
    return load_scenario(str(path))


@pytest.mark.parametrize(
    ("members", "needed", "said"),
    [
        (3, None, "MBX3, another member of DAG1, is down"),
        (3, 1, "no majority"),
        (3, 2, "healthy_members = 2"),
        (5, None, "MBX5, another member of DAG1, is down"),
        (5, 3, ""),
        (5, 4, "healthy_members = 4"),
    ],
)
def test_as_many_other_members_as_the_policy_wants(tmp_path, members, needed, said):
    """All of them by default; never so few that the cluster would lose its majority."""
    scenario = short_of(tmp_path, members)
    policy = Policy(healthy_members=needed)
    report = heal(alert_of(scenario), scenario.backend, journal=Journal(), policy=policy)
    assert report.verdict is (Verdict.ESCALATED if said else Verdict.RECOVERED), report.summary
    assert said in report.summary
    assert rebooted(scenario) == (0 if said else 1)


# --- windows -------------------------------------------------------------------------------------


def test_outside_of_the_window_nothing_is_touched():
    """Held, with the time at which it opens; then it heals."""
    scenario = load_scenario(DEFAULT)
    now = scenario.backend.clock.now()
    opens = (now + timedelta(hours=2)).replace(minute=0)
    window = Window(days=(f"{opens:%a}".lower(),), start=f"{opens:%H:%M}", end="23:00")
    policy = Policy(windows=(window,))
    report = heal(alert_of(scenario), scenario.backend, journal=Journal(), policy=policy)
    assert report.verdict is Verdict.HELD
    assert [one.kind for one in report.findings][-1] is FindingKind.WINDOW
    assert report.retry_at == opens.astimezone(UTC)
    assert touched(scenario) == []

    scenario.backend.clock.sleep((opens - scenario.backend.clock.now()).total_seconds())
    report = heal(alert_of(scenario), scenario.backend, journal=Journal(), policy=policy)
    assert report.verdict is Verdict.RECOVERED


def test_a_window_that_only_a_disruption_needs():
    """The service is restarted at any time; the server stays in service until the window."""
    scenario = load_scenario(DEFAULT)
    now = scenario.backend.clock.now()
    tomorrow = f"{now + timedelta(days=1):%a}".lower()
    policy = Policy(
        windows=(Window(days=(tomorrow,), start="00:00", end="00:00"),),
        window_from=Impact.DISRUPT,
    )
    report = heal(alert_of(scenario), scenario.backend, journal=Journal(), policy=policy)
    assert report.verdict is Verdict.ESCALATED
    assert "no maintenance window is open" in report.summary
    assert [type(one) for one in touched(scenario)] == [h.ServiceRestarted]
    assert report.retry_at is not None


@pytest.mark.parametrize(("minutes", "verdict"), [(20, Verdict.ESCALATED), (40, Verdict.RECOVERED)])
def test_nothing_is_drained_in_a_window_that_may_close_before_the_restart(minutes, verdict):
    """Else the server would be left drained until the next one opens."""
    scenario = load_scenario(DEFAULT)
    now = scenario.backend.clock.now()
    window = Window(DAYS, f"{now:%H:%M}", f"{now + timedelta(minutes=minutes):%H:%M}")
    policy = Policy(windows=(window,), window_from=Impact.DISRUPT)
    report = heal(alert_of(scenario), scenario.backend, journal=Journal(), policy=policy)
    assert report.verdict is verdict
    drained = any(isinstance(one, h.ActivationDisabledSet) for one in touched(scenario))
    assert drained is (verdict is Verdict.RECOVERED)
    if not drained:
        assert "drain_deadline" in report.summary
        assert report.retry_at == now + timedelta(days=1)


def test_a_policy_that_allows_no_restart_of_a_server_is_no_used_up_budget():
    """Nothing was restarted too often, so that is not what a person is told to look into."""
    scenario = load_scenario(DEFAULT)
    policy = Policy(reboots_per_server=0)
    report = heal(alert_of(scenario), scenario.backend, journal=Journal(), policy=policy)
    assert "the policy allows no restart of a server" in report.summary
    assert not any("restarted before" in one for one in report.handover.next_steps)
    assert report.retry_at is None


# --- Managed Availability ------------------------------------------------------------------------


def test_its_running_action_defers_us():
    """Held until it is expected to have ended, and nothing is touched."""
    scenario = load_scenario(DEFAULT)
    began = scenario.backend.clock.now() - timedelta(seconds=60)
    backend = Acting(scenario.organisation, forced_reboot(began, ended=False))
    report = heal(alert_of(scenario), backend, journal=Journal())
    assert report.verdict is Verdict.HELD
    assert FindingKind.MANAGED_AVAILABILITY in [one.kind for one in report.findings]
    assert touched(scenario) == []
    assert report.retry_at is not None
    assert report.retry_at > began + timedelta(minutes=5)


def test_its_reboot_counts():
    """One within the day is one too many: the server is not taken out of service again."""
    scenario = load_scenario(DEFAULT)
    at = scenario.backend.clock.now() - timedelta(hours=3)
    report = heal(
        alert_of(scenario),
        Acting(scenario.organisation, forced_reboot(at)),
        journal=Journal(),
    )
    assert report.verdict is Verdict.ESCALATED
    assert "by Managed Availability" in report.summary
    assert rebooted(scenario) == 0
    assert report.debts == ()
    assert report.retry_at == at + timedelta(days=1)


def test_an_old_reboot_does_not_count():
    scenario = load_scenario(DEFAULT)
    at = scenario.backend.clock.now() - timedelta(hours=24, minutes=30)
    report = heal(
        alert_of(scenario),
        Acting(scenario.organisation, forced_reboot(at)),
        journal=Journal(),
    )
    assert report.verdict is Verdict.RECOVERED


def test_what_it_does_that_can_not_be_read():
    """Could not tell: nothing is touched, and it is said how to go on without."""
    scenario = load_scenario(DEFAULT)
    error = CommandFailed(server="MBX1", command="read recovery actions", cause="no such log")
    backend = Acting(scenario.organisation, error=error)
    report = heal(alert_of(scenario), backend, journal=Journal())
    assert report.verdict is Verdict.UNKNOWN
    assert touched(scenario) == []
    assert any("heed_managed_availability = false" in one.next_step for one in report.findings)
    policy = Policy(heed_managed_availability=False)
    again = heal(alert_of(scenario), backend, journal=Journal(), policy=policy)
    assert again.verdict is Verdict.RECOVERED

"""Within a run triage's blockers are asked again, and before a disruption more of them hold."""

from __future__ import annotations

from functools import partial

import pytest
from attrs import evolve

from popheal import Policy
from popheal.backends.simulated import load_scenario
from popheal.engine.context import HealingContext, RunContext, RunState
from popheal.engine.drive import drive
from popheal.engine.run import Run
from popheal.engine.triage.blockers import why_blocked
from popheal.engine.triage.words import TIMED_OUT, heed_words
from popheal.exchange.models import ProbeResult
from popheal.healthsets.pop import PROCEDURES
from popheal.healthsets.pop.catalog import monitor_named
from popheal.healthsets.pop.causes import Helps
from popheal.reports.report import FindingKind
from tests.engine.test_triage import CTP, DEEP, FAILS, HUNG, Telling, row, scenario_of

FAILED = ProbeResult(probe="x", result="Failed", error="The server did not answer.")
HANGS = evolve(FAILED, result="Timeout")


def work_on(backend, server, monitor, state=None, **memory):
    """A run on that server, in that state of its table; by default at its start."""
    known = monitor_named(monitor)
    info = backend.server_info(server)
    host = backend.host_status(server)
    procedure = PROCEDURES[known.procedure]
    run = Run(
        id="1.1",
        procedure=procedure,
        server=info.fqdn,
        monitor=known.name,
        mailbox_role=info.mailbox_role,
    )
    run.state = state or procedure.start
    session = HealingContext(policy=Policy(), clock=backend.clock, organisation="o")
    return RunContext(
        session=session,
        run=run,
        info=info,
        monitor=known,
        memory=RunState(boot_at_start=host.boot_time, **memory),
        heal_server=lambda _: None,
    )


def blocked(backend, work):
    return drive(partial(why_blocked, work), backend, work.session)


@pytest.fixture
def sick(tmp_path):
    """A Mailbox server whose deep test fails."""
    return scenario_of(tmp_path, DEEP, "dag3", FAILS.format(aspect="deep", cure="reboot"))


@pytest.mark.parametrize("state", [None, "reprobing", "checking_switchover", "draining"])
def test_nothing_holds_where_nothing_is(sick, state):
    """Neither after a probe, nor before a drain."""
    work = work_on(sick.backend, "MBX1", "PopDeepTestMonitor", state, last_probe=FAILED)
    assert blocked(sick.backend, work) is None


@pytest.mark.parametrize("state", ["reprobing", "checking_switchover", "draining", "rebooting"])
def test_pop_proxy_taken_offline_meanwhile_holds(sick, state):
    """The product's responder does that while a run is at work."""
    work = work_on(sick.backend, "MBX1", "PopDeepTestMonitor", state)
    sick.organisation.set_component("MBX1", "PopProxy", "HealthAPI", "Inactive", "x")
    finding, _ = blocked(sick.backend, work)
    assert finding.kind is FindingKind.COMPONENT_INACTIVE
    assert "PopProxy" in finding.detail


def test_its_own_drain_does_not_hold(sick):
    """The run itself may have drained the server."""
    work = work_on(sick.backend, "MBX1", "PopDeepTestMonitor", "rebooting")
    sick.backend.set_activation_disabled("MBX1", True)
    assert blocked(sick.backend, work) is None


def test_what_the_last_probe_says_holds_at_once(sick):
    """A cause that no further step cures."""
    said = evolve(FAILED, error="[Error=ProxyNotAuthenticated Proxy=mbx2:1995:SSL] no")
    work = work_on(sick.backend, "MBX1", "PopDeepTestMonitor", "reprobing", last_probe=said)
    finding, _ = blocked(sick.backend, work)
    assert finding.kind is FindingKind.CAUSE
    assert "certificate" in finding.detail


@pytest.mark.parametrize("said", ["error", "exception"])
def test_what_a_restart_may_cure_holds_only_before_a_disruption(sick, said):
    """Words of a probe that forbid a reboot, not what else the table has."""
    refused = evolve(FAILED, **{said: "System.Net.Sockets.SocketException (10061)"})
    work = work_on(sick.backend, "MBX1", "PopDeepTestMonitor", "reprobing", last_probe=refused)
    assert blocked(sick.backend, work) is None
    work.run.state = "checking_switchover"
    finding, _ = blocked(sick.backend, work)
    assert finding.kind is FindingKind.CAUSE
    assert "No reboot cures that" in finding.detail


def test_what_was_told_in_triage_or_read_in_the_log_is_remembered(sick):
    """Before a disruption, and only then."""
    work = work_on(sick.backend, "MBX1", "PopDeepTestMonitor", "reprobing")
    for words, helps in (
        ("nothing known", None),
        ("-ERR Server Unavailable. 21", None),
        ("ConnectionRefused", Helps.SERVICE_RESTART),
        ("ErrMsg=AuthFailed:LogonDenied", Helps.NOTHING),
    ):
        cause = heed_words(work, [words])
        assert (cause.helps if cause else None) is helps
        assert bool(work.memory.no_disruption) is (helps is not None)
    assert "account was refused" in work.memory.no_disruption
    assert blocked(sick.backend, work) is None
    work.run.state = "draining"
    assert blocked(sick.backend, work)[0].kind is FindingKind.CAUSE


def test_a_hang_is_no_reason_for_a_disruption_until_the_probe_fails(sick):
    """Then that counts, and not the hang."""
    work = work_on(sick.backend, "MBX1", "PopDeepTestMonitor", "draining", no_disruption=TIMED_OUT)
    assert blocked(sick.backend, work)[0].detail == TIMED_OUT
    work.memory.last_probe = HANGS
    assert blocked(sick.backend, work) is not None
    work.memory.last_probe = FAILED
    assert blocked(sick.backend, work) is None


def test_a_service_that_is_switched_off_forbids_to_disrupt(sick):
    """No reboot starts it; and the run's own stopping of a service is not switching it off."""
    off = lambda one: (  # noqa: E731
        evolve(one, state="Stopped", start_type="Disabled") if one.name.endswith("BE") else one
    )
    backend = Telling(sick.organisation, services=off)
    work = work_on(backend, "MBX1", "PopCTPMonitor", "reprobing")
    assert blocked(backend, work) is None
    work.run.state = "checking_switchover"
    finding, _ = blocked(backend, work)
    assert finding.kind is FindingKind.SWITCHED_OFF
    assert "MSExchangePOP3BE" in finding.detail
    stopped = lambda one: (  # noqa: E731
        evolve(one, state="Stopped", start_type="Manual") if one.name.endswith("BE") else one
    )
    backend = Telling(sick.organisation, services=stopped)
    work = work_on(
        backend, "MBX1", "PopCTPMonitor", "draining", running_before=("MSExchangePOP3BE",)
    )
    assert blocked(backend, work) is None


def test_a_nearer_cause_lifts_no_brake_before_a_disruption(tmp_path):
    """A sick back end is a reason to look there, and none to restart a front end."""
    scenario = scenario_of(tmp_path, CTP, "split2013", HUNG)
    work = work_on(scenario.backend, "CAS1", "PopCTPMonitor", "reprobing")
    assert blocked(scenario.backend, work) is None
    work.run.state = "rebooting"
    assert blocked(scenario.backend, work)[0].kind is FindingKind.SIBLINGS


def test_managed_availability_is_left_to_the_limits(sick):
    """They ask before each effect; a second look would only cost."""

    class Unread(Telling):
        def recovery_actions(self, server, since):
            raise AssertionError

    backend = Unread(sick.organisation)
    work = work_on(backend, "MBX1", "PopDeepTestMonitor", "draining")
    assert blocked(backend, work) is None


def test_other_protocols_hold_meanwhile(sick):
    """What has begun to fail alike since."""
    more = [
        row("mbx1.contoso.com", "IMAP.Protocol", "ImapDeepTestMonitor"),
        row("mbx1.contoso.com", "OWA.Protocol", "OwaDeepTestMonitor"),
    ]
    backend = Telling(sick.organisation, rows=more)
    work = work_on(backend, "MBX1", "PopDeepTestMonitor", "reprobing")
    assert blocked(backend, work)[0].kind is FindingKind.OTHER_PROTOCOLS


def test_a_scenario_is_there_to_be_loaded():
    """The shipped organisation with a shared cause is held within a run, too."""
    scenario = load_scenario("siblings-alike")
    work = work_on(scenario.backend, "MBX1", "PopCTPMonitor", "reprobing")
    assert blocked(scenario.backend, work)[0].kind is FindingKind.SIBLINGS


@pytest.mark.parametrize(
    ("monitor", "state"),
    [
        ("PopSelfTestMonitor", "checking_switchover"),
        ("PopProxyTestMonitor", "draining"),
        ("AverageCommandProcessingTimeGt60sMonitor", "rebooting"),
    ],
)
@pytest.mark.parametrize("health_set", ["AD", "Store", "Clustering", "DataProtection", "Network"])
def test_a_server_is_not_taken_out_of_service_while_what_pop_needs_is_ill(
    sick, monitor, state, health_set
):
    """Though the runbook's table lists no dependency of that monitor; its service is restarted."""
    ill = row("mbx1.contoso.com", health_set, "AnyMonitor")
    backend = Telling(sick.organisation, rows=[ill])
    assert blocked(backend, work_on(backend, "mbx1", monitor)) is None
    finding, _ = blocked(backend, work_on(backend, "mbx1", monitor, state))
    assert finding.kind is FindingKind.DEPENDENCY
    assert health_set in finding.detail

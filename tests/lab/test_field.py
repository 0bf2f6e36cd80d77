"""What far sides were seen to answer in the field, over real remoting, and what is right then."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import datetime

import pytest
from attrs import evolve

from popheal import Alert, Journal, Report, Verdict, heal
from popheal.backends.psrp import PsrpBackend
from popheal.backends.simulated import Scenario, SimulatedBackend, load_scenario
from popheal.backends.simulated import history as h
from popheal.exchange.models import HostStatus, MonitorHealth, ProbeResult
from popheal.lab import Lab, LabClock

pytestmark = [pytest.mark.lab, pytest.mark.slow]

DEEP_TESTS = {
    "ImapDeepTestMonitor": "IMAP.Protocol",
    "OwaDeepTestMonitor": "OWA.Protocol",
    "ActiveSyncDeepTestMonitor": "ActiveSync.Protocol",
    "EWSDeepTestMonitor": "EWS.Protocol",
    "OutlookMapiHttpDeepTestMonitor": "Outlook.MapiHttp.Protocol",
}


def healed(scenario: Scenario, served: SimulatedBackend) -> Report:
    """Heal it over the wire, on its virtual clock."""
    servers = [one.fqdn for one in scenario.organisation.all_servers(scenario.server)]
    alert = Alert(server=scenario.server, health_set=scenario.health_set, monitor=scenario.monitor)
    with (
        Lab(served, servers, is_up=scenario.organisation.answers) as lab,
        PsrpBackend(lab.settings()) as backend,
    ):
        return heal(alert, backend, clock=LabClock(scenario.clock, lab), journal=Journal())


def done(scenario: Scenario) -> set[str]:
    """What was done to the servers that is more than a restart of a service."""
    history = scenario.organisation.history
    kinds = (h.RebootCommanded, h.ActivationDisabledSet)
    return {kind.__name__ for kind in kinds if history.of(kind, actor=h.POPHEAL)}


def said(report: Report) -> str:
    """What the operator is told: reasons, and what to do."""
    return json.dumps(report.to_json(), ensure_ascii=False).casefold()


class FailingProbe(SimulatedBackend):
    """Every probe fails in these words, whatever is done."""

    error = ""

    def invoke_probe(self, server: str, probe: str) -> ProbeResult:
        seen = super().invoke_probe(server, probe)
        return evolve(seen, result="Failed", error=self.error)


def test_the_probes_own_account_is_refused() -> None:
    """And so are those of the other protocols: no restart and no reboot lets them in again."""

    class NoAccount(FailingProbe):
        error = (
            "Unable to log on: -ERR Logon failure: unknown user name or bad password. "
            "User: HealthMailbox0123456789abcdef@contoso.test"
        )

        def server_health(self, server: str) -> Sequence[MonitorHealth]:
            rows = list(super().server_health(server))
            others = [
                evolve(rows[0], monitor=monitor, health_set=name, alert_value="Unhealthy")
                for monitor, name in DEEP_TESTS.items()
            ]
            return [*rows, *others]

    scenario = load_scenario("mailbox-healed-by-reboot")
    report = healed(scenario, NoAccount(scenario.organisation))
    assert report.verdict is Verdict.ESCALATED
    assert done(scenario) == set()
    assert "health mailbox" in said(report)


def test_a_certificate_that_does_not_fit() -> None:
    """The proxy is not authenticated: it is named, and nothing is drained for it."""

    class NoTrust(FailingProbe):
        error = "-ERR [Error=ProxyNotAuthenticated Proxy=ex01.contoso.test:1995:SSL] Logon failure"

    scenario = load_scenario("proxy-healed-by-reboot")
    report = healed(scenario, NoTrust(scenario.organisation))
    assert report.verdict is Verdict.ESCALATED
    assert done(scenario) == set()
    assert "certificate" in said(report)


def month_first(at: datetime) -> str:
    half = "AM" if at.hour < 12 else "PM"
    return f"{at.month}/{at.day}/{at.year} {at.hour % 12 or 12}:{at:%M:%S} {half}"


def day_first(at: datetime) -> str:
    return f"{at:%d.%m.%Y %H:%M:%S}"


@pytest.mark.parametrize("offset", [0.0, None])
@pytest.mark.parametrize("written", [month_first, day_first])
def test_times_without_a_zone(written: Callable[[datetime], str], offset: float | None) -> None:
    """They prove something, where the zone is known, or nothing is begun that needs the proof."""

    class NoZone(SimulatedBackend):
        def server_health(self, server: str) -> Sequence[MonitorHealth]:
            return [
                evolve(row, last_execution=None, last_execution_text=written(row.last_execution))
                if row.last_execution
                else row
                for row in super().server_health(server)
            ]

        def host_status(self, server: str) -> HostStatus:
            return evolve(super().host_status(server), utc_offset=offset)

    scenario = load_scenario("mailbox-healed-by-reboot")
    report = healed(scenario, NoZone(scenario.organisation))
    assert report.verdict is Verdict.RECOVERED or done(scenario) == set()

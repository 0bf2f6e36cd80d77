"""Cases of the field in which the server under repair is a bad witness about the others."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import evolve

import popheal.lab.served as served_module
from popheal import Journal, Report, Verdict, heal
from popheal.backends.psrp import PsrpBackend
from popheal.backends.simulated import Scenario, SimulatedBackend, load_scenario
from popheal.backends.simulated import history as h
from popheal.exchange.models import MailboxServer
from popheal.lab import Lab, LabClock
from popheal.lab.objects import Origin
from tests.support.healing import alert_of

CASES = Path(__file__).parents[1] / "samples" / "cases" / "variants" / "ways"
pytestmark = [pytest.mark.lab, pytest.mark.slow]


class OldDirectory(SimulatedBackend):
    """Reads a domain controller that has not heard yet that a member was drained."""

    def mailbox_server(self, server: str) -> MailboxServer:
        return evolve(super().mailbox_server(server), activation_disabled=False)


Answers = Callable[[Scenario, Origin], SimulatedBackend]


def healed(
    name: str, ways: list[str], answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> tuple[Report, Scenario]:
    """Heal it over remoting; what a server answers depends on which one is asked."""
    scenario = load_scenario(CASES / f"{name}.toml")
    original = served_module.run_cmdlet

    def answered(_backend: object, origin: Origin, cmdlet: str, given: dict[str, object]) -> object:
        return original(answers(scenario, origin), origin, cmdlet, given)

    monkeypatch.setattr(served_module, "run_cmdlet", answered)
    servers = [one.fqdn for one in scenario.organisation.all_servers(scenario.server)]
    named = [one for way in ways for one in servers if one.startswith(f"{way}.")]
    with (
        Lab(scenario.backend, servers, is_up=scenario.organisation.answers) as lab,
        PsrpBackend(lab.settings(named)) as backend,
    ):
        clock = LabClock(scenario.clock, lab)
        report = heal(alert_of(scenario), backend, clock=clock, journal=Journal())
    return report, scenario


def short(name: str) -> str:
    return name.partition(".")[0].casefold()


def drained(scenario: Scenario) -> list[str]:
    """The servers that popheal took the databases from."""
    return [
        one.server
        for one in scenario.organisation.history
        if isinstance(one, h.ActivationDisabledSet) and one.value and one.actor == h.POPHEAL
    ]


def test_an_old_copy_of_the_directory_permits_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sick server reads a domain controller of its own, which lags; the others know."""

    def answers(scenario: Scenario, origin: Origin) -> SimulatedBackend:
        kind = OldDirectory if short(origin.server) == "mbx1" else SimulatedBackend
        return kind(scenario.organisation)

    name = "a12-old-copy-of-the-directory"
    report, scenario = healed(name, ["mbx1", "mbx2"], answers, monkeypatch)
    assert report.verdict is Verdict.ESCALATED
    assert drained(scenario) == []


def test_a_client_access_server_under_repair_is_asked_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One that has the Client Access role alone passes cmdlets on, and is sick besides."""
    asked = []

    def answers(scenario: Scenario, origin: Origin) -> SimulatedBackend:
        asked.append(short(origin.server))
        return scenario.backend

    name = "a12-client-access-server-listed-first"
    report, _ = healed(name, ["cas1", "cas2"], answers, monkeypatch)
    assert report.verdict is Verdict.RECOVERED
    assert set(asked) == {"cas2"}


def test_each_says_where_it_was_read() -> None:
    told = [tomllib.loads(one.read_text(encoding="utf-8")) for one in CASES.glob("*.toml")]
    assert len(told) == 2
    assert all("Read at:" in one["description"] for one in told)

"""During a healing nothing is asked by way of the server under repair, if there is another way."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

import popheal.lab.served as served_module
from popheal import Alert, Journal, Verdict, aheal, heal
from popheal.backends.psrp import PsrpBackend
from popheal.backends.simulated import Scenario, load_scenario
from popheal.lab import Lab, LabClock
from popheal.lab.objects import Origin
from popheal.testing import BackendConformance

pytestmark = pytest.mark.lab

#: By which server a cmdlet went, which one, and what about.
Gone = tuple[str, str, frozenset[str]]


@contextmanager
def served(
    scenario: Scenario, monkeypatch: pytest.MonkeyPatch, ways: list[str]
) -> Iterator[tuple[PsrpBackend, LabClock, list[Gone]]]:
    """A backend over the lab with these Exchange endpoints, and what went by which of them."""
    gone: list[Gone] = []
    original = served_module.run_cmdlet

    def noting(backend: object, origin: Origin, name: str, given: dict[str, object]) -> object:
        about = {str(value).partition(".")[0].upper() for value in given.values()}
        gone.append((origin.server.partition(".")[0].upper(), name, frozenset(about)))
        return original(backend, origin, name, given)  # type: ignore[arg-type]

    monkeypatch.setattr(served_module, "run_cmdlet", noting)
    servers = [one.fqdn for one in scenario.organisation.all_servers(scenario.server)]
    named = [one for way in ways for one in servers if one.upper().startswith(f"{way}.")]
    with (
        Lab(scenario.backend, servers, is_up=scenario.organisation.answers) as lab,
        PsrpBackend(lab.settings(named)) as backend,
    ):
        yield backend, LabClock(scenario.clock, lab), gone


def alert_of(scenario: Scenario) -> Alert:
    return Alert(server=scenario.server, health_set=scenario.health_set, monitor=scenario.monitor)


@pytest.mark.slow
@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_healing_goes_past_the_server_under_repair(
    asynchronous: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the first of the two endpoints; looks at the other members go by the other as well."""
    scenario = load_scenario("mailbox-healed-by-reboot")
    with served(scenario, monkeypatch, ["MBX1", "MBX2"]) as (backend, clock, gone):
        options = {"clock": clock, "journal": Journal()}
        if asynchronous:
            report = asyncio.run(aheal(alert_of(scenario), backend, **options))
        else:
            report = heal(alert_of(scenario), backend, **options)
    assert report.verdict is Verdict.RECOVERED
    assert {way for way, _, _ in gone} == {"MBX2"}
    # There were such looks.
    for name in ("Get-MailboxServer", "Get-ServerHealth"):
        assert any(name == told and about & {"MBX2", "MBX3"} for _, told, about in gone), name


@pytest.mark.slow
def test_what_decides_about_a_server_is_asked_of_a_third(monkeypatch: pytest.MonkeyPatch) -> None:
    """With three endpoints, MBX2 is asked about by way of MBX3, and MBX3 by way of MBX2."""
    scenario = load_scenario("mailbox-healed-by-reboot")
    with served(scenario, monkeypatch, ["MBX1", "MBX2", "MBX3"]) as (backend, clock, gone):
        heal(alert_of(scenario), backend, clock=clock, journal=Journal())
    # Of these cmdlets there is one parameter that is a server, and it is the one it is about.
    looks = [(way, about) for way, name, about in gone if name == "Get-MailboxServer"]
    assert {way for way, about in looks if "MBX2" in about} == {"MBX3"}
    assert {way for way, about in looks if "MBX3" in about} == {"MBX2"}
    assert "MBX1" not in {way for way, _ in looks}


@pytest.mark.slow
def test_a_back_end_that_is_healed_is_gone_past_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The healing's second server is under repair as long as its run is at work."""
    scenario = load_scenario("client-access-back-end-found-in-log")
    servers = scenario.organisation.all_servers(scenario.server)
    ways = [one.name.upper() for one in servers]
    with served(scenario, monkeypatch, ways) as (backend, clock, gone):
        report = heal(alert_of(scenario), backend, clock=clock, journal=Journal())
    assert report.verdict is Verdict.RECOVERED
    healed = {run.server.partition(".")[0].upper() for run in report.runs}
    assert len(healed) > 1
    alerted = report.server.partition(".")[0].upper()
    assert alerted not in {way for way, _, _ in gone}
    for server in healed:
        assert not [name for way, name, about in gone if way == server and server in about]


class TestAView(BackendConformance):
    """What a backend is told to avoid changes nothing of what it says and does."""

    server = load_scenario("mailbox-healed-by-reboot").server

    @pytest.fixture
    def backend(self, monkeypatch: pytest.MonkeyPatch) -> Iterator[PsrpBackend]:
        scenario = load_scenario("mailbox-healed-by-reboot")
        with served(scenario, monkeypatch, ["MBX1", "MBX2", "MBX3"]) as (backend, _, _gone):
            yield backend.avoiding([self.server, "MBX2"])

"""The simulated organisation over the lab: conforms, and runs go the same way as in process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from attrs import evolve, fields, has

from popheal import Alert, Journal, Report, heal
from popheal.backends.psrp import PsrpBackend
from popheal.backends.simulated import Scenario, load_scenario, scenario_names
from popheal.errors import PophealError
from popheal.exchange.backend import LOOKS, Backend
from popheal.exchange.names import same_server, short_name
from popheal.healthsets.pop.catalog import MONITORS
from popheal.lab import Lab, LabClock
from popheal.testing import BackendConformance

pytestmark = pytest.mark.lab

SCENARIO = "mailbox-healed-by-reboot"


class TestOverTheLab(BackendConformance):
    """A backend over the wire is as good as one in process."""

    server = load_scenario(SCENARIO).server

    @pytest.fixture
    def backend(self) -> Iterator[PsrpBackend]:
        served = load_scenario(SCENARIO).backend
        servers = [one.fqdn for one in served.simulation.all_servers(self.server)]
        with (
            Lab(served, servers, is_up=served.simulation.answers) as lab,
            PsrpBackend(lab.settings()) as backend,
        ):
            yield backend


def told(backend: Backend, method: str, arguments: tuple[object, ...]) -> object:
    """What a look gives, or raises, as far as that must be the same everywhere."""
    try:
        seen = getattr(backend, method)(*arguments)
    except PophealError as error:
        return type(error)
    return list(map(plain, seen)) if isinstance(seen, (list, tuple)) else plain(seen)


def plain(seen: Any) -> Any:
    """An observation, with the server's name in one of the forms that mean the same."""
    return evolve(seen, server=short_name(seen.server)) if hasattr(seen, "server") else seen


def looks_at(server: str, scenario: Scenario) -> Iterator[tuple[str, tuple[object, ...]]]:
    """Every look, with all that can be asked for."""
    now = scenario.clock.now()
    for method in LOOKS:
        match method:
            case "dag":
                asked: list[tuple[object, ...]] = [("DAG1",)]
            case "invoke_probe":
                asked = [(one.probe,) for one in MONITORS if one.probe]
            case "monitoring_items":
                asked = [("POP",), ("POP.Proxy",), ("POP.Protocol",), ("NoSuchSet",)]
            case "copies_of":
                asked = [("DB1",), ("DB2",), ("NoSuchDatabase",)]
            case "services":
                asked = [(("MSExchangePop3", "MSExchangePOP3BE", "MSExchangeHM", "ClusSvc"),)]
            case "pop_logs":
                asked = [(r"%ExchangeInstallPath%Logging\Pop3", now - timedelta(hours=1), now)]
            case "recovery_actions":
                asked = [(now - timedelta(days=1),)]
            case _:
                asked = [()]
        for arguments in asked:
            yield method, (server, *arguments)


def check_all_arrives(name: str, most: int) -> None:
    """Every look at a server, and at others, says over the wire what it says in process."""
    here, there = load_scenario(name), load_scenario(name)
    for one in (here, there):
        # What breaks by count would break at other calls: over the wire some are made again.
        one.organisation.broken_calls.script.clear()
    servers = [one.fqdn for one in here.organisation.all_servers(here.server)]
    with (
        Lab(there.backend, servers, is_up=there.organisation.answers) as lab,
        PsrpBackend(lab.settings()) as backend,
    ):
        view = backend.avoiding([here.server])  # as a healing asks it
        for clock in (here.clock, LabClock(there.clock, lab)):
            clock.sleep(300)
        up = [one for one in servers if here.organisation.answers(one)]
        up.sort(key=lambda one: not same_server(one, here.server))
        for server in up[:most]:
            for method, arguments in looks_at(server, here):
                expected = told(here.backend, method, arguments)
                assert expected == told(view, method, arguments), (method, arguments)


@pytest.mark.parametrize(
    "name", [SCENARIO, "client-access-back-end-found-in-log", "peers-blocked", "nothing-wrong"]
)
def test_everything_arrives(name: str) -> None:
    """Whatever the simulation tells arrives as it was."""
    check_all_arrives(name, most=99)


def shapes(name: str) -> set[tuple[object, ...]]:
    """What kinds of answers the looks at a scenario's server give: what differs on the wire.

    Each field with the type of its value and whether that is empty, each refusal, and whether
    there are none, one or several.
    """
    scenario = load_scenario(name)
    scenario.organisation.broken_calls.script.clear()
    scenario.clock.sleep(300)
    if not scenario.organisation.answers(scenario.server):
        return {("down",)}
    found: set[tuple[object, ...]] = set()
    for method, arguments in looks_at(scenario.server, scenario):
        seen = told(scenario.backend, method, arguments)
        several = seen if isinstance(seen, list) else [seen]
        found.add((method, seen if isinstance(seen, type) else min(len(several), 2)))
        for one in several:
            for field in fields(type(one)) if has(type(one)) else ():
                value = getattr(one, field.name)
                found.add((method, field.name, type(value), bool(value)))
    return found


def of_every_shape() -> list[str]:
    """Scenarios that together have every kind of answer that any scenario has."""
    chosen: list[str] = []
    known: set[tuple[object, ...]] = set()
    for name in scenario_names():
        if found := shapes(name) - known:
            chosen.append(name)
            known |= found
    return chosen


@pytest.mark.slow
def test_every_kind_of_answer_arrives() -> None:
    """Likewise of the server of the alert, in each scenario with an answer of a new kind."""
    for name in of_every_shape():
        check_all_arrives(name, most=1)


def played(scenario: Scenario, over_the_wire: bool) -> Report:
    alert = Alert(server=scenario.server, health_set=scenario.health_set, monitor=scenario.monitor)
    if not over_the_wire:
        return heal(alert, scenario.backend, clock=scenario.clock)
    servers = [one.fqdn for one in scenario.organisation.all_servers(scenario.server)]
    with (
        Lab(scenario.backend, servers, is_up=scenario.organisation.answers) as lab,
        PsrpBackend(lab.settings()) as backend,
    ):
        return heal(alert, backend, clock=LabClock(scenario.clock, lab), journal=Journal())


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [
        SCENARIO,
        "call-dropped-in-mid-effect",
        "client-access-back-end-found-in-log",
        "command-time-healed-by-restart",
        "not-authorised",
        "peers-blocked",
        "server-boots-twice",
        "server-never-comes-back",
    ],
)
def test_a_run_goes_the_same_way(name: str) -> None:
    """Verdict, states passed and debts are those of a run in process."""
    here, there = (played(load_scenario(name), over) for over in (False, True))
    assert here.verdict is there.verdict
    assert [(r.procedure, r.server, r.path) for r in here.runs] == [
        (r.procedure, r.server, r.path) for r in there.runs
    ]
    assert [(d.kind, d.server, d.status) for d in here.debts] == [
        (d.kind, d.server, d.status) for d in there.debts
    ]


def test_the_clock_can_be_slept_on_by_coroutines() -> None:
    """The lab follows there too."""
    scenario = load_scenario(SCENARIO)
    with Lab(scenario.backend, [scenario.server]) as lab:
        clock = LabClock(scenario.clock, lab)
        before = clock.now()
        asyncio.run(clock.asleep(3))
        assert (clock.now() - before).total_seconds() == 3

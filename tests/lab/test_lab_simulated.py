"""The simulated organisation over the lab: conforms, and runs go the same way as in process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from popheal import Alert, Journal, Report, heal
from popheal.backends.psrp import PsrpBackend
from popheal.backends.simulated import Scenario, load_scenario
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

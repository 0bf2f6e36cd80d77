"""Every scenario ends as it says: with either driver, in process and over remoting."""

from __future__ import annotations

import asyncio
from itertools import cycle
from pathlib import Path

import pytest

from popheal import Journal, Report, aheal, heal
from popheal.backends.psrp import PsrpBackend
from popheal.backends.simulated import Scenario, load_scenario, scenario_names
from popheal.exchange.names import short_name
from popheal.lab import Lab, LabClock
from tests.engine.test_drive import Asynchronous, Delegating, without_ids_and_times
from tests.support.healing import alert_of, restarted, unsaid
from tests.support.paths import what_ifs
from tests.support.properties import EFFECTS

#: Shipped ones, and organisations that people have met.
ALL = (*scenario_names(), *what_ifs())


def _id(value) -> str:
    if isinstance(value, bool):
        return "async" if value else "sync"
    return Path(value).stem


def in_process(scenario, backend=None, *, asynchronous=False):
    """Heal it directly."""
    return carry_out(scenario, backend or scenario.backend, scenario.backend.clock, asynchronous)


def over_psrp(scenario, *, asynchronous):
    """Heal it through the real client, over loopback, against the organisation in the lab."""
    organisation = scenario.organisation
    with organisation.present() as world:
        servers = [one.fqdn for one in world.servers]
    with Lab(scenario.backend, servers, is_up=organisation.answers) as lab:
        clock = LabClock(scenario.backend.clock, lab)
        with PsrpBackend(lab.settings()) as backend:
            return carry_out(scenario, backend, clock, asynchronous)


def carry_out(scenario, backend, clock, asynchronous) -> Report:
    options = {"clock": clock, "journal": Journal()}
    if asynchronous:
        return asyncio.run(aheal(alert_of(scenario), backend, **options))
    return heal(alert_of(scenario), backend, **options)


def assert_as_expected(scenario: Scenario, report: Report) -> None:
    """The report says what the scenario file expects."""
    expected = scenario.expected
    assert report.verdict.value == expected.verdict, report.summary
    if expected.procedures is not None:
        assert tuple(run.procedure for run in report.runs) == expected.procedures
    assert not expected.path or any(_in_order(expected.path, run.path) for run in report.runs)
    assert not {name for run in report.runs for name in run.path} & set(expected.not_in_path)
    if expected.restarts is not None:
        assert restarted(scenario.organisation.history) == expected.restarts
    if expected.debts is not None:
        debts = [(d.kind.value, short_name(d.server), d.status.value) for d in report.debts]
        owed = [(d.kind, short_name(d.server), d.status) for d in expected.debts]
        assert sorted(debts) == sorted(owed)
    assert unsaid(expected, report) == []


def _in_order(wanted, path) -> bool:
    states = iter(path)
    return all(state in states for state in wanted)


def effects(scenario):
    """What the organisation saw being done to it, without times."""
    return [
        (one.kind, one.actor, one.server)
        for one in scenario.organisation.history
        if isinstance(one, EFFECTS)
    ]


@pytest.mark.parametrize("scenario", ALL, ids=_id)
def test_a_scenario_ends_as_expected_with_each_driver(scenario):
    """The same way with coroutines, be the backend's methods functions or coroutines too."""
    plain = load_scenario(scenario)
    report = in_process(plain)
    assert_as_expected(plain, report)
    for wrap in (Delegating, Asynchronous):
        awaited = load_scenario(scenario)
        also = in_process(awaited, wrap(awaited), asynchronous=True)
        assert effects(plain) == effects(awaited)
        assert without_ids_and_times(report) == without_ids_and_times(also)


@pytest.mark.slow
@pytest.mark.campaign
@pytest.mark.lab
@pytest.mark.parametrize(
    ("scenario", "asynchronous"), list(zip(ALL, cycle((False, True)))), ids=_id
)
def test_a_scenario_ends_alike_over_remoting(scenario, asynchronous):
    """The same verdict, paths, debts and effects; by turns with either driver."""
    direct, remote = load_scenario(scenario), load_scenario(scenario)
    report = in_process(direct)
    also = over_psrp(remote, asynchronous=asynchronous)
    assert_as_expected(remote, also)
    assert effects(direct) == effects(remote)
    assert comparable(report) == comparable(also)


def comparable(report: Report):
    """A report without what may differ: ids, times, and how a failure is worded."""
    data = without_ids_and_times(report)
    data.pop("handover")
    data.pop("summary")
    for finding in data["findings"]:
        finding.pop("detail")
        finding.pop("next_step")
    for run in data["runs"]:
        for step in run["steps"]:
            step.pop("detail")
    return data


def test_the_scenarios_cover_what_was_promised():
    """Every verdict but cancelled, and each procedure healed at its first and its last step."""
    scenarios = [load_scenario(name) for name in scenario_names()]
    verdicts = {one.expected.verdict for one in scenarios}
    assert verdicts >= {
        "nothing_wrong", "transient", "recovered", "escalated", "held", "unknown",
    }  # fmt: skip
    healed = [one for one in scenarios if one.expected.verdict == "recovered"]
    for procedure in ("mailbox", "client_access", "proxy", "command_time"):
        own = [
            one
            for one in healed
            if one.expected.procedures and procedure in one.expected.procedures
        ]
        assert any("rebooting" in one.expected.path for one in own)
        assert any("rebooting" not in one.expected.path for one in own)

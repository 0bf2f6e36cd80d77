"""A worker of the site is killed around an effect: nothing is done twice, and nothing is lost."""

from __future__ import annotations

import pytest

from popheal.backends.simulated import history as h
from popheal.backends.simulated import load_scenario
from popheal.reports.report import Report
from tests.evidence.crashes import effect_of
from tests.support import properties
from tests.support.fleet import work_at
from tests.support.healing import alert_of, healed
from tests.support.lab_process import LabProcess, end_of, start


def effects(history):
    return [
        effect_of(one)
        for one in history
        if isinstance(one, properties.EFFECTS) and one.actor == h.POPHEAL
    ]


@pytest.mark.parametrize("when", ["granted", "done"])
def test_a_worker_that_is_killed_at_its_effect(fleet, when):
    scenario = "mailbox-healed-by-restart"
    played = load_scenario(scenario)
    undisturbed = healed(load_scenario(scenario))
    site = f"{scenario}-{when}"
    with LabProcess(scenario, clients=2) as lab:
        handle = fleet.run(fleet.begin(alert_of(played), site, site))
        killed = start(work_at, fleet.address, site, lab.ways[0], (1, when))
        assert end_of(killed) == -9
        second = start(work_at, fleet.address, site, lab.ways[1])
        result = fleet.run(handle.result())
        second.kill()
        end_of(second)
        evidence = lab.evidence()
    report = Report.from_json(result.report)
    assert report.verdict is undisturbed.report.verdict
    assert effects(evidence.history) == effects(undisturbed.history)
    assert not properties.violations(evidence.case(report))

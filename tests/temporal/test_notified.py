"""Whoever is to be notified is: at the site, once, and at nobody's cost."""

from __future__ import annotations

import logging

import pytest

pytest.importorskip("temporalio", reason="needs the extra 'temporal'")
pytest.importorskip("apprise", reason="needs the extra 'notify'")

from temporalio.worker import Replayer

from popheal import Journal, Report, heal
from popheal.backends.simulated import load_scenario
from popheal.notify import Notifier
from popheal.reports.events import HandedOver
from popheal.temporal.activities import SiteActivities
from tests.support.fleet import healed
from tests.support.healing import Watched, alert_of

SCENARIO = "monitor-without-recipe"
SECRET = "swordfish"


def names_of(history):
    """The activities of a history, in order."""
    return [
        event.activity_task_scheduled_event_attributes.activity_type.name
        for event in history.events
        if event.HasField("activity_task_scheduled_event_attributes")
    ]


@pytest.mark.slow
def test_what_is_handed_over_is_told_at_the_site_as_elsewhere(fleet, caplog):
    """Once, though whoever is told before can't be reached, and a replay tells nothing."""
    from popheal.temporal.converter import DATA_CONVERTER
    from popheal.temporal.healing_workflow import Healing
    from popheal.temporal.worker import sandbox

    told = []
    nobody = Notifier([f"json://popheal:{SECRET}@127.0.0.1:9/hook"], timeout=5)
    with caplog.at_level(logging.WARNING, "popheal"):
        result, handle, _ = fleet.run(
            healed(fleet, SCENARIO, at_site={"observers": (nobody, told.append)})
        )
    history = fleet.run(handle.fetch_history())
    replayer = Replayer(
        workflows=[Healing], data_converter=DATA_CONVERTER, workflow_runner=sandbox()
    )
    fleet.run(replayer.replay_workflow(history))
    (event,) = told
    assert event.report == Report.from_json(result.report)
    assert event.head

    there = []
    scenario = load_scenario(SCENARIO)
    heal(
        alert_of(scenario),
        Watched(scenario.organisation),
        journal=Journal(),
        observers=[lambda one: there.append(one) if isinstance(one, HandedOver) else None],
    )
    assert (event.at, event.server) == (there[0].at, there[0].server)
    assert event.report.handover == there[0].report.handover

    (failure,) = [one for one in caplog.records if one.message == "observer_failed"]
    assert failure.about == "handed_over"
    assert failure.error.startswith("NotDelivered")
    assert SECRET not in failure.error
    assert SECRET not in history.to_json()


@pytest.mark.slow
def test_who_is_healed_is_handed_to_nobody(fleet):
    told = []
    _, handle, _ = fleet.run(
        healed(fleet, "mailbox-healed-by-restart", at_site={"observers": (told.append,)})
    )
    assert not told
    assert "notify" not in names_of(fleet.run(handle.fetch_history()))


@pytest.mark.slow
def test_a_site_that_can_not_tell_holds_nothing_up(fleet, monkeypatch):
    """A worker of an older build has no such activity."""
    known = SiteActivities.all.fget
    without = property(lambda self: [one for one in known(self) if one.__name__ != "notify"])
    monkeypatch.setattr(SiteActivities, "all", without)
    result, handle, _ = fleet.run(healed(fleet, SCENARIO))
    assert result.report["verdict"] == "escalated"
    assert names_of(fleet.run(handle.fetch_history()))[-1] == "notify"

"""A healing on Temporal ends as one with a journal in memory: same report, effects and entries."""

from __future__ import annotations

import json

import pytest

from popheal import Alert, Journal, heal
from popheal.audit import check_journal
from popheal.backends.simulated import history as h
from popheal.backends.simulated import load_scenario
from tests.evidence.crashes import effect_of
from tests.support import properties
from tests.support.fleet import healed
from tests.support.healing import Watched, alert_of

#: With a reboot, its drain and its failing back; and one that ends otherwise.
SAMPLE = ("mailbox-healed-by-reboot", "client-access-healed-by-restart")
MOST_EVENTS = 1_000
LARGEST_PAYLOAD = 100_000


def effects(history):
    return [
        effect_of(one)
        for one in history
        if isinstance(one, properties.EFFECTS) and one.actor == h.POPHEAL
    ]


def without_ids(text, healing):
    return json.loads(json.dumps(text).replace(healing, "ID"))


@pytest.fixture(scope="module", params=SAMPLE)
def both(request, fleet):
    """A scenario healed in both ways."""
    scenario = load_scenario(request.param)
    journal = Journal()
    backend = Watched(scenario.organisation)
    report = heal(alert_of(scenario), backend, journal=journal)
    result, handle, organisation = fleet.run(healed(fleet, request.param))
    history = fleet.run(handle.fetch_history())
    return report, journal, scenario.organisation, result, history, organisation


def test_it_ends_alike(both):
    report, journal, in_process, result, _, on_temporal = both
    told = without_ids(result.report, result.report["id"])
    assert told == without_ids(report.to_json(), report.id)
    assert effects(on_temporal.history) == effects(in_process.history)


def test_its_history_is_short(both):
    history = both[4]
    sizes = [event.ByteSize() for event in history.events]
    assert len(sizes) < MOST_EVENTS
    assert max(sizes) < LARGEST_PAYLOAD


def test_its_history_is_a_journal(both, fleet, tmp_path):
    from popheal.temporal.history import as_text, lines_of, misfits

    report, journal, _, result, history, _ = both
    lines = fleet.run(lines_of(history))
    story = [one for one in lines if one["type"] == "entry" and one["run"]]
    before = [one for one in journal.export() if one["type"] == "entry" and one["run"]]
    kept = ("at", "run", "server", "kind", "what", "outcome", "data")
    assert [
        without_ids([one[name] for name in kept], result.report["id"]) for one in story
    ] == [without_ids([one[name] for name in kept], report.id) for one in before]
    path = tmp_path / "history.jsonl"
    path.write_text(as_text(lines))
    audited = check_journal(path)
    assert audited.ok, [one.violations for one in audited.results]
    assert fleet.run(misfits(history)) == []

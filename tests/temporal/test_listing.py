"""Healings in lists: where the namespace has the search attributes, and where it has not."""

from __future__ import annotations

import json
import time

import pytest

pytest.importorskip("temporalio", reason="needs the extra 'temporal'")

from popheal.temporal.listing import ATTRIBUTES, has_attributes, list_healings
from tests.support.fleet import SECRETIVE, healed
from tests.temporal.test_commands import fleet_command

pytestmark = pytest.mark.slow

SCENARIO = "mailbox-healed-by-restart"


def connected(fleet, namespace):
    from temporalio.client import Client

    return fleet.run(Client.connect(fleet.address, namespace=namespace))


def upserts(fleet, handle):
    """Names of the attributes that a history has set, in order."""
    found = []
    for event in fleet.run(handle.fetch_history()).events:
        if event.HasField("upsert_workflow_search_attributes_event_attributes"):
            told = event.upsert_workflow_search_attributes_event_attributes.search_attributes
            found += sorted(told.indexed_fields)
    return found


def until_listed(fleet, workflow, status):
    """The healing in a list, once that shows it so; lists lag behind."""
    deadline = time.monotonic() + 30
    while True:
        for one in fleet.run(list_healings(fleet.client, 100)):
            if (one.workflow, one.status) == (workflow, status):
                return one
        assert time.monotonic() < deadline, "it was never listed"
        time.sleep(0.1)


def test_a_healing_shows_where_it_stands_and_how_it_ended(fleet):
    assert fleet.run(has_attributes(fleet.client))
    result, handle, _ = fleet.run(healed(fleet, SCENARIO))
    listed = until_listed(fleet, handle.id, "completed")
    assert (listed.server, listed.group) == ("mbx1", "DAG1")
    assert (listed.state, listed.verdict) == ("mailbox: recovered", result.report["verdict"])
    assert listed.closed > listed.began
    shown = upserts(fleet, handle)
    assert set(shown) == {one.name for one in ATTRIBUTES} - {"PophealRetryAt"}
    assert len(shown) < 12  # what has not changed is not said again

    there = {"TEMPORAL_ADDRESS": fleet.address}
    status, out, _ = fleet_command("healings", "--newest", "100", "--json", **there)
    found = {one["workflow"]: one for one in json.loads(out)["healings"]}
    assert (status, found[handle.id]["verdict"]) == (0, "recovered")
    _, out, _ = fleet_command("healings", "--newest", "100", **there)
    assert "  mbx1  DAG1  recovered\n" in out
    _, out, _ = fleet_command("healings", "--newest", "0", "--json", **there)
    assert handle.id not in out  # only those that are under way
    assert json.loads(out)["left_off"] >= 1
    _, _, said = fleet_command("healings", "--newest", "0", **there)
    assert "that ended before. --newest N lists more." in said


def test_it_shows_until_when_something_was_refused(fleet):
    """As the report does."""
    result, handle, _ = fleet.run(healed(fleet, "recovery-action-under-way"))
    listed = until_listed(fleet, handle.id, "completed")
    assert listed.retry_at.isoformat() == result.report["retry_at"]


def test_without_the_attributes_it_heals_all_the_same(fleet):
    """One is missing there: none is set, as that would let the workflow stand still."""
    from popheal.temporal.converter import DATA_CONVERTER

    assert not fleet.run(has_attributes(connected(fleet, SECRETIVE)))
    assert not fleet.run(has_attributes(connected(fleet, "there-is-none")))
    with fleet.secretive(DATA_CONVERTER) as other:
        result, handle, _ = other.run(healed(other, SCENARIO))
        assert result.report["verdict"] == "recovered"
        assert upserts(other, handle) == []
        listed = until_listed(other, handle.id, "completed")
    assert (listed.server, listed.state, listed.verdict) == ("mbx1", "", "")

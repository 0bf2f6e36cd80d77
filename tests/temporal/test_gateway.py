"""``popheal fleet serve``: the same API as over a journal, tried by the same tests, and more."""

from __future__ import annotations

import time
from datetime import timedelta
from uuid import uuid4

import pytest

pytest.importorskip("temporalio", reason="needs the extra 'temporal'")
pytest.importorskip("starlette", reason="needs popheal[serve]")
pytest.importorskip("uvicorn", reason="needs popheal[serve]")

from tests.serve import test_serve as over_http
from tests.support.gateway import Link, over_fleet
from tests.support.served import PATIENCE, Served

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(fleet):
    service = Served(over_fleet(fleet))
    try:
        yield service
    finally:
        service.end()


def again_until_taken(service, who, path, body, kind="application/json"):
    """Say it as whoever was told that it was not taken says it: again, until it is."""
    until = time.monotonic() + PATIENCE
    while (answer := service.ask(who, "POST", path, body, kind)).status == 503:
        assert time.monotonic() < until
    return answer


@pytest.fixture(scope="module")
def asked(served):
    """A healing that somebody's alert has begun, and that asks for an approval."""
    text = "text/plain; charset=utf-8"
    answer = again_until_taken(served, "boss", "/alerts", over_http.TEXT, text)
    name = served.healing_of("mbx1")
    assert (answer.status, answer.json["healing"]) == (202, name)
    assert answer.headers["location"] == f"/healings/{name}"
    return served.when(name, "asking")


# One API: what holds over a journal holds here, in this order.
test_the_same_alert_is_one_healing = over_http.test_the_same_alert_is_one_healing
test_a_server_that_is_well_is_left_alone = over_http.test_a_server_that_is_well_is_left_alone
test_an_unknown_server_can_not_be_looked_at = over_http.test_an_unknown_server_can_not_be_looked_at
test_other_paths_and_methods = over_http.test_other_paths_and_methods
test_the_beginning_of_an_id_is_not_enough = over_http.test_the_beginning_of_an_id_is_not_enough
test_what_has_not_ended_is_told_likewise = over_http.test_what_has_not_ended_is_told_likewise
test_half_a_character_is_no_defect = over_http.test_half_a_character_is_no_defect
test_who_approves_is_the_owner_of_the_token = over_http.test_who_approves_is_the_owner_of_the_token
test_a_plan_is_refused_and_a_healing_stopped = (
    over_http.test_a_plan_is_refused_and_a_healing_stopped
)
test_no_token_is_told_to_anybody = over_http.test_no_token_is_told_to_anybody


# --- what is a fleet's own -----------------------------------------------------------------------


@pytest.fixture
def linked(fleet, monkeypatch):
    """A service whose way to the fleet can be cut, and that notices it soon."""
    from popheal.gateway import silence

    for name in ("SERVER_WITHIN", "WORKER_WITHIN"):
        monkeypatch.setattr(silence, name, timedelta(seconds=1))
    monkeypatch.setattr(silence, "_SPARE", timedelta(0))
    link = Link(fleet)
    fleet.run(link.mend())
    organisation = uuid4().hex
    service = Served(over_fleet(fleet, organisation, link.address))
    service.link, service.organisation = link, organisation
    try:
        yield service
    finally:
        service.end()
        fleet.run(link.cut())


def test_without_temporal_nothing_is_taken_and_nothing_lost(linked, fleet):
    """Whoever asks is told so, with what to do; what is under way goes on, and is found again."""
    ill = {"server": "mbx1"}
    fleet.run(linked.link.cut())
    for method, path in (("POST", "/alerts"), ("GET", "/healings/0123456789ab")):
        answer = linked.ask("boss", method, path, ill if method == "POST" else None)
        assert answer.status == 503, answer.body
        assert "The fleet's Temporal server gives no answer" in answer.json["error"]
        assert "TEMPORAL_ADDRESS" in answer.json["error"]
        assert ("was not taken" in answer.json["error"]) == (method == "POST")
    assert linked.ask(None, "GET", "/alive").status == 200, "it looks on, for when it is back"

    fleet.run(linked.link.mend())
    begun = again_until_taken(linked, "boss", "/alerts", ill)
    assert (begun.status, begun.json["answer"] in ("heals", "waits")) == (202, True)
    asks = linked.when(linked.healing_of("mbx1"), "asking")
    plan = {"plan": asks["asking"]["plan"]}
    fleet.run(linked.link.cut())
    assert linked.ask("ann", "POST", f"/healings/{asks['id']}/approve", plan).status == 503
    while not any("can't be told" in one.why for one in linked.events if one.name == "alert_waits"):
        time.sleep(0.02)  # who follows it says so, once
    fleet.run(linked.link.mend())
    approve = f"/healings/{asks['id']}/approve"
    answer = again_until_taken(linked, "ann", approve, plan)
    # Nobody could tell the first time, so it may have been taken then.
    assert answer.status == 200 or "it was granted already, by ann" in answer.body
    assert linked.when(asks["id"], "ended")["verdict"] == "recovered"
    assert len(linked.ask("ann", "GET", "/healings?server=mbx1").json["healings"]) == 1


def test_a_healing_that_was_terminated_is_left_to_a_person(linked, fleet):
    """It owes what it has changed: nothing begins by itself, and nobody can answer it.

    Once it is settled it has ended, under its own name.
    """
    from popheal.temporal.healing_workflow import healing_id
    from popheal.temporal.settlement import begin_settlement

    begun = linked.ask("boss", "POST", "/alerts", {"server": "mbx1"}).json
    asks = linked.when(begun["healing"], "asking")
    workflow = healing_id(linked.organisation, "mbx1")
    fleet.run(fleet.client.get_workflow_handle(workflow).terminate())
    stands = linked.when(asks["id"], "interrupted")
    assert (stands["verdict"], stands["server"]) == (None, "mbx1")
    page = linked.ask("ann", "GET", f"/healings/{asks['id']}", Accept="text/html")
    assert "interrupted" in page.body
    for what, said in (("approve", {"plan": asks["asking"]["plan"]}), ("stop", {})):
        answer = linked.ask("ann", "POST", f"/healings/{asks['id']}/{what}", said)
        assert (answer.status, "popheal fleet settle mbx1" in answer.body) == (409, True)
    again = {"why": "at work"}
    while "at work" in again["why"]:  # the watch has not noticed yet
        again = linked.ask("boss", "POST", "/alerts", {"server": "mbx1"}).json
    assert (again["answer"], again["healing"]) == ("waits", asks["id"])
    assert "its workflow is terminated: see popheal fleet settle mbx1" in again["why"]

    async def settle():
        return await (await begin_settlement(fleet.client, linked.organisation, "mbx1")).result()

    fleet.run(settle())
    settled = linked.when(asks["id"], "ended")
    assert settled["verdict"] == settled["report"]["verdict"] == "cancelled"
    page = linked.ask("ann", "GET", f"/healings/{asks['id']}", Accept="text/html")
    assert "cancelled" in page.body.casefold()
    assert len(linked.ask("ann", "GET", "/healings").json["healings"]) == 1

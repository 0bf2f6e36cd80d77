"""A healing is dropped from memory at every pause, and rebuilt from plain data."""

from __future__ import annotations

import json
import re
from datetime import timedelta
from functools import partial

import pytest

from popheal import Journal, Policy
from popheal.backends.simulated import history as h
from popheal.backends.simulated import load_scenario, scenario_names
from popheal.engine import drive
from popheal.engine.context import HealingContext
from popheal.engine.healing import begin
from popheal.engine.parking import park, rests, unpark
from popheal.engine.requests import Look, Pause, Request
from popheal.tables.actions import Impact
from popheal.util.serialize import to_jsonable
from tests.support.healing import Watched, alert_of, healed
from tests.support.properties import EFFECTS


def context_of(scenario, backend, **settings):
    return HealingContext(
        policy=settings.get("policy", Policy()),
        clock=scenario.organisation.clock,
        organisation=backend.organisation,
        server=scenario.server,
        approver=settings.get("approver"),
    )


def heal_parking(scenario, journal, *, requests=None, resting=False, **settings):
    """Heal; at each pause nothing is kept but JSON text. The report, and how often it paused.

    Or after each pause in which it rests.
    """
    backend = Watched(scenario.organisation)
    context = context_of(scenario, backend, **settings)
    logic = begin(context, alert_of(scenario), journal, "parked")
    answer, pauses = partial(logic.send, None), 0
    while True:
        try:
            request = answer()
        except StopIteration as end:
            return end.value, pauses
        if requests is not None:
            requests.append(request)
        if not isinstance(request, Pause) or (resting and not rests(context.case)):
            answer = drive._answer(logic, request, backend, context)
            continue
        if resting:
            drive._sleep(request.seconds, context)
        context.current_lease.flush()
        text, pauses = json.dumps(park(context.case)), pauses + 1
        logic.close()
        context = context_of(scenario, backend, **settings)
        logic = unpark(context, json.loads(text), journal)
        if not resting:
            drive._sleep(request.seconds, context)
        answer = partial(logic.send, None)


def effects_in(scenario):
    """What the organisation saw done, in order."""
    kept = [one for one in scenario.organisation.history if isinstance(one, EFFECTS)]
    return [(type(one).__name__, one.server) for one in kept if one.actor == h.POPHEAL]


def story_of(report):
    """What must be equal: how it ended, by which ways, with which debts."""
    return (
        report.verdict.good,
        [(run.procedure, run.server, run.verdict, run.path) for run in report.runs],
        [(debt.kind, debt.server, debt.status) for debt in report.debts],
    )


@pytest.mark.parametrize("name", scenario_names())
def test_nothing_changes(name):
    """Same end, same ways, same effects, none twice, in about the same time.

    Triage, which changes nothing, begins anew: it may see a fault gone that it saw before.
    """
    undisturbed, parked = load_scenario(name), load_scenario(name)
    before = healed(undisturbed).report
    with Journal() as journal:
        after, _ = heal_parking(parked, journal)
    assert story_of(after) == story_of(before)
    assert effects_in(parked) == effects_in(undisturbed)
    longer = (after.finished_at - after.started_at) - (before.finished_at - before.started_at)
    # Triage is what takes longer: it begins anew with each of its pauses, one a suspect.
    assert abs(longer) <= timedelta(minutes=5)


TIME = re.compile(r"(\d{4}-\d\d-\d\d[T ])?\d\d:\d\d(:\d\d(\.\d+)?)?(\+00:00)?")


def written(journal):
    """What a journal says, but for times, and for what follows from them."""
    names = ("healing", "run", "server", "kind", "what", "outcome", "data")
    entries = [[one[name] for name in names] for one in journal.export() if one["type"] == "entry"]
    for *_, data in entries:
        for name in ("digest", "organisation"):
            data.pop(name, None)
    return TIME.sub("", json.dumps(entries))


@pytest.mark.parametrize(
    "name",
    [
        "mailbox-healed-by-reboot",
        "client-access-healed-by-logging-restart",
        "client-access-back-end-rebooted",
        "service-hangs-while-stopping",  # where it does not rest, as it has commanded something
        "call-dropped-in-mid-effect",
    ],
)
def test_where_it_rests_it_writes_the_same(name):
    """Marks and all: what it has commanded is not looked for, nor begun once more."""
    undisturbed, parked = load_scenario(name), load_scenario(name)
    with Journal() as before, Journal() as after:
        context = context_of(undisturbed, backend := Watched(undisturbed.organisation))
        start = partial(begin, context, alert_of(undisturbed), before, "parked")
        drive.drive(start, backend, context)
        _, pauses = heal_parking(parked, after, resting=True)
        assert written(after) == written(before)
    assert (pauses > 0) == (name != "service-hangs-while-stopping")
    assert effects_in(parked) == effects_in(undisturbed)


def test_it_is_dropped_where_it_waits_longest():
    """In the polls of a reboot, in tries of a probe, and in the runbook's ten minutes."""
    with Journal() as journal:
        _, pauses = heal_parking(load_scenario("server-comes-back-late"), journal)
        assert pauses > 20
    with Journal() as journal:
        _, pauses = heal_parking(load_scenario("command-time-healed-by-reboot"), journal)
        assert pauses >= 3


def test_an_approval_is_waited_for_from_outside_of_memory():
    """Asked once, though the healing is rebuilt at each look for the answer."""
    scenario = load_scenario("mailbox-healed-by-restart")
    policy = Policy(approval_from=Impact.CHANGE)
    with Journal() as journal:
        report, _ = heal_parking(scenario, journal, policy=policy, approver=lambda request: True)
        assert report.verdict.good
        assert len(journal.questions(report.id)) == 1


@pytest.mark.parametrize("name", ["mailbox-healed-by-reboot", "client-access-back-end-rebooted"])
def test_requests_are_plain_data(name):
    """Each request of a healing can be written as JSON, so it holds no function and no object."""
    asked: list[Request] = []
    with Journal() as journal:
        heal_parking(load_scenario(name), journal, requests=asked)
    assert len({type(one) for one in asked}) >= 6
    assert any(isinstance(one, Look) and one.name == "read_copies_on" for one in asked)
    for one in asked:
        json.dumps(to_jsonable(one))

"""Numbers for Prometheus: what is counted is what happened, and labels have few values."""

from __future__ import annotations

import asyncio
import re
import sys

import pytest

import popheal
from popheal import Alert, Control, Journal, Policy, Verdict
from popheal.backends.simulated import load_scenario
from popheal.errors import BackendError, ConfigurationError, UnknownName
from popheal.exchange.backend import EFFECTS, LOOKS
from popheal.observers.metrics import Metrics
from popheal.reports.measures import CallEnded, PauseEnded, ServerLooked
from tests.support.paths import ROOT
from tests.watch.test_watch import SERVERS, Watching, fault, organisation

pytest.importorskip("prometheus_client", reason="needs prometheus-client, of the extra metrics")


def counted(metrics, name):
    """The samples of a metric, by the values of their labels; of a histogram, how many."""
    return {
        tuple(sample.labels.values()): sample.value
        for family in metrics.registry.collect()
        for sample in family.samples
        if sample.name == f"popheal_{name}"
    }


def healed(name, *observers, **options):
    played = load_scenario(name)
    alert = Alert(server=played.server, monitor=played.monitor)
    healer = popheal.Healer(played.backend, observers=observers, **options)
    return healer.heal(alert), played


@pytest.fixture(scope="module")
def rebooted():
    """A recovery by reboot, counted and noted."""
    metrics, seen = Metrics(), []
    report, played = healed("mailbox-healed-by-reboot", metrics, seen.append)
    return metrics, seen, report, played


def test_a_healing_is_counted(rebooted):
    """Once, by its verdict, with how long it took; and none is open any more."""
    metrics, _, report, _ = rebooted
    took = (report.finished_at - report.started_at).total_seconds()
    assert counted(metrics, "healings_total") == {("recovered",): 1}
    assert counted(metrics, "healings_open") == {(): 0}
    assert counted(metrics, "healing_seconds_sum") == {(): took}


def test_steps_are_those_of_the_report(rebooted):
    """Each by procedure, action and outcome; together they took what the report says."""
    metrics, _, report, _ = rebooted
    (run,) = report.runs
    told = counted(metrics, "steps_total")
    assert sum(told.values()) == len(run.steps)
    assert told["mailbox", "reboot", "done"] == 1
    took = sum((one.finished_at - one.started_at).total_seconds() for one in run.steps)
    assert sum(counted(metrics, "step_seconds_sum").values()) == took


def test_calls_are_those_that_the_backend_was_made(rebooted):
    """Each by its method, looks and effects; names of servers are in no label."""
    metrics, seen, _, played = rebooted
    calls = counted(metrics, "call_seconds_count")
    assert calls["reboot",] == calls["restart_service",] == 1
    assert set(calls) <= {(name,) for name in (*LOOKS, *EFFECTS)}
    assert sum(calls.values()) == sum(isinstance(one, CallEnded) for one in seen) > 50
    told = "".join(f"{one}" for family in metrics.registry.collect() for one in family.samples)
    assert played.server.partition(".")[0] not in told.casefold()


def test_what_was_waited_is_told(rebooted):
    """In seconds of the healing's clock: most of a recovery by reboot."""
    metrics, seen, report, _ = rebooted
    ((waited,),) = [tuple(counted(metrics, "wait_seconds_total").values())]
    assert waited == sum(one.seconds for one in seen if isinstance(one, PauseEnded))
    took = (report.finished_at - report.started_at).total_seconds()
    assert took / 2 < waited <= took


def test_durations_of_events_are_those_of_the_report(rebooted):
    """Of steps, of the run and of the healing; every event of it names it."""
    _, seen, report, _ = rebooted
    (run,) = report.runs
    steps = [one.seconds for one in seen if one.name == "action_finished"]
    assert steps == [(one.finished_at - one.started_at).total_seconds() for one in run.steps]
    (ran,) = [one.seconds for one in seen if one.name == "run_ended"]
    assert ran == (run.steps[-1].finished_at - run.steps[0].started_at).total_seconds()
    (took,) = [one.seconds for one in seen if one.name == "healing_ended"]
    assert took == (report.finished_at - report.started_at).total_seconds()
    assert {one.healing_id for one in seen} == {report.id}


def test_refusals_and_debts_have_reasons():
    """A step that is refused by its reason, and what is left for a person."""
    metrics = Metrics()
    healed("fault-survives-the-reboot", metrics)
    assert counted(metrics, "debts_handed_over_total") == {("activation_disabled",): 1}
    healed("mailbox-healed-by-reboot", metrics, policy=Policy(highest_impact=popheal.Impact.CHANGE))
    assert counted(metrics, "healings_total") == {("escalated",): 2}
    refused = counted(metrics, "steps_total")
    assert sum(n for (_, _, outcome), n in refused.items() if outcome == "refused") == sum(
        counted(metrics, "refusals_total").values()
    )
    assert sum(counted(metrics, "findings_total").values()) >= 2


def test_calls_that_fail_are_told_by_their_error():
    """By the port's errors; whatever else a backend raises is ``other``."""
    metrics = Metrics()
    healed("unreachable", metrics)
    named = {one.__name__ for one in BackendError.__subclasses__()}
    assert set() < {error for _, error in counted(metrics, "call_errors_total")} <= named

    class Odd(type(load_scenario("transient").backend)):
        def server_health(self, server):
            raise ZeroDivisionError

    popheal.triage(
        Alert(server="mbx1"), Odd(load_scenario("transient").organisation), observers=[metrics]
    )
    assert counted(metrics, "call_errors_total")["server_health", "other"] >= 1
    assert {error for _, error in counted(metrics, "call_errors_total")} <= {*named, "other"}


def test_a_server_that_is_not_there_leaves_no_healing_open():
    """It is taken back, and that is told."""
    metrics = Metrics()
    with pytest.raises(UnknownName):
        popheal.heal(
            Alert(server="nobody"), load_scenario("transient").backend, observers=[metrics]
        )
    assert counted(metrics, "healings_open") == {(): 0}
    assert counted(metrics, "healings_total") == {}


def test_the_asynchronous_driver_tells_the_same():
    """The same calls, in the same order; told in the loop's own thread."""
    told = {}
    for driver in ("sync", "async"):
        played = load_scenario("mailbox-healed-by-restart")
        alert, seen = Alert(server=played.server, monitor=played.monitor), []
        if driver == "sync":
            popheal.heal(alert, played.backend, observers=[seen.append])
        else:
            asyncio.run(popheal.aheal(alert, played.backend, observers=[seen.append]))
        told[driver] = [(one.name, one.details) for one in seen if one.name != "healing_started"]
    assert told["sync"] == told["async"]


def test_the_size_of_the_journal_is_told(tmp_path):
    """As it is when it is asked for, with what lies beside it."""
    path = tmp_path / "journal.db"
    metrics = Metrics(journal=path)
    assert counted(metrics, "journal_bytes") == {(): 0}
    with Journal(path) as journal:
        healed("transient", metrics, journal=journal)
        beside = [path.with_name(path.name + ending) for ending in ("", "-wal", "-shm")]
        size = sum(one.stat().st_size for one in beside if one.exists())
        assert counted(metrics, "journal_bytes") == {(): size}


def test_a_watch_is_counted(tmp_path):
    """Its looks, and how many servers are how."""
    metrics = Metrics()
    watching = Watching(tmp_path, organisation(faults=[fault(cure="never")]))
    watching.start(observe=metrics)
    looks = [one for one in watching.events if isinstance(one, ServerLooked)]
    assert sum(counted(metrics, "looks_total").values()) == len(looks) >= len(SERVERS)
    servers = counted(metrics, "servers")
    assert sum(servers.values()) == len(SERVERS)
    assert servers["unhealthy",] >= 1
    assert counted(metrics, "last_look_timestamp_seconds") == {(): looks[-1].at.timestamp()}


def test_a_healing_that_is_left_is_open_until_it_is_resumed(tmp_path):
    """Detached it is not over; and it is resumed as the same."""
    metrics, leave = Metrics(), Control()
    played = load_scenario("mailbox-healed-by-reboot")
    with Journal(tmp_path / "j.db") as journal:
        healer = popheal.Healer(played.backend, journal=journal, observers=[metrics])

        def breaks_off(event):
            if event.state == "awaiting_server":
                leave.detach()

        one = popheal.Healer(played.backend, journal=journal, observers=[metrics, breaks_off])
        with pytest.raises(popheal.PophealError):
            one.heal(Alert(server=played.server, monitor=played.monitor), control=leave)
        assert counted(metrics, "healings_open") == {(): 1}
        (left,) = journal.healings(unfinished=True)
        assert healer.resume(left.id).verdict is Verdict.RECOVERED
    assert counted(metrics, "healings_open") == {(): 0}


def test_two_keep_apart():
    """Each has a registry of its own: nothing of the process is touched."""
    first, second = Metrics(), Metrics()
    healed("transient", first)
    assert counted(first, "healings_total") == {("transient",): 1}
    assert counted(second, "healings_total") == {}


def test_without_the_package(monkeypatch):
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(ConfigurationError, match=r"not installed.*extra 'metrics'"):
        Metrics()


def test_every_metric_is_documented():
    """With its labels; and no other."""
    page = (ROOT / "docs" / "numbers.md").read_text("utf-8")
    told = {}
    for names, labels in re.findall(r"^\| (`popheal_[^|]*) \|([^|]*)\|", page, re.MULTILINE):
        for name in re.findall(r"`(\w+)`", names):
            told[name] = set(re.findall(r"`(\w+)`", labels))
    found = {}
    for one in Metrics(journal="journal.db").registry._collector_to_names:
        kind = "_total" if one._type == "counter" else ""
        found[one._name + kind] = set(one._labelnames)
    assert told == found

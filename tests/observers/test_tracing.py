"""Spans: a tree of a healing, its steps and their calls, with nothing that others have written."""

from __future__ import annotations

import sys

import pytest

import popheal
from popheal import Alert, Control, Journal
from popheal.backends.simulated import load_scenario
from popheal.errors import ConfigurationError
from popheal.observers.tracing import Tracing

pytest.importorskip("opentelemetry.sdk", reason="needs opentelemetry-sdk, of the extra dev")

from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode


@pytest.fixture
def exported():
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exported):
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exported))
    return Tracing(provider)


def healed(name, *observers, **options):
    played = load_scenario(name)
    alert = Alert(server=played.server, monitor=played.monitor)
    return popheal.heal(alert, played.backend, observers=observers, **options)


def children(spans, parent):
    mine = [one for one in spans if one.parent and one.parent.span_id == parent.context.span_id]
    return sorted(mine, key=lambda one: one.start_time)


def root_of(spans):
    (root,) = [one for one in spans if one.parent is None]
    return root


def is_step(span):
    return "popheal.run.id" in span.attributes


def test_a_healing_is_a_tree(tracing, exported):
    """Its steps are those of the report, in time; each call is within a step, or in triage."""
    report = healed("mailbox-healed-by-reboot", tracing)
    spans = exported.get_finished_spans()
    root = root_of(spans)
    assert root.name == "popheal.healing"
    assert root.attributes["popheal.verdict"] == "recovered"
    assert root.status.status_code is StatusCode.UNSET
    steps = [one for one in children(spans, root) if is_step(one)]
    (run,) = report.runs
    assert [(one.name, one.attributes["popheal.outcome"]) for one in steps] == [
        (one.state, str(one.outcome)) for one in run.steps
    ]
    for span, step in zip(steps, run.steps, strict=True):
        assert span.start_time == step.started_at.timestamp() * 1e9
        assert span.end_time == step.finished_at.timestamp() * 1e9
    calls = [one for one in spans if one.kind is SpanKind.CLIENT]
    assert len(calls) == len(spans) - len(steps) - 1 > 50
    (reboot,) = [one for one in calls if one.name == "reboot"]
    (rebooting,) = [one for one in steps if one.name == "rebooting"]
    assert reboot.parent.span_id == rebooting.context.span_id
    assert "effect_intended" in [one.name for one in rebooting.events]
    assert all(root.start_time <= one.start_time <= one.end_time <= root.end_time for one in spans)


def test_a_server_behind_is_healed_within_the_step(tracing, exported):
    """What is done on another server belongs to the step that had it done."""
    report = healed("client-access-back-end-found-in-log", tracing)
    spans = exported.get_finished_spans()
    (recovering,) = [one for one in spans if one.name == "recovering_backends"]
    within = [one for one in children(spans, recovering) if is_step(one)]
    _, behind = sorted(report.runs, key=lambda one: one.id)
    assert [one.name for one in within] == [one.state for one in behind.steps]
    assert {one.attributes["server.address"] for one in within} == {behind.server}


def test_nothing_that_others_have_written_is_in_a_span(tracing, exported):
    """Names, outcomes and classes of errors only: no detail, no error, no alert's text."""
    played = load_scenario("unreachable")
    alert = Alert(server=played.server, text="password=hunter2")
    report = popheal.heal(alert, played.backend, observers=[tracing])
    spans = exported.get_finished_spans()
    root = root_of(spans)
    told = str([(one.name, one.attributes, one.status.description, one.events) for one in spans])
    assert "hunter2" not in told
    assert not [one.detail for one in report.findings if one.detail in told]
    assert root.attributes["popheal.verdict"] == report.verdict.value
    failed = [one for one in spans if one.status.status_code is StatusCode.ERROR and one.parent]
    assert failed
    assert all(one.attributes["error.type"].isidentifier() for one in failed)


def test_what_is_resumed_is_the_same_healing(tracing, exported, tmp_path):
    """Two roots with one id; what was left ends when it is taken up again, and says so."""
    played, leave = load_scenario("mailbox-healed-by-reboot"), Control()

    def breaks_off(event):
        if event.state == "awaiting_server":
            leave.detach()

    with Journal(tmp_path / "journal.db") as journal:
        told = {"journal": journal, "observers": [tracing, breaks_off]}
        alert = Alert(server=played.server, monitor=played.monitor)
        with pytest.raises(popheal.PophealError):
            popheal.heal(alert, played.backend, control=leave, **told)
        (left,) = journal.healings(unfinished=True)
        popheal.resume(left.id, played.backend, **told)
    first, second = [one for one in exported.get_finished_spans() if one.parent is None]
    assert first.attributes["popheal.healing.id"] == left.id
    assert second.attributes["popheal.healing.id"] == left.id
    assert first.attributes["popheal.left"]
    assert second.attributes["popheal.resumed"]
    assert second.attributes["popheal.verdict"] == "recovered"
    again = [one for one in children(exported.get_finished_spans(), second) if is_step(one)]
    assert again[0].name == "awaiting_server"


def test_what_is_left_is_ended_by_closing(tracing, exported):
    """Nothing of a healing that another process goes on with is kept."""
    leave = Control()
    with pytest.raises(popheal.PophealError):
        healed(
            "mailbox-healed-by-reboot",
            tracing,
            lambda event: leave.detach() if event.state == "reprobing" else None,
            control=leave,
        )
    tracing.close()
    tracing.close()
    assert root_of(exported.get_finished_spans()).attributes["popheal.left"]


def test_two_at_once_are_two_trees(tracing, exported):
    """Each event says whose it is."""
    inner = []

    def at_once(event):
        if event.name == "run_started" and not inner:
            inner.append(None)
            healed("transient", tracing)

    healed("mailbox-healed-by-restart", tracing, at_once)
    spans = exported.get_finished_spans()
    roots = [one for one in spans if one.parent is None]
    assert {one.attributes["popheal.verdict"] for one in roots} == {"recovered", "transient"}
    assert len({one.context.trace_id for one in spans}) == 2


def test_without_a_provider_nothing_happens():
    """As everywhere in OpenTelemetry, where the program has set nothing up."""
    assert healed("transient", Tracing()).verdict is popheal.Verdict.TRANSIENT


def test_without_the_package(monkeypatch):
    """The error says what to install."""
    monkeypatch.setitem(sys.modules, "opentelemetry", None)
    with pytest.raises(ConfigurationError, match=r"not installed.*extra 'tracing'"):
        Tracing()

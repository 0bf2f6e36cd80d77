"""The check with which a watch begins: told once, and only what has changed."""

from __future__ import annotations

import asyncio

import pytest

from popheal import Control, Journal, Policy
from popheal.backends.simulated import SimulatedBackend
from popheal.cli.commands.watch import approved_by, tell
from popheal.engine.context import HealingContext
from popheal.readiness.changes import kept_at
from popheal.watch.first_check import check_first
from tests.watch.test_watch import MBX1, Watching, fault, organisation


@pytest.fixture
def watching(tmp_path):
    return Watching(tmp_path, organisation(servers={"MBX1": {"setup_running": True}}))


def told(watching, since=0):
    return [
        (one.server, one.line, one.was, one.judgement)
        for one in watching.named("readiness_changed")[since:]
    ]


def test_only_what_has_changed_is_told(watching):
    watching.start(MBX1, check=True)
    assert told(watching) == [(MBX1, "Maintenance", None, "bad")]
    watching.start(MBX1, check=True)
    assert len(told(watching)) == 1, "it is as before"
    with watching.simulation.present() as world:
        world.find("MBX1").setup_running = False
    watching.start(MBX1, check=True)
    # The drain was not asked before, and is well now: that is no news.
    assert told(watching)[1:] == [(MBX1, "Maintenance", "bad", "good")]
    assert [one.bad for one in watching.named("readiness_checked")] == [1, 1, 0]
    assert kept_at(watching.path).exists()


def test_it_is_told_in_a_line(watching, capsys):
    watching.start(MBX1, check=True)
    for event in watching.events:
        tell(approved_by(watching.path), event)
    said = capsys.readouterr().err
    assert f"{MBX1}: check: Maintenance: not well. Exchange Setup is running; somebody" in said
    assert "leaves it alone. Let Setup finish." in said
    assert "checked: " in said
    assert "1 not well" in said


def test_nobody_asked_for_it(watching):
    watching.start(MBX1)
    assert watching.named("readiness_checked") == []


def test_what_comes_of_it_ends_nothing(tmp_path, monkeypatch):
    def fails(*_, **__):
        raise LookupError("a defect")

    watching = Watching(tmp_path, organisation(faults=[fault()]))
    monkeypatch.setattr("popheal.api.Healer.acheck", fails)
    watching.start(MBX1, check=True)
    assert "a defect" in watching.named("look_failed")[0].error
    assert watching.verdicts == ["recovered"]


def test_the_watch_can_be_ended_meanwhile(watching):
    def leave(event):
        if event.name == "watch_started":
            control.detach()

    control = Control()
    watching.start(MBX1, check=True, control=control, observe=leave)
    assert watching.named("readiness_checked") == []
    assert watching.named("watch_ended")


def checked_with(journal):
    """What is told of a check with a journal in memory, or with none."""
    simulation = organisation()
    backend = SimulatedBackend(simulation)
    seen = []
    session = HealingContext(
        policy=Policy(), clock=simulation.clock, organisation="x", observers=(seen.append,)
    )
    asyncio.run(check_first(session, backend, [MBX1, MBX1], journal, Control()))
    return [one.name for one in seen]


def test_in_memory_nothing_is_kept():
    with Journal() as journal:
        assert checked_with(journal) == ["readiness_changed", "readiness_checked"]


def test_where_none_is_needed_none_is_missed():
    assert checked_with(None) == ["readiness_checked"]

"""Histories that were recorded once, replayed by the code as it is now.

Whoever goes on with a healing replays its history, and must ask for the very same again. These
stand in for the histories on the servers of others. A change of code mostly keeps them: words,
looks that are made at the site, a table's rows beside their ways. Nothing is to be done then, and
so none of them needs to be of the present build. If a replay is red:

- **A healing's, and the build is another one** than that which recorded it: the tables or the
  engine ask for something else now. That is allowed, as open healings stay on workers of their
  build: the build's name is a hash over tables and code (``popheal.temporal.build_name``). Say in
  the change log that old workers must stay until their healings have ended, and record anew:
  ``python -m tests.evidence.on_temporal --record``. It is not done by itself, so that nobody
  changes what is asked without noticing.
- **A healing's, of the present build**: something decides what is asked that is not in the build's
  name: Python, a dependency, a clock, the order of a set. Never record anew: mend it, or take it
  into the build's name.
- **A custodian's**: it is not pinned, and the newest worker goes on with it, whatever build it has
  begun on. It would stand still, and with it all healings of its group. Never record anew: keep
  asking for the same where the history is an old one (``workflow.patched``).
"""

from __future__ import annotations

import asyncio

import pytest
from attrs import evolve

pytest.importorskip("temporalio", reason="needs the extra 'temporal'")

from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from popheal.healthsets.pop import PROCEDURES
from popheal.healthsets.pop.command_time import COMMAND_TIME
from popheal.temporal import own_tables
from popheal.temporal.build_name import build_id
from popheal.temporal.converter import DATA_CONVERTER
from popheal.temporal.custodian import Custodian
from popheal.temporal.healing_workflow import Healing
from popheal.temporal.worker import sandbox
from tests.evidence.kept_histories import builds_of, kept, read


def replay(history):
    """Replay it as a worker would; what went wrong, or None."""
    return replay_all([history]).get(history.run_id)


def replay_all(histories):
    """Replay each; what went wrong, by run."""

    async def each():
        for one in histories:
            yield one

    replayer = Replayer(
        workflows=[Healing, Custodian], data_converter=DATA_CONVERTER, workflow_runner=sandbox()
    )
    found = asyncio.run(replayer.replay_workflows(each(), raise_on_replay_failure=False))
    return found.replay_failures


def meaning(history):
    """What a red replay of it means, for who has changed the code."""
    started = history.events[0].workflow_execution_started_event_attributes
    if started.workflow_type.name == "popheal.Custodian":
        return "custodians go on with any build: ask for the same where the history is an old one"
    if build_id() in builds_of(history):
        return "this very build has recorded it, so something decides that is not in its name"
    return "the build asks for something else: record anew, and say that old workers must stay"


@pytest.mark.slow
def test_they_ask_for_the_same_again():
    histories = {name: read(name) for name in kept()}
    failures = replay_all(histories.values())
    red = [
        f"{name}: {failures[one.run_id]}; {meaning(one)}"
        for name, one in histories.items()
        if one.run_id in failures
    ]
    assert not red, "\n".join([*red, "See the head of this file."])


def test_there_is_one_of_each_kind():
    """Scenarios that take every path, each procedure; what happens to healings; a custodian."""
    assert len(kept()) >= 40
    assert {
        "approved-and-stopped",
        "continued-2",
        "custodian",
        "interrupted",
        "pop-proxy-activated",
        "settled",
    } <= set(kept())


def test_a_changed_table_is_noticed_and_is_another_build(monkeypatch):
    """It goes on elsewhere than the history: whoever keeps the build's name can't go on."""
    before = build_id()
    first, *others = COMMAND_TIME.states
    row, *rows = first.transitions
    assert (row.outcome, row.target) == ("done", "waiting")
    hasty = evolve(first, transitions=(evolve(row, target="checking_health"), *rows))
    tables = {**PROCEDURES, "command_time": evolve(COMMAND_TIME, states=(hasty, *others))}
    monkeypatch.setattr(own_tables, "_at_work", tables)
    history = read("command-time-healed-by-restart")
    assert "Nondeterminism" in f"{replay(history)!r}"
    assert build_id() != before


def test_a_change_of_what_is_asked_is_noticed():
    """One that asks for another activity than the history has."""
    history = read("command-time-healed-by-restart")
    altered = next(
        one.activity_task_scheduled_event_attributes
        for one in history.events
        if one.activity_task_scheduled_event_attributes.activity_type.name == "effect"
    )
    altered.activity_id += "-other"
    assert "Nondeterminism" in f"{replay(WorkflowHistory(history.workflow_id, history.events))!r}"

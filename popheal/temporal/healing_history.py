"""The journal out of a history: the lines of an export, which check-journal reads; and a witness.

Each entry has gone with the first command after it, so an intent stands in the history before its
effect. What the history says by itself, which activities were scheduled, is compared with that.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import WorkflowHistory
from temporalio.converter import DataConverter

from popheal.errors import ConfigurationError
from popheal.exchange.names import short_name
from popheal.temporal.converter import DATA_CONVERTER
from popheal.temporal.custody import Line
from popheal.temporal.messages import HealingOrder


async def lines_of(
    history: WorkflowHistory, converter: DataConverter = DATA_CONVERTER
) -> list[Line]:
    """What a healing's history says, as ``popheal export`` writes a journal.

    Raises:
        ConfigurationError: If it is not the history of a healing that has ended.
    """
    entries = await entries_of(history, converter)
    about: list[Line] = []
    for sent in await _payloads(history.events[-1], converter):
        about += sent.get("about", ())
    if not about:
        raise ConfigurationError(
            source=f"The history of {history.workflow_id}",
            problem="is not that of a healing that has ended",
            next_step="Export it when its workflow has completed. "
            "If that was terminated, have it settled first: popheal fleet settle.",
        )
    return [*about, *entries]


async def order_of(
    history: WorkflowHistory, converter: DataConverter = DATA_CONVERTER
) -> HealingOrder:
    """What a healing was asked to do."""
    started = history.events[0].workflow_execution_started_event_attributes
    (order,) = await converter.decode(started.input.payloads, [HealingOrder])
    return cast("HealingOrder", order)


async def entries_of(
    history: WorkflowHistory, converter: DataConverter = DATA_CONVERTER
) -> list[Line]:
    """The entries of a healing, ended or not; of a settlement those before it as well."""
    order = await order_of(history, converter)
    entries: list[Line] = [*order.settles.entries] if order.settles else []
    for event in history.events:
        for sent in await _payloads(event, converter):
            entries += sent.get("entries", ())
    return entries


async def misfits(history: WorkflowHistory, converter: DataConverter = DATA_CONVERTER) -> list[str]:
    """Where entries and commands of a history don't agree, in words; empty if they do.

    Each effect that was scheduled must have been written down before, and once for each time.
    """
    intended: Counter[tuple[str, str]] = Counter()
    found = []
    for event in history.events:
        sent = await _payloads(event, converter)
        for said in sent:
            intended += Counter(_intents(said.get("entries", ())))
        if _activity(event) == "effect":
            effect = (str(sent[0]["name"]), short_name(str(sent[0]["args"][0])))
            if not intended[effect]:
                found.append(f"event {event.event_id}: {effect[0]} was not written down before")
            intended -= Counter([effect])
        if event.HasField("workflow_task_failed_event_attributes"):
            cause = event.workflow_task_failed_event_attributes
            if cause.base_run_id:
                found.append(f"event {event.event_id}: it was reset, from run {cause.base_run_id}")
    return found


def _intents(entries: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for one in entries:
        if one["kind"] == "intent":
            yield one["what"], short_name(one["server"])


def _activity(event: HistoryEvent) -> str:
    if not event.HasField("activity_task_scheduled_event_attributes"):
        return ""
    return event.activity_task_scheduled_event_attributes.activity_type.name


async def _payloads(event: HistoryEvent, converter: DataConverter) -> list[dict[str, Any]]:
    """What a command, or the end, has sent: JSON objects only."""
    if event.HasField("activity_task_scheduled_event_attributes"):
        found = event.activity_task_scheduled_event_attributes.input.payloads
    elif event.HasField("workflow_execution_completed_event_attributes"):
        found = event.workflow_execution_completed_event_attributes.result.payloads
    else:
        return []
    decoded = await converter.decode(found)
    return [one for one in decoded if isinstance(one, dict)]


def as_text(lines: Iterable[Line]) -> str:
    """The lines of an export."""
    return "".join(f"{json.dumps(line)}\n" for line in lines)

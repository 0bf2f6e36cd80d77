"""The journal out of a history: the lines of an export, which check-journal reads; and a witness.

Each entry has gone with the first command after it, so an intent stands in the history before its
effect. What the history says by itself, which activities were scheduled, is compared with that.
A long healing has several histories, of which each begins with all entries of those before it.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client, WorkflowHistory
from temporalio.converter import DataConverter
from temporalio.service import RPCError, RPCStatusCode

from popheal.errors import ConfigurationError
from popheal.exchange.names import short_name
from popheal.temporal.converter import DATA_CONVERTER
from popheal.temporal.custody import Line
from popheal.temporal.messages import HealingOrder


async def histories_of(
    client: Client, workflow: str, run: str | None = None
) -> list[WorkflowHistory]:
    """The histories of a healing, the newest last.

    The oldest may be gone, if the namespace keeps none for so long.

    Args:
        client: The fleet's.
        workflow: The workflow's id.
        run: The run of the newest one; by default the newest of that id.

    Raises:
        RPCError: If there is none at all.
    """
    found = [await client.get_workflow_handle(workflow, run_id=run).fetch_history()]
    while before := _started(found[0]).continued_execution_run_id:
        try:
            one = await client.get_workflow_handle(workflow, run_id=before).fetch_history()
        except RPCError as error:
            if error.status is RPCStatusCode.NOT_FOUND:
                break
            raise
        found.insert(0, one)
    return found


def _started(history: WorkflowHistory) -> Any:
    return history.events[0].workflow_execution_started_event_attributes


async def lines_of(
    history: WorkflowHistory, converter: DataConverter = DATA_CONVERTER
) -> list[Line]:
    """What a healing's newest history says, as ``popheal export`` writes a journal.

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
    payloads = _started(history).input.payloads
    (order,) = await converter.decode(payloads, [HealingOrder])
    return cast("HealingOrder", order)


async def entries_of(
    history: WorkflowHistory, converter: DataConverter = DATA_CONVERTER
) -> list[Line]:
    """All entries of a healing, ended or not, by its newest history alone."""
    entries = await _brought_along(history, converter)
    for event in history.events:
        entries += await _written_with(event, converter)
    return entries


async def _brought_along(history: WorkflowHistory, converter: DataConverter) -> list[Line]:
    """The entries from before: of an earlier history, or of the healing that is settled."""
    order = await order_of(history, converter)
    before = order.continues or order.settles
    return [*before.entries] if before else []


async def _written_with(event: HistoryEvent, converter: DataConverter) -> list[Line]:
    return [one for sent in await _payloads(event, converter) for one in sent.get("entries", ())]


async def misfits(
    histories: Sequence[WorkflowHistory], converter: DataConverter = DATA_CONVERTER
) -> list[str]:
    """Where entries and commands of a healing don't agree, in words; empty if they do.

    Each effect that was scheduled must have been written down before, and once for each time; and
    each history must begin with the entries of that before it.
    """
    intended: Counter[tuple[str, str]] = Counter()
    found = []
    if gone := _started(histories[0]).continued_execution_run_id:
        found.append(f"the history of run {gone}, before these, is gone: it can't be compared")
    known = await _brought_along(histories[0], converter)
    for number, history in enumerate(histories):
        place = f"history {number + 1}, " if len(histories) > 1 else ""
        brought = await _brought_along(history, converter)
        if brought[: len(known)] != known:
            found.append(f"{place}begin: it has not the entries of the one before")
        intended += Counter(_intents(brought[len(known) :]))
        known = brought
        for event in history.events:
            where = f"{place}event {event.event_id}"
            written = await _written_with(event, converter)
            known += written
            intended += Counter(_intents(written))
            if _activity(event) == "effect":
                (sent,) = await _payloads(event, converter)
                effect = (str(sent["name"]), short_name(str(sent["args"][0])))
                if not intended[effect]:
                    found.append(f"{where}: {effect[0]} was not written down before")
                intended -= Counter([effect])
            if base := reset_from(event):
                found.append(f"{where}: it was reset, from run {base}")
    return found


def reset_from(event: HistoryEvent) -> str:
    """The run that was reset, if this event says so; else empty."""
    return event.workflow_task_failed_event_attributes.base_run_id


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

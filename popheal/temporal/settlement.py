"""Settling a healing whose workflow was terminated, or is lost: what it owes, from its history.

It keeps its claims, so that nobody acts where a server may be drained. A person has it settled: it
goes on under its own name as after a stop, which puts back what is safe and hands over the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowHandle,
    WorkflowHistory,
    WorkflowHistoryEventFilterType,
)
from temporalio.service import RPCError, RPCStatusCode

from popheal.errors import ConfigurationError
from popheal.temporal.custodian import Custodian, custodian_id
from popheal.temporal.custody import ClaimAnswer, Claimant, ClaimOrder, Custody
from popheal.temporal.healing_history import entries_of, histories_of, order_of, reset_from
from popheal.temporal.healing_workflow import Healing
from popheal.temporal.listing import ANSWERS_WITHIN, NAME, last_of_chain
from popheal.temporal.messages import Guarded, HealingOrder, Settlement
from popheal.temporal.operations import begin_healing
from popheal.util.account import account

_SCHEDULED: Final = "activity_task_scheduled_event_attributes"
_ENDS: Final = (
    "activity_task_completed_event_attributes",
    "activity_task_failed_event_attributes",
    "activity_task_timed_out_event_attributes",
    "activity_task_canceled_event_attributes",
)
#: What is no settlement's business: how it stands, and what to do.
_NOT_LOST: Final = {
    WorkflowExecutionStatus.RUNNING: ("is under way", "Let it, or stop it: popheal fleet stop."),
    WorkflowExecutionStatus.COMPLETED: (
        "has come to its end",
        "Its report says what it owes. If its right stays, clear it: popheal fleet clear.",
    ),
}


async def begin_settlement(
    client: Client, organisation: str, server: str, **options: Any
) -> WorkflowHandle[Healing, Any]:
    """Begin to settle the healing that has the right to act on a server, and has ended.

    Args:
        client: The fleet's.
        organisation: The organisation's name.
        server: The server.
        options: What else ``Client.start_workflow`` takes.

    Raises:
        ConfigurationError: If there is none, if it is under way, or if it can't be settled.
        WorkflowAlreadyStartedError: If another healing of the alert's server is under way.
        RPCError: If the server has no custodian, or the history is gone.
    """
    custodian = custodian_id(organisation, "server", server)
    holder = (await _known_to(client, custodian)).holder
    if holder is None:
        raise ConfigurationError(
            source=f"The custodian of {server}",
            problem="is held by no healing",
            next_step="There is nothing to settle; popheal fleet heal begins anew.",
        )
    last, was_reset = await _last_run_of(client, holder)
    if was_reset:
        raise ConfigurationError(
            source=f"The healing {holder.healing}",
            problem="was reset, so its history does not tell of all that it has done",
            next_step=_by_hand([custodian]),
        )
    history = await last.fetch_history()
    order = await _order_for(client, history, holder)
    return await begin_healing(client, order, memo={NAME: holder.healing}, **options)


async def _known_to(client: Client, custodian: str) -> Custody:
    handle = client.get_workflow_handle(custodian)
    known: Custody = await handle.query(Custodian.state, rpc_timeout=ANSWERS_WITHIN)
    return known


async def _last_run_of(client: Client, holder: Claimant) -> tuple[WorkflowHandle[Any, Any], bool]:
    """The last run of a healing that has ended, and whether any was reset."""
    try:
        found, was_reset = await _followed(client, holder)
    except RPCError as error:
        if error.status is not RPCStatusCode.NOT_FOUND:
            raise
        last = await last_of_chain(client, holder.workflow, holder.first_run)
        if last is None:
            raise
        # The first ones are gone. What was reset there and had begun, custodians know.
        kept = await histories_of(client, holder.workflow, last.run_id)
        found, was_reset = last, any(reset_from(one) for story in kept for one in story.events)
    if found.status in _NOT_LOST:
        problem, next_step = _NOT_LOST[found.status]
        raise ConfigurationError(
            source=f"The healing {holder.healing}",
            problem=f"{problem}, by the workflow {holder.workflow}",
            next_step=next_step,
        )
    return client.get_workflow_handle(holder.workflow, run_id=found.run_id), was_reset


async def _followed(client: Client, holder: Claimant) -> tuple[WorkflowExecutionDescription, bool]:
    """Likewise from the first run on: each reset makes another one, and so does a new history."""
    next_run, was_reset = holder.first_run, False
    seen: set[str] = set()
    while next_run and next_run not in seen:
        seen.add(next_run)
        run = client.get_workflow_handle(holder.workflow, run_id=next_run)
        found = await run.describe()
        next_run = found.raw_description.workflow_extended_info.reset_run_id
        was_reset = was_reset or bool(next_run)
        if not next_run and found.status is WorkflowExecutionStatus.CONTINUED_AS_NEW:
            next_run = await _continued_by(run)
    return found, was_reset


async def _continued_by(run: WorkflowHandle[Any, Any]) -> str:
    closed = await run.fetch_history(
        event_filter_type=WorkflowHistoryEventFilterType.CLOSE_EVENT,
    )
    said = closed.events[-1].workflow_execution_continued_as_new_event_attributes
    return said.new_execution_run_id


async def _order_for(client: Client, history: WorkflowHistory, holder: Claimant) -> HealingOrder:
    """What whoever settles it has to know."""
    converter = client.data_converter
    before = await order_of(history, converter)
    again, later = before.settles, before.continues
    custodians = await _custodians(client, history, before, holder)
    effects = [*(again.effects if again else ()), *(later.effects if later else ())]
    for event in history.events:
        if getattr(event, _SCHEDULED).activity_type.name == "effect":
            payloads = getattr(event, _SCHEDULED).input.payloads
            (command,) = await converter.decode(payloads, [Guarded])
            effects.append(command.begin.effect)
    await _require_known(client, custodians, holder, effects)
    return HealingOrder(
        alert=before.alert,
        policy=before.policy,
        organisation=before.organisation,
        by=account(),
        site=before.site,
        pace=before.pace,
        settles=Settlement(
            healing=holder.healing,
            begun_by=again.begun_by if again else before.by,
            process=again.process if again else f"workflow {holder.workflow}",
            version=version_of(history, before),
            entries=tuple(await entries_of(history, converter)),
            custodians=custodians,
            effects=tuple(effects),
            not_before=_latest(again.not_before if again else None, _open_until(history)),
        ),
    )


def version_of(history: WorkflowHistory, order: HealingOrder) -> str:
    """popheal's, of the workers that have begun it."""
    if known := order.continues or order.settles:
        return known.version
    for event in history.events:
        if event.HasField("workflow_task_completed_event_attributes"):
            done = event.workflow_task_completed_event_attributes
            return done.deployment_version.build_id.rpartition("-")[0]
    return ""


async def _custodians(
    client: Client, history: WorkflowHistory, before: HealingOrder, holder: Claimant
) -> tuple[str, ...]:
    """Those whose right it has. Raises ConfigurationError if it has lost one."""
    granted = set(before.settles.custodians) if before.settles else set()
    granted.update(before.continues.rights if before.continues else ())
    asked: dict[int, str] = {}
    for event in history.events:
        said, done = getattr(event, _SCHEDULED), event.activity_task_completed_event_attributes
        if said.activity_type.name == "claim":
            (order,) = await client.data_converter.decode(said.input.payloads, [ClaimOrder])
            if not order.only_look:
                asked[event.event_id] = order.custodian
        if done.scheduled_event_id in asked:
            (answer,) = await client.data_converter.decode(done.result.payloads, [ClaimAnswer])
            if answer.token:
                granted.add(asked[done.scheduled_event_id])
    found = sorted({*granted, *asked.values()})  # of one, its answer may have come too late
    held = [one for one in found if await _is_held(client, one, holder)]
    if lost := sorted(granted.difference(held)):
        raise ConfigurationError(
            source=f"The healing {holder.healing}",
            problem=f"has lost its right to act, somebody has cleared {' and '.join(lost)}",
            next_step=_by_hand(held),
        )
    return tuple(held)


def _by_hand(held: Sequence[str]) -> str:
    clear = ", and ".join(f"popheal fleet clear {one} --why TEXT" for one in held)
    return f"Look at the servers, and put back. Then {clear or 'all is free'}."


async def _require_known(
    client: Client, custodians: tuple[str, ...], holder: Claimant, effects: list[str]
) -> None:
    """Raise ConfigurationError if anything was begun of which the history does not know."""
    for custodian in custodians:
        for one in (await _known_to(client, custodian)).begun:
            if one.healing == holder.healing and not one.revoked and one.effect not in effects:
                raise ConfigurationError(
                    source=f"The healing {holder.healing}",
                    problem=f"has begun {one.what} on {one.server}, of which its history knows "
                    "nothing",
                    next_step=_by_hand(custodians),
                )


async def _is_held(client: Client, custodian: str, by: Claimant) -> bool:
    try:
        holder = (await _known_to(client, custodian)).holder
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    return holder is not None and holder.healing == by.healing


def _open_until(history: WorkflowHistory) -> datetime | None:
    """Until when a command may be on its way that nobody has told the end of."""
    ended = set()
    for event in history.events:
        if (name := event.WhichOneof("attributes")) in _ENDS:
            ended.add(getattr(event, name).scheduled_event_id)
    begun = [
        one
        for one in history.events
        if getattr(one, _SCHEDULED).activity_type.name == "effect" and one.event_id not in ended
    ]
    return max(map(_until, begun), default=None)


def _latest(*times: datetime | None) -> datetime | None:
    return max((one for one in times if one is not None), default=None)


def _until(event: HistoryEvent) -> datetime:
    said = event.activity_task_scheduled_event_attributes
    taken_up = said.schedule_to_start_timeout.ToTimedelta()
    most = taken_up + said.start_to_close_timeout.ToTimedelta()
    return event.event_time.ToDatetime(tzinfo=UTC) + most

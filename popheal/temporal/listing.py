"""Lists of healings: by search attributes, where the namespace has them registered.

A list lags some seconds behind. It is for people; nothing is ever decided by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from attrs import define, field, frozen
from temporalio import workflow
from temporalio.api.enums.v1 import IndexedValueType
from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
)
from temporalio.common import SearchAttributeKey, SearchAttributeUpdate
from temporalio.service import RPCError, RPCStatusCode

SERVER: Final = SearchAttributeKey.for_keyword("PophealServer")
GROUP: Final = SearchAttributeKey.for_keyword("PophealGroup")
STATE: Final = SearchAttributeKey.for_keyword("PophealState")
VERDICT: Final = SearchAttributeKey.for_keyword("PophealVerdict")
RETRY_AT: Final = SearchAttributeKey.for_datetime("PophealRetryAt")
ATTRIBUTES: Final = (SERVER, GROUP, STATE, VERDICT, RETRY_AT)

#: What a healing's workflow is called.
HEALING: Final = "popheal.Healing"
#: The memo of a run that tells which healing it is of, where that is not named after itself.
NAME: Final = "popheal-healing"
#: For so long is an answer waited for, by the server or by a worker.
ANSWERS_WITHIN: Final = timedelta(seconds=20)
#: How a workflow stands that has not ended: its last run runs, or has gone on in another.
OPEN: Final = (WorkflowExecutionStatus.RUNNING, WorkflowExecutionStatus.CONTINUED_AS_NEW)
#: As many ids are asked for at once.
_AT_ONCE: Final = 50
_OURS: Final = f"WorkflowType = '{HEALING}' AND ExecutionStatus"
#: Of one with several histories only the last has ended.
_CLOSED: Final = f"{_OURS} != 'Running' AND ExecutionStatus != 'ContinuedAsNew'"
#: As many workflows of one id are looked at for a certain one.
_NEWEST: Final = 50
#: No keyword is longer in a database.
_LONGEST: Final = 255


async def has_attributes(client: Client) -> bool:
    """Whether the namespace has all of them, by their types; else no healing may use any.

    One that is not registered would let the workflow's task fail for ever.
    """
    request = ListSearchAttributesRequest(namespace=client.namespace)
    try:
        told = await client.operator_service.list_search_attributes(request)
    except RPCError:
        return False  # perhaps it may not be asked by everybody
    return all(
        told.custom_attributes.get(one.name) == IndexedValueType.Value(_type_of(one))
        for one in ATTRIBUTES
    )


def _type_of(key: SearchAttributeKey[Any]) -> str:
    return f"INDEXED_VALUE_TYPE_{key.indexed_value_type.name}"


@define
class Shown:
    """What a healing shows of itself in lists.

    Args:
        wanted: Whether the namespace has the attributes.
    """

    wanted: bool
    _told: dict[str, Any] = field(factory=dict, init=False)

    def show(self, values: Mapping[SearchAttributeKey[Any], Any]) -> None:
        """Show what is another than before; what is empty is not shown."""
        if self.wanted and (updates := list(self._updates(values))):
            workflow.upsert_search_attributes(updates)

    def _updates(
        self, values: Mapping[SearchAttributeKey[Any], Any]
    ) -> Iterator[SearchAttributeUpdate[Any]]:
        for key, value in values.items():
            short = value[:_LONGEST] if isinstance(value, str) else value
            if short and short != self._told.get(key.name):
                self._told[key.name] = short
                yield key.value_set(short)


@frozen(kw_only=True)
class Listed:
    """A healing in a list.

    Attributes:
        workflow: Its workflow id.
        status: What Temporal says of it, like ``running`` or ``terminated``.
        group: Its group, if it has claimed one; with what follows only where it is shown.
        retry_at: When it may be tried again, where something was refused until then.
    """

    workflow: str
    server: str
    status: str
    began: datetime
    closed: datetime | None = None
    group: str = ""
    state: str = ""
    verdict: str = ""
    retry_at: datetime | None = None


async def list_healings(client: Client, newest: int) -> list[Listed]:
    """All that are open, and so many of those that have ended; the newest first.

    Raises:
        RPCError: If it can't be asked.
    """
    found = [one async for one in client.list_workflows(f"{_OURS} = 'Running'")]
    found += [one async for one in client.list_workflows(_CLOSED, limit=newest)]
    long = await _with_several_histories(client, {one.id for one in found})
    return [
        _listed(one, await _began(client, one) if one.id in long else one.start_time)
        for one in found
    ]


async def count_ended(client: Client) -> int:
    """How many have ended, of which the namespace still knows.

    Raises:
        RPCError: If it can't be asked.
    """
    return (await client.count_workflows(_CLOSED)).count


async def _with_several_histories(client: Client, workflows: Iterable[str]) -> set[str]:
    """Which of these have had a healing that went on in a new history."""
    found, wanted = set[str](), sorted(workflows)
    while wanted:
        some, wanted = wanted[:_AT_ONCE], wanted[_AT_ONCE:]
        names = ", ".join(f"'{_quoted(one)}'" for one in some)
        which = f"{_OURS} = 'ContinuedAsNew' AND WorkflowId IN ({names})"
        found |= {one.id async for one in client.list_workflows(which)}
    return found


def _quoted(text: str) -> str:
    return text.replace("'", "''")


async def first_run_of(client: Client, found: WorkflowExecution) -> str:
    """The first run of a workflow that is in a list, which does not tell it.

    Raises:
        RPCError: If it can't be asked, or its history is gone.
    """
    run = client.get_workflow_handle(found.id, run_id=found.run_id)
    described = await run.describe(rpc_timeout=ANSWERS_WITHIN)
    return described.raw_info.first_run_id


async def last_of_chain(
    client: Client, workflow: str, first_run: str, within: timedelta = ANSWERS_WITHIN
) -> WorkflowExecutionDescription | None:
    """The last run of a workflow by its first one, which may be gone by now; None if all are.

    A namespace keeps each run for as long after its own end.

    Args:
        client: The fleet's.
        workflow: The workflow's id, which others may have had before and since.
        first_run: Its first run.
        within: For so long is each answer waited for.

    Raises:
        RPCError: If it can't be asked.
    """
    found = await _described(client, workflow, within)
    if found is None or _first_run(found) == first_run:
        return found
    ends = f"WorkflowId = '{_quoted(workflow)}' AND ExecutionStatus != 'ContinuedAsNew'"
    async for one in client.list_workflows(ends, limit=_NEWEST, rpc_timeout=within):
        found = await _described(client, workflow, within, one.run_id)
        if found is not None and _first_run(found) == first_run:
            return found
    return await _described(client, workflow, within, first_run)  # lists lag behind


def _first_run(found: WorkflowExecutionDescription) -> str:
    return found.raw_info.first_run_id or found.run_id


async def _described(
    client: Client, workflow: str, within: timedelta, run: str | None = None
) -> WorkflowExecutionDescription | None:
    try:
        return await client.get_workflow_handle(workflow, run_id=run).describe(rpc_timeout=within)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None
        raise


async def _began(client: Client, found: WorkflowExecution) -> datetime:
    """When it began, in whichever of its histories."""
    try:
        run_id = await first_run_of(client, found)
        first = client.get_workflow_handle(found.id, run_id=run_id)
        return (await first.describe(rpc_timeout=ANSWERS_WITHIN)).start_time
    except RPCError:
        return found.start_time  # that history is gone


def _listed(found: WorkflowExecution, began: datetime) -> Listed:
    shown = found.typed_search_attributes
    status = found.status or WorkflowExecutionStatus.RUNNING
    return Listed(
        workflow=found.id,
        server=shown.get(SERVER) or found.id.rpartition("/")[2],
        status=status.name.lower(),
        began=began,
        closed=found.close_time,
        group=shown.get(GROUP) or "",
        state=shown.get(STATE) or "",
        verdict=shown.get(VERDICT) or "",
        retry_at=shown.get(RETRY_AT),
    )

"""Healings that have ended without giving their claims up: terminated, or lost in another way.

Nobody acts where they have claims, whatever time passes, until a person has them settled. So
whoever asks how the fleet stands has to be told of them.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Final

from attrs import frozen
from temporalio.client import Client, WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from popheal.temporal.custodian import Custodian, custodian_id
from popheal.temporal.listing import ANSWERS_WITHIN, HEALING, last_of_chain

_ENDED_BADLY: Final = (
    f"WorkflowType = '{HEALING}' AND ExecutionStatus IN ('Terminated', 'Failed', 'TimedOut')"
)

_LOST: Final = (
    WorkflowExecutionStatus.TERMINATED,
    WorkflowExecutionStatus.FAILED,
    WorkflowExecutionStatus.TIMED_OUT,
)
#: As many custodians are asked at the same time.
_AT_ONCE: Final = 16


@frozen(kw_only=True)
class Orphaned:
    """One of them.

    Attributes:
        healing: Its id.
        server: The short name of its server, which is to be settled.
        workflow: Its workflow id.
        status: How it ended, as Temporal says: like ``terminated``.
        closed: When.
    """

    healing: str
    server: str
    workflow: str
    status: str
    closed: datetime | None


async def orphaned(client: Client) -> list[Orphaned]:
    """Those whose claims stay; the one that ended last comes first.

    Raises:
        RPCError: If it can't be asked.
    """
    # Thousands may have ended like that of a few servers; of each the right is asked for once.
    ids = dict.fromkeys([one.id async for one in client.list_workflows(_ENDED_BADLY)])
    few = asyncio.Semaphore(_AT_ONCE)

    async def asked(workflow: str) -> Orphaned | None:
        async with few:
            return await _of_workflow(client, workflow)

    found = [one for one in await asyncio.gather(*map(asked, ids)) if one]
    return sorted(found, key=lambda one: str(one.closed), reverse=True)


async def _of_workflow(client: Client, workflow: str) -> Orphaned | None:
    """The healing of that workflow's id that is gone, and has the right on its own server still.

    That right is the first that a healing claims, and it is given up with all others.
    """
    _, _, organisation, server = workflow.split("/", 3)
    custodian = client.get_workflow_handle(custodian_id(organisation, "server", server))
    try:
        known = await custodian.query(Custodian.state, rpc_timeout=ANSWERS_WITHIN)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None  # nobody has ever claimed it
        raise
    holder = known.holder
    if holder is None or holder.workflow != workflow:
        return None
    last = await last_of_chain(client, workflow, holder.first_run)
    if last is None or last.status not in _LOST:
        return None  # its history is gone, or it was reset and goes on
    return Orphaned(
        healing=holder.healing,
        server=server,
        workflow=workflow,
        status=last.status.name.lower(),
        closed=last.close_time,
    )

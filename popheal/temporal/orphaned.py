"""Healings that have ended without giving their claims up: terminated, or lost in another way.

Nobody acts where they have claims, whatever time passes, until a person has them settled. So
whoever asks how the fleet stands has to be told of them.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from attrs import frozen
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError, RPCStatusCode

from popheal.temporal.custodian import Custodian, custodian_id
from popheal.temporal.listing import ANSWERS_WITHIN, HEALING, first_run_of

_ENDED_BADLY: Final = (
    f"WorkflowType = '{HEALING}' AND ExecutionStatus IN ('Terminated', 'Failed', 'TimedOut')"
)


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
    told: dict[str, Orphaned] = {}
    async for one in client.list_workflows(_ENDED_BADLY):
        found = await _if_it_holds(client, one)
        if found:
            told.setdefault(found.healing, found)  # each reset has made a run of it
    return list(told.values())


async def _if_it_holds(client: Client, ended: WorkflowExecution) -> Orphaned | None:
    """Itself, if the right on its own server is still that of a workflow that is gone.

    That right is the first that a healing claims, and it is given up with all others.
    """
    _, _, organisation, server = ended.id.split("/", 3)
    custodian = client.get_workflow_handle(custodian_id(organisation, "server", server))
    try:
        known = await custodian.query(Custodian.state, rpc_timeout=ANSWERS_WITHIN)
        holder = known.holder
        if holder is None or holder.workflow != ended.id:
            return None
        first = await first_run_of(client, ended)
        now = await client.get_workflow_handle(ended.id).describe(rpc_timeout=ANSWERS_WITHIN)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return None  # it has claimed nothing, or its history is gone
        raise
    if holder.first_run != first:
        return None
    is_open = now.close_time is None and now.raw_info.first_run_id == first
    if is_open or ended.status is None:
        return None  # it was reset, and goes on
    return Orphaned(
        healing=holder.healing,
        server=server,
        workflow=ended.id,
        status=ended.status.name.lower(),
        closed=ended.close_time,
    )

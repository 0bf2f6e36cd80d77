"""The fleet from outside: beginning a healing, asking how it goes, answering it, stopping it."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from attrs import evolve
from temporalio.api.workflowservice.v1 import SetWorkerDeploymentCurrentVersionRequest
from temporalio.client import Client, WorkflowHandle
from temporalio.common import WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.service import RPCError, RPCStatusCode

from popheal.temporal.build_name import DEPLOYMENT, build_id
from popheal.temporal.custodian import Custodian
from popheal.temporal.custody import Custody
from popheal.temporal.healing_workflow import Healing, healing_id
from popheal.temporal.listing import has_attributes
from popheal.temporal.messages import ENGINE_QUEUE, Decision, HealingOrder
from popheal.temporal.sealing import require_key
from popheal.util.account import account

_SOON: Final = 0.1


async def make_current(client: Client, build: str = "", *, within: float = 30.0) -> None:
    """Have healings begin on this build of the engine's workers; open ones stay on theirs.

    Args:
        client: The fleet's.
        build: The build; by default that of this code. A worker of it must run.
        within: Seconds to wait for such a worker.

    Raises:
        RPCError: If none has shown itself in that time.
    """
    request = SetWorkerDeploymentCurrentVersionRequest(
        namespace=client.namespace,
        deployment_name=DEPLOYMENT,
        build_id=build or build_id(),
        ignore_missing_task_queues=True,
    )
    end = asyncio.get_running_loop().time() + within
    while True:
        try:
            await client.workflow_service.set_worker_deployment_current_version(request)
        except RPCError as error:
            wait = error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.FAILED_PRECONDITION)
            if not wait or asyncio.get_running_loop().time() > end:
                raise
            await asyncio.sleep(_SOON)
        else:
            return


async def begin_healing(
    client: Client, order: HealingOrder, **options: Any
) -> WorkflowHandle[Healing, Any]:
    """Begin a healing; at most one at a time of a server. Lists show it where they can.

    Args:
        client: The fleet's.
        order: What is to be done.
        options: What else ``Client.start_workflow`` takes.

    Raises:
        WorkflowAlreadyStartedError: If one of that server is under way.
        ConfigurationError: If others encrypt what they ask for, and no key is given here.
    """
    await require_key(client)
    server = str(order.alert["server"])
    return await client.start_workflow(
        Healing.run,
        evolve(order, listed=await has_attributes(client)),
        id=healing_id(order.organisation, server),
        task_queue=ENGINE_QUEUE,
        id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
        id_reuse_policy=WorkflowIDReusePolicy.ALLOW_DUPLICATE,
        **options,
    )


async def clear_custodian(client: Client, custodian: str, why: str) -> Custody:
    """Free what a custodian guards; what it knew before.

    Raises:
        RPCError: If there is no such custodian.
    """
    decision = Decision(who=account(), why=why)
    handle = client.get_workflow_handle(custodian)
    before: Custody = await handle.execute_update(Custodian.clear, decision)
    return before

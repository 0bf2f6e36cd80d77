"""The workers: those that carry healings out, and those next to the servers of a site."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any, Final

from attrs import evolve
from temporalio import activity
from temporalio.client import (
    Client,
    WithStartWorkflowOperation,
    WorkflowExecutionStatus,
)
from temporalio.common import WorkerDeploymentVersion, WorkflowIDConflictPolicy
from temporalio.service import RPCError, RPCStatusCode
from temporalio.worker import Worker, WorkerDeploymentConfig
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from popheal.temporal.activities import SiteActivities
from popheal.temporal.build_name import DEPLOYMENT, build_id
from popheal.temporal.custodian import Custodian
from popheal.temporal.custody import (
    BeginAnswer,
    ClaimAnswer,
    Claimant,
    ClaimOrder,
    Custody,
    Revoke,
    TakeOver,
)
from popheal.temporal.healing_workflow import Healing
from popheal.temporal.messages import ENGINE_QUEUE, site_queue

#: What is not imported anew for each workflow: all of it is ours or plain data, and holds still.
_PASSED_THROUGH: Final = (
    "popheal",
    "attr",
    "attrs",
    "cattr",
    "cattrs",
    "six",
    "structlog",
    "transitions",
    "tzdata",
)
#: A command at work when a worker is to end has so long to come to its end.
_GRACE: Final = timedelta(minutes=6)


def sandbox() -> SandboxedWorkflowRunner:
    """What keeps workflows deterministic; a replayer needs the same."""
    passing = SandboxRestrictions.default.with_passthrough_modules(*_PASSED_THROUGH)
    return SandboxedWorkflowRunner(restrictions=passing)


@activity.defn(name="claim")
async def claim(order: ClaimOrder) -> ClaimAnswer:
    """Claim what a custodian guards; the custodian is made if there is none yet."""
    client = activity.client()
    answer: ClaimAnswer = await client.execute_update_with_start_workflow(
        Custodian.claim,
        order,
        start_workflow_operation=WithStartWorkflowOperation(
            Custodian.run,
            Custody(),
            id=order.custodian,
            task_queue=ENGINE_QUEUE,
            id_conflict_policy=WorkflowIDConflictPolicy.USE_EXISTING,
        ),
    )
    if answer.holder is None:
        return answer
    return evolve(answer, alive=await _is_running(client, answer.holder))


async def _is_running(client: Client, holder: Claimant) -> bool:
    """Whether the workflow of a holder still runs, in whichever of its runs."""
    try:
        found = await client.get_workflow_handle(holder.workflow).describe()
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return False
        raise
    same = found.raw_info.first_run_id == holder.first_run
    return same and found.status is WorkflowExecutionStatus.RUNNING


@activity.defn(name="take_over")
async def take_over(order: TakeOver) -> ClaimAnswer:
    """Have the right of a healing whose workflow has ended, if it has."""
    client = activity.client()
    handle = client.get_workflow_handle(order.custodian)
    try:
        known: Custody = await handle.query(Custodian.state)
        holder = known.holder
        if holder is None or holder.healing != order.who.healing:
            return ClaimAnswer(holder=holder)
        if holder != order.who and await _is_running(client, holder):
            return ClaimAnswer(holder=holder)
        seen = evolve(order, instead_of=holder)
        answer: ClaimAnswer = await handle.execute_update(Custodian.take_over, seen)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return ClaimAnswer()  # there is no such custodian any more, so nobody has it
        raise
    return answer


@activity.defn(name="revoke")
async def revoke(order: Revoke) -> BeginAnswer:
    """Take the latch of an effect whose worker is silent, if that has not."""
    handle = activity.client().get_workflow_handle(order.custodian)
    try:
        answer: BeginAnswer = await handle.execute_update(Custodian.begin, order.begin)
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND:
            return BeginAnswer(why="there is no such custodian any more, so it grants nothing")
        raise
    return answer


def engine_worker(client: Client, *, build: str = "", **options: Any) -> Worker:
    """A worker that carries healings out, and guards; it reaches no Exchange server.

    Args:
        client: Connected with popheal's data converter.
        build: The version that it is of; by default that of the code.
        options: What else :class:`temporalio.worker.Worker` takes.
    """
    return Worker(
        client,
        task_queue=ENGINE_QUEUE,
        workflows=[Healing, Custodian],
        activities=[claim, revoke, take_over],
        workflow_runner=sandbox(),
        deployment_config=WorkerDeploymentConfig(
            version=WorkerDeploymentVersion(DEPLOYMENT, build or build_id()),
            use_worker_versioning=True,
        ),
        **options,
    )


def site_worker(
    client: Client,
    site: str,
    activities: SiteActivities,
    *,
    at_once: int = 4,
    **options: Any,
) -> Worker:
    """A worker next to the servers of a site.

    Args:
        client: Connected with popheal's data converter.
        site: The site's name; may be empty where there is only one.
        activities: What it does, and by which backends.
        at_once: How many activities run at a time, each with connections of its own.
        options: What else :class:`temporalio.worker.Worker` takes.
    """
    own: Sequence[Callable[..., Any]] = activities.all
    return Worker(
        client,
        task_queue=site_queue(site),
        activities=own,
        max_concurrent_activities=at_once,
        **{"graceful_shutdown_timeout": _GRACE, **options},
    )

"""What commands to a fleet have in common: its server, and waiting for a report."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from popheal.cli.render.console import say
from popheal.policy.policy import Policy
from popheal.reports.report import Report

if TYPE_CHECKING:
    from temporalio.client import Client
    from temporalio.service import RPCError

T = TypeVar("T")

#: Seconds from one look at a healing to the next.
_EVERY: Final = 1.0
_SILENT: Final = (
    "The fleet gives no answer in time. See that a worker of the healing's build runs, and that "
    "one was told to take new healings (popheal fleet worker --engine --current), and has the same "
    "POPHEAL_FLEET_KEYS as here."
)
#: What Temporal says to whoever tells something to a workflow that has ended.
_ENDED: Final = "already completed"
_SEE: Final = "See what there is: popheal fleet healings"

site_option: Final = click.option(
    "--site", default="", metavar="NAME", help="The site whose workers look and act."
)


def require_decided(policy: Policy, source: str, *, else_: str = "") -> None:
    """Raise UsageError where nobody has said whether servers may be taken out of service."""
    if policy.approval_undecided:
        raise click.UsageError(
            f"{source} does not say approval_from, and nobody is asked here. Say it under "
            '[policy]: approval_from = "disrupt" asks a person each time, "never" asks nobody. '
            f"{else_}".rstrip()
        )


async def report_of(client: Client, begun: Any, server: str) -> Report:
    """Wait for the report of a healing that has just begun; no later one of its server counts."""
    from temporalio.client import WorkflowFailureError

    from popheal.temporal.healing_workflow import Healing

    try:
        run = await _ended(client, begun, server)
        ended = client.get_workflow_handle_for(Healing.run, begun.id, run_id=run)
        result = await ended.result()
    except asyncio.CancelledError:
        say(f"The healing goes on. To stop it: popheal fleet stop {server}")
        raise
    except WorkflowFailureError as error:
        raise click.ClickException(_how_lost(error.cause, server)) from None
    return Report.from_json(result.report)


def _how_lost(cause: BaseException, server: str) -> str:
    """Why there is no report: in words of the healing, or else of whoever has ended it."""
    from temporalio.exceptions import ApplicationError, TerminatedError

    if isinstance(cause, ApplicationError):
        return cause.message
    how = "was terminated" if isinstance(cause, TerminatedError) else "has ended without a report"
    return (
        f"The healing of {server} {how} ({cause}). What it has changed stays so, and it keeps its "
        f"claims, until you say: popheal fleet settle {server}"
    )


async def _ended(client: Client, begun: Any, server: str) -> str:
    """The last run of a healing, once it has ended; that the fleet is silent changes nothing."""
    from temporalio.service import RPCError, RPCStatusCode

    from popheal.temporal.listing import OPEN, last_of_chain

    silent = False
    # By short questions: one that is answered at the end would keep us from leaving before.
    while True:
        try:
            found = await last_of_chain(client, begun.id, begun.first_execution_run_id)
        except RPCError as error:
            if error.status in (RPCStatusCode.NOT_FOUND, RPCStatusCode.PERMISSION_DENIED):
                raise
            if not silent:
                say(
                    f"The fleet gives no answer: {error.message}. The healing is not ended by "
                    f"that, and is waited for. Later: popheal fleet show {server}"
                )
            silent = True
        else:
            if found is None:
                raise click.ClickException(
                    f"The history of the healing of {server} is gone. See: popheal fleet healings"
                )
            if found.status not in OPEN:
                return found.run_id
        await asyncio.sleep(_EVERY)


async def with_client(do: Callable[[Client], Awaitable[T]]) -> T:
    """Do something with the fleet's server. Raises ClickException, in words, where it refuses."""
    from popheal.temporal.connection import connect

    client = await connect()
    with in_words(client):
        return await do(client)


@contextmanager
def in_words(client: Client) -> Iterator[None]:
    """Raise ClickException, in words, where the fleet's server refuses something."""
    from temporalio.client import (
        WorkflowQueryFailedError,
        WorkflowUpdateFailedError,
        WorkflowUpdateRPCTimeoutOrCancelledError,
    )
    from temporalio.service import RPCError

    from popheal.temporal.connection import said_by

    try:
        yield
    except WorkflowUpdateFailedError as error:
        raise click.ClickException(f"It was not taken: {said_by(error.cause)}.") from None
    except (WorkflowUpdateRPCTimeoutOrCancelledError, WorkflowQueryFailedError):
        raise click.ClickException(_SILENT) from None
    except RPCError as error:
        raise click.ClickException(_refusal(error, client.namespace)) from None


def _refusal(error: RPCError, namespace: str) -> str:
    from temporalio.service import RPCStatusCode

    from popheal.temporal.connection import NO_WORKER, is_without_namespace

    if error.status is RPCStatusCode.NOT_FOUND:
        if is_without_namespace(error):
            return (
                f"The Temporal server has no namespace {namespace}. Set TEMPORAL_NAMESPACE, or "
                f"make it: temporal operator namespace create {namespace}"
            )
        if _ENDED in error.message:
            return f"The healing has ended, so there is nothing to be taken. {_SEE}"
        return f"The fleet does not know it: {error.message.rstrip('.')}. {_SEE}"
    if error.status in NO_WORKER:
        return _SILENT
    return (
        f"The Temporal server refuses, or gives no answer: {error.message.rstrip('.')}. See that "
        "it runs, and that TEMPORAL_... says how to log on to it."
    )

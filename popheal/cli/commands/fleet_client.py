"""What commands to a fleet have in common: its server, and waiting for a report."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from popheal.cli.render.console import say
from popheal.policy.policy import Policy
from popheal.reports.report import Report

if TYPE_CHECKING:
    from temporalio.client import Client

T = TypeVar("T")

#: Seconds from one look at a healing to the next.
_EVERY: Final = 1.0
_SILENT: Final = (
    "The fleet gives no answer in time. See that a worker of the healing's build runs, and that "
    "one was told to take new healings: popheal fleet worker --engine --current"
)


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


async def report_of(handle: Any, server: str) -> Report:
    """Wait for the report of a healing."""
    from temporalio.client import WorkflowExecutionStatus, WorkflowFailureError

    try:
        # By short questions: one that is answered at the end would keep us from leaving before.
        while (await handle.describe()).status is WorkflowExecutionStatus.RUNNING:  # noqa: ASYNC110
            await asyncio.sleep(_EVERY)
        result = await handle.result()
    except asyncio.CancelledError:
        say(f"The healing goes on. To stop it: popheal fleet stop {server}")
        raise
    except WorkflowFailureError as error:
        raise click.ClickException(f"{error.cause}") from None
    return Report.from_json(result.report)


async def with_client(do: Callable[[Client], Awaitable[T]]) -> T:
    """Do something with the fleet's server. Raises ClickException, in words, where it refuses."""
    from temporalio.client import (
        WorkflowQueryFailedError,
        WorkflowUpdateFailedError,
        WorkflowUpdateRPCTimeoutOrCancelledError,
    )
    from temporalio.service import RPCError, RPCStatusCode

    from popheal.temporal.connection import connect

    client = await connect()
    try:
        return await do(client)
    except WorkflowUpdateFailedError as error:
        raise click.ClickException(f"It was not taken: {error.cause}.") from None
    except (WorkflowUpdateRPCTimeoutOrCancelledError, WorkflowQueryFailedError):
        raise click.ClickException(_SILENT) from None
    except RPCError as error:
        unknown = error.status is RPCStatusCode.NOT_FOUND
        said = f"The fleet does not know it: {error.message}." if unknown else _SILENT
        raise click.ClickException(said) from None

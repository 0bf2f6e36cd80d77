"""A fleet that does not answer: nobody can tell, which is not that anything has failed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar

from temporalio.client import (
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
    WorkflowUpdateRPCTimeoutOrCancelledError,
)
from temporalio.service import RPCError, RPCStatusCode

from popheal.errors import ConfigurationError, FleetSilent
from popheal.temporal.connection import NO_WORKER, is_without_namespace
from popheal.util.text import one_line

P = ParamSpec("P")
T = TypeVar("T")

#: The Temporal server itself answers within this; less than whoever raises an alert waits.
SERVER_WITHIN: Final = timedelta(seconds=5)
#: And so does a worker, by way of it.
WORKER_WITHIN: Final = timedelta(seconds=8)
#: All that has to be known before one server can be answered is told within this.
ALL_WITHIN: Final = timedelta(seconds=15)
#: So much longer is it waited: the client of Temporal tries again where nobody can be reached,
#: whatever it was told.
_SPARE: Final = timedelta(seconds=1)

_LONGEST: Final = 200
_START_IT: Final = (
    "See that the Temporal server runs and can be reached (TEMPORAL_ADDRESS, "
    "TEMPORAL_NAMESPACE), and try again."
)
_START_WORKERS: Final = (
    "See that a worker of the healing's build runs, and that one was told to take new healings "
    "(popheal fleet worker --engine --current), and try again."
)


@asynccontextmanager
async def answered(*, by_worker: bool = False) -> AsyncIterator[timedelta]:
    """Raise FleetSilent if there is no answer; that something is not there is an answer.

    What is given to it is the time within which Temporal has to answer.

    Args:
        by_worker: Whether a worker is asked, by way of the server.

    Raises:
        FleetSilent: If there is none.
        RPCError: NOT_FOUND, and nothing else.
    """
    within = WORKER_WITHIN if by_worker else SERVER_WITHIN
    try:
        async with asyncio.timeout((within + _SPARE).total_seconds()):
            yield within
    except RPCError as error:
        if error.status is RPCStatusCode.NOT_FOUND and not is_without_namespace(error):
            raise
        if by_worker and error.status in NO_WORKER:
            raise _of_workers() from None
        raise _of_server(error.message or error.status.name) from None
    except TimeoutError:
        raise _of_server("nobody can be reached there") from None
    except (
        WorkflowQueryFailedError,
        WorkflowQueryRejectedError,
        WorkflowUpdateRPCTimeoutOrCancelledError,
    ):
        raise _of_workers() from None
    except ConfigurationError as error:  # it is encrypted by a key that is not here
        raise FleetSilent(
            where=error.source, problem=error.problem, next_step=error.next_step
        ) from None


@asynccontextmanager
async def in_time(what: str) -> AsyncIterator[None]:
    """Raise FleetSilent if several questions together take too long.

    Args:
        what: What is asked, for people.
    """
    try:
        async with asyncio.timeout(ALL_WITHIN.total_seconds()):
            yield
    except TimeoutError:
        raise FleetSilent(
            where="The fleet", problem=f"does not tell {what} in time", next_step=_START_IT
        ) from None


def never_gone(
    function: Callable[P, Coroutine[Any, Any, T]],
) -> Callable[P, Coroutine[Any, Any, T]]:
    """Raise FleetSilent where something is gone that was there a moment ago, or the namespace is.

    What a method expects to be missing it sees to itself.
    """

    @wraps(function)
    async def asked(*args: P.args, **more: P.kwargs) -> T:
        try:
            return await function(*args, **more)
        except RPCError as error:
            raise _of_server(error.message or error.status.name) from None

    return asked


def _of_server(seen: str) -> FleetSilent:
    problem = f"gives no answer: {one_line(seen, _LONGEST)}"
    return FleetSilent(where="The fleet's Temporal server", problem=problem, next_step=_START_IT)


def _of_workers() -> FleetSilent:
    problem = "give no answer in time"
    return FleetSilent(where="The fleet's workers", problem=problem, next_step=_START_WORKERS)

"""The third driver: it steps through a healing's coroutine as a workflow."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import Any

from temporalio import workflow

from popheal.engine.requests import Logic, Request, T
from popheal.errors import JournalError, PophealError


class WorkflowClock:
    """The workflow's time; or the site's, where pauses are simulated.

    Args:
        speed: How fast it passes.
        began: When the healing began, by the server; by default now.
    """

    def __init__(self, speed: float, began: datetime | None = None) -> None:
        self._speed = speed
        self.began = began or workflow.now()
        #: What the site's clock showed last.
        self.told: datetime | None = None

    def now(self) -> datetime:
        if self.told is not None:
            return self.told
        return self.began + (workflow.now() - self.began) * self._speed

    def monotonic(self) -> float:
        return self.now().timestamp()

    def sleep(self, seconds: float) -> None:
        raise NotImplementedError("a workflow pauses by a request")

    async def asleep(self, seconds: float) -> None:
        raise NotImplementedError("a workflow pauses by a request")


async def drive(logic: Logic[T], perform: Callable[[Request[Any]], Awaitable[Any]]) -> T:
    """Step through a coroutine by hand; it never becomes a task of the workflow's loop.

    Only our own errors are thrown into it. What Temporal raises, to drop the workflow from memory
    or because it is cancelled, goes through.
    """
    step: Callable[[], Request[Any]] = partial(logic.send, None)
    try:
        while True:
            request = step()
            try:
                step = partial(logic.send, await perform(request))
            except JournalError:
                raise  # nothing may be done that can't be written down
            except PophealError as error:
                step = partial(logic.throw, error)
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        logic.close()

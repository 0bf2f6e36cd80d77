"""Many things at once on a virtual clock: an event loop whose time moves when nothing is to do.

A :class:`~popheal.util.clock.VirtualClock` moves as soon as one sleeps on it, so two that sleep
at the same time would take the time of both. Here time moves to the next moment that somebody
waits for, once every task waits, and neither a thread nor the journal is at work.
"""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar
from unittest.mock import patch

from popheal.engine import writer
from popheal.util.clock import VirtualClock

T = TypeVar("T")

#: The least by which the clock moves: less is rounded away, and what is due would never be.
_TICK = 1e-6
#: Real seconds after which a thread that does not come back is a defect of a test.
PATIENCE = 30.0


class ParallelClock(VirtualClock):
    """A virtual clock for several tasks, and for what they call in threads.

    Without a loop that runs it is a virtual clock like any other.
    """

    loop: VirtualLoop | None = None

    def move(self, seconds: float) -> None:
        """Let time pass."""
        super().sleep(seconds)

    def sleep(self, seconds: float) -> None:
        loop = self.loop
        if loop is None or not loop.is_running() or threading.get_ident() == loop.owner:
            self.move(seconds)
            return
        woken = threading.Event()

        def wake() -> None:
            loop.at_work += 1
            woken.set()

        def fall_asleep() -> None:
            loop.at_work -= 1
            loop.call_later(max(0.0, seconds), wake)

        loop.call_soon_threadsafe(fall_asleep)
        assert woken.wait(PATIENCE)

    async def asleep(self, seconds: float) -> None:
        if asyncio.get_running_loop() is self.loop:
            await asyncio.sleep(max(0.0, seconds))
        else:
            await super().asleep(seconds)


class _Selector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Moves the clock instead of waiting."""

    loop: VirtualLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        found = super().select(0)
        if found or (timeout is not None and timeout <= 0):
            return found
        if not self.loop.at_work and timeout is not None:
            self.loop.clock.move(max(timeout, _TICK))
            return []
        found = super().select(PATIENCE)
        assert found, "nothing happens any more"
        return found


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop that runs by a virtual clock."""

    def __init__(self, clock: ParallelClock) -> None:
        self.clock, self.at_work, self.owner = clock, 0, threading.get_ident()
        selector = _Selector()
        selector.loop = self
        super().__init__(selector)
        clock.loop = self

    def time(self) -> float:
        return self.clock.monotonic()

    async def shutdown_default_executor(self, *_: float | None) -> None:
        """However long its threads take: since Python 3.12 it is by this loop's own time."""
        await super().shutdown_default_executor()

    def run_in_executor(self, executor: Executor | None, func: Any, *args: Any) -> Any:
        return self.awaited(super().run_in_executor(executor, func, *args))

    def awaited(self, future: Any) -> Any:
        """Have no time pass until a future is done."""
        self.at_work += 1

        def done(_: object) -> None:
            self.at_work -= 1

        future.add_done_callback(done)
        return future


def run(work: Coroutine[Any, Any, T], clock: ParallelClock) -> T:
    """Run a coroutine to its end, on that clock."""
    write = writer._Writer.submit

    def counted(self: Any, function: Any) -> Any:
        loop: Any = asyncio.get_running_loop()
        return loop.awaited(write(self, function))

    with (
        patch.object(clock, "loop", clock.loop),  # put back at the end
        patch.object(writer._Writer, "submit", counted),
        asyncio.Runner(loop_factory=lambda: VirtualLoop(clock)) as runner,
    ):
        return runner.run(work)

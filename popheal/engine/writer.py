"""How the healings of an event loop come to the disk: in one thread, and many in one commit."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any, Final, TypeVar
from weakref import WeakKeyDictionary

from popheal.journal.group_commit import TOGETHER, together

if TYPE_CHECKING:
    from popheal.journal import Journal

T = TypeVar("T")

#: A function that writes, and who waits for it.
_Asked = tuple[Callable[[], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]
_Answered = tuple["asyncio.Future[Any]", tuple[Any, BaseException | None]]


def submit(function: Callable[[], Any]) -> asyncio.Future[Any]:
    """Have something written; the future has what the function returns, or raises.

    By then it is on the disk.
    """
    return _writer(os.getpid()).submit(function)


@cache
def _writer(_process: int) -> _Writer:
    return _Writer()


class _Writer:
    """The thread in which all healings of the process write: SQLite takes one at a time.

    What several of them want to be written meanwhile is written together, in one commit.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="popheal-journal")
        self._waiting: deque[_Asked] = deque()
        #: Whether the thread will look at what waits: it need not be told for each.
        self._told = False

    def submit(self, function: Callable[[], Any]) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        self._waiting.append((function, loop, future))
        if not self._told:
            self._told = True
            self._thread.submit(self._work)
        return future

    def _work(self) -> None:
        # Before it is looked at: what comes from now on is told of again.
        self._told = False
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), TOGETHER))]
            answers = together([function for function, _, _ in batch])
            told: dict[asyncio.AbstractEventLoop, list[_Answered]] = {}
            for (_, loop, future), answer in zip(batch, answers, strict=True):
                told.setdefault(loop, []).append((future, answer))
            for loop, answered in told.items():
                with contextlib.suppress(RuntimeError):  # it has been closed: nobody waits there
                    loop.call_soon_threadsafe(_deliver, answered)


def _deliver(answered: Iterable[_Answered]) -> None:
    for future, (answer, error) in answered:
        if future.done():
            continue
        if error is None:
            future.set_result(answer)
        else:
            future.set_exception(error)


async def with_journal(journal: Journal, function: Callable[[], T]) -> T:
    """Read or write a journal besides a healing, without blocking the event loop.

    Where it is a file, that is done in the one thread in which all healings of the process do so.
    """
    if journal.path is None:
        return function()
    answer: T = await submit(function)
    return answer


# --- beginning -----------------------------------------------------------------------------------


async def one_of_few(begin: Callable[[], Awaitable[T]]) -> T:
    """Begin something, when few others are just beginning in this event loop.

    A healing that has begun goes on until it waits. So of however many that come at once, few are
    at work side by side, unless what they ask takes time; and only those need memory.
    """
    return await _DOORWAYS.setdefault(asyncio.get_running_loop(), _Doorway()).through(begin)


class _Doorway:
    def __init__(self) -> None:
        self._inside = 0
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def through(self, begin: Callable[[], Awaitable[T]]) -> T:
        loop = asyncio.get_running_loop()
        if self._inside >= TOGETHER:
            turn = loop.create_future()
            self._waiting.append(turn)
            try:
                await turn  # whoever lets us in counts us
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._left()
                raise
        else:
            self._inside += 1
        try:
            return await begin()
        finally:
            loop.call_soon(self._left)  # once it has gone on as far as it comes

    def _left(self) -> None:
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                return
        self._inside -= 1


_DOORWAYS: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, _Doorway]] = WeakKeyDictionary()

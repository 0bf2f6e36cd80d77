"""The ways by which a watch asks: several looks at once, and each healing by itself.

A backend that blocks is called in threads, each with connections of its own, where it can have
them (:class:`~popheal.exchange.backend.SideBySide`); one that can't is called by one thread at a
time. The looks share as many connections as are allowed for each entrance to the organisation.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, asynccontextmanager
from itertools import count
from typing import Any, Final, TypeVar

from popheal.exchange.backend import (
    EFFECTS,
    LOOKS,
    AsyncBackend,
    Backend,
    LogonLasts,
    ManyWaysIn,
    OpensAhead,
    RightsKnown,
)

T = TypeVar("T")

#: Real seconds in which connections are given back, before they are dropped.
_PATIENCE: Final = 10.0


class Connections:
    """What a watch asks an organisation by.

    Args:
        backend: What reaches the organisation.
        per_entrance: Looks at the same time by way of one entrance.

    Attributes:
        at_once: Looks at the same time, at most.
    """

    def __init__(self, backend: AsyncBackend | Backend, per_entrance: int) -> None:
        kind = type(backend)
        self._is_async = inspect.iscoroutinefunction(getattr(kind, "server_health", None))
        self._backend: Any = backend
        self._divides = hasattr(kind, "apart")
        if not (self._is_async or self._divides):
            self._backend = _one_at_a_time(backend, threading.Lock())
        entrances = len(getattr(backend, "entrances", ())) or 1
        is_several = self._is_async or self._divides
        self.at_once = per_entrance * entrances if is_several else 1
        self._turns = count()
        self._free: list[_Connection] = []
        self._open: set[_Connection] = set()
        # One for each look, and one for whoever closes the connection of a healing.
        self._threads = ThreadPoolExecutor(self.at_once + 1, thread_name_prefix="popheal-look")

    async def look(self, method: str, *args: Any) -> Any:
        """Call a look of the backend. Raises what it raises."""
        if self._is_async:
            return await getattr(self._backend, method)(*args)
        with self._lent() as connection:
            return await self._in_thread(getattr(connection.backend, method), *args)

    @asynccontextmanager
    async def of_its_own(self) -> AsyncIterator[Any]:
        """A backend for a healing, by connections that nothing else uses where it can have any."""
        if self._is_async or not self._divides:
            yield self._backend
            return
        connection = self._opened()
        try:
            yield connection.backend
        except BaseException as error:
            if not isinstance(error, Exception):
                self._drop(connection)  # somebody wants out at once
            raise
        finally:
            if connection in self._open:
                await self._in_thread(self._give_back, connection)

    async def close(self) -> None:
        """Give every connection back; one that does not come back, or is still used, is dropped."""
        free = {self._in_thread(self._give_back, one) for one in self._free}
        self._free.clear()
        if free:
            _, late = await asyncio.wait(free, timeout=_PATIENCE)
            for one in late:
                one.cancel()
        self.abandon()

    def abandon(self) -> None:
        """Drop every connection at once, also what is asked by it; from any thread."""
        self._free.clear()
        for one in tuple(self._open):
            self._drop(one)
        self._threads.shutdown(wait=False, cancel_futures=True)

    # --- inside ----------------------------------------------------------------------------------

    def _in_thread(self, function: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        return asyncio.get_running_loop().run_in_executor(self._threads, function, *args)

    @contextlib.contextmanager
    def _lent(self) -> Iterator[_Connection]:
        if not self._divides:
            yield _Connection(contextlib.nullcontext(self._backend))
            return
        # The one that was used last: it is the likeliest to be open still.
        connection = self._free.pop() if self._free else self._opened()
        try:
            yield connection
        except asyncio.CancelledError:
            self._drop(connection)  # a thread may still be using it
            raise
        finally:
            if connection in self._open:
                self._free.append(connection)

    def _opened(self) -> _Connection:
        connection = _Connection(self._backend.apart(turn=next(self._turns)))
        self._open.add(connection)
        return connection

    def _give_back(self, connection: _Connection) -> None:
        connection.close()
        self._open.discard(connection)

    def _drop(self, connection: _Connection) -> None:
        self._open.discard(connection)
        connection.drop()


class _Connection:
    """One of the backend's that has been opened."""

    def __init__(self, manager: AbstractContextManager[Any]) -> None:
        self._manager = manager
        self.backend = manager.__enter__()

    def close(self) -> None:
        self._manager.__exit__(None, None, None)

    def drop(self) -> None:
        """Close it as whoever wants out at once does."""
        out = asyncio.CancelledError()
        with contextlib.suppress(BaseException):
            self._manager.__exit__(type(out), out, None)


# --- a backend that only one may use -------------------------------------------------------------

_MAY_HAVE: Final = tuple(
    one.__name__
    for one in (LogonLasts.logon_lasts, OpensAhead.open_ahead, RightsKnown.rights_missing)
)


def _one_at_a_time(backend: Any, lock: threading.Lock) -> Any:
    """The backend, so that whoever calls it waits until no other thread does."""

    def waiting(name: str) -> Callable[..., Any]:
        def method(_self: object, *args: Any) -> Any:
            with lock:
                return getattr(backend, name)(*args)

        method.__name__ = name
        return method

    kind = type(backend)
    own = [*LOOKS, *EFFECTS, *(name for name in _MAY_HAVE if hasattr(kind, name))]
    members: dict[str, Any] = {name: waiting(name) for name in own}
    members["organisation"] = backend.organisation
    if hasattr(kind, ManyWaysIn.avoiding.__name__):

        def avoiding(_self: object, servers: Sequence[str]) -> Any:
            return _one_at_a_time(backend.avoiding(servers), lock)

        members[ManyWaysIn.avoiding.__name__] = avoiding
    return type(f"OneAtATime{kind.__name__}", (), members)()

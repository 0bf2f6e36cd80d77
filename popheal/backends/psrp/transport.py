"""The HTTP below pypsrp, with an end: a deadline and a size for all of a command together.

``requests`` bounds each wait for the next piece of an answer. A far side that trickles byte by
byte, sends without end, negotiates for ever or packs gigabytes into a kilobyte is never late by
that measure. So here a command has one deadline, by the monotonic clock, and one limit for what
comes back; at the deadline its connections are cut, whatever they wait for.
"""

from __future__ import annotations

import contextlib
import functools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar
from weakref import WeakSet

if TYPE_CHECKING:
    from requests import Response, Session
    from urllib3.connection import HTTPConnection

P = ParamSpec("P")
T = TypeVar("T")

#: How much of an answer is read at a time, in bytes.
_PIECE: Final = 64 * 1024
_UNAUTHORISED: Final = 401
#: A connection is not tried, nor waited for, for less than this many seconds.
_LEAST: Final = 0.05


class AnswerTooLong(Exception):
    """The far side sends more than an answer may have."""


class Limits:
    """What is left to the command that is being run: time, and room for its answer.

    Args:
        most_bytes: How much may come back for one command, unpacked.
    """

    def __init__(self, most_bytes: int) -> None:
        self._most_bytes = most_bytes
        self._room = most_bytes
        self._until = float("inf")
        self._connections: WeakSet[HTTPConnection] = WeakSet()

    @property
    def left(self) -> float:
        """Seconds until the deadline. Raises TimeoutError after it."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def take(self, size: int) -> None:
        """Count what came back. Raises AnswerTooLong, or TimeoutError after the deadline."""
        self._room -= size
        if self._room < 0:
            raise AnswerTooLong
        _ = self.left

    @contextlib.contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """While this lasts, everything has so many seconds all told; then connections are cut."""
        before, self._until = self._until, time.monotonic() + seconds
        self._room = self._most_bytes
        cutter = threading.Timer(seconds, self.cut)
        cutter.daemon = True
        cutter.start()
        try:
            yield
        finally:
            cutter.cancel()
            self._until = before

    def cut(self) -> None:
        """End every wait of the thread at work: what it reads from ends."""
        for connection in tuple(self._connections):
            if connection.sock is not None:
                with contextlib.suppress(OSError):
                    connection.sock.shutdown(socket.SHUT_RDWR)

    def close_connections(self) -> None:
        """Close those that a logon broke off in the middle of has left behind."""
        for connection in tuple(self._connections):
            connection.close()

    # --- a session -------------------------------------------------------------------------------

    def apply_to(self, session: Session, name: str) -> None:
        """Hold a session of requests to this.

        Args:
            session: What pypsrp has built.
            name: The server's name: what its certificate must be for, and what TLS is told
                (SNI), whatever address is connected to.
        """
        adapters: dict[str, Any] = dict(session.adapters)
        for scheme, adapter in adapters.items():
            of_proxy = adapter.proxy_manager_for
            self._make_cuttable(adapter.poolmanager)
            adapter.proxy_manager_for = _then(of_proxy, self._make_cuttable)
            if scheme == "https://":
                verified = {"assert_hostname": name, "server_hostname": name}
                adapter.poolmanager.connection_pool_kw.update(verified)
            adapter.send = self._limited(adapter.send)

    def _make_cuttable(self, manager: Any) -> None:
        """Know each connection that a manager of connections makes."""

        def note(pool: Any) -> None:
            pool.ConnectionCls = _then(pool.ConnectionCls, self._connections.add)

        manager.pool_classes_by_scheme = {
            scheme: _then(make, note) for scheme, make in manager.pool_classes_by_scheme.items()
        }

    def _limited(self, send: Callable[..., Response]) -> Callable[..., Response]:
        """An adapter's way to send, one request: each of a negotiation comes through here."""

        def limited(request: Any, *args: Any, timeout: Any = None, **kwargs: Any) -> Response:
            kwargs["stream"] = True
            try:
                response = send(request, *args, timeout=self._shorter(timeout), **kwargs)
                if _is_short_challenge(response):
                    # Read by who logs on, after a look at the connection's certificate, which
                    # the logon is tied to.
                    return response
                response._content = self._body(response)
            except Exception:
                # What was cut at the deadline is late, whatever it looks like.
                _ = self.left
                raise
            response._content_consumed = True
            return response

        return limited

    def _shorter(self, timeout: Any) -> tuple[float, float]:
        """What pypsrp would wait to connect and to read, or what is left."""
        left = max(_LEAST, self.left)
        pair = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        connect, read = (left if one is None else min(one, left) for one in pair)
        return connect, read

    def _body(self, response: Response) -> bytes:
        pieces = []
        for piece in response.iter_content(_PIECE):
            self.take(len(piece))
            pieces.append(piece)
        return b"".join(pieces)


def _is_short_challenge(response: Response) -> bool:
    told = response.headers.get("Content-Length", "")
    return response.status_code == _UNAUTHORISED and told.isdecimal() and int(told) <= _PIECE


def _then(make: Callable[P, T], note: Callable[[T], object]) -> Callable[P, T]:
    """What makes something, and has it noted."""

    @functools.wraps(make)
    def both(*args: P.args, **kwargs: P.kwargs) -> T:
        made = make(*args, **kwargs)
        note(made)
        return made

    return both

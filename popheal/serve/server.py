"""Serving: the watch and the HTTP server in one event loop, until the watch has ended."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator
from typing import Final

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from popheal.errors import ConfigurationError
from popheal.serve.app import Service
from popheal.serve.settings import ServeSettings
from popheal.watch.loop import Watch

#: So many seconds may a connection be without a request that is not answered yet.
_SILENT: Final = 10.0
#: So many connections at once.
_MOST: Final = 64


class _Connection(H11Protocol):
    """It is closed if no request comes.

    Nobody needs a token to open some and say nothing, and with as many as there may be nobody
    else could stop a healing.
    """

    _check: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._check_later()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._check:
            self._check.cancel()
        super().connection_lost(exc)

    def _check_later(self) -> None:
        self._check = self.loop.call_later(_SILENT, self._close_if_silent, self.cycle)

    def _close_if_silent(self, before: RequestResponseCycle | None) -> None:
        is_answered = before is None or before.response_complete
        if is_answered and self.cycle is before:
            self.transport.close()
        else:
            self._check_later()


class _Server(uvicorn.Server):
    """It ends when the watch does, and leaves signals to whoever runs it."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve(
    service: Service,
    watch: Watch,
    settings: ServeSettings,
    *,
    check: bool = False,
    listening: Callable[[str], None] = lambda _url: None,
) -> None:
    """Serve as long as the watch runs; that ends by its ``control``.

    While healings come to their end, requests are still answered.

    Args:
        service: What is asked.
        watch: What answers alerts, and watches whatever servers it names.
        settings: Where to listen.
        check: As for :meth:`~popheal.watch.loop.Watch.run`.
        listening: Called with the address: from now on requests wait there, at least.

    Raises:
        ConfigurationError: If nothing can listen there.
        JournalError: As for :meth:`~popheal.watch.loop.Watch.run`.
    """
    bound = _bound(settings)
    try:
        server = _Server(_configured(service, settings))
    except OSError as error:
        bound.close()
        raise _wrong(f"can't be used for TLS ({error.strerror or error})", _PATHS) from None
    watching = asyncio.create_task(watch.run(check=check))
    serving = asyncio.create_task(server.serve(sockets=[bound]))
    try:
        host, port = bound.getsockname()[:2]
        shown = f"[{host}]" if ":" in host else host
        listening(f"{'https' if settings.certificate else 'http'}://{shown}:{port}")
        await asyncio.wait({watching, serving}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            watch.control.detach()  # nobody could stop a healing any more
        await watching
    finally:
        server.should_exit = True
        watch.control.detach()
        await asyncio.gather(serving, watching, return_exceptions=True)
        bound.close()
    serving.result()


_PATHS: Final = "Check certificate and certificate_key."


def _configured(service: Service, settings: ServeSettings) -> uvicorn.Config:
    config = uvicorn.Config(
        service.app(),
        access_log=False,
        http=_Connection,
        limit_concurrency=_MOST,
        lifespan="off",
        log_config=None,
        proxy_headers=False,
        server_header=False,
        ssl_certfile=settings.certificate,
        ssl_keyfile=settings.certificate_key,
        timeout_graceful_shutdown=5,
        ws="none",
    )
    config.load()
    return config


def _bound(settings: ServeSettings) -> socket.socket:
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family)
    except OSError as error:
        where = f"{settings.host}, port {settings.port}"
        raise _wrong(
            f"wants to listen at {where}, which can't be ({error.strerror or error})",
            "Give another host or port, or end whoever listens there.",
        ) from None


def _wrong(problem: str, next_step: str) -> ConfigurationError:
    return ConfigurationError(source="[serve]", problem=problem, next_step=next_step)

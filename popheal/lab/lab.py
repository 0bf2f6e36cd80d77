"""The lab: an organisation, or any other backend, served over PowerShell remoting."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self

from popheal.backends.psrp.settings import (
    PsrpSettings,
    exchange_connection,
    winrm_connection,
)
from popheal.errors import ConfigurationError
from popheal.exchange.backend import Backend
from popheal.lab.endpoint import Endpoint
from popheal.lab.error_writer import Ended
from popheal.lab.listener import Listener
from popheal.lab.logon import KerberosLogon, Login, Logon
from popheal.lab.served import Opening, Served, ServedBackend
from popheal.lab.shell_manner import ShellManner
from popheal.lab.shells import Asked
from popheal.lab.wire_faults import FaultPlan
from popheal.util.addresses import is_loopback

#: Seconds between two looks at which servers are up.
_WATCH = 0.02
_RESOURCE = "http://schemas.microsoft.com/powershell/{}"


def _always(_server: str) -> bool:
    return True


class Lab:
    """Serves a backend on loopback: one listener a server, two endpoints on each.

    ``/PowerShell`` takes Exchange's cmdlets and no scripts; ``/wsman`` takes the scripts of
    :mod:`popheal.backends.psrp.scripts` and no others. Use it as a context manager.

    Attributes:
        faults: What is to go wrong on the wire.
        manners: What each server's own endpoint is like; may be changed at any time.

    Args:
        backend: What is served, or a :class:`~popheal.lab.Replay` of a recording. Called by one
            thread at a time.
        servers: Full names, each with a listener of its own.
        port: Of the first server, the others follow; 0 for any free ones.
        username, password: For Basic authentication; a password is made up if there is none.
        is_up: Whether a server answers at present; its listener follows that. Never called while
            the backend is.
        shell_limit: Most shells at a time on one endpoint.
        address: Must be a loopback address: this is for trying things out.
        kerberos: Take tickets of a KDC in place of the password, and seal messages.
        certificate: Path of a key and a certificate, for TLS; empty for none.

    Raises:
        ConfigurationError: The address isn't loopback, or a port is taken.
    """

    def __init__(
        self,
        backend: Backend | Served,
        servers: Sequence[str],
        *,
        port: int = 0,
        username: str = "lab",
        password: str | None = None,
        is_up: Callable[[str], bool] = _always,
        shell_limit: int = 18,
        address: str = "127.0.0.1",
        kerberos: KerberosLogon | None = None,
        certificate: str = "",
    ) -> None:
        if not is_loopback(address):
            raise ConfigurationError(
                source="lab", problem=f"it is served on loopback only, not at {address}"
            )
        self.faults = FaultPlan()
        self.manners = {server: ShellManner() for server in servers}
        self.username = username
        self._password = secrets.token_urlsafe(12) if password is None else password
        self._served = (
            backend if isinstance(backend, Served) else ServedBackend(backend, self.manners)
        )
        self._backend_lock = threading.Lock()
        self._is_up = is_up
        self._was_up: dict[str, bool] = {}
        self._closed = threading.Event()
        self._watcher: threading.Thread | None = None
        self._kerberos = kerberos
        self._certificate = certificate
        login = kerberos or Login(username=username, password=self._password)
        self._listeners = {
            server: self._listener(server, port and port + number, login, shell_limit)
            for number, server in enumerate(servers)
        }

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def open(self) -> None:
        """Start listening for every server."""
        self._closed.clear()
        for listener in self._listeners.values():
            try:
                listener.open()
            except OSError as error:
                self.close()
                raise ConfigurationError(
                    source="lab",
                    problem=f"port {listener.port} can't be listened on ({error.strerror})",
                    next_step="Choose another port, or 0 for any free one.",
                ) from None
        self.sync()
        self._watcher = threading.Thread(target=self._watch, name="lab", daemon=True)
        self._watcher.start()

    def close(self) -> None:
        """Stop listening and end every shell."""
        self._closed.set()
        if self._watcher is not None:
            self._watcher.join()
            self._watcher = None
        for listener in self._listeners.values():
            listener.close()

    def sync(self) -> None:
        """Let the listeners follow at once who is up; otherwise they do within 20 ms.

        With a virtual clock, call it after each sleep: what happened meanwhile took no time.
        """
        for listener in self._listeners.values():
            try:
                listener.follow()
            except OSError:
                # Somebody has the port for a moment; the next look tries again.
                continue

    @property
    def addresses(self) -> Mapping[str, str]:
        """Full name of each server to ``127.0.0.1:port``."""
        return {name: f"127.0.0.1:{item.port}" for name, item in self._listeners.items()}

    @property
    def password(self) -> str:
        """The password, to be written where it is needed; it protects nothing but the lab."""
        return self._password

    def settings(self, servers: Sequence[str] | None = None, **fields: float) -> PsrpSettings:
        """Ready settings for :class:`~popheal.backends.psrp.PsrpBackend`.

        Args:
            servers: Those whose Exchange endpoint is used, in order; all if None.
            fields: Time-outs of :class:`~popheal.backends.psrp.PsrpSettings`.
        """
        login: dict[str, Any] = {
            "auth": "basic",
            "username": self.username,
            "password": self._password,
        }
        if self._kerberos:
            service = self._kerberos.service
            login = {"auth": "negotiate", "negotiate_service": service}
        if self._certificate:
            login |= {"ssl": True, "certificate_validation": self._certificate}
        return PsrpSettings(
            exchange=exchange_connection(tuple(servers or self._listeners), **login),
            winrm=winrm_connection(**login),
            addresses=dict(self.addresses),
            **fields,
        )

    def shells(self, server: str, path: str = "powershell") -> int:
        """How many shells are open on an endpoint."""
        return len(self._listeners[server].endpoints[path].shells)

    def _up(self, server: str) -> bool:
        """Whether a server is up; what was last known, while the backend is busy."""
        if not self._backend_lock.acquire(blocking=False):
            return self._was_up.get(server, True)
        try:
            self._was_up[server] = self._is_up(server)
        finally:
            self._backend_lock.release()
        return self._was_up[server]

    def _watch(self) -> None:
        while not self._closed.wait(_WATCH):
            self.sync()

    def _listener(self, server: str, port: int, login: Logon, limit: int) -> Listener:
        listener = Listener(server, port, login, {}, lambda: self._up(server), self._certificate)

        def endpoint(kind: str, name: str) -> Endpoint:
            def opening() -> Opening:
                with self._backend_lock:
                    return self._served.opening(server, kind)

            def run(shell: str, asked: Asked) -> Ended:
                with self._backend_lock:
                    ended = self._served.run(server, kind, shell, asked)
                    if ended.restarts:
                        # Before anybody looks whether the server is up.
                        listener.linger()
                    return ended

            return Endpoint(
                server=server,
                kind=kind,
                resource=_RESOURCE.format(name),
                run=run,
                opening=opening,
                plan=self.faults,
                limit=limit,
            )

        listener.endpoints["powershell"] = endpoint("exchange", "Microsoft.Exchange")
        listener.endpoints["wsman"] = endpoint("plain", "Microsoft.PowerShell")
        return listener

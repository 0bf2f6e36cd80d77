"""The open connections that a backend and its views share, and what was learnt of the servers.

Importing this does not import pypsrp; the first command does.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from popheal.backends.psrp.settings import PsrpSettings
from popheal.backends.psrp.under_way import UnderWay
from popheal.exchange.models import ServerInfo
from popheal.exchange.names import same_server, short_name

if TYPE_CHECKING:
    from popheal.backends.psrp.recording.recorder import Recorder
    from popheal.backends.psrp.routing import Routes


class Lines:
    """Runs one command at a time, for whoever asks; a second one waits."""

    def __init__(
        self, settings: PsrpSettings, recorder: Recorder | None = None, at: UnderWay | None = None
    ) -> None:
        self._settings = settings
        self.under_way = at or UnderWay()
        self.recorder = recorder
        self._lock = threading.Lock()
        self._routes: Routes | None = None
        # Replaced, never changed, so that it can be read while a command runs.
        self._known: Mapping[str, ServerInfo] = {}

    def close(self) -> None:
        """Give back every remote shell. They are opened again if a command comes."""
        with self._lock:
            if self._routes is not None:
                self._routes.close()

    def abandon(self) -> None:
        """Drop every connection at once, even one that another thread waits for."""
        if self._routes is not None:
            self._routes.abandon()

    def learn(self, servers: Iterable[ServerInfo]) -> None:
        """Note which servers there are, by what the organisation has said of them."""
        self._known = {**self._known, **{one.fqdn.casefold(): one for one in servers}}

    @property
    def known(self) -> Sequence[ServerInfo]:
        """The servers that have been noted."""
        return tuple(self._known.values())

    def name_of(self, server: str) -> str:
        """A server's Name, which may differ from the first part of its full name."""
        full = self._settings.full_name(server)
        known = (one for one in self._known.values() if same_server(one.fqdn, full))
        return next((one.name for one in known), short_name(full))

    def exchange(
        self,
        server: str,
        cmdlet: str,
        parameters: Mapping[str, object],
        *,
        avoided: Sequence[str],
        effect: bool,
    ) -> Sequence[object]:
        """Run a cmdlet on an Exchange endpoint."""
        from popheal.backends.psrp.client import Command

        command = Command(name=cmdlet, parameters=parameters, effect=effect)
        versions = {name: one.version for name, one in self._known.items()}
        with self._lock:
            return self._connected().exchange(server, command, avoided, versions)

    def plain(
        self,
        server: str,
        what: str,
        script: str,
        parameters: Mapping[str, object],
        *,
        effect: bool,
    ) -> Sequence[object]:
        """Run a script on the server's own endpoint."""
        from popheal.backends.psrp.client import Command

        name = short_name(self._settings.full_name(server))
        command = Command(
            name=what, script=script, parameters={"HostName": name, **parameters}, effect=effect
        )
        with self._lock:
            return self._connected().plain(server, command)

    def open_ahead(self, servers: Iterable[str]) -> None:
        """Begin to open shells on the servers' own endpoints, side by side."""
        with self._lock:
            self._connected().open_ahead(servers)

    def going_down(self, server: str) -> None:
        """Give back the shells of a server that was told to restart."""
        with self._lock:
            if self._routes is not None:
                self._routes.going_down(server)

    def _connected(self) -> Routes:
        if self._routes is None:
            from popheal.backends.psrp.routing import Routes

            self._routes = Routes(self._settings, self.recorder, self.under_way)
        return self._routes

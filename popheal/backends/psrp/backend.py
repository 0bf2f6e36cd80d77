"""The backend over PowerShell remoting.

Exchange's cmdlets run on an Exchange endpoint, which takes cmdlets with parameters and nothing
else; services, boot time, restart, log files and event logs are asked of each server's own plain
endpoint.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING, Self

from popheal.backends.psrp import parse, scripts
from popheal.backends.psrp.settings import PsrpSettings
from popheal.errors import CommandFailed, Unreadable
from popheal.exchange.models import (
    ComponentState,
    Dag,
    Database,
    DatabaseCopy,
    HostStatus,
    LogFile,
    MailboxServer,
    MonitorHealth,
    PopSettings,
    ProbeResult,
    RecoveryAction,
    ServerInfo,
    ServiceStatus,
)
from popheal.exchange.names import same_server, short_name

if TYPE_CHECKING:
    from popheal.backends.psrp.routing import Routes

_DEFAULT_LOGS = r"%ExchangeInstallPath%Logging\Pop3"
_SERVICE_NAME = re.compile(r"[A-Za-z0-9_.$-]{1,256}", re.ASCII)
_LOG_LIMITS = {"HeadBytes": 16 * 1024, "TailBytes": 1024 * 1024, "Newest": 4, "Most": 12}
_MOST_EVENTS = 1000


class PsrpBackend:
    """Looks at a real organisation, and acts on it: :class:`~popheal.exchange.backend.Backend`.

    Connections are made when first needed, kept, and closed by :meth:`close`. One thread uses a
    backend at a time; a second one waits.

    Args:
        settings: Where to connect, and how to log on.
    """

    def __init__(self, settings: PsrpSettings) -> None:
        self.settings = settings
        self._lock = threading.Lock()
        self._routes: Routes | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<PsrpBackend {', '.join(self.settings.exchange.servers)}>"

    def close(self) -> None:
        """Give back every remote shell. The backend may be used again afterwards."""
        with self._lock:
            if self._routes is not None:
                self._routes.close()

    @property
    def organisation(self) -> str:
        """The same for every real organisation.

        Nothing in the settings tells for certain which forest they lead to, and two settings for
        one forest must not have one server, or two members of one DAG, at a time. Where two
        forests have a server or a DAG of the same name, the second one has to wait: that is the
        safe direction.
        """
        return "exchange"

    # --- looks -------------------------------------------------------------------------------

    def server_info(self, server: str) -> ServerInfo:
        answer, command = self._exchange(server, "Get-ExchangeServer", Identity=server)
        info = parse.server_info(parse.only(answer, server=server, command=command))
        if not (same_server(info.fqdn, server) or same_server(info.name, server)):
            raise Unreadable(
                server=server, command=command, cause=f"the answer is about '{info.fqdn}'"
            )
        return info

    def all_servers(self, server: str) -> Sequence[ServerInfo]:
        answer, command = self._exchange(server, "Get-ExchangeServer")
        return [parse.server_info(row) for row in _rows(answer, server, command)]

    def mailbox_server(self, server: str) -> MailboxServer:
        answer, command = self._exchange(server, "Get-MailboxServer", Identity=server)
        return parse.mailbox_server(parse.only(answer, server=server, command=command))

    def dag(self, server: str, name: str) -> Dag:
        answer, command = self._exchange(
            server, "Get-DatabaseAvailabilityGroup", Identity=name, Status=True
        )
        return parse.dag(parse.only(answer, server=server, command=command))

    def server_health(self, server: str) -> Sequence[MonitorHealth]:
        answer, command = self._exchange(server, "Get-ServerHealth", Identity=server)
        return [parse.monitor_health(row) for row in _rows(answer, server, command)]

    def invoke_probe(self, server: str, probe: str) -> ProbeResult:
        answer, command = self._exchange(
            server, "Invoke-MonitoringProbe", Identity=probe, Server=server
        )
        row = parse.only(answer, server=server, command=command)
        return parse.probe_result(row, probe)

    def database_copies(self, server: str) -> Sequence[DatabaseCopy]:
        answer, command = self._exchange(server, "Get-MailboxDatabaseCopyStatus", Server=server)
        return [parse.database_copy(row) for row in _rows(answer, server, command)]

    def copies_of(self, server: str, database: str) -> Sequence[DatabaseCopy]:
        answer, command = self._exchange(server, "Get-MailboxDatabaseCopyStatus", Identity=database)
        return [parse.database_copy(row) for row in _rows(answer, server, command)]

    def databases(self, server: str) -> Sequence[Database]:
        answer, command = self._exchange(server, "Get-MailboxDatabase", Server=server)
        return [parse.database(row) for row in _rows(answer, server, command)]

    def component_states(self, server: str) -> Sequence[ComponentState]:
        answer, command = self._exchange(server, "Get-ServerComponentState", Identity=server)
        return [parse.component_state(row) for row in _rows(answer, server, command)]

    def pop_settings(self, server: str) -> PopSettings:
        answer, command = self._exchange(server, "Get-PopSettings", Server=server)
        return parse.pop_settings(parse.only(answer, server=server, command=command))

    def services(self, server: str, names: Sequence[str]) -> Sequence[ServiceStatus]:
        answer, command = self._plain(
            server, "read services", scripts.SERVICES, {"Name": list(names)}
        )
        return [parse.service(row) for row in _rows(answer, server, command)]

    def host_status(self, server: str) -> HostStatus:
        answer, command = self._plain(server, "read boot time", scripts.HOST_STATUS)
        return parse.host_status(parse.only(answer, server=server, command=command))

    def pop_logs(
        self, server: str, location: str, since: datetime, until: datetime
    ) -> Sequence[LogFile]:
        answer, command = self._plain(
            server,
            "read POP3 logs",
            scripts.READ_LOGS,
            {
                "Location": location or _DEFAULT_LOGS,
                "Since": _stamp(since),
                "Until": _stamp(until),
                **_LOG_LIMITS,
            },
        )
        return [parse.log_file(row) for row in _rows(answer, server, command)]

    def recovery_actions(self, server: str, since: datetime) -> Sequence[RecoveryAction]:
        answer, command = self._plain(
            server,
            "read recovery actions",
            scripts.RECOVERY_ACTIONS,
            {"Since": _stamp(since), "Most": _MOST_EVENTS},
        )
        return parse.recovery_actions(_rows(answer, server, command))

    # --- effects -----------------------------------------------------------------------------

    def restart_service(self, server: str, service: str) -> None:
        self._on_service(server, "Restart-Service", scripts.RESTART_SERVICE, service)

    def start_service(self, server: str, service: str) -> None:
        self._on_service(server, "Start-Service", scripts.START_SERVICE, service)

    def set_activation_disabled(self, server: str, disabled: bool) -> None:
        self._exchange(
            server,
            "Set-MailboxServer",
            effect=True,
            Identity=server,
            DatabaseCopyActivationDisabledAndMoveNow=disabled,
            Confirm=False,
        )

    def move_database(self, server: str, database: str) -> None:
        self._exchange(
            server,
            "Move-ActiveMailboxDatabase",
            effect=True,
            Identity=database,
            ActivateOnServer=server,
            Confirm=False,
        )

    def set_protocol_logging(self, server: str, enabled: bool) -> None:
        self._exchange(
            server,
            "Set-PopSettings",
            effect=True,
            Server=server,
            ProtocolLogEnabled=enabled,
            Confirm=False,
        )

    def reboot(self, server: str, booted_at: datetime) -> None:
        self._plain(
            server,
            "restart server",
            scripts.RESTART_SERVER,
            {"BootedAt": _stamp(booted_at)},
            effect=True,
        )
        with self._lock:
            if self._routes is not None:
                self._routes.going_down(server)

    # --- the ways there ----------------------------------------------------------------------

    def _exchange(
        self, server: str, cmdlet: str, *, effect: bool = False, **parameters: object
    ) -> tuple[Sequence[object], str]:
        """Run a cmdlet on an Exchange endpoint; gives its output and the name for errors."""
        from popheal.backends.psrp.client import Command

        command = Command(name=cmdlet, parameters=parameters, effect=effect)
        with self._lock:
            return self._connected().exchange(server, command), cmdlet

    def _plain(
        self,
        server: str,
        what: str,
        script: str,
        parameters: Mapping[str, object] | None = None,
        *,
        effect: bool = False,
    ) -> tuple[Sequence[object], str]:
        """Run a script on the server's own endpoint; gives its output and the name for errors."""
        from popheal.backends.psrp.client import Command

        name = short_name(self.settings.full_name(server))
        command = Command(
            name=what,
            script=script,
            parameters={"HostName": name, **(parameters or {})},
            effect=effect,
        )
        with self._lock:
            return self._connected().plain(server, command), what

    def _connected(self) -> Routes:
        if self._routes is None:
            from popheal.backends.psrp.routing import Routes

            self._routes = Routes(self.settings)
        return self._routes

    def _on_service(self, server: str, what: str, script: str, service: str) -> None:
        # Restart-Service takes patterns: a stray asterisk would restart everything.
        if not _SERVICE_NAME.fullmatch(service):
            raise CommandFailed(
                server=server, command=what, cause=f"'{service}' is not the name of a service"
            )
        self._plain(server, what, script, {"Service": service}, effect=True)


def _rows(answer: Sequence[object], server: str, command: str) -> list[parse.Row]:
    return parse.rows(answer, server=server, command=command)


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

"""The backend over PowerShell remoting.

Exchange's cmdlets run on an Exchange endpoint, which takes cmdlets with parameters and nothing
else; services, boot time, restart, log files and event logs are asked of each server's own plain
endpoint.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Final, Self, TypeVar

from attrs import evolve, frozen

from popheal.backends.psrp import kerberos, parse, rights, scripts
from popheal.backends.psrp.lines import Lines
from popheal.backends.psrp.logons import Logons
from popheal.backends.psrp.recording import Recorder
from popheal.backends.psrp.recovery_events import recovery_actions
from popheal.backends.psrp.settings import PsrpSettings
from popheal.errors import BackendError, NotBegun, Unreadable
from popheal.exchange import models
from popheal.exchange.backend import EFFECTS
from popheal.exchange.inspection import Inspection
from popheal.exchange.names import same_server

T = TypeVar("T")

_DEFAULT_LOGS = r"%ExchangeInstallPath%Logging\Pop3"
_SERVICE_NAME = re.compile(r"[A-Za-z0-9_.$-]{1,256}", re.ASCII)
_LOG_LIMITS = {"HeadBytes": 16 * 1024, "TailBytes": 1024 * 1024, "Newest": 4, "Most": 12}
_MOST_EVENTS = 1000


@frozen
class _Answer:
    """What came of a command about a server."""

    server: str
    command: str
    output: Sequence[object]

    def rows(self) -> list[parse.Row]:
        return parse.rows(self.output, server=self.server, command=self.command)

    def each(self, read: Callable[[parse.Row], T]) -> list[T]:
        return [read(row) for row in self.rows()]

    def one(self, read: Callable[[parse.Row], T]) -> T:
        return read(parse.only(self.output, server=self.server, command=self.command))


#: The name of every real organisation: see :attr:`PsrpBackend.organisation`.
ORGANISATION: Final = "exchange"


class PsrpBackend:
    """Looks at a real organisation, and acts on it: :class:`~popheal.exchange.backend.Backend`.

    Connections are made when first needed, kept, and closed by :meth:`close`. One thread uses a
    backend, and what :meth:`avoiding` gives, at a time; a second one waits.

    Args:
        settings: Where to connect, and how to log on.
        recorder: Writes down what is asked and answered, with names replaced; None for nobody.
    """

    def __init__(self, settings: PsrpSettings, recorder: Recorder | None = None) -> None:
        self.settings = settings
        self._lines = Lines(settings, recorder)
        self._avoided: tuple[str, ...] = ()
        self._logons = Logons()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None or issubclass(kind, Exception):
            self.close()
        else:
            # Somebody wants out at once, and must not wait for servers that may be silent.
            self._lines.abandon()

    def __repr__(self) -> str:
        return f"<PsrpBackend {', '.join(self.settings.exchange.servers)}>"

    def close(self) -> None:
        """Give back every remote shell. The backend may be used again afterwards."""
        self._lines.close()

    def under_way(self) -> str:
        """What is being asked right now, and of which server; empty if nothing is.

        May be called from any thread: for people who wonder why something takes so long.
        """
        return self._lines.under_way.in_words()

    def avoiding(self, servers: Sequence[str]) -> Self:
        """The same backend, over the same connections, but not through these servers.

        Where no other Exchange endpoint is configured, one of theirs is used all the same. What
        is asked of a server itself (services, boot time, logs) is asked there in any case.
        """
        view = copy.copy(self)
        view._avoided = tuple(servers)
        return view

    def logon_lasts(self, server: str) -> timedelta | None:
        """How long the Kerberos ticket lasts that popheal logs on with, if it is one.

        None where a keytab renews it, or a password gets another one. No server is asked, but the
        KDC may be.
        """
        ways = {(one.auth, one.username) for one in self.settings.by_ticket}
        left = [kerberos.lasts(server, user, auth == "kerberos") for auth, user in sorted(ways)]
        return min((one for one in left if one is not None), default=None)

    def rights_missing(self, server: str, effects: Sequence[str]) -> Sequence[str]:
        """Cmdlets and parameters that the account's roles lack for these effects."""
        if not rights.needed_for(effects):
            return ()
        given, avoided = rights.question(effects), self._avoided or (server,)
        try:
            listed = self._lines.exchange(server, rights.ASKS, given, avoided=avoided, effect=False)
        except BackendError:
            return ()
        return rights.missing(effects, listed)

    def open_ahead(self, server: str, others: Sequence[str]) -> None:
        """Begin to open the shells on the servers' own endpoints, which takes seconds each."""
        self._lines.open_ahead((server, *others))

    @property
    def organisation(self) -> str:
        """The same for every real organisation.

        Nothing in the settings tells for certain which forest they lead to, and two settings for
        one forest must not have one server, or two members of one DAG, at a time. Where two
        forests have a server or a DAG of the same name, the second one has to wait: that is the
        safe direction.
        """
        return ORGANISATION

    # --- what its own ways are like --------------------------------------------------------------

    @property
    def entrances(self) -> Sequence[str]:
        """The servers whose Exchange endpoint is used."""
        return self.settings.exchange.servers

    def ways(self, server: str) -> Sequence[str]:
        """The endpoints of a server that are used, by their tables in the configuration."""
        entrance = any(same_server(one, server) for one in self.entrances)
        return ("[exchange]", "[winrm]") if entrance else ("[winrm]",)

    def inspect(self, server: str, way: str, methods: Sequence[str]) -> Sequence[Inspection]:
        """What one endpoint of a server is like, by connections of its own."""
        from popheal.backends.psrp.inspector import inspect_way

        recorder = self._lines.recorder
        with self._lines.under_way.call(lambda: f"{way} of {server}"):
            return inspect_way(self.settings, server, way, methods, recorder, self._logons)

    def apart(self, without: Sequence[str] = (), turn: int = 0) -> PsrpBackend:
        """The same backend, with connections of its own."""
        every = self.settings.exchange.servers
        left = [one for one in every if one not in without] or list(every)
        first = turn % len(left)
        turned = evolve(self.settings.exchange, servers=(*left[first:], *left[:first]))
        settings, ours = evolve(self.settings, exchange=turned), self._lines
        own = PsrpBackend(settings, ours.recorder)
        own._lines = Lines(settings, ours.recorder, ours.under_way)
        own._lines.learn(ours.known)
        return own

    # --- looks -------------------------------------------------------------------------------

    def server_info(self, server: str) -> models.ServerInfo:
        answer = self._exchange(server, "server_info", Identity=server)
        info = answer.one(parse.server_info)
        if not (same_server(info.fqdn, server) or same_server(info.name, server)):
            cause = f"the answer is about '{info.fqdn}'"
            raise Unreadable(server=server, command=answer.command, cause=cause)
        self._lines.learn([info])
        return info

    def all_servers(self, server: str) -> Sequence[models.ServerInfo]:
        found = self._exchange(server, "all_servers").each(parse.listed_server)
        self._lines.learn(found)
        return found

    def mailbox_server(self, server: str) -> models.MailboxServer:
        answer = self._exchange(server, "mailbox_server", Identity=server)
        return answer.one(parse.mailbox_server)

    def dag(self, server: str, name: str) -> models.Dag:
        return self._exchange(server, "dag", Identity=name, Status=True).one(parse.dag)

    def server_health(self, server: str) -> Sequence[models.MonitorHealth]:
        answer = self._exchange(server, "server_health", Identity=server)
        return answer.each(parse.monitor_health)

    def invoke_probe(self, server: str, probe: str) -> models.ProbeResult:
        answer = self._exchange(server, "invoke_probe", Identity=probe, Server=server)
        return answer.one(lambda row: parse.probe_result(row, probe))

    def monitoring_items(self, server: str, health_set: str) -> Sequence[models.MonitoringItem]:
        answer = self._exchange(server, "monitoring_items", Identity=health_set, Server=server)
        return answer.each(parse.monitoring_item)

    def database_copies(self, server: str) -> Sequence[models.DatabaseCopy]:
        answer = self._exchange(server, "database_copies", Server=server)
        return answer.each(parse.database_copy)

    def copies_of(self, server: str, database: str) -> Sequence[models.DatabaseCopy]:
        answer = self._exchange(server, "copies_of", Identity=database)
        return answer.each(parse.database_copy)

    def databases(self, server: str) -> Sequence[models.Database]:
        answer = self._exchange(server, "databases", Server=server, Status=True)
        return answer.each(parse.database)

    def replication_health(self, server: str) -> Sequence[models.ReplicationCheck]:
        answer = self._exchange(server, "replication_health", Identity=server)
        return answer.each(parse.replication_check)

    def component_states(self, server: str) -> Sequence[models.ComponentState]:
        answer = self._exchange(server, "component_states", Identity=server)
        return answer.each(parse.component_state)

    def pop_settings(self, server: str) -> models.PopSettings:
        return self._exchange(server, "pop_settings", Server=server).one(parse.pop_settings)

    def services(self, server: str, names: Sequence[str]) -> Sequence[models.ServiceStatus]:
        given = {"Name": list(names)}
        return self._plain(server, scripts.SERVICES, given).each(parse.service)

    def host_status(self, server: str) -> models.HostStatus:
        answer = self._plain(server, scripts.HOST_STATUS)
        return answer.one(parse.host_status)

    def pop_logs(
        self, server: str, location: str, since: datetime, until: datetime
    ) -> Sequence[models.LogFile]:
        given = {
            "Location": location or _DEFAULT_LOGS,
            "Since": _stamp(since),
            "Until": _stamp(until),
            **_LOG_LIMITS,
        }
        return self._plain(server, scripts.READ_LOGS, given).each(parse.log_file)

    def recovery_actions(self, server: str, since: datetime) -> Sequence[models.RecoveryAction]:
        given = {"Since": _stamp(since), "Most": _MOST_EVENTS}
        answer = self._plain(server, scripts.RECOVERY_ACTIONS, given)
        return recovery_actions(answer.rows())

    # --- effects -----------------------------------------------------------------------------

    def restart_service(self, server: str, service: str) -> None:
        self._on_service(server, scripts.RESTART_SERVICE, service)

    def start_service(self, server: str, service: str) -> None:
        self._on_service(server, scripts.START_SERVICE, service)

    def set_activation_disabled(self, server: str, disabled: bool) -> None:
        given = {"DatabaseCopyActivationDisabledAndMoveNow": disabled, "Confirm": False}
        name = self._lines.name_of(server)
        self._exchange(server, "set_activation_disabled", Identity=name, **given)

    def move_database(self, server: str, database: str) -> None:
        name = self._lines.name_of(server)
        given = {"Identity": database, "ActivateOnServer": name, "Confirm": False}
        self._exchange(server, "move_database", **given)

    def set_protocol_logging(self, server: str, enabled: bool) -> None:
        given = {"ProtocolLogEnabled": enabled, "Confirm": False}
        self._exchange(server, "set_protocol_logging", Server=server, **given)

    def set_component_state(
        self, server: str, component: str, active: bool, requester: str
    ) -> None:
        given = {"State": "Active" if active else "Inactive", "Confirm": False}
        about = {"Identity": server, "Component": component, "Requester": requester}
        self._exchange(server, "set_component_state", **about, **given)

    def reboot(self, server: str, booted_at: datetime) -> None:
        given = {"BootedAt": _stamp(booted_at)}
        self._plain(server, scripts.RESTART_SERVER, given, effect=True)
        self._lines.going_down(server)

    # --- the ways there ----------------------------------------------------------------------

    def _exchange(self, server: str, method: str, **parameters: object) -> _Answer:
        """Run a method's cmdlet on an Exchange endpoint."""
        cmdlet = rights.cmdlet_for(method, parameters)
        # Without a word about it, the server that is asked about may be the one under repair.
        avoided, effect = self._avoided or (server,), method in EFFECTS
        output = self._lines.exchange(server, cmdlet, parameters, avoided=avoided, effect=effect)
        return _Answer(server, cmdlet, output)

    def _plain(
        self,
        server: str,
        script: str,
        parameters: Mapping[str, object] | None = None,
        *,
        effect: bool = False,
    ) -> _Answer:
        """Run a script on the server's own endpoint."""
        what = scripts.NAMES[script]
        output = self._lines.plain(server, what, script, parameters or {}, effect=effect)
        return _Answer(server, what, output)

    def _on_service(self, server: str, script: str, service: str) -> None:
        # Restart-Service takes patterns: a stray asterisk would restart everything.
        if not _SERVICE_NAME.fullmatch(service):
            cause = f"'{service}' is not the name of a service"
            what = scripts.NAMES[script]
            raise NotBegun(server=server, command=what, cause=cause, reason="missing")
        self._plain(server, script, {"Service": service}, effect=True)


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")

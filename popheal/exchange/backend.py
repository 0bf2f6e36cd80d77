"""What a backend must be able to do: one method per look and per effect.

A backend carries out exactly what it is asked and interprets nothing. Deadlines, retries,
"is that active?", and what to do next all live on this side, in one place, for every backend.

Rules that hold for each method (checked by :mod:`popheal.testing`):

* ``server`` is the server that is asked about, and mostly the one under repair. A backend with
  several ways in must not go through the server under repair: see :class:`ManyWaysIn`.
* Server names compare without case; a short name and a fully qualified name both work.
* **Looks** return what was seen or raise: :class:`~popheal.errors.Unreachable`,
  :class:`~popheal.errors.NotAuthorised`, :class:`~popheal.errors.CommandFailed`,
  :class:`~popheal.errors.OutcomeUnknown` or :class:`~popheal.errors.Unreadable`.
  They never guess, and never return an empty answer for "could not look".
* **Effects** return None once the far side accepted the command (not when its consequences
  are complete), or raise: *Unreachable*, *NotAuthorised* and
  :class:`~popheal.errors.NotBegun` promise that nothing was changed;
  *CommandFailed* that the far side answered with an error; *OutcomeUnknown* that nobody knows.
"""

from __future__ import annotations

from collections.abc import Awaitable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from popheal.exchange.inspection import Inspection
    from popheal.exchange.models import (
        ComponentState,
        Dag,
        Database,
        DatabaseCopy,
        HostStatus,
        LogFile,
        MailboxServer,
        MonitorHealth,
        MonitoringItem,
        PopSettings,
        ProbeResult,
        RecoveryAction,
        ReplicationCheck,
        ServerInfo,
        ServiceStatus,
    )


@runtime_checkable
class Backend(Protocol):
    """Everything popheal asks of an Exchange organisation, synchronously.

    Attributes:
        organisation: A name that tells this organisation from others. Within one process no two
            runs work on one server, or on two members of one DAG, of the same organisation.
    """

    @property
    def organisation(self) -> str: ...

    # --- looks -------------------------------------------------------------------------------

    def server_info(self, server: str) -> ServerInfo:
        """``Get-ExchangeServer -Identity``. Raises UnknownName if there is no such server."""
        ...

    def all_servers(self, server: str) -> Sequence[ServerInfo]:
        """``Get-ExchangeServer``: every server of the organisation, so never empty.

        One whose row can't be read is listed as such, by
        :attr:`~popheal.exchange.models.ServerInfo.unreadable`: it must not keep others from being
        healed.
        """
        ...

    def mailbox_server(self, server: str) -> MailboxServer:
        """``Get-MailboxServer -Identity``, for a server with the Mailbox role."""
        ...

    def dag(self, server: str, name: str) -> Dag:
        """``Get-DatabaseAvailabilityGroup -Identity name -Status``."""
        ...

    def server_health(self, server: str) -> Sequence[MonitorHealth]:
        """``Get-ServerHealth -Identity``: all rows, of all health sets, as they came.

        Rows of other servers may be among them: the caller drops those.
        """
        ...

    def invoke_probe(self, server: str, probe: str) -> ProbeResult:
        """``Invoke-MonitoringProbe -Identity probe -Server``; probe is ``HealthSet\\Probe``.

        Raises CommandFailed if the cmdlet itself fails: some probes can't be run by hand.
        """
        ...

    def monitoring_items(self, server: str, health_set: str) -> Sequence[MonitoringItem]:
        """``Get-MonitoringItemIdentity -Identity health_set -Server``: what there is of it."""
        ...

    def database_copies(self, server: str) -> Sequence[DatabaseCopy]:
        """``Get-MailboxDatabaseCopyStatus -Server``: the copies hosted on the server."""
        ...

    def copies_of(self, server: str, database: str) -> Sequence[DatabaseCopy]:
        """``Get-MailboxDatabaseCopyStatus -Identity database``: its copies, wherever they are."""
        ...

    def databases(self, server: str) -> Sequence[Database]:
        """``Get-MailboxDatabase -Server -Status``: the databases with a copy on the server."""
        ...

    def replication_health(self, server: str) -> Sequence[ReplicationCheck]:
        """``Test-ReplicationHealth -Identity``: the checks of a DAG member, as they came."""
        ...

    def component_states(self, server: str) -> Sequence[ComponentState]:
        """``Get-ServerComponentState -Identity``: every server has some, so never empty."""
        ...

    def pop_settings(self, server: str) -> PopSettings:
        """``Get-PopSettings -Server``."""
        ...

    def services(self, server: str, names: Sequence[str]) -> Sequence[ServiceStatus]:
        """The named Windows services (names compare without case); unknown ones are left out."""
        ...

    def host_status(self, server: str) -> HostStatus:
        """Boot time, clock and running Setup, asked of the server itself."""
        ...

    def pop_logs(
        self, server: str, location: str, since: datetime, until: datetime
    ) -> Sequence[LogFile]:
        """POP3 protocol log files in the folder that may hold lines of that time span.

        May return more than that (back-end files, other times): the caller sorts it out.
        """
        ...

    def recovery_actions(self, server: str, since: datetime) -> Sequence[RecoveryAction]:
        """What Managed Availability has begun, ended or refused to itself since then.

        From ``Microsoft-Exchange-ManagedAvailability/RecoveryActionResults`` (and, for what was
        throttled, ``RecoveryActionLogs``), asked of the server itself, ``since`` by its own clock;
        in the order of their first events. What began earlier and has no end is not among them:
        ask far enough back.

        Empty only where both logs were read and hold nothing of that time. Raises CommandFailed
        if one of them isn't there or is turned off.
        """
        ...

    # --- effects -----------------------------------------------------------------------------

    def restart_service(self, server: str, service: str) -> None:
        """Restart one Windows service; a stopped one is started."""
        ...

    def start_service(self, server: str, service: str) -> None:
        """Start one Windows service; a running one is left alone."""
        ...

    def set_activation_disabled(self, server: str, disabled: bool) -> None:
        """``Set-MailboxServer -DatabaseCopyActivationDisabledAndMoveNow``."""
        ...

    def move_database(self, server: str, database: str) -> None:
        """``Move-ActiveMailboxDatabase -Identity database -ActivateOnServer server``."""
        ...

    def set_protocol_logging(self, server: str, enabled: bool) -> None:
        """``Set-PopSettings -ProtocolLogEnabled``; takes effect when POP3 is restarted."""
        ...

    def set_component_state(
        self, server: str, component: str, active: bool, requester: str
    ) -> None:
        """``Set-ServerComponentState -Component -State -Requester``: one requester's entry."""
        ...

    def reboot(self, server: str, booted_at: datetime) -> None:
        """Restart the server, if its boot time still is ``booted_at``; else NotBegun.

        The condition is checked on the server itself, so that a repeated command can't
        reboot it twice.
        """
        ...


@runtime_checkable
class ManyWaysIn(Protocol):
    """What a backend may have besides, if it reaches the organisation through its servers.

    During a healing, looks at other servers decide too, and a sick server is a poor witness. So
    popheal asks such a backend for a view of it before each call. It is looked for on the class:
    one that wraps another backend has to pass it on itself.
    """

    def avoiding(self, servers: Sequence[str]) -> Backend | AsyncBackend:
        """The same backend, by ways that lead through none of these servers if there are others.

        Cheap, and never raises. None of them is named where nothing is under repair; then it is
        the server asked about that is to be avoided.
        """
        ...


@runtime_checkable
class LogonLasts(Protocol):
    """What a backend may have besides, if what it logs on with has an end: a ticket, a token.

    A logon that ends in the middle leaves a server half-way. So before the first effect of a run
    popheal asks how long it will last. It is looked for on the class, as :class:`ManyWaysIn` is.
    """

    def logon_lasts(self, server: str) -> timedelta | None:
        """For how much longer; None where that has no end that is known, or renews itself.

        Changes nothing, and asks nothing of the server. Raises NotAuthorised if it has ended.
        """
        ...


@runtime_checkable
class RightsKnown(Protocol):
    """What a backend may have besides, if it can tell what its account may not do.

    A right that is missing is found out at the command that needs it, which may come after a
    restart. So before the first effect of a run popheal asks. It is looked for on the class, too.
    """

    def rights_missing(self, server: str, effects: Sequence[str]) -> Sequence[str]:
        """What the account lacks for these effects, in a few words each; empty for nothing.

        Args:
            server: The server that they would be about.
            effects: Names of methods, of ``EFFECTS``.

        Changes nothing. Where it can't be told, nothing is said to be missing.
        """
        ...


@runtime_checkable
class OpensAhead(Protocol):
    """What a backend may have besides, if it takes seconds until it can ask a server anything.

    Where popheal will surely ask several servers about themselves, it says so beforehand. It is
    looked for on the class, too.
    """

    def open_ahead(self, server: str, others: Sequence[str]) -> None:
        """Begin to connect to a server, and to others, side by side.

        Returns at once, changes nothing and never raises: what comes of it is told to the first
        look at each of them.
        """
        ...


@runtime_checkable
class SideBySide(Protocol):
    """What a backend may have besides, if it can be asked several things at once.

    A watch asks such a backend about several servers at a time, and heals several. It is looked
    for on the class, too. One that is asynchronous needs no such method: its methods may be
    awaited at the same time.
    """

    def apart(self, without: Sequence[str] = (), turn: int = 0) -> AbstractContextManager[Backend]:
        """The same backend with connections of its own, for another thread.

        Args:
            without: Entrances not to use, if there are others.
            turn: With which of the others to begin, so that several threads share them out.
        """
        ...


@runtime_checkable
class Inspectable(SideBySide, Protocol):
    """What a backend may have besides, if it can tell what its own ways to a server are like.

    A check of the servers asks it first, and then looks by ways that were seen to work. It is
    looked for on the class, too. All of it changes nothing.
    """

    @property
    def entrances(self) -> Sequence[str]:
        """The servers by way of which the organisation is asked, the first one first."""
        ...

    def ways(self, server: str) -> Sequence[str]:
        """The ways to a server, each a word; what is asked of the server itself goes by the last.

        ``server`` may be an entrance that nobody wants to have checked otherwise.
        """
        ...

    def inspect(self, server: str, way: str, methods: Sequence[str]) -> Sequence[Inspection]:
        """Look at one way to a server, as far as one gets; never raises for what it meets.

        Args:
            server: The server.
            way: One of its ways.
            methods: The methods of the backend that will be needed.
        """
        ...


#: The looks and the effects, by method name.
LOOKS = (
    "server_info",
    "all_servers",
    "mailbox_server",
    "dag",
    "server_health",
    "invoke_probe",
    "monitoring_items",
    "database_copies",
    "copies_of",
    "databases",
    "replication_health",
    "component_states",
    "pop_settings",
    "services",
    "host_status",
    "pop_logs",
    "recovery_actions",
)
#: The looks that only the server itself can answer, not the organisation.
OF_THE_SERVER = ("services", "host_status", "pop_logs", "recovery_actions")
EFFECTS = (
    "restart_service",
    "start_service",
    "set_activation_disabled",
    "move_database",
    "set_protocol_logging",
    "set_component_state",
    "reboot",
)


@runtime_checkable
class AsyncBackend(Protocol):
    """The same as :class:`Backend`, each method a coroutine function."""

    @property
    def organisation(self) -> str: ...

    def server_info(self, server: str) -> Awaitable[ServerInfo]: ...
    def all_servers(self, server: str) -> Awaitable[Sequence[ServerInfo]]: ...
    def mailbox_server(self, server: str) -> Awaitable[MailboxServer]: ...
    def dag(self, server: str, name: str) -> Awaitable[Dag]: ...
    def server_health(self, server: str) -> Awaitable[Sequence[MonitorHealth]]: ...
    def invoke_probe(self, server: str, probe: str) -> Awaitable[ProbeResult]: ...
    def database_copies(self, server: str) -> Awaitable[Sequence[DatabaseCopy]]: ...
    def copies_of(self, server: str, database: str) -> Awaitable[Sequence[DatabaseCopy]]: ...
    def monitoring_items(
        self, server: str, health_set: str
    ) -> Awaitable[Sequence[MonitoringItem]]: ...
    def databases(self, server: str) -> Awaitable[Sequence[Database]]: ...
    def replication_health(self, server: str) -> Awaitable[Sequence[ReplicationCheck]]: ...
    def component_states(self, server: str) -> Awaitable[Sequence[ComponentState]]: ...
    def pop_settings(self, server: str) -> Awaitable[PopSettings]: ...
    def services(self, server: str, names: Sequence[str]) -> Awaitable[Sequence[ServiceStatus]]: ...
    def host_status(self, server: str) -> Awaitable[HostStatus]: ...
    def pop_logs(
        self, server: str, location: str, since: datetime, until: datetime
    ) -> Awaitable[Sequence[LogFile]]: ...
    def recovery_actions(
        self, server: str, since: datetime
    ) -> Awaitable[Sequence[RecoveryAction]]: ...
    def restart_service(self, server: str, service: str) -> Awaitable[None]: ...
    def start_service(self, server: str, service: str) -> Awaitable[None]: ...
    def set_activation_disabled(self, server: str, disabled: bool) -> Awaitable[None]: ...
    def move_database(self, server: str, database: str) -> Awaitable[None]: ...
    def set_protocol_logging(self, server: str, enabled: bool) -> Awaitable[None]: ...
    def set_component_state(
        self, server: str, component: str, active: bool, requester: str
    ) -> Awaitable[None]: ...
    def reboot(self, server: str, booted_at: datetime) -> Awaitable[None]: ...

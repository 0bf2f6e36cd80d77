"""A simulated Exchange organisation: what a backend looks at and acts on.

Time is the clock's alone. What goes on by itself is planned on a timeline and catches up
whenever somebody looks or acts, so the organisation works on a virtual clock and on a real one
alike, and nothing depends on how often it is asked. It may be used from several threads: one
lock guards all of it, and is never held while somebody waits.

A look takes no time, so a look and the effect that follows it are one moment. Running a probe
and restarting a service take seconds, as in nature; moves and reboots go on afterwards.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from threading import RLock

from popheal.backends.simulated import curing, rows
from popheal.backends.simulated.availability import Availability
from popheal.backends.simulated.call_faults import BrokenCalls
from popheal.backends.simulated.faults import Fault
from popheal.backends.simulated.history import (
    POPHEAL,
    ActivationDisabledSet,
    Called,
    ComponentStateSet,
    History,
    ProtocolLoggingSet,
)
from popheal.backends.simulated.model import Server
from popheal.backends.simulated.monitoring import Monitoring
from popheal.backends.simulated.pop3_log import LogBook
from popheal.backends.simulated.power import Power
from popheal.backends.simulated.probes import Probing
from popheal.backends.simulated.recovery_actions import Recovering
from popheal.backends.simulated.services import Services
from popheal.backends.simulated.timeline import Timeline
from popheal.backends.simulated.world import RunContext, World
from popheal.errors import Unreachable
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
from popheal.util.clock import Clock

_numbers = itertools.count(1)


class Organisation:
    """One organisation, with everything in it.

    Attributes:
        clock: The only source of time.
        name: Tells it from every other organisation in this process.
        world: Its state. Touch it only before it is used, or inside :meth:`present`.
        history: What happened so far, in order.
    """

    def __init__(self, clock: Clock, *, name: str = "simulated") -> None:
        self.clock = clock
        self.name = f"{name}-{next(_numbers)}"
        started = clock.now()
        self.world = World(timeline=Timeline(started), started=started)
        self.log_book = LogBook(self.world)
        self.monitoring = Monitoring(self.world)
        self.services_ = Services(self.world, self.monitoring, self.log_book)
        self.availability = Availability(self.world)
        self.power = Power(self.world, self.services_, self.availability)
        self.probing = Probing(self.world, self.monitoring, self.log_book)
        self.recovering = Recovering(self.world)
        self.broken_calls = BrokenCalls(self.world)
        self._lock = RLock()
        self.world.history.read_by(self._catch_up)

    def begin(self) -> None:
        """Set everything going, once servers, databases and faults are in place."""
        with self._lock:
            self.log_book.begin()
            self.monitoring.begin()
            self.availability.begin()

    def add_fault(self, fault: Fault, *, after: float = 0.0) -> None:
        """Have a fault come over its server, now or some seconds from now.

        Args:
            fault: The fault; it is active once it has begun.
            after: Seconds from now.
        """
        with self._lock:
            curing.add(self.world, fault, after=after)

    @property
    def history(self) -> History:
        return self.world.history

    @contextmanager
    def present(self) -> Iterator[World]:
        """Give the world as it is now, to this thread alone. Never wait inside."""
        with self._lock:
            self.world.timeline.run_until(self.clock.now())
            yield self.world

    def _catch_up(self) -> None:
        with self.present():
            pass

    def answers(self, server: str) -> bool:
        """Whether the server can be connected to at all now (the lab's endpoints ask)."""
        with self.present() as world:
            found = world.find(server)
            return found is not None and found.up

    # --- looks -----------------------------------------------------------------------------------

    def server_info(self, server: str) -> ServerInfo:
        with self.present():
            return rows.server_info(self._asked(server, "Get-ExchangeServer"))

    def all_servers(self, server: str) -> Sequence[ServerInfo]:
        with self.present() as world:
            self._asked(server, "Get-ExchangeServer")
            return [rows.server_info(s) for s in world.servers]

    def mailbox_server(self, server: str) -> MailboxServer:
        with self.present() as world:
            found = self._asked(server, "Get-MailboxServer")
            self._need_mailbox(found, "Get-MailboxServer")
            return rows.mailbox_server(world, found)

    def dag(self, server: str, name: str) -> Dag:
        with self.present() as world:
            found = self._asked(server, "Get-DatabaseAvailabilityGroup")
            for dag in world.dags:
                if dag.name.casefold() == name.casefold():
                    return rows.dag(world, dag)
            raise world.failed(
                found, "Get-DatabaseAvailabilityGroup", f"The object '{name}' couldn't be found."
            )

    def server_health(self, server: str) -> Sequence[MonitorHealth]:
        with self.present():
            return self.monitoring.rows(self._up(server, "Get-ServerHealth"))

    def invoke_probe(self, server: str, probe: str, actor: str = POPHEAL) -> ProbeResult:
        with self.present():
            found = self._up(server, "Invoke-MonitoringProbe")
            running = self.probing.begin(found, probe, actor)
        self._wait_until(running.due)
        with self.present():
            return self.probing.finish(running)

    def database_copies(self, server: str, actor: str = POPHEAL) -> Sequence[DatabaseCopy]:
        with self.present() as world:
            command = "Get-MailboxDatabaseCopyStatus"
            found = self._asked(server, command)
            self._need_mailbox(found, command)
            if not found.up and world.dag_of(found) is None:
                raise world.failed(found, command, "The server could not be contacted.")
            pairs = [
                (database, copy)
                for database in world.databases_on(found)
                if (copy := database.copy_on(found)) is not None
            ]
            seen = [rows.copy(self.availability, database, copy) for database, copy in pairs]
            world.record(rows.copies_seen(world, found, actor, pairs, seen, whole_server=True))
            return seen

    def copies_of(self, server: str, database: str, actor: str = POPHEAL) -> Sequence[DatabaseCopy]:
        with self.present() as world:
            found = self._asked(server, "Get-MailboxDatabaseCopyStatus")
            named = world.database(database)
            if named is None:
                raise world.failed(
                    found, "Get-MailboxDatabaseCopyStatus", f"There is no database '{database}'."
                )
            pairs = [(named, copy) for copy in named.copies]
            seen = [rows.copy(self.availability, named, copy) for copy in named.copies]
            world.record(rows.copies_seen(world, found, actor, pairs, seen, whole_server=False))
            return seen

    def databases(self, server: str) -> Sequence[Database]:
        with self.present() as world:
            found = self._asked(server, "Get-MailboxDatabase")
            self._need_mailbox(found, "Get-MailboxDatabase")
            return [rows.database(d) for d in world.databases_on(found)]

    def component_states(self, server: str) -> Sequence[ComponentState]:
        with self.present():
            return rows.component_states(self._up(server, "Get-ServerComponentState"))

    def pop_settings(self, server: str) -> PopSettings:
        with self.present() as world:
            return rows.pop_settings(world, self._asked(server, "Get-PopSettings"))

    def services(self, server: str, names: Sequence[str]) -> Sequence[ServiceStatus]:
        with self.present():
            return self.services_.statuses(self._host(server, "Get-Service"), tuple(names))

    def host_status(self, server: str) -> HostStatus:
        with self.present() as world:
            return rows.host_status(world, self._host(server, "Win32_OperatingSystem"))

    def pop_logs(
        self, server: str, location: str, since: datetime, until: datetime
    ) -> Sequence[LogFile]:
        with self.present() as world:
            found = self._host(server, "Get-ChildItem")
            if not rows.same_folder(location, found.log_location):
                raise world.failed(found, "Get-ChildItem", f"Cannot find path '{location}'.")
            return self.log_book.read(found, since, until)

    def recovery_actions(self, server: str, since: datetime) -> Sequence[RecoveryAction]:
        with self.present():
            return self.recovering.seen(self._host(server, "Get-WinEvent"), since)

    # --- effects ---------------------------------------------------------------------------------

    def restart_service(self, server: str, service: str, actor: str = POPHEAL) -> None:
        with self.present():
            work = self.services_.restart(self._host(server, "Restart-Service"), service, actor)
        self._finish(work)

    def start_service(self, server: str, service: str, actor: str = POPHEAL) -> None:
        with self.present():
            work = self.services_.start(self._host(server, "Start-Service"), service, actor)
        self._finish(work)

    def stop_service(self, server: str, service: str, actor: str) -> None:
        with self.present():
            found = self._host(server, "Stop-Service")
            self.services_.stop(found, service, actor, "it was stopped")

    def set_activation_disabled(self, server: str, disabled: bool, actor: str = POPHEAL) -> None:
        with self.present() as world:
            found = self._asked(server, "Set-MailboxServer")
            self._need_mailbox(found, "Set-MailboxServer")
            previous, set_by = found.activation_disabled, found.activation_set_by
            world.record(
                ActivationDisabledSet(
                    at=world.now,
                    actor=actor,
                    server=found.name,
                    value=disabled,
                    previous=previous,
                    set_by=set_by,
                    active_databases=world.active_replicated(found),
                    probe_succeeded_since_boot=bool(found.succeeded),
                    succeeded_since_boot=tuple(dict.fromkeys(found.succeeded)),
                    situation=world.situation(found),
                )
            )
            found.activation_disabled = disabled
            if disabled != previous:
                found.activation_set_by = actor
            if disabled:
                self.availability.drain(found, actor)

    def move_database(self, server: str, database: str, actor: str = POPHEAL) -> None:
        with self.present() as world:
            found = self._asked(server, "Move-ActiveMailboxDatabase")
            named = world.database(database)
            if named is None:
                raise world.failed(
                    found, "Move-ActiveMailboxDatabase", f"There is no database '{database}'."
                )
            self.availability.move(named, found, actor)

    def set_protocol_logging(self, server: str, enabled: bool, actor: str = POPHEAL) -> None:
        with self.present() as world:
            found = self._asked(server, "Set-PopSettings")
            previous, found.protocol_log_enabled = found.protocol_log_enabled, enabled
            world.record(
                ProtocolLoggingSet(
                    at=world.now,
                    actor=actor,
                    server=found.name,
                    value=enabled,
                    previous=previous,
                    in_effect=any(found.log_in_effect.values()),
                )
            )

    def set_component(
        self, server: str, component: str, requester: str, state: str, actor: str
    ) -> None:
        with self.present() as world:
            found = self._asked(server, "Set-ServerComponentState")
            found.components.setdefault(component, {})[requester] = state
            world.record(
                ComponentStateSet(
                    at=world.now,
                    actor=actor,
                    server=found.name,
                    component=component,
                    requester=requester,
                    state=state,
                )
            )
            self.services_.component_changed(found)

    def reboot(self, server: str, booted_at: datetime | None, actor: str = POPHEAL) -> None:
        with self.present():
            self.power.reboot(self._host(server, "Restart-Computer"), booted_at, actor)

    def crash(self, server: str, actor: str) -> None:
        """Take the server down without a word, as a power cut or a forced reboot does."""
        with self.present():
            self.power.crash(self._host(server, "crash"), actor)

    # --- who is asked ----------------------------------------------------------------------------

    def note_call(self, server: str, method: str, actor: str = POPHEAL) -> None:
        """Record that a method of a backend was called."""
        with self.present() as world:
            found = world.find(server)
            world.record(
                Called(
                    at=world.now,
                    actor=actor,
                    server=server if found is None else found.name,
                    method=method,
                )
            )

    def _asked(self, server: str, command: str) -> Server:
        """Find the server a cmdlet is about, which need not be up."""
        found = self.world.named(server)
        self._endpoint(found, command)
        return found

    def _up(self, server: str, command: str) -> Server:
        """Find the server a cmdlet is about that it has to talk to."""
        found = self._asked(server, command)
        if not found.up:
            cause = (
                f"The server {found.fqdn} could not be contacted: the RPC server is unavailable."
            )
            raise self.world.failed(found, command, cause)
        return found

    def _host(self, server: str, command: str) -> Server:
        """Find the server whose own endpoint is talked to."""
        found = self.world.named(server)
        if not found.up:
            raise Unreachable(server=found.fqdn, command=command, cause="no answer from port 5985")
        return found

    def _endpoint(self, about: Server, command: str) -> None:
        # Any server may answer for the organisation, and the one under repair only for itself.
        if not any(s.up for s in self.world.servers):
            raise Unreachable(
                server=about.fqdn, command=command, cause="no Exchange endpoint answers"
            )

    def _need_mailbox(self, server: Server, command: str) -> None:
        if not server.mailbox_role:
            raise self.world.failed(server, command, f"{server.name} isn't a Mailbox server.")

    # --- waiting ---------------------------------------------------------------------------------

    def _finish(self, work: RunContext | None) -> None:
        if work is None or self._on_the_timeline():
            # What the timeline does, nobody waits for.
            return
        self._wait_until(work.due)
        with self.present():
            work.check()

    def _on_the_timeline(self) -> bool:
        with self._lock:
            return self.world.timeline.running

    def _wait_until(self, due: datetime) -> None:
        while (left := (due - self.clock.now()).total_seconds()) > 0:
            self.clock.sleep(left)

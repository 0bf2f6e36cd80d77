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

from attrs import frozen

from popheal.backends.simulated import faults, rows
from popheal.backends.simulated.availability import Availability
from popheal.backends.simulated.call_faults import BrokenCalls
from popheal.backends.simulated.components import COMPONENTS
from popheal.backends.simulated.faults import Fault
from popheal.backends.simulated.history import (
    POPHEAL,
    ActivationDisabledSet,
    ComponentStateSet,
    History,
    ProtocolLoggingSet,
)
from popheal.backends.simulated.model import Database, Server
from popheal.backends.simulated.monitoring import Monitoring
from popheal.backends.simulated.pop3_log import LogBook
from popheal.backends.simulated.power import Power
from popheal.backends.simulated.probes import Probing, Running
from popheal.backends.simulated.recovery_actions import Recovering
from popheal.backends.simulated.services import Services
from popheal.backends.simulated.timeline import Timeline
from popheal.backends.simulated.world import Pending, World
from popheal.errors import CommandFailed, Unreachable
from popheal.exchange import models
from popheal.util.clock import Clock

_numbers = itertools.count(1)


@frozen
class _Call:
    """A command that is being carried out, and the server it is about."""

    world: World
    server: Server
    command: str

    def failed(self, cause: str) -> CommandFailed:
        return self.world.failed(self.server, self.command, cause)

    def unreachable(self, cause: str) -> Unreachable:
        return Unreachable(server=self.server.fqdn, command=self.command, cause=cause)

    def database(self, name: str) -> Database:
        found = self.world.database(name)
        if found is None:
            raise self.failed(f"There is no database '{name}'.")
        return found


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

    def add_fault(self, fault: Fault) -> None:
        """Have a fault come over its server, now or in its time; it is active from then on."""
        with self._lock:
            faults.add(self.world, fault)

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

    def server_info(self, server: str) -> models.ServerInfo:
        with self._asked(server, "Get-ExchangeServer") as call:
            return rows.server_info(call.server)

    def all_servers(self, server: str) -> Sequence[models.ServerInfo]:
        with self._asked(server, "Get-ExchangeServer"):
            return [rows.server_info(one) for one in self.world.servers]

    def mailbox_server(self, server: str) -> models.MailboxServer:
        with self._asked(server, "Get-MailboxServer", mailbox=True) as call:
            return rows.mailbox_server(self.world, call.server)

    def dag(self, server: str, name: str) -> models.Dag:
        with self._asked(server, "Get-DatabaseAvailabilityGroup") as call:
            for dag in self.world.dags:
                if dag.name.casefold() == name.casefold():
                    return rows.dag(self.world, dag)
            raise call.failed(f"The object '{name}' couldn't be found.")

    def server_health(self, server: str) -> Sequence[models.MonitorHealth]:
        with self._asked(server, "Get-ServerHealth", up=True) as call:
            return self.monitoring.rows(call.server)

    def invoke_probe(self, server: str, probe: str, actor: str = POPHEAL) -> models.ProbeResult:
        running = self.begin_probe(server, probe, actor)
        self._wait_until(running.due)
        return self.finish_probe(running)

    def begin_probe(self, server: str, probe: str, actor: str = POPHEAL) -> Running:
        """Likewise without waiting: who began it finishes it when it is due."""
        with self._asked(server, "Invoke-MonitoringProbe", up=True) as call:
            return self.probing.begin(call.server, probe, actor)

    def finish_probe(self, running: Running) -> models.ProbeResult:
        """Say what came of a probe that is due."""
        with self.present():
            return self.probing.finish(running)

    def monitoring_items(self, server: str, health_set: str) -> Sequence[models.MonitoringItem]:
        with self._asked(server, "Get-MonitoringItemIdentity", up=True) as call:
            return self.monitoring.items(call.server, health_set)

    def database_copies(self, server: str, actor: str = POPHEAL) -> Sequence[models.DatabaseCopy]:
        with self._asked(server, "Get-MailboxDatabaseCopyStatus", mailbox=True) as call:
            asked, own = call.server, self.world.copies_on(call.server)
            if not asked.up and self.world.dag_of(asked) is None:
                raise call.failed("The server could not be contacted.")
            return rows.look_at_copies(self.availability, asked, actor, own, whole_server=True)

    def copies_of(
        self, server: str, database: str, actor: str = POPHEAL
    ) -> Sequence[models.DatabaseCopy]:
        with self._asked(server, "Get-MailboxDatabaseCopyStatus") as call:
            named = call.database(database)
            its, asked = [(named, copy) for copy in named.copies], call.server
            return rows.look_at_copies(self.availability, asked, actor, its, whole_server=False)

    def databases(self, server: str) -> Sequence[models.Database]:
        with self._asked(server, "Get-MailboxDatabase", mailbox=True) as call:
            return [rows.database(one) for one, _ in self.world.copies_on(call.server)]

    def replication_health(self, server: str) -> Sequence[models.ReplicationCheck]:
        with self._asked(server, "Test-ReplicationHealth", mailbox=True, up=True) as call:
            return rows.replication_health(self.world, call.server)

    def component_states(self, server: str) -> Sequence[models.ComponentState]:
        with self._asked(server, "Get-ServerComponentState", up=True) as call:
            return rows.component_states(call.server)

    def pop_settings(self, server: str) -> models.PopSettings:
        with self._asked(server, "Get-PopSettings") as call:
            return rows.pop_settings(self.world, call.server)

    def services(self, server: str, names: Sequence[str]) -> Sequence[models.ServiceStatus]:
        with self._on_host(server, "Get-Service") as call:
            return self.services_.statuses(call.server, tuple(names))

    def host_status(self, server: str) -> models.HostStatus:
        with self._on_host(server, "Win32_OperatingSystem") as call:
            return rows.host_status(self.world, call.server)

    def pop_logs(
        self, server: str, location: str, since: datetime, until: datetime
    ) -> Sequence[models.LogFile]:
        with self._on_host(server, "Get-ChildItem") as call:
            if not rows.same_folder(location, call.server.log_location):
                raise call.failed(f"Cannot find path '{location}'.")
            return self.log_book.read(call.server, since, until)

    def recovery_actions(self, server: str, since: datetime) -> Sequence[models.RecoveryAction]:
        with self._on_host(server, "Get-WinEvent") as call:
            return self.recovering.seen(call.server, since)

    # --- effects ---------------------------------------------------------------------------------

    def restart_service(self, server: str, service: str, actor: str = POPHEAL) -> None:
        self._finish(self.begin_restart(server, service, actor))

    def start_service(self, server: str, service: str, actor: str = POPHEAL) -> None:
        self._finish(self.begin_start(server, service, actor))

    def begin_restart(self, server: str, service: str, actor: str = POPHEAL) -> Pending:
        """Likewise without waiting: who began it calls ``check`` when it is due."""
        with self._on_host(server, "Restart-Service") as call:
            return self.services_.restart(call.server, service, actor)

    def begin_start(self, server: str, service: str, actor: str = POPHEAL) -> Pending | None:
        """Likewise; None if there is nothing to wait for."""
        with self._on_host(server, "Start-Service") as call:
            return self.services_.start(call.server, service, actor)

    def stop_service(self, server: str, service: str, actor: str) -> None:
        with self._on_host(server, "Stop-Service") as call:
            self.services_.stop(call.server, service, actor, "it was stopped")

    def set_activation_disabled(self, server: str, disabled: bool, actor: str = POPHEAL) -> None:
        with self._asked(server, "Set-MailboxServer", mailbox=True) as call:
            found, world = call.server, self.world
            world.record(
                ActivationDisabledSet,
                found,
                actor,
                value=disabled,
                previous=found.activation_disabled,
                set_by=found.activation_set_by,
                active_databases=world.active_replicated(found),
                probe_succeeded_since_boot=bool(found.succeeded),
                succeeded_since_boot=tuple(dict.fromkeys(found.succeeded)),
                situation=world.situation(found),
            )
            if disabled != found.activation_disabled:
                found.activation_disabled, found.activation_set_by = disabled, actor
            if disabled:
                self.availability.drain(found, actor)

    def move_database(self, server: str, database: str, actor: str = POPHEAL) -> None:
        with self._asked(server, "Move-ActiveMailboxDatabase") as call:
            self.availability.move(call.database(database), call.server, actor)

    def set_protocol_logging(self, server: str, enabled: bool, actor: str = POPHEAL) -> None:
        with self._asked(server, "Set-PopSettings") as call:
            found = call.server
            previous, found.protocol_log_enabled = found.protocol_log_enabled, enabled
            logging = any(found.log_in_effect.values())
            details = {"value": enabled, "previous": previous, "in_effect": logging}
            self.world.record(ProtocolLoggingSet, found, actor, **details)

    def set_component_state(
        self, server: str, component: str, active: bool, requester: str
    ) -> None:
        state = "Active" if active else "Inactive"
        self.set_component(server, component, requester, state, POPHEAL)

    def set_component(
        self, server: str, component: str, requester: str, state: str, actor: str
    ) -> None:
        with self._asked(server, "Set-ServerComponentState") as call:
            if component not in COMPONENTS:
                seen = f"There is no component '{component}'."
                raise self.world.not_begun(call.server, call.command, seen, "missing")
            call.server.components.setdefault(component, {})[requester] = state
            details = {"component": component, "requester": requester, "state": state}
            self.world.record(ComponentStateSet, call.server, actor, **details)
            self.services_.component_changed(call.server)

    def reboot(self, server: str, booted_at: datetime | None, actor: str = POPHEAL) -> None:
        with self._on_host(server, "Restart-Computer") as call:
            self.power.reboot(call.server, booted_at, actor)

    def crash(self, server: str, actor: str) -> None:
        """Take the server down without a word, as a power cut or a forced reboot does."""
        with self._on_host(server, "crash") as call:
            self.power.crash(call.server, actor)

    # --- who is asked ----------------------------------------------------------------------------

    @contextmanager
    def _asked(
        self, server: str, command: str, *, mailbox: bool = False, up: bool = False
    ) -> Iterator[_Call]:
        """Run a cmdlet about a server, which need not be up unless it has to be talked to.

        Args:
            server: The server.
            command: The cmdlet.
            mailbox: It is one about Mailbox servers.
            up: It talks to the server.
        """
        with self.present() as world:
            call = _Call(world, world.named(server), command)
            # Any server may answer for the organisation, and the one under repair only for itself.
            if not any(one.up for one in world.servers):
                raise call.unreachable("no Exchange endpoint answers")
            if up and not call.server.up:
                raise call.failed(
                    f"The server {call.server.fqdn} could not be contacted: the RPC server is "
                    "unavailable."
                )
            if mailbox and not call.server.mailbox_role:
                raise call.failed(f"{call.server.name} isn't a Mailbox server.")
            yield call

    @contextmanager
    def _on_host(self, server: str, command: str) -> Iterator[_Call]:
        """Run something on the server's own endpoint."""
        with self.present() as world:
            call = _Call(world, world.named(server), command)
            if not call.server.up:
                raise call.unreachable("no answer from port 5985")
            yield call

    # --- waiting ---------------------------------------------------------------------------------

    def _finish(self, pending: Pending | None) -> None:
        if pending is None or self._on_the_timeline():
            # What the timeline does, nobody waits for.
            return
        self._wait_until(pending.due)
        with self.present():
            pending.check()

    def _on_the_timeline(self) -> bool:
        with self._lock:
            return self.world.timeline.running

    def _wait_until(self, due: datetime) -> None:
        while (left := (due - self.clock.now()).total_seconds()) > 0:
            self.clock.sleep(left)

"""The simulated organisation as a backend."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from popheal.backends.simulated.call_faults import LATE, BrokenCall, error_of
from popheal.backends.simulated.history import POPHEAL, CallBroken
from popheal.backends.simulated.organisation import Organisation
from popheal.errors import BackendError
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

T = TypeVar("T")


class SimulatedBackend:
    """Acts on a simulated organisation, as popheal: :class:`~popheal.exchange.backend.Backend`.

    Besides what the organisation does by itself, each call can be made to fail by the
    organisation's script, with its effect carried out, not carried out, or carried out late.

    Args:
        organisation: What to act on. Several backends may share one.
    """

    def __init__(self, organisation: Organisation) -> None:
        self.simulation = organisation

    @property
    def organisation(self) -> str:
        """A name that tells this organisation from others."""
        return self.simulation.name

    @property
    def clock(self) -> Clock:
        """The organisation's clock: a driver has to wait on this one."""
        return self.simulation.clock

    # --- looks -----------------------------------------------------------------------------------

    def server_info(self, server: str) -> ServerInfo:
        return self._look("server_info", server, lambda o: o.server_info(server))

    def all_servers(self, server: str) -> Sequence[ServerInfo]:
        return self._look("all_servers", server, lambda o: o.all_servers(server))

    def mailbox_server(self, server: str) -> MailboxServer:
        return self._look("mailbox_server", server, lambda o: o.mailbox_server(server))

    def dag(self, server: str, name: str) -> Dag:
        return self._look("dag", server, lambda o: o.dag(server, name))

    def server_health(self, server: str) -> Sequence[MonitorHealth]:
        return self._look("server_health", server, lambda o: o.server_health(server))

    def invoke_probe(self, server: str, probe: str) -> ProbeResult:
        return self._look("invoke_probe", server, lambda o: o.invoke_probe(server, probe))

    def database_copies(self, server: str) -> Sequence[DatabaseCopy]:
        return self._look("database_copies", server, lambda o: o.database_copies(server))

    def copies_of(self, server: str, database: str) -> Sequence[DatabaseCopy]:
        return self._look("copies_of", server, lambda o: o.copies_of(server, database))

    def databases(self, server: str) -> Sequence[Database]:
        return self._look("databases", server, lambda o: o.databases(server))

    def component_states(self, server: str) -> Sequence[ComponentState]:
        return self._look("component_states", server, lambda o: o.component_states(server))

    def pop_settings(self, server: str) -> PopSettings:
        return self._look("pop_settings", server, lambda o: o.pop_settings(server))

    def services(self, server: str, names: Sequence[str]) -> Sequence[ServiceStatus]:
        return self._look("services", server, lambda o: o.services(server, names))

    def host_status(self, server: str) -> HostStatus:
        return self._look("host_status", server, lambda o: o.host_status(server))

    def pop_logs(
        self, server: str, location: str, since: datetime, until: datetime
    ) -> Sequence[LogFile]:
        return self._look("pop_logs", server, lambda o: o.pop_logs(server, location, since, until))

    def recovery_actions(self, server: str, since: datetime) -> Sequence[RecoveryAction]:
        return self._look("recovery_actions", server, lambda o: o.recovery_actions(server, since))

    # --- effects ---------------------------------------------------------------------------------

    def restart_service(self, server: str, service: str) -> None:
        self._effect("restart_service", server, lambda o: o.restart_service(server, service))

    def start_service(self, server: str, service: str) -> None:
        self._effect("start_service", server, lambda o: o.start_service(server, service))

    def set_activation_disabled(self, server: str, disabled: bool) -> None:
        self._effect(
            "set_activation_disabled",
            server,
            lambda o: o.set_activation_disabled(server, disabled),
        )

    def move_database(self, server: str, database: str) -> None:
        self._effect("move_database", server, lambda o: o.move_database(server, database))

    def set_protocol_logging(self, server: str, enabled: bool) -> None:
        self._effect(
            "set_protocol_logging", server, lambda o: o.set_protocol_logging(server, enabled)
        )

    def reboot(self, server: str, booted_at: datetime) -> None:
        self._effect("reboot", server, lambda o: o.reboot(server, booted_at))

    # --- the script ------------------------------------------------------------------------------

    def _look(self, method: str, server: str, look: Callable[[Organisation], T]) -> T:
        broken = self._broken(method, server)
        if broken is not None:
            raise error_of(broken, server, method)
        return look(self.simulation)

    def _effect(self, method: str, server: str, effect: Callable[[Organisation], None]) -> None:
        broken = self._broken(method, server)
        if broken is None:
            effect(self.simulation)
            return
        if broken.done == "yes":
            effect(self.simulation)
        elif broken.done == "later":
            self._plan(effect)
        raise error_of(broken, server, method)

    def _broken(self, method: str, server: str) -> BrokenCall | None:
        organisation = self.simulation
        organisation.note_call(server, method)
        with organisation.present() as world:
            broken = organisation.broken_calls.next(method, server)
            if broken is not None:
                found = world.find(server)
                world.record(
                    CallBroken(
                        at=world.now,
                        actor=POPHEAL,
                        server=server if found is None else found.name,
                        method=method,
                        error=broken.error,
                        done=broken.done,
                    )
                )
            return broken

    def _plan(self, effect: Callable[[Organisation], None]) -> None:
        def late() -> None:
            with contextlib.suppress(BackendError):
                effect(self.simulation)

        with self.simulation.present() as world:
            world.after(LATE, late)

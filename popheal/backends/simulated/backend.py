"""The simulated organisation as a backend."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from functools import update_wrapper
from typing import Concatenate, ParamSpec, Self, TypeVar

from popheal.backends.simulated.call_faults import LATE, BrokenCall, error_of
from popheal.backends.simulated.history import POPHEAL, CallBroken, Called
from popheal.backends.simulated.organisation import Organisation
from popheal.errors import BackendError
from popheal.exchange.backend import EFFECTS
from popheal.util.clock import Clock

P = ParamSpec("P")
T = TypeVar("T")


def _as_popheal(
    do: Callable[Concatenate[Organisation, P], T], command: str
) -> Callable[Concatenate[SimulatedBackend, P], T]:
    """A method of the organisation as one of the backend: it fails where the script says so.

    An effect may be carried out nevertheless; a look that fails isn't one.
    """

    def method(self: SimulatedBackend, /, *args: P.args, **kwargs: P.kwargs) -> T:
        def act() -> T:
            return do(self.simulation, *args, **kwargs)

        server = str(args[0] if args else kwargs["server"])
        broken = self._broken(do.__name__, server)
        if broken is None:
            return act()
        if do.__name__ in EFFECTS and broken.done == "yes":
            act()
        elif do.__name__ in EFFECTS and broken.done == "later":
            self._do_later(act)
        raise error_of(broken, server, command)

    update_wrapper(method, do)
    return method


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

    def apart(self, without: Sequence[str] = (), turn: int = 0) -> AbstractContextManager[Self]:
        """Itself: any number of threads may ask it at once."""
        del without, turn
        return contextlib.nullcontext(self)

    server_info = _as_popheal(Organisation.server_info, "Get-ExchangeServer")
    all_servers = _as_popheal(Organisation.all_servers, "Get-ExchangeServer")
    mailbox_server = _as_popheal(Organisation.mailbox_server, "Get-MailboxServer")
    dag = _as_popheal(Organisation.dag, "Get-DatabaseAvailabilityGroup")
    server_health = _as_popheal(Organisation.server_health, "Get-ServerHealth")
    invoke_probe = _as_popheal(Organisation.invoke_probe, "Invoke-MonitoringProbe")
    monitoring_items = _as_popheal(Organisation.monitoring_items, "Get-MonitoringItemIdentity")
    database_copies = _as_popheal(Organisation.database_copies, "Get-MailboxDatabaseCopyStatus")
    copies_of = _as_popheal(Organisation.copies_of, "Get-MailboxDatabaseCopyStatus")
    databases = _as_popheal(Organisation.databases, "Get-MailboxDatabase")
    replication_health = _as_popheal(Organisation.replication_health, "Test-ReplicationHealth")
    component_states = _as_popheal(Organisation.component_states, "Get-ServerComponentState")
    pop_settings = _as_popheal(Organisation.pop_settings, "Get-PopSettings")
    services = _as_popheal(Organisation.services, "Get-Service")
    host_status = _as_popheal(Organisation.host_status, "Win32_OperatingSystem")
    pop_logs = _as_popheal(Organisation.pop_logs, "Get-ChildItem")
    recovery_actions = _as_popheal(Organisation.recovery_actions, "Get-WinEvent")

    restart_service = _as_popheal(Organisation.restart_service, "Restart-Service")
    start_service = _as_popheal(Organisation.start_service, "Start-Service")
    set_activation_disabled = _as_popheal(Organisation.set_activation_disabled, "Set-MailboxServer")
    move_database = _as_popheal(Organisation.move_database, "Move-ActiveMailboxDatabase")
    set_protocol_logging = _as_popheal(Organisation.set_protocol_logging, "Set-PopSettings")
    set_component_state = _as_popheal(Organisation.set_component_state, "Set-ServerComponentState")
    reboot = _as_popheal(Organisation.reboot, "Restart-Computer")

    def _broken(self, method: str, server: str) -> BrokenCall | None:
        """Note a call, and say how it fails, if it does."""
        with self.simulation.present() as world:
            about = world.find(server) or server
            world.record(Called, about, POPHEAL, method=method)
            broken = self.simulation.broken_calls.next(method, server)
            if broken is not None:
                details = {"method": method, "error": broken.error, "done": broken.done}
                world.record(CallBroken, about, POPHEAL, **details)
            return broken

    def _do_later(self, act: Callable[[], object]) -> None:
        def late() -> None:
            with contextlib.suppress(BackendError):
                act()

        with self.simulation.present() as world:
            world.after(LATE, late)

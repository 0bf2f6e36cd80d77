"""Others at work: Managed Availability, administrators and accidents, by script."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping

from attrs import define, field

from popheal.backends.simulated.history import (
    ADMINISTRATOR,
    MANAGED_AVAILABILITY,
    CopyChanged,
    Happening,
)
from popheal.backends.simulated.organisation import Organisation
from popheal.backends.simulated.recovery_actions import REBOOT, RESTART, Deed
from popheal.errors import BackendError


@define(kw_only=True)
class Event:
    """Something somebody does, at a time or upon something that happens.

    Attributes:
        do: A key of DOINGS.
        server: On which server; for ``move``, to which.
        actor: ``administrator``, ``managed_availability`` or ``nature``.
        at: Seconds from the start; None if it waits for ``on``.
        on: Kind of happening it follows, for example ``activation_disabled_set``.
        on_server: Only if that happened on this server (short name).
        nth: Upon which one of those.
        delay: Seconds after it.
        details: What ``do`` needs besides: service, database, component, requester, state, value.
    """

    do: str
    server: str
    actor: str = ADMINISTRATOR
    at: float | None = None
    on: str = ""
    on_server: str = ""
    nth: int = 1
    delay: float = 0.0
    details: Mapping[str, object] = field(factory=dict)
    _seen: int = field(default=0, init=False)

    def follows(self, happening: Happening) -> bool:
        """Count a happening, and tell whether it is the one waited for."""
        if not self.on or happening.kind != self.on:
            return False
        if self.on_server and happening.server.casefold() != self.on_server.casefold():
            return False
        self._seen += 1
        return self._seen == self.nth


def _text(event: Event, key: str) -> str:
    return str(event.details.get(key, ""))


def _power_on(organisation: Organisation, event: Event) -> None:
    """Switch on a server that is down."""
    with organisation.present() as world:
        organisation.power.switch_on(world.named(event.server), event.actor)


def _set_setup(organisation: Organisation, event: Event, *, running: bool) -> None:
    """Have Exchange Setup run on a server, or end there."""
    with organisation.present() as world:
        world.named(event.server).setup_running = running


def _set_copy(organisation: Organisation, event: Event, database: str, status: str) -> None:
    """Have the passive copy of a database on a server take another status."""
    with organisation.present() as world:
        server = world.named(event.server)
        for named in world.databases:
            if named.name == database and (copy := named.copy_on(server)) is not None:
                copy.status = status
        world.record(
            CopyChanged(
                at=world.now,
                actor=event.actor,
                server=server.name,
                database=database,
                status=status,
            )
        )


#: What can be done, and the details each needs.
DOINGS: dict[str, tuple[tuple[str, ...], Callable[[Organisation, Event], None]]] = {
    "reboot": ((), lambda o, e: o.reboot(e.server, None, e.actor)),
    "crash": ((), lambda o, e: o.crash(e.server, e.actor)),
    "drain": ((), lambda o, e: o.set_activation_disabled(e.server, True, e.actor)),
    "undrain": ((), lambda o, e: o.set_activation_disabled(e.server, False, e.actor)),
    "move": (
        ("database",),
        lambda o, e: o.move_database(e.server, _text(e, "database"), e.actor),
    ),
    "restart_service": (
        ("service",),
        lambda o, e: o.restart_service(e.server, _text(e, "service"), e.actor),
    ),
    "start_service": (
        ("service",),
        lambda o, e: o.start_service(e.server, _text(e, "service"), e.actor),
    ),
    "stop_service": (
        ("service",),
        lambda o, e: o.stop_service(e.server, _text(e, "service"), e.actor),
    ),
    "set_logging": (
        ("value",),
        lambda o, e: o.set_protocol_logging(e.server, bool(e.details.get("value")), e.actor),
    ),
    "set_component": (
        ("component", "requester", "state"),
        lambda o, e: o.set_component(
            e.server,
            _text(e, "component"),
            _text(e, "requester"),
            _text(e, "state"),
            e.actor,
        ),
    ),
    "set_copy": (
        ("database", "state"),
        lambda o, e: _set_copy(o, e, _text(e, "database"), _text(e, "state")),
    ),
    "power_on": ((), _power_on),
    "setup_begins": ((), lambda o, e: _set_setup(o, e, running=True)),
    "setup_ends": ((), lambda o, e: _set_setup(o, e, running=False)),
}


#: What Managed Availability calls what it does: its action, and the detail that names the resource
#: (the server, if none does). The rest of the doings aren't recoveries.
_ACTIONS = {
    "reboot": (REBOOT, ""),
    "crash": (REBOOT, ""),
    "restart_service": (RESTART, "service"),
    "start_service": (RESTART, "service"),
    "drain": ("ServerFailover", ""),
    "move": ("DatabaseFailover", "database"),
    "set_component": ("TakeComponentOffline", "component"),
}
#: Of these the end is heard of when it comes.
_TAKE_TIME = {REBOOT, RESTART}


def _noted(organisation: Organisation, event: Event) -> Deed | None:
    """Note down what Managed Availability is about to do, if it counts it as a recovery."""
    action, key = _ACTIONS.get(event.do, ("", ""))
    if not action or event.actor != MANAGED_AVAILABILITY:
        return None
    server = organisation.world.named(event.server)
    if not server.up or (event.do == "start_service" and server.runs(_text(event, key))):
        return None  # Nobody is there to do it, or it need not be done.
    if action == "TakeComponentOffline" and _text(event, "state") == "Active":
        action = "BringComponentOnline"
    return organisation.recovering.begin(server, action, _text(event, key) if key else "")


def schedule(organisation: Organisation, event: Event) -> None:
    """Have the event happen in its time. What then can't be done, isn't."""
    world = organisation.world

    def act() -> None:
        deed = _noted(organisation, event)
        result = "Failed"
        # The others meet the same refusals as anybody; nobody is there to be told of them.
        with contextlib.suppress(BackendError):
            DOINGS[event.do][1](organisation, event)
            result = "Succeeded"
        if deed is not None and (result == "Failed" or deed.action not in _TAKE_TIME):
            organisation.recovering.end(deed, result)

    if event.at is not None:
        world.after(event.at, act)
        return

    def listen(happening: Happening) -> None:
        if event.follows(happening):
            world.after(event.delay, act)

    world.history.listen(listen)

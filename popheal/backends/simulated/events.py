"""Others at work: Managed Availability, administrators and accidents, by script."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Annotated

from attrs import define, field

from popheal.backends.simulated.components import COMPONENT_STATES, COMPONENTS
from popheal.backends.simulated.history import (
    ACTORS,
    ADMINISTRATOR,
    MANAGED_AVAILABILITY,
    POPHEAL,
    CopyChanged,
    Happening,
)
from popheal.backends.simulated.model import (
    COPY_STATUSES,
    Database,
    Ordinal,
    Server,
)
from popheal.backends.simulated.organisation import Organisation
from popheal.backends.simulated.recovery_actions import REBOOT, RESTART, Deed, Recovery
from popheal.errors import BackendError
from popheal.util.schema import one_of, unfit
from popheal.util.text import did_you_mean

_Other = Annotated[str, one_of(*(one for one in ACTORS if one != POPHEAL))]


@define(kw_only=True)
class Event:
    """Something somebody does, at a time or upon something that happens.

    Attributes:
        do: A key of DOINGS; what it needs besides are the fields from ``service`` on.
        server: On which server; for ``move``, to which.
        actor: ``administrator``, ``managed_availability`` or ``nature``.
        at: Seconds from the start; None if it waits for ``on``.
        on: Kind of happening it follows, for example ``activation_disabled_set``.
        on_server: Only if that happened on this server.
        nth: Upon which one of those.
        delay: Seconds after it.
    """

    do: Annotated[str, one_of(*DOINGS)]
    server: Server
    actor: _Other = ADMINISTRATOR
    at: float | None = None
    on: Annotated[str, one_of(*sorted(kind.kind for kind in Happening.__subclasses__()))] = ""
    on_server: Server | None = None
    nth: Ordinal = 1
    delay: float = 0.0
    service: str = ""
    database: Database | None = None
    component: Annotated[str, one_of(*COMPONENTS)] = ""
    requester: str = ""
    state: Annotated[str, one_of(*COMPONENT_STATES, *COPY_STATUSES)] = ""
    value: bool | None = None
    _seen: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        if (self.at is None) == (not self.on):
            right = "Give exactly one of them: a time, or a happening."
            raise unfit(self, "at", "and 'on' don't fit", right)
        needs = DOINGS[self.do][0]
        for key in ("service", "database", "component", "requester", "state", "value"):
            if (key in needs) != (getattr(self, key) not in ("", None)):
                seen = "is missing" if key in needs else f"is nothing to '{self.do}'"
                raise unfit(self, key, seen, f"It takes {' and '.join(needs) or 'nothing more'}.")
        if self.database is not None and self.database.copy_on(self.server) is None:
            raise unfit(self, "server", "has no copy of that database", "Choose one that has.")
        names = [service.name for service in self.server.services.values()]
        if self.service and self.service not in names:
            right = f"{did_you_mean(self.service, names)}Possible here: {', '.join(names)}."
            raise unfit(self, "service", f"is '{self.service}'", right)

    @property
    def resource(self) -> str:
        """The service, database or component it is done to; empty for the server itself."""
        database = self.database.name if self.database else ""
        return self.service or self.component or database

    def follows(self, happening: Happening) -> bool:
        """Count a happening, and tell whether it is the one waited for."""
        if not self.on or happening.kind != self.on:
            return False
        if self.on_server and happening.server != self.on_server.name:
            return False
        self._seen += 1
        return self._seen == self.nth


def _power_on(organisation: Organisation, event: Event) -> None:
    """Switch on a server that is down."""
    with organisation.present():
        organisation.power.switch_on(event.server, event.actor)


def _set(key: str, value: object) -> Callable[[Organisation, Event], None]:
    """Have something be so on a server from now on."""

    def do(organisation: Organisation, event: Event) -> None:
        with organisation.present():
            setattr(event.server, key, value)

    return do


def _set_backup(*, running: bool) -> Callable[[Organisation, Event], None]:
    """Have a backup of a database begin or end."""

    def do(organisation: Organisation, event: Event) -> None:
        with organisation.present():
            if event.database:
                event.database.backup_in_progress = running

    return do


def _set_copy(organisation: Organisation, event: Event) -> None:
    """Have the passive copy of a database on a server take another status."""
    with organisation.present() as world:
        if event.database and (copy := event.database.copy_on(event.server)):
            copy.status = event.state
        world.record(
            CopyChanged, event.server, event.actor, database=event.resource, status=event.state
        )


#: What can be done, and what each needs besides its server.
DOINGS: dict[str, tuple[tuple[str, ...], Callable[[Organisation, Event], None]]] = {
    "reboot": ((), lambda o, e: o.reboot(e.server.name, None, e.actor)),
    "crash": ((), lambda o, e: o.crash(e.server.name, e.actor)),
    "drain": ((), lambda o, e: o.set_activation_disabled(e.server.name, True, e.actor)),
    "undrain": ((), lambda o, e: o.set_activation_disabled(e.server.name, False, e.actor)),
    "move": (("database",), lambda o, e: o.move_database(e.server.name, e.resource, e.actor)),
    "restart_service": (
        ("service",),
        lambda o, e: o.restart_service(e.server.name, e.service, e.actor),
    ),
    "start_service": (
        ("service",),
        lambda o, e: o.start_service(e.server.name, e.service, e.actor),
    ),
    "stop_service": (("service",), lambda o, e: o.stop_service(e.server.name, e.service, e.actor)),
    "set_logging": (
        ("value",),
        lambda o, e: o.set_protocol_logging(e.server.name, bool(e.value), e.actor),
    ),
    "set_component": (
        ("component", "requester", "state"),
        lambda o, e: o.set_component(e.server.name, e.component, e.requester, e.state, e.actor),
    ),
    "set_copy": (("database", "state"), _set_copy),
    "power_on": ((), _power_on),
    "setup_begins": ((), _set("setup_running", True)),
    "setup_ends": ((), _set("setup_running", False)),
    "pause_node": ((), _set("cluster_node", "Paused")),
    "resume_node": ((), _set("cluster_node", "Up")),
    "schedule_shutdown": ((), _set("shutdown_scheduled", True)),
    "abort_shutdown": ((), _set("shutdown_scheduled", False)),
    "backup_begins": (("database",), _set_backup(running=True)),
    "backup_ends": (("database",), _set_backup(running=False)),
}


#: What Managed Availability calls what it does. The rest of the doings aren't recoveries.
_ACTIONS = {
    "reboot": REBOOT,
    "crash": REBOOT,
    "restart_service": RESTART,
    "start_service": RESTART,
    "drain": "ServerFailover",
    "move": "DatabaseFailover",
    "set_component": "TakeComponentOffline",
}
#: Of these the end is heard of when it comes.
_TAKE_TIME = {REBOOT, RESTART}


def _noted(organisation: Organisation, event: Event) -> Deed | None:
    """Note down what Managed Availability is about to do, if it counts it as a recovery."""
    action, server = _ACTIONS.get(event.do), event.server
    if not action or event.actor != MANAGED_AVAILABILITY:
        return None
    if not server.up or (event.do == "start_service" and server.runs(event.service)):
        return None  # Nobody is there to do it, or it need not be done.
    if action == "TakeComponentOffline" and event.state == "Active":
        action = "BringComponentOnline"
    return organisation.recovering.begin(
        Recovery(server=server, action=action, resource=event.resource)
    )


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

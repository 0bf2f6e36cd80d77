"""What the simulated organisation itself saw: the ground truth to check a run against.

The history is written where things happen, never where they are asked for, and knows nothing
of journals or reports. Each record also holds what was true at that very moment and can't be
reconstructed later: which databases were active on a server when its reboot was commanded,
which other members of its DAG were down, whether a probe had succeeded since its last boot.

Times are the organisation's (``at``, and any boot time), not those of a server's own, possibly
wrong, clock. Server names are the short names as the organisation spells them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import ClassVar, TypeVar

from attrs import frozen

#: Who acts: popheal, Managed Availability, a person, or nobody (a consequence of something).
POPHEAL = "popheal"
MANAGED_AVAILABILITY = "managed_availability"
ADMINISTRATOR = "administrator"
NATURE = "nature"
ACTORS = (POPHEAL, MANAGED_AVAILABILITY, ADMINISTRATOR, NATURE)


@frozen(kw_only=True)
class DagSituation:
    """How the *other* members of a server's DAG were at one moment.

    Attributes:
        dag: Name of the DAG.
        down: Members that were down, or about to go down by an accepted reboot.
        drained: Members with activation disabled.
        down_by: (member, actor) for each of ``down``: who took it down.
        drained_by: (member, actor) for each of ``drained``: who disabled activation there.
    """

    dag: str
    down: tuple[str, ...] = ()
    drained: tuple[str, ...] = ()
    down_by: tuple[tuple[str, str], ...] = ()
    drained_by: tuple[tuple[str, str], ...] = ()

    def by(self, actor: str) -> tuple[str, ...]:
        """Return the members that the actor took down or drained."""
        pairs = (*self.down_by, *self.drained_by)
        return tuple(sorted({member for member, who in pairs if who == actor}))


@frozen(kw_only=True)
class CopySeen:
    """One row of an answer about database copies, beside the truth at that moment."""

    database: str
    server: str
    status: str
    active: bool


@frozen(kw_only=True)
class Happening:
    """Something that happened: when, by whom, on which server.

    ``kind`` is the name of the class in snake case, for example ``reboot_commanded``.
    """

    kind: ClassVar[str] = "happening"

    at: datetime
    actor: str
    server: str

    def __init_subclass__(cls, **kwargs: object) -> None:
        super().__init_subclass__(**kwargs)
        letters = (f"_{c.lower()}" if c.isupper() else c for c in cls.__name__)
        cls.kind = "".join(letters).lstrip("_")


# --- services ------------------------------------------------------------------------------------


@frozen(kw_only=True)
class ServiceRestarted(Happening):
    """A restart of a service came to its end, with or without success."""

    service: str
    worked: bool
    was_running: bool


@frozen(kw_only=True)
class ServiceStarted(Happening):
    """A stopped service was started, or could not be."""

    service: str
    worked: bool


@frozen(kw_only=True)
class ServiceStopped(Happening):
    """A service stopped otherwise than by a restart or with its server."""

    service: str
    why: str


# --- settings ------------------------------------------------------------------------------------


@frozen(kw_only=True)
class ActivationDisabledSet(Happening):
    """``DatabaseCopyActivationDisabledAndMoveNow`` was written.

    Attributes:
        set_by: Who had written the previous value.
        active_databases: Replicated databases active on the server at that moment.
        probe_succeeded_since_boot: Some POP probe succeeded on it since its latest boot.
        succeeded_since_boot: Which ones.
        situation: The other members of its DAG.
    """

    value: bool
    previous: bool
    set_by: str
    active_databases: tuple[str, ...]
    probe_succeeded_since_boot: bool
    succeeded_since_boot: tuple[str, ...]
    situation: DagSituation | None


@frozen(kw_only=True)
class ProtocolLoggingSet(Happening):
    """``ProtocolLogEnabled`` was written; ``in_effect`` is what the running service does."""

    value: bool
    previous: bool
    in_effect: bool


@frozen(kw_only=True)
class ComponentStateSet(Happening):
    """A requester set a server component to a state."""

    component: str
    requester: str
    state: str


# --- power ---------------------------------------------------------------------------------------


@frozen(kw_only=True)
class RebootCommanded(Happening):
    """A reboot was asked for.

    Attributes:
        accepted: Whether the server will reboot for it.
        refusal: Why not, where it was not accepted.
        boot_time: When the server had booted, in the organisation's time.
        active_databases: Replicated databases active there at that instant.
        unreplicated_databases: Ordinary databases without another copy mounted there.
        drained: The server's activation was disabled, and by whom.
        situation: The other members of its DAG.
    """

    accepted: bool
    refusal: str
    boot_time: datetime
    active_databases: tuple[str, ...]
    unreplicated_databases: tuple[str, ...]
    drained: bool
    drained_by: str
    situation: DagSituation | None


@frozen(kw_only=True)
class WentDown(Happening):
    """A server stopped answering: rebooting, or power lost. ``actor`` is who caused it."""

    active_databases: tuple[str, ...]


@frozen(kw_only=True)
class Booted(Happening):
    """A server answers again. ``actor`` is who caused the boot."""

    boot_time: datetime


# --- databases -----------------------------------------------------------------------------------


@frozen(kw_only=True)
class DatabaseMoveCommanded(Happening):
    """Somebody asked for a database to be activated on ``server``."""

    database: str
    source: str
    accepted: bool
    refusal: str


@frozen(kw_only=True)
class DatabaseMoved(Happening):
    """The active copy of a database is now on ``server`` (and mounting there).

    Attributes:
        why: ``move_now``, ``move``, ``failover`` or ``rebalance``.
    """

    database: str
    source: str
    why: str


@frozen(kw_only=True)
class CopyChanged(Happening):
    """The passive copy of a database on ``server`` took another status."""

    database: str
    status: str


@frozen(kw_only=True)
class DatabaseMounted(Happening):
    """A database is mounted on ``server``."""

    database: str


@frozen(kw_only=True)
class DatabaseStayed(Happening):
    """A database could not leave ``server`` although its server was drained."""

    database: str
    why: str


@frozen(kw_only=True)
class Outage(Happening):
    """A database serves nobody, and no other copy can take over. ``server`` had it active."""

    database: str
    replicated: bool


@frozen(kw_only=True)
class OutageEnded(Happening):
    """A database that was out serves again."""

    database: str


# --- looks, monitors, faults ---------------------------------------------------------------------


@frozen(kw_only=True)
class ProbeRun(Happening):
    """A probe was run by hand and gave a result."""

    probe: str
    result: str
    error: str
    started: datetime
    boot_time: datetime


@frozen(kw_only=True)
class CopiesLookedAt(Happening):
    """Somebody asked which copies ``server`` has, or where the copies of a database are.

    Attributes:
        rows: What was answered, with the truth beside each row.
        active_databases: Replicated databases truly active on ``server``.
        whole_server: True where all copies of the server were asked for.
    """

    rows: tuple[CopySeen, ...]
    active_databases: tuple[str, ...]
    whole_server: bool


@frozen(kw_only=True)
class MonitorChanged(Happening):
    """A monitor's ``AlertValue`` changed."""

    monitor: str
    before: str
    after: str


@frozen(kw_only=True)
class FaultBegan(Happening):
    """A fault came over a server."""

    fault: str


@frozen(kw_only=True)
class FaultCured(Happening):
    """A fault was cured, by a restart, a reboot, or time."""

    fault: str
    how: str


# --- calls ---------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Called(Happening):
    """A method of the backend was called, whatever came of it."""

    method: str


@frozen(kw_only=True)
class CallBroken(Happening):
    """A call was made to fail by the script.

    Attributes:
        error: Name of the exception the caller got.
        done: ``yes``, ``no``, or ``later`` where the effect arrives after the caller gave up.
    """

    method: str
    error: str
    done: str


H = TypeVar("H", bound=Happening)


class History:
    """An append-only list of happenings, in the order they occurred."""

    def __init__(self) -> None:
        self._happenings: list[Happening] = []
        self._listeners: list[Callable[[Happening], None]] = []
        self._catch_up: Callable[[], None] = lambda: None  # it belongs to no organisation yet

    def append(self, happening: Happening) -> None:
        self._happenings.append(happening)
        for listener in tuple(self._listeners):
            listener(happening)

    def listen(self, listener: Callable[[Happening], None]) -> None:
        """Call the listener with each happening from now on; it must not block or raise."""
        self._listeners.append(listener)

    def read_by(self, catch_up: Callable[[], None]) -> None:
        """Have the organisation catch up with its clock each time the history is read."""
        self._catch_up = catch_up

    def __iter__(self) -> Iterator[Happening]:
        self._catch_up()
        return iter(tuple(self._happenings))

    def __len__(self) -> int:
        self._catch_up()
        return len(self._happenings)

    def of(self, kind: type[H], server: str | None = None, actor: str | None = None) -> list[H]:
        """Return the happenings of one class, in order.

        Args:
            kind: For example :class:`RebootCommanded`.
            server: Only on this server (short name, any case).
            actor: Only by this actor.
        """
        return [
            h
            for h in self
            if isinstance(h, kind)
            and (server is None or h.server.casefold() == server.casefold())
            and (actor is None or h.actor == actor)
        ]

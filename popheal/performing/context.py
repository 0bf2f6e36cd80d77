"""What performers work with: the healing they are part of, and what the run remembers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from threading import Event as Flag
from typing import Any, Final

from attrs import Factory, define, field, frozen

from popheal.catalogue import Monitor
from popheal.clock import Clock
from popheal.custody import Custody
from popheal.definition import Procedure, Verdict
from popheal.errors import BackendError, NotAuthorised
from popheal.events import Event, Observer, log_event, log_observer_failure
from popheal.machine import Run
from popheal.observations import ProbeResult, ServerInfo
from popheal.policy import Policy, Timing
from popheal.procedures import PROCEDURES
from popheal.reading import printable
from popheal.steps import Steps, T, call, pause

#: Boot times of one boot may be told a little apart, as Windows corrects its clock.
SAME_BOOT: Final = timedelta(seconds=30)


@frozen
class Observed:
    """What came of an action: its outcome, and a sentence about it for people.

    What the far side said may be part of the sentence, so it is cut short and made printable.
    """

    outcome: str
    detail: str = field(default="", converter=printable)


@define(kw_only=True)
class Session:
    """One healing: the answer to one alert, with all the runs that it takes.

    Attributes:
        organisation: Name of the organisation, for custody.
        procedures: The tables to follow, by name.
        stop: Set when a person says stop.
        server_known: The alert's server has been found in the organisation.
        exiting: The program wanted to exit: it may once everything is put back.
        restoring: The stop has been heeded: what goes on only puts things back.
        reboots: How often this healing has restarted each server.
    """

    policy: Policy
    clock: Clock
    custody: Custody
    organisation: str
    procedures: Mapping[str, Procedure] = PROCEDURES
    observers: tuple[Observer, ...] = ()
    stop: Flag = field(factory=Flag)
    server_known: bool = False
    restoring: bool = False
    exiting: SystemExit | None = None
    reboots: dict[str, int] = Factory(dict)

    @property
    def timing(self) -> Timing:
        """The policy's waits and deadlines."""
        return self.policy.timing

    @property
    def hurried(self) -> bool:
        """Whether waits are cut short: a person said stop, and that has not been heeded yet."""
        return self.stop.is_set() and not self.restoring

    def tell(self, name: str, server: str, run: Run | None = None, **details: Any) -> None:
        """Tell the log and every observer what happens."""
        event = Event(
            name=name,
            at=self.clock.now(),
            server=server,
            run_id=run.id if run else "",
            procedure=run.procedure.name if run else "",
            state=run.state if run else "",
            details=details,
        )
        for observer in (log_event, *self.observers):
            try:
                observer(event)
            except Exception as error:  # noqa: BLE001 - telling must never change what is told
                log_observer_failure(event, error)


@define(kw_only=True)
class Memory:
    """What a run has seen and later states need.

    Attributes:
        boot_at_start: Boot time of the server when triage looked.
        last_probe: The last probe that failed.
        passed_on_boot: Boot time of the server when a probe last succeeded there.
        changed_at: When the last restart took effect, by the server's own clock.
        boot_before: Boot time just before our reboot command.
        running_before: Services that ran just before it.
        active_before: Databases that were active on the server before the drain.
        backends: Servers found to serve the failed probe; the unhealthy ones once checked.
    """

    boot_at_start: datetime
    last_probe: ProbeResult | None = None
    passed_on_boot: datetime | None = None
    changed_at: datetime | None = None
    boot_before: datetime | None = None
    running_before: tuple[str, ...] = ()
    active_before: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()


@define(kw_only=True)
class Work:
    """One run being carried out: everything a performer may use.

    Attributes:
        heal_backend: Heals another server's mailbox side as a run of its own.
    """

    session: Session
    run: Run
    info: ServerInfo
    monitor: Monitor
    memory: Memory
    heal_backend: Callable[[str], Steps[Verdict]]

    @property
    def server(self) -> str:
        """The server under repair."""
        return self.run.server

    @property
    def timing(self) -> Timing:
        """The policy's waits and deadlines."""
        return self.session.timing

    def intend(self, **details: Any) -> None:
        """Say what is about to be done, before it is."""
        self.session.tell("effect_intended", self.server, self.run, **details)


Performer = Callable[[Work], Steps[Observed]]


def same_boot(one: datetime, other: datetime) -> bool:
    """Whether two boot times of a server are of the same boot."""
    return abs(one - other) <= SAME_BOOT


def booted_since(before: datetime, now: datetime) -> bool:
    """Whether a server has booted again; a boot time moved back is only a corrected clock."""
    return now - before > SAME_BOOT


def persistently(session: Session, method: Callable[..., T], *args: Any) -> Steps[T | BackendError]:
    """Look, and look again after a pause if that failed, a bounded number of times."""
    return (yield from insistently(session, lambda: call(method, *args)))


def insistently(session: Session, look: Callable[[], Steps[T]]) -> Steps[T | BackendError]:
    """Likewise, for a look that takes several calls: all of it is repeated."""
    for again in range(session.timing.probe_attempts):
        if again:
            yield from pause(session.timing.probe_pause)
        try:
            return (yield from look())
        except BackendError as error:
            last = error
        # Who was turned away once is not let in the next time, and might be locked out.
        if isinstance(last, NotAuthorised) or session.hurried:
            break
    return last


def polling(session: Session, deadline: float, every: float) -> Steps[bool]:
    """A pause between two polls; False once the deadline has passed or a person said stop.

    Args:
        session: The healing.
        deadline: ``clock.now().timestamp()`` at which to give up.
        every: Seconds between polls.
    """
    left = deadline - session.clock.now().timestamp()
    if left <= 0 or session.hurried:
        return False
    yield from pause(min(every, left))
    return True


def deadline_in(session: Session, seconds: float) -> float:
    """The deadline that many seconds from now, for :func:`polling`."""
    return session.clock.now().timestamp() + seconds

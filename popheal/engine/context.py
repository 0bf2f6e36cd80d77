"""What handlers work with: the healing they are part of, and what the run remembers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from attrs import Factory, define, field, frozen

from popheal.engine.approval import Approval, Approver
from popheal.engine.control import Control
from popheal.engine.moment import Moment
from popheal.engine.not_commanded import EffectCancelled, EffectWithheld
from popheal.engine.requests import Logic, Sync, Write
from popheal.engine.run import Run
from popheal.exchange.models import ProbeResult, ServerInfo
from popheal.healthsets.pop import PROCEDURES
from popheal.healthsets.pop.catalog import Monitor
from popheal.journal import entries
from popheal.policy.policy import Policy
from popheal.reports import events
from popheal.reports.event_log import is_logged, log_event, log_failure
from popheal.reports.events import Event, Observer
from popheal.reports.report import FindingKind
from popheal.second_opinion import SecondOpinion
from popheal.tables.table import Procedure, Verdict
from popheal.tables.timing import Timing
from popheal.util.clock import Clock, SteadyClock
from popheal.util.serialize import to_jsonable_compact
from popheal.util.text import printable

if TYPE_CHECKING:
    from popheal.journal import Journal, Lease


#: By less seconds a clock is not set, but corrected.
_A_STEP: Final = 30.0


@frozen
class ActionResult:
    """What came of an action: its outcome, and a sentence about it for people.

    What the far side said may be part of the sentence, so it is cut short and made printable.
    ``attempted`` is False where the action was not even begun, and ``by_others`` is True where
    somebody else had done what was to be done. ``kind`` is the reason, where one is known;
    ``about`` is the server that it is about, where that is another one; ``log`` is where on the
    server its POP3 protocol log is, where that was seen.
    """

    outcome: str
    detail: str = field(default="", converter=printable)
    attempted: bool = True
    by_others: bool = False
    kind: FindingKind | None = None
    about: str = ""
    log: str = field(default="", converter=printable)


@define(kw_only=True)
class Progress:
    """How far the looks of the present step have come that are made more than once.

    Attributes:
        tries: By look, how often it was made in vain.
        failures: By probe, how often in a row it has failed.
        deadlines: By poll, when it is given up.
    """

    tries: dict[str, int] = Factory(dict)
    failures: dict[str, int] = Factory(dict)
    deadlines: dict[str, datetime] = Factory(dict)

    def count(self, name: str) -> int:
        """Note one more look in vain; how many there are now."""
        self.tries[name] = self.tries.get(name, 0) + 1
        return self.tries[name]

    def forget(self, name: str) -> None:
        """A look, or a poll, has come to its end."""
        for kept in (self.tries, self.failures, self.deadlines):
            kept.pop(name, None)

    def clear(self) -> None:
        """A step has come to its end."""
        self.tries.clear()
        self.failures.clear()
        self.deadlines.clear()


@define(kw_only=True)
class HealingContext:
    """One healing: the answer to one alert, with all the runs that it takes.

    Attributes:
        organisation: Name of the organisation, for claims.
        journal: Where it is written down; None for a mere look.
        lease: The right to act on the healing, once it has begun.
        server: The server of the alert.
        procedures: The tables to follow, by name.
        control: By which a person says stop, or the process leaves the healing to another.
        server_known: The alert's server has been found in the organisation.
        task_cancelled: The task was cancelled: that goes through once everything is put back.
        exiting: The program wanted to exit: it may once everything is put back.
        restoring: The stop has been heeded: what goes on only puts things back.
        retry_at: When it may be tried again, where something was refused until then.
        approver: Who is asked first where the policy wants an approval, if anybody.
        second_opinion: Where an independent logon is tried besides, if anywhere.
        progress: How far the present step has come.
        clock_ahead: By how many seconds the wall's clock was seen to be set forward.
        moment: What was seen a moment ago.
        case: The :class:`~popheal.engine.case.Case` that grows as the healing goes on.
        go_on: Reads the healing again once it was dropped.
        dropped_in: Where it was dropped, the beginning of the step that waits.
    """

    policy: Policy
    clock: Clock
    organisation: str
    journal: Journal | None = None
    lease: Lease | None = None
    server: str = ""
    procedures: Mapping[str, Procedure] = PROCEDURES
    observers: tuple[Observer, ...] = ()
    control: Control = field(factory=Control)
    server_known: bool = False
    restoring: bool = False
    task_cancelled: bool = False
    exiting: SystemExit | None = None
    retry_at: datetime | None = None
    approver: Approver | None = None
    second_opinion: SecondOpinion | None = None
    progress: Progress = field(factory=Progress)
    clock_ahead: float = 0.0
    moment: Moment = field(
        default=Factory(lambda self: Moment(self.clock.monotonic), takes_self=True), repr=False
    )
    case: Any = field(default=None, repr=False)
    go_on: Callable[[HealingContext], Logic[Any]] | None = None
    dropped_in: datetime | None = None

    @property
    def current_lease(self) -> Lease:
        """The right to act. Only a healing that has begun has it."""
        if self.lease is None:
            raise AssertionError("nothing has begun, so nothing may be done")
        return self.lease

    @property
    def consults(self) -> bool:
        """Whether a second opinion is wanted."""
        return self.second_opinion is not None

    @property
    def wall_now(self) -> datetime:
        """What the wall's clock shows: for what is agreed on with others, as a window is."""
        return self.clock.wall.now() if isinstance(self.clock, SteadyClock) else self.clock.now()

    def note_clock(self) -> None:
        """Tell where the wall's clock has been set since the last look at it."""
        ahead = self.clock.ahead if isinstance(self.clock, SteadyClock) else 0.0
        if abs(ahead - self.clock_ahead) > _A_STEP:
            self.emit(events.ClockSet, self.server, by=round(ahead - self.clock_ahead, 1))
            self.clock_ahead = ahead

    @property
    def timing(self) -> Timing:
        """The policy's waits and deadlines."""
        return self.policy.timing

    @property
    def stop_requested(self) -> bool:
        """Whether waits are cut short: a person said stop, and that has not been heeded yet."""
        return self.control.cancelled and not self.restoring

    @property
    def under_repair(self) -> tuple[str, ...]:
        """The server of the alert, and those that runs are at work on."""
        runs = self.case.run_records if self.case else ()
        at_work = (one.run.server for one in runs if not one.run.verdict)
        return tuple(dict.fromkeys(one for one in (self.server, *at_work) if one))

    def sync_with_journal(self) -> None:
        """Look whether a person has said stop by way of the journal, or write down that one did.

        Raises:
            Fenced: If somebody else has taken the healing over.
        """
        if self.lease:
            self.lease.check()
            if self.lease.stopped:
                self.control.cancel()
            elif self.control.cancelled:
                healing = self.lease.healing
                told = partial(self.emit, events.StopNoted, self.server, healing=healing)
                self.lease.stop(at=self.clock.now(), noted=told)

    def emit(
        self, kind: type[Event], server: str, run: Run | None = None, /, **details: Any
    ) -> None:
        """Tell the log and every observer what happens."""
        if not (is_logged() or self.observers):
            return
        event = kind(
            at=self.clock.now(),
            server=server,
            healing_id=self.lease.healing if self.lease else "",
            run_id=run.id if run else "",
            procedure=run.procedure.name if run else "",
            state=run.state if run else "",
            **details,
        )
        self.tell(event)

    def tell(self, event: Event) -> None:
        """Tell the log and every observer of an event, also of what has happened elsewhere."""
        for observer in (*((log_event,) if is_logged() else ()), *self.observers):
            try:
                observer(event)
            except Exception as error:  # noqa: BLE001 - telling must never change what is told
                log_failure(event.name, error)


@define(kw_only=True)
class RunState:
    """What a run has seen and later states need.

    Attributes:
        boot_at_start: Boot time of the server when triage looked.
        skew: By how many seconds the server's clock was ahead of ours then.
        last_probe: The last probe that failed.
        passed_on_boot: Boot time of the server when a probe of its mailbox side last succeeded
            there.
        proof_probes: The probes of the mailbox side that can be run by hand there.
        up_since: When the server was seen to be back from its restart, by our own clock.
        update_pending: Windows had a restart pending before ours, so it configures updates.
        changed_at: When the last restart took effect, by the server's own clock.
        boot_before: Boot time just before our reboot command.
        running_before: Services that ran just before it.
        active_before: Databases that were active on the server before the drain.
        backends: Servers found to serve the failed probe; the unhealthy ones once checked.
        backends_proven: Those of them to which a session of the probe in the log was passed.
        intended: The effects of the present action that were written down, by command, with
            their details. Where a run is resumed after a crash they may have been done.
        no_disruption: Why the server must not be taken out of service, where that was told: a
            cause that no reboot cures.
        until: When the present action's wait is over.
        approval: What a person has approved for this run.
    """

    boot_at_start: datetime
    skew: float = 0.0
    last_probe: ProbeResult | None = None
    passed_on_boot: datetime | None = None
    proof_probes: tuple[str, ...] = ()
    up_since: datetime | None = None
    update_pending: bool = False
    changed_at: datetime | None = None
    boot_before: datetime | None = None
    running_before: tuple[str, ...] = ()
    active_before: tuple[str, ...] = ()
    backends: tuple[str, ...] = ()
    backends_proven: tuple[str, ...] = ()
    intended: dict[str, dict[str, Any]] = Factory(dict)
    no_disruption: str = ""
    until: datetime | None = None
    approval: Approval | None = None

    def moved_on(self) -> None:
        """Forget what was about the action that has just been carried out."""
        self.intended, self.until = {}, None


@define(kw_only=True)
class RunContext:
    """One run being carried out: everything a handler may use.

    Attributes:
        dag: The database availability group of the server, if it is in one.
        pending: Monitors that failed too when the run was started, for later.
        parent: The run that this one is part of; empty if none.
        began: When the present step began; None between two steps.
        rejoins: The healing was dropped within the present step, which goes on where it was.
        withheld: Why no effect may be commanded again, where a run is resumed.
        heal_server: Heals another server's mailbox side as a run of its own.
    """

    session: HealingContext
    run: Run
    info: ServerInfo
    monitor: Monitor
    memory: RunState
    heal_server: Callable[[str], Logic[Verdict]]
    dag: str | None = None
    pending: tuple[str, ...] = ()
    parent: str = ""
    began: datetime | None = None
    rejoins: bool = False
    withheld: str = ""

    @property
    def server(self) -> str:
        """The server under repair."""
        return self.run.server

    @property
    def timing(self) -> Timing:
        """The policy's waits and deadlines."""
        return self.session.timing

    @property
    def deadline(self) -> float:
        """How long the present action waits, or polls, in seconds."""
        action = self.run.next_action()
        return action.waits(self.timing) if action else 0.0

    async def intend(
        self, effect: Callable[..., None], *args: Any, command: str, **details: Any
    ) -> None:
        """Write down what is about to be done; without that nothing is.

        Args:
            effect: The backend's method.
            args: What it will be called with, after the server.
            command: What tells it from other effects of the same action, for people.
            details: What whoever goes on after a crash needs to know; plain values.

        Raises:
            EffectWithheld: If it may have been done before, and must not be commanded again.
            EffectCancelled: If a person has said stop, and nothing of the action was begun.
        """
        action = self.run.next_action()
        if action and not action.impact.harmless:
            if self.withheld:
                raise EffectWithheld(why=self.withheld)
            # The looks before it may have taken minutes.
            await Sync()
            if self.stopped and not self.memory.intended:
                raise EffectCancelled
        self.memory.intended[command] = details
        self.emit(events.EffectIntended, command=command, values=details)
        await self.write(
            entries.EffectIntended,
            args=(self.server, *args),
            effect=effect.__name__,
            command=command,
            dag=self.dag,
            values=details,
        )

    def emit(self, kind: type[Event], /, **details: Any) -> None:
        """Tell the log and every observer what happens in this run."""
        self.session.emit(kind, self.server, self.run, **details)

    async def write(
        self, kind: type[entries.RunEntry], /, *, args: tuple[Any, ...] = (), **more: Any
    ) -> None:
        """Write an entry about the run down, with everything needed to resume it from there."""
        entry = kind(
            at=self.session.clock.now(),
            server=self.server,
            run_id=self.run.id,
            run=self.run.snapshot(),
            memory=to_jsonable_compact(self.memory),
            **more,
        )
        await Write(entry, args)

    @property
    def stopped(self) -> bool:
        """Whether a person has said stop, and the run has not heeded it yet."""
        return self.session.control.cancelled and not self.run.cancelled


ActionHandler = Callable[[RunContext], Logic[ActionResult]]

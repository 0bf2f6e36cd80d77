"""How a program heals: a :class:`Healer`, or the functions that make one for a single use.

The engine is imported where it is started: a program that only imports the library, to read a
table or to show its help, does not wait for it.
"""

from __future__ import annotations

import uuid
from collections.abc import Coroutine, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypedDict, TypeVar, Unpack

from attrs import evolve, field, frozen

from popheal.engine.control import Control
from popheal.errors import UnknownName
from popheal.exchange.backend import AsyncBackend, Backend
from popheal.healthsets.pop import PROCEDURES
from popheal.policy.policy import Policy
from popheal.reports.report import Alert, Report
from popheal.second_opinion.settings import SecondOpinion
from popheal.tables.table import Procedure
from popheal.util.clock import Clock, SteadyClock, SystemClock

if TYPE_CHECKING:
    from popheal.engine.approval import Approver
    from popheal.engine.context import HealingContext
    from popheal.engine.perform import Start
    from popheal.engine.plan import Plan
    from popheal.engine.triage import Triage
    from popheal.journal import Journal
    from popheal.readiness import Readiness, ServerReadiness
    from popheal.readiness.survey import Survey
    from popheal.reports.events import Observer


T = TypeVar("T")

#: One for all healings: those of an event loop that wait by the same clock share a timer.
_WALL: Final = SystemClock()


def _with_shipped(given: Mapping[str, Procedure]) -> Mapping[str, Procedure]:
    """The tables to follow: those given, and the shipped ones for the names that are missing."""
    for name in given:
        if name not in PROCEDURES:
            raise UnknownName(kind="procedure", name=name, known=PROCEDURES)
    return {**PROCEDURES, **given}


@frozen
class Healer:
    """Answers alerts of one organisation. It has no state of its own: use it as often as you like.

    Attributes:
        backend: What reaches the Exchange organisation. The asynchronous methods take either
            kind; a synchronous one's methods are then called in a worker thread, one at a time.
        policy: How far to go; safe by default. For :meth:`resume`, None means what was allowed
            when the healing began.
        clock: Time; by default the backend's own ``clock`` if it has one (a simulated
            organisation does), else the wall clock.
        journal: Where it is written down before and after each effect, so that it can be resumed
            after a crash; by default one in the memory of this process.
        observers: Called with each :class:`~popheal.reports.events.Event` as it happens.
        approver: Asked where the policy wants a person's approval, see
            :class:`~popheal.engine.approval.ApprovalRequest`. Without one, or where it does not
            decide, the healing waits for an answer in the journal, if that is a file.
        second_opinion: Where an independent POP3 logon is tried besides, once triage has looked
            and at the end. It is told in the report, and decides nothing. None: nowhere.
        procedures: Tables to follow instead of the shipped ones, by their names: ``mailbox``,
            ``client_access``, ``proxy``, ``command_time``.

    Raises:
        UnknownName: If ``procedures`` has a name that no monitor asks for.
    """

    backend: AsyncBackend | Backend
    policy: Policy | None = field(default=None, kw_only=True)
    clock: Clock | None = field(default=None, kw_only=True)
    journal: Journal | None = field(default=None, kw_only=True)
    observers: Sequence[Observer] = field(default=(), kw_only=True)
    approver: Approver | None = field(default=None, kw_only=True)
    second_opinion: SecondOpinion | None = field(default=None, kw_only=True)
    procedures: Mapping[str, Procedure] = field(
        default=PROCEDURES, converter=_with_shipped, kw_only=True
    )

    def heal(self, alert: Alert, *, control: Control | None = None) -> Report:
        """Verify an alert and carry out the runbook's procedure for what really fails.

        Args:
            alert: What to answer.
            control: Lets others stop the healing, or take it away from this process.

        Returns:
            The report, whatever happened: failures of the backend are part of it, and a defect of
            popheal is a finding of the kind ``DEFECT``, by which the healing has ended.

        Raises:
            UnknownName: If the organisation has no such server; nothing was done.
            JournalError: If the journal can't be written. Nothing was done from then on; what
                had been done is in the journal, and :meth:`resume` continues it.
            Detached: If ``control.detach()`` was called.

        A first Ctrl-C during a call or a pause does what ``control.cancel()`` does; a second one
        breaks off and leaves things as they are. A program that can handle signals should call
        that in its handler instead, which never breaks off a remote command.
        """
        context = self._context(alert.server, control)
        return self._drive(self._begin(context, alert), context)

    async def aheal(self, alert: Alert, *, control: Control | None = None) -> Report:
        """Like :meth:`heal`, without blocking the event loop.

        If the task is cancelled, restoring actions are still carried out before the cancellation
        goes through; a second cancellation breaks off.
        """
        context = self._context(alert.server, control)
        return await self._adrive(self._begin(context, alert), context)

    def resume(self, healing: str, *, control: Control | None = None) -> Report:
        """Resume a healing whose process has died; it looks before it repeats any effect.

        What was approved before still is, if it has not expired. A run whose table has changed
        pays its debts and is handed over.

        Args:
            healing: Its id (``journal.healings(unfinished=True)`` has them), or that of a run.
            control: As for :meth:`heal`.

        Raises:
            UnknownName: If the journal has no such unfinished healing.
            AlreadyRunning: If a living process is at work on it.
            JournalError: As for :meth:`heal`.
        """
        context = self._context("", control)
        return self._drive(self._take_over(context, healing), context)

    async def aresume(self, healing: str, *, control: Control | None = None) -> Report:
        """Like :meth:`resume`, without blocking the event loop."""
        context = self._context("", control)
        return await self._adrive(self._take_over(context, healing), context)

    def triage(self, alert: Alert) -> Report:
        """Only verify (runbook: Verifying the issue still exists). Changes nothing.

        A verified fault is reported as ``escalated``, since nothing was done about it.

        Raises:
            UnknownName: If the organisation has no such server.
        """
        context = self._context(alert.server)
        return self._drive(self._triage(context, alert), context)[1]

    async def atriage(self, alert: Alert) -> Report:
        """Like :meth:`triage`, without blocking the event loop."""
        context = self._context(alert.server)
        return (await self._adrive(self._triage(context, alert), context))[1]

    def plan(self, alert: Alert) -> Plan:
        """Verify, and say what healing could do from here. Changes nothing.

        Raises:
            UnknownName: If the organisation has no such server.
        """
        context = self._context(alert.server)
        return self._drive(self._plan(context, alert), context)

    async def aplan(self, alert: Alert) -> Plan:
        """Like :meth:`plan`, without blocking the event loop."""
        context = self._context(alert.server)
        return await self._adrive(self._plan(context, alert), context)

    def check(self, servers: Sequence[str], *, control: Control | None = None) -> Readiness:
        """See whether popheal finds what it needs on these servers. Changes nothing.

        What can't be had is a line of its own, and ends nothing: see
        :mod:`popheal.readiness.items` for what is looked at. Servers are looked at side by side
        where the backend can have several connections at once.

        Args:
            servers: Their names; at least one.
            control: Lets others end it early.

        Raises:
            Detached: If it was ended by ``control``.
        """
        clock = self._own_clock()
        began = clock.now(), clock.monotonic()
        found = self._survey(servers, control).carry_out(self.backend)
        return self._readiness(began[0], clock.monotonic() - began[1], found)

    async def acheck(self, servers: Sequence[str], *, control: Control | None = None) -> Readiness:
        """Like :meth:`check`, without blocking the event loop."""
        clock = self._own_clock()
        began = clock.now(), clock.monotonic()
        found = await self._survey(servers, control).acarry_out(self.backend)
        return self._readiness(began[0], clock.monotonic() - began[1], found)

    # --- inside ----------------------------------------------------------------------------------

    def _context(self, server: str, control: Control | None = None) -> HealingContext:
        from popheal.engine.context import HealingContext

        return HealingContext(
            policy=self.policy or Policy(),
            clock=SteadyClock(self._own_clock()),
            organisation=self.backend.organisation,
            server=server,
            procedures=self.procedures,
            observers=tuple(self.observers),
            control=control or Control(),
            approver=self.approver,
            second_opinion=self.second_opinion,
        )

    def _own_clock(self) -> Clock:
        own: Clock | None = getattr(self.backend, "clock", None)
        return self.clock or own or _WALL

    def _survey(self, servers: Sequence[str], control: Control | None = None) -> Survey:
        from popheal.readiness.survey import Survey

        # What can't be read at once is told as such.
        policy = self.policy or Policy()
        hasty = evolve(policy, timing=evolve(policy.timing, probe_attempts=1))
        return Survey(
            servers=servers,
            policy=policy,
            procedures=tuple(self.procedures.values()),
            make_context=lambda server: evolve(self, policy=hasty, observers=())._context(
                server, control
            ),
            control=control or Control(),
        )

    def _readiness(
        self, at: datetime, seconds: float, servers: Sequence[ServerReadiness]
    ) -> Readiness:
        from popheal.policy.in_words import in_words
        from popheal.readiness import Readiness
        from popheal.readiness.on_this_machine import journal_lines

        policy = self.policy or Policy()
        return Readiness(
            at=at,
            seconds=seconds,
            organisation=self.backend.organisation,
            here=journal_lines(self.journal.path if self.journal else None, policy),
            servers=tuple(servers),
            policy=in_words(policy),
        )

    def _begin(self, context: HealingContext, alert: Alert) -> Start[Report]:
        from popheal.engine.healing import begin

        return partial(begin, context, alert, self._journal(), uuid.uuid4().hex[:12])

    def _take_over(self, context: HealingContext, healing: str) -> Start[Report]:
        from popheal.engine.healing import take_over

        return partial(take_over, context, healing, self._journal(), self.policy)

    def _triage(self, context: HealingContext, alert: Alert) -> Start[tuple[Triage, Report]]:
        from popheal.engine.healing import triage_only

        return partial(triage_only, context, alert)

    def _plan(self, context: HealingContext, alert: Alert) -> Start[Plan]:
        from popheal.engine.planning import plan_only

        return partial(plan_only, context, alert)

    def _journal(self) -> Journal:
        from popheal.journal import process_journal

        return self.journal or process_journal()

    def _drive(self, start: Start[T], context: HealingContext) -> T:
        from popheal.engine.drive import drive

        return drive(start, self.backend, context)

    def _adrive(self, start: Start[T], context: HealingContext) -> Coroutine[Any, Any, T]:
        from popheal.engine.adrive import adrive

        return adrive(start, self.backend, context)


class Settings(TypedDict, total=False):
    """What a :class:`Healer` takes besides the backend."""

    policy: Policy | None
    clock: Clock | None
    journal: Journal | None
    observers: Sequence[Observer]
    approver: Approver | None
    second_opinion: SecondOpinion | None
    procedures: Mapping[str, Procedure]


def heal(
    alert: Alert, backend: Backend, *, control: Control | None = None, **settings: Unpack[Settings]
) -> Report:
    """:meth:`Healer.heal`, for a single alert."""
    return Healer(backend, **settings).heal(alert, control=control)


async def aheal(
    alert: Alert,
    backend: AsyncBackend | Backend,
    *,
    control: Control | None = None,
    **settings: Unpack[Settings],
) -> Report:
    """:meth:`Healer.aheal`, for a single alert."""
    return await Healer(backend, **settings).aheal(alert, control=control)


def resume(
    healing: str, backend: Backend, *, control: Control | None = None, **settings: Unpack[Settings]
) -> Report:
    """:meth:`Healer.resume`, for a single healing; ``journal`` must be given."""
    return Healer(backend, **settings).resume(healing, control=control)


async def aresume(
    healing: str,
    backend: AsyncBackend | Backend,
    *,
    control: Control | None = None,
    **settings: Unpack[Settings],
) -> Report:
    """:meth:`Healer.aresume`, for a single healing; ``journal`` must be given."""
    return await Healer(backend, **settings).aresume(healing, control=control)


def triage(alert: Alert, backend: Backend, **settings: Unpack[Settings]) -> Report:
    """:meth:`Healer.triage`, for a single alert."""
    return Healer(backend, **settings).triage(alert)


async def atriage(
    alert: Alert, backend: AsyncBackend | Backend, **settings: Unpack[Settings]
) -> Report:
    """:meth:`Healer.atriage`, for a single alert."""
    return await Healer(backend, **settings).atriage(alert)


def plan(alert: Alert, backend: Backend, **settings: Unpack[Settings]) -> Plan:
    """:meth:`Healer.plan`, for a single alert."""
    return Healer(backend, **settings).plan(alert)


async def aplan(
    alert: Alert, backend: AsyncBackend | Backend, **settings: Unpack[Settings]
) -> Plan:
    """:meth:`Healer.aplan`, for a single alert."""
    return await Healer(backend, **settings).aplan(alert)

"""One healing as one workflow: with its runs, debts, questions, and its report as the result."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from attrs import define, evolve, field
from temporalio import workflow
from temporalio.common import RetryPolicy, VersioningBehavior
from temporalio.exceptions import ActivityError, ApplicationError

from popheal.engine.context import HealingContext
from popheal.engine.healing import begin, take_over
from popheal.engine.parking import park, rests, unpark
from popheal.engine.requests import Call, Claim, Logic, Pause, Request
from popheal.engine.run import Run
from popheal.errors import ApprovalNotPending, JournalError, UnknownName
from popheal.exchange.names import short_name
from popheal.journal import Author, Journal
from popheal.journal.rows import WRONG
from popheal.policy.policy import Policy
from popheal.reports.events import Event, HandedOver
from popheal.reports.report import Alert, Report
from popheal.temporal.continuing import (
    HistoryIsLong,
    can_be_read,
    fits,
    is_long,
    rebuild,
)
from popheal.temporal.custody import Line
from popheal.temporal.driver import WorkflowClock, drive
from popheal.temporal.listing import GROUP, HEALING, NAME, RETRY_AT, SERVER, STATE, VERDICT, Shown
from popheal.temporal.messages import (
    Asked,
    Continued,
    Decision,
    HealingOrder,
    HealingResult,
    Notice,
    Progress,
    Settlement,
    Written,
    site_queue,
)
from popheal.temporal.own_tables import OTHER_TABLES, other_tables, tables
from popheal.temporal.performer import Performer
from popheal.util.clock import SteadyClock
from popheal.util.serialize import from_jsonable
from popheal.util.text import one_line

#: Of an event, what is told.
_SAID: Final = ("action", "command", "outcome", "kind", "detail", "verdict", "plan")
_LONGEST: Final = 160
#: For so long is it waited for those who are notified; twice that where a worker is missing.
_NOTIFYING: Final = timedelta(minutes=1)
#: So many of its events does a healing tell of when it is asked.
_TOLD: Final = 40


def healing_id(organisation: str, server: str) -> str:
    """The workflow id of the healing of a server: there is one at a time."""
    return f"popheal/healing/{organisation}/{short_name(server)}"


def healing_of(first_run: str) -> str:
    """The id of a healing by the first run of its workflow, unless it settles another one."""
    # Its last digits: the first ones of some ids are the time.
    return first_run.replace("-", "")[-12:]


def _given_up(why: str) -> ApplicationError:
    said = f"it can't be settled: {why}. Look at the servers, put back, then: popheal fleet clear"
    return ApplicationError(said, type="NotSettled", non_retryable=True)


@define(kw_only=True)
class _Context(HealingContext):
    """A healing's context in a workflow: a replay tells nothing again."""

    told: deque[str] = field(factory=lambda: deque(maxlen=_TOLD))
    #: What people are to be notified of, once it is handed over to them.
    notice: Notice | None = None
    #: Whether a second opinion is wanted: its settings are the site's.
    opinion_wanted: bool = False

    @property
    def consults(self) -> bool:
        return self.opinion_wanted

    def emit(
        self, kind: type[Event], server: str, run: Run | None = None, /, **details: Any
    ) -> None:
        said = [kind.name.replace("_", " "), *(details.get(one) for one in _SAID)]
        text = " ".join(str(getattr(one, "value", one)) for one in said if one is not None)
        self.told.append(one_line(f"{self.clock.now():%H:%M:%S} {server}: {text}", _LONGEST))
        if kind is HandedOver:
            report, head = details["report"].to_json(), details["head"]
            healing = self.current_lease.healing
            self.notice = Notice(healing=healing, report=report, head=head, at=self.clock.now())
        if not workflow.unsafe.is_replaying():
            super().emit(kind, server, run, **details)


@workflow.defn(name=HEALING, versioning_behavior=VersioningBehavior.PINNED)
class Healing:
    """Answers one alert."""

    @workflow.init
    def __init__(self, order: HealingOrder) -> None:
        info = workflow.info()
        self.id = healing_of(info.first_execution_run_id)
        self.order = order
        self.alert = from_jsonable(order.alert, Alert)
        self.author = Author(process=f"workflow {info.workflow_id}", account=order.by)
        self.begun_by = self.author
        if order.settles:
            self.id = order.settles.healing
            self.begun_by = Author(process=order.settles.process, account=order.settles.begun_by)
        self.journal = Journal(author=self.begun_by)
        before = order.continues
        clock = WorkflowClock(order.pace.speed, before.began if before else None)
        self.context = _Context(
            policy=Policy.from_json(order.policy),
            clock=clock,
            organisation=order.organisation,
            server=self.alert.server,
            opinion_wanted=order.second_opinion,
            procedures=tables(),
        )
        self.performer = Performer(order, self.context, clock)
        self.shown = Shown(order.listed)
        self.verdict = ""
        #: It can't begin a new history.
        self.stays = False
        #: It has begun one. As long as this one is in memory, somebody may still ask here.
        self.left = False
        # At once, as somebody may say something before it is carried out.
        self.goes_on = self._go_on(before) if before else None

    @workflow.run
    async def run(self, order: HealingOrder) -> HealingResult:  # noqa: ARG002 - taken in by __init__
        """Carry it out. It ends well whatever the verdict, and fails for no healing's sake."""
        carried_out = asyncio.create_task(self._carry_out())
        try:
            while not carried_out.done():
                try:
                    await workflow.wait_condition(carried_out.done)
                except asyncio.CancelledError:
                    if workflow.cancellation_reason() is None:
                        raise  # it is only dropped from memory
                    self._stop(f"cancelled: {workflow.cancellation_reason()}")
            return carried_out.result()
        except HistoryIsLong as end:
            self.left = True
            # Now, as somebody may have said something since.
            workflow.continue_as_new(self._from_here(end.parked), memo={NAME: self.id})
        except UnknownName as error:
            raise ApplicationError(str(error), type="UnknownName", non_retryable=True) from None
        finally:
            if not self.left:
                self.journal.close()

    async def _carry_out(self) -> HealingResult:
        logic = self.goes_on or await self._begin()
        report: Report = await drive(logic, self._perform)
        self.verdict = report.verdict.value
        self.shown.show({VERDICT: self.verdict, RETRY_AT: report.retry_at})
        if self.context.notice is not None:
            await self._notify(self.context.notice)
        about = [one for one in self.journal.export() if one["type"] != "entry"]
        return HealingResult(
            report=report.to_json(),
            entries=self.performer.entries(),
            head=str(self.journal.head()),
            about=tuple(about),
        )

    async def _begin(self) -> Logic[Report]:
        await self.performer.tell_time()
        self.context.clock = SteadyClock(self.performer.clock)
        if self.order.settles:
            return await self._settle(self.order.settles)
        if others := other_tables(self.order.tables):
            said = (
                f"the workers that took it up have other tables: {others}. It was not begun. Start "
                "workers that have them: popheal fleet worker --engine --current --procedure"
            )
            raise ApplicationError(said, type=OTHER_TABLES, non_retryable=True)
        return begin(self.context, self.alert, self.journal, self.id)

    async def _settle(self, settles: Settlement) -> Logic[Report]:
        """Take over what another workflow has begun, as if a person had said stop.

        So what it has changed is put back where that is safe, and all else is handed over. Nothing
        is begun.
        """
        try:
            self.performer.sent = self._rebuild(settles.entries, settles.version)
        except (*WRONG, JournalError) as error:
            raise _given_up(f"what it has written down can't be read again: {error}") from None
        if custodian := await self.performer.claims.take_over(settles):
            raise _given_up(f"it has not, or not any more, what {custodian} guards")
        if settles.not_before is not None:
            # What has been commanded lately must be seen.
            await workflow.sleep(max(settles.not_before - workflow.now(), timedelta()))
            await self.performer.tell_time()
        self._stop(f"settled by {self.order.by}")
        return take_over(self.context, self.id, self.journal, None)

    def _rebuild(self, entries: tuple[Line, ...], version: str) -> int:
        """The journal as it was; the place of its last entry."""
        return rebuild(
            self.journal,
            self.id,
            self.order,
            entries,
            version=version,
            procedures=self.context.procedures.values(),
            author=self.author,
        )

    # --- in another history ----------------------------------------------------------------------

    def _leave_if_long(self) -> None:
        """Leave it where it rests, where the history is long."""
        if self.stays or not (is_long(self.order.pace) and rests(self.context.case)):
            return
        parked = park(self.context.case)
        taken = self._taken_along(parked)
        known = self.context.procedures.values()
        if not fits(taken):
            why = "holds too much to begin a new one"
        elif not can_be_read(self.id, self.order, taken, begun_by=self.begun_by, procedures=known):
            why = "can't be read again, so no new one is begun"
        else:
            raise HistoryIsLong(parked)
        self.stays = True
        self.context.told.append(f"its history is long, and {why}")

    def _taken_along(self, parked: Mapping[str, Any]) -> Continued:
        claims, clock = self.performer.claims, self.performer.clock
        self.context.current_lease.flush()
        return Continued(
            version=self.journal.healing(self.id).version,
            parked=parked,
            entries=tuple(self.journal.lines_after(0)),
            rights=claims.rights,
            begun=tuple(claims.begun),
            effects=tuple(claims.effects),
            told=tuple(self.context.told),
            stopped=self.context.control.cancelled,
            began=clock.began,
            at=clock.told,
        )

    def _from_here(self, parked: Mapping[str, Any]) -> HealingOrder:
        """What is asked of the workflow's next run."""
        settles = self.order.settles
        return evolve(
            self.order,
            settles=evolve(settles, entries=()) if settles else None,
            continues=self._taken_along(parked),
        )

    def _go_on(self, before: Continued) -> Logic[Report]:
        """From where the last history has ended; without the tables, as after a crash."""
        performer, context = self.performer, self.context
        performer.clock.told = before.at
        context.clock = SteadyClock(performer.clock)
        context.told.extend(before.told)
        performer.claims.rights.update(before.rights)
        performer.claims.begun.extend(before.begun)
        performer.claims.effects.extend(before.effects)
        performer.sent = self._rebuild(before.entries, before.version)
        if before.stopped:
            context.control.cancel()
        try:
            return unpark(context, before.parked, self.journal)
        except LookupError:
            return take_over(context, self.id, self.journal, None)

    # --- what it asks for ------------------------------------------------------------------------

    async def _perform(self, request: Request[Any]) -> Any:
        """Carry a request out; where that takes a while, lists show what the healing is at."""
        if isinstance(request, Claim) and request.kind == "dag" and not request.only_look:
            self.shown.show({GROUP: request.name})
        elif isinstance(request, Call | Pause):
            # No more of its name than the workflow's id tells, which is never encrypted either.
            self.shown.show({SERVER: short_name(self.alert.server), STATE: self._state()})
        answer = await self.performer.perform(request)
        if isinstance(request, Pause):
            self._leave_if_long()
        return answer

    async def _notify(self, notice: Notice) -> None:
        """Have whoever is to be told at the site told: once all is done, and every claim given up.

        By an activity, as a replay must tell nothing again. It is waited for a short time only,
        and changes nothing.
        """
        try:
            await workflow.execute_activity(
                "notify",
                notice,
                task_queue=site_queue(self.order.site),
                activity_id="notify",
                start_to_close_timeout=_NOTIFYING,
                schedule_to_close_timeout=2 * _NOTIFYING,
                retry_policy=RetryPolicy(maximum_attempts=2),  # where its worker dies
            )
        except ActivityError:
            self.context.told.append("nobody was notified: no worker of the site has done it")

    # --- people ----------------------------------------------------------------------------------

    @workflow.update
    def stop(self, decision: Decision) -> None:
        """Stop: from now on it only puts back, and hands over the rest."""
        self._stop(f"stopped by {decision.who}: {decision.why}")

    def _stop(self, why: str) -> None:
        self.context.told.append(one_line(why, _LONGEST))
        self.context.control.cancel()
        self.performer.nudged = True

    @stop.validator
    def _may_stop(self, decision: Decision) -> None:  # noqa: ARG002 - whoever it is
        if not self._unfinished:
            raise ApplicationError("it has not begun, or has ended", non_retryable=True)

    @workflow.update
    def answer(self, decision: Decision) -> None:
        """Approve a plan that it asks about, or refuse it."""
        try:
            self.journal.approve(
                self.id,
                decision.plan,
                granted=decision.granted,
                by=decision.who,
                at=self.context.clock.now(),
            )
        except ApprovalNotPending as error:
            said = error.sentence()
            raise ApplicationError(said, type=type(error).__name__, non_retryable=True) from None
        self.performer.nudged = True

    @answer.validator
    def _may_answer(self, decision: Decision) -> None:
        plans = [one.plan for one in self._questions()]
        if decision.plan not in plans:
            said = f"it asks about {' and '.join(plans) or 'nothing'} now"
            raise ApplicationError(said, type=ApprovalNotPending.__name__, non_retryable=True)

    @workflow.query
    def progress(self) -> Progress:
        """How far it has come."""
        return Progress(
            healing=self.id,
            server=self.alert.server,
            state=self._state(),
            verdict=self.verdict,
            events=tuple(self.context.told),
            asked=tuple(self._questions()),
        )

    @workflow.query
    def written(self) -> Written:
        """What it has written down so far."""
        return Written(lines=tuple(self.journal.export()))

    def _state(self) -> str:
        """The state of the last run; empty before the first."""
        case = self.context.case
        runs = case.run_records if case else ()
        run = runs[-1].run if runs else None
        return f"{run.procedure.name}: {run.state}" if run else ""

    @property
    def _unfinished(self) -> bool:
        return self.context.lease is not None and not self.verdict

    def _questions(self) -> list[Asked]:
        lease = self.context.lease
        if lease is None or self.verdict:
            return []
        return [
            Asked(
                plan=one.plan,
                run=one.run,
                server=one.server,
                impact=one.impact.value,
                expires_at=one.expires_at,
                planned=one.planned,
            )
            for one in lease.questions()
            if not one.outcome
        ]

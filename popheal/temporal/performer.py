"""What the logic of a healing asks for, as commands of a workflow.

The journal is in the workflow's memory: replayed, it says the same again. What has been written
into it travels with the next command, so an intent is in the history before its effect is.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from attrs import asdict, define, evolve, field
from temporalio import workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ActivityError
from temporalio.workflow import ActivityCancellationType

from popheal.engine import requests as asked
from popheal.engine.context import HealingContext
from popheal.engine.not_commanded import EffectInterrupted
from popheal.engine.perform import as_answerable, in_journal
from popheal.engine.requests import (
    Claim,
    Consult,
    Count,
    Effect,
    Look,
    Pause,
    Request,
    Reread,
    Watch,
    Write,
)
from popheal.errors import PophealError, UnknownName, Unreadable
from popheal.exchange.backend import OpensAhead
from popheal.journal.entries import EffectIntended
from popheal.second_opinion import Consulted
from popheal.temporal.carried import (
    begun_elsewhere,
    guard_of,
    interrupted_again,
    of_effect,
    of_look,
    read_value,
)
from popheal.temporal.claims import Claims
from popheal.temporal.custody import BeginAnswer, ClaimAnswer, Line, Revoke
from popheal.temporal.driver import WorkflowClock
from popheal.temporal.messages import (
    ENGINE_QUEUE,
    Answer,
    Command,
    Guarded,
    HealingOrder,
    Polled,
    site_queue,
)
from popheal.temporal.opinion_at_site import consult_at
from popheal.util.serialize import to_jsonable

#: An effect that nobody takes up within so many seconds rests on looks that have become old.
_TAKEN_UP_WITHIN: Final = 30.0
#: What an activity takes beside the command that it gives, in seconds.
_BESIDES: Final = 30.0
#: So many commands may a look of several calls take, for the bound of its time.
_CALLS_OF_A_LOOK: Final = 6
#: After so many seconds without a sign of life a look's worker is taken for dead.
_BEATS: Final = 30.0
#: How long it is waited for a worker of the site, or for the custodian, in seconds.
_PATIENCE: Final = 900.0

#: The nonce by which a healing itself takes the latch of an effect.
_REVOKED: Final = "revoked"
#: Where time passes faster, for tests, an effect has so many real seconds nevertheless.
_LEAST_BOUND: Final = 4.0
#: Where time is simulated, so much has passed when nobody has answered for an effect.
_A_MOMENT: Final = 1.0
#: Of what harms nobody: tried again for ever.
_PATIENT: Final = RetryPolicy(
    initial_interval=timedelta(seconds=1), maximum_interval=timedelta(seconds=_BEATS)
)
#: What no worker needs to be asked.
_UNASKED: Final[Mapping[str, None]] = {OpensAhead.open_ahead.__name__: None}


@define
class Performer:
    """Performs the requests of one healing.

    Args:
        order: The healing that was asked for.
        context: The engine's; its journal is in memory.
        clock: The clock of the context.
    """

    order: HealingOrder
    context: HealingContext
    clock: WorkflowClock
    claims: Claims = field(init=False)
    #: Something has happened that a pause must look at: an answer, a stop.
    nudged: bool = field(default=False, init=False)
    #: Until when a person is waited for; None where nobody is.
    _awaited: datetime | None = field(default=None, init=False)
    _commands: int = field(default=0, init=False)
    #: The last entry that has travelled, or is kept elsewhere.
    sent: int = field(default=0, init=False)
    _intent: EffectIntended | None = field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.claims = Claims(self.order.organisation, self._by_engine)

    async def perform(self, request: Request[Any]) -> Any:
        """Carry a request out; returns its answer, or raises one of our errors."""
        if not isinstance(request, Pause):
            self._awaited = None  # what it waits for is not a person, or not any more
        if isinstance(request, Look):
            return await self._look(request)
        self.context.moment.recall(request)  # which ends the moment, if anything may change
        own = _OWN.get(type(request))
        if own:
            return await own(self, request)
        answer = in_journal(request, self.context)()
        if isinstance(request, Write) and isinstance(request.entry, EffectIntended):
            self._intent = request.entry
        if isinstance(request, Reread):
            self._awaited = None if answer.outcome else answer.expires_at
        if isinstance(request, asked.End | asked.Forget):
            await self.claims.release(self.context.current_lease.healing)
        return answer

    def entries(self) -> tuple[Line, ...]:
        """What has been written down since it was asked last."""
        lease = self.context.lease
        if lease is None or self.context.journal is None:
            return ()
        lease.flush()
        lines = tuple(self.context.journal.lines_after(self.sent))
        self.sent = lines[-1]["seq"] if lines else self.sent
        return lines

    async def tell_time(self) -> None:
        """Ask for the time where that is simulated."""
        if self.order.pace.simulated:
            await self._pass(0.0)

    # --- looks -----------------------------------------------------------------------------------

    async def _look(self, request: Look[Any]) -> Any:
        if request.name in _UNASKED:
            return _UNASKED[request.name]
        if seen := self.context.moment.recall(request):
            return seen[0]
        timing = self.context.timing
        calls = _CALLS_OF_A_LOOK if request.name in asked.REGISTERED else 1
        bound = timing.command_timeout * calls + _BESIDES
        try:
            answer: Answer = await workflow.execute_activity(
                "look",
                self._command(request),
                result_type=Answer,
                task_queue=site_queue(self.order.site),
                activity_id=self._name(request.name),
                start_to_close_timeout=timedelta(seconds=bound),
                schedule_to_close_timeout=timedelta(seconds=bound + _PATIENCE),
                heartbeat_timeout=timedelta(seconds=_BEATS),
                retry_policy=_PATIENT,
            )
        except ActivityError as error:
            raise self._answerable(request, of_look(error, request.server, request.name)) from None
        self._note_time(answer)
        value = self._read(request, answer)
        self.context.moment.note(request, value)
        return value

    def _read(self, request: Look[Any], answer: Answer) -> Any:
        try:
            return read_value(request.name, answer.value)
        except Exception as error:  # noqa: BLE001 - whatever a worker of another version says
            cause = f"the site's worker has sent what can't be read ({type(error).__name__})"
            raise Unreadable(server=request.server, command=request.name, cause=cause) from None

    def _command(self, request: asked.Call[Any]) -> Command:
        return Command(
            name=request.name,
            args=tuple(to_jsonable(one) for one in request.args),
            organisation=self.order.organisation,
            under_repair=self.context.under_repair,
            entries=self.entries(),
        )

    def _answerable(self, request: asked.Call[Any], error: BaseException) -> PophealError:
        if isinstance(error, EffectInterrupted | UnknownName):
            known = isinstance(error, UnknownName) and self.context.server_known
            return as_answerable(request, error, self.context) if known else error
        return as_answerable(request, error, self.context)

    async def _consult(self, _: Consult) -> Consulted | None:
        server, whose = self.context.server, self.order.organisation
        order = Command(name="consult", args=(server,), organisation=whose, entries=self.entries())
        return await consult_at(self.order.site, order, self._name("consult"))

    # --- effects ---------------------------------------------------------------------------------

    async def _effect(self, request: Effect) -> None:
        intent = self._intent
        lease = self.context.current_lease
        lease.check(request.name, *request.args)
        if intent is None:
            raise AssertionError("an effect without an intent")
        now = self.context.clock.now()
        custodian, begin, tries = self.claims.begin(request, intent, lease.healing, now)
        guarded = Guarded(
            **asdict(self._command(request), recurse=False),
            custodian=custodian,
            guard=guard_of(request),
            command_timeout=self.context.timing.command_timeout,
            begin=begin,
        )
        bound = self.context.timing.command_timeout * (2 if request.guard else 1) + _BESIDES
        try:
            answer: Answer = await workflow.execute_activity(
                "effect",
                guarded,
                result_type=Answer,
                task_queue=site_queue(self.order.site),
                activity_id=self._name(request.name),
                schedule_to_start_timeout=timedelta(seconds=_TAKEN_UP_WITHIN),
                start_to_close_timeout=self._real(bound, least=_LEAST_BOUND),
                cancellation_type=ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
                retry_policy=RetryPolicy(maximum_attempts=1),
            )
        except ActivityError as error:
            await self.tell_time()
            raised = of_effect(error, request.server, request.name)
            if isinstance(raised, EffectInterrupted):
                if begun_elsewhere(error):
                    # Who has begun it may be at its command still, and has as long as we had.
                    await workflow.sleep(self._real(bound, least=_LEAST_BOUND))
                await self._revoke(guarded)
                if self.order.pace.simulated:
                    await self._pass(_A_MOMENT)
                if tries > 1:
                    raised = interrupted_again(request)
            raise self._answerable(request, raised) from None
        self._note_time(answer)

    async def _revoke(self, command: Guarded) -> None:
        """Whoever was to command an effect, and may only sleep, can't begin it from now on."""
        begin = evolve(command.begin, nonce=_REVOKED, revoked=True)
        order = Revoke(custodian=command.custodian, begin=begin, entries=self.entries())
        await self._by_engine("revoke", order, BeginAnswer)

    # --- time ------------------------------------------------------------------------------------

    async def _pause(self, request: Pause) -> None:
        self.context.sync_with_journal()
        if self._awaited is not None:
            # A person's answer ends it: there is no need to look every few seconds.
            left = (self._awaited - self.context.clock.now()).total_seconds()
            self._awaited = None
            await self._wait_for_answer(left)
        elif request.watch is not None:
            await self._poll(request.watch, request.seconds)
        elif self.order.pace.simulated:
            await self._pass(request.seconds)
            self.context.sync_with_journal()
        else:
            await self._wait(request.seconds)

    async def _wait_for_answer(self, seconds: float) -> None:
        self.nudged = False
        try:
            await workflow.wait_condition(lambda: self.nudged, timeout=self._real(seconds))
        except TimeoutError:
            if self.order.pace.simulated:
                await self._pass(seconds)
        self.context.sync_with_journal()

    async def _wait(self, seconds: float) -> None:
        """Wait, until a person says stop."""
        until = self.context.clock.now() + timedelta(seconds=seconds)
        while not self.context.stop_requested:
            left = (until - self.context.clock.now()).total_seconds()
            if left <= 0:
                return
            self.nudged = False
            with contextlib.suppress(TimeoutError):
                await workflow.wait_condition(lambda: self.nudged, timeout=self._real(left))
            self.context.sync_with_journal()

    async def _poll(self, watch: Watch, every: float) -> None:
        """Have a look repeated at the site until it answers anything else, or the time is up.

        After a pause: what answers anything else each time is not asked more often for it.
        """
        left = watch.left
        if not self.order.pace.simulated:
            await self._wait(every)
            left -= every
        if left <= 0 or self.context.stop_requested:
            return
        command = self._command(watch.look)
        polled = Polled(
            **asdict(command, recurse=False),
            seen=to_jsonable(watch.seen),
            failed=watch.failed,
            every=every,
            left=left,
            slowest=watch.slowest,
            speed=self.order.pace.speed,
        )
        simulated = self.order.pace.simulated
        bound = self.context.timing.command_timeout + _BESIDES
        self.nudged = False
        polling = workflow.start_activity(
            "poll",
            polled,
            result_type=Answer,
            task_queue=site_queue(self.order.site),
            activity_id=self._name(f"poll.{command.name}"),
            schedule_to_close_timeout=None if simulated else self._real(left),
            start_to_close_timeout=timedelta(seconds=_PATIENCE if simulated else bound),
        )
        await workflow.wait_condition(lambda: polling.done() or self.nudged)
        if not polling.done():
            polling.cancel()
        try:
            answer = await polling
        except ActivityError:
            answer = None  # the time is up, or a person has said something
        if answer is not None:
            self._note_time(answer)
            if answer.told:
                self.context.moment.end()
                self.context.moment.note(watch.look, self._read(watch.look, answer))
        self.context.sync_with_journal()

    async def _pass(self, seconds: float) -> None:
        answer: Answer = await workflow.execute_activity(
            "pass_time",
            seconds,
            result_type=Answer,
            task_queue=site_queue(self.order.site),
            start_to_close_timeout=timedelta(seconds=30),
            retry_policy=RetryPolicy(initial_interval=timedelta(milliseconds=100)),
        )
        self._note_time(answer)

    def _note_time(self, answer: Answer) -> None:
        if self.order.pace.simulated and answer.at is not None:
            self.clock.told = answer.at

    def _real(self, seconds: float, *, least: float = 0.5) -> timedelta:
        """So many seconds of the healing, as the server has to wait."""
        speed = self.order.pace.speed
        return timedelta(seconds=seconds if speed == 1 else max(least, seconds / speed))

    # --- custodians ------------------------------------------------------------------------------

    async def _claim(self, request: Claim) -> asked.Holder | None:
        healing = self.context.current_lease.healing
        claimed = await self.claims.claim(request, healing, self.entries)
        if isinstance(claimed, asked.Holder):
            return claimed
        if claimed:
            in_journal(request, self.context)()
        return None

    async def _count(self, request: Count[Any]) -> Any:
        own = in_journal(request, self.context)()
        if request.what == "reboots":
            found = [*self.claims.reboots_by_others(request), *own]
            return sorted(found, key=lambda one: one.at)
        return sorted([*self.claims.restarts_by_others(request), *own])

    async def _by_engine(self, name: str, order: Any, answer: type[Any] = ClaimAnswer) -> Any:
        return await workflow.execute_activity(
            name,
            order,
            result_type=answer,
            task_queue=ENGINE_QUEUE,
            activity_id=self._name(name),
            start_to_close_timeout=timedelta(seconds=_BEATS),
            retry_policy=_PATIENT,
        )

    def _name(self, what: str) -> str:
        """A replay compares this: the same command, of the same thing."""
        self._commands += 1
        return f"{self._commands}.{what}"


_OWN: Final[Mapping[type[Request[Any]], Callable[[Performer, Any], Any]]] = {
    Effect: Performer._effect,
    Consult: Performer._consult,
    Pause: Performer._pause,
    Claim: Performer._claim,
    Count: Performer._count,
}

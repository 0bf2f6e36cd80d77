"""A site's worker: looks, polls, effects, each by a custodian's leave, and notifications."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import threading
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import timedelta
from typing import Any, Final

from attrs import define, evolve, field, frozen
from temporalio import activity
from temporalio.exceptions import ApplicationError, ApplicationErrorCategory, TemporalError

from popheal.engine.adrive import adrive
from popheal.engine.context import HealingContext
from popheal.engine.perform import method_of, second_opinion_of
from popheal.engine.requests import Effect, Logic, Look
from popheal.errors import NotBegun, Unreachable
from popheal.policy.policy import Policy
from popheal.reports.event_log import log_failure
from popheal.reports.events import HandedOver, Observer
from popheal.reports.report import Report
from popheal.second_opinion import SecondOpinion
from popheal.temporal.carried import CARRIED, LATCH_TAKEN, fail, read_args
from popheal.temporal.custodian import Custodian
from popheal.temporal.custody import Begin, BeginAnswer
from popheal.temporal.messages import Answer, Command, Guarded, Notice, Polled
from popheal.temporal.rest import same_apart_from_time
from popheal.util.clock import Clock, SystemClock
from popheal.util.serialize import to_jsonable

#: Seconds within which a custodian has to answer.
_CUSTODIAN_ANSWERS: Final = timedelta(seconds=20)


class BackendPool:
    """The backends of one worker process: each is used by one activity at a time.

    Those that were used last are used first, so that few have connections open.

    Args:
        make: Makes one more.
    """

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._free: list[Any] = []
        self._closing: set[threading.Thread] = set()

    @contextmanager
    def one(self) -> Iterator[Any]:
        """One of them, while it is used. One that a call may still hang in is closed before."""
        backend = self._free.pop() if self._free else self._make()
        try:
            yield backend
        except asyncio.CancelledError:
            self._recover(backend)
            raise
        except BaseException:
            self._free.append(backend)
            raise
        else:
            self._free.append(backend)

    def _recover(self, backend: Any) -> None:
        """Close it once the call has ended, and use it again: shells of a server are few."""

        def work() -> None:
            _close(backend)
            self._free.append(backend)
            self._closing.discard(threading.current_thread())

        thread = threading.Thread(target=work, name="popheal-closing", daemon=True)
        self._closing.add(thread)
        thread.start()

    def close(self) -> None:
        """Close every connection, and wait for calls that hang in one."""
        for thread in tuple(self._closing):
            thread.join()
        while self._free:
            _close(self._free.pop())


def _close(backend: Any) -> None:
    with contextlib.suppress(AttributeError):
        backend.close()


@define(kw_only=True)
class _AtSite(HealingContext):
    """As much of a healing's context as a look needs, next to the servers."""

    repaired: tuple[str, ...] = ()

    @property
    def under_repair(self) -> tuple[str, ...]:
        return self.repaired


@frozen
class SiteActivities:
    """The activities of a site.

    Args:
        backends: Where to do it.
        clock: Tells the time, and carries pauses out, where those are simulated: for tests.
        command_timeout: How many seconds a command of these backends may take at most.
        observers: Who is told of each healing that is handed over, as by a healing elsewhere.
        second_opinion: Where an independent logon is tried besides, if anywhere.
    """

    backends: BackendPool
    clock: Clock | None = None
    command_timeout: float = 0.0
    observers: tuple[Observer, ...] = ()
    second_opinion: SecondOpinion | None = None
    _system: Clock = field(factory=SystemClock, init=False)

    @property
    def all(self) -> list[Callable[..., Any]]:
        """What a worker has to be given."""
        simulated = [self.pass_time] if self.clock else []
        return [self.look, self.poll, self.effect, self.consult, self.notify, *simulated]

    @activity.defn(name="look")
    async def look(self, command: Command) -> Answer:
        """Look once, by one call or a registered look of several."""
        with self._backend(command) as backend:
            async with _beating():
                return self._answer(await self._look(command, backend))

    @activity.defn(name="poll")
    async def poll(self, command: Polled) -> Answer:
        """Look once; while it answers the same, the server has it tried again, later and later."""
        if self.clock:
            return await self._poll_simulated(command, self.clock)
        answer, changed = await self._look_again(command)
        if changed:
            return answer
        every = _pause_after(command, activity.info().attempt)
        raise ApplicationError(
            "still the same",
            next_retry_delay=timedelta(seconds=every / command.speed),
            category=ApplicationErrorCategory.BENIGN,
        )

    async def _poll_simulated(self, command: Polled, clock: Clock) -> Answer:
        """Likewise at once. The last look, at the deadline, is left to whoever polls."""
        end = clock.now() + timedelta(seconds=command.left)
        tries = 0
        while True:
            tries += 1
            left = (end - clock.now()).total_seconds()
            await asyncio.to_thread(clock.sleep, min(_pause_after(command, tries), left))
            if clock.now() >= end:
                return evolve(self._answer(None), told=False)
            answer, changed = await self._look_again(command)
            if changed:
                return answer

    async def _look_again(self, command: Polled) -> tuple[Answer, bool]:
        """What a poll sees, and whether that is anything else than before."""
        try:
            with self._backend(command) as backend:
                value = to_jsonable(await self._look(command, backend))
        except ApplicationError as error:
            if error.type not in CARRIED:
                raise
            return evolve(self._answer(None), told=False), error.type != command.failed
        same = not command.failed and same_apart_from_time(value, command.seen)
        return self._answer(value), not same

    @activity.defn(name="effect")
    async def effect(self, command: Guarded) -> Answer:
        """Command an effect: look once more, have it granted, command it."""
        if self.command_timeout > command.command_timeout:
            # It could still be on its way when the healing looks what has become of it.
            cause = (
                f"the worker gives a command {self.command_timeout:g} seconds (command_timeout), "
                f"and the healing waits for {command.command_timeout:g}"
            )
            fail(NotBegun(server=command.begin.server, command=command.name, cause=cause))
        with self._backend(command) as backend:
            if command.guard:
                name, *rest = command.guard
                await self._look(evolve(command, name=name, args=tuple(rest)), backend)
            with _carried():
                args = read_args(command.name, command.args)
                asked = Effect(command.name, args)
                method = method_of(backend, asked, self._context(command))
            await _begin(command)
            with _carried():
                await _to_its_end(_called(method, args))
        return self._answer(None)

    @activity.defn(name="pass_time")
    async def pass_time(self, seconds: float) -> Answer:
        """Let simulated time pass."""
        if self.clock is None:
            raise AssertionError("only a simulated clock can be moved")
        if seconds > 0:
            await asyncio.to_thread(self.clock.sleep, seconds)
        return self._answer(None)

    @activity.defn(name="consult")
    async def consult(self, command: Command) -> Answer:  # noqa: ARG002 - its entries are kept
        """Get the second opinion, if one is configured here; the password stays here."""
        return self._answer(await asyncio.to_thread(second_opinion_of, self.second_opinion))

    @activity.defn(name="notify")
    async def notify(self, notice: Notice) -> None:
        """Tell whoever is to be notified here. What fails is logged, and changes nothing."""
        report = Report.from_json(notice.report)
        event = HandedOver(
            at=notice.at,
            server=report.server,
            healing_id=notice.healing,
            report=report,
            head=notice.head,
        )
        for observer in self.observers:
            try:
                await asyncio.to_thread(observer, event)
            except Exception as error:  # noqa: BLE001 - telling must never change what is told
                log_failure(event.name, error)

    # --- inside ----------------------------------------------------------------------------------

    @contextmanager
    def _backend(self, command: Command) -> Iterator[Any]:
        with self.backends.one() as backend:
            if backend.organisation != command.organisation:
                cause = (
                    f"the worker is of the organisation {backend.organisation}, "
                    f"and was asked about {command.organisation}"
                )
                fail(Unreachable(server=str(command.args[0]), command=command.name, cause=cause))
            yield backend

    def _context(self, command: Command) -> HealingContext:
        return _AtSite(
            policy=Policy(),
            clock=self.clock or self._system,
            organisation=command.organisation,
            server=str(command.args[0]),
            repaired=command.under_repair,
        )

    async def _look(self, command: Command, backend: Any) -> Any:
        async def one() -> Any:
            return await Look[Any](command.name, read_args(command.name, command.args))

        def start() -> Logic[Any]:
            return one()

        with _carried():
            return await adrive(start, backend, self._context(command))

    def _answer(self, value: Any) -> Answer:
        at = self.clock.now() if self.clock else None
        return Answer(value=to_jsonable(value), at=at)


def _pause_after(command: Polled, tries: int) -> float:
    """Seconds to the next look, after so many."""
    return command.every * min(command.slowest, float(2 ** min(tries - 1, 30)))


@contextmanager
def _carried() -> Iterator[None]:
    """Whatever is raised meanwhile is carried to the workflow as what it is."""
    try:
        yield
    except (ApplicationError, asyncio.CancelledError):
        raise
    except Exception as error:  # noqa: BLE001 - a backend may raise anything
        fail(error)


@asynccontextmanager
async def _beating() -> AsyncIterator[None]:
    """While this lasts the server is told that the worker lives, if it wants to know."""
    every = activity.info().heartbeat_timeout
    if every is None:
        yield
        return

    async def beat() -> None:
        while True:
            activity.heartbeat()
            await asyncio.sleep(every.total_seconds() / 3)

    beating = asyncio.create_task(beat())
    try:
        yield
    finally:
        beating.cancel()


async def _begin(command: Guarded) -> None:
    """Have the custodian grant it: once, to this execution. Raises ApplicationError if not."""
    begin: Begin = evolve(command.begin, nonce=uuid.uuid4().hex)
    handle = activity.client().get_workflow_handle(command.custodian)
    try:
        answer: BeginAnswer = await handle.execute_update(
            Custodian.begin, begin, id=begin.nonce, rpc_timeout=_CUSTODIAN_ANSWERS
        )
    except TemporalError as error:
        # The command has not been given, and will not be.
        answer = BeginAnswer(why=f"its custodian does not answer ({type(error).__name__})")
    if answer.granted:
        return
    if answer.begun:
        raise ApplicationError("it has begun already", type=LATCH_TAKEN, non_retryable=True)
    fail(NotBegun(server=begin.server, command=command.name, cause=answer.why))


async def _called(method: Callable[..., Any], args: tuple[Any, ...]) -> None:
    if inspect.iscoroutinefunction(method):
        await method(*args)
        return
    result = await asyncio.to_thread(method, *args)
    if inspect.isawaitable(result):
        await result


async def _to_its_end(called: Awaitable[None]) -> None:
    """Wait for a command that can't be taken back, whoever wants to end this activity."""
    task = asyncio.ensure_future(called)
    while not task.done():
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.shield(task)
    task.result()

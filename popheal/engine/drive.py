"""Carrying out what the logic asks for: the two loops, which differ in how they wait.

Both pump the same generators (see :mod:`popheal.engine.requests`): they call the backend, write the
journal, let time pass, and see to it that no effect is commanded that may not be.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from popheal.engine.requests import Ask, Call, Do, Pause, Request, Steps, T
from popheal.errors import (
    BackendError,
    Detached,
    JournalError,
    OutcomeUnknown,
    PophealError,
    UnknownName,
    Unreadable,
)
from popheal.exchange.backend import EFFECTS, Backend

if TYPE_CHECKING:
    from popheal.engine.context import HealingContext

# --- what both drivers share ---------------------------------------------------------------------

#: How to go on with the steps: by sending them an answer, or throwing an error at them.
Answer = Callable[[], Request]


def _as_answerable(request: Call, error: BaseException, session: HealingContext) -> PophealError:
    """What the logic is told when a backend raises what its contract does not allow.

    A defect of a backend must not break a run off half-way, with debts unpaid.
    """
    if isinstance(error, BackendError):
        return error
    if isinstance(error, UnknownName) and not session.server_known:
        return error
    kind = OutcomeUnknown if request.method in EFFECTS else Unreadable
    broken_off = session.stop.is_set() and not isinstance(error, Exception)
    return kind(
        server=request.server,
        command=request.method,
        cause="broken off by a person"
        if broken_off
        else f"the backend raised {type(error).__name__}: {error}",
    )


def _broken_off(
    steps: Steps[T], request: Request, error: BaseException, session: HealingContext
) -> Answer:
    """How to go on after a request that ended in an exception."""
    if isinstance(error, JournalError) and not isinstance(request, Ask):
        # Nothing may be done that can't be written down, so the logic is not even told.
        raise error
    broken_off = not isinstance(error, Exception)
    if isinstance(request, Pause) or (isinstance(request, Ask) and broken_off):
        return lambda: steps.send(None)
    if isinstance(request, Call):
        answerable = _as_answerable(request, error, session)
        return lambda: steps.throw(answerable)
    if not broken_off:
        failed = error
        return lambda: steps.throw(failed)
    return lambda: request  # a first Ctrl-C came in the middle of it


def _heed(raised: BaseException, session: HealingContext) -> None:
    """Take Ctrl-C, or the program's wish to exit, for a stop; the second time, break off.

    What is neither that nor a failure was raised to break off at once.
    """
    if isinstance(raised, (Exception, asyncio.CancelledError)):
        return
    if session.stop.is_set() or not isinstance(raised, (KeyboardInterrupt, SystemExit)):
        raise raised
    session.stop.set()
    if isinstance(raised, SystemExit):
        session.exiting = raised


def _carry_out(request: Call | Do | Ask, backend: Backend, session: HealingContext) -> Any:
    """Carry out what is asked of a backend, of the journal, or of a person."""
    if not isinstance(request, Call):
        return request()
    _may_call(request, session)
    return getattr(backend, request.method)(*request.args)


def _may_call(request: Call, session: HealingContext) -> None:
    """Before an effect: it was written down, and the healing is still ours. Raises Fenced."""
    if request.method in EFFECTS:
        session.current_lease.check(request.method)


def _may_go_on(request: Request, session: HealingContext) -> None:
    # What has come of a call is still written down: whoever goes on need not look for it.
    if session.leave.is_set() and isinstance(request, (Call, Pause)):
        raise Detached(run=session.lease.healing if session.lease else "")


def _leave(session: HealingContext) -> None:
    if session.lease:
        with contextlib.suppress(PophealError):
            session.sync_with_journal()  # broken off by a person, who has said stop before
        session.lease.leave()


# --- synchronous ---------------------------------------------------------------------------------


def pump(steps: Steps[T], backend: Backend, session: HealingContext) -> T:
    """Carry the steps out to their end, blocking; returns what they return."""
    answer: Answer = lambda: next(steps)  # noqa: E731 - replaced below
    try:
        while True:
            try:
                request = answer()
            except StopIteration as end:
                if session.exiting:
                    raise session.exiting from None
                result: T = end.value
                return result
            _may_go_on(request, session)
            answer = _answer(steps, request, backend, session)
            if isinstance(request, Pause):
                _may_go_on(request, session)  # cut short, it must not be taken for over
    finally:
        _leave(session)


def _answer(steps: Steps[T], request: Request, backend: Backend, session: HealingContext) -> Answer:
    """Carry out a request; returns how to go on with the steps."""
    try:
        if isinstance(request, Pause):
            _sleep(request.seconds, session)
            return lambda: steps.send(None)
        value = _carry_out(request, backend, session)
    except BaseException as raised:  # noqa: BLE001 - a backend may raise anything
        _heed(raised, session)
        return _broken_off(steps, request, raised, session)
    return lambda: steps.send(value)


def _sleep(seconds: float, session: HealingContext) -> None:
    piece = session.timing.stop_poll
    while seconds > 0 and not (session.stop_requested or session.leave.is_set()):
        session.clock.sleep(min(piece, seconds))
        seconds -= piece
        session.sync_with_journal()


# --- asynchronous --------------------------------------------------------------------------------


async def apump(steps: Steps[T], backend: Any, session: HealingContext) -> T:
    """Likewise without blocking the event loop; a synchronous backend gets a thread."""
    thread = ThreadPoolExecutor(1, thread_name_prefix="popheal")
    try:
        return await _apump_in(thread, steps, backend, session)
    finally:
        _leave(session)
        # A call that was broken off may still hang; the event loop must not wait for it.
        thread.shutdown(wait=False)


async def _apump_in(
    thread: ThreadPoolExecutor, steps: Steps[T], backend: Any, session: HealingContext
) -> T:
    answer: Answer = lambda: next(steps)  # noqa: E731 - replaced below
    while True:
        try:
            request = answer()
        except StopIteration as end:
            if session.task_cancelled:
                raise asyncio.CancelledError from None
            if session.exiting:
                raise session.exiting from None
            result: T = end.value
            return result
        _may_go_on(request, session)
        try:
            answer = await _aanswer(steps, request, backend, session, thread)
            if isinstance(request, Pause):
                _may_go_on(request, session)  # likewise
        except asyncio.CancelledError as interrupt:
            task = asyncio.current_task()
            # Else it is not this task that was cancelled, but something in the backend.
            if task and task.cancelling():
                if session.stop.is_set() or task.cancelling() > 1:
                    raise
                session.task_cancelled = True
                session.stop.set()
            answer = _broken_off(steps, request, interrupt, session)


async def _aanswer(
    steps: Steps[T],
    request: Request,
    backend: Any,
    session: HealingContext,
    thread: ThreadPoolExecutor,
) -> Answer:
    try:
        if isinstance(request, Pause):
            await _asleep(request.seconds, session)
            return lambda: steps.send(None)
        value = await _acarry_out(request, backend, session, thread)
    except asyncio.CancelledError:
        raise
    except BaseException as raised:  # noqa: BLE001 - a backend may raise anything
        _heed(raised, session)
        return _broken_off(steps, request, raised, session)
    return lambda: steps.send(value)


async def _acarry_out(
    request: Call | Do | Ask, backend: Any, session: HealingContext, thread: ThreadPoolExecutor
) -> Any:
    if isinstance(request, Do):
        return await _afile(request, session)
    if isinstance(request, Ask):
        return await _aask(request)
    method = getattr(backend, request.method)
    if inspect.iscoroutinefunction(method):
        await _afile(partial(_may_call, request, session), session)
        return await method(*request.args)
    calling = asyncio.get_running_loop().run_in_executor(
        thread, _carry_out, request, backend, session
    )
    # An effect that has begun can't be taken back: a first cancellation waits for its answer.
    value = await (_whole(calling, session, hasty=True) if request.method in EFFECTS else calling)
    return await value if inspect.isawaitable(value) else value


async def _aask(request: Ask) -> Any:
    """Ask somebody, in a thread of its own: nothing else is to wait for the answer."""
    if inspect.iscoroutinefunction(request.function):
        return await request()
    thread = ThreadPoolExecutor(1, thread_name_prefix="popheal-approver")
    try:
        said = await asyncio.get_running_loop().run_in_executor(thread, request)
    finally:
        thread.shutdown(wait=False)
    return await said if inspect.isawaitable(said) else said


async def _afile(function: Callable[[], T], session: HealingContext) -> T:
    """Do something with the journal, where it is a file in the one thread that does so."""
    if session.lease and session.lease.in_memory:
        return function()
    scribe = _scribe(os.getpid())
    # What has begun to be written is written.
    return await _whole(asyncio.get_running_loop().run_in_executor(scribe, function), session)


async def _whole(future: asyncio.Future[T], session: HealingContext, *, hasty: bool = False) -> T:
    """Wait for something to its end; a cancellation meanwhile is a stop, heeded after it.

    Args:
        future: What has begun and can't be taken back.
        session: The healing.
        hasty: Whether a second cancellation ends the waiting.
    """
    task = asyncio.current_task()
    cancelled = False
    while not future.done():
        try:
            await asyncio.shield(future)
        except asyncio.CancelledError:
            if task is None or future.done():
                break  # what was called has raised it
            if hasty and task.cancelling() > 1:
                raise  # twice is meant
            cancelled = True
        except BaseException:  # noqa: BLE001 - told by result()
            break
    if cancelled:
        if session.stop.is_set():
            raise asyncio.CancelledError  # twice is meant
        session.task_cancelled = True
        session.stop.set()
    return future.result()


@cache
def _scribe(_process: int) -> ThreadPoolExecutor:
    """The thread in which all healings of the process write: SQLite takes one at a time."""
    return ThreadPoolExecutor(1, thread_name_prefix="popheal-journal")


async def _asleep(seconds: float, session: HealingContext) -> None:
    piece = session.timing.stop_poll
    while seconds > 0 and not (session.stop_requested or session.leave.is_set()):
        await session.clock.asleep(min(piece, seconds))
        seconds -= piece
        await _afile(session.sync_with_journal, session)

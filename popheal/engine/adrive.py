"""Performing what the logic asks for, without blocking an event loop.

Like :mod:`popheal.engine.drive`, and by the same functions; here many healings wait side by side,
write in one thread, and are dropped from memory while they wait for long.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any

from popheal.engine.drive import perform
from popheal.engine.dropped import Dropped, can_be_dropped, drop, read_again
from popheal.engine.perform import (
    Answer,
    Once,
    Start,
    after,
    approver_of,
    before_pause,
    check_answer_of,
    check_detached,
    in_journal,
    is_untold,
    leave,
    method_of,
    note_interrupt,
    registered,
    require_intended,
    second_opinion_of,
    tell_how_long,
    waits_for_nothing,
)
from popheal.engine.requests import Call, Consult, Effect, Logic, Pause, Prompt, Request, Sync, T
from popheal.engine.sleepers import sleep
from popheal.engine.writer import one_of_few, submit
from popheal.errors import Detached, JournalError

if TYPE_CHECKING:
    from popheal.engine.context import HealingContext


async def adrive(start: Start[T], backend: Any, context: HealingContext) -> T:
    """Likewise without blocking the event loop; a synchronous backend gets a thread.

    In a long wait nothing is kept of the healing but where it stands in the journal.
    """
    thread = _LazyThread()
    try:
        logic: Logic[T] = await _abegin(start, context)
        del start  # which knows as much as the logic
        while isinstance(result := await _adrive(logic, backend, context, thread), Dropped):
            del logic
            thread.leave()
            await _asleep_dropped(result.pause, context)
            logic = await _again(context)
    finally:
        leave(context)
        thread.leave()
    if context.task_cancelled:
        raise asyncio.CancelledError
    if context.exiting:
        raise context.exiting
    return result


class _LazyThread:
    """The thread of one healing for a backend that blocks; made when it is first needed."""

    __slots__ = ("_made",)

    def __init__(self) -> None:
        self._made: ThreadPoolExecutor | None = None

    def call(self, function: Callable[..., T], *args: Any) -> asyncio.Future[T]:
        """Call a function in it."""
        if self._made is None:
            self._made = ThreadPoolExecutor(1, thread_name_prefix="popheal")
        return asyncio.get_running_loop().run_in_executor(self._made, function, *args)

    def leave(self) -> None:
        """Need it no more."""
        if self._made:
            # A call that was broken off may still hang; the event loop must not wait for it.
            self._made.shutdown(wait=False)
            self._made = None


async def _abegin(start: Start[T], context: HealingContext) -> Logic[T]:
    """The logic, to begin with or to go on with."""
    once = Once(start)
    if context.journal is not None and context.journal.path is None:
        logic: Logic[T] = once()
        return logic
    return await one_of_few(partial(_ajournal, once, context))


async def _again(context: HealingContext) -> Logic[Any]:
    """The logic of a healing that was dropped; a cancellation is a stop here, too."""
    while True:
        try:
            return await _abegin(partial(read_again, context), context)
        except asyncio.CancelledError:
            _note_cancellation(context)


async def _adrive(
    logic: Logic[T], backend: Any, context: HealingContext, thread: _LazyThread
) -> T | Dropped:
    answer: Answer = partial(logic.send, None)
    try:
        while True:
            request = answer()
            check_detached(request, context)
            if isinstance(request, Pause) and can_be_dropped(request, context):
                if unwritten := before_pause(context):
                    await _ajournal(unwritten, context)
                return drop(request, context)
            answer = await _aanswer(logic, request, backend, context, thread)
            if isinstance(request, Pause):
                check_detached(request, context)  # likewise
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        logic.close()


async def _aanswer(
    logic: Logic[T],
    request: Request[Any],
    backend: Any,
    context: HealingContext,
    thread: _LazyThread,
) -> Answer:
    several = registered(request, context)
    if several is not None:
        try:
            return partial(logic.send, await _adrive(several, backend, context, thread))
        except (JournalError, Detached):
            raise
        except Exception as error:  # noqa: BLE001 - likewise
            return partial(logic.throw, error)
    if seen := context.moment.recall(request):
        return partial(logic.send, *seen)
    began = context.clock.monotonic()
    try:
        answer = await _aperform(request, backend, context, thread)
        tell_how_long(request, began, context)
        context.moment.note(request, answer)
        return partial(logic.send, answer)
    except asyncio.CancelledError as cancelled:
        tell_how_long(request, began, context, cancelled)
        _note_cancellation(context)
        return after(logic, request, cancelled, context)
    except BaseException as raised:  # noqa: BLE001 - a backend may raise anything
        tell_how_long(request, began, context, raised)
        note_interrupt(raised, context)
        return after(logic, request, raised, context)


def _note_cancellation(context: HealingContext) -> None:
    """Take the cancellation of the task for a stop; the second time, let it through.

    If it is not this task that was cancelled, it was something in the backend.
    """
    task = asyncio.current_task()
    if task and task.cancelling():
        if context.control.cancelled or task.cancelling() > 1:
            raise asyncio.CancelledError
        context.task_cancelled = True
        context.control.cancel()


async def _heed_cancellation(context: HealingContext) -> None:
    """A cancellation that is on its way is a stop now, not only where the task next waits."""
    task = asyncio.current_task()
    if task and task.cancelling() and not context.task_cancelled:
        try:
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            _note_cancellation(context)


async def _aperform(
    request: Request[Any], backend: Any, context: HealingContext, thread: _LazyThread
) -> Any:
    if isinstance(request, Pause):
        if request.question:
            thread.leave()  # it may be hours
        return await _asleep(request, context)
    if isinstance(request, Prompt):
        return await _aprompt(request, context)
    if isinstance(request, Consult):
        return await asyncio.to_thread(second_opinion_of, context.second_opinion)
    if not isinstance(request, Call):
        once = in_journal(request, context)
        if waits_for_nothing(request, context):
            await _heed_cancellation(context)
            return once()
        return await _ajournal(once, context)
    method = method_of(backend, request, context)
    if is_untold(method):
        return method(*request.args)  # which needs no thread
    if inspect.iscoroutinefunction(method):
        if isinstance(request, Effect):
            require_intended(request, context)
        return check_answer_of(request, await method(*request.args))
    calling = thread.call(perform, request, backend, context)
    # An effect that has begun can't be taken back: a first cancellation waits for its answer.
    effect = isinstance(request, Effect)
    value = await (_whole(calling, context, hasty=True) if effect else calling)
    return check_answer_of(request, await value) if inspect.isawaitable(value) else value


async def _aprompt(request: Prompt, context: HealingContext) -> Any:
    """Ask somebody, in a thread of its own: nothing else is to wait for the answer."""
    approver = approver_of(request, context)
    if inspect.iscoroutinefunction(context.approver):
        return await approver()
    thread = ThreadPoolExecutor(1, thread_name_prefix="popheal-approver")
    try:
        said = await asyncio.get_running_loop().run_in_executor(thread, approver)
    finally:
        thread.shutdown(wait=False)
    return await said if inspect.isawaitable(said) else said


async def _ajournal(function: Callable[[], Any], context: HealingContext) -> Any:
    """Do something with the journal, where it is a file in the one thread that does so."""
    if context.lease and context.lease.in_memory:
        return function()
    # What has begun to be written is written.
    return await _whole(submit(function), context)


async def _whole(future: asyncio.Future[T], context: HealingContext, *, hasty: bool = False) -> T:
    """Wait for something to its end; a cancellation meanwhile is a stop, noted after it.

    Args:
        future: What has begun and can't be taken back.
        context: The healing.
        hasty: Whether a second cancellation ends the waiting.
    """
    task = asyncio.current_task()
    cancelled = False
    while not future.done():
        try:
            await asyncio.shield(future)
        except asyncio.CancelledError:
            if task is None or not task.cancelling():
                break  # what was called has raised it
            if hasty and task.cancelling() > 1:
                raise  # twice is meant
            cancelled = True
        except BaseException:  # noqa: BLE001 - told by result()
            break
    if cancelled:
        if context.control.cancelled:
            raise asyncio.CancelledError  # twice is meant
        context.task_cancelled = True
        context.control.cancel()
    return future.result()


async def _asleep_dropped(pause: Pause, context: HealingContext) -> None:
    began = context.clock.monotonic()
    try:
        await _asleep(pause, context)
    except asyncio.CancelledError:
        _note_cancellation(context)
    finally:
        tell_how_long(pause, began, context)
    if context.control.detached:
        raise Detached(run=context.current_lease.healing)


async def _asleep(pause: Pause, context: HealingContext) -> None:
    if unwritten := before_pause(context):
        await _ajournal(unwritten, context)
    await sleep(pause, context)
    sync = Sync()
    once = in_journal(sync, context)
    if waits_for_nothing(sync, context):
        once()
    else:
        await _ajournal(once, context)

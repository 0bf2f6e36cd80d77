"""Performing what the logic asks for, blocking.

Both drivers (the other is :mod:`popheal.engine.adrive`) drive the same coroutines (see
:mod:`popheal.engine.requests`): they call the backend, write the journal, let time pass, and see
to it that no effect is commanded that may not be. They differ in how they wait.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

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
from popheal.engine.sleepers import ROUNDING
from popheal.errors import Detached, JournalError

if TYPE_CHECKING:
    from popheal.engine.context import HealingContext


def drive(start: Start[T], backend: Any, context: HealingContext) -> T:
    """Start a healing and carry it out to its end, blocking; returns what its logic returns."""
    try:
        logic = _insist(Once(start), context)
        result: T = _drive(logic, backend, context)
    finally:
        leave(context)
    if context.exiting:
        raise context.exiting
    return result


def _drive(logic: Logic[T], backend: Any, context: HealingContext) -> T:
    answer: Answer = partial(logic.send, None)
    try:
        while True:
            request = answer()
            check_detached(request, context)
            answer = _answer(logic, request, backend, context)
            if isinstance(request, Pause):
                check_detached(request, context)  # cut short, it must not be taken for over
    except StopIteration as end:
        result: T = end.value
        return result
    finally:
        logic.close()


def _answer(
    logic: Logic[T], request: Request[Any], backend: Any, context: HealingContext
) -> Answer:
    """Perform a request; returns how to go on with the logic."""
    several = registered(request, context)
    if several is not None:
        try:
            return partial(logic.send, _drive(several, backend, context))
        except (JournalError, Detached):
            raise
        except Exception as error:  # noqa: BLE001 - whatever it raised, the logic asked for it
            return partial(logic.throw, error)
    if seen := context.moment.recall(request):
        return partial(logic.send, *seen)
    began = context.clock.monotonic()
    try:
        answer = perform(request, backend, context)
        tell_how_long(request, began, context)
        context.moment.note(request, answer)
        return partial(logic.send, answer)
    except BaseException as raised:  # noqa: BLE001 - a backend may raise anything
        tell_how_long(request, began, context, raised)
        note_interrupt(raised, context)
        return after(logic, request, raised, context)


def perform(request: Request[Any], backend: Any, context: HealingContext) -> Any:
    if isinstance(request, Pause):
        if unwritten := before_pause(context):
            _insist(partial(context.current_lease.in_turn, unwritten), context)
        return _sleep(_until_looked(request, context), context)
    if isinstance(request, Call):
        if isinstance(request, Effect):
            require_intended(request, context)
        return check_answer_of(request, method_of(backend, request, context)(*request.args))
    if isinstance(request, Prompt):
        return approver_of(request, context)()
    if isinstance(request, Consult):
        return second_opinion_of(context.second_opinion)
    once = in_journal(request, context)
    # A stop is told of as it is written: not to whoever carries another healing out.
    if isinstance(request, Sync) or waits_for_nothing(request, context):
        return _insist(once, context)
    return _insist(partial(context.current_lease.in_turn, once), context)


def _insist(once: Callable[[], Any], context: HealingContext) -> Any:
    """Do something with the journal; a first Ctrl-C in the middle of it does not hide its end."""
    try:
        return once()
    except BaseException as raised:
        note_interrupt(raised, context)
        if isinstance(raised, Exception):
            raise
    return once()


def _until_looked(pause: Pause, context: HealingContext) -> float:
    """How much of a pause passes before the logic looks: here nobody is told of an answer."""
    if pause.question is None:
        return pause.seconds
    return min(pause.seconds, context.timing.approval_poll)


def _sleep(seconds: float, context: HealingContext) -> None:
    until, left = _moment_in(seconds, context), seconds
    while left > 0 and not (context.stop_requested or context.control.detached):
        context.clock.sleep(min(context.timing.stop_poll, left))
        context.sync_with_journal()
        left = _left(until, context)


def _moment_in(seconds: float, context: HealingContext) -> float:
    return context.clock.monotonic() + seconds


def _left(until: float, context: HealingContext) -> float:
    """What is left of a pause."""
    left = until - context.clock.monotonic()
    return left if left > ROUNDING else 0.0

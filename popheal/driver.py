"""Doing the I/O: the public functions, synchronous and asynchronous.

Both drivers pump the same generators; they differ in how they call and how they wait.
The generators are imported where they are started: a program that only imports the library,
to read a table or to show its help, does not wait for them.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event as Flag
from typing import TYPE_CHECKING, Any, Final

from popheal.backend import EFFECTS, AsyncBackend, Backend
from popheal.clock import Clock, SystemClock
from popheal.custody import PROCESS_CUSTODY, Custody
from popheal.definition import Procedure
from popheal.errors import BackendError, OutcomeUnknown, PophealError, UnknownName, Unreadable
from popheal.events import Observer
from popheal.planning import Plan, plan_from
from popheal.policy import Policy
from popheal.procedures import PROCEDURES
from popheal.report import Alert, Report
from popheal.steps import Call, Pause, Steps, T

if TYPE_CHECKING:
    from popheal.performing import Session

#: While somebody may say stop, a pause is taken in pieces of this many seconds.
_PIECE: Final = 5.0


def heal(
    alert: Alert,
    backend: Backend,
    *,
    policy: Policy | None = None,
    clock: Clock | None = None,
    observers: Sequence[Observer] = (),
    stop: Flag | None = None,
    custody: Custody | None = None,
    procedures: Mapping[str, Procedure] = PROCEDURES,
) -> Report:
    """Verify an alert and carry out the runbook's procedure for what really fails.

    Args:
        alert: What to answer.
        backend: What reaches the Exchange organisation.
        policy: How far to go; safe by default.
        clock: Time; by default the backend's own ``clock`` if it has one (a simulated
            organisation does), else the wall clock.
        observers: Called with each :class:`~popheal.events.Event` as it happens.
        stop: Set it, from any thread, to stop: from then on only restoring actions.
        custody: Who works on what; by default one for the process.
        procedures: The tables to follow, by the names that the catalogue uses.

    Returns:
        The report, whatever happened: failures of the backend are part of it.

    Raises:
        UnknownName: If the organisation has no such server; nothing was done.

    A first Ctrl-C during a call or a pause does what ``stop`` does; a second one breaks off and
    leaves things as they are. A program that can handle signals should set ``stop`` in its
    handler instead, which never breaks off a remote command.
    """
    from popheal.conductor import healing

    session = _session(backend, policy, clock, observers, stop, custody, procedures)
    return _pump(healing(session, alert), backend, session)


def triage(
    alert: Alert,
    backend: Backend,
    *,
    policy: Policy | None = None,
    clock: Clock | None = None,
    observers: Sequence[Observer] = (),
) -> Report:
    """Only verify (runbook: Verifying the issue still exists). Changes nothing.

    A verified fault is reported as ``escalated``, since nothing was done about it.

    Raises:
        UnknownName: If the organisation has no such server.
    """
    from popheal.conductor import triaging

    session = _session(backend, policy, clock, observers)
    return _pump(triaging(session, alert), backend, session)[1]


def plan(
    alert: Alert,
    backend: Backend,
    *,
    policy: Policy | None = None,
    clock: Clock | None = None,
    observers: Sequence[Observer] = (),
) -> Plan:
    """Verify, and say what healing could do from here. Changes nothing.

    Raises:
        UnknownName: If the organisation has no such server.
    """
    from popheal.conductor import triaging

    session = _session(backend, policy, clock, observers)
    found, report = _pump(triaging(session, alert), backend, session)
    return plan_from(found, report, session)


async def aheal(
    alert: Alert,
    backend: AsyncBackend | Backend,
    *,
    policy: Policy | None = None,
    clock: Clock | None = None,
    observers: Sequence[Observer] = (),
    stop: Flag | None = None,
    custody: Custody | None = None,
    procedures: Mapping[str, Procedure] = PROCEDURES,
) -> Report:
    """Like :func:`heal`, without blocking the event loop.

    A synchronous backend's methods are called in one worker thread, one at a time. If the task
    is cancelled, restoring actions are still carried out before the cancellation goes through;
    a second cancellation breaks off.
    """
    from popheal.conductor import healing

    session = _session(backend, policy, clock, observers, stop, custody, procedures)
    return await _apump(healing(session, alert), backend, session)


async def atriage(
    alert: Alert,
    backend: AsyncBackend | Backend,
    *,
    policy: Policy | None = None,
    clock: Clock | None = None,
    observers: Sequence[Observer] = (),
) -> Report:
    """Like :func:`triage`, without blocking the event loop."""
    from popheal.conductor import triaging

    session = _session(backend, policy, clock, observers)
    return (await _apump(triaging(session, alert), backend, session))[1]


def _session(
    backend: AsyncBackend | Backend,
    policy: Policy | None,
    clock: Clock | None,
    observers: Sequence[Observer],
    stop: Flag | None = None,
    custody: Custody | None = None,
    procedures: Mapping[str, Procedure] = PROCEDURES,
) -> Session:
    from popheal.performing import Session

    own: Clock | None = getattr(backend, "clock", None)
    return Session(
        policy=policy or Policy(),
        clock=clock or own or SystemClock(),
        custody=custody or PROCESS_CUSTODY,
        organisation=backend.organisation,
        procedures=procedures,
        observers=tuple(observers),
        stop=stop or Flag(),
    )


# --- what both drivers share ---------------------------------------------------------------------


def _as_answerable(request: Call, error: BaseException, session: Session) -> PophealError:
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
    steps: Steps[T], request: Call | Pause, error: BaseException, session: Session
) -> Callable[[], Call | Pause]:
    """How to go on after a request that ended in an exception."""
    if isinstance(request, Pause):
        return lambda: steps.send(None)
    answerable = _as_answerable(request, error, session)
    return lambda: steps.throw(answerable)


# --- synchronous ---------------------------------------------------------------------------------


def _pump(steps: Steps[T], backend: Backend, session: Session) -> T:
    answer: Callable[[], Call | Pause] = lambda: next(steps)  # noqa: E731 - replaced below
    while True:
        try:
            request = answer()
        except StopIteration as end:
            if session.exiting:
                raise session.exiting from None
            result: T = end.value
            return result
        answer = _answer(steps, request, backend, session)


def _answer(
    steps: Steps[T], request: Call | Pause, backend: Backend, session: Session
) -> Callable[[], Call | Pause]:
    """Carry out a request; returns how to go on with the steps."""
    try:
        if isinstance(request, Pause):
            _sleep(request.seconds, session)
            return lambda: steps.send(None)
        value = getattr(backend, request.method)(*request.args)
    except BaseException as raised:  # noqa: BLE001 - a backend may raise anything
        _heed(raised, session)
        return _broken_off(steps, request, raised, session)
    return lambda: steps.send(value)


def _heed(raised: BaseException, session: Session) -> None:
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


def _sleep(seconds: float, session: Session) -> None:
    while seconds > 0 and not session.hurried:
        session.clock.sleep(min(_PIECE, seconds))
        seconds -= _PIECE


# --- asynchronous --------------------------------------------------------------------------------


async def _apump(steps: Steps[T], backend: Any, session: Session) -> T:
    thread = ThreadPoolExecutor(1, thread_name_prefix="popheal")
    try:
        return await _apump_in(thread, steps, backend, session)
    finally:
        # A call that was broken off may still hang; the event loop must not wait for it.
        thread.shutdown(wait=False)


async def _apump_in(
    thread: ThreadPoolExecutor, steps: Steps[T], backend: Any, session: Session
) -> T:
    cancelled = False
    answer: Callable[[], Call | Pause] = lambda: next(steps)  # noqa: E731 - replaced below
    while True:
        try:
            request = answer()
        except StopIteration as end:
            if cancelled:
                raise asyncio.CancelledError from None
            if session.exiting:
                raise session.exiting from None
            result: T = end.value
            return result
        try:
            answer = await _aanswer(steps, request, backend, session, thread)
        except asyncio.CancelledError as interrupt:
            task = asyncio.current_task()
            # Else it is not this task that was cancelled, but something in the backend.
            if task and task.cancelling():
                if session.stop.is_set():
                    raise
                cancelled = True
                session.stop.set()
            answer = _broken_off(steps, request, interrupt, session)


async def _aanswer(
    steps: Steps[T],
    request: Call | Pause,
    backend: Any,
    session: Session,
    thread: ThreadPoolExecutor,
) -> Callable[[], Call | Pause]:
    try:
        if isinstance(request, Pause):
            await _asleep(request.seconds, session)
            return lambda: steps.send(None)
        method = getattr(backend, request.method)
        if inspect.iscoroutinefunction(method):
            value = await method(*request.args)
        else:
            loop = asyncio.get_running_loop()
            value = await loop.run_in_executor(thread, method, *request.args)
            if inspect.isawaitable(value):
                value = await value
    except asyncio.CancelledError:
        raise
    except BaseException as raised:  # noqa: BLE001 - a backend may raise anything
        _heed(raised, session)
        return _broken_off(steps, request, raised, session)
    return lambda: steps.send(value)


async def _asleep(seconds: float, session: Session) -> None:
    while seconds > 0 and not session.hurried:
        await session.clock.asleep(min(_PIECE, seconds))
        seconds -= _PIECE

"""What both drivers share: requests to the journal, and what is checked around each call."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from attrs import evolve

from popheal.engine import requests as asked
from popheal.engine.requests import Call, Consult, Effect, Logic, Look, Pause, Prompt, Request, T
from popheal.errors import (
    BackendError,
    Detached,
    JournalError,
    OutcomeUnknown,
    PophealError,
    UnknownName,
    Unreadable,
)
from popheal.exchange.answers import check_answer
from popheal.exchange.backend import EFFECTS, LOOKS, LogonLasts, OpensAhead, RightsKnown
from popheal.journal import Lease
from popheal.reports.event_log import log_failure
from popheal.reports.events import ApprovalAsked
from popheal.reports.measures import CallEnded, PauseEnded
from popheal.second_opinion import Consulted, SecondOpinion

if TYPE_CHECKING:
    from popheal.engine.context import HealingContext

#: How to go on with a coroutine: by sending it an answer, or throwing an error into it.
Answer = Callable[[], Request[Any]]
#: Reads and writes the journal, and gives the coroutine that is to be driven.
Start = Callable[[], Logic[T]]


class Once:
    """Something that is done once, even if an interrupt hid its answer and it is asked again."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self._function = function
        self._answers: list[Any] = []

    def __call__(self) -> Any:
        if not self._answers:
            self._answers.append(self._function())
        return self._answers[0]


def _claim(context: HealingContext, request: asked.Claim) -> asked.Holder | None:
    lease, journal = context.current_lease, context.journal
    holder = (lease.holder if request.only_look else lease.claim)(request.kind, request.name)
    if holder is None or journal is None:
        return None
    return asked.Holder(holder, journal.healing(holder).alive)


def _count(context: HealingContext, request: asked.Count[Any]) -> Any:
    lease = context.current_lease
    if request.what == "reboots":
        return lease.reboots_since(request.since)
    return lease.restarts_since(request.since, request.server)


def _settle(context: HealingContext, it: asked.Settle) -> Any:
    return context.current_lease.settle(it.question, at=it.at, outcome=it.outcome, by=it.by)


#: How each request to the journal is carried out.
_IN_JOURNAL: Final[dict[type[Request[Any]], Callable[[HealingContext, Any], Any]]] = {
    asked.Write: lambda context, it: context.current_lease.write(it.entry, it.args),
    asked.Keep: lambda context, it: context.current_lease.keep_table(it.hash, it.data),
    asked.End: lambda context, it: context.current_lease.end(
        at=it.at, verdict=it.verdict, report=it.report
    ),
    asked.Forget: lambda context, _: context.current_lease.forget(),
    asked.Claim: _claim,
    asked.Count: _count,
    asked.Sync: lambda context, _: context.sync_with_journal(),
    asked.AtWork: lambda context, _: context.current_lease.accounts(),
    asked.Ask: lambda context, it: context.current_lease.ask(it.entry),
    asked.Settle: _settle,
    asked.Reread: lambda context, it: context.current_lease.question(it.question),
}


def in_journal(request: Request[Any], context: HealingContext) -> Once:
    return Once(partial(_IN_JOURNAL[type(request)], context, request))


def waits_for_nothing(request: Request[Any], context: HealingContext) -> bool:
    """Whether a request to the journal has no disk to wait for.

    It only looks; or what it says is only noted, and goes to the disk with a later one.
    """
    if isinstance(request, asked.Write):
        return not Lease.is_urgent(request.entry)
    if isinstance(request, asked.Sync):
        lease = context.lease  # a stop that it may not know of is written
        return lease is None or lease.stopped or not context.control.cancelled
    if isinstance(request, asked.Claim):
        if not request.only_look:
            return False
        # Who the holder is takes longer to be told.
        return context.current_lease.holder(request.kind, request.name) is None
    return isinstance(request, asked.Count | asked.Keep)


def before_pause(context: HealingContext) -> Once | None:
    """What is still to be written before time passes; None if nothing is."""
    if context.lease is None or not context.lease.has_pending:
        return None
    return Once(context.lease.flush)


def second_opinion_of(settings: SecondOpinion | None) -> Consulted | None:
    """The second opinion, where one is configured. Takes as long as its settings allow."""
    if settings is None:
        return None
    # Only who wants one waits for the POP3 client and TLS.
    from popheal.second_opinion.logon import ask

    return Consulted(settings.username, settings.where, ask(settings))


def approver_of(request: Prompt, context: HealingContext) -> Callable[[], Any]:
    """The call of the approver."""
    if context.approver is None:
        raise AssertionError("nobody is asked where there is no approver")
    over = partial(_is_over, context, request.question)
    return partial(context.approver, evolve(request.asks, over=over))


def _is_over(context: HealingContext, question: Any) -> bool:
    """For an approver, perhaps in another thread: whether its answer is of no use any more."""
    lease = context.current_lease
    if context.stop_requested or context.control.detached:
        return True
    if context.clock.now() >= question.expires_at:
        return True
    try:
        lease.check()
        answered = bool(lease.question(question).outcome)
    except JournalError:
        return True
    if lease.stopped:
        context.control.cancel()
    return answered or context.stop_requested


def as_answerable(
    request: Call[Any], error: BaseException, context: HealingContext
) -> PophealError:
    """What the logic is told when a backend raises what its contract does not allow.

    A defect of a backend must not break a run off half-way, with debts unpaid.
    """
    if isinstance(error, BackendError):
        return error
    if isinstance(error, UnknownName) and not context.server_known:
        return error
    kind = OutcomeUnknown if isinstance(request, Effect) else Unreadable
    broken_off = context.control.cancelled and not isinstance(error, Exception)
    return kind(
        server=request.server,
        command=request.name,
        cause="broken off by a person"
        if broken_off
        else f"the backend raised {type(error).__name__}: {error}",
    )


def after(
    logic: Logic[T], request: Request[Any], error: BaseException, context: HealingContext
) -> Answer:
    """How to go on after a request that ended in an exception."""
    if isinstance(error, JournalError) and not isinstance(request, Prompt):
        # Nothing may be done that can't be written down, so the logic is not even told.
        raise error
    if isinstance(request, Prompt) and isinstance(error, Exception):
        log_failure(ApprovalAsked.name, error)  # whoever fails to answer has not answered
    broken_off = not isinstance(error, Exception)
    if isinstance(request, Prompt | Consult) or (isinstance(request, Pause) and broken_off):
        return partial(logic.send, None)
    if isinstance(request, Call):
        return partial(logic.throw, as_answerable(request, error, context))
    return partial(logic.throw, error)


def note_interrupt(raised: BaseException, context: HealingContext) -> None:
    """Take Ctrl-C, or the program's wish to exit, for a stop; the second time, break off.

    What is neither that nor a failure was raised to break off at once.
    """
    if isinstance(raised, (Exception, asyncio.CancelledError)):
        return
    if context.control.cancelled or not isinstance(raised, (KeyboardInterrupt, SystemExit)):
        raise raised
    context.control.cancel()
    if isinstance(raised, SystemExit):
        context.exiting = raised


#: What a backend is called for; it may look at itself besides.
_CALLS: Final = frozenset({*LOOKS, *EFFECTS})

#: What a backend answers that has not got a method which it need not have.
_UNTOLD: Final[dict[str, Callable[..., Any]]] = {
    LogonLasts.logon_lasts.__name__: lambda _server: None,
    OpensAhead.open_ahead.__name__: lambda _server, _others: None,
    RightsKnown.rights_missing.__name__: lambda _server, _effects: (),
}


def method_of(backend: Any, request: Call[Any], context: HealingContext) -> Callable[..., Any]:
    """The backend's method that is asked for, where it can choose by a way past what is repaired.

    Asked of the class: what only passes on whatever it is asked for is not gone around.
    """
    avoiding = getattr(type(backend), "avoiding", None)
    if avoiding is not None:
        backend = avoiding(backend, context.under_repair)
    if request.name in _UNTOLD and not hasattr(type(backend), request.name):
        return _UNTOLD[request.name]
    method: Callable[..., Any] = getattr(backend, request.name)
    return method


def is_untold(method: Callable[..., Any]) -> bool:
    """Whether it is an answer for a backend that has not got the method."""
    return method in _UNTOLD.values()


def require_intended(effect: Effect, context: HealingContext) -> None:
    """Before an effect: it was written down, and the healing is still ours. Raises Fenced."""
    context.current_lease.check(effect.name, *effect.args)


def check_answer_of(request: Call[Any], answer: Any) -> Any:
    """The answer of a look, if it is what a backend must return. Raises Unreadable.

    An awaitable is not an answer yet, and is checked once it has been awaited.
    """
    if isinstance(request, Look) and not inspect.isawaitable(answer):
        check_answer(request.server, request.name, answer)
    return answer


def tell_how_long(
    request: Request[Any],
    began: float,
    context: HealingContext,
    raised: BaseException | None = None,
) -> None:
    """Tell observers of a call, or a pause, that has ended.

    Args:
        request: What was asked for.
        began: When, by the monotonic clock.
        context: The healing.
        raised: What it has ended with, if not with an answer.
    """
    took = max(0.0, context.clock.monotonic() - began)
    if isinstance(request, Pause):
        context.emit(PauseEnded, context.server, seconds=took)
    elif isinstance(request, Call) and request.name in _CALLS:
        if isinstance(raised, JournalError):
            return  # it was not even made
        error = type(raised).__name__ if raised else None
        context.emit(CallEnded, request.server, call=request.name, seconds=took, error=error)


def check_detached(request: Request[Any], context: HealingContext) -> None:
    # What has come of a call is still written down: whoever resumes need not look for it.
    if context.control.detached and isinstance(request, (Call, Pause)):
        raise Detached(run=context.lease.healing if context.lease else "")


def leave(context: HealingContext) -> None:
    if context.lease:
        with contextlib.suppress(PophealError):
            context.sync_with_journal()  # broken off by a person, who has said stop before
        with contextlib.suppress(PophealError):
            context.lease.flush()
        context.lease.leave()


def registered(request: Request[Any], context: HealingContext) -> Logic[Any] | None:
    """The coroutine of a look of several calls; None for what is one call."""
    if not isinstance(request, Look) or request.name not in asked.REGISTERED:
        return None
    return asked.REGISTERED[request.name](context, *request.args)

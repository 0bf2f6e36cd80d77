"""What the logic asks for: a closed set of requests, each of them plain data.

Triage, handlers and the executor are coroutines. They await requests, and nothing else; whoever
drives them (:mod:`popheal.engine.drive`) performs each request and sends the answer back, or
throws the error into the coroutine. So what waits, blocks or threads is in one place, the logic
is the same for every driver, and a request can be carried to another machine: it holds names and
values, no functions.

A look may be one call of a backend, or a coroutine of several calls that :func:`look` has
registered under its name.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Mapping, Sequence
from datetime import datetime, timedelta
from functools import wraps
from typing import Any, Concatenate, Final, Generic, ParamSpec, TypeVar

from attrs import frozen

from popheal.engine.approval import ApprovalRequest
from popheal.errors import BackendError
from popheal.exchange.backend import EFFECTS, Backend, LogonLasts, OpensAhead, RightsKnown
from popheal.journal import Entry, Question
from popheal.journal.entries import ApprovalAsked
from popheal.second_opinion import Consulted

P = ParamSpec("P")
T = TypeVar("T")

#: What is driven: a coroutine that awaits requests only.
Logic = Coroutine[Any, Any, T]


class Request(Generic[T]):
    """Something that is asked of the driver. Awaiting it gives the answer, or raises."""

    __slots__ = ()

    def __await__(self) -> Generator[Request[T], T, T]:
        return (yield self)


@frozen
class Call(Request[T]):
    """A method of the backend, by its name, with its arguments: the server comes first."""

    name: str
    args: tuple[Any, ...]

    @property
    def server(self) -> str:
        """The server it is about."""
        return str(self.args[0])


@frozen
class Look(Call[T]):
    """Observe something: a look of the backend, or a registered one. Raises BackendError."""


@frozen
class Effect(Call[None]):
    """Change something, by this method of the backend. Raises BackendError.

    Attributes:
        guard: A look that must not raise, made once more right before the command by a driver that
            takes its time to get it there. The others have just made it.
    """

    guard: Look[Any] | None = None


@frozen(kw_only=True)
class Watch:
    """What a pause between two looks waits for: that the look answers anything else.

    Attributes:
        look: The look that the poll makes.
        seen: What it has answered just now; None where it failed.
        failed: The name of the error that it failed with; empty where it answered.
        left: Seconds to the poll's deadline.
        slowest: How many times longer the pauses of the poll become.
    """

    look: Look[Any]
    seen: Any = None
    failed: str = ""
    left: float
    slowest: int = 1


@frozen
class Pause(Request[None]):
    """Let this many seconds pass, or fewer if a person says stop.

    Attributes:
        seconds: How many.
        watch: Of a poll that goes on for nothing but another answer: then a driver that is far
            from the servers may have the look made there, and let pass as much as is left.
        is_written: Whether the journal says until when it is waited. Then whoever waits may be
            dropped from memory, and asked again for what is left.
        question: What a person may answer meanwhile, by way of the journal: that ends it. A driver
            that is not told of answers lets less time pass, and so is asked again.
    """

    seconds: float
    watch: Watch | None = None
    is_written: bool = False
    question: Question | None = None


@frozen
class Prompt(Request["bool | None"]):
    """Ask a person. The answer is None if there is none, or if it was broken off.

    Attributes:
        asks: The request that the approver is shown.
        question: The journal's question, as whose answer it counts.
    """

    asks: ApprovalRequest
    question: Question


@frozen
class Consult(Request[Consulted | None]):
    """Get the second opinion that is configured. The answer is None if none is, or if it was
    broken off. Whoever drives knows the settings, with their password: no request holds one.
    """


# --- what is asked of the journal ----------------------------------------------------------------


@frozen
class Write(Request[None]):
    """Append an entry to the history of the healing. Raises JournalError, Fenced.

    An intent, a wait or a question is on the disk before the answer comes; what was found, and
    what came of an action, is before the next of these, a pause or the end.

    Attributes:
        args: Of an intent: what the effect will be called with, the server first.
    """

    entry: Entry
    args: tuple[Any, ...] = ()


@frozen
class Keep(Request[None]):
    """Keep the table of a run under its hash, for whoever reads of the run later.

    Attributes:
        hash: The table's.
        data: The table, as :func:`~popheal.tables.stored.table_to_json` has it.
    """

    hash: str
    data: Mapping[str, Any]


@frozen(kw_only=True)
class End(Request[None]):
    """Write down how the healing ended, and give up its claims."""

    at: datetime
    verdict: str
    report: Mapping[str, Any]


@frozen
class Forget(Request[None]):
    """Take the healing back: there was nothing to answer, and nothing has been written in it."""


@frozen
class Holder:
    """The other healing that has claimed something, and whether its process is at work.

    Attributes:
        next_step: What a person can do about it, where that is no command on a journal's file.
    """

    healing: str
    alive: bool
    next_step: str = ""


@frozen
class Claim(Request["Holder | None"]):
    """Claim a ``server``, a ``dag`` or a ``site``. The answer is who has it, if another has.

    Attributes:
        only_look: Whether it is not to be claimed, even if it is free.
    """

    kind: str
    name: str
    only_look: bool = False


@frozen
class Count(Request[T]):
    """What was done lately by any healing of the journal.

    Attributes:
        what: ``reboots`` (of all servers) or ``restarts`` (of services, of one server).
        since: How far to look back.
        server: The server, for ``restarts``.
    """

    what: str
    since: datetime
    server: str = ""


@frozen
class Sync(Request[None]):
    """See whether the healing is still ours, and pass a person's stop on in either direction."""


@frozen
class AtWork(Request["tuple[str, ...]"]):
    """The accounts that have begun the healing, or resumed it; an unknown one is empty."""


@frozen
class Ask(Request["Question"]):
    """Write a question to a person down. The answer is the question as it stands."""

    entry: ApprovalAsked


@frozen(kw_only=True)
class Settle(Request["Question"]):
    """Write the answer to a question down; the question as it stands: others may be faster."""

    question: Question
    at: datetime
    outcome: str
    by: str


@frozen
class Reread(Request["Question"]):
    """Read a question again. The answer is the question as it stands."""

    question: Question


# --- asking --------------------------------------------------------------------------------------


#: The looks that take several calls, by name.
REGISTERED: Final[dict[str, Callable[..., Logic[Any]]]] = {}


def look(function: Callable[Concatenate[Any, P], Logic[T]]) -> Callable[P, Look[T]]:
    """Register a coroutine function as a look: as one request it can be performed elsewhere.

    It is called without the healing's context, its first parameter: whoever performs the look
    passes its own. All other parameters are positional, and plain data. It makes calls only, and
    no pauses.
    """
    REGISTERED[function.__name__] = function

    @wraps(function)
    def request(*args: P.args, **_: P.kwargs) -> Look[T]:
        return Look(function.__name__, args)

    return request


def call(method: Callable[Concatenate[Backend, P], T], *args: P.args, **_: P.kwargs) -> Request[T]:
    """Call a backend's method: ``await call(Backend.host_status, server)``.

    Raises what the backend raises.
    """
    name = method.__name__
    return Effect(name, args) if name in EFFECTS else Look(name, args)  # type: ignore[return-value]


def logon_lasts(server: str) -> Look[timedelta | None]:
    """How long what the backend logs on with will last; None if it knows of no end."""
    return Look(LogonLasts.logon_lasts.__name__, (server,))


def open_ahead(server: str, others: Sequence[str] = ()) -> Look[None]:
    """Tell the backend which servers will surely be asked about themselves next."""
    return Look(OpensAhead.open_ahead.__name__, (server, tuple(others)))


def rights_missing(server: str, effects: Sequence[str]) -> Look[Sequence[str]]:
    """What the backend's account lacks for these effects; nothing if it can't tell."""
    return Look(RightsKnown.rights_missing.__name__, (server, tuple(effects)))


async def try_call(
    method: Callable[Concatenate[Backend, P], T], *args: P.args, **kwargs: P.kwargs
) -> T | BackendError:
    """Likewise, but a failure is an answer too."""
    try:
        answer: T = await call(method, *args, **kwargs)
    except BackendError as error:
        return error
    return answer


async def try_effect(
    method: Callable[Concatenate[Backend, P], None],
    *args: Any,
    guard: Look[Any] | None = None,
) -> BackendError | None:
    """Command an effect; how it failed, or None."""
    try:
        await Effect(method.__name__, args, guard)
    except BackendError as error:
        return error
    return None

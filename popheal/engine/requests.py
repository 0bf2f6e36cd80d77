"""How the logic asks for the world without touching it.

Triage, performing and the conductor are generators. They yield what they need, a
:class:`Call` of a backend method, a :class:`Pause` or something else to :class:`Do` that may
block, and are sent the answer. So the synchronous and the asynchronous driver share everything
but the waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from functools import partial
from typing import Any, Concatenate, ParamSpec, TypeVar

from attrs import define, field, frozen

from popheal.errors import BackendError
from popheal.exchange.backend import Backend

P = ParamSpec("P")
T = TypeVar("T")


@frozen
class Call:
    """Please call this method of the backend."""

    method: str
    args: tuple[Any, ...]

    @property
    def server(self) -> str:
        """The server it is about."""
        return str(self.args[0])


@frozen
class Pause:
    """Please let this many seconds pass."""

    seconds: float


@define(eq=False)
class Do:
    """Please do this, which may take a moment: read or write the journal.

    Done once, even if it is asked for again because an interrupt hid its answer.
    """

    function: Callable[[], Any]
    _answers: list[Any] = field(factory=list, init=False)

    def __call__(self) -> Any:
        if not self._answers:
            self._answers.append(self.function())
        return self._answers[0]


@frozen
class Ask:
    """Please ask somebody, which may take an hour. Broken off, the answer is None."""

    function: Callable[..., Any]
    question: Any

    def __call__(self) -> Any:
        return self.function(self.question)


Request = Call | Pause | Do | Ask
Steps = Generator[Request, Any, T]


def call(method: Callable[Concatenate[Backend, P], T], *args: P.args, **_: P.kwargs) -> Steps[T]:
    """Call a backend method: ``yield from call(Backend.host_status, server)``.

    Raises what the backend raises.
    """
    answer: T = yield Call(method.__name__, args)
    return answer


def attempt(
    method: Callable[Concatenate[Backend, P], T], *args: P.args, **kwargs: P.kwargs
) -> Steps[T | BackendError]:
    """Likewise, but a failure is an answer too."""
    try:
        return (yield from call(method, *args, **kwargs))
    except BackendError as error:
        return error


def do(function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Steps[T]:
    """Call a function that may block. Raises what it raises."""
    answer: T = yield Do(partial(function, *args, **kwargs))
    return answer


def ask(function: Callable[..., Any], question: Any) -> Steps[Any]:
    """Ask somebody. Raises what the function raises; its answer is None if it is broken off."""
    return (yield Ask(function, question))


def pause(seconds: float) -> Steps[None]:
    """Let this many seconds pass."""
    yield Pause(seconds)

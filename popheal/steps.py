"""How the logic asks for the world without touching it.

Triage, performing and the conductor are generators. They yield what they need, a
:class:`Call` of a backend method or a :class:`Pause`, and are sent the answer. So the
synchronous and the asynchronous driver share everything but the waiting.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any, Concatenate, ParamSpec, TypeVar

from attrs import frozen

from popheal.backend import Backend
from popheal.errors import BackendError

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


Steps = Generator[Call | Pause, Any, T]


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


def pause(seconds: float) -> Steps[None]:
    """Let this many seconds pass."""
    yield Pause(seconds)

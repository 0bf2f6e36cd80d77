"""Looking again: after a pause, a bounded number of times or until a deadline."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from popheal.engine.context import HealingContext
from popheal.engine.requests import Steps, T, call, pause
from popheal.errors import BackendError, NotAuthorised


def persistently(
    session: HealingContext, method: Callable[..., T], *args: Any
) -> Steps[T | BackendError]:
    """Look, and look again after a pause if that failed, a bounded number of times."""
    return (yield from insistently(session, lambda: call(method, *args)))


def insistently(session: HealingContext, look: Callable[[], Steps[T]]) -> Steps[T | BackendError]:
    """Likewise, for a look that takes several calls: all of it is repeated."""
    for again in range(session.timing.probe_attempts):
        if again:
            yield from pause(session.timing.probe_pause)
        try:
            return (yield from look())
        except BackendError as error:
            last = error
        # Who was turned away once is not let in the next time, and might be locked out.
        if isinstance(last, NotAuthorised) or session.stop_requested:
            break
    return last


def polling(session: HealingContext, deadline: float, every: float) -> Steps[bool]:
    """A pause between two polls; False once the deadline has passed or a person said stop.

    Args:
        session: The healing.
        deadline: ``clock.now().timestamp()`` at which to give up.
        every: Seconds between polls.
    """
    left = deadline - session.clock.now().timestamp()
    if left <= 0 or session.stop_requested:
        return False
    yield from pause(min(every, left))
    return True


def deadline_in(session: HealingContext, seconds: float) -> float:
    """The deadline that many seconds from now, for :func:`polling`."""
    return session.clock.now().timestamp() + seconds

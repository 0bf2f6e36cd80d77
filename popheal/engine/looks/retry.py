"""Looking again: after a pause, a bounded number of times or until a deadline.

How far that has come is kept in the healing's :class:`Progress`, so that a healing which was
dropped from memory in a pause goes on with the try, and the deadline, that it was at.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, Final

from popheal.engine.context import HealingContext, RunContext
from popheal.engine.requests import Look, Pause, T, Watch, call, logon_lasts
from popheal.errors import BackendError, NotAuthorised
from popheal.reports.events import Pausing, WaitHindered

#: A look of each poll: whether popheal may look.
_REFUSED: Final = "logon refused"
#: Seconds between two tries of a password that was refused: accounts are locked for more.
_RARELY: Final = 300.0


async def _hindered(session: HealingContext, refused: NotAuthorised, every: float) -> float:
    """Tell once that the logon is refused; seconds until it makes sense to try again."""
    if session.progress.count(_REFUSED) == 1:
        session.emit(WaitHindered, refused.server, error=str(refused))
    try:
        await logon_lasts(refused.server)
    except BackendError:
        return every  # no ticket: that is seen here, and no account is locked for it
    return max(every, _RARELY)


async def retry_call(session: HealingContext, method: Callable[..., T], *args: Any) -> T:
    """Look, and look again after a pause if that failed, a bounded number of times.

    Raises:
        BackendError: What the last look raised.
    """
    return await retry(session, f"{method.__name__}{args}", lambda: call(method, *args))


async def retry(session: HealingContext, name: str, look: Callable[[], Awaitable[T]]) -> T:
    """Likewise, for a look that takes several calls: all of it is repeated.

    Args:
        session: The healing.
        name: Tells this look from others of the same step.
        look: Makes one try.
    """
    while True:
        try:
            found = await look()
        except BackendError as error:
            # Who was turned away once is not let in the next time, and might be locked out.
            if isinstance(error, NotAuthorised) or not await again(session, name):
                session.progress.forget(name)
                raise
        else:
            session.progress.forget(name)
            return found


async def again(session: HealingContext, name: str) -> bool:
    """After a look in vain: True, after a pause, if there may be another try."""
    tries = session.progress.count(name)
    if tries >= session.timing.probe_attempts or session.stop_requested:
        session.progress.forget(name)
        return False
    pause = session.timing.probe_pause
    server = session.under_repair[-1] if session.under_repair else session.server
    session.emit(Pausing, server, what="another try", seconds=pause, most=pause)
    await Pause(pause)
    return True


#: How much longer the pauses of a poll become that backs off, at most.
_SLOWEST: Final = 4


async def poll(
    work: RunContext,
    name: str,
    within: float,
    every: float,
    *,
    what: str,
    backs_off: bool = False,
    failed: BackendError | None = None,
    watch: Look[Any] | None = None,
    seen: Any = None,
) -> bool:
    """A pause between two polls; False once the deadline has passed or a person said stop.

    Where the logon was refused, that is told at once: a person can renew it while it is waited.

    Args:
        work: The run.
        name: Tells this poll from others of the same step.
        within: Seconds from the first poll to the deadline.
        every: Seconds between polls.
        what: What is waited for, for people.
        backs_off: Whether the pauses become longer, up to four times that: for what takes long,
            and is no matter of seconds.
        failed: What the last poll failed with, if it did.
        watch: The look that is polled, where what comes of it depends on its answer only.
        seen: What that has answered, if it has not failed.
    """
    session = work.session
    if isinstance(failed, NotAuthorised):
        watch = None  # who is locked out for trying is not to try on and on
        every = await _hindered(session, failed, every)
    else:
        session.progress.forget(_REFUSED)
    now, begins = session.clock.now(), name not in session.progress.deadlines
    deadline = session.progress.deadlines.setdefault(name, now + timedelta(seconds=within))
    # The deadline may have been written down before the clock was set back.
    left = min((deadline - now).total_seconds(), within)
    if left <= 0 or session.stop_requested:
        session.progress.forget(name)
        return False
    if begins:
        work.emit(Pausing, what=what, seconds=left, most=within)
    if backs_off:
        every *= min(_SLOWEST, 2 ** (session.progress.count(name) - 1))
    slowest = _SLOWEST if backs_off else 1
    waits_for = None
    if watch is not None:
        error = type(failed).__name__ if failed else ""
        told = None if failed else seen
        waits_for = Watch(look=watch, seen=told, failed=error, left=left, slowest=slowest)
    await Pause(min(every, left), waits_for)
    return True

"""Healings that wait in an event loop: one heap of timers, and one look at the journal for all.

A healing that waits is an entry of the heap and a future. It does not look by itself whether a
person has said stop or answered: a control tells at once, and whoever says it by way of the
journal leaves an entry there, for which one looks for all.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Coroutine, Iterable
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary, WeakValueDictionary

from attrs import define, field

from popheal.errors import JournalError
from popheal.util.clock import Clock, SteadyClock

if TYPE_CHECKING:
    from popheal.engine.context import HealingContext
    from popheal.engine.requests import Pause
    from popheal.journal import Journal
    from popheal.journal.approvals import Question

#: Less than this many seconds left of a pause is the rounding of a clock.
ROUNDING: Final = 1e-6
_NEVER: Final = float("inf")


def sleep(pause: Pause, context: HealingContext) -> Coroutine[None, None, None]:
    """Let time pass for a healing; less if it is stopped, detached, taken over or answered.

    Whoever wakes looks for itself which it was.
    """
    clock = context.clock.wall if isinstance(context.clock, SteadyClock) else context.clock
    known = _SLEEPERS.setdefault(asyncio.get_running_loop(), WeakValueDictionary())
    sleepers = known.get(id(clock))
    if sleepers is None:
        sleepers = known[id(clock)] = _Sleepers(clock)
    return sleepers.sleep(pause, context)


@define(eq=False)
class _Sleeper:
    """One healing that waits."""

    due: float
    context: HealingContext
    question: Question | None
    awake: asyncio.Future[None]

    def __lt__(self, other: _Sleeper) -> bool:
        return self.due < other.due

    @property
    def is_called(self) -> bool:
        """Whether it was told, by its control, to wait no longer."""
        return self.context.stop_requested or self.context.control.detached

    @property
    def is_disturbed(self) -> bool:
        """Whether the journal says so; or it can't be told, and so is to look for itself."""
        lease = self.context.current_lease
        try:
            lease.check()
            if self.question and lease.is_answered(self.question):
                return True
        except Exception:  # noqa: BLE001 - whatever it is, it is this one's, who will meet it
            return True
        return lease.stopped and not self.context.control.cancelled

    def wake(self) -> None:
        if not self.awake.done():
            self.awake.set_result(None)


@define(eq=False)
class _Watch:
    """One journal, and who waits and is written down there, by healing.

    Attributes:
        since: The last entry that was there when it was looked through.
        new: Who was not there then.
    """

    journal: Journal
    since: int = 0
    waiting: dict[str, _Sleeper] = field(factory=dict)
    new: set[str] = field(factory=set)

    def look(self) -> None:
        """Wake those about whom somebody else has written what they must know."""
        told: Iterable[str] = ()
        try:
            head = self.journal.newest()
            if len(self.new) < len(self.waiting) and head > self.since:
                told = self.journal.told_about(self.since, head)
        except JournalError:
            told = list(self.waiting)
        else:
            self.since = head
        for healing in self.new.union(told):
            sleeper = self.waiting.get(healing)
            if sleeper and sleeper.is_disturbed:
                sleeper.wake()
        self.new.clear()


class _Sleepers:
    """All that wait in one event loop by one clock."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        #: By when they are due; at most half of them were woken before.
        self._heap: list[_Sleeper] = []
        self._waiting: set[_Sleeper] = set()
        self._watches: dict[int, _Watch] = {}
        self._ticking: asyncio.Task[None] | None = None
        #: Until when, by the clock, time is let pass at present; and for how long at most.
        self._aim = _NEVER
        self._every = _NEVER

    async def sleep(self, pause: Pause, context: HealingContext) -> None:
        due = self._clock.monotonic() + pause.seconds
        sleeper = _Sleeper(due, context, pause.question, self._loop.create_future())
        context.control.tell(self)
        self._add(sleeper)
        try:
            if not sleeper.is_called:
                await sleeper.awake
        finally:
            self._remove(sleeper)

    def control_used(self) -> None:
        """Somebody has said something to a control: in whichever thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._wake_called)

    def _wake_called(self) -> None:
        for one in [one for one in self._waiting if one.is_called]:
            one.wake()

    def _add(self, sleeper: _Sleeper) -> None:
        heapq.heappush(self._heap, sleeper)
        self._waiting.add(sleeper)
        lease, journal = sleeper.context.lease, sleeper.context.journal
        if lease and journal:
            watch = self._watches.setdefault(id(journal), _Watch(journal))
            watch.waiting[lease.healing] = sleeper
            watch.new.add(lease.healing)
        timing = sleeper.context.timing
        self._every = min(self._every, timing.stop_poll)
        if sleeper.question:
            self._every = min(self._every, timing.approval_poll)
        if self._ticking is None or sleeper.due < self._aim - ROUNDING:
            self._tick_anew()

    def _remove(self, sleeper: _Sleeper) -> None:
        self._waiting.discard(sleeper)
        lease, journal = sleeper.context.lease, sleeper.context.journal
        watch = self._watches.get(id(journal))
        if watch and lease and watch.waiting.get(lease.healing) is sleeper:
            del watch.waiting[lease.healing]
            watch.new.discard(lease.healing)
            if not watch.waiting:
                del self._watches[id(journal)]
        if len(self._heap) > 2 * len(self._waiting):
            self._heap = [*self._waiting]
            heapq.heapify(self._heap)
        if not self._waiting:
            self._every = _NEVER
            self._stop_ticking()

    def _tick_anew(self) -> None:
        self._stop_ticking()
        self._ticking = self._loop.create_task(self._tick())
        self._ticking.add_done_callback(self._ticked)

    def _stop_ticking(self) -> None:
        if self._ticking:
            self._ticking.cancel()
        self._ticking = None

    def _ticked(self, task: asyncio.Task[None]) -> None:
        """The time that passes is nobody's to end, as long as somebody waits."""
        if task is not self._ticking:
            return
        self._ticking = None
        error = None if task.cancelled() else task.exception()
        if error is None:
            if self._heap:
                self._tick_anew()
            return
        for one in self._waiting:
            if not one.awake.done():
                one.awake.set_exception(error)

    async def _tick(self) -> None:
        while self._heap:
            now = self._clock.monotonic()
            left = min(self._heap[0].due - now, self._every)
            self._aim = now + left
            await self._clock.asleep(max(0.0, left))
            for watch in list(self._watches.values()):
                watch.look()
            self._wake_due()

    def _wake_due(self) -> None:
        now = self._clock.monotonic()
        while self._heap and self._heap[0].due - now <= ROUNDING:
            heapq.heappop(self._heap).wake()


#: By event loop, and by the clock's identity; as long as anybody waits.
_SLEEPERS: Final[
    WeakKeyDictionary[asyncio.AbstractEventLoop, WeakValueDictionary[int, _Sleepers]]
] = WeakKeyDictionary()

"""Time, passed in: no procedure reads another clock, or sleeps by itself.

Only what waits for a single answer, from a server or for a lock, has a stopwatch of its own.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """What a driver needs of time. Seconds are floats, moments are aware UTC datetimes.

    ``now`` may be set back and forth; ``monotonic``, seconds since any moment, may not, and
    measures what passes within a process.
    """

    def now(self) -> datetime: ...
    def monotonic(self) -> float: ...
    def sleep(self, seconds: float) -> None: ...
    async def asleep(self, seconds: float) -> None: ...


class SystemClock:
    """The wall clock.

    Args:
        speed: How many seconds of this clock pass in one real second; above 1 only to rehearse
            against an organisation whose own time runs as fast.
    """

    def __init__(self, speed: float = 1.0) -> None:
        self.speed = speed
        self._started = datetime.now(UTC)
        self._zero = time.monotonic()

    def now(self) -> datetime:
        if self.speed == 1.0:
            return datetime.now(UTC)
        return self._started + timedelta(seconds=(time.monotonic() - self._zero) * self.speed)

    def monotonic(self) -> float:
        return (time.monotonic() - self._zero) * self.speed

    def sleep(self, seconds: float) -> None:
        time.sleep(max(0.0, seconds) / self.speed)

    async def asleep(self, seconds: float) -> None:
        await asyncio.sleep(max(0.0, seconds) / self.speed)


class SteadyClock:
    """A clock by which one healing tells the time: the wall's at its beginning, and steady since.

    A wall clock that is set back by a month would make a wait of 45 minutes last a month, and one
    that is set forward would end it at once. This one goes by what passes.

    Args:
        wall: The clock that may be set.
    """

    def __init__(self, wall: Clock) -> None:
        self.wall = wall
        self._started, self._zero = wall.now(), wall.monotonic()

    def now(self) -> datetime:
        return self._started + timedelta(seconds=self.wall.monotonic() - self._zero)

    def monotonic(self) -> float:
        return self.wall.monotonic()

    def sleep(self, seconds: float) -> None:
        self.wall.sleep(seconds)

    async def asleep(self, seconds: float) -> None:
        await self.wall.asleep(seconds)

    @property
    def ahead(self) -> float:
        """By how many seconds the wall clock has been set forward since, or (below 0) back."""
        return (self.wall.now() - self.now()).total_seconds()


class VirtualClock:
    """A clock that moves only when somebody sleeps on it: ten minutes take no time."""

    def __init__(self, start: datetime = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)) -> None:
        self._now = self._start = start

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return (self._now - self._start).total_seconds()

    def sleep(self, seconds: float) -> None:
        self._now += timedelta(seconds=max(0.0, seconds))

    async def asleep(self, seconds: float) -> None:
        self.sleep(seconds)
        await asyncio.sleep(0)

"""A clock whose sleepers find the lab's servers as the organisation has them by then."""

from __future__ import annotations

from datetime import datetime

from popheal.lab.lab import Lab
from popheal.util.clock import Clock


class LabClock:
    """A clock that lets the lab follow after each sleep.

    On a virtual clock a server restarts in no time; without this its listener would notice some
    real milliseconds later, and runs over the lab would differ from runs in process.

    Args:
        clock: The organisation's clock.
        lab: The lab that serves the organisation.
    """

    def __init__(self, clock: Clock, lab: Lab) -> None:
        self._clock = clock
        self._lab = lab

    def now(self) -> datetime:
        return self._clock.now()

    def monotonic(self) -> float:
        return self._clock.monotonic()

    def sleep(self, seconds: float) -> None:
        self._clock.sleep(seconds)
        self._lab.sync()

    async def asleep(self, seconds: float) -> None:
        await self._clock.asleep(seconds)
        self._lab.sync()

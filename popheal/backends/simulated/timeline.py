"""Things due at a moment: the simulated organisation's only notion of going on by itself."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable
from datetime import datetime

#: When an action is due, and its number: two things due at one moment happen in the order in which
#: they were planned.
_Entry = tuple[datetime, int, Callable[[], None]]


class Timeline:
    """A queue of (due time, action), run in the order of time by :meth:`run_until`.

    Actions run at the moment they are due, however late somebody asks: :attr:`now` is that
    moment while they run. They may plan further actions, but must never wait. ``running`` is
    True while they do.
    """

    def __init__(self, start: datetime) -> None:
        self.now = start
        self.running = False
        self._queue: list[_Entry] = []
        self._numbers = itertools.count()

    def plan(self, due: datetime, action: Callable[[], None]) -> None:
        """Have the action run when the time has come; a past time means as soon as possible."""
        heapq.heappush(self._queue, (max(due, self.now), next(self._numbers), action))

    def run_until(self, moment: datetime) -> None:
        """Run all that is due by the moment. A moment in the past changes nothing.

        Called by an action, it does nothing: the action's own moment is the present.
        """
        if self.running:
            return
        self.running = True
        try:
            while self._queue and self._queue[0][0] <= moment:
                self.now, _, action = heapq.heappop(self._queue)
                action()
            self.now = max(self.now, moment)
        finally:
            self.running = False

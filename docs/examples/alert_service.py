"""A service with an event loop of its own: alerts come in by a queue, healings go on meanwhile.

popheal keeps them out of each other's way: two alerts about one server, or about two members of
one availability group, never act at the same time. The one that comes too late is held.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

import popheal

log = logging.getLogger(__name__)


class AlertService:
    """Answers each alert that is put into its queue.

    Args:
        healer: With a journal on the disk, so that the next start goes on where this one was.
        tell: Called with each report.
        at_once: Alerts that may be at work at the same time.

    Attributes:
        alerts: Put alerts in here.
    """

    def __init__(
        self, healer: popheal.Healer, tell: Callable[[popheal.Report], None], at_once: int = 4
    ) -> None:
        self.alerts: asyncio.Queue[popheal.Alert | None] = asyncio.Queue()
        self._healer = healer
        self._tell = tell
        self._free = asyncio.Semaphore(at_once)
        self._control = popheal.Control()

    async def run(self) -> None:
        """Go on with what the last process left, then answer alerts, until :meth:`leave`."""
        async with asyncio.TaskGroup() as group:
            for one in self._healer.journal.healings(unfinished=True):
                if not one.alive:
                    group.create_task(self._carry_out(self._healer.aresume, one.id))
            while alert := await self.alerts.get():
                group.create_task(self._carry_out(self._healer.aheal, alert))

    def leave(self) -> None:
        """End, and leave every healing as it is for the next start: for a handler of SIGTERM."""
        self._control.detach()
        self.alerts.put_nowait(None)

    async def _carry_out(
        self, work: Callable[..., Coroutine[Any, Any, popheal.Report]], about: popheal.Alert | str
    ) -> None:
        async with self._free:
            if self._control.detached:
                return
            try:
                self._tell(await work(about, control=self._control))
            except popheal.PophealError as error:
                # It was left, there is no such server, or the journal can't be written.
                log.warning("%s", error)

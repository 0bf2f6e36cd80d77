"""What is asked about servers that are unhealthy: side by side, so that none waits for another."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from math import inf
from typing import Final

from attrs import define, field

from popheal.errors import FleetSilent
from popheal.util.clock import Clock
from popheal.watch.carrier import Carrier, Concern, Known
from popheal.watch.decide import Incident

#: Seconds in which who was silent about a server is not asked about it again.
_SILENT: Final = 10.0


@define(kw_only=True, eq=False)
class Question:
    """What is known that an incident has to do with: asked, and perhaps not told yet.

    Attributes:
        concern: The incident.
        why_no_room: Why no healing could begin when it was asked, because of others of this
            watch; empty if one could.
        known: What is told. Raises FleetSilent where nobody can tell, or JournalError.
        overtaken: A healing has ended since it was asked, of which the answer may not tell.
    """

    concern: Concern
    why_no_room: str
    known: asyncio.Task[Known]
    overtaken: bool = False

    def is_about(self, incident: Incident) -> bool:
        """Whether an answer to it tells what to do about that."""
        return self.concern.incident == incident and not self.overtaken


@define(kw_only=True, eq=False)
class Questions:
    """The questions of a watch: one at a time about each server.

    Attributes:
        carrier: Who is asked.
        clock: The watch's.
    """

    carrier: Carrier
    clock: Clock
    _asked: dict[str, Question] = field(factory=dict, init=False)
    #: About which servers nobody could tell: when that was, and why.
    _silent: dict[str, tuple[float, FleetSilent]] = field(factory=dict, init=False)

    @property
    def open(self) -> set[asyncio.Task[Known]]:
        """Those by which nobody was answered yet."""
        return {one.known for one in self._asked.values()}

    async def ask(self, wanted: Mapping[str, tuple[Concern, str]]) -> None:
        """Ask about servers, and wait as long as it is worth waiting for all of them.

        What is asked already is not asked twice; what nobody wants to know any more is dropped.

        Args:
            wanted: By the server's name the incident, and why there is no room for a healing.
        """
        for server, one in [*self._asked.items()]:
            late = one.overtaken and one.known.done()
            if late or server not in wanted or wanted[server][0].incident != one.concern.incident:
                self._drop(server)
        new = [
            Question(
                concern=concern, why_no_room=why, known=asyncio.create_task(self._ask(concern))
            )
            for server, (concern, why) in wanted.items()
            if server not in self._asked
        ]
        self._asked.update({one.concern.server: one for one in new})
        if new:
            await asyncio.wait([one.known for one in new], timeout=self.carrier.patience)

    def answered(self, server: str, incident: Incident) -> Question | None:
        """The question about an incident, if it is answered; it is over by that."""
        one = self._asked.get(server)
        if one is None or not (one.known.done() and one.is_about(incident)):
            return None
        return self._asked.pop(server)

    def overtake(self) -> None:
        """A healing has ended: what is asked now is to be asked again."""
        for one in self._asked.values():
            one.overtaken = True

    def drop_all(self) -> None:
        """Nobody waits for an answer any more."""
        for server in [*self._asked]:
            self._drop(server)

    def _drop(self, server: str) -> None:
        known = self._asked.pop(server).known
        if not known.cancel() and not known.cancelled():
            known.exception()  # nobody wants to know

    async def _ask(self, concern: Concern) -> Known:
        when, error = self._silent.get(concern.server, (-inf, None))
        if error and self.clock.monotonic() < when + _SILENT:
            raise error
        try:
            known = await self.carrier.known(concern)
        except FleetSilent as error:
            self._silent[concern.server] = (self.clock.monotonic(), error)
            raise
        self._silent.pop(concern.server, None)
        return known

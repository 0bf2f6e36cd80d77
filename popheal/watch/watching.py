"""A watch at work: what it looks at, what it answers, and how it ends."""

from __future__ import annotations

import asyncio
import contextlib
from asyncio import FIRST_COMPLETED
from collections.abc import Coroutine, Sequence
from datetime import timedelta
from math import inf
from typing import TYPE_CHECKING, Any, Final

from popheal.engine.context import HealingContext
from popheal.engine.control import Control
from popheal.engine.triage.health import sort_rows
from popheal.errors import Detached, NotAuthorised, UnknownName
from popheal.exchange.backend import Backend
from popheal.exchange.names import same_server
from popheal.healthsets.pop.catalog import MONITORS
from popheal.journal import HealingRecord, Journal
from popheal.policy.policy import Policy
from popheal.reports.events import Event
from popheal.reports.measures import ServerLooked
from popheal.reports.report import Alert
from popheal.tables.table import Verdict
from popheal.util.clock import Clock, SystemClock
from popheal.watch.answer import Answer
from popheal.watch.answering import Answering
from popheal.watch.carrier import Carrier
from popheal.watch.connections import Connections
from popheal.watch.decide import health_of, incident_of
from popheal.watch.first_check import check_first
from popheal.watch.healings import Healings
from popheal.watch.journal_carrier import JournalCarrier
from popheal.watch.place import place_of
from popheal.watch.rota import Rota
from popheal.watch.watched import Watched, tell_failure, tell_health

if TYPE_CHECKING:
    from popheal.watch.loop import Watch

#: Real seconds after which a watch that looks once sees whether it is to end.
_OFTEN: Final = 0.2


class Watching:
    """A watch while it runs.

    One task decides, and begins looks and healings; each of those is a task of its own.

    Args:
        settings: What to watch, and how.
        once: Whether it ends once each server was looked at.
    """

    def __init__(self, settings: Watch, *, once: bool) -> None:
        own: Clock | None = getattr(settings.backend, "clock", None)
        self._settings, self._once = settings, once
        self.session = HealingContext(
            policy=settings.policy or Policy(),
            clock=settings.clock or own or SystemClock(),
            organisation=settings.backend.organisation,
            observers=tuple(settings.observers),
            control=settings.control,
            second_opinion=settings.second_opinion,
        )
        self.connections = Connections(settings.backend, settings.per_endpoint)
        self._rota = Rota(
            every=inf if once else settings.every,
            retry=settings.retry,
            at_once=self.connections.at_once,
        )
        self.carrier: Carrier = settings.carrier or JournalCarrier(
            organisation=self.session.organisation,
            journal=settings.journal or Journal(),
            policy=settings.policy,
            connections=self.connections,
        )
        self.healings = Healings(
            session=self.session, carrier=self.carrier, at_once=settings.at_once
        )
        self._answering = Answering(
            session=self.session,
            policy=settings.policy,
            carrier=self.carrier,
            retry=timedelta(seconds=settings.retry),
            healings=self.healings,
            spawn=self._spawn_healing,
        )
        self._servers: dict[str, Watched] = {}
        #: Those that a look has come back from since, by name: of thousands, a few.
        self._fresh: dict[str, Watched] = {}
        self._unfinished: list[HealingRecord] = []
        self._looks: set[asyncio.Task[None]] = set()
        self._at_work: set[asyncio.Task[None]] = set()
        self._checking = Control(within=self.session.control)
        self._sleeper: asyncio.Task[None] | None = None
        self._ends = False

    def emit(self, kind: type[Event], **details: Any) -> None:
        """Report something that is about no server."""
        self.session.emit(kind, "", **details)

    @property
    def is_ending(self) -> bool:
        """Whether it was told to end, so that nothing more is begun."""
        told_to = self.session.control.cancelled or self.session.control.detached
        return self._ends or told_to

    @property
    def _now(self) -> float:
        return self.session.clock.monotonic()

    # --- its course ------------------------------------------------------------------------------

    async def carry_out(self, *, check: bool) -> None:
        """Watch until it is to end. Raises JournalError, and whatever breaks it off."""
        self._watch([Watched(name=one) for one in dict.fromkeys(self._settings.servers)])
        self._unfinished = [*await self.carrier.unfinished(self._settings.servers)]
        if check:
            self._looks.add(asyncio.create_task(self._check()))
        while not self.is_ending:
            self._resume_unfinished()
            self._begin_looks()
            await self._answer()
            if not self._once:
                self.healings.ended.clear()  # nobody asks, and there may be years of them
            elif not (self._looks or self._at_work or self._answering.questions.open):
                return
            await self._wait()

    async def end(self) -> BaseException | None:
        """Let healings come to the end that they are told to, and give connections back.

        Returns:
            What one of them has raised meanwhile, if one has.
        """
        self._checking.detach()
        for look in self._looks:
            look.cancel()  # it changes nothing
        self._answering.questions.drop_all()
        if not self.is_ending:
            self.healings.leave_all()
        self._ends = True
        for server in self._servers.values():
            server.is_answered(Answer(what="not_taken", why="The watch has ended"))
        if self._at_work:
            await asyncio.wait(self._at_work)
        await self.connections.close()
        raised = [one.exception() for one in self._at_work if not one.cancelled()]
        return next((one for one in raised if one is not None), None)

    async def _wait(self) -> None:
        """Wait until something has come back, or it is time to see what is to be done."""
        own = {*self._looks, *self._at_work}
        tasks: set[asyncio.Task[Any]] = {*own, *self._answering.questions.open}
        if self._once:
            # Nothing is due later, so the clock, which may be a virtual one, need not go on.
            done, _ = await asyncio.wait(tasks, timeout=_OFTEN, return_when=FIRST_COMPLETED)
        else:
            seconds = min(self.session.timing.stop_poll, self._rota.until_next(self._now))
            self._sleeper = asyncio.create_task(self._sleep(max(0.0, seconds)))
            try:
                done, _ = await asyncio.wait({*tasks, self._sleeper}, return_when=FIRST_COMPLETED)
            finally:
                self._sleeper.cancel()
        for one in done & own:
            ended_healing = one in self._at_work
            self._looks.discard(one)
            self._at_work.discard(one)
            one.result()
            if ended_healing:
                self._make_room()

    async def _sleep(self, seconds: float) -> None:
        await self.session.clock.asleep(seconds)

    # --- looking ---------------------------------------------------------------------------------

    def _watch(self, servers: Sequence[Watched]) -> None:
        self._servers.update({one.name: one for one in servers})
        self._rota.add([one.name for one in servers], self._now)

    def _begin_looks(self) -> None:
        while name := self._rota.next(self._now):
            self._rota.begins(name, self._now)
            self._looks.add(
                asyncio.create_task(self._look(self._servers[name]), name=f"look at {name}")
            )

    async def _look(self, server: Watched) -> None:
        """Look at one server, and note what is seen; it is answered later."""
        began = self._now
        try:
            rows = list(await self.connections.look(Backend.server_health.__name__, server.name))
            incident = incident_of(server.name, rows, self.session.clock.now())
            if incident is None:
                server.place = None
            elif server.place is None:
                server.site, server.place = await place_of(self.connections.look, server.name)
        except NotAuthorised as error:
            self._rota.was_refused(server.name, self._now)
            self._has_not_seen(server, error, began)
        except Exception as error:  # noqa: BLE001 - a backend may raise anything
            self._rota.has_failed(server.name, self._now)
            self._has_not_seen(server, error, began)
        else:
            self._rota.has_seen(server.name, self._now)
            if self._servers.get(server.name) is not server:
                return  # it was well, and has been forgotten meanwhile
            server.sees(incident, began, self._now)
            self._fresh[server.name] = server
            found = sort_rows(server.name, MONITORS, rows)
            self._tell_look(server, health_of(found), began)
            if not self.healings.on(server.name):  # its healing tells what happens there
                tell_health(self.session, server, found)

    def _tell_look(self, server: Watched, health: str, began: float) -> None:
        took = max(0.0, self._now - began)
        self.session.emit(ServerLooked, server.name, health=health, seconds=took)

    def _has_not_seen(self, server: Watched, error: Exception, began: float) -> None:
        if self._servers.get(server.name) is not server:
            return
        server.sees_nothing(began, self._now)
        if isinstance(error, UnknownName):
            server.is_ill = False
        self._fresh.pop(server.name, None)
        self._tell_look(server, "silent", began)
        said = str(error)
        if not self.healings.on(server.name):  # which may be restarting it
            said = str(tell_failure(self.session, server, error))
            self.healings.ended.append(Verdict.UNKNOWN)
        server.is_answered(Answer(what="could_not_look", why=said))
        self._forget_if_well(server)

    async def _check(self) -> None:
        settings = self._settings
        with contextlib.suppress(Detached):
            await check_first(
                self.session,
                settings.backend,
                settings.servers,
                settings.journal,
                self._checking,
            )

    # --- answering -------------------------------------------------------------------------------

    def _resume_unfinished(self) -> None:
        """Go on with healings whose process has died, as far as there is room."""
        for record in tuple(self._unfinished):
            server = self._find(record.server) or Watched(name=record.server)
            if self.healings.has_room and not self.healings.on(server.name):
                self._unfinished.remove(record)
                self._answering.go_on_with(record, server)

    def _spawn_healing(self, carry_out: Coroutine[Any, Any, None]) -> None:
        self._at_work.add(asyncio.create_task(carry_out))

    def _make_room(self) -> None:
        """A healing has ended: whoever has waited for that is looked at again, and answered."""
        self._answering.questions.overtake()
        for one in self._servers.values():
            if one.waits_for_room:
                one.waits_for_room, one.asked_again = False, True
                self._rota.ask_for(one.name, self._now)

    async def _answer(self) -> None:
        """Answer what was seen, what is nearest to a cause first. Raises JournalError."""
        ripe = sorted(self._ripe(), key=lambda one: one.rank)
        await self._answering.ask(ripe, self._servers.values())
        for server in ripe:
            if self.is_ending:
                return
            if server.name not in self._fresh:
                continue  # another look has come back meanwhile, and has seen nothing
            if not self._answering.answer(server):
                continue  # nobody else waits for what is not told of this one
            self._fresh.pop(server.name)
            if until := server.waits_until:
                seconds = (until - self.session.clock.now()).total_seconds()
                self._rota.ask_for(server.name, self._now + seconds)
            self._forget_if_well(server)

    def _forget_if_well(self, server: Watched) -> None:
        """Look no more at a server that was only looked at because of an alert."""
        is_asked_for = server.is_ill or server.asked or self.healings.on(server.name)
        if not (server.stays or is_asked_for):
            for known in (self._servers, self._fresh):
                known.pop(server.name, None)
            self._rota.drop(server.name)

    def _ripe(self) -> list[Watched]:
        """Those that can be answered: nothing nearer to the cause can have been overlooked.

        What is no Mailbox server's own may be explained by one. So everybody is looked at once
        since it was seen, but for those that don't answer.
        """
        # Those that have waited for the same place are compared with each other, not taken in
        # the order in which looks come back.
        coming = {
            one.place
            for one in self._servers.values()
            if one.asked_again and not self._rota.is_blind(one.name, self._now)
        }
        ripe = [one for one in self._fresh.values() if one.place not in coming - {None}]
        if not any(one.may_be_explained for one in ripe):
            return ripe
        all_seen = min(
            (
                one.looked_at
                for one in self._servers.values()
                if not self._rota.is_blind(one.name, self._now)
            ),
            default=inf,
        )
        return [one for one in ripe if not one.may_be_explained or one.ill_since <= all_seen]

    def _find(self, name: str) -> Watched | None:
        return next((one for one in self._servers.values() if same_server(one.name, name)), None)

    async def raise_alert(self, alert: Alert) -> Answer:
        """As :meth:`popheal.watch.loop.Watch.raise_alert` says."""
        server = self._find(alert.server)
        if server is None:
            server = Watched(name=alert.server, stays=False)
            self._watch([server])
        answer = server.is_alerted(alert, self._now)
        self._rota.ask_for(server.name, self._now)
        if self._sleeper:
            self._sleeper.cancel()
        return await answer

"""The healings that a watch carries out: several at once, one at a time in each place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from attrs import define, field

from popheal.api import Healer
from popheal.engine.context import HealingContext
from popheal.engine.control import Control
from popheal.engine.writer import with_journal
from popheal.errors import (
    AlreadyEnded,
    AlreadyRunning,
    Detached,
    Fenced,
    JournalError,
    PophealError,
)
from popheal.exchange.names import short_name
from popheal.journal import Journal
from popheal.policy.policy import Policy
from popheal.reports import events
from popheal.reports.events import Event
from popheal.reports.report import Report
from popheal.tables.table import Verdict
from popheal.watch.answer import Answer
from popheal.watch.connections import Connections
from popheal.watch.place import Place
from popheal.watch.watched import Watched, tell_failure, tell_once

#: Begins a healing, or goes on with one.
Carry = Callable[[Healer, Control], Awaitable[Report]]


@define(kw_only=True, eq=False)
class AtWork:
    """A healing at work.

    Attributes:
        server: Whom it heals.
        place: Where it lets no other heal.
        control: By which this healing is stopped, and not the watch.
        healing: Its id, once that is known.
        asks: It waits for a person's approval.
        stop_noted: It was stopped from here, and not by ``popheal cancel``.
    """

    server: Watched
    place: Place | None
    control: Control
    healing: str = ""
    asks: bool = False
    stop_noted: bool = False

    def see(self, event: Event) -> None:
        """An observer of the healing."""
        match event:
            case events.HealingStarted(id=name) | events.HealingResumed(id=name):
                self.healing = name
                self.server.is_answered(Answer(what="heals", healing=name))
            case events.ApprovalAsked():
                self.asks = True
            case events.ApprovalAnswered():
                self.asks = False
            case events.StopNoted():
                self.stop_noted = True


@define(kw_only=True, eq=False)
class Healings:
    """Carries healings out.

    Attributes:
        session: The watch, as far as a healing has to do with it.
        policy: How far healings may go; None for the safe default, and for what was allowed to
            one that is resumed.
        at_once: Healings at the same time, at most. One that waits for a person is not counted.
        ended: How healings ended; ``UNKNOWN`` for one that could not be carried out.
        left: The ids of those that were left for the next watch.
    """

    session: HealingContext
    journal: Journal
    policy: Policy | None
    connections: Connections
    at_once: int
    ended: list[Verdict] = field(factory=list)
    left: list[str] = field(factory=list)
    _at_work: dict[str, AtWork] = field(factory=dict, init=False)
    _within: Control = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._within = Control(within=self.session.control)

    @property
    def has_room(self) -> bool:
        """Whether one more may begin."""
        return sum(not one.asks for one in self._at_work.values()) < self.at_once

    def on(self, server: str) -> AtWork | None:
        """The healing at work on a server, if one is."""
        return self._at_work.get(short_name(server))

    def at(self, place: Place) -> AtWork | None:
        """The one at work in a place, if one is."""
        return next((one for one in self._at_work.values() if one.place == place), None)

    def begin(self, server: Watched, carry: Carry) -> Coroutine[Any, Any, None]:
        """Note that a healing begins; what is returned carries it out to its end."""
        work = AtWork(server=server, place=server.place, control=Control(within=self._within))
        self._at_work[short_name(server.name)] = work
        return self._carry_out(work, carry)

    def leave_all(self) -> None:
        """Leave every healing where it is."""
        self._within.detach()

    async def _carry_out(self, work: AtWork, carry: Carry) -> None:
        """Carry a healing out. Raises JournalError; nothing else may end the watch."""
        server = work.server
        try:
            async with self.connections.of_its_own() as backend:
                await self._heal(work, carry, backend)
        except Detached as broken_off:
            self.left.append(broken_off.run)
        except (Fenced, AlreadyRunning, AlreadyEnded) as error:
            said = error.sentence()
            tell_once(self.session, server, "waits", events.AlertWaits, why=said)
            server.is_answered(Answer(what="waits", why=said))
        except JournalError:
            raise
        except PophealError as error:
            self.ended.append(Verdict.UNKNOWN)
            tell_failure(self.session, server, error)
            server.incident = None  # nobody waits for what can't be answered
            server.is_answered(Answer(what="could_not_look", why=str(error)))
        finally:
            del self._at_work[short_name(server.name)]

    async def _heal(self, work: AtWork, carry: Carry, backend: object) -> None:
        healer = Healer(
            backend,  # type: ignore[arg-type] # checked where the watch began
            policy=self.policy,
            clock=self.session.clock,
            journal=self.journal,
            observers=(*self.session.observers, work.see),
            second_opinion=self.session.second_opinion,
        )
        report = await carry(healer, work.control)
        work.server.told.pop("waits", None)
        self.ended.append(report.verdict)
        record = await with_journal(self.journal, lambda: self.journal.healing(report.id))
        if work.control.cancelled and (record.cancel_at is None or work.stop_noted):
            self.session.control.cancel()  # a Ctrl-C that nobody caught

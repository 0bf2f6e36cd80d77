"""Who carries out the healings of a watch, and knows what has been done: a protocol."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Protocol

from attrs import define, field, frozen

from popheal.engine.context import HealingContext
from popheal.engine.control import Control
from popheal.journal import HealingRecord
from popheal.reports import events
from popheal.reports.events import Event
from popheal.reports.report import Alert, Report
from popheal.watch.answer import Answer
from popheal.watch.decide import Incident
from popheal.watch.place import Place
from popheal.watch.watched import Watched


@define(kw_only=True, eq=False)
class AtWork:
    """A healing at work.

    Attributes:
        server: Whom it heals.
        place: Where it lets no other heal.
        control: By which this healing is stopped, and not the watch.
        healing: Its id, once that is known: of one that begins, when it has begun.
        asks: It waits for a person's approval.
        stop_noted: It was stopped from here, and not by ``popheal cancel``.
    """

    server: Watched
    place: Place | None
    control: Control
    healing: str = ""
    asks: bool = False
    stop_noted: bool = False

    def has_begun(self, healing: str) -> None:
        """It is known by which name."""
        self.healing = healing
        self.server.is_answered(Answer(what="heals", healing=healing))

    def see(self, event: Event) -> None:
        """An observer of the healing."""
        match event:
            case events.HealingStarted(id=name) | events.HealingResumed(id=name):
                self.has_begun(name)
            case events.ApprovalAsked():
                self.asks = True
            case events.ApprovalAnswered():
                self.asks = False
            case events.StopNoted():
                self.stop_noted = True


@frozen(kw_only=True)
class Concern:
    """An incident, and of whom it must be known what was done before it can be answered.

    Attributes:
        server: Where it is.
        near: The unhealthy back ends that the server may pass clients on to; it may be explained
            by one of them.
        far: Everybody of whom it is known that they are no such back ends.
        place: Where only one server is healed at a time, if the server stands there.
        now: By the watch's clock.
        retry: The pause after a healing.
    """

    server: str
    incident: Incident
    near: Sequence[tuple[str, Incident]] = ()
    far: Collection[str] = ()
    place: Place | None = None
    now: datetime
    retry: timedelta

    @property
    def reaches_back(self) -> Mapping[str, datetime]:
        """Whose healings matter, and since when."""
        all_of_them = ((self.server, self.incident), *self.near)
        return {name: one.looks_back_to(self.now, self.retry) for name, one in all_of_them}


@frozen(kw_only=True)
class Known:
    """What has been done already that an incident may have to do with.

    Attributes:
        healings: Those of each server, the oldest first.
        lately: Those of the organisation that ended no longer ago than the pause, if any of them
            may explain the incident.
        at_place: The healing at work in the same place, if one is.
        heard_of: When the last healing of the server was heard of last, if it was broken off.
        in_the_way: The healing because of which nothing may begin, whatever else there is; and
            why, as a sentence without its full stop.
    """

    healings: Mapping[str, Sequence[HealingRecord]] = field(factory=dict)
    lately: Sequence[HealingRecord] = ()
    at_place: HealingRecord | None = None
    heard_of: datetime | None = None
    in_the_way: tuple[HealingRecord, str] | None = None


class Carrier(Protocol):
    """Carries healings out, and knows of all of them."""

    @property
    def follows(self) -> bool:
        """Whether a healing that somebody else has begun is followed to its end from here."""

    @property
    def patience(self) -> float | None:
        """Seconds in which what is known of all who are asked about is mostly told.

        So long is it waited for all of them, so that what is nearest to a cause is answered
        first. Then each is answered when it is told of that one. None if all of it is always told.
        """

    def alone(self) -> AbstractContextManager[None]:
        """While this lasts, nobody else may watch, where two would be in each other's way."""

    async def unfinished(self, servers: Sequence[str]) -> Sequence[HealingRecord]:
        """What a watch of those servers goes on with as it begins."""

    async def known(self, concern: Concern) -> Known:
        """What has been done that an incident may have to do with."""

    async def heal(self, alert: Alert, work: AtWork, session: HealingContext) -> Report:
        """Carry out a new healing, to its end.

        Raises:
            Detached: If ``work.control`` has it left.
            PophealError: If it can't begin, or go on.
        """

    async def go_on(self, record: HealingRecord, work: AtWork, session: HealingContext) -> Report:
        """Go on with one that has begun before, likewise."""

"""A server that is watched: what the last look has seen there, and what was told about it."""

from __future__ import annotations

import asyncio
from datetime import datetime
from math import inf
from typing import Any, Final

from attrs import define, evolve, field

from popheal.engine.context import HealingContext
from popheal.engine.triage.health import Rows
from popheal.errors import IllegalOutcome, PophealError, Unreadable
from popheal.reports import events
from popheal.reports.events import Event
from popheal.reports.report import Alert
from popheal.util.defects import describe_defect
from popheal.util.text import moment
from popheal.watch.answer import Answer
from popheal.watch.decide import Incident, health_of, rank
from popheal.watch.place import Place

#: Answers of a look that has not seen what was raised.
_NOT_SEEN: Final = ("nothing_unhealthy", "could_not_look")


@define(kw_only=True, eq=False)
class Watched:
    """A server that is looked at.

    Attributes:
        stays: Whether it is looked at as long as the watch lasts, or only until it is well.
        incident: What the last look has seen to be unhealthy; None if that look failed, or what
            it saw could not be answered.
        is_ill: Whether the last look that has seen anything has seen something unhealthy.
        ill_since: When the look began that saw that first, in seconds of the clock.
        seen_from: When the look began that came back last, likewise.
        looked_at: When a look came back last, likewise.
        place: Where only one server is healed at a time, if it stands in such a place.
        site: Where it stands, as far as that was asked since it was first seen to be unhealthy.
        asked_again: It is looked at since a healing that it has waited for has ended.
        waits_until: When what it waits for will be over, if that is known.
        waits_for_room: It is not healed only because others are.
        alert: What somebody has raised about it, until it is well: every healing till then is
            because of that, too.
        asked: Who waits for what is done about that, and since when, in seconds of the clock.
        told: What was told last about it: the same is not told again.
    """

    name: str
    stays: bool = True
    incident: Incident | None = None
    is_ill: bool = False
    ill_since: float = inf
    seen_from: float = -inf
    looked_at: float = -inf
    place: Place | None = None
    site: str | None = None
    waits_for_room: bool = False
    asked_again: bool = False
    waits_until: datetime | None = None
    alert: Alert | None = None
    asked: list[tuple[float, asyncio.Future[Answer]]] = field(factory=list)
    told: dict[str, Any] = field(factory=dict)

    @property
    def rank(self) -> tuple[int, float]:
        """The lowest is answered first: what is nearest to the cause, then what came first."""
        return (rank(self.incident) if self.incident else 0), self.ill_since

    @property
    def may_be_explained(self) -> bool:
        """Whether what is unhealthy there may come of another server's mailbox side."""
        return self.incident is not None and not self.incident.on_mailbox_side

    def may_pass_on_to(self, other: Watched) -> bool:
        """Whether clients of this one may be passed on to the other, as far as is known."""
        return self.site is None or other.site is None or self.site == other.site

    def sees(self, incident: Incident | None, began: float, now: float) -> None:
        """A look that began then has come back."""
        self.is_ill, self.seen_from = incident is not None, began
        self.ill_since = min(self.ill_since, began) if incident else inf
        if not (incident or self._asked_since):
            self.alert = None
        self.incident, self.looked_at, self.asked_again = incident, now, False

    def sees_nothing(self, began: float, now: float) -> None:
        """A look that began then has failed."""
        self.incident, self.ill_since, self.looked_at = None, inf, now
        self.seen_from, self.asked_again = began, False

    def is_alerted(self, alert: Alert, now: float) -> asyncio.Future[Answer]:
        """Somebody raises an alert about it, perhaps after others; what is done about that."""
        if before := self.alert:
            people = tuple(dict.fromkeys((*before.raised_by, *alert.raised_by)))
            alert = evolve(alert, text=alert.text or before.text, raised_by=people)
        self.alert = alert
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.asked.append((now, answer))
        return answer

    def is_answered(self, answer: Answer) -> None:
        """Say what is done about the alert that somebody has raised, if somebody has.

        That nothing was seen is said to nobody who has raised it after that look began.
        """
        later = self._asked_since if answer.what in _NOT_SEEN else []
        for one in self.asked:
            if one not in later and not one[1].done():
                one[1].set_result(answer)
        self.asked = later

    @property
    def _asked_since(self) -> list[tuple[float, asyncio.Future[Answer]]]:
        """Who has raised an alert after the look began that came back last."""
        return [one for one in self.asked if one[0] > self.seen_from]


# --- telling -------------------------------------------------------------------------------------


def tell_health(session: HealingContext, server: Watched, rows: Rows) -> None:
    """Report the health of a server, if it has changed."""
    health = health_of(rows)
    incident = server.incident
    if not incident:
        server.told.pop("waits", None)
    tell_once(
        session,
        server,
        "health",
        events.ServerHealth,
        health=health,
        monitors=None
        if health == "healthy"
        else tuple(monitor.name for monitor in rows.are(health)),
        since=moment(incident.at) if incident else None,
        without_recipe=tuple(sorted({row.monitor for row in rows.without_recipe})) or None,
    )


def tell_failure(session: HealingContext, server: Watched, error: Exception) -> PophealError:
    """Report that a server can't be looked at, or healed, unless it was reported before."""
    known = _known(server, error)
    if server.told.get("health") != type(known).__name__:
        session.emit(events.LookFailed, server.name, error=str(known))
        server.told["health"] = type(known).__name__
    return known


def _known(server: Watched, error: Exception) -> PophealError:
    """A failure in our own words."""
    if isinstance(error, IllegalOutcome):
        return Unreadable(server=server.name, command="healing", cause=describe_defect(error))
    if isinstance(error, PophealError):
        return error
    cause = f"the backend raised {type(error).__name__}: {error}"
    return Unreadable(server=server.name, command="server_health", cause=cause)


def tell_once(
    session: HealingContext, server: Watched, about: str, kind: type[Event], **said: Any
) -> None:
    """Report something, unless just that was reported before."""
    if server.told.get(about) != said:
        server.told[about] = said
        session.emit(kind, server.name, **said)

"""What is done about what the looks of a watch have seen: asked of the journal each time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from attrs import define, evolve

from popheal.engine.context import HealingContext
from popheal.engine.writer import with_journal
from popheal.journal import HealingRecord, Journal
from popheal.policy.policy import Policy
from popheal.reports import events
from popheal.reports.report import Alert
from popheal.util.text import moment
from popheal.watch.answer import Answer
from popheal.watch.decide import (
    Decision,
    Incident,
    Neighbour,
    Next,
    decide,
    wait_for_back_ends,
)
from popheal.watch.healings import Healings
from popheal.watch.place import Place
from popheal.watch.watched import Watched, tell_once

#: Has a healing carried out.
Spawn = Callable[[Coroutine[Any, Any, None]], object]


@define(kw_only=True, eq=False)
class Answering:
    """Decides, and has healings begun.

    Attributes:
        session: The watch.
        policy: As for healings.
        retry: The pause after a healing.
        healings: Those at work.
        spawn: Has a healing carried out.
    """

    session: HealingContext
    journal: Journal
    policy: Policy | None
    retry: timedelta
    healings: Healings
    spawn: Spawn

    async def answer(self, server: Watched, others: Iterable[Watched]) -> None:
        """Do what is to be done about what was seen on a server. Raises JournalError.

        Args:
            server: Who has been looked at.
            others: Everybody else that is watched.
        """
        server.waits_until = None
        if work := self.healings.on(server.name):
            server.is_answered(
                Answer(what="waits", healing=work.healing, why="a healing is at work on it")
            )
            return
        incident = server.incident
        if incident is None:
            server.is_answered(Answer(what="nothing_unhealthy"))
            return
        now = self.session.clock.now()
        near, far = [], set[str]()
        if incident.only_end_to_end:
            for one in others:
                if not server.may_pass_on_to(one):
                    far.add(one.name)
                elif one.incident and one.incident.on_mailbox_side:
                    near.append((one.name, one.incident))
        why_no_room = self._why_no_room(server)
        place = None if why_no_room else server.place  # who is at work there is known already
        decide_it = partial(self._decide, server.name, incident, near, far, place, now)
        decision = await with_journal(self.journal, decide_it)
        if decision.what is not Next.WAIT and why_no_room:
            decision = Decision(what=Next.WAIT, why=why_no_room)
            server.waits_for_room = True
        server.waits_until = decision.until
        record = decision.healing
        if decision.what is Next.WAIT:
            again = f", until {moment(decision.until)}" if decision.until else ""
            said = {"healing": record.id if record else "", "why": f"{decision.why}{again}"}
            tell_once(self.session, server, "waits", events.AlertWaits, **said)
            server.is_answered(Answer(what="waits", **said))
        elif decision.what is Next.RESUME and record:
            self.go_on_with(record, server)
        else:
            self._heal(server, incident)

    def go_on_with(self, record: HealingRecord, server: Watched) -> None:
        """Go on with a healing that was broken off."""
        self.spawn(
            self.healings.begin(
                server, lambda healer, control: healer.aresume(record.id, control=control)
            )
        )

    def _heal(self, server: Watched, incident: Incident) -> None:
        monitor = incident.monitor
        alert = Alert(
            server=server.name,
            health_set=monitor.health_set,
            monitor=monitor.name,
            text=f"{monitor.name} has been Unhealthy since {moment(incident.at)}.",
            at=incident.at,
        )
        if server.alert:
            # What is unhealthy is what was seen; the rest is what somebody has said.
            said = server.alert
            alert = evolve(alert, text=said.text or alert.text, raised_by=said.raised_by)
        self.session.emit(events.AlertRaised, server.name, monitor=monitor.name, text=alert.text)
        self.spawn(
            self.healings.begin(
                server, lambda healer, control: healer.aheal(alert, control=control)
            )
        )

    def _why_no_room(self, server: Watched) -> str:
        """Why no healing may begin because of others of this watch; empty if one may."""
        if server.place and (work := self.healings.at(server.place)):
            return f"{work.server.name} is healed first, which is in the same {server.place}"
        if not self.healings.has_room:
            return f"{self.healings.at_once} healings are at work, and no more may be (at_once)"
        return ""

    # --- by what the journal has -----------------------------------------------------------------

    def _decide(
        self,
        server: str,
        incident: Incident,
        near: Sequence[tuple[str, Incident]],
        far: Collection[str],
        place: Place | None,
        now: datetime,
    ) -> Decision:
        undecided = self.policy is not None and self.policy.approval_undecided
        known = self._healings_of(server, incident, now)
        decision = decide(incident, known, now, self.retry, undecided=undecided)
        if decision.what is Next.RESUME and decision.healing:
            return self._unless_soon(decision, decision.healing, now)
        if decision.what is not Next.HEAL:
            return decision
        waits = self._for_back_ends(incident, near, far, now)
        return waits or self._for_others_at(place) or decision

    def _unless_soon(self, decision: Decision, record: HealingRecord, now: datetime) -> Decision:
        # Not at once: whoever broke it off by hand may be about to look at the server.
        entries = self.journal.entries(record.id)
        until = (entries[-1].at if entries else record.begun_at) + self.retry
        if until <= now:
            return decision
        why = f"healing {record.id} was broken off, and will be gone on with"
        return Decision(what=Next.WAIT, healing=record, why=why, until=until)

    def _for_back_ends(
        self,
        incident: Incident,
        near: Iterable[tuple[str, Incident]],
        far: Collection[str],
        now: datetime,
    ) -> Decision | None:
        """What a front end waits for.

        Args:
            near: The back ends that it may pass clients on to, and that are unhealthy.
            far: Everybody of whom it is known that it can't.
        """
        if not incident.only_end_to_end:
            return None
        neighbours = [
            Neighbour(server=name, incident=theirs, healings=self._healings_of(name, theirs, now))
            for name, theirs in near
        ]
        lately = [
            one
            for one in self.journal.healings(
                organisation=self.session.organisation, since=now - self.retry
            )
            if one.server not in far
        ]
        return wait_for_back_ends(incident, neighbours, lately, now, self.retry)

    def _for_others_at(self, place: Place | None) -> Decision | None:
        """What has begun elsewhere, by hand or by a healing of a front end, is waited for."""
        if place is None:
            return None
        for kind, name, healing in self.journal.claims():
            if (kind, name) == (place.kind, place.name):
                holder = self.journal.healing(healing)
                if holder.organisation == self.session.organisation and holder.alive:
                    why = f"healing {holder.id} is at work in the same {place}: {holder.owner}"
                    return Decision(what=Next.WAIT, healing=holder, why=why)
        return None

    def _healings_of(self, server: str, incident: Incident, now: datetime) -> list[HealingRecord]:
        """The healings of a server that may have to do with what is seen there."""
        return self.journal.healings(
            server=server,
            organisation=self.session.organisation,
            since=incident.looks_back_to(now, self.retry),
        )

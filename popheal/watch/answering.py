"""What is done about what the looks of a watch have seen: by what has been done, each time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Coroutine, Iterable
from datetime import timedelta
from typing import Any

from attrs import define, evolve, field

from popheal.engine.context import HealingContext
from popheal.errors import FleetSilent
from popheal.exchange.names import same_server
from popheal.journal import HealingRecord
from popheal.policy.policy import Policy
from popheal.reports import events
from popheal.reports.report import Alert
from popheal.util.text import moment
from popheal.watch.answer import Answer
from popheal.watch.carrier import Carrier, Concern, Known
from popheal.watch.decide import (
    Decision,
    Incident,
    Neighbour,
    Next,
    decide,
    wait_for_back_ends,
)
from popheal.watch.healings import Healings
from popheal.watch.questions import Questions
from popheal.watch.watched import Watched, tell_once

#: Has a healing carried out.
Spawn = Callable[[Coroutine[Any, Any, None]], object]


@define(kw_only=True, eq=False)
class Answering:
    """Decides, and has healings begun.

    Attributes:
        session: The watch.
        policy: As for healings.
        carrier: Who carries them out, and knows what has been done.
        retry: The pause after a healing.
        healings: Those at work.
        spawn: Has a healing carried out.
        questions: What is asked of the carrier.
    """

    session: HealingContext
    policy: Policy | None
    carrier: Carrier
    retry: timedelta
    healings: Healings
    spawn: Spawn
    questions: Questions = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.questions = Questions(carrier=self.carrier, clock=self.session.clock)

    async def ask(self, servers: Iterable[Watched], watched: Collection[Watched]) -> None:
        """Have it found out what is known that answers to some servers hang on.

        Args:
            servers: Who has been looked at.
            watched: Everybody that is watched.
        """
        wanted = {}
        for server in servers:
            if server.incident and not self.healings.on(server.name):
                others = (one for one in watched if one is not server)
                concern = self._concern(server, server.incident, others)
                if why := self._why_no_room(server):
                    concern = evolve(concern, place=None)  # who is at work there is known already
                wanted[server.name] = concern, why
        await self.questions.ask(wanted)

    def answer(self, server: Watched) -> bool:
        """Do what is to be done about what was seen on a server. Raises JournalError.

        Returns:
            Whether it is answered; not as long as what that hangs on is not told.
        """
        if work := self.healings.on(server.name):
            server.waits_until = None
            if work.healing:  # else whoever has raised this is answered once it has begun, or can't
                server.is_answered(
                    Answer(what="waits", healing=work.healing, why="a healing is at work on it")
                )
            return True
        incident = server.incident
        if incident is None:
            server.waits_until = None
            server.is_answered(Answer(what="nothing_unhealthy"))
            return True
        question = self.questions.answered(server.name, incident)
        if question is None:
            return False
        server.waits_until = None
        try:
            decision = self._decide(question.concern, question.known.result())
        except FleetSilent as error:
            self.healings.has_not_begun(server, error)
            return True
        why_no_room = question.why_no_room or self._why_no_room(server)
        if decision.what is not Next.WAIT and why_no_room:
            decision = Decision(what=Next.WAIT, why=why_no_room)
            server.waits_for_room = True
        self._act(server, incident, decision)
        return True

    def _act(self, server: Watched, incident: Incident, decision: Decision) -> None:
        server.waits_until = decision.until
        record = decision.healing
        if decision.what is Next.WAIT:
            again = f", until {moment(decision.until)}" if decision.until else ""
            said = {"healing": record.id if record else "", "why": f"{decision.why}{again}"}
            tell_once(self.session, server, "waits", events.AlertWaits, **said)
            server.is_answered(Answer(what="waits", **said))
            if record and self.carrier.follows and _is_at_work(record, server):
                self.go_on_with(record, server)
        elif decision.what is Next.RESUME and record:
            self.go_on_with(record, server)
        else:
            self._heal(server, incident)

    def go_on_with(self, record: HealingRecord, server: Watched) -> None:
        """Go on with a healing that was broken off, or follow one that somebody else has begun."""
        self.spawn(self.healings.go_on(server, record))

    def _concern(self, server: Watched, incident: Incident, others: Iterable[Watched]) -> Concern:
        near, far = [], set[str]()
        if incident.only_end_to_end:
            for one in others:
                if not server.may_pass_on_to(one):
                    far.add(one.name)
                elif one.incident and one.incident.on_mailbox_side:
                    near.append((one.name, one.incident))
        return Concern(
            server=server.name,
            incident=incident,
            near=near,
            far=far,
            place=server.place,
            now=self.session.clock.now(),
            retry=self.retry,
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
        self.spawn(self.healings.heal(server, alert))

    def _why_no_room(self, server: Watched) -> str:
        """Why no healing may begin because of others of this watch; empty if one may."""
        if server.place and (work := self.healings.at(server.place)):
            return f"{work.server.name} is healed first, which is in the same {server.place}"
        if not self.healings.has_room:
            return f"{self.healings.at_once} healings are at work, and no more may be (at_once)"
        return ""

    # --- by what has been done -------------------------------------------------------------------

    def _decide(self, concern: Concern, known: Known) -> Decision:
        if known.in_the_way:
            record, why = known.in_the_way
            return Decision(what=Next.WAIT, healing=record, why=why)
        incident, now = concern.incident, concern.now
        undecided = self.policy is not None and self.policy.approval_undecided
        own = known.healings[concern.server]
        decision = decide(incident, own, now, self.retry, undecided=undecided)
        if decision.what is Next.RESUME and decision.healing:
            return self._unless_soon(decision, decision.healing, concern, known)
        if decision.what is not Next.HEAL:
            return decision
        return _for_back_ends(concern, known) or _for_others_there(concern, known) or decision

    def _unless_soon(
        self, decision: Decision, record: HealingRecord, concern: Concern, known: Known
    ) -> Decision:
        # Not at once: whoever broke it off by hand may be about to look at the server.
        until = (known.heard_of or record.begun_at) + self.retry
        if until <= concern.now:
            return decision
        why = f"healing {record.id} was broken off, and will be gone on with"
        return Decision(what=Next.WAIT, healing=record, why=why, until=until)


def _for_back_ends(concern: Concern, known: Known) -> Decision | None:
    """What a front end waits for: the back ends that it may pass clients on to."""
    neighbours = [
        Neighbour(server=name, incident=incident, healings=known.healings[name])
        for name, incident in concern.near
    ]
    return wait_for_back_ends(
        concern.incident, neighbours, known.lately, concern.now, concern.retry
    )


def _for_others_there(concern: Concern, known: Known) -> Decision | None:
    """What has begun elsewhere, by hand or by a healing of a front end, is waited for."""
    holder = known.at_place
    if holder is None:
        return None
    why = f"healing {holder.id} is at work in the same {concern.place}: {holder.owner}"
    return Decision(what=Next.WAIT, healing=holder, why=why)


def _is_at_work(record: HealingRecord, server: Watched) -> bool:
    return record.alive and same_server(record.server, server.name)

"""What is done about what the looks of a watch have seen: by what has been done, each time."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from datetime import timedelta
from typing import Any, Final

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
from popheal.watch.watched import Watched, tell_once

#: Seconds in which who was silent is not asked again.
_SILENT: Final = 10.0

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
    """

    session: HealingContext
    policy: Policy | None
    carrier: Carrier
    retry: timedelta
    healings: Healings
    spawn: Spawn
    #: When who carries healings out gave no answer about which servers; and when it last did.
    _silent: dict[str, tuple[float, FleetSilent]] = field(factory=dict, init=False)
    _answered: float = field(default=float("-inf"), init=False)

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
        why_no_room = self._why_no_room(server)
        concern = self._concern(server, incident, others)
        if why_no_room:
            concern = evolve(concern, place=None)  # who is at work there is known already
        try:
            decision = self._decide(concern, await self._known(concern))
        except FleetSilent as error:
            self.healings.has_not_begun(server, error)
            return
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
            if record and self.carrier.follows and _is_at_work(record, server):
                self.go_on_with(record, server)
        elif decision.what is Next.RESUME and record:
            self.go_on_with(record, server)
        else:
            self._heal(server, incident)

    async def _known(self, concern: Concern) -> Known:
        """Who was silent just now is not asked again at once: everybody would wait.

        Of one server it may be what stands in the way of that one alone; of a second one it is
        taken for the fleet's, until there is an answer again.
        """
        now = self.session.clock.monotonic()
        lately = {name: one for name, one in self._silent.items() if now < one[0] + _SILENT}
        if concern.server in lately:
            raise lately[concern.server][1]
        since = [one for one in lately.values() if one[0] >= self._answered]
        if len(since) > 1:
            raise since[-1][1]
        try:
            known = await self.carrier.known(concern)
        except FleetSilent as error:
            self._silent = {**lately, concern.server: (self.session.clock.monotonic(), error)}
            raise
        self._silent, self._answered = lately, self.session.clock.monotonic()
        return known

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

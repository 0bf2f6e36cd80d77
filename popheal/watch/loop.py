"""Watching: look at the POP health of servers now and then, and heal what turns ill.

What has been done about an incident is asked of the journal, and of nothing else: a watch that
is started anew goes on where the last one was. What is kept in memory only spares repeated
lines in the log, and logons that would be refused once more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from attrs import define, field

from popheal.api import Healer
from popheal.engine.context import HealingContext
from popheal.engine.control import Control
from popheal.engine.triage.health import Rows, sort_rows
from popheal.errors import (
    AlreadyEnded,
    AlreadyRunning,
    Detached,
    Fenced,
    IllegalOutcome,
    JournalError,
    NotAuthorised,
    PophealError,
    Unreadable,
)
from popheal.exchange.backend import Backend
from popheal.healthsets.pop.catalog import MONITORS
from popheal.journal import HealingRecord, Journal
from popheal.policy.policy import Policy
from popheal.reports import events
from popheal.reports.events import Event, Observer
from popheal.reports.measures import ServerLooked
from popheal.reports.report import Alert, Report
from popheal.second_opinion.settings import SecondOpinion
from popheal.tables.table import Verdict
from popheal.util.clock import Clock, SystemClock
from popheal.util.defects import describe_defect
from popheal.util.text import moment
from popheal.watch.decide import (
    Decision,
    Incident,
    Neighbour,
    Next,
    decide,
    health_of,
    incident_of,
    rank,
    wait_for_back_ends,
)
from popheal.watch.first_check import check_first
from popheal.watch.watch_lock import watching_alone


def watch(
    servers: Sequence[str],
    backend: Backend,
    *,
    journal: Journal,
    policy: Policy | None = None,
    every: float = 60.0,
    retry: float = 900.0,
    clock: Clock | None = None,
    observers: Sequence[Observer] = (),
    control: Control | None = None,
    once: bool = False,
    second_opinion: SecondOpinion | None = None,
    check: bool = False,
) -> list[Verdict]:
    """Heal what turns ill on some servers, until it is told to end.

    It begins by going on with every healing of the journal whose process has died. One healing
    is carried out at a time, and meanwhile no other server is looked at.

    Args:
        servers: Whose health is looked at; at least one.
        backend: What reaches the Exchange organisation.
        journal: Where healings are written down, and where it is looked up what has been done.
        policy: How far to go; safe by default. It also holds for what is resumed; if None,
            that may do what it was allowed when it began.
        every: Seconds from one look at a server to the next.
        retry: Seconds from the end of a healing to the next one of the same server, at least,
            and between looks where a look was refused.
        clock: As for :func:`~popheal.api.heal`.
        observers: Called with each event of the watch and of its healings.
        control: Cancel it to end: a healing at work is stopped, and only restores from then on.
            Detach it to end at once: a healing at work is left for the next start, which resumes
            it.
        once: End by itself, once each server was looked at.
        second_opinion: As for :func:`~popheal.api.heal`.
        check: Begin with :meth:`~popheal.api.Healer.check`, once interrupted healings have been
            gone on with, and tell what has changed since the last one with this journal. Whatever
            comes of it, the watch goes on.

    Returns:
        How the healings since the last pause ended; for each look that failed, ``UNKNOWN``.

    Raises:
        JournalError: If the journal can't be read or written, or is being watched already.
    """
    if not servers:
        raise ValueError("there is no server to watch")
    with watching_alone(journal):
        own: Clock | None = getattr(backend, "clock", None)
        watching = _Watch(
            backend=backend,
            journal=journal,
            policy=policy,
            every=every,
            retry=timedelta(seconds=retry),
            session=HealingContext(
                policy=policy or Policy(),
                clock=clock or own or SystemClock(),
                organisation=backend.organisation,
                observers=tuple(observers),
                control=control or Control(),
                second_opinion=second_opinion,
            ),
            servers=[_Watched(name=name) for name in dict.fromkeys(servers)],
        )
        watching.session.emit(
            events.WatchStarted, "", servers=tuple(servers), every=every, retry=retry
        )
        left = ""
        try:
            watching.go_on_with_all()
            if check and not watching.ending:
                check_first(watching.session, backend, servers, journal)
            watching.look_around()
            while not (once or watching.ending):
                watching.pause()
                watching.look_around()
        except Detached as broken_off:
            left = broken_off.run
        watching.session.emit(events.WatchEnded, "", left=left)
        return watching.ended


# --- looking around ------------------------------------------------------------------------------


@define(kw_only=True)
class _Watched:
    """A server that is looked at.

    Attributes:
        wait: Seconds until the next look.
        incident: What the last look has seen to be unhealthy; None if that look failed, or what
            it saw could not be answered.
        told: What was told last about it: the same is not told again.
    """

    name: str
    wait: float = 0.0
    incident: Incident | None = None
    told: dict[str, Any] = field(factory=dict)


@define(kw_only=True)
class _Watch:
    """A watch at work.

    Attributes:
        ended: How the healings since the last pause ended.
        refused: The last look was refused, or none has been made yet.
        stop_noted: The present healing was stopped by a Ctrl-C that nobody caught.
    """

    backend: Backend
    journal: Journal
    policy: Policy | None
    every: float
    retry: timedelta
    session: HealingContext
    servers: list[_Watched]
    ended: list[Verdict] = field(factory=list)
    refused: bool = True
    stop_noted: bool = False

    def _note_stop(self, event: Event) -> None:
        """An observer: the stop came from here, not by ``popheal cancel``."""
        self.stop_noted = self.stop_noted or isinstance(event, events.StopNoted)

    @property
    def ending(self) -> bool:
        return self.session.control.cancelled or self.session.control.detached

    def go_on_with_all(self) -> None:
        """Go on with every healing whose process has died. Raises Detached."""
        for record in self.journal.healings(unfinished=True):
            mine = record.organisation == self.backend.organisation
            if mine and not record.alive and not self.ending:
                self._go_on_with(record, _Watched(name=record.server))

    def look_around(self) -> None:
        """Look at each server whose time has come, and answer what is seen. Raises Detached."""
        looked = []
        may_ask = True
        for server in tuple(self.servers):
            if self.ending:
                return
            if server.wait <= 0:
                server.wait = self.every
                may_ask = self._look_at(server)
                looked.append(server)
                if not may_ask:
                    break
        self._answer_all([one for one in looked if one.incident], fresh=may_ask)

    def _answer_all(self, ill: list[_Watched], *, fresh: bool) -> None:
        """Answer what was seen, what is nearest to a cause first.

        Args:
            ill: The servers on which something was seen.
            fresh: Whether it is so still: if not, each is looked at again before.
        """
        ill.sort(key=lambda one: rank(one.incident) if one.incident else 0)
        for server in ill:
            if self.ending or not (fresh or self._look_at(server)):
                return
            if server.incident and self._answer(server, server.incident):
                fresh = False  # a healing takes its time, and may have healed others, too

    def pause(self) -> None:
        """Let time pass until the next look, in pieces, so that an end is heeded soon."""
        self.ended.clear()
        seconds = min(one.wait for one in self.servers)
        for one in self.servers:
            one.wait -= seconds
        while seconds > 0 and not self.ending:
            piece = min(seconds, self.session.timing.stop_poll)
            self.session.clock.sleep(piece)
            seconds -= piece

    def _look_at(self, server: _Watched) -> bool:
        """Look at one server; False if no other may be looked at."""
        server.incident = None
        began = self.session.clock.monotonic()
        try:
            rows = list(self.backend.server_health(server.name))
        except NotAuthorised as error:
            self._tell_look(server, "silent", began)
            self._failed(server, error)
            self._turned_away(server)
            return False
        except Exception as error:  # noqa: BLE001 - a backend may raise anything
            self._tell_look(server, "silent", began)
            self._failed(server, error)
            return True
        self.refused = False
        now = self.session.clock.now()
        server.incident = incident_of(server.name, rows, now)
        found = sort_rows(server.name, MONITORS, rows)
        self._tell_look(server, health_of(found), began)
        self._tell_health(server, found, server.incident)
        return True

    def _turned_away(self, server: _Watched) -> None:
        """Keep away from the account's lock-out.

        Who was turned away may have no rights on one server, or a wrong password. So no other
        is looked at for now, and the next time the others come before this one. If the next
        look is refused as well, it is the password, and nothing is tried for a while.
        """
        server.wait = max(self.every, self.retry.total_seconds())
        for one in self.servers:
            one.wait = max(one.wait, server.wait if self.refused else self.every)
        self.servers.remove(server)
        self.servers.append(server)
        self.refused = True

    def _answer(self, server: _Watched, incident: Incident) -> bool:
        """Do what is to be done about an incident; whether something was."""
        now = self.session.clock.now()
        decision = self._decide(server, incident, now)
        record = decision.healing
        if decision.what is Next.RESUME and record:
            # Not at once: whoever broke it off by hand may be about to look at the server.
            until = self._last_sign_of(record) + self.retry
            if until <= now:
                self._go_on_with(record, server)
                return True
            why = f"healing {record.id} was broken off, and will be gone on with"
            decision = Decision(what=Next.WAIT, healing=record, why=why, until=until)
        if decision.what is Next.WAIT:
            again = f", until {moment(decision.until)}" if decision.until else ""
            said = {"healing": record.id if record else "", "why": f"{decision.why}{again}"}
            self._tell_once(server, "waits", events.AlertWaits, **said)
            return False
        self._heal(server, incident)
        return True

    def _decide(self, server: _Watched, incident: Incident, now: datetime) -> Decision:
        undecided = self.policy is not None and self.policy.approval_undecided
        known = self._healings_of(server, incident, now)
        decision = decide(incident, known, now, self.retry, undecided=undecided)
        if decision.what is not Next.HEAL or not incident.only_end_to_end:
            return decision
        others = [
            Neighbour(
                server=one.name,
                incident=one.incident,
                healings=self._healings_of(one, one.incident, now),
            )
            for one in self.servers
            if one is not server and one.incident
        ]
        lately = self.journal.healings(
            organisation=self.backend.organisation, since=now - self.retry
        )
        return wait_for_back_ends(incident, others, lately, now, self.retry) or decision

    def _healings_of(
        self, server: _Watched, incident: Incident, now: datetime
    ) -> list[HealingRecord]:
        """The healings of a server that may have to do with what is seen there."""
        return self.journal.healings(
            server=server.name,
            organisation=self.backend.organisation,
            since=incident.looks_back_to(now, self.retry),
        )

    def _last_sign_of(self, record: HealingRecord) -> datetime:
        entries = self.journal.entries(record.id)
        return entries[-1].at if entries else record.begun_at

    # --- healing ---------------------------------------------------------------------------------

    def _heal(self, server: _Watched, incident: Incident) -> None:
        monitor = incident.monitor
        alert = Alert(
            server=server.name,
            health_set=monitor.health_set,
            monitor=monitor.name,
            text=f"{monitor.name} has been Unhealthy since {moment(incident.at)}.",
            at=incident.at,
        )
        self.session.emit(events.AlertRaised, server.name, monitor=monitor.name, text=alert.text)
        self._carry_out(server, lambda healer, control: healer.heal(alert, control=control))

    def _go_on_with(self, record: HealingRecord, server: _Watched) -> None:
        self._carry_out(server, lambda healer, control: healer.resume(record.id, control=control))

    def _carry_out(self, server: _Watched, healing: Callable[[Healer, Control], Report]) -> None:
        """Carry a healing out. Raises Detached and JournalError; nothing else may end the watch."""
        # `popheal cancel` stops this healing, and not the watch.
        control = Control(within=self.session.control)
        healer = Healer(
            self.backend,
            policy=self.policy,
            clock=self.session.clock,
            journal=self.journal,
            observers=(*self.session.observers, self._note_stop),
            second_opinion=self.session.second_opinion,
        )
        self.stop_noted = False
        try:
            report = healing(healer, control)
        except (Fenced, AlreadyRunning, AlreadyEnded) as error:
            self._tell_once(server, "waits", events.AlertWaits, why=error.sentence())
            return
        except (Detached, JournalError):
            raise
        except PophealError as error:
            self._failed(server, error)
            server.incident = None  # nobody waits for what can't be answered
            return
        server.told.clear()
        self.ended.append(report.verdict)
        unnoted = self.journal.healing(report.id).cancel_at is None
        if control.cancelled and (unnoted or self.stop_noted):
            self.session.control.cancel()  # a Ctrl-C that nobody caught

    # --- telling ---------------------------------------------------------------------------------

    def _tell_look(self, server: _Watched, health: str, began: float) -> None:
        took = max(0.0, self.session.clock.monotonic() - began)
        self.session.emit(ServerLooked, server.name, health=health, seconds=took)

    def _tell_health(self, server: _Watched, rows: Rows, incident: Incident | None) -> None:
        health = health_of(rows)
        if not incident:
            server.told.pop("waits", None)
        self._tell_once(
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

    def _failed(self, server: _Watched, error: Exception) -> None:
        self.ended.append(Verdict.UNKNOWN)
        if isinstance(error, IllegalOutcome):
            cause = describe_defect(error)
            error = Unreadable(server=server.name, command="healing", cause=cause)
        elif not isinstance(error, PophealError):
            cause = f"the backend raised {type(error).__name__}: {error}"
            error = Unreadable(server=server.name, command="server_health", cause=cause)
        if server.told.get("health") != type(error).__name__:
            self.session.emit(events.LookFailed, server.name, error=str(error))
            server.told["health"] = type(error).__name__

    def _tell_once(self, server: _Watched, about: str, kind: type[Event], **said: Any) -> None:
        """Report something, unless just that was reported before."""
        if server.told.get(about) != said:
            server.told[about] = said
            self.session.emit(kind, server.name, **said)

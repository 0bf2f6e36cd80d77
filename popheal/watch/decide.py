"""What is ill on a server, and what is to be done about it, by what has been done already.

All of it follows from the rows of the server and from the healings in the journal: nothing here
remembers anything, so whoever is asked after a restart decides the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from enum import Enum
from itertools import takewhile
from typing import Final

from attrs import Factory, frozen

from popheal.engine.triage.health import Rows, sort_rows
from popheal.exchange.interpret import is_unhealthy, rows_of
from popheal.exchange.models import MonitorHealth
from popheal.healthsets.pop.catalog import MONITORS, Monitor
from popheal.healthsets.pop.health import is_row_of, pop_rows
from popheal.journal import HealingRecord
from popheal.reports.report import FindingKind
from popheal.tables.table import Verdict

#: Healings that found or made all well, after which the row still says the same: then a person.
_TRIES: Final = 3
#: An incident whose beginning nobody can tell is taken for another one after this long.
_A_DAY: Final = timedelta(days=1)
#: How often the pause after a healing that could not tell is doubled at most.
_DOUBLINGS: Final = 4

#: Whose procedure a back end's own fault is healed by, and a front end's that shows end to end.
_MAILBOX_SIDE: Final = "mailbox"
_END_TO_END: Final = "client_access"
_BACK_END_MONITORS: Final = {one.name for one in MONITORS if one.procedure == _MAILBOX_SIDE}

_WELL: Final = {one.value for one in Verdict if one.good}
_SEEN_WELL: Final = {Verdict.RECOVERED.value, Verdict.TRANSIENT.value}
_FOR_A_PERSON: Final = {one.value for one in Verdict if one.for_a_person}


@frozen(kw_only=True)
class Incident:
    """What is Unhealthy on a server.

    Attributes:
        monitor: The one that turned Unhealthy last.
        at: When it did, by the server's clock; None if no row says so.
        turned: The same, by our clock.
        monitors: All that are Unhealthy, in the order of healing.
    """

    monitor: Monitor
    at: datetime | None = None
    turned: datetime | None = None
    monitors: tuple[Monitor, ...] = Factory(lambda self: (self.monitor,), takes_self=True)

    @property
    def nearest(self) -> Monitor:
        """The one nearest to the cause: it is healed first."""
        return self.monitors[0]

    @property
    def on_mailbox_side(self) -> bool:
        """Whether it is a back end's own, which front ends may fail by."""
        return self.nearest.procedure == _MAILBOX_SIDE

    @property
    def only_end_to_end(self) -> bool:
        """Whether nothing nearer than the way from client to mailbox is Unhealthy there."""
        return self.nearest.procedure == _END_TO_END

    def looks_back_to(self, now: datetime, retry: timedelta) -> datetime:
        """When a healing must have ended at the least to have to do with it, generously."""
        if self.at is None or self.turned is None:
            return now - 2 * _A_DAY
        return self.turned - retry - _A_DAY

    def is_new_to(self, healing: HealingRecord, now: datetime, retry: timedelta) -> bool:
        """Whether something has turned Unhealthy since a healing that has ended.

        What turned Unhealthy while it was at work, or soon after its end, is still the same: a
        restart and a reboot have monitors begin anew, and they need a while.
        """
        ended = healing.ended_at or now
        if self.at is None or self.turned is None:
            return now - ended > _A_DAY
        if healing.alerted_at and self.at <= healing.alerted_at:
            return False
        return self.turned > ended + retry


#: What to call a server's health: the first of these that one of its monitors is.
_WORST_FIRST: Final = (
    "unhealthy",
    "degraded",
    "repairing",
    "could_not_tell",
    "healthy",
    "disabled",
)


def health_of(rows: Rows) -> str:
    """The worst of a server's POP monitors, as a word; ``could_not_tell`` if it has none."""
    return next((one for one in _WORST_FIRST if rows.are(one)), "could_not_tell")


def incident_of(server: str, rows: Sequence[MonitorHealth], now: datetime) -> Incident | None:
    """What the rows say is ill, if anything that the runbook can heal is.

    Args:
        server: Name of the server.
        rows: What ``Get-ServerHealth`` says, all of it.
        now: When it was asked, by our clock.
    """
    ill = sort_rows(server, MONITORS, rows).are("unhealthy")
    if not ill:
        return None
    turns = [
        (row.last_transition, monitor)
        for monitor in ill
        for row in pop_rows(server, rows)
        if is_row_of(monitor, row) and is_unhealthy(row) and row.last_transition
    ]
    if not turns:
        return Incident(monitor=ill[0], monitors=tuple(ill))
    at, monitor = max(turns, key=lambda turn: turn[0])
    # The server's clock may be wrong: what can be compared with ours is how long ago it was. Of
    # all its monitors, the one evaluated last tells best how late it is there.
    evaluated = [one.last_execution for one in rows_of(server, rows) if one.last_execution]
    age = max(evaluated) - at if evaluated else now - at
    turned = now - max(age, timedelta(0))
    return Incident(monitor=monitor, at=at, turned=turned, monitors=tuple(ill))


class Next(Enum):
    """What is to be done about an incident."""

    HEAL = "heal"
    RESUME = "resume"
    WAIT = "wait"


@frozen(kw_only=True)
class Decision:
    """What is to be done about an incident, and why.

    Attributes:
        healing: The healing that is the reason.
        until: When something else may be done, if nothing happens before; None for never.
    """

    what: Next
    healing: HealingRecord | None = None
    why: str = ""
    until: datetime | None = None


def decide(
    incident: Incident,
    healings: Sequence[HealingRecord],
    now: datetime,
    retry: timedelta,
    *,
    undecided: bool = False,
) -> Decision:
    """What is to be done about an incident.

    Args:
        incident: What is ill on a server.
        healings: The healings of that server, the oldest first.
        now: By our clock.
        retry: The pause after a healing.
        undecided: Whether nobody has said whether servers may be taken out of service unasked.
    """
    for one in healings:
        if one.ended_at is None:
            if one.alive:
                why = f"healing {one.id} is at work on it: {one.owner}"
                return Decision(what=Next.WAIT, healing=one, why=why)
            return Decision(what=Next.RESUME, healing=one)
    same = [one for one in healings if not incident.is_new_to(one, now, retry)]
    if not same:
        return Decision(what=Next.HEAL)
    last = same[-1]
    left = _left_to_a_person(same)
    if left:
        return Decision(what=Next.WAIT, healing=last, why=left)
    if _went_as_far_as_decided(last):
        if not undecided:
            return Decision(what=Next.HEAL, healing=last)
        why = f"healing {last.id} went as far as it may until approval_from is said, in [policy]"
        return Decision(what=Next.WAIT, healing=last, why=why)
    until = _may_be_tried_at(same, retry)
    if until <= now:
        return Decision(what=Next.HEAL, healing=last)
    why = f"healing {last.id} ended as {last.verdict}"
    return Decision(what=Next.WAIT, healing=last, why=why, until=until)


def _left_to_a_person(same: Sequence[HealingRecord]) -> str:
    """Why nothing more is done about an incident; empty if that is not so."""
    # One that held back, or could not tell, takes it from nobody.
    decisive = [one for one in same if one.verdict in _WELL | _FOR_A_PERSON]
    if decisive and decisive[-1].verdict in _FOR_A_PERSON:
        last = decisive[-1]
        return f"healing {last.id} ended as {last.verdict}: left to a person"
    well = list(takewhile(lambda one: one.verdict in _WELL, reversed(same)))
    if len(well) >= _TRIES:
        return (
            f"{len(well)} healings in a row found or made all well, and the monitor still says "
            "what it said before: left to a person"
        )
    return ""


def _went_as_far_as_decided(last: HealingRecord) -> bool:
    """Whether trying it again would only restart the service again, and stop there again."""
    if last.verdict != Verdict.HELD.value:
        return False
    runs = (last.report or {}).get("runs", ())
    kinds = (step.get("kind") for run in runs for step in run["steps"])
    return FindingKind.UNDECIDED.value in kinds


def _may_be_tried_at(same: Sequence[HealingRecord], retry: timedelta) -> datetime:
    """When an incident may be tried again, by how often it was tried."""
    last = same[-1]
    if last.retry_at and last.verdict not in _WELL:
        return last.retry_at
    blind = list(takewhile(lambda one: one.verdict == Verdict.UNKNOWN.value, reversed(same)))
    doublings = min(max(0, len(blind) - 1), _DOUBLINGS)
    return (last.ended_at or last.begun_at) + int(2**doublings) * retry


# --- several servers -----------------------------------------------------------------------------


def rank(incident: Incident) -> int:
    """Where an incident stands among those of other servers: the lowest is answered first.

    As the monitors of one server are healed, so are servers: mailbox side, proxy, end to end,
    command time. The earlier ones are common causes of the later ones.
    """
    return MONITORS.index(incident.nearest)


@frozen(kw_only=True)
class Neighbour:
    """Another server that is watched.

    Attributes:
        incident: What is unhealthy there; None if nothing is, or if it can't be told.
        healings: The healings of that server, the oldest first.
    """

    server: str
    incident: Incident | None
    healings: Sequence[HealingRecord] = ()


def wait_for_back_ends(
    incident: Incident,
    neighbours: Iterable[Neighbour],
    healings: Iterable[HealingRecord],
    now: datetime,
    retry: timedelta,
) -> Decision | None:
    """What an incident waits for, as it may be explained by a back end on another server.

    A front end fails from end to end while a back end does. So it waits while the mailbox side
    of a neighbour is being healed or about to be; and, once that went well, until its own
    monitor has had the time to see it. It does not wait for a back end that is left to a
    person, held back or not understood: then its own healing looks for the nearest cause.

    Args:
        incident: What is unhealthy on a front end.
        neighbours: The other servers that are watched.
        healings: Those of the organisation that have ended no longer ago than the pause.
        now: By our clock.
        retry: The pause after a healing.

    Returns:
        To wait, and why; None if there is nothing to wait for.
    """
    if not incident.only_end_to_end:
        return None
    for one in neighbours:
        if one.incident and one.incident.on_mailbox_side:
            theirs = decide(one.incident, one.healings, now, retry)
            if theirs.what is not Next.WAIT or (theirs.healing and not theirs.healing.ended_at):
                why = f"the mailbox side of {one.server} is unhealthy, and is healed first"
                return Decision(what=Next.WAIT, healing=theirs.healing, why=why)
    ends = [(one.ended_at, one) for one in healings if one.ended_at and _healed_a_back_end(one)]
    if not ends:
        return None
    ended, last = max(ends, key=lambda end: end[0])
    if ended + retry <= now:
        return None
    why = f"healing {last.id} has healed a back end; the front end may be well by that"
    return Decision(what=Next.WAIT, healing=last, why=why, until=ended + retry)


def _healed_a_back_end(healing: HealingRecord) -> bool:
    """Whether it has left the mailbox side of a server well, that of its alert or another one."""
    name = healing.alert.get("monitor")
    if name in _BACK_END_MONITORS and healing.verdict in _SEEN_WELL:
        return True
    return any(
        run["procedure"] == _MAILBOX_SIDE and run["verdict"] == Verdict.RECOVERED.value
        for run in (healing.report or {}).get("runs", ())
    )

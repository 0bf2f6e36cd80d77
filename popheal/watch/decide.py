"""What is ill on a server, and what is to be done about it, by what has been done already.

All of it follows from the rows of the server and from the healings in the journal: nothing here
remembers anything, so whoever is asked after a restart decides the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import Enum
from itertools import takewhile
from typing import Final

from attrs import frozen

from popheal.engine.triage.health import sort_rows
from popheal.exchange.interpret import is_unhealthy, rows_of
from popheal.exchange.models import MonitorHealth
from popheal.healthsets.pop.catalog import MONITORS, Monitor
from popheal.healthsets.pop.health import is_row_of, pop_rows
from popheal.journal import HealingRecord
from popheal.tables.table import Verdict

#: Healings that found or made all well, after which the row still says the same: then a person.
_TRIES: Final = 3
#: An incident whose beginning nobody can tell is taken for another one after this long.
_A_DAY: Final = timedelta(days=1)
#: How often the pause after a healing that could not tell is doubled at most.
_DOUBLINGS: Final = 4

_WELL: Final = {one.value for one in Verdict if one.good}
_FOR_A_PERSON: Final = {one.value for one in Verdict if one.for_a_person}


@frozen(kw_only=True)
class Incident:
    """What is Unhealthy on a server.

    Attributes:
        monitor: The one that turned Unhealthy last.
        at: When it did, by the server's clock; None if no row says so.
        turned: The same, by our clock.
    """

    monitor: Monitor
    at: datetime | None = None
    turned: datetime | None = None

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
        return Incident(monitor=ill[0])
    at, monitor = max(turns, key=lambda turn: turn[0])
    # The server's clock may be wrong: what can be compared with ours is how long ago it was. Of
    # all its monitors, the one evaluated last tells best how late it is there.
    evaluated = [one.last_execution for one in rows_of(server, rows) if one.last_execution]
    age = max(evaluated) - at if evaluated else now - at
    return Incident(monitor=monitor, at=at, turned=now - max(age, timedelta(0)))


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
    incident: Incident, healings: Sequence[HealingRecord], now: datetime, retry: timedelta
) -> Decision:
    """What is to be done about an incident.

    Args:
        incident: What is ill on a server.
        healings: The healings of that server, the oldest first.
        now: By our clock.
        retry: The pause after a healing.
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


def _may_be_tried_at(same: Sequence[HealingRecord], retry: timedelta) -> datetime:
    """When an incident may be tried again, by how often it was tried."""
    last = same[-1]
    if last.retry_at and last.verdict not in _WELL:
        return last.retry_at
    blind = list(takewhile(lambda one: one.verdict == Verdict.UNKNOWN.value, reversed(same)))
    doublings = min(max(0, len(blind) - 1), _DOUBLINGS)
    return (last.ended_at or last.begun_at) + int(2**doublings) * retry

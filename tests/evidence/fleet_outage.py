"""A simulated outage of a fleet, healed by the watch, against its critical path.

``python -m tests.evidence.fleet_outage --seed 1 --groups 200`` prints a table.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta

from attrs import frozen

from popheal import Alert, Healer, Journal, Policy, Verdict, Window
from popheal.backends.simulated.organisation import Organisation
from popheal.journal import HealingRecord
from popheal.policy.windows import DAYS
from popheal.tables.timing import Timing
from popheal.watch.decide import (
    Decision,
    Incident,
    Neighbour,
    Next,
    decide,
    incident_of,
    rank,
    wait_for_back_ends,
)
from popheal.watch.loop import Watch
from tests.evidence.fleet_draw import OUTAGE, SPREAD, Group, draw, organisation_of
from tests.support.asynchronous import AsyncSimulation
from tests.support.virtual_time import run

#: Seconds from one look at a server to the next, and that each call takes on its way.
EVERY, CALL = 60.0, 2.0
#: By how much more than the critical path the watch may take, at most.
GOAL = 1.05
#: From the end of a healing to the next one of the same server, at least.
RETRY = timedelta(minutes=15)
#: Servers by which the organisation is asked, for so many groups.
GROUPS_AN_ENTRANCE = 8
#: Seconds until the last fault shows: it begins, is noticed, and the monitor turns.
SHOWS = SPREAD + 180.0
#: Seconds after the beginning of the outage at which it is given up.
PATIENCE = 36 * 3600.0

_TIMING = Timing(stop_poll=60)

#: What to call a policy, and the policy.
POLICIES = {
    "as by default": Policy(timing=_TIMING),
    "no pause between members": Policy(timing=_TIMING, hours_between_reboots=0),
    "changes from 08:30 to 12:00 only": Policy(
        timing=_TIMING, windows=(Window(DAYS, "08:30", "12:00"),), hours_between_reboots=0
    ),
}


def is_left(verdict: str, retry_at: datetime | None) -> bool:
    """Whether a healing that ended so leaves the rest to a person, or to another policy."""
    known = Verdict(verdict)
    return known.for_a_person or (known is Verdict.HELD and retry_at is None)


def sickness(simulation: Organisation, server: str) -> Incident | None:
    """What monitors say of a server now, which nobody has to ask for."""
    with simulation.present() as world:
        rows = simulation.monitoring.rows(world.named(server))
        return incident_of(server, rows, simulation.clock.now())


def has_fault(simulation: Organisation, server: str) -> bool:
    """Whether something is wrong there that was not cured."""
    with simulation.present() as world:
        found = world.named(server)
        return any(one.active for one in world.faults_on(found) if one.server is found)


# --- the bound -----------------------------------------------------------------------------------


async def attended(group: Group, policy: Policy, simulation: Organisation) -> float:
    """Heal one group by itself, as somebody who sees each monitor in the moment in which it turns.

    Whether a healing may begin is asked of the watch's own rules. Of those that may, what is
    nearest to the cause is healed first, then who turned unhealthy first; each healing begins in
    the very moment in which it may. There are no looks, no intervals, and nobody else.

    Returns:
        Seconds from the beginning of the outage to the end of the last healing.
    """
    clock, journal, last = simulation.clock, Journal(), 0.0
    backend = AsyncSimulation(simulation, seconds=CALL)
    healer = Healer(backend, policy=policy, clock=clock, journal=journal)
    began = clock.now() + timedelta(seconds=OUTAGE)
    shown = began + timedelta(seconds=SHOWS)
    pending = [_fqdn(one) for one in group.hit]
    await clock.asleep(OUTAGE)
    while pending and (clock.now() - began).total_seconds() < PATIENCE:
        now = clock.now()
        sick = {one: found for one in pending if (found := sickness(simulation, one))}
        for one in pending[:]:
            if one not in sick and now > shown and not has_fault(simulation, one):
                pending.remove(one)
        decisions = {one: _decide(one, sick, journal, now) for one in sick}
        ready = [one for one in sick if decisions[one].what is Next.HEAL]
        if not ready:
            await clock.asleep(_until_next(pending, decisions, now))
            continue
        server = min(ready, key=lambda one: (rank(sick[one]), sick[one].turned or now))
        monitor = sick[server].monitor
        report = await healer.aheal(
            Alert(
                server=server,
                health_set=monitor.health_set,
                monitor=monitor.name,
                at=sick[server].at,
            )
        )
        last = (clock.now() - began).total_seconds()
        if is_left(report.verdict.value, report.retry_at):
            pending.remove(server)
    return last


def _decide(server: str, sick: dict[str, Incident], journal: Journal, now: datetime) -> Decision:
    """What the watch would decide, had it looked at everybody just now."""
    known = {one: journal.healings(server=one) for one in sick}
    decision = decide(sick[server], known[server], now, RETRY)
    if decision.what is not Next.HEAL:
        return decision
    others = [
        Neighbour(server=one, incident=sick[one], healings=known[one])
        for one in sick
        if one != server and sick[one].on_mailbox_side
    ]
    lately = [one for one in journal.healings() if one.ended_at and one.ended_at > now - RETRY]
    return wait_for_back_ends(sick[server], others, lately, now, RETRY) or decision


def _until_next(pending: Sequence[str], decisions: dict[str, Decision], now: datetime) -> float:
    moments = [decisions[one].until if one in decisions else None for one in pending]
    if not moments or not all(moments):
        return 1.0  # a monitor may turn
    return max(0.0, (min(one for one in moments if one) - now).total_seconds())


def critical_path(group: Group, policy: Policy) -> float:
    """Seconds that a group takes at least."""
    simulation = organisation_of([group])
    return run(attended(group, policy, simulation), simulation.clock)


# --- the watch -----------------------------------------------------------------------------------


@frozen(kw_only=True)
class Outage:
    """What came of an outage.

    Attributes:
        took: For each group that was hit, the seconds from the beginning of the outage to the
            end of the last healing there.
        verdicts: How healings ended.
        left: Servers on which a fault is left, and not to a person.
    """

    took: dict[str, float]
    verdicts: Counter[str]
    left: list[str]
    healings: list[HealingRecord]


def watched(groups: Sequence[Group], policy: Policy) -> Outage:
    """Have the watch heal the fleet."""
    simulation = organisation_of(groups)
    journal, clock = Journal(), simulation.clock
    entrances = max(2, len(groups) // GROUPS_AN_ENTRANCE)
    began = clock.now() + timedelta(seconds=OUTAGE)
    watch = Watch(
        [one.fqdn for one in simulation.world.servers],
        AsyncSimulation(simulation, seconds=CALL, entrances=entrances),
        journal=journal,
        policy=policy,
        every=EVERY,
        retry=RETRY.total_seconds(),
        at_once=len(groups),
    )
    hit = [_fqdn(one) for group in groups for one in group.hit]

    async def until_settled() -> None:
        await clock.asleep(OUTAGE + SHOWS)
        while (clock.now() - began).total_seconds() < PATIENCE:
            healings = journal.healings()
            left = {one.server for one in healings if one.ended_at and _is_left(one)}
            if all(one.ended_at for one in healings) and all(
                one in left or not (has_fault(simulation, one) or sickness(simulation, one))
                for one in hit
            ):
                break
            await clock.asleep(60)
        watch.control.detach()

    async def both() -> None:
        ending = asyncio.create_task(until_settled())
        await watch.run()
        await ending

    run(both(), clock)
    return _outcome(simulation, journal.healings(), groups, began)


def _outcome(
    simulation: Organisation,
    healings: Sequence[HealingRecord],
    groups: Sequence[Group],
    began: datetime,
) -> Outage:
    ends: dict[str, datetime] = {}
    persons: set[str] = set()
    counted = []
    for one in sorted(healings, key=lambda one: one.begun_at):
        if one.server in persons or one.ended_at is None:
            continue  # a repetition changes nothing any more
        counted.append(one)
        ends[one.server] = one.ended_at
        if _is_left(one):
            persons.add(one.server)
    hit = {group.name: [_fqdn(one) for one in group.members] for group in groups if group.hit}
    took = {
        name: max(((ends[one] - began).total_seconds() for one in its if one in ends), default=0.0)
        for name, its in hit.items()
    }
    left = [
        one
        for its in hit.values()
        for one in its
        if has_fault(simulation, one) and one not in persons
    ]
    return Outage(
        took=took, verdicts=Counter(one.verdict for one in counted), left=left, healings=counted
    )


def _is_left(healing: HealingRecord) -> bool:
    return is_left(healing.verdict, healing.retry_at)


def _fqdn(server: str) -> str:
    return f"{server.lower()}.contoso.com"


# --- the table -----------------------------------------------------------------------------------

HEAD = """\
| Policy | Healings | Ended as | Critical path | Watch | Ratio |
| --- | --- | --- | --- | --- | --- |"""


@frozen(kw_only=True)
class Line:
    """A row of the table: a policy, and what came of it.

    Attributes:
        bounds: For each group that was hit, its critical path in seconds.
    """

    policy: str
    bounds: dict[str, float]
    outage: Outage

    @property
    def ratio(self) -> float:
        """How much longer the watch took than the group that takes longest must."""
        return max(self.outage.took.values()) / max(self.bounds.values())

    def __str__(self) -> str:
        verdicts = self.outage.verdicts
        cells = (
            self.policy,
            verdicts.total(),
            ", ".join(f"{number} {word}" for word, number in sorted(verdicts.items())),
            _clock(max(self.bounds.values())),
            _clock(max(self.outage.took.values())),
            f"{self.ratio:.3f}",
        )
        return f"| {' | '.join(map(str, cells))} |"


def line(name: str, groups: Sequence[Group]) -> Line:
    """Play an outage with one of the policies."""
    policy = POLICIES[name]
    bounds = {one.name: critical_path(one, policy) for one in groups if one.hit}
    return Line(policy=name, bounds=bounds, outage=watched(groups, policy))


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))


def main() -> int:
    """The command line; 1 if a ratio is above the goal, or a fault is left to nobody."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=1, help="what is drawn (default 1)")
    parser.add_argument("--groups", type=int, default=200, help="how many (default 200)")
    parser.add_argument("--policy", choices=list(POLICIES), help="only this one")
    parser.add_argument("--each", action="store_true", help="print each group that was hit, too")
    asked = parser.parse_args()
    groups, started = draw(asked.seed, asked.groups), time.perf_counter()
    hit = [one for one in groups if one.hit]
    print(
        f"seed {asked.seed}: {len(groups)} groups, {sum(len(one.members) for one in groups)} "
        f"servers; hit: {len(hit)} groups, {sum(len(one.hit) for one in hit)} servers",
        HEAD,
        sep="\n",
    )
    failed = False
    for name in POLICIES if asked.policy is None else [asked.policy]:
        row = line(name, groups)
        failed |= row.ratio > GOAL or bool(row.outage.left)
        print(row, flush=True)
        if row.outage.left:
            print("left to nobody:", *row.outage.left)
        for group in hit if asked.each else ():
            took, bound = row.outage.took[group.name], row.bounds[group.name]
            print(f"  {group.name}: {len(group.hit)} hit, {_clock(bound)}, {_clock(took)}")
    print(f"time: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())

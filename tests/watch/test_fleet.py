"""Hundreds of servers in one watch: nobody waits for a server that is sick, silent or healed."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from datetime import timedelta
from itertools import pairwise

import pytest

from popheal import Journal, Policy
from popheal.backends.simulated import SimulatedBackend
from popheal.backends.simulated.scenario import build_scenario
from popheal.engine.control import Control
from popheal.errors import Unreachable
from popheal.exchange.backend import EFFECTS, LOOKS
from popheal.tables.timing import Timing
from popheal.watch.loop import Watch
from tests.support.virtual_time import ParallelClock, run

pytestmark = pytest.mark.slow

GROUPS, MEMBERS, SICK_GROUPS = 50, 10, 5
EVERY, CALL, SILENCE, MINUTES = 300.0, 1.0, 60.0, 17
SILENT = {f"g{number:02d}m0.contoso.com" for number in range(20, 26)}


def fleet():
    """50 groups of 10 in a site each; each member of 5 of them has a fault of its own."""
    groups = {
        f"G{group:02d}": [f"G{group:02d}M{member}" for member in range(MEMBERS)]
        for group in range(GROUPS)
    }
    return build_scenario(
        {
            "title": "A fleet",
            "alert": {"server": "G00M0", "health_set": "POP"},
            "organisation": {"version": "2013"},
            "servers": {
                name: {"roles": ["mailbox"], "site": group}
                for group, names in groups.items()
                for name in names
            },
            "databases": {f"DB{group}": {"copies": names[:2]} for group, names in groups.items()},
            "dags": {group: {"members": names} for group, names in groups.items()},
            "faults": [
                {"server": name, "fails": ["deep"], "cure": "restart"}
                for names in list(groups.values())[:SICK_GROUPS]
                for name in names
            ],
        },
        clock=ParallelClock(),
    ).organisation


class Remote:
    """A simulated organisation in which each call takes its time, and some servers are silent.

    Attributes:
        looked: By server, when each look of the watch at it began.
        calls: How many are under way at the same time, at most.
    """

    #: Names of servers by way of which the organisation is asked.
    entrances = ("g10m0", "g11m0")
    looked: dict[str, list[float]]

    def __init__(self, simulation):
        self.simulated, self.clock = SimulatedBackend(simulation), simulation.clock
        self.looked, self.under_way, self.most = defaultdict(list), 0, 0

    @property
    def organisation(self):
        return self.simulated.organisation

    async def ask(self, method, server, *args):
        if asyncio.current_task().get_name() == f"look at {server}":
            if method == "server_health":
                self.looked[server].append(self.clock.monotonic())
            self.under_way += 1
            self.most = max(self.most, self.under_way)
            try:
                return await self._ask(method, server, *args)
            finally:
                self.under_way -= 1
        return await self._ask(method, server, *args)

    async def _ask(self, method, server, *args):
        if server in SILENT:
            await self.clock.asleep(SILENCE)
            raise Unreachable(server=server, command=method, cause="no answer")
        await self.clock.asleep(CALL)
        do = getattr(self.simulated, method)
        if method in ("invoke_probe", "restart_service", "start_service"):
            return await asyncio.to_thread(do, server, *args)
        return do(server, *args)


def _asked(name):
    async def method(self, server, *args):
        return await self.ask(name, server, *args)

    return method


for one in (*LOOKS, *EFFECTS):
    setattr(Remote, one, _asked(one))


@pytest.fixture(scope="module")
def watched():
    """As many minutes of it as a group of ten needs."""
    simulation = fleet()
    backend, journal, events = Remote(simulation), Journal(), []
    names = [one.fqdn for one in simulation.world.servers]
    watching = Watch(
        names,
        backend,
        journal=journal,
        policy=Policy(sibling_share=0, timing=Timing(stop_poll=60)),
        every=EVERY,
        at_once=SICK_GROUPS,
        observers=[events.append],
        control=Control(),
    )

    async def for_a_while():
        asyncio.get_running_loop().call_later(MINUTES * 60, watching.control.detach)
        await watching.run()

    began = simulation.clock.monotonic()
    run(for_a_while(), simulation.clock)
    return backend, journal.healings(), names, began, simulation.clock.monotonic()


def test_nobody_waits_longer_than_the_interval_and_one_call(watched):
    backend, _, names, began, ended = watched
    assert len(names) == 500
    for name in names:
        moments = [began, *backend.looked[name], ended]
        call = SILENCE if name in SILENT else CALL
        assert max(later - one for one, later in pairwise(moments)) <= EVERY + call, name


def test_calls_are_bounded(watched):
    backend, *_ = watched
    assert 4 < backend.most <= 4 * len(backend.entrances)


def test_everybody_is_healed_one_at_a_time_in_each_group(watched):
    _, healings, *_ = watched
    assert [one.verdict for one in healings] == ["recovered"] * SICK_GROUPS * MEMBERS
    by_group = defaultdict(list)
    for one in healings:
        by_group[one.server[:3]].append(one)
    assert len(by_group) == SICK_GROUPS
    for its in by_group.values():
        assert len({one.server for one in its}) == MEMBERS
        assert all(one.ended_at <= later.begun_at for one, later in pairwise(its))


def test_groups_are_healed_at_the_same_time(watched):
    """The whole takes as long as one of them."""
    _, healings, *_ = watched
    took = max(one.ended_at for one in healings) - min(one.begun_at for one in healings)
    assert took < 1.5 * sum((one.ended_at - one.begun_at for one in healings), timedelta()) / 5

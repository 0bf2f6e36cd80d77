"""Alerts and the looks that answer them: one that fails, one that began before, one at the end."""

from __future__ import annotations

import asyncio

import pytest

from popheal import Alert, Journal, Policy
from popheal.backends.simulated import SimulatedBackend
from popheal.errors import Unreachable
from popheal.watch.loop import Watch
from tests.support.virtual_time import run
from tests.watch.test_alerts import FIRST, SECOND
from tests.watch.test_watch import fault, organisation

#: Seconds that a look takes.
LONG = 5.0


class Hindered(SimulatedBackend):
    """Some looks at the health of servers fail, or take long, or see what a test wants.

    Attributes:
        failing: The servers a look at which fails, once each.
        sees: What the next looks see instead of what is there, once each.
        is_dark: Whether nothing but the health of servers can be seen.
        takes: Seconds from when a look has seen that to its end.
        seen: What was seen.
    """

    def __init__(self, simulation):
        super().__init__(simulation)
        self.failing, self.sees, self.takes, self.seen = [], [], 0.0, []
        self.is_dark = False

    def server_health(self, server):
        if server in self.failing:
            self.failing.remove(server)
            raise Unreachable(server=server, command="Get-ServerHealth", cause="no answer")
        rows = super().server_health(server)
        self.seen.append(self.sees.pop(0) if self.sees else rows)
        if self.takes:
            self.clock.sleep(self.takes)
        return self.seen[-1]

    def server_info(self, server):
        if self.is_dark:
            raise Unreachable(server=server, command="Get-ExchangeServer", cause="no answer")
        return super().server_info(server)


def at_work(backend, journal, service, **options):
    """A watch of nobody, with a service that uses it."""
    options = {"policy": Policy(sibling_share=0), **options}
    watch = Watch((), backend, journal=journal, **options)

    async def serve():
        watching = asyncio.create_task(watch.run())
        await asyncio.sleep(1)
        found = await service(watch)
        watch.control.detach()
        await watching
        return found

    return run(serve(), backend.clock)


def test_alerts_at_once_are_told_of_the_healing_that_they_have_begun(monkeypatch):
    """Looks that come back before it has a name answer nobody."""
    simulation = organisation(faults=[fault("MBX1")])
    journal = Journal()

    async def service(watch):
        carrier = watch._watching.carrier
        heal = type(carrier).heal

        async def begin_late(_carrier, alert, work, session):
            await asyncio.sleep(5)
            return await heal(carrier, alert, work, session)

        async def raise_later(seconds, server):
            await asyncio.sleep(seconds)
            return await watch.raise_alert(Alert(server=server))

        with monkeypatch.context() as patched:
            patched.setattr(type(carrier), "heal", begin_late)
            spellings = (FIRST, "MBX1", FIRST.upper(), "mbx1")
            raised = map(raise_later, (0, 0, 1, 2), spellings)
            return await asyncio.gather(*raised)

    answers = at_work(Hindered(simulation), journal, service)
    (healing,) = journal.healings()
    assert {(one.what, one.healing) for one in answers} == {("heals", healing.id)}


def test_an_alert_that_waits_outlives_a_look_that_fails():
    """Its server is looked at until it is well, not until a look does not get through."""
    simulation = organisation(faults=[fault("MBX1"), fault("MBX2")])
    backend, journal = Hindered(simulation), Journal()

    async def service(watch):
        first = await watch.raise_alert(Alert(server=FIRST))
        second = await watch.raise_alert(Alert(server=SECOND, raised_by=("ann",)))
        backend.failing = [SECOND]
        await asyncio.sleep(60 * 60)
        return first.what, second.what, len(watch._watching._servers)

    assert at_work(backend, journal, service) == ("heals", "waits", 0)
    assert not backend.failing
    healings = journal.healings()
    assert [(one.server, one.verdict) for one in healings] == [
        (FIRST, "recovered"),
        (SECOND, "recovered"),
    ]
    assert healings[1].alert["raised_by"] == ["ann"]


def test_who_has_raised_it_has_raised_what_is_tried_again():
    """Else they could approve of that as another person than who is the reason for it."""
    backend, journal = Hindered(organisation(faults=[fault("MBX1")])), Journal()

    async def service(watch):
        backend.is_dark = True
        answer = await watch.raise_alert(Alert(server=FIRST, raised_by=("ann",)))
        await asyncio.sleep(10 * 60)
        backend.is_dark = False
        await asyncio.sleep(60 * 60)
        return answer.what

    assert at_work(backend, journal, service) == "heals"
    found = [(one.verdict, one.alert["raised_by"]) for one in journal.healings()]
    assert found == [("unknown", ["ann"]), ("recovered", ["ann"])]


def raised_twice(backend, *sees):
    """Two alerts, the second one while a look is under way because of the first."""

    async def service(watch):
        backend.sees, backend.takes = list(sees), LONG
        before = asyncio.create_task(watch.raise_alert(Alert(server=FIRST, raised_by=("ann",))))
        await asyncio.sleep(LONG / 2)
        after = asyncio.create_task(watch.raise_alert(Alert(server=FIRST, raised_by=("boss",))))
        answers = [(await before).what, (await after).what]
        backend.takes = 0.0
        return answers

    return service


def test_an_alert_is_not_answered_by_a_look_that_began_before():
    """What has turned unhealthy meanwhile is not what that look has seen."""
    backend, journal = Hindered(organisation(faults=[fault("MBX1")])), Journal()
    well = Hindered(organisation()).server_health(FIRST)
    service = raised_twice(backend, well)
    assert at_work(backend, journal, service) == ["nothing_unhealthy", "heals"]
    (healing,) = journal.healings()
    assert healing.alert["raised_by"] == ["ann", "boss"]


def test_what_is_seen_once_more_of_a_server_that_was_well_ends_no_watch():
    """It was healed a moment ago, so it waits; a watch that ended for that would heal nobody."""
    backend, journal = Hindered(organisation(faults=[fault("MBX1")])), Journal()
    well = Hindered(organisation()).server_health(FIRST)

    async def service(watch):
        healed = await watch.raise_alert(Alert(server=FIRST))
        await asyncio.sleep(10 * 60)
        again = await raised_twice(backend, well, backend.seen[0])(watch)
        await asyncio.sleep(30 * 60)
        return healed.what, again, watch.runs

    found = at_work(backend, journal, service)
    assert found == ("heals", ["nothing_unhealthy", "waits"], True)
    assert [one.verdict for one in journal.healings()] == ["recovered"]


def test_a_watch_that_ends_takes_no_alert():
    """Nobody would answer it any more, while healings come to their end."""
    simulation = organisation(faults=[fault("MBX1")])
    backend, journal = Hindered(simulation), Journal()

    async def service(watch):
        answer = await watch.raise_alert(Alert(server=FIRST))
        assert answer.what == "heals"
        watch.control.cancel()
        runs = watch.runs
        with pytest.raises(RuntimeError, match="a watch that runs"):
            await asyncio.wait_for(watch.raise_alert(Alert(server=SECOND)), 600)
        return runs

    assert at_work(backend, journal, service) is False


def test_a_watch_that_is_broken_off_takes_no_alert_either():
    """As by a failing journal: nobody has told it to end, and its healings are still being left."""
    backend = Hindered(organisation(faults=[fault("MBX1")]))
    watch = Watch((), backend, journal=Journal(), policy=Policy(sibling_share=0))

    async def service():
        watching = asyncio.create_task(watch.run())
        await asyncio.sleep(1)
        await watch.raise_alert(Alert(server=FIRST))
        watching.cancel()
        found = []
        while not watching.done():
            await asyncio.sleep(0)
            found.append(watch.runs)
        return found

    found = run(service(), backend.clock)
    assert len(found) > 1
    assert not any(found)

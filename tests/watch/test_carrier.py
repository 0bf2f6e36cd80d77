"""A watch over somebody who carries healings out elsewhere, and may be silent."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext

import pytest

from popheal import Alert, Journal
from popheal.backends.simulated import SimulatedBackend
from popheal.errors import FleetSilent
from popheal.watch.carrier import Known
from popheal.watch.loop import Watch
from tests.support.virtual_time import run
from tests.watch.test_watch import fault, organisation

ILL = ("MBX1", "MBX2")
SERVERS = [f"mbx{number}.contoso.com" for number in range(1, 4)]
SILENT = FleetSilent(where="The fleet", problem="gives no answer", next_step="Start it.")


class Silent:
    """One that knows nothing, or can begin nothing."""

    follows = True
    patience = 2.0

    def __init__(self, *, knows=False, about="", takes=0.0):
        self.asked, self.begun, self.begun_after = [], [], {}
        self._knows, self._about, self._takes = knows, about, takes

    def alone(self):
        return nullcontext()

    async def unfinished(self, servers):
        return []

    async def known(self, concern):
        self.asked.append(concern.server)
        if not self._knows or concern.server == self._about:
            await asyncio.sleep(self._takes)
            raise SILENT
        return Known(healings=dict.fromkeys(concern.reaches_back, ()))

    async def heal(self, alert, work, session):
        self.begun.append(alert.server)
        self.begun_after.setdefault(alert.server, asyncio.get_running_loop().time())
        raise SILENT


class Slow(Silent):
    """One that tells late of one server, and heals at once."""

    def __init__(self):
        super().__init__(knows=True)
        self.told = []

    async def known(self, concern):
        if concern.server == SERVERS[0] and not self.told:
            await asyncio.sleep(10.0)
        self.told.append((concern.server, asyncio.get_running_loop().time()))
        return await super().known(concern)


def watched(carrier, minutes=3, ill=ILL):
    """What is told of some minutes, and what is answered to an alert."""
    simulation = organisation(faults=[fault(one) for one in ill])
    events = []
    watch = Watch(SERVERS, SimulatedBackend(simulation), carrier=carrier, observers=[events.append])

    async def service():
        watching = asyncio.create_task(watch.run())
        await asyncio.sleep(minutes * 60)
        answer = await watch.raise_alert(Alert(server=SERVERS[0]))
        watch.control.detach()
        await watching
        return answer

    return run(service(), simulation.clock), events


@pytest.mark.parametrize("knows", [False, True])
def test_who_is_silent_ends_nothing_and_is_named_once(knows):
    """It looks on, begins nothing, and says so once of each server, with what to do."""
    answer, events = watched(Silent(knows=knows))
    assert (answer.what, answer.why) == ("not_taken", "The fleet gives no answer. Start it.")
    waits = [one for one in events if one.name == "alert_waits"]
    assert {one.why for one in waits if not one.healing} >= {"The fleet gives no answer. Start it"}
    if not knows:
        assert sorted(one.server for one in waits) == [f"{one.lower()}.contoso.com" for one in ILL]
    looks = [one for one in events if one.name == "server_looked"]
    assert len(looks) > 2 * len(SERVERS)


def test_who_is_silent_about_each_server_delays_no_look():
    """All are asked at the same time, and whoever was silent is left alone for a while."""
    carrier = Silent(takes=20.0)
    _, events = watched(carrier, ill=("MBX1", "MBX2", "MBX3"))
    looks = [one for one in events if one.name == "server_looked" and one.health == "unhealthy"]
    quick = Silent()
    _, as_quick = watched(quick, ill=("MBX1", "MBX2", "MBX3"))
    again = [one for one in as_quick if one.name == "server_looked" and one.health == "unhealthy"]
    assert len(looks) == len(again)
    assert 0 < len(carrier.asked) <= len(looks)


def test_what_is_told_late_of_one_server_delays_nobody_else():
    """What is known of the others is known by then, so they are healed; and it, when it is told."""
    carrier = Silent(knows=True, about=SERVERS[0], takes=30.0)
    watched(carrier, minutes=1)
    (begun, *_) = carrier.begun
    assert begun == SERVERS[1]
    assert carrier.begun_after[SERVERS[1]] < 5.0


def test_of_what_is_told_late_nothing_is_taken_that_a_healing_has_overtaken():
    """Mbx2 is healed while it is asked about mbx1; then that is asked again."""
    carrier = Slow()
    watched(carrier, minutes=1)
    first, second, *_ = [one for one in carrier.told if one[0] == SERVERS[0]]
    assert (
        carrier.begun_after[SERVERS[1]] < first[1] <= second[1] <= carrier.begun_after[SERVERS[0]]
    )


def test_what_can_not_be_told_of_one_server_keeps_nobody_else_from_being_healed():
    """Such as one whose healing was written by a key that is not here."""
    carrier = Silent(knows=True, about=SERVERS[0])
    watched(carrier)
    assert SERVERS[0] in carrier.asked
    assert {*carrier.begun} == {SERVERS[1]}


@pytest.mark.parametrize("given", [{}, {"journal": True, "carrier": True}])
def test_it_has_a_journal_or_a_carrier(given):
    kinds = {"journal": Journal, "carrier": Silent}
    with pytest.raises(ValueError, match="either a journal or a carrier"):
        Watch(SERVERS, SimulatedBackend(organisation()), **{one: kinds[one]() for one in given})


def test_an_alert_that_is_looked_into_as_the_watch_ends_is_not_taken():
    """Whoever raised it is to raise it again: nobody will look any more."""
    simulation = organisation(faults=[fault("MBX1")])
    watch = Watch([], SimulatedBackend(simulation), journal=Journal())

    async def service():
        watching = asyncio.create_task(watch.run())
        await asyncio.sleep(1)
        raised = asyncio.create_task(watch.raise_alert(Alert(server=SERVERS[0])))
        await asyncio.sleep(0)
        watch.control.detach()
        await watching
        return await raised

    answer = run(service(), simulation.clock)
    assert (answer.what, answer.why) == ("not_taken", "The watch has ended")

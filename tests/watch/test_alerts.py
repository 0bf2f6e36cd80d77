"""Alerts that somebody raises: answered as what the watch sees by itself, and remembered."""

from __future__ import annotations

import asyncio

import pytest

from popheal import Alert, Journal, Policy
from popheal.backends.simulated import SimulatedBackend
from popheal.watch.loop import Watch
from tests.support.virtual_time import run
from tests.watch.test_watch import fault, organisation

FIRST, SECOND = "mbx1.contoso.com", "mbx2.contoso.com"


def alerted(*raised, minutes=30, faults=()):
    """What is answered to alerts that are raised at the same time; the healings; who is watched."""
    simulation = organisation(faults=list(faults))
    journal = Journal()
    watch = Watch((), SimulatedBackend(simulation), journal=journal, policy=Policy(sibling_share=0))

    async def service():
        watching = asyncio.create_task(watch.run())
        await asyncio.sleep(1)
        answers = [await watch.raise_alert(one) for one in raised]
        await asyncio.sleep(minutes * 60)
        left = len(watch._watching._servers)
        watch.control.detach()
        await watching
        return answers, left

    answers, left = run(service(), simulation.clock)
    return answers, journal.healings(), left


def test_who_has_raised_what_waits_is_remembered():
    """Whoever raises it again while it waits has done so, too; it is still one healing each."""
    ill = [fault("MBX1"), fault("MBX2")]
    raised = [
        Alert(server=FIRST, raised_by=("ann",)),
        Alert(server=SECOND, text="pasted", raised_by=("boss",)),
        Alert(server=SECOND, raised_by=("scom",)),
    ]
    answers, healings, left = alerted(*raised, faults=ill)
    assert [one.what for one in answers] == ["heals", "waits", "waits"]
    assert f"{FIRST} is healed first" in answers[1].why
    assert [one.server for one in healings] == [FIRST, SECOND]
    assert [one.verdict for one in healings] == ["recovered"] * 2
    assert healings[0].id == answers[0].healing
    assert healings[0].alert["raised_by"] == ["ann"]
    assert healings[1].alert["raised_by"] == ["boss", "scom"]
    assert healings[1].alert["text"] == "pasted"
    assert left == 0, "both are well, so nobody looks at them any more"


def test_a_server_that_is_well_is_looked_at_and_forgotten():
    (answer,), healings, left = alerted(Alert(server=FIRST))
    assert (answer.what, healings, left) == ("nothing_unhealthy", [], 0)


def test_an_alert_needs_a_watch_that_runs():
    watch = Watch((), SimulatedBackend(organisation()), journal=Journal())
    assert not watch.runs
    with pytest.raises(RuntimeError, match="needs a watch that runs"):
        asyncio.run(watch.raise_alert(Alert(server=FIRST)))

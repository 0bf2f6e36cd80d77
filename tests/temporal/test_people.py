"""What people say to a healing that is under way: yes, no, stop; and what they can ask it."""

from __future__ import annotations

import asyncio
from uuid import uuid4

import pytest
from attrs import evolve

from popheal import Alert
from popheal.backends.simulated import load_scenario
from popheal.policy.policy import Policy
from popheal.tables.actions import Impact
from popheal.tables.timing import Timing
from popheal.util.clock import SystemClock
from tests.support.fleet import site_worker_of
from tests.support.healing import Watched, alert_of

pytestmark = pytest.mark.slow

ASKED = Policy(approval_from=Impact.CHANGE)
#: How much faster than real time everything happens.
SPEED = 60.0
SCENARIO = "mailbox-healed-by-restart"


class Named(Watched):
    """A simulated organisation by a name that no other test has."""

    organisation = ""


def at_work(fleet, say, *, policy=ASKED, scenario=SCENARIO, speed=SPEED, name="", **more):
    """Heal in real time, and say something meanwhile; how it ended.

    Args:
        fleet: The fleet.
        say: A coroutine function that is given the healing's handle; or a function, which is
            called in a thread of its own.
        policy: How far to go.
        scenario: What is healed.
        speed: How much faster than real time.
        name: Of the organisation; by default one that no other test has.
        more: What else is said of its pace.
    """
    name = name or uuid4().hex
    played = load_scenario(scenario, SystemClock(speed))
    backend = Named(played.organisation)
    backend.organisation = name

    async def heal():
        site = site_worker_of(fleet, name, backend, simulated=False, at_once=2)
        async with site:
            pace = {"simulated": False, "speed": speed, **more}
            handle = await fleet.begin(alert_of(played), name, name, policy=policy, pace=pace)
            await (say(handle) if asyncio.iscoroutinefunction(say) else asyncio.to_thread(say))
            return await handle.result()

    return fleet.run(heal()).report, played.organisation


async def until(handle, is_so):
    """Wait until a healing tells what is waited for; what it tells then."""
    from popheal.temporal.healing_workflow import Healing

    told = await handle.query(Healing.progress)
    while not is_so(told):
        await asyncio.sleep(0.1)
        told = await handle.query(Healing.progress)
    return told


async def asked(handle):
    """Wait until it asks; what it tells then."""
    return await until(handle, lambda told: told.asked)


def test_it_waits_for_a_yes_of_somebody_else(fleet):
    from temporalio.client import WorkflowUpdateFailedError

    from popheal.temporal.healing_workflow import Healing
    from popheal.temporal.messages import Decision

    async def say(handle):
        (question,) = (await asked(handle)).asked
        assert question.planned["procedure"] == "mailbox"
        yes = Decision(who="bob on mail1", plan=question.plan)
        for refused in (
            evolve(yes, plan="another"),
            evolve(yes, who="ann on mail1"),  # who has begun it
        ):
            with pytest.raises(WorkflowUpdateFailedError):
                await handle.execute_update(Healing.answer, refused)
        await handle.execute_update(Healing.answer, yes)
        with pytest.raises(WorkflowUpdateFailedError):
            await handle.execute_update(Healing.answer, yes)  # it has been answered

    report, _ = at_work(fleet, say, policy=evolve(ASKED, approval_by_another=True))
    assert report["verdict"] == "recovered"


@pytest.mark.parametrize("how", ["update", "cancel"])
def test_a_stop_ends_a_wait(fleet, how):
    from popheal.temporal.healing_workflow import Healing
    from popheal.temporal.messages import Decision

    async def say(handle):
        await until(handle, lambda told: "waiting" in told.state)
        if how == "cancel":
            await handle.cancel()
        else:
            await handle.execute_update(Healing.stop, Decision(who="bob", why="maintenance"))

    # Nobody waits for the end of this wait, which is longer than a test's patience.
    policy = Policy(timing=Timing(settle=86_400))
    report, _ = at_work(fleet, say, policy=policy, scenario="command-time-healed-by-restart")
    assert report["verdict"] == "cancelled"


def test_a_server_that_nobody_knows_is_told_to_whoever_has_asked(fleet):
    """As an error: there was nothing to heal, and it is no verdict."""
    from temporalio.client import WorkflowFailureError

    played = load_scenario(SCENARIO)

    async def heal():
        async with site_worker_of(fleet, "nobody", Watched(played.organisation)):
            alert = Alert(server="ex9.contoso.com")
            handle = await fleet.begin(alert, played.organisation.name, "nobody")
            return await handle.result()

    with pytest.raises(WorkflowFailureError) as raised:
        fleet.run(heal())
    assert raised.value.cause.type == "UnknownName"
    assert "no server 'ex9.contoso.com'" in str(raised.value.cause)

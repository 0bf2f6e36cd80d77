"""A custodian by itself: who has the right, and what it grants once."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest

from tests.support.fleet import LONG_HISTORY

AT = datetime(2026, 1, 5, 8, tzinfo=UTC)


@pytest.fixture
def custodian(fleet):
    """Asks a custodian of its own."""
    from popheal.temporal.custodian import Custodian
    from popheal.temporal.custody import Custody
    from popheal.temporal.messages import ENGINE_QUEUE

    async def begin():
        return await fleet.client.start_workflow(
            Custodian.run, Custody(), id=f"custodian-{uuid4()}", task_queue=ENGINE_QUEUE
        )

    handle = fleet.run(begin())  # of whichever run is the present one

    def ask(update, order):
        return fleet.run(handle.execute_update(getattr(Custodian, update), order))

    ask.handle = handle
    return ask


def claim_of(healing, **more):
    from popheal.temporal.custody import Claimant, ClaimOrder

    who = Claimant(healing=healing, workflow=f"workflow of {healing}", first_run="1")
    return ClaimOrder(custodian="", who=who, **more)


def begin_of(healing, token, effect, **more):
    from popheal.temporal.custody import Begin

    about = {"server": "mbx1", "what": "reboot", "at": AT, "nonce": "one"}
    return Begin(healing=healing, token=token, effect=effect, **{**about, **more})


def test_one_healing_at_a_time_and_each_effect_once(fleet, custodian):
    from popheal.temporal.custodian import Custodian
    from popheal.temporal.custody import Release
    from popheal.temporal.messages import Decision

    assert custodian("claim", claim_of("a", only_look=True)).token == 0
    first = custodian("claim", claim_of("a"))
    assert first.token > 0
    assert custodian("claim", claim_of("a")).token == first.token  # asked twice
    assert custodian("claim", claim_of("b")).holder.healing == "a"
    assert custodian("claim", claim_of("b", only_look=True)).holder.healing == "a"

    assert custodian("begin", begin_of("a", first.token, "1")).granted
    assert custodian("begin", begin_of("a", first.token, "1")).granted  # asked twice
    again = custodian("begin", begin_of("a", first.token, "1", nonce="another"))
    assert (again.granted, again.begun) == (False, True)
    for order in (begin_of("b", first.token, "2"), begin_of("a", first.token - 1, "2")):
        refused = custodian("begin", order)
        assert (refused.granted, refused.begun) == (False, False)
        assert refused.why

    # Whoever was frozen before it had begun can't begin any more.
    assert custodian("begin", begin_of("a", first.token, "3", nonce="r", revoked=True)).granted
    assert custodian("begin", begin_of("a", first.token, "3")).begun

    fleet.run(custodian.handle.signal(Custodian.release, Release(healing="b")))  # is not its own
    assert custodian("claim", claim_of("b")).holder.healing == "a"
    stale = Release(healing="a", token=first.token - 1)  # of a run that has lost it
    fleet.run(custodian.handle.signal(Custodian.release, stale))
    assert custodian("claim", claim_of("b")).holder.healing == "a"
    assert custodian("claim", claim_of("a", only_look=True)).token == 0  # nor by a look
    mine = Release(healing="a", token=first.token)
    fleet.run(custodian.handle.signal(Custodian.release, mine))
    second = custodian("claim", claim_of("b"))
    assert second.token > first.token
    assert [one.effect for one in second.begun] == ["1"]  # what was done, and counts
    assert not custodian("begin", begin_of("a", first.token, "4")).granted

    before = custodian("clear", Decision(who="ann", why="looked at the servers"))
    assert before.holder.healing == "b"
    assert custodian("claim", claim_of("c")).token > second.token


def test_whoever_settles_a_healing_has_its_right_with_a_new_token(fleet, custodian):
    from attrs import evolve

    from popheal.temporal.custodian import Custodian
    from popheal.temporal.custody import Release, TakeOver

    before = claim_of("a").who
    settling = evolve(before, first_run="2")
    token = custodian("claim", claim_of("a")).token

    def take_over(who, instead_of):
        order = TakeOver(custodian="", who=who, instead_of=instead_of)
        return custodian("take_over", order)

    other = evolve(settling, healing="b")
    for refused in (
        take_over(other, before),
        take_over(settling, other),
        take_over(settling, None),
    ):
        assert (refused.token, refused.holder) == (0, before)
    taken = take_over(settling, before)
    assert taken.token > token
    assert take_over(settling, before).token == taken.token  # asked twice
    assert take_over(evolve(before, first_run="3"), before).holder == settling
    # Its own workers, which may wake, can't begin any more.
    assert not custodian("begin", begin_of("a", token, "1")).granted
    assert custodian("begin", begin_of("a", taken.token, "1")).granted
    fleet.run(custodian.handle.signal(Custodian.release, Release(healing="a")))
    assert take_over(settling, before).holder is None


def test_a_cancel_does_not_make_it_forget(fleet, custodian):
    from popheal.temporal.custodian import Custodian

    token = custodian("claim", claim_of("a")).token
    fleet.run(custodian.handle.cancel())
    custodian("begin", begin_of("a", token, "1"))
    fleet.run(custodian.handle.cancel())
    known = fleet.run(custodian.handle.query(Custodian.state))
    assert known.token == token
    assert known.holder.healing == "a"
    assert [one.what for one in known.begun] == ["reboot"]


def test_whoever_holds_it_may_have_been_lost(fleet):
    """Then it is told so, and nobody else gets it by itself."""
    from attrs import evolve
    from temporalio.testing import ActivityEnvironment

    from popheal.temporal.custodian import Custodian
    from popheal.temporal.custody import Claimant, Custody
    from popheal.temporal.messages import ENGINE_QUEUE
    from popheal.temporal.worker import claim

    name = f"custodian-{uuid4()}"

    async def ask(order):
        return await ActivityEnvironment(client=fleet.client).run(claim, order)

    async def lose():
        # Any workflow will do.
        holder = await fleet.client.start_workflow(
            Custodian.run, Custody(), id=f"holder-{uuid4()}", task_queue=ENGINE_QUEUE
        )
        who = Claimant(healing="a", workflow=holder.id, first_run=holder.first_execution_run_id)
        assert (await ask(evolve(claim_of("a"), who=who, custodian=name))).token
        at_work = await ask(evolve(claim_of("b"), custodian=name))
        await holder.terminate()
        return at_work, await ask(evolve(claim_of("b"), custodian=name))

    at_work, lost = fleet.run(lose())
    assert (at_work.holder.healing, at_work.alive) == ("a", True)
    assert (lost.holder.healing, lost.alive, lost.token) == ("a", False, 0)


def test_it_begins_a_new_history_and_forgets_nothing(fleet, custodian):
    """When the server says that the present one has become long."""
    from popheal.temporal.custodian import Custodian

    token = custodian("claim", claim_of("a")).token
    for number in range(LONG_HISTORY // 4):
        custodian("begin", begin_of("a", token, str(number)))
    assert custodian("claim", claim_of("b")).holder.healing == "a"
    known = fleet.run(custodian.handle.query(Custodian.state))
    assert (known.token, known.holder.healing) == (token, "a")
    assert [one.effect for one in known.begun] == [str(n) for n in range(LONG_HISTORY // 4)]
    described = fleet.run(custodian.handle.describe())
    assert described.run_id != custodian.handle.first_execution_run_id

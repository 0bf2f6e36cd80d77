"""``popheal fleet watch``: a watch whose healings a fleet carries out, and that may be killed."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest
from attrs import evolve

pytest.importorskip("temporalio", reason="needs the extra 'temporal'")

from popheal import Alert, Control, Journal
from popheal.backends.simulated.scenario import build_scenario
from popheal.engine.context import HealingContext
from popheal.errors import FleetSilent
from popheal.healthsets.pop.catalog import MONITORS
from popheal.journal.status import standing_of
from popheal.tables.table import Verdict
from popheal.temporal.operations import begin_healing
from popheal.util.clock import SystemClock
from popheal.util.serialize import to_jsonable
from popheal.watch.carrier import AtWork
from popheal.watch.loop import Watch
from popheal.watch.watched import Watched
from tests.support.fleet import PATIENCE, SECRETIVE, site_worker_of
from tests.support.gateway import carrier_of, named
from tests.support.healing import restarted
from tests.support.served import POLICY, SPEED

pytestmark = pytest.mark.slow

UNASKED = evolve(POLICY, approval_from=None, approval_by_another=False)
ILL = ("MBX4", "MBX1")


class Organisation:
    """One group, some of whose members fail, with a worker of the fleet; and watches of it."""

    def __init__(self, fleet, ill=ILL, policy=UNASKED, *, virtual=False):
        self.fleet, self.policy = fleet, policy
        self.clock = None if virtual else SystemClock(SPEED)
        content = {
            "title": "Watched",
            "alert": {"server": ill[0], "health_set": "POP"},
            "organisation": {"preset": "dag5"},
            "faults": [{"server": one, "fails": ["deep"], "cure": "restart"} for one in ill],
        }
        self.simulation = build_scenario(content, clock=self.clock).organisation
        self.backend = named(self.simulation)
        self.servers = [f"mbx{n}.contoso.com" for n in range(1, 6)]
        self.events = []

    def worker(self):
        return site_worker_of(self.fleet, self.backend.organisation, self.backend, at_once=4)

    async def carrier(self):
        return await carrier_of(self.fleet, self.backend.organisation, self.policy)

    def session(self):
        return HealingContext(
            policy=self.policy, clock=self.clock, organisation=self.backend.organisation
        )

    async def watch(self):
        """Another watch, which knows of no other."""
        return Watch(
            self.servers,
            self.backend,
            carrier=await self.carrier(),
            policy=self.policy,
            at_once=1,
            clock=self.clock,
            observers=[self.events.append],
            control=Control(),
        )

    def named(self, *names):
        return [one for one in self.events if one.name in names]

    async def when(self, is_so):
        try:
            async with asyncio.timeout(PATIENCE * 0.9):
                while not (found := is_so()):  # noqa: ASYNC110 - another workflow is waited for
                    await asyncio.sleep(0.05)
        except TimeoutError:
            told = [f"{one.name} {one.server}" for one in self.events]
            pytest.fail(f"it never was so; the last of what was told: {told[-30:]}")
        return found


def test_one_after_another_as_by_itself(fleet):
    """All that a watch sees to be unhealthy is healed, in the order in which it would heal it."""
    organisation = Organisation(fleet)

    async def work():
        async with organisation.worker():
            watch = await organisation.watch()
            return await watch.run(once=True), await healed_lately(watch.carrier.records)

    async def healed_lately(records):
        """Once the list of the server tells of them, which lags; those from before it does not."""
        now = organisation.clock.now()
        others = type(records)(records.client, records.organisation)
        since = now - timedelta(hours=1)
        while len(found := await others.ended_since(since, now)) < 2:  # noqa: ASYNC110 - likewise
            await asyncio.sleep(0.05)
        assert await others.ended_since(now, now) == []
        return {one.record.id for one in found}

    ended, lately = fleet.run(work())
    assert ended == [Verdict.RECOVERED] * 2
    assert lately == {one.id for one in organisation.named("healing_started")}
    told = [
        (one.name, one.server) for one in organisation.named("healing_started", "healing_ended")
    ]
    order = [server for name, server in told if name == "healing_started"]
    assert [name for name, _ in told] == ["healing_started", "healing_ended"] * 2, "one at a time"

    alone = Organisation(fleet, virtual=True)
    journal = Journal()
    watch = Watch(alone.servers, alone.backend, journal=journal, policy=UNASKED, clock=alone.clock)
    assert asyncio.run(watch.run(once=True)) == [Verdict.RECOVERED] * 2
    assert order == [one.server for one in journal.healings()]
    assert restarted(organisation.simulation.history) == restarted(alone.simulation.history)


def test_a_watch_that_is_killed_loses_nothing(fleet):
    """Its healing goes on; the next watch finds that, begins no other, and sees it end."""
    from popheal.temporal.healing_workflow import Healing
    from popheal.temporal.messages import Decision

    asked = evolve(UNASKED, approval_from=POLICY.approval_from)
    organisation = Organisation(fleet, ill=("MBX1",), policy=asked)

    async def work():
        async with organisation.worker():
            first = asyncio.create_task((await organisation.watch()).run())
            await organisation.when(lambda: organisation.named("approval_asked"))
            first.cancel()  # it has kept nothing, so SIGKILL could take nothing
            await asyncio.wait({first})
            second = await organisation.watch()
            watching = asyncio.create_task(second.run())
            (resumed,) = await organisation.when(lambda: organisation.named("healing_resumed"))
            asks = await organisation.when(lambda: organisation.named("approval_asked")[1:])
            assert second._watching.healings.has_room, "what waits for a person is not counted"
            (found,) = await second.carrier.records.of_server("mbx1")
            await second.carrier.records.handle(found.at).execute_update(
                Healing.answer, Decision(who="ann", plan=asks[0].plan)
            )
            (ended,) = await organisation.when(lambda: organisation.named("healing_ended"))
            second.control.detach()
            await watching
            return resumed, ended, await second.carrier.records.of_server("mbx1")

    resumed, ended, found = fleet.run(work())
    (started,) = organisation.named("healing_started")
    assert started.id == resumed.id == ended.healing_id
    assert (ended.verdict, len(found)) == (Verdict.RECOVERED, 1)
    left = [one.left for one in organisation.named("watch_ended")]
    assert left == [""], "the first was killed, the second had nothing left"


def test_a_healing_that_somebody_else_began_is_waited_for_and_followed(fleet, monkeypatch):
    """By hand, on another member of the group: nothing begins that would be held back.

    It is found by its workflow, as soon as its server is looked at, and by who has the group.
    """
    asked = evolve(UNASKED, approval_from=POLICY.approval_from)
    organisation = Organisation(fleet, ill=("MBX1", "MBX4"), policy=asked)

    async def listed_late(_carrier, _servers):
        return []

    async def work():
        async with organisation.worker():
            watch = await organisation.watch()
            order = evolve(watch.carrier.order, alert=to_jsonable(Alert(server="mbx4")))
            by_hand = await begin_healing(fleet.client, order)
            holder = watch.carrier.records.holder
            while not await holder("dag", "dag1"):
                if (await by_hand.describe()).close_time:  # too slow for what it saw to be fresh
                    by_hand = await begin_healing(fleet.client, order)
                await asyncio.sleep(0.05)
            monkeypatch.setattr(type(watch.carrier), "unfinished", listed_late)
            watching = asyncio.create_task(watch.run())
            await organisation.when(lambda: organisation.named("healing_resumed"))
            waits, *_ = await organisation.when(
                lambda: [one for one in organisation.named("alert_waits") if "mbx1" in one.server]
            )
            watch.control.detach()
            await watching
            await by_hand.terminate()
            return waits

    waits = fleet.run(work())
    assert "is healed first" in waits.why or "is at work in the same group dag1" in waits.why
    assert not organisation.named("healing_started")
    (ended,) = organisation.named("watch_ended")
    assert ended.left == organisation.named("healing_resumed")[0].id


def test_where_workers_have_other_tables_nothing_begins_and_it_is_tried_later(fleet):
    """They may be replaced meanwhile; and no person has anything to settle."""
    organisation = Organisation(fleet, ill=("MBX1",))

    async def once():
        watch = await organisation.watch()
        watch.carrier.order = evolve(watch.carrier.order, tables={"mailbox": "another"})
        await watch.run(once=True)
        return watch.carrier.records

    async def work():
        async with organisation.worker():
            await once()
            records = await once()
            return await records.of_server("mbx1")

    (found,) = fleet.run(work())
    assert (found.record.verdict, found.is_lost) == ("unknown", False)
    first, second = [one.why for one in organisation.named("alert_waits")]
    assert "have other tables: mailbox" in first
    assert "settle" not in first
    assert f"healing {found.record.id} ended as unknown, until" in second
    assert not restarted(organisation.simulation.history)


def test_what_a_fleet_without_workers_can_tell(fleet, monkeypatch):
    """A healing that nobody takes up: it is known, and not stopped; no second one begins."""
    from temporalio.client import Client

    from popheal.errors import AlreadyRunning
    from popheal.gateway import silence
    from popheal.gateway.fleet_desk import FleetDesk
    from popheal.temporal.converter import DATA_CONVERTER

    for name in ("SERVER_WITHIN", "WORKER_WITHIN"):
        monkeypatch.setattr(silence, name, timedelta(seconds=1))
    organisation = Organisation(fleet)
    alert = Alert(server="mbx1.contoso.com")

    async def work():
        carrier = await organisation.carrier()
        # In that namespace no worker of the engine is at work.
        records = carrier.records
        records.client = await Client.connect(
            fleet.address, namespace=SECRETIVE, data_converter=DATA_CONVERTER
        )
        order = evolve(carrier.order, alert=to_jsonable(alert))
        handle = await begin_healing(records.client, order)
        work = AtWork(server=Watched(name=alert.server), place=None, control=Control())
        with pytest.raises(AlreadyRunning, match=f"{work.healing}.*workflow popheal/healing"):
            await carrier.heal(alert, work, organisation.session())
        desk = FleetDesk(await organisation.watch(), records)
        stands = await desk.read(work.healing, standing_of)
        assert (stands.state, stands.server) == ("running", alert.server)
        with pytest.raises(FleetSilent, match="popheal fleet worker --engine --current"):
            await desk.stop(work.healing, by="ann")
        await handle.terminate()

    fleet.run(work())


def test_who_was_silent_about_a_healing_is_not_asked_at_each_look(fleet, monkeypatch):
    """Its history is read instead, at once; unless just that healing is asked for."""
    from temporalio.client import Client, WorkflowHandle

    from popheal.gateway import silence
    from popheal.temporal.converter import DATA_CONVERTER

    monkeypatch.setattr(silence, "WORKER_WITHIN", timedelta(seconds=1))
    query, asked = WorkflowHandle.query, []

    async def counted(handle, *args, **more):
        asked.append(handle.id)
        return await query(handle, *args, **more)

    monkeypatch.setattr(WorkflowHandle, "query", counted)
    organisation = Organisation(fleet)

    async def work():
        carrier = await organisation.carrier()
        records = carrier.records
        records.client = await Client.connect(
            fleet.address, namespace=SECRETIVE, data_converter=DATA_CONVERTER
        )
        order = evolve(carrier.order, alert=to_jsonable(Alert(server="mbx1.contoso.com")))
        handle = await begin_healing(records.client, order)
        (first,) = await records.of_server("mbx1")
        (again,) = await records.of_server("mbx1")
        assert (first.record, len(asked)) == (again.record, 1)
        assert (await records.find(first.record.id)).record == first.record
        assert len(asked) == 2
        await handle.terminate()

    fleet.run(work())


def test_all_that_must_be_known_is_told_in_time_or_not_at_all(monkeypatch):
    from popheal.gateway import silence
    from popheal.gateway.fleet_carrier import FleetCarrier
    from popheal.watch.carrier import Concern
    from popheal.watch.decide import Incident

    class Hanging:
        async def of_server(self, *_):
            await asyncio.Event().wait()

        at_work = of_server

    monkeypatch.setattr(silence, "ALL_WITHIN", timedelta(seconds=0.01))
    carrier = FleetCarrier(records=Hanging(), order=None)
    now = SystemClock().now()
    concern = Concern(
        server="mbx1",
        incident=Incident(monitor=MONITORS[0]),
        now=now,
        retry=timedelta(minutes=10),
    )
    with pytest.raises(FleetSilent, match="does not tell what was done about mbx1 in time"):
        asyncio.run(carrier.known(concern))
    assert asyncio.run(carrier.unfinished(["mbx1"])) == []


def test_without_its_namespace_a_fleet_tells_nothing(fleet):
    """It is not that nothing has been done, so that something might begin."""
    from temporalio.client import Client

    from popheal.gateway.fleet_records import FleetRecords

    async def work():
        client = await Client.connect(fleet.address, namespace="nowhere")
        records = FleetRecords(client, "exchange")
        for asked in (
            records.newest_of("popheal/healing/exchange/mbx1"),
            records.of_server("mbx1"),
            records.holder("server", "mbx1"),
        ):
            with pytest.raises(FleetSilent, match="Namespace nowhere is not found"):
                await asked

    fleet.run(work())

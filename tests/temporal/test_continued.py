"""A healing whose history has grown long goes on in a new one, and nobody sees a difference."""

from __future__ import annotations

import asyncio
import json
from datetime import UTC

import pytest
from attrs import evolve

pytest.importorskip("temporalio", reason="needs the extra 'temporal'")

from temporalio.service import RPCError

from popheal.audit import check_journal
from popheal.backends.psrp.backend import ORGANISATION
from popheal.errors import ConfigurationError, UnknownName
from popheal.gateway.fleet_records import FleetRecords
from popheal.policy.policy import Policy
from popheal.reports.report import Report
from popheal.tables.actions import Impact
from popheal.tables.debts import DebtStatus
from popheal.tables.table import Verdict
from popheal.temporal import continuing, operations
from popheal.temporal.build_name import build_id
from popheal.temporal.healing_history import as_text, histories_of, lines_of, misfits
from popheal.temporal.healing_workflow import Healing, healing_of
from popheal.temporal.listing import list_healings
from popheal.temporal.messages import Decision
from popheal.temporal.operations import begin_healing
from popheal.temporal.orphaned import orphaned
from tests.evidence.disturbed import effects, reset
from tests.evidence.on_temporal import compare
from tests.support.fleet import healed
from tests.support.waiting import WaitingHealing
from tests.temporal.test_commands import fleet_command
from tests.temporal.test_kept_histories import builds_of, replay
from tests.temporal.test_people import at_work, until
from tests.temporal.test_settlement import LOGGING, REBOOT

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    """As in the tests of settlement."""
    monkeypatch.setattr("popheal.temporal.performer._TAKEN_UP_WITHIN", 1.0)


#: The effect that takes a server out of service.
DRAINED = "set_activation_disabled"
#: Less than triage takes: the first pause of a run is the end of a history.
AT_ONCE = 5


async def number_of(handle):
    """In which of its histories it is."""
    client = handle._client
    return len(await histories_of(client, handle.id))


@pytest.fixture(scope="module")
def compared(fleet):
    """One that begins a new history as soon as the server finds the present one long."""
    return compare(fleet, REBOOT, long=0)


def test_it_ends_alike(compared):
    """With the same report, effects and entries; and in each history it asks for the same again."""
    assert not compared.problems
    assert len(compared.histories) >= 4
    for history in compared.histories:
        assert replay(history) is None


def test_a_history_that_does_not_go_on_with_the_one_before_is_noticed(fleet, compared):
    """Or whose first ones are gone."""
    first, second, third, *_ = compared.histories
    assert fleet.run(misfits([first, second, third])) == []
    for wrong in ([first, third, second], [second, first]):
        assert "has not the entries of the one before" in " ".join(fleet.run(misfits(wrong)))
    (gone,) = fleet.run(misfits([second, third]))
    assert "before these, is gone" in gone


def test_a_question_is_answered_in_a_later_history(fleet, tmp_path):
    """By the commands, which go by whichever history is the present one."""
    server = {"TEMPORAL_ADDRESS": fleet.address}
    policy = Policy(approval_from=Impact.DISRUPT)
    seen = []

    def say():
        while True:
            status, out, said = fleet_command("show", "mbx1", "--json", **server)
            assert status == 0, said
            if asked := json.loads(out)["asked"]:
                break
        histories = fleet.run(histories_of(fleet.client, f"popheal/healing/{ORGANISATION}/mbx1"))
        seen.append(len(histories))
        plan = asked[0]["plan"]
        assert fleet_command("approve", "mbx1", "--plan", plan, **server)[0] == 0

    report, _ = at_work(
        fleet, say, policy=policy, scenario=REBOOT, speed=240, name=ORGANISATION, long=AT_ONCE
    )
    assert report["verdict"] == "recovered"
    histories = fleet.run(histories_of(fleet.client, f"popheal/healing/{ORGANISATION}/mbx1"))
    assert 1 < seen[0] < len(histories)
    status, out, said = fleet_command("export", "mbx1", **server)
    assert (status, said) == (0, "")
    path = tmp_path / "healing.jsonl"
    path.write_text(out)
    assert check_journal(path).ok
    assert out.count('"asked"') == 1


def test_a_stop_goes_along(fleet):
    """Said in a later history, and heeded through all that follow."""

    async def say(handle):
        await until(handle, lambda told: "awaiting_server" in told.state)
        seen.append(await number_of(handle))
        await handle.execute_update(Healing.stop, Decision(who="bob", why="maintenance"))

    seen = []
    report, _ = at_work(fleet, say, policy=Policy(), scenario=REBOOT, long=AT_ONCE)
    assert seen[0] > 1
    assert report["verdict"] == "cancelled"
    assert Report.from_json(report).debts


def test_a_stop_just_as_it_leaves_is_not_lost(fleet, monkeypatch):
    leave = Healing._leave_if_long

    def stopped_meanwhile(healing):
        try:
            leave(healing)
        except continuing.HistoryIsLong:
            healing._stop("stopped by a test")
            raise

    monkeypatch.setattr(Healing, "_leave_if_long", stopped_meanwhile)
    result, handle, organisation = fleet.run(healed(fleet, REBOOT, pace={"long": AT_ONCE}))
    assert result.report["verdict"] == "cancelled"
    assert [one[0] for one in effects(organisation.history)] == ["service_restarted"]
    assert len(fleet.run(histories_of(fleet.client, handle.id))) == 2


async def _listed(handle):
    """Once the list knows of its second history."""
    while True:
        for one in await list_healings(handle._client, 0):
            if one.workflow == handle.id and "ing" in one.state:
                return one
        await asyncio.sleep(0.1)


async def _told_as_orphaned(handle):
    """Until lists tell that it holds its claims."""
    while handle.id not in [one.workflow for one in await orphaned(handle._client)]:  # noqa: ASYNC110
        await asyncio.sleep(0.1)


def test_one_that_is_lost_in_a_later_history_is_settled(fleet, monkeypatch, tmp_path):
    """What is owed, by the last history alone; and whoever settles goes on in a new one, too."""
    perform = Healing._perform

    async def leaving(healing, request):
        """It has no pauses, so once it leaves after a look."""
        answer = await perform(healing, request)
        if healing.order.settles and not healing.order.continues and healing.context.case:
            healing._leave_if_long()
        return answer

    monkeypatch.setattr(Healing, "_perform", leaving)

    async def settled():
        async with WaitingHealing(fleet, LOGGING, 2, long=AT_ONCE) as site:
            histories = await histories_of(fleet.client, site.handle.id)
            under_way = await _listed(site.handle)
            await site.terminate()
            await _told_as_orphaned(site.handle)
            report = await site.settle()
            own = await histories_of(fleet.client, site.handle.id)
            lines, found = await lines_of(own[-1]), await misfits(own)
            return site, histories, own, under_way, report, lines, found

    site, histories, own, under_way, report, lines, found = fleet.run(settled())
    assert len(histories) > 1
    assert len(own) == 2
    # Lists tell when it began, not when its history did.
    assert under_way.began == histories[0].events[0].event_time.ToDatetime(tzinfo=UTC)
    assert report.verdict is Verdict.CANCELLED
    assert [one.status for one in report.debts] == [DebtStatus.PAID]
    assert ("protocol_logging_set", "MBX1", False) in effects(site.organisation.history)
    assert not found
    path = tmp_path / "healing.jsonl"
    path.write_text(as_text(lines))
    assert check_journal(path).ok


async def _forget(client, workflow, run):
    """Have the server forget a run, as it does when the namespace's retention is over."""
    from temporalio.api.common.v1 import WorkflowExecution
    from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest

    request = DeleteWorkflowExecutionRequest(
        namespace=client.namespace,
        workflow_execution=WorkflowExecution(workflow_id=workflow, run_id=run),
    )
    await client.workflow_service.delete_workflow_execution(request)

    async def listed():
        found = client.list_workflows(f"WorkflowId = '{workflow}'")
        return [one.run_id async for one in found]

    while run in await listed():  # noqa: ASYNC110 - a server tells nobody
        await asyncio.sleep(0.1)
    with pytest.raises(RPCError, match="not found"):
        await client.get_workflow_handle(workflow, run_id=run).describe()


async def _gone_first(site, *, beside=0):
    """The healing is lost, and only its last history is there; perhaps with others of its id."""
    client = site.fleet.client
    histories = await histories_of(client, site.handle.id)
    assert len(histories) > 1
    await site.terminate()
    for _ in range(beside):
        await (await site.begin()).result()  # it is held by the claims
    await _told_as_orphaned(site.handle)
    for one in histories[:-1]:
        await _forget(client, site.handle.id, one.run_id)


@pytest.mark.parametrize("beside", [0, 1])
def test_one_whose_first_history_is_gone_is_found_and_settled(fleet, beside):
    """The namespace's retention is over for that; also where another one was held since."""

    async def settled():
        async with WaitingHealing(fleet, LOGGING, 2, long=AT_ONCE) as site:
            name = healing_of(site.handle.result_run_id)
            await _gone_first(site, beside=beside)
            found = await FleetRecords(fleet.client, site.name).find(name)
            with pytest.raises(UnknownName):
                await FleetRecords(fleet.client, site.name).find("0123456789ab")
            report = await site.settle()
            return site, found, name, report

    site, found, name, report = fleet.run(settled())
    assert (found.record.id, found.is_lost) == (name, True)
    assert report.id == name
    assert report.verdict is Verdict.CANCELLED
    assert [one.status for one in report.debts] == [DebtStatus.PAID]
    assert ("protocol_logging_set", "MBX1", False) in effects(site.organisation.history)


def test_one_whose_first_history_is_gone_and_that_was_reset_is_not_settled(fleet):
    """Its histories do not tell of all that it has done."""

    async def refused():
        async with WaitingHealing(fleet, LOGGING, 2, long=AT_ONCE) as site:
            first, *_ = await histories_of(fleet.client, site.handle.id)
            await reset(fleet, site.newest())
            await _forget(fleet.client, site.handle.id, first.run_id)
            await site.terminate()
            with pytest.raises(ConfigurationError) as caught:
                await site.settle()
            return str(caught.value)

    assert "was reset" in fleet.run(refused())


def test_one_that_is_gone_altogether_can_not_be_settled(fleet):
    async def refused():
        async with WaitingHealing(fleet, LOGGING, 1) as site:
            await site.terminate()
            await (await site.begin()).result()
            await _forget(fleet.client, site.handle.id, site.handle.result_run_id)
            with pytest.raises(RPCError, match="not found"):
                await site.settle()

    fleet.run(refused())


def test_without_its_tables_it_pays_what_it_owes(fleet, monkeypatch):
    """As after any resume: a table that is not there any more is not guessed at."""
    rebuild = Healing._rebuild

    def on_other_tables(healing, entries, version):
        if any(one["what"] == DRAINED for one in entries):
            healing.context.procedures = {}
        return rebuild(healing, entries, version)

    monkeypatch.setattr(Healing, "_rebuild", on_other_tables)
    result, _, organisation = fleet.run(healed(fleet, REBOOT, pace={"long": AT_ONCE}))
    report = Report.from_json(result.report)
    assert (report.verdict, report.runs[0].procedure) == (Verdict.ESCALATED, "settling")
    assert [one.status for one in report.debts] == [DebtStatus.HANDED_OVER]
    # It was drained; nothing more is begun.
    assert effects(organisation.history)[-1][0] == "activation_disabled_set"


def test_it_keeps_to_its_build(fleet):
    """Though new healings begin on another one by then."""
    from popheal.temporal.operations import make_current
    from popheal.temporal.worker import engine_worker

    async def upgraded():
        async with (
            WaitingHealing(fleet, LOGGING, 1, long=AT_ONCE) as site,
            engine_worker(fleet.client, build="another"),
        ):
            await make_current(fleet.client, "another")
            site.ours.send("go on")
            result = await site.handle.result()
            await make_current(fleet.client)
            return result, await histories_of(fleet.client, site.handle.id)

    result, histories = fleet.run(upgraded())
    assert result.report["verdict"] == "recovered"
    assert len(histories) > 1
    assert set.union(*map(builds_of, histories)) == {build_id()}


def test_it_stays_where_it_can_not_take_all_of_it_along(fleet, monkeypatch):
    monkeypatch.setattr(continuing, "_LARGEST", 10)

    async def told():
        result, handle, _ = await healed(fleet, "databases-stay", pace={"long": AT_ONCE})
        return result, await handle.query(Healing.progress), await number_of(handle)

    result, progress, number = fleet.run(told())
    assert (result.report["verdict"], number) == ("escalated", 1)
    assert any("holds too much" in one for one in progress.events)


def test_an_order_that_leaves_out_what_has_its_default_goes_on_likewise(fleet, monkeypatch):
    """By whoever is older than the workers, or says only what matters."""

    async def begin_sparsely(client, order, **options):
        left = {key: value for key, value in order.policy.items() if key != "sibling_share"}
        alert = {"server": order.alert["server"], "monitor": order.alert["monitor"]}
        return await begin_healing(client, evolve(order, alert=alert, policy=left), **options)

    monkeypatch.setattr(operations, "begin_healing", begin_sparsely)

    async def told():
        result, handle, _ = await healed(fleet, REBOOT, pace={"long": AT_ONCE})
        return result, await number_of(handle)

    result, number = fleet.run(told())
    assert result.report["verdict"] == "recovered"
    assert number > 1


def test_it_stays_where_what_it_has_written_can_not_be_read_again(fleet, monkeypatch):
    """It would begin nothing any more there, and listen to nobody."""
    monkeypatch.setattr(
        continuing, "begun_with", lambda order, *_, **__: evolve(order, policy={"heed": "none"})
    )

    async def told():
        result, handle, _ = await healed(fleet, "databases-stay", pace={"long": AT_ONCE})
        return result, await handle.query(Healing.progress), await number_of(handle)

    result, progress, number = fleet.run(told())
    assert (result.report["verdict"], number) == ("escalated", 1)
    assert any("can't be read again" in one for one in progress.events)

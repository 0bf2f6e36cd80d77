"""A healing is terminated: its claims stay, until it is settled. That puts back, begins nothing."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

pytest.importorskip("temporalio", reason="needs the extra 'temporal'")

from popheal.audit import check_journal
from popheal.backends.psrp.backend import ORGANISATION
from popheal.errors import ConfigurationError
from popheal.reports.report import Report
from popheal.tables.debts import DebtStatus
from popheal.tables.table import Verdict
from tests.evidence.disturbed import effects, reset
from tests.support.properties import violations
from tests.support.waiting import WaitingHealing
from tests.temporal.test_commands import fleet_command
from tests.temporal.test_kept_histories import replay

pytestmark = pytest.mark.slow

LOGGING = "client-access-healed-by-logging-restart"
REBOOT = "mailbox-healed-by-reboot"


@pytest.fixture(autouse=True)
def _soon(monkeypatch):
    """What may be on its way is not waited for as long as it would be."""
    monkeypatch.setattr("popheal.temporal.performer._TAKEN_UP_WITHIN", 1.0)


async def until_orphaned(client, server, wanted):
    """Until a healing of a server is told to hold claims, or not any more; lists lag behind."""
    from popheal.temporal.healing_workflow import healing_id
    from popheal.temporal.orphaned import orphaned

    async def told():
        ours = healing_id(ORGANISATION, server)  # other tests leave some elsewhere
        return ours in [one.workflow for one in await orphaned(client)]

    async with asyncio.timeout(30):
        while await told() is not wanted:  # noqa: ASYNC110 - the server of a fleet tells nobody
            await asyncio.sleep(0.1)


def test_what_is_safe_is_put_back(fleet, tmp_path):
    """By the command: protocol logging, which the healing had turned on."""
    server = {"TEMPORAL_ADDRESS": fleet.address}

    async def settled():
        async with WaitingHealing(fleet, LOGGING, 2, ORGANISATION) as site:
            await site.terminate()
            held = Report.from_json((await (await site.begin()).result()).report)
            before = effects(site.organisation.history)
            await until_orphaned(fleet.client, "mbx1", True)
            _, listed, _ = await asyncio.to_thread(fleet_command, "healings", **server)
            assert "and holds its claims: popheal fleet settle mbx1\n" in listed
            said = await asyncio.to_thread(fleet_command, "settle", "mbx1", "--json", **server)
            await until_orphaned(fleet.client, "mbx1", False)
            return site, held, before, said

    site, held, before, (status, out, _) = fleet.run(settled())
    assert held.verdict is Verdict.HELD
    assert "popheal fleet settle mbx1" in held.to_text()
    assert before[-1][0] == "protocol_logging_set"
    report = Report.from_json(json.loads(out))
    assert (report.verdict, status) == (Verdict.CANCELLED, 1)
    assert [one.status for one in report.debts] == [DebtStatus.PAID]
    assert ("protocol_logging_set", "MBX1", False) in effects(site.organisation.history)
    assert not violations(site.witness.evidence().case(report))
    # The whole story, of both workflows, in one chain.
    status, out, said = fleet_command("export", "mbx1", **server)
    assert (status, said) == (0, "")
    path = tmp_path / "healing.jsonl"
    path.write_text(out)
    assert check_journal(path).ok
    assert '"taken_over"' in out
    assert replay(fleet.run(site.newest().fetch_history())) is None


def test_what_is_not_safe_is_handed_over(fleet):
    """A server that was drained stays so, and is not restarted; its group is free then."""

    async def settled():
        async with WaitingHealing(fleet, REBOOT, 2) as site:
            await site.terminate()
            held = await site.custody("dag", "dag1")
            before = effects(site.organisation.history)
            report = await site.settle()
            return site, held, before, report, await site.custody("dag", "dag1")

    site, held, before, report, after = fleet.run(settled())
    assert before[-1][0] == "activation_disabled_set"
    assert effects(site.organisation.history) == before
    assert held.holder is not None
    assert (after.holder, after.token > held.token) == (None, True)
    assert report.verdict is Verdict.CANCELLED
    assert [one.status for one in report.debts] == [DebtStatus.HANDED_OVER]


def test_whoever_settles_may_be_lost_too_and_know_other_tables(fleet, monkeypatch, tmp_path):
    """Then logging is set back by the table for debts alone, and it is one story all the same."""
    from popheal.temporal.healing_history import as_text, lines_of, misfits
    from popheal.temporal.healing_workflow import Healing
    from popheal.temporal.settlement import begin_settlement

    rebuild = Healing._rebuild

    def on_other_tables(healing, *known):
        healing.context.procedures = {}
        return rebuild(healing, *known)

    monkeypatch.setattr(Healing, "_rebuild", on_other_tables)

    async def settled():
        async with WaitingHealing(fleet, LOGGING, 2) as site:
            await site.terminate()
            lost = await begin_settlement(fleet.client, site.name, site.alert.server)
            # It has taken the rights over, and waits until nothing can be on its way.
            while (  # noqa: ASYNC110 - a server tells nobody
                await site.custody("server", "mbx1")
            ).holder.first_run != lost.result_run_id:
                await asyncio.sleep(0.05)
            await lost.terminate()
            report = await site.settle()
            history = await site.newest().fetch_history()
            return site, report, await lines_of(history), await misfits([history])

    site, report, lines, found = fleet.run(settled())
    assert report.verdict is Verdict.CANCELLED
    assert report.runs[0].procedure == "settling"
    assert ("protocol_logging_set", "MBX1", False) in effects(site.organisation.history)
    assert not found
    path = tmp_path / "healing.jsonl"
    path.write_text(as_text(lines))
    # What it knows nothing of is in no history.
    (broken,) = [one for found in check_journal(path).results for one in found.violations]
    assert re.fullmatch(r"the table of a run \w+ is gone", broken.sentence)


def test_what_is_not_lost_is_not_settled(fleet):
    from popheal.temporal.custodian import custodian_id
    from popheal.temporal.operations import clear_custodian

    async def refused(site):
        with pytest.raises(ConfigurationError) as caught:
            await site.settle()
        return str(caught.value)

    async def tried():
        async with WaitingHealing(fleet, REBOOT, 2) as site:
            at_work = await refused(site)
            await site.terminate()
            await clear_custodian(fleet.client, custodian_id(site.name, "dag", "dag1"), "a test")
            cleared = await refused(site)
            server = custodian_id(site.name, "server", site.alert.server)
            await clear_custodian(fleet.client, server, "a test")
            free = await refused(site)
        async with WaitingHealing(fleet, LOGGING, 1) as site:
            await reset(fleet, site.handle)
            await site.terminate()  # before it has come to the same effect again
            return at_work, cleared, free, await refused(site)

    at_work, cleared, free, unknown = fleet.run(tried())
    assert "is under way" in at_work
    assert "has lost its right to act" in cleared
    assert "is held by no healing" in free
    assert "was reset, so its history does not tell of all that it has done" in unknown

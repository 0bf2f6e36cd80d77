"""A fleet's healings, read from outside: what is gone, and what can't be read."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

pytest.importorskip("temporalio", reason="needs the extra 'temporal'")

from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from popheal.errors import FleetSilent
from popheal.gateway.fleet_desk import FleetDesk
from popheal.gateway.fleet_records import FleetRecords
from popheal.gateway.found import Execution, Found
from popheal.journal import Author, HealingRecord, Journal
from popheal.policy.policy import Policy

AT = datetime(2026, 1, 1, tzinfo=UTC)
ALERT = {"server": "mbx1"}


class Forgetful:
    """A client of a fleet that ends what it describes before it is read."""

    def get_workflow_handle(self, *_, **__):
        return self

    get_workflow_handle_for = get_workflow_handle

    async def describe(self, **_):
        return SimpleNamespace(
            id="popheal/healing/C/mbx1",
            run_id="r",
            raw_info=SimpleNamespace(first_run_id="r"),
            status=WorkflowExecutionStatus.COMPLETED,
            start_time=AT,
            close_time=AT,
        )

    async def result(self, **_):
        raise RPCError("not found", RPCStatusCode.NOT_FOUND, b"")

    def list_workflows(self, *_, **__):
        return SimpleNamespace(fetch_next_page=self._nothing, current_page=(), next_page_token=b"")

    async def _nothing(self):
        pass


def test_what_is_gone_by_the_time_it_is_read_is_no_defect():
    """Its retention is over, or somebody has deleted it: nobody can tell now."""
    with pytest.raises(FleetSilent, match="not found"):
        asyncio.run(FleetRecords(Forgetful(), "C").of_server("mbx1"))


def found(healing, *, fits):
    """A healing under way, whose record fits what it has written down, or not."""
    author = Author(process="workflow w", account="ann")
    told = {"organisation": "C", "server": "mbx1", "version": "1", "alert": ALERT}
    with Journal(author=author) as journal:
        journal.begin(healing, at=AT, policy=Policy().to_json(), **told)
        lines = [{**one, "type": "entry"} for one in journal.lines_after(0)]
    record = HealingRecord(
        id=healing,
        **told,
        policy=Policy().to_json() if fits else {},
        begun_at=AT,
        owner="workflow w",
        alive=True,
        cancel_at=None,
        ended_at=None,
        verdict="",
        report=None,
        begun_by="ann",
    )
    at = Execution(
        workflow="w",
        run=healing,
        first_run=healing,
        status=WorkflowExecutionStatus.RUNNING,
        began=AT,
        closed=None,
    )
    return Found(record=record, lines=lines, at=at)


def test_one_that_can_not_be_read_hides_none_of_the_others():
    class Records:
        async def newest(self, *_, **__):
            return [found("aaaaaaaaaaaa", fits=True), found("bbbbbbbbbbbb", fits=False)]

    listed = FleetDesk(None, Records()).healings(unfinished=False, server="", newest=5)
    assert [one.record.id for one in asyncio.run(listed)] == ["aaaaaaaaaaaa", "bbbbbbbbbbbb"]

"""A fleet's healings, read from outside: what is gone, and what can't be read."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace

import pytest

pytest.importorskip("temporalio", reason="needs the extra 'temporal'")

from temporalio.client import WorkflowExecutionStatus
from temporalio.service import RPCError, RPCStatusCode

from popheal.errors import ConfigurationError, FleetSilent, UnknownName
from popheal.gateway.fleet_desk import FleetDesk
from popheal.gateway.fleet_records import FleetRecords
from popheal.gateway.found import Execution, Found
from popheal.journal import Author, HealingRecord, Journal
from popheal.policy.policy import Policy
from popheal.temporal.custody import Custody
from popheal.temporal.orphaned import orphaned

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


class Paged:
    """A client that lists many healings, page by page."""

    def __init__(self, pages):
        self.asked, self._pages = 0, pages

    def list_workflows(self, *_, **__):
        return self

    async def fetch_next_page(self):
        self.current_page = self._pages[self.asked]
        self.asked += 1
        self.next_page_token = b"more" if self.asked < len(self._pages) else None


def listed(run, said=None):
    """A run in a list, which may say of which healing it is."""

    async def memo_value(_name, default):
        if isinstance(said, ConfigurationError):
            raise said
        return said or default

    return SimpleNamespace(
        id="popheal/healing/C/mbx1",
        run_id=run,
        raw_info=SimpleNamespace(first_run_id=""),
        status=WorkflowExecutionStatus.COMPLETED,
        start_time=AT,
        close_time=AT,
        memo_value=memo_value,
    )


@pytest.mark.parametrize(("wanted", "pages"), [("0" * 12, 1), ("1" * 12, 2), ("2" * 12, 3)])
def test_one_is_searched_for_no_further_than_it_is(wanted, pages, monkeypatch):
    """By its first run, or by what a later one says; one of another key is only passed by."""
    sealed = ConfigurationError(source="The fleet", problem="is sealed", next_step="Add the key.")
    client = Paged(
        [[listed("0" * 36), listed("f" * 36, sealed)], [listed("e" * 36, "1" * 12)], [listed("d")]]
    )

    async def of_server(_records, server):
        return [found("0" * 12, fits=True), found("1" * 12, fits=True)]

    monkeypatch.setattr(FleetRecords, "of_server", of_server)
    search = FleetRecords(client, "C").find(wanted)
    if pages < 3:
        assert asyncio.run(search).record.id == wanted
    else:
        with pytest.raises(UnknownName):
            asyncio.run(search)
    assert client.asked == pages


def test_of_many_that_were_terminated_a_server_is_asked_for_once():
    """Who has its right is one question, however often its healing has ended badly."""

    class Custodians:
        asked = 0

        async def list_workflows(self, _which):
            for _ in range(100):
                yield SimpleNamespace(id="popheal/healing/C/mbx1")

        def get_workflow_handle(self, _custodian):
            return self

        async def query(self, *_, **__):
            self.asked += 1
            return Custody()

    client = Custodians()
    assert asyncio.run(orphaned(client)) == []
    assert client.asked == 1

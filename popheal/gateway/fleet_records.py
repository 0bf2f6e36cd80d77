"""The healings of a fleet, read from outside: as a journal on this machine would have them.

How the newest workflow of a server stands is asked of that workflow. Which others there are is
asked of a list, which lags some seconds behind; so what was seen here is remembered.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Any, Final

from attrs import evolve
from temporalio.client import (
    Client,
    WorkflowExecution,
    WorkflowFailureError,
    WorkflowHandle,
)
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError

from popheal.errors import ConfigurationError, FleetSilent, UnknownName
from popheal.exchange.names import same_server
from popheal.gateway import silence
from popheal.gateway.found import Execution, Found, record_of
from popheal.gateway.silence import answered, in_time, never_gone
from popheal.journal import HealingRecord
from popheal.journal.marks import Mark
from popheal.journal.rows import zoned
from popheal.tables.table import Verdict
from popheal.temporal.continuing import begun_with
from popheal.temporal.custodian import Custodian, custodian_id
from popheal.temporal.custody import Custody
from popheal.temporal.healing_history import entries_of, order_of
from popheal.temporal.healing_workflow import Healing, healing_id, healing_of
from popheal.temporal.listing import HEALING, NAME, last_of_chain
from popheal.temporal.messages import HealingResult
from popheal.temporal.own_tables import OTHER_TABLES
from popheal.temporal.settlement import version_of
from popheal.util.text import one_line

#: As many workflows of a server, or of all, are looked at as no decision goes back further.
_NEWEST: Final = 50
#: As many are searched for one that is asked for by its name.
_SEARCHED: Final = 2000
#: As many are listed at a time.
_PAGE: Final = 500
#: As many of those that have ended are remembered: they don't change any more.
_REMEMBERED: Final = 2000
#: As many are asked about at the same time.
_AT_ONCE: Final = 16
#: Seconds in which a healing that no worker answers for is told of by its history.
_SILENT: Final = 60.0
#: Why something has failed is told no longer than that.
_LONGEST: Final = 300
_NAME: Final = re.compile(r"[0-9a-f]{12}")


class FleetRecords:
    """Reads a fleet's healings.

    Every method raises FleetSilent if there is no answer.

    Args:
        client: The fleet's.
        organisation: Whose healings are meant.
    """

    def __init__(self, client: Client, organisation: str) -> None:
        self.client, self.organisation = client, organisation
        self._ended: dict[str, Found | None] = {}
        self._by_name: dict[str, Execution] = {}
        self._few = asyncio.Semaphore(_AT_ONCE)
        #: Of which workflow no worker has told anything lately: until when it is not asked.
        self._silent: dict[str, float] = {}

    def handle(self, at: Execution) -> WorkflowHandle[Any, Any]:
        """For what is asked about that run, and no other."""
        return self.client.get_workflow_handle(
            at.workflow, run_id=at.run, first_execution_run_id=at.first_run
        )

    @never_gone
    async def newest_of(self, workflow: str, *, run: str | None = None) -> Execution | None:
        """The newest workflow of an id, or a certain run of it, if there is one: for sure."""
        handle = self.client.get_workflow_handle(workflow, run_id=run)
        try:
            async with answered() as within:
                return Execution.described(await handle.describe(rpc_timeout=within))
        except RPCError:
            return None

    @never_gone
    async def of_chain(self, workflow: str, first_run: str) -> Execution | None:
        """The workflow that has begun with that run, if it is still known."""
        async with answered() as within:
            found = await last_of_chain(self.client, workflow, first_run, within)
        return Execution.described(found) if found else None

    @never_gone
    async def of_server(self, server: str, lately: timedelta | None = None) -> list[Found]:
        """Those of a server that may matter to what is decided, the oldest first.

        Args:
            server: The server.
            lately: Only the newest, and what has ended within that time; None for all.
        """
        workflow = healing_id(self.organisation, server)
        newest = await self.newest_of(workflow)
        if newest is None:
            return []
        which = f"WorkflowId = '{_quoted(workflow)}'"
        if lately is not None:
            which += f" AND CloseTime >= '{(datetime.now(UTC) - lately).isoformat()}'"
        listed = await self._listed(which, _NEWEST)
        known = [one.at for one in self._ended.values() if one and one.at.workflow == workflow]
        found = await self._all_of([*known, *reversed(listed), newest])
        return [one for one in found if same_server(one.record.server, server)]

    @never_gone
    async def newest(self, number: int, *, unfinished: bool) -> list[Found]:
        """Those that began last, the oldest first; all the unfinished, or so many."""
        running = await self._listed("ExecutionStatus = 'Running'", _SEARCHED)
        lost = "ExecutionStatus IN ('Terminated', 'Failed', 'Canceled', 'TimedOut')"
        closed = "ExecutionStatus != 'Running' AND ExecutionStatus != 'ContinuedAsNew'"
        others = lost if unfinished else closed
        ended = await self._listed(others, number)
        found = await self._all_of([*reversed(ended), *reversed(running)])
        wanted = [one for one in found if one.record.ended_at is None or not unfinished]
        return wanted[-number:]

    @never_gone
    async def at_work(self, servers: Iterable[str]) -> list[Found]:
        """Those of some servers that are under way, as far as the list knows."""
        wanted = {healing_id(self.organisation, one) for one in servers}
        listed = await self._listed("ExecutionStatus = 'Running'", _SEARCHED)
        return await self._all_of(one for one in listed if one.workflow in wanted)

    @never_gone
    async def ended_since(
        self, since: datetime, now: datetime, *, but_of: Iterable[str] = ()
    ) -> list[Found]:
        """Those that have ended since then.

        Args:
            since: When, by the clock of healings.
            now: What that shows.
            but_of: Servers whose healings are not asked for.
        """
        at = datetime.now(UTC) - (now - since)
        listed = await self._listed(f"CloseTime >= '{at.isoformat()}'", _NEWEST)
        known = [one.at for one in self._ended.values() if one and (one.at.closed or at) >= at]
        unwanted = {healing_id(self.organisation, one) for one in but_of}
        wanted = [one for one in (*known, *reversed(listed)) if one.workflow not in unwanted]
        found = await self._all_of(wanted)
        return [one for one in found if one.record.ended_at and one.record.ended_at >= since]

    @never_gone
    async def find(self, healing: str) -> Found:
        """The healing of just that id. Raises UnknownName if there is none."""
        at = self._by_name.get(healing)
        if at is None and _NAME.fullmatch(healing):
            async with in_time(f"whether there is a healing {healing}"):
                at = await self._named(healing)
        if at is not None:
            self._silent.pop(at.workflow, None)  # just that one is asked for
            for one in await self.of_server(at.workflow.rpartition("/")[2]):
                if one.record.id == healing:
                    return one
        raise UnknownName(kind="healing", name=healing)

    @never_gone
    async def at(self, execution: Execution) -> Found | None:
        """The healing of a workflow, as it stands now; None if it was taken back."""
        (found,) = await self._all_of([execution]) or (None,)
        return found

    @never_gone
    async def holder(self, kind: str, name: str) -> Found | None:
        """The healing at work that has what a custodian guards, if one has."""
        custodian = self.client.get_workflow_handle(custodian_id(self.organisation, kind, name))
        try:
            async with answered(by_worker=True) as within:
                known: Custody = await custodian.query(Custodian.state, rpc_timeout=within)
        except RPCError:
            return None  # nobody has ever asked for it
        if (holder := known.holder) is None:
            return None
        at = await self.newest_of(holder.workflow)
        if at is None or at.first_run != holder.first_run or not at.is_open:
            return None
        return await self.at(at)

    # --- one after another -----------------------------------------------------------------------

    async def _named(self, healing: str) -> Execution | None:
        """The one of that id among all that are listed.

        It is named after its first run; where that may be gone, a later one tells.
        """
        known = 0
        async for page in self._pages(""):
            for one in page:
                if healing in (healing_of(one.run_id), await _told_by(one)):
                    return Execution.listed(one)
            known += len(page)
            if known >= _SEARCHED:
                break
        return None

    async def _listed(self, which: str, most: int) -> list[Execution]:
        """Of this organisation, the newest first: last runs only."""
        found: list[Execution] = []
        async for page in self._pages(which, most):
            found += map(Execution.listed, page)
            if len(found) >= most:
                break
        return [one for one in found[:most] if not one.goes_on]

    async def _pages(
        self, which: str, most: int = _SEARCHED
    ) -> AsyncIterator[Sequence[WorkflowExecution]]:
        ours = healing_id(_quoted(self.organisation), "")
        query = f"WorkflowType = '{HEALING}' AND WorkflowId STARTS_WITH '{ours}'"
        asked = f"{query} AND {which}" if which else query
        listed = self.client.list_workflows(
            asked, page_size=min(most, _PAGE), rpc_timeout=silence.SERVER_WITHIN
        )
        while True:
            async with answered():
                await listed.fetch_next_page()
            yield listed.current_page or ()
            if not listed.next_page_token:
                return

    async def _all_of(self, executions: Iterable[Execution]) -> list[Found]:
        """The healings of some workflows, the oldest first.

        Of one that was reset, or settled, how it goes on: so the newest are to be given last.
        """
        once = {one.run: one for one in executions}
        found = await asyncio.gather(*map(self._found, once.values()))
        known = sorted((one for one in found if one), key=lambda one: one.at.began)
        self._remember(known)
        return list({one.record.id: one for one in known}.values())

    async def _found(self, at: Execution) -> Found | None:
        if at.run in self._ended:
            return self._ended[at.run]
        async with self._few:
            return await self._asked(at)

    async def _asked(self, at: Execution) -> Found | None:
        if at.is_open or not at.first_run:  # lists lag, and don't tell all
            now = await self.newest_of(at.workflow, run=at.run)
            if now is not None and now.goes_on:
                now = await self.of_chain(now.workflow, now.first_run)
            if now is None:
                return None  # it is older than the namespace keeps
            at = now
        if at.is_open:
            if found := await self._under_way(at):
                return found
            now = await self.newest_of(at.workflow, run=at.run)
            if now is None or now.is_open:  # no worker of its build runs
                return await self._by_its_history(at, alive=True)
            at = now  # it has ended since
        found = await (self._reported(at) if at.is_done else self._lost(at))
        self._ended[at.run] = found
        return found

    def _remember(self, found: Iterable[Found]) -> None:
        self._by_name.update({one.record.id: one.at for one in found})
        for known in (self._ended, self._by_name, self._silent):
            for name in [*known][:-_REMEMBERED]:
                del known[name]

    async def _under_way(self, at: Execution) -> Found | None:
        """As it tells itself; None if it can't be asked, or has not written anything down."""
        if monotonic() < self._silent.get(at.workflow, 0.0):
            return None
        try:
            async with answered(by_worker=True) as within:
                told = await self.handle(at).query(Healing.written, rpc_timeout=within)
        except RPCError:
            return None
        except FleetSilent:
            self._silent[at.workflow] = monotonic() + _SILENT
            return None
        if (record := record_of(told.lines)) is None:
            return None
        alive = record.ended_at is None
        return Found(record=evolve(record, alive=alive), lines=told.lines, at=at)

    async def _reported(self, at: Execution) -> Found | None:
        async with answered() as within:
            handle = self.client.get_workflow_handle_for(Healing.run, at.workflow, run_id=at.run)
            result: HealingResult = await handle.result(rpc_timeout=within)
        record = record_of(result.about)
        return Found(record=record, at=at) if record else None

    async def _lost(self, at: Execution) -> Found | None:
        """It has ended without a report. If there is no such server, it has never been."""
        failed, not_begun = "", False
        try:
            async with answered() as within:
                await self.handle(at).result(rpc_timeout=within)
        except WorkflowFailureError as error:
            if isinstance(error.cause, ApplicationError):
                failed = one_line(error.cause.message.rstrip("."), _LONGEST)
                if error.cause.type == UnknownName.__name__:
                    return None
                not_begun = error.cause.type == OTHER_TABLES
        found = evolve(await self._by_its_history(at, alive=False), failed=failed)
        if not_begun:  # it owes nothing, and may be tried again later
            unknown = Verdict.UNKNOWN.value
            return evolve(found, record=evolve(found.record, ended_at=at.closed, verdict=unknown))
        return found

    async def _by_its_history(self, at: Execution, *, alive: bool) -> Found:
        """What is known of a healing that can't be asked, and has left no report."""
        converter = self.client.data_converter
        handle = self.client.get_workflow_handle(at.workflow, run_id=at.run)
        async with answered() as within:
            history = await handle.fetch_history(rpc_timeout=within)
            order = await order_of(history, converter)
            entries = await entries_of(history, converter)
        version = version_of(history, order)
        order = begun_with(order, entries, version=version)
        settles = order.settles
        begun = next((one["at"] for one in entries if one["kind"] == Mark.BEGUN.value), None)
        record = HealingRecord(
            id=settles.healing if settles else healing_of(at.first_run),
            organisation=order.organisation,
            server=str(order.alert["server"]),
            version=version,
            alert=order.alert,
            policy=order.policy,
            begun_at=zoned(begun) if begun else at.began,
            owner=settles.process if settles else f"workflow {at.workflow}",
            alive=alive,
            cancel_at=None,
            ended_at=None,
            verdict="",
            report=None,
            begun_by=settles.begun_by if settles else order.by,
        )
        return Found(record=record, lines=entries, at=at)


async def _told_by(listed: WorkflowExecution) -> str:
    """The healing that a run says it is of; empty if it says none, or by a key not given here."""
    try:
        return str(await listed.memo_value(NAME, ""))
    except ConfigurationError:
        return ""


def _quoted(text: str) -> str:
    return text.replace("'", "''")

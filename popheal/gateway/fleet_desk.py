"""What requests over HTTP are answered by, where a fleet carries healings out."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, TypeVar

from attrs import evolve
from temporalio.client import WorkflowHandle, WorkflowUpdateFailedError
from temporalio.service import RPCError

from popheal.errors import AlreadyEnded, ApprovalNotPending, FleetSilent, JournalError
from popheal.gateway.fleet_records import FleetRecords
from popheal.gateway.found import Found
from popheal.gateway.silence import answered
from popheal.healthsets.pop import PROCEDURES, SETTLE_DEBTS
from popheal.journal import Author, HealingRecord, Journal, Question
from popheal.journal.rows import WRONG
from popheal.journal.status import Standing, standing_of
from popheal.reports.report import Alert
from popheal.serve.desk import Read
from popheal.tables.stored import table_to_json
from popheal.temporal.connection import said_by
from popheal.temporal.custody import Line
from popheal.temporal.healing_history import lines_of
from popheal.temporal.healing_workflow import Healing
from popheal.temporal.messages import Decision
from popheal.watch.answer import Answer
from popheal.watch.loop import Watch

T = TypeVar("T")


class FleetDesk:
    """The :class:`~popheal.serve.desk.Desk` over a fleet, and a watch that begins healings there.

    What is told of a healing is read in a journal that is made again of what it has written down,
    so it is told as of any other.

    Args:
        watch: The watch that answers alerts; it runs in the same event loop.
        records: The fleet's healings.
    """

    def __init__(self, watch: Watch, records: FleetRecords) -> None:
        self._watch, self._records = watch, records

    @property
    def runs(self) -> bool:
        return self._watch.runs

    async def raise_alert(self, alert: Alert) -> Answer:
        return await self._watch.raise_alert(alert)

    async def healings(self, *, unfinished: bool, server: str, newest: int) -> list[Standing]:
        if server:
            found = await self._records.of_server(server)
            found = [one for one in found if not (unfinished and one.record.ended_at)][-newest:]
        else:
            found = await self._records.newest(newest, unfinished=unfinished)
        return [await self._standing(one) for one in found]

    async def _standing(self, found: Found) -> Standing:
        try:
            return await _read(found, found.lines, standing_of)
        except JournalError:  # of one; the others are to be told of all the same
            return await _read(found, (), standing_of)

    async def read(self, healing: str, function: Read[T]) -> T:
        found = await self._records.find(healing)
        return await _read(found, await self._lines(found), function)

    async def decide(self, healing: str, plan: str, *, granted: bool, by: str) -> Question:
        found = await self._records.find(healing)

        def answer(journal: Journal, record: HealingRecord) -> Question:
            return journal.approve(record.id, plan, granted=granted, by=by)

        # What would be refused is refused here: by the same rules, and with the same words.
        if not found.record.alive:
            problem = found.how_lost if found.is_lost else "the healing has ended"
            raise _not_pending(found, plan, problem)
        question = await _read(found, found.lines, answer)
        said = Decision(who=by, plan=question.plan, granted=granted)
        try:
            await self._tell(found, Healing.answer, said)
        except WorkflowUpdateFailedError as error:
            raise _not_pending(found, plan, said_by(error.cause)) from None
        return question

    async def stop(self, healing: str, *, by: str) -> Standing:
        found = await self._records.find(healing)
        _require_alive(found)
        try:
            await self._tell(found, Healing.stop, Decision(who=by))
        except WorkflowUpdateFailedError as error:
            _require_alive(await self._records.find(healing))
            raise FleetSilent(
                where=f"Healing {healing}",
                problem=f"can't be stopped now: {said_by(error.cause)}",
                next_step="Try again in a moment.",
            ) from None
        standing = await self._standing(await self._records.find(healing))
        # Its next step writes that down.
        stopped = evolve(standing.record, cancel_at=standing.record.cancel_at or datetime.now(UTC))
        return evolve(standing, record=stopped)

    async def _tell(self, found: Found, update: Any, said: Decision) -> None:
        # To whichever history it is in by then, and to no later healing of that server.
        handle: WorkflowHandle[Any, Any] = self._records.client.get_workflow_handle(
            found.at.workflow, first_execution_run_id=found.at.first_run
        )
        try:
            async with answered(by_worker=True) as within:
                await handle.execute_update(update, said, rpc_timeout=within)
        except RPCError:
            raise AlreadyEnded(
                healing=found.record.id, server=found.record.server, how="just now"
            ) from None

    async def _lines(self, found: Found) -> Sequence[Line]:
        """All that it has written down: of one that has come to its end, by its history."""
        if found.lines or found.record.report is None:
            return found.lines
        handle = self._records.client.get_workflow_handle(found.at.workflow, run_id=found.at.run)
        converter = self._records.client.data_converter
        async with answered() as within:
            return await lines_of(await handle.fetch_history(rpc_timeout=within), converter)


def _not_pending(found: Found, plan: str, problem: str) -> ApprovalNotPending:
    return ApprovalNotPending(
        journal=found.at.workflow, run=found.record.id, plan=plan, problem=problem
    )


def _require_alive(found: Found) -> None:
    found.record.require_unfinished()
    if found.is_lost:
        record = found.record
        raise AlreadyEnded(healing=record.id, server=record.server, how=found.how_lost)


# --- its journal, made again ---------------------------------------------------------------------


async def _read(found: Found, lines: Sequence[Line], function: Read[T]) -> T:
    def read() -> T:
        with _journal_of(found, lines) as journal:
            return function(journal, found.record)

    return await asyncio.to_thread(read)


def _journal_of(found: Found, lines: Sequence[Line]) -> Journal:
    """A journal in memory with that healing, as far as it is known what it has written down.

    Raises:
        JournalError: If what it has written down does not fit together.
    """
    record = found.record
    process = next((one["process"] for one in lines if one["type"] == "owner"), record.owner)
    author = Author(process=process, account=record.begun_by)
    journal = Journal(author=author)
    # An export has those of no healing first.
    entries = sorted((one for one in lines if one["type"] == "entry"), key=itemgetter("seq"))
    if entries:
        try:
            journal.begin(
                record.id,
                at=record.begun_at,
                organisation=record.organisation,
                server=record.server,
                version=record.version,
                alert=record.alert,
                policy=record.policy,
            )
            journal.put_back(entries, _tables(lines), author)
        except (*WRONG, JournalError) as error:
            journal.close()
            raise JournalError(
                journal=found.at.workflow,
                problem=f"has written down what can't be read again: {error}",
                next_step="Use the popheal that has written it.",
            ) from None
    return journal


def _tables(lines: Iterable[Line]) -> dict[str, Any]:
    known = (*PROCEDURES.values(), SETTLE_DEBTS)
    told = {one["hash"]: one["table"] for one in lines if one["type"] == "table"}
    return {**{one.hash: table_to_json(one) for one in known}, **told}

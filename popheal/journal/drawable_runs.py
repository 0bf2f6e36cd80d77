"""The ways that the runs of a healing have taken, as far as they are written down."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from attrs import frozen

from popheal.healthsets.pop import PROCEDURES, SETTLE_DEBTS
from popheal.journal.entries import ActionFinished, RunEntry
from popheal.journal.journal import Journal
from popheal.journal.record import HealingRecord
from popheal.reports.report import Report, RunSnapshot
from popheal.reports.run_paths import path_of, path_step
from popheal.tables.run_path import RunPath
from popheal.tables.table import Procedure
from popheal.util.serialize import from_jsonable


@frozen
class RunOnTable:
    """The way of a run, and the table that it followed.

    Attributes:
        table: None if this popheal does not know it any more; then it can't be drawn.
    """

    path: RunPath
    procedure: str
    table: Procedure | None


def runs_on_tables(
    journal: Journal, record: HealingRecord, as_of: datetime
) -> tuple[RunOnTable, ...]:
    """Each run of a healing on its table, in the order of their start.

    Args:
        journal: The journal it is in.
        record: The healing.
        as_of: What time it is, aware UTC, where it has not ended.
    """
    kept = {table.hash: table for table in (*PROCEDURES.values(), SETTLE_DEBTS)}
    tables = {**journal.tables(), **kept}
    if record.report is not None:
        return tuple(_reported(from_jsonable(record.report, Report), tables))
    entries = journal.entries(record.id)
    return tuple(_written(entries, tables, as_of, interrupted=not record.alive))


def _reported(report: Report, tables: dict[str, Procedure]) -> Iterator[RunOnTable]:
    for run in report.runs:
        table = tables.get(run.hash)
        # Without its table nothing is drawn, so nothing is owed on it either.
        path = path_of(run, report, table) if table else _bare(run.id, run.server, run.path)
        yield RunOnTable(path, run.procedure, table)


def _bare(run: str, server: str, states: tuple[str, ...]) -> RunPath:
    return RunPath(run=run, server=server, states=states)


def _written(
    entries: Iterable[object],
    tables: dict[str, Procedure],
    as_of: datetime,
    *,
    interrupted: bool,
) -> Iterator[RunOnTable]:
    last: dict[str, RunSnapshot] = {}
    steps: dict[str, list[ActionFinished]] = {}
    for entry in entries:
        if isinstance(entry, RunEntry):
            last[entry.run_id] = entry.run
        if isinstance(entry, ActionFinished):
            steps.setdefault(entry.run_id, []).append(entry)
    for run_id, run in last.items():
        table = tables.get(run.hash)
        ended = table is not None and run.state in table.endings
        path = RunPath(
            run=run.id,
            server=run.server,
            monitor=run.monitor,
            states=run.path,
            steps=tuple(path_step(one.step) for one in steps.get(run_id, ())),
            owed=frozenset(debt.kind for debt in run.debts if debt.status.is_open),
            as_of=None if ended else as_of,
            interrupted=interrupted and not ended,
        )
        yield RunOnTable(path, run.procedure, table)

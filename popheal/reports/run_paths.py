"""The way of a reported run as what pictures show: :class:`~popheal.tables.run_path.RunPath`."""

from __future__ import annotations

from collections.abc import Iterable

from popheal.reports.report import Report, RunReport, Step
from popheal.tables.debts import DebtKind
from popheal.tables.run_path import PathStep, RunPath
from popheal.tables.table import Procedure


def path_step(step: Step) -> PathStep:
    """A step without what pictures don't tell."""
    return PathStep(
        state=step.state,
        outcome=step.outcome,
        started_at=step.started_at,
        finished_at=step.finished_at,
    )


def path_of(run: RunReport, report: Report, table: Procedure) -> RunPath:
    """The way that a run of a report has taken, to be drawn on its table.

    Args:
        run: One of the report's runs.
        report: Where it stands, with the debts of all of them.
        table: The table that it followed; see ``RunReport.hash``.
    """
    left = incurred(run.path, table)
    return RunPath(
        run=run.id,
        server=run.server,
        monitor=run.monitor,
        states=run.path,
        steps=tuple(map(path_step, run.steps)),
        owed=frozenset(
            debt.kind
            for debt in report.debts
            if debt.status.is_open and debt.server == run.server and debt.kind in left
        ),
    )


def incurred(states: Iterable[str], table: Procedure) -> set[DebtKind]:
    """The debts that may have been left on the way: a report has those of all its runs together."""
    actions = [table.by_name[name].action for name in states if name in table.by_name]
    return {action.incurs for action in actions if action.incurs}

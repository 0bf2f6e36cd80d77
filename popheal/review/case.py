"""One healing as it is told afterwards, or meanwhile: from its report, or from a journal."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from attrs import frozen

from popheal.errors import ConfigurationError
from popheal.healthsets.pop import PROCEDURES, SETTLE_DEBTS
from popheal.journal import Entry, HealingRecord, Journal
from popheal.journal.drawable_runs import RunOnTable, runs_on_tables
from popheal.journal.entries import FindingsNoted, TakenOver
from popheal.journal.status import in_words, standing_of
from popheal.policy.policy import Policy
from popheal.reports.report import Alert, DebtReport, Finding, Handover, Report
from popheal.reports.run_paths import path_of
from popheal.review.timeline import Moment, of_entries, of_report
from popheal.tables.run_path import RunPath
from popheal.tables.table import Procedure, Verdict
from popheal.util.serialize import from_jsonable


@frozen(kw_only=True)
class Case:
    """Everything that is told about one healing.

    Attributes:
        id: The healing; empty for a mere look.
        verdict: How it ended; None while it has not.
        state: How it stands while it has not ended: a word of
            :class:`~popheal.journal.status.Standing`.
        summary: Why it ended so, or where it is, in one sentence.
        until: When it ended, or was looked at.
        timeline: What happened, in order.
        runs: The way of each run, with its table where that is known.
        policy: How far it was allowed to go; None where that is not known.
        next_step: While it has not ended, what to do about it: in words, and a command.
    """

    id: str
    server: str
    alert: Alert
    verdict: Verdict | None
    state: str = ""
    summary: str
    begun_at: datetime
    until: datetime
    findings: tuple[Finding, ...] = ()
    timeline: tuple[Moment, ...] = ()
    runs: tuple[RunOnTable, ...] = ()
    debts: tuple[DebtReport, ...] = ()
    handover: Handover | None = None
    policy: Policy | None = None
    next_step: tuple[str, str] = ("", "")


def case_of_report(
    report: Report, *, policy: Policy | None = None, procedures: Iterable[Procedure] = ()
) -> Case:
    """A healing as its report has it.

    Args:
        report: The report.
        policy: How far it was allowed to go, if that is to be told.
        procedures: Tables of one's own that its runs may have followed, to be drawn.
    """
    tables = {one.hash: one for one in (*PROCEDURES.values(), SETTLE_DEBTS, *procedures)}
    return _reported(
        report,
        policy,
        tuple(
            RunOnTable(
                path_of(run, report, table)
                if (table := tables.get(run.hash))
                else RunPath(run=run.id, server=run.server, states=run.path),
                run.procedure,
                table,
            )
            for run in report.runs
        ),
        of_report(report),
    )


def case_of_record(
    journal: Journal,
    record: HealingRecord,
    *,
    as_of: datetime,
    next_step: tuple[str, str] = ("", ""),
) -> Case:
    """A healing as a journal has it, ended or not.

    Args:
        journal: The journal.
        record: The healing.
        as_of: What time it is, aware UTC.
        next_step: What to do about it if it has not ended: in words, and a command.
    """
    entries = journal.entries(record.id)
    runs = runs_on_tables(journal, record, as_of)
    timeline = of_entries(entries)
    policy = policy_of(record, entries)
    if record.report is not None:
        return _reported(from_jsonable(record.report, Report), policy, runs, timeline)
    now = standing_of(journal, record, entries)
    return Case(
        id=record.id,
        server=now.server,
        alert=from_jsonable(record.alert, Alert),
        verdict=None,
        state=now.state,
        summary=in_words(now),
        begun_at=record.begun_at,
        until=as_of,
        findings=tuple(
            one for entry in entries if isinstance(entry, FindingsNoted) for one in entry.findings
        ),
        timeline=timeline,
        runs=runs,
        debts=now.debts,
        policy=policy,
        next_step=next_step,
    )


def _reported(
    report: Report,
    policy: Policy | None,
    runs: tuple[RunOnTable, ...],
    timeline: tuple[Moment, ...],
) -> Case:
    return Case(
        id=report.id,
        server=report.server,
        alert=report.alert,
        verdict=report.verdict,
        summary=report.summary,
        begun_at=report.started_at,
        until=report.finished_at,
        findings=report.findings,
        timeline=timeline,
        runs=runs,
        debts=report.debts,
        handover=report.handover,
        policy=policy,
    )


def policy_of(record: HealingRecord, entries: Iterable[Entry]) -> Policy | None:
    """How far a healing may go: by whoever took it over last. None if another version wrote it."""
    taken = [one.policy for one in entries if isinstance(one, TakenOver)]
    try:
        return Policy.from_json(taken[-1] if taken else record.policy)
    except ConfigurationError:
        return None

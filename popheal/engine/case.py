"""One healing as it grows: its findings and runs, written down, read back, and reported."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from itertools import chain

from attrs import define, evolve, field, frozen

from popheal.engine.context import HealingContext, RunContext, RunState
from popheal.engine.requests import End, Logic, Write
from popheal.engine.run import Run
from popheal.exchange.models import ServerInfo
from popheal.exchange.names import same_server
from popheal.healthsets.pop import SETTLE_DEBTS
from popheal.healthsets.pop.catalog import monitor_named
from popheal.journal import entries
from popheal.reports import events
from popheal.reports.handover import hand_over
from popheal.reports.reasons import worst_first
from popheal.reports.report import (
    Alert,
    DebtReport,
    Finding,
    Report,
    RunReport,
    RunSnapshot,
    Step,
)
from popheal.tables.debts import Debt, DebtStatus
from popheal.tables.table import Procedure, Verdict
from popheal.util.serialize import from_jsonable


@frozen
class RunRecord:
    """One run of the healing, with the steps it has taken."""

    work: RunContext
    steps: list[Step] = field(factory=list)
    #: Name and hash of the table that it was carried out by, if that is not there any more.
    table: tuple[str, str] | None = None

    @property
    def run(self) -> Run:
        return self.work.run


@define(kw_only=True)
class Case:
    """What the report will be made of; grows as the healing goes on."""

    session: HealingContext
    alert: Alert
    started_at: datetime
    id: str = ""
    server: str = ""
    findings: list[Finding] = field(factory=list)
    run_records: list[RunRecord] = field(factory=list)
    #: Debts of runs that can't be understood any more.
    salvaged: list[DebtReport] = field(factory=list)
    #: The Mailbox server that is being looked at, as it explains why the alert's server fails.
    behind: str = ""
    #: Whether any such server was looked at.
    looked_behind: bool = False
    heal_server: Callable[[str, str], Logic[Verdict]] = field(repr=False)

    @property
    def waiting_run(self) -> RunRecord | None:
        """The run at work, if whoever resumes from the journal comes to it and to nothing else."""
        at_work = [one for one in self.run_records if not one.run.verdict]
        alone = len(at_work) == 1 and not (at_work[0].work.parent or self.looked_behind)
        return at_work[0] if alone else None

    def forget(self) -> None:
        """Let go of everything, which otherwise is held in circles."""
        self.run_records.clear()
        del self.heal_server

    async def find(self, *findings: Finding) -> None:
        """Note what is new among the findings, and write it down."""
        new = [one for one in dict.fromkeys(findings) if one not in self.findings]
        for finding in new:
            self.findings.append(finding)
            self.session.emit(
                events.FindingMade, finding.server, kind=finding.kind, detail=finding.detail
            )
        if new and self.session.lease:
            at = self.session.clock.now()
            noted = entries.FindingsNoted(at=at, server=self.server, findings=tuple(new))
            await Write(noted)

    def work_on(
        self,
        *,
        run: Run,
        info: ServerInfo,
        memory: RunState,
        dag: str | None,
        pending: Sequence[str],
        parent: str,
    ) -> RunContext:
        """What a run of this healing is carried out with."""
        return RunContext(
            session=self.session,
            run=run,
            info=info,
            monitor=monitor_named(run.monitor),
            memory=memory,
            heal_server=lambda server: self.heal_server(server, run.id),
            dag=dag,
            pending=tuple(pending),
            parent=parent,
        )

    def report(self, verdict: Verdict, summary: str) -> Report:
        """The report, as things are now."""
        runs = tuple(run_report(one) for one in self.run_records)
        debts = tuple(
            DebtReport(
                kind=debt.kind,
                server=debt.server,
                prior=debt.prior,
                # At the end nothing is owed in silence, whatever has gone wrong.
                status=DebtStatus.PAID
                if debt.status is DebtStatus.PAID
                else DebtStatus.HANDED_OVER,
            )
            for one in self.run_records
            for debt in one.run.debts
        )
        debts += tuple(self.salvaged)
        finished = self.session.clock.now()
        summary = worst_first(summary, runs, debts)
        retry_at = None if verdict.good else self.session.retry_at
        return Report(
            id=self.id,
            verdict=verdict,
            server=self.server,
            alert=self.alert,
            summary=summary,
            started_at=self.started_at,
            finished_at=finished,
            retry_at=retry_at,
            findings=tuple(self.findings),
            runs=runs,
            debts=debts,
            handover=hand_over(verdict, summary, self.findings, runs, debts, retry_at=retry_at),
        )

    async def end(self, verdict: Verdict, summary: str) -> Report:
        """Report, write that down, and tell."""
        report = self.report(verdict, summary)
        if self.session.lease:
            await End(at=report.finished_at, verdict=verdict.value, report=report.to_json())
        head = self.session.lease.noted if self.session.lease else None
        for debt in report.debts:
            if debt.status is DebtStatus.HANDED_OVER:
                self.session.emit(
                    events.DebtHandedOver, debt.server, kind=debt.kind, prior=debt.prior
                )
        if report.handover and self.session.lease:
            self.session.emit(events.HandedOver, self.server, report=report, head=head)
        took = max(0.0, (report.finished_at - report.started_at).total_seconds())
        said = {"verdict": verdict, "summary": report.summary, "seconds": took, "head": head}
        self.session.emit(events.HealingEnded, self.server, **said)
        return report


def run_report(one: RunRecord) -> RunReport:
    run = one.run
    name, identity = one.table or (run.procedure.name, run.procedure.hash)
    return RunReport(
        id=run.id,
        procedure=name,
        hash=identity,
        server=run.server,
        monitor=run.monitor,
        # A run that never came to its end was broken off by an error that escapes.
        verdict=run.verdict or Verdict.ESCALATED,
        path=tuple(run.path),
        steps=tuple(one.steps),
    )


# --- what was written down -----------------------------------------------------------------------


def restore(case: Case, history: Iterable[entries.Entry]) -> None:
    """Bring a case to where the history says that the healing was.

    Raises:
        ValueError: If an entry can't be understood.
    """
    last: dict[str, entries.RunEntry] = {}
    started: dict[str, entries.RunStarted] = {}
    steps: dict[str, list[Step]] = {}
    for entry in history:
        if isinstance(entry, entries.UnreadableEntry):
            raise ValueError(entry.problem)  # noqa: TRY004 - of a value, not of a type
        if isinstance(entry, entries.FindingsNoted):
            case.findings += entry.findings
        elif isinstance(entry, entries.RunStarted):
            started[entry.run_id] = entry
        elif isinstance(entry, entries.ActionFinished):
            taken = steps.setdefault(entry.run_id, [])
            if entry.step not in taken:  # an interrupt may have had it written twice
                taken.append(entry.step)
        if isinstance(entry, entries.RunEntry):
            last[entry.run_id] = entry
    for name, begun in started.items():
        work = _work_as_written(case, begun, last[name])
        then = last[name].run
        ended_on = (then.procedure, then.hash) if work.run.verdict else None
        case.run_records.append(RunRecord(work, steps.get(name, []), ended_on))
        if not work.parent and same_server(work.server, case.alert.server):
            case.server = work.server


def owed_as_written(history: Iterable[entries.Entry]) -> Iterator[DebtReport]:
    """What was owed at last, as far as it can be read."""
    last: dict[str, Sequence[Debt]] = {}
    for entry in history:
        if isinstance(entry, entries.RunEntry):
            last[entry.run_id] = entry.run.debts
        elif isinstance(entry, entries.UnreadableEntry) and entry.debts is not None:
            last[entry.run_id] = entry.debts
    for debt in chain.from_iterable(last.values()):
        if debt.status.is_open:
            yield evolve(DebtReport.of(debt), status=DebtStatus.HANDED_OVER)


def _work_as_written(case: Case, begun: entries.RunStarted, last: entries.RunEntry) -> RunContext:
    memory = from_jsonable(last.memory, RunState)
    return case.work_on(
        run=_run_as_written(case.session.procedures.values(), last.run, memory),
        info=begun.info,
        memory=memory,
        dag=last.dag
        if isinstance(last, entries.EffectIntended | entries.ActionFinished)
        else begun.dag,
        pending=begun.pending,
        parent=begun.parent,
    )


def _run_as_written(procedures: Iterable[Procedure], then: RunSnapshot, memory: RunState) -> Run:
    """The run; on the table for settling its debts if its own is not there any more."""
    try:
        return Run.restore(then, [*procedures, SETTLE_DEBTS])
    except LookupError:
        pass
    then = evolve(then, procedure=SETTLE_DEBTS.name, hash=SETTLE_DEBTS.hash)
    if then.state in SETTLE_DEBTS.endings:
        return Run.restore(then, [SETTLE_DEBTS])
    # Its path is its own; what it owes is the same, and less certain if it was interrupted.
    start = SETTLE_DEBTS.start
    run = Run.restore(evolve(then, state=start, path=(*then.path, start)), [SETTLE_DEBTS])
    if memory.intended:
        run.debts = [evolve(debt, unclear=True) for debt in run.debts]
        memory.moved_on()
    return run

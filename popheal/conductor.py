"""From an alert to a report: triage, then one procedure after another, then the handover.

Generators only, like everything they use (see :mod:`popheal.steps`): the driver does the I/O.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import datetime

from attrs import define, field

from popheal.actions import COULD_NOT_TELL, Action
from popheal.catalogue import MONITORS, Monitor
from popheal.definition import Verdict
from popheal.errors import PophealError, UnknownName
from popheal.handover import hand_over
from popheal.machine import DebtStatus, Run
from popheal.performing import PERFORMERS, Memory, Observed, Session, Work
from popheal.performing.backends import MAILBOX_SIDE
from popheal.report import Alert, DebtReport, Finding, FindingKind, Report, RunReport, Step
from popheal.steps import Steps
from popheal.triaging import Triage, triage_server

#: Outcomes that end nothing.
_GOOD = ("done", "elapsed", "succeeded", "feasible", "clear", "up", "healthy", "found")
_WELL = (Verdict.NOTHING_WRONG, Verdict.TRANSIENT)


@define(kw_only=True)
class _Ledger:
    """What the report will be made of; grows as the healing goes on."""

    session: Session
    alert: Alert
    started_at: datetime
    server: str = ""
    findings: list[Finding] = field(factory=list)
    works: list[tuple[Run, list[Step]]] = field(factory=list)

    def found(self, triage: Triage) -> None:
        for finding in triage.findings:
            if finding not in self.findings:
                self.findings.append(finding)
                self.session.tell(
                    "finding", finding.server, kind=finding.kind.value, detail=finding.detail
                )

    def report(self, verdict: Verdict, summary: str) -> Report:
        runs = tuple(_run_report(run, steps) for run, steps in self.works)
        debts = tuple(
            DebtReport(kind=debt.kind, server=debt.server, prior=debt.prior, status=debt.status)
            for run, _ in self.works
            for debt in run.debts
        )
        finished = self.session.clock.now()
        for debt in debts:
            if debt.status is DebtStatus.HANDED_OVER:
                self.session.tell(
                    "debt_handed_over", debt.server, kind=debt.kind.value, prior=debt.prior
                )
        self.session.tell("healing_ended", self.server, verdict=verdict.value, summary=summary)
        return Report(
            verdict=verdict,
            server=self.server,
            alert=self.alert,
            summary=summary,
            started_at=self.started_at,
            finished_at=finished,
            findings=tuple(self.findings),
            runs=runs,
            debts=debts,
            handover=hand_over(verdict, summary, self.findings, runs, debts),
        )


def _run_report(run: Run, steps: list[Step]) -> RunReport:
    return RunReport(
        id=run.id,
        procedure=run.procedure.name,
        hash=run.procedure.hash,
        server=run.server,
        monitor=run.monitor,
        # A run that never came to its end was broken off by an error that escapes.
        verdict=run.verdict or Verdict.ESCALATED,
        path=tuple(run.path),
        steps=tuple(steps),
    )


def healing(session: Session, alert: Alert) -> Steps[Report]:
    """Answer an alert: verify, heal what the runbook can heal, report.

    Raises:
        UnknownName: If the organisation has no such server; nothing was done.
    """
    ledger = _Ledger(session=session, alert=alert, started_at=session.clock.now())
    ledger.server = alert.server
    try:
        verdict, summary = yield from _heal_server(ledger, alert.server, MONITORS)
    finally:
        session.custody.release(session)
    return ledger.report(verdict, summary)


def triaging(session: Session, alert: Alert) -> Steps[tuple[Triage, Report]]:
    """Only verify. A verified fault is ``escalated``: nothing was done about it.

    Raises:
        UnknownName: If the organisation has no such server.
    """
    ledger = _Ledger(session=session, alert=alert, started_at=session.clock.now())
    triage = yield from _triage(session, alert.server, MONITORS, ())
    ledger.server = triage.server
    ledger.found(triage)
    verdict = triage.verdict or Verdict.ESCALATED
    return triage, ledger.report(verdict, triage.summary)


def _heal_server(
    ledger: _Ledger, server: str, monitors: Sequence[Monitor]
) -> Steps[tuple[Verdict, str]]:
    """Heal one server: look, heal the first failing monitor, look again, until nothing fails."""
    session = ledger.session
    healed: list[str] = []
    pending: set[str] = set()
    while True:
        session.tell("triage_started", server)
        triage = yield from _triage(session, server, monitors, healed)
        server = triage.server
        if not ledger.works:
            ledger.server = server
        ledger.found(triage)
        if session.stop.is_set():
            done = f"{', '.join(healed)}: healed; " if healed else ""
            return Verdict.CANCELLED, f"{done}stopped by a person before anything else was done"
        if triage.verdict:
            if not healed:
                return triage.verdict, triage.summary
            return _after_healing(triage, healed, pending)
        if not session.custody.claim_server(session.organisation, server, session):
            busy = "another healing is at work on the server"
            ledger.findings.append(Finding(kind=FindingKind.BUSY, server=server, detail=busy))
            return Verdict.HELD, busy
        monitor = triage.failing[0]
        run = yield from _carry_out(ledger, triage, monitor)
        if run.verdict is not Verdict.RECOVERED:
            return run.verdict or Verdict.ESCALATED, _why(ledger, run)
        healed.append(monitor.name)
        pending = {one.name for one in triage.failing} - set(healed)


def _triage(
    session: Session, server: str, monitors: Sequence[Monitor], healed: Sequence[str]
) -> Steps[Triage]:
    """Triage; an answer that breaks it is an answer that tells nothing."""
    try:
        return (yield from triage_server(session, server, monitors, healed))
    except UnknownName:
        raise
    except Exception as error:  # noqa: BLE001 - as in _perform
        detail = f"an answer of the backend can't be used: {type(error).__name__}: {error}"
        finding = Finding(kind=FindingKind.COULD_NOT_TELL, server=server, detail=detail)
        return Triage(server=server, blind=True).end(Verdict.UNKNOWN, finding)


def _after_healing(triage: Triage, healed: list[str], pending: set[str]) -> tuple[Verdict, str]:
    """What the look after a recovery means for the whole."""
    names = ", ".join(healed)
    if triage.verdict in _WELL:
        return Verdict.RECOVERED, f"{names}: healed"
    if pending:
        return Verdict.ESCALATED, f"{names}: healed, but then: {triage.summary}"
    # Everything that was verified to fail is healed; the rest can't be seen yet, or isn't ours.
    if triage.verdict is Verdict.ESCALATED or triage.blind:
        return Verdict.ESCALATED, f"{names}: healed, but {triage.summary}"
    return Verdict.RECOVERED, f"{names}: healed (other monitors: {triage.summary})"


def _why(ledger: _Ledger, run: Run) -> str:
    """The step that ended it, in words."""
    steps = next((steps for one, steps in ledger.works if one is run), [])
    if run.verdict is Verdict.CANCELLED:
        state = steps[-1].state if steps else run.procedure.start
        return f"{run.procedure.name} was stopped by a person, at {state}"
    decisive = next((one for one in reversed(steps) if one.outcome not in _GOOD), None)
    if decisive is None:
        return f"procedure '{run.procedure.name}' ended as {run.state}"
    said = f": {decisive.detail}" if decisive.detail else ""
    return f"{run.procedure.name} ended at {decisive.state} ({decisive.outcome}){said}"


def _carry_out(ledger: _Ledger, triage: Triage, monitor: Monitor) -> Steps[Run]:
    """Carry out the monitor's procedure on the triaged server, to its end."""
    if triage.info is None or triage.host is None:
        raise AssertionError("a verified fault implies that the server was looked at")
    session = ledger.session
    run = Run(
        id=uuid.uuid4().hex[:12],
        procedure=session.procedures[monitor.procedure],
        server=triage.info.fqdn,
        monitor=monitor.name,
        mailbox_role=triage.info.mailbox_role,
    )
    work = Work(
        session=session,
        run=run,
        info=triage.info,
        monitor=monitor,
        memory=Memory(boot_at_start=triage.host.boot_time, running_before=triage.running),
        heal_backend=lambda backend: _heal_backend(ledger, backend),
    )
    steps: list[Step] = []
    ledger.works.append((run, steps))
    session.tell("run_started", run.server, run, monitor=monitor.name, hash=run.procedure.hash)
    while not run.verdict:
        if session.stop.is_set() and not run.cancelled:
            session.restoring = True
            row = run.cancel()
            session.tell("transition", run.server, run, outcome=row.outcome, why=str(row.why))
            continue
        steps.append((yield from _take_step(work)))
    session.tell("run_ended", run.server, run, verdict=run.verdict.value)
    return run


def _heal_backend(ledger: _Ledger, backend: str) -> Steps[Verdict]:
    """CTP 3.6: the mailbox procedure on another server, with a triage of its own (D22)."""
    verdict, _ = yield from _heal_server(ledger, backend, MAILBOX_SIDE)
    return verdict


def _is_cut_short(work: Work, action: Action) -> bool:
    """Whether a person's stop ended the action early, so that its outcome means nothing.

    Only where it changed nothing: what an effect has come to is always heeded.
    """
    stopped = work.session.stop.is_set() and not work.run.cancelled
    return stopped and action.impact.harmless and not action.incurs and not action.pays


def _perform(work: Work, action: Action) -> Steps[Observed]:
    """Carry an action out; an answer that breaks its performer is an answer that tells nothing."""
    try:
        return (yield from PERFORMERS[action.name](work))
    except PophealError as error:
        return Observed(COULD_NOT_TELL, str(error))
    except Exception as error:  # noqa: BLE001 - debts must be paid, whatever a backend returns
        cause = f"{type(error).__name__}: {error}"
        return Observed(COULD_NOT_TELL, f"an answer of the backend can't be used: {cause}")


def _take_step(work: Work) -> Steps[Step]:
    """Perform the present action, and move the run on."""
    session, run, state = work.session, work.run, work.run.state
    action = run.next_action()
    if action is None:
        raise AssertionError("an ended run takes no step")
    started = session.clock.now()
    session.tell("action_started", run.server, run, action=str(action), impact=action.impact.value)
    if session.policy.allows(action.impact):
        observed = yield from _perform(work, action)
    else:
        limit = session.policy.highest_impact.value
        observed = Observed("refused", f"the policy allows nothing beyond '{limit}'")
    session.tell(
        "action_finished",
        run.server,
        run,
        action=str(action),
        outcome=observed.outcome,
        detail=observed.detail,
    )
    cut_short = _is_cut_short(work, action)
    session.restoring = session.restoring or cut_short
    row = run.cancel() if cut_short else run.observe(observed.outcome)
    session.tell("transition", run.server, run, source=state, outcome=row.label, why=str(row.why))
    return Step(
        state=state,
        action=str(action),
        impact=action.impact,
        outcome=observed.outcome,
        started_at=started,
        finished_at=session.clock.now(),
        detail=observed.detail,
    )

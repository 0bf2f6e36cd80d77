"""How a healing of one server ends, in a verdict and in words."""

from __future__ import annotations

from popheal.engine.case import Case, RunRecord, run_report
from popheal.engine.triage import Triage
from popheal.healthsets.pop import SETTLE_DEBTS
from popheal.reports.reasons import in_a_sentence
from popheal.reports.report import FindingKind
from popheal.tables.debts import DebtStatus
from popheal.tables.table import Verdict


def stopped(healed: list[str]) -> tuple[Verdict, str]:
    done = f"{', '.join(healed)}: healed; " if healed else ""
    return Verdict.CANCELLED, f"{done}stopped by a person before anything else was done"


def after_healing(triage: Triage, healed: list[str], pending: set[str]) -> tuple[Verdict, str]:
    """What the look after a recovery means for the whole."""
    names = ", ".join(healed)
    if triage.verdict and triage.verdict.good:
        return Verdict.RECOVERED, f"{names}: healed"
    if pending:
        return Verdict.ESCALATED, f"{names}: healed, but then: {triage.summary}"
    # Everything that was verified to fail is healed; the rest can't be seen yet, or isn't ours.
    if triage.verdict is Verdict.ESCALATED or triage.blind:
        return Verdict.ESCALATED, f"{names}: healed, but {triage.summary}"
    return Verdict.RECOVERED, f"{names}: healed (other monitors: {triage.summary})"


def ended(case: Case, run_record: RunRecord) -> tuple[Verdict, str]:
    """How a run ended without success, and the step that ended it, in words."""
    run, steps = run_record.run, run_record.steps
    verdict = run.verdict or Verdict.ESCALATED
    name = run.procedure.name
    if verdict is Verdict.CANCELLED:
        state = steps[-1].state if steps else run.procedure.start
        return verdict, f"{name} was stopped by a person, at {state}"
    if run.procedure is SETTLE_DEBTS:
        return verdict, (
            "the procedure has changed since this run was started, so it was not gone on with: "
            "what it owed was paid where that is safe, and is handed over where not"
        )
    if verdict is Verdict.ESCALATED and (undecided := _undecided(case, run_record)):
        return Verdict.HELD, in_a_sentence(run_report(undecided))
    return verdict, in_a_sentence(run_report(run_record))


def _undecided(case: Case, run_record: RunRecord) -> RunRecord | None:
    """The run, or one that was part of it, that went as far as it may until somebody decides.

    None where something is still owed: then a person is needed.
    """
    runs = [one for one in case.run_records if one.work.parent == run_record.run.id]
    runs.append(run_record)
    if any(debt.status is not DebtStatus.PAID for one in runs for debt in one.run.debts):
        return None
    kinds = ((one, step.kind) for one in runs for step in one.steps)
    return next((one for one, kind in kinds if kind is FindingKind.UNDECIDED), None)

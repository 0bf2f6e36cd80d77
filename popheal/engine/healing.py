"""From an alert to a report: triage, then one procedure after another, then the handover.

Generators only, like everything they use (see :mod:`popheal.engine.requests`): the driver
does the I/O.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Final

from popheal.engine.actions.mailbox_servers import MAILBOX_SIDE
from popheal.engine.authorize import authorize
from popheal.engine.case import WELL, Case, RunRecord, owed_as_written, restore
from popheal.engine.context import HealingContext, RunContext, RunState
from popheal.engine.executor import go_on
from popheal.engine.limits import Refusal
from popheal.engine.requests import Steps, do
from popheal.engine.run import Run
from popheal.engine.triage import Triage, triage_server
from popheal.errors import JournalError, UnknownName
from popheal.exchange.names import same_server
from popheal.healthsets.pop import SETTLE_DEBTS
from popheal.healthsets.pop.catalog import MONITORS, Monitor
from popheal.journal import Entry, HealingRecord, Journal, Kind
from popheal.policy.policy import Policy
from popheal.reports.report import Alert, Finding, FindingKind, Report
from popheal.tables.table import Verdict
from popheal.util.serialize import from_jsonable, to_jsonable
from popheal.util.version import __version__

#: Outcomes that end nothing.
_GOOD: Final = (
    "done",
    "elapsed",
    "succeeded",
    "feasible",
    "clear",
    "up",
    "healthy",
    "found",
)


# --- beginning -----------------------------------------------------------------------------------


def healing(session: HealingContext, alert: Alert, journal: Journal) -> Steps[Report]:
    """Answer an alert: verify, heal what the runbook can heal, report.

    Raises:
        UnknownName: If the organisation has no such server; nothing was done.
        JournalError: If the journal can't be written; nothing more was done from then on.
    """
    case = _ledger(session, alert, uuid.uuid4().hex[:12])
    session.journal = journal
    session.lease = yield from do(
        journal.begin,
        case.id,
        at=case.started_at,
        organisation=session.organisation,
        server=alert.server,
        version=__version__,
        alert=to_jsonable(alert),
        policy=session.policy.to_json(),
    )
    session.emit("healing_started", case.server, id=case.id)
    try:
        return (yield from _heal(case))
    except UnknownName:
        yield from do(session.current_lease.forget)  # there was nothing to answer
        raise


def resuming(
    session: HealingContext, name: str, journal: Journal, policy: Policy | None
) -> Steps[Report]:
    """Go on with an unfinished healing, from what was written down and what can be seen.

    Raises:
        UnknownName: If there is no unfinished healing of that name.
        StillRunning: If a living process is at work on it.
        JournalError: As for :func:`healing`.
    """
    session.journal = journal
    record = yield from do(journal.healing, name)
    session.policy = policy or Policy.from_json(record.policy)
    session.lease = yield from do(
        journal.take_over,
        record.id,
        at=session.clock.now(),
        policy=session.policy.to_json(),
    )
    entries = yield from do(journal.entries, record.id)
    try:
        case = _ledger(session, from_jsonable(record.alert, Alert), record.id)
        restore(case, entries)
    except Exception as error:  # noqa: BLE001 - whatever makes no sense in what was written
        return (yield from _give_up(session, record, entries, error))
    case.started_at = record.begun_at
    session.server_known = bool(case.run_records)
    yield from do(session.sync_with_journal)
    session.emit("healing_resumed", case.server, id=case.id)
    return (yield from _heal(case))


def _give_up(
    session: HealingContext, record: HealingRecord, entries: Sequence[Entry], error: Exception
) -> Steps[Report]:
    """End a healing that can't be understood any more, and hand over what can be read of it."""
    case = _ledger(session, Alert(server=record.server), record.id)
    case.started_at = record.begun_at
    case.salvaged = list(owed_as_written(entries))
    summary = (
        "what was written down of this run can't be understood "
        f"({type(error).__name__}), so it was not gone on with"
    )
    begun = ", ".join(dict.fromkeys(one.what for one in entries if one.kind is Kind.INTENT))
    yield from case.find(
        Finding(
            kind=FindingKind.COULD_NOT_TELL,
            server=record.server,
            detail=f"{summary}; commanded, or about to be: {begun or 'nothing'}",
            next_step=f"Look at the servers by hand; popheal export {record.id} has all of it.",
        )
    )
    return (yield from case.end(Verdict.ESCALATED, summary))


def _ledger(session: HealingContext, alert: Alert, name: str = "") -> Case:
    def heal_backend(backend: str, parent: str) -> Steps[Verdict]:
        """CTP 3.6: the mailbox procedure on another server, with a triage of its own (D22)."""
        verdict, _ = yield from _heal_server(case, backend, MAILBOX_SIDE, parent)
        return verdict

    case = Case(
        session=session,
        alert=alert,
        id=name,
        server=alert.server,
        started_at=session.clock.now(),
        heal_backend=heal_backend,
    )
    return case


def _heal(case: Case) -> Steps[Report]:
    verdict, summary = yield from _heal_server(case, case.alert.server, MONITORS)
    return (yield from case.end(verdict, summary))


def triaging(session: HealingContext, alert: Alert) -> Steps[tuple[Triage, Report]]:
    """Only verify. A verified fault is ``escalated``: nothing was done about it.

    Raises:
        UnknownName: If the organisation has no such server.
    """
    case = _ledger(session, alert)
    triage = yield from _triage(session, alert.server, MONITORS, ())
    case.server = triage.server
    yield from case.find(*triage.findings)
    verdict = triage.verdict or Verdict.ESCALATED
    return triage, (yield from case.end(verdict, triage.summary))


# --- one server ----------------------------------------------------------------------------------


def _heal_server(
    case: Case, server: str, monitors: Sequence[Monitor], parent: str = ""
) -> Steps[tuple[Verdict, str]]:
    """Heal one server: look, heal the first failing monitor, look again, until nothing fails."""
    healed: list[str] = []
    pending: set[str] = set()
    for begun in _begun(case, server, parent):
        yield from _go_on_with_children(case, begun.run.id)
        yield from go_on(begun)
        if begun.run.verdict is not Verdict.RECOVERED:
            return _ended(begun)
        healed.append(begun.run.monitor)
        pending = set(begun.work.pending)
    while True:
        triage = yield from _look(case, server, monitors, healed, pending)
        if not isinstance(triage, Triage):
            return triage
        server = triage.server
        monitor = triage.failing[0]
        pending = {one.name for one in triage.failing} - {*healed, monitor.name}
        run_record = _undertake(case, triage, monitor, sorted(pending), parent)
        refusal = yield from _why_not_begin(run_record.work)
        if refusal:
            return (yield from _held_back(case, server, refusal, healed))
        yield from _start(case, run_record)
        yield from go_on(run_record)
        if run_record.run.verdict is not Verdict.RECOVERED:
            return _ended(run_record)
        healed.append(monitor.name)


def _look(
    case: Case,
    server: str,
    monitors: Sequence[Monitor],
    healed: list[str],
    pending: set[str],
) -> Steps[Triage | tuple[Verdict, str]]:
    """What is verified to fail now; or how it ends, if nothing is to be healed (any more)."""
    session = case.session
    busy = yield from _why_busy(session, "server", server, claiming=False)
    if busy:
        return (yield from _held_back(case, server, busy, healed))
    session.emit("triage_started", server)
    triage = yield from _triage(session, server, monitors, healed)
    if not case.run_records:
        case.server = triage.server
    yield from case.find(*triage.findings)
    if session.stop.is_set():
        return _stopped(healed)
    if not triage.verdict:
        return triage
    if not healed:
        return triage.verdict, triage.summary
    return _after_healing(triage, healed, pending)


def _held_back(
    case: Case, server: str, refusal: Refusal, healed: list[str]
) -> Steps[tuple[Verdict, str]]:
    """How it ends where the next run may not begin."""
    if case.session.stop.is_set():
        return _stopped(healed)
    yield from case.find(
        Finding(
            kind=refusal.kind,
            server=server,
            detail=refusal.reason,
            next_step=refusal.next_step,
        )
    )
    return (Verdict.ESCALATED if healed else Verdict.HELD), refusal.reason


def _stopped(healed: list[str]) -> tuple[Verdict, str]:
    done = f"{', '.join(healed)}: healed; " if healed else ""
    return Verdict.CANCELLED, f"{done}stopped by a person before anything else was done"


def _begun(case: Case, server: str, parent: str) -> list[RunRecord]:
    """The runs that an earlier process has begun here."""
    return [
        one
        for one in case.run_records
        if one.work.parent == parent and (not parent or same_server(one.run.server, server))
    ]


def _go_on_with_children(case: Case, parent: str) -> Steps[None]:
    """Runs on back ends first: stopped or refused, their parent would not come back to them."""
    for one in case.run_records:
        if one.work.parent == parent:
            yield from go_on(one)


def _triage(
    session: HealingContext, server: str, monitors: Sequence[Monitor], healed: Sequence[str]
) -> Steps[Triage]:
    """Triage; an answer that breaks it is an answer that tells nothing."""
    try:
        return (yield from triage_server(session, server, monitors, healed))
    except (UnknownName, JournalError):
        raise
    except Exception as error:  # noqa: BLE001 - as in _perform
        detail = f"an answer of the backend can't be used: {type(error).__name__}: {error}"
        finding = Finding(kind=FindingKind.COULD_NOT_TELL, server=server, detail=detail)
        return Triage(server=server, blind=True).end(Verdict.UNKNOWN, finding)


def _after_healing(triage: Triage, healed: list[str], pending: set[str]) -> tuple[Verdict, str]:
    """What the look after a recovery means for the whole."""
    names = ", ".join(healed)
    if triage.verdict in WELL:
        return Verdict.RECOVERED, f"{names}: healed"
    if pending:
        return Verdict.ESCALATED, f"{names}: healed, but then: {triage.summary}"
    # Everything that was verified to fail is healed; the rest can't be seen yet, or isn't ours.
    if triage.verdict is Verdict.ESCALATED or triage.blind:
        return Verdict.ESCALATED, f"{names}: healed, but {triage.summary}"
    return Verdict.RECOVERED, f"{names}: healed (other monitors: {triage.summary})"


# --- one run -------------------------------------------------------------------------------------


def _undertake(
    case: Case, triage: Triage, monitor: Monitor, pending: Sequence[str], parent: str
) -> RunRecord:
    """The monitor's procedure on the triaged server, not yet started."""
    if triage.info is None or triage.host is None:
        raise AssertionError("a verified fault implies that the server was looked at")
    run = Run(
        id=f"{case.id}.{len(case.run_records) + 1}",
        procedure=case.session.procedures[monitor.procedure],
        server=triage.info.fqdn,
        monitor=monitor.name,
        mailbox_role=triage.info.mailbox_role,
    )
    work = case.work_on(
        run=run,
        info=triage.info,
        memory=RunState(
            boot_at_start=triage.host.boot_time,
            skew=triage.skew,
            running_before=triage.running,
        ),
        dag=triage.dag,
        pending=pending,
        parent=parent,
    )
    return RunRecord(work)


def _why_not_begin(work: RunContext) -> Steps[Refusal | None]:
    """Whatever speaks against beginning now: another healing at work there, or the policy."""
    try:
        return (yield from _why_not_claimed_or_allowed(work))
    except JournalError:
        raise
    except Exception as error:  # noqa: BLE001 - as what forbids an effect
        detail = f"whether it may begin could not be told: {type(error).__name__}: {error}"
        return Refusal(FindingKind.COULD_NOT_TELL, detail)


def _why_not_claimed_or_allowed(work: RunContext) -> Steps[Refusal | None]:
    for kind, name in (("server", work.server), ("dag", work.dag)):
        busy = (yield from _why_busy(work.session, kind, name)) if name else None
        if busy:
            return busy
    action = work.run.next_action()
    return (yield from authorize(work, action)) if action else None


def _why_busy(
    session: HealingContext, kind: str, name: str, *, claiming: bool = True
) -> Steps[Refusal | None]:
    """Whether another healing has claimed it; else it is ours from now on, if wanted."""
    custody = session.current_lease
    holder = yield from do(custody.claim if claiming else custody.holder, kind, name)
    if holder is None or session.journal is None:
        return None
    other = yield from do(session.journal.healing, holder)
    where = "the server" if kind == "server" else f"a member of {name}"
    if other.alive:
        return Refusal(
            FindingKind.BUSY,
            f"another healing is at work on {where}: run {holder}",
            next_step=f"Let it, or stop it: popheal cancel {holder}.",
        )
    return Refusal(
        FindingKind.BUSY,
        f"another healing of {where} was interrupted, and has not been gone on with: run {holder}",
        next_step=f"Go on with it: popheal resume {holder}.",
    )


def _start(case: Case, run_record: RunRecord) -> Steps[None]:
    work, run = run_record.work, run_record.run
    case.run_records.append(run_record)
    yield from do(
        work.session.current_lease.write,
        Kind.RUN_STARTED,
        at=work.session.clock.now(),
        server=run.server,
        run=run.id,
        what=run.procedure.name,
        data={
            "info": to_jsonable(work.info),
            "dag": work.dag,
            "pending": list(work.pending),
            "parent": work.parent,
            **work.as_json(),
        },
    )
    work.session.emit("run_started", run.server, run, monitor=run.monitor, hash=run.procedure.hash)


def _ended(run_record: RunRecord) -> tuple[Verdict, str]:
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
    decisive = next((one for one in reversed(steps) if one.outcome not in _GOOD), None)
    if decisive is None:
        return verdict, f"procedure '{name}' ended as {run.state}"
    said = f": {decisive.detail}" if decisive.detail else ""
    return verdict, f"{name} ended at {decisive.state} ({decisive.outcome}){said}"

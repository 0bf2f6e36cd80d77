"""From an alert to a report: triage, then one procedure after another, then the handover.

Coroutines only, like everything they use (see :mod:`popheal.engine.requests`): the driver
does the I/O.
"""

from __future__ import annotations

from collections.abc import Sequence

from popheal.engine.actions.mailbox_servers import MAILBOX_SIDE
from popheal.engine.authorize import authorize
from popheal.engine.case import Case, RunRecord, owed_as_written, restore, run_report
from popheal.engine.context import HealingContext, RunContext, RunState
from popheal.engine.executor import execute
from popheal.engine.limits import Refusal, check_logon, check_rights
from popheal.engine.requests import Claim, Forget, Keep, Logic, Sync
from popheal.engine.run import Run
from popheal.engine.triage import Triage, triage_server
from popheal.errors import BackendError, UnknownName
from popheal.exchange.names import same_server
from popheal.healthsets.pop import SETTLE_DEBTS
from popheal.healthsets.pop.catalog import MONITORS, Monitor
from popheal.journal import Entry, HealingRecord, Journal, Kind, entries
from popheal.policy.policy import Policy
from popheal.reports import events
from popheal.reports.reasons import in_a_sentence
from popheal.reports.report import Alert, Finding, FindingKind, Report
from popheal.tables.stored import table_to_json
from popheal.tables.table import Verdict
from popheal.util.serialize import from_jsonable, to_jsonable
from popheal.util.version import __version__

# --- beginning -----------------------------------------------------------------------------------


def begin(session: HealingContext, alert: Alert, journal: Journal, name: str) -> Logic[Report]:
    """Write down that a healing begins; the coroutine that carries it out.

    Args:
        session: The healing.
        alert: What it answers.
        journal: Where it is written down.
        name: The healing's id.

    Raises:
        JournalError: If the journal can't be written; nothing was done.
    """
    case = case_of(session, alert, name)
    session.journal = journal
    session.lease = journal.begin(
        case.id,
        at=case.started_at,
        organisation=session.organisation,
        server=alert.server,
        version=__version__,
        alert=to_jsonable(alert),
        policy=session.policy.to_json(),
    )
    return _begun_now(case)


async def _begun_now(case: Case) -> Report:
    case.session.emit(events.HealingStarted, case.server, id=case.id)
    return await answer(case)


async def answer(case: Case) -> Report:
    """Answer an alert, from wherever the case is: verify, heal what the runbook can heal, report.

    Raises:
        UnknownName: If the organisation has no such server; nothing was done.
    """
    try:
        return await _heal(case)
    except UnknownName:
        await Forget()  # there was nothing to answer
        raise


def take_over(
    session: HealingContext, name: str, journal: Journal, policy: Policy | None
) -> Logic[Report]:
    """Take over an unfinished healing; the coroutine that resumes it.

    It goes by what was written down, and by what can be seen.

    Raises:
        UnknownName: If there is no unfinished healing of that name.
        AlreadyRunning: If a living process is at work on it.
        JournalError: As for :func:`begin`.
    """
    session.journal = journal
    record = journal.healing(name)
    session.server = record.server
    session.policy = policy or Policy.from_json(record.policy)
    session.lease = journal.take_over(
        record.id, at=session.clock.now(), policy=session.policy.to_json()
    )
    history = journal.entries(record.id)
    try:
        case = case_of(session, from_jsonable(record.alert, Alert), record.id)
        restore(case, history)
    except Exception as error:  # noqa: BLE001 - whatever makes no sense in what was written
        return _give_up(session, record, history, error)
    case.started_at = record.begun_at
    session.server_known = bool(case.run_records)
    return _resume(case)


async def _resume(case: Case) -> Report:
    await Sync()
    case.session.emit(events.HealingResumed, case.server, id=case.id)
    return await _heal(case)


async def _give_up(
    session: HealingContext, record: HealingRecord, history: Sequence[Entry], error: Exception
) -> Report:
    """End a healing that can't be understood any more, and hand over what can be read of it."""
    case = case_of(session, Alert(server=record.server), record.id)
    case.started_at = record.begun_at
    case.salvaged = list(owed_as_written(history))
    summary = (
        "what was written down of this healing can't be understood "
        f"({type(error).__name__}), so it was not gone on with"
    )
    begun = ", ".join(dict.fromkeys(one.what for one in history if one.kind is Kind.INTENT))
    await case.find(
        Finding(
            kind=FindingKind.COULD_NOT_TELL,
            server=record.server,
            detail=f"{summary}; commanded, or about to be: {begun or 'nothing'}",
            next_step=f"Look at the servers by hand; popheal export {record.id} has all of it.",
        )
    )
    return await case.end(Verdict.ESCALATED, summary)


def case_of(session: HealingContext, alert: Alert, name: str = "") -> Case:
    """A case that nothing is known of yet."""

    async def heal_mailbox_server(server: str, parent: str) -> Verdict:
        """CTP 3.6: the mailbox procedure on another server, with a triage of its own (D22)."""
        verdict, _ = await _heal_server(case, server, MAILBOX_SIDE, parent)
        return verdict

    case = Case(
        session=session,
        alert=alert,
        id=name,
        server=alert.server,
        started_at=session.clock.now(),
        heal_server=heal_mailbox_server,
    )
    session.case = case
    return case


async def _heal(case: Case) -> Report:
    verdict, summary = await _heal_server(case, case.alert.server, MONITORS)
    return await case.end(verdict, summary)


async def triage_only(session: HealingContext, alert: Alert) -> tuple[Triage, Report]:
    """Only verify. A verified fault is ``escalated``: nothing was done about it.

    Raises:
        UnknownName: If the organisation has no such server.
    """
    case = case_of(session, alert)
    triage = await triage_server(session, alert.server, MONITORS, ())
    case.server = triage.server
    await case.find(*triage.findings)
    verdict = triage.verdict or Verdict.ESCALATED
    return triage, (await case.end(verdict, triage.summary))


# --- one server ----------------------------------------------------------------------------------


async def _heal_server(
    case: Case, server: str, monitors: Sequence[Monitor], parent: str = ""
) -> tuple[Verdict, str]:
    """Heal one server: look, heal the first failing monitor, look again, until nothing fails."""
    healed: list[str] = []
    pending: set[str] = set()
    for begun in _begun(case, server, parent):
        await _resume_children(case, begun.run.id)
        await execute(begun)
        if begun.run.verdict is not Verdict.RECOVERED:
            return _ended(begun)
        healed.append(begun.run.monitor)
        pending = set(begun.work.pending)
    while True:
        triage = await _look(case, server, monitors, healed, pending)
        if not isinstance(triage, Triage):
            return triage
        server = triage.server
        monitor = triage.failing[0]
        pending = {one.name for one in triage.failing} - {*healed, monitor.name}
        run_record = _record_of(case, triage, monitor, sorted(pending), parent)
        refusal = await _why_not_begin(run_record.work)
        if refusal:
            return await _held_back(case, server, refusal, healed)
        await _start(case, run_record)
        await execute(run_record)
        if run_record.run.verdict is not Verdict.RECOVERED:
            return _ended(run_record)
        healed.append(monitor.name)


async def _look(
    case: Case,
    server: str,
    monitors: Sequence[Monitor],
    healed: list[str],
    pending: set[str],
) -> Triage | tuple[Verdict, str]:
    """What is verified to fail now; or how it ends, if nothing is to be healed (any more)."""
    session = case.session
    busy = await _why_busy(Claim("server", server, only_look=True))
    if busy:
        return await _held_back(case, server, busy, healed)
    session.emit(events.TriageStarted, server)
    triage = await triage_server(session, server, monitors, healed)
    session.progress.clear()
    if not case.run_records:
        case.server = triage.server
    await case.find(*triage.findings)
    if session.control.cancelled:
        return _stopped(healed)
    if not triage.verdict:
        return triage
    if not healed:
        return triage.verdict, triage.summary
    return _after_healing(triage, healed, pending)


async def _held_back(
    case: Case, server: str, refusal: Refusal, healed: list[str]
) -> tuple[Verdict, str]:
    """How it ends where the next run may not begin."""
    if case.session.control.cancelled:
        return _stopped(healed)
    await case.find(
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


async def _resume_children(case: Case, parent: str) -> None:
    """Runs on back ends first: stopped or refused, their parent would not come back to them."""
    for one in case.run_records:
        if one.work.parent == parent:
            await execute(one)


def _after_healing(triage: Triage, healed: list[str], pending: set[str]) -> tuple[Verdict, str]:
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


# --- one run -------------------------------------------------------------------------------------


def _record_of(
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


async def _why_not_begin(work: RunContext) -> Refusal | None:
    """Whatever speaks against beginning now: another healing at work there, or the policy."""
    for kind, name in (("server", work.server), ("dag", work.dag)):
        busy = await _why_busy(Claim(kind, name)) if name else None
        if busy:
            return busy
    action = work.run.next_action()
    if action is None:
        return None
    try:
        # First, as a person should not be asked in vain.
        refusal = await check_logon(work) or await check_rights(work)
        return refusal or await authorize(work, action)
    except BackendError as error:
        return Refusal(
            FindingKind.COULD_NOT_TELL, f"whether it may begin could not be told: {error}"
        )


async def _why_busy(claim: Claim) -> Refusal | None:
    """Whether another healing has claimed it; else it is ours from now on, if wanted."""
    holder = await claim
    if holder is None:
        return None
    where = "the server" if claim.kind == "server" else f"a member of {claim.name}"
    if holder.alive:
        return Refusal(
            FindingKind.BUSY,
            f"another healing is at work on {where}: {holder.healing}",
            next_step=f"Let it, or stop it: popheal cancel {holder.healing}.",
        )
    return Refusal(
        FindingKind.BUSY,
        f"another healing of {where} was interrupted, and has not been gone on with: "
        f"{holder.healing}",
        next_step=f"Go on with it: popheal resume {holder.healing}.",
    )


async def _start(case: Case, run_record: RunRecord) -> None:
    work, run = run_record.work, run_record.run
    case.run_records.append(run_record)
    await Keep(run.procedure.hash, table_to_json(run.procedure))
    await work.write(
        entries.RunStarted,
        info=work.info,
        dag=work.dag,
        pending=work.pending,
        parent=work.parent,
    )
    work.emit(events.RunStarted, monitor=run.monitor, hash=run.procedure.hash)


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
    return verdict, in_a_sentence(run_report(run_record))

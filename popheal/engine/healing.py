"""From an alert to a report: triage, then one procedure after another, then the handover.

Coroutines only, like everything they use (see :mod:`popheal.engine.requests`): the driver
does the I/O.
"""

from __future__ import annotations

from collections.abc import Sequence

from popheal.engine.activation import activates_pop_proxy
from popheal.engine.authorize import authorize
from popheal.engine.case import Case, RunRecord, owed_as_written, restore
from popheal.engine.consultation import consult
from popheal.engine.context import HealingContext, RunContext, RunState
from popheal.engine.endings import after_healing, ended, stopped
from popheal.engine.executor import execute
from popheal.engine.limits import Refusal
from popheal.engine.requests import Claim, Forget, Keep, Logic, Sync
from popheal.engine.run import Run
from popheal.engine.triage import Triage, triage_server
from popheal.errors import BackendError, UnknownName
from popheal.exchange.names import same_server
from popheal.healthsets.pop.catalog import MAILBOX_SIDE, MONITORS, Monitor
from popheal.journal import Entry, HealingRecord, Journal, Kind, entries
from popheal.policy.policy import Policy
from popheal.reports import events
from popheal.reports.report import Alert, Finding, FindingKind, Report
from popheal.tables.stored import table_to_json
from popheal.tables.table import Verdict
from popheal.util.defects import DEFECTS, describe_defect
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

    A defect of popheal ends the healing: what it owes is handed over, and a person is needed.
    Resumed again and again, it would only come to the same end.

    Raises:
        UnknownName: If the organisation has no such server; nothing was done.
    """
    try:
        return await _heal(case)
    except UnknownName:
        await Forget()  # there was nothing to answer
        raise
    except DEFECTS as error:
        return await _end_by_defect(case, error)


async def _end_by_defect(case: Case, error: Exception) -> Report:
    summary = f"{describe_defect(error)}; nothing more was done"
    finding = Finding(kind=FindingKind.DEFECT, server=case.server, detail=summary)
    try:
        await case.find(finding)
        return await case.end(Verdict.ESCALATED, summary)
    except DEFECTS:
        raise error from None  # the first is the one to be mended


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
    try:
        return await _heal(case)
    except DEFECTS as error:
        return await _end_by_defect(case, error)


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
    if case.run_records and verdict is not Verdict.CANCELLED:
        await consult(case, "at the end")
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
    await consult(case, "in triage")
    verdict = triage.verdict or Verdict.ESCALATED
    return triage, (await case.end(verdict, triage.summary))


# --- one server ----------------------------------------------------------------------------------


async def _heal_server(
    case: Case, server: str, monitors: Sequence[Monitor], parent: str = ""
) -> tuple[Verdict, str]:
    """Heal one server: look, heal the first failing monitor, look again, until nothing fails.

    Where Mailbox servers behind it are what fails (CTP 3.6), they are healed first.
    """
    healed: list[str] = []
    pending: set[str] = set()
    behind: list[str] = []
    outcome = await _resume_begun(case, server, parent, healed, pending, behind)
    if outcome:
        return outcome
    while True:
        triage = await _look(case, server, monitors, healed, pending, behind)
        if not isinstance(triage, Triage):
            return triage
        server = triage.server
        monitor = triage.failing[0]
        nearer = [
            one
            for one in triage.nearer.get(monitor.name, ())
            if one not in behind and not same_server(one, server)
        ]
        if nearer and not parent:
            case.behind = nearer[0]
            behind.append(case.behind)
            outcome = await _heal_behind(case, case.behind, healed)
            if outcome:
                return outcome
            continue
        pending = {one.name for one in triage.failing} - {*healed, monitor.name}
        run_record = _record_of(case, triage, monitor, sorted(pending), parent)
        refusal = await _why_not_begin(run_record.work)
        if refusal:
            return await _held_back(case, server, refusal, healed)
        await _start(case, run_record)
        await execute(run_record)
        if run_record.run.verdict is not Verdict.RECOVERED:
            return ended(run_record)
        healed.append(monitor.name)


async def _resume_begun(
    case: Case,
    server: str,
    parent: str,
    healed: list[str],
    pending: set[str],
    behind: list[str],
) -> tuple[Verdict, str] | None:
    """Carry on what was begun before an interruption; how it ends, if it ends with that.

    Args:
        case: The healing.
        server: The server to heal.
        parent: The run that it is part of; empty if none.
        healed: What is healed; is added to, like the others.
        pending: Monitors that failed too when the last run was begun.
        behind: Servers behind this one that were looked at.
    """
    for begun in _begun(case, server, parent):
        await _resume_children(case, begun.run.id)
        await execute(begun)
        if begun.run.verdict is not Verdict.RECOVERED:
            return ended(begun)
        if same_server(begun.run.server, server):
            healed.append(begun.run.monitor)
            pending.clear()
            pending.update(begun.work.pending)
        else:
            behind.append(begun.run.server)
            healed.append(_pop_on(begun.run.server))
    if case.behind and not behind and not parent and same_server(server, case.alert.server):
        # Left in a pause while it was being looked at.
        behind.append(case.behind)
        return await _heal_behind(case, case.behind, healed)
    return None


async def _heal_behind(case: Case, server: str, healed: list[str]) -> tuple[Verdict, str] | None:
    """Heal the Mailbox server that explains why others fail; how it ends, if it can't be healed.

    With a triage of its own, as in CTP 3.6 (D22). Where nothing is wrong there after all, the
    front end's own procedure is what is left.
    """
    verdict, summary = await _heal_server(case, server, MAILBOX_SIDE)
    case.behind = ""
    if verdict is Verdict.RECOVERED:
        healed.append(_pop_on(server))
    if verdict.good:
        return None
    if healed and verdict in (Verdict.HELD, Verdict.UNKNOWN):
        verdict = Verdict.ESCALATED  # something was changed before
    return verdict, f"{server}, which explains the rest: {summary}"


def _pop_on(server: str) -> str:
    """What was healed behind a front end, beside the names of its own monitors."""
    return f"POP on {server}"


async def _look(
    case: Case,
    server: str,
    monitors: Sequence[Monitor],
    healed: list[str],
    pending: set[str],
    behind: Sequence[str],
) -> Triage | tuple[Verdict, str]:
    """What is verified to fail now; or how it ends, if nothing is to be healed (any more)."""
    session = case.session
    busy = await _why_busy(Claim("server", server, only_look=True))
    if busy:
        return await _held_back(case, server, busy, healed)
    session.emit(events.TriageStarted, server)
    triage = await triage_server(session, server, monitors, healed, behind)
    session.progress.clear()
    first = not case.run_records
    if first and same_server(triage.server, case.alert.server):
        case.server = triage.server
    await case.find(*triage.findings)
    if first and not session.control.cancelled:
        await consult(case, "in triage")
    if session.control.cancelled:
        return stopped(healed)
    if not triage.verdict or await activates_pop_proxy(case, triage, monitors):
        return triage
    if not healed:
        return triage.verdict, triage.summary
    return after_healing(triage, healed, pending)


async def _held_back(
    case: Case, server: str, refusal: Refusal, healed: list[str]
) -> tuple[Verdict, str]:
    """How it ends where the next run may not begin."""
    if case.session.control.cancelled:
        return stopped(healed)
    await case.find(
        Finding(
            kind=refusal.kind,
            server=server,
            detail=refusal.reason,
            next_step=refusal.next_step,
        )
    )
    return (Verdict.ESCALATED if healed else Verdict.HELD), refusal.reason


def _begun(case: Case, server: str, parent: str) -> list[RunRecord]:
    """The runs that an earlier process has begun here, or behind the alert's server."""
    any_server = not parent and same_server(server, case.alert.server)
    return [
        one
        for one in case.run_records
        if one.work.parent == parent and (any_server or same_server(one.run.server, server))
    ]


async def _resume_children(case: Case, parent: str) -> None:
    """Runs on back ends first: stopped or refused, their parent would not come back to them."""
    for one in case.run_records:
        if one.work.parent == parent:
            await execute(one)


# --- one run -------------------------------------------------------------------------------------


def _record_of(
    case: Case, triage: Triage, monitor: Monitor, pending: Sequence[str], parent: str
) -> RunRecord:
    """The monitor's procedure on the triaged server, not yet started."""
    if triage.info is None or triage.host is None:
        raise AssertionError("a verified fault implies that the server was looked at")
    run = Run(
        id=f"{case.id}.{len(case.run_records) + 1}",
        procedure=case.session.procedures[triage.procedure or monitor.procedure],
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
            no_disruption=triage.no_disruption.get(monitor.name, ""),
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
        return await authorize(work, action)
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

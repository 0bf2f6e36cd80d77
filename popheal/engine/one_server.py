"""Healing one server: look, heal what fails, look again; one run of a procedure at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from popheal.engine.activation import activates_pop_proxy
from popheal.engine.authorize import authorize
from popheal.engine.case import Case, RunRecord
from popheal.engine.consultation import consult
from popheal.engine.context import RunContext, RunState
from popheal.engine.endings import after_healing, ended, stopped
from popheal.engine.executor import execute
from popheal.engine.limits import Refusal, check_logon, check_rights
from popheal.engine.requests import Claim, Keep
from popheal.engine.run import Run
from popheal.engine.triage import Triage, triage_server
from popheal.errors import BackendError
from popheal.exchange.names import same_server
from popheal.healthsets.pop.catalog import MAILBOX_SIDE, Monitor
from popheal.journal import entries
from popheal.reports import events
from popheal.reports.report import Finding, FindingKind
from popheal.tables.stored import table_to_json
from popheal.tables.table import Procedure, Verdict


async def heal_server(
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
        triage = await _look(case, server, monitors, healed, pending, behind, ill=bool(parent))
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
            case.behind, case.looked_behind = nearer[0], True
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
            return ended(case, run_record)
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
            return ended(case, begun)
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
    verdict, summary = await heal_server(case, server, MAILBOX_SIDE)
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
    *,
    ill: bool,
) -> Triage | tuple[Verdict, str]:
    """What is verified to fail now; or how it ends, if nothing is to be healed (any more)."""
    session = case.session
    busy = await _why_busy(Claim("server", server, only_look=True))
    if busy:
        return await _held_back(case, server, busy, healed)
    session.emit(events.TriageStarted, server)
    triage = await triage_server(session, server, monitors, healed, behind, ill=ill)
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
            next_step=holder.next_step or f"Let it, or stop it: popheal cancel {holder.healing}.",
        )
    return Refusal(
        FindingKind.BUSY,
        f"another healing of {where} was interrupted, and has not been gone on with: "
        f"{holder.healing}",
        next_step=holder.next_step or f"Go on with it: popheal resume {holder.healing}.",
    )


@lru_cache(maxsize=16)
def _as_kept(procedure: Procedure) -> Mapping[str, Any]:
    """The table as it is kept: the same for many healings at once."""
    return table_to_json(procedure)


async def _start(case: Case, run_record: RunRecord) -> None:
    work, run = run_record.work, run_record.run
    case.run_records.append(run_record)
    await Keep(run.procedure.hash, _as_kept(run.procedure))
    await work.write(
        entries.RunStarted,
        info=work.info,
        dag=work.dag,
        pending=work.pending,
        parent=work.parent,
    )
    work.emit(events.RunStarted, monitor=run.monitor, hash=run.procedure.hash)

"""From an alert to a report: triage, then one procedure after another, then the handover.

Coroutines only, like everything they use (see :mod:`popheal.engine.requests`): the driver
does the I/O.
"""

from __future__ import annotations

from collections.abc import Sequence

from popheal.engine.case import Case, owed_as_written, restore
from popheal.engine.consultation import consult
from popheal.engine.context import HealingContext
from popheal.engine.one_server import heal_server
from popheal.engine.requests import Forget, Logic, Sync
from popheal.engine.triage import Triage, triage_server
from popheal.errors import UnknownName
from popheal.healthsets.pop.catalog import MAILBOX_SIDE, MONITORS
from popheal.journal import Entry, HealingRecord, Journal, Kind
from popheal.policy.policy import Policy
from popheal.reports import events
from popheal.reports.report import Alert, Finding, FindingKind, Report
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
    session.journal, session.go_on = journal, go_on
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
        case.session.emit(events.HealingForgotten, case.server)
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
    session.journal, session.go_on = journal, go_on
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


def go_on(session: HealingContext) -> Logic[Report]:
    """The coroutine of a healing that was dropped in a wait: it goes on within that step.

    Raises:
        JournalError: If it can't be read again.
    """
    if session.journal is None:
        raise AssertionError("what was dropped is in a journal")
    record = session.journal.healing(session.current_lease.healing)
    history = session.journal.entries(record.id)
    try:
        case = case_of(session, from_jsonable(record.alert, Alert), record.id)
        restore(case, history)
    except Exception as error:  # noqa: BLE001 - likewise
        return _give_up(session, record, history, error)
    case.started_at = record.begun_at
    if case.waiting_run:
        work = case.waiting_run.work
        work.began, work.rejoins = session.dropped_in, True
    return answer(case)


async def _resume(case: Case) -> Report:
    await Sync()
    case.session.emit(events.HealingResumed, case.server, id=case.id)
    try:
        return await _heal(case)
    except UnknownName as error:
        return await _end_without_server(case, error)
    except DEFECTS as error:
        return await _end_by_defect(case, error)


async def _end_without_server(case: Case, error: UnknownName) -> Report:
    """End a healing that had found nothing to do yet, and whose server is not there any more.

    Else it would be resumed again and again, and keep its claims.
    """
    summary = f"{error.sentence()} any more, so nothing was done"
    await case.find(
        Finding(
            kind=FindingKind.COULD_NOT_TELL,
            server=case.server,
            detail=summary,
            next_step="If it was not removed from the organisation, see how it is called now.",
        )
    )
    return await case.end(Verdict.UNKNOWN, summary)


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
        verdict, _ = await heal_server(case, server, MAILBOX_SIDE, parent)
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
    verdict, summary = await heal_server(case, case.alert.server, MONITORS)
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

"""A healing as plain data: it can be dropped from memory in a pause, and rebuilt after it.

What a healing knows is in its case, its runs' state and the progress of the present step. So at
any pause the coroutine can be thrown away: a new one begins the present step again, looks first
at what that has commanded already, and goes on with the tries and deadlines it was at.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from popheal.engine.case import Case, RunRecord
from popheal.engine.context import HealingContext, Progress, RunState
from popheal.engine.healing import answer, case_of
from popheal.engine.requests import Logic
from popheal.engine.run import Run
from popheal.exchange.models import ServerInfo
from popheal.healthsets.pop import SETTLE_DEBTS
from popheal.journal import Journal
from popheal.journal.rows import text_as_moment
from popheal.reports.report import Alert, DebtReport, Finding, Report, Step
from popheal.util.serialize import from_jsonable, to_jsonable, to_jsonable_compact
from popheal.util.text import iso


def rests(case: Case) -> bool:
    """Whether a run is at work, and nothing was commanded in the present step.

    Parked then, it commands nothing a second time. In triage it would begin that anew.
    """
    at_work = [one.work.memory for one in case.run_records if not one.run.verdict]
    return bool(at_work) and not any(one.intended for one in at_work)


def park(case: Case) -> dict[str, Any]:
    """Everything needed to rebuild a healing that is in a pause, as plain JSON values."""
    session = case.session
    return {
        "id": case.id,
        "fence": session.current_lease.fence,
        "alert": to_jsonable(case.alert),
        "server": case.server,
        "started_at": case.started_at.isoformat(),
        "findings": to_jsonable(case.findings),
        "salvaged": to_jsonable(case.salvaged),
        "runs": [_parked(one) for one in case.run_records],
        "progress": to_jsonable(session.progress),
        "behind": case.behind,
        "server_known": session.server_known,
        "restoring": session.restoring,
        "retry_at": iso(session.retry_at),
    }


def _parked(record: RunRecord) -> dict[str, Any]:
    work = record.work
    return {
        "run": work.run.to_json(),
        "memory": to_jsonable_compact(work.memory),
        "info": to_jsonable(work.info),
        "dag": work.dag,
        "pending": list(work.pending),
        "parent": work.parent,
        "began": iso(work.began),
        "steps": to_jsonable(record.steps),
        "table": list(record.table) if record.table else None,
    }


def unpark(session: HealingContext, parked: Mapping[str, Any], journal: Journal) -> Logic[Report]:
    """The coroutine that carries a parked healing on, from the beginning of its present step.

    Args:
        session: A new context, with the policy, procedures, observers and control as before.
        parked: What :func:`park` returned; JSON text in between does not change it.
        journal: The journal in which the healing is written down, still open in this process.

    Raises:
        LookupError: If the table of a run is not there any more; nothing has happened.
    """
    session.journal = journal
    case = case_of(session, from_jsonable(parked["alert"], Alert), parked["id"])
    case.run_records = [_unparked(case, one) for one in parked["runs"]]
    session.lease = journal.lease_of(parked["id"], parked["fence"])
    session.progress = from_jsonable(parked["progress"], Progress)
    session.server_known, session.restoring = parked["server_known"], parked["restoring"]
    session.retry_at = text_as_moment(parked["retry_at"])
    case.server, case.behind = parked["server"], parked["behind"]
    case.started_at = datetime.fromisoformat(parked["started_at"])
    case.findings = [from_jsonable(one, Finding) for one in parked["findings"]]
    case.salvaged = [from_jsonable(one, DebtReport) for one in parked["salvaged"]]
    return answer(case)


def _unparked(case: Case, parked: Mapping[str, Any]) -> RunRecord:
    work = case.work_on(
        run=Run.from_json(parked["run"], [*case.session.procedures.values(), SETTLE_DEBTS]),
        info=from_jsonable(parked["info"], ServerInfo),
        memory=from_jsonable(parked["memory"], RunState),
        dag=parked["dag"],
        pending=parked["pending"],
        parent=parked["parent"],
    )
    work.began = text_as_moment(parked["began"])
    steps = [from_jsonable(one, Step) for one in parked["steps"]]
    table = tuple(parked["table"]) if parked["table"] else None
    return RunRecord(work, steps, table)

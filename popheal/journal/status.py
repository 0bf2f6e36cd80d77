"""How a healing of the journal stands: read from its record and its history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from attrs import asdict, frozen

from popheal.healthsets.pop import PROCEDURES
from popheal.journal.entries import ApprovalAsked, Entry, RunEntry, Waiting
from popheal.journal.record import HealingRecord
from popheal.reports.report import DebtReport, RunSnapshot
from popheal.util.serialize import from_jsonable, to_jsonable
from popheal.util.text import iso, span, time_of_day

if TYPE_CHECKING:
    from popheal.journal import Journal

#: The states of a healing.
RUNNING: Final = "running"
WAITING: Final = "waiting"
ASKING: Final = "asking"
INTERRUPTED: Final = "interrupted"
ENDED: Final = "ended"


@frozen(kw_only=True)
class RunNow:
    """One run of a healing, as it was last written down.

    Attributes:
        verdict: How it ended; empty while it has not.
    """

    id: str
    procedure: str
    server: str
    monitor: str
    state: str
    verdict: str


@frozen(kw_only=True)
class Standing:
    """How a healing stands.

    Attributes:
        record: The healing.
        waiting_until: When a long wait of it is over, if it is in one; or the time to answer.
        question: What a person was asked to approve, if nobody has answered yet.
        runs: Its runs, in the order of their start.
        debts: Every change that had to be undone.
        claims: What it keeps other healings from, as pairs of a kind and a name.
    """

    record: HealingRecord
    waiting_until: datetime | None
    runs: tuple[RunNow, ...]
    debts: tuple[DebtReport, ...]
    claims: tuple[tuple[str, str], ...]
    question: ApprovalAsked | None = None

    @property
    def state(self) -> str:
        """``running``, ``waiting``, ``asking``, ``interrupted`` or ``ended``."""
        if self.record.ended_at is not None:
            return ENDED
        if not self.record.alive:
            return INTERRUPTED
        if self.question:
            return ASKING
        return WAITING if self.waiting_until else RUNNING

    @property
    def server(self) -> str:
        """The alert's server; by its full name, once that was found out."""
        if self.record.report is not None:
            return str(self.record.report["server"])
        return self.runs[0].server if self.runs else self.record.server

    @property
    def open_debts(self) -> list[DebtReport]:
        """The debts that are still owed, or were handed over to a person."""
        return [debt for debt in self.debts if debt.status.is_open]

    def to_json(self) -> dict[str, Any]:
        """It as plain JSON values."""
        record, question = self.record, self.question
        return {
            "id": record.id,
            "organisation": record.organisation,
            "server": record.server,
            "state": self.state,
            "verdict": record.verdict or None,
            "process": record.owner,
            "begun_at": iso(record.begun_at),
            "ended_at": iso(record.ended_at),
            "stop_asked_at": iso(record.cancel_at),
            "waiting_until": iso(self.waiting_until),
            "asking": question and {"run": question.run_id, "plan": question.plan},
            "runs": [{**asdict(run), "verdict": run.verdict or None} for run in self.runs],
            "debts": [to_jsonable(debt) for debt in self.debts],
            "claims": [{"kind": kind, "name": name} for kind, name in self.claims],
        }


def standing_of(
    journal: Journal, record: HealingRecord, entries: Iterable[Entry] | None = None
) -> Standing:
    """How one healing stands.

    Args:
        journal: The journal it is in.
        record: The healing.
        entries: Its history, if that has been read already.
    """
    if record.report is not None:
        return Standing(
            record=record,
            waiting_until=None,
            runs=tuple(_as_reported(run) for run in record.report["runs"]),
            debts=tuple(from_jsonable(debt, DebtReport) for debt in record.report["debts"]),
            claims=(),
        )
    history = list(journal.entries(record.id) if entries is None else entries)
    newest = history[-1] if history else None
    question = newest if isinstance(newest, ApprovalAsked) else None
    until = question.expires_at if question else None
    if isinstance(newest, Waiting):
        until = newest.until
    last = {entry.run_id: entry.run for entry in history if isinstance(entry, RunEntry)}
    return Standing(
        record=record,
        waiting_until=until if record.alive else None,
        question=question,
        runs=tuple(_as_written(run, journal) for run in last.values()),
        debts=tuple(DebtReport.of(debt) for run in last.values() for debt in run.debts),
        claims=tuple((kind, name) for kind, name, whose in journal.claims() if whose == record.id),
    )


def _as_reported(run: Mapping[str, Any]) -> RunNow:
    return RunNow(
        id=run["id"],
        procedure=run["procedure"],
        server=run["server"],
        monitor=run["monitor"],
        state=run["path"][-1],
        verdict=run["verdict"],
    )


def _as_written(run: RunSnapshot, journal: Journal) -> RunNow:
    table = PROCEDURES.get(run.procedure)
    if table is None or table.hash != run.hash:
        table = journal.tables().get(run.hash)
    verdict = table.endings.get(run.state) if table else None
    return RunNow(
        id=run.id,
        procedure=run.procedure,
        server=run.server,
        monitor=run.monitor,
        state=run.state,
        verdict=verdict.value if verdict else "",
    )


# --- in words ------------------------------------------------------------------------------------


def in_words(now: Standing) -> str:
    """How it stands, for a list of many."""
    record = now.record
    procedures = ", ".join(dict.fromkeys(run.procedure for run in now.runs))
    if record.ended_at:
        took = span((record.ended_at - record.begun_at).total_seconds())
        parts = [f"{record.verdict}, after {took}", procedures]
    else:
        parts = [_unfinished(now)]
        if record.cancel_at:
            parts.append("a person said stop")
    parts += [str(debt) for debt in now.open_debts]
    if now.claims:
        parts.append(f"claims {claims_in_words(now.claims)}")
    return "; ".join(part for part in parts if part)


def _unfinished(now: Standing) -> str:
    at = next((run for run in reversed(now.runs) if not run.verdict), None)
    where = f": {at.procedure} at {at.state}" if at else ", verifying"
    if now.state == INTERRUPTED:
        return f"interrupted{where}"
    if now.waiting_until:
        doing = "asking for an approval" if now.question else "waiting"
        return f"{doing} until {time_of_day(now.waiting_until)}{where}"
    return f"running{where}"


def claims_in_words(claims: Iterable[tuple[str, str]]) -> str:
    """What other healings are kept from."""
    return ", ".join(f"{kind} {name}" for kind, name in claims)

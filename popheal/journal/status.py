"""How a healing of the journal stands: read from its record and its history."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from attrs import asdict, frozen

from popheal.healthsets.pop import PROCEDURES
from popheal.tables.debts import DebtStatus
from popheal.util.text import iso, span, time_of_day

if TYPE_CHECKING:
    from popheal.journal import Entry, HealingRecord, Journal

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
        question: What was written down when a person was asked to approve, and nobody has
            answered yet.
        runs: Its runs, in the order of their start.
        debts: Every change that had to be undone, as in a report.
        claims: What it keeps other healings from, as pairs of a kind and a name.
    """

    record: HealingRecord
    waiting_until: datetime | None
    runs: tuple[RunNow, ...]
    debts: tuple[Mapping[str, Any], ...]
    claims: tuple[tuple[str, str], ...]
    question: Entry | None = None

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
    def open_debts(self) -> list[Mapping[str, Any]]:
        """The debts that are still owed, or were handed over to a person."""
        return [debt for debt in self.debts if DebtStatus(debt["status"]).is_open]

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
            "asking": question and {"run": question.run, "plan": question.data["plan"]},
            "runs": [asdict(run) | {"verdict": run.verdict or None} for run in self.runs],
            "debts": [
                {name: debt[name] for name in ("kind", "server", "prior", "status")}
                for debt in self.debts
            ],
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
            debts=tuple(record.report["debts"]),
            claims=(),
        )
    history = list(journal.entries(record.id) if entries is None else entries)
    last = {entry.run: entry for entry in history if "run" in entry.data}
    return Standing(
        record=record,
        waiting_until=_waits_until(history) if record.alive else None,
        question=_question(history),
        runs=tuple(_as_written(entry) for entry in last.values()),
        debts=tuple(debt for entry in last.values() for debt in entry.data["run"]["debts"]),
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


def _as_written(entry: Entry) -> RunNow:
    run = entry.data["run"]
    table = PROCEDURES.get(run["procedure"])
    verdict = table.endings.get(run["state"]) if table else None
    return RunNow(
        id=entry.run,
        procedure=run["procedure"],
        server=run["server"],
        monitor=run["monitor"],
        state=run["state"],
        verdict=verdict.value if verdict else "",
    )


def _waits_until(history: Sequence[Entry]) -> datetime | None:
    """When the wait is over, or the time to answer, with which the history ends."""
    data = history[-1].data if history else {}
    until = data.get("until") or data.get("expires_at")
    return datetime.fromisoformat(until) if isinstance(until, str) else None


def _question(history: Sequence[Entry]) -> Entry | None:
    """The question with which the history ends, if it does with one."""
    return history[-1] if history and history[-1].kind.value == "asked" else None


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
    parts += [debt_in_words(debt) for debt in now.open_debts]
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


def debt_in_words(debt: Mapping[str, Any]) -> str:
    """A debt that somebody has to pay yet."""
    what = str(debt["kind"]).replace("_", " ")
    status = str(debt["status"]).replace("_", " ")
    return f"{status}: {what} on {debt['server']} ({'on' if debt['prior'] else 'off'} before)"


def claims_in_words(claims: Iterable[tuple[str, str]]) -> str:
    """What other healings are kept from."""
    return ", ".join(f"{kind} {name}" for kind, name in claims)

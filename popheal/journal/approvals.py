"""Questions in a journal: which plans a person was asked to approve, and the answers."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from attrs import evolve, frozen

from popheal.errors import ApprovalNotPending
from popheal.journal.database import Database
from popheal.journal.entries import GRANTED, REFUSED, HealingRecord, Kind, moment_as_text
from popheal.util.text import moment


@frozen(kw_only=True)
class Question:
    """A plan that a person is, or was, asked to approve.

    Attributes:
        healing: The healing that asks.
        run: The run of it that would carry the plan out.
        server: The server that it acts on.
        plan: Hash of the plan.
        impact: The most drastic thing in it, as a word.
        asked_at: When it was asked, aware UTC.
        expires_at: Until when it can be answered.
        planned: The plan, as plain JSON values.
        outcome: ``granted``, ``refused`` or ``expired``; empty while nobody has answered.
        by: Who answered, or why nobody could.
        answered_at: When.
    """

    healing: str
    run: str
    server: str
    plan: str
    impact: str
    asked_at: datetime
    expires_at: datetime
    planned: Mapping[str, Any]
    outcome: str = ""
    by: str = ""
    answered_at: datetime | None = None


_APPEND_ANSWER: Final = (
    "INSERT INTO entry (at, healing, run, server, kind, what, outcome, data)"
    " VALUES (?, ?, ?, ?, 'answered', 'approval', ?, ?)"
)


def read_questions(database: Database, healing: str) -> list[Question]:
    """Every question of a healing, in the order in which they were asked."""
    rows = database.read(
        "SELECT run, server, at, kind, outcome, data FROM entry"
        " WHERE healing = ? AND kind IN (?, ?) ORDER BY seq",
        healing,
        Kind.ASKED.value,
        Kind.ANSWERED.value,
    )
    found: dict[tuple[str, str], Question] = {}
    for run, server, at, kind, outcome, text in rows:
        data = json.loads(text)
        name, when = (run, data["plan"]), datetime.fromisoformat(at)
        if kind == Kind.ASKED.value:
            found[name] = Question(
                healing=healing,
                run=run,
                server=server,
                plan=data["plan"],
                impact=data["impact"],
                asked_at=when,
                expires_at=datetime.fromisoformat(data["expires_at"]),
                planned=data["planned"],
            )
        else:
            found[name] = evolve(found[name], outcome=outcome, by=data["by"], answered_at=when)
    return list(found.values())


def answer(
    database: Database,
    record: HealingRecord,
    name: str,
    plan: str,
    *,
    granted: bool,
    by: str,
    at: datetime,
) -> Question:
    """Answer a question from outside of the healing, if it still waits for an answer.

    Raises:
        ApprovalNotPending: If it does not.
    """

    def wrong(problem: str) -> ApprovalNotPending:
        return ApprovalNotPending(journal=database.name, run=name, plan=plan, problem=problem)

    if record.ended_at is not None:
        raise wrong("the healing has ended")
    with database.transaction() as connection:
        _, dot, number = name.partition(".")
        asked = [
            one
            for one in read_questions(database, record.id)
            if not dot or one.run == f"{record.id}.{number}"
        ]
        question = next((one for one in asked if one.plan == plan.strip().casefold()), None)
        if question is None:
            raise wrong(_why_unknown(asked))
        if question.outcome:
            raise wrong(f"it was {question.outcome} already{_by(question)}")
        if at >= question.expires_at:
            raise wrong(f"the time to answer was up at {moment(question.expires_at)}")
        outcome = GRANTED if granted else REFUSED
        values = (
            moment_as_text(at),
            question.healing,
            question.run,
            question.server,
            outcome,
            json.dumps({"plan": question.plan, "by": by}),
        )
        connection.execute(_APPEND_ANSWER, values)
    return evolve(question, outcome=outcome, by=by, answered_at=at)


def _why_unknown(asked: list[Question]) -> str:
    plans = [one.plan for one in waiting(asked)]
    if plans:
        return f"what it asks to be approved is plan {' or '.join(plans)}"
    return "it asks for no approval" + (" any more" if asked else "")


def _by(question: Question) -> str:
    return f", by {question.by}" if question.by else ""


def waiting(questions: Iterable[Question]) -> Iterator[Question]:
    """Those that nobody has answered."""
    return (one for one in questions if not one.outcome)

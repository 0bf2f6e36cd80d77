"""Questions in a journal: which plans a person was asked to approve, and the answers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from attrs import evolve, frozen

from popheal.errors import ApprovalNotPending
from popheal.journal.chain import append_to
from popheal.journal.database import Database
from popheal.journal.entries import GRANTED, REFUSED, ApprovalAnswered, ApprovalAsked, read_entry
from popheal.journal.record import HealingRecord
from popheal.journal.rows import Row
from popheal.journal.schema import SELECT_ENTRIES
from popheal.tables.actions import Impact
from popheal.util.account import same_account
from popheal.util.text import moment


@frozen(kw_only=True)
class Question:
    """A plan that a person is, or was, asked to approve.

    Attributes:
        healing: The healing that asks.
        run: The run of it that would carry the plan out.
        server: The server that it acts on.
        plan: Hash of the plan.
        impact: The most drastic thing in it.
        asked_at: When it was asked, aware UTC.
        expires_at: Until when it can be answered.
        planned: The plan, as plain JSON values.
        not_by: The accounts by which it can't be approved; none where anybody may.
        outcome: ``granted``, ``refused`` or ``expired``; empty while nobody has answered.
        by: Who answered, or why nobody could.
        answered_at: When.
    """

    healing: str
    run: str
    server: str
    plan: str
    impact: Impact
    asked_at: datetime
    expires_at: datetime
    planned: Mapping[str, Any]
    not_by: tuple[str, ...] = ()
    outcome: str = ""
    by: str = ""
    answered_at: datetime | None = None


def read_questions(database: Database, healing: str) -> list[Question]:
    """Every question of a healing, in the order in which they were asked."""
    rows = database.read(
        f"{SELECT_ENTRIES} WHERE healing = ? AND kind IN ('asked', 'answered') ORDER BY seq",
        healing,
    )
    found: dict[tuple[str, str], Question] = {}
    for entry in (read_entry(Row(*row)) for row in rows):
        if isinstance(entry, ApprovalAsked):
            found[entry.run_id, entry.plan] = Question(
                healing=healing,
                run=entry.run_id,
                server=entry.server,
                plan=entry.plan,
                impact=entry.impact,
                asked_at=entry.at,
                expires_at=entry.expires_at,
                planned=entry.planned,
                not_by=entry.not_by,
            )
        elif isinstance(entry, ApprovalAnswered):
            name = (entry.run_id, entry.plan)
            found[name] = evolve(
                found[name], outcome=entry.outcome, by=entry.by, answered_at=entry.at
            )
    return list(found.values())


def answer_to(question: Question, *, at: datetime, outcome: str, by: str) -> ApprovalAnswered:
    """The entry that answers a question."""
    return ApprovalAnswered(
        at=at,
        server=question.server,
        run_id=question.run,
        outcome=outcome,
        plan=question.plan,
        by=by,
    )


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
        if granted and question.not_by:
            _require_another(question, by, wrong)
        outcome = GRANTED if granted else REFUSED
        said = answer_to(question, at=at, outcome=outcome, by=by)
        append_to(connection, record.id, said.to_row())
    return evolve(question, outcome=outcome, by=by, answered_at=at)


def _require_another(
    question: Question, by: str, wrong: Callable[[str], ApprovalNotPending]
) -> None:
    """That who approves has neither begun the healing nor resumed it. Refusing may anybody."""
    if not by.strip():
        raise wrong("the policy wants another person to approve, and nobody is named")
    if any(same_account(by, one) for one in question.not_by):
        raise wrong(
            f"{by} has begun or resumed this healing, and the policy wants another person to "
            "approve (approval_by_another)"
        )


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

"""What happened in a healing, moment by moment, from its report or from a journal's entries."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from attrs import frozen

from popheal.journal import entries
from popheal.reports.report import Report, Step
from popheal.tables.actions import Impact
from popheal.tables.outcomes import outcome_of
from popheal.util.text import moment


@frozen(kw_only=True)
class Moment:
    """One thing that happened.

    Attributes:
        at: When it began, aware UTC.
        until: When it ended, where it took time.
        server: The server it is about.
        run: The run it is of; empty outside one.
        what: The state of the table, or a few words.
        impact: What it did to the world; None where it is no step.
        outcome: What came of it, as a word; empty where it is no step.
        good: Whether that is what was hoped for.
        detail: What was seen, or said.
    """

    at: datetime
    until: datetime | None = None
    server: str
    run: str = ""
    what: str
    impact: Impact | None = None
    outcome: str = ""
    good: bool = True
    detail: str = ""


def of_report(report: Report) -> tuple[Moment, ...]:
    """The steps of all runs."""
    return _in_order(_step(one, run.server, run.id) for run in report.runs for one in run.steps)


def of_entries(history: Iterable[entries.Entry]) -> tuple[Moment, ...]:
    """The steps, each followed by what was commanded in it; and approvals, and who went on."""
    return _in_order(_told(history))


def _in_order(found: Iterable[Moment]) -> tuple[Moment, ...]:
    # A run may be gone through within a step of another.
    return tuple(sorted(found, key=lambda one: one.at))


def _told(history: Iterable[entries.Entry]) -> Iterator[Moment]:
    """A step is written down when it has ended, after what happened in it, and told before."""
    within: dict[str, list[Moment]] = {}
    for entry in history:
        if isinstance(entry, entries.ActionFinished):
            yield _step(entry.step, entry.server, entry.run_id)
            yield from within.pop(entry.run_id, [])
        elif said := next(_words(entry), None):
            what, detail = said
            told = Moment(
                at=entry.at, server=entry.server, run=entry.run_id, what=what, detail=detail
            )
            within.setdefault(entry.run_id, []).append(told)
    for one in within.values():
        yield from one


def _step(step: Step, server: str, run: str) -> Moment:
    return Moment(
        at=step.started_at,
        until=step.finished_at,
        server=server,
        run=run,
        what=step.state,
        impact=step.impact,
        outcome=step.outcome,
        good=outcome_of(step.outcome).good,
        detail=step.detail,
    )


def _words(entry: entries.Entry) -> Iterator[tuple[str, str]]:
    """What is told of an entry that is no step, if anything is."""
    if isinstance(entry, entries.EffectIntended):
        yield "command", entry.command
    elif isinstance(entry, entries.Waiting):
        yield "wait", f"until {moment(entry.until)}"
    elif isinstance(entry, entries.RunStopped):
        yield "stop", "A person said stop: from here on things are only put back."
    elif isinstance(entry, entries.ApprovalAsked):
        yield "question", f"Is plan {entry.plan} approved? Until {moment(entry.expires_at)}."
    elif isinstance(entry, entries.ApprovalAnswered):
        yield "answer", f"{entry.outcome}{f', by {entry.by}' if entry.by else ''}"
    elif isinstance(entry, entries.TakenOver):
        yield "resumed", f"Another process goes on{f', as {entry.by}' if entry.by else ''}."
    elif isinstance(entry, entries.UnreadableEntry):
        yield "unreadable", entry.problem

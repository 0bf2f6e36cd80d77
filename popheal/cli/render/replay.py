"""One healing of the journal for people: what was written down, in order, and how it stands.

Nothing here trusts what it reads: every text is made one clean line before it is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from popheal.cli.render.lines import command_line, labelled
from popheal.cli.render.live import StoryLines, outcome_text
from popheal.cli.render.plan import databases_of, worst_of
from popheal.cli.render.report import alert_lines, ending_lines
from popheal.cli.session import approve_command, in_journal
from popheal.engine.plan import PlannedRun
from popheal.journal import entries
from popheal.journal.status import (
    INTERRUPTED,
    Standing,
    claims_in_words,
)
from popheal.reports.report import Alert, Report
from popheal.util.serialize import from_jsonable
from popheal.util.text import moment, time_of_day

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


def story_lines(
    out: Console, now: Standing, history: Sequence[entries.Entry], *, journal: Path, options: str
) -> Iterator[Text]:
    """The whole story of a healing, and how it stands.

    Args:
        out: The console that the lines are for.
        now: The healing.
        history: Its entries.
        journal: The journal it is in.
        options: What ``popheal resume`` takes to find its organisation and journal.
    """
    from rich.text import Text

    record = now.record
    begun = f"{moment(record.begun_at)}, with popheal {record.version}"
    yield from labelled(out, "Healing", f"{record.id} on {record.server}")
    yield from labelled(out, "Begun", begun)
    yield from alert_lines(out, from_jsonable(record.alert, Alert))
    yield from _history(out, record.server, record.begun_at, history)
    if record.report is not None:
        yield from ending_lines(out, from_jsonable(record.report, Report))
        return
    yield Text("")
    yield from _now(out, now, journal, options)


def _now(out: Console, now: Standing, journal: Path, options: str) -> Iterable[Text]:
    """What is under way, and what to do about it."""
    record = now.record
    at = next((run for run in reversed(now.runs) if not run.verdict), None)
    doing = f"{at.procedure} is at {at.state} on {at.server}" if at else ""
    if now.state == INTERRUPTED:
        doing = doing or "it was being verified"
        text = f"interrupted: {record.owner} has ended; {doing}"
        yield from labelled(out, "Now", text, "bold yellow")
    else:
        until = f", waiting until {time_of_day(now.waiting_until)}" if now.waiting_until else ""
        doing = doing or "it is being verified"
        yield from labelled(out, "Now", f"{record.owner} is at work: {doing}{until}", "bold")
    if record.cancel_at:
        yield from labelled(out, "", f"a person said stop at {time_of_day(record.cancel_at)}")
    for number, debt in enumerate(now.open_debts):
        yield from labelled(out, "" if number else "Debts", str(debt), "bold red")
    if now.claims:
        yield from labelled(out, "Claims", claims_in_words(now.claims))
    what, how = next_step(now, journal, options)
    yield from labelled(out, "Next", what)
    if how:
        yield command_line(how)


def next_step(now: Standing, journal: Path, options: str) -> tuple[str, str]:
    """What to do about a healing that has not ended: in words, and the command if there is one.

    Args:
        now: The healing.
        journal: The journal it is in.
        options: What ``popheal resume`` takes to find its organisation and journal.
    """
    record = now.record
    resume = f"popheal resume {record.id} {options}"
    if now.state == INTERRUPTED:
        return ("Put things back, and no more:" if record.cancel_at else "Go on with it:"), resume
    if record.cancel_at:
        return f"{record.owner} stops at its next step, and only puts things back.", ""
    if now.question:
        asked = now.question
        answer = approve_command(asked.run_id, asked.plan, journal)
        return "Approve the plan, or refuse it:", answer
    return "Let it, or stop it:", f"popheal cancel {record.id} {in_journal(journal)}"


def _history(
    out: Console, server: str, day: datetime, history: Iterable[entries.Entry]
) -> Iterator[Text]:
    """What was written down, in order, from that day on."""
    from rich.text import Text

    lines = StoryLines(out=out, server=server, time=time_of_day)
    for entry in history:
        if entry.at.date() != day.date():
            day = entry.at
            yield Text(f"{entry.at:%Y-%m-%d} UTC", "dim")
        yield from _told(lines, entry)


def _told(lines: StoryLines, entry: entries.Entry) -> Iterator[Text]:
    """One entry."""
    from rich.text import Text

    if isinstance(entry, entries.FindingsNoted):
        for one in entry.findings:
            yield from lines.finding(one.kind, one.server, one.detail)
    elif isinstance(entry, entries.RunEntry):
        why = (
            f", for {entry.run.monitor}" if isinstance(entry, entries.RunStarted) else ", going on"
        )
        name = f"{why} ({entry.run_id})"
        yield from lines.head(entry.run_id, entry.run.procedure, entry.server, name)
        yield from _told_of_run(lines, entry)
    elif isinstance(entry, entries.ApprovalAsked):
        until = time_of_day(entry.expires_at)
        text = f"a person is asked to approve plan {entry.plan}, until {until}"
        yield from lines.line(entry.at, "ask", text, style="bold")
        plan = from_jsonable(entry.planned, PlannedRun)
        yield from labelled(lines.out, "", f"at most {worst_of(plan)}", "bold")
        if plan.databases:
            yield from labelled(lines.out, "", f"databases: {databases_of(plan)}", "bold")
    elif isinstance(entry, entries.ApprovalAnswered):
        text = f"plan {entry.plan}: {entry.outcome}{f', by {entry.by}' if entry.by else ''}"
        yield from lines.line(entry.at, "answer", text, style="bold")
    elif isinstance(entry, entries.TakenOver):
        lines.run_id = "-"  # what follows is headed anew
        yield Text("")
        yield Text(f"{time_of_day(entry.at)}  another process goes on with it", "bold")
    elif isinstance(entry, entries.UnreadableEntry):
        yield from lines.line(entry.at, "", " ".join(entry.row[5:8]))


def _told_of_run(lines: StoryLines, entry: entries.RunEntry) -> Iterator[Text]:
    def line(word: str, text: str, style: str = "") -> list[Text]:
        of = entry.run.procedure
        return lines.line(entry.at, word, text, state=entry.state, of=of, style=style)

    if isinstance(entry, entries.EffectIntended):
        yield from line("intent", entry.command, "dim")
    elif isinstance(entry, entries.Waiting):
        yield from line("wait", f"until {time_of_day(entry.until)}", "dim")
    elif isinstance(entry, entries.ActionFinished):
        step = entry.step
        took = step.finished_at - step.started_at
        yield from line(step.impact.value, outcome_text(step.outcome, step.detail, took))
    elif isinstance(entry, entries.RunStopped):
        text = "stopped by a person: from here on things are only put back"
        yield from lines.line(entry.at, "", text)

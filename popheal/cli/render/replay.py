"""One healing of the journal for people: what was written down, in order, and how it stands.

Nothing here trusts what it reads: every text is made one clean line before it is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from attrs import define, field

from popheal.cli.render.live import hanging, labelled
from popheal.cli.render.plan import databases_of, worst_of
from popheal.cli.render.report import alert_lines, ending_lines
from popheal.cli.session import approve_command, in_journal
from popheal.engine.plan import PlannedRun
from popheal.exchange.names import same_server
from popheal.healthsets.pop import PROCEDURES
from popheal.journal import Entry
from popheal.journal.status import (
    INTERRUPTED,
    Standing,
    claims_in_words,
    debt_in_words,
)
from popheal.reports.report import Alert, Report
from popheal.tables.palette import IMPACT_STYLES
from popheal.util.serialize import from_jsonable
from popheal.util.text import moment, one_line, span, time_of_day

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


def story_lines(
    out: Console, now: Standing, entries: Sequence[Entry], *, journal: Path, options: str
) -> Iterator[Text]:
    """The whole story of a healing, and how it stands.

    Args:
        out: The console that the lines are for.
        now: The healing.
        entries: Its history.
        journal: The journal it is in.
        options: What ``popheal resume`` takes to find its organisation and journal.
    """
    from rich.text import Text

    record = now.record
    begun = f"{moment(record.begun_at)}, with popheal {record.version}"
    yield from labelled(out, "Healing", f"{record.id} on {record.server}")
    yield from labelled(out, "Begun", begun)
    yield from alert_lines(out, from_jsonable(record.alert, Alert))
    yield from _Retelling(out=out, server=record.server, day=record.begun_at).lines(entries)
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
        yield from labelled(out, "" if number else "Debts", debt_in_words(debt), "bold red")
    if now.claims:
        yield from labelled(out, "Claims", claims_in_words(now.claims))
    what, how = next_step(now, journal, options)
    yield from labelled(out, "Next", what)
    if how:
        yield command_line(how)


def command_line(command: str) -> Text:
    """A command on one line whatever the width, to be pasted; printed without wrapping."""
    from rich.text import Text

    return Text(f"  {one_line(command)}", no_wrap=True, overflow="ignore")


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
        answer = approve_command(asked.run, asked.data["plan"], journal)
        return "Approve the plan, or refuse it:", answer
    return "Let it, or stop it:", f"popheal cancel {record.id} {in_journal(journal)}"


@define(kw_only=True)
class _Retelling:
    """The history, line by line."""

    out: Console
    server: str
    day: datetime
    _run: str = field(default="", init=False)
    _seen: bool = field(default=False, init=False)
    _width: int = field(default=0, init=False)

    def lines(self, entries: Iterable[Entry]) -> Iterator[Text]:
        from rich.text import Text

        for entry in entries:
            if entry.at.date() != self.day.date():
                self.day = entry.at
                yield Text(f"{entry.at:%Y-%m-%d} UTC", "dim")
            yield from getattr(self, f"_{entry.kind.value}", self._other)(entry)

    # --- one kind of entry each ------------------------------------------------------------------

    def _finding(self, entry: Entry) -> Iterator[Text]:
        from rich.text import Text

        if self._run:
            yield Text("")
            self._run, self._seen = "", False
        for finding in entry.data["findings"]:
            where = finding["server"]
            where = "" if same_server(where, self.server) else f"{where}: "
            kind = str(finding["kind"]).replace("_", " ")
            text = f"{where}{kind}: {finding['detail']}"
            yield from labelled(self.out, "" if self._seen else "Seen", text)
            self._seen = True

    def _run_started(self, entry: Entry) -> Iterator[Text]:
        yield from self._head(entry, f", for {entry.data['run']['monitor']}")

    def _head(self, entry: Entry, why: str = ", going on") -> Iterator[Text]:
        from rich.text import Text

        if entry.run == self._run:
            return
        self._run = entry.run
        procedure = entry.data["run"]["procedure"]
        states = PROCEDURES[procedure].by_name if procedure in PROCEDURES else ()
        self._width = max((len(name) for name in states), default=0)
        yield Text("")
        yield Text(one_line(f"{procedure} on {entry.server}{why} ({entry.run})"), "bold")

    def _intent(self, entry: Entry) -> Iterator[Text]:
        yield from self._head(entry)
        command = entry.data.get("command") or entry.what
        yield from self._line(entry, "intent", entry.data["run"]["state"], str(command), "dim")

    def _waiting(self, entry: Entry) -> Iterator[Text]:
        yield from self._head(entry)
        until = datetime.fromisoformat(entry.data["until"])
        text = f"until {time_of_day(until)}"
        yield from self._line(entry, "wait", entry.data["run"]["state"], text, "dim")

    def _outcome(self, entry: Entry) -> Iterator[Text]:
        yield from self._head(entry)
        step = entry.data["step"]
        text = f"{entry.outcome}: {step['detail']}".rstrip(": ")
        took = (
            datetime.fromisoformat(step["finished_at"]) - datetime.fromisoformat(step["started_at"])
        ).total_seconds()
        text += f" ({span(took)})" if took >= 1 else ""
        yield from self._line(entry, step["impact"], step["state"], text)

    def _cancelled(self, entry: Entry) -> Iterator[Text]:
        yield from self._head(entry)
        yield from self._line(
            entry, "", "", "stopped by a person: from here on things are only put back"
        )

    def _asked(self, entry: Entry) -> Iterator[Text]:
        until = datetime.fromisoformat(entry.data["expires_at"])
        text = f"a person is asked to approve plan {entry.data['plan']}, until {time_of_day(until)}"
        yield from self._line(entry, "ask", "", text, "bold")
        plan = from_jsonable(entry.data["planned"], PlannedRun)
        yield from labelled(self.out, "", f"at most {worst_of(plan)}", "bold")
        if plan.databases:
            yield from labelled(self.out, "", f"databases: {databases_of(plan)}", "bold")

    def _answered(self, entry: Entry) -> Iterator[Text]:
        by = entry.data.get("by")
        text = f"plan {entry.data['plan']}: {entry.outcome}{f', by {by}' if by else ''}"
        yield from self._line(entry, "answer", "", text, "bold")

    def _taken_over(self, entry: Entry) -> Iterator[Text]:
        from rich.text import Text

        # What follows is headed anew.
        self._run, self._seen = "-", False
        yield Text("")
        yield Text(f"{time_of_day(entry.at)}  another process goes on with it", "bold")

    def _other(self, entry: Entry) -> Iterator[Text]:
        yield from self._line(entry, "", "", f"{entry.kind.value} {entry.what} {entry.outcome}")

    # --- layout ----------------------------------------------------------------------------------

    def _line(
        self, entry: Entry, word: str, state: str, text: str, style: str = ""
    ) -> Iterator[Text]:
        from rich.text import Text

        word, state = one_line(word), one_line(state)
        colour = style or IMPACT_STYLES.get(word, "")
        lead = Text().append(f"{time_of_day(entry.at)}  ", "dim").append(f"{word:<8}", colour)
        if state:
            lead.append(f"{state:<{self._width}}  ", "" if word == "look" else colour)
        yield from hanging(self.out, lead, text, style)

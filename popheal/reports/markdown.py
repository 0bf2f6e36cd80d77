"""A report as a Markdown page, for mail, chat or a ticket.

Much of what a report says was written far away: by a probe, by whoever named a server. On the
page it is text and nothing else: no heading, no link, no HTML, and nobody is called by it.
The page keeps to what CommonMark and Python-Markdown, which notifications go through, read alike.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Final

from popheal.tables.actions import Impact
from popheal.util.text import moment, one_line, time_of_day

if TYPE_CHECKING:
    from popheal.reports.report import Handover, Report, RunReport

#: Where Microsoft Support is, as the runbook says: the one link on a page.
SUPPORT_PAGE: Final = "https://support.microsoft.com/supportforbusiness/productselection"

# --- text ----------------------------------------------------------------------------------------

_PUNCTUATION: Final = re.compile(r"[\\`*_\[\]~|$]")
_HTML: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
#: What would make a list or a heading of a line that begins with it: a number only before a space,
#: so that 3.5 is left as it is, and an id that happens to be all digits.
_OPENING: Final = re.compile(r"^(\d+(?=[.)](?:\s|$))|(?=[#+=:-]))")
#: A space of no width: nothing to see, but no address any more. Backslashes would not do, as
#: many a program makes links of whatever looks like one, after the Markdown has been read.
_NO_SPACE: Final = "\u200b"
_ADDRESS: Final = re.compile(r"@|/(?=/)|www(?=\.)|(?:mailto|xmpp)(?=:)", re.IGNORECASE)


def escaped(text: str) -> str:
    """A text of whatever origin, to be read on a page as it is."""
    line = _PUNCTUATION.sub(r"\\\g<0>", one_line(text)).translate(_HTML)
    line = _OPENING.sub(r"\1\\", line)
    return _ADDRESS.sub(rf"\g<0>{_NO_SPACE}", line)


def code_block(line: str) -> str:
    """One line to be copied, in a fence that nothing in it can close.

    A block for each line and no language: apprise before 2.3 knows no fences and makes inline
    code of them, with everything from the first fence to the last in one line.
    """
    line = one_line(line)
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", line)), default=0))
    return f"{fence}\n{line}\n{fence}"


# --- the page ------------------------------------------------------------------------------------


def page(report: Report) -> str:
    """The report, what is needed first coming first."""
    return "\n\n".join(_blocks(report)) + "\n"


def _blocks(report: Report) -> Iterator[str]:
    verdict = report.verdict
    yield f"# POP on {escaped(report.server)}: {escaped(verdict.value)}, {verdict.meaning}"
    yield escaped(report.summary)
    yield _items(_facts(report))
    if report.handover:
        yield from _to_do(report.handover)
    yield from _section("What was seen", _seen(report))
    yield from _section("What was done", _done(report) or ["Nothing was changed."])
    yield from _section("Debts", map(str, report.debts))
    yield from _section("Runs", (_run(run) for run in report.runs))
    if report.handover and report.handover.support:
        yield "## Support"
        parts = report.handover.support.split(SUPPORT_PAGE)
        yield f"<{SUPPORT_PAGE}>".join(_between(part) for part in parts)


def _items(lines: Iterable[str]) -> str:
    return "\n".join(f"- {escaped(line)}" for line in lines)


def _section(title: str, lines: Iterable[str]) -> Iterator[str]:
    """A heading and a list; nothing where there is nothing to list."""
    if items := _items(lines):
        yield f"## {title}"
        yield items


def _between(part: str) -> str:
    """A part of a sentence: what separates it from the next is kept."""
    lead, tail = part[:1].isspace(), part[-1:].isspace()
    return f"{' ' * lead}{escaped(part)}{' ' * tail}"


def _facts(report: Report) -> Iterator[str]:
    alert = report.alert
    about = ", ".join(one for one in (f"health set {alert.health_set}", alert.monitor) if one)
    yield f"Alert: {about}" + (f": {alert.text}" if alert.text else "")
    if alert.at:
        yield f"Issued: {moment(alert.at)}"
    yield f"Looked at: {_from_to(report.started_at, report.finished_at)}"
    if report.retry_at:
        yield f"Another time may do: not before {moment(report.retry_at)}"
    if report.id:
        yield f"Healing: {report.id}"


def _to_do(handover: Handover) -> Iterator[str]:
    yield "## What to do next"
    steps = [step for step in handover.next_steps if step != handover.support]
    yield "\n".join(f"{number}. {escaped(step)}" for number, step in enumerate(steps, start=1))
    if handover.first_commands:
        yield "To see the cause and make it well, in the Exchange Management Shell:"
        yield from map(code_block, handover.first_commands)
    if handover.commands:
        yield "Once the server is well again, in the Exchange Management Shell:"
        yield from map(code_block, handover.commands)
    yield from _section("Left as", handover.left_as)
    yield from _section("Evidence", handover.evidence)
    yield from _section("POP3 protocol logs", handover.logs)


def _seen(report: Report) -> list[str]:
    found = (one for one in report.findings if not _is_evidence(report, one.server, one.detail))
    seen = [f"In triage: {one.server}: {one.detail}" for one in found]
    return seen + _steps(report, look=True)


def _done(report: Report) -> list[str]:
    return _steps(report, look=False)


def _is_evidence(report: Report, server: str, detail: str) -> bool:
    """Whether the page says so already."""
    evidence = report.handover.evidence if report.handover else ()
    return any(line.startswith(f"{server}: {detail} (") for line in evidence)


def _steps(report: Report, *, look: bool) -> list[str]:
    steps = [
        (step.started_at, run, step)
        for run in report.runs
        for step in run.steps
        if (step.impact is Impact.LOOK) is look
    ]
    # A run may have been gone through within a step of another.
    steps.sort(key=lambda one: one[0])
    lines = []
    for _, run, step in steps:
        known = look and _is_evidence(report, run.server, step.detail)
        said = f" ({step.detail})" if step.detail and not known else ""
        when = _from_to(step.started_at, step.finished_at)
        lines.append(f"{when}: {run.server}: {step.state}: {step.outcome}{said}")
    return lines


def _run(run: RunReport) -> str:
    return (
        f"{run.id}: {run.procedure} (table {run.hash}) on {run.server}, for {run.monitor}: "
        f"{run.verdict.value}, by {', '.join(run.path)}"
    )


def _from_to(start: datetime, end: datetime) -> str:
    """A span of time, without saying twice what is the same."""
    if moment(start) == moment(end):
        return moment(start)
    later = f"{time_of_day(end)} UTC" if start.date() == end.date() else moment(end)
    return f"{moment(start, zone='')} to {later}"

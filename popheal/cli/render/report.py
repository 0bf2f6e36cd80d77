"""A report for people: what is known at the beginning, and how it ended."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

from popheal.cli.render.lines import LABEL, labelled
from popheal.reports.report import Alert, FindingKind, Handover, Report
from popheal.tables.debts import DebtStatus
from popheal.tables.palette import VERDICT_STYLES
from popheal.tables.table import Verdict
from popheal.util.text import span, without_controls

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

#: What a summary may be cut behind, and still be a sentence.
_BEFORE_A_DETAIL: Final = ": "


def alert_lines(out: Console, alert: Alert) -> list[Text]:
    """The alert."""
    about = f"{alert.server}, health set {alert.health_set}"
    about += f", {alert.monitor}" if alert.monitor else ""
    lines = labelled(out, "Alert", about)
    return lines + labelled(out, "", alert.text, "dim") if alert.text else lines


def ending_lines(out: Console, report: Report, *, next_step: str = "") -> Iterable[Text]:
    """The verdict, what is owed, and what a person has to know.

    Args:
        out: The console they are for.
        report: The report.
        next_step: What to do about a verified fault, where the work was only to verify it.
    """
    from rich.text import Text

    verdict = report.verdict
    # The word of a good one can't be taken for something else.
    means = "" if verdict.good else verdict.meaning
    only_verified = bool(next_step) and verdict is Verdict.ESCALATED and _is_ours(report)
    if only_verified:
        means = "the fault is real; nothing was done about it"
    took = span((report.finished_at - report.started_at).total_seconds())
    lead = Text().append(f"{'Verdict':<{LABEL}}", "bold")
    lead.append(verdict.value, VERDICT_STYLES[verdict])
    lead.append(f" ({means})" if means else "").append(f", after {took}")
    yield Text("")
    yield lead
    if summary := _not_told_yet(report):
        yield from labelled(out, "", summary)
    for number, debt in enumerate(report.debts):
        style = "green" if debt.status is DebtStatus.PAID else "bold red"
        yield from labelled(out, "" if number else "Debts", str(debt), style)
    if only_verified:
        yield from labelled(out, "Next", next_step)
    elif report.handover:
        yield from _handover_lines(out, report.handover)


def _not_told_yet(report: Report) -> str:
    """The summary, without what stands right above it: what the last step or finding saw."""
    steps = sorted(
        (step for run in report.runs for step in run.steps), key=lambda step: step.finished_at
    )
    details = [one.detail for one in steps or report.findings]
    summary = report.summary.rstrip(".")
    told = details[-1].rstrip(".") if details else ""
    kept = summary.removesuffix(told)
    if told and kept != summary and (not kept or kept.endswith(_BEFORE_A_DETAIL)):
        return kept.removesuffix(": ")
    return report.summary


def _is_ours(report: Report) -> bool:
    """Whether there is a fault that healing would take on."""
    return any(one.kind is FindingKind.VERIFIED for one in report.findings)


def _handover_lines(out: Console, handover: Handover) -> Iterable[Text]:
    """What was seen and done stands in the story; here is how things are left, and what next."""
    from rich.text import Text

    told = (
        ("Left as", handover.left_as),
        ("Logs", handover.logs),
        ("Next", handover.next_steps),
    )
    for label, entries in told:
        for number, entry in enumerate(entries):
            yield from labelled(out, "" if number else label, entry)
    for about, commands in (
        ("To see the cause and make it well:", handover.first_commands),
        ("To put it back:", handover.commands),
    ):
        if commands:
            yield Text(about, "bold")
        for command in commands:
            # On one line whatever the width, to be pasted; printed without wrapping.
            yield Text(f"  {without_controls(command)}", no_wrap=True, overflow="ignore")


def database_lines(
    out: Console, before: Mapping[str, str], after: Mapping[str, str]
) -> Iterable[Text]:
    """Where the active copy of each database is, and from where it was moved."""
    places: dict[str, list[str]] = {}
    for name, server in after.items():
        moved = f" (was on {before[name]})" if before.get(name, server) != server else ""
        places.setdefault(server, []).append(f"{name}{moved}")
    for number, (server, names) in enumerate(sorted(places.items())):
        label = "" if number else "Databases"
        yield from labelled(out, label, f"on {server}: {', '.join(sorted(names))}")

"""A procedure as a Markdown table: the same as the picture, for reading beside the runbook,
for readers without sight, and for comparing two versions.
"""

from __future__ import annotations

from collections.abc import Iterator

from popheal.tables.citations import Citation
from popheal.tables.palette import IMPACTS
from popheal.tables.table import Procedure, State, Transition

_HOW_TO_READ = (
    "The action's own step is in brackets behind it; the last column says why an outcome leads "
    "on to where it does. A guard in brackets behind an outcome must hold for the run."
)
_COLUMNS = ("State", "Action", "Impact", "Outcome", "Next", "Runbook")


def render(procedure: Procedure) -> str:
    """The table of a procedure, with its start, its endings and what a cancel does."""
    monitors = ", ".join(f"`{one}`" for one in procedure.monitors) or "none of the catalogue"
    section = f"“{procedure.section.value}”" if procedure.section else "not in the runbook"
    lines = [
        f"# {procedure.name}",
        "",
        f"- Answers: {monitors}",
        f"- Section of the runbook: {section}",
        f"- Starts in: `{procedure.start}`",
        f"- Hash of the table: `{procedure.hash}`",
        "",
        _HOW_TO_READ,
        "",
        *_table(_COLUMNS, _rows(procedure)),
        "",
        *_table(
            ("Ending", "Verdict"),
            ((f"`{name}`", verdict.value) for name, verdict in procedure.endings.items()),
        ),
        "",
        *_table(
            ("A person says stop", "Next", "Runbook"),
            ((f"`{row.label}`", f"`{row.target}`", _cell(row.why)) for row in procedure.on_cancel),
        ),
        "",
        "Impacts: "
        + "; ".join(f"**{impact.value}** {look.means}" for impact, look in IMPACTS.items())
        + ".",
    ]
    return "\n".join(lines) + "\n"


def _rows(procedure: Procedure) -> Iterator[tuple[str, ...]]:
    for state in procedure.states:
        for number, row in enumerate(state.transitions):
            yield _row(state, row, first=number == 0)


def _row(state: State, row: Transition, *, first: bool) -> tuple[str, ...]:
    does = f"{state.action.sentence or state.action} ({_cell(state.cites)})" if first else ""
    return (
        f"`{state.name}`",
        does,
        state.action.impact.value if first else "",
        f"`{row.label}`",
        f"`{row.target}`",
        _cell(row.why),
    )


def _cell(citation: Citation) -> str:
    return str(citation).replace("|", "\\|")


def _table(columns: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> list[str]:
    return [
        "| " + " | ".join(columns) + " |",
        "| " + " | ".join("---" for _ in columns) + " |",
        *("| " + " | ".join(row) + " |" for row in rows),
    ]

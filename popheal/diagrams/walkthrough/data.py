"""What the page of a procedure knows: its table, and the way of a run, as plain JSON values."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from types import MappingProxyType
from typing import Any, Final

from popheal.diagrams.graph import short
from popheal.healthsets.pop.sentences import in_our_words
from popheal.tables.citations import Citation, Step
from popheal.tables.palette import IMPACTS
from popheal.tables.run_path import RunPath
from popheal.tables.table import (
    CANCEL,
    GUARD_OF_DEBT,
    Guard,
    Procedure,
    State,
    Transition,
)

#: Grows when a key changes its meaning.
FORMAT: Final = 1
_MEANS: Final = MappingProxyType(
    {
        Guard.MAILBOX_ROLE: "the server has the Mailbox role, so it may host databases",
        Guard.DRAINED: "this run disabled activation on the server and still owes it",
        Guard.LOGGING: "this run turned protocol logging on and still owes it",
        Guard.ACTIVATED: "this run made PopProxy active and still owes it",
    }
)


def table_data(table: Procedure) -> dict[str, Any]:
    """All that decides what a table does, and what is said of it."""
    rows = [*table.on_cancel, *(row for one in table.states for row in one.transitions)]
    used = {guard for row in rows for guard in (row.given, row.unless) if guard}
    owing = {guard: debt for debt, guard in GUARD_OF_DEBT.items()}
    return {
        "format": FORMAT,
        "name": table.name,
        "hash": table.hash,
        "start": table.start,
        "cancel": CANCEL,
        "impacts": [one.value for one in IMPACTS],
        "means": {one.value: look.means for one, look in IMPACTS.items()},
        "guards": {
            guard.value: {
                "means": _MEANS[guard],
                "debt": owing[guard].value if guard in owing else None,
            }
            for guard in Guard
            if guard in used
        },
        "states": {one.name: _state(one) for one in table.states},
        "endings": {
            name: {"verdict": one.value, "meaning": one.meaning, "good": one.good}
            for name, one in table.endings.items()
        },
        "on_cancel": _rows(table.on_cancel),
    }


def _state(state: State) -> dict[str, Any]:
    action = state.action
    return {
        "says": action.sentence or str(action),
        "impact": action.impact.value,
        "cites": _cited(state.cites),
        "incurs": action.incurs.value if action.incurs else None,
        "pays": action.pays.value if action.pays else None,
        "outcomes": [str(one) for one in action.outcomes],
        "rows": _rows(state.transitions),
    }


def _rows(rows: Iterable[Transition]) -> list[dict[str, Any]]:
    return [
        {
            "outcome": str(one.outcome),
            "target": one.target,
            "given": one.given.value if one.given else None,
            "unless": one.unless.value if one.unless else None,
            "why": _cited(one.why),
        }
        for one in rows
    ]


def _cited(citation: Citation) -> dict[str, str]:
    """Where it is said, and what: of the runbook in our words, of ours the reason."""
    if isinstance(citation, Step):
        where = f"Runbook, {citation.section.short} {citation.number}, "
        return {"where": f"{where}sentence {citation.sentence}:", "says": in_our_words(citation)}
    erratum = short(citation).partition(", ")[2]
    where = f"Added by popheal, {erratum}:" if erratum else "Added by popheal:"
    return {"where": where, "says": citation.reason.removeprefix(erratum).lstrip(":, ")}


def run_data(table: Procedure, path: RunPath) -> dict[str, Any]:
    """The way of a run in the shape that a report of it has."""
    steps: Sequence[dict[str, str]] = [
        {
            "state": one.state,
            "outcome": one.outcome,
            "started_at": one.started_at.isoformat(),
            "finished_at": one.finished_at.isoformat(),
        }
        for one in path.steps
    ]
    verdict = table.endings.get(path.states[-1])
    run = {
        "id": path.run,
        "procedure": table.name,
        "hash": table.hash,
        "server": path.server,
        "monitor": path.monitor,
        "verdict": verdict.value if verdict else None,
        "path": list(path.states),
        "steps": steps,
    }
    return {"runs": [run]}

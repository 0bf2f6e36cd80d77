"""A procedure as the JSON that XState's ``createMachine`` takes (version 5).

Outcomes are events and guards are named: whoever makes a machine of it provides a function for
each name in ``context``, which may simply look there. Of two rows for one outcome, the guarded one
comes first and the other has no guard, as XState takes the first that may be taken.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final

from popheal.tables.table import Guard, Procedure, State, Transition

#: Grows when a key of ours changes its meaning.
FORMAT: Final = 1


def render(procedure: Procedure) -> str:
    """The text of a JSON document with the procedure's table."""
    rows = [*procedure.on_cancel, *(row for one in procedure.states for row in one.transitions)]
    used = {guard for row in rows for guard in (row.given, row.unless) if guard}
    machine = {
        "id": procedure.name,
        "initial": procedure.start,
        "context": {guard.value: False for guard in Guard if guard in used},
        "meta": {"popheal": {"format": FORMAT, "hash": procedure.hash}},
        # A stop is possible in every state, so it stands at the machine itself.
        "on": _on(procedure.on_cancel, "."),
        "states": {
            **{one.name: _state(one) for one in procedure.states},
            **{
                name: {"type": "final", "meta": {"popheal": {"verdict": verdict.value}}}
                for name, verdict in procedure.endings.items()
            },
        },
    }
    return json.dumps(machine, indent=2, ensure_ascii=False) + "\n"


def _state(state: State) -> dict[str, Any]:
    about = {
        "action": str(state.action),
        "impact": state.action.impact.value,
        "cites": str(state.cites),
    }
    return {
        "description": state.action.sentence or str(state.action),
        "meta": {"popheal": about},
        "on": _on(state.transitions, ""),
    }


def _on(rows: Iterable[Transition], within: str) -> dict[str, list[dict[str, str]]]:
    """The rows by their outcomes; ``within`` leads from the machine into its states."""
    events: dict[str, list[dict[str, str]]] = {}
    for row in sorted(rows, key=lambda row: row.given is None):
        guard = {"guard": row.given.value} if row.given else {}
        entry = {"target": f"{within}{row.target}", **guard, "description": str(row.why)}
        events.setdefault(str(row.outcome), []).append(entry)
    return events

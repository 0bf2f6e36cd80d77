"""A table as plain JSON values: so that a journal can keep it, and a later popheal read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from popheal.errors import DefinitionError
from popheal.tables.actions import Action, Impact
from popheal.tables.citations import Citation, Ours
from popheal.tables.debts import DebtKind
from popheal.tables.table import Guard, Procedure, State, Transition, Verdict


def table_to_json(table: Procedure) -> dict[str, Any]:
    """All that decides what a table does, and its citations as text."""
    return {
        "name": table.name,
        "monitors": list(table.monitors),
        "start": table.start,
        "states": [_state_to_json(one) for one in table.states],
        "endings": {name: verdict.value for name, verdict in table.endings.items()},
        "on_cancel": _rows_to_json(table.on_cancel),
    }


def _text(citation: Citation) -> str:
    return citation.reason if isinstance(citation, Ours) else str(citation)


def _state_to_json(state: State) -> dict[str, Any]:
    action = state.action
    return {
        "name": state.name,
        "cites": _text(state.cites),
        "action": {
            "name": action.name,
            "argument": action.argument,
            "impact": action.impact.value,
            "outcomes": [str(one) for one in action.outcomes],
            "incurs": action.incurs.value if action.incurs else None,
            "pays": action.pays.value if action.pays else None,
            "sentence": action.sentence,
        },
        "rows": _rows_to_json(state.transitions),
    }


def _rows_to_json(rows: Sequence[Transition]) -> list[dict[str, Any]]:
    return [
        {
            "outcome": str(one.outcome),
            "target": one.target,
            "why": _text(one.why),
            "given": one.given.value if one.given else None,
            "unless": one.unless.value if one.unless else None,
        }
        for one in rows
    ]


def table_from_json(data: Mapping[str, Any]) -> Procedure | None:
    """The table; None if this popheal can't have such a one any more.

    Its actions are as they were then: what they are today is not looked up.
    """
    try:
        return Procedure(
            name=data["name"],
            monitors=tuple(data["monitors"]),
            start=data["start"],
            states=tuple(_state_from_json(one) for one in data["states"]),
            endings={name: Verdict(word) for name, word in data["endings"].items()},
            on_cancel=_rows_from_json(data["on_cancel"]),
        )
    except (DefinitionError, LookupError, TypeError, ValueError):
        return None


def _state_from_json(data: Mapping[str, Any]) -> State:
    action = data["action"]
    return State(
        name=data["name"],
        cites=Ours(data["cites"]),
        action=Action(
            name=action["name"],
            argument=action["argument"],
            impact=Impact(action["impact"]),
            outcomes=tuple(action["outcomes"]),
            incurs=DebtKind(action["incurs"]) if action["incurs"] else None,
            pays=DebtKind(action["pays"]) if action["pays"] else None,
            sentence=action["sentence"],
        ),
        transitions=_rows_from_json(data["rows"]),
    )


def _rows_from_json(rows: Sequence[Mapping[str, Any]]) -> tuple[Transition, ...]:
    return tuple(
        Transition(
            outcome=one["outcome"],
            target=one["target"],
            why=Ours(one["why"]),
            given=Guard(one["given"]) if one["given"] else None,
            unless=Guard(one["unless"]) if one["unless"] else None,
        )
        for one in rows
    )

"""A procedure as SCXML, the W3C's language for state machines, for tools that read it.

Outcomes are events and guards are conditions over data of the same names, which are 0 or 1: every
reader of the format understands a comparison, but not every one a negation. Whoever runs the
chart sets those data: whether a run has drained a server is known to the run, not to its table.
What popheal adds (action, impact, citation) stands in attributes of a namespace of its own.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Final

from popheal.diagrams.graph import ids
from popheal.tables.table import Guard, Procedure, State, Transition

SCXML: Final = "http://www.w3.org/2005/07/scxml"
OURS: Final = "urn:popheal:scxml"
WORKING: Final = "working"
#: Grows when an attribute of ours changes its meaning.
FORMAT: Final = 1


def render(procedure: Procedure) -> str:
    """The text of an SCXML document with the procedure's table."""
    names = [*(one.name for one in procedure.states), *procedure.endings]
    known = ids(names, (WORKING,))
    root = ET.Element(
        "scxml",
        {
            "xmlns": SCXML,
            "xmlns:popheal": OURS,
            "version": "1.0",
            "name": procedure.name,
            "datamodel": "ecmascript",
            "initial": WORKING,
            "popheal:format": str(FORMAT),
            "popheal:hash": procedure.hash,
        },
    )
    model = ET.SubElement(root, "datamodel")
    for guard in Guard:
        ET.SubElement(model, "data", {"id": guard.value, "expr": "0"})
    working = ET.SubElement(root, "state", {"id": WORKING, "initial": known[procedure.start]})
    for state in procedure.states:
        _state(working, state, known)
    # A cancel is possible in every state, so it stands in the state around them all.
    for row in procedure.on_cancel:
        _transition(working, row, known)
    for name, verdict in procedure.endings.items():
        ET.SubElement(root, "final", {"id": known[name], "popheal:verdict": verdict.value})
    ET.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _state(parent: ET.Element, state: State, known: dict[str, str]) -> None:
    element = ET.SubElement(
        parent,
        "state",
        {
            "id": known[state.name],
            "popheal:action": str(state.action),
            "popheal:impact": state.action.impact.value,
            "popheal:cites": str(state.cites),
        },
    )
    for row in state.transitions:
        _transition(element, row, known)


def _transition(parent: ET.Element, row: Transition, known: dict[str, str]) -> None:
    attributes = {"event": row.outcome}
    if row.given:
        attributes["cond"] = f"{row.given.value} == 1"
    if row.unless:
        attributes["cond"] = f"{row.unless.value} == 0"
    attributes |= {"target": known[row.target], "popheal:why": str(row.why)}
    ET.SubElement(parent, "transition", attributes)

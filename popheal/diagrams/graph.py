"""A procedure as a small neutral graph: what every renderer of pictures draws.

Rows with the same two ends are one edge with several labels. An edge is light if it leads to
where a run has given up: those are many, and the way to a recovery should stand out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from attrs import evolve, frozen

from popheal.tables import actions
from popheal.tables.actions import Impact
from popheal.tables.citations import Citation, Step
from popheal.tables.debts import DebtKind
from popheal.tables.palette import IMPACTS
from popheal.tables.parts import Part
from popheal.tables.reachability import reached_from, turned_round
from popheal.tables.table import Procedure, State, Transition, Verdict, arrows_of

#: Where a cancel comes from.
ANYWHERE: Final = "any state"

#: Runs of states that an overview folds: title, what it says, and the actions they are made of.
_FOLDS: Final = (
    (
        "safe reboot",
        "Switch the databases over, see that none is active, restart, wait",
        (
            actions.CHECK_SWITCHOVER,
            actions.DRAIN,
            actions.VERIFY_COPIES,
            actions.REBOOT,
            actions.AWAIT_SERVER,
        ),
    ),
    (
        "back ends",
        "Find the Mailbox server behind the failure, and heal it if it is unhealthy",
        (actions.FIND_BACKENDS, actions.CHECK_BACKENDS, actions.RECOVER_BACKENDS),
    ),
    (
        "logging back",
        "Set protocol logging back as it was, restart POP3",
        (actions.RESTORE_PROTOCOL_LOGGING, actions.RELOAD_POP3),
    ),
)


@frozen(kw_only=True)
class Node:
    """A state, several folded into one, or an ending.

    Attributes:
        name: Unique in its graph.
        says: What happens there, a sentence.
        impact: What it does to the world; None for an ending.
        verdict: How a run that is here has ended; None for a state.
        cites: The runbook, short: ``Deep/SelfTest 3``, or ``ours``.
        why: The same in full, for tooltips.
        members: The states it stands for, where there are several.
        incurs: The debt that is left there, if any.
        pays: The debt that is settled there, if any.
    """

    name: str
    says: str
    impact: Impact | None = None
    verdict: Verdict | None = None
    cites: str = ""
    why: str = ""
    members: tuple[str, ...] = ()
    incurs: DebtKind | None = None
    pays: DebtKind | None = None


@frozen
class Label:
    """One outcome on an edge, with its guard, and why it leads there."""

    text: str
    why: str


@frozen(kw_only=True)
class Edge:
    """All rows from one node to another.

    Attributes:
        light: Whether it leads to where the run has given up.
    """

    source: str
    target: str
    labels: tuple[Label, ...]
    light: bool = False

    @property
    def text(self) -> str:
        """The labels, one a line."""
        return "\n".join(label.text for label in self.labels)

    @property
    def why(self) -> str:
        """The citations of the labels, one a line."""
        return "\n".join(f"{label.text}: {label.why}" for label in self.labels)


@frozen(kw_only=True)
class Graph:
    """What to draw, in reading order.

    Attributes:
        cancels: Edges from ``ANYWHERE``: what a person's "stop" does.
        section: The short name of the runbook's section, if it implements one.
        monitors: The monitors whose alerts it answers.
        parts: How it is divided for pictures, if it is.
    """

    name: str
    title: str
    start: str
    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    cancels: tuple[Edge, ...]
    section: str = ""
    monitors: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()


def graph_of(procedure: Procedure) -> Graph:
    """The graph of a procedure, one node a state."""
    nodes = [*map(_node, procedure.states), *_endings(procedure)]
    return evolve(_graph(procedure, nodes, lambda name: name), parts=procedure.parts)


def folded(procedure: Procedure) -> Graph:
    """Likewise, with each run of states that belongs together folded into one node."""
    into: dict[str, str] = {}
    nodes: list[Node] = []
    for group in _groups(procedure):
        if len(group) == 1:
            nodes.append(_node(group[0]))
            continue
        node = _fold(group, taken={one.name for one in nodes})
        nodes.append(node)
        into.update(dict.fromkeys(node.members, node.name))
    nodes += _endings(procedure)
    return _graph(procedure, nodes, lambda name: into.get(name, name))


def ids(names: Iterable[str], reserved: Iterable[str] = ()) -> dict[str, str]:
    """A plain identifier for each name: the name itself where it is one and isn't reserved."""
    forbidden = {word.casefold() for word in reserved}
    return {
        name: name
        if name.isascii() and name.isidentifier() and name.casefold() not in forbidden
        else f"n{number}_"
        for number, name in enumerate(names)
    }


# --- nodes ---------------------------------------------------------------------------------------


def _node(state: State) -> Node:
    return Node(
        name=state.name,
        says=state.action.sentence or str(state.action),
        impact=state.action.impact,
        cites=short(state.cites),
        why=full(state.cites),
        incurs=state.action.incurs,
        pays=state.action.pays,
    )


def _endings(procedure: Procedure) -> list[Node]:
    return [
        Node(name=name, says=f"verdict: {verdict.value}", verdict=verdict)
        for name, verdict in procedure.endings.items()
    ]


def short(citation: Citation) -> str:
    """A citation for a node: the step without its sentence, or ``ours`` and the erratum."""
    if isinstance(citation, Step):
        return f"{citation.section.short} {citation.number}"
    erratum = re.match(r"D\d+", citation.reason)
    return f"ours, {erratum[0]}" if erratum else "ours"


def full(citation: Citation) -> str:
    """A citation for a tooltip: with the section's title and the sentence, or the reason."""
    if isinstance(citation, Step):
        return f"{citation.section.value}, step {citation.number}, sentence {citation.sentence}"
    return str(citation)


def _fold_of(state: State) -> int | None:
    for number, (_, _, parts) in enumerate(_FOLDS):
        if state.action.name in (one.name for one in parts):
            return number
    return None


def _groups(procedure: Procedure) -> list[list[State]]:
    """The states in order; neighbours of the same fold that lead to each other are together."""
    groups: list[list[State]] = []
    for state in procedure.states:
        last = groups[-1] if groups else []
        together = any(
            row.target == state.name
            for one in last
            if _fold_of(one) is not None and _fold_of(one) == _fold_of(state)
            for row in one.transitions
        )
        if together:
            last.append(state)
        else:
            groups.append([state])
    return groups


def _fold(group: Sequence[State], taken: set[str]) -> Node:
    title, says, _ = _FOLDS[_fold_of(group[0]) or 0]
    order = list(IMPACTS)
    return Node(
        name=title if title not in taken else f"{title} ({group[0].name.rsplit('_', 1)[-1]})",
        says=says,
        impact=max((one.action.impact for one in group), key=order.index),
        cites=_together(group),
        why="\n".join(f"{one.name}: {full(one.cites)}" for one in group),
        members=tuple(one.name for one in group),
        incurs=next((one.action.incurs for one in group if one.action.incurs), None),
        pays=next((one.action.pays for one in group if one.action.pays), None),
    )


def _together(group: Sequence[State]) -> str:
    """The steps of several states, each section named once: ``Deep/SelfTest 3, 4``."""
    steps: dict[str, dict[str, None]] = {}
    for one in group:
        if isinstance(one.cites, Step):
            steps.setdefault(one.cites.section.short, {}).setdefault(one.cites.number)
    return "; ".join(f"{name} {', '.join(numbers)}" for name, numbers in steps.items()) or "ours"


# --- edges ---------------------------------------------------------------------------------------


def _graph(procedure: Procedure, nodes: Sequence[Node], into: Callable[[str], str]) -> Graph:
    given_up = {into(name) for name in _only_ever_escalates(procedure)}
    place = {node.name: number for number, node in enumerate(nodes)}
    rows: dict[tuple[str, str], list[Transition]] = {}
    for state in procedure.states:
        for row in state.transitions:
            ends = into(state.name), into(row.target)
            if ends[0] != ends[1]:
                rows.setdefault(ends, []).append(row)
    cancels: dict[tuple[str, str], list[Transition]] = {}
    for row in procedure.on_cancel:
        cancels.setdefault((ANYWHERE, into(row.target)), []).append(row)
    monitors = ", ".join(procedure.monitors)
    return Graph(
        name=procedure.name,
        title=f"{procedure.name}: {monitors}" if monitors else procedure.name,
        start=into(procedure.start),
        nodes=tuple(nodes),
        edges=tuple(
            _edge(ends, rows[ends], light=ends[1] in given_up)
            for ends in sorted(rows, key=lambda ends: (place[ends[0]], place[ends[1]]))
        ),
        cancels=tuple(_edge(ends, cancels[ends], light=True) for ends in cancels),
        section=procedure.section.short if procedure.section else "",
        monitors=procedure.monitors,
    )


def _edge(ends: tuple[str, str], rows: Sequence[Transition], *, light: bool) -> Edge:
    return Edge(source=ends[0], target=ends[1], labels=tuple(_labels(rows)), light=light)


def _labels(rows: Sequence[Transition]) -> list[Label]:
    """The labels of the rows; equal ones once, and a guard that does not matter left out."""
    guards: dict[str, set[object]] = {}
    for row in rows:
        guards.setdefault(row.outcome, set()).add((row.given, row.unless))
    reasons: dict[str, dict[str, None]] = {}
    for row in rows:
        whatever = (row.unless, row.given) in guards[row.outcome]
        text = row.outcome if whatever else row.label
        reasons.setdefault(text, {}).setdefault(full(row.why))
    return [Label(text, "; ".join(whys)) for text, whys in reasons.items()]


def _only_ever_escalates(procedure: Procedure) -> set[str]:
    """The states and endings from which no other ending than ``escalated`` can be reached."""
    others = [name for name, one in procedure.endings.items() if one is not Verdict.ESCALATED]
    hopeful = reached_from(others, turned_round(arrows_of(procedure.states)))
    return {*procedure.by_name, *procedure.endings} - hopeful

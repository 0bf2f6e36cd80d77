"""The debts of a picture: where each is left, where it is paid, and what is owed on the way."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from popheal.diagrams.cards.sheet import Rail, Status
from popheal.diagrams.cards.trail import Trail, without_guard
from popheal.diagrams.graph import Edge, Graph, Node
from popheal.tables.debts import DebtKind
from popheal.tables.table import GUARD_OF_DEBT


def rails(graph: Graph, column: Sequence[str], trail: Trail) -> Iterator[Rail]:
    """The debts of the states in a column, in the order in which they are left.

    Args:
        graph: Everything there is.
        column: The states that are shown on the way to a recovery, in order.
        trail: The run that is shown, if one is.
    """
    nodes = {node.name: node for node in graph.nodes}
    shown = [nodes[name] for name in column if name in nodes]
    owed = _may_owe(graph)
    for kind in DebtKind:
        start = next((node.name for node in shown if node.incurs is kind), "")
        ends = tuple(node.name for node in shown if node.pays is kind)
        before = bool(shown) and kind in owed[shown[0].name] and not start
        if not start and not before:
            continue
        after = any(
            kind in _after(owed[edge.source], nodes[edge.source], edge)
            for edge in graph.edges
            if edge.source in column
            and edge.target not in column
            and nodes[edge.target].impact
            and not edge.light
        )
        through = after and len(shown) < _states(graph)
        if not start and not ends and not through:
            continue
        yield Rail(
            kind=kind,
            start=start,
            ends=ends,
            through=through,
            status=_status(trail, start, kind),
            owed_at=trail.here if trail.owes(kind) else "",
        )


def _states(graph: Graph) -> int:
    return sum(1 for node in graph.nodes if node.impact)


def _may_owe(graph: Graph) -> dict[str, set[DebtKind]]:
    """What may be owed where a state is entered."""
    nodes = {node.name: node for node in graph.nodes}
    owed: dict[str, set[DebtKind]] = {name: set() for name in nodes}
    changed = True
    while changed:
        changed = False
        for edge in graph.edges:
            more = _after(owed[edge.source], nodes[edge.source], edge) - owed[edge.target]
            owed[edge.target] |= more
            changed = changed or bool(more)
    return owed


def _after(owed: set[DebtKind], node: Node, edge: Edge) -> set[DebtKind]:
    """What may be owed behind an edge: refused is not begun, and done has paid."""
    outcomes = {without_guard(label.text) for label in edge.labels}
    left = set(owed)
    if node.incurs and outcomes != {"refused"}:
        left.add(node.incurs)
    if node.pays and outcomes == {"done"}:
        left.discard(node.pays)
    return {kind for kind in left if not _is_excluded(kind, edge)}


def _is_excluded(kind: DebtKind, edge: Edge) -> bool:
    """Whether the edge is taken only by a run that does not owe it."""
    guard = GUARD_OF_DEBT.get(kind)
    return guard is not None and all(f"[not {guard.value}]" in one.text for one in edge.labels)


def _status(trail: Trail, start: str, kind: DebtKind) -> Status:
    """Plain without a run; taken where it was left; dashed where it may be; else grey."""
    status = trail.of(start) if start else Status.PLAIN
    if status in (Status.TAKEN, Status.NOW):
        nodes = trail.graph.nodes
        paid = any(node.pays is kind and trail.of(node.name) is Status.TAKEN for node in nodes)
        return Status.TAKEN if paid or trail.owes(kind) else Status.DIM
    return status

"""Who stands where in a picture of cards: blocks of states and endings, from top to bottom.

States stand in one column in the table's order. What only leads to giving up stands below the
way to a recovery, in groups with a letter each, and what only a person's stop leads to below
that; wherever a state gives up, it shows the sign of where that leads instead of a line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from itertools import pairwise
from string import ascii_uppercase
from typing import Final

from attrs import define, evolve, frozen

from popheal.diagrams.cards.sheet import Mark
from popheal.diagrams.graph import Edge, Graph, Node
from popheal.tables.reachability import reached_from
from popheal.tables.table import Verdict

#: Where an ending stands: those for which nobody is needed first.
LAST: Final = (Verdict.ESCALATED, Verdict.CANCELLED)


@frozen(kw_only=True)
class Block:
    """Nodes that stand together."""

    nodes: tuple[Node, ...]
    title: str = ""
    mark: Mark | None = None
    part: int = 0


@define(frozen=True, slots=False)
class Blocks:
    """The blocks of a graph, and where each of its states leads to in the picture."""

    graph: Graph

    @cached_property
    def nodes(self) -> dict[str, Node]:
        """The states and endings by name, the first state first."""
        ordered = sorted(self.graph.nodes, key=lambda node: node.name != self.graph.start)
        return {node.name: node for node in ordered}

    @cached_property
    def from_start(self) -> set[str]:
        return reached_from([self.graph.start], _arrows(self.graph.edges))

    @cached_property
    def gives_up(self) -> set[str]:
        """The states from which a run can only give up; none where it never could do more."""
        ways = [edge for edge in self.graph.edges if edge.source == self.graph.start]
        if all(edge.light for edge in ways):
            return set()
        targets = {edge.target for edge in self.graph.edges if edge.light}
        return {name for name in targets if self.nodes[name].impact} & self.from_start

    @cached_property
    def part_of(self) -> dict[str, int]:
        """The number of the part that a state is in, if there are parts."""
        return {
            name: number
            for number, part in enumerate(self.graph.parts, start=1)
            for name in part.states
        }

    @cached_property
    def all(self) -> list[Block]:
        """Everything, from top to bottom."""
        states = [node for node in self.nodes.values() if node.impact]
        ends = [node for node in self.nodes.values() if not node.impact]
        lost = [node for node in states if node.name in self.gives_up]
        stopped = [node for node in states if node.name not in self.from_start]
        main = [node for node in states if node not in lost and node not in stopped]
        letters = iter(ascii_uppercase)
        return [
            *self._main(main),
            *_alone(node for node in ends if node.verdict not in LAST),
            *(
                evolve(block, mark=next(letters, "Z"), title="Before it gives up")
                for block in self._runs(lost)
            ),
            *_alone(node for node in ends if node.verdict is Verdict.ESCALATED),
            *(
                evolve(block, mark=Verdict.CANCELLED, title=self._stop(block))
                for block in self._runs(stopped)
            ),
            *_alone(node for node in ends if node.verdict is Verdict.CANCELLED),
        ]

    def _main(self, nodes: Sequence[Node]) -> Iterator[Block]:
        for block in _grouped(nodes, lambda one, other: self._part(one) == self._part(other)):
            number = self._part(block[0])
            title = self.graph.parts[number - 1].title if number else ""
            yield Block(
                nodes=tuple(block), title=title, mark=str(number) if number else None, part=number
            )

    def _runs(self, nodes: Sequence[Node]) -> Iterator[Block]:
        """Neighbours that lead to each other, and are in the same part.

        Whatever is entered from elsewhere begins a run of its own, so that a sign stands for one
        state.
        """
        names = {node.name for node in nodes}
        entered = {edge.target for edge in self.graph.edges if edge.source not in names}

        def together(one: Node, other: Node) -> bool:
            leads = (one.name, other.name) in self._edges and other.name not in entered
            return leads and self._part(one) == self._part(other)

        for block in _grouped(nodes, together):
            yield Block(nodes=tuple(block), part=self._part(block[0]))

    def _part(self, node: Node) -> int:
        return self.part_of.get(node.name, 0)

    def _stop(self, block: Block) -> str:
        labels = {
            label.text.partition(" ")[2].replace("_", " ")
            for edge in self.graph.cancels
            if edge.target == block.nodes[0].name
            for label in edge.labels
        }
        return " ".join(["A person says stop", *sorted(one for one in labels if one)])

    @cached_property
    def _edges(self) -> dict[tuple[str, str], Edge]:
        return {(edge.source, edge.target): edge for edge in self.graph.edges}

    @cached_property
    def below(self) -> dict[str, str]:
        """What stands below each state and may be led to by an arrow: no further group of marks."""
        found: dict[str, str] = {}
        for block, below in pairwise([*self.all, Block(nodes=())]):
            names = [node.name for node in block.nodes]
            if below.nodes and self._led_to(block, below):
                names.append(below.nodes[0].name)
            found.update(pairwise(names))
        return found

    def _led_to(self, block: Block, below: Block) -> bool:
        """Whether an arrow may lead from one to the next: along the way to a recovery alone."""
        plain = below.mark is None or below.mark == str(below.part)
        numbered = block.mark is None or block.mark == str(block.part)
        return plain and numbered and below.nodes[0].verdict not in LAST

    @cached_property
    def marks(self) -> dict[str, Mark]:
        """The sign of each place that is led to by a sign."""
        found: dict[str, Mark] = {
            name: Verdict.ESCALATED
            for name, node in self.nodes.items()
            if node.verdict is Verdict.ESCALATED
        }
        for block in self.all:
            if block.mark and block.nodes[0].name in self.gives_up:
                found.update({node.name: block.mark for node in block.nodes})
        return found


def _alone(nodes: Iterable[Node]) -> Iterator[Block]:
    return (Block(nodes=(node,)) for node in nodes)


def _grouped(nodes: Iterable[Node], together: Callable[[Node, Node], bool]) -> list[list[Node]]:
    """Neighbours that belong together."""
    found: list[list[Node]] = []
    for node in nodes:
        if found and together(found[-1][-1], node):
            found[-1].append(node)
        else:
            found.append([node])
    return found


def _arrows(edges: Iterable[Edge]) -> dict[str, list[str]]:
    arrows: dict[str, list[str]] = {}
    for edge in edges:
        arrows.setdefault(edge.source, []).append(edge.target)
    return arrows

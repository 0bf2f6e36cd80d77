"""What a picture of cards shows: from a graph, and the way of a run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from attrs import define, evolve

from popheal.diagrams.cards.aloud import aloud, joined
from popheal.diagrams.cards.blocks import LAST, Block, Blocks
from popheal.diagrams.cards.rails import rails
from popheal.diagrams.cards.sheet import Group, Item, Mark, Rail, Said, Sheet, Status, Way
from popheal.diagrams.cards.trail import Trail
from popheal.diagrams.graph import Edge, Graph, Node
from popheal.tables.run_path import RunPath
from popheal.tables.table import Verdict


def sheet_of(graph: Graph, *, path: RunPath | None = None, part: int = 0) -> Sheet:
    """What the picture of a graph shows.

    Args:
        graph: What to draw.
        path: The way of a run, to be shown on it.
        part: Which of its parts to draw; 0 for the whole.
    """
    plan = _Plan(graph, Trail(graph, path))
    return plan.of_part(part) if part else plan.whole()


@define(frozen=True, slots=False)
class _Plan:
    graph: Graph
    trail: Trail

    @cached_property
    def blocks(self) -> Blocks:
        """Who stands where."""
        return Blocks(self.graph)

    # --- items -----------------------------------------------------------------------------------

    def item(self, node: Node) -> Item:
        """A state or an ending with all ways out of it."""
        status = self.trail.of(node.name)
        if not node.impact:
            return Item(
                node=node,
                status=status,
                clock=self.trail.clock(node.name),
                note=self._meaning(node),
            )
        edges = [edge for edge in self.graph.edges if edge.source == node.name]
        below = self.blocks.below.get(node.name)
        ways = [self._way(edge, alone=len(edges) == 1) for edge in edges]
        step, short = _cited(node, self.graph.section)
        return Item(
            node=node,
            step=step,
            short=short,
            onward=next((way for way in ways if way.target == below), None),
            others=tuple(way for way in ways if way.target != below and way.mark is None),
            marks=tuple(way for way in ways if way.target != below and way.mark is not None),
            status=status,
            clock=self.trail.clock(node.name),
            flag=self.trail.flag(node.name),
        )

    def _way(self, edge: Edge, *, alone: bool) -> Way:
        said = self.trail.said(edge.source, edge.target, edge.labels)
        if stop := self._stopped(edge.source, edge.target):
            said = (*said, stop)
        mark = self.blocks.marks.get(edge.target)
        ending = self.blocks.nodes[edge.target].verdict
        if mark is None and ending in LAST and edge.source not in self.blocks.from_start:
            mark = ending
        return Way(
            source=edge.source,
            target=edge.target,
            said=said,
            whatever=alone and len(said) > 1,
            mark=mark,
            caption=self._caption(edge.target, mark, said),
        )

    def _stopped(self, source: str, target: str) -> Said | None:
        hop = self.trail.stopped_at()
        if hop is None or (hop.source, hop.target) != (source, target):
            return None
        return Said(words="stop", why="a person said stop", status=Status.TAKEN)

    def _caption(self, target: str, mark: Mark | None, said: Sequence[Said]) -> str:
        taken = any(one.status is Status.TAKEN for one in said)
        verb = "ends" if mark is Verdict.CANCELLED else "gave up" if taken else "gives up"
        firsts = {block.nodes[0].name for block in self.blocks.all}
        endings = [name for name, one in self.blocks.marks.items() if one is mark]
        several = mark is Verdict.ESCALATED and len(endings) > 1
        named = several or (isinstance(mark, str) and target not in firsts)
        return f"{verb} ({target})" if named else verb

    def _meaning(self, node: Node) -> str:
        verdict = node.verdict
        meaning = verdict.meaning if verdict else ""
        if verdict is Verdict.CANCELLED:
            meaning = "a person said stop, in any state"
        elif any(edge.target == node.name for edge in self.graph.cancels):
            meaning += ", or a person said stop"
        named = "" if verdict is None or verdict.value == node.name else f"{verdict.value}: "
        owed = sorted(one.value for one in self.trail.path.owed) if self.trail.path else []
        if owed and node.name == self.trail.here:
            meaning += f"; owed: {', '.join(owed).replace('_', ' ')}"
        return named + meaning

    # --- pictures --------------------------------------------------------------------------------

    def whole(self) -> Sheet:
        """Everything in one picture."""
        groups = tuple(self._group(block) for block in self.blocks.all)
        path = self.trail.path
        title = f"{self.graph.name} on {path.server}" if path else self.graph.name
        return Sheet(
            name=f"{self.graph.name}-{path.run}" if path else self.graph.name,
            title=title,
            lines=tuple(filter(None, (self.trail.about() if path else self._what_for(),))),
            groups=groups,
            start=self.graph.start,
            verdict=self.trail.standing(),
            rails=self._rails(groups),
            times=self.trail.slices(),
            aloud=self.trail.aloud() + aloud(self.graph, groups),
            notes=tuple(self._stop_elsewhere()),
        )

    def of_part(self, number: int) -> Sheet:
        """One part, with signs where it leads to another."""
        part = self.graph.parts[number - 1]
        inside = [block for block in self.blocks.all if block.part == number]
        shown = {node.name for block in inside for node in block.nodes}
        groups = list(self._on_the_way(inside, number))
        ways = [way for group in groups for one in group.items for way in (*one.others, one.onward)]
        led = {way.target for way in ways if way}
        groups += [
            self._group(one)
            for one in self.blocks.all
            if not one.nodes[0].impact and one.nodes[0].name in led
        ]
        groups += [self._group(one) for one in inside if one.mark != str(number)]
        path = self.trail.path
        of_what = f"Part {number} of {len(self.graph.parts)} of {_decapitalised(self._what_for())}"
        return Sheet(
            name=f"{self.graph.name}-{path.run}-{number}"
            if path
            else f"{self.graph.name}-{number}",
            title=f"{self.graph.name} {number}: {part.title}",
            lines=(of_what, f"{path.server}, {self.trail.about()}") if path else (of_what,),
            groups=tuple(groups),
            start=self.graph.start if self.graph.start in shown else "",
            verdict=self.trail.standing(),
            entries=tuple(self._entries(shown, number)),
            rails=self._rails(groups),
            aloud=self.trail.aloud() + aloud(self.graph, groups),
            notes=tuple(self._notes(groups)),
            home=True,
        )

    def _on_the_way(self, blocks: Iterable[Block], number: int) -> Iterator[Group]:
        """The states of a part that may lead to a recovery, and which part follows."""
        for block in blocks:
            if block.mark != str(number):
                continue
            items = tuple(self._within(self.item(node), number) for node in block.nodes)
            yield Group(items=items)
            onward = items[-1].onward
            if onward and onward.part:
                yield Group(items=(self._pill(onward.part),))

    def _group(self, block: Block) -> Group:
        return Group(
            items=tuple(map(self.item, block.nodes)),
            title=block.title,
            mark=block.mark,
            part=block.part,
        )

    def _within(self, item: Item, number: int) -> Item:
        """An item whose ways into other parts say so."""

        def told(way: Way) -> Way:
            part = self.blocks.part_of.get(way.target, number)
            if part == number or way.mark is not None:
                return way
            first = next(one for one in self.blocks.all if one.part == part).nodes[0].name
            return evolve(way, part=part, into="" if way.target == first else way.target)

        return evolve(
            item,
            onward=told(item.onward) if item.onward else None,
            others=tuple(map(told, item.others)),
        )

    def _pill(self, number: int) -> Item:
        title = self.graph.parts[number - 1].title
        return Item(node=Node(name=f"part {number}", says=title), note=title, short=str(number))

    def _entries(self, shown: set[str], number: int) -> Iterator[tuple[str, str]]:
        for name in self.blocks.nodes:
            if name not in shown or name in self.blocks.marks:
                continue
            parts = {
                self.blocks.part_of[edge.source]
                for edge in self.graph.edges
                if edge.target == name and self.blocks.part_of[edge.source] != number
            }
            if parts:
                words = joined([str(one) for one in sorted(parts)], "and")
                yield name, f"from part{'s' if len(parts) > 1 else ''} {words}"

    def _notes(self, groups: Sequence[Group]) -> Iterator[tuple[Mark, str, str]]:
        """What the signs of a part mean that has no room for what they stand for."""
        ways = [way for group in groups for item in group.items for way in item.marks]
        shown = {group.mark for group in groups}
        used = dict.fromkeys(way.mark for way in ways if way.mark not in (None, *shown))
        yield from self._signs(used)
        cancels = joined(
            [
                f"{edge.target}{self._in_part(edge.target)}"
                for edge in self.graph.cancels
                if self.blocks.nodes[edge.target].impact
            ],
            "or",
        )
        yield Verdict.CANCELLED, "a person said stop", f"may lead to {cancels}" if cancels else ""

    def _signs(self, used: Iterable[Mark | None]) -> Iterator[tuple[Mark, str, str]]:
        for mark in used:
            if mark is Verdict.ESCALATED:
                yield mark, "gives up", mark.meaning
            elif isinstance(mark, str):
                first = next(block.nodes[0].name for block in self.blocks.all if block.mark == mark)
                yield mark, "gives up", f"after {first}{self._in_part(first)}"

    def _in_part(self, name: str) -> str:
        part = self.blocks.part_of.get(name)
        return f": part {part}" if part else ""

    def _stop_elsewhere(self) -> Iterator[tuple[Mark, str, str]]:
        for edge in self.graph.cancels:
            node = self.blocks.nodes[edge.target]
            if node.impact and edge.target in self.blocks.from_start:
                yield Verdict.CANCELLED, "a person said stop", f"leads to {edge.target}"

    def _rails(self, groups: Sequence[Group]) -> tuple[Rail, ...]:
        main = [
            item.node.name
            for group in groups
            for item in group.items
            if item.node.impact
            and item.node.name not in self.blocks.gives_up
            and item.node.name in self.blocks.from_start
        ]
        return tuple(rails(self.graph, main, self.trail))

    def _what_for(self) -> str:
        if not self.graph.monitors:
            return ""
        return f"What is done when {joined(list(self.graph.monitors), 'or')} is unhealthy."


def _decapitalised(text: str) -> str:
    return text[:1].lower() + text[1:] or "a procedure."


def _cited(node: Node, section: str) -> tuple[str, str]:
    """What of the runbook a state carries out: for a card, and for a row."""
    if node.cites.startswith("ours"):
        erratum = node.cites.partition(", ")[2]
        return f"added by popheal{f', {erratum}' if erratum else ''}", erratum or "added"
    own = node.cites.removeprefix(f"{section} ")
    if not section or own == node.cites:
        return f"runbook {node.cites}", node.cites
    word = "steps" if "," in own else "step"
    return f"runbook {word} {own}", f"{word} {own}"

"""A state as a row, where there are too many for cards: its name, its step, signs, and ways out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from attrs import frozen

from popheal.diagrams.cards import ink
from popheal.diagrams.cards.appearance import border, icon, num, outline
from popheal.diagrams.cards.ink import (
    INDENT,
    SMALL_LINE,
    STRIP,
    Grid,
    Placed,
    classes,
    edge,
    measured,
    path,
    text,
)
from popheal.diagrams.cards.sheet import Item, Status, Way

#: The least height of a row; the room for a sign; between what stands left and right.
_HIGH: Final = 27
_SIGN: Final = 20
_BETWEEN: Final = 18


@frozen
class _Right:
    """A line at the right of a row: an outcome, or only the place where lanes come in."""

    kind: str
    words: str
    small: str = ""
    way: Way | None = None

    @property
    def width(self) -> float:
        return measured(self.kind, self.words, self.small)


def wide_for(items: Iterable[Item], *, narrow: bool) -> float:
    """How wide rows must be for these states, without the strip."""
    needed = 300.0
    for item in items:
        right = max((line.width for line in _right(item, entered=False)), default=0)
        left = _left(item)
        together = max(left, right) if narrow else left + _BETWEEN + right if right else left
        needed = max(needed, together)
    return needed + 2 * INDENT


def _left(item: Item) -> float:
    name = measured("b", item.node.name, item.short)
    return max(name + 8 + _SIGN * len(_signs(item)), *(measured("ob", one) for one in _debts(item)))


def _signs(item: Item) -> list[Way]:
    return [way for way in item.marks if way.mark is not None]


def _debts(item: Item) -> tuple[str, ...]:
    node = item.node
    found = ((node.incurs, "leaves a debt"), (node.pays, "pays the debt"))
    return tuple(f"{what}: {kind.value.replace('_', ' ')}" for kind, what in found if kind) or ("",)


def _right(item: Item, *, entered: bool) -> list[_Right]:
    lines = [_Right("o", "")] if entered else []
    for way in item.others:
        for number, said in enumerate(way.said):
            kind = "s" if said.status is Status.DIM else "ob" if said is way.taken else "o"
            lines.append(_Right(kind, said.words, said.after, way if number == 0 else None))
    lines += [
        _Right("ob", way.taken.words, way.taken.after, way) for way in item.marks if way.taken
    ]
    if item.onward and item.onward.taken:
        lines.append(_Right("s", item.onward.taken.words, item.onward.taken.after))
    if item.flag:
        lines.append(_Right("ob", item.flag))
    return lines


def place(item: Item, grid: Grid, top: float, *, entered: bool) -> Placed:
    """Where a row stands and what it looks like.

    Args:
        item: The state.
        grid: Where things stand from left to right.
        top: Where it begins.
        entered: Whether lanes come in at its right.
    """
    node, impact = item.node, item.impact
    right = _right(item, entered=entered)
    debts = [one for one in _debts(item) if one]
    first = len(debts) + 1 if grid.narrow and right and any(one.words for one in right) else 0
    count = max(1 + len(debts), first + len(right))
    high = max(_HIGH, SMALL_LINE * count + 11)
    y = top + 18
    svg = text(grid.words, y, "b", node.name, item.short)
    x = grid.words + measured("b", node.name, item.short) + 8 + _SIGN / 2
    for way in _signs(item):
        svg += edge(way, icon(way.mark or "", x, y - 4.5))
        x += _SIGN
    for number, words in enumerate(debts, start=1):
        svg += text(grid.words, y + SMALL_LINE * number, "ob debt", words)
    heights = {debt: top + high / 2 for debt in (node.incurs, node.pays) if debt}
    exits = dict[Way, float]()
    enter = top + high / 2
    for number, line in enumerate(right, start=first):
        at = y + SMALL_LINE * number
        if not line.words:
            enter = at - 4.5
            continue
        if line.way:
            exits[line.way] = at - 4.5
        svg += _right_aligned(line, grid.right - INDENT, at)
    kind = classes("node", impact.value, item.status)
    shown = _ground(item, grid, top, high) + svg
    shown += border(impact, grid.left, top, grid.right - grid.left, high)
    if item.status is Status.NOW:
        shown += (
            f'<rect class="ring" x="{num(grid.left - 3)}" y="{num(top - 3)}" rx="4"'
            f' width="{num(grid.right - grid.left + 6)}" height="{num(high + 6)}"/>'
        )
    return Placed(
        item=item,
        svg=ink.node(kind, item, f"{node.says}\n{node.why}", shown),
        top=top,
        bottom=top + high,
        line=y,
        enter=enter,
        exits=exits,
        debts=heights,
    )


def _right_aligned(line: _Right, x: float, y: float) -> str:
    words = text(x - line.width, y, line.kind, line.words, line.small)
    return edge(line.way, words) if line.way else words


def _ground(item: Item, grid: Grid, top: float, high: float) -> str:
    impact = item.impact
    body = outline(impact, grid.left, top, grid.right - grid.left, high)
    strip = outline(impact, grid.left, top, STRIP, high, "l")
    return (
        path("body", body)
        + f'<g class="strip">{path("", strip)}{icon(impact, grid.icon, top + high / 2)}</g>'
    )

"""A state as a card: what it does, and at the right, or below, each way out but the one on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from attrs import frozen

from popheal.diagrams.cards import ink
from popheal.diagrams.cards.aloud import joined
from popheal.diagrams.cards.appearance import SENTENCE, SMALL, border, icon, num, outline
from popheal.diagrams.cards.ink import (
    INDENT,
    KINDS,
    LINE,
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
from popheal.diagrams.cards.lettering import wrap
from popheal.diagrams.cards.sheet import Item, Said, Status, Way
from popheal.tables.debts import DebtKind

#: What a card's words get at least, and what a name gets at most: longer ones are broken.
_ROOM: Final = (262.0, 380.0)
#: An outcome with its guard goes on one line up to here.
_LONG: Final = 128.0
#: The width of a mark with the space behind it.
_MARK: Final = 20
_LANE_IN: Final = 16


@frozen
class _Line:
    """A line in the compartment of ways out."""

    kind: str
    words: str
    small: str = ""
    way: Way | None = None  # whose line begins here
    mark: bool = False  # with the sign of the way before it

    @property
    def width(self) -> float:
        return measured(self.kind, self.words, self.small) + (_MARK if self.mark else 0)


def room_for(items: Iterable[Item]) -> float:
    """The room that the words of these cards need."""
    needed = [_ROOM[0]]
    for item in items:
        needed.append(min(measured("n", item.node.name), _ROOM[1]))
        needed += [16 + measured("ob", words) for _, words in _debts(item)]
        needed.append(measured("w", item.impact.value, f"· {item.step}"))
    return max(needed)


def _debts(item: Item) -> Iterator[tuple[DebtKind, str]]:
    """The debts that are left or paid there, and what is said of them."""
    for debt, what in ((item.node.incurs, "leaves a debt"), (item.node.pays, "pays the debt")):
        if debt:
            yield debt, f"{what}: {debt.value.replace('_', ' ')}"


def ways_width(items: Iterable[Item]) -> float:
    """How wide the compartment must be for these cards; 0 if none has one."""
    lines = [line.width for one in items for way in one.asides for line in _lines(way)]
    return max(lines) + 2 * INDENT if lines else 0


def place(item: Item, grid: Grid, top: float) -> Placed:
    """Where a card stands and what it looks like."""
    node, impact = item.node, item.impact
    y = top + 4
    svg = ""
    for kind, words, small in _words(item, grid.room):
        y += 19 if kind == "n" else LINE
        svg += text(grid.words, y, kind, words, small)
    debts = dict[DebtKind, float]()
    for debt, said in _debts(item):
        y += LINE
        debts[debt] = y - 4
        filled = "full" if debt is node.incurs else "hollow"
        svg += path(filled, f"M{num(grid.words)} {num(y - 4)}l5-5 5 5-5 5z")
        svg += text(grid.words + 16, y, "ob debt", said)
    ways, low, exits = _ways(item, grid, y + 4 if grid.narrow else top)
    bottom = round(max(y + 12, low + 11 if low else 0, top + 56))
    wide, high = grid.right - grid.left, bottom - top
    shown = _ground(item, grid, top, high)
    shown += svg + ways + border(impact, grid.left, top, wide, high)
    if item.status is Status.NOW:
        shown += _flag(item, grid, top, bottom)
    kind = classes("node", impact.value, item.status)
    return Placed(
        item=item,
        svg=ink.node(kind, item, node.why, shown),
        top=top,
        bottom=bottom,
        line=top + 23,
        enter=top - _LANE_IN,
        above=True,
        exits=exits,
        debts=debts,
    )


def _words(item: Item, room: float) -> Iterator[tuple[str, str, str]]:
    size, bold = KINDS["n"]
    for line in wrap(item.node.name, size, room, bold=bold):
        yield "n", line, ""
    for line in wrap(item.node.says, SENTENCE, room):
        yield "", line, ""
    members = item.node.members
    listed = f"{len(members)} states: {', '.join(members)}" if members else ""
    for line in wrap(listed, SMALL, room) if listed else ():
        yield "s", line, ""
    yield "w", item.impact.value, f"· {item.step}"


def _ground(item: Item, grid: Grid, top: float, high: float) -> str:
    """The tint, the strip with the icon, and the compartment, which is of the page's colour."""
    impact, wide = item.impact, grid.right - grid.left
    body = outline(impact, grid.left, top, wide, high)
    strip = outline(impact, grid.left, top, STRIP, high, "l")
    svg = path("body", body)
    if item.asides and not grid.narrow:
        rest = outline(impact, grid.ways, top, grid.right - grid.ways, high, "r")
        svg += path("page", rest)
    middle = top + high / 2
    return svg + f'<g class="strip">{path("", strip)}{icon(impact, grid.icon, middle)}</g>'


def _flag(item: Item, grid: Grid, top: float, bottom: float) -> str:
    """A ring around the state that the run is in, and since when it is."""
    ring = (
        f'<rect class="ring" x="{num(grid.left - 5)}" y="{num(top - 5)}" rx="4"'
        f' width="{num(grid.right - grid.left + 10)}" height="{num(bottom - top + 10)}"/>'
    )
    wide = measured("ob", item.flag) + 22
    x = grid.right - wide - 22
    pill = (
        f'<rect class="flag" x="{num(x)}" y="{num(top - 20)}" width="{num(wide)}" height="21"'
        ' rx="10.5"/>'
    )
    return ring + pill + text(x + 11, top - 5, "ob flagged", item.flag)


# --- ways out ------------------------------------------------------------------------------------


def _ways(item: Item, grid: Grid, top: float) -> tuple[str, float, dict[Way, float]]:
    """What is said of each way, how low it comes, and where lines begin."""
    svg, y, exits = "", top + 4, dict[Way, float]()
    room = grid.right - grid.ways - 2 * INDENT
    for number, way in enumerate(item.asides):
        if number or grid.narrow:
            y += 3
            if number:
                svg += path("hair", f"M{num(grid.ways)} {num(y + 3)}H{num(grid.right)}")
            y += 3
        shown = ""
        for line in _folded(way, room) if grid.narrow else _lines(way):
            y += SMALL_LINE
            x = grid.ways + INDENT
            if line.mark and way.mark is not None:
                shown += icon(way.mark, x + 6, y - 4)
                x += _MARK
            shown += text(x, y, line.kind, line.words, line.small)
            if line.way:
                exits[line.way] = y - 4
        svg += edge(way, shown)
    return svg, y if item.asides else 0, exits


def _lines(way: Way) -> Iterator[_Line]:
    """A way out, an outcome a line."""
    if way.mark is None:
        for number, said in enumerate(way.said):
            lead = way if number == 0 else None
            yield from _outcome(said, _kind(said, "ob"), lead)
        return
    yield from _caption(way)
    if way.whatever and not way.taken:
        return
    for said in way.said:
        words = said.words.removesuffix(f" {way.guard}") if way.guard else said.words
        taken = way if said.status is Status.TAKEN else None
        kind = "ob" if taken else _kind(said, "o")
        yield _Line(kind, words, way=taken)
        if said.after:
            yield _Line("s", said.after)


def _caption(way: Way) -> Iterator[_Line]:
    if way.whatever and not way.taken:
        yield _Line("s", f"{way.caption},", mark=True)
        yield _Line("o", "whatever comes of it")
    elif way.guard:
        yield _Line("s", way.caption, mark=True)
        yield _Line("s", f"{way.guard} on")
    else:
        yield _Line("s", f"{way.caption} on", mark=True)


def _kind(said: Said, plain: str) -> str:
    """The kind of an outcome's words: small print where a run did not take it."""
    return "s" if said.status is Status.DIM else plain


def _outcome(said: Said, kind: str, way: Way | None) -> Iterator[_Line]:
    """An outcome, with its guard on a line of its own where it is long."""
    outcome, _, guard = said.words.partition(" [")
    if not guard or measured(kind, said.words) <= _LONG:
        yield _Line(kind, said.words, way=way)
    else:
        yield _Line(kind, outcome, way=way)
        yield _Line(kind, f"[{guard}")
    if said.after:
        yield _Line("s", said.after)


def _folded(way: Way, room: float) -> Iterator[_Line]:
    """A way out in a sentence, where there is no room beside the words."""
    outcomes = joined([_unbroken(one) for one in way.said], "or")
    outcomes += f", to {way.into}" if way.into else ""
    if way.mark is None:
        lead, kind, first = "", "ob", room
    elif way.whatever and not way.taken:
        lead, kind, first = f"{way.caption}, ", "o", room - _MARK
        outcomes = "whatever comes of it"
    else:
        lead, kind, first = f"{way.caption} on ", "o", room - _MARK
    size, bold = KINDS[kind]
    line_starts = way if way.mark is None or way.taken else None
    for number, line in enumerate(wrap(lead + outcomes, size, first, bold=bold)):
        mark = number == 0 and way.mark is not None
        yield _Line(kind, line, way=line_starts if number == 0 else None, mark=mark)


def _unbroken(said: Said) -> str:
    words = f"{said.words} {said.after}" if said.after else said.words
    return words.replace(" ", "\u00a0")

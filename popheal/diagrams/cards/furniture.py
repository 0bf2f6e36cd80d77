"""What stands around the cards: the head, endings, titles of groups, notes and the legend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from popheal.diagrams.cards import ink
from popheal.diagrams.cards.appearance import SMALL, TITLE, border, icon, num, outline
from popheal.diagrams.cards.ink import (
    LINE,
    MARGIN,
    SMALL_LINE,
    Grid,
    Placed,
    classes,
    ended,
    measured,
    path,
    text,
)
from popheal.diagrams.cards.lettering import wrap
from popheal.diagrams.cards.routes import numeral
from popheal.diagrams.cards.sheet import Item, Mark, Sheet, Slice, Status, Way
from popheal.tables.actions import Impact
from popheal.tables.palette import IMPACTS
from popheal.util.text import span

_PILL: Final = 34
_BAR: Final = 9


def head(sheet: Sheet, room: float) -> tuple[str, float]:
    """The title and what is said below it; and where that ends."""
    svg, y = "", 12.0
    for line in wrap(sheet.title, TITLE, room, bold=True):
        y += 22
        svg += text(MARGIN, y, "t", line)
    if sheet.verdict:
        y += 25
        mark, words = sheet.verdict
        if mark is None:
            svg += f'<circle class="ring" cx="{MARGIN + 9}" cy="{num(y - 5)}" r="6"/>'
        else:
            svg += icon(mark, MARGIN + 9, y - 5)
        svg += text(MARGIN + 25, y, "n", words)
    for line in (piece for one in sheet.lines for piece in wrap(one, SMALL, room)):
        y += LINE + 2
        svg += text(MARGIN, y, "s", line)
    if sheet.times:
        bar, y = _times(sheet.times, y + 8, room)
        svg += bar
    return svg, y


def _times(times: Sequence[Slice], top: float, room: float) -> tuple[str, float]:
    """A bar of where the time went, and a word on the longest."""
    whole = sum(one.seconds for one in times) or 1
    svg, x, longest = "", float(MARGIN), max(times, key=lambda one: one.seconds)
    at = x
    for one in times:
        wide = room * one.seconds / whole
        if one is longest:
            at = x
        svg += (
            f'<rect class="{one.impact.value} bar" x="{num(x)}" y="{num(top)}"'
            f' width="{num(max(wide - 1.5, 0.5))}" height="{_BAR}"/>'
        )
        x += wide
    words = f"{longest.state} {span(longest.seconds)}"
    at = min(at, MARGIN + room - measured("s", words))
    return svg + text(max(at, MARGIN), top + _BAR + 14, "s", words), top + _BAR + 14


def pill(item: Item, grid: Grid, top: float) -> Placed:
    """An ending and what it means, or a part that follows."""
    node = item.node
    # A name beside its meaning, if there is room; else one below the other.
    room = grid.right - grid.words - 14
    beside = measured("b", node.name, item.note) <= room
    below = [] if beside else wrap(item.note, SMALL, room)
    high = _PILL + SMALL_LINE * len(below)
    shape = (
        f'<rect class="pill" x="{num(grid.left)}" y="{num(top)}"'
        f' width="{num(grid.right - grid.left)}" height="{num(high)}" rx="17"/>'
    )
    middle = top + _PILL / 2
    if node.verdict:
        sign = icon(node.verdict, grid.icon, middle)
    else:
        sign = numeral(item.short, grid.icon, middle)
    svg = shape + sign + text(grid.words, middle + 5, "b", node.name, item.note if beside else "")
    for number, line in enumerate(below, start=1):
        svg += text(grid.words, middle + 4 + SMALL_LINE * number, "s", line)
    kind = classes("node", ended(item.status, node.verdict))
    return Placed(
        item=item,
        svg=ink.node(kind, item, node.says, svg),
        top=top,
        bottom=top + high,
        line=middle + 5,
        enter=middle,
    )


def heading(title: str, mark: Mark | None, grid: Grid, y: float, part: int) -> str:
    """The title of a group, with its sign."""
    sign = "" if mark is None else sign_of(mark, part, grid.icon, y - 5)
    return sign + text(grid.words, y, "n", title)


def sign_of(mark: Mark, part: int, x: float, y: float) -> str:
    """A part's number, or the sign of an ending or of a group."""
    return numeral(part, x, y) if part and mark == str(part) else icon(mark, x, y)


def notes(sheet: Sheet, grid: Grid, y: float) -> tuple[str, float]:
    """Signs that need a word, below everything."""
    svg = ""
    for mark, words, small in sheet.notes:
        room = grid.right - grid.words
        beside = measured("b", words, small) <= room
        y += 26
        svg += icon(mark, grid.icon, y - 5) + text(
            grid.words, y, "b", words, small if beside else ""
        )
        for line in [] if beside else wrap(small, SMALL, room):
            y += SMALL_LINE
            svg += text(grid.words, y, "s", line)
    return svg, y


# --- the legend ----------------------------------------------------------------------------------


def legend(sheet: Sheet, right: float, y: float, *, rows: bool) -> tuple[str, float]:
    """What the looks mean; and where that ends."""
    svg = path("hair", f"M{MARGIN} {num(y)}H{num(right)}")
    widest = 36 + max(measured("w", one.value, look.means) for one, look in IMPACTS.items())
    columns = (MARGIN, max(MARGIN + (right - MARGIN) / 2, MARGIN + widest + 16))
    two = columns[1] + widest <= right
    for number, (impact, look) in enumerate(IMPACTS.items()):
        x = columns[number % 2] if two else MARGIN
        top = y + 12 + 29 * (number // 2 if two else number)
        svg += _sample(impact, x, top)
        words = text(x + 36, top + 16.5, "w", impact.value, look.means)
        svg += f'<g class="{impact.value}">{words}</g>'
    y += 12 + 29 * (2 if two else 4)
    said = " ".join(_explained(sheet, rows=rows))
    for line in wrap(said, SMALL, right - MARGIN) if said else ():
        y += LINE
        svg += text(MARGIN, y, "s", line)
    if sheet.verdict:
        shown, y = _run(sheet, y + 8)
        svg += shown
    return svg, y


def _sample(impact: Impact, x: float, y: float) -> str:
    box = outline(impact, x, y, 26, 24)
    strip = f'<g class="strip">{path("", box)}{icon(impact, x + 13, y + 12)}</g>'
    return f'<g class="{impact.value}">{strip}{border(impact, x, y, 26, 24)}</g>'


def _explained(sheet: Sheet, *, rows: bool) -> list[str]:
    """A sentence for each thing that is in the picture and needs one."""
    said = [one.words for item in sheet.items for way in _ways(item) for one in way.said]
    marks = {way.mark for item in sheet.items for way in item.marks}
    return [
        *(
            ["Each row leads to the next, unless it leaves to the right or gives up."]
            if rows
            else []
        ),
        *(["[…] Only if that holds for the run."] if any("[" in one for one in said) else []),
        *(
            ["A letter: it gives up, but goes to the states below with that letter first."]
            if any(isinstance(mark, str) for mark in marks) and not sheet.home
            else []
        ),
        *(["Purple: a debt, until it is paid or handed over in writing."] if sheet.rails else []),
    ]


def _ways(item: Item) -> list[Way]:
    return [way for way in (item.onward, *item.asides) if way]


def _run(sheet: Sheet, y: float) -> tuple[str, float]:
    """What the lines of a run mean."""
    samples = [("taken", "taken"), ("ahead", "may still follow"), ("dim", "not taken")]
    used = {item.status for item in sheet.items}
    if not used & {Status.AHEAD, Status.NOW}:
        del samples[1]
    svg, x, y = "", float(MARGIN), y + 16
    for look, words in samples:
        svg += path(f"way {look}", f"M{num(x)} {num(y - 4)}h26") + text(x + 34, y, "s", words)
        x += 34 + measured("s", words) + 22
    return svg, y

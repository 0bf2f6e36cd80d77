"""Draws a sheet as an SVG element: one column, as wide as its longest name and its lanes need.

No program takes part, and the bytes are always the same. A picture brings its own ground, light
or dark as its reader has it, and takes no font or file from elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from typing import Final

from attrs import define, evolve, field

from popheal.diagrams.cards import card, furniture, routes, row
from popheal.diagrams.cards.appearance import STYLE, num
from popheal.diagrams.cards.ink import (
    GAP,
    INDENT,
    LANE,
    LINE,
    MARGIN,
    NO_WAY,
    STRIP,
    Grid,
    Placed,
    classes,
    measured,
    path,
    text,
)
from popheal.diagrams.cards.sheet import Group, Item, Sheet

_SVG: Final = "http://www.w3.org/2000/svg"
#: For the times of a run, at the left.
_CLOCK: Final = 72
#: Around rows: to the frame at the sides, and for its title.
_FRAME, _TITLE, _FOOT = 10, 34, 10
_BETWEEN_ROWS, _APART = 4, 10

#: The address of a part's picture, by its number; 0 for that of the whole.
Links = Callable[[int], str]


def draw(
    sheet: Sheet, *, rows: bool = False, narrow: bool = False, links: Links | None = None
) -> str:
    """The picture as an SVG element.

    Args:
        sheet: What it shows.
        rows: Whether states are rows in frames, instead of cards.
        narrow: Whether it is for a narrow screen: ways out stand below, instead of beside.
        links: Where the pictures of parts are, if they are linked to.
    """
    return _Drawing(sheet, rows=rows, narrow=narrow, links=links).svg()


@define
class _Drawing:
    sheet: Sheet
    rows: bool = field(kw_only=True)
    narrow: bool = field(kw_only=True)
    links: Links | None = field(kw_only=True)
    placed: dict[str, Placed] = field(factory=dict, init=False)
    behind: list[str] = field(factory=list, init=False)
    entry: float = field(default=0, init=False)  # where debts come in from other pictures

    @property
    def states(self) -> list[Item]:
        return [item for item in self.sheet.items if item.node.impact]

    def grid(self) -> Grid:
        """Where things stand from left to right, after all that has to fit."""
        left: float = MARGIN + routes.rail_room(len(self.sheet.rails))
        left += _CLOCK if self.sheet.verdict else 0
        if self.rows:
            left += _FRAME
            wide = row.wide_for(self.states, narrow=self.narrow)
            edge = round(left + STRIP + wide)
            return Grid(left=left, room=wide, right=edge, frame=_FRAME, narrow=self.narrow)
        room = card.room_for(self.states)
        ways = 0 if self.narrow else card.ways_width(self.states)
        right = left + STRIP + INDENT + room + INDENT + ways
        return Grid(left=left, room=room, right=round(right), narrow=self.narrow)

    def svg(self) -> str:
        grid = self.grid()
        head, y = furniture.head(self.sheet, grid.right - MARGIN)
        y = self._start(grid, y)
        bottom = self._column(grid, y)
        column = list(self.placed.values())
        lanes = routes.lanes(column)
        wide = lanes.wide
        tags, far = routes.tags(column, grid, wide)
        words = dict(self.sheet.entries)
        words.pop(next((one.node.name for one in self.sheet.items), ""), None)
        entries, further = routes.entries(words, column, grid, wide)
        notes, bottom = furniture.notes(self.sheet, grid, bottom + 6)
        right = max(grid.right + grid.frame, grid.lanes + wide - LANE if wide else 0, far, further)
        legend, bottom = furniture.legend(self.sheet, right, bottom + 24, rows=self.rows)
        rails = routes.rails(
            self.sheet.rails,
            self.placed,
            grid.left - (_FRAME if self.rows else 0),
            self.entry,
            signs=self.rows,
        )
        return self._element(
            right + MARGIN,
            bottom + 18,
            [
                self._linked(0, head) if self.sheet.home else head,
                *(lanes.draw(grid)),
                tags,
                entries,
                *self.behind,
                *rails,
                *(one.svg for one in column),
                *routes.clocks(column),
                notes,
                legend,
            ],
        )

    def _element(self, wide: float, high: float, shown: list[str]) -> str:
        wide, high = round(wide), round(high)
        # Both the broad and the narrow one may stand on one page.
        name = self.sheet.name + ("-narrow" if self.narrow else "")
        name = "".join(char if char.isalnum() else "-" for char in name)
        role = "group" if self.links else "img"
        said = [self.sheet.title, self.sheet.verdict[1] if self.sheet.verdict else ""]
        title = ": ".join(filter(None, said)) + ". " + " ".join(self.sheet.lines)
        opening = (
            f'<svg xmlns="{_SVG}" class="popheal-cards" role="{role}" lang="en"'
            f' width="{wide}" height="{high}" viewBox="0 0 {wide} {high}"'
            f' aria-labelledby="popheal-{name}-t popheal-{name}-d">'
        )
        return "\n".join(
            [
                opening,
                f'<title id="popheal-{name}-t">{escape(title.strip())}</title>',
                f'<desc id="popheal-{name}-d">{escape(self.sheet.aloud)}</desc>',
                f"<style>{STYLE}</style>",
                f'<rect class="page" width="{wide}" height="{high}" rx="10"/>',
                *(one for one in shown if one),
                "</svg>\n",
            ]
        )

    def _linked(self, part: int, svg: str) -> str:
        if self.links is None or not svg:
            return svg
        return f'<a href="{escape(self.links(part))}">{svg}</a>'

    # --- from top to bottom ----------------------------------------------------------------------

    def _start(self, grid: Grid, y: float) -> float:
        """What leads into the first state; returns where that one begins."""
        first = self.sheet.items[0].node.name
        said = dict(self.sheet.entries).get(first, "")
        if self.sheet.start == first:
            dot, look = y + 18, "taken" if self.sheet.verdict else ""
            circle = f'cx="{num(grid.icon)}" cy="{num(dot)}" r="6"'
            self.behind.append(f'<circle class="{classes("tip", look)}" {circle}/>')
            self.behind.append(routes.arrow(grid.icon, dot, dot + GAP - 6, look))
            return dot + GAP - 6
        if not said:
            return y + 22
        top = self.entry = y + 14
        x = grid.icon + 14
        self.behind.append(self._linked(0, text(x, top + 14, "ob", said)))
        y = self._owed(grid, x + measured("ob", said) + 14, top) + GAP
        self.behind.append(routes.arrow(grid.icon, top, y))
        return y

    def _owed(self, grid: Grid, x: float, y: float) -> float:
        """What is owed by who comes in from another picture; returns the last line's height."""
        for rail in self.sheet.rails:
            if rail.start:
                continue
            words = f"owed: {rail.kind.value.replace('_', ' ')}"
            wide = 16 + measured("ob", words)
            if x + wide > grid.right:
                x, y = grid.icon + 14, y + LINE
            self.behind.append(path("full", f"M{num(x)} {num(y + 10)}l5-5 5 5-5 5z"))
            self.behind.append(text(x + 16, y + 14, "ob debt", words))
            x += wide + 14
        return y

    def _column(self, grid: Grid, y: float) -> float:
        """Place everything; returns where it ends."""
        above: Placed | None = None
        for group in self.sheet.groups:
            inside = self.rows and bool(group.items[0].node.impact)
            if above is not None:
                y += self._gap(group.items[0], above, grid, inside=False)
            top, y = y, self._opened(group, grid, y, inside=inside)
            for number, item in enumerate(group.items):
                if number:
                    y += self._gap(item, above, grid, inside=inside)
                placed = self._place(item, grid, y)
                if above is not None:
                    self._lead_on(grid, above, placed, within=inside and number > 0)
                self.placed[item.node.name] = above = placed
                y = placed.bottom
            if inside:
                y += _FOOT
                self._frame(group, grid, top, y)
        return y

    def _lead_on(self, grid: Grid, above: Placed, below: Placed, *, within: bool) -> None:
        """The way on to an item, if there is one; within a frame no more than a line."""
        way = above.item.onward
        if way is None or not self._leads(above.item, below.item):
            return
        if within:
            line = f"M{num(grid.icon)} {num(above.bottom)}V{num(below.top)}"
            self.behind.append(path(classes("way", way.status), line))
        elif self.rows:
            start, end = self._framed(above), self._framed(below, top=True)
            self.behind.append(routes.onward(way, grid, start, end))
        else:
            self.behind.append(routes.onward(way, grid, above, below))

    def _frame(self, group: Group, grid: Grid, top: float, bottom: float) -> None:
        """Around rows, with what they are about."""
        frame = (
            f'<rect class="frame" x="{num(grid.left - _FRAME)}" y="{num(top)}"'
            f' width="{num(grid.right - grid.left + 2 * _FRAME)}" height="{num(bottom - top)}"'
            ' rx="8"/>'
        )
        if group.title:
            frame += furniture.heading(group.title, group.mark, grid, top + 22, group.part)
        self.behind.append(self._linked(group.part, frame) if group.part else frame)

    def _framed(self, placed: Placed, *, top: bool = False) -> Placed:
        """A row at the edge of its frame, where arrows between frames begin and end."""
        if not placed.item.node.impact:
            return placed
        return evolve(
            placed,
            top=placed.top - (_TITLE if top else 0),
            bottom=placed.bottom + (0 if top else _FOOT),
        )

    def _leads(self, above: Item, below: Item) -> bool:
        way = above.onward
        return way is not None and (
            way.target == below.node.name or (way.part > 0 and below.short == str(way.part))
        )

    def _gap(self, item: Item, above: Placed | None, grid: Grid, *, inside: bool) -> float:
        led = above is not None and self._leads(above.item, item)
        if inside:
            return _BETWEEN_ROWS if led else _APART
        if led and above is not None and above.item.onward:
            return routes.gap(above.item.onward, grid)
        return GAP if self._is_entered(item) else NO_WAY

    def _is_entered(self, item: Item) -> bool:
        """Whether a lane, or a way from another picture, comes in above it."""
        name = item.node.name
        entered = any(
            way.target == name and not way.part
            for one in self.sheet.items
            for way in (*one.others, *(way for way in one.marks if way.taken))
        )
        return bool(item.node.impact) and (entered or name in dict(self.sheet.entries))

    def _opened(self, group: Group, grid: Grid, y: float, *, inside: bool) -> float:
        """The title of a group, if it has one; where its items begin."""
        if inside:
            return y + (_TITLE if group.title else _FOOT)
        if not group.title:
            return y
        if self.placed:
            self.behind.append(path("hair", f"M{MARGIN} {num(y + 4)}H{num(grid.right)}"))
        self.behind.append(furniture.heading(group.title, group.mark, grid, y + 30, group.part))
        return y + 30 + (GAP if self._is_entered(group.items[0]) else 18)

    def _place(self, item: Item, grid: Grid, y: float) -> Placed:
        if not item.node.impact:
            placed = furniture.pill(item, grid, y)
            part = int(item.short) if item.short.isdigit() else 0
            if part and self.links:
                return evolve(placed, svg=self._linked(part, placed.svg))
            return placed
        if self.rows:
            return row.place(item, grid, y, entered=self._is_entered(item))
        return card.place(item, grid, y)

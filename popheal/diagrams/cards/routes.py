"""Lines of a picture: the way on, lanes that skip cards, ways into other pictures, debts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from attrs import frozen

from popheal.diagrams.cards.aloud import joined
from popheal.diagrams.cards.appearance import SMALL, num
from popheal.diagrams.cards.ink import (
    GAP,
    LANE,
    MARGIN,
    RAIL,
    SMALL_LINE,
    Grid,
    Placed,
    classes,
    edge,
    measured,
    path,
    text,
)
from popheal.diagrams.cards.lettering import wrap
from popheal.diagrams.cards.sheet import Rail, Status, Way

_TURN: Final = 8
#: From the right of a card to where lanes come in from above.
_DOWN: Final = 28
#: From a lane to the next line that ends near it.
_CLEAR: Final = 10
#: What a line has a look of its own for.
_DRAWN: Final = (Status.TAKEN, Status.AHEAD, Status.DIM)


# --- the way on ----------------------------------------------------------------------------------


def onward(way: Way, grid: Grid, above: Placed, below: Placed) -> str:
    """From an item down to the next, with its outcomes."""
    look = way.status if way.status in _DRAWN else Status.PLAIN
    good = "good" if below.good and look is Status.PLAIN else ""
    return edge(
        way,
        arrow(grid.icon, above.bottom, below.top, classes(good, look))
        + label(way, grid, above.bottom + 21),
    )


def label(way: Way, grid: Grid, y: float) -> str:
    """The outcomes of a way on; of a run's, the one that it had."""
    x = grid.icon + 14
    if way.taken:
        return text(x, y, "ob", way.taken.words, way.taken.after)
    kind = "s" if way.status is Status.DIM else "ob"
    return "".join(
        text(x, y + SMALL_LINE * number, kind, line)
        for number, line in enumerate(_outcomes(way, grid))
    )


def _outcomes(way: Way, grid: Grid) -> list[str]:
    words = (
        "whatever comes of it" if way.whatever else joined([one.words for one in way.said], "or")
    )
    # Beside it, a lane may come in from above the card.
    return wrap(words, SMALL, grid.right - _DOWN - 2 * _TURN - grid.icon - 14, bold=True)


def gap(way: Way, grid: Grid) -> float:
    """The room that a way on needs between two cards."""
    return GAP + SMALL_LINE * (len(_outcomes(way, grid)) - 1)


def arrow(x: float, top: float, bottom: float, look: str = "") -> str:
    """Straight down."""
    return path(classes("way", look), f"M{num(x)} {num(top)}V{num(bottom - 8)}") + path(
        classes("tip", look), f"M{num(x)} {num(bottom)}l-5.5-9h11z"
    )


# --- lanes ---------------------------------------------------------------------------------------


@frozen
class _Lane:
    """All ways that skip items to one target."""

    target: Placed
    starts: tuple[tuple[Way, float], ...]

    @property
    def ends(self) -> tuple[float, float]:
        """The highest and the lowest point."""
        heights = [self.target.enter, *(y for _, y in self.starts)]
        return min(heights), max(heights)

    @property
    def length(self) -> float:
        return self.ends[1] - self.ends[0]


@frozen
class Lanes:
    """Lanes with the column that each runs in, the shorter the nearer to the cards."""

    column: tuple[tuple[_Lane, int], ...]

    @property
    def wide(self) -> float:
        """How much room they take at the right of the cards."""
        return LANE * max((number + 1 for _, number in self.column), default=0)

    def draw(self, grid: Grid) -> Iterator[str]:
        """The outermost first, as those nearer interrupt what they cross."""
        for lane, number in sorted(self.column, key=lambda one: -one[1]):
            yield _draw(lane, grid, grid.lanes + LANE * number)


def lanes(placed: Sequence[Placed]) -> Lanes:
    """The lanes between items that are placed."""
    starts: dict[str, list[tuple[Way, float]]] = {}
    for one in placed:
        for way, y in one.exits.items():
            if not way.part:
                starts.setdefault(way.target, []).append((way, y))
    found = [
        _Lane(one, tuple(starts[one.item.node.name]))
        for one in placed
        if one.item.node.name in starts
    ]
    column: list[tuple[_Lane, int]] = []
    for lane in sorted(found, key=lambda one: one.length):
        taken = {number for other, number in column if _meet(lane, other)}
        column.append((lane, next(n for n in range(len(found)) if n not in taken)))
    return Lanes(tuple(column))


def _meet(one: _Lane, other: _Lane) -> bool:
    (top, bottom), (first, last) = one.ends, other.ends
    return top - _CLEAR <= last and first - _CLEAR <= bottom


def _draw(lane: _Lane, grid: Grid, x: float) -> str:
    """Lines that join, each with a gap in what it crosses; one that a run took above the others."""
    good = "good" if lane.target.good else ""
    ways = [(way, _route(y, lane.target, grid, x)) for way, y in lane.starts]
    svg = "".join(path("under", route) for _, route in ways)
    for way, route in sorted(ways, key=lambda one: one[0].status is Status.TAKEN):
        look = way.status if way.status in _DRAWN else Status.PLAIN
        kind = classes(good if look is Status.PLAIN else "", look)
        svg += path(classes("way", kind), route) + _tip(lane.target, grid, kind)
    return svg


def _route(y: float, target: Placed, grid: Grid, x: float) -> str:
    end = target.enter
    turn = min(_TURN, abs(end - y) / 2) or 1
    down = turn if y < end else -turn
    way = f"M{num(grid.right)} {num(y)}H{num(x - turn)}q{num(turn)} 0 {num(turn)} {num(down)}"
    way += f"V{num(end - down)}q0 {num(down)}-{num(turn)} {num(down)}"
    return way + into(target, grid)


def into(target: Placed, grid: Grid) -> str:
    """The end of a line at the right of a card: into it from above, or from its right."""
    if not target.above:
        return f"H{num(grid.right + 8)}"
    x = grid.right - _DOWN
    return f"H{num(x + _TURN)}q-{_TURN} 0-{_TURN} {_TURN}V{num(target.top - 8)}"


def _tip(target: Placed, grid: Grid, kind: str) -> str:
    if not target.above:
        return path(classes("tip", kind), f"M{num(grid.right)} {num(target.enter)}l9-5.5v11z")
    return path(classes("tip", kind), f"M{num(grid.right - _DOWN)} {num(target.top)}l-5.5-9h11z")


# --- into and out of other pictures --------------------------------------------------------------


def numeral(number: int | str, x: float, y: float) -> str:
    """The number of a part."""
    return f'<circle class="num" cx="{num(x)}" cy="{num(y)}" r="9"/>' + text(
        x, y + 4.4, "o numeral m", str(number)
    )


def tags(placed: Sequence[Placed], grid: Grid, wide: float) -> tuple[str, float]:
    """Ways into other parts, each with the part's number; and how far to the right they come."""
    svg, far = "", 0.0
    x = grid.lanes + wide + 2
    for one in placed:
        for way, y in one.exits.items():
            if not way.part:
                continue
            line = f"M{num(grid.right)} {num(y)}H{num(x)}"
            look = way.status if way.status in _DRAWN else ""
            shown = path("under", line) + path(classes("way", look), line)
            shown += path(classes("tip", look), f"M{num(x + 8)} {num(y)}l-9-5.5v11z")
            shown += numeral(way.part, x + 18, y)
            aim = "" if grid.narrow else way.into  # a narrow card says it with the outcome
            if aim:
                shown += text(x + 32, y + 4.4, "o", aim)
            far = max(far, x + 32 + measured("o", aim))
            svg += shown
    return svg, far


def entries(
    words: Mapping[str, str], placed: Sequence[Placed], grid: Grid, wide: float
) -> tuple[str, float]:
    """Ways from other parts into states that aren't the first of this one."""
    svg, far = "", 0.0
    x = grid.lanes + wide
    for one in placed:
        said = words.get(one.item.node.name)
        if said is None:
            continue
        line = f"M{num(x)} {num(one.enter)}{into(one, grid)}"
        svg += path("under", line) + path("way", line) + _tip(one, grid, "")
        svg += text(x + 5, one.enter + 4.4, "ob", said)
        far = max(far, x + 5 + measured("ob", said))
    return svg, far


# --- debts ---------------------------------------------------------------------------------------


def rail_room(count: int) -> float:
    """The room for rails at the left."""
    return RAIL * count + 8 if count else 0


def rails(
    drawn: Sequence[Rail], placed: Mapping[str, Placed], edge_x: float, top: float, *, signs: bool
) -> Iterator[str]:
    """From where a debt is left to wherever it is paid, the shortest nearest to the cards.

    Args:
        drawn: The debts.
        placed: The items by name.
        edge_x: The left of the cards.
        top: Where a debt comes in that was left in another picture.
        signs: Whether diamonds are drawn at the ends, as rows have none of their own.
    """
    low = max((one.bottom for one in placed.values() if one.item.node.impact), default=top)
    spans = []
    for rail in drawn:
        ends = [placed[name].debts[rail.kind] for name in rail.ends if name in placed]
        start = placed[rail.start].debts[rail.kind] if rail.start in placed else top
        spans.append((rail, start, ends, low + 12 if rail.through else max([*ends, start])))
    for number, (rail, start, ends, last) in enumerate(
        sorted(spans, key=lambda one: one[3] - one[1])
    ):
        x = edge_x - 10 - RAIL * number
        yield from _rail(rail, placed, x, edge_x, start, ends, last)
        if signs:
            if rail.start in placed:
                yield _diamond("full", x, start)
            yield from (_diamond("hollow", x, y) for y in ends)


def _rail(
    rail: Rail,
    placed: Mapping[str, Placed],
    x: float,
    left: float,
    start: float,
    ends: Sequence[float],
    last: float,
) -> Iterator[str]:
    lead = (
        f"M{num(left)} {num(start)}H{num(x)}" if rail.start in placed else f"M{num(x)} {num(start)}"
    )

    def drawn(look: str, first: str, to: float, branches: Iterable[float]) -> str:
        turns = "".join(f"M{num(x)} {num(y)}H{num(left)}" for y in branches)
        return path(classes("rail", look), f"{first}V{num(to)}{turns}")

    if rail.status is not Status.TAKEN:
        look = rail.status.value if rail.status in (Status.AHEAD, Status.DIM) else ""
        yield drawn(look, lead, last, ends)
        return
    here = placed.get(rail.owed_at)
    if here is None:  # paid: to the one that paid it
        paid = [
            placed[name].debts[rail.kind]
            for name in rail.ends
            if name in placed and placed[name].item.status is Status.TAKEN
        ]
        yield drawn("", lead, max(paid, default=last), paid)
    elif here.item.node.impact:  # owed yet, and may be paid
        ahead = [y for y in ends if y > here.bottom]
        if ahead:
            yield drawn("ahead", f"M{num(x)} {num(here.bottom)}", max(ahead), ahead)
        yield drawn("", lead, here.bottom, ())
    else:  # left to a person
        yield drawn("", lead, here.enter, [here.enter])


def _diamond(kind: str, x: float, y: float) -> str:
    return path(kind, f"M{num(x - 5)} {num(y)}l5-5 5 5-5 5z")


def clocks(placed: Iterable[Placed]) -> Iterator[str]:
    """When a run came to each state."""
    for one in placed:
        if one.item.clock:
            kind = "ob" if one.item.flag or not one.item.node.impact else "s"
            yield text(MARGIN, one.line, kind, one.item.clock)

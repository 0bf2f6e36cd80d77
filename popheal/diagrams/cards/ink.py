"""Words, titles and paths as SVG, and where on a picture things stand from left to right."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final

from attrs import field, frozen

from popheal.diagrams.cards.appearance import NAME, SENTENCE, SMALL, TITLE, num
from popheal.diagrams.cards.lettering import width
from popheal.diagrams.cards.sheet import Item, Status, Way
from popheal.tables.debts import DebtKind
from popheal.tables.table import Verdict

#: Pixels: around everything; a line of words; the strip with the icon; from the strip to words.
MARGIN: Final = 18
LINE: Final = 18
SMALL_LINE: Final = 16
STRIP: Final = 36
INDENT: Final = 10
#: From card to card where a way leads on or comes in, and where none does.
GAP: Final = 34
NO_WAY: Final = 12
#: How far lanes are apart, and rails.
LANE: Final = 15
RAIL: Final = 8
#: Between a word and what is said smaller behind it.
SPACE: Final = 6

#: The size of each kind of words, and whether it is bold.
KINDS: Final[Mapping[str, tuple[float, bool]]] = {
    "": (SENTENCE, False),
    "b": (SENTENCE, True),
    "n": (NAME, True),
    "t": (TITLE, True),
    "o": (SMALL, False),
    "ob": (SMALL, True),
    "w": (SMALL, True),
    "s": (SMALL, False),
}


@frozen(kw_only=True)
class Grid:
    """Where things stand from left to right.

    Attributes:
        left: Where cards begin.
        room: The room for words on a card.
        right: Where cards end.
        frame: How far frames reach beyond that.
        narrow: Whether ways out stand below the words instead of beside them.
    """

    left: float
    room: float
    right: float
    frame: float = 0
    narrow: bool = False

    @property
    def lanes(self) -> float:
        """Where the innermost lane runs."""
        return self.right + self.frame + (12 if not self.frame else LANE)

    @property
    def icon(self) -> float:
        """The middle of the icons, and of the way on."""
        return self.left + STRIP / 2

    @property
    def words(self) -> float:
        """Where words begin."""
        return self.left + STRIP + INDENT

    @property
    def ways(self) -> float:
        """Where the compartment of ways out begins."""
        return self.left + STRIP if self.narrow else self.words + self.room + INDENT


@frozen(kw_only=True)
class Placed:
    """An item where it stands: what is drawn, and at which heights lines touch it.

    Attributes:
        line: Where its first line of words stands.
        enter: Where lanes come in: from above a card, from the right to everything else.
        above: Whether they come in from above.
        exits: Where the line of each way begins.
        debts: Where each debt is left or paid.
    """

    item: Item
    svg: str
    top: float
    bottom: float
    line: float
    enter: float
    above: bool = False
    exits: Mapping[Way, float] = field(factory=dict)
    debts: Mapping[DebtKind, float] = field(factory=dict)

    @property
    def good(self) -> bool:
        """Whether it is an ending for which nobody is needed."""
        verdict = self.item.node.verdict
        return verdict is not None and verdict.good


def classes(*names: str | Status) -> str:
    """Names of classes as one attribute's value, the empty ones left out."""
    words = [one.value if isinstance(one, Status) else one for one in names]
    return " ".join(one for one in words if one)


def text(x: float, y: float, kind: str, words: str, small: str = "") -> str:
    """Words; their kind may have more classes behind its own. What is small comes behind them."""
    own, *more = kind.split(" ")
    css = classes("o b" if own == "ob" else own, *more)
    attribute = f' class="{css}"' if css else ""
    behind = f'<tspan class="s" dx="{SPACE}">{escape(small)}</tspan>' if small else ""
    return f'<text{attribute} x="{num(x)}" y="{num(y)}">{escape(words)}{behind}</text>'


def measured(kind: str, words: str, small: str = "") -> float:
    """How wide they are."""
    size, bold = KINDS[kind.split(" ", maxsplit=1)[0]]
    behind = SPACE + width(small, SMALL) if small else 0
    return width(words, size, bold=bold) + behind


def path(kind: str, way: str) -> str:
    """A path."""
    return f'<path class="{kind}" d="{way}"/>'


def titled(kind: str, title: str, svg: str) -> str:
    """A group, with what is said when one points at it."""
    return f'<g class="{kind}"><title>{escape(title)}</title>{svg}</g>'


def node(kind: str, item: Item, about: str, svg: str) -> str:
    """A group for a state or an ending, found by its name by who scripts the picture."""
    name = escape(item.node.name)
    title = escape(f"{item.node.name}\n{about}")
    return f'<g class="{kind}" data-state="{name}"><title>{title}</title>{svg}</g>'


def edge(way: Way, svg: str) -> str:
    """What is drawn for a way, and what of the runbook says so."""
    whys = "\n".join(f"{one.words}: {one.why}" for one in way.said)
    return titled("edge", f"{way.source}->{way.target}\n{whys}", svg)


def ended(status: Status, verdict: Verdict | None) -> str:
    """The class of an ending."""
    good = verdict is not None and verdict.good
    if status is Status.PLAIN:
        return "good" if good else ""
    if status is Status.TAKEN:
        return "good" if good else "ended"
    return classes(status)

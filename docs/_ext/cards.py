"""Draws procedures as columns of cards: ``python docs/_ext/cards.py`` writes the pictures anew.

They are SVG, laid out here from the very tables that run, without any program. The way on runs
down through the icons; ways that skip a card run in lanes at the right; what gives up is told in
words, as most of what can happen does. A picture brings its own ground, light or dark as its
reader has it, and takes no font or file from elsewhere.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from itertools import pairwise
from pathlib import Path
from textwrap import wrap

from attrs import field, frozen
from card_style import ICONS, STYLE, shape

from popheal.diagrams.graph import ANYWHERE, Edge, Graph, Node, folded
from popheal.healthsets.pop import PROCEDURES
from popheal.tables.actions import Impact
from popheal.tables.debts import DebtKind
from popheal.tables.palette import IMPACTS
from popheal.tables.table import Verdict

#: Where things stand from left to right, in pixels; how far lines of words and lanes are apart.
_MARGIN, _LEFT, _ICON, _WORDS, _WAYS, _RIGHT, _LINE, _LANE = 18, 42, 64, 86, 414, 574, 18, 15
#: From the top to the first card; from card to card where a way leads on, and where none does.
_HEAD, _GAP, _NO_WAY = 108, 34, 10
#: Longest line of words, and of ways out, in characters: what wide letters need.
_SAYS, _OUT = 44, 21
_SVG, _LEGEND, _SPACE = "http://www.w3.org/2000/svg", 136, "\u00a0"

#: What the README and the documentation show, with fragments folded.
PICTURES = ("mailbox", "client_access")


@frozen(kw_only=True)
class _Placed:
    """A card where it stands: what is drawn, and at which heights lines touch it, in pixels."""

    node: Node
    svg: str
    top: int
    bottom: int
    enter: int
    exits: Mapping[str, int] = field(factory=dict)
    debts: Mapping[DebtKind, int] = field(factory=dict)

    @property
    def good(self) -> str:
        """The style of what leads there, if that is well."""
        return " good" if self.node.verdict is Verdict.RECOVERED else ""


def render(graph: Graph) -> str:
    """The graph as an SVG element."""
    nodes = sorted(graph.nodes, key=lambda node: node.name != graph.start)
    neighbours = set(pairwise(node.name for node in nodes))
    onward = [one for one in graph.edges if not one.light]
    down = {one.source: one for one in onward if (one.source, one.target) in neighbours}
    skips = [one for one in onward if one not in down.values()]
    aside = [*skips, *(one for one in graph.edges if one.light)]
    column: dict[str, _Placed] = {}
    top = _HEAD
    for node in nodes:
        ways = [one for one in aside if one.source == node.name]
        ways += [one for one in graph.cancels if one.target == node.name]
        column[node.name] = (_card if node.impact else _pill)(node, top, ways)
        top = column[node.name].bottom + (_GAP if node.name in down else _NO_WAY)
    lanes = [
        (placed, [column[one.source].exits[name] for one in skips if one.target == name])
        for name, placed in column.items()
        if any(one.target == name for one in skips)
    ]
    wide, high = _RIGHT + 25 + _LANE * len(lanes), top + _LEGEND
    name, _, monitors = graph.title.partition(": ")
    lines = (
        f'<svg xmlns="{_SVG}" class="popheal-cards" role="img" lang="en" width="{wide}"',
        f' height="{high}" viewBox="0 0 {wide} {high}">',
        f"<title>{escape(graph.title)}</title><desc>{escape(' '.join(_aloud(graph)))}</desc>",
        f"<style>{STYLE}</style>",
        f'<rect class="page" x=".5" y=".5" width="{wide - 1}" height="{high - 1}" rx="10"/>',
        _text(_MARGIN, 36, "t", name)
        + _text(_MARGIN, 57, "s", f"answers {monitors.replace(', ', ' and ')}"),
        f'<circle class="tip" cx="{_ICON}" cy="78" r="6"/>{_arrow(78, _HEAD)}',
        *(_way_on(one, column) for one in down.values()),
        *(_lane(_RIGHT + 12 + _LANE * n, *lanes[n]) for n in reversed(range(len(lanes)))),
        *_rails(column),
        *(placed.svg for placed in column.values()),
        _legend(top + 8),
        "</svg>",
    )
    return "\n".join(lines) + "\n"


# --- cards ---------------------------------------------------------------------------------------


def _card(node: Node, top: int, ways: Sequence[Edge]) -> _Placed:
    """What a state does, and at the right each outcome that does not lead to the next card."""
    impact = node.impact or Impact.LOOK
    svg, y = _text(_WORDS, top + 23, "n", node.name), top + 23
    members = f"{len(node.members)} states: {', '.join(node.members)}" if node.members else ""
    for style, words in (("", node.says), ("s", members)):
        for line in wrap(words, _SAYS):
            svg += _text(_WORDS, y := y + _LINE, style, line)
    ours = node.cites.startswith("ours")
    step = f"added by popheal{node.cites[4:]}" if ours else f"runbook {node.cites}"
    svg += _text(_WORDS, y := y + _LINE, "w", impact.value, f"· {step}")
    debts = dict[DebtKind, int]()
    for kind, what in ((node.incurs, "leaves a debt"), (node.pays, "pays the debt")):
        if kind:
            debts[kind] = (y := y + _LINE) - 4
            svg += _text(_WORDS, y, "o debt", f"{what}: {kind.value.replace('_', ' ')}")
    aside, low, exits = _ways_out(top, ways)
    bottom = max(y, low) + 12
    svg = (
        shape(impact, _LEFT, top, _RIGHT - _LEFT, bottom - top)
        + f'<path class="hair" d="M{_WAYS} {top + 2}V{bottom - 2}"/>'
        + _badge(impact, _ICON, (top + bottom) // 2)
        + svg
        + aside
    )
    return _Placed(
        node=node,
        svg=_titled(f"node {impact.value}", f"{node.name}\n{node.why}", svg),
        top=top,
        bottom=bottom,
        enter=bottom - 15,
        exits=exits,
        debts=debts,
    )


def _ways_out(top: int, ways: Sequence[Edge]) -> tuple[str, int, dict[str, int]]:
    """Outcomes with what they lead to, where the last one stands, and where lines begin."""
    svg, y, exits = "", top + 5, dict[str, int]()
    for way in ways:
        if svg:
            svg += f'<path class="hair" d="M{_WAYS} {y + 9}H{_RIGHT}"/>'
            y += 9
        exits[way.target] = y + 13
        shown = ""
        if way.light and way.target == Verdict.ESCALATED.value:
            shown = _icon(Verdict.ESCALATED, _WAYS + 18, y + 13)
            shown += _text(_WAYS + 32, y := y + _LINE, "s", "escalates on")
        elif way.light:
            where = f"from {ANYWHERE}" if way.source == ANYWHERE else f"to {way.target}"
            for line in wrap(f"{where} on", _OUT):
                shown += _text(_WAYS + 10, y := y + _LINE, "s", line)
        for line in wrap(_outcomes(way), _OUT):
            shown += _text(_WAYS + 10, y := y + _LINE, "o" if way.light else "o b", line)
        svg += _edge(way, shown)
    return svg, y, exits


def _pill(node: Node, top: int, ways: Sequence[Edge]) -> _Placed:
    """An ending, what it means, and what a person can do to come there."""
    verdict = node.verdict or Verdict.ESCALATED
    means = verdict.meaning if node.name == verdict.value else f"{node.says}: {verdict.meaning}"
    svg = (
        f'<rect class="pill" x="{_LEFT}" y="{top}" width="{_RIGHT - _LEFT}" height="34" rx="17"/>'
        + _icon(verdict, _ICON, top + 17)
        + _text(_WORDS, top + 22, "b", node.name, means)
        + "".join(
            _edge(way, _text(_WAYS + 10, top + 22, "o", _outcomes(way), f"in {ANYWHERE}"))
            for way in ways
        )
    )
    good = " good" if verdict is Verdict.RECOVERED else ""
    svg = _titled(f"node{good}", node.name, svg)
    return _Placed(node=node, svg=svg, top=top, bottom=top + 34, enter=top + 17)


# --- lines ---------------------------------------------------------------------------------------


def _way_on(edge: Edge, column: Mapping[str, _Placed]) -> str:
    """From a card down to the next."""
    start, end = column[edge.source], column[edge.target]
    label = _text(_ICON + 14, start.bottom + 21, "o b", _outcomes(edge))
    return _edge(edge, _arrow(start.bottom, end.top, end.good) + label)


def _lane(x: int, target: _Placed, starts: Iterable[int]) -> str:
    """All ways that skip cards to one: they join, and interrupt what lies below them."""
    y = target.enter
    way = ""
    for start in starts:
        turn = 8 if start < y else -8
        way += f"M{_RIGHT} {start}H{x - 8}q8 0 8 {turn}V{y - turn}q0 {turn}-8 {turn}H{_RIGHT + 8}"
    return (
        f'<path class="under" d="{way}"/><path class="way{target.good}" d="{way}"/>'
        f'<path class="tip{target.good}" d="M{_RIGHT} {y}l9-5.5v11z"/>'
    )


def _rails(column: Mapping[str, _Placed]) -> Iterator[str]:
    """From where a debt is left to wherever it is paid, the shortest nearest to the cards."""
    heights: dict[DebtKind, list[int]] = {}
    for placed in column.values():
        for kind, y in placed.debts.items():
            heights.setdefault(kind, []).append(y)
    for number, ys in enumerate(sorted(heights.values(), key=lambda ys: ys[-1] - ys[0])):
        x = _LEFT - 9 - 8 * number
        ends = "".join(f"M{x} {y}H{_LEFT}" for y in ys)
        yield f'<path class="rail" d="M{x} {ys[0]}V{ys[-1]}{ends}"/>'


def _arrow(start: int, end: int, good: str = "") -> str:
    return (
        f'<path class="way{good}" d="M{_ICON} {start}V{end - 8}"/>'
        f'<path class="tip{good}" d="M{_ICON} {end}l-5.5-9h11z"/>'
    )


# --- pieces --------------------------------------------------------------------------------------


def _legend(y: int) -> str:
    """What the looks of cards mean, in two columns; and what a debt is."""
    svg = f'<path class="hair" d="M{_MARGIN} {y}H{_RIGHT}"/>'
    for number, (impact, look) in enumerate(IMPACTS.items()):
        x, top = (_MARGIN, 300)[number % 2], y + 14 + 42 * (number // 2)
        svg += (
            f'<g class="{impact.value}">{_badge(impact, x + 13, top + 14)}'
            f"{_text(x + 36, top + 11, 'w', impact.value)}</g>"
            + _text(x + 36, top + 27, "s", look.means)
        )
    return svg + _text(
        _MARGIN,
        y + 112,
        "o debt",
        "a debt",
        "is a change that is undone later, or handed over in writing",
    )


def _badge(impact: Impact, x: int, y: int) -> str:
    return f'<g class="badge">{shape(impact, x - 13, y - 13, 26, 26)}{_icon(impact, x, y)}</g>'


def _icon(what: Impact | Verdict, x: int, y: int) -> str:
    return f'<path class="i" transform="translate({x} {y})" d="{ICONS.get(what, "")}"/>'


def _edge(edge: Edge, svg: str) -> str:
    return _titled("edge", f"{edge.source}->{edge.target}\n{edge.why}", svg)


def _titled(kind: str, title: str, svg: str) -> str:
    return f'<g class="{kind}"><title>{escape(title)}</title>{svg}</g>'


def _text(x: int, y: int, kind: str, words: str, small: str = "") -> str:
    more = f'<tspan class="s" dx="6">{escape(small)}</tspan>' if small else ""
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(words)}{more}</text>'


def _outcomes(edge: Edge) -> str:
    """The outcomes of an edge in words, each in one piece where lines are broken."""
    words = [one.text.replace("_", _SPACE).replace("not ", f"not{_SPACE}") for one in edge.labels]
    return " or ".join([*([", ".join(words[:-1])] if words[1:] else []), words[-1]])


def _aloud(graph: Graph) -> Iterator[str]:
    """The whole picture in sentences."""
    for node in graph.nodes:
        if node.impact:
            yield f"{node.name}, {node.impact.value}: {node.says}."
        for edge in graph.edges:
            if edge.source == node.name:
                yield f"On {_outcomes(edge)}: {edge.target}."
    for edge in graph.cancels:
        yield f"In {ANYWHERE} on {_outcomes(edge)}: {edge.target}."


if __name__ == "__main__":
    static = Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parents[1] / "_static"
    for name in PICTURES:
        (static / f"{name}.svg").write_text(render(folded(PROCEDURES[name])), "utf-8", newline="\n")

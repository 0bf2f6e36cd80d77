"""How cards look: icons, outlines, and colours that follow the reader's scheme.

An impact is told by colour, outline, icon and word, so that no reader depends on one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from popheal.tables.actions import Impact
from popheal.tables.palette import IMPACTS, PAPER
from popheal.tables.table import Verdict

#: Amber is told from its ground by its outline alone, so its strip has a colour of its own.
_AMBER: Final = "#f2b632"
#: For readers with light and with dark ground: ground, words, lines, and of each impact its
#: words and lines, its strip with what is drawn on it, and its ground.
SCHEMES: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {
        "light": {
            "page": PAPER,
            "ink": "#1b1f24",
            "soft": "#505a66",
            "line": "#3d4752",
            "hair": "#cfd6dd",
            "grey": "#69747f",
            "debt": "#74389c",
            **{one.value: look.line for one, look in IMPACTS.items()},
            **{f"{one.value}_fill": look.fill for one, look in IMPACTS.items()},
            **{f"{one.value}_strip": look.line for one, look in IMPACTS.items()},
            **{f"{one.value}_on": PAPER for one in IMPACTS},
            "change_strip": _AMBER,
            "change_on": "#1b1f24",
        },
        "dark": {
            "page": "#15181d",
            "ink": "#e9edf2",
            "soft": "#aab4c0",
            "line": "#b4bec9",
            "hair": "#3b4450",
            "grey": "#7b8693",
            "debt": "#d3aaf0",
            **{one.value: look.dark_line for one, look in IMPACTS.items()},
            **{f"{one.value}_fill": look.dark_fill for one, look in IMPACTS.items()},
            **{f"{one.value}_strip": look.dark_line for one, look in IMPACTS.items()},
            **{f"{one.value}_on": "#15181d" for one in IMPACTS},
        },
    }
)

_RING: Final = "M-8 0a8 8 0 1 0 16 0a8 8 0 1 0-16 0"
#: Paths around their own middle: an eye, a way back, a gear, a power switch; and of endings.
_ICONS: Final[Mapping[Impact | Verdict, str]] = MappingProxyType(
    {
        Impact.LOOK: "M-9 0Q0-9.5 9 0Q0 9.5-9 0ZM-2 0a2 2 0 1 0 4 0a2 2 0 1 0-4 0",
        Impact.RESTORE: "M-6.5-4.5A7.4 7.4 0 1 1-7.4 2M-7.5-9.5V-4.2H-2.2",
        Impact.CHANGE: "M-4.4 0a4.4 4.4 0 1 0 8.8 0a4.4 4.4 0 1 0-8.8 0M0-9V-7M0 9V7M-9 0H-7M9 0H7"
        "M-6.4-6.4-5-5M6.4 6.4 5 5M-6.4 6.4-5 5M6.4-6.4 5-5",
        Impact.DISRUPT: "M-5-5.6A7.6 7.6 0 1 0 5-5.6M0-9.2V0",
        Verdict.RECOVERED: "M-6 0-1.5 5 7-5.5",
        Verdict.ESCALATED: f"{_RING}M-3.2-3.2l6.4 6.4m0-6.4l-6.4 6.4",
        Verdict.CANCELLED: f"{_RING}M-2.2-1.5h4.4M-2.2 0h4.4M-2.2 1.5h4.4",
    }
)


def icon(what: Impact | Verdict | str, x: float, y: float) -> str:
    """What stands for an impact, an ending, or a word of one letter."""
    place = f'transform="translate({num(x)} {num(y)})"'
    if isinstance(what, str):
        letter = f'<text class="o b m" x="{num(x)}" y="{num(y + 4.4)}">{what}</text>'
        return f'<path class="i" {place} d="{_RING}"/>{letter}'
    drawn = _ICONS.get(what) or (_ICONS[Verdict.RECOVERED] if _is_good(what) else _RING)
    return f'<path class="i" {place} d="{drawn}"/>'


def _is_good(what: Impact | Verdict) -> bool:
    return isinstance(what, Verdict) and what.good


def num(value: float) -> str:
    """A number for SVG: as short as it can be, at most two places."""
    return f"{round(value, 2):g}"


# --- outlines ------------------------------------------------------------------------------------

_RADIUS: Final = {Impact.LOOK: 13, Impact.RESTORE: 3}
_CUT: Final = 11


def outline(impact: Impact, x: float, y: float, wide: float, high: float, ends: str = "lr") -> str:
    """The path of an impact's outline: rounded, plain, nearly plain, or with its corners cut.

    Args:
        impact: Whose.
        x: Left.
        y: Top.
        wide: Width.
        high: Height.
        ends: At which ends the corners are those of the outline: ``l``, ``r``, or both.
    """
    cut = min(_CUT, high / 3) if impact is Impact.DISRUPT else 0
    radius = min(_RADIUS.get(impact, 0), high / 2)
    size = cut or radius
    left, right = (size if end in ends else 0 for end in "lr")

    def corner(at: float, across: float, along: float) -> str:
        if not at:
            return ""
        step = f"{num(across * at)} {num(along * at)}"
        return f"l{step}" if cut else f"a{num(at)} {num(at)} 0 0 1 {step}"

    return (
        f"M{num(x + left)} {num(y)}H{num(x + wide - right)}{corner(right, 1, 1)}"
        f"V{num(y + high - right)}{corner(right, -1, 1)}H{num(x + left)}{corner(left, -1, -1)}"
        f"V{num(y + left)}{corner(left, 1, -1)}Z"
    )


def border(impact: Impact, x: float, y: float, wide: float, high: float) -> str:
    """The line around it, twice for what is restored."""
    line = f'<path class="card" d="{outline(impact, x, y, wide, high)}"/>'
    if impact is Impact.RESTORE:
        inner = outline(Impact.CHANGE, x + 3, y + 3, wide - 6, high - 6)
        line += f'<path class="in" d="{inner}"/>'
    return line


# --- the style of a picture ----------------------------------------------------------------------

_FONT: Final = (
    'system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,"Liberation Sans",sans-serif'
)
#: Sizes of letters in pixels: the smallest is what a picture's legibility is reckoned by.
TITLE, NAME, SENTENCE, SMALL = 19, 15, 13.5, 12.5
_RULES: Final = {
    "text": f"font:{SENTENCE}px {_FONT};fill:{{ink}}",
    ".n,.t,.b,.w": "font-weight:700",
    ".t": f"font-size:{TITLE}px",
    ".n": f"font-size:{NAME}px",
    ".o,.w,.s": f"font-size:{SMALL}px",
    ".s": "fill:{soft};font-weight:400",
    ".m": "text-anchor:middle",
    ".r": "text-anchor:end",
    ".page": "fill:{page}",
    ".frame": "fill:none;stroke:{line};stroke-width:1.2",
    ".way,.i,.under,.hair,.rail": "fill:none;stroke:{line};stroke-width:1.8",
    ".tip,.num": "fill:{line}",
    ".under": "stroke:{page};stroke-width:6",
    ".hair": "stroke:{hair};stroke-width:1",
    ".i": "stroke-linecap:round;stroke-linejoin:round",
    ".rail": "stroke:{debt};stroke-width:3;stroke-linejoin:round",
    ".full": "fill:{debt};stroke:{debt};stroke-width:1.5",
    ".hollow": "fill:{page};stroke:{debt};stroke-width:1.5",
    ".debt": "fill:{debt}",
    ".card,.in": "fill:none;stroke-width:1.6",
    ".in": "stroke-width:1",
    ".disrupt .card": "stroke-width:3",
    ".strip .i": "stroke-width:2",
    ".pill": "fill:{page};stroke:{line};stroke-width:1.6",
    ".numeral": "fill:{page};font-weight:700",
    **{
        rule: text
        for one in (impact.value for impact in IMPACTS)
        for rule, text in (
            (f".{one} .card,.{one} .in", f"stroke:{{{one}}}"),
            (f".{one} .w", f"fill:{{{one}}}"),
            (f".{one} .body", f"fill:{{{one}_fill}}"),
            (f".{one} .strip path,.{one}.bar", f"fill:{{{one}_strip}}"),
            (f".{one} .strip .i", f"fill:none;stroke:{{{one}_on}}"),
        )
    },
    ".good>.pill": "fill:{restore};stroke:none",
    ".good>text,.good .s": "fill:{page}",
    ".good>.i": "stroke:{page}",
    ".way.good": "stroke:{restore}",
    ".tip.good": "fill:{restore}",
    # A run on its picture: what was taken, where it is, what may follow, what was not taken.
    ".way.taken": "stroke:{ink};stroke-width:5",
    ".tip.taken,.flag": "fill:{ink}",
    ".ring": "fill:none;stroke:{ink};stroke-width:4",
    ".flagged": "fill:{page};font-weight:700",
    ".ended>.pill": "fill:{ink};stroke:{ink}",
    ".ended>text,.ended .s": "fill:{page}",
    ".ended>.i": "stroke:{page}",
    ".way.ahead,.ahead .card,.ahead>.pill": "stroke-dasharray:6 4",
    ".rail.ahead": "stroke-dasharray:3 4",
    ".ahead .body,.dim .body": "fill:{page}",
    ".dim .strip path": "fill:{grey}",
    ".dim .strip .i": "fill:none;stroke:{page}",
    ".dim .card,.dim .in,.dim>.pill,.dim .i,.way.dim": "stroke:{grey};stroke-width:1.2",
    ".dim text,.dim .w,.dim .debt": "fill:{soft};font-weight:400",
    ".tip.dim": "fill:{grey}",
    ".rail.dim": "stroke:{hair}",
    ".dim .full,.dim .hollow": "stroke:{soft}",
    ".dim .full": "fill:{soft}",
}


def _rules(scheme: str, *, everything: bool) -> str:
    # Each is kept to these pictures, as a style within a page reaches the whole page.
    return "".join(
        f".popheal-cards {selectors.replace(',', ',.popheal-cards ')}"
        f"{{{declarations.format_map(SCHEMES[scheme])}}}"
        for selectors, declarations in _RULES.items()
        if everything or "{" in declarations
    )


#: On paper it stays light, and a picture is not cut at a page's end.
STYLE: Final = (
    f"{_rules('light', everything=True)}"
    f"@media screen and (prefers-color-scheme:dark){{{_rules('dark', everything=False)}}}"
    "@media print{svg.popheal-cards{max-width:100%;max-height:240mm}}"
)

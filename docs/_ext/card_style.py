"""How cards look: icons, outlines, and colours that follow the reader's scheme.

An impact is told by colour, outline, icon and word, so that no reader depends on one of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from popheal.tables.actions import Impact
from popheal.tables.palette import FAINT, IMPACTS, PAPER, TEXT
from popheal.tables.table import Verdict

_DARK: Final = {
    Impact.LOOK: ("#8cc0f2", "#1b3c5b"),
    Impact.RESTORE: ("#62d0a6", "#114837"),
    Impact.CHANGE: ("#f2c14e", "#533c0b"),
    Impact.DISRUPT: ("#ff9c8c", "#6f2419"),
}
#: For readers with light and with dark ground: ground, words, lines, and of each impact both.
SCHEMES: Final[Mapping[str, Mapping[str, str]]] = {
    "light": {
        "page": PAPER,
        "ink": TEXT,
        "soft": FAINT[1],
        "line": "#3d4752",
        "hair": "#cfd6dd",
        "debt": "#74389c",
        **{impact.value: look.line for impact, look in IMPACTS.items()},
        **{f"{impact.value}_fill": look.fill for impact, look in IMPACTS.items()},
    },
    "dark": {
        "page": "#15181d",
        "ink": "#e9edf2",
        "soft": "#aab4c0",
        "line": "#b4bec9",
        "hair": "#3b4450",
        "debt": "#d3aaf0",
        **{impact.value: line for impact, (line, _) in _DARK.items()},
        **{f"{impact.value}_fill": fill for impact, (_, fill) in _DARK.items()},
    },
}

_RING: Final = "M-8 0a8 8 0 1 0 16 0a8 8 0 1 0-16 0"
#: Paths around their own middle: an eye, a way back, a gear, a power switch; and of endings.
ICONS: Final[Mapping[Impact | Verdict, str]] = MappingProxyType(
    {
        Impact.LOOK: "M-9 0Q0-9.5 9 0Q0 9.5-9 0ZM-2 0a2 2 0 1 0 4 0a2 2 0 1 0-4 0",
        Impact.RESTORE: "M-6.5-4.5A7.4 7.4 0 1 1-7.4 2M-7.5-9.5V-4.2H-2.2",
        Impact.CHANGE: "M-4.4 0a4.4 4.4 0 1 0 8.8 0a4.4 4.4 0 1 0-8.8 0M0-9V-7M0 9V7M-9 0H-7M9 0H7"
        "M-6.4-6.4-5-5M6.4 6.4 5 5M-6.4 6.4-5 5M6.4-6.4 5-5",
        Impact.DISRUPT: "M-5-5.6A7.6 7.6 0 1 0 5-5.6M0-9.2V0",
        Verdict.RECOVERED: "M-6 0-1.5 5 7-5.5",
        Verdict.ESCALATED: f"{_RING}M-3.2-3.2l6.4 6.4m0-6.4l-6.4 6.4",
        Verdict.CANCELLED: f"{_RING}M-2.5-2.5h5v5h-5z",
    }
)

_FONT: Final = 'system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif'
_RULES: Final = {
    "text": f"font:13.5px {_FONT};fill:{{ink}}",
    ".n,.t,.b,.w": "font-weight:700",
    ".t": "font-size:19px",
    ".n": "font-size:15px",
    ".o,.w,.s": "font-size:12.5px",
    ".s": "fill:{soft};font-weight:400",
    ".page": "fill:{page};stroke:{hair}",
    ".way,.i,.under,.hair,.rail": "fill:none;stroke:{line};stroke-width:1.8",
    ".tip": "fill:{line}",
    ".under": "stroke:{page};stroke-width:6",
    ".hair": "stroke:{hair};stroke-width:1",
    ".i": "stroke-linecap:round;stroke-linejoin:round",
    ".badge .i": "stroke:{page};stroke-width:2",
    ".rail": "stroke:{debt};stroke-width:3",
    ".debt": "fill:{debt}",
    ".shape": "fill-opacity:.5;stroke-width:1.6",
    ".disrupt>.shape": "stroke-width:3",
    ".badge .shape": "fill-opacity:1;stroke-width:1",
    ".within": "fill-opacity:0",
    ".pill": "fill:{page};stroke:{line};stroke-width:1.6",
    ".good .pill,.tip.good": "fill:{restore};stroke:none",
    ".good text,.good .s": "fill:{page}",
    ".good .i": "stroke:{page}",
    ".way.good": "stroke:{restore}",
} | {
    rule: text
    for one in (impact.value for impact in IMPACTS)
    for rule, text in (
        (f".{one} .shape", f"fill:{{{one}_fill}};stroke:{{{one}}}"),
        (f".{one} .badge .shape,.{one} .w", f"fill:{{{one}}}"),
    )
}


def _rules(scheme: str, *, everything: bool) -> str:
    # Each is kept to these pictures, as a style within a page reaches the whole page.
    return "".join(
        f".popheal-cards {selectors.replace(',', ',.popheal-cards ')}"
        f"{{{declarations.format_map(SCHEMES[scheme])}}}"
        for selectors, declarations in _RULES.items()
        if everything or "{" in declarations
    )


#: On paper it stays light.
STYLE: Final = (
    f"{_rules('light', everything=True)}"
    f"@media screen and (prefers-color-scheme:dark){{{_rules('dark', everything=False)}}}"
)


def shape(impact: Impact, x: float, y: float, wide: float, high: float) -> str:
    """The outline of an impact: rounded, plain, of a double line, or with its corners cut."""
    if impact is Impact.DISRUPT:
        cut = 11 if wide > 2 * high else 7
        across, along = wide - 2 * cut, high - 2 * cut
        return (
            f'<path class="shape" d="M{x + cut} {y}h{across}l{cut} {cut}v{along}l-{cut} {cut}'
            f'h-{across}l-{cut}-{cut}v-{along}z"/>'
        )
    radius = {Impact.LOOK: 13, Impact.RESTORE: 3}.get(impact, 0)
    box = '<rect class="{}" x="{}" y="{}" width="{}" height="{}" rx="{}"/>'
    outline = box.format("shape", x, y, wide, high, radius)
    if impact is Impact.RESTORE:
        outline += box.format("shape within", x + 3.5, y + 3.5, wide - 7, high - 7, 1)
    return outline

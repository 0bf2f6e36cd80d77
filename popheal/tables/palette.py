"""How impacts, and endings, are called and coloured: one table for pictures, pages and terminals.

The fills differ in lightness too, and no colour stands alone: a word, or a shape, says the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from attrs import frozen

from popheal.tables.actions import Impact
from popheal.tables.table import Verdict


@frozen
class Look:
    """How something is shown.

    Attributes:
        means: What it means, for a legend: read on from the impact's own word.
        style: In a terminal, as rich has it.
        fill: Its colour in a picture.
        line: The colour around it, and of words about it.
        dark_fill: The same two on dark ground.
        dark_line: Likewise.
    """

    means: str
    style: str
    fill: str
    line: str
    dark_fill: str
    dark_line: str


#: The mildest first.
IMPACTS: Final[Mapping[Impact, Look]] = MappingProxyType(
    {
        Impact.LOOK: Look("without touching", "dim", "#e8f1fa", "#1f5f99", "#182a3c", "#8cc0f2"),
        Impact.RESTORE: Look(
            "what was changed", "green", "#e1f4ea", "#0a6847", "#13302a", "#62d0a6"
        ),
        Impact.CHANGE: Look(
            "a service or a setting", "yellow", "#fff4d9", "#7d5200", "#342a14", "#f2c14e"
        ),
        Impact.DISRUPT: Look(
            "a server's service", "bold red", "#fde5e0", "#a8200d", "#421e1b", "#ff9c8c"
        ),
    }
)
#: The styles of impacts, by their words, and of verdicts in a terminal.
IMPACT_STYLES: Final = MappingProxyType({one.value: look.style for one, look in IMPACTS.items()})
VERDICT_STYLES: Final[Mapping[Verdict, str]] = MappingProxyType(
    {
        **{one: "bold green" for one in Verdict if one.good},
        Verdict.ESCALATED: "bold red",
        Verdict.CANCELLED: "bold yellow",
        Verdict.HELD: "bold yellow",
        Verdict.UNKNOWN: "bold magenta",
    }
)
#: How verdicts look on a page: what is well, what needs a person, and what lies between.
VERDICT_CLASSES: Final[Mapping[Verdict, str]] = MappingProxyType(
    {
        **{one: "good" for one in Verdict if one.good},
        Verdict.ESCALATED: "bad",
        Verdict.CANCELLED: "unsure",
        Verdict.HELD: "unsure",
        Verdict.UNKNOWN: "unsure",
    }
)

TEXT: Final = "#111111"
PAPER: Final = "#ffffff"
#: Fill and text of an ending in a picture: the good one is dark.
RECOVERED: Final = (IMPACTS[Impact.RESTORE].line, PAPER)
OTHER_END: Final = (PAPER, "#222")
#: Line and text of what gives up, or was stopped.
FAINT: Final = ("#8c8c8c", "#5f5f5f")

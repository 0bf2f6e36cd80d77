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
        means: What it means, for a legend.
        style: In a terminal, as rich has it.
        fill: Its colour in a picture.
        line: The colour around it.
    """

    means: str
    style: str
    fill: str
    line: str


#: The mildest first.
IMPACTS: Final[Mapping[Impact, Look]] = MappingProxyType(
    {
        Impact.LOOK: Look("only observes", "dim", "#eef4fb", "#2f5d8a"),
        Impact.RESTORE: Look("puts something back as it was", "green", "#d9f0dd", "#2c6e3f"),
        Impact.CHANGE: Look(
            "restarts a service, changes a setting", "yellow", "#ffe9b0", "#8a6100"
        ),
        Impact.DISRUPT: Look("takes a server out of service", "bold red", "#f4b9a7", "#9c2a10"),
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

TEXT: Final = "#111"
PAPER: Final = "#fff"
#: Fill and text of an ending in a picture: the good one is dark.
RECOVERED: Final = (IMPACTS[Impact.RESTORE].line, PAPER)
OTHER_END: Final = (PAPER, "#222")
#: Line and text of what gives up, or was stopped.
FAINT: Final = ("#8c8c8c", "#5f5f5f")

"""A graph as a Mermaid flowchart, which forges and many editors draw from its text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from popheal.diagrams.graph import ANYWHERE, Edge, Graph, Node, ids
from popheal.tables.actions import Impact
from popheal.tables.palette import FAINT, IMPACTS, PAPER, RECOVERED, TEXT
from popheal.tables.table import Verdict

#: Words that Mermaid's flowcharts don't take as the name of a node.
RESERVED: Final = (
    "end",
    "graph",
    "flowchart",
    "subgraph",
    "style",
    "linkstyle",
    "classdef",
    "class",
    "click",
    "call",
    "href",
    "default",
    "direction",
    "interpolate",
    "start",
    "legend",
    "anywhere",
)
_SHAPES: Final[Mapping[Impact, tuple[str, str]]] = MappingProxyType(
    {
        Impact.LOOK: ("(", ")"),
        Impact.RESTORE: ("[[", "]]"),
        Impact.CHANGE: ("[", "]"),
        Impact.DISRUPT: ("{{", "}}"),
    }
)
_STYLES: Final = (
    *(
        f"classDef {impact.value} fill:{look.fill},stroke:{look.line},"
        f"{'stroke-width:3px,' if impact is Impact.DISRUPT else ''}color:{TEXT}"
        for impact, look in IMPACTS.items()
    ),
    f"classDef recovered fill:{RECOVERED[0]},stroke:{TEXT},stroke-width:2px,color:{RECOVERED[1]}",
    f"classDef ended fill:{PAPER},stroke:{TEXT},stroke-width:2px,color:{TEXT}",
    f"classDef faint fill:{PAPER},stroke:{FAINT[0]},stroke-dasharray:4 3,color:{FAINT[1]}",
)
#: Lines that stand out on white and on black ground alike.
LINES: Final = "#6e7781"
#: The same colours whatever the reader's theme is: words on light ground, lines as above. In the
#: dark theme of Mermaid's own, the grey words of what gives up could not be read.
THEME: Final = MappingProxyType(
    {
        "lineColor": LINES,
        "textColor": TEXT,
        "primaryTextColor": TEXT,
        "nodeTextColor": TEXT,
        "titleColor": TEXT,
        "edgeLabelBackground": PAPER,
        "primaryColor": PAPER,
        "clusterBkg": PAPER,
    }
)


def render(graph: Graph) -> str:
    """The graph as the text of a Mermaid flowchart."""
    known = ids((node.name for node in graph.nodes), RESERVED)
    edges = [*graph.edges, *graph.cancels]
    # The edge from the start is the first one; links are numbered in the order of the text.
    light = [str(number) for number, edge in enumerate(edges, start=1) if edge.light]
    init = json.dumps({"theme": "base", "themeVariables": dict(THEME)})
    lines = [
        f"%%{{init: {init}}}%%",
        "flowchart TD",
        f"accTitle: {graph.title}",
        "accDescr: States with what they do to the world, and where each outcome leads.",
        *_STYLES,
        "",
        'start(("start")):::ended',
        *(_node(known[node.name], node) for node in graph.nodes),
        f"anywhere[/{_quoted(ANYWHERE)}/]:::faint",
        "",
        f"start --> {known[graph.start]}",
        *(_edge({**known, ANYWHERE: "anywhere"}, edge) for edge in edges),
        "",
        *([f"linkStyle {','.join(light)} stroke:{FAINT[0]},color:{FAINT[1]}"] if light else []),
        "",
        'subgraph legend["Legend: dotted lines give up, or were stopped"]',
        *(
            f"  legend_{impact.value}{_shaped(impact, f'{impact.value.upper()}: {look.means}')}"
            for impact, look in IMPACTS.items()
        ),
        '  legend_ending(["an ending"]):::ended',
        "end",
        f"style legend fill:{PAPER},stroke:{FAINT[0]},color:{TEXT}",
    ]
    return "\n".join(lines) + "\n"


def _node(name: str, node: Node) -> str:
    if node.impact is None:
        kind = "recovered" if node.verdict is Verdict.RECOVERED else "ended"
        text = node.name
        if node.verdict and node.verdict.value != node.name:
            text += f"\n{node.says}"
        return f"{name}([{_quoted(text)}]):::{kind}"
    text = f"<b>{node.name}</b>\n{node.says}\n<i>{node.impact.value.upper()} · {node.cites}</i>"
    return f"{name}{_shaped(node.impact, text)}"


def _shaped(impact: Impact, text: str) -> str:
    left, right = _SHAPES[impact]
    return f"{left}{_quoted(text)}{right}:::{impact.value}"


def _edge(known: Mapping[str, str], edge: Edge) -> str:
    arrow = "-.->" if edge.light else "==>"
    return f"{known[edge.source]} {arrow}|{_quoted(edge.text)}| {known[edge.target]}"


def _quoted(text: str) -> str:
    plain = text.replace('"', "#quot;").replace("\n", "<br/>")
    return f'"{plain}"'

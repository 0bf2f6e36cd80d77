"""A graph in Graphviz's language, and as a picture through its program ``dot``.

An impact is told thrice, by colour, by shape and in words; the citations are in the tooltips.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from html import escape
from textwrap import wrap
from types import MappingProxyType
from typing import Final

from popheal.diagrams.graph import ANYWHERE, IMPACTS, Edge, Graph, Node
from popheal.errors import DrawingFailed, GraphvizMissing
from popheal.tables.actions import Impact
from popheal.tables.table import Verdict

#: Fill, line, and the rest of the shape. The fills differ in lightness too.
_LOOKS: Final[Mapping[Impact, tuple[str, str, str]]] = MappingProxyType(
    {
        Impact.LOOK: ("#eef4fb", "#2f5d8a", 'shape=box style="rounded,filled"'),
        Impact.RESTORE: ("#d9f0dd", "#2c6e3f", "shape=box style=filled peripheries=2"),
        Impact.CHANGE: ("#ffe9b0", "#8a6100", "shape=box style=filled"),
        Impact.DISRUPT: ("#f4b9a7", "#9c2a10", "shape=hexagon style=filled penwidth=2.5"),
    }
)
#: Fill and text of an ending: the good one is dark.
_RECOVERED, _OTHER_END = ("#2c6e3f", "#ffffff"), ("#ffffff", "#222222")
_TEXT: Final = "#111111"
_FAINT: Final = "#8c8c8c"
_FAINT_TEXT: Final = "#5f5f5f"
#: Longest line in a node, in characters: what it says, and the small print below.
_SAYS, _SMALL = 34, 44
#: Seconds that ``dot`` may take.
_TIMEOUT: Final = 60
#: Between the halves of the legend, since browsers' letters may be wider than Graphviz thinks.
_GAP: Final = '<TD WIDTH="40"></TD>'

_START: Final = "(start)"
_FONT: Final = 'fontname="Helvetica,Arial,sans-serif"'
_GRAPH: Final = f'labelloc=t {_FONT} nodesep=0.45 ranksep=0.45 bgcolor=white tooltip=" "'
_MARGIN: Final = 'margin="0.14,0.08"'
_LINE: Final = 'color="#333333" arrowsize=0.8 weight=8'
_START_LOOK: Final = (
    'label="" shape=circle style=filled fillcolor="#333333" width=0.2 tooltip=start'
)
_ANYWHERE_LOOK: Final = (
    f'shape=plaintext fontsize=11 fontcolor="{_FAINT_TEXT}"'
    ' tooltip="a person may say stop in any state"'
)


def render(graph: Graph) -> str:
    """The graph in Graphviz's language."""
    lines = [
        f"digraph {_quoted(graph.name)} {{",
        f"  graph [label=<{_heading(graph)}> {_GRAPH}]",
        f"  node [{_FONT} fontsize=12 fontcolor={_quoted(_TEXT)} {_MARGIN}]",
        f"  edge [{_FONT} fontsize=11 fontcolor={_quoted(_TEXT)} {_LINE}]",
        "",
        f"  {_quoted(_START)} [{_START_LOOK}]",
        *(f"  {_node(node)}" for node in graph.nodes),
        f"  {_quoted(ANYWHERE)} [{_ANYWHERE_LOOK}]",
        "",
        f"  {_quoted(_START)} -> {_quoted(graph.start)} [tooltip=start]",
        *(f"  {_edge(edge)}" for edge in (*graph.edges, *graph.cancels)),
        "}",
    ]
    return "\n".join(lines) + "\n"


def render_svg(graph: Graph) -> str:
    """The graph as an SVG element: no prologue, no version of Graphviz, nothing from elsewhere."""
    svg = _dot(graph, "svg").decode()
    svg = svg[svg.index("<svg") :]
    return re.sub(r"<!--.*?-->\n?", "", svg, flags=re.DOTALL).replace("\r\n", "\n")


def render_png(graph: Graph) -> bytes:
    """The graph as a PNG image."""
    return _dot(graph, "png")


def _dot(graph: Graph, how: str) -> bytes:
    program = shutil.which("dot")
    if program is None:
        raise GraphvizMissing
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program, fed with text that we made
            [program, f"-T{how}"],
            input=render(graph).encode(),
            capture_output=True,
            check=True,
            timeout=_TIMEOUT,
        )
    except subprocess.CalledProcessError as error:
        raise DrawingFailed(said=error.stderr.decode(errors="replace").strip()) from error
    except subprocess.TimeoutExpired as error:
        raise DrawingFailed(said=f"no answer within {_TIMEOUT} seconds") from error
    return done.stdout


# --- nodes ---------------------------------------------------------------------------------------


def _node(node: Node) -> str:
    if node.impact is None:
        fill, text = _RECOVERED if node.verdict is Verdict.RECOVERED else _OTHER_END
        lines = f"<B>{escape(node.name)}</B>"
        if node.verdict and node.verdict.value != node.name:
            lines += f"<BR/>{escape(node.says)}"
        style = f'shape=ellipse style=filled penwidth=2 fillcolor="{fill}" fontcolor="{text}"'
        return f"{_quoted(node.name)} [label=<{lines}> {style} tooltip={_quoted(node.says)}]"
    fill, line, shape = _LOOKS[node.impact]
    small = f"{node.impact.value.upper()} · {node.cites}"
    lines = "<BR/>".join(
        (
            f"<B>{escape(node.name)}</B>",
            *(escape(part) for part in wrap(node.says, _SAYS)),
            *(f'<FONT POINT-SIZE="10">{escape(part)}</FONT>' for part in wrap(small, _SMALL)),
        )
    )
    return (
        f"{_quoted(node.name)} [label=<{lines}> {shape} fillcolor={_quoted(fill)}"
        f" color={_quoted(line)} tooltip={_quoted(_about(node))}]"
    )


def _about(node: Node) -> str:
    folded = f"Stands for {', '.join(node.members)}.\n" if node.members else ""
    return f"{folded}{node.why}"


def _edge(edge: Edge) -> str:
    told = _quoted(edge.why)
    light = (
        f" color={_quoted(_FAINT)} fontcolor={_quoted(_FAINT_TEXT)} style=dashed penwidth=0.8"
        " arrowsize=0.6 fontsize=10 weight=1"
        if edge.light
        else " penwidth=1.6"
    )
    # Set off from the line, and left-justified line by line.
    label = "".join(f"  {_escaped(label.text)}\\l" for label in edge.labels)
    return (
        f'{_quoted(edge.source)} -> {_quoted(edge.target)} [label="{label}"'
        f" tooltip={told} labeltooltip={told} edgetooltip={told}{light}]"
    )


def _heading(graph: Graph) -> str:
    """The title, and below it the legend: what each impact looks like, and each line."""
    impacts = [
        f'<TD BGCOLOR="{_LOOKS[impact][0]}" BORDER="1" COLOR="{_LOOKS[impact][1]}">'
        f'<B>{impact.value.upper()}</B></TD><TD ALIGN="LEFT">{_SHAPES[impact]}: '
        f"{escape(means)}</TD>"
        for impact, means in IMPACTS.items()
    ]
    others = [
        f'<TD><B>{escape(what)}</B></TD><TD ALIGN="LEFT">{means}</TD>'
        for what, means in (
            ("ellipse", "an ending"),
            ("solid", "goes on"),
            ("dashed", "gives up, or was stopped"),
            ("[guard]", "only if it holds for the run"),
        )
    ]
    rows = "".join(
        f"<TR>{left}{_GAP}{right}</TR>" for left, right in zip(impacts, others, strict=True)
    )
    return (
        '<TABLE BORDER="0" CELLBORDER="0" CELLSPACING="3" CELLPADDING="3">'
        f'<TR><TD COLSPAN="5"><FONT POINT-SIZE="18">{escape(graph.title)}</FONT></TD></TR>'
        f"{rows}</TABLE>"
    )


_SHAPES: Final[Mapping[Impact, str]] = MappingProxyType(
    {
        Impact.LOOK: "rounded",
        Impact.RESTORE: "double line",
        Impact.CHANGE: "plain box",
        Impact.DISRUPT: "hexagon",
    }
)


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

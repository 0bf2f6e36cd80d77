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

from popheal.diagrams.graph import ANYWHERE, Edge, Graph, Node
from popheal.errors import DrawingFailed, GraphvizMissing
from popheal.tables.actions import Impact
from popheal.tables.palette import FAINT, IMPACTS, OTHER_END, RECOVERED, TEXT
from popheal.tables.table import Verdict

#: The shape, and what it is called.
_SHAPES: Final[Mapping[Impact, tuple[str, str]]] = MappingProxyType(
    {
        Impact.LOOK: ('shape=box style="rounded,filled"', "rounded"),
        Impact.RESTORE: ("shape=box style=filled peripheries=2", "double line"),
        Impact.CHANGE: ("shape=box style=filled", "plain box"),
        Impact.DISRUPT: ("shape=hexagon style=filled penwidth=2.5", "hexagon"),
    }
)
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
    f'shape=plaintext fontsize=11 fontcolor="{FAINT[1]}"'
    ' tooltip="a person may say stop in any state"'
)


def render(graph: Graph) -> str:
    """The graph in Graphviz's language."""
    lines = [
        f"digraph {_quoted(graph.name)} {{",
        f"  graph [label=<{_heading(graph)}> {_GRAPH}]",
        f"  node [{_FONT} fontsize=12 fontcolor={_colour(TEXT)} {_MARGIN}]",
        f"  edge [{_FONT} fontsize=11 fontcolor={_colour(TEXT)} {_LINE}]",
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
        fill, text = RECOVERED if node.verdict is Verdict.RECOVERED else OTHER_END
        lines = f"<B>{escape(node.name)}</B>"
        if node.verdict and node.verdict.value != node.name:
            lines += f"<BR/>{escape(node.says)}"
        style = "shape=ellipse style=filled penwidth=2"
        style += f" fillcolor={_colour(fill)} fontcolor={_colour(text)}"
        return f"{_quoted(node.name)} [label=<{lines}> {style} tooltip={_quoted(node.says)}]"
    look, (shape, _) = IMPACTS[node.impact], _SHAPES[node.impact]
    small = f"{node.impact.value.upper()} · {node.cites}"
    lines = "<BR/>".join(
        (
            f"<B>{escape(node.name)}</B>",
            *(escape(part) for part in wrap(node.says, _SAYS)),
            *(f'<FONT POINT-SIZE="10">{escape(part)}</FONT>' for part in wrap(small, _SMALL)),
        )
    )
    return (
        f"{_quoted(node.name)} [label=<{lines}> {shape} fillcolor={_quoted(look.fill)}"
        f" color={_quoted(look.line)} tooltip={_quoted(_about(node))}]"
    )


def _about(node: Node) -> str:
    folded = f"Stands for {', '.join(node.members)}.\n" if node.members else ""
    return f"{folded}{node.why}"


def _edge(edge: Edge) -> str:
    told = _quoted(edge.why)
    light = (
        f" color={_quoted(FAINT[0])} fontcolor={_quoted(FAINT[1])} style=dashed penwidth=0.8"
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
        f'<TD BGCOLOR="{look.fill}" BORDER="1" COLOR="{look.line}">'
        f'<B>{impact.value.upper()}</B></TD><TD ALIGN="LEFT">{_SHAPES[impact][1]}: '
        f"{escape(look.means)}</TD>"
        for impact, look in IMPACTS.items()
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


def _colour(short: str) -> str:
    """A colour with six digits: Graphviz takes none of three."""
    return _quoted(re.sub(r"^#(.)(.)(.)$", r"#\1\1\2\2\3\3", short))


def _quoted(text: str) -> str:
    return f'"{_escaped(text)}"'


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")

"""Pictures of a procedure, drawn from the very table that runs.

``render(procedure, "mermaid")`` and its like give one procedure in one format;
:func:`overview` gives it with its fragments folded. :func:`write_all` writes the files that
lie in the project's ``diagrams`` folder. A difference of two such files is a difference of
behaviour, so nothing in them depends on the time, the machine or the order of a set.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, overload

from popheal.diagrams import dot, mermaid, scxml, table
from popheal.diagrams.graph import Edge, Graph, Label, Node, folded, graph_of
from popheal.errors import DrawingFailed, GraphvizMissing, UnknownName
from popheal.healthsets.pop import PROCEDURES
from popheal.tables.table import Procedure

_OF_A_GRAPH: Final = MappingProxyType[str, Callable[[Graph], str | bytes]](
    {
        "mermaid": mermaid.render,
        "dot": dot.render,
        "svg": dot.render_svg,
        "png": dot.render_png,
    }
)
_OF_A_TABLE: Final = MappingProxyType[str, Callable[[Procedure], str]](
    {
        "table": table.render,
        "scxml": scxml.render,
    }
)

#: The formats of :func:`render`.
FORMATS: Final = (*_OF_A_GRAPH, *_OF_A_TABLE)


@overload
def render(
    procedure: Procedure, format: Literal["mermaid", "dot", "svg", "table", "scxml"]
) -> str: ...
@overload
def render(procedure: Procedure, format: Literal["png"]) -> bytes: ...
@overload
def render(procedure: Procedure, format: str) -> str | bytes: ...
def render(procedure: Procedure, format: str) -> str | bytes:  # noqa: A002 - the word for it
    """One procedure in one format.

    Args:
        procedure: The table to draw.
        format: ``mermaid``, ``dot``, ``svg``, ``png``, ``table`` (Markdown) or ``scxml``.

    Returns:
        Text, or bytes for ``png``.

    Raises:
        UnknownName: If there is no such format.
        GraphvizMissing: If the format needs the program ``dot`` and it isn't installed.
    """
    if format in _OF_A_TABLE:
        return _OF_A_TABLE[format](procedure)
    if format in _OF_A_GRAPH:
        return _OF_A_GRAPH[format](graph_of(procedure))
    raise UnknownName(kind="format", name=format, known=FORMATS)


@overload
def overview(procedure: Procedure, format: Literal["mermaid", "dot", "svg"] = ...) -> str: ...
@overload
def overview(procedure: Procedure, format: Literal["png"]) -> bytes: ...
@overload
def overview(procedure: Procedure, format: str) -> str | bytes: ...
def overview(procedure: Procedure, format: str = "mermaid") -> str | bytes:  # noqa: A002 - likewise
    """The procedure with its fragments (such as the safe reboot) folded into one node each.

    Args:
        procedure: The table to draw.
        format: ``mermaid``, ``dot``, ``svg`` or ``png``.

    Raises:
        UnknownName: If there is no such format, or it always shows everything.
        GraphvizMissing: If the format needs the program ``dot`` and it isn't installed.
    """
    if format not in _OF_A_GRAPH:
        raise UnknownName(kind="format of an overview", name=format, known=_OF_A_GRAPH)
    return _OF_A_GRAPH[format](folded(procedure))


def write_all(directory: Path | str) -> list[Path]:
    """Write each procedure as Mermaid, DOT, SVG and table, and its overview as the first three.

    Args:
        directory: Where to; it is made if it isn't there.

    Returns:
        The files written, sorted.

    Raises:
        GraphvizMissing: If the program ``dot`` isn't installed.
    """
    target = Path(directory)
    target.mkdir(parents=True, exist_ok=True)
    texts: dict[str, str] = {}
    for name, procedure in PROCEDURES.items():
        for stem, graph in ((name, graph_of(procedure)), (f"{name}-overview", folded(procedure))):
            texts[f"{stem}.mmd"] = mermaid.render(graph)
            texts[f"{stem}.dot"] = dot.render(graph)
            texts[f"{stem}.svg"] = dot.render_svg(graph)
        texts[f"{name}.md"] = table.render(procedure)
    written = []
    for file, text in sorted(texts.items()):
        path = target / file
        path.write_text(text, encoding="utf-8", newline="\n")
        written.append(path)
    return written


__all__ = [
    "FORMATS",
    "DrawingFailed",
    "Edge",
    "Graph",
    "GraphvizMissing",
    "Label",
    "Node",
    "folded",
    "graph_of",
    "overview",
    "render",
    "write_all",
]

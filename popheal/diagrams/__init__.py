"""Pictures of a procedure, drawn from the very table that runs.

``render(procedure, "svg")`` and its like give one procedure in one format; with a ``path``, the
way that a run has taken is shown on it. :func:`overview` gives it with its fragments folded.
:func:`write_all` writes the files that lie in the project's ``diagrams`` folder. A difference of
two such files is a difference of behaviour, so nothing in them depends on the time, the machine
or the order of a set.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Final, Literal, overload

from popheal.diagrams import cards, dot, mermaid, scxml, table, walkthrough, xstate
from popheal.diagrams.graph import Edge, Graph, Label, Node, folded, graph_of
from popheal.errors import DrawingFailed, GraphvizMissing, UnknownName
from popheal.healthsets.pop import PROCEDURES
from popheal.tables.run_path import PathStep, RunPath
from popheal.tables.table import Procedure

_OF_A_GRAPH: Final = MappingProxyType[str, Callable[[Graph], str | bytes]](
    {
        "svg": cards.render,
        "mermaid": mermaid.render,
        "dot": dot.render,
        "full-svg": dot.render_svg,
        "png": dot.render_png,
    }
)
_OF_A_TABLE: Final = MappingProxyType[str, Callable[[Procedure], str]](
    {
        "table": table.render,
        "scxml": scxml.render,
        "xstate": xstate.render,
        "html": walkthrough.render,
    }
)

#: The formats of :func:`render`.
FORMATS: Final = (*_OF_A_GRAPH, *_OF_A_TABLE)


@overload
def render(
    procedure: Procedure,
    format: Literal["svg"],
    *,
    path: RunPath | None = ...,
    part: int = ...,
    narrow: bool = ...,
) -> str: ...
@overload
def render(procedure: Procedure, format: Literal["html"], *, path: RunPath | None = ...) -> str: ...
@overload
def render(
    procedure: Procedure, format: Literal["mermaid", "dot", "full-svg", "table", "scxml", "xstate"]
) -> str: ...
@overload
def render(procedure: Procedure, format: Literal["png"]) -> bytes: ...
@overload
def render(
    procedure: Procedure,
    format: str,
    *,
    path: RunPath | None = ...,
    part: int = ...,
    narrow: bool = ...,
) -> str | bytes: ...
def render(
    procedure: Procedure,
    format: str,  # noqa: A002 - the word for it
    *,
    path: RunPath | None = None,
    part: int = 0,
    narrow: bool = False,
) -> str | bytes:
    """One procedure in one format.

    Args:
        procedure: The table to draw.
        format: ``svg``, a column of cards that needs no program; ``mermaid``, ``dot``,
            ``full-svg`` or ``png``, the full graph with an edge for everything; ``table``
            (Markdown); ``scxml``; ``xstate`` (JSON); or ``html``, a page to walk through.
        path: The way of a run, to be shown on it; only as ``svg`` or ``html``.
        part: Only this part of it, from 1, as ``svg``; 0 for the whole.
        narrow: Whether it is for a narrow screen; only as ``svg``.

    Returns:
        Text, or bytes for ``png``.

    Raises:
        UnknownName: If there is no such format or part, the format can't show a path or a part,
            or the path is that of a run by another table.
        GraphvizMissing: If the format needs the program ``dot`` and it isn't installed.
    """
    if path:
        _see_that_it_is_of(path, procedure)
    if format == "svg":
        return cards.render(graph_of(procedure), path=path, part=part, narrow=narrow)
    if format == "html" and not (part or narrow):
        return walkthrough.render(procedure, path=path)
    if path or part or narrow:
        raise UnknownName(
            kind="format for a path, a part or a narrow screen", name=format, known=["svg"]
        )
    if format in _OF_A_TABLE:
        return _OF_A_TABLE[format](procedure)
    if format in _OF_A_GRAPH:
        return _OF_A_GRAPH[format](graph_of(procedure))
    raise UnknownName(kind="format", name=format, known=FORMATS)


def _see_that_it_is_of(path: RunPath, procedure: Procedure) -> None:
    known = {*procedure.by_name, *procedure.endings}
    for name in path.states:
        if name not in known:
            raise UnknownName(kind=f"state of '{procedure.name}'", name=name, known=sorted(known))


@overload
def overview(
    procedure: Procedure, format: Literal["svg", "mermaid", "dot", "full-svg"] = ...
) -> str: ...
@overload
def overview(procedure: Procedure, format: Literal["png"]) -> bytes: ...
@overload
def overview(procedure: Procedure, format: str) -> str | bytes: ...
def overview(procedure: Procedure, format: str = "mermaid") -> str | bytes:  # noqa: A002 - likewise
    """The procedure with its fragments (such as the safe reboot) folded into one node each.

    Args:
        procedure: The table to draw.
        format: ``svg``, ``mermaid``, ``dot``, ``full-svg`` or ``png``.

    Raises:
        UnknownName: If there is no such format, or it always shows everything.
        GraphvizMissing: If the format needs the program ``dot`` and it isn't installed.
    """
    if format not in _OF_A_GRAPH:
        raise UnknownName(kind="format of an overview", name=format, known=_OF_A_GRAPH)
    return _OF_A_GRAPH[format](folded(procedure))


def write_all(directory: Path | str) -> list[Path]:
    """Write each procedure: cards, its parts, its overview, the full graph, and its table.

    Args:
        directory: Where to; it is made if it isn't there.

    Returns:
        The files written, sorted.

    Raises:
        GraphvizMissing: If the program ``dot`` isn't installed.
    """
    target = Path(directory)
    target.mkdir(parents=True, exist_ok=True)
    texts = dict(text for procedure in PROCEDURES.values() for text in _files(procedure))
    written = []
    for file, text in sorted(texts.items()):
        path = target / file
        path.write_text(text, encoding="utf-8", newline="\n")
        written.append(path)
    return written


def _files(procedure: Procedure) -> Iterator[tuple[str, str]]:
    """Every file about a procedure: its name, and what is in it."""
    name = procedure.name
    whole, overall = graph_of(procedure), folded(procedure)

    def address(part: int) -> str:
        return f"{name}-{part}.svg" if part else f"{name}.svg"

    links = address if procedure.parts else None
    yield f"{name}.svg", cards.render(whole, links=links)
    # A long procedure is drawn small as a whole; for a narrow screen only its parts are.
    for part in range(1, len(procedure.parts) + 1):
        yield address(part), cards.render(whole, part=part, links=links)
        yield f"{name}-{part}-narrow.svg", cards.render(whole, part=part, narrow=True)
    if not procedure.parts:
        yield f"{name}-narrow.svg", cards.render(whole, narrow=True)
    yield f"{name}-overview.svg", cards.render(overall)
    yield f"{name}-full.svg", dot.render_svg(whole)
    yield f"{name}.md", table.render(procedure)
    for stem, graph in ((name, whole), (f"{name}-overview", overall)):
        yield f"{stem}.mmd", mermaid.render(graph)
        yield f"{stem}.dot", dot.render(graph)


__all__ = [
    "FORMATS",
    "DrawingFailed",
    "Edge",
    "Graph",
    "GraphvizMissing",
    "Label",
    "Node",
    "PathStep",
    "RunPath",
    "folded",
    "graph_of",
    "overview",
    "render",
    "write_all",
]

"""Pictures of procedures as columns of cards: what to do, read from top to bottom.

Each state is a card. What a state gives up on stands on it as a sign with those outcomes, not as
a line, and so the way to a recovery is the path that the eye follows. A long table is drawn
twice: as rows in frames, all of it, and each of its parts as cards.
"""

from __future__ import annotations

from typing import Final

from popheal.diagrams.cards.compose import sheet_of
from popheal.diagrams.cards.draw import Links, draw
from popheal.diagrams.graph import Graph
from popheal.errors import UnknownName
from popheal.tables.run_path import RunPath

#: More states than these are rows.
MOST_CARDS: Final = 14


def render(
    graph: Graph,
    *,
    path: RunPath | None = None,
    part: int = 0,
    narrow: bool = False,
    links: Links | None = None,
) -> str:
    """The picture of a graph as an SVG element.

    Args:
        graph: What to draw.
        path: The way of a run, to be shown on it.
        part: Which of its parts to draw, from 1; 0 for the whole.
        narrow: Whether it is for a narrow screen: higher, and a third less wide.
        links: Where the pictures of its parts are, by their numbers, and that of the whole, 0.

    Raises:
        UnknownName: If there is no such part.
    """
    if not 0 <= part <= len(graph.parts):
        known = [str(number) for number in range(1, len(graph.parts) + 1)]
        raise UnknownName(kind=f"part of '{graph.name}'", name=str(part), known=known)
    states = [node for node in graph.nodes if node.impact]
    rows = not part and (len(graph.parts) > 1 or len(states) > MOST_CARDS)
    return draw(sheet_of(graph, path=path, part=part), rows=rows, narrow=narrow, links=links)


__all__ = ["MOST_CARDS", "Links", "render"]

"""A picture in sentences, for who hears it read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from popheal.diagrams.cards.sheet import Group, Item
from popheal.diagrams.graph import ANYWHERE, Graph


def joined(words: Sequence[str], last: str) -> str:
    """Words as one says them: ``a, b or c``."""
    return f" {last} ".join([*([", ".join(words[:-1])] if words[1:] else []), *words[-1:]])


def aloud(graph: Graph, groups: Iterable[Group]) -> str:
    """Each state that is shown, with what it does, and where each of its outcomes leads."""
    items = [item for group in groups for item in group.items if item.node.impact]
    sentences = [sentence for item in items for sentence in _of(item)]
    sentences += [
        f"In {ANYWHERE} on {joined([one.text.replace('_', ' ') for one in edge.labels], 'or')}: "
        f"{edge.target}."
        for edge in graph.cancels
    ]
    return " ".join(sentences)


def _of(item: Item) -> Iterator[str]:
    yield f"{item.node.name}, {item.impact.value}, {item.step}: {item.node.says}."
    for debt, what in ((item.node.incurs, "Leaves a debt"), (item.node.pays, "Pays the debt")):
        if debt:
            yield f"{what}: {debt.value.replace('_', ' ')}."
    for way in filter(None, (item.onward, *item.asides)):
        yield f"On {joined([one.words for one in way.said], 'or')}: {way.target}."

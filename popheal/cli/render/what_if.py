"""What might have followed, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from popheal.cli.render.lines import hanging, labelled
from popheal.cli.render.plan import worst_in_words
from popheal.engine.plan import Lead, PlannedState
from popheal.review.what_if import WhatIf
from popheal.tables.palette import IMPACT_STYLES, VERDICT_STYLES

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


def what_if_lines(out: Console, found: WhatIf) -> Iterator[Text]:
    """One other outcome, and the tree of what might have followed."""
    from rich.text import Text

    yield from labelled(out, "Run", f"{found.run}, {found.procedure} on {found.server}")
    yield from labelled(out, "At", f"{found.state}, which {_really(found)}")
    yield from labelled(out, "If", f"{found.outcome}: to {found.target}", "bold")
    yield from labelled(out, "", found.why, "dim")
    for kind in found.owed:
        yield from labelled(out, "Owed", f"{kind.value.replace('_', ' ')}, by then")
    if found.verdict:
        text = f"it would have ended: {found.verdict.value} ({found.verdict.meaning})"
        yield from labelled(out, "Then", text, VERDICT_STYLES[found.verdict])
        return
    yield from labelled(out, "At most", f"{found.impact.value}: {worst_in_words(found.worst_case)}")
    yield Text("")
    yield from _state(out, found.tree[0].id, {one.id: one for one in found.tree}, set(), 0)


def _really(found: WhatIf) -> str:
    return f"came to {found.really}" if found.really else "has not been carried out yet"


def _state(
    out: Console, name: str, tree: Mapping[str, PlannedState], told: set[str], depth: int
) -> Iterator[Text]:
    """A state, where its outcomes lead, and then what follows: side ways first, and further in."""
    from rich.text import Text

    one, indent = tree[name], "  " * depth
    told.add(name)
    yield Text(f"{indent}{one.id}  ").append(one.impact.value, IMPACT_STYLES[one.impact.value])
    for lead in one.leads:
        above = ", see above" if lead.to in told else ""
        yield from hanging(out, Text(f"{indent}    "), f"{_outcomes(lead)}: to {lead.to}{above}")
    ahead = [lead.to for lead in one.leads if lead.to in tree and lead.to not in told]
    for number, to in enumerate(ahead, 1):
        if to not in told:
            yield from _state(out, to, tree, told, depth + (number < len(ahead)))


def _outcomes(lead: Lead) -> str:
    return ", ".join(lead.outcomes)


def overview_lines(out: Console, found: Sequence[WhatIf]) -> Iterator[Text]:
    """Each outcome of each look, in a line or two."""
    from rich.text import Text

    if not found:
        yield Text("No run of that healing has taken a look.")
    place = ("", "")
    for one in found:
        if (one.run, one.state) != place:
            place = (one.run, one.state)
            yield Text(f"{one.state}  ", "bold").append(f"({one.run}, {one.procedure})", "dim")
        mark = "*" if one.outcome == one.really else " "
        worst = f" ({one.impact.value}; at most {worst_in_words(one.worst_case)})"
        then = "" if one.verdict else worst
        yield from hanging(out, Text(f"  {mark} {one.outcome}: "), f"to {one.target}{then}")
    if found:
        yield Text("")
        yield Text("* is what it really came to", "dim")

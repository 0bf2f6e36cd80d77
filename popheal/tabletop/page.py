"""A tabletop exercise as one page for a browser or a printer: nothing is loaded from elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from html import escape
from typing import Final

from popheal.tables.table import Verdict
from popheal.tabletop.exercise import KINDS, Tabletop, Trial
from popheal.tabletop.words import (
    asked_of,
    at_most,
    cures_of,
    effects_of,
    heading_of,
    moves_of,
    targets_of,
    why,
)
from popheal.util import html

_SIGNS: Final = {
    Verdict.NOTHING_WRONG: "✓",
    Verdict.TRANSIENT: "✓",
    Verdict.RECOVERED: "✓",
    Verdict.ESCALATED: "!",
    Verdict.HELD: "~",
    Verdict.UNKNOWN: "?",
    Verdict.CANCELLED: "!",
}
_CLASSES: Final = {"✓": "good", "!": "bad", "~": "unsure", "?": "unsure"}
_LEGEND: Final = (
    "One sign for each cure, in the order: a service restart, a restart of the server, nothing. "
    "✓ it is healed, ! a person is needed, ~ popheal holds itself back, ? it could not tell."
)

_STYLE: Final = """
body { max-width: 84rem; }
p { max-width: 60rem; }
th, td { overflow-wrap: break-word; }
tr.heading th span { font-weight: 400; }
.overview td { white-space: nowrap; letter-spacing: .3em; font-weight: 700; }
.overview tbody th { white-space: nowrap; }
td.cure { width: 13%; } td.verdict { white-space: nowrap; font-weight: 600; }
td.does { width: 42%; }
@page { size: A4 landscape; margin: 12mm; }
@media print { body { font-size: 9.5pt; } .overview th, .overview td { padding: .2rem .3rem; } }
"""


def page_of(table: Tabletop) -> str:
    """The page."""
    return html.document(
        f"Tabletop exercise: {table.title}",
        (f"<p>{escape(one)}</p>" for one in heading_of(table)),
        [*_overview(table), *(line for one in table.servers for line in _server(one, table))],
        style=_STYLE,
    )


def _overview(table: Tabletop) -> Iterator[str]:
    """A row a server, a column a kind of fault: how it ends with each cure."""
    verdicts = Counter(one.verdict for one in table.trials for _ in one.cures)
    counted = ", ".join(f"{number} {verdict.value}" for verdict, number in verdicts.items())
    yield "<h2>Servers</h2>"
    yield f"<p>{escape(counted)}.</p>"
    yield f'<p class="dim">{escape(_LEGEND)}</p>'
    heads = ["Server", *(html.breakable(one.name) for one in KINDS)]
    rows = (_overview_row(server, table) for server in table.servers)
    yield from html.table("Servers", heads, rows, kind="overview")


def _overview_row(server: str, table: Tabletop) -> str:
    cells = []
    for kind in KINDS:
        ended = {
            cure: one.verdict
            for one in table.of(server)
            if one.fault == kind.name
            for cure in one.cures
        }
        signs = "".join(_sign(ended[one]) for one in kind.cures if one in ended)
        cells.append(f"<td>{signs}</td>")
    link = f'<a href="#{html.anchor(server)}">{escape(server)}</a>'
    return f'<tr><th scope="row">{link}</th>{"".join(cells)}</tr>'


def _sign(verdict: Verdict) -> str:
    sign = _SIGNS[verdict]
    return f'<span class="{_CLASSES[sign]}" title="{verdict.value}">{sign}</span>'


def _server(server: str, table: Tabletop) -> Iterator[str]:
    yield f'<h2 id="{html.anchor(server)}">{escape(server)}</h2>'
    if targets := targets_of(table.of(server)):
        yield f"<p>Its active databases could go: {escape(targets)}.</p>"
    heads = ["Cure", "Ends", "What popheal does", "Databases go", "A person is asked"]
    yield from html.table(server, heads, _trials(server, table))


def _trials(server: str, table: Tabletop) -> Iterator[str]:
    before = ""
    for one in table.of(server):
        if one.fault != before:
            yield _kind(one)
            before = one.fault
        yield _trial(one)


def _kind(one: Trial) -> str:
    longest = at_most(one)
    said = f' <span class="dim">at most {escape(longest)}</span>' if longest else ""
    return f'<tr class="heading"><th colspan="5">{escape(one.fault)}{said}</th></tr>'


def _trial(one: Trial) -> str:
    does = "; ".join(effects_of(one, moves=False)) or "touches nothing"
    reason = why(one)
    reason = f'<div class="dim">{escape(reason)}</div>' if reason else ""
    sign = _SIGNS[one.verdict]
    return (
        f'<tr><td class="cure">{escape(cures_of(one))}</td>'
        f'<td class="verdict {_CLASSES[sign]}">{sign} {escape(one.verdict.value)}</td>'
        f'<td class="does">{escape(does)}{reason}</td>'
        f"<td>{escape(moves_of(one))}</td><td>{escape(asked_of(one))}</td></tr>"
    )

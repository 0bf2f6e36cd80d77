"""A tabletop exercise as one page for a browser or a printer: nothing is loaded from elsewhere."""

from __future__ import annotations

import re
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
from popheal.util.html_page import anchor, page
from popheal.util.text import one_line
from popheal.util.version import __version__

_SIGNS: Final = {
    Verdict.NOTHING_WRONG: "✓",
    Verdict.TRANSIENT: "✓",
    Verdict.RECOVERED: "✓",
    Verdict.ESCALATED: "!",
    Verdict.HELD: "~",
    Verdict.UNKNOWN: "?",
    Verdict.CANCELLED: "!",
}
_CLASSES: Final = {"✓": "good", "!": "bad", "~": "untold", "?": "untold"}
_LEGEND: Final = (
    "One sign for each cure, in the order: a service restart, a restart of the server, nothing. "
    "✓ it is healed, ! a person is needed, ~ popheal holds itself back, ? it could not tell."
)

#: Where a long name of a monitor may be broken.
_BEFORE_A_WORD: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")

_STYLE: Final = """
th, td { overflow-wrap: break-word; }
.wide { overflow-x: auto; }
tr.heading th span { font-weight: 400; }
.overview td { white-space: nowrap; letter-spacing: .3em; font-weight: 700; }
.overview tbody th { white-space: nowrap; }
td.cure { width: 13%; } td.verdict { white-space: nowrap; font-weight: 600; }
td.does { width: 42%; }
@page { size: A4 landscape; margin: 12mm; }
@media print { .wide { overflow: visible; } }
"""


def page_of(table: Tabletop) -> str:
    """The page."""
    return page(f"Tabletop exercise: {one_line(table.title)}", _body(table), style=_STYLE)


def _body(table: Tabletop) -> Iterator[str]:
    yield from (f"<p>{escape(one)}</p>" for one in heading_of(table))
    yield f'<p class="dim">popheal {escape(__version__)}</p>'
    yield from _overview(table)
    for one in table.servers:
        yield from _server(one, table)


def _overview(table: Tabletop) -> Iterator[str]:
    """A row a server, a column a kind of fault: how it ends with each cure."""
    verdicts = Counter(one.verdict for one in table.trials for _ in one.cures)
    counted = ", ".join(f"{number} {verdict.value}" for verdict, number in verdicts.items())
    yield "<h2>Servers</h2>"
    yield f"<p>{escape(counted)}.</p>"
    yield f'<p class="dim">{escape(_LEGEND)}</p>'
    yield '<div class="wide"><table class="overview"><thead><tr><th>Server</th>'
    yield from (f"<th>{_BEFORE_A_WORD.sub('<wbr>', escape(one.name))}</th>" for one in KINDS)
    yield "</tr></thead><tbody>"
    for server in table.servers:
        yield f'<tr><th><a href="#{anchor(server)}">{escape(server)}</a></th>'
        for kind in KINDS:
            ended = {
                cure: one.verdict
                for one in table.of(server)
                if one.fault == kind.name
                for cure in one.cures
            }
            yield f"<td>{''.join(_sign(ended[one]) for one in kind.cures if one in ended)}</td>"
        yield "</tr>"
    yield "</tbody></table></div>"


def _sign(verdict: Verdict) -> str:
    sign = _SIGNS[verdict]
    return f'<span class="{_CLASSES[sign]}" title="{verdict.value}">{sign}</span>'


def _server(server: str, table: Tabletop) -> Iterator[str]:
    yield f'<h2 id="{anchor(server)}">{escape(server)}</h2>'
    if targets := targets_of(table.of(server)):
        yield f"<p>Its active databases could go: {escape(targets)}.</p>"
    yield "<table><thead><tr><th>Cure</th><th>Ends</th><th>What popheal does</th>"
    yield "<th>Databases go</th><th>A person is asked</th></tr></thead><tbody>"
    before = ""
    for one in table.of(server):
        if one.fault != before:
            yield _kind(one)
            before = one.fault
        yield _trial(one)
    yield "</tbody></table>"


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

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
_CLASSES: Final = {"✓": "good", "!": "person", "~": "held", "?": "held"}
_LEGEND: Final = (
    "One sign for each cure, in the order: a service restart, a restart of the server, nothing. "
    "✓ it is healed, ! a person is needed, ~ popheal holds itself back, ? it could not tell."
)

#: Where a long name of a monitor may be broken.
_BEFORE_A_WORD: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --rule: #d5dae0; --soft: #f4f6f8;
  --good: #1a7f37; --person: #b42318; --held: #8a5a00; --dim: #5b6570; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --paper: #14181d; --rule: #343b44;
  --soft: #1d232a; --good: #57c06d; --person: #ff7b72; --held: #e3b341; --dim: #9aa4af; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 84rem; padding: 1.5rem; color: var(--ink);
  background: var(--paper); font: 15px/1.45 system-ui, "Segoe UI", sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; overflow-wrap: anywhere; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .5rem; padding-top: .6rem;
  border-top: 2px solid var(--rule); overflow-wrap: anywhere; }
p { margin: .3rem 0; max-width: 60rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; margin: .4rem 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: .28rem .6rem;
  border-bottom: 1px solid var(--rule); overflow-wrap: break-word; }
thead th { background: var(--soft); font-weight: 600; }
tbody th { font-weight: 600; }
tr.kind th { background: var(--soft); }
tr.kind th span { font-weight: 400; }
.overview td { white-space: nowrap; letter-spacing: .3em; font-weight: 700; }
.overview tbody th { white-space: nowrap; }
td.cure { width: 13%; } td.verdict { white-space: nowrap; font-weight: 600; }
td.does { width: 42%; }
.good { color: var(--good); } .person { color: var(--person); } .held { color: var(--held); }
.dim { color: var(--dim); }
a { color: inherit; }
@page { size: A4 landscape; margin: 12mm; }
@media print { :root { --ink: #000; --paper: #fff; --rule: #bbb; --soft: #f0f0f0; --good: #116329;
  --person: #a40e26; --held: #7a4e00; --dim: #444; color-scheme: light; }
  body { max-width: none; padding: 0; font-size: 9.5pt; } tr { break-inside: avoid; }
  tr.kind { break-after: avoid; } h2 { break-after: avoid; } thead { display: table-header-group; }
  .wide { overflow: visible; } }
"""


def page_of(table: Tabletop) -> str:
    """The page."""
    title = f"Tabletop exercise: {one_line(table.title)}"
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en">',
            "<head>",
            '<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(title)}</title>",
            f"<style>{_STYLE}</style>",
            "</head>",
            "<body>",
            f"<h1>{escape(title)}</h1>",
            *(f"<p>{escape(one)}</p>" for one in heading_of(table)),
            f'<p class="dim">popheal {escape(__version__)}</p>',
            *_overview(table),
            *(line for one in table.servers for line in _server(one, table)),
            "</body>",
            "</html>",
            "",
        ]
    )


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
        yield f'<tr><th><a href="#{_anchor(server)}">{escape(server)}</a></th>'
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
    yield f'<h2 id="{_anchor(server)}">{escape(server)}</h2>'
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
    return f'<tr class="kind"><th colspan="5">{escape(one.fault)}{said}</th></tr>'


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


def _anchor(server: str) -> str:
    return "server-" + "".join(one if one.isalnum() else "-" for one in server.casefold())

"""A check as one page for a browser or a printer: nothing in it is loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Final

from popheal.readiness.items import BY_KEY, Section, sections
from popheal.readiness.lines import Judgement, Line, Readiness, ServerReadiness
from popheal.util.text import moment, span
from popheal.util.version import __version__

_CLASSES: Final = {
    Judgement.GOOD: "good",
    Judgement.BAD: "bad",
    Judgement.COULD_NOT_TELL: "untold",
}
_WORDS: Final = {
    Judgement.GOOD: "well",
    Judgement.BAD: "not well",
    Judgement.COULD_NOT_TELL: "could not tell",
}
_WORST_FIRST: Final = (Judgement.BAD, Judgement.COULD_NOT_TELL, Judgement.GOOD)

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #fff; --rule: #d5dae0; --soft: #f4f6f8;
  --good: #1a7f37; --bad: #b42318; --untold: #8a5a00; --dim: #5b6570; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --paper: #14181d; --rule: #343b44;
  --soft: #1d232a; --good: #57c06d; --bad: #ff7b72; --untold: #e3b341; --dim: #9aa4af; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1.5rem; color: var(--ink);
  background: var(--paper); font: 15px/1.45 system-ui, "Segoe UI", sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 2.2rem 0 .5rem; padding-top: .6rem;
  border-top: 2px solid var(--rule); overflow-wrap: anywhere; }
p { margin: .3rem 0; }
table { border-collapse: collapse; width: 100%; margin: .4rem 0 1rem; }
th, td { text-align: left; vertical-align: top; padding: .28rem .6rem;
  border-bottom: 1px solid var(--rule); overflow-wrap: anywhere; }
thead th { background: var(--soft); font-weight: 600; }
tbody th { font-weight: 600; }
tr.section th { background: var(--soft); padding-top: .5rem; }
td.sign { width: 2rem; font-weight: 700; text-align: center; }
td.item { width: 30%; }
td.value { width: 26%; }
.good { color: var(--good); } .bad { color: var(--bad); } .untold { color: var(--untold); }
.dim { color: var(--dim); }
.next { margin-top: .15rem; }
a { color: inherit; }
@media (max-width: 46rem) { td.item, td.value { width: auto; } body { padding: .8rem; } }
@media print { body { max-width: none; padding: 0; font-size: 10pt; } tr { break-inside: avoid; }
  h2 { break-after: avoid; } }
"""


def page_of(readiness: Readiness) -> str:
    """The page."""
    number = len(readiness.servers)
    title = f"popheal check of {number} server{'' if number == 1 else 's'}"
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
            *_head(readiness, title),
            *_overview(readiness),
            *_part("here", Section.HERE.value, readiness.here),
            *(line for one in readiness.servers for line in _server(one)),
            "</body>",
            "</html>",
            "",
        ]
    )


def _head(readiness: Readiness, title: str) -> Iterator[str]:
    counted = readiness.counted()
    yield f"<h1>{escape(title)}</h1>"
    yield "<p>"
    yield ", ".join(
        f'<span class="{_CLASSES[one]}">{one.sign} {counted[one]} {_WORDS[one]}</span>'
        for one in _WORST_FIRST
    )
    yield "</p>"
    yield (
        f'<p class="dim">{moment(readiness.at)}, took {span(readiness.seconds)}, '
        f"popheal {escape(__version__)}. It only looked.</p>"
    )
    yield "<h2>What popheal may do here</h2>"
    yield f"<p>{escape(' '.join(readiness.policy))}</p>"


def _overview(readiness: Readiness) -> Iterator[str]:
    """A row a server, a column a section: the worst of it, and how many lines are so."""
    columns = sections(line.key for one in readiness.servers for line in one.lines)
    if not columns:
        return
    yield "<h2>Servers</h2>"
    yield "<table><thead><tr><th>Server</th>"
    yield from (f"<th>{escape(one.value)}</th>" for one in columns)
    yield "</tr></thead><tbody>"
    for one in readiness.servers:
        yield f'<tr><th><a href="#{_anchor(one.server)}">{escape(one.server)}</a></th>'
        for column in columns:
            mine = [line.judgement for line in one.lines if BY_KEY[line.key].section is column]
            yield f"<td>{_worst(mine)}</td>"
        yield "</tr>"
    yield "</tbody></table>"


def _worst(judgements: Sequence[Judgement]) -> str:
    worst = next((one for one in _WORST_FIRST if one in judgements), None)
    if worst is None:
        return '<span class="dim">not looked at</span>'
    number = (
        f"{judgements.count(worst)} of {len(judgements)}" if worst is not Judgement.GOOD else ""
    )
    number = number or str(len(judgements))
    return f'<span class="{_CLASSES[worst]}" title="{_WORDS[worst]}">{worst.sign} {number}</span>'


def _server(one: ServerReadiness) -> Iterator[str]:
    yield from _part(_anchor(one.server), one.server, one.lines)


def _part(anchor: str, heading: str, lines: Sequence[Line]) -> Iterator[str]:
    if not lines:
        return
    yield f'<h2 id="{anchor}">{escape(heading)}</h2>'
    yield "<table><tbody>"
    for section in sections(line.key for line in lines):
        if section is not Section.HERE:
            yield f'<tr class="section"><th colspan="4">{escape(section.value)}</th></tr>'
        yield from _rows(line for line in lines if BY_KEY[line.key].section is section)
    yield "</tbody></table>"


def _rows(lines: Iterable[Line]) -> Iterator[str]:
    for line in lines:
        kind, sign = _CLASSES[line.judgement], line.judgement.sign
        about = f' <span class="dim">{escape(line.about)}</span>' if line.about else ""
        yield (
            f'<tr><td class="sign {kind}" title="{_WORDS[line.judgement]}">{sign}</td>'
            f'<td class="item">{escape(BY_KEY[line.key].title)}{about}</td>'
            f'<td class="value">{escape(line.value)}</td><td>{_why(line)}</td></tr>'
        )


def _why(line: Line) -> str:
    if line.because:
        return f'<span class="dim">not asked: see {escape(line.because)}</span>'
    said = escape(line.cause)
    if line.next_step:
        said += f'<div class="next">→ {escape(line.next_step)}</div>'
    return said


def _anchor(server: str) -> str:
    return "server-" + "".join(one if one.isalnum() else "-" for one in server.casefold())

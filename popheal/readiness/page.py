"""A check as one page for a browser or a printer: nothing in it is loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Final

from popheal.readiness.items import BY_KEY, Section, line_in_words, sections
from popheal.readiness.lines import Judgement, Line, Readiness
from popheal.util.html_page import anchor, page
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
th, td { overflow-wrap: anywhere; }
tr.heading th { padding-top: .5rem; }
td.sign { width: 2rem; font-weight: 700; text-align: center; }
td.item { width: 30%; }
td.value { width: 26%; }
.next { margin-top: .15rem; }
@media (max-width: 46rem) { td.item, td.value { width: auto; } body { padding: .8rem; } }
"""


def page_of(readiness: Readiness) -> str:
    """The page."""
    number = len(readiness.servers)
    title = f"popheal check of {number} server{'' if number == 1 else 's'}"
    return page(title, _body(readiness), style=_STYLE)


def _body(readiness: Readiness) -> Iterator[str]:
    yield from _head(readiness)
    yield from _overview(readiness)
    yield from _part("here", Section.HERE.value, readiness.here)
    for one in readiness.servers:
        yield from _part(anchor(one.server), one.server, one.lines)


def _head(readiness: Readiness) -> Iterator[str]:
    counted = readiness.counted()
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
        yield f'<tr><th><a href="#{anchor(one.server)}">{escape(one.server)}</a></th>'
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


def _part(name: str, heading: str, lines: Sequence[Line]) -> Iterator[str]:
    if not lines:
        return
    yield f'<h2 id="{name}">{escape(heading)}</h2>'
    yield "<table><tbody>"
    for section in sections(line.key for line in lines):
        if section is not Section.HERE:
            yield f'<tr class="heading"><th colspan="4">{escape(section.value)}</th></tr>'
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
        return f'<span class="dim">not asked: see {escape(line_in_words(line.because))}</span>'
    said = escape(line.cause)
    if line.next_step:
        said += f'<div class="next">→ {escape(line.next_step)}</div>'
    return said

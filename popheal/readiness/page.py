"""A check as one page for a browser or a printer: nothing in it is loaded from elsewhere."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Final

from popheal.readiness.items import BY_KEY, Section, line_in_words, sections
from popheal.readiness.lines import Judgement, Line, Readiness, ServerReadiness
from popheal.util.html import anchor, document, table
from popheal.util.text import moment, span

_CLASSES: Final = {
    Judgement.GOOD: "good",
    Judgement.BAD: "bad",
    Judgement.COULD_NOT_TELL: "unsure",
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
@media (max-width: 46rem) { td.item, td.value { width: auto; } }
"""


def page_of(readiness: Readiness) -> str:
    """The page."""
    number = len(readiness.servers)
    title = f"popheal check of {number} server{'' if number == 1 else 's'}"
    return document(
        title,
        _head(readiness),
        [
            *_policy(readiness),
            *_overview(readiness),
            *_part("here", Section.HERE.value, readiness.here),
            *(line for one in readiness.servers for line in _server(one)),
        ],
        style=_STYLE,
    )


def _head(readiness: Readiness) -> Iterator[str]:
    counted = readiness.counted()
    yield "<p>"
    yield ", ".join(
        f'<span class="{_CLASSES[one]}">{one.sign} {counted[one]} {_WORDS[one]}</span>'
        for one in _WORST_FIRST
    )
    yield "</p>"
    yield (
        f'<p class="dim">{moment(readiness.at)}, took {span(readiness.seconds)}. '
        "It only looked.</p>"
    )


def _policy(readiness: Readiness) -> Iterator[str]:
    yield "<h2>What popheal may do here</h2>"
    yield f"<p>{escape(' '.join(readiness.policy))}</p>"


def _overview(readiness: Readiness) -> Iterator[str]:
    """A row a server, a column a section: the worst of it, and how many lines are so."""
    columns = sections(line.key for one in readiness.servers for line in one.lines)
    if not columns:
        return
    yield "<h2>Servers</h2>"
    heads = ["Server", *(escape(one.value) for one in columns)]
    yield from table("Servers", heads, (_overview_row(one, columns) for one in readiness.servers))


def _overview_row(one: ServerReadiness, columns: Sequence[Section]) -> str:
    cells = "".join(
        f"<td>{_worst([line.judgement for line in one.lines if _section(line) is column])}</td>"
        for column in columns
    )
    link = f'<a href="#{anchor(one.server)}">{escape(one.server)}</a>'
    return f'<tr><th scope="row">{link}</th>{cells}</tr>'


def _section(line: Line) -> Section:
    return BY_KEY[line.key].section


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
    yield from _part(anchor(one.server), one.server, one.lines)


def _part(place: str, heading: str, lines: Sequence[Line]) -> Iterator[str]:
    if not lines:
        return
    yield f'<h2 id="{place}">{escape(heading)}</h2>'
    yield "<table><tbody>"
    for section in sections(line.key for line in lines):
        if section is not Section.HERE:
            yield f'<tr class="heading"><th colspan="4">{escape(section.value)}</th></tr>'
        yield from _rows(line for line in lines if _section(line) is section)
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

"""The healings of some time as a page: figures first, then each of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from popheal.review.period import Durations, PastHealing, Period
from popheal.review.words import counts_of, ended, in_figures
from popheal.tables.palette import VERDICT_CLASSES
from popheal.tables.table import Verdict
from popheal.util.html import document, table, told
from popheal.util.text import iso, moment, span

_STYLE: Final = """
tbody th, td { overflow-wrap: anywhere; }
.counts { display: grid; gap: 0 2rem; grid-template-columns: repeat(auto-fit, minmax(16rem, 1fr)); }
td.number { text-align: right; width: 5rem; font-variant-numeric: tabular-nums; }
tbody th { width: 36%; }
th .dim { font-weight: 400; }
td.took { white-space: nowrap; }
h3 { font-size: 1rem; margin: 1.2rem 0 .3rem; }
"""

_TITLES: Final = {"Why": "Why not all is well", "Done": "What was done"}


def page_of_period(period: Period) -> str:
    """The page."""
    between = f"{moment(period.since)} to {moment(period.until)}"
    return document(
        f"popheal: {in_figures(period)}",
        [f'<p class="dim">Begun from {told(between)}.</p>'],
        [*_verdicts(period), *_counts(period), *_healings(period)],
        style=_STYLE,
    )


def _verdicts(period: Period) -> Iterator[str]:
    found = period.by_verdict
    if found:
        yield "<h2>How they ended</h2>"
        heads = ["Verdict", "Healings", "Median", "Longest"]
        yield from table("How they ended", heads, (_verdict(*one) for one in found.items()))


def _verdict(verdict: Verdict, took: Durations) -> str:
    kind = VERDICT_CLASSES[verdict]
    return (
        f'<tr><th scope="row"><span class="{kind}">{verdict.value.replace("_", " ")}</span>'
        f'<br><span class="dim">{verdict.meaning}</span></th><td>{took.number}</td>'
        f'<td class="took">{span(took.median)}</td><td class="took">{span(took.longest)}</td></tr>'
    )


def _counts(period: Period) -> Iterator[str]:
    if counts := counts_of(period):
        yield '<h2>In figures</h2><div class="counts">'
        for title, numbers in counts.items():
            yield from _count(title, numbers)
        yield "</div>"


def _count(title: str, numbers: Mapping[str, int]) -> Iterator[str]:
    yield f"<div><h3>{_TITLES.get(title, title)}</h3>"
    rows = (
        f'<tr><th scope="row">{told(name)}</th><td class="number">{number}</td></tr>'
        for name, number in numbers.items()
    )
    yield from table(title, ["What", "Times"], rows)
    yield "</div>"


def _healings(period: Period) -> Iterator[str]:
    if period.healings:
        yield "<h2>Each of them</h2><p>Times are in UTC.</p>"
        heads = ["Healing", "How it ended"]
        yield from table("Each of them", heads, map(_healing, period.healings))


def _healing(one: PastHealing) -> str:
    kind = VERDICT_CLASSES[one.verdict] if one.verdict else "unsure"
    said = "".join(f"<br>{told(line)}" for line in _lines(one))
    begun = f'<time datetime="{iso(one.begun_at)}">{one.begun_at:%Y-%m-%d %H:%M}</time>'
    return (
        f'<tr><th scope="row">{told(one.server)}'
        f'<br><span class="dim">{begun}<br>{told(one.id)}</span></th>'
        f'<td><strong class="{kind}">{told(ended(one))}</strong>{said}</td></tr>'
    )


def _lines(one: PastHealing) -> Iterable[str]:
    yield from filter(None, [one.summary, ", ".join(one.procedures)])
    yield from one.left

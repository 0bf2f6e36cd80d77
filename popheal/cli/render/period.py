"""The healings of some time, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from popheal.cli.render.lines import hanging, labelled
from popheal.review.period import PastHealing, Period
from popheal.review.words import counts_of, ended, in_figures
from popheal.tables.palette import VERDICT_STYLES
from popheal.util.text import one_line, span

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text


def period_lines(out: Console, period: Period) -> Iterator[Text]:
    """Figures first, then each healing that did not end well, or has not ended."""
    from rich.text import Text

    until = f"{period.since:%Y-%m-%d %H:%M} to {period.until:%Y-%m-%d %H:%M} UTC"
    yield from labelled(out, "From", until)
    yield from labelled(out, "Total", in_figures(period), "bold")
    label = "Took"
    for verdict, took in period.by_verdict.items():
        words = verdict.value.replace("_", " ")
        text = f"{words}: {span(took.median)} (median), {span(took.longest)} at most"
        yield from labelled(out, label, text, VERDICT_STYLES[verdict])
        label = ""
    for label, numbers in counts_of(period).items():
        yield from labelled(out, label, _counted(numbers))
    told = [one for one in period.healings if one.verdict is None or not one.verdict.good]
    if told:
        yield Text("")
        yield Text("Not well, or not ended:", "bold")
    for one in told:
        yield from _healing(out, one)


def _counted(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{name} ({number})" for name, number in numbers.items())


def _healing(out: Console, one: PastHealing) -> Iterator[Text]:
    from rich.text import Text

    head = f"{one.begun_at:%Y-%m-%d %H:%M}  {one.id}  {one.server}: {ended(one)}"
    yield Text(one_line(head))
    for line in filter(None, [one.summary, *one.left]):
        yield from hanging(out, Text("    "), line)

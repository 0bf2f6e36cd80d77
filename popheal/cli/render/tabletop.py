"""A tabletop exercise for people: a paragraph a server, a line for each kind of fault and cure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING, Final

from popheal.cli.render.lines import hanging, labelled
from popheal.tabletop.words import (
    asked_of,
    at_most,
    cures_of,
    effects_of,
    heading_of,
    targets_of,
    why,
)
from popheal.util.text import one_line

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from popheal.tabletop import Tabletop, Trial

_CURE: Final = 32
_COLOURS: Final = {"recovered": "green", "escalated": "red", "held": "yellow", "unknown": "yellow"}


def tabletop_lines(out: Console, table: Tabletop) -> Iterator[Text]:
    """All of it."""
    from rich.text import Text

    yield Text(one_line(table.title), "bold")
    for sentence in heading_of(table):
        yield from hanging(out, Text(), sentence, "dim")
    for server in table.servers:
        yield Text("")
        yield Text(server, "bold underline")
        if targets := targets_of(table.of(server)):
            yield from hanging(out, Text("  databases could go: "), targets, "dim")
        for fault, trials in groupby(table.of(server), key=lambda one: one.fault):
            yield from _kind(out, fault, list(trials))
    yield Text("")
    counted = Counter(one.verdict.value for one in table.trials for _ in one.cures)
    said = ", ".join(f"{number} {verdict}" for verdict, number in counted.items())
    yield from labelled(out, "In all", said or "nothing was tried")


def _kind(out: Console, fault: str, trials: list[Trial]) -> Iterator[Text]:
    from rich.text import Text

    longest = f"at most {at_most(trials[0])}" if at_most(trials[0]) else ""
    yield from hanging(out, Text(f"  {fault}  ", "bold"), longest, "dim")
    for one in trials:
        yield from _trial(out, one)


def _trial(out: Console, one: Trial) -> Iterator[Text]:
    from rich.text import Text

    lead = Text(f"    {cures_of(one):<{_CURE}}")
    lead.append(f"{one.verdict.value:<11}", _COLOURS.get(one.verdict.value, ""))
    yield from hanging(out, lead, "; ".join(effects_of(one)) or "touches nothing")
    for label, said in (("asks a person first", asked_of(one)), ("because", why(one))):
        if said:
            yield from hanging(out, Text(f"      {label}: "), said, "dim")

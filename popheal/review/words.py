"""The healings of some time in a few words, for a page and for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from popheal.review.period import PastHealing, Period
from popheal.tables.actions import DRAIN, REBOOT, RESTART_SERVICE
from popheal.util.text import span


def in_figures(period: Period) -> str:
    """How many there were, and how they ended: ``9 healings: 6 recovered, 3 held``."""
    number = len(period.healings)
    parts = [
        f"{took.number} {verdict.value.replace('_', ' ')}"
        for verdict, took in period.by_verdict.items()
    ]
    if period.unfinished:
        parts.append(f"{len(period.unfinished)} not ended")
    counted = f"{number or 'no'} healing{'' if number == 1 else 's'}"
    return f"{counted}: {', '.join(parts)}" if parts else counted


def ended(one: PastHealing) -> str:
    """How a healing ended, or stands."""
    if one.verdict is None or one.seconds is None:
        return one.state
    return f"{one.verdict.value.replace('_', ' ')}, after {span(one.seconds)}"


#: What is done to servers, by the action that does it.
_EFFECTS: Final = {
    RESTART_SERVICE.name: "service restarts",
    DRAIN.name: "drains",
    REBOOT.name: "restarts of a server",
}


def counts_of(period: Period) -> Mapping[str, Mapping[str, int]]:
    """What there is to count beside the verdicts, each under a title and in words."""
    counts: dict[str, dict[str, int]] = {
        "Why": {_words(name): number for name, number in period.why.items()},
        "Done": {_EFFECTS[name]: number for name, number in period.effects.items()},
        "Approvals": period.approvals,
        "Servers": period.by_server,
        "Monitors": period.by_monitor,
    }
    return {title: numbers for title, numbers in counts.items() if numbers}


def _words(name: str) -> str:
    return name.replace("_", " ")

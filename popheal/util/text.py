"""Text and time for people: cleaned, cut short, and always told alike."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

#: How much of what the far side says is worth repeating.
_LONGEST_TEXT: Final = 500


def without_controls(text: str) -> str:
    """The text with a space for each character that would steer a terminal, or end the line."""
    if text.isprintable():
        return text  # as most are
    return "".join(char if char.isprintable() else " " for char in text)


def one_line(text: str, longest: int | None = None) -> str:
    """The text on one line, without control characters, cut to that many characters.

    Much of what is shown was written by other machines, or by whoever named a server.
    """
    line = " ".join(without_controls(text).split())
    if longest is None or len(line) <= longest:
        return line
    return f"{line[: longest - 1].rstrip()}…"


def printable(text: str) -> str:
    """What the far side says on one line, and not without end."""
    return one_line(text, _LONGEST_TEXT)


def moment(at: datetime | None, zone: str = " UTC") -> str:
    """A time for people: UTC, to the second, with the zone written like that."""
    return f"{at:%Y-%m-%d %H:%M:%S}{zone}" if at else "an unknown time"


def time_of_day(at: datetime) -> str:
    """A time of a day that is known, for people: UTC, to the second."""
    return f"{at:%H:%M:%S}"


def iso(at: datetime | None) -> str | None:
    """A time for machines: ISO 8601; None for none."""
    return at.isoformat() if at else None


def span(seconds: float) -> str:
    """A duration for people: ``7 min 45 s``."""
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    if minutes:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{rest} s"


def did_you_mean(given: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """A sentence with the nearest of the known words and a space after it; empty if none is."""
    import difflib  # only who errs waits for it

    spelt = {one.casefold(): one for one in known}
    close = difflib.get_close_matches(given.casefold(), spelt, n=1, cutoff=cutoff)
    return f"Did you mean '{spelt[close[0]]}'? " if close else ""

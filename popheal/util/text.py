"""Text and time for people: cleaned, cut short, and always told alike."""

from __future__ import annotations

from datetime import datetime
from typing import Final

#: How much of what the far side says is worth repeating.
_LONGEST_TEXT: Final = 500


def printable(text: str) -> str:
    """A text of the far side in one line, without control characters, and not without end."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return line if len(line) <= _LONGEST_TEXT else f"{line[:_LONGEST_TEXT]}..."


def moment(at: datetime | None) -> str:
    """A time for people: UTC, to the second."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else "an unknown time"


def span(seconds: float) -> str:
    """A duration for people: ``7 min 45 s``."""
    whole = round(seconds)
    hours, minutes, rest = whole // 3600, whole % 3600 // 60, whole % 60
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    if minutes:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{rest} s"

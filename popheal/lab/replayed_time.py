"""When what was recorded happens in a replay."""

from __future__ import annotations

import re
from bisect import bisect_right
from datetime import UTC, datetime, timedelta
from typing import Final

_ISO: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)([T ])(\d\d:\d\d:\d\d)(?:\.(\d{1,7}))?(Z|[+-]\d\d:\d\d)", re.ASCII
)
#: What is further from the recording than this is no time of it: .NET's first and last ones, say.
_NEAR: Final = timedelta(days=3650)


class ReplayedTime:
    """Moves times of a recording to where they belong in its replay.

    A replay takes its own time, mostly less. So each answer ties two moments together: when it
    was given then, and when it is now. What happened between two answers then is put between them
    now; what happened before the first one is as long before it as it was. So one moment is the
    same in all answers, and two keep their order.
    """

    def __init__(self) -> None:
        self._then: list[datetime] = []
        self._now: list[datetime] = []

    def tie(self, then: datetime, now: datetime) -> None:
        """What happened at one moment happens at the other; none is tied backwards."""
        if not self._then or (then >= self._then[-1] and now >= self._now[-1]):
            self._then.append(then)
            self._now.append(now)

    def moved(self, at: datetime) -> datetime:
        """When that happens in the replay."""
        if not self._then or abs(at - self._then[0]) > _NEAR:
            return at
        after = bisect_right(self._then, at)
        if after in (0, len(self._then)):
            nearest = min(after, len(self._then) - 1)
            return at + (self._now[nearest] - self._then[nearest])
        then, now = self._then[after - 1], self._now[after - 1]
        share = (at - then) / (self._then[after] - then)
        return now + (self._now[after] - now) * share

    def text(self, text: str) -> str:
        """A text with every time in it moved that says its zone; the others stay."""
        return _ISO.sub(self._moved, text)

    def _moved(self, found: re.Match[str]) -> str:
        day, between, clock, fraction, zone = found.groups()
        offset = "+00:00" if zone == "Z" else zone
        try:
            at = datetime.fromisoformat(f"{day}T{clock}.{(fraction or '0')[:6]:0<6}{offset}")
            moved = self.moved(at.astimezone(UTC)).astimezone(at.tzinfo)
        except (ValueError, OverflowError):
            return found[0]
        if moved == at:
            return found[0]
        digits = f".{moved.microsecond:06d}0"[: len(fraction) + 1] if fraction else ""
        return f"{moved:%Y-%m-%d}{between}{moved:%H:%M:%S}{digits}{zone}"

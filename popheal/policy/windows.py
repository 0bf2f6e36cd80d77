"""Maintenance windows: when something may be done, by the clock on the wall of some place.

A window opens when that clock first reaches its start, and closes when it next reaches its end.
Between the two it is one stretch of time, whatever the clock does meanwhile. So, where the clock
is changed:

- A start or an end that is skipped comes at the moment of the jump. A window that is skipped
  whole does not open that day.
- A start or an end that comes twice counts the first time.

A window that is open over such an hour is longer or shorter by it, in true hours.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from itertools import count
from typing import Any, Final

from attrs import Attribute, field, frozen

from popheal.errors import InvalidValue
from popheal.util.text import did_you_mean

#: The names of the days, in the order of the week.
DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

_TIME = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]", re.ASCII)
_DAY: Final = timedelta(days=1)
_MINUTE: Final = timedelta(minutes=1)
_SECOND: Final = timedelta(seconds=1)


def _in_order(days: Iterable[str]) -> tuple[str, ...]:
    """The days in the order of the week; left as they are if they are none."""
    given = (days,) if isinstance(days, str) else tuple(days)
    if any(day not in DAYS for day in given):
        return given
    return tuple(day for day in DAYS if day in given)


def _wrong(key: str, seen: str, next_step: str) -> InvalidValue:
    return InvalidValue(source="A maintenance window", path=(key,), seen=seen, next_step=next_step)


def _are_days(_window: Window, _attribute: Attribute[Any], value: tuple[Any, ...]) -> None:
    strange = [day for day in value if day not in DAYS]
    if value and not strange:
        return
    seen = f"has {strange[0]!r}, which is no day" if strange else "is empty"
    close = did_you_mean(str(strange[0])[:3], DAYS) if strange else ""
    raise _wrong("days", seen, f"{close}Name days of {', '.join(DAYS)}.")


def _is_time(_window: Window, attribute: Attribute[Any], value: Any) -> None:
    if not (isinstance(value, str) and _TIME.fullmatch(value)):
        right = 'Give hours and minutes in quotes, from "00:00" to "23:59".'
        raise _wrong(attribute.name, f"is {value!r}, which is no time of day", right)


def _is_zone(_window: Window, _attribute: Attribute[Any], value: Any) -> None:
    _zone(value)


@frozen
class Window:
    """A stretch of time that comes back on some days of the week.

    Attributes:
        days: The days on which it starts, of :data:`DAYS`. In a file: all of them, if unsaid.
        start: When it opens, like ``"22:00"``, by the clock of the zone.
        end: When it closes, likewise. If that is not after the start, it goes on past midnight
            and closes the day after. The same as the start: after a whole day.
        zone: Name of a time zone of the IANA database, like ``"Europe/Berlin"``.

    Raises:
        InvalidValue: A value is none of these, or there is no such zone on this machine.
    """

    days: tuple[str, ...] = field(
        converter=_in_order, validator=_are_days, metadata={"unsaid": DAYS}
    )
    start: str = field(validator=_is_time, metadata={"example": '"22:00"'})
    end: str = field(validator=_is_time, metadata={"example": '"04:00"'})
    zone: str = field(default="UTC", validator=_is_zone)

    def __str__(self) -> str:
        days = "daily" if self.days == DAYS else ", ".join(self.days)
        return f"{days} {self.start} to {self.end} {self.zone}"

    def is_open(self, at: datetime) -> bool:
        """Whether it is open at a moment.

        Args:
            at: The moment, aware.
        """
        at = _utc(at)
        return self._next(at) <= at

    def next_opening(self, at: datetime) -> datetime:
        """The first moment from then on at which it is open, in UTC.

        Args:
            at: The moment, aware. The answer if the window is open.
        """
        at = _utc(at)
        return max(at, self._next(at))

    def _next(self, at: datetime) -> datetime:
        """When the first stretch opens, or has opened, that is not over at a moment."""
        # One that began yesterday may go on.
        yesterday = at.astimezone(_zone(self.zone)).date() - _DAY
        stretches = self._stretches(yesterday)
        return next(opens for opens, closes in stretches if opens < closes and at < closes)

    def _stretches(self, first: date) -> Iterator[tuple[datetime, datetime]]:
        """When it opens and closes, in order, from a day on, without end."""
        zone = _zone(self.zone)
        start, end = time.fromisoformat(self.start), time.fromisoformat(self.end)
        for number in count():  # pragma: no branch - there is always another day
            day = first + number * _DAY
            if DAYS[day.weekday()] in self.days:
                last = day if end > start else day + _DAY
                yield (
                    _reached(datetime.combine(day, start), zone),
                    _reached(datetime.combine(last, end), zone),
                )


def is_open(windows: Iterable[Window], at: datetime) -> bool:
    """Whether one of the windows is open at a moment; always if there are none."""
    windows = tuple(windows)
    return not windows or any(window.is_open(at) for window in windows)


def closes_within(windows: Iterable[Window], at: datetime, span: timedelta) -> datetime | None:
    """The first minute of a span of time at which none of them is open; None if there is none."""
    windows = tuple(windows)
    minutes = (at + number * _MINUTE for number in range(span // _MINUTE + 2))
    within = (min(minute, at + span) for minute in minutes)
    return next((minute for minute in within if not is_open(windows, minute)), None)


def next_opening(windows: Iterable[Window], at: datetime) -> datetime:
    """The first moment from then on at which one of them is open, in UTC."""
    return min((window.next_opening(at) for window in windows), default=_utc(at))


def _utc(at: datetime) -> datetime:
    if at.utcoffset() is None:
        raise ValueError("a moment needs a time zone, this one has none")
    return at.astimezone(UTC)


def _reached(wall: datetime, zone: tzinfo) -> datetime:
    """The first moment at which the clock of a zone shows that time, or a later one."""
    first = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if first.astimezone(zone).replace(tzinfo=None) == wall:
        return first
    # It is skipped. Read by the offset from before the jump it is late, by that from after the
    # jump it is early, so the jump is in between; and clocks jump at whole seconds.
    early = wall.replace(tzinfo=zone, fold=1).astimezone(UTC)
    before, after = 0, int((first - early) / _SECOND)
    while after - before > 1:
        middle = (before + after) // 2
        shown = (early + middle * _SECOND).astimezone(zone).replace(tzinfo=None)
        before, after = (before, middle) if shown >= wall else (middle, after)
    return early + after * _SECOND


def _zone(name: Any) -> tzinfo:
    if name == "UTC":
        return UTC  # needs no database
    # Imported here: most programs have no windows, and need not wait for it.
    from zoneinfo import ZoneInfo, available_timezones

    # Besides not being found, a name may be no text, no path, or that of a folder.
    with suppress(KeyError, ValueError, OSError, TypeError, AttributeError):
        return ZoneInfo(name)
    if known := available_timezones():
        right = f'{did_you_mean(str(name), known)}Give a name like "Europe/Berlin".'
        raise _wrong("zone", f"is {name!r}, which is no time zone", right)
    raise _wrong(
        "zone",
        f"is {name!r}, but this machine has no database of time zones",
        'Install one with: pip install tzdata. Or give the window in "UTC".',
    )

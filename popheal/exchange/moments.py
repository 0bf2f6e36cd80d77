"""Times that came without a time zone, in the form of the server's culture.

Such a text (``10/9/2024 8:58:55 PM``) doesn't say which zone it is in, nor which of its first two
numbers is the month. So there is no one answer, but a few that are possible: whoever wants to
prove something by such a time has to prove it by each of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

#: Seconds in a day. No time zone is that far from UTC.
_DAY: Final = 86400.0
#: Years that are of the Gregorian calendar for certain. 2024 is 2567 in Thailand: taken for ours,
#: it would be after everything.
_YEARS: Final = range(2000, 2101)

_TEXT: Final = re.compile(
    r"(?P<a>\d{1,4})(?P<mark>[./-])[ ]?(?P<b>\d{1,2})(?P=mark)[ ]?(?P<c>\d{1,4})\.?"
    r"(?:,?[ ]+|T)"
    r"(?P<hour>\d{1,2})(?P<colon>[:.])(?P<minute>\d\d)"
    r"(?:(?P=colon)(?P<second>\d\d)(?:[.,]\d{1,9})?)?"
    r"(?:[ ]*(?P<half>[ap])\.?[ ]?m\.?)?",
    re.ASCII | re.IGNORECASE,
)
_SPACES: Final = re.compile(r"\s+")


def possible_moments(text: str, utc_offset: float | None) -> tuple[datetime, ...]:
    """Every moment that a time without zone may mean, as aware UTC datetimes, the earliest first.

    Read with the month first and with the day first where both are possible (year first:
    month, then day), with 12 or 24 hours, as UTC and in the server's zone. Parts of seconds are
    dropped, so a moment is never later than what was meant.

    Args:
        text: The time as it came.
        utc_offset: Seconds by which the server's zone is ahead of UTC. In the hour around a
            change to or from summer time, a time from before the change is read an hour off.

    Returns:
        Nothing where the text can't be read as such a time, or the zone isn't known: then nothing
        can be proven by it.
    """
    if utc_offset is None or not -_DAY < utc_offset < _DAY:
        return ()
    # Newer libraries put a narrow no-break space in front of AM and PM.
    found = _TEXT.fullmatch(_SPACES.sub(" ", text.strip()))
    clock = _clock(found) if found else None
    if found is None or clock is None:
        return ()
    local = [datetime.combine(day, clock, UTC) for day in _days(found)]
    ahead = timedelta(seconds=utc_offset)
    return tuple(sorted({*local, *(moment - ahead for moment in local)}))


def _days(found: re.Match[str]) -> Iterator[date]:
    first, second, third = (int(found[name]) for name in "abc")
    if len(found["a"]) == 4:  # noqa: PLR2004
        orders = [(first, second, third)]
    elif len(found["c"]) == 4:  # noqa: PLR2004
        orders = [(third, first, second), (third, second, first)]
    else:
        return  # a year of two digits could be any of the three
    for year, month, day in orders:
        if year in _YEARS:
            try:
                yield date(year, month, day)
            except ValueError:
                continue


def _clock(found: re.Match[str]) -> time | None:
    hour, half = int(found["hour"]), found["half"]
    if half:
        if not 1 <= hour <= 12:  # noqa: PLR2004
            return None
        hour = hour % 12 + (12 if half.lower() == "p" else 0)
    try:
        return time(hour, int(found["minute"]), int(found["second"] or 0))
    except ValueError:
        return None

"""When what was recorded happens in a replay."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popheal.lab.replayed_time import ReplayedTime

THEN = datetime(2026, 1, 5, 8, tzinfo=UTC)
NOW = datetime(2031, 7, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def tied(*pairs: tuple[float, float]) -> ReplayedTime:
    """Moments tied together, in hours since the beginning of each."""
    time = ReplayedTime()
    for then, now in pairs:
        time.tie(THEN + then * HOUR, NOW + now * HOUR)
    return time


@pytest.mark.parametrize(
    ("then", "now"),
    [(-5, -5), (0, 0), (1, 0.5), (2, 1), (2.5, 1.25), (3, 1.5), (4, 2.5), (24, 22.5)],
)
def test_what_lies_between_stays_between(then: float, now: float) -> None:
    """Before the first and after the last it is as far from them as it was."""
    assert tied((0, 0), (2, 1), (3, 1.5)).moved(THEN + then * HOUR) == NOW + now * HOUR


def test_nothing_is_moved_before_there_is_anything_to_go_by() -> None:
    assert ReplayedTime().moved(THEN) == THEN


TEXTS = {
    "2026-01-05T08:00:00Z": "2031-07-01T12:00:00Z",
    "2026-01-05T09:30:00.1234567+02:00": "2031-07-01T13:30:00.1234560+02:00",
    "from 2026-01-05 08:00:00.5Z on": "from 2031-07-01 12:00:00.5Z on",
    "2026-01-05T08:00:00.000Z,0,2026-01-05T08:00:01.000Z": "2031-07-01T12:00:00.000Z,0,"
    "2031-07-01T12:00:01.000Z",
    # Nobody knows of which zone, or nothing has happened then, or it is none.
    "1/5/2026 8:00:00 AM": "1/5/2026 8:00:00 AM",
    "2026-01-05T08:00:00": "2026-01-05T08:00:00",
    "0001-01-01T00:00:00Z": "0001-01-01T00:00:00Z",
    "9999-12-31T23:59:59.9999999Z": "9999-12-31T23:59:59.9999999Z",
    "2026-99-05T08:00:00Z": "2026-99-05T08:00:00Z",
}


@pytest.mark.parametrize("text", TEXTS)
def test_times_in_texts(text: str) -> None:
    """In the form that they have."""
    assert tied((0, 0)).text(text) == TEXTS[text]


def test_where_nothing_is_to_be_moved_nothing_changes() -> None:
    """Not even the digits that a clock of ours does not have."""
    time = ReplayedTime()
    time.tie(THEN, THEN)
    text = "2026-01-05T09:30:00.1234567+02:00"
    assert time.text(text) == text


MOMENTS = st.floats(-48, 48).map(lambda hours: THEN + hours * HOUR)


@given(st.lists(st.tuples(MOMENTS, MOMENTS), max_size=6), st.lists(MOMENTS, max_size=6))
def test_the_order_stays(pairs: list[tuple[datetime, datetime]], moments: list[datetime]) -> None:
    """Whatever is tied to what: nothing is moved before what it came after."""
    time = ReplayedTime()
    for then, now in pairs:
        time.tie(then, now)
    moved = [time.moved(one) for one in sorted(moments)]
    assert moved == sorted(moved)

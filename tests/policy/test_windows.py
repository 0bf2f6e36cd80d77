"""Maintenance windows: against a clock on the wall that is looked at minute by minute."""

from __future__ import annotations

import pickle
import zoneinfo
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from popheal import PophealError
from popheal.errors import InvalidValue
from popheal.policy.windows import DAYS, Window, closes_within, is_open, next_opening

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
EPOCH = datetime(1990, 1, 1, tzinfo=UTC)

#: Around changes of the clock: by an hour, by half an hour, by two hours, over midnight both
#: ways, by a whole day, and none at all. The days are those of the change.
CHANGES = [
    ("Europe/Berlin", date(2026, 3, 29)),
    ("Europe/Berlin", date(2026, 10, 25)),
    ("America/New_York", date(2026, 3, 8)),
    ("America/New_York", date(2026, 11, 1)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("Antarctica/Troll", date(2026, 3, 29)),
    ("Antarctica/Troll", date(2026, 10, 25)),
    ("America/Sao_Paulo", date(2018, 11, 4)),  # from midnight to 01:00
    ("America/Sao_Paulo", date(2019, 2, 17)),  # from midnight to 23:00 of the day before
    ("America/St_Johns", date(2006, 10, 29)),  # from 00:01 to 23:01 of the day before
    ("Pacific/Apia", date(2011, 12, 30)),  # a Friday that was not
    ("Asia/Kathmandu", date(2026, 1, 1)),
    ("UTC", date(2026, 1, 1)),
]

clock_times = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
#: Near the hours at which clocks are changed, where it is most likely to go wrong.
small_hours = st.builds(
    "{:02}:{:02}".format, st.sampled_from([0, 1, 2, 3, 4, 23]), st.sampled_from([0, 1, 15, 30, 59])
)
times = small_hours | clock_times
days = st.sets(st.sampled_from(DAYS), min_size=1).map(tuple)


class WallClock:
    """Someone who looks at the clock once a minute, and knows nothing else.

    Opens the window when the clock first shows its start or later, on a day of its own, and
    closes it when the clock shows its end or later.
    """

    def __init__(self, window: Window, since: datetime) -> None:
        self.window = window
        self.zone = ZoneInfo(window.zone)
        self.now = since
        first = since.astimezone(self.zone).date()
        start, end = time.fromisoformat(window.start), time.fromisoformat(window.end)
        #: The stretches that have not ended, by the wall.
        self.to_come = [
            (
                datetime.combine(day, start),
                datetime.combine(day if end > start else day + DAY, end),
            )
            for day in (first + number * DAY for number in range(-1, 8))
            if DAYS[day.weekday()] in window.days
        ]
        self.opened: set[datetime] = set()

    def look(self) -> bool:
        """Whether it is open now; a minute later, it is asked again."""
        shown = self.now.astimezone(self.zone).replace(tzinfo=None)
        self.now += MINUTE
        self.to_come = [(start, end) for start, end in self.to_come if shown < end]
        self.opened |= {start for start, _ in self.to_come if shown >= start}
        return any(start in self.opened for start, _ in self.to_come)


@st.composite
def windows_and_moments(draw):
    zone, day = draw(st.sampled_from(CHANGES))
    window = Window(draw(days), draw(times), draw(times), zone)
    noon = datetime.combine(day, time(12), tzinfo=UTC)
    return window, noon - DAY


@pytest.mark.slow
@settings(deadline=None, max_examples=40)
@given(windows_and_moments())
@example(
    (Window(("sun",), "02:15", "02:45", "Europe/Berlin"), datetime(2026, 3, 28, 12, tzinfo=UTC))
)
@example((Window(DAYS, "02:15", "02:15", "Europe/Berlin"), datetime(2026, 10, 24, 12, tzinfo=UTC)))
def test_it_is_open_when_somebody_at_the_clock_would_say_so(case):
    """Each minute of two days around a change of the clock."""
    window, since = case
    wall = WallClock(window, since - 2 * DAY)  # it knows what began before
    while wall.now < since:
        wall.look()
    minutes = [(wall.now, wall.look()) for _ in range(2 * 24 * 60)]
    coming = None
    for at, is_so in reversed(minutes):
        assert is_so is window.is_open(at), at
        coming = at if is_so else coming
        if coming and at.minute % 15 == 0:
            assert window.next_opening(at) == coming


@given(
    st.builds(EPOCH.__add__, st.timedeltas(timedelta(), 70 * 365 * DAY)),
    st.lists(
        st.builds(
            Window,
            days,
            times,
            times,
            st.sampled_from([zone for zone, _ in CHANGES]) | st.just("UTC"),
        ),
        max_size=3,
    ),
)
def test_the_next_opening_is_the_first_moment_from_then_on(at, windows):
    """It is open then, was not just before, and nowhere in between."""
    opening = next_opening(windows, at)
    assert opening >= at
    assert opening.tzinfo is UTC
    assert is_open(windows, opening)
    assert is_open(windows, at) is (opening == at)
    if opening > at:
        assert not is_open(windows, opening - timedelta(microseconds=1))
        for part in range(1, 20):
            assert not is_open(windows, at + (opening - at) * part / 20)
    assert next_opening(windows, opening) == opening


def berlin(text: str, fold: int = 0) -> datetime:
    """A moment, in UTC: Python does not compare moments of an hour that comes twice."""
    wall = datetime.fromisoformat(text).replace(tzinfo=ZoneInfo("Europe/Berlin"), fold=fold)
    return wall.astimezone(UTC)


@pytest.mark.parametrize(
    ("window", "opens", "closes"),
    [
        # 2026-01-03 is a Saturday.
        (("22:00", "04:00"), berlin("2026-01-03 22:00"), berlin("2026-01-04 04:00")),
        (("09:30", "17:00"), berlin("2026-01-03 09:30"), berlin("2026-01-03 17:00")),
        (("06:00", "06:00"), berlin("2026-01-03 06:00"), berlin("2026-01-04 06:00")),
    ],
)
def test_a_window_belongs_to_the_day_on_which_it_starts(window, opens, closes):
    saturday = Window(("sat",), *window, "Europe/Berlin")
    friday = berlin("2026-01-02 23:00")
    assert saturday.next_opening(friday) == opens
    assert saturday.is_open(opens)
    assert saturday.is_open(closes - MINUTE)
    assert not saturday.is_open(closes)
    assert saturday.next_opening(closes) == opens + 7 * DAY


@pytest.mark.parametrize(
    ("start", "end", "opens", "closes"),
    [
        # 2026-03-29, 02:00: forward to 03:00.
        ("02:30", "05:00", berlin("2026-03-29 03:00"), berlin("2026-03-29 05:00")),
        ("01:00", "02:30", berlin("2026-03-29 01:00"), berlin("2026-03-29 03:00")),
        ("02:10", "02:50", berlin("2026-04-05 02:10"), berlin("2026-04-05 02:50")),
    ],
)
def test_a_start_or_end_that_is_skipped_comes_at_the_jump(start, end, opens, closes):
    window = Window(("sun",), start, end, "Europe/Berlin")
    assert window.next_opening(berlin("2026-03-28 12:00")) == opens
    assert window.is_open(closes - MINUTE)
    assert not window.is_open(closes)


@pytest.mark.parametrize(
    ("start", "end", "opens", "closes"),
    [
        # 2026-10-25, 03:00: back to 02:00.
        ("02:30", "05:00", berlin("2026-10-25 02:30"), berlin("2026-10-25 05:00")),
        ("01:00", "02:30", berlin("2026-10-25 01:00"), berlin("2026-10-25 02:30")),
        ("02:10", "02:50", berlin("2026-10-25 02:10"), berlin("2026-10-25 02:50")),
    ],
)
def test_a_start_or_end_that_comes_twice_counts_the_first_time(start, end, opens, closes):
    window = Window(("sun",), start, end, "Europe/Berlin")
    assert window.next_opening(berlin("2026-10-24 12:00")) == opens
    assert window.is_open(closes - MINUTE)
    assert not window.is_open(closes)
    assert window.is_open(berlin("2026-10-25 02:20", fold=1)) is (end == "05:00")


def test_without_windows_it_is_always_open():
    at = berlin("2026-01-03 09:30")
    assert is_open((), at)
    assert next_opening((), at) == at
    assert next_opening((), at).tzinfo is UTC


def test_one_open_window_is_enough():
    windows = (Window(("mon",), "10:00", "11:00"), Window(("sat",), "10:00", "11:00"))
    assert is_open(windows, datetime(2026, 1, 3, 10, tzinfo=UTC))
    assert not is_open(windows, datetime(2026, 1, 4, 10, tzinfo=UTC))
    opening = next_opening(windows, datetime(2026, 1, 4, 10, tzinfo=UTC))
    assert opening == datetime(2026, 1, 5, 10, tzinfo=UTC)


def test_a_moment_without_a_zone_is_refused():
    window = Window(DAYS, "10:00", "11:00")
    for ask in (window.is_open, window.next_opening):
        with pytest.raises(ValueError, match="needs a time zone"):
            ask(datetime(2026, 1, 3))  # noqa: DTZ001 - that is the point
    with pytest.raises(ValueError, match="needs a time zone"):
        next_opening((), datetime(2026, 1, 3))  # noqa: DTZ001 - likewise


def test_a_window_can_be_shown_and_compared():
    window = Window(("sun", "sat"), "22:00", "04:00", zone="Europe/Berlin")
    assert str(window) == "sat, sun 22:00 to 04:00 Europe/Berlin"
    assert str(Window(DAYS, "12:00", "12:30")) == "daily 12:00 to 12:30 UTC"
    assert window == Window(["sat", "sun", "sat"], "22:00", "04:00", "Europe/Berlin")
    assert len({window, pickle.loads(pickle.dumps(window))}) == 1


RIGHT = {"days": DAYS, "start": "22:00", "end": "04:00", "zone": "UTC"}


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("days", (), "is empty"),
        ("days", ("sat", "Sunday"), "has 'Sunday', which is no day. Did you mean 'sun'? Name"),
        ("days", ("mon", 3), "has 3, which is no day. Name days of mon, tue"),
        ("days", "weekend", "has 'weekend', which is no day"),
        ("start", "24:00", "is '24:00', which is no time of day. Give hours and minutes"),
        ("start", "9:00", "is '9:00', which"),
        ("end", "22:00:00", "is '22:00:00', which"),
        ("end", "22:60", "is '22:60', which"),
        ("end", "22:00\n", "which is no time"),
        ("end", "\u0662\u0662:00", "which is no time"),
        ("end", time(22), "is datetime.time(22, 0), which is no time"),
        ("zone", "Europe/Berln", "which is no time zone. Did you mean 'Europe/Berlin'? Give"),
        ("zone", "utc", "Did you mean 'UTC'?"),
        ("zone", "Europe", "is 'Europe', which is no time zone"),
        ("zone", "", "is '', which is no time zone"),
        ("zone", "../etc/passwd", "which is no time zone"),
        ("zone", "a\0b", "which is no time zone"),
        ("zone", 5, "is 5, which is no time zone"),
        ("zone", None, "is None, which is no time zone"),
    ],
)
def test_what_is_no_window_is_refused(key, value, said):
    with pytest.raises(InvalidValue) as caught:
        Window(**{**RIGHT, key: value})
    assert caught.value.path == (key,)
    assert f"A maintenance window: {key} {caught.value.seen}" in str(caught.value)
    assert said in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert isinstance(caught.value, PophealError)
    again = pickle.loads(pickle.dumps(caught.value))
    assert (str(again), vars(again)) == (str(caught.value), vars(caught.value))


def test_without_a_database_of_zones_there_is_utc(monkeypatch):
    monkeypatch.setattr("zoneinfo.available_timezones", set)
    monkeypatch.setattr(zoneinfo, "ZoneInfo", {}.__getitem__)
    assert Window(DAYS, "00:00", "00:00").is_open(datetime(2026, 1, 3, tzinfo=UTC))
    with pytest.raises(InvalidValue, match=r"has no database of time zones.*install tzdata"):
        Window(DAYS, "00:00", "00:00", "Europe/Berlin")


@pytest.mark.parametrize(
    ("hours", "closed_after"),
    [
        ([("20:00", "22:00")], 60),  # it closes
        ([("20:00", "23:00")], None),
        ([("20:00", "22:00"), ("22:00", "23:00")], None),  # the next one opens at once
        ([("20:00", "22:00"), ("22:05", "23:00")], 60),  # and there is a gap
        ([("22:00", "23:00")], 0),  # it is not open yet
    ],
)
def test_whether_windows_stay_open_for_a_while(hours, closed_after):
    """To the minute: the first one in an hour and a half at which none is open."""
    at = datetime(2026, 1, 5, 21, 0, tzinfo=UTC)
    windows = [Window(DAYS, start, end) for start, end in hours]
    closes = closes_within(windows, at, timedelta(minutes=90))
    assert closes == (None if closed_after is None else at + timedelta(minutes=closed_after))

"""Times without a zone: each reading that is possible, and no other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popheal.exchange.moments import possible_moments

HOUR = 3600.0

#: How cultures write a date and a time: with and without leading zeros, 12 and 24 hours.
FORMS = (
    "{m}/{d}/{y} {h12}:{M:02}:{S:02} {half}",
    "{m}/{d}/{y} {h12}:{M:02}:{S:02}\u202f{half}",
    "{m:02}/{d:02}/{y} {h:02}:{M:02}:{S:02}",
    "{d:02}/{m:02}/{y} {h:02}:{M:02}:{S:02}",
    "{d}/{m}/{y} {h12}:{M:02}:{S:02} {half_dotted}",
    "{d:02}.{m:02}.{y} {h:02}:{M:02}:{S:02}",
    "{d}. {m}. {y} {h}:{M:02}:{S:02}",
    "{d:02}-{m:02}-{y} {h:02}:{M:02}:{S:02}",
    "{d}.{m}.{y} {h}.{M:02}.{S:02}",
    "{y}-{m:02}-{d:02} {h:02}:{M:02}:{S:02}",
    "{y}-{m:02}-{d:02}T{h:02}:{M:02}:{S:02}.1234567",
    "{y}/{m:02}/{d:02} {h}:{M:02}:{S:02}",
)

moments = st.integers(0, 3_000_000_000).map(
    lambda seconds: datetime(2000, 1, 2, tzinfo=UTC) + timedelta(seconds=seconds)
)
offsets = st.integers(-12 * 4, 14 * 4).map(lambda quarters: quarters * 900.0)


def written(form: str, at: datetime) -> str:
    half = "AM" if at.hour < 12 else "PM"
    return form.format(
        y=at.year,
        m=at.month,
        d=at.day,
        h=at.hour,
        h12=at.hour % 12 or 12,
        M=at.minute,
        S=at.second,
        half=half,
        half_dotted=f"{half[0].lower()}.m.",
    )


@given(moments, offsets, st.sampled_from(FORMS))
def test_what_was_meant_is_among_them_whichever_zone_it_was_written_in(
    local: datetime, offset: float, form: str
) -> None:
    found = possible_moments(written(form, local), offset)
    assert local in found
    assert local - timedelta(seconds=offset) in found


@given(moments, offsets, st.sampled_from(FORMS))
def test_there_are_no_other_clocks_than_those_two(
    local: datetime, offset: float, form: str
) -> None:
    found = possible_moments(written(form, local), offset)
    assert list(found) == sorted(set(found))
    assert len(found) <= 4
    ahead = timedelta(seconds=offset)
    assert all(local.time() in (one.time(), (one + ahead).time()) for one in found)
    assert all(one.tzinfo is UTC for one in found)


@given(moments, st.sampled_from(FORMS))
def test_without_a_known_zone_nothing_is_provable(local: datetime, form: str) -> None:
    assert possible_moments(written(form, local), None) == ()


@given(st.text(max_size=40), offsets)
def test_any_text_is_read_or_not_and_nothing_raised(text: str, offset: float) -> None:
    assert all(one.tzinfo is UTC for one in possible_moments(text, offset))


def test_month_and_day_first_as_utc_and_in_the_servers_zone() -> None:
    assert possible_moments("10/9/2024 8:58:55 PM", 2 * HOUR) == (
        datetime(2024, 9, 10, 18, 58, 55, tzinfo=UTC),
        datetime(2024, 9, 10, 20, 58, 55, tzinfo=UTC),
        datetime(2024, 10, 9, 18, 58, 55, tzinfo=UTC),
        datetime(2024, 10, 9, 20, 58, 55, tzinfo=UTC),
    )


def test_what_can_be_read_in_one_order_only_is() -> None:
    assert possible_moments("10/23/2024 12:00:00 AM", 0.0) == (datetime(2024, 10, 23, tzinfo=UTC),)
    assert possible_moments("23/10/2024 12:00", -HOUR) == (
        datetime(2024, 10, 23, 12, tzinfo=UTC),
        datetime(2024, 10, 23, 13, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "10/9/2024",
        "8:58:55 PM",
        "10/9/24 8:58:55 PM",  # any of the three may be the year
        "13/13/2024 8:58:55",
        "2/30/2024 8:58:55",
        "10/9/2024 13:58:55 PM",
        "10/9/2024 0:58:55 AM",
        "10/9/2024 24:00:00",
        "10/9/2024 8:58:55 μμ",  # evening in Greek: taken for 24 hours it would be the morning
        "9/10/2567 20:58:55",  # 2024 by the Thai calendar
        "10-9/2024 8:58:55",
        "2024-10-09T20:58:55Z",
        "2024-10-09T20:58:55+02:00",
        "\u0661\u0660/\u0669/\u0662\u0660\u0662\u0664 8:58:55",  # Arabic digits
    ],
)
def test_what_does_not_tell_gives_nothing(text: str) -> None:
    assert possible_moments(text, HOUR) == ()


@pytest.mark.parametrize("offset", [float("nan"), float("inf"), 86400.0, -86400.0])
def test_an_offset_that_is_no_zone_proves_nothing(offset: float) -> None:
    assert possible_moments("10/9/2024 8:58:55 PM", offset) == ()

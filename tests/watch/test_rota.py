"""Whose turn it is: everybody in time, nobody behind the silent, no password tried too often."""

from __future__ import annotations

from heapq import heappop, heappush
from itertools import pairwise
from math import inf

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from popheal.watch.rota import Rota

EVERY, RETRY, LONG = 60.0, 900.0, 20.0


def rota(*servers, at_once=4, every=EVERY):
    made = Rota(every=every, retry=RETRY, at_once=at_once)
    made.add(servers, 0.0)
    return made


def begun(rota, now):
    """Whoever's look begins now, in order."""
    names = []
    while name := rota.next(now):
        rota.begins(name, now)
        names.append(name)
    return names


def trusted(*servers, **more):
    """A rota that knows that the password is right: one look has been answered."""
    made = rota("first", *servers, **more)
    assert begun(made, 0.0) == ["first"]
    made.has_seen("first", 0.0)
    return made


def test_one_alone_until_one_has_answered():
    made = rota("a", "b", "c")
    assert begun(made, 0.0) == ["a"]
    made.has_failed("a", 1.0)
    assert begun(made, 1.0) == ["b"]
    made.has_seen("b", 2.0)
    assert begun(made, 2.0) == ["c"]


def test_two_refusals_in_a_row_hold_everything():
    made = rota("a", "b", "c")
    begun(made, 0.0)
    made.was_refused("a", 0.0)
    assert begun(made, RETRY - 1) == []
    assert made.until_next(RETRY - 1) == pytest.approx(1.0)
    assert begun(made, RETRY) == ["b"]


def test_who_has_refused_comes_after_who_has_not():
    made = trusted("a", "b")
    assert begun(made, 0.0) == ["a", "b"]
    made.was_refused("a", 1.0)
    made.has_seen("b", 1.0)
    assert begun(made, EVERY) == ["first", "b"], "one has answered since, so all is well"
    made.has_seen("first", EVERY)
    made.was_refused("b", EVERY)
    assert begun(made, RETRY + EVERY) == ["first"]


def test_an_answer_ends_the_hold():
    """One that was under way when two others refused."""
    made = trusted("a", "b", "c")
    assert begun(made, 0.0) == ["a", "b", "c"]
    made.was_refused("a", 1.0)
    made.was_refused("b", 1.0)
    assert begun(made, EVERY) == []
    made.has_seen("c", EVERY)
    assert begun(made, EVERY) == ["first", "c"]


def test_the_silent_get_half_of_the_looks():
    made = trusted("a", "b", "c", "d", "e")
    assert begun(made, 0.0) == ["a", "b", "c", "d"]
    made.has_seen("d", 1.0)
    assert begun(made, 1.0) == ["e"]
    made.has_seen("e", 2.0)
    for name in ("a", "b", "c"):
        made.has_failed(name, LONG)
        assert made.is_blind(name, LONG)
    now = 10 * EVERY
    at_work = begun(made, now)
    assert len(at_work) == 4
    assert len({"a", "b", "c"} & set(at_work)) == 2
    made.has_seen("first", now)
    assert begun(made, now) == [], "the third silent one waits for another of them"


def test_what_is_due_comes_before_what_is_asked_for():
    made = trusted("a", "b", at_once=1)
    assert begun(made, 0.0) == ["a"]
    made.ask_for("first", 1.0)
    made.has_seen("a", 40.0)
    assert begun(made, 40.0) == ["a"], "its own moment was at 20"
    made.has_seen("a", 41.0)
    assert begun(made, 41.0) == ["b"]
    made.has_seen("b", 42.0)
    assert begun(made, 42.0) == ["first"]


def test_looked_at_once_nobody_is_due_again():
    made = trusted("a", every=inf)
    assert begun(made, 0.0) == ["a"]
    made.has_seen("a", 1.0)
    assert begun(made, 1e9) == []
    made.ask_for("a", 2e9)
    assert begun(made, 2e9) == ["a"]


@settings(max_examples=40)
@given(
    servers=st.integers(1, 60),
    at_once=st.integers(4, 12),
    silent=st.integers(0, 3),
    load=st.floats(0.05, 0.4),
)
def test_nobody_waits_longer_than_the_interval_and_one_call(servers, at_once, silent, load):
    """As long as there are looks enough: those of the silent are not among these."""
    call = min(5.0, load * at_once * EVERY / servers)
    names = [f"s{number}" for number in range(servers)]
    lasting = {name: LONG if number < silent else call for number, name in enumerate(names)}
    made = Rota(every=EVERY, retry=RETRY, at_once=at_once)
    made.add(names, 0.0)
    now, under_way, moments = 0.0, [], {name: [0.0] for name in names}
    while now < 6 * EVERY:
        while under_way and under_way[0][0] <= now:
            _, name = heappop(under_way)
            if lasting[name] == LONG:
                made.has_failed(name, now)
            else:
                made.has_seen(name, now)
        for name in begun(made, now):
            moments[name].append(now)
            heappush(under_way, (now + lasting[name], name))
        soonest = min(now + max(made.until_next(now), 1e-6), 6 * EVERY)
        now = min(soonest, under_way[0][0]) if under_way else soonest
    for name, its in moments.items():
        # In the first round nobody knows yet who is silent.
        gaps = [later - one for one, later in pairwise(its) if one > EVERY]
        assert max(gaps, default=0.0) <= EVERY + max(call, lasting[name]) + 1e-6

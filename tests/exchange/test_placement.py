"""Databases that go to servers which take only so many."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popheal.exchange.placement import without_a_place

SERVERS = ("a", "b", "c")

targets_of_each = st.dictionaries(
    st.sampled_from(("D1", "D2", "D3", "D4")), st.sets(st.sampled_from(SERVERS)), max_size=4
)
places_of_each = st.dictionaries(
    st.sampled_from(SERVERS), st.one_of(st.none(), st.integers(-1, 3)), max_size=3
)


def left_out(targets, free) -> set[str]:
    """By brute force: those that are left out in some order, by some choice of each."""
    out: set[str] = set()

    def go_on(waiting, room):
        for name in waiting:
            rest = waiting - {name}
            fit = [one for one in targets[name] if room.get(one) is None or room[one] > 0]
            if not fit:
                out.add(name)
                go_on(rest, room)
            for one in fit:
                taken = room if room.get(one) is None else {**room, one: room[one] - 1}
                go_on(rest, taken)

    go_on(frozenset(targets), free)
    return out


@given(targets_of_each, places_of_each)
def test_no_order_and_no_choice_leaves_one_out_that_was_not_named(targets, free):
    """It names those, and only those, that some order of moves would leave without a place."""
    assert set(without_a_place(targets, free)) == left_out(targets, free)


@pytest.mark.parametrize(
    ("targets", "free", "stuck"),
    [
        ({"D1": ["a"], "D2": ["a"]}, {"a": 1}, ["D1", "D2"]),
        ({"D1": ["a"], "D2": ["a"]}, {"a": 2}, []),
        ({"D1": ["a", "b"], "D2": ["a", "b"]}, {"a": 1, "b": 1}, []),
        # D1 may take the only place that D2 has, although it has another one.
        ({"D1": ["a", "b"], "D2": ["a"]}, {"a": 1, "b": 1}, ["D2"]),
        ({"D1": ["a", "b"], "D2": ["a"]}, {"a": 1, "b": None}, ["D2"]),
        ({"D1": ["a"], "D2": ["b"]}, {"a": 1}, []),
        ({"D1": []}, {"a": 5}, ["D1"]),
        ({"D1": ["a"]}, {"a": 0}, ["D1"]),
        ({}, {}, []),
    ],
)
def test_places_are_given_to_all_together(targets, free, stuck):
    """Not to each as if it were alone."""
    assert without_a_place(targets, free) == stuck

"""A small outage of a fleet; a large one is played by ``python -m tests.evidence.fleet_outage``."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.evidence.fleet_draw import Group, draw
from tests.evidence.fleet_outage import GOAL, POLICIES, Line, line, watched

POLICY = "no pause between members"
#: Of four groups three are hit: a server has to be restarted, another has a fault for a person,
#: and Managed Availability restarts a service by itself.
SEED, GROUPS = 1, 4


@pytest.fixture(scope="module")
def played() -> Line:
    return line(POLICY, draw(SEED, GROUPS))


def test_the_watch_takes_hardly_longer_than_the_critical_path(played):
    assert 1.0 <= played.ratio <= GOAL


def test_no_fault_is_left_to_nobody(played):
    assert not played.outage.left
    assert set(played.outage.verdicts) == {"recovered", "escalated"}


def test_a_seed_gives_the_same_table_again(played):
    assert str(line(POLICY, draw(SEED, GROUPS))) == str(played)


def test_a_group_is_drawn_alike_beside_any_others():
    assert draw(SEED, 9)[:3] == draw(SEED, 3)


def group(name: str, first: int, fails: str, cure: str) -> Group:
    members = tuple(f"{name}M{number:02d}" for number in range(4))
    fault = {"server": members[0], "fails": [fails], "cure": cure, "begins": 300.0}
    return Group(name=name, first=first, members=members, faults=(fault,), events=())


def test_a_front_end_does_not_wait_for_back_ends_of_other_sites():
    """In an outage of a fleet there is always one that is being healed."""
    groups = [group("G000", 0, "deep", "reboot"), group("G001", 4, "ctp", "restart")]
    healings = {one.server[:4]: one for one in watched(groups, POLICIES[POLICY]).healings}
    assert {one.verdict for one in healings.values()} == {"recovered"}
    assert abs(healings["g001"].begun_at - healings["g000"].begun_at) < timedelta(minutes=1)

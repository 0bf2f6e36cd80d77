"""Two hundred seeds of the deterministic simulation; see tests/simulation.py for more of them."""

from __future__ import annotations

from popheal import Verdict
from tests.simulation import Coverage, simulate


def test_two_hundred_seeds(capsys):
    """No property is broken, all ends well once it is calm; what was covered is printed."""
    coverage = Coverage()
    failures = simulate(range(200), coverage)
    with capsys.disabled():
        print("", *list(coverage.lines())[:3], sep="\n")
    assert failures == []
    assert set(coverage.verdicts) == set(Verdict)
    assert len(coverage.rows) > 60


def test_a_seed_is_a_whole_story():
    """The same seed takes the same transitions: a failure that is printed comes back."""
    taken = []
    for _ in range(2):
        coverage = Coverage()
        simulate(range(40, 60), coverage)
        taken.append((coverage.rows, coverage.verdicts))
    assert taken[0] == taken[1]

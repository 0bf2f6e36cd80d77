"""Two hundred seeds of the deterministic simulation; tests/evidence/simulation.py has more."""

from __future__ import annotations

import pytest

from popheal import Verdict
from popheal.backends.simulated import load_scenario
from popheal.backends.simulated.call_faults import BrokenCall
from popheal.exchange.backend import EFFECTS
from popheal.healthsets.pop import PROCEDURES
from tests.evidence.simulation import DECIDING, Coverage, moments, simulate
from tests.support.healing import healed
from tests.support.properties import violations

ERRORS = ("Unreachable", "CommandFailed", "OutcomeUnknown")


@pytest.mark.slow
def test_two_hundred_seeds(capsys):
    """No property is broken, all ends well once it is calm; what was covered is printed."""
    coverage = Coverage()
    failures = simulate(range(200), coverage)
    with capsys.disabled():
        print("", *list(coverage.lines())[:3], sep="\n")
    assert failures == []
    assert set(coverage.verdicts) == set(Verdict)
    assert len(coverage.rows) > 60


@pytest.mark.slow
def test_a_seed_is_a_whole_story():
    """The same seed takes the same transitions: a failure that is printed comes back."""
    taken = []
    for _ in range(2):
        coverage = Coverage()
        simulate(range(40, 60), coverage)
        taken.append((coverage.rows, coverage.verdicts))
    assert taken[0] == taken[1]


def breaking_from(scenario, state, **broken):
    """An observer that breaks calls from the moment that a state begins."""

    def watch(event):
        if event.name == "action_started" and event.state == state:
            scenario.organisation.broken_calls.script.append(BrokenCall(**broken))

    return watch


@pytest.mark.parametrize(("name", "state"), sorted(dict.fromkeys(moments())))
def test_every_call_failing_in_every_state(name, state):
    """Enumerated: each state, each call that decides its action, each way to fail, for long.

    Every property holds on what the organisation saw.
    """
    action = next(
        table.by_name[state].action for table in PROCEDURES.values() if state in table.by_name
    )
    for method in DECIDING[action.name]:
        for error in ERRORS:
            for done in ("no", "yes") if error == ERRORS[2] and method in EFFECTS else ("no",):
                scenario = load_scenario(name)
                broken = {"method": method, "error": error, "times": 400, "done": done}
                watch = breaking_from(scenario, state, **broken)
                case = healed(scenario, observers=[watch])
                assert violations(case) == [], broken

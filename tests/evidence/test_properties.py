"""The safety properties hold whatever the organisation, its faults and the interruptions are."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from popheal import Verdict
from popheal.backends.simulated import history as h
from popheal.backends.simulated import scenario_names
from popheal.backends.simulated.random_scenarios import random_organisation
from popheal.engine.control import Control
from popheal.tables.actions import Impact
from tests.support.healing import healed, shipped
from tests.support.properties import EFFECTS, PROPERTIES, violations

SEEDS = st.integers(min_value=0, max_value=2**32)


def test_the_properties_are_those_of_the_design():
    """Each has a name and a sentence."""
    assert sorted(PROPERTIES, key=lambda name: int(name[1:])) == [
        "P1", "P2", "P5", "P6", "P7", "P9", "P10", "P13", "P17", "P21",
    ]  # fmt: skip
    assert all(check.__doc__ for check in PROPERTIES.values())


@pytest.mark.parametrize("name", scenario_names())
def test_every_scenario_keeps_every_property(name):
    """The shipped scenarios, in process."""
    assert violations(shipped(name)) == []


@pytest.mark.slow
@pytest.mark.campaign
@settings(max_examples=300, deadline=None)
@given(SEEDS)
def test_every_random_organisation_keeps_every_property(seed):
    """Random topologies, faults, broken calls, and others at work meanwhile."""
    assert violations(healed(random_organisation(seed))) == []


@pytest.mark.slow
@pytest.mark.campaign
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.randoms(use_true_random=False))
def test_random_organisations_that_shrink(chooser):
    """The same, drawn piece by piece, so that a failure shrinks to a small organisation."""
    assert violations(healed(random_organisation(chooser))) == []


@pytest.mark.slow
@pytest.mark.campaign
@settings(max_examples=150, deadline=None)
@given(SEEDS, st.integers(min_value=1, max_value=120))
def test_after_a_stop_only_restoring_effects(seed, calls):
    """P18: stopped at any call, a run only puts things back, and every property still holds."""
    scenario = random_organisation(seed)
    stop, count = Control(), 0

    def count_calls(happening):
        nonlocal count
        if isinstance(happening, h.Called):
            count += 1
            if count == calls:
                stop.cancel()

    scenario.organisation.history.listen(count_calls)
    events = []
    case = healed(scenario, control=stop, observers=[events.append])
    assert violations(case) == []
    if not stop.cancelled:
        return
    begun = False
    for event in events:
        begun = begun or event.details.get("outcome") == "cancel"
        if begun and event.name == "action_started":
            assert event.details["impact"] == Impact.RESTORE.value
    if case.report.verdict is Verdict.CANCELLED:
        assert case.report.handover


@pytest.mark.slow
@pytest.mark.campaign
def test_random_organisations_reach_every_verdict_and_state():
    """What is explored is not just the easy part: a floor for the coverage of the tables."""
    reached, verdicts, effects = set(), set(), set()
    for seed in range(600):
        case = healed(random_organisation(seed))
        verdicts.add(case.report.verdict)
        effects |= {type(one) for _, one in case.ours()}
        reached |= {(run.procedure, name) for run in case.report.runs for name in run.path}
    assert verdicts == set(Verdict) - {Verdict.CANCELLED}
    assert effects >= set(EFFECTS) - {h.DatabaseMoveCommanded}
    assert len(reached) >= 50

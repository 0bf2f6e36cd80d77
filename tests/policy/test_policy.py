"""Policies: what they allow, what they may hold, and their form as JSON."""

from __future__ import annotations

import inspect
import json

import pytest
from attrs import evolve, fields
from hypothesis import given
from hypothesis import strategies as st

from popheal import Policy, Timing
from popheal.errors import ConfigurationError, InvalidValue
from popheal.policy.policy import Consent
from popheal.policy.windows import DAYS, Window
from popheal.tables.actions import Impact
from popheal.util.schema import keys_of, without

LOOK, RESTORE, CHANGE, DISRUPT = Impact.LOOK, Impact.RESTORE, Impact.CHANGE, Impact.DISRUPT
DAILY = Window(DAYS, "22:00", "04:00")

# --- what a policy says --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("least", "asked"),
    [
        (None, []),
        (CHANGE, [CHANGE, DISRUPT]),
        (DISRUPT, [DISRUPT]),
    ],
)
def test_from_an_impact_on_a_person_is_asked(least, asked):
    """Looking and putting back need nobody."""
    policy = Policy(approval_from=least)
    assert [one for one in Impact if policy.needs_approval(one)] == asked


@pytest.mark.parametrize(("least", "asked"), [(CHANGE, [CHANGE, DISRUPT]), (DISRUPT, [DISRUPT])])
def test_from_an_impact_on_a_window_is_needed(least, asked):
    """Likewise; and where there are no windows, none is needed."""
    policy = Policy(window_from=least, windows=[DAILY])
    assert [one for one in Impact if policy.needs_window(one)] == asked
    assert policy.windows == (DAILY,)
    assert not any(evolve(policy, windows=()).needs_window(one) for one in Impact)


def test_without_a_word_nothing_is_more_restricted_than_it_was():
    policy = Policy()
    assert not any(policy.needs_approval(one) or policy.needs_window(one) for one in Impact)
    assert all(policy.allows(one) for one in Impact)


# --- what it may hold ----------------------------------------------------------------------------

NAN, INF = float("nan"), float("inf")
WRONG = [
    ("timing", [None, {"settle": 5}]),
    ("highest_impact", [RESTORE, "disrupt", None]),
    ("reboots_per_server", [-1, 1.0, True, None, "1"]),
    ("hours_between_reboots", [-0.1, NAN, INF, True, None, "4"]),
    ("restarts_per_hour", [-1, 1.0, False, None]),
    ("windows", [[None], ["22:00"], None, 3, DAILY]),
    ("window_from", [LOOK, RESTORE, None, "change"]),
    ("healthy_members", [0, -1, 1.5, True, "all"]),
    ("approval_from", [LOOK, RESTORE, "change", False]),
    ("approval_undecided", [None, 1, "no"]),
    ("approval_by_another", [None, 1, "no"]),
    ("heed_managed_availability", [None, 1, "no"]),
    ("probe_failures", [0, 1.0, True]),
    ("reboot_last_of_role", [None, 1, "no"]),
    ("move_databases_back", [None, 0, "no"]),
    ("sibling_share", [-0.1, 1.1, NAN, True, None]),
    ("ignored_components", ["OwaProxy", [""], [3], None]),
    ("same_site_only", [None, 1, "no"]),
    ("healthy_copies", [0, -1, 1.5, True, "all"]),
    ("heed_backups", [None, 1, "no"]),
    ("heed_pending_restart", [None, 1, "no"]),
    ("start_health_manager", [None, 1, "no"]),
    ("fail_back_unhealed", [None, 1, "no"]),
    ("pop_proxy", [None, "ask", True]),
    ("dependencies", [{"Network": "Network"}]),
    ("causes", [["x"], [None], "x", None]),
]


@pytest.mark.parametrize(
    ("name", "value"), [(name, value) for name, values in WRONG for value in values]
)
def test_what_makes_no_sense_is_refused(name, value):
    with pytest.raises(InvalidValue, match=f"^Policy: {name} (is|has) .*[.] Give ") as caught:
        Policy(**{name: value})
    assert isinstance(caught.value, ConfigurationError)
    assert caught.value.path == (name,)


@pytest.mark.parametrize("name", [one.name for one in fields(Timing)])
def test_times_that_make_no_sense_are_refused(name):
    rule = keys_of(Timing)[name].rule
    for value in (0, -1, 10**12, 10**400, 10**5000, NAN, INF, True, None, "5"):
        with pytest.raises(InvalidValue, match=f"^Timing: {name} is ") as caught:
            Timing(**{name: value})
        assert caught.value.next_step == f"Give {rule.right}."


@pytest.mark.parametrize("record", [Policy, Timing])
def test_both_bounds_of_each_number_are_allowed(record):
    for name, key in keys_of(record).items():
        if key.rule and key.rule.least is not None:
            for value in (key.rule.least, key.rule.most):
                assert getattr(record(**{name: value}), name) == value


def test_every_field_is_tested_and_documented():
    assert [name for name, _ in WRONG] == [one.name for one in fields(Policy)]
    for record in (Policy, Timing):
        for one in fields(record):
            assert f"\n    {one.name}: " in inspect.getdoc(record)


# --- JSON ----------------------------------------------------------------------------------------


def allowed(record, name):
    """Numbers within the bounds that the field has."""
    rule = keys_of(record)[name].rule
    numbers = st.integers if isinstance(rule.least, int) and "whole" in rule.right else st.floats
    return numbers(rule.least, rule.most)


def numbers_of(record):
    return {
        name: allowed(record, name)
        for name, key in keys_of(record).items()
        if key.rule and key.rule.least is not None
    }


effects = st.sampled_from([CHANGE, DISRUPT])
times = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
windows = st.builds(
    Window,
    st.sets(st.sampled_from(DAYS), min_size=1).map(tuple),
    times,
    times,
    st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"]),
)
OPTIONAL = ("healthy_members", "healthy_copies")
timings = st.builds(
    Timing,
    **numbers_of(Timing),
)
policies = st.builds(
    Policy,
    timing=timings,
    highest_impact=st.sampled_from([LOOK, CHANGE, DISRUPT]),
    **without(numbers_of(Policy), *OPTIONAL),
    **{name: st.none() | allowed(Policy, name) for name in OPTIONAL},
    windows=st.lists(windows, max_size=3),
    window_from=effects,
    approval_from=st.none() | effects,
    approval_undecided=st.booleans(),
    approval_by_another=st.booleans(),
    heed_managed_availability=st.booleans(),
    reboot_last_of_role=st.booleans(),
    move_databases_back=st.booleans(),
    ignored_components=st.lists(st.sampled_from(["OwaProxy", "ImapProxy"]), max_size=2),
    same_site_only=st.booleans(),
    heed_backups=st.booleans(),
    heed_pending_restart=st.booleans(),
    start_health_manager=st.booleans(),
    fail_back_unhealed=st.booleans(),
    pop_proxy=st.sampled_from(Consent),
    dependencies=st.dictionaries(st.text(), st.lists(st.text()).map(tuple)),
)


@given(policies)
def test_a_policy_survives_being_written_down(policy):
    data = policy.to_json()
    assert json.loads(json.dumps(data, allow_nan=False)) == data, "plain JSON values"
    again = Policy.from_json(json.loads(json.dumps(data)))
    assert again == policy
    assert again.to_json() == data


def test_what_an_older_version_did_not_know_has_its_default():
    assert Policy.from_json({}) == Policy()
    assert Policy.from_json({"timing": {"settle": 5}, "windows": []}) == Policy(
        timing=Timing(settle=5)
    )


ONE = {"days": ["mon"], "start": "01:00", "end": "02:00"}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"reboots": 3}, "reboots is not a known key. Possible here: approval_by_another, app"),
        (
            {"timing": {"setle": 3}},
            "[timing] setle is not a known key. Did you mean 'settle'? Possible here: approval_",
        ),
        (
            {"windows": [ONE, ONE | {"zoen": "UTC"}]},
            "[windows[2]] zoen is not a known key. Did you mean 'zone'? Possible here: days, end,",
        ),
        (
            {"windows": [{"days": ["mon"]}]},
            '[windows[1]] start is missing. Add it: start = "22:00"',
        ),
        ({"windows": [ONE | {"days": "mon"}]}, "[windows[1]] days is 'mon'. Give a list of texts"),
        (
            {"windows": [ONE | {"end": "2"}]},
            "[windows[1]] end is '2', which is no time of day. Give",
        ),
        ({"windows": 5}, "windows is 5. Give a list of objects"),
        ({"windows": [5]}, "windows[1] is no JSON object. Give one"),
        (
            {"highest_impact": "reboot"},
            "highest_impact is 'reboot'. Give one of look, change, disrupt.",
        ),
        ({"highest_impact": "restore"}, "highest_impact is 'restore'. Give one of look, change, d"),
        ({"window_from": "look"}, "window_from is 'look'. Give one of change, disrupt."),
        (
            {"reboots_per_server": -1},
            "reboots_per_server is -1. Give a whole number from 0 to 100.",
        ),
        (
            {"reboots_per_server": 1.5},
            "reboots_per_server is 1.5. Give a whole number from 0 to 100.",
        ),
        ({"reboots_per_server": True}, "reboots_per_server is true. Give a whole number"),
        ({"reboot_last_of_role": "no"}, "reboot_last_of_role is 'no'. Give true or false."),
        ({"hours_between_reboots": "4"}, "is '4'. Give a number of hours from 0 to 8760."),
        ({"healthy_members": "3"}, "healthy_members is '3'. Give a whole number from 1 to 16."),
        (
            {"dependencies": {"Network": "Network"}},
            "[dependencies] Network is 'Network'. Give a list of texts",
        ),
        ({"timing": None}, "timing is no JSON object. Give one"),
        ([], "A policy given as JSON: it is no JSON object. Give one"),
        (None, "A policy given as JSON: it is no JSON object. Give one"),
    ],
)
def test_what_is_no_policy_is_refused(data, said):
    with pytest.raises(ConfigurationError) as caught:
        Policy.from_json(data)
    assert said in str(caught.value)
    assert caught.value.source == "A policy given as JSON"
    assert "another version of popheal" in caught.value.next_step

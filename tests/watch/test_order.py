"""Several servers at once: the back end is healed first, and its front ends wait for that."""

from __future__ import annotations

from datetime import timedelta

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from popheal import Policy
from popheal.backends.simulated import SimulatedBackend
from popheal.backends.simulated import history as h
from popheal.healthsets.pop.catalog import MONITORS
from popheal.tables.actions import Impact
from popheal.tables.table import Verdict
from popheal.watch.decide import Incident, Neighbour, Next, rank, wait_for_back_ends
from tests.watch.test_watch import NOW, QUARTER, Watching, ago, healing, organisation

CAS1, CAS2, SICK = "cas1.contoso.com", "cas2.contoso.com", "mbx1.contoso.com"
FRONT_ENDS_FIRST = (CAS1, CAS2, SICK, "mbx2.contoso.com")
DEEP, _, _, END_TO_END, _ = MONITORS


def incident(*monitors, minutes=30):
    return Incident(monitor=monitors[-1], monitors=monitors, at=ago(minutes), turned=ago(minutes))


FRONT_END = incident(END_TO_END)
BACK_END = incident(DEEP)


def waits(incident=FRONT_END, *neighbours, healings=None):
    """What it waits for; the healings of the neighbours are those of the organisation."""
    known = [one for neighbour in neighbours for one in neighbour.healings]
    return wait_for_back_ends(
        incident, neighbours, known if healings is None else healings, NOW, QUARTER
    )


def back_end(*healings, incident=BACK_END):
    return Neighbour(server=SICK, incident=incident, healings=healings)


# --- decided -------------------------------------------------------------------------------------

monitors = st.lists(st.sampled_from(MONITORS), min_size=1, unique=True).map(
    lambda found: tuple(sorted(found, key=MONITORS.index))
)
incidents = st.builds(lambda found: incident(*found), monitors)
ended = st.builds(
    lambda verdict, minutes, again: healing(verdict, ended=minutes, retry_at=again),
    st.sampled_from([one.value for one in Verdict]),
    st.integers(0, 300),
    st.none() | st.integers(-300, 300),
)


@given(st.lists(incidents))
def test_servers_are_healed_as_the_monitors_of_one_are(found):
    """By the monitor nearest to the cause, whatever else is unhealthy there."""
    nearest = [one.nearest for one in sorted(found, key=rank)]
    assert nearest == sorted(nearest, key=MONITORS.index)


@given(incidents, st.lists(st.builds(lambda one: back_end(*one), st.lists(ended, max_size=3))))
def test_only_what_a_back_end_may_explain_waits(found, neighbours):
    if found.nearest is not END_TO_END:
        assert waits(found, *neighbours) is None


@given(st.lists(ended, max_size=3), st.sampled_from(["escalated", "cancelled"]))
def test_a_back_end_that_a_person_has_is_not_waited_for(before, verdict):
    """For longer than its front ends need to be seen well."""
    tried = [evolve(one, ended_at=one.ended_at - timedelta(hours=1)) for one in before]
    assert waits(FRONT_END, back_end(*tried, healing(verdict, ended=20))) is None


@given(st.lists(st.builds(lambda one: back_end(*one), st.lists(ended, max_size=4))))
def test_no_wait_without_end(neighbours):
    """It ends by itself, or by the healing of a back end that is about to begin or at work."""
    decision = waits(FRONT_END, *neighbours)
    if decision and decision.until:
        known = [one for neighbour in neighbours for one in neighbour.healings]
        assert NOW < decision.until <= NOW + QUARTER
        assert not wait_for_back_ends(FRONT_END, [], known, decision.until, QUARTER)


@pytest.mark.parametrize(
    "healings",
    [
        (),
        (healing("", ended=None, alive=True),),
        (healing("", ended=None),),
        (healing("held", ended=16),),
    ],
)
def test_it_waits_while_the_back_end_is_healed_or_about_to_be(healings):
    decision = waits(FRONT_END, back_end(*healings))
    assert decision.what is Next.WAIT
    assert SICK in decision.why
    assert waits(FRONT_END, back_end(*healings, incident=FRONT_END)) is None
    assert waits(FRONT_END, back_end(*healings, incident=None)) is None


@pytest.mark.parametrize("verdict", ["escalated", "cancelled", "held", "unknown"])
def test_it_does_not_wait_for_what_was_not_healed(verdict):
    assert waits(FRONT_END, back_end(healing(verdict, ended=1))) is None


@pytest.mark.parametrize(
    ("alert", "runs", "waited_for"),
    [
        ("PopDeepTestMonitor", [], True),
        ("PopCTPMonitor", [{"procedure": "mailbox", "verdict": "recovered"}], True),
        ("PopCTPMonitor", [{"procedure": "mailbox", "verdict": "escalated"}], False),
        ("PopCTPMonitor", [{"procedure": "client_access", "verdict": "recovered"}], False),
        (None, [], False),
    ],
)
def test_what_was_healed_is_given_the_time_to_show(alert, runs, waited_for):
    """Whichever healing it was, also that of another front end."""
    healed = healing("recovered", ended=10)
    healed = evolve(healed, alert={"monitor": alert}, report={"runs": runs})
    decision = waits(FRONT_END, healings=[healed])
    assert bool(decision) is waited_for
    if decision:
        assert decision.until == ago(10) + QUARTER
    assert waits(FRONT_END, healings=[evolve(healed, ended_at=ago(15))]) is None


# --- watched -------------------------------------------------------------------------------------


def one_sick_back_end(cure="restart", rows=(), **more):
    """Both front ends fail from end to end by one back end."""
    fault = {
        "server": "MBX1",
        "fails": ["deep"],
        "cure": cure,
        "breaks_ctp_of": ["CAS1", "CAS2"],
        **more,
    }
    return organisation(organisation={"preset": "split2013"}, faults=[fault], rows=list(rows))


def told(watching, name, server):
    return [one for one in watching.named(name) if one.server == server]


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("begins", [0, 300])
def test_one_sick_back_end_is_healed_and_its_front_ends_are_well_by_that(
    tmp_path, restarted, begins
):
    """By one restart, whoever is listed first and whether the watch is restarted each minute."""
    watching = Watching(tmp_path, one_sick_back_end(begins=begins))
    if restarted:
        watching.each_minute(90, *FRONT_ENDS_FIRST)
    else:
        watching.start(*FRONT_ENDS_FIRST, minutes=90)
        for front_end in (CAS1, CAS2):
            assert told(watching, "server_health", front_end)[-1].details["health"] == "healthy"
    (record,) = watching.healings
    assert (record.server, record.verdict) == (SICK, "recovered")
    assert [one.server for one in watching.of(h.ServiceRestarted)] == ["MBX1"]
    assert watching.of(h.RebootCommanded) == []


def test_front_ends_whose_monitors_lag_are_given_time(tmp_path):
    """As they say the same of both, healing one would find that the cause is elsewhere."""
    lag = {"monitor": "PopCTPMonitor", "alert_value": "Unhealthy", "until": 600.0}
    rows = [{"server": one, **lag} for one in ("CAS1", "CAS2")]
    watching = Watching(tmp_path, one_sick_back_end(rows=rows))
    watching.start(*FRONT_ENDS_FIRST, minutes=60)
    (record,) = watching.healings
    for front_end in (CAS1, CAS2):
        *_, waits = told(watching, "alert_waits", front_end)
        assert waits.details["healing"] == record.id
        assert "has healed a back end" in waits.details["why"]


def test_a_front_end_alone_does_not_wait(tmp_path):
    fault = {"server": "CAS1", "fails": ["ctp"], "cure": "restart"}
    tables = {"organisation": {"preset": "split2013"}, "faults": [fault]}
    watching = Watching(tmp_path, organisation(**tables))
    watching.start(*FRONT_ENDS_FIRST, minutes=60)
    assert [(one.server, one.verdict) for one in watching.healings] == [(CAS1, "recovered")]
    assert not any("mailbox side" in one.why for one in watching.named("alert_waits"))


def test_a_front_end_of_its_own_fault_is_healed_after_the_back_end(tmp_path):
    """Without a person: once what the back end explains would have shown, it is looked at."""
    simulation = organisation(
        organisation={"preset": "split2013"},
        faults=[
            {"server": "CAS1", "fails": ["ctp"], "cure": "restart"},
            {"server": "MBX1", "fails": ["deep"], "cure": "restart"},
        ],
    )
    watching = Watching(tmp_path, simulation)
    watching.start(*FRONT_ENDS_FIRST, minutes=90)
    assert [(one.server, one.verdict) for one in watching.healings] == [
        (SICK, "recovered"),
        (CAS1, "recovered"),
    ]
    first, second = watching.healings
    assert timedelta(0) < second.begun_at - first.ended_at <= QUARTER + timedelta(minutes=2)


def test_front_ends_of_a_back_end_that_a_person_has_are_looked_at_themselves(tmp_path):
    """And their healings begin only once that of the back end has ended."""
    watching = Watching(tmp_path, one_sick_back_end(cure="never"))
    policy = Policy(highest_impact=Impact.CHANGE)
    watching.start(*FRONT_ENDS_FIRST, minutes=60, policy=policy)
    first, *others = watching.healings
    assert (first.server, first.verdict) == (SICK, "escalated")
    assert {one.server for one in others} == {CAS1, CAS2}
    assert all(one.begun_at >= first.ended_at for one in others)


class Unanswerable(SimulatedBackend):
    """A back end that says it is unhealthy, and whose healing can't begin."""

    def server_info(self, server):
        return super().server_info("NOBODY" if server == SICK else server)


def test_a_back_end_that_can_not_be_healed_at_all_is_not_waited_for(tmp_path):
    simulation = one_sick_back_end()
    watching = Watching(tmp_path, simulation, Unanswerable(simulation))
    watching.start(*FRONT_ENDS_FIRST, minutes=20)
    assert told(watching, "look_failed", SICK)
    assert {one.server for one in watching.healings} >= {CAS1, CAS2}


def test_looking_once_heals_the_back_end_too(tmp_path):
    """Its front ends are left for the next time."""
    watching = Watching(tmp_path, one_sick_back_end())
    assert watching.start(*FRONT_ENDS_FIRST) == [Verdict.RECOVERED]
    assert [one.server for one in watching.healings] == [SICK]

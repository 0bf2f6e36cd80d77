"""The simulated organisation's databases: who has them, and how they get elsewhere."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from popheal.backends.simulated import build_scenario
from popheal.backends.simulated import history as h
from popheal.errors import CommandFailed, NotBegun


def organised(preset="dag3", **tables):
    """A scenario of that preset, without anything wrong."""
    organisation = {"preset": preset, **tables.pop("organisation", {})}
    return build_scenario(
        {
            "title": "test",
            "alert": {"server": "MBX1", "health_set": "POP"},
            "organisation": organisation,
            **tables,
        }
    )


def statuses(scenario, server):
    return {r.database: r.status for r in scenario.backend.database_copies(server)}


def active(scenario, server):
    with scenario.organisation.present() as world:
        return {d.name for d in world.active_on(world.find(server))}


def test_move_now_takes_time_and_passes_through_the_statuses():
    """The command returns at once; the databases leave one by one, and mount elsewhere."""
    scenario = organised()
    before = scenario.clock.now()
    scenario.backend.set_activation_disabled("MBX1", True)
    assert before == scenario.clock.now()
    seen = {"DB01": [], "MBX2": []}
    for _ in range(40):
        seen["DB01"].append(statuses(scenario, "MBX1")["DB01"])
        seen["MBX2"].append(statuses(scenario, "MBX2")["DB01"])
        scenario.clock.sleep(1)
    assert list(dict.fromkeys(seen["DB01"])) == [
        "Mounted",
        "Dismounting",
        "Resynchronizing",
        "Healthy",
    ]
    assert list(dict.fromkeys(seen["MBX2"])) == ["Healthy", "Mounting", "Mounted"]
    assert active(scenario, "MBX1") == set()


def test_the_active_flag_lags_behind_the_status():
    """ActiveCopy comes from a cache: for some seconds it names the former server."""
    scenario = organised()
    scenario.backend.set_activation_disabled("MBX1", True)
    scenario.clock.sleep(7)
    (row,) = [r for r in scenario.backend.database_copies("MBX1") if r.database == "DB01"]
    assert (row.status, row.active_copy, row.active_server) == ("Resynchronizing", True, "mbx2")
    scenario.clock.sleep(10)
    (row,) = [r for r in scenario.backend.database_copies("MBX1") if r.database == "DB01"]
    assert row.active_copy is False


def test_false_moves_nothing_back():
    """Allowing activation again is no more than that."""
    scenario = organised(organisation={"version": "2013"})
    scenario.backend.set_activation_disabled("MBX1", True)
    scenario.clock.sleep(60)
    scenario.backend.set_activation_disabled("MBX1", False)
    scenario.clock.sleep(3 * 3600)
    assert active(scenario, "MBX1") == set()


def test_newer_versions_rebalance_every_hour_unless_drained():
    """They go back to the server they prefer, once it may have them."""
    scenario = organised()
    scenario.backend.set_activation_disabled("MBX1", True)
    scenario.clock.sleep(2 * 3600)
    assert active(scenario, "MBX1") == set()
    scenario.backend.set_activation_disabled("MBX1", False)
    scenario.clock.sleep(3700)
    assert active(scenario, "MBX1") == {"DB01", "DB04"}
    assert {m.why for m in scenario.organisation.history.of(h.DatabaseMoved, "MBX1")} == {
        "rebalance"
    }


@pytest.mark.parametrize(
    ("server", "database"),
    [
        ({"auto_activation_policy": "Blocked"}, {}),
        ({"auto_activation_policy": "IntrasiteOnly", "site": "elsewhere"}, {}),
        ({"activation_disabled": True}, {}),
        ({"maximum_active_databases": 2}, {}),
        ({"down": True}, {}),
        ({"services": {"MSExchangeIS": {"state": "Stopped"}}}, {}),
        ({"services": {"MSExchangeRepl": {"state": "Stopped"}}}, {}),
        ({}, {"status": "FailedAndSuspended"}),
        ({}, {"activation_suspended": True}),
        ({}, {"copy_queue": 50}),
        ({}, {"copy_queue_growth": 600.0}),
    ],
)
def test_what_keeps_a_database_where_it_is(server, database):
    """MoveNow leaves it in place, and says nothing; asked for it, the move is refused."""
    databases = {name: {"on": {"MBX2": database}} for name in ("DB01", "DB03")} if database else {}
    scenario = organised("dag2", servers={"MBX2": server}, databases=databases)
    scenario.clock.sleep(60)
    with pytest.raises(CommandFailed):
        scenario.backend.move_database("MBX2", "DB01")
    scenario.backend.set_activation_disabled("MBX1", True)
    scenario.clock.sleep(1000)
    assert {"DB01", "DB03"} <= active(scenario, "MBX1")
    stayed = {s.database for s in scenario.organisation.history.of(h.DatabaseStayed)}
    assert stayed >= {"DB01", "DB03"}


def test_a_database_leaves_once_it_can():
    """The flag persists: what could not leave is tried again."""
    scenario = organised(
        "dag2",
        databases={"DB01": {"on": {"MBX2": {"status": "Failed"}}}},
        events=[
            {"do": "set_copy", "server": "MBX2", "database": "DB01", "state": "Healthy", "at": 300}
        ],
    )
    scenario.backend.set_activation_disabled("MBX1", True)
    scenario.clock.sleep(250)
    assert active(scenario, "MBX1") == {"DB01"}
    scenario.clock.sleep(250)
    assert active(scenario, "MBX1") == set()


def test_recovery_and_single_copy_databases_stay():
    """A recovery database looks active, and never moves."""
    scenario = organised(
        databases={
            "RDB": {"copies": ["MBX1"], "recovery": True},
            "SINGLE": {"copies": ["MBX1"]},
        }
    )
    scenario.backend.set_activation_disabled("MBX1", True)
    scenario.clock.sleep(600)
    rows = {r.database: r for r in scenario.backend.database_copies("MBX1")}
    assert (rows["RDB"].status, rows["RDB"].active_copy) == ("Dismounted", True)
    assert rows["SINGLE"].status == "Mounted"
    kinds = {d.name: (d.replicated, d.recovery) for d in scenario.backend.databases("MBX1")}
    assert kinds["RDB"] == (False, True)
    assert kinds["SINGLE"] == (False, False)
    assert kinds["DB01"] == (True, False)
    with pytest.raises(CommandFailed):
        scenario.backend.move_database("MBX2", "RDB")


def test_a_failover_when_the_server_goes_down():
    """Other members activate the databases after some seconds; no outage."""
    scenario = organised()
    scenario.organisation.crash("MBX1", h.NATURE)
    scenario.clock.sleep(30)
    assert active(scenario, "MBX1") == set()
    moves = scenario.organisation.history.of(h.DatabaseMoved)
    assert {(m.database, m.why) for m in moves} == {("DB01", "failover"), ("DB04", "failover")}
    assert scenario.organisation.history.of(h.Outage) == []


def test_an_outage_where_no_other_copy_can_take_over():
    """Recorded when it begins and when it ends."""
    scenario = organised(
        databases={
            "DB01": {"on": {"MBX2": {"status": "Failed"}, "MBX3": {"activation_suspended": True}}},
            "SINGLE": {"copies": ["MBX1"]},
        }
    )
    scenario.organisation.crash("MBX1", h.NATURE)
    scenario.clock.sleep(60)
    history = scenario.organisation.history
    assert {(o.database, o.replicated) for o in history.of(h.Outage)} == {
        ("DB01", True),
        ("SINGLE", False),
    }
    scenario.clock.sleep(400)
    assert {o.database for o in history.of(h.OutageEnded)} == {"DB01", "SINGLE"}
    assert statuses(scenario, "MBX1")["SINGLE"] == "Mounted"


def test_a_drained_server_is_better_than_none():
    """Activation disabled keeps databases out only while there are other healthy copies."""
    scenario = organised("dag2", servers={"MBX2": {"activation_disabled": True}})
    scenario.organisation.crash("MBX1", h.NATURE)
    scenario.clock.sleep(60)
    assert {"DB01", "DB03"} <= active(scenario, "MBX2")
    assert scenario.organisation.history.of(h.Outage) == []


def test_without_a_majority_every_database_is_out():
    """Two members without a witness: when one goes, the other stops too."""
    scenario = organised("dag2", dags={"DAG1": {"witness": False}})
    scenario.organisation.crash("MBX1", h.NATURE)
    scenario.clock.sleep(120)
    history = scenario.organisation.history
    assert {o.database for o in history.of(h.Outage)} == {"DB01", "DB02", "DB03", "DB04"}
    assert set(statuses(scenario, "MBX2").values()) <= {"Dismounted", "DisconnectedAndHealthy"}
    scenario.clock.sleep(600)
    assert {o.database for o in history.of(h.OutageEnded)} == {"DB01", "DB02", "DB03", "DB04"}


def test_the_new_server_goes_down_while_it_mounts():
    """The next one takes over."""
    scenario = organised()
    scenario.organisation.crash("MBX1", h.NATURE)
    scenario.clock.sleep(17)
    assert statuses(scenario, "MBX2")["DB01"] == "Mounting"
    scenario.organisation.crash("MBX2", h.NATURE)
    scenario.clock.sleep(600)
    rows = scenario.backend.copies_of("MBX3", "DB01")
    assert [r.status for r in rows].count("Mounted") == 1


def test_a_majority_that_comes_back_fails_over_what_is_still_down():
    """Its databases waited for a majority, not for their server."""
    scenario = organised(
        servers={"MBX1": {"reboot": "never_comes_back"}, "MBX2": {"reboot_seconds": 400}}
    )
    scenario.organisation.crash("MBX2", h.NATURE)
    scenario.clock.sleep(60)
    scenario.organisation.crash("MBX1", h.NATURE)
    scenario.clock.sleep(60)
    history = scenario.organisation.history
    everything = {f"DB0{number}" for number in range(1, 7)}
    assert {o.database for o in history.of(h.Outage)} == everything
    scenario.clock.sleep(600)
    assert {o.database for o in history.of(h.OutageEnded)} == everything
    assert active(scenario, "MBX1") == set()


def test_another_member_answers_for_one_that_is_down():
    """Its rows say ServiceDown and hide the role. Once back, copies initialise first."""
    scenario = organised()
    scenario.organisation.reboot("MBX1", None, h.ADMINISTRATOR)
    scenario.clock.sleep(60)
    rows = scenario.backend.database_copies("MBX1")
    assert {(r.status, r.active_copy) for r in rows} == {("ServiceDown", None)}
    scenario.clock.sleep(240)
    assert "Initializing" in statuses(scenario, "MBX1").values()
    scenario.clock.sleep(120)
    assert set(statuses(scenario, "MBX1").values()) == {"Healthy"}


def test_outside_a_dag_nobody_answers_for_a_server_that_is_down():
    """The cmdlet fails."""
    scenario = organised(
        "standalone", servers={"CAS9": {"roles": ["client_access"]}, "MBX1": {"down": True}}
    )
    with pytest.raises(CommandFailed):
        scenario.backend.database_copies("MBX1")


def test_moves_soon_after_one_another_are_suppressed():
    """If the DAG says so; and moving to where it is does nothing."""
    scenario = organised(dags={"DAG1": {"move_suppression": 600}})
    scenario.backend.move_database("MBX1", "DB01")
    scenario.backend.move_database("MBX2", "DB01")
    with pytest.raises(CommandFailed, match="another operation"):
        scenario.backend.move_database("MBX3", "DB01")
    scenario.clock.sleep(60)
    with pytest.raises(CommandFailed, match="Suppressed"):
        scenario.backend.move_database("MBX1", "DB01")
    scenario.clock.sleep(600)
    scenario.backend.move_database("MBX1", "DB01")
    commands = scenario.organisation.history.of(h.DatabaseMoveCommanded, actor=h.POPHEAL)
    assert [c.accepted for c in commands] == [True, False, False, True]


def test_a_move_does_not_arrive_on_a_server_drained_meanwhile():
    """What was true when it began is asked again before the database is activated."""
    scenario = organised()
    scenario.backend.move_database("MBX2", "DB01")
    scenario.clock.sleep(1)
    scenario.backend.set_activation_disabled("MBX2", True)
    scenario.clock.sleep(60)
    assert "DB01" in active(scenario, "MBX1")
    assert statuses(scenario, "MBX1")["DB01"] == "Mounted"


def test_a_database_whose_server_is_down_from_the_start_is_taken_over():
    """The organisation does not begin in a state that could not last."""
    scenario = organised(servers={"MBX1": {"down": True}})
    scenario.clock.sleep(60)
    assert active(scenario, "MBX1") == set()


def test_who_is_primary_active_manager():
    """It moves on when its server goes down."""
    scenario = organised()
    assert scenario.backend.dag("MBX1", "dag1").primary_active_manager == "MBX1"
    scenario.organisation.crash("MBX1", h.NATURE)
    scenario.clock.sleep(60)
    dag = scenario.backend.dag("MBX1", "DAG1")
    assert dag.primary_active_manager == "MBX2"
    assert dag.operational == ("MBX2", "MBX3")
    with pytest.raises(CommandFailed):
        scenario.backend.dag("MBX1", "DAG2")


@pytest.mark.slow
@settings(deadline=None)
@given(st.lists(st.tuples(st.sampled_from("drufm"), st.integers(1, 3), st.integers(0, 400))))
def test_every_database_is_active_once_and_mounts_again(doings):
    """Whatever is done to the members, once left alone for long every database is mounted."""
    scenario = organised(dags={"DAG1": {"rebalances": False}})
    organisation = scenario.organisation
    for doing, number, pause in doings:
        server = f"MBX{number}"
        if not organisation.answers(server):
            scenario.clock.sleep(pause)
            continue
        try:
            if doing == "d":
                organisation.set_activation_disabled(server, True, h.ADMINISTRATOR)
            elif doing == "r":
                organisation.reboot(server, None, h.ADMINISTRATOR)
            elif doing == "u":
                organisation.set_activation_disabled(server, False, h.ADMINISTRATOR)
            elif doing == "f":
                organisation.crash(server, h.NATURE)
            else:
                organisation.move_database(server, "DB01", h.ADMINISTRATOR)
        except (CommandFailed, NotBegun):
            pass
        scenario.clock.sleep(pause)
    scenario.clock.sleep(1200)
    for database in (f"DB0{number}" for number in range(1, 7)):
        rows = scenario.backend.copies_of("MBX1", database)
        assert [r.status for r in rows].count("Mounted") == 1, rows
        (home,) = [r for r in rows if r.status == "Mounted"]
        assert home.active_server == home.server.lower()
    out = [o.database for o in organisation.history.of(h.Outage)]
    assert sorted(out) == sorted(o.database for o in organisation.history.of(h.OutageEnded))

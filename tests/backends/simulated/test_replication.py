"""The simulated organisation's groups: lag, seeding, sites, paused nodes, checks and quorum."""

from __future__ import annotations

import pytest

from popheal.backends.simulated import history as h
from popheal.errors import CommandFailed
from popheal.exchange.interpret import rows_of
from tests.backends.simulated.test_availability import active, organised, statuses


def checks(scenario, server="MBX1"):
    """Which checks of a member pass, and which fail."""
    return {
        one.check: one.result == "Passed" for one in scenario.backend.replication_health(server)
    }


def failing(scenario, server="MBX1"):
    return {check for check, passed in checks(scenario, server).items() if not passed}


def copy_of(scenario, database, server):
    (found,) = [one for one in scenario.backend.database_copies(server) if one.database == database]
    return found


# --- what a database says ------------------------------------------------------------------------


def test_where_a_database_has_copies_and_which_of_them_lag():
    """Of each database, from any member."""
    lag = {"on": {"MBX3": {"replay_lag": 604800}}}
    scenario = organised(databases={"DB01": lag, "DB02": {"backup_in_progress": True}})
    by_name = {one.name: one for one in scenario.backend.databases("MBX2")}
    assert by_name["DB01"].servers == ("MBX1", "MBX2", "MBX3")
    assert by_name["DB01"].lagged == ("MBX3",)
    assert by_name["DB02"].lagged == ()
    assert [by_name[name].backup_in_progress for name in ("DB01", "DB02")] == [False, True]
    assert copy_of(scenario, "DB01", "MBX3").replay_queue == 10080
    assert copy_of(scenario, "DB01", "MBX2").replay_queue == 0


def test_a_backup_begins_and_ends():
    """The event names the database, and a server that has a copy of it."""
    told = [
        {"do": f"backup_{what}", "server": "MBX1", "database": "DB01", "at": at}
        for what, at in (("begins", 10), ("ends", 90))
    ]
    scenario = organised(events=told)
    seen = []
    for _ in range(3):
        seen.append(scenario.backend.databases("MBX1")[0].backup_in_progress)
        scenario.clock.sleep(50)
    assert seen == [False, True, False]


def test_a_copy_that_lags_is_no_target():
    """Neither of a drain nor of a move by command; in need it is better than nothing."""
    lagging = {name: {"on": {"MBX2": {"replay_lag": 600}}} for name in ("DB01", "DB03")}
    scenario = organised("dag2", databases=lagging)
    scenario.backend.set_activation_disabled("MBX1", True)
    scenario.clock.sleep(300)
    assert active(scenario, "MBX1") == {"DB01", "DB03"}
    stayed = scenario.organisation.history.of(h.DatabaseStayed)
    assert {one.why for one in stayed} == {"the copy on MBX2 lags"}
    with pytest.raises(CommandFailed, match="lags"):
        scenario.backend.move_database("MBX2", "DB01")
    scenario.organisation.crash("MBX1", h.NATURE)
    scenario.clock.sleep(60)
    assert active(scenario, "MBX2") >= {"DB01", "DB03"}


# --- where the drain goes ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("servers", "goes"),
    [
        ({"MBX2": {"site": "Far", "auto_activation_policy": "IntrasiteOnly"}}, False),
        ({"MBX2": {"auto_activation_policy": "IntrasiteOnly"}}, True),
        # The policy is the target's: that of the server that is drained says nothing.
        ({"MBX1": {"site": "Far", "auto_activation_policy": "IntrasiteOnly"}}, True),
        ({"MBX2": {"components": {"HighAvailability": {"Maintenance": "Inactive"}}}}, False),
        ({"MBX2": {"cluster_node": "Paused"}}, True),
    ],
)
def test_who_takes_the_databases_of_a_drained_member(servers, goes):
    """By the policy of who would take them, compared with the site where they are active now."""
    scenario = organised("dag2", servers=servers)
    scenario.backend.set_activation_disabled("MBX1", True)
    scenario.clock.sleep(120)
    assert (active(scenario, "MBX1") == set()) is goes


def test_several_databases_share_the_free_places():
    """Two of them and one place: one goes, the other stays."""
    scenario = organised("dag2", servers={"MBX2": {"maximum_active_databases": 3}})
    scenario.backend.set_activation_disabled("MBX1", True)
    scenario.clock.sleep(300)
    assert len(active(scenario, "MBX1")) == 1
    assert len(active(scenario, "MBX2")) == 3
    (stayed,) = scenario.organisation.history.of(h.DatabaseStayed)
    assert "MaximumActiveDatabases" in stayed.why


# --- seeding -------------------------------------------------------------------------------------


def test_a_reseed_breaks_when_its_source_goes_down():
    """Its copy is left failed; the source is a plain copy again."""
    on = {"MBX1": {"status": "SeedingSource"}, "MBX3": {"status": "Seeding"}}
    scenario = organised(databases={"DB02": {"on": on}})
    assert statuses(scenario, "MBX1")["DB02"] == "SeedingSource"
    assert statuses(scenario, "MBX3")["DB02"] == "Seeding"
    scenario.backend.reboot("MBX1", scenario.backend.host_status("MBX1").boot_time)
    scenario.clock.sleep(400)
    assert statuses(scenario, "MBX1")["DB02"] == "Healthy"
    assert statuses(scenario, "MBX3")["DB02"] == "FailedAndSuspended"
    (broken,) = scenario.organisation.history.of(h.CopyChanged)
    assert (broken.server, broken.database) == ("MBX3", "DB02")
    assert failing(scenario, "MBX3") == {"DBCopySuspended", "DBCopyFailed"}


# --- nodes, checks, quorum -----------------------------------------------------------------------


def test_the_node_of_a_member_is_up_or_paused_or_not_told():
    """A paused one takes part and votes, and does not become the primary active manager."""
    scenario = organised(
        servers={"MBX2": {"cluster_node": "Paused"}},
        events=[
            {"do": "pause_node", "server": "MBX3", "at": 10},
            {"do": "resume_node", "server": "MBX3", "at": 20},
            {"do": "crash", "server": "MBX1", "at": 30},
        ],
    )

    def node(name):
        return scenario.backend.host_status(name).cluster_node

    assert [node(name) for name in ("MBX1", "MBX2", "MBX3")] == ["Up", "Paused", "Up"]
    scenario.clock.sleep(15)
    assert node("MBX3") == "Paused"
    scenario.clock.sleep(40)
    dag = scenario.backend.dag("MBX2", "DAG1")
    assert (node("MBX3"), dag.primary_active_manager) == ("Up", "MBX3")
    assert dag.operational == ("MBX2", "MBX3")
    assert checks(scenario, "MBX2")["QuorumGroup"]
    assert organised("standalone").backend.host_status("MBX1").cluster_node == ""


def test_a_well_group_passes_every_check():
    """Of servers outside a group there is nothing to check."""
    for preset in ("dag2", "dag3"):
        scenario = organised(preset)
        assert failing(scenario) == set()
        assert {"ClusterService", "QuorumGroup", "FileShareQuorum"} <= set(checks(scenario))
    assert organised("standalone").backend.replication_health("MBX1") == []


def test_a_check_fails_where_the_script_says_so():
    """Only there; and it says what is wrong."""
    scenario = organised(servers={"MBX2": {"failed_checks": ["QuorumGroup", "TcpListener"]}})
    assert failing(scenario, "MBX2") == {"QuorumGroup", "TcpListener"}
    assert failing(scenario, "MBX3") == set()
    (row, _) = [one for one in scenario.backend.replication_health("MBX2") if one.error]
    assert rows_of("mbx2.contoso.com", [row]) == [row]


def test_checks_follow_the_services_they_look_at():
    """Replication stopped, or the cluster's own service."""
    events = [
        {"do": "stop_service", "server": "MBX2", "service": "MSExchangeRepl", "at": 1},
        {"do": "stop_service", "server": "MBX3", "service": "ClusSvc", "at": 1},
    ]
    scenario = organised(events=events)
    scenario.clock.sleep(5)
    replication = {"ReplayService", "ActiveManager", "TasksRpcListener", "TcpListener"}
    assert failing(scenario, "MBX2") == replication
    assert failing(scenario, "MBX3") == {"ClusterService"}


@pytest.mark.parametrize(
    ("dag", "witness", "share", "survives"),
    [
        ({}, "Primary", True, True),
        ({"witness_reachable": False}, "Primary", False, False),
        ({"witness": False}, "None", None, False),
    ],
)
def test_two_members_need_their_witness(dag, witness, share, survives):
    """That it is in use does not say that it can be reached: the check of it does."""
    scenario = organised("dag2", dags={"DAG1": dag})
    assert scenario.backend.dag("MBX1", "DAG1").witness == witness
    assert checks(scenario).get("FileShareQuorum") is share
    assert checks(scenario)["QuorumGroup"]
    scenario.organisation.crash("MBX2", h.NATURE)
    scenario.clock.sleep(30)
    seen = checks(scenario)
    quorum = (seen["ClusterService"], seen["QuorumGroup"], seen["ActiveManager"])
    assert quorum == (survives,) * 3
    out = {one.database for one in scenario.organisation.history.of(h.Outage)}
    assert out == (set() if survives else {"DB01", "DB02", "DB03", "DB04"})
    scenario.clock.sleep(600)
    ended = {one.database for one in scenario.organisation.history.of(h.OutageEnded)}
    assert ended == out


def test_the_witness_of_an_odd_group_is_not_in_use():
    """So it does not matter that it can't be reached."""
    scenario = organised("dag3", dags={"DAG1": {"witness_reachable": False}})
    assert scenario.backend.dag("MBX1", "DAG1").witness == "None"
    assert failing(scenario) == set()

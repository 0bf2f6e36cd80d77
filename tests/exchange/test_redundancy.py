"""How many healthy copies stay elsewhere, and whether the cluster keeps its majority."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popheal.exchange.interpret import why_out_of_service
from popheal.exchange.models import (
    ComponentState,
    Dag,
    Database,
    DatabaseCopy,
    HostStatus,
    ReplicationCheck,
)
from popheal.exchange.quorum import NEEDED_CHECKS, keeps_majority, needs_witness, read_checks
from popheal.exchange.redundancy import copies_needed, healthy_elsewhere

AT = datetime(2026, 1, 5, 8, tzinfo=UTC)


def copy(server, status="Healthy", **more):
    return DatabaseCopy(
        database="DB1", server=server, status=status, **{"copy_queue": 0, "replay_queue": 0, **more}
    )


def database(*servers, lagged=()):
    return Database(name="DB1", replicated=True, servers=servers, lagged=lagged)


# --- copies --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("servers", "lagged", "at_least", "needed"),
    [
        (2, 0, None, 1),
        (3, 0, None, 2),
        (4, 0, None, 2),
        (3, 1, None, 1),
        (4, 1, None, 2),
        (2, 1, None, 1),  # never none: it would be the only one that is in step
        (4, 0, 3, 3),
        (3, 0, 1, 2),  # a policy asks for more, never for less
    ],
)
def test_as_many_as_microsoft_s_script_asks_for(servers, lagged, at_least, needed):
    """Of two copies one, of three or more two; those that lag are not there."""
    names = [f"MBX{n}" for n in range(1, servers + 1)]
    one = database(*names, lagged=tuple(names[servers - lagged :]))
    assert copies_needed(one, [], at_least) == needed


def test_where_it_is_not_told_where_copies_are_configured_the_rows_say_so():
    """Older answers have no Servers."""
    assert copies_needed(database(), [copy("MBX1"), copy("MBX2"), copy("MBX3")]) == 2


@pytest.mark.parametrize(
    ("changes", "counts"),
    [
        ({}, True),
        ({"status": "Mounted", "copy_queue": None}, True),
        ({"status": "DisconnectedAndHealthy"}, True),
        ({"status": "SeedingSource"}, True),
        ({"activation_suspended": True}, True),  # its data is there
        ({"status": "Dismounted"}, False),
        ({"status": "Resynchronizing"}, False),
        ({"status": "FailedAndSuspended"}, False),
        ({"status": "ServiceDown"}, False),
        ({"copy_queue": 41}, False),
        ({"replay_queue": 41}, False),
        ({"replay_queue": None}, False),
    ],
)
def test_what_counts_as_a_healthy_copy(changes, counts):
    """Mounted, or whole and hardly behind; what was not told does not count."""
    found = healthy_elsewhere(
        "mbx1.contoso.com", database("MBX1", "MBX2"), [copy("MBX2", **changes)]
    )
    assert found == (["MBX2"] if counts else [])


def test_whose_copies_do_not_count():
    """The server's own, those that lag, and those of members that are out of service."""
    copies = [copy(f"MBX{n}") for n in range(1, 6)]
    one = database(*(copy.server for copy in copies), lagged=("mbx3",))
    assert healthy_elsewhere("mbx1.contoso.com", one, copies, ["MBX4.contoso.com"]) == [
        "MBX2",
        "MBX5",
    ]


# --- quorum --------------------------------------------------------------------------------------


def dag(members, witness="Primary"):
    names = tuple(f"MBX{n}" for n in range(1, members + 1))
    return Dag(name="DAG1", members=names, operational=names, witness=witness)


@pytest.mark.parametrize(
    ("members", "witness", "staying", "keeps"),
    [
        (2, "Primary", 1, True),
        (2, "Alternate", 1, True),
        (2, "None", 1, False),
        (2, "", 1, False),
        (2, "InvalidConfiguration", 1, False),
        (3, "None", 2, True),
        (3, "Primary", 1, False),  # of an odd number, the witness has no vote
        (4, "Primary", 3, True),
        (4, "Primary", 2, True),
        (4, "None", 3, True),
        (4, "None", 2, False),
        (4, "", 2, False),
        (4, "", 3, True),
        (5, "None", 3, True),
        (5, "None", 2, False),
    ],
)
def test_a_majority_without_the_server(members, witness, staying, keeps):
    """More than half of the votes; the witness has one where the members are even."""
    assert keeps_majority(dag(members, witness), staying) is keeps


@given(st.integers(2, 16), st.sampled_from(["Primary", "None", "", "odd words"]), st.data())
def test_more_members_never_lose_a_majority(members, witness, data):
    """And what isn't told about the witness never gives one."""
    staying = data.draw(st.integers(0, members - 1))
    if keeps_majority(dag(members, witness), staying):
        assert keeps_majority(dag(members, witness), staying + 1)
        assert keeps_majority(dag(members, "Primary"), staying)


def checks(server="MBX2", **results):
    told = {**dict.fromkeys(NEEDED_CHECKS, "Passed"), **results}
    return [
        ReplicationCheck(server=server, check=name, result=result)
        for name, result in told.items()
        if result
    ]


def test_all_checks_of_a_member():
    """Case does not matter, others do not matter, rows of other servers do not count."""
    rows = [
        *checks(DagMembersUp="*FAILED*", QuorumGroup="PASSED"),
        *checks("MBX9", ActiveManager="x"),
    ]
    seen = read_checks("mbx2.contoso.com", rows, witness=False)
    assert (seen.failed, seen.missing) == ((), ())


@pytest.mark.parametrize("name", NEEDED_CHECKS)
def test_each_needed_check(name):
    """Failed is no; not told is not yes."""
    failed = read_checks("MBX2", checks(**{name: "*FAILED*"}), witness=False)
    assert [one.check for one in failed.failed] == [name]
    assert read_checks("MBX2", checks(**{name: ""}), witness=False).missing == (name,)


def test_the_witness():
    """It must pass where it is told, and must be told where it has a vote."""
    told = checks(FileShareQuorum="*FAILED*")
    assert read_checks("MBX2", told, witness=False).failed
    assert read_checks("MBX2", checks(), witness=True).missing == ("FileShareQuorum",)
    assert needs_witness(dag(4))
    assert needs_witness(dag(4, ""))
    assert not needs_witness(dag(4, "None"))
    assert not needs_witness(dag(3))


# --- in service ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("component", "state", "node", "why"),
    [
        ("HighAvailability", "Inactive", "Up", "HighAvailability"),
        ("ServerWideOffline", "Inactive", "Up", "ServerWideOffline"),
        ("highavailability", "Draining", "Up", "highavailability"),
        ("HighAvailability", "Active", "Paused", "Paused"),
        ("HighAvailability", "Active", "Down", "Down"),
        ("HighAvailability", "Active", "Joining", "Joining"),
        ("HighAvailability", "Active", "Up", ""),
        ("OwaProxy", "Inactive", "Up", ""),
    ],
)
def test_a_member_in_maintenance(component, state, node, why):
    """As Microsoft's own script leaves it; what else is off does not matter."""
    host = HostStatus(server="MBX2", boot_time=AT, local_time=AT, cluster_node=node)
    found = why_out_of_service([ComponentState(component=component, state=state)], host)
    assert why in found if why else found == ""

"""A snapshot is the organisation: triage and plan say the same, and it ends as the real one."""

from __future__ import annotations

import asyncio
import tomllib
from datetime import timedelta

import pytest
from attrs import evolve
from hypothesis import given, settings
from hypothesis import strategies as st

from popheal import Alert, Journal, heal
from popheal.backends.simulated import (
    build,
    build_scenario,
    load_scenario,
    random_tables,
    scenario_names,
)
from popheal.backends.simulated.model import Copy, DagGroup, Server, Service
from popheal.errors import BackendError, NotAuthorised, UnknownName, Unreadable
from popheal.exchange.models import ComponentState, RecoveryAction, ServerInfo
from popheal.snapshot import atake_snapshot, take_snapshot
from popheal.snapshot.look import SERVICES
from popheal.snapshot.snapshot import UNSEEN
from popheal.util.schema import keys_of
from tests.engine.test_scenarios import assert_as_expected
from tests.support.healing import alert_of
from tests.support.paths import what_ifs
from tests.support.snapshots import check_over_remoting, completed, planned

pytest.importorskip("psrpcore", reason="needs popheal[lab]")

#: That show most of what there is: services, components, copies, groups, rows, probes, a server
#: that is down, recovery actions, times without a zone, other spellings.
TELLING = (
    "another-member-is-down",
    "back-end-is-off",
    "backup-under-way",
    "check-fails-on-a-member-that-stays",
    "client-access-back-end-named-by-probe",
    "command-time-row-frozen",
    "databases-go-to-another-site",
    "flapping-probe",
    "mailbox-healed-by-reboot",
    "probe-cannot-be-run",
)
MONITOR = "PopDeepTestMonitor"
#: Where nobody may look, there is nothing to be described.
CLOSED = "not-authorised"


def check(name):
    """Triage and plan over the snapshot are the live ones; completed, it ends as expected."""
    scenario = load_scenario(name)
    alert = alert_of(scenario)
    live = planned(alert, scenario.backend)
    scenario = load_scenario(name)
    taken = take_snapshot(scenario.backend, scenario.server)
    assert taken.differing == ()
    tables = tomllib.loads(taken.to_toml())
    assert tables == taken.tables
    assert planned(alert, build_scenario(tables).backend) == live
    again = build_scenario(completed(taken, name))
    report = heal(alert_of(again), again.backend, journal=Journal())
    assert_as_expected(again, report)


@pytest.mark.parametrize("name", TELLING)
def test_a_snapshot_is_the_organisation(name):
    """Of scenarios that show much of what there is."""
    check(name)


@pytest.mark.slow
@pytest.mark.campaign
@pytest.mark.parametrize("name", sorted({*scenario_names()} - {*TELLING, CLOSED}))
def test_a_snapshot_of_every_scenario_is_the_organisation(name):
    """Of all others that come with popheal."""
    check(name)


@pytest.mark.lab
def test_the_plan_over_a_snapshot_is_the_plan_over_remoting():
    """Taken through the real client."""
    check_over_remoting("another-member-is-down")


@pytest.mark.slow
@pytest.mark.campaign
@pytest.mark.lab
@pytest.mark.parametrize("name", ["client-access-split-role-healed-by-reboot", "flapping-probe"])
def test_the_plan_over_a_snapshot_is_the_plan_over_remoting_elsewhere(name):
    """Likewise; ``python -m tests.evidence.snapshots_over_remoting`` tries every scenario."""
    check_over_remoting(name)


@settings(deadline=None, max_examples=8)
@given(st.integers(min_value=0, max_value=2**32))
def test_a_snapshot_of_any_organisation_is_it(seed):
    """Of random ones: but for calls that fail by count, as what is looked at first matters there.

    A row that a server has twice is not told apart, and a server has to be there to be asked.
    """
    tables = random_tables(seed)
    tables["calls"] = []
    tables["rows"] = [one for one in tables["rows"] if "of_server" not in one]
    scenario = build_scenario(tables)
    with scenario.organisation.present() as world:
        if not any(one.up for one in world.servers):
            return
    taken = take_snapshot(scenario.backend, scenario.server)
    again = build_scenario(tomllib.loads(taken.to_toml()))
    live = build_scenario(tables)
    assert planned(alert_of(live), again.backend) == planned(alert_of(live), live.backend)


def test_the_same_organisation_gives_the_same_text():
    """To the letter; and whoever looks, waiting or not."""
    one, other = (load_scenario("another-member-is-down") for _ in range(2))
    text = take_snapshot(one.backend, one.server).to_toml()
    assert text == asyncio.run(atake_snapshot(other.backend, other.server)).to_toml()


@pytest.mark.parametrize("path", what_ifs()[::5], ids=lambda path: path.stem)
def test_a_snapshot_of_what_people_have_met(path):
    """Triage and plan are the live ones there, too."""
    scenario = load_scenario(path)
    alert = alert_of(scenario)
    taken = take_snapshot(load_scenario(path).backend, alert.server)
    again = build_scenario(tomllib.loads(taken.to_toml()))
    assert planned(alert, again.backend) == planned(alert, scenario.backend)


# --- what is in it -------------------------------------------------------------------------------

RICH = """
title = "Everything that can be seen"
[alert]
server = "a"
health_set = "POP"

[organisation]
at = 2026-11-29T10:00:00Z
version = "2016"
domain = "corp.test"
names = "upper"
identity_ignored = true

[servers.a]
roles = ["mailbox", "client_access"]
fqdn = "A.other.test"
site = "North"
version = "2019"
build = "Version 15.2 (Build 1118.7)"
clock_skew = -90
up_for_hours = 12.5
reboot_pending = true
utc_offset = 3600
times_without_zone = true
setup_running = true
services.MSExchangePOP3BE = { state = "Stopped", start_type = "Manual" }
services.W3SVC = { state = "Absent" }
components.PopProxy = { HealthAPI = "Inactive" }
components.OwaProxy = { "" = "Inactive" }
pop_proxy_inactive = "refuses"
bindings = ["127.0.0.1:995"]
protocol_logging = true
log_location = 'D:\\Logs\\Pop3'
missing_probes = ["PopSelfTestProbe"]
missing_monitors = ["CrashEventMonitor"]
cluster_node = "Paused"
failed_checks = ["QuorumGroup"]
check_errors = { QuorumGroup = "No majority, says \\"A\\"." }
activation_disabled = true
auto_activation_policy = "Blocked"
maximum_active_databases = 7

[servers.b]
roles = ["mailbox"]
times_missing = true
untold = ["reboot_pending", "utc_offset", "cluster_node", "bindings"]

[servers.c]
roles = ["mailbox", "client_access"]

[servers.d]
roles = ["client_access"]
down = true

[databases.one]
copies = ["b", "a", "c"]
active = "a"
backup_in_progress = true
on.b = { status = "Suspended", activation_suspended = true, copy_queue = 3 }
on.c = { replay_queue = 4, replay_lag = 1, content_index = "Failed" }

[databases.two]
copies = ["b"]
dismounted = true
untold = ["backup_in_progress", "servers"]

[databases.three]
copies = ["c"]
recovery = true

[dags.group]
members = ["a", "b"]
primary_active_manager = "b"
witness_reachable = false
witness_share = "Alternate"

[dags.other]
members = ["c"]
witness = false
untold = ["witness"]
"""
#: Keys that a snapshot says by other keys.
SAID_OTHERWISE = {"preset", "pop_start", "pop_running"}


def test_everything_that_can_be_seen_is_in_it():
    """Each key of a scenario about what there is: in a snapshot, or known to be seen by no look."""
    scenario = build_scenario(tomllib.loads(RICH))
    taken = take_snapshot(scenario.backend, scenario.server)
    assert taken.differing == ()
    tables = taken.tables
    found = {
        "organisation": (build._General, [tables["organisation"]]),
        "servers": (Server, tables["servers"].values()),
        "services": (
            Service,
            [one for s in tables["servers"].values() for one in s.get("services", {}).values()],
        ),
        "databases": (build._Described, tables["databases"].values()),
        "copies": (
            Copy,
            [one for d in tables["databases"].values() for one in d.get("on", {}).values()],
        ),
        "dags": (DagGroup, tables["dags"].values()),
    }
    for name, (record, entries) in found.items():
        written = {key for one in entries for key in one}
        unseen = set(UNSEEN.get(name, ()))
        assert written & unseen == set()
        assert written | unseen | SAID_OTHERWISE >= set(keys_of(record)), name


def test_it_begins_when_it_was_seen():
    """The organisation's clock starts there, so that windows and boot times are true."""
    taken = take_snapshot(build_scenario(tomllib.loads(RICH)).backend, "a")
    again = taken.scenario()
    assert again.observed_at == taken.tables["organisation"]["at"]
    live = build_scenario(tomllib.loads(RICH))
    for server in ("a", "b"):
        assert again.backend.host_status(server) == live.backend.host_status(server)


# --- what can't be read --------------------------------------------------------------------------


class Broken:
    """A backend of one's own: what some looks raise, and what others give."""

    def __init__(self, inner, answers):
        self.inner, self.answers = inner, answers

    def __getattr__(self, name):
        def method(server, *args):
            answer = self.answers.get(name, self.answers.get((name, server)))
            if isinstance(answer, BaseException):
                raise answer
            return getattr(self.inner, name)(server, *args) if answer is None else answer

        return method if callable(getattr(self.inner, name)) else getattr(self.inner, name)


def denied(command):
    return NotAuthorised(server="mbx1.contoso.com", command=command, cause="no role has it")


def test_what_cannot_be_read_is_said_and_cannot_be_read_in_it():
    """Never invented: the same look fails in the snapshot, and so triage says the same."""
    answers = {"component_states": denied("Get-ServerComponentState")}
    scenario = load_scenario("mailbox-healed-by-reboot")
    backend = Broken(scenario.backend, answers)
    taken = take_snapshot(backend, scenario.server)
    assert taken.unread == tuple(
        f"component_states of mbx{number}.contoso.com: no role has it" for number in (1, 2, 3)
    )
    text = taken.to_toml()
    assert "# What could not be read:\n# - component_states of mbx1.contoso.com: no role" in text
    again = taken.scenario()
    with pytest.raises(NotAuthorised, match="no role has it"):
        again.backend.component_states("mbx1")
    live = Broken(load_scenario("mailbox-healed-by-reboot").backend, answers)
    alert = alert_of(scenario)
    seen, here = planned(alert, live), planned(alert, again.backend)
    assert (seen["verdict"], seen["findings"]) == (here["verdict"], here["findings"])
    assert here["verdict"] == "unknown"


def test_an_answer_that_cannot_be_used_counts_as_unread():
    """Whatever a backend of one's own returns."""
    scenario = load_scenario("mailbox-healed-by-reboot")
    taken = take_snapshot(Broken(scenario.backend, {"pop_settings": "?"}), scenario.server)
    assert all("pop_settings of mbx" in one for one in taken.unread)
    assert len(taken.unread) == 3


def test_without_a_list_of_servers_there_is_no_snapshot():
    """It raises; there is nothing half-described."""
    scenario = load_scenario(CLOSED)
    with pytest.raises(BackendError):
        take_snapshot(scenario.backend, scenario.server)
    scenario = load_scenario("nothing-wrong")
    with pytest.raises(UnknownName):
        take_snapshot(scenario.backend, "mbx9")


def test_what_the_simulation_does_not_know_is_said():
    """A service's state, a component, a version, a row of a server without a role."""
    scenario = load_scenario("nothing-wrong")
    inner = scenario.backend
    servers = list(inner.all_servers("mbx1"))
    servers[0] = evolve(servers[0], version="Version 16.1")
    nobody = {"mailbox_role": False, "client_access_role": False}
    edge = ServerInfo(fqdn="e.x.test", name="E", **nobody)
    odd = ServerInfo(fqdn="o.x.test", name="O", unreadable="no site", **nobody)
    services = [
        evolve(one, state="PausePending") if one.name == "W3SVC" else one
        for one in inner.services("mbx1", SERVICES)
    ]
    newest = ComponentState(component="Newest", state="Inactive")
    answers = {
        "all_servers": [*servers, edge, odd],
        ("services", "mbx1.contoso.com"): services,
        ("component_states", "mbx1.contoso.com"): [*inner.component_states("mbx1"), newest],
    }
    taken = take_snapshot(Broken(inner, answers), "mbx1")
    assert "e.x.test is left out: it has neither of the two roles" in taken.unread
    assert "o.x.test is left out: its row can't be read: no site" in taken.unread
    assert "its version can't be told: Version 16.1" in " ".join(taken.unread)
    said = " ".join(taken.differing)
    assert "services: W3SVC state was PausePending, and is Running here" in said
    assert "component_states: Newest state was Inactive, and is not told here" in said
    assert set(taken.tables["servers"]) == {"MBX1", "MBX2"}


def test_odd_answers_are_described_as_far_as_they_can_be():
    """Control characters, words and numbers of no scenario, times the wrong way round."""
    scenario = load_scenario("mailbox-healed-by-reboot")
    inner, server = scenario.backend, scenario.server
    host = inner.host_status(server)
    (rows, copies, databases) = (
        list(getattr(inner, look)(server))
        for look in ("server_health", "database_copies", "databases")
    )
    hour = timedelta(hours=1)
    action = {"server": server, "action": "Force\x1bReboot", "resource": "DB\n1"}
    answers = {
        "host_status": evolve(host, boot_time=host.local_time + hour),
        "pop_settings": evolve(inner.pop_settings(server), log_location="C:\\Logs\x07"),
        "mailbox_server": evolve(inner.mailbox_server(server), auto_activation_policy="Sometimes"),
        "server_health": [evolve(one, error="one\r\ntwo\x1b[2J", state="New\tone") for one in rows],
        "database_copies": [evolve(one, status="Thinking", copy_queue=-1) for one in copies],
        "databases": [evolve(one, servers=("elsewhere", *one.servers)) for one in databases],
        "recovery_actions": [
            RecoveryAction(**action, started=host.local_time + hour, finished=host.local_time),
            RecoveryAction(**action, finished=host.local_time),
            RecoveryAction(**action, throttled=True, started=host.local_time),
        ],
    }
    taken = take_snapshot(Broken(inner, answers), server)
    again = build_scenario(tomllib.loads(taken.to_toml()))
    (row,) = [one for one in again.backend.server_health(server) if one.monitor == MONITOR]
    assert row.error == "one\r\ntwo\x1b[2J"
    said = " ".join(taken.differing)
    assert "auto_activation_policy was Sometimes, and is Unrestricted here" in said
    assert "DB01 status was Thinking" in said
    assert all(text.isprintable() for text in (*taken.differing, *taken.unread))


def test_an_organisation_without_a_server_to_be_described_is_refused():
    """There is nothing to write."""
    inner = load_scenario("nothing-wrong").backend
    servers = [
        evolve(one, mailbox_role=False, client_access_role=False)
        for one in inner.all_servers("mbx1")
    ]
    with pytest.raises(Unreadable, match="no server that can be described"):
        take_snapshot(Broken(inner, {"all_servers": servers}), "mbx1")


def test_the_alert_is_about_what_is_unhealthy():
    """So that playing it without more shows what popheal would do now."""
    scenario = load_scenario("client-access-healed-by-reboot")
    taken = take_snapshot(scenario.backend, scenario.server)
    again = taken.scenario()
    assert (again.server, again.monitor) == (scenario.server, "PopCTPMonitor")
    well = load_scenario("nothing-wrong")
    taken = take_snapshot(well.backend, well.server)
    again = taken.scenario()
    report = heal(Alert(server=again.server), again.backend, journal=Journal())
    assert report.verdict.value == "nothing_wrong"

"""Troubles planted in an organisation: each is told by one line, with a next step of its own."""

from __future__ import annotations

from datetime import timedelta

import pytest
from attrs import evolve, field, frozen

from popheal import Healer, Policy
from popheal.backends.simulated.scenario import build_scenario
from popheal.exchange.backend import LogonLasts
from popheal.readiness import Judgement
from popheal.readiness.items import BY_KEY
from tests.support.readiness import Answering, Told, answering, see_only

MBX1 = "mbx1.contoso.com"
DEEP, CTP = "PopDeepTestMonitor", "PopCTPMonitor"
UNTOLD = Judgement.COULD_NOT_TELL


def organisation(**tables):
    """Two members of one group, and a witness; nothing is wrong but what the tables say."""
    content = {
        "title": "An organisation that is checked",
        "alert": {"server": "MBX1", "health_set": "POP"},
        "organisation": {"preset": "dag2"},
        **tables,
    }
    return build_scenario(content).organisation


def checked(backend, policy=None):
    return Healer(backend, policy=policy).check([MBX1])


def mine(**of_server):
    """What is said of MBX1."""
    return {"servers": {"MBX1": of_server}}


def other(**of_server):
    return {"servers": {"MBX2": of_server}}


def refused(method, error="NotAuthorised"):
    return {"calls": [{"method": method, "error": error, "server": "MBX1", "for_ever": True}]}


def each(**changed):
    """Each row of an answer, changed."""
    return lambda rows: [evolve(one, **changed) for one in rows]


def rows_of(monitor, **changed):
    return lambda rows: [evolve(r, **changed) if r.monitor == monitor else r for r in rows]


@frozen(kw_only=True)
class Planted:
    """A trouble: tables of the scenario, answers that are changed, and the policy it is for."""

    told: Told
    tables: dict = field(factory=dict)
    answers: dict = field(factory=dict)
    policy: Policy


def planted(line, says, step, *, judgement=Judgement.BAD, answers=None, policy=None, **tables):
    told = Told(line=line, says=says, step=step, judgement=judgement)
    policy = policy or Policy()
    return Planted(told=told, tables=tables, answers=answers or {}, policy=policy)


HEEDING = Policy(heed_pending_restart=True)
NO_WITNESS = {"dags": {"DAG1": {"witness": False}}}
UNREACHABLE = {"dags": {"DAG1": {"witness_reachable": False}}}
FAILED_COPY = {"databases": {"DB01": {"on": {"MBX2": {"status": "Failed"}}}}}

TROUBLES = {
    # --- Windows ---------------------------------------------------------------------------------
    "Windows closed": planted("boot", "denied", "account", **refused("host_status")),
    "Windows silent": planted(
        "boot", "lost", "Look at the server", judgement=UNTOLD,
        **refused("host_status", "OutcomeUnknown"),
    ),
    "clock ahead": planted("clock", "6 min 40 s ahead", "w32tm", **mine(clock_skew=400.0)),
    "clock behind": planted("clock", "6 min 40 s behind", "w32tm", **mine(clock_skew=-400.0)),
    "no zone": planted(
        "zone", "did not tell its time zone", "TimeZoneInfo", judgement=UNTOLD,
        answers={"host_status": lambda host: evolve(host, utc_offset=None)},
    ),
    "Setup": planted("maintenance", "Setup is running", "finish", **mine(setup_running=True)),
    "restart pending": planted(
        "maintenance", "restart pending", "heed_pending_restart",
        policy=HEEDING, **mine(reboot_pending=True),
    ),
    "services closed": planted("services", "denied", "account", **refused("services")),
    "back end stopped": planted(
        "pop_service MSExchangePOP3BE", "does not run", "Start-Service MSExchangePOP3BE",
        # Not on the member that would take over: of that one the store is asked about as well.
        answers={"services": lambda rows: rows if any(
            one.name == "MSExchangeIS" for one in rows
        ) else [
            evolve(one, state="Stopped") if one.name.endswith("BE") else one for one in rows
        ]},
    ),
    "POP off": planted(
        "pop_service MSExchangePOP3", "POP is off", "StartupType Automatic",
        answers={"services": lambda rows: [
            evolve(one, state="Stopped", start_type="Disabled")
            if one.name.casefold() == "msexchangepop3" else one
            for one in rows
        ]},
    ),
    "Health Manager down": planted(
        "health_manager", "no monitor is evaluated", "Start-Service MSExchangeHM",
        answers={"services": lambda rows: [
            evolve(one, state="Stopped") if one.name == "MSExchangeHM" else one for one in rows
        ]},
    ),
    "no Health Manager": planted(
        "health_manager", "no service MSExchangeHM", "installed completely",
        answers={"services": lambda rows: [one for one in rows if one.name != "MSExchangeHM"]},
    ),
    "event log closed": planted("event_logs", "denied", "account", **refused("recovery_actions")),
    "event log off": planted(
        "event_logs", "failed", "look there", **refused("recovery_actions", "CommandFailed")
    ),
    "log folder closed": planted("pop_log", "denied", "account", **refused("pop_logs")),
    # --- Exchange --------------------------------------------------------------------------------
    "not known": planted("server", "denied", "account", **refused("server_info")),
    "no role": planted(
        "server", "neither the Mailbox nor", "Leave it out",
        answers={"server_info": lambda one: evolve(
            one, mailbox_role=False, client_access_role=False
        )},
    ),
    "a row that can't be read": planted(
        "servers mbx2.contoso.com", "no booleans", "Get-ExchangeServer",
        answers={"all_servers": lambda rows: [
            evolve(one, unreadable="no booleans") if one.fqdn.startswith("mbx2") else one
            for one in rows
        ]},
    ),
    "health closed": planted("rows", "denied", "account", **refused("server_health")),
    "no rows": planted(
        "rows", "no row is about POP", "Get-ServerHealth", answers={"server_health": lambda _: []}
    ),
    "rows of others": planted(
        "rows", "no row is about POP", "Health Manager",
        answers={"server_health": each(server="ex9")},
    ),
    "monitor gone": planted(
        f"monitor {DEEP}", "the catalogue expects it", "override",
        answers={"server_health": lambda rows: [one for one in rows if one.monitor != DEEP]},
    ),
    "monitor stale": planted(
        f"monitor {CTP}", "not been evaluated", "Restart-Service MSExchangeHM",
        answers={"server_health": rows_of(CTP, stale=True)},
    ),
    "monitor frozen": planted(
        f"monitor {CTP}", "not been evaluated", "Restart-Service MSExchangeHM",
        answers={"server_health": lambda rows: [
            evolve(one, last_execution=one.last_execution - timedelta(hours=2))
            if one.monitor == CTP else one
            for one in rows
        ]},
    ),
    "monitor turned off": planted(
        f"monitor {CTP}", "it says nothing", "Get-ServerMonitoringOverride",
        answers={"server_health": rows_of(CTP, alert_value="Disabled")},
    ),
    "times missing": planted("times", "can't be told", "culture", **mine(times_missing=True)),
    "times that can't be read": planted(
        "times", "kl. 8", "LastExecutionTime",
        answers={"server_health": each(last_execution=None, last_execution_text="kl. 8")},
    ),
    "probe gone": planted(
        "probe POP\\PopCTPProbe", "not listed", "Get-MonitoringItemIdentity POP ",
        **mine(missing_probes=["PopCTPProbe"]),
    ),
    "probes closed": planted("probe", "denied", "account", **refused("monitoring_items")),
    "PopProxy inactive": planted(
        "component PopProxy", "Inactive by HealthAPI", "-Requester HealthAPI",
        **mine(components={"PopProxy": {"HealthAPI": "Inactive"}}, pop_proxy_inactive="refuses"),
    ),
    "settings closed": planted("settings", "denied", "account", **refused("pop_settings")),
    "no loopback": planted(
        "loopback", "no loopback address", "Set-PopSettings", **mine(bindings=["192.0.2.1:995"])
    ),
    "a ticket that ends soon": planted(
        "ticket", "lasts for 10 min", "kinit",
        answers={"logon_lasts": lambda _: timedelta(minutes=10)},
    ),
    # --- databases and group ---------------------------------------------------------------------
    "drained by somebody": planted(
        "activation", "a healing that popheal healings lists, has drained", "$false",
        **mine(activation_disabled=True)
    ),
    "group closed": planted("group", "denied", "account", **refused("dag")),
    "no member of its group": planted(
        "group", "does not list this server", "Get-DatabaseAvailabilityGroup DAG1",
        answers={"dag": lambda one: evolve(one, members=("MBX2", "MBX3"))},
    ),
    "member down": planted("member MBX2", "down", "cluster service", **other(down=True)),
    "member's node paused": planted(
        "member MBX2", "Paused", "whoever works on it", **other(cluster_node="Paused")
    ),
    "member drained": planted(
        "member MBX2", "drained", "$false", **other(activation_disabled=True)
    ),
    "member's node not told": planted(
        "member MBX2", "was not told", "Get-ClusterNode", judgement=UNTOLD,
        answers={"host_status": lambda host: evolve(host, cluster_node="")},
    ),
    "no witness": planted("witness", "2 members need one", "share of its witness", **NO_WITNESS),
    "witness gone": planted("witness", "Primary", "share of its witness", **UNREACHABLE),
    "replication fails": planted(
        "replication ReplayService", "", "Test-ReplicationHealth mbx1",
        **mine(failed_checks=["ReplayService"]),
    ),
    "copy failed": planted(
        "copy DB01", "MBX2 Failed", "Get-MailboxDatabaseCopyStatus DB01", **FAILED_COPY
    ),
    "copies closed": planted("copy", "denied", "account", **refused("database_copies")),
    "backup under way": planted(
        "drain", "backup", "popheal plan",
        databases={"DB01": {"backup_in_progress": True}},
    ),
}  # fmt: skip


class Logging(Answering):
    """It logs on with something that may end."""

    def logon_lasts(self, server):
        return None


def backend_of(trouble):
    kind = Logging if "logon_lasts" in trouble.answers else Answering
    backend = kind(organisation(**trouble.tables))
    backend.changed = trouble.answers
    return backend


@pytest.fixture(scope="module")
def sound():
    return checked(answering(organisation()))


def test_nothing_is_wrong_where_nothing_is_planted(sound):
    assert {line.name for _, line in sound.all_lines() if line.judgement is not Judgement.GOOD} == {
        "journal"
    }
    assert sound.servers[0].server == MBX1


@pytest.mark.parametrize("name", TROUBLES)
def test_a_trouble_has_a_line_of_its_own(sound, name):
    trouble = TROUBLES[name]
    after = checked(backend_of(trouble), trouble.policy)
    before = sound if trouble.policy == Policy() else checked(
        answering(organisation()), trouble.policy
    )  # fmt: skip
    line = see_only(trouble.told, before, after, MBX1)
    assert line.key in BY_KEY
    assert line.next_step


def test_there_are_enough_of_them():
    assert len(TROUBLES) >= 40
    assert issubclass(Logging, LogonLasts)


def test_a_server_that_nobody_knows_is_a_line():
    found = Healer(answering(organisation())).check(["ex9.contoso.com"])
    lines = {line.name: line for line in found.servers[0].lines}
    assert "There is no server 'ex9.contoso.com'" in lines["server"].cause
    assert lines["drain"].because
    assert found.exit_status == 1


@pytest.mark.parametrize("preset", ["standalone", "split2013", "dag3", "dag4", "multirole2013"])
def test_any_kind_of_organisation_can_be_checked(preset):
    simulation = organisation(
        organisation={"preset": preset},
        **({"alert": {"server": "CAS1", "health_set": "POP"}} if preset == "split2013" else {}),
    )
    names = [one.fqdn for one in simulation.world.servers]
    found = Healer(answering(simulation)).check(names)
    wrong = [line for _, line in found.all_lines() if line.judgement is not Judgement.GOOD]
    assert [line.name for line in wrong] == ["journal"]
    assert [one.server for one in found.servers] == names

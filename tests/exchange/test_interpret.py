"""What the product's words mean: the strict reading of copies, health, probes and services."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from popheal.exchange import interpret
from popheal.exchange.models import (
    ComponentState,
    Database,
    DatabaseCopy,
    MonitorHealth,
    ProbeResult,
    RecoveryAction,
    ServerInfo,
    ServiceStatus,
)
from popheal.exchange.names import same_server
from popheal.healthsets.pop import health
from popheal.healthsets.pop.catalog import find_monitor
from popheal.util import text

NOW = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


def copy(status, **fields):
    given = {"active_copy": False, "active_server": "mbx2"}
    return DatabaseCopy(database="DB1", server="MBX1", status=status, **{**given, **fields})


@pytest.mark.parametrize(
    ("seen", "active"),
    [
        (copy("Mounted"), True),
        (copy("mounting"), True),
        (copy("Dismounted"), True),
        (copy("Dismounting"), True),
        (copy("ServiceDown"), True),
        (copy("SomethingNew"), True),
        (copy(""), True),
        (copy("Healthy"), False),
        (copy("Healthy", active_copy=True), True),
        (copy("Healthy", active_server="mbx1.contoso.com"), True),
        (copy("Healthy", active_copy=None, active_server=None), False),
        (copy("SeedingSource"), False),
        (copy("SeedingSource", active_copy=None), True),
        (copy("SeedingSource", active_server=None), True),
        (copy("FailedAndSuspended"), False),
        (copy("DisconnectedAndHealthy"), False),
        (copy("Initializing"), False),
    ],
)
def test_active_by_the_strict_test(seen, active):
    """Erratum D7: what could be an active copy counts as one."""
    assert interpret.is_active(seen) is active


@given(st.text())
def test_an_unknown_status_is_never_taken_for_passive(status):
    """New versions may add values."""
    known = {"healthy", "seedingsource"} | interpret._A_PASSIVE_COPY_IS
    if status.casefold() not in known:
        assert interpret.is_active(copy(status))


FIT = {"activation_suspended": False, "copy_queue": 0, "replay_queue": 3}


@pytest.mark.parametrize(
    ("changes", "fit"),
    [
        ({}, True),
        ({"content_index": "NotApplicable"}, True),
        ({"content_index": "Failed"}, False),
        ({"activation_suspended": True}, False),
        ({"activation_suspended": None}, False),
        ({"copy_queue": 41}, False),
        ({"replay_queue": None}, False),
        ({"active_copy": True}, False),
    ],
)
def test_a_copy_that_can_take_over(changes, fit):
    """Healthy, not suspended, short queues that were told."""
    assert interpret.can_take_over(copy("Healthy", **{**FIT, **changes})) is fit
    assert not interpret.can_take_over(copy("Resynchronizing", **{**FIT, **changes}))


def test_recovery_databases_do_not_count():
    """They are active and never move; everything else that is active counts."""
    recovery = Database(name="DB1", replicated=False, recovery=True)
    ordinary = Database(name="DB1", replicated=True)
    assert interpret.still_active([(copy("Dismounted"), recovery)]) == []
    assert interpret.still_active([(copy("Healthy"), ordinary), (copy("Mounted"), ordinary)]) == [
        "DB1 (Mounted)"
    ]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("MBX1", "mbx1.contoso.com", True),
        ("mbx1.contoso.com", "MBX1.CONTOSO.COM", True),
        ("mbx1.contoso.com", "mbx1.fabrikam.com", False),
        ("mbx1", "mbx10", False),
        ("mbx1.contoso.com.", "MBX1.contoso.com", True),
    ],
)
def test_server_names(one, other, same):
    """Short and full, in any case; two full names must agree in full."""
    assert same_server(one, other) is same


def row(monitor="PopDeepTestMonitor", value="Healthy", **fields):
    given = {"server": "mbx1", "health_set": "POP.Protocol", "last_execution": NOW}
    return MonitorHealth(monitor=monitor, alert_value=value, **{**given, **fields})


def test_rows_of_the_three_health_sets_of_that_server():
    """Erratum D5, and not the sets that merely start alike, nor other servers."""
    rows = [
        row(),
        row(health_set="POP"),
        row(health_set="pop.proxy"),
        row(health_set="PopularThings"),
        row(server="mbx2"),
    ]
    assert health.pop_rows("MBX1.contoso.com", rows) == rows[:3]


@pytest.mark.parametrize(
    ("rows", "value"),
    [
        ([row()], "healthy"),
        ([row(value="Unhealthy")], "unhealthy"),
        ([row(), row(value="Unhealthy")], "unhealthy"),
        ([row(), row(value="Repairing")], "could_not_tell"),
        ([row(value="Degraded")], "could_not_tell"),
        ([row(last_execution=NOW - timedelta(minutes=11))], "could_not_tell"),
        ([row(value="Unhealthy", stale=True)], "could_not_tell"),
        ([row(last_execution=None)], "could_not_tell"),
        ([], "could_not_tell"),
    ],
)
def test_a_row_counts_only_if_evaluated_since(rows, value):
    """Erratum D16."""
    assert interpret.value_since(rows, NOW - timedelta(minutes=10)) == value
    assert interpret.value_since(rows, None) == "could_not_tell"


@pytest.mark.parametrize(
    ("result", "outcome"),
    [
        ("Succeeded", "succeeded"),
        ("FAILED", "failed"),
        ("Timeout", "timed_out"),
        *((other, "could_not_tell") for other in ("Poisoned", "Quarantined")),
        ("Rejected", "could_not_tell"),
        ("", "could_not_tell"),
    ],
)
def test_probe_results(result, outcome):
    """Only Succeeded is a pass, only Failed a failure; Timeout may be a hang."""
    assert interpret.probe_outcome(ProbeResult(probe="p", result=result)) == outcome


@pytest.mark.parametrize(
    ("state", "start_type", "off"),
    [
        ("Running", "Automatic", False),
        ("Stopped", "Automatic", False),
        ("Stopped", "Manual", True),
        ("Stopped", "Disabled", True),
        ("Running", "Manual", False),
        ("Running", "Disabled", True),
    ],
)
def test_a_service_that_is_meant_to_be_off(state, start_type, off):
    """Erratum D13."""
    service = ServiceStatus(name="MSExchangePop3", state=state, start_type=start_type)
    assert interpret.is_switched_off(service) is off
    assert interpret.find_service("msexchangepop3", [service]) is service


def test_who_made_a_component_inactive():
    """Every requester that is not Active; nobody if that was not readable."""
    component = ComponentState(
        component="PopProxy",
        state="Inactive",
        requesters=(("HealthAPI", "Inactive"), ("Maintenance", "Active")),
    )
    assert interpret.inactive_requesters(component) == ["HealthAPI"]
    assert interpret.inactive_requesters(ComponentState(component="x", state="Inactive")) == []
    assert interpret.inactive_requesters(ComponentState(component="x", state="Active")) is None


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("[Error=ProxyNotAuthenticated Proxy=MBX2.contoso.com:1995:SSL]", ["MBX2.contoso.com"]),
        ("Msg=Proxy:mbx2:1995:SSL;ErrMsg=x", ["mbx2"]),
        ("logon failed _Mbx:MBX3.contoso.com)", ["MBX3.contoso.com"]),
        ("Proxy=a:1 Proxy=b:1 Proxy=a:1", ["a", "b"]),
        ("Proxy=EX_2.contoso.test:1995:SSL", ["EX_2.contoso.test"]),
        ("No Proxy: none configured", []),
        ("ProxySuccess; NoProxy at all", []),
    ],
)
def test_back_ends_named_in_a_text(text, hosts):
    """In the probe's error, in the log, in the words of the runbook's IMAP twin."""
    assert interpret.backends_named_in(text) == hosts


def test_only_mailbox_servers_of_the_organisation_are_back_ends():
    """An unknown name, or a server without the role, is not acted on."""
    servers = [
        ServerInfo(
            fqdn="mbx2.contoso.com", name="MBX2", mailbox_role=True, client_access_role=True
        ),
        ServerInfo(
            fqdn="cas1.contoso.com", name="CAS1", mailbox_role=False, client_access_role=True
        ),
    ]
    found = interpret.servers_named(["MBX2", "cas1", "evil.example.org", "mbx2"], servers)
    assert [one.name for one in found] == ["MBX2"]


def test_a_short_name_of_two_servers_is_nobody():
    """Which one is meant can't be told."""
    servers = [
        ServerInfo(fqdn=f"mbx2.{domain}", name="MBX2", mailbox_role=True, client_access_role=True)
        for domain in ("contoso.com", "other.example")
    ]
    assert interpret.servers_named(["MBX2"], servers) is None
    assert interpret.servers_named(["mbx2.other.example"], servers) == servers[1:]


def test_what_the_far_side_says_is_cut_short_and_printable():
    """No control characters, one line, not without end."""
    said = text.printable("a\x1b[31m\nVerdict    recovered" + "x" * 100_000)
    assert said.startswith("a [31m Verdict recovered")
    assert said.isprintable()
    assert len(said) < 600


def test_monitors_are_found_without_case():
    """And an unknown one has no recipe."""
    assert find_monitor("POPDEEPTESTMONITOR").procedure == "mailbox"
    assert find_monitor("PrivateWorkingSetWarningThresholdExceeded.pop") is None


# --- what Managed Availability does --------------------------------------------------------------

EXPECTED = NOW + timedelta(minutes=2)


def recovery(action="ForceReboot", **fields):
    given = {"resource": "MBX1", "started": NOW, "expected_finish": EXPECTED}
    return RecoveryAction(server="MBX1", action=action, **{**given, **fields})


@pytest.mark.parametrize(
    ("seen", "is_reboot", "is_restart"),
    [
        (recovery(), True, False),
        (recovery("forcereboot", result="Failed"), True, False),
        (recovery(throttled=True), False, False),
        (recovery("RestartService", resource="MSExchangePop3BE"), False, True),
        (recovery("restartservice", resource="MSEXCHANGEPOP3BE", result="Failed"), False, True),
        (recovery("RestartService", resource="MSExchangeImap4"), False, False),
        (recovery("RestartService", resource="MSExchangePop3BE", throttled=True), False, False),
        (recovery("ServerFailover"), False, False),
        (recovery("ForceRebootOfSomethingNew"), False, False),
        (recovery("", resource="MSExchangePop3BE"), False, False),
    ],
)
def test_kinds_of_recovery_actions(seen, is_reboot, is_restart):
    """What a new version calls otherwise is neither; what was throttled was not done."""
    assert interpret.is_reboot(seen) is is_reboot
    assert interpret.is_service_restart(seen, ("MSExchangePOP3", "MSExchangePOP3BE")) is is_restart


LATEST = EXPECTED + interpret.OVERDUE_AFTER


@pytest.mark.parametrize(
    ("seen", "now", "under_way"),
    [
        (recovery(), NOW, True),
        (recovery("SomethingNew"), NOW, True),
        (recovery(), LATEST, True),
        (recovery(), LATEST + timedelta(seconds=1), False),
        (recovery(result="Succeeded"), NOW, False),
        (recovery(result="SomethingNew"), NOW, False),
        (recovery(finished=NOW), NOW, False),
        (recovery(throttled=True, expected_finish=None), NOW, False),
        # What can't be told, or makes no sense, is the dangerous case.
        (recovery(expected_finish=None), NOW + timedelta(days=9), True),
        (recovery(started=None), LATEST + timedelta(days=9), True),
        (recovery(expected_finish=datetime.min.replace(tzinfo=UTC)), NOW, True),
        (recovery(expected_finish=datetime.max.replace(tzinfo=UTC)), NOW, True),
        # Begun in the future: a clock that was set back.
        (recovery(), NOW - timedelta(hours=1), True),
    ],
)
def test_recovery_actions_under_way(seen, now, under_way):
    """Begun, without a result, and not long overdue."""
    assert interpret.is_under_way(seen, now) is under_way


def test_nothing_outlives_a_boot():
    """An action begun before the latest boot is over; a boot before it says nothing."""
    later, earlier = NOW + timedelta(minutes=1), NOW - timedelta(minutes=1)
    assert not interpret.is_under_way(recovery(), later, booted=later)
    assert interpret.is_under_way(recovery(), later, booted=earlier)
    assert interpret.is_under_way(recovery(), later, booted=NOW)
    assert interpret.is_under_way(recovery(started=None), later, booted=later)


@pytest.mark.parametrize(
    ("text", "offset", "after"),
    [
        ("11/28/2026 12:30:00 PM", 0.0, True),
        ("11/28/2026 11:30:00 AM", 0.0, False),
        ("11/28/2026 12:30:00 PM", 3600.0, False),  # in its own zone, that is before
        ("11/28/2026 11:30:00 AM", -7200.0, False),  # as UTC, that is before
        ("11/28/2026 2:30:00 PM", 7200.0, True),
        ("11/28/2026 12:30:00 PM", None, False),
        ("", 0.0, False),
        ("soon", 0.0, False),
    ],
)
def test_a_time_without_zone_counts_only_if_it_does_in_every_reading(text, offset, after):
    """By the clock of the server: UTC, and its own zone."""
    when = datetime(2026, 11, 28, 12, 0, tzinfo=UTC)
    row = MonitorHealth(
        server="a", monitor="m", health_set="POP", alert_value="Healthy", last_execution_text=text
    )
    assert interpret.evaluated_after(row, when, offset) is after
    assert interpret.value_since([row], when, offset) == ("healthy" if after else "could_not_tell")

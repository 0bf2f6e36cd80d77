"""What the simulated organisation says of a failure: probes, rows, logs, other protocols."""

from __future__ import annotations

from datetime import timedelta

import pytest

from popheal.errors import CommandFailed, ConfigurationError
from tests.backends.simulated.test_availability import organised
from tests.backends.simulated.test_health import MONITORS, fault, probe, row, value

BE = "MSExchangePOP3BE"
OTHERS = {
    "imap": ("IMAP.Protocol", "ImapDeepTestMonitor"),
    "owa": ("OWA.Protocol", "OwaDeepTestMonitor"),
    "activesync": ("ActiveSync.Protocol", "ActiveSyncDeepTestMonitor"),
    "ews": ("EWS.Protocol", "EwsDeepTestMonitor"),
    "mapi": ("Outlook.MapiHttp.Protocol", "OutlookMapiHttpDeepTestMonitor"),
}


def logged(scenario, server="MBX1"):
    """The front end's log lines that are no head."""
    scenario.clock.sleep(60)
    now = scenario.clock.now()
    location = scenario.backend.pop_settings(server).log_location
    files = scenario.backend.pop_logs(server, location, now - timedelta(hours=1), now)
    lines = [
        line
        for file in files
        if not file.name.startswith("POP3BE")
        for line in file.text.splitlines()
    ]
    return [line for line in lines if line[:1].isdigit()]


# --- words ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("seen_by", ["both", "probes"])
def test_a_fault_has_words_that_probes_and_monitors_repeat(seen_by):
    """Error and exception; a monitor that does not see it says nothing."""
    said = {"error": "-ERR Logon failure", "exception": "System.Security.SecurityException: no"}
    scenario = organised(faults=[fault(seen_by=seen_by, **said)])
    result = probe(scenario, "deep")
    assert (result.result, result.error, result.exception) == ("Failed", *said.values())
    told = "\n".join(said.values()) if seen_by == "both" else ""
    assert row(scenario, MONITORS["deep"]).error == told
    assert row(scenario, MONITORS["self"]).error == ""


def test_the_words_end_with_the_fault():
    """The row is Healthy then, and says nothing."""
    scenario = organised(faults=[fault("restart", error="a hang")])
    scenario.backend.restart_service("MBX1", BE)
    scenario.clock.sleep(120)
    assert (row(scenario, MONITORS["deep"]).error, value(scenario, "deep")) == ("", "Healthy")
    result = probe(scenario, "deep")
    assert (result.error, result.exception) == ("", "")


def test_a_scripted_result_has_an_exception_too():
    """And a success has neither."""
    script = {"server": "MBX1", "probe": "PopDeepTestProbe", "error": "e", "exception": "x"}
    scenario = organised(probes=[script | {"results": ["Failed", "Succeeded"]}])
    first, second = probe(scenario, "deep"), probe(scenario, "deep")
    assert (first.error, first.exception) == ("e", "x")
    assert (second.error, second.exception) == ("", "")


@pytest.mark.parametrize("protocol", OTHERS)
def test_deep_tests_of_other_protocols(protocol):
    """Each has a row, which is Healthy unless a fault is also its."""
    health_set, monitor = OTHERS[protocol]
    well, ill = organised(), organised(faults=[fault(also=[protocol], error="no logon")])
    assert row(well, monitor).alert_value == "Healthy"
    seen = row(ill, monitor)
    assert (seen.health_set, seen.alert_value, seen.error) == (health_set, "Unhealthy", "no logon")
    assert row(ill, monitor, "MBX2").alert_value == "Healthy"
    alike = [m for _, m in OTHERS.values() if row(ill, m).alert_value == "Unhealthy"]
    assert alike == [monitor]


def test_another_protocol_may_fail_alone():
    """POP is well then."""
    scenario = organised(faults=[fault(fails=[], also=["imap"])])
    assert row(scenario, "ImapDeepTestMonitor").alert_value == "Unhealthy"
    assert probe(scenario, "deep").result == "Succeeded"
    with pytest.raises(ConfigurationError, match="Name what fails"):
        organised(faults=[fault(fails=[])])


def test_a_stopped_back_end_is_named_by_the_end_to_end_probe():
    """The front end runs; the back end's own monitors are quiet where it was never in use."""
    services = {BE: {"state": "Stopped", "start_type": "Disabled"}}
    scenario = organised(servers={"MBX1": {"services": services, "protocol_logging": True}})
    result = probe(scenario, "ctp")
    assert result.result == "Failed"
    assert "Proxy=mbx1.contoso.com:1995:SSL" in result.error
    assert [value(scenario, one) for one in ("ctp", "deep", "proxy")] == [
        "Unhealthy", "Healthy", "Healthy",
    ]  # fmt: skip
    assert any("Proxy=mbx1.contoso.com:1995:SSL" in line for line in logged(scenario))


# --- nothing to test -----------------------------------------------------------------------------


def test_a_deep_test_may_need_an_active_database():
    """As ActiveSync's: none to test, none that passes; the self test is content without."""
    scenario = organised(organisation={"deep_needs_active_database": True})
    assert probe(scenario, "deep").result == "Succeeded"
    scenario.backend.set_activation_disabled("MBX1", True)
    scenario.clock.sleep(60)
    result = probe(scenario, "deep")
    assert result.result == "Failed"
    assert result.error.startswith("Index was out of range")
    assert "Index was out of range" in result.exception
    assert probe(scenario, "self").result == "Succeeded"
    scenario.backend.set_activation_disabled("MBX1", False)
    scenario.backend.move_database("MBX1", "DB01")
    scenario.clock.sleep(60)
    assert probe(scenario, "deep").result == "Succeeded"


def test_one_server_may_be_said_to_differ():
    """By default no deep test needs anything; a server's own word counts more."""
    home = {"DB01": {"copies": ["MBX2", "MBX1"]}, "DB03": {"copies": ["MBX2", "MBX1"]}}
    for everywhere, here, expected in (
        (False, None, "Succeeded"),
        (True, None, "Failed"),
        (False, True, "Failed"),
        (True, False, "Succeeded"),
    ):
        own = {} if here is None else {"deep_needs_active_database": here}
        scenario = organised(
            "dag2",
            organisation={"deep_needs_active_database": everywhere},
            servers={"MBX1": own},
            databases=home,
        )
        assert probe(scenario, "deep").result == expected


# --- probes that are not there -------------------------------------------------------------------


def test_what_there_is_of_a_health_set():
    """Monitors and their probes; a measure has none, and a server may lack one."""
    scenario = organised(servers={"MBX1": {"missing_probes": ["PopSelfTestProbe"]}})

    def items(server, kind):
        found = scenario.backend.monitoring_items(server, "pop.protocol")
        return {one.name for one in found if one.kind == kind}

    assert items("MBX2", "Probe") == {"PopDeepTestProbe", "PopSelfTestProbe"}
    assert items("MBX1", "Probe") == {"PopDeepTestProbe"}
    assert "CrashEventMonitor" in items("MBX1", "Monitor")
    with pytest.raises(CommandFailed, match="isn't defined"):
        probe(scenario, "self")
    with pytest.raises(ConfigurationError, match="PopSelfTestProbe"):
        organised(servers={"MBX1": {"missing_probes": ["PopSelfTest"]}})


# --- times ---------------------------------------------------------------------------------------


def test_times_without_a_zone():
    """As texts, by the server's own clock and zone, which they don't name."""
    servers = {
        "MBX1": {"times_without_zone": True, "utc_offset": -7200, "clock_skew": 60},
        "MBX2": {"times_missing": True},
    }
    scenario = organised(servers=servers)
    plain = organised()
    seen, full = row(scenario, MONITORS["deep"]), row(plain, MONITORS["deep"])
    assert (seen.last_execution, seen.last_transition) == (None, None)
    local = full.last_execution + timedelta(seconds=60 - 7200)
    hour = local.hour % 12 or 12
    half = "AM" if local.hour < 12 else "PM"
    assert seen.last_execution_text == (
        f"{local.month}/{local.day}/{local.year} {hour}:{local.minute:02}:{local.second:02} {half}"
    )
    other = row(scenario, MONITORS["deep"], "MBX2")
    assert (other.last_execution, other.last_execution_text) == (None, "")
    with pytest.raises(ConfigurationError, match="at most one"):
        organised(servers={"MBX1": {"times_missing": True, "times_without_zone": True}})


# --- protocol logs -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "ErrMsg=ProxyFailed"),
        ({"log_error": "ProxyNotAuthenticated"}, "ErrMsg=ProxyNotAuthenticated"),
        ({"logs_back_end": False}, "ErrMsg=ServerUnavailable"),
        ({"logs_back_end": False, "log_error": "X"}, "ErrMsg=X"),
    ],
)
def test_the_log_has_a_word_for_the_cause(given, expected):
    """Which only the session of the probe has: users are well meanwhile."""
    scenario = organised(
        "split2013",
        servers={"CAS1": {"protocol_logging": True}},
        faults=[{"server": "MBX1", "breaks_ctp_of": ["CAS1"], "cure": "never", **given}],
        alert={"server": "CAS1", "health_set": "POP"},
    )
    result = probe(scenario, "ctp", "CAS1")
    (failed,) = [line for line in logged(scenario, "CAS1") if "ErrMsg" in line]
    assert expected in failed
    assert f"Error={given.get('log_error', 'ProxyFailed')} Proxy=mbx1" in result.error


def sessions(log, **server):
    """Of a probe that fails, with oddities: each line's session, client and name as typed."""
    scenario = organised(
        organisation={"log": log},
        servers={"MBX1": {"protocol_logging": True, **server}},
        faults=[fault(fails=["ctp"])],
    )
    probe(scenario, "ctp")
    lines = [line.split(",") for line in logged(scenario)]
    return scenario, [(one[4].partition(":")[0], one[10]) for one in lines if one[9] == "user"]


def test_strangers_who_type_the_name_of_the_probe():
    """In its very seconds, from elsewhere; proxied or not. The probe itself may be missing."""
    _, plain = sessions({})
    clients = [client for client, _ in plain]
    assert clients.count("127.0.0.1") == 1
    assert "203.0.113.7" not in clients
    for stranger in ("refused", "proxied"):
        scenario, seen = sessions({"stranger": stranger, "probe": False})
        assert "127.0.0.1" not in [client for client, _ in seen]
        (name,) = [name for client, name in seen if client == "203.0.113.7"]
        assert "healthmailbox" in name.casefold()
        (line,) = [one for one in logged(scenario) if "203.0.113.7" in one and "ErrMsg" in one]
        assert "ErrMsg=AuthFailed:LogonDenied" in line
        assert ("Msg=Proxy:mbx3.contoso.com" in line) is (stranger == "proxied")


def test_a_session_from_the_server_itself_that_names_nobody():
    """It fails, and may be the probe's or not."""
    _, seen = sessions({"nameless": True})
    assert sorted(name == "" for client, name in seen if client == "127.0.0.1") == [False, True]


def test_session_ids_begin_anew_without_a_new_head():
    """As when the service restarts; by default each start has a head of its own."""
    for anew, heads, unique in ((True, 1, False), (False, 2, True)):
        scenario, _ = sessions({"ids_begin_anew": anew})
        scenario.backend.restart_service("MBX1", "MSExchangePop3")
        probe(scenario, "ctp")
        lines = logged(scenario)
        opened = [line.split(",")[1] for line in lines if ",OpenSession," in line]
        assert (len(opened) == len(set(opened))) is unique
        now = scenario.clock.now()
        location = scenario.backend.pop_settings("MBX1").log_location
        files = scenario.backend.pop_logs("MBX1", location, now - timedelta(hours=1), now)
        texts = [one.text for one in files if not one.name.startswith("POP3BE")]
        assert sum(text.count("#Fields:") for text in texts) == heads

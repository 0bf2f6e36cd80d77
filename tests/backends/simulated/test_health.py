"""The simulated organisation's faults, monitors, probes and protocol logs."""

from __future__ import annotations

from datetime import timedelta

import pytest

from popheal.backends.simulated import history as h
from popheal.errors import CommandFailed
from popheal.exchange.protocol_log import correlate, is_back_end_file
from tests.backends.simulated.test_availability import organised

BE, FE = "MSExchangePOP3BE", "MSExchangePop3"
PROBES = {
    "deep": "POP.Protocol\\PopDeepTestProbe",
    "self": "POP.Protocol\\PopSelfTestProbe",
    "ctp": "POP\\PopCTPProbe",
    "proxy": "POP.Proxy\\PopProxyTestProbe",
}
MONITORS = {
    "deep": "PopDeepTestMonitor",
    "self": "PopSelfTestMonitor",
    "ctp": "PopCTPMonitor",
    "proxy": "PopProxyTestMonitor",
    "command_time": "AverageCommandProcessingTimeGt60sMonitor",
    "working_set": "PrivateWorkingSetWarningMonitor",
    "processor_time": "ProcessProcessorTimeErrorMonitor",
    "crashes": "CrashEventMonitor",
    "active_directory": "ActiveDirectoryConnectivityMonitor",
    "store": "StoreServiceMonitor",
    "data_protection": "ServiceHealthMSExchangeReplMonitor",
    "clustering": "ClusterGroupMonitor",
    "network": "NetworkAdapterMonitor",
}


def fault(cure="never", fails=("deep",), **more):
    return {"server": "MBX1", "fails": list(fails), "cure": cure, **more}


def row(scenario, monitor, server="MBX1"):
    (found,) = [r for r in scenario.backend.server_health(server) if r.monitor == monitor]
    return found


def value(scenario, aspect, server="MBX1"):
    return row(scenario, MONITORS[aspect], server).alert_value


def probe(scenario, aspect, server="MBX1"):
    return scenario.backend.invoke_probe(server, PROBES[aspect])


# --- faults and their cures ----------------------------------------------------------------------


@pytest.mark.parametrize("aspect", MONITORS)
def test_each_aspect_is_seen_by_its_monitor_and_probe(aspect):
    """And by no other, except that dependencies take the logon tests along."""
    scenario = organised(faults=[fault(fails=[aspect])])
    unhealthy = {
        r.monitor for r in scenario.backend.server_health("MBX1") if r.alert_value == "Unhealthy"
    }
    along = {"PopCTPMonitor", "PopDeepTestMonitor"}
    dependent = aspect in ("active_directory", "store", "data_protection", "clustering")
    assert unhealthy == {MONITORS[aspect]} | (along if dependent else set())
    failing = {one for one in PROBES if probe(scenario, one).result != "Succeeded"}
    expected = {"ctp", "deep"} if dependent else {aspect} & set(PROBES)
    assert failing == expected


@pytest.mark.parametrize(
    ("cure", "cured_by"),
    [
        ("restart", ["restart"]),
        ({"restarts": 2}, ["restart", "restart"]),
        ("reboot", ["reboot"]),
        ({"reboots": 2}, ["reboot", "reboot"]),
        ({"seconds": 50}, ["wait"]),
        ({"restarts": 3, "reboots": 1}, ["restart", "reboot"]),
        ("never", None),
    ],
)
def test_cures(cure, cured_by):
    """The fault is there until the last thing needed is done, and gone after it."""
    scenario = organised(faults=[fault(cure)])
    for doing in cured_by or ["restart", "reboot", "wait", "restart"]:
        assert probe(scenario, "deep").result == "Failed"
        if doing == "restart":
            scenario.backend.restart_service("MBX1", FE)  # Another service cures nothing.
            assert probe(scenario, "deep").result == "Failed"
            scenario.backend.restart_service("MBX1", BE)
        elif doing == "reboot":
            scenario.organisation.reboot("MBX1", None, h.ADMINISTRATOR)
            scenario.clock.sleep(600)
        else:
            scenario.clock.sleep(60)
    assert probe(scenario, "deep").result == ("Succeeded" if cured_by else "Failed")
    assert len(scenario.organisation.history.of(h.FaultCured)) == (1 if cured_by else 0)


def test_the_restart_that_makes_logging_take_effect_cures():
    """Not the one before, and the setting alone doesn't either."""
    scenario = organised(faults=[fault("logging_restart", ["ctp"])])
    scenario.backend.restart_service("MBX1", FE)
    scenario.backend.set_protocol_logging("MBX1", True)
    assert probe(scenario, "ctp").result == "Failed"
    scenario.backend.restart_service("MBX1", FE)
    assert probe(scenario, "ctp").result == "Succeeded"
    (cured,) = scenario.organisation.history.of(h.FaultCured)
    assert cured.how == "logging_restart"


def test_faults_compose():
    """POP is well when none is left."""
    scenario = organised(faults=[fault("restart"), fault("reboot"), fault({"seconds": 1})])
    scenario.backend.restart_service("MBX1", BE)
    assert probe(scenario, "deep").result == "Failed"
    scenario.organisation.reboot("MBX1", None, h.ADMINISTRATOR)
    scenario.clock.sleep(600)
    assert probe(scenario, "deep").result == "Succeeded"


def test_a_fault_that_comes_later():
    """Nothing is wrong before."""
    scenario = organised(faults=[fault(begins=100)])
    assert probe(scenario, "deep").result == "Succeeded"
    assert value(scenario, "deep") == "Healthy"
    scenario.clock.sleep(300)
    assert probe(scenario, "deep").result == "Failed"
    assert value(scenario, "deep") == "Unhealthy"


@pytest.mark.parametrize(
    ("seen_by", "monitor", "result"),
    [("monitors", "Unhealthy", "Succeeded"), ("probes", "Healthy", "Failed")],
)
def test_monitors_and_probes_may_disagree(seen_by, monitor, result):
    """A stale alert, or a fault the monitor has not seen."""
    scenario = organised(faults=[fault(seen_by=seen_by)])
    scenario.clock.sleep(200)
    assert value(scenario, "deep") == monitor
    assert probe(scenario, "deep").result == result


# --- monitors ------------------------------------------------------------------------------------


def test_degraded_for_a_minute_then_unhealthy_then_healthy():
    """As the monitor is evaluated, every minute."""
    scenario = organised(faults=[fault({"seconds": 300}, begins=40)])
    seen, executions = [], set()
    for _ in range(100):
        seen.append(value(scenario, "deep"))
        executions.add(row(scenario, MONITORS["deep"]).last_execution)
        scenario.clock.sleep(6)
    assert list(dict.fromkeys(seen)) == ["Healthy", "Degraded", "Unhealthy"]
    assert seen[-1] == "Healthy"
    assert 9 <= seen.count("Degraded") <= 11
    assert 10 <= len(executions) <= 12
    changes = scenario.organisation.history.of(h.MonitorChanged)
    assert [c.after for c in changes] == ["Degraded", "Unhealthy", "Healthy"]


def test_rows_after_a_boot():
    """Unavailable until Health Manager runs, UnInitialized until it has evaluated."""
    scenario = organised()
    scenario.organisation.reboot("MBX1", None, h.ADMINISTRATOR)
    scenario.clock.sleep(250)
    assert value(scenario, "deep") == "Unavailable"
    with pytest.raises(CommandFailed, match="Health Manager"):
        probe(scenario, "deep")
    scenario.clock.sleep(100)
    assert value(scenario, "deep") == "UnInitialized"
    assert row(scenario, MONITORS["deep"]).last_execution is None
    scenario.clock.sleep(200)
    assert value(scenario, "deep") == "Healthy"


def test_restarting_health_manager_forgets_the_rows():
    """They are uninitialized again for a while."""
    scenario = organised(faults=[fault()])
    scenario.backend.restart_service("MBX1", "MSExchangeHM")
    assert value(scenario, "deep") == "UnInitialized"
    scenario.clock.sleep(400)
    assert value(scenario, "deep") == "Unhealthy"


def test_the_state_of_a_row_is_its_component():
    """Offline beside Healthy, as seen in the field; most rows have none."""
    scenario = organised(
        servers={
            "MBX1": {
                "components": {"PopProxy": {"HealthAPI": "Inactive"}},
                "pop_proxy_inactive": "refuses",
            }
        }
    )
    proxy = row(scenario, MONITORS["proxy"])
    assert (proxy.alert_value, proxy.state) == ("Healthy", "Offline")
    assert row(scenario, MONITORS["deep"]).state == "NotApplicable"
    assert row(scenario, MONITORS["proxy"], "MBX2").state == "Online"
    assert value(scenario, "ctp") == "Unhealthy"
    assert probe(scenario, "proxy").result == probe(scenario, "ctp").result == "Failed"


def test_a_front_end_that_refuses_instead_of_stopping():
    """It runs on while PopProxy is inactive, and closes every connection."""
    scenario = organised(servers={"MBX1": {"pop_proxy_inactive": "refuses"}})
    scenario.organisation.set_component("MBX1", "PopProxy", "HealthAPI", "Inactive", "nature")
    scenario.clock.sleep(60)
    assert scenario.backend.services("MBX1", [FE])[0].state == "Running"
    assert "banner" in probe(scenario, "proxy").error


def test_component_states():
    """Any inactive requester wins, and ServerWideOffline takes most others along."""
    scenario = organised()
    organisation = scenario.organisation

    def states():
        return {c.component: c for c in scenario.backend.component_states("MBX1")}

    assert states()["PopProxy"].state == "Active"
    assert states()["ForwardSyncDaemon"].state == "Inactive"
    organisation.set_component("MBX1", "PopProxy", "HealthAPI", "Inactive", "nature")
    organisation.set_component("MBX1", "PopProxy", "Maintenance", "Active", "administrator")
    assert states()["PopProxy"].state == "Inactive"
    assert dict(states()["PopProxy"].requesters) == {
        "HealthAPI": "Inactive",
        "Maintenance": "Active",
    }
    organisation.set_component("MBX1", "ServerWideOffline", "Maintenance", "Inactive", "nature")
    assert states()["OwaProxy"].state == "Inactive"
    assert states()["Monitoring"].state == "Active"


def test_pop_that_was_never_in_use_raises_no_alert():
    """Stopped and Manual: not a fault. The probe fails all the same."""
    scenario = organised(servers={"MBX1": {"pop_start": "Manual", "pop_running": False}})
    scenario.clock.sleep(600)
    assert value(scenario, "deep") == value(scenario, "ctp") == "Healthy"
    assert probe(scenario, "deep").result == "Failed"


def test_a_stopped_service_raises_an_alert_where_it_ran():
    """Somebody stopped it."""
    scenario = organised()
    scenario.organisation.stop_service("MBX1", BE, h.ADMINISTRATOR)
    scenario.clock.sleep(200)
    assert value(scenario, "deep") == value(scenario, "self") == value(scenario, "ctp")
    assert value(scenario, "deep") == "Unhealthy"
    assert "refused" in probe(scenario, "deep").error


def test_scripted_rows():
    """Values, states, staleness, frozen times, rows of others, and further monitors."""
    me = {"server": "MBX1"}
    scenario = organised(
        rows=[
            me | {"monitor": MONITORS["deep"], "alert_value": "Repairing", "until": 100},
            me | {"monitor": MONITORS["self"], "frozen": True, "alert_value": "Unhealthy"},
            me | {"monitor": MONITORS["proxy"], "state": "Offline", "stale": True},
            me | {"monitor": MONITORS["ctp"], "of_server": "MBX2", "alert_value": "Unhealthy"},
            me | {"monitor": "Other", "health_set": "POPularity", "alert_value": "Unhealthy"},
            me | {"monitor": "Frozen", "frozen": True},
        ]
    )
    began = scenario.clock.now()
    assert value(scenario, "deep") == "Repairing"
    scenario.clock.sleep(200)
    assert value(scenario, "deep") == "Healthy"
    frozen = row(scenario, MONITORS["self"])
    assert frozen.last_execution < began
    assert frozen.alert_value == "Unhealthy"
    proxy = row(scenario, MONITORS["proxy"])
    assert (proxy.state, proxy.stale, proxy.alert_value) == ("Offline", True, "Healthy")
    rows = [r for r in scenario.backend.server_health("MBX1") if r.monitor == MONITORS["ctp"]]
    assert [(r.server, r.alert_value) for r in rows] == [
        ("MBX1", "Healthy"),
        ("MBX2", "Unhealthy"),
    ]
    other = row(scenario, "Other")
    assert (other.health_set, other.alert_value) == ("POPularity", "Unhealthy")
    assert row(scenario, "Frozen").last_execution < began


def test_identity_ignored():
    """The rows of all servers that are up come back."""
    scenario = organised(organisation={"identity_ignored": True}, servers={"MBX3": {"down": True}})
    assert {r.server for r in scenario.backend.server_health("MBX1")} == {"MBX1", "MBX2"}


def test_rows_fit_the_roles():
    """No Mailbox monitors on a front end, and the other way round."""
    scenario = organised("split2013")
    front = {r.monitor for r in scenario.backend.server_health("CAS1")}
    back = {r.monitor for r in scenario.backend.server_health("MBX1")}
    assert MONITORS["ctp"] in front - back
    assert MONITORS["deep"] in back - front
    assert MONITORS["command_time"] in front & back


# --- probes --------------------------------------------------------------------------------------


def test_a_probe_takes_seconds():
    """Its result has the times, and the history the truth."""
    scenario = organised()
    began = scenario.clock.now()
    result = probe(scenario, "deep")
    assert (result.started, result.finished) == (began, began + timedelta(seconds=5))
    (run,) = scenario.organisation.history.of(h.ProbeRun)
    assert (run.result, run.actor, run.boot_time < began) == ("Succeeded", "popheal", True)


def test_scripted_results():
    """A list in order, then the last one for ever; a time-out takes long."""
    script = {
        "server": "MBX1",
        "probe": "PopDeepTestProbe",
        "results": ["Timeout", "Poisoned", "refused", "truth", "Failed"],
        "then": "Quarantined",
        "error": "so it is",
    }
    scenario = organised(probes=[script])
    began = scenario.clock.now()
    first = probe(scenario, "deep")
    assert (first.result, first.error) == ("Timeout", "so it is")
    assert scenario.clock.now() - began == timedelta(seconds=60)
    assert probe(scenario, "deep").result == "Poisoned"
    with pytest.raises(CommandFailed, match="manually"):
        probe(scenario, "deep")
    assert probe(scenario, "deep").result == "Succeeded"
    assert [probe(scenario, "deep").result for _ in range(3)] == [
        "Failed",
        "Quarantined",
        "Quarantined",
    ]
    assert probe(scenario, "self").result == "Succeeded"


@pytest.mark.parametrize(
    ("server", "name"),
    [
        ("MBX1", "POP\\NoSuchProbe"),
        ("MBX1", "pop\\popctpprobe"),
        ("CAS1", "POP.Protocol\\PopDeepTestProbe"),
        ("MBX1", "POP\\PopCTPProbe"),
    ],
)
def test_probes_that_are_not_there(server, name):
    """Unknown, in the wrong case, or not on a server of that role."""
    with pytest.raises(CommandFailed):
        organised("split2013").backend.invoke_probe(server, name)


def test_a_probe_with_a_target():
    """The third part of its identity may be given."""
    name = PROBES["deep"] + "\\MSExchangePop3BE"
    assert organised().backend.invoke_probe("MBX1", name).result == "Succeeded"


def test_an_ill_back_end_fails_the_front_end():
    """The error names the back end, or doesn't; healing the back end heals the front end."""
    for names, told in ((True, "Proxy=mbx1.contoso.com:1995:SSL"), (False, "LOGIN")):
        scenario = organised(
            "split2013",
            faults=[fault("restart", breaks_ctp_of=["CAS1"], names_back_end=names)],
        )
        assert value(scenario, "ctp", "CAS1") == "Unhealthy"
        assert value(scenario, "ctp", "CAS2") == "Healthy"
        result = probe(scenario, "ctp", "CAS1")
        assert result.result == "Failed"
        assert told in result.error
        scenario.backend.restart_service("CAS1", FE)
        assert probe(scenario, "ctp", "CAS1").result == "Failed"
        scenario.backend.restart_service("MBX1", BE)
        assert probe(scenario, "ctp", "CAS1").result == "Succeeded"


def test_a_back_end_that_is_down_fails_the_front_end():
    """Until the database with its health mailbox is active elsewhere."""
    scenario = organised("split2013")
    scenario.organisation.crash("MBX1", h.NATURE)
    assert "Proxy=mbx1" in probe(scenario, "ctp", "CAS1").error
    scenario.clock.sleep(60)
    assert probe(scenario, "ctp", "CAS1").result == "Succeeded"


# --- protocol logs -------------------------------------------------------------------------------


def logged(scenario, server="CAS1"):
    """Run the end-to-end probe, and read what the log says of that time."""
    result = probe(scenario, "ctp", server)
    location = scenario.backend.pop_settings(server).log_location
    files = scenario.backend.pop_logs(server, location, result.started, result.finished)
    return result, files


@pytest.mark.parametrize(("preset", "server"), [("split2013", "CAS1"), ("dag3", "MBX3")])
@pytest.mark.parametrize("skew", [0, -3000])
@pytest.mark.parametrize("ill", ["MBX1", "MBX2"])
def test_the_log_tells_where_the_probe_was_proxied_to(preset, server, skew, ill):
    """Among sessions of real users, with back-end files beside it, by the server's own clock."""
    scenario = organised(
        preset,
        servers={server: {"clock_skew": skew}},
        faults=[fault(breaks_ctp_of=[server]) | {"server": ill}],
    )
    scenario.backend.set_protocol_logging(server, True)
    scenario.backend.restart_service(server, FE)
    result, files = logged(scenario, server)
    found = correlate(files, result.started, result.finished)
    assert found.backends == (f"{ill.lower()}.contoso.com",)
    text = next(f.text for f in files if not is_back_end_file(f.name))
    assert text.count(":1995:SSL") >= 3
    assert "127.0.0.1" in text
    if preset == "dag3":
        assert any(is_back_end_file(f.name) for f in files)


def test_logging_takes_effect_with_a_restart():
    """Both ways; each restart writes another head into the file."""
    scenario = organised("split2013")
    scenario.backend.set_protocol_logging("CAS1", True)
    assert scenario.backend.pop_settings("CAS1").protocol_log_enabled
    assert logged(scenario)[1] == []
    scenario.backend.restart_service("CAS1", FE)
    scenario.backend.restart_service("CAS1", FE)
    _, (file,) = logged(scenario)
    assert file.text.count("#Fields: dateTime,sessionId,") == 2
    assert file.text.count("OpenSession") == 3
    scenario.backend.set_protocol_logging("CAS1", False)
    _, (file,) = logged(scenario)
    assert file.text.count("OpenSession") == 6
    scenario.backend.restart_service("CAS1", FE)
    _, (file,) = logged(scenario)
    assert file.text.count("OpenSession") == 6
    told = scenario.organisation.history.of(h.ProtocolLoggingSet)
    assert [(t.value, t.previous, t.in_effect) for t in told] == [
        (True, False, False),
        (False, True, True),
    ]


def test_the_last_line_is_half_written_while_it_is_fresh():
    """And whole a little later."""
    scenario = organised("split2013", servers={"CAS1": {"protocol_logging": True}})
    result, (file,) = logged(scenario)
    assert not file.text.endswith("\n")
    scenario.clock.sleep(60)
    location = "%ExchangeInstallPath%Logging\\Pop3\\"
    (later,) = scenario.backend.pop_logs("CAS1", location, result.started, result.finished)
    assert later.text.endswith("\r\n")
    assert later.text.startswith(file.text)


def test_every_file_has_a_head():
    """A new file each hour, each with its fields; only those of the span are returned."""
    scenario = organised(servers={"MBX1": {"protocol_logging": True}})
    for _ in range(4):
        probe(scenario, "ctp")
        scenario.clock.sleep(3600)
    now = scenario.clock.now()
    location = scenario.backend.pop_settings("MBX1").log_location
    files = scenario.backend.pop_logs("MBX1", location, now - timedelta(hours=8), now)
    assert len(files) >= 8
    assert all("#Fields: dateTime,sessionId,seqNumber," in f.text for f in files)
    assert all("puid" in f.text for f in files)
    late = scenario.backend.pop_logs("MBX1", location, now - timedelta(hours=1), now)
    assert 0 < len(late) < len(files)


def test_a_session_that_is_not_proxied():
    """The log then says nothing about a back end."""
    scenario = organised(
        "split2013",
        servers={"CAS1": {"protocol_logging": True}},
        faults=[fault(fails=["ctp"], logs_back_end=False) | {"server": "CAS1"}],
    )
    result, files = logged(scenario)
    assert correlate(files, result.started, result.finished).backends == ()


def test_a_folder_that_is_not_there():
    """An error, not an empty answer."""
    scenario = organised()
    now = scenario.clock.now()
    with pytest.raises(CommandFailed, match="Cannot find path"):
        scenario.backend.pop_logs("MBX1", "D:\\Logs", now, now)

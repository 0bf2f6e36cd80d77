"""What Managed Availability does by itself in the simulated organisation, as its logs tell it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from popheal.backends.simulated import load_scenario
from popheal.errors import ConfigurationError, Unreachable
from popheal.exchange import interpret
from tests.backends.simulated.test_availability import organised

BE = "MSExchangePOP3BE"


def acting(do, at=60, actor="managed_availability", **details):
    return {"do": do, "server": "MBX1", "actor": actor, "at": at, **details}


def seen(scenario, server="MBX1", *, hours=2):
    """What the backend tells, and the server's own time."""
    now = scenario.backend.host_status(server).local_time
    return list(scenario.backend.recovery_actions(server, now - timedelta(hours=hours))), now


def seconds(action, start, end):
    return (getattr(action, end) - getattr(action, start)).total_seconds()


def test_nothing_was_done():
    """An honest empty answer; what others do, popheal among them, is no recovery action."""
    scenario = organised(events=[acting("restart_service", service=BE, actor="administrator")])
    scenario.backend.restart_service("MBX1", BE)
    scenario.clock.sleep(120)
    assert seen(scenario)[0] == []


def test_a_service_restart():
    """Under way from its start, then with its end and result; on that server only."""
    scenario = organised(events=[acting("restart_service", service=BE)])
    scenario.clock.sleep(65)
    (action,), now = seen(scenario)
    assert (action.server, action.action, action.resource) == ("MBX1", "RestartService", BE)
    assert action.requester
    assert seconds(action, "started", "expected_finish") == 300
    assert (action.finished, action.result) == (None, "")
    assert interpret.is_under_way(action, now)
    scenario.clock.sleep(10)
    (done,), now = seen(scenario)
    assert (done.instance, done.result) == (action.instance, "Succeeded")
    assert seconds(done, "started", "finished") == 10
    assert not interpret.is_under_way(done, now)
    assert interpret.is_service_restart(done, [BE.lower()])
    assert seen(scenario, "MBX2")[0] == []


def test_somebody_elses_restart_does_not_end_it():
    """Nor does the restart of another service."""
    scenario = organised(
        servers={"MBX1": {"services": {BE: {"on_restart": "hangs"}}}},
        events=[
            acting("restart_service", service=BE),
            acting("restart_service", at=50, service=BE, actor="administrator"),
            acting("restart_service", at=61, service="MSExchangePop3"),
        ],
    )
    scenario.clock.sleep(115)
    assert [one.result for one in seen(scenario)[0]] == ["", "Succeeded"]
    scenario.clock.sleep(10)
    assert [one.result for one in seen(scenario)[0]] == ["Failed", "Succeeded"]


def test_a_restart_of_a_disabled_service():
    """It fails at once, and once only."""
    scenario = organised(
        servers={"MBX1": {"pop_start": "Disabled"}}, events=[acting("restart_service", service=BE)]
    )
    scenario.clock.sleep(60)
    ((one,), _) = seen(scenario)
    assert (one.result, one.finished) == ("Failed", one.started)


@pytest.mark.parametrize("do", ["reboot", "crash"])
def test_a_reboot(do):
    """Under way until the server answers again; nobody can be asked in between."""
    scenario = organised(events=[acting(do)])
    scenario.clock.sleep(60)
    if do == "reboot":
        (action,), now = seen(scenario)
        assert interpret.is_reboot(action)
        assert (action.resource, interpret.is_under_way(action, now)) == ("MBX1", True)
    scenario.clock.sleep(30)
    with pytest.raises(Unreachable):
        scenario.backend.recovery_actions("MBX1", scenario.clock.now())
    scenario.clock.sleep(300)
    (action,), now = seen(scenario)
    assert (action.action, action.result) == ("ForceReboot", "Succeeded")
    assert not interpret.is_under_way(action, now)


def test_a_reboot_that_does_not_come():
    """It has no result, and after a while it no longer counts as under way."""
    scenario = organised(servers={"MBX1": {"reboot": "never_goes_down"}}, events=[acting("reboot")])
    scenario.clock.sleep(120)
    (action,), now = seen(scenario)
    assert interpret.is_under_way(action, now)
    scenario.clock.sleep(600)
    (action,), now = seen(scenario)
    assert (action.result, interpret.is_under_way(action, now)) == ("", False)


def test_a_reboot_on_top_of_another_fails():
    """The product is refused like anybody."""
    scenario = organised(events=[acting("reboot"), acting("reboot", at=62)])
    scenario.clock.sleep(64)
    assert [one.result for one in seen(scenario)[0]] == ["", "Failed"]


def test_a_restart_cut_short():
    """By a boot: nothing ends it, but nothing outlives the boot."""
    scenario = organised(
        events=[acting("restart_service", service=BE), acting("crash", at=62, actor="nature")]
    )
    scenario.clock.sleep(330)
    (action,), now = seen(scenario)
    assert action.result == ""
    assert interpret.is_under_way(action, now)
    booted = scenario.backend.host_status("MBX1").boot_time
    assert not interpret.is_under_way(action, now, booted=booted)


@pytest.mark.parametrize(
    ("do", "details", "action", "resource"),
    [
        ("drain", {}, "ServerFailover", "MBX1"),
        ("move", {"database": "DB02"}, "DatabaseFailover", "DB02"),
        (
            "set_component",
            {"component": "PopProxy", "requester": "HealthAPI", "state": "Inactive"},
            "TakeComponentOffline",
            "PopProxy",
        ),
        (
            "set_component",
            {"component": "PopProxy", "requester": "HealthAPI", "state": "Active"},
            "BringComponentOnline",
            "PopProxy",
        ),
    ],
)
def test_what_ends_at_once(do, details, action, resource):
    """As these commands do; neither a reboot nor a restart."""
    scenario = organised(events=[acting(do, **details)])
    scenario.clock.sleep(60)
    ((one,), _) = seen(scenario)
    assert (one.action, one.resource, one.result) == (action, resource, "Succeeded")
    assert one.finished == one.started
    assert not interpret.is_reboot(one)
    assert not interpret.is_service_restart(one, [BE])


def test_what_is_no_recovery():
    """Starting what runs, lifting a drain, stopping a service; or a server that is down."""
    scenario = organised(
        events=[
            acting("start_service", service=BE),
            acting("undrain"),
            acting("stop_service", service="MSExchangePop3"),
            acting("crash", at=70, actor="nature"),
            acting("reboot", at=80),
        ],
        recovery_actions=[{"server": "MBX1", "action": "ForceReboot", "begins": 90}],
    )
    scenario.clock.sleep(600)
    assert seen(scenario)[0] == []


def test_starting_a_stopped_service():
    """Is a restart to the product."""
    scenario = organised(
        servers={"MBX1": {"services": {BE: {"state": "Stopped"}}}},
        events=[acting("start_service", service=BE)],
    )
    scenario.clock.sleep(70)
    ((one,), _) = seen(scenario)
    assert (one.action, one.result) == ("RestartService", "Succeeded")


def test_only_what_the_logs_hold_since_then():
    """Of what began earlier, the end alone; of what began earlier and goes on, nothing."""
    scenario = organised(
        recovery_actions=[
            {"server": "MBX1", "action": "Long", "there_for": 7000},
            {"server": "MBX1", "action": "Over", "there_for": 7000, "ends": 6000},
            {"server": "MBX1", "action": "Past", "there_for": 7000, "ends": 60, "result": "Failed"},
        ]
    )
    everything, _ = seen(scenario)
    assert [(one.action, one.result) for one in everything] == [
        ("Long", ""),
        ("Over", "Succeeded"),
        ("Past", "Failed"),
    ]
    assert seconds(everything[1], "started", "finished") == 6000
    (over,), _ = seen(scenario, hours=1)
    assert (over.action, over.expected_finish) == ("Over", None)
    assert over.started == everything[1].started


def test_actions_by_script():
    """Under way from the start or from later on, with an end or without, or throttled."""
    scenario = organised(
        servers={"MBX1": {"clock_skew": 500}},
        recovery_actions=[
            {"server": "MBX1", "action": "ForceReboot", "requester": "Somebody"},
            {
                "server": "MBX1",
                "action": "RestartService",
                "resource": BE,
                "begins": 100,
                "expected": 50,
                "ends": 20,
                "result": "Failed",
            },
            {"server": "MBX1", "action": "ServerFailover", "there_for": 10, "throttled": True},
        ],
        events=[acting("restart_service", at=105, service=BE)],
    )
    (reboot, throttled), now = seen(scenario)
    assert (reboot.requester, reboot.resource) == ("Somebody", "MBX1")
    assert now - reboot.started == timedelta(seconds=60)
    assert throttled.throttled
    assert (throttled.instance, throttled.expected_finish) == ("", None)
    assert [interpret.is_under_way(one, now) for one in (reboot, throttled)] == [True, False]
    scenario.clock.sleep(118)
    actions, now = seen(scenario)
    assert [one.result for one in actions] == ["", "", "", "Succeeded"]
    assert seconds(actions[2], "started", "expected_finish") == 50
    scenario.clock.sleep(10)
    assert [one.result for one in seen(scenario)[0]] == ["", "", "Failed", "Succeeded"]
    # Whatever the script says, a reboot is over once the server has booted.
    scenario.backend.reboot("MBX1", scenario.backend.host_status("MBX1").boot_time)
    scenario.clock.sleep(600)
    assert seen(scenario)[0][0].result == "Succeeded"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"server": "MBX9"}, "MBX9"),
        ({"action": 1}, "action"),
        ({"begins": 10, "there_for": 10}, "there_for"),
        ({"throttled": True, "ends": 10}, "ends"),
        ({"result": ""}, "result"),
        ({"ended": 10}, "ended"),
    ],
)
def test_scripts_that_make_no_sense(change, said):
    """Are refused, with the key that is wrong."""
    table = {"server": "MBX1", "action": "ForceReboot", **change}
    with pytest.raises(ConfigurationError, match=said):
        organised(recovery_actions=[table])


def test_the_scenario_with_an_action_under_way():
    """It is when the alert comes, and stays so for some minutes."""
    scenario = load_scenario("recovery-action-under-way")
    (action,), now = seen(scenario)
    assert interpret.is_reboot(action)
    assert interpret.is_under_way(action, now)
    scenario.clock.sleep(240)
    assert interpret.is_under_way(action, scenario.backend.host_status("MBX1").local_time)

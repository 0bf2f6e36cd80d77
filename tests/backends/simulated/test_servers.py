"""The simulated organisation's servers: services, reboots, clocks, and time itself."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from popheal.backends.simulated import history as h
from popheal.errors import CommandFailed, NotBegun, OutcomeUnknown, UnknownName, Unreachable
from popheal.util.clock import SystemClock
from tests.backends.simulated.test_availability import organised

BE, FE = "MSExchangePOP3BE", "MSExchangePop3"


def service(scenario, name, server="MBX1"):
    (found,) = scenario.backend.services(server, [name])
    return found


# --- services ------------------------------------------------------------------------------------


def test_a_restart_takes_seconds_and_gives_a_new_process():
    """Ten of them; the history says who did it."""
    scenario = organised()
    before, began = service(scenario, BE), scenario.clock.now()
    scenario.backend.restart_service("mbx1", BE.lower())
    after = service(scenario, BE)
    assert scenario.clock.now() - began == timedelta(seconds=10)
    assert before.process_id != after.process_id
    assert after.started_at == scenario.clock.now()
    (done,) = scenario.organisation.history.of(h.ServiceRestarted)
    assert (done.actor, done.server, done.service, done.worked, done.was_running) == (
        "popheal",
        "MBX1",
        BE,
        True,
        True,
    )


@pytest.mark.parametrize(
    ("manner", "state", "raises"),
    [("hangs", "StopPending", True), ("fails", "Stopped", True), ("stops_again", "Stopped", False)],
)
def test_how_a_restart_goes_wrong(manner, state, raises):
    """It hangs, it does not start again, or it does and terminates."""
    scenario = organised(servers={"MBX1": {"services": {BE: {"on_restart": manner}}}})
    if raises:
        with pytest.raises(CommandFailed):
            scenario.backend.restart_service("MBX1", BE)
    else:
        scenario.backend.restart_service("MBX1", BE)
        assert service(scenario, BE).state == "Running"
    scenario.clock.sleep(60)
    assert service(scenario, BE).state == state
    # One that hangs still is the old process.
    assert (service(scenario, BE).process_id is None) is (manner != "hangs")


def test_a_disabled_service_is_not_even_touched():
    """It would not start again; one that runs goes on, and counts as started."""
    running = organised(servers={"MBX1": {"pop_start": "Disabled"}})
    stopped = organised(servers={"MBX1": {"pop_start": "Disabled", "pop_running": False}})
    running.backend.start_service("MBX1", BE)
    refused = (
        (running, running.backend.restart_service),
        (stopped, stopped.backend.restart_service),
        (stopped, stopped.backend.start_service),
    )
    for scenario, effect in refused:
        before = service(scenario, BE)
        with pytest.raises(NotBegun, match="disabled") as raised:
            effect("MBX1", BE)
        assert raised.value.reason == "disabled"
        assert service(scenario, BE) == before
        assert not scenario.organisation.history.of(h.ServiceRestarted)


def test_a_service_stuck_on_its_way_down_is_told_with_its_process():
    """From the start, or by a restart; it can't be started before it has ended."""
    stuck = {"services": {BE: {"state": "StopPending", "on_restart": "hangs"}}}
    scenario = organised(servers={"MBX1": stuck, "MBX2": {"services": {BE: stuck["services"][BE]}}})
    before = service(scenario, BE)
    assert (before.state, before.process_id is None) == ("StopPending", False)
    for effect in (scenario.backend.restart_service, scenario.backend.start_service):
        with pytest.raises(CommandFailed, match="cannot be stopped"):
            effect("MBX1", BE)
    assert service(scenario, BE) == before
    later = organised(servers={"MBX1": {"services": {BE: {"on_restart": "hangs"}}}})
    running = service(later, BE)
    with pytest.raises(CommandFailed):
        later.backend.restart_service("MBX1", BE)
    assert service(later, BE).state == "StopPending"
    assert service(later, BE).process_id == running.process_id


def test_services_that_come_late_or_not_at_all_after_a_boot():
    """Both are Automatic. The one that does not come by itself can be started."""
    hm = "MSExchangeHM"
    services = {BE: {"boots_after": 400}, hm: {"starts_after_boot": False}}
    scenario = organised(servers={"MBX1": {"services": services}})
    assert service(scenario, BE).state == service(scenario, hm).state == "Running"
    scenario.backend.reboot("MBX1", scenario.backend.host_status("MBX1").boot_time)
    scenario.clock.sleep(240 + 390)
    assert [service(scenario, one).state for one in (BE, FE, hm)] == [
        "Stopped", "Running", "Stopped",
    ]  # fmt: skip
    scenario.clock.sleep(20)
    assert service(scenario, BE).state == "Running"
    assert service(scenario, hm).start_type == "Automatic"
    scenario.backend.start_service("MBX1", hm)
    assert service(scenario, hm).state == "Running"


def test_starting():
    """A running service is left alone; a stopped one runs after some seconds."""
    scenario = organised()
    before = service(scenario, BE)
    scenario.backend.start_service("MBX1", BE)
    assert service(scenario, BE) == before
    scenario.organisation.stop_service("MBX1", BE, h.ADMINISTRATOR)
    scenario.organisation.stop_service("MBX1", BE, h.ADMINISTRATOR)
    assert len(scenario.organisation.history.of(h.ServiceStopped)) == 1
    scenario.backend.start_service("MBX1", BE)
    assert service(scenario, BE).state == "Running"
    (started,) = scenario.organisation.history.of(h.ServiceStarted)
    assert started.worked


def test_starting_a_service_that_cannot_run():
    """The command fails, and the service is stopped."""
    scenario = organised(
        servers={"MBX1": {"services": {BE: {"state": "Stopped", "on_restart": "fails"}}}}
    )
    with pytest.raises(CommandFailed):
        scenario.backend.start_service("MBX1", BE)
    assert service(scenario, BE).state == "Stopped"


def test_starting_one_that_hangs_while_stopping():
    """It does not come up either."""
    scenario = organised(servers={"MBX1": {"services": {BE: {"on_restart": "hangs"}}}})
    for effect in (scenario.backend.restart_service, scenario.backend.start_service):
        with pytest.raises(CommandFailed):
            effect("MBX1", BE)


def test_two_restarts_at_the_same_time():
    """Managed Availability restarts it, too: in the end it runs."""
    event = {"do": "restart_service", "service": BE, "actor": "managed_availability"}
    scenario = organised(events=[event | {"server": "MBX1", "at": 5}])
    scenario.backend.restart_service("MBX1", BE)
    scenario.clock.sleep(30)
    assert service(scenario, BE).state == "Running"
    restarts = scenario.organisation.history.of(h.ServiceRestarted)
    assert [r.actor for r in restarts] == ["popheal", "managed_availability"]


def test_a_service_that_would_have_stopped_was_restarted_meanwhile():
    """It is the process that has a short life."""
    scenario = organised(servers={"MBX1": {"services": {BE: {"on_restart": "stops_again"}}}})
    scenario.backend.restart_service("MBX1", BE)
    scenario.clock.sleep(2)
    scenario.backend.restart_service("MBX1", BE)
    scenario.clock.sleep(8)
    assert service(scenario, BE).state == "Running"
    scenario.clock.sleep(20)
    assert service(scenario, BE).state == "Stopped"


def test_services_that_are_not_there():
    """Looking leaves them out; acting on them fails."""
    scenario = organised("split2013")
    assert scenario.backend.services("CAS1", ["NoSuch", BE]) == []
    with pytest.raises(NotBegun, match="Cannot find any service") as raised:
        scenario.backend.restart_service("CAS1", BE)
    assert raised.value.reason == "missing"


def test_the_connection_is_lost_when_the_server_goes_down_meanwhile():
    """Nobody knows what became of the restart, or of the probe."""
    crash = {"do": "crash", "server": "MBX1", "actor": "nature"}
    scenario = organised(events=[crash | {"at": 3}])
    with pytest.raises(OutcomeUnknown):
        scenario.backend.restart_service("MBX1", BE)
    scenario = organised(events=[crash | {"at": 3}])
    with pytest.raises(OutcomeUnknown):
        scenario.backend.invoke_probe("MBX1", "POP.Protocol\\PopDeepTestProbe")


def test_pop_proxy_inactive_stops_the_front_end():
    """At once after some seconds, and again after each restart and reboot."""
    scenario = organised()
    scenario.organisation.set_component("MBX1", "PopProxy", "HealthAPI", "Inactive", "nature")
    scenario.clock.sleep(30)
    assert service(scenario, FE).state == "Stopped"
    scenario.backend.restart_service("MBX1", FE)
    assert service(scenario, FE).state == "Running"
    scenario.clock.sleep(30)
    assert service(scenario, FE).state == "Stopped"
    scenario.organisation.set_component("MBX1", "PopProxy", "HealthAPI", "Active", "nature")
    scenario.backend.restart_service("MBX1", FE)
    scenario.clock.sleep(30)
    assert service(scenario, FE).state == "Running"


# --- reboots -------------------------------------------------------------------------------------


def rebooted(scenario, server="MBX1"):
    scenario.backend.reboot(server, scenario.backend.host_status(server).boot_time)


def test_a_reboot():
    """Down, unreachable, up with a later boot time, and services one after the other."""
    scenario = organised()
    before = scenario.backend.host_status("MBX1")
    rebooted(scenario)
    scenario.clock.sleep(10)
    assert not scenario.organisation.answers("MBX1")
    with pytest.raises(Unreachable):
        scenario.backend.host_status("MBX1")
    with pytest.raises(CommandFailed):
        scenario.backend.server_health("MBX1")
    assert scenario.backend.server_info("MBX1").name == "MBX1"
    scenario.clock.sleep(235)
    after = scenario.backend.host_status("MBX1")
    assert before.boot_time < after.boot_time < after.local_time
    assert service(scenario, BE).state == "Stopped"
    scenario.clock.sleep(60)
    assert service(scenario, BE).state == "Running"


def test_a_reboot_is_conditional_on_the_boot_time():
    """A repeated command is refused, while it goes down and when it is up again."""
    scenario = organised()
    booted_at = scenario.backend.host_status("MBX1").boot_time
    with pytest.raises(NotBegun, match="booted at") as moved:
        scenario.backend.reboot("MBX1", booted_at - timedelta(seconds=5))
    scenario.backend.reboot("MBX1", booted_at)
    with pytest.raises(CommandFailed, match="already under way"):
        scenario.backend.reboot("MBX1", booted_at)
    scenario.clock.sleep(300)
    with pytest.raises(NotBegun, match="booted at"):
        scenario.backend.reboot("MBX1", booted_at)
    assert moved.value.reason == "boot_time"
    commands = scenario.organisation.history.of(h.RebootCommanded)
    assert [c.accepted for c in commands] == [False, True, False, False]
    assert len(scenario.organisation.history.of(h.Booted)) == 1


@pytest.mark.parametrize(
    ("others", "said"), [("reboot", "in progress"), ("schedule_shutdown", "been scheduled")]
)
def test_somebody_elses_shutdown_is_not_ours(others, said):
    """Under way or scheduled: ours is declined, and nothing comes of it."""
    scenario = organised(events=[{"do": others, "server": "MBX1", "at": 10}])
    scenario.clock.sleep(12)
    booted_at = scenario.backend.host_status("MBX1").boot_time
    with pytest.raises(NotBegun, match=said) as raised:
        scenario.backend.reboot("MBX1", booted_at)
    assert raised.value.reason == "shutdown"
    scenario.clock.sleep(600)
    assert scenario.organisation.history.of(h.Booted, actor="popheal") == []


def test_an_aborted_shutdown_is_none():
    """Nor is one that was scheduled before the server booted."""
    scheduled = {"MBX1": {"shutdown_scheduled": True}}
    aborted = organised(
        servers=scheduled, events=[{"do": "abort_shutdown", "server": "MBX1", "at": 5}]
    )
    crashed = organised(servers=scheduled, events=[{"do": "crash", "server": "MBX1", "at": 5}])
    for scenario in (aborted, crashed):
        scenario.clock.sleep(600)
        scenario.backend.reboot("MBX1", scenario.backend.host_status("MBX1").boot_time)


def test_updates_lengthen_the_boot_that_they_are_configured_in():
    """By as long again if nobody says how long; the next boot is a plain one."""

    def boots(**server):
        scenario = organised(servers={"MBX1": {"reboot_seconds": 200, **server}})
        for _ in range(2):
            began = scenario.clock.now()
            scenario.backend.reboot("MBX1", scenario.backend.host_status("MBX1").boot_time)
            scenario.clock.sleep(20)
            while not scenario.organisation.answers("MBX1"):
                scenario.clock.sleep(1)
            yield (scenario.clock.now() - began).total_seconds()

    assert list(boots()) == [200, 200]
    assert list(boots(update_seconds=1000)) == [200, 200]
    assert list(boots(reboot_pending=True)) == [400, 200]
    assert list(boots(reboot_pending=True, update_seconds=3000)) == [3200, 200]


def test_a_server_says_what_its_zone_is_and_since_when_it_runs():
    """Its clock is told in UTC all the same."""
    servers = {"MBX1": {"utc_offset": 7200}, "MBX2": {"utc_offset": -25200, "up_for_hours": 0.5}}
    scenario = organised(servers=servers)
    one, other = (scenario.backend.host_status(name) for name in servers)
    assert (one.utc_offset, other.utc_offset) == (7200, -25200)
    assert one.local_time == other.local_time == scenario.clock.now()
    assert other.local_time - other.boot_time == timedelta(minutes=30)


@pytest.mark.parametrize(
    ("variant", "boots", "up"),
    [("never_goes_down", 0, True), ("never_comes_back", 0, False), ("boots_twice", 2, True)],
)
def test_reboot_variants(variant, boots, up):
    """As they happen in nature."""
    scenario = organised(servers={"MBX1": {"reboot": variant}})
    rebooted(scenario)
    scenario.clock.sleep(1200)
    assert len(scenario.organisation.history.of(h.Booted)) == boots
    assert scenario.organisation.answers("MBX1") is up


def test_a_pending_reboot_takes_longer_once():
    """Twice as long, and nothing is pending afterwards."""
    scenario = organised(servers={"MBX1": {"reboot_pending": True}})
    assert scenario.backend.host_status("MBX1").reboot_pending
    rebooted(scenario)
    scenario.clock.sleep(300)
    assert not scenario.organisation.answers("MBX1")
    scenario.clock.sleep(300)
    assert not scenario.backend.host_status("MBX1").reboot_pending


def test_a_server_is_switched_on_by_hand():
    """One that would not have come back."""
    event = {"do": "power_on", "server": "MBX1", "at": 1000}
    scenario = organised(servers={"MBX1": {"reboot": "never_comes_back"}}, events=[event, event])
    rebooted(scenario)
    scenario.clock.sleep(990)
    assert not scenario.organisation.answers("MBX1")
    scenario.clock.sleep(120)
    assert service(scenario, BE).state == "Running"
    (booted,) = scenario.organisation.history.of(h.Booted)
    assert booted.actor == h.ADMINISTRATOR


def test_manual_services_do_not_come_back():
    """They ran, and after the boot they don't."""
    scenario = organised(servers={"MBX1": {"pop_start": "Manual"}})
    assert service(scenario, BE).state == "Running"
    rebooted(scenario)
    scenario.clock.sleep(900)
    assert service(scenario, BE).state == "Stopped"


def test_the_flag_survives_the_reboot():
    """It is an attribute in the directory, not of the server."""
    scenario = organised()
    scenario.backend.set_activation_disabled("MBX1", True)
    scenario.clock.sleep(60)
    rebooted(scenario)
    scenario.clock.sleep(600)
    assert scenario.backend.mailbox_server("MBX1").activation_disabled


def test_what_a_reboot_records():
    """Truths of that instant that can't be found out later."""
    scenario = organised()
    organisation = scenario.organisation
    organisation.set_activation_disabled("MBX2", True, h.ADMINISTRATOR)
    organisation.reboot("MBX3", None, h.MANAGED_AVAILABILITY)
    scenario.clock.sleep(1)
    rebooted(scenario)
    (command,) = organisation.history.of(h.RebootCommanded, "mbx1")
    assert command.active_databases == ("DB01", "DB04")
    assert command.unreplicated_databases == ()
    assert command.situation.dag == "DAG1"
    assert command.situation.by(h.ADMINISTRATOR) == ("MBX2",)
    assert command.situation.by(h.MANAGED_AVAILABILITY) == ("MBX3",)
    assert command.situation.by(h.POPHEAL) == ()
    assert command.kind == "reboot_commanded"


def test_what_failing_back_records():
    """Whether a probe had succeeded since the latest boot, whoever caused that."""
    scenario = organised()
    backend, organisation = scenario.backend, scenario.organisation
    backend.set_activation_disabled("MBX1", True)
    backend.invoke_probe("MBX1", "POP.Protocol\\PopSelfTestProbe")
    backend.set_activation_disabled("MBX1", False)
    backend.set_activation_disabled("MBX1", True)
    organisation.reboot("MBX1", None, h.MANAGED_AVAILABILITY)
    scenario.clock.sleep(600)
    backend.set_activation_disabled("MBX1", False)
    told = organisation.history.of(h.ActivationDisabledSet)
    assert [(t.value, t.previous, t.probe_succeeded_since_boot) for t in told] == [
        (True, False, False),
        (False, True, True),
        (True, False, True),
        (False, True, False),
    ]
    assert told[1].succeeded_since_boot == ("POP.Protocol\\PopSelfTestProbe",)


def test_each_server_tells_the_time_by_its_own_clock():
    """All of it: boot, present, services, probes, rows."""
    scenario = organised(servers={"MBX1": {"clock_skew": 420}})
    late = timedelta(seconds=420)
    host = scenario.backend.host_status("MBX1")
    assert host.local_time == scenario.clock.now() + late
    scenario.backend.restart_service("MBX1", BE)
    assert service(scenario, BE).started_at == scenario.clock.now() + late
    result = scenario.backend.invoke_probe("MBX1", "POP.Protocol\\PopDeepTestProbe")
    assert result.finished == scenario.clock.now() + late
    scenario.backend.reboot("MBX1", host.boot_time)
    scenario.clock.sleep(600)
    assert scenario.backend.host_status("MBX1").boot_time > host.local_time
    rows = scenario.backend.server_health("MBX1")
    assert any(r.last_execution > scenario.clock.now() for r in rows)
    (booted,) = scenario.organisation.history.of(h.Booted)
    assert booted.boot_time < scenario.clock.now()


# --- time and others -----------------------------------------------------------------------------


@pytest.mark.slow
@settings(deadline=None, max_examples=25)
@given(st.lists(st.floats(0.1, 300), max_size=25))
def test_how_often_somebody_looks_changes_nothing(pauses):
    """The same things happen at the same moments, seen or unseen."""

    def told(pauses):
        scenario = organised(
            faults=[{"server": "MBX1", "fails": ["deep"], "cure": {"seconds": 500}}],
            events=[{"do": "reboot", "server": "MBX2", "at": 100}],
        )
        scenario.backend.set_activation_disabled("MBX1", True)
        began = scenario.clock.now()
        for pause in pauses:
            scenario.clock.sleep(pause)
            scenario.organisation.answers("MBX1")
        gone = (scenario.clock.now() - began).total_seconds()
        scenario.clock.sleep(8_000 - gone)
        return list(scenario.organisation.history)

    assert told(pauses) == told([])


def test_a_clock_sped_up_in_real_time():
    """The organisation works on it as on a virtual one, and waits by it."""
    clock = SystemClock(speed=100_000)
    from popheal.backends.simulated import load_scenario

    scenario = load_scenario("mailbox-healed-by-reboot", clock)
    began = clock.now()
    scenario.backend.restart_service(scenario.server, BE)
    assert clock.now() - began >= timedelta(seconds=10)
    scenario.backend.set_activation_disabled(scenario.server, True)
    clock.sleep(2000)
    assert all(not r.active_copy for r in scenario.backend.database_copies(scenario.server))


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        ({"do": "reboot"}, h.RebootCommanded),
        ({"do": "crash"}, h.WentDown),
        ({"do": "drain"}, h.ActivationDisabledSet),
        ({"do": "undrain"}, h.ActivationDisabledSet),
        ({"do": "move", "database": "DB02"}, h.DatabaseMoved),
        ({"do": "restart_service", "service": BE}, h.ServiceRestarted),
        ({"do": "stop_service", "service": BE}, h.ServiceStopped),
        ({"do": "set_logging", "value": True}, h.ProtocolLoggingSet),
        (
            {
                "do": "set_component",
                "component": "PopProxy",
                "requester": "HealthAPI",
                "state": "Inactive",
            },
            h.ComponentStateSet,
        ),
        ({"do": "set_copy", "database": "DB02", "state": "Failed"}, h.CopyChanged),
    ],
)
def test_others_at_work(event, kind):
    """At their time, under their own name."""
    event |= {"server": "MBX1", "actor": "managed_availability", "at": 60}
    scenario = organised(events=[event])
    scenario.clock.sleep(59)
    assert scenario.organisation.history.of(kind) == []
    scenario.clock.sleep(30)
    (done,) = scenario.organisation.history.of(kind)
    assert done.actor == "managed_availability"
    assert done.server == "MBX1"


def test_starting_a_service_by_script_and_setup():
    """The rest of what others can do."""
    scenario = organised(
        servers={"MBX1": {"services": {BE: {"state": "Stopped"}}}},
        events=[
            {"do": "start_service", "service": BE, "server": "MBX1", "at": 10},
            {"do": "setup_begins", "server": "MBX1", "at": 20},
            {"do": "setup_ends", "server": "MBX1", "at": 40},
        ],
    )
    scenario.clock.sleep(30)
    assert service(scenario, BE).state == "Running"
    assert scenario.backend.host_status("MBX1").setup_running
    scenario.clock.sleep(30)
    assert not scenario.backend.host_status("MBX1").setup_running


def test_an_event_follows_a_happening():
    """The second of its kind on that server, some seconds later."""
    scenario = organised(
        events=[
            {
                "do": "reboot",
                "server": "MBX2",
                "on": "service_restarted",
                "on_server": "MBX1",
                "nth": 2,
                "delay": 5,
            }
        ]
    )
    for server in ("MBX1", "MBX3", "MBX3"):
        scenario.backend.restart_service(server, BE)
    scenario.clock.sleep(60)
    assert scenario.organisation.history.of(h.RebootCommanded) == []
    scenario.backend.restart_service("MBX1", BE)
    done = scenario.clock.now()
    scenario.clock.sleep(60)
    (command,) = scenario.organisation.history.of(h.RebootCommanded)
    assert command.at == done + timedelta(seconds=5)


def test_a_crash_of_a_server_that_is_down():
    """Nobody can do anything to it."""
    scenario = organised(servers={"MBX1": {"reboot": "never_comes_back"}})
    scenario.organisation.crash("MBX1", h.NATURE)
    with pytest.raises(Unreachable):
        scenario.organisation.crash("MBX1", h.NATURE)
    assert len(scenario.organisation.history.of(h.WentDown)) == 1


def test_names_of_servers():
    """Short or full, in any case; others are unknown."""
    scenario = organised(organisation={"domain": "example.org"})
    infos = [
        scenario.backend.server_info(n) for n in ("mbx1", "MBX1.EXAMPLE.ORG", "mbx1.example.org")
    ]
    assert len(set(infos)) == 1
    for look in (scenario.backend.server_info, scenario.backend.host_status):
        with pytest.raises(UnknownName) as raised:
            look("mbx9")
        assert "mbx1.example.org" in raised.value.known


@pytest.mark.parametrize(
    ("names", "spelt"),
    [
        ("short", "MBX1"),
        ("lower", "mbx1"),
        ("fqdn", "mbx1.contoso.com"),
        ("upper", "MBX1.CONTOSO.COM"),
    ],
)
def test_how_rows_spell_servers(names, spelt):
    """As the product does, in one way or another."""
    scenario = organised(organisation={"names": names})
    backend = scenario.backend
    assert backend.mailbox_server("MBX1").server == spelt
    assert backend.dag("MBX1", "DAG1").members[0] == spelt
    assert {r.server for r in backend.server_health("MBX1")} == {spelt}
    assert {r.server for r in backend.database_copies("MBX1")} == {spelt}


def test_roles_and_cmdlets_that_do_not_fit():
    """Cmdlets about Mailbox servers fail on one that isn't."""
    scenario = organised("split2013")
    backend = scenario.backend
    info = backend.server_info("CAS1")
    assert (info.mailbox_role, info.client_access_role) == (False, True)
    assert info.version.startswith("Version 15.0")
    for look in (backend.mailbox_server, backend.databases, backend.database_copies):
        with pytest.raises(CommandFailed):
            look("CAS1")
    with pytest.raises(CommandFailed):
        backend.set_activation_disabled("CAS1", True)
    for call in (backend.copies_of, backend.move_database):
        with pytest.raises(CommandFailed):
            call("MBX1", "NoSuch")
    assert len(backend.all_servers("CAS1")) == 4


def test_nobody_answers_when_all_are_down():
    """Then there is no endpoint at all."""
    scenario = organised("standalone", servers={"MBX1": {"down": True}})
    with pytest.raises(Unreachable):
        scenario.backend.server_info("MBX1")
    with pytest.raises(Unreachable):
        scenario.backend.set_protocol_logging("MBX1", True)

"""The simulated organisation as a backend: the contract, broken calls, several threads."""

from __future__ import annotations

from threading import Thread

import pytest

from popheal.backends.simulated import SimulatedBackend, load_scenario
from popheal.backends.simulated import history as h
from popheal.backends.simulated.call_faults import BrokenCall
from popheal.errors import (
    CommandFailed,
    NotAuthorised,
    NotBegun,
    OutcomeUnknown,
    PophealError,
    Unreachable,
    Unreadable,
)
from popheal.exchange.backend import EFFECTS, LOOKS, Backend
from popheal.testing import BackendConformance
from popheal.util.clock import SystemClock, VirtualClock
from tests.backends.simulated.test_availability import organised

BE = "MSExchangePOP3BE"


class TestSimulatedBackend(BackendConformance):
    """It is as good a backend as any."""

    server = "mbx1.contoso.com"

    @pytest.fixture
    def backend(self) -> Backend:
        return organised(recovery_actions=[{"server": "MBX1", "action": "ServerFailover"}]).backend


#: What the product calls the methods of a backend.
COMMANDS = {
    "server_info": "Get-ExchangeServer",
    "all_servers": "Get-ExchangeServer",
    "mailbox_server": "Get-MailboxServer",
    "dag": "Get-DatabaseAvailabilityGroup",
    "server_health": "Get-ServerHealth",
    "invoke_probe": "Invoke-MonitoringProbe",
    "monitoring_items": "Get-MonitoringItemIdentity",
    "database_copies": "Get-MailboxDatabaseCopyStatus",
    "copies_of": "Get-MailboxDatabaseCopyStatus",
    "databases": "Get-MailboxDatabase",
    "replication_health": "Test-ReplicationHealth",
    "component_states": "Get-ServerComponentState",
    "pop_settings": "Get-PopSettings",
    "services": "Get-Service",
    "host_status": "Win32_OperatingSystem",
    "pop_logs": "Get-ChildItem",
    "recovery_actions": "Get-WinEvent",
    "restart_service": "Restart-Service",
    "start_service": "Start-Service",
    "set_activation_disabled": "Set-MailboxServer",
    "move_database": "Move-ActiveMailboxDatabase",
    "set_protocol_logging": "Set-PopSettings",
    "set_component_state": "Set-ServerComponentState",
    "reboot": "Restart-Computer",
}


def arguments(scenario, method):
    now = scenario.clock.now()
    return {
        "dag": ("DAG1",),
        "invoke_probe": ("POP.Protocol\\PopDeepTestProbe",),
        "monitoring_items": ("POP.Protocol",),
        "copies_of": ("DB01",),
        "services": ([BE],),
        "pop_logs": (scenario.backend.pop_settings("MBX1").log_location, now, now),
        "recovery_actions": (now,),
        "restart_service": (BE,),
        "start_service": (BE,),
        "set_activation_disabled": (True,),
        "move_database": ("DB02",),
        "set_protocol_logging": (True,),
        "set_component_state": ("PopProxy", True, "HealthAPI"),
        "reboot": (scenario.backend.host_status("MBX1").boot_time,),
    }.get(method, ())


def call(scenario, method):
    return getattr(scenario.backend, method)("MBX1", *arguments(scenario, method))


@pytest.mark.parametrize("method", [*LOOKS, *EFFECTS])
@pytest.mark.parametrize(
    "error", [Unreachable, NotAuthorised, CommandFailed, OutcomeUnknown, Unreadable]
)
def test_any_call_can_be_broken_in_any_way(method, error):
    """Just the second one, and only on that server."""
    scenario = organised(
        calls=[{"method": method, "server": "MBX1", "error": error.__name__, "nth": 2}]
    )
    # Read from another one that is just alike, so that no call of this one is counted.
    given = arguments(organised(), method)
    backend_method = getattr(scenario.backend, method)
    backend_method("MBX1", *given)
    before = len(scenario.organisation.history)
    with pytest.raises(error) as raised:
        backend_method("MBX1", *given)
    assert raised.value.command == COMMANDS[method]
    kinds = [one.kind for one in list(scenario.organisation.history)[before:]]
    assert kinds == ["called", "call_broken"]
    if method not in ("reboot", "move_database"):
        backend_method("MBX1", *given)


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        ("restart_service", h.ServiceRestarted),
        ("set_activation_disabled", h.ActivationDisabledSet),
        ("set_protocol_logging", h.ProtocolLoggingSet),
        ("set_component_state", h.ComponentStateSet),
        ("move_database", h.DatabaseMoveCommanded),
        ("reboot", h.RebootCommanded),
    ],
)
@pytest.mark.parametrize("done", ["no", "yes", "later"])
def test_an_effect_may_be_done_though_the_call_broke(method, kind, done):
    """Not at all, before the error, or some time after it."""
    scenario = organised(calls=[{"method": method, "error": "OutcomeUnknown", "done": done}])
    with pytest.raises(OutcomeUnknown):
        call(scenario, method)
    history = scenario.organisation.history
    assert len(history.of(kind)) == (1 if done == "yes" else 0)
    scenario.clock.sleep(60)
    assert len(history.of(kind)) == (0 if done == "no" else 1)
    (broken,) = history.of(h.CallBroken)
    assert (broken.method, broken.error, broken.done) == (method, "OutcomeUnknown", done)


def test_a_late_effect_may_be_refused_by_then():
    """Nobody is told."""
    scenario = organised(
        calls=[{"method": "reboot", "error": "OutcomeUnknown", "done": "later"}],
        events=[{"do": "crash", "server": "MBX1", "at": 10}],
    )
    with pytest.raises(OutcomeUnknown):
        call(scenario, "reboot")
    scenario.clock.sleep(600)
    assert scenario.organisation.history.of(h.RebootCommanded) == []


def test_an_error_that_promises_harmlessness_keeps_it():
    """It can't be scripted otherwise."""
    with pytest.raises(ValueError, match="promises"):
        BrokenCall(method="reboot", error="Unreachable", done="yes")
    with pytest.raises(ValueError, match="promises"):
        BrokenCall(method="reboot", error="NotBegun", done="later")


def test_an_effect_may_be_declined_for_a_reason():
    """That is nothing that could happen to a look, and no other error has a reason."""
    call = {"method": "reboot", "error": "NotBegun", "reason": "denied", "cause": "no right to"}
    scenario = organised(calls=[call])
    with pytest.raises(NotBegun, match="no right to") as raised:
        scenario.backend.reboot("MBX1", scenario.backend.host_status("MBX1").boot_time)
    assert raised.value.reason == "denied"
    assert scenario.organisation.history.of(h.RebootCommanded) == []
    with pytest.raises(ValueError, match="can be declined"):
        BrokenCall(method="host_status", error="NotBegun")
    with pytest.raises(ValueError, match="goes with NotBegun"):
        BrokenCall(method="reboot", error="CommandFailed", reason="denied")


def test_calls_broken_for_a_time_and_for_ever():
    """All methods, between two moments; or from the third call on."""
    scenario = organised(
        calls=[
            {"method": "*", "error": "Unreachable", "since": 100, "until": 200, "for_ever": True},
            {
                "method": "host_status",
                "server": "MBX2",
                "error": "NotAuthorised",
                "nth": 3,
                "for_ever": True,
                "cause": "the account has expired",
            },
        ]
    )
    backend = scenario.backend
    backend.host_status("MBX1")
    scenario.clock.sleep(150)
    for look in (backend.host_status, backend.server_health):
        with pytest.raises(Unreachable):
            look("MBX1")
    scenario.clock.sleep(100)
    for _ in range(2):
        backend.host_status("MBX2")
    for _ in range(3):
        backend.host_status("MBX1")
        with pytest.raises(NotAuthorised, match="the account has expired"):
            backend.host_status("MBX2")


def test_each_organisation_has_a_name_of_its_own():
    """Two of the same scenario are two organisations; two backends may share one."""
    one, other = organised(), organised()
    assert one.backend.organisation != other.backend.organisation
    shared = SimulatedBackend(one.organisation)
    assert shared.organisation == one.backend.organisation
    assert shared.clock is one.clock
    shared.set_protocol_logging("MBX1", True)
    assert one.backend.pop_settings("MBX1").protocol_log_enabled


def test_every_call_is_recorded_under_popheal():
    """Looks are seen too, with what they answered."""
    scenario = organised()
    scenario.backend.server_health("mbx1.contoso.com")
    scenario.backend.database_copies("MBX1")
    scenario.backend.copies_of("MBX1", "DB02")
    calls = [(c.method, c.server, c.actor) for c in scenario.organisation.history.of(h.Called)]
    assert calls == [
        ("server_health", "MBX1", "popheal"),
        ("database_copies", "MBX1", "popheal"),
        ("copies_of", "MBX1", "popheal"),
    ]
    whole, one = scenario.organisation.history.of(h.CopiesLookedAt)
    assert (whole.whole_server, one.whole_server) == (True, False)
    assert whole.active_databases == ("DB01", "DB04")
    assert {r.database for r in whole.rows if r.active} == {"DB01", "DB04"}
    assert {(r.server, r.active) for r in one.rows} == {
        ("MBX2", True),
        ("MBX3", False),
        ("MBX1", False),
    }


def test_the_history_is_heard():
    """A listener gets each happening as it happens."""
    scenario = organised()
    heard = []
    scenario.organisation.history.listen(heard.append)
    scenario.backend.restart_service("MBX1", BE)
    assert heard == list(scenario.organisation.history)[-len(heard) :]
    assert len(scenario.organisation.history) == len(heard)


def test_several_threads_at_once():
    """Nothing breaks, and the history stays in order."""
    scenario = load_scenario("mailbox-healed-by-reboot", SystemClock(speed=5_000))
    backend, problems = scenario.backend, []

    def work(server):
        try:
            for _ in range(15):
                backend.server_health(server)
                backend.invoke_probe(server, "POP.Protocol\\PopSelfTestProbe")
                backend.restart_service(server, BE)
                backend.database_copies(server)
                backend.set_activation_disabled(server, True)
                backend.set_activation_disabled(server, False)
        except PophealError as error:
            problems.append(error)

    threads = [Thread(target=work, args=(f"MBX{n}",)) for n in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert problems == []
    assert len(scenario.organisation.history.of(h.ProbeRun)) == 45
    moments = [one.at for one in scenario.organisation.history]
    assert moments == sorted(moments)


def test_nobody_waits_for_another():
    """While one probe is waited for, and one restart, others may look."""
    answers = []

    class Asked(VirtualClock):
        def sleep(self, seconds):
            asking = Thread(target=lambda: answers.append(scenario.organisation.answers("MBX2")))
            asking.start()
            asking.join(10)
            super().sleep(seconds)

    scenario = load_scenario("mailbox-healed-by-reboot", Asked())
    scenario.backend.invoke_probe("MBX1", "POP.Protocol\\PopSelfTestProbe")
    scenario.backend.restart_service("MBX1", BE)
    assert answers == [True, True]

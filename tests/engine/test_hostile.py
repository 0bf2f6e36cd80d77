"""Backends that lie, lag or answer about something else: never a more destructive step."""

from __future__ import annotations

import asyncio
import functools
import time
from datetime import timedelta

import pytest
from attrs import evolve

from popheal import Alert, Journal, Policy, Verdict, aheal, heal
from popheal.backends.simulated import SimulatedBackend, load_scenario
from popheal.backends.simulated import history as h
from popheal.engine.control import Control
from popheal.errors import CommandFailed, NotAuthorised, UnknownName, Unreachable
from popheal.exchange.models import Dag
from popheal.exchange.names import same_server
from tests.support.healing import alert_of

DEFAULT = "mailbox-healed-by-reboot"
FOUND_IN_LOG = "client-access-back-end-found-in-log"


def hostile(name, **methods):
    """Heal a scenario with some methods replaced; each gets the real backend first."""
    scenario = load_scenario(name)

    class Hostile(SimulatedBackend):
        pass

    for method, replacement in methods.items():
        setattr(
            Hostile,
            method,
            lambda self, *args, _do=replacement: _do(SimulatedBackend(self.simulation), *args),
        )
    report = heal(alert_of(scenario), Hostile(scenario.organisation), journal=Journal())
    return scenario, report


def rebooted(scenario):
    return scenario.organisation.history.of(h.RebootCommanded, actor=h.POPHEAL)


# --- copies and the DAG --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        lambda real, server: real.database_copies("MBX2"),
        lambda real, server: [],
        lambda real, server: list(real.database_copies(server))[:1],
        lambda real, server: [
            evolve(one, status="Healthy", active_copy=False, active_server="mbx2", database="DBX")
            for one in real.database_copies(server)
        ],
    ],
    ids=["another server", "nothing", "some", "another database"],
)
def test_copies_that_are_not_those_asked_for(answer):
    """An answer about other copies, or without some, is no answer: no drain, no reboot."""
    scenario, report = hostile(DEFAULT, database_copies=answer)
    assert report.verdict is Verdict.ESCALATED
    assert "could_not_tell" in [step.outcome for step in report.runs[0].steps]
    assert not rebooted(scenario)


def test_copies_that_vanish_after_the_drain():
    """What was active before must still be listed, as a copy that is not active."""
    drained = []

    def drain(real, server, disabled):
        drained.append(disabled)
        real.set_activation_disabled(server, disabled)

    scenario, report = hostile(
        DEFAULT,
        set_activation_disabled=drain,
        database_copies=lambda real, server: [] if drained else real.database_copies(server),
        databases=lambda real, server: [] if drained else real.databases(server),
    )
    assert report.verdict is Verdict.ESCALATED
    assert drained == [True]
    assert not rebooted(scenario)
    assert [debt.status.value for debt in report.debts] == ["handed_over"]


@pytest.mark.parametrize(
    "answer",
    [
        lambda real, server, name: Dag(name="OTHER", members=(), operational=()),
        lambda real, server, name: Dag(name=name, members=(), operational=()),
        lambda real, server, name: evolve(real.dag(server, name), name="OTHER"),
    ],
)
def test_a_dag_that_is_not_ours(answer):
    """A DAG without our server says nothing about its members."""
    scenario, report = hostile("another-member-is-down", dag=answer)
    assert report.verdict is Verdict.ESCALATED
    assert not scenario.organisation.history.of(h.ActivationDisabledSet)


# --- debts ---------------------------------------------------------------------------------------


def late_reader(method, field, minutes):
    """A look that shows a change only minutes after it was written."""
    written = []

    def set_it(real, server, value):
        getattr(
            real, {"mailbox_server": "set_activation_disabled"}.get(method, "set_protocol_logging")
        )(server, value)
        written.append((real.clock.now(), value))

    def look(real, server):
        seen = getattr(real, method)(server)
        if written and real.clock.now() - written[-1][0] < timedelta(minutes=minutes):
            return evolve(seen, **{field: not written[-1][1]})
        return seen

    return set_it, look


@pytest.mark.parametrize("minutes", [2, 60])
def test_a_drain_that_is_seen_late(minutes):
    """Active Directory replicates in minutes: not seeing it yet never drops the debt."""
    set_it, look = late_reader("mailbox_server", "activation_disabled", minutes)
    scenario, report = hostile(DEFAULT, set_activation_disabled=set_it, mailbox_server=look)
    with scenario.organisation.present() as world:
        drained = world.find("MBX1").activation_disabled
    handed = [debt for debt in report.debts if debt.status.value == "handed_over"]
    assert not drained or handed


@pytest.mark.parametrize("minutes", [2, 60])
def test_logging_that_is_seen_late(minutes):
    """Likewise for protocol logging."""
    set_it, look = late_reader("pop_settings", "protocol_log_enabled", minutes)
    scenario, report = hostile(
        "client-access-healed-by-reboot", set_protocol_logging=set_it, pop_settings=look
    )
    with scenario.organisation.present() as world:
        logging = world.find(scenario.server).protocol_log_enabled
    assert not logging or any(debt.status.value == "handed_over" for debt in report.debts)


def test_an_error_after_the_change_was_made():
    """A command that failed may have written: the debt stays."""

    def fails(real, server, disabled):
        real.set_activation_disabled(server, disabled)
        raise CommandFailed(server=server, command="Set-MailboxServer", cause="RPC error")

    scenario, report = hostile(
        DEFAULT,
        set_activation_disabled=fails,
        mailbox_server=lambda real, server: evolve(
            real.mailbox_server(server), activation_disabled=False
        ),
    )
    assert [debt.status.value for debt in report.debts] == ["handed_over"]
    assert not rebooted(scenario)


# --- answers that break --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "methods",
    [
        {"pop_logs": lambda real, *args: None},
        {"all_servers": lambda real, server: [None]},
        {"server_health": lambda real, server: real.server_health(server)
         if not same_server(server, "mbx2") else None},
        {"pop_settings": lambda real, server: None},
    ],
    ids=["pop_logs", "all_servers", "server_health", "pop_settings"],
)  # fmt: skip
def test_unusable_answers_end_in_a_report(methods):
    """Never in an exception with protocol logging left on."""
    scenario, report = hostile(FOUND_IN_LOG, **methods)
    assert report.verdict in (Verdict.ESCALATED, Verdict.UNKNOWN)
    with scenario.organisation.present() as world:
        on = [one.name for one in world.servers if one.protocol_log_enabled]
    assert not on or any(debt.status.value == "handed_over" for debt in report.debts)


def test_a_back_end_that_does_not_exist_after_all():
    """UnknownName is for the caller only at the very beginning."""

    def info(real, server):
        if same_server(server, "mbx2"):
            raise UnknownName(kind="server", name=server)
        return real.server_info(server)

    scenario, report = hostile(FOUND_IN_LOG, server_info=info)
    assert report.verdict is Verdict.ESCALATED
    with scenario.organisation.present() as world:
        assert not any(one.protocol_log_enabled for one in world.servers)


# --- the back end --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda row: evolve(row, stale=True, alert_value="Healthy"),
        lambda row: (
            None if row.monitor == "PopDeepTestMonitor" else evolve(row, alert_value="Healthy")
        ),
        lambda row: evolve(row, alert_value="Healthy", state="Offline"),
        lambda row: evolve(row, alert_value="Healthy")
        if row.monitor == "PopDeepTestMonitor"
        else evolve(row, monitor="PrivateWorkingSetMonitor", alert_value="Unhealthy"),
    ],
    ids=["stale", "missing", "offline", "no recipe"],
)  # fmt: skip
def test_a_back_end_that_can_not_be_called_well(change):
    """Only a back end known to be healthy lets the front end be rebooted."""

    def health(real, server):
        rows = real.server_health(server)
        if not same_server(server, "mbx2"):
            return rows
        changed = [change(row) if row.health_set == "POP.Protocol" else row for row in rows]
        return [row for row in changed if row]

    scenario, report = hostile(FOUND_IN_LOG, server_health=health)
    assert report.verdict is Verdict.ESCALATED
    assert not rebooted(scenario)


# --- services, clocks, others --------------------------------------------------------------------


def test_a_disabled_service_that_runs_is_left_running():
    """It could be stopped, but not started again."""
    scenario, report = hostile(
        DEFAULT,
        services=lambda real, server, names: [
            evolve(one, start_type="Disabled") for one in real.services(server, names)
        ],
    )
    assert report.verdict is Verdict.HELD
    assert not scenario.organisation.history.of(h.ServiceRestarted)


def test_a_restart_that_never_happened():
    """The same process, with a start time that was first not told, is not another process."""
    looks = []

    def services(real, server, names):
        looks.append(names)
        seen = real.services(server, names)
        return seen if len(looks) > 2 else [evolve(one, started_at=None) for one in seen]

    scenario, report = hostile(
        DEFAULT, services=services, restart_service=lambda real, server, service: None
    )
    assert report.verdict is Verdict.ESCALATED
    assert not rebooted(scenario)


def test_a_clock_that_is_set_back_is_no_reboot():
    """The boot time moves back with it; only a later one is a boot."""
    looks = []

    def host(real, server):
        looks.append(server)
        seen = real.host_status(server)
        shift = timedelta(minutes=10) if len(looks) > 2 else timedelta()
        return evolve(seen, boot_time=seen.boot_time - shift)

    _, report = hostile(DEFAULT, host_status=host)
    assert "meanwhile" not in str(report.to_json())


@pytest.mark.parametrize("do", ["drain", "maintenance"])
def test_the_gates_are_looked_at_again_before_the_reboot(do):
    """A member that is drained, or maintenance that begins, while our databases move."""
    scenario = load_scenario(DEFAULT)
    organisation = scenario.organisation
    begun = []

    class Meanwhile(SimulatedBackend):
        def database_copies(self, server):
            seen = super().database_copies(server)
            with self.simulation.present() as world:
                drained = world.find("MBX1").activation_disabled
            if drained and not begun:
                begun.append(do)
                if do == "drain":
                    self.simulation.set_activation_disabled("MBX3", True, h.ADMINISTRATOR)
                else:
                    self.simulation.set_component(
                        "MBX1", "HighAvailability", "Maintenance", "Inactive", h.ADMINISTRATOR
                    )
            return seen

    report = heal(alert_of(scenario), Meanwhile(organisation), journal=Journal())
    assert begun == [do]
    assert report.verdict is Verdict.ESCALATED
    assert not rebooted(scenario)


def test_the_last_living_client_access_server_is_not_rebooted():
    """That there is another one is not enough: it must be seen to serve POP."""
    name = "proxy-split-role-healed-by-reboot"
    for answer in ("unreachable", "ill"):

        def health(real, server, answer=answer):
            rows = real.server_health(server)
            if same_server(server, load_scenario(name).server):
                return rows
            if answer == "unreachable":
                raise Unreachable(server=server, command="Get-ServerHealth", cause="no answer")
            return [evolve(row, alert_value="Degraded") for row in rows]

        scenario, report = hostile(name, server_health=health)
        assert report.verdict is Verdict.ESCALATED
        assert "reboot_last_of_role" in str(report.to_json())
        assert not rebooted(scenario)


def test_a_wrong_password_is_tried_once():
    """Three times might lock the account."""
    tried = []

    def refuse(real, server):
        tried.append(server)
        raise NotAuthorised(server=server, command="Get-ExchangeServer", cause="401")

    _, report = hostile(DEFAULT, server_info=refuse)
    assert report.verdict is Verdict.UNKNOWN
    assert len(tried) == 1


def test_recovered_means_that_the_server_can_be_seen():
    """Healed, and then gone: a person should know."""
    healed = []

    def restart(real, server, service):
        real.restart_service(server, service)
        healed.append(service)

    def health(real, server):
        if healed:
            raise Unreachable(server=server, command="Get-ServerHealth", cause="no answer")
        return real.server_health(server)

    _, report = hostile("mailbox-healed-by-restart", restart_service=restart, server_health=health)
    assert report.verdict is Verdict.ESCALATED
    assert "healed, but" in report.summary


# --- the drivers ---------------------------------------------------------------------------------


def test_methods_that_return_an_awaitable():
    """A plain method that returns a coroutine is an asynchronous one, too."""
    scenario = load_scenario(DEFAULT)

    class Awaitables:
        organisation = scenario.backend.organisation
        clock = scenario.backend.clock

        def __getattr__(self, name):
            method = getattr(scenario.backend, name)

            async def coroutine(*args):
                return method(*args)

            return functools.partial(coroutine)

    report = asyncio.run(aheal(alert_of(scenario), Awaitables(), journal=Journal()))
    assert report.verdict is Verdict.RECOVERED


def test_a_hanging_call_does_not_block_the_event_loop():
    """Cancelled twice, the task ends while the call still hangs in its thread."""
    scenario = load_scenario(DEFAULT)

    class Hanging(SimulatedBackend):
        def server_info(self, server):
            time.sleep(1.0)  # a remote call that hangs: real time on purpose
            return super().server_info(server)

    async def cancel_twice():
        backend = Hanging(scenario.organisation)
        task = asyncio.create_task(aheal(alert_of(scenario), backend, journal=Journal()))
        await asyncio.sleep(0.05)
        task.cancel()
        await asyncio.sleep(0.05)
        task.cancel()
        began = time.monotonic()
        with pytest.raises(asyncio.CancelledError):
            await task
        return time.monotonic() - began

    assert asyncio.run(cancel_twice()) < 0.5


def test_what_is_handed_over_is_told_to_observers():
    """A cancelled task has no report to return; its observers still learn what is left."""
    scenario, told = load_scenario("fault-survives-the-reboot"), []
    heal(alert_of(scenario), scenario.backend, observers=[told.append], journal=Journal())
    assert [event.details for event in told if event.name == "debt_handed_over"] == [
        {"kind": "activation_disabled", "prior": False}
    ]


@pytest.mark.parametrize(
    "wrong", [{"reboots_per_server": True}, {"probe_failures": 1.5}, {"reboots_per_server": -1}]
)
def test_a_policy_counts_in_whole_numbers(wrong):
    """And never with a boolean."""
    with pytest.raises((TypeError, ValueError)):
        Policy(**wrong)


def test_an_alert_about_nothing():
    """An empty name is not a server."""
    scenario = load_scenario(DEFAULT)
    with pytest.raises(UnknownName):
        heal(Alert(server="nobody.contoso.com"), scenario.backend, journal=Journal())


# --- once more: what a second look found ---------------------------------------------------------


@pytest.mark.parametrize(
    "change",
    [
        lambda row: evolve(row, state="Offline"),
        lambda row: evolve(row, last_execution=row.last_execution - timedelta(days=2)),
    ],
    ids=["offline", "long ago"],
)
def test_a_peer_that_only_seems_to_serve(change):
    """Healthy, but offline, or two days old: it does not count as the other server."""
    name = "proxy-split-role-healed-by-reboot"
    own = load_scenario(name).server

    def health(real, server):
        rows = real.server_health(server)
        return rows if same_server(server, own) else [change(row) for row in rows]

    scenario, report = hostile(name, server_health=health)
    assert report.verdict is Verdict.ESCALATED
    assert not rebooted(scenario)


def test_a_reboot_by_somebody_else_counts():
    """Two ill monitors, and Managed Availability reboots in between: that was the one reboot."""
    from popheal.backends.simulated.scenario import build_scenario

    tables = {
        "title": "two",
        "alert": {"server": "MBX1", "health_set": "POP.Protocol"},
        "organisation": {"preset": "dag3"},
        "faults": [
            {"server": "MBX1", "fails": ["deep"], "cure": "reboot"},
            {"server": "MBX1", "fails": ["proxy"], "cure": "never"},
        ],
        "events": [
            {
                "do": "reboot",
                "server": "MBX1",
                "actor": "managed_availability",
                "on": "activation_disabled_set",
                "delay": 5,
            }
        ],
    }
    scenario = build_scenario(tables, name="two", source="test")
    heal(alert_of(scenario), scenario.backend, journal=Journal())
    assert len(scenario.organisation.history.of(h.WentDown)) == 1
    assert not rebooted(scenario)


@pytest.mark.parametrize("raised", [asyncio.CancelledError, SystemExit, KeyboardInterrupt])
@pytest.mark.parametrize("asynchronous", [False, True])
def test_whatever_a_backend_raises_after_a_drain(raised, asynchronous):
    """The debt is handed over, and told; a wish to exit is granted after that."""
    scenario, told = load_scenario(DEFAULT), []

    class Raising(SimulatedBackend):
        def set_activation_disabled(self, server, disabled):
            super().set_activation_disabled(server, disabled)
            raise raised

    backend = Raising(scenario.organisation)
    options = {"observers": [told.append], "journal": Journal()}

    def run():
        if asynchronous:
            return asyncio.run(aheal(alert_of(scenario), backend, **options))
        return heal(alert_of(scenario), backend, **options)

    if raised is SystemExit:
        with pytest.raises(SystemExit):
            run()
    else:
        report = run()
        assert [debt.status.value for debt in report.debts] in (["handed_over"], ["paid"])
    with scenario.organisation.present() as world:
        drained = world.find("MBX1").activation_disabled
    assert not drained or "debt_handed_over" in [event.name for event in told]


@pytest.mark.parametrize("method", ["dag", "database_copies", "host_status", "mailbox_server"])
def test_one_look_that_fails_once_after_the_drain(method):
    """It is repeated: a healed server is not left drained for it."""
    failed = []

    def look(real, *args):
        with real.simulation.present() as world:
            drained = world.find("MBX1").activation_disabled
        if drained and not failed:
            failed.append(method)
            raise Unreachable(server=str(args[0]), command=method, cause="once")
        return getattr(real, method)(*args)

    _, report = hostile(DEFAULT, **{method: look})
    assert failed == [method]
    assert report.verdict is Verdict.RECOVERED


def test_after_a_stop_there_is_still_time_to_restore():
    """A setting that is seen a minute late is waited for, and POP3 restarted."""

    set_it, look = late_reader("pop_settings", "protocol_log_enabled", 1)
    scenario, stop = load_scenario("client-access-healed-by-reboot"), Control()

    class Lagging(SimulatedBackend):
        def set_protocol_logging(self, server, enabled):
            set_it(SimulatedBackend(self.simulation), server, enabled)

        def pop_settings(self, server):
            return look(SimulatedBackend(self.simulation), server)

        def copies_of(self, server, database):
            stop.cancel()
            return super().copies_of(server, database)

    report = heal(
        alert_of(scenario), Lagging(scenario.organisation), control=stop, journal=Journal()
    )
    assert report.verdict is Verdict.CANCELLED
    assert "stopped by a person" in report.summary
    assert report.debts[0].status.value == "paid"

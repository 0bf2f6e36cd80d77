"""The drivers: both ways alike, stopping, broken backends, and who works on what."""

from __future__ import annotations

import asyncio
import inspect
import logging
from threading import Thread

import pytest
import structlog
from structlog.testing import capture_logs

from popheal import (
    Alert,
    Journal,
    Policy,
    Report,
    Timing,
    Verdict,
    aheal,
    heal,
    plan,
    resume,
    triage,
)
from popheal.api import atriage
from popheal.backends.simulated import SimulatedBackend, load_scenario, scenario_names
from popheal.backends.simulated import history as h
from popheal.engine.control import Control
from popheal.errors import Detached, UnknownName
from popheal.exchange.backend import EFFECTS, LOOKS, AsyncBackend, Backend
from popheal.reports.report import FindingKind
from popheal.tables.actions import Impact
from popheal.util.clock import VirtualClock
from tests.support.healing import alert_of, healed, shipped
from tests.support.properties import violations

DEFAULT = "mailbox-healed-by-reboot"


class Delegating:
    """Passes every call on; a test overrides what it wants to go wrong."""

    def __init__(self, scenario) -> None:
        self._backend = scenario.backend
        self.clock = scenario.backend.clock
        self.organisation = scenario.backend.organisation

    def __getattr__(self, name):
        return getattr(self._backend, name)


class Asynchronous(Delegating):
    """The same as coroutine functions."""

    def __getattribute__(self, name):
        if name not in (*LOOKS, *EFFECTS):
            return super().__getattribute__(name)
        method = getattr(self._backend, name)

        async def coroutine(*args):
            await asyncio.sleep(0)
            return method(*args)

        return coroutine


def without_ids_and_times(report: Report):
    """What two healings of the same scenario must agree on."""
    data = report.to_json()
    for key in ("id", "started_at", "finished_at"):
        data.pop(key)
    for run in data["runs"]:
        run.pop("id")
        for step in run["steps"]:
            for key in ("started_at", "finished_at"):
                step.pop(key)
    return data


def test_backends_are_recognised():
    """The simulated one keeps the protocols."""
    scenario = load_scenario(DEFAULT)
    assert isinstance(scenario.backend, Backend)
    made = Asynchronous(scenario)
    # From Python 3.12 on, only what is there without asking counts.
    vars(made).update({name: getattr(made, name) for name in (*LOOKS, *EFFECTS)})
    assert isinstance(made, AsyncBackend)


def test_a_report_survives_json():
    """Everything in it, there and back."""
    report = healed(load_scenario("client-access-back-end-rebooted")).report
    assert Report.from_json(report.to_json()) == report
    assert {"verdict", "server", "alert", "findings", "runs", "debts", "handover"} <= set(
        report.to_json()
    )


# --- looking only --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", scenario_names())
def test_triage_and_plan_change_nothing(name):
    """And where healing ends before it acts, they come to the same verdict."""
    healing = shipped(name).report
    for look in (triage, plan):
        scenario = load_scenario(name)
        answer = look(alert_of(scenario), scenario.backend)
        report = answer if isinstance(answer, Report) else answer.report
        assert not [
            one
            for one in scenario.organisation.history
            if one.actor == h.POPHEAL
            and not isinstance(one, (h.Called, h.CallBroken, h.ProbeRun, h.CopiesLookedAt))
        ]
        expected = Verdict.ESCALATED if healing.runs else healing.verdict
        assert report.verdict is expected


def test_atriage():
    """The asynchronous form."""
    scenario = load_scenario(DEFAULT)
    report = asyncio.run(atriage(alert_of(scenario), scenario.backend))
    assert [one.monitor for one in report.findings if one.kind is FindingKind.VERIFIED] == [
        "PopDeepTestMonitor"
    ]


def test_a_plan_says_what_could_happen():
    """Every path that a healing takes is among those planned; the worst case bounds it."""
    scenario = load_scenario(DEFAULT)
    planned = plan(alert_of(scenario), scenario.backend).runs
    run = healed(load_scenario(DEFAULT)).report.runs[0]
    assert [one.procedure for one in planned] == ["mailbox"]
    assert run.path in [path.states for path in planned[0].paths]
    assert planned[0].worst_case.reboots == 1
    assert planned[0].worst_case.actions >= len(run.steps)
    assert planned[0].paths[0].verdict is Verdict.RECOVERED


@pytest.mark.parametrize("name", scenario_names())
def test_every_path_taken_was_planned(name):
    """For each shipped scenario and each run of the alert's own server."""
    scenario = load_scenario(name)
    planned = plan(alert_of(scenario), scenario.backend)
    paths = {(run.procedure, path.states) for run in planned.runs for path in run.paths}
    report = shipped(name).report
    for run in report.runs[: len(planned.runs)]:
        if run.server == report.server:
            assert (run.procedure, run.path) in paths


# --- stopping ------------------------------------------------------------------------------------


def stop_at(scenario, method, raised=None):
    """A stop flag that is set when this method is called; or have the call raise instead."""
    stop = Control()

    class Stopping(Delegating):
        def __getattr__(self, name):
            if name == method and not stop.cancelled:
                if raised:
                    raise raised
                stop.cancel()
            return super().__getattr__(name)

    return Stopping(scenario), stop


def test_stop_puts_logging_back():
    """Stopped with protocol logging on: it is restored, the verdict is cancelled."""
    scenario = load_scenario("client-access-healed-by-reboot")
    backend, stop = stop_at(scenario, "set_activation_disabled")
    report = heal(alert_of(scenario), backend, control=stop, journal=Journal())
    assert report.verdict is Verdict.CANCELLED
    assert {debt.kind.value: debt.status.value for debt in report.debts} == {
        "protocol_logging": "paid",
        "activation_disabled": "handed_over",
    }
    assert any("drained" in line for line in report.handover.left_as)
    assert not scenario.organisation.history.of(h.RebootCommanded)


def test_interrupting_is_stopping():
    """A first Ctrl-C, in the middle of a call, does what stop does."""
    scenario = load_scenario("client-access-healed-by-reboot")
    backend, _ = stop_at(scenario, "copies_of", raised=KeyboardInterrupt)
    report = heal(alert_of(scenario), backend, journal=Journal())
    assert report.verdict is Verdict.CANCELLED
    with scenario.organisation.present() as world:
        assert not any(server.protocol_log_enabled for server in world.servers)


def test_a_second_interrupt_breaks_off():
    """Ctrl-C twice is meant."""
    scenario = load_scenario(DEFAULT)
    stop = Control()
    stop.cancel()
    backend, _ = stop_at(scenario, "server_info", raised=None)

    class Impatient(Delegating):
        def server_info(self, server):
            raise KeyboardInterrupt

    assert backend
    with pytest.raises(KeyboardInterrupt):
        heal(alert_of(scenario), Impatient(scenario), control=stop, journal=Journal())


@pytest.mark.parametrize("when", ["call", "pause"])
def test_a_wish_to_be_out_at_once_is_granted(when):
    """What is neither a failure nor Ctrl-C, as a host program's own interrupt, breaks off."""
    scenario = load_scenario(DEFAULT)

    class Out(BaseException):
        pass

    def out(*_):
        raise Out

    class Leaving(Delegating):
        database_copies = out

    clock = VirtualClock()
    backend = scenario.backend
    if when == "call":
        backend = Leaving(scenario)
    else:
        clock.sleep = out
    with pytest.raises(Out):
        heal(alert_of(scenario), backend, clock=clock, journal=Journal())


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_wait_that_is_left_is_not_over(asynchronous):
    """Whoever goes on waits for the rest of the ten minutes."""
    scenario, journal, leave = load_scenario("command-time-healed-by-restart"), Journal(), Control()
    clock, began = scenario.backend.clock, []

    def told(event):
        if event.name == "pausing" and event.what == "POP to settle":
            began.append(clock.now())
            leave.detach()

    options = {"journal": journal, "observers": [told], "control": leave}

    def run():
        if asynchronous:
            return asyncio.run(aheal(alert_of(scenario), scenario.backend, **options))
        return heal(alert_of(scenario), scenario.backend, **options)

    with pytest.raises(Detached) as left:
        run()
    assert journal.entries()[-1].kind.value == "waiting"
    clock.sleep(60)
    resume(left.value.run, scenario.backend, journal=journal)
    over = next(one for one in journal.entries() if one.what == "wait")
    assert 600 <= (over.at - began[0]).total_seconds() < 610


def test_cancelling_a_task_restores_first():
    """The cancellation goes through after protocol logging is back."""
    scenario = load_scenario("client-access-healed-by-reboot")

    async def cancel_it():
        task = asyncio.current_task()

        class Cancelling(Asynchronous):
            def __getattribute__(self, name):
                if name == "copies_of":
                    task.cancel()
                return super().__getattribute__(name)

        await aheal(alert_of(scenario), Cancelling(scenario), journal=Journal())

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(cancel_it())
    with scenario.organisation.present() as world:
        assert not any(server.protocol_log_enabled for server in world.servers)
    assert scenario.organisation.history.of(h.ProtocolLoggingSet)


# --- backends with defects -----------------------------------------------------------------------


@pytest.mark.parametrize("method", [*LOOKS, *EFFECTS])
@pytest.mark.parametrize("name", [DEFAULT, "client-access-back-end-found-in-log"])
def test_a_defect_of_a_backend_is_not_knowing(method, name):
    """An exception that no backend may raise ends in a report, and in nothing harmful."""
    scenario = load_scenario(name)

    class Defective(SimulatedBackend):
        pass

    def broken(*_):
        raise ZeroDivisionError("defect")

    setattr(Defective, method, broken)
    backend = Defective(scenario.organisation)
    report = heal(alert_of(scenario), backend, journal=Journal())
    assert report.verdict in (Verdict.UNKNOWN, Verdict.ESCALATED, Verdict.RECOVERED)
    if report.verdict is not Verdict.RECOVERED:
        said = str(report.to_json())
        assert "ZeroDivisionError" in said or method in ("move_database", "start_service")


def test_unknown_server_is_for_the_caller():
    """Not a verdict: nothing can be said about a server that does not exist."""
    scenario = load_scenario(DEFAULT)
    with pytest.raises(UnknownName, match="no server 'elsewhere'"):
        heal(Alert(server="elsewhere"), scenario.backend, journal=Journal())


@pytest.mark.parametrize("fields", [{"monitor": "PopWhat"}, {"health_set": "IMAP"}])
def test_unknown_names_in_an_alert(fields):
    """Refused when the alert is made, with the known names."""
    with pytest.raises(UnknownName, match=r"(?i)Known: Pop"):
        Alert(server="s", **fields)


def test_the_runbooks_misspellings_are_understood():
    """Erratum D2: the headings of the page are not the monitors' names."""
    assert Alert(server="s", monitor="PopTestDeepMonitor").monitor == "PopDeepTestMonitor"
    assert Alert(server="s", monitor="POPCTPMonitor").monitor == "PopCTPMonitor"
    assert Alert(server="s", health_set="pop.protocol").health_set == "POP.Protocol"


# --- policy --------------------------------------------------------------------------------------


def test_a_policy_may_forbid_reboots():
    """With highest_impact CHANGE a server is neither drained nor rebooted."""
    scenario = load_scenario(DEFAULT)
    case = healed(scenario, policy=Policy(highest_impact=Impact.CHANGE))
    assert case.report.verdict is Verdict.ESCALATED
    assert "policy" in case.report.summary
    assert not scenario.organisation.history.of(h.ActivationDisabledSet)
    assert not scenario.organisation.history.of(h.RebootCommanded)


def test_a_policy_may_forbid_the_second_reboot():
    """reboots_per_server = 0 means: not even the first."""
    case = healed(load_scenario(DEFAULT), policy=Policy(reboots_per_server=0))
    assert "reboots_per_server" in case.report.summary


def test_a_policy_may_move_databases_back():
    """Erratum D4: allowing activation moves nothing; the policy may ask for it."""
    scenario = load_scenario(DEFAULT)
    case = healed(scenario, policy=Policy(move_databases_back=True))
    moves = scenario.organisation.history.of(h.DatabaseMoveCommanded)
    assert case.report.verdict is Verdict.RECOVERED
    assert {one.database for one in moves} == {"DB01", "DB04"}


def test_only_client_access_server_of_its_site():
    """Rebooting it would cut its clients off: refused, unless the policy allows it."""
    name = "proxy-split-role-healed-by-reboot"
    for allowed, verdict in [(False, Verdict.ESCALATED), (True, Verdict.RECOVERED)]:
        scenario = load_scenario(name)
        with scenario.organisation.present() as world:
            for server in world.servers:
                if server.fqdn != scenario.server:
                    server.site = "Elsewhere"
        case = healed(scenario, policy=Policy(reboot_last_of_role=allowed))
        assert case.report.verdict is verdict


@pytest.mark.parametrize(
    "wrong", [{"settle": 0}, {"drain_poll": -1}, {"probe_attempts": 0}, {"reboot_deadline": -5}]
)
def test_timing_is_checked(wrong):
    """Nothing waits for no time or less."""
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Timing(**wrong)


# --- custody -------------------------------------------------------------------------------------


def test_one_healing_at_a_time_on_a_server():
    """The second is held, and changes nothing."""
    scenario = load_scenario(DEFAULT)
    journal = Journal()
    second = []

    class Nested(Delegating):
        def set_activation_disabled(self, server, disabled):
            if not second:
                second.append(heal(alert_of(scenario), scenario.backend, journal=journal))
            return self._backend.set_activation_disabled(server, disabled)

    first = heal(alert_of(scenario), Nested(scenario), journal=journal)
    assert first.verdict is Verdict.RECOVERED
    assert second[0].verdict is Verdict.HELD
    assert second[0].runs == ()
    # And afterwards the server is free again.
    assert heal(alert_of(scenario), scenario.backend, journal=journal).verdict is (
        Verdict.NOTHING_WRONG
    )


def test_two_members_of_one_dag_at_once():
    """Healed from two threads, never both out of service; the organisation is the witness."""
    from popheal.backends.simulated.scenario import build_scenario

    tables = {
        "title": "two",
        "alert": {"server": "MBX1", "health_set": "POP.Protocol"},
        "organisation": {"preset": "dag4"},
        "faults": [
            {"server": "MBX1", "fails": ["deep"], "cure": "reboot"},
            {"server": "MBX2", "fails": ["self"], "cure": "reboot"},
        ],
    }
    scenario = build_scenario(tables, name="two", source="test")
    journal, reports = Journal(), {}

    def work(server):
        alert = Alert(server=server, health_set="POP.Protocol")
        policy = Policy(sibling_share=1.0)
        reports[server] = heal(alert, scenario.backend, journal=journal, policy=policy)

    threads = [Thread(target=work, args=(name,)) for name in ("MBX1", "MBX2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    history = scenario.organisation.history
    for one in history:
        if isinstance(one, h.RebootCommanded) or (
            isinstance(one, h.ActivationDisabledSet) and one.value
        ):
            assert one.situation.by(h.POPHEAL) == ()
    assert Verdict.RECOVERED in {report.verdict for report in reports.values()}


# --- telling -------------------------------------------------------------------------------------


def test_every_action_and_transition_is_logged():
    """With run id, server, procedure, state and outcome; through the host's structlog."""
    with capture_logs() as logs:
        report = healed(load_scenario(DEFAULT)).report
    run = report.runs[0]
    finished = [one for one in logs if one["event"] == "action_finished"]
    assert [(one["state"], one["outcome"]) for one in finished] == [
        (step.state, step.outcome) for step in run.steps
    ]
    assert {(one["run_id"], one["server"], one["procedure"]) for one in finished} == {
        (run.id, run.server, "mailbox")
    }
    assert [one["state"] for one in logs if one["event"] == "transition"] == list(run.path[1:])


def test_without_configuration_nothing_is_printed(capsys, caplog):
    """A library is silent; the standard logger hears it if the host wants to."""
    healed(load_scenario(DEFAULT))
    assert capsys.readouterr() == ("", "")
    with caplog.at_level(logging.INFO, logger="popheal"):
        healed(load_scenario(DEFAULT))
    assert "run_ended" in [record.message for record in caplog.records]
    assert not structlog.is_configured()


def test_a_failing_observer_changes_nothing(caplog):
    """What it raises is logged; the healing goes on."""

    def failing(event):
        raise RuntimeError("no")

    case = healed(load_scenario(DEFAULT), observers=[failing])
    assert case.report.verdict is Verdict.RECOVERED
    assert violations(case) == []
    assert "observer_failed" in [record.message for record in caplog.records]


def test_effects_are_announced_before_they_happen():
    """An effect_intended event precedes each change that the organisation sees."""
    scenario = load_scenario("client-access-back-end-rebooted")
    intended = []

    def watch(event):
        if event.name == "effect_intended":
            intended.append(event.details["command"])

    seen = []
    scenario.organisation.history.listen(
        lambda one: (
            seen.append((type(one).__name__, len(intended)))
            if one.actor == h.POPHEAL
            and isinstance(one, (h.ActivationDisabledSet, h.ProtocolLoggingSet, h.RebootCommanded))
            else None
        )
    )
    healed(scenario, observers=[watch])
    counts = [count for _, count in seen]
    assert counts == sorted(set(counts))
    assert len(intended) >= len(seen) > 3


def test_stopped_during_triage():
    """Nothing was changed, and the verdict says who ended it."""
    scenario = load_scenario(DEFAULT)
    backend, _ = stop_at(scenario, "server_health", raised=KeyboardInterrupt)
    report = heal(alert_of(scenario), backend, journal=Journal())
    assert report.verdict is Verdict.CANCELLED
    assert report.runs == ()
    assert report.handover.done == ("Nothing was changed.",)


def test_stopped_while_waiting_for_the_server():
    """Not escalated: the look was cut short, so what it saw last means nothing."""
    scenario = load_scenario("server-never-comes-back")
    stop = Control()
    scenario.organisation.history.listen(
        lambda one: stop.cancel() if isinstance(one, h.WentDown) else None
    )
    report = heal(alert_of(scenario), scenario.backend, control=stop, journal=Journal())
    assert report.verdict is Verdict.CANCELLED
    assert report.runs[0].path[-2:] == ("awaiting_server", "cancelled")


def test_stopped_after_logging_was_set_back():
    """The restart that ends the logging still happens."""
    scenario = load_scenario("client-access-not-healed")
    stop = Control()
    scenario.organisation.history.listen(
        lambda one: (
            stop.cancel() if isinstance(one, h.ProtocolLoggingSet) and not one.value else None
        )
    )
    report = heal(alert_of(scenario), scenario.backend, control=stop, journal=Journal())
    assert report.verdict is Verdict.CANCELLED
    assert report.runs[-1].path[-2] == "restarting_pop3_cancelled"
    assert {
        debt.status.value for debt in report.debts if debt.kind.value == "protocol_logging"
    } == {"paid"}
    with scenario.organisation.present() as world:
        assert not any(any(server.log_in_effect.values()) for server in world.servers)


def test_triage_stays_a_function():
    """No module of the package hides a public function, whatever was imported."""
    import popheal
    import popheal.engine.healing
    import popheal.engine.plan

    for name in popheal.__all__:
        assert not inspect.ismodule(getattr(popheal, name))


@pytest.mark.parametrize(
    ("allowed", "verdict"),
    [(Impact.LOOK, Verdict.HELD), (Impact.CHANGE, Verdict.ESCALATED)],
)
def test_nothing_beyond_the_highest_impact(allowed, verdict):
    """P8: with LOOK not even a service is restarted."""
    scenario = load_scenario(DEFAULT)
    case = healed(scenario, policy=Policy(highest_impact=allowed))
    assert case.report.verdict is verdict
    restarts = scenario.organisation.history.of(h.ServiceRestarted)
    assert bool(restarts) is (allowed is Impact.CHANGE)
    with pytest.raises(ValueError, match="highest_impact"):
        Policy(highest_impact=Impact.RESTORE)

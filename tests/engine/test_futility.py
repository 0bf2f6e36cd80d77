"""Probes that hang, causes that are named, back ends that are off: what no drain follows."""

from __future__ import annotations

import pytest
from attrs import evolve

from popheal import Verdict
from popheal.backends.simulated import history as h
from popheal.errors import NotBegun, Unreachable
from popheal.reports.report import FindingKind
from tests.engine.test_after_the_boot import MAILBOX, healed_with, step_of

FOUND_IN_LOG = "client-access-back-end-found-in-log"


def restarted(real):
    return bool(real.simulation.history.of(h.ServiceRestarted))


class Says:
    """A probe that says these things, one after another, once the service was restarted."""

    def __init__(self, *words, error="No."):
        self.words, self.error = list(words), error

    def __call__(self, real, server, probe):
        result = real.invoke_probe(server, probe)
        if not restarted(real) or not self.words:
            return result
        word = self.words.pop(0) if len(self.words) > 1 else self.words[0]
        return evolve(result, result=word, error=self.error)


@pytest.mark.parametrize(
    ("words", "outcome"),
    [
        (["Failed"], "failed"),
        (["Timeout"], "timed_out"),
        (["Timeout", "Failed", "Failed"], "failed"),
        (["Failed", "Timeout", "Timeout"], "timed_out"),
        (["Failed", "Timeout", "Failed"], "timed_out"),
        (["Failed", "Rejected", "Timeout"], "could_not_tell"),
        (["Poisoned"], "could_not_tell"),
        (["Timeout", "Succeeded"], "succeeded"),
    ],
    ids=str,
)
def test_what_runs_of_a_probe_come_to(words, outcome):
    scenario, report = healed_with(MAILBOX, invoke_probe=Says(*words))
    assert step_of(report, "reprobing").outcome == outcome
    drained = scenario.organisation.history.of(h.ActivationDisabledSet)
    assert bool(drained) is (outcome == "failed")


def test_a_cause_that_is_named_after_the_restart_ends_it():
    said = Says("Failed", error="-ERR [Error=ProxyNotAuthenticated Proxy=x:1995:SSL] Logon failure")
    scenario, report = healed_with(MAILBOX, invoke_probe=said)
    step = step_of(report, "reprobing")
    assert (step.outcome, step.kind) == ("blocked", FindingKind.CAUSE)
    assert report.verdict is Verdict.ESCALATED
    assert not scenario.organisation.history.of(h.ActivationDisabledSet)


def test_what_can_not_be_asked_stops_what_disrupts():
    """The probe did fail, so that is what it says; the drain asks again, and is not done."""

    def silent(real, server):
        if restarted(real):
            raise Unreachable(server=server, command="Get-ServerComponentState", cause="silence")
        return real.component_states(server)

    scenario, report = healed_with(MAILBOX, component_states=silent)
    step = step_of(report, "reprobing")
    assert step.outcome == "failed"
    assert "could not be looked at" in step.detail
    assert step_of(report, "checking_switchover").outcome == "could_not_tell"
    assert not scenario.organisation.history.of(h.ActivationDisabledSet)


# --- back ends -----------------------------------------------------------------------------------


def service_is(state, start_type):
    def services(real, server, names):
        return [
            evolve(one, state=state, start_type=start_type)
            if one.name == "MSExchangePOP3BE" and not server.casefold().startswith("cas")
            else one
            for one in real.services(server, names)
        ]

    return services


@pytest.mark.parametrize("start_type", ["Manual", "Disabled"])
def test_a_back_end_that_is_off_is_told_and_left_alone(start_type):
    scenario, report = healed_with(FOUND_IN_LOG, services=service_is("Stopped", start_type))
    said = "\n".join(one.detail for run in report.runs for one in run.steps)
    said += "\n".join(one.detail + one.next_step for one in report.findings)
    assert report.verdict is Verdict.ESCALATED
    assert "MSExchangePOP3BE" in said
    assert not scenario.organisation.history.of(h.RebootCommanded)
    assert not scenario.organisation.history.of(h.ActivationDisabledSet)


# --- services ------------------------------------------------------------------------------------


def test_one_of_two_services_that_is_restarted_is_told():
    """What was done is not told as "not attempted"."""

    def restart(real, server, service):
        if service == "MSExchangePOP3BE":
            raise NotBegun(server=server, command="Restart-Service", cause="it is being removed")
        real.restart_service(server, service)

    _, report = healed_with("command-time-healed-by-restart", restart_service=restart)
    step = step_of(report, "restarting_pop3_services")
    assert step.outcome == "could_not_tell"
    assert step.detail.startswith("MSExchangePop3 runs as process")
    assert "it is being removed" in step.detail
    assert "not attempted" not in step.detail
    assert report.verdict is Verdict.ESCALATED


def test_a_service_that_is_stuck_is_told_with_its_process():
    _, report = healed_with("service-hangs-while-stopping")
    step = step_of(report, "restarting_pop3_backend")
    assert (step.outcome, step.kind) == ("could_not_tell", FindingKind.STUCK)
    assert "Stop-Process -Id " in step.detail

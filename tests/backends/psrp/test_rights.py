"""What the account may not do: known before anything is changed, or told for what it is."""

from __future__ import annotations

import pytest
from attrs import evolve

from popheal import Alert, Impact, Policy, Verdict, heal
from popheal.backends.psrp import PsrpBackend, rights
from popheal.backends.psrp.error_records import ErrorText, failure
from popheal.backends.simulated import load_scenario
from popheal.errors import BackendError, CommandFailed, NotAuthorised, Unreachable
from popheal.exchange.backend import RightsKnown
from popheal.journal import Journal
from popheal.lab import Lab
from popheal.lab.cmdlets import CMDLETS
from popheal.reports.report import FindingKind

EFFECTS = ("set_protocol_logging", "set_activation_disabled", "move_database")


@pytest.fixture
def drained():
    return load_scenario("mailbox-healed-by-reboot")


def served(scenario):
    servers = [one.fqdn for one in scenario.organisation.world.servers]
    return Lab(scenario.backend, servers, is_up=scenario.organisation.answers)


def without(monkeypatch, cmdlet, *parameters):
    """Let the account's role lack a cmdlet, or parameters of it."""
    known = CMDLETS[cmdlet.lower()]
    if parameters:
        left = known.parameters - {one.lower() for one in parameters}
        monkeypatch.setitem(CMDLETS, cmdlet.lower(), evolve(known, parameters=left))
    else:
        monkeypatch.delitem(CMDLETS, cmdlet.lower())


LACKING = {
    "the parameter DatabaseCopyActivationDisabledAndMoveNow of Set-MailboxServer": (
        "Set-MailboxServer",
        "DatabaseCopyActivationDisabledAndMoveNow",
    ),
    "the parameter ActivateOnServer of Move-ActiveMailboxDatabase": (
        "Move-ActiveMailboxDatabase",
        "ActivateOnServer",
    ),
    "the cmdlet Move-ActiveMailboxDatabase": ("Move-ActiveMailboxDatabase",),
}


@pytest.mark.lab
@pytest.mark.parametrize("said", LACKING)
def test_what_a_role_lacks_is_known_before_the_first_effect(monkeypatch, drained, said):
    """Else it would be met at the drain, after POP3 was restarted in vain."""
    without(monkeypatch, *LACKING[said])
    with served(drained) as lab, PsrpBackend(lab.settings()) as backend, Journal() as journal:
        policy, clock = Policy(move_databases_back=True), drained.clock
        report = heal(Alert(server="MBX1"), backend, policy=policy, clock=clock, journal=journal)
    assert report.verdict is Verdict.HELD
    assert said in report.summary
    found = [one for one in report.findings if one.kind is FindingKind.NOT_AUTHORISED]
    assert "management role" in found[0].next_step
    assert not report.runs


@pytest.mark.lab
@pytest.mark.parametrize(
    ("policy", "cmdlets"),
    [
        (Policy(highest_impact=Impact.CHANGE), ["Move-ActiveMailboxDatabase", "Set-MailboxServer"]),
        (Policy(), ["Move-ActiveMailboxDatabase", "Set-PopSettings"]),
    ],
)
def test_what_will_not_be_done_needs_no_rights(monkeypatch, policy, cmdlets):
    for cmdlet in cmdlets:
        without(monkeypatch, cmdlet)
    scenario = load_scenario("mailbox-healed-by-restart")
    with served(scenario) as lab, PsrpBackend(lab.settings()) as backend, Journal() as journal:
        clock, alert = scenario.clock, Alert(server="MBX1")
        report = heal(alert, backend, policy=policy, clock=clock, journal=journal)
    assert report.verdict is Verdict.RECOVERED


@pytest.mark.lab
def test_a_list_without_what_was_run_before_means_nothing(monkeypatch, drained):
    with served(drained) as lab, PsrpBackend(lab.settings()) as backend:
        assert isinstance(backend, RightsKnown)
        assert backend.rights_missing("MBX1", EFFECTS) == ()
        for name in list(CMDLETS):
            monkeypatch.delitem(CMDLETS, name)
        assert backend.rights_missing("MBX1", EFFECTS) == ()


def test_where_it_can_not_be_asked_nothing_is_said_to_be_missing(monkeypatch, drained):
    with served(drained) as lab:
        settings = lab.settings(connect_timeout=1)
    with PsrpBackend(settings) as backend:
        assert backend.rights_missing("MBX1", EFFECTS) == ()
        with pytest.raises(Unreachable):
            backend.server_health("MBX1")


def test_a_parameter_list_that_was_not_told_lacks_nothing():
    assert rights.missing(EFFECTS, []) == ()


# --- a plain endpoint that runs no scripts -------------------------------------------------------

LIMITED = {
    "constrained": (
        "PSInvalidOperationException",
        "MethodInvocationNotSupportedInConstrainedLanguage",
        "Cannot invoke method: only on core types in this language mode.",
    ),
    "a type": (
        "PSNotSupportedException",
        "CannotCreateTypeConstrainedLanguage,Microsoft.PowerShell.Commands.NewObjectCommand",
        "Cannot create type. Only core types are supported in this language mode.",
    ),
    "a conversion": (
        "RuntimeException",
        "ConversionSupportedOnlyToCoreTypes",
        "Cannot convert value to type. Only core types are supported.",
    ),
    "in another language": (
        "PSInvalidOperationException",
        "MethodInvocationNotSupportedInConstrainedLanguage",
        "Die Methode kann nicht aufgerufen werden.",
    ),
    "none": (
        "ParseException",
        "ScriptsNotAllowed",
        "The syntax is not supported by this runspace, which may be in no-language mode.",
    ),
    "JEA": (
        "CommandNotFoundException",
        "CommandNotFoundException",
        "The term 'Get-CimInstance' is not recognized as a name of a cmdlet.",
    ),
}


@pytest.mark.parametrize("name", LIMITED)
@pytest.mark.parametrize("effect", [False, True], ids=["look", "effect"])
def test_an_endpoint_that_runs_no_scripts_is_told_as_such(name, effect):
    reason, error_id, text = LIMITED[name]
    seen = [ErrorText(text=text, reason=reason, error_id=error_id)]
    told = failure(seen, server="ex1", command="read services", effect=effect, script=True)
    assert isinstance(told, NotAuthorised if name == "JEA" else CommandFailed)
    assert "full language mode" in told.next_step


def test_a_cmdlet_that_a_role_lacks_is_still_a_matter_of_rights():
    reason, error_id, text = LIMITED["JEA"]
    seen = [ErrorText(text=text, reason=reason, error_id=error_id)]
    told = failure(seen, server="ex1", command="Get-ServerHealth", effect=False)
    assert isinstance(told, NotAuthorised)
    assert isinstance(told, BackendError)
    assert "management role" in told.next_step

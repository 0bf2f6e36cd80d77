"""The rights as text to paste: exactly what the backend sends, for as far as the policy goes."""

from __future__ import annotations

import inspect
import re
from contextlib import suppress
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from popheal.backends.psrp import PsrpBackend, PsrpSettings, exchange_connection, winrm_connection
from popheal.backends.psrp.lines import Lines
from popheal.backends.psrp.rights import CMDLETS, ON_THE_SERVER, Cmdlet, cmdlet_for, needed_for
from popheal.backends.psrp.role_group import ACCOUNT, GROUP
from popheal.cli.app import popheal as command
from popheal.errors import PophealError
from popheal.exchange.backend import EFFECTS, LOOKS
from popheal.lab import cmdlets as lab_cmdlets

#: An argument of each type that a method takes.
SOME = {"str": "X", "bool": True, "datetime": datetime(2026, 1, 5, tzinfo=UTC)}
SOME["Sequence[str]"] = ["X"]


def sent_by(method, monkeypatch):
    """What a method of the backend sends: (cmdlet, its parameters), or the script's name."""
    sent = []
    monkeypatch.setattr(
        Lines, "exchange", lambda _, server, cmdlet, given, **how: sent.append((cmdlet, set(given)))
    )
    monkeypatch.setattr(Lines, "plain", lambda _, server, what, *more, **how: sent.append(what))
    monkeypatch.setattr("popheal.backends.psrp.parse.rows", lambda *_, **__: [])
    settings = PsrpSettings(exchange=exchange_connection(["ex1"]), winrm=winrm_connection())
    call = getattr(PsrpBackend(settings), method)
    given = [SOME[one.annotation] for one in inspect.signature(call).parameters.values()]
    with suppress(PophealError, TypeError):  # nothing comes back
        call(*given)
    (one,) = sent
    return one


@pytest.mark.parametrize("method", [*LOOKS, *EFFECTS])
def test_the_table_is_what_is_sent(monkeypatch, method):
    """A new cmdlet, or a new parameter, can't be forgotten: neither in the table nor out of it."""
    sent = sent_by(method, monkeypatch)
    if isinstance(sent, str):
        assert method in ON_THE_SERVER
        assert method not in CMDLETS
    else:
        assert sent == (CMDLETS[method].name, set(CMDLETS[method].parameters))
        assert method not in ON_THE_SERVER


def test_what_is_not_in_the_table_is_not_sent():
    with pytest.raises(ValueError, match="Get-ServerHealth is given HealthSet"):
        cmdlet_for("server_health", ["Identity", "HealthSet"])


def test_the_lab_takes_all_of_it():
    for one in needed_for([*LOOKS, *EFFECTS]):
        known = lab_cmdlets.CMDLETS[one.name.lower()].parameters
        assert {parameter.lower() for parameter in one.parameters} <= known


# --- the text ------------------------------------------------------------------------------------


def rights(*arguments):
    result = CliRunner().invoke(command, ["rights", *arguments])
    assert result.exit_code == 0, result.output
    return result.stdout


def roles_in(text):
    """The cmdlets that the text gives roles for."""
    table = re.search(r"\$needed = \[ordered\] @\{\n(.*?)\n\}\n", text, re.DOTALL)[1]
    rows = [re.fullmatch(r"    '([\w-]+)' = @\((.*)\)", line) for line in table.splitlines()]
    return {row[1]: re.findall(r"'(\w+)'", row[2]) for row in rows}


EFFECTS_OF = {
    "look": set(),
    "change": {"Set-PopSettings", "Set-ServerComponentState"},
    "disrupt": {"Set-PopSettings", "Set-ServerComponentState", "Set-MailboxServer"},
}


@pytest.mark.parametrize("level", EFFECTS_OF)
def test_exactly_what_the_policy_needs(level):
    given = roles_in(rights("--for", level))
    effects = [one for one in EFFECTS if one in CMDLETS and CMDLETS[one].name in EFFECTS_OF[level]]
    assert given == {one.name: list(one.parameters) for one in needed_for([*LOOKS, *effects])}
    assert {name for name in given if not name.startswith(("Get-", "Test-", "Invoke-"))} == (
        EFFECTS_OF[level]
    )
    said = rights("--for", level)
    assert ("restarts Windows" in said) == (level == "disrupt")
    assert ("restarts a POP3 service" in said) == (level != "look")


def test_the_policy_of_a_configuration_decides(tmp_path):
    config = tmp_path / "popheal.toml"
    config.write_text('[policy]\nmove_databases_back = true\npop_proxy = "never"\n')
    given = roles_in(rights("--config", str(config)))
    assert "Move-ActiveMailboxDatabase" in given
    assert "Set-ServerComponentState" not in given
    without_reboot = roles_in(rights("--config", str(config), "--for", "change"))
    assert {"Move-ActiveMailboxDatabase", "Set-MailboxServer"} & set(without_reboot) == set()


def test_names_are_quoted():
    text = rights("--account", "O'Brien\u2018s", "--group", "POP rescue")
    assert "$account = 'O''Brien\u2018\u2018s'" in text
    assert "$group = 'POP rescue'" in text
    assert "Administrators 'O''Brien\u2018\u2018s' /add" in text


@pytest.mark.parametrize("option", ["--account", "--group"])
@pytest.mark.parametrize("name", ["popheal\nRemove-Mailbox ann", "", " "])
def test_a_name_is_one_line(option, name):
    """It stands in a comment, too: the second line of it would be a command."""
    result = CliRunner().invoke(command, ["rights", option, name], env={"POPHEAL_CONFIG": None})
    assert (result.exit_code, result.stdout) == (2, "")
    assert "give a name, on one line" in result.stderr


def test_the_group_is_not_called_as_the_account_is():
    """Get-ManagementRoleAssignment -RoleAssignee takes either, so it would be ambiguous."""
    assert ACCOUNT.rpartition("\\")[2] != GROUP


def test_it_fits_a_window():
    assert max(map(len, rights().splitlines())) <= 100


def test_a_cmdlet_has_the_parameters_of_all_its_methods():
    found = needed_for(["database_copies", "copies_of", "restart_service"])
    assert found == (Cmdlet("Get-MailboxDatabaseCopyStatus", ("Server", "Identity")),)

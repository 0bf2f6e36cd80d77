"""Every look and effect, over real WS-Management and PSRP, says what the served backend says."""

from __future__ import annotations

import pickle
import re
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta

import attrs
import pytest

from popheal.backends.psrp import PsrpBackend, error_records, exchange_connection, scripts
from popheal.backends.psrp.scripts import RECOVERY_ACTIONS, RESTART_SERVER, RESTART_SERVICE
from popheal.errors import CommandFailed, NotAuthorised, NotBegun, Unreachable, Unreadable
from popheal.exchange.backend import EFFECTS, LOOKS, Backend
from popheal.exchange.models import MailboxServer, ServerInfo
from popheal.journal import Journal
from popheal.lab import Lab
from popheal.lab.cmdlets import CMDLETS
from tests.support.lab_backend import BOOT, EX1, EX2, NOW, FakeBackend

pytestmark = pytest.mark.lab

SCRIPTS = {
    name: one for name, one in vars(scripts).items() if isinstance(one, str) and "param(" in one
}
#: It is asked where it is, in whatever language that is.
ABOUT = SCRIPTS.pop("ABOUT")

ARGUMENTS: dict[str, tuple[object, ...]] = {
    "dag": (EX1, "DAG1"),
    "invoke_probe": (EX1, "POP.Proxy\\PopProxyTestProbe"),
    "monitoring_items": (EX1, "POP.Protocol"),
    "copies_of": (EX1, "DB1"),
    "services": (EX1, ("MSExchangePop3", "MSExchangePOP3BE")),
    "pop_logs": (EX1, "D:\\Logs\\$(bad) 'quoted'", NOW - timedelta(minutes=1), NOW),
    "recovery_actions": (EX1, NOW - timedelta(hours=1)),
    "restart_service": (EX1, "MSExchangePop3"),
    "start_service": (EX1, "MSExchangePop3"),
    "set_activation_disabled": (EX1, True),
    "move_database": (EX1, "DB1"),
    "set_protocol_logging": (EX1, True),
    "set_component_state": (EX1, "PopProxy", True, "HealthAPI"),
    "reboot": (EX1, BOOT),
}


BY_NAME = ("set_activation_disabled", "move_database")


@pytest.mark.parametrize("method", LOOKS + EFFECTS)
def test_says_the_same_as_the_served_backend(
    method: str, backend: PsrpBackend, fake: FakeBackend
) -> None:
    """Nothing of an answer, and nothing of the arguments, is lost or changed on the way."""
    arguments = ARGUMENTS.get(method, (EX1,))
    over_the_wire = getattr(backend, method)(*arguments)
    calls = [call for call in fake.calls if call[0] == method]
    expected = getattr(FakeBackend(), method)(*arguments)
    assert expected == over_the_wire
    assert len(calls) == 1
    if method in BY_NAME:
        # Their documentation has Name, DN and GUID as identity, and not the full name.
        assert calls[0][1] == ("ex1", *arguments[1:])
    elif method not in ("all_servers", "dag", "copies_of"):
        assert arguments == calls[0][1]


def test_is_a_backend(backend: PsrpBackend) -> None:
    """It keeps the protocol and names its organisation."""
    assert isinstance(backend, Backend)
    assert "contoso.test" in repr(backend)


def test_all_real_connections_are_one_organisation(lab: Lab) -> None:
    """Two configurations of one forest, by servers of two of its domains, share claims."""
    one = PsrpBackend(lab.settings([EX1]))
    other = PsrpBackend(attrs.evolve(lab.settings(), exchange=exchange_connection(["ex9.sub.b"])))
    assert one.organisation == other.organisation == "exchange"
    journal = Journal()
    first, second = (
        journal.begin(
            name,
            at=datetime(2026, 1, 5, tzinfo=UTC),
            organisation=one.organisation,
            server=EX1,
            version="",
            alert={},
            policy={},
        )
        for name, one in (("first", one), ("second", other))
    )
    assert first.claim("server", EX1) is None
    assert second.claim("server", EX1) == "first"


def test_importing_does_not_import_the_client_library() -> None:
    """The real backend's libraries are loaded by the first connection only."""
    code = "import sys, popheal.backends.psrp as p; sys.exit('pypsrp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.mark.parametrize("name", ["ex1", "EX1", "EX1.Contoso.Test"])
def test_names_in_any_form(name: str, backend: PsrpBackend) -> None:
    """Short names and other capitals work at both endpoints."""
    assert backend.server_info(name).fqdn == EX1
    assert backend.host_status(name).boot_time == BOOT


def test_goes_through_another_server(backend: PsrpBackend, lab: Lab) -> None:
    """The server under repair is not the way there while another is configured."""
    backend.server_health(EX1)
    assert (lab.shells(EX1), lab.shells(EX2)) == (0, 1)
    backend.set_activation_disabled("EX2", True)
    assert (lab.shells(EX1), lab.shells(EX2)) == (1, 1)


def test_goes_through_the_server_itself_if_it_must(lab: Lab, fake: FakeBackend) -> None:
    """With one endpoint configured, that one is used."""
    with PsrpBackend(lab.settings([EX1])) as backend:
        backend.server_health(EX1)
        assert lab.shells(EX1) == 1


def test_fails_over_to_the_next_endpoint(lab: Lab, fake: FakeBackend) -> None:
    """An endpoint that is down is passed over, for looks and for effects."""
    fake.down.add(EX1)
    lab.sync()
    with PsrpBackend(lab.settings(connect_timeout=2)) as backend:
        backend.copies_of("ex3", "DB1")
        backend.move_database("ex3", "DB1")
    assert fake.count("move_database") == 1


def test_shells_are_reused_and_given_back(backend: PsrpBackend, lab: Lab) -> None:
    """One shell an endpoint, however many calls; none after close, which may be repeated."""
    for _ in range(5):
        backend.server_health(EX1)
        backend.host_status(EX1)
    assert lab.shells(EX2) == 1
    assert lab.shells(EX1, "wsman") == 1
    backend.close()
    backend.close()
    assert lab.shells(EX2) == lab.shells(EX1, "wsman") == 0
    assert backend.server_info(EX1).fqdn == EX1


def test_a_server_that_was_told_to_restart_keeps_no_shell(lab: Lab, fake: FakeBackend) -> None:
    """It may never go down; and it still listens for some seconds if it does."""
    with PsrpBackend(lab.settings([EX1])) as backend:
        backend.server_health(EX1)
        booted = backend.host_status(EX1).boot_time
        assert (lab.shells(EX1), lab.shells(EX1, "wsman")) == (1, 1)
        backend.reboot(EX1, booted)
        assert (lab.shells(EX1), lab.shells(EX1, "wsman")) == (0, 0)
    assert fake.count("reboot") == 1


def test_who_wants_out_at_once_does_not_wait_to_say_goodbye(lab: Lab, fake: FakeBackend) -> None:
    """A server that is silent by then would hold them."""
    backend = PsrpBackend(lab.settings([EX1]))
    backend.server_health(EX1)
    backend.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert lab.shells(EX1) == 1
    assert backend.server_health(EX1)
    backend.close()


def test_a_shell_long_unused_is_replaced(
    backend: PsrpBackend, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that proxies and tickets may have forgotten isn't trusted with an effect."""
    backend.server_health(EX1)
    from popheal.backends.psrp import routing

    monkeypatch.setattr(routing, "_IDLE", -1.0)
    backend.server_health(EX1)
    assert lab.shells(EX2) == 1


def test_a_server_that_restarts(backend: PsrpBackend, lab: Lab, fake: FakeBackend) -> None:
    """The restart is acknowledged, the server is away, and is there again with a new boot time."""

    def go_down(server: str) -> None:
        fake.down.add(server)

    fake.on_reboot = go_down
    backend.host_status(EX1)
    backend.reboot(EX1, BOOT)
    lab.sync()
    with pytest.raises(Unreachable, match="refused"):
        backend.host_status(EX1)
    fake.boots[EX1] = BOOT + timedelta(minutes=5)
    fake.down.clear()
    lab.sync()
    assert backend.host_status(EX1).boot_time == BOOT + timedelta(minutes=5)
    with pytest.raises(NotBegun, match="started since") as caught:
        backend.reboot(EX1, BOOT)
    assert caught.value.reason == "boot_time"


def test_long_logs_come_as_head_and_tail(backend: PsrpBackend, fake: FakeBackend) -> None:
    """What was left out is said, and no line is torn."""
    line = "2026-01-05T08:00:00.000Z,0000,{:08d},é" + "x" * 60 + "\r\n"
    fake.log_text = "#Fields: dateTime\r\n" + "".join(line.format(n) for n in range(20000))
    (file,) = backend.pop_logs(EX1, "", NOW, NOW)
    lines = file.text.split("\r\n")
    assert lines[0] == "#Fields: dateTime"
    (marker,) = [text for text in lines if text.startswith("#Omitted")]
    assert re.fullmatch(r"#Omitted: [1-9]\d* bytes", marker)
    assert "00019999" in lines[-2]
    whole = [text for text in lines if text and not text.startswith("#")]
    assert {len(text) for text in whole} == {len(line.format(0)) - 2}


def test_wildcards_are_no_service_names(backend: PsrpBackend, fake: FakeBackend) -> None:
    """Restart-Service takes patterns, so a pattern isn't let through."""
    for name in ("MSExchange*", "", "a b", "x;Stop-Computer"):
        with pytest.raises(NotBegun, match="not the name of a service"):
            backend.restart_service(EX1, name)
    assert not fake.calls


def test_an_answer_about_another_server(backend: PsrpBackend, fake: FakeBackend) -> None:
    """Is no answer: acting on it would be acting on the wrong server."""
    other = ServerInfo(fqdn=EX2, name="ex2", mailbox_role=True, client_access_role=True)
    fake.server_info = lambda server: other  # type: ignore[method-assign]
    with pytest.raises(Unreadable, match=EX2):
        backend.server_info(EX1)
    wrong = MailboxServer(server=EX2, activation_disabled=False)
    fake.mailbox_server = lambda server: wrong  # type: ignore[method-assign]
    with pytest.raises(Unreadable, match="ex2"):
        backend.mailbox_server(EX1)


def test_a_wrong_address_reaches_no_wrong_server(lab: Lab, fake: FakeBackend) -> None:
    """Scripts check the name of the server they run on before they do anything."""
    settings = lab.settings()
    addresses = {EX1: settings.addresses[EX2], EX2: settings.addresses[EX2]}
    wrong = PsrpBackend(attrs.evolve(settings, addresses=addresses))
    with wrong:
        with pytest.raises(NotBegun, match="This server is ex2, not ex1") as caught:
            wrong.reboot(EX1, BOOT)
        with pytest.raises(CommandFailed, match="This server is ex2, not ex1"):
            wrong.host_status(EX1)
    assert caught.value.reason == "wrong_server"
    assert "address" in caught.value.next_step
    assert not fake.calls


def test_no_password_in_sight(backend: PsrpBackend, lab: Lab) -> None:
    """Settings, backend and lab can be printed and logged."""
    shown = f"{backend.settings!r} {backend!r} {lab!r}"
    assert lab.password not in shown
    with pytest.raises(TypeError):
        pickle.dumps(backend.settings)


def test_a_call_waits_for_nothing_but_answers(
    backend: PsrpBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To open a shell and look in it is no matter of polling."""
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    backend.server_health(EX1)
    backend.close()
    assert slept == []


@pytest.mark.parametrize(
    "method", ["services", "host_status", "pop_logs", "recovery_actions", *EFFECTS]
)
def test_scripts_declare_what_they_are_given(
    method: str, backend: PsrpBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each parameter that is sent is in the script's param block, and none is left out."""
    import popheal.lab.served as module

    seen: list[tuple[str, set[str]]] = []
    original = module.run_script

    def noting(served: object, server: str, text: str, given: dict[str, object], *more) -> object:
        seen.append((text, set(given)))
        return original(served, server, text, given, *more)  # type: ignore[arg-type]

    monkeypatch.setattr(module, "run_script", noting)
    getattr(backend, method)(*ARGUMENTS.get(method, (EX1,)))
    for text, given in seen:
        block = text.partition("param(")[2].partition(")\n")[0]
        assert given == set(re.findall(r"\$(\w+)", block))


def test_scripts_are_plain() -> None:
    """ASCII, so that no code page matters; each starts by checking where it runs."""
    for script in SCRIPTS.values():
        assert script.isascii()
        before = script.partition("$here -ne $HostName")[0].partition(")\n")[2]
        # Only how a refusal is told comes before.
        assert re.sub(r"function Deny.*?\n}\n", "", before, flags=re.DOTALL).splitlines() == [
            "$ErrorActionPreference = 'Stop'",
            "Set-StrictMode -Off",
            "# The wrong address must not lead to the wrong server.",
            "$here = [System.Net.Dns]::GetHostName()",
            "if (",
        ]


def test_the_script_that_is_asked_where_it_is_needs_no_language() -> None:
    """All that it calls may fail; what it puts out is of types that each language mode has."""
    assert ABOUT.isascii()
    assert re.findall(r"\[[\w.]+\](?:::\w+)?", ABOUT) == [
        "[string]",
        "[System.Net.Dns]::GetHostName",
        "[pscustomobject]",
        "[string]",
        "[string]",
    ]
    (calls,) = [line for line in ABOUT.splitlines() if "::" in line]
    assert re.fullmatch(r"try \{ .* \} catch \{ \$here = \$env:COMPUTERNAME \}", calls)


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_end_at_the_first_error(name: str) -> None:
    """It is the first thing they say; only looks for processes that may be gone go on."""
    script = SCRIPTS[name]
    assert re.match(r"\nparam\([^)]*\)\n\$ErrorActionPreference = 'Stop'\n", script)
    assert script.count("$ErrorActionPreference") == 1
    for line in script.splitlines():
        goes_on = "Get-Process" in line or "Get-Command" in line
        assert ("SilentlyContinue" in line) == goes_on
    assert "ErrorAction Continue" not in script


def test_a_restart_fails_closed() -> None:
    """Each thing that must be known is checked before shutdown.exe, and each refusal throws."""
    before, _, after = RESTART_SERVER.partition("Start-Process")
    assert "if ($null -eq $system) { Deny ''" in before
    assert "if ($null -eq $system.LastBootUpTime) { Deny ''" in before
    assert before.index("LastBootUpTime) { Deny") < before.index("$system.LastBootUpTime.To")
    assert re.search(r"TotalSeconds\) -gt 30\) \{[^}]*Deny 'boot_time'", before)
    # The first restart may be about to happen, so this one is no certain refusal.
    assert re.search(r"if \(\$null -ne \$root\.OpenSubKey\(\$path\)\) \{\s+throw", before)
    assert "already under way" in before
    assert "shutdown.exe" not in before
    assert "return" not in RESTART_SERVER
    assert "if ($code -ne 0) { throw $said }" in after
    # Not left behind where there was no restart.
    assert re.search(r"catch \{\s+\$root\.DeleteSubKey\(\$path\)\s+throw\s+\}\s*\Z", after)


def test_exit_codes_that_are_certain() -> None:
    """Those by which nothing was begun, with the reason; any other is no more than a failure."""
    table = RESTART_SERVER.partition("$reasons = @{")[2].partition("}")[0]
    reasons = {int(code): why for code, why in re.findall(r"(\d+) = '(\w*)'", table)}
    assert {code for code, why in reasons.items() if why == "denied"} == {5, 1300, 1314}
    assert {code for code, why in reasons.items() if why == "shutdown"} == {1115, 1190}
    assert 0 not in reasons


@pytest.mark.parametrize("name", SCRIPTS)
def test_refusals_have_ids(name: str) -> None:
    """The id is what the reader looks for, and each reason is one that has a next step."""
    script = SCRIPTS[name]
    assert f'"{scripts.NOT_BEGUN}.$Reason"' in script
    for reason in re.findall(r"Deny '(\w*)'", script):
        assert reason == "" or reason in error_records._ON_REFUSAL


def test_a_node_is_told_where_there_is_one() -> None:
    """No cluster, no module or no right: whatever goes wrong there, the rest is told."""
    (line,) = (one for one in scripts.HOST_STATUS.splitlines() if "Get-ClusterNode" in one)
    assert re.fullmatch(r"try \{ \$node = .* \} catch \{ \$node = '' \}", line)
    assert "GetUtcOffset([datetime]::UtcNow).TotalSeconds" in scripts.HOST_STATUS


REFUSALS = [
    ("boot_time", "restarted meanwhile"),
    ("denied", "administrator"),
    ("disabled", "disabled the service"),
    ("missing", "which services"),
    ("shutdown", "shutdown.exe /a"),
    ("", "Nothing was changed"),
]


@pytest.mark.parametrize(("reason", "next_step"), REFUSALS)
def test_what_a_script_declines_was_not_begun(
    backend: PsrpBackend, fake: FakeBackend, reason: str, next_step: str
) -> None:
    """In whatever words: the id says it, and why, and the operator is told what to do."""
    told = NotBegun(server=EX1, command="x", cause="Nicht neu gestartet: 5.", reason=reason)
    fake.fail("reboot", told)
    with pytest.raises(NotBegun) as caught:
        backend.reboot(EX1, BOOT)
    assert (caught.value.cause, caught.value.reason) == (told.cause, reason)
    assert next_step in str(caught.value)


def test_the_same_words_without_the_id_are_no_refusal(
    backend: PsrpBackend, fake: FakeBackend
) -> None:
    """Words are for people: nothing is made of them."""
    cause = "PophealNotBegun.boot_time Not restarted: the last boot was at ..."
    fake.fail("reboot", CommandFailed(server=EX1, command="x", cause=cause))
    with pytest.raises(CommandFailed, match="last boot"):
        backend.reboot(EX1, BOOT)


def test_a_parameter_outside_the_role(
    backend: PsrpBackend, fake: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Parameters are bound before anything is begun, so nothing was; and a role can be mended."""
    known, lacks = CMDLETS["set-popsettings"], {"protocollogenabled"}
    left = attrs.evolve(known, parameters=known.parameters - lacks)
    monkeypatch.setitem(CMDLETS, "set-popsettings", left)
    with pytest.raises(NotAuthorised, match="ProtocolLogEnabled") as caught:
        backend.set_protocol_logging(EX1, True)
    assert "parameter" in caught.value.next_step
    assert not fake.calls


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        ("There is not an event log on the localhost computer that matches it.", CommandFailed),
        ("Attempted to perform an unauthorized operation.", NotAuthorised),
    ],
)
def test_recovery_actions_that_cannot_be_read(
    backend: PsrpBackend, fake: FakeBackend, error: str, raised: type[Exception]
) -> None:
    """A log that isn't there, or is closed to the account, is an error; no events are none."""
    fake.fail("recovery_actions", CommandFailed(server=EX1, command="Get-WinEvent", cause=error))
    with pytest.raises(raised, match=r"event log|unauthorized"):
        backend.recovery_actions(EX1, NOW)
    fake.fail("recovery_actions", Unreadable(server=EX1, command="Get-WinEvent", cause="?"))
    with pytest.raises(Unreadable, match="TimeCreated"):
        backend.recovery_actions(EX1, NOW)
    fake.recovery_actions = lambda server, since: []  # type: ignore[method-assign]
    assert backend.recovery_actions(EX1, NOW) == []


def test_no_events_is_the_only_error_that_is_no_error() -> None:
    """Each log is asked for first, as a query finds nothing in one that it may not read."""
    before, _, after = RECOVERY_ACTIONS.partition("-FilterHashtable")
    assert "Get-WinEvent -ListLog $name" in before
    for check in ("$null -eq $log)", "-not $log.IsEnabled)", "$null -eq $log.RecordCount)"):
        assert f"if ({check} {{ throw" in before
    assert RECOVERY_ACTIONS.count("catch") == 1
    assert re.search(r"-notlike 'NoMatchingEventsFound,\*'\) \{ throw \}", after)
    # Neither may what was cut off pass for all of it.
    assert re.search(r"\$found\.Count -ge \$Most\) \{\s+throw", after)


def test_a_disabled_service_is_not_stopped() -> None:
    """It could not be started again."""
    before, _, after = RESTART_SERVICE.partition("Restart-Service")
    assert re.search(r"StartMode -eq 'Disabled'\) \{ Deny 'disabled'", before)
    assert "Stop-Service" not in before + after

"""The table of causes: what it matches, what it leaves alone, and that an engineer can read it."""

from __future__ import annotations

import re
import time

import pytest

from popheal import Policy
from popheal.config.load import load_policy
from popheal.errors import ConfigurationError, InvalidValue
from popheal.healthsets.pop.causes import CAUSES, Cause, Helps, find_cause, name_cause

NOTHING, RESTART, UNDECIDED = Helps.NOTHING, Helps.SERVICE_RESTART, Helps.UNDECIDED
MAILBOX = "HealthMailboxab28d8876c2a4b0f9bdf@contoso.test"


@pytest.mark.parametrize(
    ("text", "name", "helps"),
    [
        (
            f"-ERR Logon failure: unknown user name or bad password. User: {MAILBOX}",
            "own account",
            NOTHING,
        ),
        (
            'Msg="AuthFailed:LogonDenied,User: x";ErrMsg=AuthFailed:LogonDenied',
            "own account",
            NOTHING,
        ),
        ("Status: 0xC0000234", "locked out", NOTHING),
        ("Sub Status: 0xc0000071", "expired", NOTHING),
        (
            f"System.ApplicationException: monitoring mailbox {MAILBOX} not found!\n   at x",
            "mailbox is missing",
            NOTHING,
        ),
        (
            "-ERR [Error=ProxyNotAuthenticated Proxy=ex01.contoso.test:1995:SSL] Logon failure",
            "prove itself",
            NOTHING,
        ),
        ('R="z NO LOGIN failed.";ErrMsg=ProxyNotAuthenticated', "prove itself", NOTHING),
        ("The remote certificate is invalid according to the procedure", "certificate", NOTHING),
        (
            "System.Security.Authentication.AuthenticationException: SSPI ist fehlgeschlagen",
            "TLS",
            NOTHING,
        ),
        ("System.ComponentModel.Win32Exception (0x80090331)", "TLS", NOTHING),
        ("Msg=UserConnectionLimitReached", "connection limit", NOTHING),
        ("Microsoft.Exchange.Data.Storage.MailboxOfflineException", "not mounted", NOTHING),
        ("MapiExceptionMailboxQuarantined: Unable to open", "quarantined", NOTHING),
        ("Microsoft.Exchange.Data.Directory.ADTransientException: dc1", "directory", NOTHING),
        (
            "System.Net.Sockets.SocketException (11001): Der angegebene Host ist unbekannt",
            "does not resolve",
            NOTHING,
        ),
        ("SocketException: HostNotFound", "does not resolve", NOTHING),
        (
            "Authentication failed.\nServer response while making\nconnection:[].",
            "taken offline",
            NOTHING,
        ),
        ("System.IO.IOException (0x80070070)", "disk is full", NOTHING),
        (
            'R="-ERR Server Unavailable. 21";Excpt="Could not load file-FileNotFoundException"',
            "file of the installation",
            NOTHING,
        ),
        ("System.Net.Sockets.SocketException (10061)", "Nobody listens", RESTART),
        (
            "No connection could be made because the target machine actively refused it",
            "Nobody listens",
            RESTART,
        ),
        ("-ERR Server Unavailable. 21", "Server Unavailable", UNDECIDED),
        ("aYKG NO LOGIN failed.", "logon failed", UNDECIDED),
        ("Logon failure: unknown user name or bad password.", "logon failed", UNDECIDED),
        (
            "The Microsoft Exchange POP3 service terminated unexpectedly.",
            "service stopped",
            UNDECIDED,
        ),
        ("The service on Local Computer started and then stopped.", "service stopped", UNDECIDED),
        ("ForceReboot ex1, asked for by PopProxyTestCafeOffline", "taken POP offline", UNDECIDED),
        (
            "System.ArgumentOutOfRangeException: Index was out of range",
            "Nothing to test",
            UNDECIDED,
        ),
        ("---> Microsoft.Mapi.MapiExceptionSessionLimit: x", "limit of the store", NOTHING),
        ("exceeded the maximum of 32 objects of type 'session'", "limit of the store", NOTHING),
        ("WebException: NameResolutionFailure", "does not resolve", NOTHING),
        # What Windows, .NET and the store say in English, where no code stands beside it.
        ("Could not establish trust relationship for the SSL/TLS channel", "certificate", NOTHING),
        ("The certificate has expired.", "certificate", NOTHING),
        ("0x80092013: the revocation server was offline", "certificate", NOTHING),
        ("because they do not possess a common algorithm", "TLS", NOTHING),
        ("The referenced account is currently locked out", "locked out", NOTHING),
        ("The user's password must be changed before signing in", "expired", NOTHING),
        (f"The user name or password is incorrect. {MAILBOX}", "own account", NOTHING),
        ("AccountDisabledException: MapiExceptionMailboxDisabled", "disabled", NOTHING),
        ("MapiExceptionUnknownUser: Unable to open (ec=1003)", "mailbox is missing", NOTHING),
        ("Could not find any available Domain Controller.", "directory", NOTHING),
        ("Active Directory server dc1.contoso.test is not available.", "directory", NOTHING),
        ("Kerberos: KRB_AP_ERR_MODIFIED", "can't authenticate", NOTHING),
        ("KRB5KRB_AP_ERR_SKEW", "Clocks", NOTHING),
        ("no data of the requested type was found", "does not resolve", NOTHING),
        ("MapiExceptionJetErrorLogDiskFull", "disk is full", NOTHING),
        (
            "Watson report about to be sent for: M.Exchange.Pop3, ArgumentOutOfRangeException",
            "POP3 crashes",
            RESTART,
        ),
    ],
)
def test_known_words(text, name, helps):
    """Codes, values and types name their cause; in any case, and whatever the language around."""
    for one in (text, text.upper(), f"before\r\n{text}\r\nafter"):
        cause = name_cause([one])
        assert cause is not None
        assert name.casefold() in cause.name.casefold()
        assert cause.helps is helps
        assert (find_cause([one]) is None) is (helps is not NOTHING)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "The POP3 server did not answer the LOGIN in time.",
        "The POP3 back end did not send its banner.",
        "The probe failed by script.",
        "Something nobody has ever seen: 0xDEADBEEF",
        "127.0.0.1:10061 -> 127.0.0.1:11001",
        "user anna logged on; 1909 messages, 368710 octets",
        "certificate",
        "The password was read; the account has been logged on before",
        "Watson report about to be sent for w3wp.exe: System.ArgumentOutOfRangeException",
        "SessionLimits are fine; the maximum of 16 objects was not reached",
    ],
)
def test_unknown_words_change_nothing(text):
    """Numbers that are ports or counts are no codes."""
    assert name_cause([text]) is None


def test_what_forbids_most_counts():
    """Of several texts, or several causes in one."""
    bare, value = "NO LOGIN failed.", "ErrMsg=ProxyNotAuthenticated"
    for texts in ([bare, value], [value, bare], [f"{bare} {value}"]):
        assert name_cause(texts).helps is NOTHING
    ours = Cause(name="x", pattern="ProxyNot", says="y", next_step="z", helps=RESTART)
    assert name_cause([value], (ours, *CAUSES)).helps is NOTHING


def test_every_row_can_be_read_and_says_where_it_was_seen():
    """Names are there once; sentences are whole; nothing matches an empty text."""
    assert len({one.name for one in CAUSES}) == len(CAUSES)
    assert len(CAUSES) > 25
    order = [(NOTHING, RESTART, UNDECIDED).index(one.helps) for one in CAUSES]
    assert order == sorted(order)
    for one in CAUSES:
        assert one.source, one.name
        assert one.next_step.endswith((".", "?")), one.name
        assert not one.says.endswith("."), one.name
        assert not re.search(one.pattern, "", re.IGNORECASE)


def test_no_text_takes_long():
    """A text from outside can't keep the table busy."""
    for text in (
        "HealthMailbox " * 20_000,
        "SocketException" * 20_000,
        "monitoring mailbox" * 9000,
    ):
        begun = time.process_time()
        name_cause([text])
        assert time.process_time() - begun < 10


# --- causes of a policy --------------------------------------------------------------------------

OURS = """
[[policy.causes]]
name = "Our load balancer"
pattern = 'LB-\\d+'
says = "the load balancer has no member left"
next_step = "Call the network team."
"""


def test_a_policy_adds_causes(tmp_path):
    """From a file, and through JSON; they forbid everything unless they say otherwise."""
    path = tmp_path / "p.toml"
    path.write_text(OURS)
    policy = load_policy(path)
    assert [one.name for one in policy.causes] == ["Our load balancer"]
    assert policy.causes[0].helps is NOTHING
    assert Policy.from_json(policy.to_json()) == policy
    path.write_text(OURS + 'helps = "service_restart"\n')
    assert load_policy(path).causes[0].helps is RESTART


@pytest.mark.parametrize(
    "line", ["pattern = '('", "pattern = '.*'", "pattern = ''", "helps = 'all'"]
)
def test_a_cause_that_makes_no_sense_is_refused(tmp_path, line):
    """One that matches everything would forbid everything."""
    path = tmp_path / "p.toml"
    key = line.split()[0]
    kept = [one for one in OURS.splitlines() if not one.startswith(key)]
    path.write_text("\n".join([*kept, line]))
    with pytest.raises(ConfigurationError) as caught:
        load_policy(path)
    assert key in str(caught.value)


def test_a_program_hears_of_it_too():
    """The same bounds, in the same words."""
    with pytest.raises(InvalidValue):
        Cause(name="x", pattern="(", says="y", next_step="z")

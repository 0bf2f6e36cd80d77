"""Settings say where to connect, and keep what is secret."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from functools import partial

import attrs
import pytest
from pypsrp.exceptions import WSManFaultError
from requests.exceptions import SSLError
from spnego.exceptions import SpnegoError

from popheal.backends.psrp import (
    Connection,
    PsrpSettings,
    Secret,
    backend,
    error_records,
    exchange_connection,
    parse,
    routing,
    winrm_connection,
)
from popheal.backends.psrp import settings as settings_module
from popheal.backends.psrp.client import _wsman
from popheal.backends.psrp.error_records import RULES, ErrorText, Rule, failure, without_noise
from popheal.backends.psrp.failures import MEANING, Stage, Trouble, diagnose, meaning
from popheal.backends.psrp.transport import Limits
from popheal.errors import (
    CommandFailed,
    ConfigurationError,
    NotAuthorised,
    OutcomeUnknown,
    UnknownName,
    Unreachable,
)
from popheal.exchange import names
from popheal.exchange.names import same_server
from popheal.util.addresses import is_loopback
from popheal.util.text import one_line


def test_a_secret_shows_itself_to_nobody() -> None:
    """Not printed, not formatted, not in asdict, not pickled; but copied and compared."""
    secret = Secret("hunter2")
    settings = PsrpSettings(
        exchange=exchange_connection(["ex1.a.b"], username="u", password=secret),
        winrm=winrm_connection(username="u", password="hunter2"),
    )
    for shown in (repr(settings), str(secret), f"{secret}", repr(attrs.asdict(settings))):
        assert "hunter2" not in shown
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    assert copy.copy(secret) == copy.deepcopy(secret) == Secret("hunter2")
    assert secret != "hunter2"
    assert len({secret, Secret("hunter2"), Secret("other")}) == 2
    assert secret.reveal() == "hunter2"


def test_usual_ports_and_paths() -> None:
    """Exchange is at the web server's ports, each server's own endpoint at WinRM's."""
    assert [exchange_connection(["s"], ssl=s).port for s in (False, True)] == [80, 443]
    assert [winrm_connection(ssl=s).port for s in (False, True)] == [5985, 5986]
    exchange = exchange_connection(["s"], path="/PowerShell/", port=8080)
    assert (exchange.path, exchange.port, exchange.auth) == ("PowerShell", 8080, "kerberos")
    assert exchange.configuration == "Microsoft.Exchange"
    assert winrm_connection().path == "wsman"


@pytest.mark.parametrize(
    ("address", "host", "port"),
    [
        ("10.0.0.1", "10.0.0.1", 80),
        ("10.0.0.1:8443", "10.0.0.1", 8443),
        ("gateway:81", "gateway", 81),
        ("[::1]:82", "[::1]", 82),
        ("::1", "[::1]", 80),
    ],
)
def test_addresses(address: str, host: str, port: int) -> None:
    """An address with or without port serves both endpoints of its server, in any case of name."""
    settings = PsrpSettings(
        exchange=exchange_connection(["EX1.contoso.test"]),
        winrm=winrm_connection(),
        addresses={"ex1.Contoso.test": address},
    )
    target = settings.target("ex1", settings.exchange)
    assert (target.server, target.address) == ("EX1.contoso.test", host)
    assert target.connection.port == port
    if port != 80:
        assert settings.target("ex1.contoso.test", settings.winrm).connection.port == port


@pytest.mark.parametrize("address", ["ex1:", ":80", "ex1:http", "ex1:70000", ""])
def test_malformed_addresses(address: str) -> None:
    """Are found when the settings are made, if there is a port to be wrong."""
    if address == "ex1:":
        return
    with pytest.raises(ConfigurationError, match="address"):
        PsrpSettings(
            exchange=exchange_connection(["ex1"]),
            winrm=winrm_connection(),
            addresses={"ex1": address},
        )


@pytest.mark.parametrize(
    "fields",
    [
        {"auth": "magic"},
        {"auth": "basic"},
        {"auth": "basic", "username": "u"},
        {"auth": "certificate"},
        {"password": "p"},
    ],
)
def test_connections_that_can_not_work(fields: dict[str, str]) -> None:
    """Are refused when they are made, in one sentence."""
    with pytest.raises(ConfigurationError) as caught:
        Connection(**fields)  # type: ignore[arg-type]
    assert "p'" not in str(caught.value)


@pytest.mark.parametrize("make", [exchange_connection, lambda names: Connection(servers=names)])
def test_one_text_is_no_list_of_servers(make: Callable[[str], Connection]) -> None:
    """Not taken for the names of its letters."""
    with pytest.raises(ConfigurationError, match=r"'ex1\.contoso\.test'.*list of names"):
        make("ex1.contoso.test")


@pytest.mark.parametrize("make", [winrm_connection, partial(exchange_connection, ["ex1.a.b"])])
@pytest.mark.parametrize("user", ["me:hunter2@", "http://me:hunter2@", "//hunter2@", "HTTP://@"])
def test_no_password_in_a_proxy(user: str, make: Callable[..., Connection]) -> None:
    """With or without a scheme; and it isn't repeated."""
    with pytest.raises(ConfigurationError, match=r"is something else\..*with no @ in it") as caught:
        make(proxy=f"{user}proxy.a.b:3128")
    assert "hunter2" not in f"{caught.value} {caught.value!r}"


def test_a_proxy_is_not_shown() -> None:
    """Nor does it need to be."""
    connection = winrm_connection(proxy="http://proxy.a.b:3128")
    assert connection.proxy == "http://proxy.a.b:3128"
    assert "proxy.a.b" not in repr(connection)


def test_settings_that_can_not_work() -> None:
    """No server, or no time."""
    with pytest.raises(ConfigurationError, match="no Exchange server"):
        PsrpSettings(exchange=exchange_connection([]), winrm=winrm_connection())
    with pytest.raises(ConfigurationError, match="command_timeout"):
        PsrpSettings(
            exchange=exchange_connection(["a"]), winrm=winrm_connection(), command_timeout=0
        )


def test_names_of_one_server() -> None:
    """A short name is the same as a full one; two full ones must be equal."""
    assert same_server("EX1", "ex1.a.b")
    assert same_server("ex1.A.b.", "ex1.a.B")
    assert not same_server("ex1.a.b", "ex1.a.c")
    assert not same_server("ex1", "ex11")
    settings = PsrpSettings(
        exchange=exchange_connection(["EX1.a.b"]), winrm=winrm_connection(), addresses={}
    )
    assert settings.full_name("ex1.A.b.") == settings.full_name("Ex1") == "EX1.a.b"
    modules = (settings_module, routing, backend, parse, error_records)
    for module in modules:
        for name in ("same_server", "short_name"):
            assert getattr(module, name, getattr(names, name)) is getattr(names, name)
    assert is_loopback("localhost")
    assert not is_loopback("ex1.a.b")


@pytest.mark.parametrize("trouble", Trouble)
def test_effects_are_unreachable_only_if_not_begun(trouble: Trouble) -> None:
    """Once a command was taken, an effect's outcome is never told as known."""
    assert meaning(trouble, Stage.WAITING, effect=True) is OutcomeUnknown
    assert meaning(trouble, Stage.CONNECTING, effect=True) in (Unreachable, NotAuthorised)
    for effect in (False, True):
        assert (trouble, Stage.CONNECTING) not in MEANING or trouble is Trouble.DENIED
        assert meaning(trouble, Stage.SENDING, effect=effect)


def test_what_nobody_expected() -> None:
    """Any exception is diagnosed, as something not understood, by its type alone."""
    seen = diagnose(ZeroDivisionError("with a secret in it"))
    assert seen.trouble is Trouble.GARBLED
    assert "secret" not in seen.cause
    assert diagnose(ImportError("gssapi")).trouble is Trouble.DENIED
    assert diagnose(OSError(104, "x")).trouble is Trouble.DROPPED


@pytest.mark.parametrize(
    ("error", "trouble", "words"),
    [
        (SpnegoError(error_code=1, context_msg="no ticket"), Trouble.DENIED, "logging on"),
        (SSLError("certificate verify failed"), Trouble.NO_WAY, "certificate"),
        (SSLError("decryption failed"), Trouble.DROPPED, "TLS"),
        (SSLError(), Trouble.DROPPED, "TLS"),
        (WSManFaultError(2150858793, *[None] * 5), Trouble.LATE, "gave up"),
        (WSManFaultError(5, "m", "Access is denied.", *[None] * 3), Trouble.DENIED, "denied"),
        (WSManFaultError(None, *[None] * 5), Trouble.HTTP, "error page"),
        (WSManFaultError(2150858752, *[None] * 5), Trouble.ABSENT, "session configuration"),
        (
            WSManFaultError(7, None, "exceeded the user load quota of 5 requests", *[None] * 3),
            Trouble.BUSY,
            "no more shells",
        ),
    ],
)
def test_more_that_can_go_wrong(error: Exception, trouble: Trouble, words: str) -> None:
    """Troubles that a lab without TLS and Kerberos can't make."""
    seen = diagnose(error)
    assert seen.trouble is trouble
    assert words in seen.cause


def test_ways_to_log_on() -> None:
    """Tickets are asked for the server's name, not for the address it is reached at."""
    settings = PsrpSettings(
        exchange=exchange_connection(["ex1.a.b"], negotiate_service="HTTP"),
        winrm=winrm_connection(
            auth="certificate",
            ssl=True,
            certificate_pem="c.pem",
            certificate_key_pem="k.pem",
            certificate_key_password="p",
            certificate_validation="/ca.pem",
        ),
        addresses={"ex1.a.b": "10.0.0.1"},
    )
    kerberos = _wsman(settings.target("ex1", settings.exchange), settings, Limits(1)).transport
    assert kerberos.negotiate_hostname_override == "ex1.a.b"
    assert kerberos.negotiate_service == "HTTP"
    assert kerberos.endpoint == "http://10.0.0.1:80/PowerShell"
    assert kerberos.wrap_required
    certificate = _wsman(settings.target("ex1", settings.winrm), settings, Limits(1)).transport
    assert certificate.certificate_key_password == "p"
    assert certificate.cert_validation == "/ca.pem"
    assert certificate.endpoint == "https://10.0.0.1:5986/wsman"
    ntlm = exchange_connection(["ex1.a.b"], auth="ntlm", username="u", password="p")
    assert _wsman(settings.target("ex1", ntlm), settings, Limits(1)).transport.wrap_required


NOISY = (
    "[Server=EX1,RequestId=1b2c,TimeStamp=1/5/2026 8:00:00 AM] [FailureCategory=Cmdlet-X] "
    "8D2F1,Microsoft.Exchange.Something"
)


UNKNOWN_TERM = "The agent said: the term 'X' is not recognized as the name of a cmdlet"


NO_RIGHT_TO_LOG = (
    "Could not retrieve information about the Security log. Error: Attempted to perform an "
    "unauthorized operation.."
)


def record(reason: str, text: str) -> list[ErrorText]:
    return [ErrorText(text=text, reason=reason)]


def test_error_records() -> None:
    """Exchange's noise goes; what says more than "failed" is said."""
    assert without_noise(NOISY) == "8D2F1,Microsoft.Exchange.Something"
    gone = "The operation couldn't be performed because object 'ex9' couldn't be found on 'dc1'."
    missing = record("ManagementObjectNotFoundException", gone)
    kinds = [
        (missing, "ex9.a.b", False, UnknownName),
        (missing, "ex9.a.b", True, CommandFailed),
        (missing, "ex1.a.b", False, CommandFailed),
        (record("RpcException", "Error 0x6ba (no RPC server)"), "s", False, Unreachable),
        (record("RpcException", "Error 0x6ba (no RPC server)"), "s", True, CommandFailed),
        (record("AmDbActionException", "Error 0x6ba (no RPC)"), "s", True, CommandFailed),
        (record("UnauthorizedAccessException", "Access is denied."), "s", False, NotAuthorised),
        (record("UnauthorizedAccessException", "Access is denied."), "s", True, CommandFailed),
        (record("Exception", NO_RIGHT_TO_LOG), "s", False, NotAuthorised),
        (record("Exception", NO_RIGHT_TO_LOG), "s", True, CommandFailed),
        (record("CommandNotFoundException", "'X' is"), "s", False, NotAuthorised),
        (record("CommandNotFoundException", "'X' is"), "s", True, NotAuthorised),
        (record("ProvisioningException", UNKNOWN_TERM), "s", False, NotAuthorised),
        (record("ProvisioningException", UNKNOWN_TERM), "s", True, CommandFailed),
        (record("", ""), "s", False, CommandFailed),
    ]
    for errors, server, effect, kind in kinds:
        made = failure(errors, server=server, command="c", effect=effect)
        assert type(made) is kind


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.pattern.pattern)
def test_no_error_record_of_an_effect_promises_too_much(rule: Rule) -> None:
    """Only a command, or a parameter, that isn't there proves that nothing ran."""
    certain = ("CommandNotFoundException\n\n", "ParameterBindingException\nNamedParameterNotFound,")
    assert rule.effects is CommandFailed or any(map(rule.pattern.match, certain))


def test_error_text_of_anything() -> None:
    """Of a record that lacks everything, what it prints as."""
    assert ErrorText.of("just text").text == "just text"


def test_long_texts_are_shortened() -> None:
    """One line, no control characters, an end in sight."""
    assert one_line("a\r\n\tb\x00c") == "a b c"
    assert len(one_line("x" * 1000, 400)) == 400

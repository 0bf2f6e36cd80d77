"""Configuration files: what they mean, and what is said about those that are wrong."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import attrs
import pytest

from popheal import Policy, Timing
from popheal.actions import Impact
from popheal.backends.psrp.settings import Secret
from popheal.catalogue import DEPENDENCY_HEALTH_SETS
from popheal.config import load_config, load_policy
from popheal.errors import ConfigurationError

PASSWORD = "Tr0ub4dor&3"
ENVIRON = {"EXCHANGE_PASSWORD": PASSWORD, "OTHER_PASSWORD": "other"}
SERVERS = '[exchange]\nservers = ["ex1.contoso.com", "ex2.contoso.com"]\n'


@pytest.fixture
def load(tmp_path):
    path = tmp_path / "popheal.toml"

    def write_and_load(text: str | bytes, environ=ENVIRON):
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return load_config(path, environ)

    return write_and_load


def error_of(load, text, environ=ENVIRON) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load(text, environ)
    assert caught.value.next_step, "says what would be right"
    for part in (str(caught.value), repr(caught.value), repr(caught.value.__dict__)):
        assert PASSWORD not in part
    return caught.value


# --- what is right -------------------------------------------------------------------------------


def test_servers_alone_are_a_configuration(load):
    config = load(SERVERS)
    assert config.settings.exchange.servers == ("ex1.contoso.com", "ex2.contoso.com")
    assert "kerberos" == config.settings.exchange.auth == config.settings.winrm.auth
    assert (config.settings.exchange.port, config.settings.exchange.path) == (80, "PowerShell")
    assert (config.settings.winrm.port, config.settings.winrm.path) == (5985, "wsman")
    assert Policy() == config.policy
    assert Timing() == config.timing


def test_everything_can_be_said(load):
    config = load(
        """
        [exchange]
        servers = ["ex1.contoso.com"]
        auth = "negotiate"
        ssl = true
        port = 8443
        path = "/PowerShell/"
        username = "CONTOSO\\\\healer"
        password_env = "EXCHANGE_PASSWORD"
        certificate_validation = false
        proxy = "http://proxy.contoso.com:3128"
        [winrm]
        ssl = true
        [addresses]
        "ex1.contoso.com" = "192.0.2.7"
        "EX2.contoso.com" = "192.0.2.8:8443"
        [policy]
        highest_impact = "change"
        reboots_per_server = 0
        probe_failures = 3
        reboot_last_of_role = true
        move_databases_back = true
        sibling_share = 1
        [policy.dependencies]
        "Information Store" = ["Store", "MailboxSpace"]
        [timing]
        settle = 900
        probe_attempts = 5
        command_timeout = 60.5
        """
    )
    exchange, winrm = config.settings.exchange, config.settings.winrm
    assert (
        exchange.auth,
        exchange.ssl,
        exchange.port,
        exchange.path,
    ) == ("negotiate", True, 8443, "PowerShell")
    assert exchange.certificate_validation is False
    assert Secret(PASSWORD) == exchange.password == winrm.password
    assert (winrm.auth, winrm.username, winrm.port) == ("negotiate", "CONTOSO\\healer", 5986)
    assert config.settings.target("ex2.contoso.com", winrm).address == "192.0.2.8"
    policy = config.policy
    assert policy.highest_impact is Impact.CHANGE
    assert (
        policy.reboots_per_server,
        policy.probe_failures,
        policy.reboot_last_of_role,
        policy.move_databases_back,
        policy.sibling_share,
    ) == (0, 3, True, True, 1.0)
    assert policy.dependencies["Information Store"] == ("Store", "MailboxSpace")
    assert policy.dependencies["Active Directory"] == ("AD",), "the others stay"
    assert (
        config.timing.settle,
        config.timing.probe_attempts,
        config.timing.command_timeout,
    ) == (900, 5, 60.5)
    assert config.settings.command_timeout == 60.5
    assert PASSWORD not in repr(config)


@pytest.mark.parametrize("name", [one.name for one in attrs.fields(Timing)])
def test_every_time_of_the_library_can_be_set(load, name):
    assert getattr(load(f"{SERVERS}[timing]\n{name} = 7").timing, name) == 7


@pytest.mark.parametrize("name", [one.name for one in attrs.fields(Policy) if one.name != "timing"])
def test_every_policy_of_the_library_is_known_to_the_file(load, name):
    error = error_of(load, f'{SERVERS}[policy]\n{name} = "nonsense"')
    assert "is not a known key" not in str(error)
    assert f"[policy] {name}" in str(error)


def test_another_user_of_the_servers_does_not_get_the_first_ones_password(load):
    config = load(
        f"{SERVERS}"
        'auth = "ntlm"\nusername = "one"\npassword_env = "EXCHANGE_PASSWORD"\n'
        '[winrm]\nusername = "two"\n'
    )
    assert config.settings.winrm.password is None
    own = load(
        f"{SERVERS}"
        'auth = "ntlm"\nusername = "one"\npassword_env = "EXCHANGE_PASSWORD"\n'
        '[winrm]\nusername = "two"\npassword_env = "OTHER_PASSWORD"\n'
    )
    assert Secret("other") == own.settings.winrm.password


def test_a_byte_order_mark_does_no_harm(load):
    assert load(b"\xef\xbb\xbf" + SERVERS.encode()).settings.exchange.servers


def test_only_the_policy_is_read_where_only_that_is_wanted(tmp_path):
    path = tmp_path / "policy.toml"
    path.write_text(
        '[exchange]\nauth = "basic"\nusername = "x"\npassword_env = "NOT_SET"\n'
        "[timing]\nsettle = 5\n"
    )
    assert load_policy(path).timing.settle == 5


def test_the_environment_of_the_process_is_the_default(tmp_path, monkeypatch):
    path = tmp_path / "popheal.toml"
    path.write_text(f'{SERVERS}username = "x"\nauth = "ntlm"\npassword_env = "POPHEAL_PASSWORD"\n')
    monkeypatch.setenv("POPHEAL_PASSWORD", PASSWORD)
    assert Secret(PASSWORD) == load_config(path).settings.exchange.password


# --- what is wrong -------------------------------------------------------------------------------

WRONG = {
    "unknown table": ("[exchnage]\n", ["line 1", "exchnage", "Did you mean 'exchange'?"]),
    "journal comes later": (f"{SERVERS}[journal]\npath = 'x'\n", ["line 3", "not a known table"]),
    "a key outside": ("settle = 4\n", ["line 1", "settle", "not a known table"]),
    "not a table": ("exchange = 4\n", ["exchange is not a table", "[exchange]"]),
    "no servers": ('[exchange]\nauth = "kerberos"\n', ["line 1", "[exchange] servers is missing"]),
    "nothing at all": ("", ["[exchange] servers is missing"]),
    "empty servers": ("[exchange]\nservers = []\n", ["line 2", "servers is an empty list"]),
    "servers not a list": ('[exchange]\nservers = "ex1"\n', ["is 'ex1'", "Give a list"]),
    "empty name": ('[exchange]\nservers = [" "]\n', ["line 2", "Give a list"]),
    "unknown auth": (f'{SERVERS}auth = "kerberso"\n', ["line 3", "Did you mean 'kerberos'?"]),
    "unknown key": (f"{SERVERS}[timing]\nsetle = 4\n", ["line 4", "Did you mean 'settle'?"]),
    "wrong type": (f'{SERVERS}ssl = "yes"\n', ["line 3", "ssl is 'yes'", "Give true or false"]),
    "negative": (f"{SERVERS}[timing]\nsettle = -5\n", ["line 4", "settle is -5", "above 0"]),
    "zero": (f"{SERVERS}[timing]\nsettle = 0\n", ["settle is 0", "above 0"]),
    "a flag for a number": (f"{SERVERS}[timing]\nsettle = true\n", ["settle is true"]),
    "endless": (f"{SERVERS}[timing]\nsettle = inf\n", ["settle is inf"]),
    "half an attempt": (f"{SERVERS}[timing]\nprobe_attempts = 1.5\n", ["is 1.5", "whole number"]),
    "port": (f"{SERVERS}port = 70000\n", ["port is 70000", "1 to 65535"]),
    "address": (f"{SERVERS}[addresses]\n'ex1' = 'a:b'\n", ["line 3", "[addresses]", "'a:b'"]),
    "address type": (f"{SERVERS}[addresses]\n'ex1' = 4\n", ["line 4", "ex1 is 4"]),
    "impact": (f"{SERVERS}[policy]\nhighest_impact = 'disrupts'\n", ["mean 'disrupt'", "change"]),
    "budget": (f"{SERVERS}[policy]\nreboots_per_server = -1\n", ["0 or more"]),
    "share": (f"{SERVERS}[policy]\nsibling_share = 2\n", ["is 2", "at most 1"]),
    "dependency": (
        f"{SERVERS}[policy.dependencies]\nNetwrok = ['Network']\n",
        ["line 4", "[policy.dependencies] Netwrok", "Did you mean 'Network'?"],
    ),
    "dependency type": (
        f"{SERVERS}[policy.dependencies]\nNetwork = 'Network'\n",
        ["line 4", "Give a list of texts"],
    ),
    "not TOML": (f"{SERVERS}auth = kerberos\n", ["not TOML", "line 3"]),
    "twice": (f"{SERVERS}ssl = true\nssl = true\n", ["not TOML", "line 4"]),
    "not UTF-8": (SERVERS.encode() + b'username = "Andr\xe9"\n', ["line 3", "not UTF-8"]),
    "no password": (
        f'{SERVERS}ssl = true\nauth = "basic"\nusername = "x"\n',
        ["[exchange]", "needs a user name and a password"],
    ),
    "unset variable": (
        f'{SERVERS}username = "x"\npassword_env = "NOT_SET"\n',
        ["line 4", "password_env names NOT_SET", "not set"],
    ),
    "two sources": (
        f'{SERVERS}username = "x"\npassword_env = "EXCHANGE_PASSWORD"\nkeyring = true\n',
        ["line 5", "both given"],
    ),
    "keyring without user": (f"{SERVERS}keyring = true\n", ["needs a username"]),
    "keyring off": (f"{SERVERS}keyring = false\n", ["line 3", "Give true, or the name"]),
    "password without user": (
        f'{SERVERS}password_env = "EXCHANGE_PASSWORD"\n',
        ["a password but no user name"],
    ),
    "no such file": (f'{SERVERS}certificate_pem = "none.pem"\n', ["line 3", "not a file"]),
    "certificate without key": (
        f'{SERVERS}auth = "certificate"\nssl = true\n',
        ["[exchange]", "needs ssl, certificate_pem and certificate_key_pem"],
    ),
    "in clear text": (
        f'{SERVERS}auth = "basic"\nusername = "x"\npassword_env = "EXCHANGE_PASSWORD"\n',
        ["[exchange] ssl is off", "ex1.contoso.com in clear text", "Set ssl = true"],
    ),
    "in clear text on the other endpoint": (
        f'{SERVERS}ssl = true\nauth = "basic"\nusername = "x"\npassword_env = "OTHER_PASSWORD"\n',
        ["[winrm] ssl is off", "clear text"],
    ),
}


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG)
def test_a_mistake_is_told_with_its_place_and_what_would_be_right(load, text, said):
    error = error_of(load, text)
    assert "popheal.toml" in error.source
    for part in said:
        assert part in str(error)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ConfigurationError, match=r"none\.toml: can't be read \(No such file"):
        load_config(tmp_path / "none.toml")
    with pytest.raises(ConfigurationError, match=r"can't be read \(Is a directory"):
        load_config(tmp_path)
    with pytest.raises(ConfigurationError, match="can't be read"):
        load_config("a\0b")


# --- passwords -----------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["password", "passwd", "exchange_password", "client_secret"])
def test_a_password_in_the_file_is_refused_and_the_reason_said(load, key):
    error = error_of(load, f'{SERVERS}username = "x"\n{key} = "{PASSWORD}"\n')
    assert "line 4" in error.source
    assert "copied, backed up and committed" in error.problem
    assert "password_env" in error.next_step


@pytest.mark.parametrize(
    "line",
    [
        f'password_env = "{PASSWORD}"',
        'password_env = "correcthorsebatterystaple"',
        f'password_env = ["{PASSWORD}"]',
        f'keyring = ["{PASSWORD}"]',
        f'proxy = "http://me:{PASSWORD}@proxy.contoso.com"',
        f'proxy = "me:{PASSWORD}@proxy.contoso.com"',
        f'proxy = "//{PASSWORD}@proxy.contoso.com:3128"',
        f'proxy = "http://{PASSWORD}@proxy.contoso.com"',
        f'pasword_env = "{PASSWORD}"',
    ],
)
def test_a_password_in_the_wrong_place_is_not_repeated(load, line):
    error = error_of(load, f'{SERVERS}username = "x"\n{line}\n')
    assert "line 4" in error.source
    assert "correcthorse" not in str(error)


class _Keyring(SimpleNamespace):
    def get_password(self, service, username):
        if self.locked:
            raise RuntimeError(PASSWORD)
        return self.entries.get((service, username))


@pytest.fixture
def keyring(monkeypatch):
    keyring = _Keyring(entries={("popheal", "x"): PASSWORD, ("vault", "x"): "own"}, locked=False)
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    return keyring


@pytest.mark.parametrize(("value", "password"), [("true", PASSWORD), ('"vault"', "own")])
def test_a_keyring_is_asked(load, keyring, value, password):
    config = load(f'{SERVERS}auth = "ntlm"\nusername = "x"\nkeyring = {value}\n')
    assert Secret(password) == config.settings.exchange.password == config.settings.winrm.password


def test_a_keyring_that_does_not_help(load, keyring):
    text = f'{SERVERS}auth = "ntlm"\nusername = "y"\nkeyring = true\n'
    assert "has no password for 'y'" in str(error_of(load, text))
    keyring.locked = True
    assert "can't be used (RuntimeError)" in str(error_of(load, text))


def test_a_keyring_that_is_not_installed(load, monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    error = error_of(load, f'{SERVERS}auth = "ntlm"\nusername = "x"\nkeyring = true\n')
    assert "pip install 'popheal[keyring]'" in str(error)


def test_a_certificate_is_taken_for_both_endpoints(load, tmp_path):
    pem = tmp_path / "client.pem"
    pem.touch()
    config = load(
        f'{SERVERS}ssl = true\nauth = "certificate"\ncertificate_pem = "{pem.as_posix()}"\n'
        f'certificate_key_pem = "{pem.as_posix()}"\n'
        'certificate_key_password_env = "EXCHANGE_PASSWORD"\n[winrm]\nssl = true\n'
    )
    assert str(pem) == config.settings.winrm.certificate_key_pem
    assert Secret(PASSWORD) == config.settings.winrm.certificate_key_password


def test_the_dependencies_of_the_file_are_those_of_the_runbook(load):
    lines = "\n".join(f'"{name}" = []' for name in DEPENDENCY_HEALTH_SETS)
    config = load(f"{SERVERS}[policy.dependencies]\n{lines}\n")
    assert dict.fromkeys(DEPENDENCY_HEALTH_SETS, ()) == dict(config.policy.dependencies)

"""Configuration files: what they mean, and what is said about those that are wrong."""

from __future__ import annotations

import contextlib
import re
import sys
import zoneinfo
from pathlib import Path
from types import SimpleNamespace

import attrs
import pytest
from click.testing import CliRunner

from popheal import Policy, Timing, Verdict
from popheal.cli.app import popheal as command
from popheal.config.load import (
    TABLES,
    NotifySettings,
    WatchSettings,
    load_config,
    load_journal_path,
    load_policy,
)
from popheal.errors import ConfigurationError
from popheal.healthsets.pop.catalog import DEPENDENCY_HEALTH_SETS
from popheal.policy.windows import DAYS, Window
from popheal.second_opinion import SecondOpinion
from popheal.tables.actions import Impact
from popheal.util.secrets import Secret
from tests.support.paths import ROOT

PASSWORD = "Tr0ub4dor&3"
ENVIRON = {"EXCHANGE_PASSWORD": PASSWORD, "OTHER_PASSWORD": "other"}
SERVERS = '[exchange]\nservers = ["ex1.contoso.com", "ex2.contoso.com"]\n'
WINDOW = "[[policy.windows]]\nstart = '22:00'\nend = '04:00'\n"


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
    assert Policy(approval_undecided=True) == config.policy
    assert Timing() == config.timing


@pytest.mark.parametrize(
    ("said", "meant"),
    [("never", None), ("change", Impact.CHANGE), ("disrupt", Impact.DISRUPT)],
)
def test_who_is_to_be_asked_is_decided_by_saying_it(load, said, meant):
    """Whatever it is; without it servers are not taken out of service unasked."""
    policy = load(f'{SERVERS}[policy]\napproval_from = "{said}"').policy
    assert (policy.approval_from, policy.approval_undecided) == (meant, False)
    assert load(f"{SERVERS}[policy]\nreboots_per_server = 2").policy.approval_undecided


def test_a_policy_to_rehearse_with_needs_no_decision(tmp_path):
    path = tmp_path / "policy.toml"
    path.write_text("[policy]\nreboots_per_server = 2\n")
    assert load_policy(path) == Policy(reboots_per_server=2)


def test_undecided_is_said_by_saying_nothing(load):
    error = error_of(load, f"{SERVERS}[policy]\napproval_undecided = true")
    assert "is not a known key" in str(error)


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
        hours_between_reboots = 0
        restarts_per_hour = 2
        window_from = "disrupt"
        healthy_members = 2
        approval_from = "change"
        heed_managed_availability = false
        probe_failures = 3
        reboot_last_of_role = true
        move_databases_back = true
        sibling_share = 1
        [[policy.windows]]
        start = "12:00"
        end = "13:00"
        [[policy.windows]]
        days = ["sun", "sat"]
        start = "22:00"
        end = "04:00"
        zone = "Europe/Berlin"
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
    assert (
        policy.hours_between_reboots,
        policy.restarts_per_hour,
        policy.window_from,
        policy.healthy_members,
        policy.approval_from,
        policy.heed_managed_availability,
    ) == (0.0, 2, Impact.DISRUPT, 2, Impact.CHANGE, False)
    assert policy.windows == (
        Window(DAYS, "12:00", "13:00"),
        Window(("sat", "sun"), "22:00", "04:00", "Europe/Berlin"),
    )
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


@pytest.mark.parametrize(
    "name",
    [one.name for one in attrs.fields(Policy) if one.name not in ("timing", "approval_undecided")],
)
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


# --- journal, watch, notify ----------------------------------------------------------------------

URLS = "mailto://x:Tr0ub4dor@contoso.com\n json://y.contoso.com/?token=Tr0ub4dor  \n"


def test_there_is_no_journal_watch_or_notice_unless_asked_for(load):
    config = load(SERVERS)
    assert config.journal is config.watch is config.notify is None
    assert load_journal_path(config.source) is None


@pytest.mark.parametrize("given", ["journal.db", "{folder}/journal.db", "~/journal.db"])
def test_the_journal_is_where_the_file_says(load, tmp_path, monkeypatch, given):
    """A path is relative to the file, not to the working directory."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir("/")
    given = given.replace("{folder}", tmp_path.as_posix())
    config = load(f'{SERVERS}[journal]\npath = "{given}"\n')
    assert tmp_path / "journal.db" == config.journal == load_journal_path(config.source)


def test_the_journal_of_a_relative_file_is_found_after_a_change_of_directory(load, tmp_path):
    load(f'{SERVERS}[journal]\npath = "journal.db"\n')
    with contextlib.chdir(tmp_path):
        assert tmp_path / "journal.db" == load_journal_path("popheal.toml")


def test_a_folder_that_nobody_may_enter_is_said(load, monkeypatch):
    def is_dir(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.is_dir", is_dir)
    error = error_of(load, f"{SERVERS}[journal]\npath = 'x'\n")
    assert "is 'x', where nobody may look (Permission denied)" in str(error)


def test_servers_are_watched(load):
    table = f'{SERVERS}[watch]\nservers = ["ex1.contoso.com"]\n'
    assert load(table).watch == WatchSettings(servers=("ex1.contoso.com",))
    assert load(f"{table}every = 5\nretry = 7").watch == WatchSettings(
        servers=["ex1.contoso.com"], every=5, retry=7
    )
    with pytest.raises(ValueError, match="every"):
        WatchSettings(servers=["ex1.contoso.com"], every=0)


def test_notices_go_to_the_addresses_of_a_variable(load):
    table = f'{SERVERS}[notify]\nurls_env = "URLS"\n'
    config = load(table, {"URLS": URLS})
    assert config.notify == NotifySettings(urls=tuple(Secret(one) for one in URLS.split()))
    assert [one.value for one in config.notify.verdicts] == ["escalated", "unknown", "cancelled"]
    assert "Tr0ub4dor" not in repr(config)
    chosen = load(f'{table}verdicts = ["held", "recovered", "held"]', {"URLS": URLS})
    assert chosen.notify.verdicts == (Verdict.HELD, Verdict.RECOVERED)


@pytest.mark.parametrize("content", ["Tr0ub4dor", "mailto://x Tr0ub4dor", "Tr0ub4dor ,", "  "])
def test_addresses_that_are_none_are_not_repeated(load, content):
    error = error_of(load, f'{SERVERS}[notify]\nurls_env = "URLS"\n', {"URLS": content})
    assert "Tr0ub4dor" not in str(error)
    assert "line 4" in error.source


def test_policy_and_journal_are_read_without_secrets_or_the_rest(tmp_path):
    """Where only they are wanted, no variable is looked up, and no folder of the other."""
    path = tmp_path / "popheal.toml"
    path.write_text(
        '[exchange]\nauth = "basic"\nusername = "x"\npassword_env = "NOT_SET"\n'
        f'{WINDOW}[journal]\npath = "none/journal.db"\n'
        '[watch]\nservers = ["ex1"]\n[notify]\nurls_env = "NOT_SET"\n'
    )
    assert load_policy(path).windows == (Window(DAYS, "22:00", "04:00"),)
    with pytest.raises(ConfigurationError, match="no folder"):
        load_journal_path(path)
    (tmp_path / "none").mkdir()
    assert load_journal_path(path) == tmp_path / "none" / "journal.db"


def test_a_machine_without_time_zones_has_only_utc(load, monkeypatch):
    def missing(name):
        raise zoneinfo.ZoneInfoNotFoundError(name)

    monkeypatch.setattr("zoneinfo.ZoneInfo", missing)
    monkeypatch.setattr("zoneinfo.available_timezones", set)
    assert load(f"{SERVERS}{WINDOW}").policy.windows
    error = error_of(load, f"{SERVERS}{WINDOW}zone = 'Europe/Berlin'\n")
    assert "no database of time zones" in str(error)
    assert "pip install tzdata" in str(error)


def test_the_example_of_a_whole_configuration_is_one(load, monkeypatch):
    """The page's worked example is accepted, and says what its comments say."""
    page = ROOT / "docs" / "configuration.md"
    (text,) = re.findall(r"```{code-block} toml\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    monkeypatch.setattr("pathlib.Path.is_dir", lambda path: path == Path("/var/lib/popheal"))
    config = load(text, {"POPHEAL_PASSWORD": PASSWORD, "POPHEAL_NOTIFY": URLS})
    assert config.journal == Path("/var/lib/popheal/journal.db")
    assert len(config.watch.servers) == 2
    assert len(config.notify.urls) == 2
    assert [str(one) for one in config.policy.windows] == [
        "sat, sun 22:00 to 04:00 Europe/Berlin",
        "daily 12:00 to 12:30 Europe/Berlin",
    ]


# --- numbers -------------------------------------------------------------------------------------

NUMBERS = {
    (table, name): key.rule
    for table in ("exchange", "winrm", "policy", "timing", "watch")
    for name, key in TABLES[table].items()
    if key.rule and key.rule.least is not None
}
#: As TOML has them.
ODD = {
    "zero": "0",
    "negative": "-1",
    "nearly nothing": "1e-9",
    "huge": "1e12",
    "400 digits": "1" + "0" * 400,
    "a huge float": "1e400",
    "not a number": "nan",
    "infinite": "inf",
    "infinitely negative": "-inf",
    "a flag": "true",
    "a text": "'5'",
    "a list": "[5]",
    "a table": "{ number = 5 }",
}


@pytest.mark.parametrize("case", ODD)
@pytest.mark.parametrize(("table", "name"), NUMBERS)
def test_no_number_is_taken_that_makes_no_sense(tmp_path, table, name, case):
    """It is wrong usage, with the key and the line, whatever was written for which number."""
    more = "servers = ['ex1']\n" if table in ("exchange", "watch") else ""
    last = "" if table == "exchange" else SERVERS
    path = tmp_path / "popheal.toml"
    path.write_text(f"[{table}]\n{name} = {ODD[case]}\n{more}{last}", "utf-8")
    arguments = ["triage", "ex1", "--config", str(path)]
    if (name, case) in FIT:
        load_config(path, {})
        return
    result = CliRunner().invoke(command, arguments, env={"POPHEAL_CONFIG": None})
    assert (result.exit_code, result.stdout) == (2, ""), result.output
    assert f"popheal.toml, line 2: [{table}] {name} is " in result.stderr
    assert f"Give {NUMBERS[table, name].right}." in result.stderr
    assert len(result.stderr.splitlines()) == 1


#: What of these is a number that means something.
FIT = {
    ("reboots_per_server", "zero"),
    ("restarts_per_hour", "zero"),
    ("hours_between_reboots", "zero"),
    ("hours_between_reboots", "nearly nothing"),
    ("sibling_share", "zero"),
    ("sibling_share", "nearly nothing"),
}


def test_the_numbers_are_those_of_the_tables():
    assert len(NUMBERS) == 29


# --- what is wrong -------------------------------------------------------------------------------

WRONG = {
    "unknown table": ("[exchnage]\n", ["line 1", "exchnage", "Did you mean 'exchange'?"]),
    "a key outside": (
        "settle = 4\n",
        ["line 1", "settle is not a known key", "Possible here: addr"],
    ),
    "not a table": ("exchange = 4\n", ["exchange is not a table", "[exchange]"]),
    "no servers": ('[exchange]\nauth = "kerberos"\n', ["line 1", "[exchange] servers is missing"]),
    "nothing at all": ("", ["[exchange] servers is missing"]),
    "empty servers": ("[exchange]\nservers = []\n", ["line 2", "servers is an empty list"]),
    "servers not a list": ('[exchange]\nservers = "ex1"\n', ["is 'ex1'", "Give a list"]),
    "empty name": ('[exchange]\nservers = [" "]\n', ["line 2", "Give a list"]),
    "unknown auth": (f'{SERVERS}auth = "kerberso"\n', ["line 3", "Did you mean 'kerberos'?"]),
    "unknown key": (f"{SERVERS}[timing]\nsetle = 4\n", ["line 4", "Did you mean 'settle'?"]),
    "wrong type": (f'{SERVERS}ssl = "yes"\n', ["line 3", "ssl is 'yes'", "Give true or false"]),
    "negative": (
        f"{SERVERS}[timing]\nsettle = -5\n",
        ["line 4", "settle is -5", "0.001 to 86400"],
    ),
    "zero": (f"{SERVERS}[timing]\nsettle = 0\n", ["settle is 0", "from 0.001 to 86400"]),
    "a flag for a number": (f"{SERVERS}[timing]\nsettle = true\n", ["settle is true"]),
    "for ever": (f"{SERVERS}[timing]\nsettle = 1e12\n", ["settle is 1000000000000.0", "86400"]),
    "without a pause": (f"{SERVERS}[timing]\nstop_poll = 1e-9\n", ["is 1e-09", "from 0.001 to 60"]),
    "400 digits": (f"{SERVERS}[timing]\nsettle = 1{'0' * 400}\n", ["settle is 1000", "86400"]),
    "5000 digits": (f"{SERVERS}[timing]\nsettle = 1{'0' * 5000}\n", ["not TOML", "digits"]),
    "no number": (f"{SERVERS}[timing]\nsettle = nan\n", ["settle is nan"]),
    "a line feed": (
        f'{SERVERS}username = "CONTOSO\\nagios"\n',
        ["line 3", "username has a line feed in it", "write two", "single quotes"],
    ),
    "a backspace": (f'{SERVERS}username = "C\\backup"\n', ["line 3", "username has a backspace"]),
    "a tab": (f'{SERVERS}username = "C\\tom"\n', ["username has a tab"]),
    "a form feed": (f'{SERVERS}username = "C\\fred"\n', ["username has a form feed"]),
    "a carriage return": (f'{SERVERS}username = "C\\rob"\n', ["username has a carriage return"]),
    "no hex value": (f'{SERVERS}username = "C\\user1"\n', ["line 3", "write two", "CONTOSO\\name"]),
    "no escape": (f'{SERVERS}username = "C\\popheal"\n', ["line 3", "write two"]),
    "an escape for a terminal": (f'{SERVERS}path = "\\u001b[31m"\n', ["path has an escape char"]),
    "written from right to left": (f'{SERVERS}path = "a\\u202eb"\n', ["U+202E"]),
    "in a list": ('[exchange]\nservers = ["a\\tb"]\n', ["line 2", "servers has a tab"]),
    "a page": ("[exchange]\nservers = ['https://ex1']\n", ["line 2", "names of servers"]),
    "a pattern": ("[exchange]\nservers = ['ex*.contoso.com']\n", ["names of servers"]),
    "an account": ("[exchange]\nservers = ['me@ex1']\n", ["names of servers"]),
    "a space": ("[exchange]\nservers = ['ex1 ']\n", ["names of servers"]),
    "two dots": ("[exchange]\nservers = ['ex1..contoso.com']\n", ["names of servers"]),
    "a server twice": (
        "[exchange]\nservers = ['EX1.contoso.com', 'ex1.contoso.com']\n",
        ["each once"],
    ),
    "no server to watch": (f"{SERVERS}[watch]\nservers = ['ex1, ex2']\n", ["names of servers"]),
    "address of nobody": (
        f"{SERVERS}[addresses]\n'*' = '10.0.0.1'\n",
        ["not the name of a server"],
    ),
    "address twice": (
        f"{SERVERS}[addresses]\n'ex1' = '10.0.0.1'\n'EX1' = '10.0.0.2'\n",
        ["line 5", "EX1 is there twice", "without case"],
    ),
    "endless": (f"{SERVERS}[timing]\nsettle = inf\n", ["settle is inf"]),
    "half an attempt": (f"{SERVERS}[timing]\nprobe_attempts = 1.5\n", ["is 1.5", "whole number"]),
    "port": (f"{SERVERS}port = 70000\n", ["port is 70000", "1 to 65535"]),
    "address": (f"{SERVERS}[addresses]\n'ex1' = 'a:b'\n", ["line 3", "[addresses]", "'a:b'"]),
    "address type": (f"{SERVERS}[addresses]\n'ex1' = 4\n", ["line 4", "ex1 is 4"]),
    "impact": (f"{SERVERS}[policy]\nhighest_impact = 'disrupts'\n", ["mean 'disrupt'", "change"]),
    "budget": (f"{SERVERS}[policy]\nreboots_per_server = -1\n", ["from 0 to 100"]),
    "share": (f"{SERVERS}[policy]\nsibling_share = 2\n", ["is 2", "from 0 to 1"]),
    "hours": (
        f"{SERVERS}[policy]\nhours_between_reboots = -1\n",
        ["hours from 0 to 8760"],
    ),
    "window impact": (f"{SERVERS}[policy]\nwindow_from = 'look'\n", ["disrupt, change"]),
    "nobody approves": (f"{SERVERS}[policy]\napproval_from = false\n", ["is false"]),
    "members": (f"{SERVERS}[policy]\nhealthy_members = 0\n", ["is 0", "from 1 to 16"]),
    "one window": (
        f"{SERVERS}[policy.windows]\nstart = '22:00'\nend = '04:00'\n",
        ["line 3", "[policy] windows is a table", "under a line [[policy.windows]]"],
    ),
    "window key": (
        f"{SERVERS}{WINDOW}{WINDOW}day = ['sat']\n{WINDOW}",
        ["line 9", "[policy.windows[2]] day", "Did you mean 'days'?"],
    ),
    "window type": (f"{SERVERS}{WINDOW}days = 'sat'\n", ["line 6", "Give a list of texts"]),
    "window time": (
        f"{SERVERS}{WINDOW}[[policy.windows]]\nstart = '24:00'\nend = '01:00'\n",
        ["line 7", "start is '24:00'", '"23:59"'],
    ),
    "window time of TOML": (
        f"{SERVERS}[[policy.windows]]\nstart = 22:00:00\nend = '01:00'\n",
        ["line 4", "start is datetime.time(22, 0)", "a text in quotes"],
    ),
    "window without an end": (
        f"{SERVERS}[[policy.windows]]\nstart = '22:00'\n{WINDOW}",
        ["line 3", "[policy.windows[1]] end is missing", 'end = "04:00"'],
    ),
    "window in a line": (
        f"{SERVERS}[policy]\nprobe_failures = 2\nwindows = [{{start = '22:00', end = '4:00'}}]\n",
        ["line 5", "[policy.windows[1]] end is '4:00'"],
    ),
    "window on no day": (f"{SERVERS}{WINDOW}days = []\n", ["line 6", "days is empty", "mon, tue"]),
    "window on a strange day": (
        f"{SERVERS}{WINDOW}days = ['sat', 'Sunday']\n",
        ["line 6", "'Sunday', which is no day", "Did you mean 'sun'?"],
    ),
    "window in a strange zone": (
        f"{SERVERS}{WINDOW}zone = 'europe/berln'\n",
        ["line 6", "'europe/berln', which is no time zone", "Did you mean 'Europe/Berlin'?"],
    ),
    "journal nowhere": (f"{SERVERS}[journal]\n", ["line 3", "[journal] path is missing"]),
    "journal key": (f"{SERVERS}[journal]\npaht = 'x'\n", ["line 4", "Did you mean 'path'?"]),
    "journal type": (f"{SERVERS}[journal]\npath = ''\n", ["line 4", "path is ''"]),
    "journal in no folder": (
        f"{SERVERS}[journal]\npath = 'none/journal.db'\n",
        ["line 4", "'none/journal.db', but there is no folder ", "in a folder that exists"],
    ),
    "journal is a folder": (f"{SERVERS}[journal]\npath = '.'\n", ["which is a folder"]),
    "journal at nobody's": (
        f"{SERVERS}[journal]\npath = '~nobody-of-that-name/journal.db'\n",
        ["line 4", "there is no such home"],
    ),
    "watch nothing": (f"{SERVERS}[watch]\nevery = 5\n", ["line 3", "[watch] servers is missing"]),
    "watch nobody": (f"{SERVERS}[watch]\nservers = []\n", ["line 4", "servers is an empty list"]),
    "watch time": (f"{SERVERS}[watch]\nservers = ['a']\nretry = 0\n", ["line 5", "retry is 0"]),
    "notify nobody": (f"{SERVERS}[notify]\n", ["line 3", "urls_env is missing"]),
    "notify where": (
        f"{SERVERS}[notify]\nurls_env = 'NOT_SET'\n",
        ["line 4", "names NOT_SET, which is not set", "to the addresses"],
    ),
    "notify of what": (
        f"{SERVERS}[notify]\nurls_env = 'EXCHANGE_PASSWORD'\nverdicts = ['escalatd']\n",
        ["line 5", "verdicts[1] is 'escalatd'", "Did you mean 'escalated'?"],
    ),
    "notify of nothing": (f"{SERVERS}[notify]\nverdicts = []\n", ["verdicts is an empty list"]),
    "no addresses": (
        f"{SERVERS}[notify]\nurls_env = 'EXCHANGE_PASSWORD'\n",
        ["line 4", "something in it that is no address", "mailto://"],
    ),
    "addresses in the file": (
        f"{SERVERS}[notify]\nurls = ['mailto://x:{PASSWORD}@y']\n",
        ["line 4", "copied, backed up", "name that with urls_env"],
    ),
    "an address in the file": (
        f"{SERVERS}[notify]\nurls_env = 'mailto://x:{PASSWORD}@y'\n",
        ["line 4", "is something else", "like POPHEAL_NOTIFY"],
    ),
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
    assert "Install the extra 'keyring': pip install " in str(error)


OPINION = f'{SERVERS}[second_opinion]\nhost = "pop.contoso.com"\nusername = "x"\n'


def test_a_second_opinion_is_asked_for_where_the_file_says(load, keyring, tmp_path):
    authorities = tmp_path / "authorities.pem"
    authorities.write_text("")
    config = load(f'{OPINION}password_env = "EXCHANGE_PASSWORD"\n')
    right = {"host": "pop.contoso.com", "username": "x", "password": Secret(PASSWORD)}
    assert config.second_opinion == SecondOpinion(**right)
    assert PASSWORD not in repr(config)
    more = f"tls = 'stls'\nport = 1110\ndeadline = 5\nca_bundle = '{authorities}'\n"
    config = load(f"{OPINION}keyring = true\n{more}")
    assert config.second_opinion == SecondOpinion(
        **right, tls="stls", port=1110, deadline=5, ca_bundle=str(authorities)
    )
    assert load(SERVERS).second_opinion is None


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", ["[second_opinion] password_env", "is missing"]),
        ('password = "Tr0ub4dor&3"', ["not accepted in a file"]),
        ('password_env = "EXCHANGE_PASSWORD"\ntls = "plain"', ["[second_opinion] tls", "clear"]),
        ('password_env = "EXCHANGE_PASSWORD"\ntls = "ssl"', ["line 7", "tls, stls, plain"]),
        ('password_env = "EXCHANGE_PASSWORD"\nca_bundle = "none.pem"', ["ca_bundle", "not a file"]),
        ('password_env = "EXCHANGE_PASSWORD"\ndeadline = 900', ["line 7", "from 0.001 to 300"]),
        ('password_env = "NOT_SET"', ["is not set"]),
    ],
)
def test_a_second_opinion_that_can_not_be_asked_for(load, text, said):
    error = error_of(load, f"{OPINION}{text}\n")
    for part in said:
        assert part in str(error), str(error)


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

"""Configuration: one TOML file with connections, policy, timing, and what else is wanted.

What each table may hold is written down once, in the data tables below. A mistake is a
:class:`~popheal.errors.ConfigurationError` that says where it is, what was seen and what would
be right. Passwords are never in the file, and never in an error.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path as FilePath
from typing import Any, Final

from attrs import evolve, field, frozen

from popheal.backends.psrp.settings import (
    Connection,
    PsrpSettings,
    exchange_connection,
    winrm_connection,
)
from popheal.config.secret_source import SECRET_KEYS, SecretSource, variable
from popheal.config.tokens import token_source
from popheal.exchange.names import SERVERS, is_server_name, repeated
from popheal.healthsets.pop.catalog import DEPENDENCY_HEALTH_SETS
from popheal.policy.policy import Policy
from popheal.second_opinion import SecondOpinion
from popheal.serve.settings import ServeSettings, TokenSource
from popheal.tables.actions import Impact
from popheal.tables.table import Verdict
from popheal.tables.timing import Timing
from popheal.util.numbers import seconds, whole
from popheal.util.schema import (
    TEXT,
    TEXTS,
    Key,
    Path,
    Reader,
    Rule,
    Schema,
    is_text,
    keys_of,
    one_of,
    without,
)
from popheal.util.secrets import Secret
from popheal.util.toml import TomlFile


@frozen(kw_only=True)
class WatchSettings:
    """What ``[watch]`` says.

    Attributes:
        servers: Whose health is looked at, by their full names.
        every: Seconds from one look at a server to the next.
        retry: Seconds from the end of a healing to the next one of the same server, at least.
        at_once: Healings at the same time, at most.
        per_endpoint: Looks at the same time by way of one server of ``[exchange]``, at most.
    """

    servers: tuple[str, ...] = field(
        converter=tuple, validator=SERVERS, metadata={"example": '["ex1.contoso.com"]'}
    )
    every: float = field(default=60.0, validator=seconds(0.001, 86_400))
    retry: float = field(default=900.0, validator=seconds(0.001, 604_800))
    at_once: int = field(default=8, validator=whole(1, 1000))
    per_endpoint: int = field(default=4, validator=whole(1, 100))


def _each_once(verdicts: Iterable[Verdict]) -> tuple[Verdict, ...]:
    return tuple(dict.fromkeys(verdicts))


@frozen(kw_only=True)
class NotifySettings:
    """What ``[notify]`` says.

    Attributes:
        urls: Where to, each an address for apprise: those hold passwords and tokens.
        verdicts: How a healing must have ended to be told.
    """

    urls: tuple[Secret, ...]
    verdicts: tuple[Verdict, ...] = field(
        default=(Verdict.ESCALATED, Verdict.UNKNOWN, Verdict.CANCELLED),
        converter=_each_once,
        validator=Rule(
            f"a list of some of {', '.join(one.value for one in Verdict)}", bool, raw=False
        ),
    )


@frozen(kw_only=True)
class Config:
    """What a configuration file says.

    Attributes:
        source: The file.
        settings: Where the organisation is and how to log on to it.
        policy: How far to go, and how long to wait.
        journal: The file in which healings are written down, if one is wanted.
        watch: Which servers to look at without being asked, if any.
        notify: Whom to tell how healings ended, if anybody.
        second_opinion: Where an independent POP3 logon is tried besides, if anywhere.
        serve: Who may ask for what over HTTP, if anybody.
    """

    source: str
    settings: PsrpSettings
    policy: Policy
    journal: FilePath | None = None
    watch: WatchSettings | None = None
    notify: NotifySettings | None = None
    second_opinion: SecondOpinion | None = None
    serve: ServeSettings | None = None

    @property
    def timing(self) -> Timing:
        """The policy's waits and deadlines."""
        return self.policy.timing


def load_config(path: str | FilePath, environ: Mapping[str, str] | None = None) -> Config:
    """Read a configuration file.

    Where it does not say ``approval_from``, that is undecided: see
    :attr:`~popheal.policy.policy.Policy.approval_undecided`.

    Args:
        path: The TOML file.
        environ: Where ``password_env`` is looked up; the process's environment if None.

    Raises:
        ConfigurationError: The file can't be read, or says something unknown or impossible.
    """
    reader = _reader(path)
    tables = _tables(reader)
    # Whether servers may be taken out of service unasked is for whoever they belong to to say.
    policy = _undecided(tables, _policy(tables))
    source = SecretSource(reader.document, os.environ if environ is None else environ)
    settings = _settings(reader, tables, source)
    return Config(
        source=reader.document.name,
        settings=evolve(settings, command_timeout=policy.timing.command_timeout),
        policy=policy,
        journal=_journal(reader, tables),
        watch=WatchSettings(**tables["watch"]) if tables["watch"] else None,
        notify=_notify(reader, tables, source),
        second_opinion=_second_opinion(reader, tables, source),
        serve=_serve(reader, tables["serve"]),
    )


def load_policy(path: str | FilePath, *, undecided: bool = False) -> Policy:
    """Read only ``[policy]`` and ``[timing]`` of a configuration file.

    The other tables may be missing; their keys are checked, but no password is looked up.

    Args:
        path: The file.
        undecided: Whether it is undecided where it does not say ``approval_from``, as for
            :func:`load_config`; else nobody is asked then.

    Raises:
        ConfigurationError: As for :func:`load_config`.
    """
    tables = _tables(_reader(path))
    return _undecided(tables, _policy(tables)) if undecided else _policy(tables)


def _undecided(tables: Mapping[str, Any], policy: Policy) -> Policy:
    """The policy with a note of whether nobody has decided about approvals."""
    return evolve(policy, approval_undecided="approval_from" not in tables["policy"])


def load_journal_path(path: str | FilePath) -> FilePath | None:
    """Read only ``[journal]`` of a configuration file: where the journal is, if there is one.

    The other tables may be missing; their keys are checked, but no password is looked up.

    Raises:
        ConfigurationError: As for :func:`load_config`.
    """
    reader = _reader(path)
    return _journal(reader, _tables(reader))


# --- what a table may hold -----------------------------------------------------------------------

_EFFECT: Final = one_of(Impact.DISRUPT.value, Impact.CHANGE.value, read=Impact)
_NEVER: Final = "never"
_APPROVAL: Final = one_of(Impact.DISRUPT.value, Impact.CHANGE.value, _NEVER)
_ADDRESS: Final = Key(rule=Rule('an "address" or "address:port"', is_text))
DEPENDENCIES: Final[Schema] = dict.fromkeys(DEPENDENCY_HEALTH_SETS, Key(rule=TEXTS))
_CONNECTION: Final[Schema] = {
    **without(keys_of(Connection), "servers", "password", "certificate_key_password"),
    **SECRET_KEYS,
}
TABLES: Final[Mapping[str, Schema]] = {
    "exchange": {"servers": Key(rule=SERVERS), **_CONNECTION},
    "winrm": _CONNECTION,
    "addresses": {},  # the writer's own
    "policy": {
        **without(keys_of(Policy), "timing", "approval_undecided"),
        "approval_from": Key(rule=_APPROVAL),
    },
    "timing": keys_of(Timing),
    "journal": {"path": Key(rule=TEXT, required=True, example='"/var/lib/popheal/journal.db"')},
    "watch": keys_of(WatchSettings),
    "notify": {
        "urls_env": evolve(variable("POPHEAL_NOTIFY"), required=True),
        **without(keys_of(NotifySettings), "urls"),
    },
    "serve": keys_of(ServeSettings),
    "second_opinion": {
        **without(keys_of(SecondOpinion), "password"),
        **without(SECRET_KEYS, "certificate_key_password_env"),
    },
}

#: Who logs on. ``[winrm]`` takes these from ``[exchange]`` where it doesn't say.
_IDENTITY: Final = ("auth", "username", "certificate_pem", "certificate_key_pem")
#: Settings that name a file.
_FILES: Final = (
    *("certificate_pem", "certificate_key_pem", "certificate_validation", "ca_bundle"),
    *("certificate", "certificate_key"),
)

_Tables = Mapping[str, dict[str, Any]]


def _tables(reader: Reader) -> _Tables:
    """What each table says, checked; one that isn't there says nothing."""
    read: dict[str, dict[str, Any]] = {name: {} for name in TABLES}
    for name, value in reader.document.content.items():
        if name not in TABLES:
            reader.unknown((name,), value, TABLES)
        own = dict.fromkeys(reader.table((name,), value), _ADDRESS)
        if name == "addresses":
            _check_names(reader, own)
        read[name] = reader.values(own if name == "addresses" else TABLES[name], (name,), value)
    return read


def _check_names(reader: Reader, servers: Iterable[str]) -> None:
    """Each key of ``[addresses]`` is the name of a server, and each server has one."""
    for one in servers:
        if not is_server_name(one):
            right = 'Give full names as keys: "ex1.contoso.com" = "10.0.0.11".'
            reader.document.wrong(("addresses", one), "is not the name of a server", right)
    if again := repeated(servers):
        right = "Give each server once; names compare without case."
        reader.document.wrong(("addresses", again), "is there twice", right)


def _dependencies(reader: Reader, path: Path, value: Any) -> Mapping[str, tuple[str, ...]]:
    return {**DEPENDENCY_HEALTH_SETS, **reader.values(DEPENDENCIES, path, value)}


def _reader(path: str | FilePath) -> Reader:
    hooks = {
        Impact: _EFFECT.taken,
        TokenSource: token_source,
        keys_of(Policy)["dependencies"].kind: _dependencies,
    }
    return Reader(TomlFile.read(path), hooks)


def _policy(tables: _Tables) -> Policy:
    given = dict(tables["policy"])
    said = given.pop("approval_from", _NEVER)
    return Policy(
        timing=Timing(**tables["timing"]),
        approval_from=None if said == _NEVER else Impact(said),
        **given,
    )


# --- journal, notify, serve ----------------------------------------------------------------------


def _journal(reader: Reader, tables: _Tables) -> FilePath | None:
    if not (given := tables["journal"].get("path")):
        return None
    problem = ""
    try:
        # Not by the working directory: all who use the file must find the same journal.
        path = (FilePath(reader.document.name).parent / FilePath(given).expanduser()).absolute()
        if path.is_dir():
            problem = "which is a folder"
        elif not path.parent.is_dir():
            problem = f"but there is no folder {path.parent}"
    except OSError as error:
        problem = f"where nobody may look ({error.strerror})"
    except RuntimeError:
        problem = "but there is no such home"
    if problem:
        right = "Give the path of a file, in a folder that exists."
        reader.document.wrong(("journal", "path"), f"is '{given}', {problem}", right)
    return path


def _notify(reader: Reader, tables: _Tables, source: SecretSource) -> NotifySettings | None:
    given = dict(tables["notify"])
    if not given:
        return None
    urls = source.variable("notify", "urls_env", given, "addresses").reveal().split()
    if not urls or not all("://" in url for url in urls):
        # Not repeated: there are passwords in it.
        reader.document.wrong(
            ("notify", "urls_env"),
            "names a variable with something in it that is no address",
            "Put addresses like mailto://... into it, with spaces between them.",
        )
    del given["urls_env"]
    return reader.make(
        ("notify",), NotifySettings, urls=tuple(Secret(url) for url in urls), **given
    )


def _serve(reader: Reader, given: Mapping[str, Any]) -> ServeSettings | None:
    _see_files(reader, "serve", given)
    return reader.make(("serve",), ServeSettings, **given) if given else None


# --- second opinion ------------------------------------------------------------------------------


def _second_opinion(reader: Reader, tables: _Tables, source: SecretSource) -> SecondOpinion | None:
    table, given = "second_opinion", tables["second_opinion"]
    if not given:
        return None
    passwords = source.passwords(table, given)
    if not passwords:
        right = 'Name an environment variable: password_env = "POPHEAL_POP_PASSWORD".'
        reader.document.wrong((table, "password_env"), "is missing", right)
    _see_files(reader, table, given)
    given = without(given, *SECRET_KEYS)
    return reader.make((table,), SecondOpinion, **given, **passwords)


# --- connections ---------------------------------------------------------------------------------


def _settings(reader: Reader, tables: _Tables, source: SecretSource) -> PsrpSettings:
    exchange = tables["exchange"]
    if "servers" not in exchange:
        right = 'Name the Exchange servers to connect to: servers = ["ex1.contoso.com"].'
        reader.document.wrong(("exchange", "servers"), "is missing", right)
    winrm = {key: exchange[key] for key in _IDENTITY if key in exchange} | tables["winrm"]
    exchange_passwords = source.passwords("exchange", exchange)
    winrm_passwords = exchange_passwords | source.passwords("winrm", winrm)
    another = winrm.get("username") != exchange.get("username")
    if another and not {"password_env", "keyring"} & set(winrm):
        winrm_passwords.pop("password", None)  # another user's would be of no use
    settings = reader.make(
        (),
        PsrpSettings,
        exchange=_connection(reader, "exchange", exchange_connection, exchange, exchange_passwords),
        winrm=_connection(reader, "winrm", winrm_connection, winrm, winrm_passwords),
        addresses=tables["addresses"],
    )
    _refuse_clear_text(reader, settings)
    return settings


def _connection(
    reader: Reader,
    table: str,
    make: Callable[..., Connection],
    given: Mapping[str, Any],
    passwords: Mapping[str, Secret],
) -> Connection:
    _see_files(reader, table, given)
    return reader.make((table,), make, **without(given, *SECRET_KEYS), **passwords)


def _see_files(reader: Reader, table: str, given: Mapping[str, Any]) -> None:
    for key in _FILES:
        path = given.get(key)
        if isinstance(path, str) and not FilePath(path).is_file():
            seen = f"is '{path}', which is not a file"
            reader.document.wrong((table, key), seen, "Check the path.")


def _refuse_clear_text(reader: Reader, settings: PsrpSettings) -> None:
    """Say at once what the backend would refuse to do at its first connection."""
    for table in ("exchange", "winrm"):
        connection: Connection = getattr(settings, table)
        for server in settings.exchange.servers:
            target = settings.target(server, connection)
            if not connection.may_connect_to(target.address):
                reader.document.wrong(
                    (table, "ssl"),
                    f"is off, so auth '{connection.auth}' would send the password to {server} "
                    "in clear text",
                    "Set ssl = true, or another auth.",
                )

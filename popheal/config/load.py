"""Configuration: one TOML file with connections, policy, timing, and what else is wanted.

What each table may hold is written down once, in the data tables below. A mistake is a
:class:`~popheal.errors.ConfigurationError` that says where it is, what was seen and what would
be right. Passwords are never in the file, and never in an error.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import evolve, field, fields, frozen, validators

from popheal.backends.psrp.settings import (
    AUTHS,
    Connection,
    PsrpSettings,
    exchange_connection,
    winrm_connection,
)
from popheal.errors import ConfigurationError
from popheal.healthsets.pop.catalog import DEPENDENCY_HEALTH_SETS
from popheal.policy.policy import Policy, Timing
from popheal.policy.windows import DAYS, InvalidWindow, Window
from popheal.tables.actions import Impact
from popheal.tables.table import Verdict
from popheal.util.secrets import Secret
from popheal.util.toml import (
    BUDGET,
    FLAG,
    HOURS,
    NUMBER,
    PORT,
    SECONDS,
    SERVERS,
    SHARE,
    TABLE,
    TEXT,
    TEXTS,
    Keys,
    Kind,
    TomlFile,
    Wallet,
    is_flag,
    is_text,
    one_of,
    some_of,
    tables_called,
    variable,
)

#: The keyring service that ``keyring = true`` means.
KEYRING_SERVICE: Final = "popheal"


@frozen(kw_only=True)
class WatchSettings:
    """What ``[watch]`` says.

    Attributes:
        servers: Whose health is looked at, by their full names.
        every: Seconds from one look at a server to the next.
        retry: Seconds from the end of a healing to the next one of the same server, at least.
    """

    servers: tuple[str, ...] = field(converter=tuple, validator=validators.min_len(1))
    every: float = field(default=60.0, validator=validators.gt(0))
    retry: float = field(default=900.0, validator=validators.gt(0))


@frozen(kw_only=True)
class NotifySettings:
    """What ``[notify]`` says.

    Attributes:
        urls: Where to, each an address for apprise: those hold passwords and tokens.
        verdicts: How a healing must have ended to be told.
    """

    urls: tuple[Secret, ...]
    verdicts: tuple[Verdict, ...] = (Verdict.ESCALATED, Verdict.UNKNOWN, Verdict.CANCELLED)


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
    """

    source: str
    settings: PsrpSettings
    policy: Policy
    journal: Path | None = None
    watch: WatchSettings | None = None
    notify: NotifySettings | None = None

    @property
    def timing(self) -> Timing:
        """The policy's waits and deadlines."""
        return self.policy.timing


def load_config(path: str | Path, environ: Mapping[str, str] | None = None) -> Config:
    """Read a configuration file.

    Args:
        path: The TOML file.
        environ: Where ``password_env`` is looked up; the process's environment if None.

    Raises:
        ConfigurationError: The file can't be read, or says something unknown or impossible.
    """
    file = TomlFile.read(path)
    tables = _checked(file)
    policy = _policy(tables)
    wallet = Wallet(file, os.environ if environ is None else environ)
    settings = evolve(
        _settings(file, tables, wallet), command_timeout=policy.timing.command_timeout
    )
    return Config(
        source=file.name,
        settings=settings,
        policy=policy,
        journal=_journal(file, tables),
        watch=_watch(file, tables),
        notify=_notify(file, tables, wallet),
    )


def load_policy(path: str | Path) -> Policy:
    """Read only ``[policy]`` and ``[timing]`` of a configuration file.

    The other tables may be missing; their keys are checked, but no password is looked up.

    Raises:
        ConfigurationError: As for :func:`load_config`.
    """
    return _policy(_checked(TomlFile.read(path)))


def load_journal_path(path: str | Path) -> Path | None:
    """Read only ``[journal]`` of a configuration file: where the journal is, if there is one.

    The other tables may be missing; their keys are checked, but no password is looked up.

    Raises:
        ConfigurationError: As for :func:`load_config`.
    """
    file = TomlFile.read(path)
    return _journal(file, _checked(file))


# --- what a value may be -------------------------------------------------------------------------


def _holds_no_password(url: Any) -> bool:
    # With or without a scheme, user name and password are what is in front of an @.
    if not is_text(url) or "@" in url:
        return False
    try:
        urlsplit(url)
    except ValueError:  # malformed beyond being split
        return False
    return True


_VARIABLE = variable("POPHEAL_PASSWORD")
_KEYRING = Kind(
    "true, or the name of a keyring service",
    lambda value: value is True or is_text(value),
    quoted=False,
    read=lambda value: KEYRING_SERVICE if value is True else value,
)
_PROXY = Kind("the address of a proxy, with no @ in it", _holds_no_password, quoted=False)
_VALIDATION = Kind(
    "true, false, or the path of a bundle of certificate authorities",
    lambda value: is_flag(value) or is_text(value),
)

_EFFECT = one_of(Impact.DISRUPT.value, Impact.CHANGE.value, read=Impact)

# --- what a table may hold -----------------------------------------------------------------------

_CONNECTION: Final[Mapping[str, Kind]] = {
    "auth": one_of(*AUTHS),
    "ssl": FLAG,
    "port": PORT,
    "path": TEXT,
    "configuration": TEXT,
    "username": TEXT,
    "password_env": _VARIABLE,
    "keyring": _KEYRING,
    "certificate_pem": TEXT,
    "certificate_key_pem": TEXT,
    "certificate_key_password_env": _VARIABLE,
    "certificate_validation": _VALIDATION,
    "proxy": _PROXY,
    "no_proxy": FLAG,
    "negotiate_service": TEXT,
}
_TABLES: Final[Mapping[str, Keys]] = {
    "exchange": {"servers": SERVERS, **_CONNECTION},
    "winrm": _CONNECTION,
    "addresses": Kind('an "address" or "address:port"', is_text),
    "policy": {
        "highest_impact": _EFFECT,
        "reboots_per_server": BUDGET,
        "hours_between_reboots": HOURS,
        "restarts_per_hour": BUDGET,
        "windows": tables_called("policy.windows"),
        "window_from": _EFFECT,
        "healthy_members": NUMBER,
        "approval_from": _EFFECT,
        "heed_managed_availability": FLAG,
        "probe_failures": NUMBER,
        "reboot_last_of_role": FLAG,
        "move_databases_back": FLAG,
        "sibling_share": SHARE,
        "dependencies": TABLE,
    },
    "timing": {one.name: SECONDS for one in fields(Timing)} | {"probe_attempts": NUMBER},
    "journal": {"path": TEXT},
    "watch": {"servers": SERVERS, "every": SECONDS, "retry": SECONDS},
    "notify": {
        "urls_env": variable("POPHEAL_NOTIFY"),
        "verdicts": some_of(*(verdict.value for verdict in Verdict), read=Verdict),
    },
}
_WINDOW: Final[Keys] = {"days": TEXTS, "start": TEXT, "end": TEXT, "zone": TEXT}
_DEPENDENCIES: Final[Keys] = dict.fromkeys(DEPENDENCY_HEALTH_SETS, TEXTS)

#: Who logs on. ``[winrm]`` takes these from ``[exchange]`` where it doesn't say.
_IDENTITY: Final = ("auth", "username", "certificate_pem", "certificate_key_pem")
#: Where a password comes from; resolved to settings, not passed on.
_SOURCES: Final = ("password_env", "keyring", "certificate_key_password_env")
#: Settings that name a file.
_FILES: Final = ("certificate_pem", "certificate_key_pem", "certificate_validation")

_Tables = Mapping[str, Mapping[str, Any]]


def _checked(file: TomlFile) -> _Tables:
    given = file.tables(tuple(_TABLES))
    read = {name: file.values(name, given[name], keys) for name, keys in _TABLES.items()}
    dependencies = read["policy"].pop("dependencies", {})
    read["dependencies"] = file.values("policy.dependencies", dependencies, _DEPENDENCIES)
    read["policy"]["windows"] = tuple(
        _window(file, number, window)
        for number, window in enumerate(read["policy"].get("windows", ()))
    )
    return read


def _window(file: TomlFile, number: int, given: Mapping[str, Any]) -> Window:
    values = {"days": DAYS, **file.values("policy.windows", given, _WINDOW, number)}
    for key in ("start", "end"):
        if key not in values:
            file.wrong("policy.windows", key, "is missing", f'Say when: {key} = "22:00".', number)
    try:
        return Window(**values)
    except InvalidWindow as error:
        file.wrong("policy.windows", error.key, error.problem, error.next_step, number)


def _policy(tables: _Tables) -> Policy:
    return Policy(
        timing=Timing(**tables["timing"]),
        dependencies={**DEPENDENCY_HEALTH_SETS, **tables["dependencies"]},
        **tables["policy"],
    )


# --- journal, watch, notify ----------------------------------------------------------------------


def _required(file: TomlFile, tables: _Tables, table: str, key: str, example: str) -> bool:
    """Whether a table is there, with the key that it can't do without."""
    if table in file.content and key not in tables[table]:
        file.wrong(table, key, "is missing", f"Add it: {key} = {example}.")
    return table in file.content


def _journal(file: TomlFile, tables: _Tables) -> Path | None:
    if not _required(file, tables, "journal", "path", '"/var/lib/popheal/journal.db"'):
        return None
    given = tables["journal"]["path"]
    problem = ""
    try:
        # Not by the working directory: all who use the file must find the same journal.
        path = (Path(file.name).parent / Path(given).expanduser()).absolute()
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
        file.wrong("journal", "path", f"is '{given}', {problem}", right)
    return path


def _watch(file: TomlFile, tables: _Tables) -> WatchSettings | None:
    if not _required(file, tables, "watch", "servers", '["ex1.contoso.com"]'):
        return None
    return WatchSettings(**tables["watch"])


def _notify(file: TomlFile, tables: _Tables, wallet: Wallet) -> NotifySettings | None:
    if not _required(file, tables, "notify", "urls_env", '"POPHEAL_NOTIFY"'):
        return None
    given = dict(tables["notify"])
    urls = wallet.variable("notify", "urls_env", given, "addresses").reveal().split()
    if not urls or not all("://" in url for url in urls):
        # Not repeated: there are passwords in it.
        file.wrong(
            "notify",
            "urls_env",
            "names a variable with something in it that is no address",
            "Put addresses like mailto://... into it, with spaces between them.",
        )
    del given["urls_env"]
    return NotifySettings(urls=tuple(Secret(url) for url in urls), **given)


# --- connections ---------------------------------------------------------------------------------


def _settings(file: TomlFile, tables: _Tables, wallet: Wallet) -> PsrpSettings:
    exchange = tables["exchange"]
    if "servers" not in exchange:
        file.wrong(
            "exchange",
            "servers",
            "is missing",
            'Name the Exchange servers to connect to: servers = ["ex1.contoso.com"].',
        )
    winrm = {key: exchange[key] for key in _IDENTITY if key in exchange} | dict(tables["winrm"])
    exchange_passwords = wallet.passwords("exchange", exchange)
    winrm_passwords = exchange_passwords | wallet.passwords("winrm", winrm)
    another = winrm.get("username") != exchange.get("username")
    if another and not {"password_env", "keyring"} & set(winrm):
        winrm_passwords.pop("password", None)  # another user's would be of no use
    try:
        settings = PsrpSettings(
            exchange=_connection(
                file, "exchange", exchange_connection, exchange, exchange_passwords
            ),
            winrm=_connection(file, "winrm", winrm_connection, winrm, winrm_passwords),
            addresses=tables["addresses"],
        )
    except ConfigurationError as error:
        if error.source == "[addresses]":
            file.wrong("addresses", "", error.problem, error.next_step)
        raise
    _refuse_clear_text(file, settings)
    return settings


def _connection(
    file: TomlFile,
    table: str,
    make: Callable[..., Connection],
    given: Mapping[str, Any],
    passwords: Mapping[str, Secret],
) -> Connection:
    for key in _FILES:
        path = given.get(key)
        if isinstance(path, str) and not Path(path).is_file():
            file.wrong(table, key, f"is '{path}', which is not a file", "Check the path.")
    chosen = {key: value for key, value in given.items() if key not in _SOURCES}
    try:
        return make(**chosen, **passwords)
    except ConfigurationError as error:
        file.wrong(table, "", error.problem, error.next_step)


def _refuse_clear_text(file: TomlFile, settings: PsrpSettings) -> None:
    """Say at once what the backend would refuse to do at its first connection."""
    for table in ("exchange", "winrm"):
        connection: Connection = getattr(settings, table)
        for server in settings.exchange.servers:
            target = settings.target(server, connection)
            if not connection.may_connect_to(target.address):
                file.wrong(
                    table,
                    "ssl",
                    f"is off, so auth '{connection.auth}' would send the password to {server} "
                    "in clear text",
                    "Set ssl = true, or another auth.",
                )

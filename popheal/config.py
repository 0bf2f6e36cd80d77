"""Configuration: one TOML file with connections, policy and timing.

What each table may hold is written down once, in the data tables below. A mistake is a
:class:`~popheal.errors.ConfigurationError` that says where it is, what was seen and what would
be right. Passwords are never in the file, and never in an error.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from attrs import evolve, fields, frozen

from popheal.actions import Impact
from popheal.backends.psrp.settings import (
    AUTHS,
    Connection,
    PsrpSettings,
    Secret,
    exchange_connection,
    winrm_connection,
)
from popheal.catalogue import DEPENDENCY_HEALTH_SETS
from popheal.errors import ConfigurationError
from popheal.policy import Policy, Timing
from popheal.tomlfile import Keys, Kind, TomlFile, one_of

#: The keyring service that ``keyring = true`` means.
KEYRING_SERVICE: Final = "popheal"


@frozen(kw_only=True)
class Config:
    """What a configuration file says.

    Attributes:
        source: The file.
        settings: Where the organisation is and how to log on to it.
        policy: How far to go, and how long to wait.
    """

    source: str
    settings: PsrpSettings
    policy: Policy

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
    wallet = _Wallet(file, os.environ if environ is None else environ)
    settings = evolve(
        _settings(file, tables, wallet), command_timeout=policy.timing.command_timeout
    )
    return Config(source=file.name, settings=settings, policy=policy)


def load_policy(path: str | Path) -> Policy:
    """Read only ``[policy]`` and ``[timing]`` of a configuration file.

    The other tables may be missing; their keys are checked, but no password is looked up.

    Raises:
        ConfigurationError: As for :func:`load_config`.
    """
    return _policy(_checked(TomlFile.read(path)))


# --- what a value may be -------------------------------------------------------------------------

_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_HIGHEST_PORT: Final = 65535


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(_is_text(one) for one in value)


def _holds_no_password(url: Any) -> bool:
    # With or without a scheme, user name and password are what is in front of an @.
    if not _is_text(url) or "@" in url:
        return False
    try:
        urlsplit(url)
    except ValueError:  # malformed beyond being split
        return False
    return True


_TEXT = Kind("a text in quotes", _is_text)
_TEXTS = Kind('a list of texts, like ["one", "two"]', _are_texts, read=tuple)
_FLAG = Kind("true or false", _is_flag)
_TABLE = Kind("a table", lambda value: isinstance(value, dict))
_SECONDS = Kind("a number of seconds above 0", lambda v: _is_number(v) and v > 0, read=float)
_ATTEMPTS = Kind("a whole number above 0", lambda v: _is_whole(v) and v > 0)
_BUDGET = Kind("a whole number, 0 or more", lambda v: _is_whole(v) and v >= 0)
_SHARE = Kind("a number above 0 and at most 1", lambda v: _is_number(v) and 0 < v <= 1, read=float)
_PORT = Kind("a whole number from 1 to 65535", lambda v: _is_whole(v) and 0 < v <= _HIGHEST_PORT)
_SERVERS = Kind(
    'a list of at least one full name, like ["ex1.contoso.com", "ex2.contoso.com"]',
    lambda value: _are_texts(value) and bool(value),
    read=tuple,
)
_VARIABLE = Kind(
    "the name of an environment variable, like POPHEAL_PASSWORD",
    lambda value: _is_text(value) and bool(_VARIABLE_NAME.fullmatch(value)),
    quoted=False,
)
_KEYRING = Kind(
    "true, or the name of a keyring service",
    lambda value: value is True or _is_text(value),
    quoted=False,
    read=lambda value: KEYRING_SERVICE if value is True else value,
)
_PROXY = Kind("the address of a proxy, with no @ in it", _holds_no_password, quoted=False)
_VALIDATION = Kind(
    "true, false, or the path of a bundle of certificate authorities",
    lambda value: _is_flag(value) or _is_text(value),
)

# --- what a table may hold -----------------------------------------------------------------------

_CONNECTION: Final[Mapping[str, Kind]] = {
    "auth": one_of(*AUTHS),
    "ssl": _FLAG,
    "port": _PORT,
    "path": _TEXT,
    "configuration": _TEXT,
    "username": _TEXT,
    "password_env": _VARIABLE,
    "keyring": _KEYRING,
    "certificate_pem": _TEXT,
    "certificate_key_pem": _TEXT,
    "certificate_key_password_env": _VARIABLE,
    "certificate_validation": _VALIDATION,
    "proxy": _PROXY,
    "no_proxy": _FLAG,
    "negotiate_service": _TEXT,
}
_TABLES: Final[Mapping[str, Keys]] = {
    "exchange": {"servers": _SERVERS, **_CONNECTION},
    "winrm": _CONNECTION,
    "addresses": Kind('an "address" or "address:port"', _is_text),
    "policy": {
        "highest_impact": one_of(Impact.DISRUPT.value, Impact.CHANGE.value, read=Impact),
        "reboots_per_server": _BUDGET,
        "probe_failures": _ATTEMPTS,
        "reboot_last_of_role": _FLAG,
        "move_databases_back": _FLAG,
        "sibling_share": _SHARE,
        "dependencies": _TABLE,
    },
    "timing": {one.name: _SECONDS for one in fields(Timing)} | {"probe_attempts": _ATTEMPTS},
}
_DEPENDENCIES: Final[Keys] = dict.fromkeys(DEPENDENCY_HEALTH_SETS, _TEXTS)

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
    return read


def _policy(tables: _Tables) -> Policy:
    return Policy(
        timing=Timing(**tables["timing"]),
        dependencies={**DEPENDENCY_HEALTH_SETS, **tables["dependencies"]},
        **tables["policy"],
    )


# --- connections ---------------------------------------------------------------------------------


def _settings(file: TomlFile, tables: _Tables, wallet: _Wallet) -> PsrpSettings:
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


# --- passwords -----------------------------------------------------------------------------------


@frozen
class _Wallet:
    """Gets passwords from where the file says they are."""

    file: TomlFile
    environ: Mapping[str, str]

    def passwords(self, table: str, given: Mapping[str, Any]) -> dict[str, Secret]:
        """The password settings of a connection."""
        if "password_env" in given and "keyring" in given:
            self.file.wrong(
                table, "keyring", "and password_env are both given", "Keep one of the two."
            )
        found = {}
        if "password_env" in given:
            found["password"] = self._variable(table, "password_env", given)
        if "keyring" in given:
            found["password"] = self._keyring(table, given)
        if _SOURCES[2] in given:
            found["certificate_key_password"] = self._variable(table, _SOURCES[2], given)
        return found

    def _variable(self, table: str, key: str, given: Mapping[str, Any]) -> Secret:
        name = given[key]
        password = self.environ.get(name)
        if not password:
            # A name in lower case may be a password put there by mistake: don't repeat it.
            called = f"{name}, which" if name.isupper() else "a variable that"
            self.file.wrong(
                table,
                key,
                f"names {called} is not set in the environment",
                "Set the variable to the password before starting popheal.",
            )
        return Secret(password)

    def _keyring(self, table: str, given: Mapping[str, Any]) -> Secret:
        service, username = given["keyring"], given.get("username")
        if not username:
            self.file.wrong(
                table, "keyring", "needs a username", 'Add username = "...", as in the keyring.'
            )
        try:
            password: str | None = import_module("keyring").get_password(service, username)
        except ImportError:
            self.file.wrong(
                table,
                "keyring",
                "needs the package keyring, which is not installed",
                "Install it with: pip install 'popheal[keyring]'.",
            )
        except Exception as error:  # noqa: BLE001 - a keyring's own backends raise anything
            self.file.wrong(
                table,
                "keyring",
                f"can't be used ({type(error).__name__})",
                "Unlock the keyring, or use password_env.",
            )
        if not password:
            self.file.wrong(
                table,
                "keyring",
                f"has no password for '{username}' under that service",
                "Store it with: keyring set SERVICE USERNAME.",
            )
        return Secret(password)

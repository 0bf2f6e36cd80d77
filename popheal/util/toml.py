"""A TOML file checked against tables of what may be in it, and how to complain about it.

Its passwords too, which are never in it, but where it says.
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Final, NoReturn

from attrs import field, frozen

from popheal.errors import ConfigurationError
from popheal.util.secrets import Secret

_NOT_IN_A_FILE: Final = (
    "is not accepted in a file, because files are copied, backed up and committed"
)
_ELSEWHERE: Final = (
    "Remove it; name an environment variable with password_env, or use keyring = true or Kerberos."
)
_IN_A_VARIABLE: Final = "Remove it; put it into an environment variable, and name that with"
_SECRETS: Final = ("password", "passwd", "pwd", "secret")
_LONGEST_SHOWN: Final = 60


def _as_it_is(value: Any) -> Any:
    return value


@frozen
class Kind:
    """What a value may be.

    Attributes:
        right: What would be right, for people.
        accepts: Whether a value, as ``tomllib`` gives it, is.
        choices: The words it is one of, if it is.
        quoted: Whether a wrong value may be shown. Not where somebody might put a password.
        read: Makes what the program works with.
    """

    right: str
    accepts: Callable[[Any], bool]
    choices: tuple[str, ...] = ()
    quoted: bool = True
    read: Callable[[Any], Any] = _as_it_is


def one_of(*words: str, read: Callable[[Any], Any] = _as_it_is) -> Kind:
    """One of these words."""
    return Kind(f"one of {', '.join(words)}", lambda value: value in words, words, read=read)


# --- what a value may be -------------------------------------------------------------------------

_VARIABLE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_HIGHEST_PORT: Final = 65535


def is_text(value: Any) -> bool:
    """Whether it is a text with something in it."""
    return isinstance(value, str) and bool(value.strip())


def is_flag(value: Any) -> bool:
    """Whether it is true or false."""
    return isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not is_flag(value) and math.isfinite(value)


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not is_flag(value)


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and all(is_text(one) for one in value)


def _are_tables(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(one, dict) for one in value)


TEXT: Final = Kind("a text in quotes", is_text)
TEXTS: Final = Kind('a list of texts, like ["one", "two"]', _are_texts, read=tuple)
FLAG: Final = Kind("true or false", is_flag)
TABLE: Final = Kind("a table", lambda value: isinstance(value, dict))
SECONDS: Final = Kind("a number of seconds above 0", lambda v: _is_number(v) and v > 0, read=float)
HOURS: Final = Kind("a number of hours, 0 or more", lambda v: _is_number(v) and v >= 0, read=float)
NUMBER: Final = Kind("a whole number above 0", lambda v: _is_whole(v) and v > 0)
BUDGET: Final = Kind("a whole number, 0 or more", lambda v: _is_whole(v) and v >= 0)
SHARE: Final = Kind(
    "a number above 0 and at most 1", lambda v: _is_number(v) and 0 < v <= 1, read=float
)
PORT: Final = Kind(
    "a whole number from 1 to 65535", lambda v: _is_whole(v) and 0 < v <= _HIGHEST_PORT
)
SERVERS: Final = Kind(
    'a list of at least one full name, like ["ex1.contoso.com", "ex2.contoso.com"]',
    lambda value: _are_texts(value) and bool(value),
    read=tuple,
)


def variable(example: str) -> Kind:
    """The name of an environment variable. A wrong one is not shown: it may be a secret."""
    return Kind(
        f"the name of an environment variable, like {example}",
        lambda value: is_text(value) and bool(_VARIABLE_NAME.fullmatch(value)),
        quoted=False,
    )


def some_of(*words: str, read: Callable[[Any], Any]) -> Kind:
    """A list of at least one of these words."""
    return Kind(
        f"a list of some of {', '.join(words)}",
        lambda value: _are_texts(value) and bool(value) and set(value) <= set(words),
        read=lambda value: tuple(read(one) for one in dict.fromkeys(value)),
    )


def tables_called(name: str) -> Kind:
    """Tables in double brackets."""
    return Kind(f"tables of their own, each under a line [[{name}]]", _are_tables)


# --- the file ------------------------------------------------------------------------------------

#: The keys a table may have; a Kind alone where the keys are the writer's own.
Keys = Mapping[str, Kind] | Kind


@frozen(kw_only=True)
class TomlFile:
    """A file that was read. Its errors say which file, which line and which key."""

    name: str
    text: str = field(repr=False)
    content: Mapping[str, Any] = field(repr=False)

    @classmethod
    def read(cls, path: str | Path) -> TomlFile:
        """Read and parse it. Raises ConfigurationError."""
        name = str(path)
        try:
            data = Path(path).read_bytes()
        except (OSError, ValueError) as error:
            said = getattr(error, "strerror", None) or "that is not a path"
            raise ConfigurationError(
                source=name,
                problem=f"can't be read ({said})",
                next_step="Check the path and the file's permissions.",
            ) from None
        try:
            text = data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise ConfigurationError(
                source=f"{name}, line {line}",
                problem="this is not UTF-8",
                next_step="Save the file as UTF-8.",
            ) from None
        try:
            content = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            said = str(error)
            raise ConfigurationError(
                source=name,
                problem=f"this is not TOML: {said[:1].lower()}{said[1:]}",
                next_step="Correct that place; texts are in quotes, tables start with [a name].",
            ) from None
        return cls(name=name, text=text, content=content)

    def wrong(
        self, table: str, key: str, problem: str, next_step: str, number: int = 0
    ) -> NoReturn:
        """Raise the error for a key of a table; either name may be empty.

        Where there are several tables of that name, ``number`` says which is meant, from 0.
        """
        line = _line_of(self.text, table, key, number)
        if line is None and "." in table:
            parent, _, name = table.rpartition(".")
            line = _line_of(self.text, parent, name)  # written as a value
        at = f"[{table}]" if table else ""
        raise ConfigurationError(
            source=f"{self.name}, line {line}" if line else self.name,
            problem=" ".join(filter(None, (at, key, problem))),
            next_step=next_step,
        )

    def tables(self, names: Collection[str]) -> dict[str, Mapping[str, Any]]:
        """The top-level tables as they are; one that isn't there is empty."""
        for name, value in self.content.items():
            if name not in names:
                self._unknown("", name, names)
            if not isinstance(value, dict):
                self.wrong("", name, "is not a table", f"Write it as a line [{name}] of its own.")
        return {name: self.content.get(name, {}) for name in names}

    def values(
        self, table: str, given: Mapping[str, Any], keys: Keys, number: int = 0
    ) -> dict[str, Any]:
        """The values of a table, each checked and read."""
        read = {}
        for key, value in given.items():
            if isinstance(keys, Kind):
                kind = keys
            elif key in keys:
                kind = keys[key]
            else:
                self._unknown(table, key, keys, number)
            if not kind.accepts(value):
                seen = f"is {_shown(value)}" if kind.quoted else "is something else"
                hint = _close(value, kind.choices) if isinstance(value, str) else ""
                self.wrong(table, key, seen, f"{hint}Give {kind.right}.", number)
            read[key] = kind.read(value)
        return read

    def _unknown(self, table: str, key: str, known: Collection[str], number: int = 0) -> NoReturn:
        secret = any(word in key.casefold() for word in _SECRETS)
        secret = secret or bool({f"{key}_env", f"{key}s_env"} & set(known))
        if secret and not difflib.get_close_matches(key, known, n=1, cutoff=0.85):
            variables = [one for one in known if one.endswith("_env")]
            only = len(variables) == 1
            elsewhere = f"{_IN_A_VARIABLE} {variables[0]}." if only else _ELSEWHERE
            self.wrong(table, key, _NOT_IN_A_FILE, elsewhere, number)
        what = "is not a known key" if table else "is not a known table"
        possible = f"Possible here: {', '.join(sorted(known))}."
        self.wrong(table, key, what, f"{_close(key, known)}{possible}", number)


def _line_of(text: str, table: str, key: str, skipped: int = 0) -> int | None:
    """The line of a key, or of its table. ``tomllib`` doesn't tell, so it is looked for.

    Only the plain ways of writing a key are recognised; for others the message does without.
    """
    header, of_table = "", None
    plain = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*[=.]""") if key else None
    for number, line in enumerate(text.splitlines(), 1):
        if opened := re.match(r"\s*\[+([^\[\]]+)\]+\s*(#.*)?$", line):
            header = ".".join(part.strip(" \t\"'") for part in opened[1].split("."))
            if header == table and skipped:
                skipped, header = skipped - 1, ""
            elif header == table and of_table:
                break
            elif header in (table or key, f"{table}.{key}"):
                of_table = of_table or number
        elif header == table and plain and plain.match(line):
            return number
    return of_table


def _shown(value: Any) -> str:
    """A value, cut short; never what is inside a list or a table."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, dict):
        return "a table"
    if isinstance(value, list):
        return "a list that can't be used" if value else "an empty list"
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def _close(given: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(given.casefold(), known, n=1)
    return f"Did you mean '{close[0]}'? " if close else ""


# --- passwords -----------------------------------------------------------------------------------


@frozen
class Wallet:
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
            found["password"] = self.variable(table, "password_env", given)
        if "keyring" in given:
            found["password"] = self._keyring(table, given)
        if "certificate_key_password_env" in given:
            found["certificate_key_password"] = self.variable(
                table, "certificate_key_password_env", given
            )
        return found

    def variable(
        self, table: str, key: str, given: Mapping[str, Any], content: str = "password"
    ) -> Secret:
        """What the variable holds that a key names."""
        name = given[key]
        password = self.environ.get(name)
        if not password:
            # A name in lower case may be a password put there by mistake: don't repeat it.
            called = f"{name}, which" if name.isupper() else "a variable that"
            self.file.wrong(
                table,
                key,
                f"names {called} is not set in the environment",
                f"Set the variable to the {content} before starting popheal.",
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

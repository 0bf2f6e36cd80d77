"""A TOML file checked against tables of what may be in it, and how to complain about it."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from attrs import field, frozen

from popheal.errors import ConfigurationError

_NOT_IN_A_FILE: Final = (
    "is not accepted in a file, because files are copied, backed up and committed"
)
_ELSEWHERE: Final = (
    "Remove it; name an environment variable with password_env, or use keyring = true or Kerberos."
)
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

    def wrong(self, table: str, key: str, problem: str, next_step: str) -> NoReturn:
        """Raise the error for a key of a table; either name may be empty."""
        line = _line_of(self.text, table, key)
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

    def values(self, table: str, given: Mapping[str, Any], keys: Keys) -> dict[str, Any]:
        """The values of a table, each checked and read."""
        read = {}
        for key, value in given.items():
            if isinstance(keys, Kind):
                kind = keys
            elif key in keys:
                kind = keys[key]
            else:
                self._unknown(table, key, keys)
            if not kind.accepts(value):
                seen = f"is {_shown(value)}" if kind.quoted else "is something else"
                hint = _close(value, kind.choices) if isinstance(value, str) else ""
                self.wrong(table, key, seen, f"{hint}Give {kind.right}.")
            read[key] = kind.read(value)
        return read

    def _unknown(self, table: str, key: str, known: Collection[str]) -> NoReturn:
        secret = any(word in key.casefold() for word in ("password", "passwd", "pwd", "secret"))
        if secret and not difflib.get_close_matches(key, known, n=1, cutoff=0.85):
            self.wrong(table, key, _NOT_IN_A_FILE, _ELSEWHERE)
        what = "is not a known key" if table else "is not a known table"
        possible = f"Possible here: {', '.join(sorted(known))}."
        self.wrong(table, key, what, f"{_close(key, known)}{possible}")


def _line_of(text: str, table: str, key: str) -> int | None:
    """The line of a key, or of its table. ``tomllib`` doesn't tell, so it is looked for.

    Only the plain ways of writing a key are recognised; for others the message does without.
    """
    header, of_table = "", None
    plain = re.compile(rf"""\s*["']?{re.escape(key)}["']?\s*[=.]""") if key else None
    for number, line in enumerate(text.splitlines(), 1):
        if opened := re.match(r"\s*\[+([^\[\]]+)\]+\s*(#.*)?$", line):
            header = ".".join(part.strip(" \t\"'") for part in opened[1].split("."))
            if header in (table or key, f"{table}.{key}"):
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

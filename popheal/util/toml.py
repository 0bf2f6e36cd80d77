"""A TOML file, and where in it each key stands."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path as FilePath
from typing import Any, ClassVar, Final

from attrs import field, frozen

from popheal.errors import ConfigurationError
from popheal.util.schema import Document, Path
from popheal.util.text import one_line

_NO_TOML: Final = "Correct that place; texts are in quotes, tables start with [a name]."
#: Where a backslash was meant, as in the name of a Windows account, but TOML reads an escape.
_A_BACKSLASH: Final = (
    "In double quotes a backslash begins an escape, like \\n for a line feed. For a backslash "
    "itself write two, or the text in single quotes: 'CONTOSO\\name'."
)
_LONGEST_SAID: Final = 200
_ERROR_LINE: Final = re.compile(r"at line (\d+)")


def _is_about_an_escape(said: str, text: str) -> bool:
    """Whether what the parser says is about a backslash, which it doesn't always name."""
    line = _ERROR_LINE.search(said)
    lines = text.split("\n")
    about = lines[int(line[1]) - 1] if line and int(line[1]) <= len(lines) else ""
    return "\\" in about and ("hex value" in said or "nescaped" in said or "escape" in said)


@frozen(kw_only=True)
class TomlFile(Document):
    """A file that was read. Its errors say which file, which line and which key.

    Attributes:
        text: The file; empty where only its content is known.
    """

    text: str = field(default="", repr=False)

    no_table: ClassVar = "is not a table"
    a_control: ClassVar = _A_BACKSLASH
    a_table: ClassVar = "Write it as a line [{}] of its own."
    tables: ClassVar = "Give tables of their own, each under a line [[{}]]."

    @classmethod
    def read(cls, path: str | FilePath) -> TomlFile:
        """Read and parse it. Raises ConfigurationError."""
        name = str(path)
        try:
            data = FilePath(path).read_bytes()
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
        except (ValueError, RecursionError) as error:
            # Not only its own error: a number can have too many digits, tables too many levels.
            said = one_line(str(error), _LONGEST_SAID)
            escape = isinstance(error, tomllib.TOMLDecodeError) and _is_about_an_escape(said, text)
            raise ConfigurationError(
                source=name,
                problem=f"this is not TOML: {said[:1].lower()}{said[1:]}",
                next_step=_A_BACKSLASH if escape else _NO_TOML,
            ) from None
        return cls(name=name, text=text, content=content)

    def line(self, path: Path) -> int | None:
        """The line of a key; of the table it belongs in, if it isn't there."""
        lines = dict(_places(self.text))
        return next((lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in lines), None)


def _places(text: str) -> Iterator[tuple[Path, int]]:
    """Each key with its line; of a table that is opened again, the last one.

    ``tomllib`` doesn't tell. But a statement ends with a line, and no part of it is a whole one:
    so lines are gathered until they parse.
    """
    entries: dict[Path, int] = {}  # of each list of tables: the number of its present one
    table: Path = ()
    statement, begun = "", 0
    for number, line in enumerate(text.split("\n"), 1):
        begun = begun if statement else number
        statement += f"{line}\n"
        try:
            content = tomllib.loads(statement)
        except tomllib.TOMLDecodeError:
            continue
        if statement.lstrip().startswith("["):
            table = _opened(content, entries)
            yield table, begun
        else:
            yield from ((path, begun) for path in _keys(table, content))
        statement = ""


def _opened(header: Mapping[str, Any], entries: dict[Path, int]) -> Path:
    """The path of the table that a line in brackets opens."""
    path: Path = ()
    while header:
        ((name, inner),) = header.items()
        path = (*path, name)
        if isinstance(inner, list):
            entries[path] = entries.get(path, -1) + 1
            inner = inner[0]
        if path in entries:
            path = (*path, entries[path])
        header = inner
    return path


def _keys(table: Path, content: Mapping[str, Any]) -> Iterator[Path]:
    for name, value in content.items():
        path = (*table, name)
        yield path
        if isinstance(value, dict):
            yield from _keys(path, value)
        elif isinstance(value, list):
            for number, entry in enumerate(value):
                if isinstance(entry, dict):
                    yield from _keys((*path, number), entry)

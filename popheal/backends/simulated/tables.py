"""Reading TOML tables strictly: every key is asked for, and what nobody asked for is an error."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import NoReturn

from popheal.errors import ConfigurationError

#: No default: the key has to be there.
REQUIRED: str = "\0required"


class Table:
    """One table of a file.

    Args:
        source: The file, for messages.
        path: The keys that lead to this table, for example ``servers.MBX1``.
        content: The table itself; read it through the methods, so that keys get checked.
    """

    def __init__(self, source: str, path: str, content: Mapping[str, object]) -> None:
        self.source = source
        self.path = path
        self.content = dict(content)
        self._known: list[str] = []

    def where(self, key: str) -> str:
        return f"{self.path}.{key}" if self.path else key

    def wrong(self, key: str, problem: str, right: str) -> NoReturn:
        """Raise the error for a key: what is wrong, and what would be right."""
        raise ConfigurationError(
            source=self.source, problem=f"'{self.where(key)}' {problem}", next_step=right
        )

    def __contains__(self, key: str) -> bool:
        return key in self.content

    # --- values ----------------------------------------------------------------------------------

    def text(self, key: str, default: str = REQUIRED) -> str:
        value = self._take(key, default)
        if not isinstance(value, str):
            self.wrong(key, f"is {value!r}", "Give a text in quotes.")
        if value == REQUIRED:
            self.wrong(key, "is missing", f'Add {key} = "...".')
        return value

    def choice(self, key: str, choices: Collection[str], default: str = REQUIRED) -> str:
        value = self.text(key, default)
        if value not in choices and value != default:
            self.wrong(key, f"is '{value}'", _one_of(value, choices))
        return value

    def flag(self, key: str, *, default: bool = False) -> bool:
        value = self._take(key, default)
        if not isinstance(value, bool):
            self.wrong(key, f"is {value!r}", "Give true or false.")
        return value

    def number(self, key: str, default: float = 0.0, *, negative: bool = False) -> float:
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            self.wrong(key, f"is {value!r}", "Give a number.")
        if value < 0 and not negative:
            self.wrong(key, f"is {value!r}", "Give a number that isn't negative.")
        return float(value)

    def whole(self, key: str, default: int = 0) -> int:
        value = self._take(key, default)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            self.wrong(key, f"is {value!r}", "Give a whole number that isn't negative.")
        return value

    def ordinal(self, key: str) -> int:
        """Return a whole number that counts from 1, and is 1 if the key isn't there."""
        value = self.whole(key, 1)
        if value < 1:
            self.wrong(key, f"is {value!r}", "Count from 1.")
        return value

    def optional_ordinal(self, key: str) -> int | None:
        value = self._take(key, None)
        return None if value is None else self.ordinal(key)

    def optional_whole(self, key: str) -> int | None:
        value = self._take(key, None)
        return None if value is None else self.whole(key)

    def optional_number(self, key: str) -> float | None:
        value = self._take(key, None)
        return None if value is None else self.number(key)

    def texts(self, key: str, default: Collection[str] = ()) -> list[str]:
        value = self._take(key, list(default))
        if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
            self.wrong(key, f"is {value!r}", 'Give a list of texts, like ["one", "two"].')
        return [str(v) for v in value]

    def choices(
        self, key: str, choices: Collection[str], default: Collection[str] = ()
    ) -> list[str]:
        values = self.texts(key, default)
        for value in values:
            if value not in choices:
                self.wrong(key, f"has '{value}' in it", _one_of(value, choices))
        return values

    def raw(self, key: str) -> object:
        """Return a value of any type, None if there is none."""
        return self._take(key, None)

    # --- tables in it ----------------------------------------------------------------------------

    def table(self, key: str) -> Table:
        value = self._take(key, {})
        if not isinstance(value, dict):
            self.wrong(key, f"is {value!r}", f"Make it a table: [{self.where(key)}].")
        return Table(self.source, self.where(key), value)

    def named_tables(self, key: str) -> dict[str, Table]:
        """Return the tables ``[key.name]``, by name."""
        outer = self.table(key)
        return {name: outer.table(name) for name in outer.content}

    def known_tables(self, key: str, known: Collection[str]) -> dict[str, Table]:
        """Like :meth:`named_tables`, for names out of a given set."""
        found = self.named_tables(key)
        for name in found:
            if name not in known:
                self.wrong(f"{key}.{name}", "isn't known", _one_of(name, known))
        return found

    def tables(self, key: str) -> list[Table]:
        """Return the tables ``[[key]]``."""
        value = self._take(key, [])
        if not isinstance(value, list) or not all(isinstance(v, dict) for v in value):
            self.wrong(key, "isn't a list of tables", f"Write it as [[{self.where(key)}]].")
        return [
            Table(self.source, f"{self.where(key)}[{number}]", one)
            for number, one in enumerate(value, 1)
        ]

    # --- the end ---------------------------------------------------------------------------------

    def done(self) -> None:
        """Raise ConfigurationError for a key that was never asked for."""
        for key in self.content:
            if key not in self._known:
                self.wrong(key, "isn't known", _one_of(key, self._known))

    def _take(self, key: str, default: object) -> object:
        self._known.append(key)
        return self.content.get(key, default)


def _one_of(given: str, known: Collection[str]) -> str:
    close = difflib.get_close_matches(given, known, n=1)
    hint = f"Did you mean '{close[0]}'? " if close else ""
    names = ", ".join(sorted(set(known))) or "nothing at all"
    return f"{hint}Possible here: {names}."

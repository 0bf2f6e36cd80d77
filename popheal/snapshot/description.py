"""The tables of a scenario, on their way from what was seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import define, field

from popheal.snapshot.seen import Seen
from popheal.util.text import without_controls

#: The tables of a scenario.
Tables = dict[str, Any]


#: Keys whose texts may have several lines.
_LINES: Final = ("error", "exception")


def cleaned(value: Any, key: str = "") -> Any:
    """The value without control characters in its texts, but for those of several lines."""
    if isinstance(value, Mapping):
        return {name: cleaned(one, name) for name, one in value.items()}
    if isinstance(value, list):
        return [cleaned(one, key) for one in value]
    return without_controls(value) if isinstance(value, str) and key not in _LINES else value


@define
class Description:
    """The tables, as far as they are written.

    Attributes:
        notes: By the path of a table or key, what is to be said of it beside it.
    """

    seen: Seen
    tables: Tables = field(factory=dict)
    notes: dict[tuple[str, ...], list[str]] = field(factory=dict)

    def note(self, text: str, *path: str) -> None:
        """Say something at that place."""
        self.notes.setdefault(path, []).append(text)

    def server(self, name: str) -> Tables:
        """The table of a server, by its full name."""
        table: Tables = self.tables["servers"][self.seen.name_of(name)]
        return table


def said(table: Mapping[str, Any], **usual: Any) -> Tables:
    """The table without what is as usual, untold or empty."""
    return {
        key: value
        for key, value in table.items()
        if value is not None and value != usual.get(key, "")
    }

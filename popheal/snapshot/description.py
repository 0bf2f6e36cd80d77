"""The tables of a scenario, on their way from what was seen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from attrs import define, field

from popheal.snapshot.seen import Seen

#: The tables of a scenario.
Tables = dict[str, Any]


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

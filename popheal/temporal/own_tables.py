"""The tables by which the engine's workers of this process carry healings out.

They are popheal's, but for those in whose place somebody's own were put. All of them are in the
name of the build, so a healing is carried on by workers that have the very same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

from popheal.errors import UnknownName
from popheal.healthsets.pop import PROCEDURES
from popheal.tables.table import Procedure

#: What a healing ends by that was asked for by other tables: nothing of it has begun.
OTHER_TABLES: Final = "OtherTables"

_at_work: Mapping[str, Procedure] = PROCEDURES


def tables() -> Mapping[str, Procedure]:
    """Those that are followed here, by name."""
    return _at_work


def use_tables(own: Iterable[Procedure]) -> None:
    """Follow these in place of popheal's of the same names: before a worker begins, and for good.

    Raises:
        UnknownName: If one has a name that no monitor asks for.
    """
    global _at_work  # noqa: PLW0603 - workflows have nothing else in common with their worker
    named = {one.name: one for one in own}
    for name in named:
        if name not in PROCEDURES:
            raise UnknownName(kind="procedure", name=name, known=PROCEDURES)
    _at_work = MappingProxyType({**PROCEDURES, **named})


def other_tables(wanted: Mapping[str, str]) -> str:
    """Which of the tables that are wanted, by name and hash, are others here; empty if none is."""
    known = {name: table.hash for name, table in tables().items()}
    return ", ".join(
        f"{name} ({known.get(name, 'none')}, not {table})"
        for name, table in wanted.items()
        if known.get(name) != table
    )

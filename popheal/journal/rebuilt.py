"""A journal in memory that is made again from its entries, which were kept elsewhere.

Nothing is taken on trust: each entry must have the hash that it had.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from popheal.journal.chain import append, digest_of, head_of
from popheal.journal.marks import Mark
from popheal.journal.rows import Row, as_text, json_object, moment_as_text, zoned

_HASH: Final = "SELECT hash FROM entry WHERE seq = ?"

#: Of tables by their hash, as JSON values.
Tables = Mapping[str, Mapping[str, Any]]


def put_back(
    connection: sqlite3.Connection, lines: Iterable[Mapping[str, Any]], tables: Tables
) -> int:
    """Append what an export has, with what its marks say of the other tables.

    Args:
        connection: In a transaction, of a journal in which the healing has been begun again.
        lines: The entries, in order.
        tables: Those that runs may have been carried out by. One that is not among them is not
            put back, and whoever resumes only pays what is owed.

    Returns:
        The place of the last one.

    Raises:
        ValueError: If one does not follow from those before.
    """
    head = head_of(connection)
    for line in lines:
        row = _row_of(line)
        if row.seq <= head.seq:
            found = connection.execute(_HASH, (row.seq,)).fetchone()
            digest = found[0] if found else ""
        else:
            _, at, healing, *columns = row
            head = append(connection, [(healing, (at, *columns))], head=head)
            digest = head.hash
            if act := _OF_MARKS.get(row.kind):
                act(connection, row, json_object(row.data), tables)
        if digest != line["hash"]:
            raise ValueError(f"entry {row.seq} does not follow from those before it")
    return head.seq


def _row_of(line: Mapping[str, Any]) -> Row:
    data = line["text"] if "text" in line else as_text(line["data"])
    given = {**line, "at": moment_as_text(zoned(line["at"])), "data": data}
    return Row(*(given[name] for name in Row._fields))


# --- what marks say of rows of other tables ------------------------------------------------------


def _owner(connection: sqlite3.Connection, row: Row, said: Mapping[str, Any], _: Tables) -> None:
    values = (said["owner"], row.at, said["process"])
    connection.execute("INSERT INTO owner (id, since, process) VALUES (?, ?, ?)", values)


def _taken(connection: sqlite3.Connection, row: Row, said: Mapping[str, Any], _: Tables) -> None:
    values = (said["owner"], said["fence"], row.healing)
    connection.execute("UPDATE healing SET owner = ?, fence = ? WHERE id = ?", values)


def _stopped(connection: sqlite3.Connection, row: Row, _: Mapping[str, Any], __: Tables) -> None:
    connection.execute("UPDATE healing SET cancel_at = ? WHERE id = ?", (row.at, row.healing))


def _claimed(connection: sqlite3.Connection, row: Row, said: Mapping[str, Any], _: Tables) -> None:
    values = (said["organisation"], row.what, said["name"], row.healing)
    connection.execute("INSERT INTO claim VALUES (?, ?, ?, ?)", values)


def _kept(
    connection: sqlite3.Connection, row: Row, said: Mapping[str, Any], tables: Tables
) -> None:
    data = as_text(tables.get(row.what, {}))
    if digest_of(data) == said["digest"]:
        connection.execute("INSERT INTO procedure (hash, data) VALUES (?, ?)", (row.what, data))


_OF_MARKS: Final[Mapping[str, Callable[[sqlite3.Connection, Row, Any, Tables], None]]] = {
    Mark.OWNER.value: _owner,
    Mark.TAKEN.value: _taken,
    Mark.STOP_ASKED.value: _stopped,
    Mark.CLAIMED.value: _claimed,
    Mark.TABLE_KEPT.value: _kept,
}

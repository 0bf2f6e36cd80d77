"""The chain: each entry carries a hash over its own content and the hash of the one before it.

So nobody can change, remove, move or add an entry without changing the hash of every later one.
The form is defined in docs/check-journal.md, and computed here and nowhere else.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Final

from attrs import frozen

from popheal.journal.rows import Row

#: What stands in front of the first entry.
GENESIS: Final = ""

#: Compact, and in ASCII: the bytes do not depend on who encodes them.
_canonical: Final = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode

_NEWEST: Final = "SELECT seq, hash FROM entry ORDER BY seq DESC LIMIT 1"
_INSERT: Final = (
    "INSERT INTO entry (seq, at, healing, run, server, kind, what, outcome, data, hash)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


@frozen
class Head:
    """The end of a chain: the newest entry, by its place and its hash. 0 and empty: none yet."""

    seq: int = 0
    hash: str = GENESIS

    def __str__(self) -> str:
        return f"{self.seq}:{self.hash}" if self.seq else "none"


def link(previous: str, row: Row) -> str:
    """The hash of an entry, as 64 hexadecimal digits.

    Args:
        previous: The hash of the entry before it; empty for the first.
        row: The entry as it stands in the database.
    """
    text = f"{previous}\n{_canonical(row)}"
    # All of it is ASCII, but for a hash before that is none: then this one won't fit.
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def digest_of(*values: Any) -> str:
    """The hash of what stands in another table, as an entry carries it: plain JSON values."""
    return sha256(_canonical(values).encode("ascii")).hexdigest()


def head_of(connection: sqlite3.Connection) -> Head:
    """The end of the chain as it is now."""
    found = connection.execute(_NEWEST).fetchone()
    return Head(*found) if found else Head()


def append(
    connection: sqlite3.Connection, rows: Iterable[tuple[str, tuple[str, ...]]], *, head: Head
) -> Head:
    """Append entries to the history; in the caller's transaction, which read the head, too.

    Args:
        connection: In a transaction that nobody else can write beside.
        rows: Of each entry the healing (empty: the journal as a whole), and its other columns.
        head: The end of the chain before them.

    Returns:
        The end of the chain after them.
    """
    for healing, (at, *columns) in rows:
        row = Row(head.seq + 1, at, healing, *columns)
        head = Head(row.seq, link(head.hash, row))
        connection.execute(_INSERT, (*row, head.hash))
    return head


def append_to(connection: sqlite3.Connection, healing: str, *rows: tuple[str, ...]) -> Head:
    """Likewise, entries of one healing at the end as it is now."""
    return append(connection, [(healing, row) for row in rows], head=head_of(connection))

"""Glances: reading what is committed, without waiting for who writes.

A writer holds its connection until its commit is on the disk, and in a group for many writings.
Whoever only looks whether a healing is still ours, or what was done lately, need not wait for that:
SQLite's log lets others read beside it what was committed before.
"""

from __future__ import annotations

import sqlite3
import weakref
from pathlib import Path
from threading import Lock
from typing import Any


class Glances:
    """A second connection to a journal's file, by which nothing is written.

    Every method raises :class:`sqlite3.Error`.

    Args:
        path: The file, which the first connection has made a journal.
    """

    def __init__(self, path: Path) -> None:
        self._lock = Lock()
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        weakref.finalize(self, self._connection.close)
        self._connection.execute("PRAGMA query_only = ON")

    def rows(self, sql: str, values: Any) -> list[Any]:
        """The rows of a query, as they were last committed."""
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def close(self) -> None:
        """Close it; what is asked of it afterwards is an error."""
        with self._lock:
            self._connection.close()

"""What a healing writes, and when: at once, or with the next thing that is written at once.

A commit waits for the disk, so there are as few as safety needs. An intent is on the disk before
its effect, and so are a wait, a question and the end. What was found, and what came of an action,
has no hurry: it goes with the next of these. If the process dies before, whoever resumes finds an
intent without an outcome, looks, and counts it in every budget.

Anything here may be asked for twice: an interrupt may have hidden that it was done.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from popheal.journal.chain import append_to, digest_of
from popheal.journal.database import Database
from popheal.journal.marks import IS_STORY, Mark, mark
from popheal.journal.rows import as_text

_LAST: Final = (
    "SELECT at, run, server, kind, what, outcome, data FROM entry"  # noqa: S608 - of ours
    f" WHERE healing = ? AND {IS_STORY} ORDER BY seq DESC LIMIT 1"
)
_IS_KEPT: Final = "SELECT 1 FROM procedure WHERE hash = ?"

RowOfEntry = tuple[str, ...]


class Outbox:
    """The way of one healing's entries to the disk.

    Args:
        database: The journal's.
        healing: Its id.
        at: When it began, as it is written.
        require: Raises Fenced if it is not ours any more.
    """

    __slots__ = (
        "_at",
        "_database",
        "_depth",
        "_healing",
        "_newest",
        "_pending",
        "_require",
        "_sent",
        "_tables",
    )

    def __init__(
        self,
        database: Database,
        healing: str,
        at: str,
        require: Callable[[sqlite3.Connection], None],
    ) -> None:
        self._database = database
        self._healing = healing
        self._require = require
        #: The time of the last entry.
        self._at = at
        self._pending: list[RowOfEntry] = []
        self._tables: dict[str, str] = {}
        #: The last entry, written or not.
        self._newest: RowOfEntry | None = None
        #: The last entry of the transaction that was tried last, and how many of those that are
        #: pending went with it; None once it is known to be on the disk.
        self._sent: tuple[RowOfEntry | None, int] | None = None
        self._depth = 0

    @property
    def pending(self) -> tuple[RowOfEntry, ...]:
        """The entries that go with the next commit."""
        return tuple(self._pending)

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits for the next commit."""
        return not (self._pending or self._tables)

    def add(self, row: RowOfEntry, *, at_once: bool) -> None:
        """Write an entry; on the disk when this returns, or with the next commit."""
        self._at = row[0]
        if row == self._newest and self._is_noted(row):
            return
        self._newest = row
        if not at_once:
            self._pending.append(row)
            return
        with self.transaction() as connection:
            self._sent = (row, len(self._pending))
            append_to(connection, self._healing, row)

    def keep_table(self, key: str, table: Mapping[str, Any]) -> None:
        """Keep the table of a run under its hash, if it is not there; with the next commit."""
        if not self._database.glance(_IS_KEPT, (key,)):
            self._tables[key] = as_text(table)

    def flush(self) -> None:
        """All of it is on the disk when this returns."""
        if not self.is_empty:
            with self.transaction():
                pass  # what is pending goes in front of whatever is written

    def rest(self) -> None:
        """Forget what was written last: it will not be asked for twice any more."""
        self._newest = None

    def clear(self) -> None:
        """Nothing of it is to be written."""
        self._pending.clear()
        self._tables.clear()

    @contextlib.contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """A transaction, if the healing is still ours; what is pending is written first."""
        with self._database.transaction(durable=durable) as connection:
            if not self._depth:
                self._require(connection)
                self._send(connection)
            self._depth += 1
            try:
                yield connection
            finally:
                self._depth -= 1
        if not self._depth:
            self._database.once_committed(self.arrived)

    def mark(self, kind: Mark, **said: Any) -> RowOfEntry:
        """A mark, of the last moment that was written down."""
        return mark(kind, self._at, **said)

    def arrived(self) -> None:
        """What was sent is on the disk."""
        if self._sent:
            del self._pending[: self._sent[1]]
            self._tables.clear()
        self._sent = None

    def _send(self, connection: sqlite3.Connection) -> None:
        if self._sent and self._sent[0] and self._is_written(self._sent[0]):
            self.arrived()  # the commit had come through, and an interrupt hid it
        for key, data in self._tables.items():
            if not connection.execute(_IS_KEPT, (key,)).fetchone():
                connection.execute("INSERT INTO procedure (hash, data) VALUES (?, ?)", (key, data))
                kept = self.mark(Mark.TABLE_KEPT, what=key, digest=digest_of(data))
                append_to(connection, "", kept)
        self._sent = (self._pending[-1] if self._pending else None, len(self._pending))
        if self._pending:
            append_to(connection, self._healing, *self._pending)

    def _is_noted(self, row: RowOfEntry) -> bool:
        if self._pending[-1:] == [row]:
            return True
        if not self._is_written(row):
            return False
        self.arrived()
        return True

    def _is_written(self, row: RowOfEntry) -> bool:
        return self._database.read(_LAST, self._healing) == [row]

"""The database of a journal: opened with care, written whole or not at all, errors explained."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import RLock
from typing import Any, Final

from popheal.errors import JournalError, JournalLost
from popheal.journal.chain import Head, head_of
from popheal.journal.glances import Glances
from popheal.journal.group_commit import Turns, present_group
from popheal.journal.next_steps import NEXT_STEPS, next_step_of
from popheal.journal.opened import AsRead, Opened
from popheal.journal.place import Misplaced, real_file
from popheal.journal.rows import WRONG, problem_of
from popheal.journal.schema import (
    APPLICATION_ID,
    CHAINED_SINCE,
    MIGRATIONS,
    migrate,
    tables_of,
)

#: How long to wait while another process writes, in seconds.
_BUSY: Final = 10.0
#: How long until it is tried again, where SQLite does not wait by itself.
_SOON: Final = 0.01
_PRIVATE: Final = 0o600
_SYNCHRONOUS: Final = {True: "FULL", False: "NORMAL"}
_MEMORY: Final = ":memory:"


class Database:
    """A journal's database. Safe to share between threads.

    Args:
        path: The file; None for one in memory.
        create: Whether to make a file that isn't there.
        read_only: Whether it is only read: then nothing of it is changed, nor brought up to date.

    Raises:
        JournalError: If it can't be opened, or is no journal.
    """

    def __init__(self, path: Path | None, *, create: bool, read_only: bool = False) -> None:
        self.name = "in memory" if path is None else str(path)
        self.path = path = path and self._real_file(path, only_read=read_only)
        #: Held while it is used, and by a group until its commit.
        self.lock = RLock()
        #: How several threads write it.
        self.turns = Turns()
        self._seen: AsRead | None = None
        self._inside = False  # a transaction of ours
        self._durable = True
        self._opened: Opened | None = None
        self._glances: Glances | None = None
        where: Path | str = path or _MEMORY
        if path is not None and read_only:
            where = self._uri(path)
        elif path is not None:
            self._make_private(path, create=create)
        with self._explained("opened"):
            self._connection = sqlite3.connect(
                where,
                timeout=_BUSY,
                isolation_level=None,
                check_same_thread=False,
                uri=read_only,
            )
        # Should its user forget to: left to SQLite's own module, that is a warning, or an error.
        weakref.finalize(self, self._connection.close)
        try:
            if read_only:
                self._prepare_to_read()
            else:
                self._prepare()
                self._opened = Opened(path) if path else None
        except BaseException:
            self._connection.close()
            raise

    def close(self) -> None:
        """Close it; what is asked of it afterwards is a JournalError."""
        with self.lock:
            self._opened = None  # so that it is not opened once more for a glance
            if self._glances:
                self._glances.close()
            self._connection.close()

    @contextlib.contextmanager
    def transaction(self, *, durable: bool = True) -> Iterator[sqlite3.Connection]:
        """All of it, or nothing. One within another is part of it.

        Args:
            durable: Whether it is on the disk when it ends, with all that was written before it.
                If not, others see it, and a process that dies does not lose it; but a machine
                that fails may, until the next one that is.
        """
        with self.lock, self._explained("written"):
            if self._inside:
                yield self._connection
                return
            group = present_group()
            with group.part(self) if group else self._alone(durable=durable) as connection:
                self._inside = True
                try:
                    yield connection
                finally:
                    self._inside = False

    def once_committed(self, function: Callable[[], None]) -> None:
        """Have something noted when what this thread has just written is on the disk."""
        if group := present_group():
            group.once_committed(self, function)
        else:
            function()

    @contextlib.contextmanager
    def _alone(self, *, durable: bool) -> Iterator[sqlite3.Connection]:
        self._begin(durable=durable)
        try:
            yield self._connection
            self._connection.execute("COMMIT")
        except BaseException:
            with contextlib.suppress(sqlite3.Error):
                self._connection.execute("ROLLBACK")
            raise

    def _begin(self, *, durable: bool) -> None:
        self.require_files()
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")  # an interrupt has left it open
        if durable is not self._durable:
            self._connection.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[durable]}")
            self._durable = durable
        self._connection.execute("BEGIN IMMEDIATE")

    def begin_group(self) -> sqlite3.Connection:
        """Begin a transaction of several writings; see :mod:`popheal.journal.group_commit`."""
        self.lock.acquire()
        try:
            with self._explained("written"):
                self._begin(durable=True)
        except BaseException:
            self.lock.release()
            raise
        return self._connection

    def end_group(self, *, commit: bool) -> None:
        """End it, and let others in."""
        try:
            with self._explained("written"):
                if self._connection.in_transaction:
                    self._connection.execute("COMMIT" if commit else "ROLLBACK")
        finally:
            with contextlib.suppress(sqlite3.Error):
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
            self.lock.release()

    def require_files(self) -> None:
        """Make sure that what is written is still what stands under its name, for all to see.

        Raises:
            JournalError: If a file was moved away, removed or replaced; or in a fork.
        """
        self._require_no_fork()
        if self._opened and (changed := self._opened.changed()):
            raise self._lost(*changed)

    def _require_no_fork(self) -> None:
        if self._opened and (forked := self._opened.in_fork()):
            raise self._lost(*forked)

    def read(self, sql: str, *values: Any) -> list[Any]:
        """The rows of a query."""
        return self.read_with(sql, values)

    def read_with(self, sql: str, values: Any) -> list[Any]:
        """Likewise, with a sequence of values, or values by name."""
        with self.lock:
            return self._rows(sql, values)

    def _rows(self, sql: str, values: Any) -> list[Any]:
        self._require_no_fork()
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise self._explanation("read", error) from None

    def glance(self, sql: str, values: Any) -> list[Any]:
        """Likewise as last committed, without waiting for who writes; not within a transaction."""
        if self._opened is None:
            return self.read_with(sql, values)
        if self.lock.acquire(blocking=False):
            # Nobody writes: what this connection has read before need not be read again.
            try:
                if not self._connection.in_transaction:
                    return self._rows(sql, values)
            finally:
                self.lock.release()
        with self._explained("read"):
            self._glances = glances = self._glances or Glances(self._opened.path)
            return glances.rows(sql, values)

    def each(self, sql: str, *values: Any) -> Iterator[Any]:
        """The rows of a query, one after another; for who reads alone, in a snapshot."""
        with self._explained("read"):
            yield from self._connection.execute(sql, values)

    def tables(self) -> dict[str, str]:
        """Its tables, indices and triggers as SQL, by kind and name."""
        with self.lock, self._explained("read"):
            return tables_of(self._connection)

    def version(self) -> int:
        """The version of its tables."""
        with self.lock, self._explained("read"):
            return self._version()

    def head(self) -> Head:
        """The end of the chain; none where an older popheal wrote the file, without hashes."""
        with self.lock, self._explained("read"):
            return head_of(self._connection) if self._version() >= CHAINED_SINCE else Head()

    @contextlib.contextmanager
    def read_as_written(self) -> Iterator[None]:
        """What was read is made sense of meanwhile; what makes none is damage."""
        try:
            yield
        except WRONG as error:
            problem = f"is damaged: what stands in it makes no sense ({problem_of(error)})"
            raise self.wrong(problem, NEXT_STEPS["SQLITE_CORRUPT"]) from None

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """What is read meanwhile is all of one moment, while others go on writing."""
        with self.lock, self._explained("read"):
            self._connection.execute("BEGIN")
            try:
                yield
            finally:
                with contextlib.suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")

    def verify(self) -> None:
        """Have SQLite look whether the file is whole. Raises JournalError if it isn't."""
        with self.lock, self._explained("read"):
            (found,) = self._connection.execute("PRAGMA integrity_check(1)").fetchone()
            if found != "ok":
                damage = sqlite3.DatabaseError(found)
                damage.sqlite_errorname = "SQLITE_CORRUPT"
                raise damage

    def undisturbed(self) -> bool:
        """Whether a file that nobody had open, and so was read without locks, is still the same."""
        return self._seen is None or self._seen == AsRead.of(self._seen.file)

    # --- opening ---------------------------------------------------------------------------------

    def _real_file(self, path: Path, *, only_read: bool) -> Path:
        try:
            return real_file(path, only_read=only_read)
        except Misplaced as error:
            raise self.wrong(error.problem, error.next_step) from None
        except OSError as error:
            raise self._unseen(error) from None

    def _unseen(self, error: OSError) -> JournalError:
        problem = f"can't be looked at ({error.strerror or error})"
        return self.wrong(problem, "Give the account the right to read it.")

    def _uri(self, path: Path) -> str:
        """How SQLite opens the file such that nothing beside it is left behind.

        Without a log beside it nobody is at work on it. Then it is read as it lies there, which
        needs no right to write anything; a normal reader would make a log, and leave it.
        """
        try:
            if not path.is_file():
                exists = path.exists()
                raise self.wrong("is no file" if exists else "does not exist", "Check the path.")
            seen = AsRead.of(path)
        except OSError as error:
            raise self._unseen(error) from None
        if seen.has_log:
            return f"{path.as_uri()}?mode=ro"
        self._seen = seen
        return f"{path.as_uri()}?mode=ro&immutable=1"

    def _prepare_to_read(self) -> None:
        # What can't be decoded is for the reader to find, not to fail on.
        self._connection.text_factory = lambda raw: raw.decode("utf-8", "replace")
        with self._explained("opened"):
            found = self._version()
        if found == 0:
            raise self.wrong("is empty", "Give another path.")

    def _make_private(self, path: Path, *, create: bool) -> None:
        """Make the file such that only its owner can read it: it tells about mail servers."""
        try:
            missing = not path.exists()
            if path.is_file():  # perhaps only now: somebody else is making it, too
                return
        except OSError as error:
            raise self._unseen(error) from None
        if not missing:
            raise self.wrong("is no file", "Check the path.")
        if not create:
            raise self.wrong("does not exist", "Check the path.")
        try:
            # Only a new one: to close one that is in use would take SQLite's locks from it.
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, _PRIVATE))
        except FileExistsError:
            return  # somebody else has just made it
        except OSError as error:
            raise self.wrong(
                f"can't be made ({error.strerror})", "Give a path that can be written."
            ) from None

    def _prepare(self) -> None:
        with self._explained("opened"):
            found = self._version()
            if self.path is not None:
                self._use_log()
            self._connection.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[True]}")
            self._connection.execute("PRAGMA foreign_keys = ON")
            if found == len(MIGRATIONS):
                return
            with self.transaction():
                found = self._version()
                migrate(self._connection, found, in_memory=self.path is None)

    def _use_log(self) -> None:
        """Have SQLite write ahead. For the first one's switch it does not wait, so that is here."""
        give_up = time.monotonic() + _BUSY
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode = WAL")
            except sqlite3.OperationalError as error:
                if error.sqlite_errorname != "SQLITE_BUSY" or time.monotonic() > give_up:
                    raise
                time.sleep(_SOON)
            else:
                return

    def _version(self) -> int:
        """The version of its tables; 0 for an empty file."""
        # In one statement, and so of one moment: somebody else may be making the tables just now.
        application, version, tables = self._connection.execute(
            "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master)"
            " FROM pragma_application_id, pragma_user_version"
        ).fetchone()
        if tables == 0:
            return 0
        if application != APPLICATION_ID:
            raise self.wrong("is a database, but not a journal", "Give another path.")
        if version > len(MIGRATIONS):
            raise self.wrong(
                f"was written by a newer popheal (version {version} of the tables, "
                f"this one knows {len(MIGRATIONS)})",
                "Use that one.",
            )
        return int(version)

    def has_table(self, name: str) -> bool:
        """Whether there is such a table: a file of an older version may lack it."""
        return bool(self.read("SELECT 1 FROM sqlite_master WHERE name = ?", name))

    # --- errors ----------------------------------------------------------------------------------

    def wrong(self, problem: str, next_step: str = "") -> JournalError:
        """An error about this journal."""
        return JournalError(journal=self.name, problem=problem, next_step=next_step)

    def _lost(self, problem: str, next_step: str) -> JournalError:
        """Likewise, where it was opened, and can't be used any more: something may be begun."""
        return JournalLost(journal=self.name, problem=problem, next_step=next_step)

    @contextlib.contextmanager
    def _explained(self, tried: str) -> Iterator[None]:
        """Make what SQLite raises an error for operators."""
        try:
            yield
        except sqlite3.Error as error:
            raise self._explanation(tried, error) from None

    def _explanation(self, tried: str, error: sqlite3.Error) -> JournalError:
        return self.wrong(f"can't be {tried} ({error})", next_step_of(error))

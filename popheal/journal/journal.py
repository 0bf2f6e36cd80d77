"""The journal's file: opening it, and everything that is asked of it from outside a healing."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from socket import gethostname
from threading import RLock
from typing import Any, Final

from popheal.errors import AlreadyRunning, UnknownName
from popheal.journal.approvals import Question, answer, read_questions
from popheal.journal.database import Database
from popheal.journal.entries import Entry, TakenOver, UnreadableEntry, read_entry
from popheal.journal.kept_tables import read_tables
from popheal.journal.lease import BEGUN_BY, Lease
from popheal.journal.locks import OwnerLock, is_alive
from popheal.journal.record import HealingRecord
from popheal.journal.rows import Row, moment_as_text, text_as_moment
from popheal.journal.schema import INSERT_ENTRY, SELECT_ENTRIES
from popheal.tables.table import Procedure
from popheal.util.account import account

#: In memory, healings that ended longer ago than any budget looks back are dropped.
_FORGOTTEN: Final = timedelta(days=2)

_ALL: Final = """
    SELECT healing.id, organisation, server, version, alert, policy, begun_at,
           process, owner, cancel_at, ended_at, verdict, report
    FROM healing JOIN owner ON owner.id = healing.owner
    ORDER BY begun_at, healing.rowid
"""
_UNFINISHED: Final = _ALL.replace("ORDER BY", "WHERE ended_at IS NULL ORDER BY")
_BEGINNING_WITH: Final = _ALL.replace("ORDER BY", "WHERE substr(healing.id, 1, ?) = ? ORDER BY")


class Journal:
    """A journal. Safe to share between threads and event loops; close it, or use ``with``.

    Args:
        path: The file, made if it isn't there; None keeps the journal in memory.
        create: Whether to make a file that isn't there.
        keeps_unfinished: Whether what was broken off stays, to be resumed.
        read_only: Only to read it, which changes nothing, not even beside a process that writes.
            For a short while: if nobody writes at first, what is written later is not seen.

    Raises:
        JournalError: If it can't be opened, or is no journal.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        create: bool = True,
        keeps_unfinished: bool = True,
        read_only: bool = False,
    ) -> None:
        self._keeps_unfinished = keeps_unfinished
        self._read_only = read_only
        self._database = Database(
            None if path is None else Path(path),
            create=create and not read_only,
            read_only=read_only,
        )
        self._lock = RLock()
        self._owner: int | None = None
        self._owner_lock: OwnerLock | None = None
        self._at_work: set[str] = set()

    @property
    def path(self) -> Path | None:
        """The file; None in memory."""
        return self._database.path

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close it. Healings that have not ended can be resumed by another process."""
        with self._lock:
            self._database.close()
            self._at_work.clear()
            if self._owner_lock:
                self._owner_lock.release()
                self._owner_lock = None

    # --- beginning and taking over ---------------------------------------------------------------

    def begin(
        self,
        healing: str,
        *,
        at: datetime,
        organisation: str,
        server: str,
        version: str,
        alert: Mapping[str, Any],
        policy: Mapping[str, Any],
    ) -> Lease:
        """Write down that a healing begins; this process has it from now on."""
        with self._lock:
            owner = self._become_owner(at)
            with self._database.transaction() as connection:
                if self.path is None:
                    self._forget(connection, at)
                connection.execute(
                    "INSERT OR IGNORE INTO healing (id, organisation, server, version, alert,"
                    " policy, begun_at, owner, fence) VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)",
                    (
                        healing,
                        organisation,
                        server,
                        version,
                        json.dumps({**alert, BEGUN_BY: account()}),
                        json.dumps(policy),
                        moment_as_text(at),
                        owner,
                    ),
                )
            return self._lease(healing, organisation, 1)

    def take_over(
        self,
        healing: str,
        *,
        at: datetime,
        policy: Mapping[str, Any] | None = None,
        steal: bool = False,
    ) -> Lease:
        """Have an unfinished healing from now on; whoever had it can do nothing more.

        Args:
            healing: The healing.
            at: Now.
            policy: What is allowed from now on, as JSON values; None for what was.
            steal: Even if the process that has it is alive.

        Raises:
            UnknownName: If there is no healing of that name.
            AlreadyEnded: If it has ended.
            AlreadyRunning: If a living process is at work on it.
        """
        with self._lock:
            owner = self._become_owner(at)
            # In one transaction: of two that find its process dead, one has it.
            with self._database.transaction() as connection:
                record = self.healing(healing)
                record.require_unfinished()
                if record.alive and not steal:
                    raise AlreadyRunning(
                        healing=record.id, server=record.server, owner=record.owner
                    )
                (fence,) = connection.execute(
                    "UPDATE healing SET owner = ?, fence = fence + 1 WHERE id = ? RETURNING fence",
                    (owner, record.id),
                ).fetchone()
                taken = TakenOver(
                    at=at, server=record.server, policy=policy or record.policy, by=account()
                )
                connection.execute(INSERT_ENTRY, (record.id, *taken.to_row()))
            return self._lease(record.id, record.organisation, fence)

    def lease_of(self, healing: str, fence: int) -> Lease:
        """The lease that this process has had already, of a healing that it dropped meanwhile."""
        return self._lease(healing, self.healing(healing).organisation, fence)

    def _lease(self, healing: str, organisation: str, fence: int) -> Lease:
        self._at_work.add(healing)
        return Lease(
            self._database, healing, organisation, fence, on_leave=lambda: self._left(healing)
        )

    def _become_owner(self, at: datetime) -> int:
        """This process's number in the journal; locked while it lives."""
        with self._lock:
            if self._owner is None:
                self._owner, self._owner_lock = self._new_owner(at)
            return self._owner

    def _new_owner(self, at: datetime) -> tuple[int, OwnerLock | None]:
        lock: OwnerLock | None = None
        try:
            with self._database.transaction() as connection:
                process = f"process {os.getpid()} on {gethostname()}"
                (owner,) = connection.execute(
                    "INSERT INTO owner (since, process) VALUES (?, ?) RETURNING id",
                    (moment_as_text(at), process),
                ).fetchone()
                if self.path is not None:
                    # Before anybody else can read of the owner, and so take it for dead.
                    lock = self._lock_of(self.path, owner)
        except BaseException:
            if lock:
                lock.release()
            raise
        return owner, lock

    def _lock_of(self, path: Path, owner: int) -> OwnerLock:
        try:
            return OwnerLock(path, owner)
        except OSError as error:
            raise self._database.wrong(
                f"can't be locked by a file beside it ({error.strerror})",
                "Give a path in a folder that can be written.",
            ) from None

    def _forget(self, connection: sqlite3.Connection, at: datetime) -> None:
        long_ago = moment_as_text(at - _FORGOTTEN)
        connection.execute(
            "DELETE FROM entry WHERE healing IN (SELECT id FROM healing WHERE ended_at < ?)",
            (long_ago,),
        )
        connection.execute("DELETE FROM healing WHERE ended_at < ?", (long_ago,))

    # --- asked from outside ----------------------------------------------------------------------

    def healings(self, *, unfinished: bool = False) -> list[HealingRecord]:
        """Every healing, the oldest first; or those that have not ended."""
        return self._healings(_UNFINISHED if unfinished else _ALL)

    def healing(self, name: str) -> HealingRecord:
        """A healing by its id, the id of one of its runs, or the beginning of either.

        Raises:
            UnknownName: If there is none, or more than one.
        """
        wanted = name.partition(".")[0]
        found = self._healings(_BEGINNING_WITH, len(wanted), wanted) if wanted else []
        exact = [one for one in found if one.id == wanted] or found
        if len(exact) != 1:
            known = [one.id for one in exact]
            raise UnknownName(
                kind=f"healing in the journal {self._database.name}", name=name, known=known
            )
        return exact[0]

    def entries(self, healing: str = "") -> list[Entry]:
        """The history, in order: all of it, or that of one healing.

        What can't be understood is :class:`~popheal.journal.entries.UnreadableEntry`.

        Raises:
            JournalError: If not even kind, time and JSON of one can be told: then nothing is
                done on what is written here.
        """
        found = [read_entry(row) for row in self.rows(healing)]
        with self._database.read_as_written():
            for one in found:
                if isinstance(one, UnreadableEntry) and one.damaged:
                    raise ValueError(one.problem)
        return found

    def rows(self, healing: str = "") -> list[Row]:
        """Likewise, as they stand in the database."""
        where = "WHERE healing = ?" if healing else ""
        values = [healing] if healing else []
        return [
            Row(*row)
            for row in self._database.read(f"{SELECT_ENTRIES} {where} ORDER BY seq", *values)
        ]

    def exported(self, healing: str) -> list[dict[str, Any]]:
        """Likewise, as plain JSON values: whatever was written, understood or not."""
        rows = self.rows(healing)
        with self._database.read_as_written():
            return [row.to_json() for row in rows]

    def cancel(self, healing: str, *, at: datetime) -> HealingRecord:
        """Say stop: the process that carries it out will do nothing more but restore.

        Raises:
            UnknownName: If there is no healing of that name.
            AlreadyEnded: If it has ended.
        """
        record = self.healing(healing)
        with self._database.transaction() as connection:
            stopped = connection.execute(
                "UPDATE healing SET cancel_at = coalesce(cancel_at, ?)"
                " WHERE id = ? AND ended_at IS NULL",
                (moment_as_text(at), record.id),
            ).rowcount
        record = self.healing(record.id)
        if not stopped:
            record.require_unfinished()
        return record

    def approve(
        self,
        run: str,
        plan: str,
        *,
        granted: bool = True,
        by: str = "",
        at: datetime | None = None,
    ) -> Question:
        """Answer for a run that waits for it whether it may carry its plan out.

        Args:
            run: The run, or its healing.
            plan: Hash of the plan that is approved: no other is.
            granted: False refuses it.
            by: Who says so, for people.
            at: Now; by default by the wall clock.

        Raises:
            UnknownName: If there is no such healing.
            ApprovalNotPending: If it does not ask for that plan, or not any more.
        """
        now = at or datetime.now(UTC)
        return answer(self._database, self.healing(run), run, plan, granted=granted, by=by, at=now)

    def questions(self, healing: str) -> list[Question]:
        """What a healing has asked a person, with the answers."""
        return read_questions(self._database, self.healing(healing).id)

    def tables(self) -> dict[str, Procedure]:
        """The tables by which runs were carried out, as far as this popheal understands them."""
        return read_tables(self._database)

    def claims(self) -> list[tuple[str, str, str]]:
        """What is claimed: the kind (``server`` or ``dag``), its name, and by which healing."""
        return self._database.read("SELECT kind, name, healing FROM claim ORDER BY kind, name")

    def _healings(self, query: str, *values: Any) -> list[HealingRecord]:
        rows = self._database.read(query, *values)
        with self._database.read_as_written():
            return [self._record(row) for row in rows]

    def _record(self, row: Sequence[Any]) -> HealingRecord:
        (healing, organisation, server, version, alert, policy, begun, process, owner) = row[:9]
        cancel, ended, verdict, report = row[9:]
        answered = json.loads(alert)
        begun_by = answered.pop(BEGUN_BY, "")
        return HealingRecord(
            id=healing,
            organisation=organisation,
            server=server,
            version=version,
            alert=answered,
            policy=json.loads(policy),
            begun_at=datetime.fromisoformat(begun),
            owner=process,
            alive=ended is None and self._is_at_work(healing, owner),
            cancel_at=text_as_moment(cancel),
            ended_at=text_as_moment(ended),
            verdict=verdict or "",
            report=json.loads(report) if report else None,
            begun_by=begun_by,
        )

    def _is_at_work(self, healing: str, owner: int) -> bool:
        if owner == self._owner:
            return healing in self._at_work
        return self.path is not None and is_alive(self.path, owner, tidy=not self._read_only)

    def _left(self, healing: str) -> None:
        """This process no longer works on the healing, ended or not."""
        self._at_work.discard(healing)
        if not self._keeps_unfinished:
            with self._database.transaction() as connection:
                connection.execute("DELETE FROM claim WHERE healing = ?", (healing,))
                connection.execute(
                    "UPDATE healing SET ended_at = begun_at WHERE id = ? AND ended_at IS NULL",
                    (healing,),
                )


@cache
def process_journal() -> Journal:
    """The journal in memory of this process, used unless a caller brings its own.

    Nobody can go on with what is broken off, so that is given up, and its claims with it.
    """
    return Journal(keeps_unfinished=False)

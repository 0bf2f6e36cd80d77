"""The journal's file: opening it, beginning and taking over healings, and saying stop."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from socket import gethostname
from typing import Any, Final

from attrs import frozen

from popheal.errors import AlreadyRunning
from popheal.journal.approvals import Question, answer
from popheal.journal.chain import append_to
from popheal.journal.database import Database
from popheal.journal.entries import TakenOver
from popheal.journal.export import Exporter, lines_of
from popheal.journal.lease import Lease, note_stop
from popheal.journal.locks import OwnerLock, is_alive
from popheal.journal.marks import Mark, digest_of_beginning, digest_of_end, mark
from popheal.journal.place import Concern, concerns_about
from popheal.journal.pruning import Pruning, plan_pruning, prune, write_archive
from popheal.journal.reading import Reading
from popheal.journal.rebuilt import Tables, put_back
from popheal.journal.record import BEGUN_BY, HealingRecord
from popheal.journal.rows import moment_as_text, zoned
from popheal.reports.event_log import log_concern
from popheal.util.account import account
from popheal.util.serialize import to_jsonable
from popheal.util.version import __version__

#: In memory, healings that ended longer ago than any budget looks back are dropped.
_FORGOTTEN: Final = timedelta(days=2)

_IS_THERE: Final = "SELECT 1 FROM healing WHERE id = ?"
_IS_OWNER: Final = "SELECT 1 FROM owner WHERE id = ?"
_NEWEST_AT: Final = "SELECT max(at) FROM entry WHERE healing = ?"
_BEGIN: Final = (
    "INSERT INTO healing (id, organisation, server, version, alert, policy, begun_at, owner, fence)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, 1)"
)


@frozen(kw_only=True)
class Author:
    """On whose behalf a journal in memory is written that is kept elsewhere, line by line.

    Wherever such a journal is made again, from the same beginning, it says the same.

    Attributes:
        process: What carries the healing out, for people.
        account: The account that has begun it.
    """

    process: str
    account: str


class Journal(Reading):
    """A journal. Safe to share between threads and event loops; close it, or use ``with``.

    Args:
        path: The file, made if it isn't there; None keeps the journal in memory.
        create: Whether to make a file that isn't there.
        keeps_unfinished: Whether what was broken off stays, to be resumed.
        read_only: Only to read it, which changes nothing, not even beside a process that writes.
            For a short while: if nobody writes at first, what is written later is not seen.
        author: Who writes it, where that is not this process: see :class:`Author`.

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
        author: Author | None = None,
    ) -> None:
        self._author = author
        self._keeps_unfinished = keeps_unfinished
        self._read_only = read_only
        self._database = Database(
            None if path is None else Path(path),
            create=create and not read_only,
            read_only=read_only,
        )
        for concern in () if read_only else self.concerns:
            log_concern(concern.problem, concern.next_step)
        self._lock = self._database.lock
        self._owner: int | None = None
        self._owner_lock: OwnerLock | None = None
        self._at_work: set[str] = set()

    @property
    def concerns(self) -> tuple[Concern, ...]:
        """What speaks against where it lies: others can write it, or it is on a network."""
        return concerns_about(self.path) if self.path else ()

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
                # An interrupt may have it asked for twice.
                if not connection.execute(_IS_THERE, (healing,)).fetchone():
                    asked = {**alert, BEGUN_BY: self._account}
                    begun_at = moment_as_text(at)
                    who = (healing, organisation, server, version)
                    said = (json.dumps(asked), json.dumps(policy), begun_at, owner)
                    connection.execute(_BEGIN, (*who, *said))
                    digest = digest_of_beginning(*who[1:], asked, policy, begun_at)
                    row = mark(
                        Mark.BEGUN, begun_at, server=server, digest=digest, owner=owner, fence=1
                    )
                    append_to(connection, healing, row)
            return self._lease(healing, organisation, 1, at)

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
                    at=at, server=record.server, policy=policy or record.policy, by=self._account
                )
                whose = mark(Mark.TAKEN, moment_as_text(at), owner=owner, fence=fence)
                append_to(connection, record.id, taken.to_row(), whose)
            return self._lease(record.id, record.organisation, fence, at)

    def put_back(self, lines: Iterable[Mapping[str, Any]], tables: Tables, author: Author) -> int:
        """Make it again from the entries of an export; ``author`` writes it from now on."""
        with self._database.transaction() as connection:
            last = put_back(connection, lines, tables)
        self._at_work.clear()
        self._owner, self._author = None, author
        return last

    @property
    def _account(self) -> str:
        return self._author.account if self._author else account()

    def lease_of(self, healing: str, fence: int) -> Lease:
        """The lease that this process has had already, of a healing that it dropped meanwhile."""
        ((at,),) = self._database.read(_NEWEST_AT, healing)
        return self._lease(healing, self.healing(healing).organisation, fence, zoned(at))

    def _lease(self, healing: str, organisation: str, fence: int, at: datetime) -> Lease:
        self._at_work.add(healing)
        return Lease(
            self._database,
            healing,
            organisation,
            fence,
            at=at,
            on_leave=self._left,
            kept=self.path is not None or self._author is not None,
        )

    def _become_owner(self, at: datetime) -> int:
        """This process's number in the journal; locked while it lives."""
        with self._lock:
            if self._owner is not None and not self._database.read(_IS_OWNER, self._owner):
                # It was written with others, and their commit has failed.
                self._owner = None
                if self._owner_lock:
                    self._owner_lock.release()
                    self._owner_lock = None
            if self._owner is None:
                self._owner, self._owner_lock = self._new_owner(at)
            return self._owner

    def _new_owner(self, at: datetime) -> tuple[int, OwnerLock | None]:
        lock: OwnerLock | None = None
        try:
            # Nobody needs to know of it before it has begun something, which is then on the disk.
            with self._database.transaction(durable=False) as connection:
                here = f"process {os.getpid()} on {gethostname()}"
                process = self._author.process if self._author else here
                since = moment_as_text(at)
                (owner,) = connection.execute(
                    "INSERT INTO owner (since, process) VALUES (?, ?) RETURNING id",
                    (since, process),
                ).fetchone()
                append_to(connection, "", mark(Mark.OWNER, since, owner=owner, process=process))
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

    def plan_pruning(self, before: datetime) -> Pruning:
        """What :meth:`prune` would remove: healings that have ended before then.

        What a budget, a lease, a debt, a watch or an open healing needs is not among them.
        """
        return plan_pruning(self._database, before, datetime.now(UTC))

    def prune(self, plan: Pruning, *, archive: Path | None = None) -> None:
        """Remove what is planned; the chain can be checked as before.

        Args:
            plan: What to remove.
            archive: A file that is not there yet, to which it is written first, as an export.

        Raises:
            OSError: If the archive can't be written; then nothing is removed, and no part of an
                archive is left.
            UnknownName: Likewise, if something of it is not there any more.
        """
        digest = write_archive(archive, lambda: self.export(*plan.healings)) if archive else ""
        prune(self._database, plan, at=datetime.now(UTC), archive=digest)

    def export(self, *healings: str) -> Iterator[Mapping[str, Any]]:
        """All of it, or some healings, as plain JSON values, line by line, with the hashes.

        What is read at once is one healing, not the journal. ``check-journal`` reads it, too.
        """
        if self.path is None:
            # All at once: nobody else gets in before the last line is taken.
            yield from list(self._lines(healings))
            return
        self._database.head()  # not after it was closed
        # Apart from what is at work, which must not wait for whoever takes the lines.
        with Journal(self.path, read_only=True) as apart:
            yield from apart._lines(healings)

    def _lines(self, healings: Sequence[str]) -> Iterator[Mapping[str, Any]]:
        with self._database.snapshot():
            exporter = Exporter(self._database, whole=not healings)
            head = exporter.head(popheal=__version__, at=datetime.now(UTC))
            found = map(self.healing, healings) if healings else self.each_healing()
            records = ((one.id, to_jsonable(one)) for one in found)
            yield from lines_of(exporter, records, head)
        if not self._database.undisturbed():
            raise self._database.wrong("was begun to be written to meanwhile", "Ask again.")

    def lines_after(self, seq: int) -> list[Mapping[str, Any]]:
        """The entries after that one, as :meth:`export` has them."""
        return list(Exporter(self._database, whole=True).after(seq))

    def cancel(self, healing: str, *, at: datetime) -> HealingRecord:
        """Say stop: the process that carries it out will do nothing more but restore.

        Raises:
            UnknownName: If there is no healing of that name.
            AlreadyEnded: If it has ended.
        """
        name = self.healing(healing).id
        with self._database.transaction() as connection:
            record = self.healing(name)
            record.require_unfinished()
            note_stop(connection, name, moment_as_text(at))
        return self.healing(name)

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
                given_up = connection.execute(
                    "UPDATE healing SET ended_at = begun_at WHERE id = ? AND ended_at IS NULL"
                    " RETURNING ended_at",
                    (healing,),
                ).fetchall()
                for (at,) in given_up:
                    digest = digest_of_end(at, None, None)
                    append_to(connection, healing, mark(Mark.ENDED, at, digest=digest))


@cache
def process_journal() -> Journal:
    """The journal in memory of this process, used unless a caller brings its own.

    Nobody can go on with what is broken off, so that is given up, and its claims with it.
    """
    return Journal(keeps_unfinished=False)

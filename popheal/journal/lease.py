"""The lease of a healing: the right to act on it, and the duty to write down what is done.

Each writing is one statement that also asks whether the healing is still ours, so that a
process from which it was taken over can't write, and so can't act.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from popheal.errors import Fenced
from popheal.exchange.names import short_name
from popheal.journal.approvals import Question, answer_to, read_questions, waiting
from popheal.journal.chain import Head, append_to, digest_of, head_of
from popheal.journal.database import Database
from popheal.journal.effects import Reboot, reboots_since, restarts_since
from popheal.journal.entries import (
    EXPIRED,
    REFUSED,
    ActionFinished,
    ApprovalAsked,
    EffectIntended,
    Entry,
)
from popheal.journal.marks import IS_STORY, Mark, digest_of_end, mark
from popheal.journal.record import BEGUN_BY
from popheal.journal.rows import as_text, moment_as_text

_LAST: Final = (
    "SELECT at, run, server, kind, what, outcome, data FROM entry"  # noqa: S608 - of ours
    f" WHERE healing = ? AND {IS_STORY} ORDER BY seq DESC LIMIT 1"
)
_IS_KEPT: Final = "SELECT 1 FROM procedure WHERE hash = ?"


class Lease:
    """One healing in a journal, held by whoever carries it out.

    Every method raises :class:`~popheal.errors.Fenced` if somebody else has it by now, and
    :class:`~popheal.errors.JournalError` if the journal can't be read or written.

    Attributes:
        healing: Its id.
        stopped: A person has said stop, by way of the journal.
    """

    def __init__(
        self,
        database: Database,
        healing: str,
        organisation: str,
        fence: int,
        *,
        at: datetime,
        on_leave: Callable[[], None],
    ) -> None:
        self._database = database
        self._on_leave = on_leave
        self.healing = healing
        self.organisation = organisation
        self.stopped = False
        self._head = Head()
        self._fence = fence
        self._at = moment_as_text(at)
        self._intended: set[tuple[Any, ...]] = set()
        #: What was written last, or perhaps not: an interrupt may have it asked for again.
        self._newest: tuple[str, ...] | None = None

    @property
    def fence(self) -> int:
        """The fencing token: whoever takes the healing over has a higher one."""
        return self._fence

    @property
    def in_memory(self) -> bool:
        """Whether it takes no time to write, and is lost with the process."""
        return self._database.path is None

    @property
    def path(self) -> Path | None:
        """The journal's file; None in memory."""
        return self._database.path

    @property
    def noted(self) -> str | None:
        """The end of the chain as the healing ended, to be noted elsewhere; None in memory."""
        return str(self._head) if self._head.seq and not self.in_memory else None

    # --- may I? ----------------------------------------------------------------------------------

    def check(self, effect: str = "", *args: Any) -> None:
        """Make sure that the healing is still ours; and that the effect was intended.

        Args:
            effect: The backend's method that is about to be called, if one is.
            args: What it is about to be called with.

        Raises:
            AssertionError: If the effect was not intended: a defect of popheal.
        """
        if effect and (effect, *args) not in self._intended:
            raise AssertionError(f"{effect} was not written down before it was done")
        rows = self._database.read(
            "SELECT cancel_at FROM healing WHERE id = ? AND fence = ? AND ended_at IS NULL",
            self.healing,
            self._fence,
        )
        if not rows:
            raise self._fenced()
        self.stopped = self.stopped or rows[0][0] is not None

    def holder(self, kind: str, name: str) -> str | None:
        """The other healing that has claimed a ``server`` or a ``dag``; None if none has."""
        rows = self._database.read(
            "SELECT healing FROM claim WHERE organisation = ? AND kind = ? AND name = ?",
            self.organisation,
            kind,
            _claimed_as(kind, name),
        )
        return str(rows[0][0]) if rows and rows[0][0] != self.healing else None

    def stop(self, *, at: datetime) -> None:
        """Write down that a person has said stop, for whoever goes on after a crash."""
        with self._database.transaction() as connection:
            self._require(connection)
            note_stop(connection, self.healing, moment_as_text(at))
        self.stopped = True

    def claim(self, kind: str, name: str) -> str | None:
        """Claim a ``server`` or a ``dag``; returns the healing that has it, if another has."""
        wanted = _claimed_as(kind, name)
        with self._database.transaction() as connection:
            self._require(connection)
            is_new = connection.execute(
                "INSERT OR IGNORE INTO claim (organisation, kind, name, healing)"
                " VALUES (?, ?, ?, ?)",
                (self.organisation, kind, wanted, self.healing),
            ).rowcount
            if is_new:
                said = {"organisation": self.organisation, "name": wanted}
                append_to(connection, self.healing, self._mark(Mark.CLAIMED, what=kind, **said))
            (holder,) = connection.execute(
                "SELECT healing FROM claim WHERE organisation = ? AND kind = ? AND name = ?",
                (self.organisation, kind, wanted),
            ).fetchone()
        return None if holder == self.healing else str(holder)

    # --- writing ---------------------------------------------------------------------------------

    def write(self, entry: Entry, args: tuple[Any, ...] = ()) -> None:
        """Append an entry to the history; it is on the disk when this returns.

        An intent allows its effect to be commanded, with just these arguments, until what came
        of the action is written down.

        Args:
            entry: The entry.
            args: Of an intent, what the effect will be called with, the server first.
        """
        if isinstance(entry, EffectIntended):
            self._database.require_file()
        elif isinstance(entry, ActionFinished):
            self._intended.clear()
        row = entry.to_row()
        self._at = row[0]
        if row != self._newest or not self._is_written(row):
            self._newest = row
            with self._database.transaction() as connection:
                self._require(connection)
                append_to(connection, self.healing, row)
        if isinstance(entry, EffectIntended):
            self._intended.add((entry.effect, *args))

    def _is_written(self, row: tuple[str, ...]) -> bool:
        """Whether it is the last entry: it was asked for before, and an interrupt came."""
        return self._database.read(_LAST, self.healing) == [row]

    def keep_table(self, key: str, table: Mapping[str, Any]) -> None:
        """Keep the table of a run under its hash, if it is not there."""
        if self._database.read(_IS_KEPT, key):
            return
        data = as_text(table)
        with self._database.transaction() as connection:
            if not connection.execute(_IS_KEPT, (key,)).fetchone():
                connection.execute("INSERT INTO procedure (hash, data) VALUES (?, ?)", (key, data))
                kept = self._mark(Mark.TABLE_KEPT, what=key, digest=digest_of(data))
                append_to(connection, "", kept)

    def end(self, *, at: datetime, verdict: str, report: Mapping[str, Any]) -> None:
        """Write down how the healing ended, and give up its claims."""
        ended = (moment_as_text(at), verdict, as_text(report))
        with self._database.transaction() as connection:
            if self._has_ended(connection, ended):
                self._head = head_of(connection)
                return  # it was asked for before, and an interrupt came
            self._require(connection)
            connection.execute(
                "UPDATE healing SET ended_at = ?, verdict = ?, report = ? WHERE id = ?",
                (*ended, self.healing),
            )
            connection.execute("DELETE FROM claim WHERE healing = ?", (self.healing,))
            digest = digest_of_end(ended[0], verdict, report)
            done = mark(Mark.ENDED, ended[0], outcome=verdict, digest=digest)
            self._head = append_to(connection, self.healing, done)

    def forget(self) -> None:
        """Take the healing back, as if it had not begun; nothing has been written in it."""
        with self._database.transaction() as connection:
            gone = connection.execute("DELETE FROM healing WHERE id = ?", (self.healing,)).rowcount
            if gone:
                append_to(connection, self.healing, self._mark(Mark.FORGOTTEN))

    def leave(self) -> None:
        """This process stops working on it, ended or not. Never raises."""
        self._on_leave()

    # --- what was done lately --------------------------------------------------------------------

    def reboots_since(self, since: datetime) -> list[Reboot]:
        """Each restart of a server that was, or may have been, commanded; in order.

        An intent without an outcome counts, except this healing's own, which it looks into.
        """
        return reboots_since(self._database, self.organisation, since, apart_from=self.healing)

    def restarts_since(self, since: datetime, server: str) -> list[datetime]:
        """When services of a server were, or may have been, restarted."""
        return restarts_since(self._database, self.organisation, since, server)

    # --- approval --------------------------------------------------------------------------------

    def ask(self, entry: ApprovalAsked) -> Question:
        """Ask whether a plan of a run may be carried out; the same is not asked twice.

        What was asked for the run before has expired: things have changed, so it names another
        plan now. A refusal stands, whatever has changed.
        """
        with self._database.transaction():
            asked = [one for one in self.questions() if one.run == entry.run_id]
            for one in asked:
                if one.plan == entry.plan or one.outcome == REFUSED:
                    return one
            for one in waiting(asked):
                self._answer(one, at=entry.at, outcome=EXPIRED, by="")
            self.write(entry)
            name = (entry.run_id, entry.plan)
            return next(one for one in self.questions() if (one.run, one.plan) == name)

    def accounts(self) -> tuple[str, ...]:
        """Who has begun the healing, and who has resumed it; an unknown one is empty."""
        ((alert,),) = self._database.read("SELECT alert FROM healing WHERE id = ?", self.healing)
        resumed = self._database.read(
            "SELECT data FROM entry WHERE healing = ? AND kind = 'taken_over' ORDER BY seq",
            self.healing,
        )
        with self._database.read_as_written():
            found = [json.loads(alert).get(BEGUN_BY, "")]
            found += [json.loads(data).get("by", "") for (data,) in resumed]
        return tuple(dict.fromkeys(found))

    def settle(self, question: Question, *, at: datetime, outcome: str, by: str) -> Question:
        """Write an answer down; if somebody else has been faster, theirs counts."""
        with self._database.transaction():
            now = self.question(question)
            if now.outcome:
                return now
            self._answer(question, at=at, outcome=outcome, by=by)
            return self.question(question)

    def _answer(self, question: Question, *, at: datetime, outcome: str, by: str) -> None:
        self.write(answer_to(question, at=at, outcome=outcome, by=by))

    def question(self, asked: Question) -> Question:
        """A question as it stands now, with the answer if there is one."""
        same = (asked.run, asked.plan)
        return next(one for one in self.questions() if (one.run, one.plan) == same)

    def questions(self) -> list[Question]:
        """Every question of the healing."""
        return read_questions(self._database, self.healing)

    def let_expire(self, at: datetime) -> None:
        """No question stays open when the healing ends."""
        for one in waiting(self.questions()):
            self.settle(one, at=at, outcome=EXPIRED, by="")

    # --- inside ----------------------------------------------------------------------------------

    def _mark(self, kind: Mark, **said: Any) -> tuple[str, ...]:
        """A mark, of the last moment that was written down."""
        return mark(kind, self._at, **said)

    def _has_ended(self, connection: Any, ended: tuple[str, ...]) -> bool:
        """Whether it ended just so, and by us."""
        found: tuple[str, ...] | None = connection.execute(
            "SELECT ended_at, verdict, report FROM healing WHERE id = ? AND fence = ?",
            (self.healing, self._fence),
        ).fetchone()
        return found == ended

    def _require(self, connection: Any) -> None:
        mine = connection.execute(
            "SELECT 1 FROM healing WHERE id = ? AND fence = ? AND ended_at IS NULL",
            (self.healing, self._fence),
        ).fetchone()
        if not mine:
            raise self._fenced()

    def _fenced(self) -> Fenced:
        return Fenced(journal=self._database.name, healing=self.healing)


def note_stop(connection: sqlite3.Connection, healing: str, at: str) -> None:
    """Write down that a person has said stop, once; in the caller's transaction."""
    is_first = connection.execute(
        "UPDATE healing SET cancel_at = ? WHERE id = ? AND cancel_at IS NULL", (at, healing)
    ).rowcount
    if is_first:
        append_to(connection, healing, mark(Mark.STOP_ASKED, at))


def _claimed_as(kind: str, name: str) -> str:
    return short_name(name) if kind == "server" else name.casefold()

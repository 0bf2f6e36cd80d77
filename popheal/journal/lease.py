"""The lease of a healing: the right to act on it, and the duty to write down what is done.

Each writing also asks whether the healing is still ours, in the same transaction, so that a
process from which it was taken over can't write, and so can't act.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from popheal.errors import Fenced
from popheal.exchange.names import short_name
from popheal.journal.approvals import Question, answer_to, read_questions, waiting
from popheal.journal.chain import Head, append_to
from popheal.journal.database import Database
from popheal.journal.entries import (
    EXPIRED,
    REFUSED,
    ActionFinished,
    ApprovalAnswered,
    ApprovalAsked,
    EffectIntended,
    Entry,
    Kind,
    Waiting,
)
from popheal.journal.marks import Mark, digest_of_end, mark
from popheal.journal.outbox import Outbox
from popheal.journal.past_effects import Reboot, read_reboot, reboots_since, restarts_since
from popheal.journal.record import BEGUN_BY
from popheal.journal.rows import as_text, moment_as_text

T = TypeVar("T")

#: Of a row, what an outcome of a reboot has as kind and action.
_REBOOTED: Final = (Kind.OUTCOME.value, "reboot")
#: A run asks one question at a time; its answers are as many as its questions once it has all.
_ANSWERED: Final = f"""
    SELECT run FROM entry WHERE healing = ? AND run = ? GROUP BY run
    HAVING sum(kind = '{Kind.ANSWERED.value}') >= sum(kind = '{Kind.ASKED.value}')
"""  # noqa: S608 - of ours
#: What something waits for: an effect, time, a person.
_AT_ONCE: Final = (EffectIntended, Waiting, ApprovalAsked, ApprovalAnswered)


class Lease:
    """One healing in a journal, held by whoever carries it out.

    Every method raises :class:`~popheal.errors.Fenced` if somebody else has it by now, and
    :class:`~popheal.errors.JournalError` if the journal can't be read or written; what goes to the
    disk later does so then.

    Attributes:
        healing: Its id.
        stopped: A person has said stop, by way of the journal.
    """

    __slots__ = (
        "_database",
        "_fence",
        "_head",
        "_intended",
        "_kept",
        "_on_leave",
        "_outbox",
        "healing",
        "organisation",
        "stopped",
    )

    def __init__(
        self,
        database: Database,
        healing: str,
        organisation: str,
        fence: int,
        *,
        at: datetime,
        on_leave: Callable[[str], None],
        kept: bool,
    ) -> None:
        self._database = database
        self._on_leave = on_leave
        self._kept = kept
        self.healing = healing
        self.organisation = organisation
        self.stopped = False
        self._head = Head()
        self._fence = fence
        self._intended: frozenset[tuple[Any, ...]] = frozenset()
        self._outbox = Outbox(database, healing, moment_as_text(at), self._require)

    @property
    def fence(self) -> int:
        """The fencing token: whoever takes the healing over has a higher one."""
        return self._fence

    @property
    def in_memory(self) -> bool:
        """Whether it is lost with the process, and nobody else can read or answer in it."""
        return not self._kept

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
        rows = self._database.glance(
            "SELECT cancel_at FROM healing WHERE id = ? AND fence = ? AND ended_at IS NULL",
            (self.healing, self._fence),
        )
        if not rows:
            raise self._fenced()
        self.stopped = self.stopped or rows[0][0] is not None

    def holder(self, kind: str, name: str) -> str | None:
        """The other healing that has claimed a ``server`` or a ``dag``; None if none has."""
        rows = self._database.glance(
            "SELECT healing FROM claim WHERE organisation = ? AND kind = ? AND name = ?",
            (self.organisation, kind, _claimed_as(kind, name)),
        )
        return str(rows[0][0]) if rows and rows[0][0] != self.healing else None

    def stop(self, *, at: datetime, noted: Callable[[], None]) -> None:
        """Write down that a person has said stop, for whoever goes on after a crash.

        Args:
            at: Now.
            noted: Called as soon as that is on the disk, and only then.
        """
        with self._outbox.transaction() as connection:
            note_stop(connection, self.healing, moment_as_text(at))
        self._database.once_committed(partial(self._note_stopped, noted))

    def claim(self, kind: str, name: str) -> str | None:
        """Claim a ``server`` or a ``dag``; returns the healing that has it, if another has."""
        wanted = _claimed_as(kind, name)
        # Others see it at once. If the machine fails before the first effect's intent is on the
        # disk, which the claim then is as well, nobody is left who would have to keep away.
        with self._outbox.transaction(durable=False) as connection:
            is_new = connection.execute(
                "INSERT OR IGNORE INTO claim (organisation, kind, name, healing)"
                " VALUES (?, ?, ?, ?)",
                (self.organisation, kind, wanted, self.healing),
            ).rowcount
            if is_new:
                said = {"organisation": self.organisation, "name": wanted}
                append_to(
                    connection, self.healing, self._outbox.mark(Mark.CLAIMED, what=kind, **said)
                )
            (holder,) = connection.execute(
                "SELECT healing FROM claim WHERE organisation = ? AND kind = ? AND name = ?",
                (self.organisation, kind, wanted),
            ).fetchone()
        return None if holder == self.healing else str(holder)

    # --- writing ---------------------------------------------------------------------------------

    def write(self, entry: Entry, args: tuple[Any, ...] = ()) -> None:
        """Append an entry to the history: at once, or with the next that is written at once.

        An intent allows its effect to be commanded, with just these arguments, until what came
        of the action is written down.

        Args:
            entry: The entry.
            args: Of an intent, what the effect will be called with, the server first.
        """
        if isinstance(entry, ActionFinished):
            self._intended = frozenset()
        self._outbox.add(entry.to_row(), at_once=self.is_urgent(entry))
        if isinstance(entry, EffectIntended):
            self._intended |= {(entry.effect, *args)}

    def in_turn(self, function: Callable[[], T]) -> T:
        """Call a function which writes, in one commit with what other threads have to write."""
        written: T = self._database.turns.write(function)
        return written

    @staticmethod
    def is_urgent(entry: Entry) -> bool:
        """Whether something waits for it: an effect, time, a person."""
        return isinstance(entry, _AT_ONCE)

    @property
    def has_pending(self) -> bool:
        """Whether something waits for the next commit."""
        return not self._outbox.is_empty

    def flush(self) -> None:
        """What has been written is on the disk when this returns."""
        self._outbox.flush()

    def rest(self) -> None:
        """Keep nothing for a while, as nothing waits to be written."""
        self._outbox.rest()

    def keep_table(self, key: str, table: Mapping[str, Any]) -> None:
        """Keep the table of a run under its hash, if it is not there; with the next commit."""
        self._outbox.keep_table(key, table)

    def end(self, *, at: datetime, verdict: str, report: Mapping[str, Any]) -> None:
        """Write down how the healing ended, and give up its claims; no question stays open."""
        ended = (moment_as_text(at), verdict, as_text(report))
        if self._has_ended(ended):
            return  # it was asked for before, and an interrupt came
        with self._outbox.transaction() as connection:
            for one in waiting(self.questions()):
                self.settle(one, at=at, outcome=EXPIRED, by="")
            connection.execute(
                "UPDATE healing SET ended_at = ?, verdict = ?, report = ? WHERE id = ?",
                (*ended, self.healing),
            )
            connection.execute("DELETE FROM claim WHERE healing = ?", (self.healing,))
            digest = digest_of_end(ended[0], verdict, report)
            done = mark(Mark.ENDED, ended[0], outcome=verdict, digest=digest)
            self._head = append_to(connection, self.healing, done)

    def forget(self) -> None:
        """Take the healing back, as if it had not begun: there was nothing to answer."""
        self._outbox.clear()
        with self._database.transaction() as connection:
            gone = connection.execute("DELETE FROM healing WHERE id = ?", (self.healing,)).rowcount
            if gone:
                append_to(connection, self.healing, self._outbox.mark(Mark.FORGOTTEN))

    def leave(self) -> None:
        """This process stops working on it, ended or not. Never raises."""
        self._on_leave(self.healing)

    # --- what was done lately --------------------------------------------------------------------

    def reboots_since(self, since: datetime) -> list[Reboot]:
        """Each restart of a server that was, or may have been, commanded; in order.

        An intent without an outcome counts, except this healing's own, which it looks into.
        """
        known = reboots_since(self._database, self.organisation, since, apart_from=self.healing)
        first = moment_as_text(since)
        mine = [
            read_reboot(row[2], row[0], json.loads(row[6]))
            for row in self._outbox.pending
            if row[3:5] == _REBOOTED and row[5] != REFUSED and row[0] >= first
        ]
        return [*known, *mine]

    def restarts_since(self, since: datetime, server: str) -> list[datetime]:
        """When services of a server were, or may have been, restarted."""
        return restarts_since(self._database, self.organisation, since, server)

    # --- approval --------------------------------------------------------------------------------

    def ask(self, entry: ApprovalAsked) -> Question:
        """Ask whether a plan of a run may be carried out; the same is not asked twice.

        What was asked for the run before has expired: things have changed, so it names another
        plan now. A refusal stands, whatever has changed.
        """
        with self._outbox.transaction():
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
        """Who has begun the healing or raised its alert, and who has resumed it.

        An unknown one is empty.
        """
        ((alert,),) = self._database.read("SELECT alert FROM healing WHERE id = ?", self.healing)
        resumed = self._database.read(
            "SELECT data FROM entry WHERE healing = ? AND kind = 'taken_over' ORDER BY seq",
            self.healing,
        )
        with self._database.read_as_written():
            asked = json.loads(alert)
            found = [asked.get(BEGUN_BY, ""), *asked.get("raised_by", ())]
            found += [json.loads(data).get("by", "") for (data,) in resumed]
        return tuple(dict.fromkeys(found))

    def settle(self, question: Question, *, at: datetime, outcome: str, by: str) -> Question:
        """Write an answer down; if somebody else has been faster, theirs counts."""
        with self._outbox.transaction():
            now = self.question(question)
            if now.outcome:
                return now
            self._answer(question, at=at, outcome=outcome, by=by)
            return self.question(question)

    def _answer(self, question: Question, *, at: datetime, outcome: str, by: str) -> None:
        self.write(answer_to(question, at=at, outcome=outcome, by=by))

    def is_answered(self, asked: Question) -> bool:
        """Whether somebody has answered, as last committed: it waits for nobody who writes."""
        return bool(self._database.glance(_ANSWERED, (self.healing, asked.run)))

    def question(self, asked: Question) -> Question:
        """A question as it stands now, with the answer if there is one."""
        same = (asked.run, asked.plan)
        return next(one for one in self.questions() if (one.run, one.plan) == same)

    def questions(self) -> list[Question]:
        """Every question of the healing."""
        return read_questions(self._database, self.healing)

    # --- inside ----------------------------------------------------------------------------------

    def _note_stopped(self, noted: Callable[[], None]) -> None:
        self.stopped = True
        noted()

    def _has_ended(self, ended: tuple[str, ...]) -> bool:
        """Whether it ended just so, and by us."""
        found = self._database.read(
            "SELECT ended_at, verdict, report FROM healing WHERE id = ? AND fence = ?",
            self.healing,
            self._fence,
        )
        if found != [ended]:
            return False
        self._head = self._database.head()
        self._outbox.arrived()
        return True

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

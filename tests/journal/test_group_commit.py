"""Many healings in one process share commits; each still waits for its own to be on the disk."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from popheal import Journal, Verdict, aheal, heal
from popheal.backends.simulated import load_scenario
from popheal.errors import Fenced, JournalError
from popheal.journal import Kind, group_commit
from popheal.journal.entries import FindingsNoted
from tests.support.healing import alert_of

NOW = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


def begun(journal: Journal, name: str):
    return journal.begin(
        name, at=NOW, organisation="here", server=name, version="0", alert={}, policy={}
    )


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "journal") as opened:
        begun(opened, "first")
        yield opened


def commits_of(journal: Journal) -> list[str]:
    """The statements that commit from now on."""
    found: list[str] = []

    def note(statement: str) -> None:
        if statement == "COMMIT":
            found.append(statement)

    journal._database._connection.set_trace_callback(note)
    return found


def test_what_is_written_together_is_one_commit(journal):
    commits = commits_of(journal)
    answers = group_commit.together([lambda n=n: begun(journal, f"h{n}") for n in range(20)])
    assert [error for _, error in answers] == [None] * 20
    assert len(commits) == 1
    assert len(journal.healings()) == 21


def test_one_that_fails_takes_nothing_of_the_others_back(journal):
    lease = begun(journal, "lost")
    journal.take_over("lost", at=NOW, steal=True)

    def defect() -> None:
        with journal._database.transaction() as connection:
            connection.execute("DELETE FROM claim")
            connection.execute("UPDATE healing SET server = 'nowhere'")
            raise LookupError

    answers = group_commit.together(
        [
            lambda: begun(journal, "one"),
            lambda: lease.claim("server", "mbx1"),
            defect,
            lambda: begun(journal, "two"),
        ]
    )
    assert [type(error) for _, error in answers] == [type(None), Fenced, LookupError, type(None)]
    assert [one.server for one in journal.healings()] == ["first", "lost", "one", "two"]


def test_where_the_commit_fails_nobody_is_told_that_it_was_done(journal, monkeypatch):
    monkeypatch.setattr(
        type(journal._database), "end_group", failing(type(journal._database).end_group)
    )
    answers = group_commit.together([lambda n=n: begun(journal, f"h{n}") for n in range(3)])
    assert {type(error) for _, error in answers} == {JournalError}
    assert len({id(error) for _, error in answers}) == 3  # each raises its own
    monkeypatch.undo()
    assert [one.id for one in journal.healings()] == ["first"]
    begun(journal, "again")


def test_what_did_not_reach_the_disk_is_written_again(journal, monkeypatch):
    """A person's stop, and what was found: by whoever leaves, for whoever goes on."""
    leases = [begun(journal, f"h{n}") for n in range(3)]
    for lease in leases:
        lease.write(FindingsNoted(at=NOW, server="mbx1", findings=()))
    monkeypatch.setattr(
        type(journal._database), "end_group", failing(type(journal._database).end_group)
    )
    told = []

    def stop(lease):
        lease.stop(at=NOW, noted=lambda: told.append(lease.healing))

    answers = group_commit.together([lambda one=one: stop(one) for one in leases])
    assert {type(error) for _, error in answers} == {JournalError}
    assert len({id(error) for _, error in answers}) == 3  # each raises its own
    assert told == []
    monkeypatch.undo()
    for lease in leases:
        assert not lease.stopped
        assert lease.has_pending
        stop(lease)
        assert told.pop() == lease.healing
        assert lease.stopped
        assert not lease.has_pending
    with Journal(journal.path) as other:
        for lease in leases:
            assert other.healing(lease.healing).cancel_at == NOW
            assert [one.kind for one in other.entries(lease.healing)] == [Kind.FINDING]


def test_a_group_that_is_broken_off_leaves_nobody_waiting(journal, monkeypatch):
    """By what no thread expects: each is told, and the next ones have their turn."""
    turns = journal._database.turns

    class Broken(BaseException):
        pass

    def broken(*_):
        raise Broken

    with ThreadPoolExecutor(3) as pool:
        with somebody_at_work(turns):
            asked = [pool.submit(turns.write, lambda n=n: begun(journal, f"h{n}")) for n in (1, 2)]
            until_they_wait(turns, 2)
            monkeypatch.setattr(group_commit, "together", broken)
        errors = {type(one.exception(60)) for one in asked}
        assert errors == {Broken, JournalError}
        monkeypatch.undo()
        assert pool.submit(turns.write, lambda: begun(journal, "again")).result(60)


def test_what_begins_a_process_can_fail_with_others(tmp_path, monkeypatch):
    """Whose number it was to have in the journal is not there: it heals by another one."""
    with Journal(tmp_path / "journal") as new:
        database = type(new._database)
        monkeypatch.setattr(database, "end_group", failing(database.end_group))
        answers = group_commit.together([lambda n=n: begun(new, f"h{n}") for n in range(2)])
        assert {type(error) for _, error in answers} == {JournalError}
        monkeypatch.undo()
        begun(new, "again").claim("server", "mbx1")
        (record,) = new.healings()
        assert record.alive
        with Journal(new.path) as other:
            begun(other, "elsewhere")
            assert [one.alive for one in other.healings()] == [True, True]


def failing(end_group):
    def end(self, *, commit: bool) -> None:
        end_group(self, commit=False)
        if commit:
            raise JournalError(journal=self.name, problem="can't be written (disk is full)")

    return end


def test_a_transaction_that_sqlite_takes_back_takes_all_back(journal):
    def full() -> None:
        with journal._database.transaction() as connection:
            connection.execute("ROLLBACK")
            raise sqlite3.OperationalError("database or disk is full")

    answers = group_commit.together(
        [lambda: begun(journal, "one"), full, lambda: begun(journal, "two")]
    )
    assert all(isinstance(error, JournalError) for _, error in answers)
    assert [one.id for one in journal.healings()] == ["first"]


def test_a_journal_that_another_program_has_locked_is_waited_for_once(journal, monkeypatch):
    journal._database._connection.execute("PRAGMA busy_timeout = 1")
    tried = []
    begin = type(journal._database).begin_group
    monkeypatch.setattr(
        type(journal._database), "begin_group", lambda self: tried.append(1) or begin(self)
    )
    other = sqlite3.connect(journal.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    answers = group_commit.together([lambda n=n: begun(journal, f"h{n}") for n in range(5)])
    other.execute("ROLLBACK")
    other.close()
    assert {type(error) for _, error in answers} == {JournalError}
    assert len({id(error) for _, error in answers}) == 5
    assert len(tried) == 1
    begun(journal, "again")


def test_healings_at_once_commit_together(tmp_path):
    """As many as one would need on its own, not as many times that."""
    names = ["mailbox-healed-by-restart"] * 12

    async def heal_all(journal: Journal) -> int:
        commits = commits_of(journal)
        played = [load_scenario(name) for name in names]
        await asyncio.gather(
            *(aheal(alert_of(one), one.backend, journal=journal) for one in played)
        )
        return len(commits)

    with Journal(tmp_path / "journal") as journal:
        together = asyncio.run(heal_all(journal))
        assert len(journal.healings()) == 12
    alone = commits_alone(tmp_path)
    assert together < 12 * alone / 2


def commits_alone(tmp_path) -> int:
    scenario = load_scenario("mailbox-healed-by-restart")
    with Journal(tmp_path / "alone") as journal:
        commits = commits_of(journal)
        asyncio.run(aheal(alert_of(scenario), scenario.backend, journal=journal))
    return len(commits)


@contextmanager
def somebody_at_work(turns):
    """A thread has its turn meanwhile."""
    at_work, done = threading.Event(), threading.Event()

    def work():
        at_work.set()
        assert done.wait(60)

    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(turns.write, work)
        assert at_work.wait(60)
        try:
            yield
        finally:
            done.set()
            working.result()


def until_they_wait(turns, how_many):
    while len(turns._waiting) < how_many:
        time.sleep(0.001)  # other threads come to it, by no clock


def test_threads_that_wait_for_their_turn_are_one_commit(journal):
    """Each gets its own answer, or its own error; and none before it is on the disk."""
    commits, turns = commits_of(journal), journal._database.turns

    def write(number):
        if number == 3:
            raise JournalError(journal="another", problem="of its own")
        return begun(journal, f"h{number}").healing

    with ThreadPoolExecutor(8) as pool:
        with somebody_at_work(turns):
            asked = [pool.submit(turns.write, lambda n=n: write(n)) for n in range(8)]
            until_they_wait(turns, 8)
            assert not any(one.done() for one in asked)
        assert [asked[n].result() for n in range(8) if n != 3] == [
            f"h{n}" for n in range(8) if n != 3
        ]
        with pytest.raises(JournalError, match="of its own"):
            asked[3].result()
    assert len(commits) == 1
    assert len(journal.healings()) == 8


def test_ctrl_c_is_for_the_main_thread_only(journal):
    """It writes nothing of the others, who could be told of an interrupt that is not theirs."""
    turns = journal._database.turns
    by: dict[str, str] = {}

    def write(name):
        by[name] = threading.current_thread().name

    with ThreadPoolExecutor(2, thread_name_prefix="other") as pool:
        with somebody_at_work(turns):
            asked = [pool.submit(turns.write, lambda n=n: write(n)) for n in ("a", "b")]
            until_they_wait(turns, 2)
        turns.write(lambda: write("own"))
        for one in asked:
            one.result()
    assert by["own"] == threading.main_thread().name
    assert by["a"].startswith("other")
    assert by["b"].startswith("other")


def test_threads_that_heal_at_once(tmp_path):
    """Each with its own verdict and its whole history."""
    names = ["mailbox-healed-by-restart", "mailbox-healed-by-reboot"] * 4

    def carry_out(name):
        scenario = load_scenario(name)
        return heal(alert_of(scenario), scenario.backend, journal=journal)

    with Journal(tmp_path / "journal") as journal, ThreadPoolExecutor(len(names)) as pool:
        reports = list(pool.map(carry_out, names))
        assert {one.verdict for one in reports} <= {Verdict.RECOVERED, Verdict.HELD}
        assert reports[0].verdict is Verdict.RECOVERED or reports[1].verdict is Verdict.RECOVERED
        assert not journal.healings(unfinished=True)

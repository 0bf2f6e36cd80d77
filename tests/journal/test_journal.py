"""The journal's file: what is promised of it, kept by the database itself."""

from __future__ import annotations

import os
import sqlite3
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from unittest.mock import patch

import pytest

from popheal import Journal
from popheal.engine.run import Run
from popheal.errors import AlreadyRunning, Fenced, JournalError, UnknownName
from popheal.healthsets.pop import MAILBOX
from popheal.journal import database, locks, schema
from popheal.journal.entries import (
    ActionFinished,
    EffectIntended,
    FindingsNoted,
    RunEntry,
    TakenOver,
    Waiting,
)
from popheal.reports.report import Finding, FindingKind, Step
from popheal.tables.actions import Impact
from tests.support.lab_process import PROCESSES

NOW = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)


@pytest.fixture
def path(tmp_path):
    """Where a journal may be."""
    return tmp_path / "journal"


def begun(journal, name: str = "one", *, at=NOW, server="mbx1.contoso.com", organisation="here"):
    """A custody of a healing that has begun."""
    return journal.begin(
        name, at=at, organisation=organisation, server=server, version="0", alert={}, policy={}
    )


def note(lease, said: str = "") -> None:
    """Write an entry."""
    finding = Finding(kind=FindingKind.NOTE, server="mbx1.contoso.com", detail=said)
    lease.write(FindingsNoted(at=NOW, server=finding.server, findings=(finding,)))
    lease.flush()


def notes(entries) -> list[str]:
    """What was noted."""
    return [one.findings[0].detail for one in entries if isinstance(one, FindingsNoted)]


def of_a_run(kind: type[RunEntry], **more) -> RunEntry:
    """An entry of a run."""
    run = Run(id="one.1", procedure=MAILBOX, server="mbx1.contoso.com", mailbox_role=True)
    return kind(at=NOW, server=run.server, run_id=run.id, run=run.snapshot(), memory={}, **more)


REBOOT = of_a_run(EffectIntended, effect="reboot", command="Restart-Computer", dag=None)
REBOOTED = of_a_run(
    ActionFinished,
    dag=None,
    step=Step(
        state="rebooting",
        action="reboot",
        impact=Impact.DISRUPT,
        outcome="done",
        started_at=NOW,
        finished_at=NOW,
    ),
)


def raw(path):
    """The file, as anybody can open it."""
    return sqlite3.connect(path, isolation_level=None, timeout=0.05)


# --- opening -------------------------------------------------------------------------------------


def test_a_file_is_made_with_its_tables_and_for_its_owner_only(path):
    with Journal(path) as journal:
        begun(journal)
        assert journal.path == path
        modes = {one.name: stat.S_IMODE(one.stat().st_mode) for one in path.parent.iterdir()}
    assert set(modes) == {"journal", "journal-wal", "journal-shm", "journal-owner-1"}
    assert set(modes.values()) == {0o600}
    with raw(path) as connection:
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
    connection.close()
    assert (application, version) == (schema.APPLICATION_ID, len(schema.MIGRATIONS))
    assert application.to_bytes(4, "big") == b"POPH"


def test_what_is_written_is_on_the_disk(path):
    with Journal(path) as journal:
        asked = journal._database.read
        assert asked("PRAGMA journal_mode") == [("wal",)]
        assert asked("PRAGMA synchronous") == [(2,)]  # FULL
        assert asked("PRAGMA foreign_keys") == [(1,)]


def test_an_empty_file_becomes_a_journal(path):
    path.touch()
    with Journal(path) as journal:
        begun(journal)
        assert [one.id for one in journal.healings()] == ["one"]


def test_a_file_that_must_exist(path):
    with pytest.raises(JournalError, match=r"journal does not exist\. Check the path\."):
        Journal(path, create=False)
    assert not path.exists()


def test_a_newer_version_is_left_alone(path):
    Journal(path).close()
    with raw(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(JournalError, match=r"newer popheal \(version 99 .*Use that one\."):
        Journal(path)
    assert path.read_bytes() == before


def test_another_program_s_database_is_left_alone(path):
    with raw(path) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(JournalError, match=r"is a database, but not a journal"):
        Journal(path)
    assert path.read_bytes() == before


def added(connection, found) -> None:
    """A step to the next version."""
    connection.execute("CREATE TABLE added (a)")
    connection.execute("UPDATE healing SET version = 'migrated'")


def breaking(connection, found) -> None:
    """A step that fails when half of it is done."""
    added(connection, found)
    connection.execute("INSERT INTO nowhere VALUES (1)")


def test_an_older_version_is_brought_up_to_date(path, monkeypatch):
    with Journal(path) as journal:
        begun(journal).leave()
    steps = (*schema.MIGRATIONS, added)
    monkeypatch.setattr(schema, "MIGRATIONS", steps)
    monkeypatch.setattr(database, "MIGRATIONS", steps)
    with Journal(path) as journal:
        assert [one.version for one in journal.healings()] == ["migrated"]
        assert journal._database.read("PRAGMA user_version") == [(len(steps),)]
    Journal(path).close()


def test_a_step_that_fails_leaves_the_file_as_it_was(path, monkeypatch):
    with Journal(path) as journal:
        begun(journal).leave()
    with monkeypatch.context() as newer:
        steps = (*schema.MIGRATIONS, breaking)
        newer.setattr(schema, "MIGRATIONS", steps)
        newer.setattr(database, "MIGRATIONS", steps)
        with pytest.raises(JournalError, match="nowhere"):
            Journal(path)
    with Journal(path) as journal:
        assert [one.version for one in journal.healings()] == ["0"]
        tables = {name for (name,) in journal._database.read("SELECT name FROM sqlite_master")}
        assert "added" not in tables


def test_many_that_make_one_file_at_once(path):
    """Each opens it, and nobody is told that it is locked."""

    def open_and_begin(number: int) -> None:
        with Journal(path) as journal:
            begun(journal, f"healing{number}").leave()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(open_and_begin, range(16)))
    with Journal(path) as journal:
        assert len(journal.healings()) == 16


def test_made_by_another_before_any_statement_that_opens_it(path, monkeypatch):
    """Enumerated: whoever finds it empty at first finds a journal in the end."""
    connect, statements = sqlite3.connect, []

    class Overtaken(sqlite3.Connection):
        def execute(self, sql, *values):
            statements.append(sql)
            if len(statements) == number:
                monkeypatch.setattr(sqlite3, "connect", connect)
                Journal(path).close()
            return super().execute(sql, *values)

    last = None
    for number in range(1, 20):
        path.unlink(missing_ok=True)
        statements.clear()
        monkeypatch.setattr(
            sqlite3, "connect", lambda *args, **more: connect(*args, factory=Overtaken, **more)
        )
        Journal(path).close()
        last = statements[number - 1]
        if last == "BEGIN IMMEDIATE":
            break  # from here on others wait
    assert last == "BEGIN IMMEDIATE"


# --- the history only grows ----------------------------------------------------------------------


@pytest.mark.parametrize(
    "statement", ["UPDATE entry SET outcome = 'done'", "DELETE FROM entry WHERE seq = 1"]
)
def test_the_history_only_grows(path, statement):
    with Journal(path) as journal:
        note(begun(journal), "said")
        with pytest.raises(JournalError, match="the history only grows"):  # noqa: SIM117
            with journal._database.transaction() as connection:
                connection.execute(statement)
        assert notes(journal.entries()) == ["said"]
    with raw(path) as connection, pytest.raises(sqlite3.IntegrityError):
        connection.execute(statement)
    connection.close()


# --- whose healing it is -------------------------------------------------------------------------


def test_who_has_lost_a_healing_can_write_nothing(path):
    with Journal(path) as ours, Journal(path) as theirs:
        lease = begun(ours)
        note(lease, "ours")
        taken = theirs.take_over("one", at=NOW, steal=True)
        for attempt in (
            lambda: note(lease, "too late"),
            lease.check,
            lambda: lease.claim("server", "mbx1"),
            lambda: lease.write(of_a_run(Waiting, until=NOW)),
            lambda: lease.write(REBOOT),
            lambda: lease.write(REBOOTED) or lease.flush(),
            lambda: lease.end(at=NOW, verdict="recovered", report={}),
        ):
            with pytest.raises(Fenced):
                attempt()
        note(taken, "theirs")
        entries = ours.entries("one")
        assert notes(entries) == ["ours", "theirs"]
        assert isinstance(entries[1], TakenOver)
        assert ours.claims() == []


def test_an_effect_that_was_not_intended_is_a_defect(path):
    with Journal(path) as journal:
        lease = begun(journal)
        with pytest.raises(AssertionError, match="reboot was not written down"):
            lease.check("reboot")
        lease.write(REBOOT)
        lease.check("reboot")
        lease.write(REBOOTED)
        with pytest.raises(AssertionError):
            lease.check("reboot")


def test_an_ended_healing_is_nobody_s(path):
    with Journal(path) as journal:
        lease = begun(journal)
        lease.end(at=NOW, verdict="recovered", report={"id": "one"})
        with pytest.raises(Fenced):
            note(lease)
        with pytest.raises(UnknownName):
            journal.take_over("one", at=NOW)
        with pytest.raises(UnknownName):
            journal.cancel("one", at=NOW)
        record = journal.healing("one")
        assert (record.verdict, record.report, record.alive) == ("recovered", {"id": "one"}, False)


def race(count: int, does) -> list[object]:
    """What each of so many threads gets, all started together."""
    barrier = threading.Barrier(count)

    def run(number: int) -> object:
        barrier.wait()
        try:
            return does(number)
        except (JournalError, AlreadyRunning, UnknownName) as error:
            return error

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(run, range(count)))


@pytest.mark.parametrize("shared", [True, False], ids=["one-journal", "one-each"])
def test_of_many_that_claim_one_server_one_has_it(path, shared):
    """Each with a connection of its own, or all with one."""
    journals = [Journal(path)] * 6 if shared else [Journal(path) for _ in range(6)]
    custodies = [begun(one, f"healing{number}") for number, one in enumerate(journals)]
    names = ("MBX1.contoso.com", "mbx1", "Mbx1")
    got = race(6, lambda number: custodies[number].claim("server", names[number % 3]))
    (holder,) = (number for number, one in enumerate(got) if one is None)
    assert [one for one in got if one is not None] == [f"healing{holder}"] * 5
    assert journals[0].claims() == [("server", "mbx1", f"healing{holder}")]
    for one in journals:
        one.close()


def claim_in_a_process(path, name: str, barrier, told) -> None:
    """In a process of its own."""
    with Journal(path) as journal:
        lease = begun(journal, name)
        barrier.wait(60)
        told.send(lease.claim("dag", "DAG1"))
        barrier.wait(60)


def test_of_processes_that_claim_one_group_one_has_it(path):
    Journal(path).close()
    barrier, got = PROCESSES.Barrier(3), []
    pairs = [PROCESSES.Pipe() for _ in range(3)]
    processes = [
        PROCESSES.Process(target=claim_in_a_process, args=(path, f"healing{n}", barrier, far))
        for n, (_, far) in enumerate(pairs)
    ]
    for process in processes:
        process.start()
    for near, _ in pairs:
        assert near.poll(60)
        got.append(near.recv())
    for process in processes:
        process.join()
    assert sorted(one is None for one in got) == [False, False, True]
    assert len({one for one in got if one}) == 1


def test_claims_of_two_organisations_do_not_meet(path):
    with Journal(path) as journal:
        here, there = begun(journal, "here"), begun(journal, "there", organisation="elsewhere")
        assert here.claim("server", "mbx1") is None
        assert there.claim("server", "mbx1") is None
        assert here.claim("server", "MBX1") is None
        here.end(at=NOW, verdict="held", report={})
        assert [one for *_, one in journal.claims()] == ["there"]


# --- who is alive --------------------------------------------------------------------------------


def test_two_journals_of_one_process_are_two_owners(path):
    with Journal(path) as ours, Journal(path) as theirs:
        lease = begun(ours)
        assert theirs.healing("one").alive
        assert str(os.getpid()) in theirs.healing("one").owner
        with pytest.raises(AlreadyRunning):
            theirs.take_over("one", at=NOW)
        with pytest.raises(AlreadyRunning):
            ours.take_over("one", at=NOW)
        lease.leave()
        # Whoever has left it may come back to it; to all others its process is still there.
        assert not ours.healing("one").alive
        assert theirs.healing("one").alive
        ours.take_over("one", at=NOW).leave()
        ours.close()
        assert not theirs.healing("one").alive
        theirs.take_over("one", at=NOW)


def begin_and_wait(path, told) -> None:
    """In a process of its own, until it is killed."""
    with Journal(path) as journal:
        begun(journal)
        told.send("begun")
        threading.Event().wait(60)


def test_a_killed_process_is_dead(path):
    near, far = PROCESSES.Pipe()
    process = PROCESSES.Process(target=begin_and_wait, args=(path, far))
    process.start()
    assert near.poll(60)
    with Journal(path) as journal:
        assert journal.healing("one").alive
        with pytest.raises(AlreadyRunning):
            journal.take_over("one", at=NOW)
        process.kill()
        process.join()
        assert locks.path_of(path, 1).exists()
        assert not journal.healing("one").alive
        assert not locks.path_of(path, 1).exists()
        note(journal.take_over("one", at=NOW))


def test_of_many_that_take_over_one_healing_one_has_it(path):
    """Nobody steals here, so none of them loses it again to another one."""
    for number in range(10):
        name = f"healing{number}"
        with Journal(path) as journal:
            begun(journal, name)
        journals = [Journal(path) for _ in range(4)]
        got = race(4, lambda n, name=name, all_=journals: all_[n].take_over(name, at=NOW))
        custodies = [one for one in got if not isinstance(one, Exception)]
        assert len(custodies) == 1, got
        assert all(isinstance(one, AlreadyRunning) for one in got if one not in custodies)
        custodies[0].check()
        for one in journals:
            one.close()


def test_of_threads_that_take_over_one_healing_one_has_it(path):
    for number in range(10):
        name = f"healing{number}"
        with Journal(path) as journal:
            begun(journal, name).leave()
            got = race(4, lambda _, name=name, one=journal: one.take_over(name, at=NOW))
            (lease,) = (one for one in got if not isinstance(one, Exception))
            lease.check()


def test_an_owner_that_could_not_be_written_is_none(path):
    """After a failed commit the journal tries anew, as if nothing had been."""
    with Journal(path) as journal:
        transaction = journal._database.transaction

        @contextmanager
        def failing(**how):
            with transaction(**how) as connection:
                yield connection
                raise sqlite3.OperationalError("database or disk is full")

        with patch.object(journal._database, "transaction", failing), pytest.raises(JournalError):
            begun(journal)
        with Journal(path) as other:
            begun(other, "theirs")
            begun(journal, "ours")
            assert {one.alive for one in journal.healings()} == {True}


# --- asking --------------------------------------------------------------------------------------


def test_a_healing_is_found_by_the_beginning_of_its_name(path):
    with Journal(path) as journal:
        for name in ("abcd", "abce", "b", "bc", "50%_"):
            begun(journal, name)
        assert journal.healing("abcd.2").id == "abcd"
        assert journal.healing("b").id == "b"
        assert journal.healing("5").id == "50%_"
        for wrong, known in (("abc", ("abcd", "abce")), ("x", ()), ("", ()), ("%", ()), ("_", ())):
            with pytest.raises(UnknownName) as caught:
                journal.healing(wrong)
            assert caught.value.known == known


def test_a_stop_by_way_of_the_journal(path):
    with Journal(path) as journal, Journal(path) as other:
        lease = begun(journal)
        lease.check()
        assert not lease.stopped
        first = other.cancel("one", at=NOW).cancel_at
        other.cancel("one", at=NOW + timedelta(hours=1))
        assert other.healing("one").cancel_at == first == NOW
        lease.check()
        assert lease.stopped


def test_threads_share_a_journal(path):
    with Journal(path) as journal:
        lease = begun(journal)

        def write(number: int) -> None:
            for turn in range(20):
                note(lease, f"{number}/{turn}")

        race(6, write)
        entries = journal.entries()
    said = notes(entries)
    assert len(said) == len(set(said)) == 120
    assert [one.seq for one in entries] == list(range(3, 123))  # after who, and that it began
    for number in range(6):
        own = [one for one in said if one.startswith(f"{number}/")]
        assert own == [f"{number}/{turn}" for turn in range(20)]


def test_after_closing_everything_is_a_journal_error(path):
    journal = Journal(path)
    lease = begun(journal)
    with journal as same:
        assert same is journal
    journal.close()
    for attempt in (
        lambda: note(lease),
        lambda: lease.claim("server", "mbx1"),
        lease.check,
        journal.healings,
        lambda: begun(journal, "two"),
    ):
        with pytest.raises(JournalError):
            attempt()
    assert not locks.path_of(path, 1).exists()


def test_in_memory_long_ended_healings_are_forgotten():
    with Journal() as journal:
        assert journal.path is None
        lease = begun(journal, "old")
        note(lease)
        lease.end(at=NOW, verdict="recovered", report={})
        begun(journal, "unfinished")
        begun(journal, "next", at=NOW + timedelta(days=1))
        assert [one.id for one in journal.healings()] == ["old", "unfinished", "next"]
        begun(journal, "later", at=NOW + timedelta(days=3))
        assert [one.id for one in journal.healings()] == ["unfinished", "next", "later"]
        assert journal.entries() == []
        assert journal.healing("later").alive


def test_in_a_file_nothing_is_forgotten(path):
    with Journal(path) as journal:
        begun(journal, "old").end(at=NOW, verdict="recovered", report={})
        begun(journal, "later", at=NOW + timedelta(days=400))
        assert [one.id for one in journal.healings()] == ["old", "later"]


def test_what_nobody_can_go_on_with_is_given_up():
    with Journal(keeps_unfinished=False) as journal:
        lease = begun(journal)
        lease.claim("server", "mbx1")
        lease.leave()
        assert journal.healings(unfinished=True) == []
        assert journal.claims() == []

"""What is written to a journal is where everybody sees it, or it is not written."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import UTC, datetime

import pytest

from popheal import Journal
from popheal.audit import check_journal
from popheal.errors import JournalError

NOW = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
#: Another process, which is the last to close the file as far as it can tell.
COME_AND_GO = (
    "import sqlite3, sys\n"
    "with sqlite3.connect(sys.argv[1]) as connection:\n"
    "    connection.execute('SELECT count(*) FROM healing').fetchone()\n"
    "connection.close()\n"
)


def begun(journal: Journal, name: str = "one"):
    return journal.begin(
        name, at=NOW, organisation="here", server="mbx1", version="0", alert={}, policy={}
    )


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal"


def claims_on_disk(path):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT name FROM claim").fetchall()


def test_who_checks_it_meanwhile_takes_no_lock_away(path):
    """To open a file and close it takes all locks from a process that has it open."""
    with Journal(path) as journal:
        lease = begun(journal)
        check_journal(path)
        subprocess.run([sys.executable, "-c", COME_AND_GO, str(path)], check=True)
        lease.claim("server", "mbx1")
        assert claims_on_disk(path) == [("mbx1",)]


def test_who_makes_it_at_the_same_time_takes_no_lock_away(path, monkeypatch):
    """One process that opens it twice, of which neither has found it there."""
    with Journal(path) as journal:
        lease = begun(journal)
        looked = path.is_file
        with monkeypatch.context() as patch:
            patch.setattr(type(path), "is_file", lambda one: one != path and looked())
            patch.setattr(type(path), "exists", lambda one, **_: one != path and looked())
            Journal(path).close()
        subprocess.run([sys.executable, "-c", COME_AND_GO, str(path)], check=True)
        lease.claim("server", "mbx1")
        assert claims_on_disk(path) == [("mbx1",)]


@pytest.mark.skipif(sys.platform == "win32", reason="there a file in use can't be removed")
@pytest.mark.parametrize("ending", ["-wal", "-shm"])
def test_a_log_that_was_removed_is_written_no_more(path, ending):
    with Journal(path) as journal:
        lease = begun(journal)
        path.with_name(path.name + ending).unlink()
        with pytest.raises(JournalError, match=f"has lost journal{ending} beside it"):
            lease.claim("server", "mbx1")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs forks")
def test_a_fork_can_do_nothing_with_it(path):
    """It has the connection and the leases, and none of the locks."""
    with Journal(path) as journal:
        lease = begun(journal)
        tries = [
            lambda: lease.claim("server", "mbx1"),
            lease.check,
            lambda: begun(journal, "two"),
            journal.healings,
        ]
        child = os.fork()
        if not child:
            os._exit(sum(2**place for place, do in enumerate(tries) if not _is_refused(do)))
        _, status = os.waitpid(child, 0)
        assert os.waitstatus_to_exitcode(status) == 0
        assert [one.id for one in journal.healings()] == ["one"]
        assert journal.claims() == []


def _is_refused(do) -> bool:
    try:
        do()
    except JournalError as error:
        return "of which this one is a fork" in str(error)
    return False

"""The SQL schema of a journal, and how an older file is brought up to date."""

from __future__ import annotations

import contextlib
import json
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from popheal.journal.adopted import chain_what_was
from popheal.journal.tables_before import tables_before

#: "POPH" in a SQLite header: tells a journal from any other database.
APPLICATION_ID: Final = 0x504F5048


def host_of(server: str) -> str:
    """SQL for the host part of a server's name, as the indices have it; of ASCII without case."""
    return f"lower(substr({server}, 1, instr({server} || '.', '.') - 1))"


_VERSION_1: Final = """
CREATE TABLE owner (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    since TEXT NOT NULL,
    process TEXT NOT NULL          -- for people: host and process number
) STRICT;

CREATE TABLE healing (
    id TEXT PRIMARY KEY,
    organisation TEXT NOT NULL,
    server TEXT NOT NULL,
    version TEXT NOT NULL,         -- of popheal
    alert TEXT NOT NULL,           -- JSON
    policy TEXT NOT NULL,          -- JSON
    begun_at TEXT NOT NULL,
    owner INTEGER NOT NULL REFERENCES owner (id),
    fence INTEGER NOT NULL,        -- grows each time somebody takes over
    cancel_at TEXT,                -- when a person said stop
    ended_at TEXT,
    verdict TEXT,
    report TEXT                    -- JSON
) STRICT;
CREATE INDEX healing_unfinished ON healing (id) WHERE ended_at IS NULL;

-- At most one healing at work on a server, and one on the members of a group.
CREATE TABLE claim (
    organisation TEXT NOT NULL,
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    healing TEXT NOT NULL REFERENCES healing (id),
    PRIMARY KEY (organisation, kind, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE entry (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    at TEXT NOT NULL,
    healing TEXT NOT NULL REFERENCES healing (id),
    run TEXT NOT NULL,             -- empty outside a run
    server TEXT NOT NULL,
    kind TEXT NOT NULL,
    what TEXT NOT NULL,            -- of an intent the effect, of an outcome the action
    outcome TEXT NOT NULL,
    data TEXT NOT NULL             -- JSON
) STRICT;
CREATE INDEX entry_of_healing ON entry (healing);
-- For the budgets, which ask what was done lately.
CREATE INDEX entry_of_effect ON entry (what, server, at)
    WHERE what = 'reboot' OR what = 'restart_service';
"""

#: Entries with all their columns, in the order of :class:`~popheal.journal.rows.Row`.
SELECT_ENTRIES: Final = "SELECT seq, at, healing, run, server, kind, what, outcome, data FROM entry"
#: Likewise with their hashes, in the order of the chain.
SELECT_CHAIN: Final = (
    "SELECT seq, at, healing, run, server, kind, what, outcome, data, hash FROM entry ORDER BY seq"
)

#: Kept out of memory, where old history is dropped.
_HISTORY_ONLY_GROWS: Final = """
CREATE TRIGGER entry_is_never_changed BEFORE UPDATE ON entry
BEGIN SELECT RAISE(ABORT, 'the history only grows'); END;
CREATE TRIGGER entry_is_never_removed BEFORE DELETE ON entry
BEGIN SELECT RAISE(ABORT, 'the history only grows'); END;
"""
#: By their SQL: a name is no proof.
_OF_SQLITE: Final = re.compile(r"CREATE TABLE sqlite_stat\d\([a-z,]+\)")
_TRIGGERS: Final = ("entry_is_never_changed", "entry_is_never_removed")


_VERSION_2: Final = """
-- Each table by which a run was carried out, so that a later popheal knows what the run was.
CREATE TABLE procedure (
    hash TEXT PRIMARY KEY,
    data TEXT NOT NULL             -- JSON
) STRICT;
-- Version 1 is of two kinds: in the first this index was another one.
DROP INDEX IF EXISTS entry_of_effect;
CREATE INDEX entry_of_effect ON entry (what, server, at)
    WHERE what = 'reboot' OR what = 'restart_service';
"""

#: The history, each entry with its hash (see popheal.journal.chain); some are about no healing.
_VERSION_3: Final = """
CREATE TABLE entry (
    seq INTEGER PRIMARY KEY,       -- without gaps, but for what was pruned
    at TEXT NOT NULL,
    healing TEXT NOT NULL,         -- empty: the journal as a whole
    run TEXT NOT NULL,             -- empty outside a run
    server TEXT NOT NULL,
    kind TEXT NOT NULL,
    what TEXT NOT NULL,            -- of an intent the effect, of an outcome the action
    outcome TEXT NOT NULL,
    data TEXT NOT NULL,            -- JSON
    hash TEXT NOT NULL             -- over the hash before it, and all of the above
) STRICT;
"""

#: So that no question that is asked in the night reads the whole history.
_INDICES_3: Final = f"""
CREATE INDEX entry_of_healing ON entry (healing);
-- For the budgets, which ask what was done lately: of reboots anywhere, of restarts on a server.
CREATE INDEX entry_of_reboot ON entry (at) WHERE what = 'reboot';
CREATE INDEX entry_of_restart ON entry ({host_of("server")}, at)
    WHERE what = 'restart_service' AND kind = 'intent';
-- For who asks what was done at all.
CREATE INDEX entry_of_intent ON entry (at) WHERE kind = 'intent';
CREATE INDEX entry_of_pruning ON entry (seq) WHERE kind = 'pruned';
CREATE INDEX healing_begun ON healing (begun_at);
CREATE INDEX healing_ended ON healing (ended_at);
CREATE INDEX healing_of_server ON healing ({host_of("server")}, ended_at);
-- Those that left something to be put back.
CREATE INDEX healing_owing ON healing (id) WHERE instr(report, '"handed_over"') > 0;
"""


def _version_1(connection: sqlite3.Connection, _: int) -> None:
    _execute_all(connection, _VERSION_1)


def _version_2(connection: sqlite3.Connection, found: int) -> None:
    _execute_all(connection, _VERSION_2)
    if not found:
        return  # no run has been carried out by any table
    connection.executemany(
        "INSERT INTO procedure (hash, data) VALUES (?, ?)",
        [(key, json.dumps(table)) for key, table in tables_before().items()],
    )


def _version_3(connection: sqlite3.Connection, _: int) -> None:
    connection.execute("ALTER TABLE entry RENAME TO entry_before")
    _execute_all(connection, _VERSION_3)
    chain_what_was(connection)
    connection.execute("DROP TABLE entry_before")  # and its indices and triggers
    _execute_all(connection, _INDICES_3)


#: One step for each version, told which one was found; the first makes an empty file a journal.
MIGRATIONS: Final[Sequence[Callable[[sqlite3.Connection, int], None]]] = (
    _version_1,
    _version_2,
    _version_3,
)
#: From which version on entries have hashes.
CHAINED_SINCE: Final = 3


def migrate(connection: sqlite3.Connection, found: int, *, in_memory: bool) -> None:
    """Bring a journal of an older version up to date; in the caller's transaction."""
    for step in MIGRATIONS[found:]:
        step(connection, found)
    if found < CHAINED_SINCE and not in_memory:
        _execute_all(connection, _HISTORY_ONLY_GROWS)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")


def tables_of(connection: sqlite3.Connection) -> dict[str, str]:
    """What the database consists of: SQL by kind and name, as a trigger may be named like a table.

    Without what SQLite makes itself where somebody has it analyse the tables.
    """
    found = connection.execute("SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    return {f"{kind} {name}": sql for kind, name, sql in found if not _OF_SQLITE.fullmatch(sql)}


def tables_of_version(version: int) -> dict[str, str]:
    """What a file of that version consists of."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        make_version(connection, version)
        return tables_of(connection)
    finally:
        connection.close()


def make_version(connection: sqlite3.Connection, version: int) -> None:
    """Make an empty database a journal of that version, as a file has it."""
    for step in MIGRATIONS[:version]:
        step(connection, 0)
    _execute_all(connection, _HISTORY_ONLY_GROWS)
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {version}")


@contextlib.contextmanager
def pruning(connection: sqlite3.Connection) -> Iterator[None]:
    """Meanwhile entries can be removed; in the caller's transaction."""
    for name in _TRIGGERS:
        connection.execute(f"DROP TRIGGER IF EXISTS {name}")
    yield
    _execute_all(connection, _HISTORY_ONLY_GROWS)


def _execute_all(connection: sqlite3.Connection, script: str) -> None:
    # Not executescript, which would commit the caller's transaction.
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""

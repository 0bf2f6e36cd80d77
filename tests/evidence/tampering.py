"""Random single edits to a journal: each that changes what it says must be noticed.

    python -m tests.evidence.tampering [EDITS]

Of so many edits (1,000 unless said), all are noticed by who has noted the last hash; without it,
all but an end that was cut off.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import tempfile
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from popheal import Journal, Policy, heal
from popheal.audit import check_journal
from popheal.backends.simulated import load_scenario
from popheal.errors import JournalError
from popheal.tables.actions import Impact
from tests.evidence.crashes import FAST
from tests.support.healing import alert_of

NOW = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
TABLES = ("entry", "healing", "claim", "owner", "procedure")
KEYS = {"claim": (0, 1, 2), "procedure": (0,), "entry": (0,), "healing": (0,), "owner": (0,)}


@cache
def pattern() -> tuple[bytes, str]:
    """A journal with an approval, a takeover, a stop and what is unfinished; and its last hash."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal"
        with Journal(path) as journal:
            for name in ("mailbox-healed-by-reboot", "client-access-healed-by-logging-restart"):
                scenario = load_scenario(name)
                said = {"policy": Policy(approval_from=Impact.DISRUPT), "approver": lambda _: True}
                heal(alert_of(scenario), scenario.backend, journal=journal, **said)
            lease = journal.begin(
                "unfinished",
                at=NOW,
                organisation="contoso",
                server="mbx9.contoso.com",
                version="0",
                alert={"server": "mbx9"},
                policy=Policy().to_json(),
            )
            lease.claim("server", "mbx9")
            lease.leave()
            journal.take_over("unfinished", at=NOW).leave()
            journal.cancel("unfinished", at=NOW)
            head = str(journal.head())
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return path.read_bytes(), head


def noticed(path: Path, noted: str = "") -> set[str]:
    """The properties that are violated; or that it can't even be read."""
    try:
        results = check_journal(path, noted=noted).results
    except JournalError:
        return {"unreadable"}
    return {one.checked.id for one in results if one.violations}


def meaning(path: Path) -> Any:
    """What a journal says: its rows, JSON by its values, and its schema."""
    with closing(sqlite3.connect(path)) as connection:
        rows = [
            [tuple(map(_plain, row)) for row in connection.execute(_ordered(table))]
            for table in TABLES
        ]
        schema = "SELECT type, name, sql FROM sqlite_master ORDER BY type, name"
        return rows, connection.execute(schema).fetchall()


def _ordered(table: str) -> str:
    return f"SELECT * FROM {table} ORDER BY {', '.join(str(n + 1) for n in KEYS[table])}"


def _plain(value: Any) -> Any:
    try:
        return repr(json.loads(value)) if isinstance(value, str) and value[:1] == "{" else value
    except ValueError:
        return value


# --- edits ---------------------------------------------------------------------------------------


def _columns(connection: sqlite3.Connection, table: str) -> list[tuple[str, str]]:
    return [(row[1], row[2]) for row in connection.execute(f"PRAGMA table_info({table})")]


def _row(connection: sqlite3.Connection, random: Random, table: str) -> tuple[Any, ...]:
    return random.choice(connection.execute(_ordered(table)).fetchall())


def _where(connection: sqlite3.Connection, table: str) -> str:
    names = [name for name, _ in _columns(connection, table)]
    return " AND ".join(f"{names[place]} = ?" for place in KEYS[table])


def change_value(connection: sqlite3.Connection, random: Random) -> None:
    """One value of one row becomes another, or a character of it does."""
    table = random.choice(TABLES)
    columns = _columns(connection, table)
    row = _row(connection, random, table)
    place = random.randrange(len(columns))
    old, (name, kind) = row[place], columns[place]
    new: Any = random.choice((None, "", "2026-01-05T08:00:00.000000+00:00", "x"))
    if kind == "INTEGER":
        new = random.randrange(200)
    elif old and random.random() < 0.7:
        at = random.randrange(len(old))
        new = old[:at] + chr(random.randrange(32, 127)) + old[at + 1 :]
    keys = [row[one] for one in KEYS[table]]
    where = _where(connection, table)
    connection.execute(f"UPDATE {table} SET {name} = ? WHERE {where}", (new, *keys))


def remove_row(connection: sqlite3.Connection, random: Random) -> None:
    """One row is gone."""
    table = random.choice(TABLES)
    row = _row(connection, random, table)
    keys = [row[one] for one in KEYS[table]]
    connection.execute(f"DELETE FROM {table} WHERE {_where(connection, table)}", keys)


def add_row(connection: sqlite3.Connection, random: Random) -> None:
    """One more row, like another one but for its key."""
    table = random.choice(TABLES)
    row = list(_row(connection, random, table))
    place = random.choice(KEYS[table])
    row[place] = random.randrange(300) if isinstance(row[place], int) else f"x{random.random()}"
    connection.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)


def swap_entries(connection: sqlite3.Connection, random: Random) -> None:
    """Two entries change their places."""
    (count,) = connection.execute("SELECT count(*) FROM entry").fetchone()
    one, other = random.sample(range(1, count + 1), 2)
    for now, then in ((one, -1), (other, one), (-1, other)):
        connection.execute("UPDATE entry SET seq = ? WHERE seq = ?", (then, now))


def swap_values(connection: sqlite3.Connection, random: Random) -> None:
    """Two rows change one of their values."""
    table = random.choice(TABLES)
    columns = _columns(connection, table)
    place = random.randrange(len(columns))
    if place in KEYS[table]:
        return
    name, where = columns[place][0], _where(connection, table)
    rows = [_row(connection, random, table) for _ in range(2)]
    for row, other in zip(rows, reversed(rows), strict=True):
        keys = [row[one] for one in KEYS[table]]
        connection.execute(f"UPDATE {table} SET {name} = ? WHERE {where}", (other[place], *keys))


def cut_off(connection: sqlite3.Connection, random: Random) -> None:
    """The newest entries are gone."""
    (count,) = connection.execute("SELECT count(*) FROM entry").fetchone()
    connection.execute("DELETE FROM entry WHERE seq > ?", (random.randrange(count),))


def change_schema(connection: sqlite3.Connection, random: Random) -> None:
    """A trigger or an index is gone, or there is one more."""
    found = connection.execute(
        "SELECT type, name FROM sqlite_master WHERE sql IS NOT NULL AND type != 'table'"
    )
    kind, name = random.choice(found.fetchall())
    extra = random.choice(("CREATE TABLE x (a)", "CREATE INDEX x ON entry (at)"))
    connection.execute(random.choice((f"DROP {kind} {name}", extra)))


EDITS = (change_value, remove_row, add_row, swap_entries, swap_values, cut_off, change_schema)


def tamper(path: Path, random: Random) -> str:
    """Make one random edit to a copy of the pattern at a path.

    Returns what it was; empty if it changes nothing that the journal says, or can't be made.
    """
    path.write_bytes(pattern()[0])
    before = meaning(path)
    change = random.choice(EDITS)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        triggers: list[tuple[str, str]] = []
        if change is not change_schema:
            sql = "SELECT name, sql FROM sqlite_master WHERE type = 'trigger'"
            triggers = connection.execute(sql).fetchall()
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        try:
            change(connection, random)
        except sqlite3.IntegrityError:
            return ""  # the tables themselves refuse it
        for _, sql in triggers:
            connection.execute(sql)
    return change.__name__ if meaning(path) != before else ""


def missed(path: Path, change: str) -> str:
    """How an edit went unnoticed; empty if it did not."""
    if not noticed(path, pattern()[1]):
        return "given the last hash"
    if change not in (cut_off.__name__, remove_row.__name__) and not noticed(path):
        return "without the last hash"
    return ""


def main() -> int:
    """The command line; 1 if one was missed."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    made: Counter[str] = Counter()
    wrong = []
    seed = 0
    with tempfile.TemporaryDirectory(dir=FAST) as folder:
        path = Path(folder) / "journal"
        while made.total() < wanted:
            seed += 1
            change = tamper(path, Random(seed))
            if not change:
                continue
            made[change] += 1
            how = missed(path, change)
            wrong += [f"edit {seed}, {change}, {how}"] if how else []
    print(f"edits: {made.total()}: " + ", ".join(f"{name} {n}" for name, n in made.items()))
    print(f"missed: {len(wrong)}")
    print(*wrong[:40], sep="\n")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())

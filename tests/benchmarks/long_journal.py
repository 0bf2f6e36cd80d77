"""A long journal: what is asked of it at night, and by people, with a million entries.

    python tests/benchmarks/long_journal.py [ENTRIES]

A healing is written as it happens in the simulated organisation, and copied until there are as
many entries, over twenty servers and some years; the chain is that of a real journal. Then each
question is asked in a process of its own, for the time and the memory that it takes.
"""

from __future__ import annotations

import json
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from popheal import Alert, Journal, Policy, heal
from popheal.backends.simulated import load_scenario
from popheal.journal.chain import append, head_of
from popheal.util.clock import VirtualClock

START = datetime(2020, 1, 6, 8, tzinfo=UTC)
SERVERS = 20
APART = timedelta(hours=1)
BATCH = 2000


def make(path: Path, wanted: int) -> int:
    """A journal of at least so many entries; how many it has."""
    scenario = load_scenario("mailbox-healed-by-reboot", VirtualClock(START))
    scenario.organisation.name = "contoso"
    with Journal(path) as journal:
        report = heal(Alert(server=scenario.server), scenario.backend, journal=journal)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        healing = connection.execute("SELECT * FROM healing").fetchone()
        entries = [
            row[1:-1] for row in connection.execute("SELECT * FROM entry WHERE healing != ''")
        ]
        number = 0
        while head_of(connection).seq < wanted:
            connection.execute("BEGIN")
            rows: list[tuple[str, tuple[str, ...]]] = []
            for _ in range(BATCH // len(entries)):
                number += 1
                copy = Copy(report.id, number)
                values = [copy.of(value) for value in healing]
                marks = ", ".join("?" * len(values))
                connection.execute(f"INSERT INTO healing VALUES ({marks})", values)
                for at, _, *columns in entries:
                    row = (copy.of(at), *(copy.of(one) for one in columns))
                    rows.append((copy.id, row))
            append(connection, rows, head=head_of(connection))
            connection.execute("COMMIT")
        return head_of(connection).seq


class Copy:
    """The same healing once more, later and on another server."""

    def __init__(self, first: str, number: int) -> None:
        self.id = f"{number:012x}"
        self._first = first
        self._server = f"mbx{number % SERVERS + 1}"
        day = (START + number * APART).date().isoformat()
        self._day = (START.date().isoformat(), day)

    def of(self, value: Any) -> Any:
        """A value of it."""
        if not isinstance(value, str):
            return value
        value = value.replace(self._first, self.id).replace(*self._day)
        return value.replace("mbx1", self._server).replace("MBX1", self._server.upper())


# --- what is asked -------------------------------------------------------------------------------


def of_a_look(journal: Journal) -> None:
    """What a watch asks about a sick server."""
    since = datetime.now(UTC) - timedelta(days=1)
    journal.healings(server="mbx7", organisation="contoso", since=since)
    journal.healings(organisation="contoso", since=since)


def of_a_budget(journal: Journal) -> None:
    """What is asked before a reboot."""
    journal.budgets("mbx7", Policy(), organisation="contoso")


QUESTIONS: dict[str, Callable[[Journal], Any]] = {
    "a watch's look at a sick server": of_a_look,
    "budgets before an effect": of_a_budget,
    "what is unfinished, for a resume": lambda journal: journal.healings(unfinished=True),
    "one healing with its entries": lambda journal: journal.entries(
        journal.healing("00000000000a").id
    ),
    "debts owed": lambda journal: journal.debts(),
}
COMMANDS = {
    "popheal healings": ["healings"],
    "popheal show": ["show", "00000000000a"],
    "popheal export": ["export"],
}


def ask(path: Path) -> Iterator[tuple[str, float, float]]:
    """Each question with its milliseconds; the journal is open, as in a watch."""
    with Journal(path) as journal:
        for name, question in QUESTIONS.items():
            started = time.perf_counter()
            question(journal)
            yield name, (time.perf_counter() - started) * 1e3, 0.0


def command(path: Path, arguments: list[str]) -> tuple[float, float]:
    """Milliseconds and megabytes of a command, its start included."""
    code = (
        "import json, resource, sys, time\n"
        "started = time.perf_counter()\n"
        "from popheal.cli.app import popheal\n"
        "try:\n"
        "    popheal.main(sys.argv[1:])\n"
        "except SystemExit:\n"
        "    pass\n"
        "most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024\n"
        "print(json.dumps([time.perf_counter() - started, most]), file=sys.stderr)\n"
    )
    asked = [sys.executable, "-c", code, *arguments, "--journal", str(path)]
    done = subprocess.run(asked, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    seconds, most = json.loads(done.stderr.splitlines()[-1])
    return seconds * 1e3, most


def main() -> None:
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        path = Path(folder) / "journal.db"
        entries = make(path, wanted)
        size = path.stat().st_size / 2**20
        print(f"entries: {entries}, {size:.0f} MiB")
        for name, took, _ in ask(path):
            print(f"{name:34} {took:10.1f} ms")
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{'most memory of all these':34} {most:10.0f} MiB, making the journal included")
        for name, arguments in COMMANDS.items():
            took, most = command(path, arguments)
            print(f"{name:34} {took:10.1f} ms {most:6.0f} MiB, its start included")


if __name__ == "__main__":
    main()

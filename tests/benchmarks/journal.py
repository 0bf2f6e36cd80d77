"""All that the journal costs, as one table, in one run on one machine.

    python tests/benchmarks/journal.py [ENTRIES [RUNS]]

See journal_cost.py, long_journal.py and sleeping_runs.py, each of which measures a part. DBOS is
beside them where it is installed.
"""

from __future__ import annotations

import platform
import sqlite3
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import dbos_cost
import journal_cost
import long_journal
import sleeping_runs

Line = tuple[str, str, str]


def costs(folder: Path) -> Iterator[Line]:
    """Of an effect, and of a recovery."""
    ours, theirs, ratio = journal_cost.effect_against_pair(folder)
    figures = f"{ours * 1e6:.0f} us against {theirs * 1e6:.0f} us"
    yield "journalled effect / bare pair of commits", f"{ratio:.2f}", figures
    if dbos_cost.is_installed():
        its, how = dbos_cost.seconds_a_step(folder)
        figures = f"{its * 1e6:.0f} us a step ({how})"
        yield "DBOS on SQLite / bare pair of commits", f"{its / theirs:.2f}", figures
    ours, theirs, ratio = journal_cost.recovery_against_memory(folder)
    figures = f"{ours * 1e3:.1f} ms against {theirs * 1e3:.1f} ms"
    yield "recovery, processor time, disk / memory", f"{ratio:.2f}", figures


def questions(folder: Path, entries: int) -> Iterator[Line]:
    """Of a long journal."""
    path = folder / "long.db"
    there = long_journal.make(path, entries)
    for name, took, _ in long_journal.ask(path):
        yield name, f"{took:.1f} ms", f"{there} entries"
    for name, arguments in long_journal.COMMANDS.items():
        took, most = long_journal.command(path, arguments)
        yield name, f"{took / 1e3:.1f} s", f"{most:.0f} MiB, its start included"


def sleepers(folder: Path, runs: int) -> Iterator[Line]:
    """Of many that wait at once."""
    for name, figure in sleeping_runs.figures(folder, runs).items():
        yield f"waiting at once: {name}", f"{figure:.1f}", f"{runs} healings"


def main() -> None:
    entries, runs = (int(sys.argv[n]) if len(sys.argv) > n else m for n, m in DEFAULTS)
    print(f"$ python tests/benchmarks/journal.py {entries} {runs}")
    print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}")
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        parts = (costs(folder), questions(folder, entries), sleepers(folder, runs))
        for part in parts:
            for what, figure, more in part:
                print(f"{what:44} {figure:>10}  {more}")


#: Where each number stands on the command line, and what it is unless said.
DEFAULTS = ((1, 1_000_000), (2, 10_000))

if __name__ == "__main__":
    main()

"""What a durable step of DBOS on SQLite costs, where it is installed; for the table of journal.py.

    pip install dbos
    python tests/benchmarks/dbos_cost.py

A step of DBOS writes one row when it is over, and so waits for the disk once, as an effect of
popheal does before it is commanded. Beyond that the two do different work: popheal keeps the whole
run with each entry, chains the entries by hashes, and asks whether the healing is still its own;
DBOS keeps what a step has returned, and goes by SQLAlchemy.
"""

from __future__ import annotations

import importlib.util
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

ROUNDS, STEPS = 5, 100


def is_installed() -> bool:
    return importlib.util.find_spec("dbos") is not None


def seconds_a_step(folder: Path) -> tuple[float, str]:
    """The least of some rounds, and how DBOS has SQLite write."""
    from dbos import DBOS, DBOSConfig

    path = folder / "dbos.db"
    config: DBOSConfig = {
        "name": "benchmark",
        "system_database_url": f"sqlite:///{path}",
        "run_admin_server": False,
        "log_level": "ERROR",
    }
    DBOS(config=config)

    @DBOS.step()
    def step(number: int) -> int:
        return number

    @DBOS.workflow()
    def steps() -> float:
        started = time.perf_counter()
        for number in range(STEPS):
            step(number)
        return (time.perf_counter() - started) / STEPS

    DBOS.launch()
    try:
        took = min(steps() for _ in range(ROUNDS))
    finally:
        DBOS.destroy()
    connection = sqlite3.connect(path)
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    connection.close()
    return took, f"journal_mode={mode}"


def main() -> None:
    if not is_installed():
        sys.exit("dbos is not installed")
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        took, how = seconds_a_step(Path(name))
    print(f"a step of DBOS on SQLite ({how}): {took * 1e6:.0f} us")


if __name__ == "__main__":
    main()

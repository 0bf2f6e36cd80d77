"""What DBOS on SQLite costs, where it is installed: a durable step, and a whole healing.

    pip install dbos
    python tests/benchmarks/dbos_cost.py

journal.py has the step in its table, fleet.py the healing.

A step of DBOS writes one row when it is over, and so waits for the disk once, as an effect of
popheal does before it is commanded. Beyond that the two do different work: popheal keeps the whole
run with each entry, chains the entries by hashes, and asks whether the healing is still its own;
DBOS keeps what a step has returned, and goes by SQLAlchemy.

A healing on DBOS is a workflow in which every call of the backend is a step, looks too, as they
must be the same when it is replayed; its journal is in memory. Whether it would survive a crash
has not been tried: it is here for what it costs.
"""

from __future__ import annotations

import importlib.util
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

from popheal import Journal, heal
from popheal.backends.simulated import load_scenario
from tests.support.healing import Watched, alert_of

ROUNDS, STEPS = 5, 100


def is_installed() -> bool:
    return importlib.util.find_spec("dbos") is not None


@contextmanager
def launched(path: Path, *workflows: Callable[..., Any]) -> Iterator[list[Callable[..., Any]]]:
    """DBOS with its database in a file, and functions as workflows of it."""
    from dbos import DBOS, DBOSConfig

    config: DBOSConfig = {
        "name": "benchmark",
        "system_database_url": f"sqlite:///{path}",
        "run_admin_server": False,
        "log_level": "ERROR",
    }
    DBOS(config=config)
    registered = [DBOS.workflow()(one) for one in workflows]
    DBOS.launch()
    try:
        yield registered
    finally:
        DBOS.destroy()


def seconds_a_step(folder: Path) -> tuple[float, str]:
    """The least of some rounds, and how DBOS has SQLite write."""
    from dbos import DBOS

    def steps() -> float:
        started = time.perf_counter()
        for number in range(STEPS):
            DBOS.run_step({"name": "step"}, int, number)
        return (time.perf_counter() - started) / STEPS

    path = folder / "dbos.db"
    with launched(path, steps) as (run,):
        took = min(run() for _ in range(ROUNDS))
    connection = sqlite3.connect(path)
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    connection.close()
    return took, f"journal_mode={mode}"


class _Steps:
    """A backend each of whose calls is a step."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend

    def __getattr__(self, name: str) -> Any:
        from dbos import DBOS

        found = getattr(self._backend, name)
        return partial(DBOS.run_step, {"name": name}, found) if callable(found) else found


def healed(name: str) -> None:
    """Heal a scenario; a workflow of DBOS."""
    scenario = load_scenario(name)
    heal(
        alert_of(scenario),
        _Steps(Watched(scenario.organisation)),
        clock=scenario.backend.clock,
        journal=Journal(),
    )


def main() -> None:
    if not is_installed():
        sys.exit("dbos is not installed")
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        took, how = seconds_a_step(Path(name))
    print(f"a step of DBOS on SQLite ({how}): {took * 1e6:.0f} us")


if __name__ == "__main__":
    main()

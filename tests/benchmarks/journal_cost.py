"""What a journalled step costs, against the bare pair of commits that it can't do without.

A step that changes something writes twice: the intent before, the outcome after, each on the
disk when the call returns (SQLite, WAL, synchronous=FULL). The bare pair writes the same texts to
the same tables with nothing around them. Both are measured in turns, in one process, on one disk.
"""

from __future__ import annotations

import gc
import sqlite3
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from popheal import Journal, Policy
from popheal.engine.context import HealingContext, RunContext, RunState
from popheal.engine.drive import drive
from popheal.engine.run import Run
from popheal.exchange.backend import Backend
from popheal.exchange.models import ServerInfo
from popheal.healthsets.pop import MAILBOX
from popheal.healthsets.pop.catalog import monitor_named
from popheal.journal.entries import ActionFinished
from popheal.journal.schema import MIGRATIONS
from popheal.reports.report import Step
from popheal.tables.table import Verdict
from popheal.util.clock import VirtualClock

ROUNDS, STEPS = 15, 100
NOW = datetime(2026, 1, 5, 8, tzinfo=UTC)


def work_in(journal: Journal) -> RunContext:
    """A run that has come as far as its drain, so that it has something to remember."""
    session = HealingContext(policy=Policy(), clock=VirtualClock(), organisation="contoso")
    session.lease = journal.begin(
        "benchmark",
        at=NOW,
        organisation="contoso",
        server="mbx1.contoso.com",
        version="",
        alert={},
        policy={},
    )
    run = Run(
        id="benchmark.1",
        procedure=MAILBOX,
        server="mbx1.contoso.com",
        monitor="PopDeepTestMonitor",
        mailbox_role=True,
    )
    for outcome in ("done", "failed", "feasible"):
        run.observe(outcome)
    info = ServerInfo(fqdn=run.server, name="MBX1", mailbox_role=True, client_access_role=True)
    return RunContext(
        session=session,
        run=run,
        info=info,
        monitor=monitor_named(run.monitor),
        memory=RunState(boot_at_start=NOW, active_before=("DB1", "DB2")),
        heal_server=lambda _: nobody(),
        dag="DAG1",
    )


async def nobody() -> Verdict:
    """No other server is healed here."""
    raise AssertionError


def journalled(work: RunContext) -> None:
    """One step: the intent, then the outcome, as the conductor writes them."""
    intending = work.intend(
        Backend.set_activation_disabled,
        True,
        command="Set-MailboxServer -DatabaseCopyActivationDisabledAndMoveNow $true",
        value=True,
        prior=False,
        active=["DB1", "DB2"],
    )
    drive(lambda: intending, None, work.session)
    work.session.current_lease.check("set_activation_disabled", work.server, True)
    step = Step(
        state="draining",
        action="drain",
        impact=MAILBOX.by_name["draining"].action.impact,
        outcome="done",
        started_at=NOW,
        finished_at=NOW,
        detail="seen to be set",
    )
    work.memory.moved_on()
    writing = work.write(ActionFinished, step=step, dag=work.dag)
    drive(lambda: writing, None, work.session)


_INSERT = (
    "INSERT INTO entry (at, healing, run, server, kind, what, outcome, data)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)


class Bare:
    """SQLite with nothing around it, and the rows that the journal wrote."""

    def __init__(self, path: Path, rows: list[tuple[str, ...]]) -> None:
        self.connection = sqlite3.connect(path, isolation_level=None)
        self.connection.execute("PRAGMA journal_mode = WAL")
        self.connection.execute("PRAGMA synchronous = FULL")
        for migration in MIGRATIONS:
            migration(self.connection, 0)
        self.rows = rows

    def pair(self) -> None:
        """Two rows, each on the disk."""
        for row in self.rows:
            self.connection.execute(_INSERT, row)


def rows_of(journal: Journal) -> list[tuple[str, ...]]:
    """The two rows that a step has written."""
    return [one[1:] for one in journal.rows()[-2:]]


def main() -> None:
    with (
        tempfile.TemporaryDirectory(dir=Path.cwd()) as folder,
        Journal(Path(folder) / "journal.db") as journal,
    ):
        work = work_in(journal)
        journalled(work)
        bare = Bare(Path(folder) / "bare.db", rows_of(journal))
        ratios, ours, theirs = [], [], []
        for _ in range(ROUNDS):
            gc.collect()
            mine = its = 0.0
            for _ in range(STEPS):
                started = time.perf_counter()
                journalled(work)
                halfway = time.perf_counter()
                bare.pair()
                its += time.perf_counter() - halfway
                mine += halfway - started
            ours.append(mine / STEPS)
            theirs.append(its / STEPS)
            ratios.append(mine / its)
    print(f"bare pair of commits: {statistics.median(theirs) * 1e6:8.1f} us")
    print(f"journalled step:      {statistics.median(ours) * 1e6:8.1f} us")
    print(f"ratio (median of {ROUNDS}): {statistics.median(ratios):.2f}")


if __name__ == "__main__":
    main()

"""What a journalled effect costs, against a bare pair of commits; and a whole recovery.

An effect is written down twice: its intent before, on the disk before it is commanded, and what
came of it after, which goes with the next intent, pause or end. The bare pair writes the same
texts to the same tables (SQLite, WAL, synchronous=FULL), each on the disk when the call returns,
with nothing around them. Both are measured in turns, in one process, on one disk.

A recovery is one with a reboot in the simulated organisation, in virtual time, with its journal on
the disk and in memory: the processor time of this process, that of the flushes included.
"""

from __future__ import annotations

import gc
import sqlite3
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from popheal import Alert, Journal, Policy, heal
from popheal.backends.simulated import load_scenario
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
RECOVERY = "mailbox-healed-by-reboot"
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


async def journalled(work: RunContext) -> None:
    """One effect: the intent, then the outcome, as they are written down."""
    await work.intend(
        Backend.set_activation_disabled,
        True,
        command="Set-MailboxServer -DatabaseCopyActivationDisabledAndMoveNow $true",
        value=True,
        prior=False,
        active=["DB1", "DB2"],
    )
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
    await work.write(ActionFinished, step=step, dag=work.dag)


_INSERT = (
    "INSERT INTO entry (at, healing, run, server, kind, what, outcome, data, hash)"
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
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
    return [(*one[1:], "0" * 64) for one in journal.rows()[-2:]]


def effect_against_pair(folder: Path) -> tuple[float, float, float]:
    """Seconds for a journalled effect, for a bare pair, and the median of their ratios."""
    rounds: list[tuple[float, float]] = []

    async def alternate() -> None:
        await journalled(work)
        work.session.current_lease.flush()
        bare = Bare(folder / "bare.db", rows_of(journal))
        for _ in range(ROUNDS):
            gc.collect()
            mine = its = 0.0
            for _ in range(STEPS):
                started = time.perf_counter()
                await journalled(work)
                halfway = time.perf_counter()
                bare.pair()
                its += time.perf_counter() - halfway
                mine += halfway - started
            rounds.append((mine / STEPS, its / STEPS))

    with Journal(folder / "journal.db") as journal:
        work = work_in(journal)
        drive(alternate, None, work.session)
    ours, theirs = (statistics.median(column) for column in zip(*rounds, strict=True))
    return ours, theirs, statistics.median(a / b for a, b in rounds)


def recovered(journal: Journal) -> float:
    """Processor seconds of a whole recovery."""
    scenario = load_scenario(RECOVERY)
    started = time.process_time()
    report = heal(Alert(server=scenario.server), scenario.backend, journal=journal)
    took = time.process_time() - started
    assert report.verdict is Verdict.RECOVERED
    return took


def recovery_against_memory(folder: Path) -> tuple[float, float, float]:
    """Processor seconds of a recovery with its journal on the disk, in memory, and the ratio."""
    pairs = []
    for number in range(ROUNDS):
        with Journal(folder / f"recovery{number}.db") as kept, Journal() as passing:
            recovered(kept) if not number else None  # what is made once is no recovery's
            pairs.append((recovered(kept), recovered(passing)))
    ours, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    return ours, theirs, statistics.median(a / b for a, b in pairs)


def main() -> None:
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        ours, theirs, ratio = effect_against_pair(folder)
        print(f"bare pair of commits: {theirs * 1e6:8.1f} us")
        print(f"journalled effect:    {ours * 1e6:8.1f} us")
        print(f"ratio (median of {ROUNDS}): {ratio:.2f}")
        ours, theirs, ratio = recovery_against_memory(folder)
        print(f"recovery, in memory:   {theirs * 1e3:8.1f} ms of processor time")
        print(f"recovery, on the disk: {ours * 1e3:8.1f} ms")
        print(f"ratio (median of {ROUNDS}): {ratio:.2f}")


if __name__ == "__main__":
    main()

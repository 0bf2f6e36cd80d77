"""Many recoveries in one process, all of them waiting: memory, and time to start and resume.

Each is a recovery of the command-time monitor on a server of its own, which restarts POP3 and
then waits for the runbook's ten minutes. All of them write one journal on the disk. When all
wait, they are left, and a second journal of the same file goes on with every one.
Memory is told twice: by what the process has got from the system, SQLite's pages and what Python's
allocator holds ready included; and by what Python holds, of fewer.

    python tests/benchmarks/sleeping_runs.py [RUNS]
"""

from __future__ import annotations

import asyncio
import gc
import sys
import tempfile
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

from popheal import Alert, Journal, Policy, Timing, aheal
from popheal.api import aresume
from popheal.engine.control import Control
from popheal.errors import Detached
from popheal.exchange.models import (
    ComponentState,
    HostStatus,
    MonitorHealth,
    ServerInfo,
    ServiceStatus,
)

MONITOR = "AverageCommandProcessingTimeGt60sMonitor"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
#: Of how many the memory is traced, which takes its time; and of how many before.
TRACED, FIRST = 1000, 20
POLICY = Policy(timing=Timing(settle=86_400, stop_poll=10), heed_managed_availability=False)


class Servers:
    """As many client access servers as are asked for, all of them slow, each in its own site."""

    organisation = "benchmark"

    def __init__(self) -> None:
        self.started: dict[str, datetime] = {}
        self.waiting: set[str] = set()

    def told(self, event) -> None:
        """An observer: who waits by now."""
        if event.name == "pausing" and event.what == "POP to settle":
            self.waiting.add(event.server)

    async def server_info(self, server):
        return ServerInfo(
            fqdn=server, name=server, site=server, mailbox_role=False, client_access_role=True
        )

    async def all_servers(self, server):
        return [await self.server_info(server)]

    async def server_health(self, server):
        return [
            MonitorHealth(
                server=server,
                monitor=MONITOR,
                health_set="POP.Protocol",
                alert_value="Unhealthy",
                state="Online",
                last_execution=datetime.now(UTC),
            )
        ]

    async def component_states(self, server):
        return [ComponentState(component="PopProxy", state="Active")]

    async def host_status(self, server):
        return HostStatus(server=server, boot_time=LONG_AGO, local_time=datetime.now(UTC))

    async def services(self, server, names):
        since = self.started.get(server, LONG_AGO)
        return [
            ServiceStatus(
                name=name,
                state="Running",
                start_type="Automatic",
                process_id=1 if since == LONG_AGO else 2,
                started_at=since,
            )
            for name in names
        ]

    async def restart_service(self, server, service):
        self.started[server] = datetime.now(UTC) - timedelta(seconds=1)


def memory() -> int:
    """Bytes of this process that are in memory (Linux)."""
    gc.collect()
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) * 1024


async def until_all_wait(tasks, servers, runs: int) -> float:
    """Seconds until as many runs wait."""
    began = time.perf_counter()
    while len(servers.waiting) < runs:
        ended = [task for task in tasks if task.done()]
        if ended:
            raise SystemExit(f"did not wait: {ended[0].exception() or ended[0].result().summary}")
        await asyncio.sleep(0.05)
    return time.perf_counter() - began


async def leave_all(tasks, leave: Control) -> None:
    leave.detach()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert all(isinstance(one, Detached) for one in results)


async def measure(path: Path, runs: int) -> dict[str, float]:
    """What so many cost."""
    servers, leave = Servers(), Control()
    options = {"policy": POLICY, "observers": [servers.told]}
    before = memory()
    with Journal(path) as journal:
        tasks = begin(range(runs), servers, journal, {**options, "control": leave})
        busy = time.process_time()
        start = await until_all_wait(tasks, servers, runs)
        start_busy = time.process_time() - busy
        each = (memory() - before) / runs
        await leave_all(tasks, leave)
    servers.waiting.clear()
    leave = Control()
    with Journal(path) as journal:
        began, busy = time.perf_counter(), time.process_time()
        unfinished = journal.healings(unfinished=True)
        tasks = [
            asyncio.create_task(aresume(one.id, servers, journal=journal, control=leave, **options))
            for one in unfinished
        ]
        await until_all_wait(tasks, servers, runs)
        resume, resume_busy = time.perf_counter() - began, time.process_time() - busy
        await leave_all(tasks, leave)
    return {
        "memory of the process for each (KiB)": each / 1024,
        "time to start all (s)": start,
        "processor time of that (s)": start_busy,
        "time to resume all (s)": resume,
        "processor time of that, too (s)": resume_busy,
        "journal for each (KiB)": path.stat().st_size / runs / 1024,
    }


async def kept(path: Path, runs: int) -> float:
    """Bytes that Python holds for each that waits, without what its allocator holds ready."""
    servers, leave = Servers(), Control()
    options = {"policy": POLICY, "observers": [servers.told], "control": leave}
    with Journal(path) as journal:
        tasks = begin(range(FIRST), servers, journal, options)
        await until_all_wait(tasks, servers, FIRST)  # what is made once is not for each
        gc.collect()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        tasks += begin(range(FIRST, FIRST + runs), servers, journal, options)
        await until_all_wait(tasks, servers, FIRST + runs)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        await leave_all(tasks, leave)
    return (after - before) / runs


def begin(numbers, servers, journal, options):
    alerts = (Alert(server=f"cas{one}.contoso.com", monitor=MONITOR) for one in numbers)
    healings = (aheal(one, servers, journal=journal, **options) for one in alerts)
    return [asyncio.create_task(one) for one in healings]


def figures(folder: Path, runs: int) -> dict[str, float]:
    """All of them."""
    found = asyncio.run(measure(folder / "sleeping.db", runs))
    held = asyncio.run(kept(folder / "kept.db", min(runs, TRACED)))
    return {"memory that Python holds for each (KiB)": held / 1024, **found}


def main() -> None:
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as folder:
        found = figures(Path(folder), runs)
    print(f"runs waiting at once: {runs}")
    for name, figure in found.items():
        print(f"{name:40} {figure:8.1f}")


if __name__ == "__main__":
    main()

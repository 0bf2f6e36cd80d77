"""How long ``import popheal`` takes, against importing what it is built on."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

STATEMENTS = {
    "nothing": "pass",
    "attrs, transitions, structlog": "import attrs, transitions, structlog",
    "popheal": "import popheal",
    "popheal, ready to heal": "import popheal, popheal.engine.healing",
}
ROUNDS = 20


def seconds(statement: str) -> float:
    """One fresh interpreter running the statement, in seconds."""
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - started


def main() -> None:
    """Take turns, so that a change of the machine's speed hits all alike."""
    taken: dict[str, list[float]] = {name: [] for name in STATEMENTS}
    for _ in range(ROUNDS):
        for name, statement in STATEMENTS.items():
            taken[name].append(seconds(statement))
    base = [
        a - b for a, b in zip(taken["attrs, transitions, structlog"], taken["nothing"], strict=True)
    ]
    for name, times in taken.items():
        own = [a - b for a, b in zip(times, taken["nothing"], strict=True)]
        ratio = statistics.median(own) / statistics.median(base)
        print(f"{name:32} {statistics.median(times) * 1000:7.1f} ms   ratio {ratio:4.2f}")


if __name__ == "__main__":
    main()

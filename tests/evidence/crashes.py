"""Every point at which a process may die, one by one; and what the organisation saw in the end.

    python -m tests.evidence.crashes                # in process, every scenario, every point
    python -m tests.evidence.crashes --over-lab     # real processes, killed while they heal a lab

A point lies before and after each statement that the journal writes, before and after each of
its transactions and right before it is committed, and before and after each effect. At each of
them a healing dies; a second process, with nothing but the journal's file and the organisation,
goes on. Then the organisation's own history is compared with that of a healing that nobody
disturbed.

In process a crash is a fork: the child forgets the healing, takes a copy of the journal's files
as they are on the disk at that moment, and goes on from that. Over the lab the process that heals
is killed by SIGKILL, and another one opens the very same file.
"""

from __future__ import annotations

import argparse
import os
import pickle
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache, partial
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch
from zlib import crc32

from attrs import evolve, field, frozen

from popheal import Alert, Journal, Report, heal, resume
from popheal.audit import check_journal
from popheal.backends.simulated import history as h
from popheal.backends.simulated import load_scenario, scenario_names
from popheal.exchange.backend import EFFECTS
from popheal.journal import Entry, Kind, Lease
from popheal.journal.database import Database
from popheal.tables.debts import DebtStatus
from popheal.util.clock import Clock
from tests.support import properties
from tests.support.healing import Watched, alert_of
from tests.support.lab_process import (
    PROCESSES,
    DistantClock,
    Evidence,
    LabProcess,
    Pipe,
    Way,
    Witness,
    end_of,
    start,
)
from tests.support.properties import violations

#: Where a file is in memory: a killed process loses nothing that it has written there.
FAST = "/dev/shm" if Path("/dev/shm").is_dir() else None

#: Where the second process may end otherwise than a healing that nobody disturbed: by scenario
#: and verdict, with the reason. The properties hold in each of them as everywhere.
EXPLAINED = {
    ("call-dropped-nothing-done", "recovered"): (
        "The scenario loses the first reboot command on its way. Who dies before it has written "
        "that down leaves an intent, and no restart to be seen: so the command is given (again), "
        "and it heals."
    ),
    ("restart-is-denied", "escalated"): (
        "The server refuses the reboot command. Who dies before it has written that down leaves "
        "an intent, and no restart to be seen: so the command is given again, and refused again."
    ),
    ("restarted-by-managed-availability", "nothing_wrong"): (
        "Managed Availability heals the server while it is verified. The second process verifies "
        "anew, when the monitor is healthy again."
    ),
}


# --- points --------------------------------------------------------------------------------------


class Points:
    """Counts the points that a healing passes, and does something at each of them.

    Attributes:
        labels: What they are, in order.
    """

    def __init__(self, act: Callable[[int, str], None] = lambda _number, _label: None) -> None:
        self.labels: list[str] = []
        self.act = act

    def __call__(self, label: str) -> None:
        self.labels.append(label)
        self.act(len(self.labels), label)


class Mined:
    """A backend with a point before and after each effect."""

    def __init__(self, backend: Any, points: Points) -> None:
        self._backend = backend
        self._points = points

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._backend, name)
        if name not in EFFECTS:
            return method

        def effect(*args: Any) -> Any:
            self._points(f"before effect {name}")
            try:
                return method(*args)
            finally:
                self._points(f"after effect {name}")

        return effect


#: Of what each point is in a sample: effects, and what few scenarios have.
ALWAYS = ("effect", "ask", "answered", "settle", "waiting")


def sampled(scenario: str, number: int, label: str, every: int) -> bool:
    """Whether a point is in a sample: all around effects and rare writings, else each n-th.

    Each scenario begins to count elsewhere, so that together they have points of all kinds; and
    the sample is the same each time.
    """
    if any(word in label for word in ALWAYS):
        return True
    return (number + crc32(scenario.encode())) % every == 0


@contextmanager
def mined(points: Points) -> Iterator[None]:
    """Every journal of this process has a point around each writing."""
    write, transaction = Lease.write, Database.transaction

    def mined_write(self: Lease, entry: Entry, args: tuple[Any, ...] = ()) -> None:
        label = f"entry {entry.kind.value}"
        points(f"before {label}")
        write(self, entry, args)
        points(f"after {label}")

    def mined_transaction(self: Database, **how: Any) -> Any:
        # Named after who begins it: begin, claim, end and so on.
        frame = sys._getframe(1)
        while frame.f_back and frame.f_code.co_name in ("transaction", "__enter__"):
            frame = frame.f_back
        return around(self, f"transaction {frame.f_code.co_name.strip('_')}", how)

    @contextmanager
    def around(self: Database, label: str, how: dict[str, Any]) -> Iterator[Any]:
        points(f"before {label}")
        with transaction(self, **how) as connection:
            yield connection
            points(f"in {label}")
        points(f"after {label}")

    with (
        patch.object(Lease, "write", mined_write),
        patch.object(Database, "transaction", mined_transaction),
    ):
        yield


# --- what it came to -----------------------------------------------------------------------------


@frozen(kw_only=True)
class Ending:
    """How a healing ended, one that was broken off or one that was not.

    Attributes:
        at: The points at which it was broken off, with their labels.
        effects: What the organisation saw done to it by us.
        commands: The effects that were commanded, whatever came of them.
        again: How many reboots were commanded on a server that was going down for one already.
            The server refuses those.
        problems: What is wrong, whatever the undisturbed healing came to.
    """

    verdict: str
    summary: str
    effects: Sequence[tuple[Any, ...]]
    commands: Sequence[tuple[str, str]]
    again: int
    problems: Sequence[str]
    paths: frozenset[tuple[str, ...]]
    at: Sequence[tuple[int, str]] = field(default=())


def ending(evidence: Evidence, report: Report, path: Path) -> Ending:
    """Everything about the end of one healing."""
    ours = [
        one
        for one in evidence.history
        if isinstance(one, properties.EFFECTS) and one.actor == h.POPHEAL
    ]
    commands = [
        (one.method, one.server.partition(".")[0].casefold())
        for one in evidence.history
        if isinstance(one, h.Called) and one.method in EFFECTS
    ]
    problems = [
        *violations(evidence.case(report)),
        *_budget(evidence),
        *(
            f"debt {debt.kind.value} of {debt.server} is {debt.status.value}"
            for debt in report.debts
            if debt.status is DebtStatus.OWED
        ),
        *_journal_problems(path, report, commands),
    ]
    return Ending(
        verdict=report.verdict.value,
        summary=report.summary,
        effects=[effect_of(one) for one in ours if not _is_refused_reboot(one)],
        commands=commands,
        again=sum(map(_is_refused_reboot, ours)),
        problems=problems,
        paths=frozenset((run.procedure, *run.path) for run in report.runs),
    )


def _is_refused_reboot(one: h.Happening) -> bool:
    return isinstance(one, h.RebootCommanded) and not one.accepted


def effect_of(one: h.Happening) -> tuple[Any, ...]:
    """An effect without its time and without what depends on that."""
    told = ("service", "worked", "value", "accepted", "database")
    return (one.kind, one.server, *(getattr(one, name) for name in told if hasattr(one, name)))


def _budget(evidence: Evidence) -> Iterator[str]:
    """P3, by what the organisation saw: one reboot a server and day."""
    reboots = Counter(
        one.server
        for one in evidence.history
        if isinstance(one, h.RebootCommanded) and one.actor == h.POPHEAL and one.accepted
    )
    yield from (f"P3: {server} was rebooted {n} times" for server, n in reboots.items() if n > 1)


def _journal_problems(
    path: Path, report: Report, commands: Iterable[tuple[str, str]]
) -> Iterator[str]:
    with Journal(path, create=False) as journal:
        healings, entries, claims = journal.healings(), journal.entries(), journal.claims()
    yield from (f"{one.id} is unfinished" for one in healings if one.ended_at is None)
    if len(healings) != 1:
        yield f"there are {len(healings)} healings in the journal"
    if claims:
        yield f"there are claims left: {claims}"
    begun = [one.run_id for one in entries if one.kind is Kind.RUN_STARTED]
    if begun != [run.id for run in report.runs]:
        yield f"the runs {begun} were begun, and {[run.id for run in report.runs]} reported"
    intents = Counter(
        (one.what, one.server.partition(".")[0].casefold())
        for one in entries
        if one.kind is Kind.INTENT
    )
    for command, times in Counter(commands).items():
        if times > intents[command]:
            yield f"P4: {command} was commanded {times} times, and intended {intents[command]}"
    for result in check_journal(path).results:
        said = f"check-journal: {result.checked.id}"
        yield from (f"{said}: {one.sentence}" for one in result.violations)


def differences(reference: Ending, one: Ending) -> Iterator[str]:
    """What differs from the healing that nobody disturbed."""
    if one.verdict != reference.verdict:
        yield f"verdict {one.verdict}, not {reference.verdict}: {one.summary}"
    for name in ("effects", "commands"):
        was, now = Counter(getattr(reference, name)), Counter(getattr(one, name))
        more, fewer = list((now - was).elements()), list((was - now).elements())
        if name == "commands" and len(more) <= one.again:
            more = [what for what in more if what[0] != "reboot"]
        yield from (f"{name}: {what} is one too many" for what in more)
        yield from (f"{name}: {what} is missing" for what in fewer)


# --- the second process --------------------------------------------------------------------------


def go_on(path: Path, alert: Alert, backend: Any, clock: Clock | None = None) -> Report:
    """What whoever starts a process anew does: go on with what is unfinished.

    If nothing had been written yet, the alert is simply given again.
    """
    with Journal(path) as journal:
        unfinished = journal.healings(unfinished=True)
        if unfinished:
            return resume(unfinished[0].id, backend, journal=journal, clock=clock)
        ended = journal.healings()
        if ended:
            return Report.from_json(ended[-1].report)
        return heal(alert, backend, journal=journal, clock=clock)


# --- in process ----------------------------------------------------------------------------------


class Forking:
    """One scenario in process: at each point a child is forked, in which the healing is dead.

    Args:
        deaths: How often the healing dies: 2 also kills whoever goes on, at each point.
        every: At which points: see :func:`sampled`; 1 is all of them.
    """

    def __init__(self, scenario: str, folder: Path, deaths: int = 1, every: int = 1) -> None:
        self._scenario = load_scenario(scenario)
        self._wanted = partial(sampled, scenario, every=every)
        self._witness = Witness(self._scenario.organisation)
        self._alert = alert_of(self._scenario)
        self._path = folder / "journal"
        self._deaths = deaths
        self._at: list[tuple[int, str]] = []
        self._copies = count(1)
        self._points = Points(self._die)
        #: Of those that died.
        self.endings: list[Ending] = []

    def run(self) -> Ending:
        """Heal; returns how the undisturbed healing ended."""
        with mined(self._points):
            return self._go_on()

    def _go_on(self) -> Ending:
        backend = Mined(Watched(self._scenario.organisation), self._points)
        report = go_on(self._path, self._alert, backend)
        self._points.act = lambda _number, _label: None
        one = ending(self._witness.evidence(), report, self._path)
        return evolve(one, at=tuple(self._at))

    def _die(self, number: int, label: str) -> None:
        if self._deaths == 0 or not self._wanted(number, label):
            return
        copy = self._path.parent.with_name(f"{self._path.parent.name}-{next(self._copies)}")
        near, far = os.pipe()
        child = os.fork()
        if child:
            os.close(far)
            with os.fdopen(near, "rb") as pipe:
                self.endings += pickle.loads(pipe.read())
            os.waitpid(child, 0)
            shutil.rmtree(copy)
            return
        try:
            os.close(near)
            shutil.copytree(self._path.parent, copy)
            self._path = copy / "journal"
            self._at.append((number, label))
            self._deaths -= 1
            self._points.labels, self.endings = [], []
            mine = self._go_on()
            with os.fdopen(far, "wb") as pipe:
                pipe.write(pickle.dumps([mine, *self.endings]))
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            os._exit(0)


def enumerate_in_process(
    scenario: str, deaths: int = 1, every: int = 1
) -> tuple[Ending, list[Ending]]:
    """Kill a scenario's healing at every point, or at a sample of them.

    Returns the undisturbed ending, and all others.
    """
    with tempfile.TemporaryDirectory(dir=FAST) as folder:
        first = Path(folder) / "first"
        first.mkdir()
        forking = Forking(scenario, first, deaths, every)
        return forking.run(), forking.endings


def _play(pipe: Pipe, scenario: str, deaths: int = 1, every: int = 1) -> None:
    pipe.send(enumerate_in_process(scenario, deaths, every))


def in_process(
    scenario: str, *more: Any, play: Callable[..., None] = _play
) -> tuple[Ending, list[Ending]]:
    """The same, in a process with one thread, as forking needs it."""
    near, far = PROCESSES.Pipe()
    process = start(play, far, scenario, *more)
    far.close()
    try:
        return near.recv()
    finally:
        end_of(process)


# --- over the lab --------------------------------------------------------------------------------


def _heal_and_die(way: Way, path: Path, alert: Alert, point: int, told: Pipe) -> None:
    """The first process: kills itself at a point."""

    def die(number: int, label: str) -> None:
        if number == point:
            told.send(label)
            os.kill(os.getpid(), signal.SIGKILL)

    points = Points(die)
    with mined(points), way.backend() as backend, Journal(path) as journal:
        heal(alert, Mined(backend, points), clock=DistantClock(way.clock), journal=journal)


def _resume(way: Way, path: Path, alert: Alert, told: Pipe) -> None:
    """The second process."""
    with way.backend() as backend:
        told.send(go_on(path, alert, backend, DistantClock(way.clock)))


def kill_over_lab(scenario: str, label: str, point: int) -> Ending:
    """Kill a process that heals a lab at one point, and have another one go on."""
    with (
        tempfile.TemporaryDirectory(dir=FAST) as folder,
        LabProcess(scenario) as lab,
        ExitStack() as stack,
    ):
        path, alert, way = Path(folder) / "journal", alert_of(load_scenario(scenario)), lab.ways[0]

        def carry_out(target: Callable[..., None], *args: Any) -> tuple[int | None, Any]:
            near, far = PROCESSES.Pipe()
            stack.callback(near.close)
            process = start(target, way, path, alert, *args, far)
            far.close()
            status = end_of(process)
            return status, near.recv() if near.poll() else None

        status, reached = carry_out(_heal_and_die, point)
        if (status, reached) != (-signal.SIGKILL, label):
            raise AssertionError(f"{scenario}, point {point}: {status}, {reached}, not {label}")
        status, report = carry_out(_resume)
        if report is None:
            raise AssertionError(f"{scenario}, point {point}, {label}: not gone on with ({status})")
        return evolve(ending(lab.evidence(), report, path), at=((point, label),))


@frozen
class Undisturbed:
    """A scenario's healing that nobody disturbed, in process, and the points it passed.

    Over the lab they are the same: each killed process says which one it has come to.
    """

    ending: Ending
    labels: Sequence[str]


@cache
def undisturbed(scenario: str) -> Undisturbed:
    """Play a scenario in process, undisturbed."""
    with tempfile.TemporaryDirectory(dir=FAST) as folder:
        played = Forking(scenario, Path(folder), 0)
        one = played.run()
        return Undisturbed(one, tuple(played._points.labels))


# --- all of it -----------------------------------------------------------------------------------


@frozen
class Tally:
    """What came of an enumeration.

    Attributes:
        kinds: How many points of each kind.
        again: After which a reboot was commanded again, and refused by a server going down.
        explained: How many ended otherwise, for each reason that was given.
        wrong: What is wrong, as sentences.
    """

    kinds: Counter[str] = field(factory=Counter)
    verdicts: Counter[str] = field(factory=Counter)
    explained: Counter[tuple[str, str]] = field(factory=Counter)
    again: list[str] = field(factory=list)
    wrong: list[str] = field(factory=list)
    scenarios: list[str] = field(factory=list)

    def note(self, scenario: str, reference: Ending, endings: Iterable[Ending]) -> None:
        """Compare the endings of one scenario with the undisturbed one."""
        self.scenarios.append(scenario)
        self.wrong.extend(f"{scenario}, undisturbed: {said}" for said in reference.problems)
        for one in endings:
            where = ", then ".join(f"point {number}, {label}" for number, label in one.at)
            self.kinds[one.at[-1][1]] += 1
            self.verdicts[one.verdict] += 1
            self.again.extend([where] * (one.again > reference.again))
            differs = list(differences(reference, one))
            if differs and (scenario, one.verdict) in EXPLAINED:
                self.explained[scenario, one.verdict] += 1
                differs = []
            self.wrong.extend(f"{scenario}, {where}: {said}" for said in (*one.problems, *differs))

    @property
    def points(self) -> int:
        return self.kinds.total()

    def needless(self) -> list[tuple[str, str]]:
        """Explanations of differences that there are no more."""
        return [key for key in EXPLAINED if key[0] in self.scenarios and not self.explained[key]]

    def lines(self) -> Iterator[str]:
        """For people."""
        yield f"scenarios: {len(self.scenarios)}"
        yield f"points: {self.points}"
        yield from (f"  {n:5} {kind}" for kind, n in sorted(self.kinds.items()))
        yield "verdicts: " + ", ".join(f"{v} {n}" for v, n in self.verdicts.most_common())
        for key, times in sorted(self.explained.items()):
            yield f"explained: {times} of {key[0]} end as {key[1]}: {EXPLAINED[key]}"
        yield f"commanded again, and refused by a server that was going down: {len(self.again)}"
        yield from (f"needless explanation: {key}" for key in self.needless())
        yield f"wrong: {len(self.wrong)}"
        yield from self.wrong[:40]


def enumerate_all(scenarios: Iterable[str], jobs: int, deaths: int = 1, every: int = 1) -> Tally:
    """In process: every point of these scenarios, or a sample of them."""
    tally, scenarios = Tally(), list(scenarios)
    with ThreadPoolExecutor(jobs) as pool:
        played = pool.map(lambda name: in_process(name, deaths, every), scenarios)
        for scenario, (reference, endings) in zip(scenarios, played, strict=True):
            tally.note(scenario, reference, endings)
    return tally


def enumerate_over_lab(
    scenarios: Iterable[str],
    jobs: int,
    every: int = 1,
    told: Callable[[str], None] = lambda _line: None,
) -> Tally:
    """Over the lab: every point of these scenarios, or a sample of them."""
    tally = Tally()
    with ThreadPoolExecutor(jobs) as pool:
        for scenario in scenarios:
            known = undisturbed(scenario)
            points = [
                (n, label)
                for n, label in enumerate(known.labels, 1)
                if sampled(scenario, n, label, every)
            ]
            endings = pool.map(
                lambda point, name=scenario: kill_over_lab(name, point[1], point[0]), points
            )
            before = len(tally.wrong)
            tally.note(scenario, known.ending, endings)
            told(f"{scenario}: {len(points)} points, {len(tally.wrong) - before} wrong")
    return tally


def covering() -> list[str]:
    """Scenarios that together take every path of every procedure that any scenario takes."""
    chosen: list[str] = []
    seen: set[tuple[str, ...]] = set()
    for name in scenario_names():
        paths = undisturbed(name).ending.paths
        if paths - seen:
            chosen.append(name)
            seen |= paths
    return chosen


def main() -> int:
    """The command line; 1 if anything is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenarios", nargs="+", default=[], help="default: all")
    parser.add_argument("--covering", action="store_true", help="one scenario for each path")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--in-process", action="store_true", help="the default")
    how.add_argument("--over-lab", action="store_true", help="real processes and SIGKILL")
    parser.add_argument("--deaths", type=int, default=1, help="in process, in a row (default 1)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    asked = parser.parse_args()
    names = asked.scenarios or (covering() if asked.covering else scenario_names())
    started = time.perf_counter()
    if asked.over_lab:
        tally = enumerate_over_lab(names, asked.jobs, told=partial(print, flush=True))
    else:
        tally = enumerate_all(names, asked.jobs, asked.deaths)
    print(*tally.lines(), sep="\n")
    print(f"time: {time.perf_counter() - started:.0f} s")
    return bool(tally.wrong or tally.needless())


if __name__ == "__main__":
    sys.exit(main())

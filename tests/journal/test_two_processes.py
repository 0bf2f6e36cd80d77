"""Real processes on one journal: a new one, members of one group, a healing that is taken away."""

from __future__ import annotations

import os
import signal
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

pytest.importorskip("psrpcore", reason="needs popheal[lab]")

from popheal import Alert, Journal, Policy, Report, heal, resume
from popheal.audit import check_journal
from popheal.backends.simulated import SimulatedBackend, load_scenario
from popheal.backends.simulated import history as h
from popheal.errors import Fenced, JournalError
from popheal.exchange.backend import EFFECTS
from popheal.reports.report import FindingKind
from tests.evidence.crashes import FAST, Mined, Points, ending, mined
from tests.support.healing import Watched, alert_of
from tests.support.lab_process import PATIENCE, PROCESSES, DistantClock, LabProcess, Way, start

pytestmark = [pytest.mark.slow, pytest.mark.lab, pytest.mark.evidence]

TWO_ILL = """
title = "Two members of one group are ill, each so that only a reboot helps"
[alert]
server = "MBX1"
health_set = "POP.Protocol"
monitor = "PopDeepTestMonitor"
[organisation]
preset = "dag3"
[[faults]]
server = "MBX1"
fails = ["deep"]
cure = "reboot"
[[faults]]
server = "MBX2"
fails = ["deep"]
cure = "reboot"
"""
#: Half of the servers being ill alike would by itself be a reason to leave them alone.
POLICY = Policy(sibling_share=1.0)
SERVERS = ("mbx1.contoso.com", "mbx2.contoso.com")
#: How many journals are made by several processes at once.
ROUNDS = 100


@pytest.fixture
def folder(tmp_path):
    """A folder for a journal, in memory where that is possible: commits are fast there."""
    if FAST is None:
        yield tmp_path
        return
    import tempfile

    with tempfile.TemporaryDirectory(dir=FAST) as path:
        yield Path(path)


# --- a new journal -------------------------------------------------------------------------------


def make_in_a_process(folder, barrier, told) -> None:
    """In a process of its own: one journal after another, each together with the others."""
    said = []
    for number in range(ROUNDS):
        barrier.wait(PATIENCE)
        try:
            Journal(folder / f"journal{number}").close()
        except JournalError as error:
            said.append(str(error))
    told.send(said)


def test_processes_that_make_one_file_at_once(folder):
    """Somebody may look at it at any moment of its making. One round in ten used to fail."""
    barrier = PROCESSES.Barrier(8)
    near, far = PROCESSES.Pipe(duplex=False)
    processes = [start(make_in_a_process, folder, barrier, far) for _ in range(8)]
    assert [near.poll(PATIENCE) and near.recv() for _ in processes] == [[]] * len(processes)
    for process in processes:
        process.join()


# --- two members of one group --------------------------------------------------------------------


def heal_one(way: Way, path: Path, server: str, started, told) -> None:
    """A process that heals one server, once the other has come as far as it has to."""
    alert = Alert(server=server, health_set="POP.Protocol", monitor="PopDeepTestMonitor")
    with way.backend() as backend, Journal(path) as journal:
        started.wait(PATIENCE)
        report = heal(alert, backend, clock=DistantClock(way.clock), journal=journal, policy=POLICY)
    told.send(report)


def out_of_service(history) -> list[set[str]]:
    """Which servers were down or drained by us, after each happening."""
    down: set[str] = set()
    drained: set[str] = set()
    after = []
    for one in history:
        if isinstance(one, h.WentDown):
            down.add(one.server)
        elif isinstance(one, h.Booted):
            down.discard(one.server)
        elif isinstance(one, h.ActivationDisabledSet):
            (drained.add if one.value else drained.discard)(one.server)
        after.append(down | drained)
    return after


def when_written(path: Path, process, said: str) -> None:
    """Wait until an effect stands in the journal; an empty one waits for nothing."""
    until = time.monotonic() + PATIENCE
    while said and time.monotonic() < until:
        if path.exists():
            with Journal(path, create=False) as journal:
                if any(one.what == said for one in journal.entries()):
                    return
        assert process.exitcode is None
        time.sleep(0.01)


@pytest.mark.parametrize("after", ["", "restart_service", "reboot"])
@pytest.mark.parametrize("order", [SERVERS, SERVERS[::-1]], ids=["first", "second"])
def test_two_members_of_one_group_are_never_out_of_service_together(folder, order, after):
    """Started together, or the second one when the first has come to an effect."""
    scenario, path = folder / "two-ill.toml", folder / "journal"
    scenario.write_text(TWO_ILL, "utf-8")
    Journal(path).close()
    with LabProcess(scenario, clients=2) as lab:
        pipes, processes, starts = [], [], []
        for way, server in zip(lab.ways, order, strict=True):
            near, far = PROCESSES.Pipe()
            starts.append(PROCESSES.Event())
            processes.append(
                PROCESSES.Process(target=heal_one, args=(way, path, server, starts[-1], far))
            )
            processes[-1].start()
            far.close()
            pipes.append(near)
        starts[0].set()
        when_written(path, processes[0], after)
        starts[1].set()
        reports: list[Report] = []
        for process, pipe in zip(processes, pipes, strict=True):
            assert pipe.poll(PATIENCE)
            reports.append(pipe.recv())
            process.join()
        history = lab.evidence().history
    verdicts = sorted(one.verdict.value for one in reports)
    assert verdicts == ["held", "recovered"], [one.summary for one in reports]
    (held,) = (one for one in reports if one.verdict.value == "held")
    assert held.runs == ()
    assert [one.kind for one in held.findings if one.kind is FindingKind.BUSY]
    assert "another healing is at work on a member of DAG1" in held.summary
    assert max(map(len, out_of_service(history))) == 1
    assert len([one for one in history if isinstance(one, h.RebootCommanded)]) == 1
    judgement = check_journal(path)
    assert judgement.ok, judgement.to_json()
    with Journal(path) as journal:
        assert journal.claims() == []


# --- a healing that is taken away ----------------------------------------------------------------


def heal_and_stop(way: Way, path: Path, alert: Alert, label: str, told) -> None:
    """A process that the operating system stops at a point, the first of that label."""

    def stop(_number: int, here: str) -> None:
        if here == label and points.labels.count(label) == 1:
            told.send(os.getpid())
            os.kill(os.getpid(), signal.SIGSTOP)

    points = Points(stop)
    try:
        with mined(points), way.backend() as backend, Journal(path) as journal:
            heal(alert, Mined(backend, points), clock=DistantClock(way.clock), journal=journal)
    except Exception as error:
        told.send(error)
    else:
        told.send("it healed")


def steal(way: Way, path: Path, told) -> None:
    """A process that takes the only healing over, alive as its owner is, and goes on with it."""
    clock = DistantClock(way.clock)
    with way.backend() as backend, Journal(path) as journal:
        (record,) = journal.healings(unfinished=True)
        assert record.alive
        journal.take_over(record.id, at=clock.now(), steal=True).leave()
        told.send(resume(record.id, backend, journal=journal, clock=clock))


def is_stopped(process: int) -> bool:
    """Whether the operating system has stopped it (proc(5): the state follows the name)."""
    said = Path(f"/proc/{process}/stat").read_text("ascii")
    return said.rpartition(")")[2].split()[0] == "T"


@contextmanager
def started(target, *args):
    """A process, and the pipe by which it tells; killed at the end."""
    near, far = PROCESSES.Pipe()
    process = PROCESSES.Process(target=target, args=(*args, far))
    process.start()
    far.close()
    try:
        yield near
    finally:
        process.kill()
        process.join()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux")
@pytest.mark.parametrize(
    "label",
    [
        "after effect restart_service",
        "after effect set_activation_disabled",
        "before entry outcome",
        "after effect reboot",
    ],
)
def test_a_process_from_which_a_healing_was_taken_does_nothing_more(folder, label):
    path, scenario = folder / "journal", load_scenario("mailbox-healed-by-reboot")
    with (
        LabProcess("mailbox-healed-by-reboot", clients=2) as lab,
        started(heal_and_stop, lab.ways[0], path, alert_of(scenario), label) as first,
    ):
        process = first.recv()
        while not is_stopped(process):
            time.sleep(0.001)
        with started(steal, lab.ways[1], path) as second:
            assert second.poll(PATIENCE)
            report = second.recv()
        finished = lab.evidence()
        os.kill(process, signal.SIGCONT)
        assert first.poll(PATIENCE)
        error = first.recv()
        after = lab.evidence()
    assert report.verdict.value == "recovered"
    assert isinstance(error, Fenced), error
    since = after.history[len(finished.history) :]
    assert not [one for one in since if isinstance(one, h.Called) and one.method in EFFECTS]
    assert list(ending(after, report, path).problems) == []


def test_at_every_point_of_a_healing_that_is_taken_away(folder):
    """In process: at each point another journal takes it over, finishes, and lets it go on.

    Not while it holds the journal for itself. Where it has asked for the last time whether it
    may, right before an effect, the effect is still commanded: nothing can take that back. A
    reboot then is refused, since the server has booted meanwhile.
    """
    numbers = len(stolen_at(folder / "whole", 0)[0])
    seen = set()
    for number in range(1, numbers + 1):
        labels, error, late = stolen_at(folder / str(number), number)
        label = labels[number - 1]
        kind = label.split()[0]
        begun = labels.index("after transaction begin") + 1 <= number
        if not begun or kind == "in" or "after transaction end" in labels[:number]:
            assert error is None
            continue
        seen.add(label)
        assert isinstance(error, Fenced), (label, error)
        if kind == "before" and "effect" in label:
            assert len(late) <= 1
            assert not any(isinstance(one, h.RebootCommanded) and one.accepted for one in late)
        else:
            assert late == [], label
    assert {"before effect reboot", "after entry intent", "before transaction end"} <= seen


def stolen_at(folder: Path, number: int):
    """The labels, how the first one ended, and the effects that it had after the other's end."""
    folder.mkdir()
    scenario = load_scenario("mailbox-healed-by-reboot")
    organisation, path = scenario.organisation, folder / "journal"
    finished = []

    def take_over(here: int, label: str) -> None:
        if here != number or label.startswith("in "):
            return
        with Journal(path) as journal:
            for record in journal.healings(unfinished=True):
                now = datetime.now(UTC)
                journal.take_over(record.id, at=now, steal=True).leave()
                resume(record.id, SimulatedBackend(organisation), journal=journal)
                finished.append(len(organisation.history))

    points = Points(take_over)
    error = None
    with mined(points), Journal(path) as journal:
        try:
            heal(alert_of(scenario), Mined(Watched(organisation), points), journal=journal)
        except Fenced as fenced:
            error = fenced
    after = list(organisation.history)[finished[0] if finished else len(organisation.history) :]
    effects = (h.ServiceRestarted, h.ActivationDisabledSet, h.RebootCommanded)
    return points.labels, error, [one for one in after if isinstance(one, effects)]

"""A journal that can't be written: nothing is done, nothing is lost, and it is gone on with."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import sqlite3
import sys
import tempfile
import threading
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from popheal import Journal, Report, aheal, heal, resume
from popheal.backends.simulated import history as h
from popheal.backends.simulated import load_scenario
from popheal.errors import JournalError
from popheal.exchange.backend import EFFECTS
from popheal.journal import Kind, database
from popheal.tables.debts import DebtStatus
from tests.evidence.crashes import (
    FAST,
    Mined,
    Points,
    differences,
    ending,
    go_on,
    mined,
    undisturbed,
)
from tests.support.healing import Watched, alert_of
from tests.support.lab_process import PROCESSES, Witness
from tests.support.programs import needs_program

HEALED = "mailbox-healed-by-restart"
REBOOTED = "mailbox-healed-by-reboot"


@pytest.fixture
def folder(tmp_path):
    """A folder for many journals, in memory where that is possible: commits are fast there."""
    with tempfile.TemporaryDirectory(dir=FAST or tmp_path) as path:
        yield Path(path)


class Played:
    """A scenario in process, with a journal that something happens to.

    Attributes:
        path: The journal's file.
        points: Where it is; what is done at each of them can be set.
    """

    def __init__(self, scenario: str, path: Path) -> None:
        self.scenario = load_scenario(scenario)
        self.organisation = self.scenario.organisation
        self.alert = alert_of(self.scenario)
        self.witness = Witness(self.organisation)
        self.path = path
        self.points = Points()
        self.backend = Mined(Watched(self.organisation), self.points)

    def heal(self):
        """Heal it, with its journal."""
        with mined(self.points), Journal(self.path) as journal:
            return heal(self.alert, self.backend, journal=journal)

    def effects(self) -> list[str]:
        """The effects that were commanded so far."""
        return [
            one.method
            for one in self.organisation.history
            if isinstance(one, h.Called) and one.method in EFFECTS
        ]

    def assert_gone_on_with(self, path: Path | None = None) -> None:
        """Whoever goes on comes to the same as if nothing had been."""
        path = path or self.path
        self.points.act = lambda _number, _label: None
        report = go_on(path, self.alert, self.backend)
        came_to = ending(self.witness.evidence(), report, path)
        assert list(came_to.problems) == []
        assert list(differences(undisturbed(self.scenario.name).ending, came_to)) == []


def assert_nothing_done(path, match: str) -> None:
    """It can't even begin: a clear error, before any effect or even a look."""
    played = Played(HEALED, path)
    with pytest.raises(JournalError, match=match) as caught:
        played.heal()
    assert caught.value.next_step
    assert str(path) in str(caught.value)
    assert not played.organisation.history.of(h.Called)


# --- locked --------------------------------------------------------------------------------------


def test_a_file_that_another_program_has_locked(folder, monkeypatch):
    monkeypatch.setattr(database, "_BUSY", 0.01)
    path = folder / "journal"
    Journal(path).close()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    assert_nothing_done(path, r"is locked\). Another program has locked it")
    other.execute("ROLLBACK")
    other.close()
    Played(HEALED, path).assert_gone_on_with()


@pytest.mark.slow
def test_locked_at_every_point(folder, monkeypatch):
    """Another program takes the lock right before each writing, one by one."""
    monkeypatch.setattr(database, "_BUSY", 0.001)
    struck = set()
    for number, label in enumerate(undisturbed(REBOOTED).labels, 1):
        if not label.startswith("before") or "effect" in label or "prepare" in label:
            continue
        played = Played(REBOOTED, folder / str(number))
        locks = []

        def lock(here: int, _label: str, number=number, played=played, locks=locks) -> None:
            if here == number:
                other = sqlite3.connect(played.path, isolation_level=None)
                other.execute("BEGIN IMMEDIATE")
                locks.append((other, played.effects()))

        played.points.act = lock
        with pytest.raises(JournalError, match="locked"):
            played.heal()
        ((other, before),) = locks
        assert played.effects() == before, label
        struck.add(label)
        other.execute("ROLLBACK")
        other.close()
        played.assert_gone_on_with()
    assert {"before entry intent", "before entry outcome", "before transaction end"} <= struck


# --- full ----------------------------------------------------------------------------------------


def heal_within(path: Path, size: int, told) -> None:
    """In a process whose files can't grow beyond a size; then in the same one without that."""
    # Everything is loaded before; nothing else is written.
    played = Played(REBOOTED, path)
    Journal(path).close()
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, most))
    error, journal = None, None
    try:
        journal = Journal(path)
        heal(played.alert, played.backend, journal=journal)
    except JournalError as raised:
        error = raised
    failed = played.effects()
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    if journal:
        journal.close()
    with Journal(path) as again:
        intended = [one.what for one in again.entries() if one.kind is Kind.INTENT]
    played.assert_gone_on_with()
    told.send((None if error is None else str(error), failed, intended))


@pytest.mark.slow
def test_a_disk_that_is_full(folder):
    """From the first byte that does not fit any more to where all of it fits."""
    errors, effects = [], set()
    for size in range(4096, 1_000_000, 40 * 1024):
        near, far = PROCESSES.Pipe()
        process = PROCESSES.Process(target=heal_within, args=(folder / str(size), size, far))
        process.start()
        far.close()
        error, failed, intended = near.recv()
        process.join()
        if error is None:
            break
        errors.append(error)
        effects.add(len(failed))
        # Each effect was written down before; and nothing was done that was not.
        assert failed == intended[: len(failed)]
        assert "can't be written" in error or "can't be opened" in error, error
        assert error.endswith(("popheal resume.", "Look at the disk.")), error
    else:
        pytest.fail("it never fitted")
    assert len(errors) > 5
    assert len(effects) > 2


def test_pages_that_run_out(folder):
    """SQLite's own word for a full disk, and what to do about it."""
    played = Played(REBOOTED, folder / "journal")
    with Journal(played.path) as journal:
        ((pages,),) = journal._database.read("PRAGMA page_count")
        journal._database.read(f"PRAGMA max_page_count = {pages + 1}")
        with pytest.raises(JournalError, match=r"is full\). Make room on the disk, then: popheal"):
            heal(played.alert, played.backend, journal=journal)
    played.assert_gone_on_with()


@needs_program("mount")
@pytest.mark.skipif(sys.platform != "linux" or os.geteuid() != 0, reason="needs root on Linux")
def test_a_file_system_that_is_full(folder):
    """A real one, of 100 KB."""
    where = folder / "small"
    where.mkdir()
    if os.system(f"mount -t tmpfs -o size=100k none {where} 2>/dev/null"):
        pytest.skip("nothing can be mounted here")
    try:
        played = Played(REBOOTED, where / "journal")
        with pytest.raises(JournalError, match="disk"):
            played.heal()
        done = played.effects()
        os.system(f"mount -o remount,size=10m {where}")
        with Journal(played.path) as journal:
            intents = [one.what for one in journal.entries() if one.kind is Kind.INTENT]
        assert done == intents[: len(done)]
        played.assert_gone_on_with()
    finally:
        os.system(f"umount {where}")


# --- read-only -----------------------------------------------------------------------------------


def as_nobody(does, *args, told) -> None:
    """In a process that may not write everything, as root may."""
    # What is imported where it is needed is imported before: Python may lie in root's own folder.
    with tempfile.TemporaryDirectory() as folder:
        Played(HEALED, Path(folder) / "journal").heal()
        with pytest.raises(JournalError):
            Journal(folder)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    try:
        does(*args)
    except BaseException as error:
        told.send(f"{type(error).__name__}: {error}")
    else:
        told.send("")


def may_not(does, *args) -> str:
    """Run something as nobody; its complaints."""
    near, far = PROCESSES.Pipe()
    process = PROCESSES.Process(target=as_nobody, args=(does, *args), kwargs={"told": far})
    process.start()
    far.close()
    said = near.recv()
    process.join()
    return said


@contextmanager
def modes(*pairs: tuple[Path, int]):
    """Files that everybody may read, with these modes; then again as they were."""
    for file, mode in pairs:
        file.chmod(mode)
    yield
    for file, _ in pairs:
        file.chmod(0o777)


@pytest.mark.parametrize("what", ["file", "folder", "both", "new", "hidden"])
def test_a_place_that_can_not_be_written(what):
    with tempfile.TemporaryDirectory() as place:
        top = Path(place)
        top.chmod(0o755)
        folder = top / "journals"
        folder.mkdir()
        path = folder / "journal"
        if what != "new":
            Journal(path).close()
        fileless = what in ("new", "hidden")
        file_mode = 0o666 if what == "folder" or fileless else 0o444
        folder_mode = {"file": 0o777, "hidden": 0o700 if os.geteuid() == 0 else 0o000}.get(
            what, 0o555
        )
        wanted = [(path, file_mode), (folder, folder_mode)]
        with modes(*wanted[what == "new" :]):
            said = may_not(assert_nothing_done, path, "can't be")
        assert said == ""
        shutil.rmtree(folder)


# --- damaged -------------------------------------------------------------------------------------


def half(data: bytearray) -> bytearray:
    return data[: len(data) // 2]


def no_header(data: bytearray) -> bytearray:
    data[:100] = b"x" * 100
    return data


def no_pages(data: bytearray) -> bytearray:
    data[100:] = b"\xff" * (len(data) - 100)
    return data


def other_text(data: bytearray) -> bytearray:
    assert b'{"monitor"' in data or b'"server"' in data
    return bytearray(bytes(data).replace(b'{"', b'#"'))


def undecodable(data: bytearray) -> bytearray:
    return bytearray(bytes(data).replace(b'"server"', b'"se\xff\xfeer"'))


def unknown_kind(data: bytearray) -> bytearray:
    return bytearray(bytes(data).replace(b"finding", b"fXnding"))


@pytest.mark.parametrize(
    "damage", [half, no_header, no_pages, other_text, undecodable, unknown_kind]
)
def test_a_damaged_file(folder, damage):
    """Broken off in the middle, then damaged: nothing is done on what can't be read."""
    played = Played(REBOOTED, folder / "journal")

    class Died(BaseException):
        """As good as a crash."""

    def die(_number: int, label: str) -> None:
        if label == "after effect set_activation_disabled":
            raise Died

    played.points.act = die
    with pytest.raises(Died):
        played.heal()
    played.points.act = lambda _number, _label: None
    before = played.effects()
    with Journal(played.path) as journal:
        (healing,) = [one.id for one in journal.healings()]
    sound = folder / "sound"
    shutil.copy(played.path, sound)
    played.path.write_bytes(bytes(damage(bytearray(sound.read_bytes()))))
    for beside in ("-wal", "-shm"):
        Path(f"{played.path}{beside}").unlink(missing_ok=True)
    with pytest.raises(JournalError) as caught, Journal(played.path) as journal:
        resume(healing, played.backend, journal=journal)
    assert caught.value.next_step
    assert played.effects() == before
    played.assert_gone_on_with(sound)


# --- interrupted ---------------------------------------------------------------------------------


@pytest.mark.slow
def test_ctrl_c_at_every_point(folder):
    """A first one: what is owed is put back, and what was to be written is written, once."""
    for number, label in enumerate(undisturbed(REBOOTED).labels, 1):
        played = Played(REBOOTED, folder / str(number))

        def interrupt(here: int, _label: str, number=number) -> None:
            if here == number:
                raise KeyboardInterrupt

        played.points.act = interrupt
        try:
            report = played.heal()
        except KeyboardInterrupt:
            # While the journal is opened nothing has begun.
            assert "prepare" in label
            played.assert_gone_on_with()
            continue
        problems = ending(played.witness.evidence(), report, played.path).problems
        assert list(problems) == [], (number, label)
        assert all(one.status is not DebtStatus.OWED for one in report.debts)


async def cancelled_at(played: Played, number: int, times: int):
    """Heal it, and cancel the task at a point, so often."""
    loop = asyncio.get_running_loop()

    def cancel(here: int, _label: str) -> None:
        if here == number:
            for _ in range(times):
                if threading.current_thread() is threading.main_thread():
                    task.cancel()  # what is only noted is noted by the task itself
                    continue
                # In the thread that writes or calls: it waits until the task has noticed; not
                # for ever, as the task may be waiting for what is being written here.
                with suppress(TimeoutError):
                    asyncio.run_coroutine_threadsafe(noticed(task.cancel), loop).result(30)

    played.points.act = cancel
    with mined(played.points), Journal(played.path) as journal:
        task = asyncio.ensure_future(aheal(played.alert, played.backend, journal=journal))
        return await task


async def noticed(cancel) -> None:
    """Cancel, and let the event loop turn."""
    cancel()
    for _ in range(3):
        await asyncio.sleep(0)


def cancelled_at_every_point(folder: Path, times: int):
    """Each point where it can be, with what was played and what was left unfinished."""
    for number, label in enumerate(undisturbed(REBOOTED).labels, 1):
        if "prepare" in label:
            continue  # the journal is opened before there is a task
        played = Played(REBOOTED, folder / f"{number}-{times}")
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(cancelled_at(played, number, times))
        with Journal(played.path) as journal:
            yield label, played, bool(journal.healings(unfinished=True))


@pytest.mark.slow
def test_a_task_that_is_cancelled_at_every_point(folder):
    """Once: everything is put back first, and it has ended when the cancellation goes through."""
    for label, played, unfinished in cancelled_at_every_point(folder, 1):
        assert not unfinished, label
        with Journal(played.path) as journal:
            report = Report.from_json(journal.healings()[0].report)
        problems = ending(played.witness.evidence(), report, played.path).problems
        assert list(problems) == [], label
        assert all(one.status is not DebtStatus.OWED for one in report.debts)


@pytest.mark.slow
def test_a_task_that_is_cancelled_twice_at_every_point(folder):
    """Broken off at once; what was written is whole, and it can be gone on with."""
    went_on = set()
    for label, played, unfinished in cancelled_at_every_point(folder, 2):
        played.points.act = lambda _number, _label: None
        report = go_on(played.path, played.alert, played.backend)
        problems = ending(played.witness.evidence(), report, played.path).problems
        assert list(problems) == [], label
        if unfinished:
            went_on.add(label)
    assert {"before effect restart_service", "after effect set_activation_disabled"} <= went_on


@pytest.mark.slow
def test_a_task_that_is_cancelled_while_it_writes_is_said_to_be(folder):
    """What is not begun for it says so, and nothing is told as a failure of the next step."""
    summaries = {}
    for label, played, _ in cancelled_at_every_point(folder, 1):
        with Journal(played.path) as journal:
            (record,) = journal.healings()
        if record.verdict not in ("cancelled", "recovered"):
            summaries[label] = record.report["summary"]
            assert "a person said stop" in summaries.pop(label)
    assert summaries == {}

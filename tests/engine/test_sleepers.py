"""Healings that wait: small, woken at once by a stop, and looked after by one for all."""

from __future__ import annotations

import asyncio
import gc
import logging
import tracemalloc
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve

from popheal import Journal, Policy, Timing, Verdict, aheal
from popheal.api import Healer
from popheal.engine import writer
from popheal.engine.control import Control
from popheal.errors import Detached, Fenced, JournalError
from popheal.journal import Lease
from popheal.journal.reading import Reading
from popheal.reports import events
from popheal.reports.report import Alert
from popheal.tables.actions import Impact
from popheal.util.clock import VirtualClock
from tests.benchmarks.sleeping_runs import MONITOR, Servers

MANY = 150
WAIT = 3600.0
POLICY = Policy(timing=Timing(settle=WAIT, stop_poll=5), heed_managed_availability=False)
FOR_EVER = float("inf")
#: Bytes of each that waits, by what Python has asked for.
MOST = 6 * 1024


class Held(VirtualClock):
    """A clock by which as much time passes as a test allows; how often it was waited on."""

    def __init__(self) -> None:
        super().__init__(datetime.now(UTC))
        self.waits: list[float] = []
        self.allowed = 0.0
        self._more = asyncio.Condition()

    async def allow(self, seconds: float) -> None:
        async with self._more:
            self.allowed += seconds
            self._more.notify_all()

    async def asleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        async with self._more:
            await self._more.wait_for(lambda: seconds <= self.allowed)
            self.allowed -= seconds
            self.sleep(seconds)
            self._more.notify_all()

    async def reached(self, seconds: float) -> None:
        async with self._more:
            await self._more.wait_for(lambda: self.monotonic() >= seconds)


class Ward:
    """So many healings that wait, in one event loop by one clock, and all that they have told."""

    def __init__(self, journal: Journal, policy: Policy = POLICY) -> None:
        self.servers, self.clock, self.journal = Servers(), Held(), journal
        self.told: list[events.Event] = []
        self.healer = Healer(
            self.servers,
            policy=policy,
            clock=self.clock,
            journal=journal,
            observers=[self.servers.told, self.told.append, self._note],
        )
        self._wait = asyncio.Event()
        self.tasks: list[asyncio.Task] = []

    async def admit(self, how_many: int, control: Control | None = None) -> None:
        """Begin so many, until all of them wait."""
        self._begin(how_many, control)
        await self._until(lambda: len(self.servers.waiting) == len(self.tasks))

    async def admit_to_ask(self, how_many: int) -> None:
        """Likewise, until all of them ask for an approval."""
        self._begin(how_many)
        await self._until(
            lambda: sum(isinstance(one, events.ApprovalAsked) for one in self.told) == how_many
        )

    def _begin(self, how_many: int, control: Control | None = None) -> None:
        for number in range(len(self.tasks), len(self.tasks) + how_many):
            alert = Alert(server=f"cas{number}.contoso.com", monitor=MONITOR)
            self.tasks.append(asyncio.create_task(self.healer.aheal(alert, control=control)))

    async def _until(self, so: Callable[[], bool]) -> None:
        while not so():
            self._wait.clear()
            # Seconds by the wall's clock, so that whoever waits in vain is told of it.
            await asyncio.wait_for(self._wait.wait(), 120)
        await settled()

    def _note(self, event: events.Event) -> None:
        if isinstance(event, events.Pausing):
            self._wait.set()

    def healing(self, number: int) -> str:
        """The id of one of them."""
        (record,) = self.journal.healings(server=f"cas{number}")
        return record.id


async def settled() -> None:
    """Let whoever can go on do so, also once what it writes is on the disk."""
    for _ in range(5):
        await writer.submit(lambda: None)  # comes after all that is written so far
        for _ in range(10):
            await asyncio.sleep(0)


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "journal") as opened:
        yield opened


def test_many_that_wait_are_small_and_one_timer_is_for_all(journal, caplog):
    """Many: what each keeps; how often it is waited; and all of them come to their end."""
    caplog.set_level(logging.CRITICAL, logger="popheal")  # pytest would keep what is logged

    async def run():
        ward = Ward(journal)
        await ward.admit(10)  # what is made once is not for each
        gc.collect()
        tracemalloc.start()
        before, _ = tracemalloc.get_traced_memory()
        try:
            await ward.admit(MANY)
            ward.told.clear()
            gc.collect()
            after, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        waits = len(ward.clock.waits)
        await ward.clock.allow(FOR_EVER)
        reports = await asyncio.gather(*ward.tasks)
        return (after - before) / MANY, waits, reports

    each, waits, reports = asyncio.run(run())
    assert each < MOST
    assert waits < 10
    assert {one.verdict for one in reports} <= {Verdict.RECOVERED, Verdict.ESCALATED}
    (steps,) = {tuple(step.state for step in one.runs[0].steps) for one in reports}
    assert len(steps) == len(set(steps)) >= 3


def test_a_stop_wakes_those_whom_it_means_at_once(journal):
    """By the control of one, and of many: no time passes, and the others sleep on."""

    async def run():
        ward, one, many = Ward(journal), Control(), Control()
        await ward.admit(1, Control(within=one))
        await ward.admit(3, many)
        await ward.admit(1)
        one.cancel()
        first = await ward.tasks[0]
        assert not any(task.done() for task in ward.tasks[1:])
        await asyncio.to_thread(many.cancel)
        others = await asyncio.gather(*ward.tasks[1:4])
        assert not ward.tasks[4].done()
        ward.tasks[4].cancel()
        with suppress(asyncio.CancelledError):
            await ward.tasks[4]
        assert ward.clock.monotonic() == 0
        return [first, *others]

    assert {one.verdict for one in asyncio.run(run())} == {Verdict.CANCELLED}
    assert all(one.verdict == "cancelled" for one in journal.healings())


def test_an_answer_wakes_the_one_that_asks_and_nobody_looks_meanwhile(journal, monkeypatch):
    """Of many that wait for a person: one look at the journal for all, however long it takes."""
    asking = evolve(POLICY, approval_from=Impact.CHANGE)

    async def run():
        ward = Ward(journal, asking)
        await ward.admit_to_ask(6)
        read = []
        looked = Lease.is_answered
        monkeypatch.setattr(Lease, "is_answered", lambda *args: read.append(1) or looked(*args))
        poll = asking.timing.approval_poll
        for _ in range(20):
            await ward.clock.allow(poll)
            await ward.clock.reached(ward.clock.monotonic() + ward.clock.allowed)
        assert len(read) <= 6  # each once, for what was said before it waited
        assert len(ward.clock.waits) < 30
        with Journal(journal.path) as other:
            (asked,) = other.questions(ward.healing(0))
            other.approve(ward.healing(0), asked.plan, granted=False, at=ward.clock.now())
        await ward.clock.allow(poll)
        refused = await ward.tasks[0]
        assert not any(task.done() for task in ward.tasks[1:])
        await ward.clock.allow(FOR_EVER)
        return refused, await asyncio.gather(*ward.tasks[1:])

    refused, others = asyncio.run(run())
    assert "was refused" in refused.summary
    assert all("nobody answered in time" in one.summary for one in others)


def test_what_goes_wrong_with_one_that_asks_is_not_the_others_affair(journal, monkeypatch):
    """It wakes and meets it itself; whoever waits beside it waits on."""
    asking = evolve(POLICY, approval_from=Impact.CHANGE)

    async def run():
        ward = Ward(journal, asking)
        await ward.admit_to_ask(2)
        looked = Lease.is_answered

        def is_answered(lease, question):
            if question.server.startswith("cas0"):
                raise KeyError("what a damaged journal leads to")
            return looked(lease, question)

        monkeypatch.setattr(Lease, "is_answered", is_answered)
        for _ in range(3):
            await ward.clock.allow(asking.timing.approval_poll)
            await settled()
        assert not any(task.done() for task in ward.tasks)
        monkeypatch.undo()
        await ward.clock.allow(FOR_EVER)
        return await asyncio.gather(*ward.tasks)

    assert all("nobody answered in time" in one.summary for one in asyncio.run(run()))


def test_what_the_journal_says_is_noticed_at_the_next_look(journal):
    """A stop by another process, and that another process has taken one over."""

    async def run():
        ward = Ward(journal)
        await ward.admit(3)
        with Journal(journal.path) as other:
            other.cancel(ward.healing(0), at=ward.clock.now())
            other.take_over(ward.healing(1), at=ward.clock.now(), steal=True)
            await ward.clock.allow(POLICY.timing.stop_poll)
            stopped = await ward.tasks[0]
            with pytest.raises(Fenced):
                await ward.tasks[1]
        await ward.clock.allow(FOR_EVER)
        return stopped, await ward.tasks[2]

    stopped, report = asyncio.run(run())
    assert stopped.verdict is Verdict.CANCELLED
    assert report.verdict is not Verdict.CANCELLED


def test_a_stop_after_the_first_look_is_noticed(journal):
    """Not only by those who are new: an entry that comes later is found for all others too."""

    async def run():
        ward = Ward(journal)
        await ward.admit(2)
        await ward.clock.allow(60)
        await ward.clock.reached(60)
        await settled()
        with Journal(journal.path) as other:
            other.cancel(ward.healing(0), at=ward.clock.now())
        await ward.clock.allow(POLICY.timing.stop_poll)
        stopped = await ward.tasks[0]
        await ward.clock.allow(FOR_EVER)
        return stopped, await ward.tasks[1]

    stopped, other = asyncio.run(run())
    assert stopped.verdict is Verdict.CANCELLED
    assert other.verdict is not Verdict.CANCELLED


def test_a_step_is_not_begun_again(journal):
    """Nothing tells that the healing was dropped: neither its events nor its entries nor times."""

    async def run():
        ward = Ward(journal)
        await ward.admit(1)
        waited_from = ward.clock.now()
        await ward.clock.allow(FOR_EVER)
        return await ward.tasks[0], ward.told, waited_from

    report, told, waited_from = asyncio.run(run())
    begun = [one.state for one in told if isinstance(one, events.ActionStarted)]
    assert begun == [step.state for step in report.runs[0].steps]
    waits = [step for step in report.runs[0].steps if step.action == "wait"]
    assert sum(isinstance(one, events.Pausing) for one in told) == len(waits)
    waiting = waits[0]
    assert waiting.started_at == waited_from
    assert waiting.finished_at - waiting.started_at >= timedelta(seconds=WAIT)


def test_one_that_is_left_is_resumed_by_another_process(journal):
    """As if it had died: it goes on with the rest of its wait."""

    async def leave():
        ward, control = Ward(journal), Control()
        await ward.admit(2, control)
        control.detach()
        found = await asyncio.gather(*ward.tasks, return_exceptions=True)
        assert [type(one) for one in found] == [Detached, Detached]

    asyncio.run(leave())

    async def go_on():
        ward = Ward(journal)
        await ward.clock.allow(FOR_EVER)
        ids = [one.id for one in journal.healings(unfinished=True)]
        return await asyncio.gather(*(ward.healer.aresume(one) for one in ids))

    assert len(asyncio.run(go_on())) == 2
    assert not journal.healings(unfinished=True)


def test_a_task_that_is_cancelled_as_it_wakes_has_been_stopped(journal, monkeypatch):
    """Wherever it is just then: it ends as one that was stopped, and nothing is left open."""
    monkeypatch.setattr(writer, "TOGETHER", 1)

    async def cancel(task, steps):
        """After so many turns of the loop: not after a time, in which a fast machine is done."""
        for _ in range(steps):
            await asyncio.sleep(0)
        task.cancel()

    async def run():
        ward = Ward(journal)
        await ward.admit(6)
        await ward.clock.allow(WAIT)
        await ward.clock.reached(WAIT)
        steps = enumerate(ward.tasks)
        cancelling = [asyncio.create_task(cancel(task, 3 * number)) for number, task in steps]
        await ward.clock.allow(FOR_EVER)
        ended = await asyncio.gather(*ward.tasks, return_exceptions=True)
        await asyncio.gather(*cancelling)
        return ended

    assert {type(one) for one in asyncio.run(run())} == {asyncio.CancelledError}
    assert not journal.healings(unfinished=True)


def test_a_journal_that_can_not_be_read_wakes_all(journal, monkeypatch):
    """Each looks for itself, and none waits for hours for what it could not write."""

    async def run():
        ward = Ward(journal)
        await ward.admit(2)

        def broken(*_):
            raise JournalError(journal="here", problem="can't be read")

        monkeypatch.setattr(Reading, "newest", broken)
        monkeypatch.setattr("popheal.journal.lease.Lease.check", broken)
        await ward.clock.allow(POLICY.timing.stop_poll)
        found = await asyncio.gather(*ward.tasks, return_exceptions=True)
        assert {type(one) for one in found} == {JournalError}

    asyncio.run(run())


def test_a_clock_that_fails_is_told_to_all(journal):
    """Nobody waits for a time that does not come."""

    class Broken(VirtualClock):
        async def asleep(self, seconds):
            raise ZeroDivisionError

    async def run():
        ward = Ward(journal)
        alerts = [Alert(server=f"cas{n}.contoso.com", monitor=MONITOR) for n in range(2)]
        options = {"policy": POLICY, "clock": Broken(datetime.now(UTC)), "journal": journal}
        healings = (aheal(one, ward.servers, **options) for one in alerts)
        return await asyncio.gather(*healings, return_exceptions=True)

    assert {type(one) for one in asyncio.run(run())} == {ZeroDivisionError}

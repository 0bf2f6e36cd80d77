"""What requests are answered by: one protocol, and what a journal on this machine makes of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Protocol, TypeVar

from popheal.engine.writer import with_journal
from popheal.errors import UnknownName
from popheal.journal import HealingRecord, Journal, Question
from popheal.journal.status import Standing, standing_of
from popheal.reports.report import Alert
from popheal.watch.answer import Answer
from popheal.watch.loop import Watch

T = TypeVar("T")

#: Reads what is to be told of a healing, in the journal that has it.
Read = Callable[[Journal, HealingRecord], T]


class Desk(Protocol):
    """Takes alerts, knows the healings, and passes on what people say to them.

    A healing is named by its whole id everywhere: a beginning could mean another one tomorrow.
    Each method raises what can be said to whoever asks: a
    :class:`~popheal.errors.PophealError`, and UnknownName where there is no such healing.
    """

    @property
    def runs(self) -> bool:
        """Whether an alert can be raised now."""

    async def raise_alert(self, alert: Alert) -> Answer:
        """Have an alert answered; cancelling this does not take it back."""

    async def healings(self, *, unfinished: bool, server: str, newest: int) -> list[Standing]:
        """How healings stand, the newest last.

        Args:
            unfinished: Only those that have not ended.
            server: Only those of an alert about this server; of any if empty.
            newest: Only so many, those that began last.
        """

    async def read(self, healing: str, function: Read[T]) -> T:
        """What a function reads of a healing, in a journal that has at least that one."""

    async def decide(self, healing: str, plan: str, *, granted: bool, by: str) -> Question:
        """Approve the plan that a healing asks about, or refuse it; the question as answered."""

    async def stop(self, healing: str, *, by: str) -> Standing:
        """Stop a healing; how it stands then."""


class JournalDesk:
    """A desk over a watch on this machine, and its journal.

    Args:
        watch: The watch that answers alerts; it runs in the same event loop.
        journal: Its journal.
    """

    def __init__(self, watch: Watch, journal: Journal) -> None:
        self._watch, self._journal = watch, journal

    @property
    def runs(self) -> bool:
        """As :class:`Desk` says; likewise the others."""
        return self._watch.runs

    async def raise_alert(self, alert: Alert) -> Answer:
        return await self._watch.raise_alert(alert)

    async def healings(self, *, unfinished: bool, server: str, newest: int) -> list[Standing]:
        def read(journal: Journal) -> list[Standing]:
            found = journal.healings(unfinished=unfinished, server=server, newest=newest)
            return [standing_of(journal, one) for one in found]

        return await self._read(read)

    async def read(self, healing: str, function: Read[T]) -> T:
        return await self._read(lambda journal: function(journal, _found(journal, healing)))

    async def decide(self, healing: str, plan: str, *, granted: bool, by: str) -> Question:
        journal = self._journal

        def answer() -> Question:
            return journal.approve(_found(journal, healing).id, plan, granted=granted, by=by)

        return await with_journal(journal, answer)

    async def stop(self, healing: str, *, by: str) -> Standing:  # noqa: ARG002 - who is in the log
        journal = self._journal

        def stop() -> Standing:
            record = journal.cancel(_found(journal, healing).id, at=datetime.now(UTC))
            return standing_of(journal, record)

        return await with_journal(journal, stop)

    async def _read(self, function: Callable[[Journal], T]) -> T:
        """Read the journal, where it is a file apart from what is written meanwhile."""
        path = self._journal.path
        if path is None:
            return function(self._journal)

        def read() -> T:
            with Journal(path, read_only=True) as journal:
                return function(journal)

        return await asyncio.to_thread(read)


def _found(journal: Journal, name: str) -> HealingRecord:
    with contextlib.suppress(UnknownName):
        record = journal.healing(name)
        if record.id == name:
            return record
    raise UnknownName(kind="healing", name=name)

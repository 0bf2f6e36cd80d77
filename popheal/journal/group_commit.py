"""Group commit: many writings of one process reach the disk together, each all or nothing.

A commit waits for the disk, however much it writes. So where many healings of one process have
something to write at the same time, theirs is written in one transaction, and none is told that
it was done before that is on the disk.
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from typing import Any, Final, Protocol

from attrs import define, field

from popheal.errors import JournalError


class Grouped(Protocol):
    """A database as a group sees it."""

    def begin_group(self) -> sqlite3.Connection:
        """Begin a transaction, and let nobody else in until it ends. Raises JournalError."""

    def end_group(self, *, commit: bool) -> None:
        """End it. Raises JournalError if it can't be committed: then nothing is written."""


@define
class Group:
    """The writings of one thread that go to the disk together."""

    _begun: dict[int, tuple[Grouped, sqlite3.Connection]] = field(factory=dict)
    _failed: dict[int, JournalError] = field(factory=dict)
    _then: dict[int, list[Callable[[], None]]] = field(factory=dict)

    def once_committed(self, database: Grouped, function: Callable[[], None]) -> None:
        """Have something noted as soon as what was written is on the disk, and only then."""
        self._then.setdefault(id(database), []).append(function)

    @contextlib.contextmanager
    def part(self, database: Grouped) -> Iterator[sqlite3.Connection]:
        """One of the writings: all of it, or nothing, whatever comes of the others."""
        connection = self._joined(database)
        connection.execute("SAVEPOINT part")
        try:
            yield connection
        except BaseException as error:
            self._undo(database, connection, error)
            raise
        connection.execute("RELEASE part")

    def _joined(self, database: Grouped) -> sqlite3.Connection:
        key = id(database)
        if key in self._failed:
            raise copy(self._failed[key])
        if key not in self._begun:
            try:
                self._begun[key] = (database, database.begin_group())
            except JournalError as error:
                self._failed[key] = error  # for the others, too: each would wait as long
                raise
        return self._begun[key][1]

    def _undo(self, database: Grouped, connection: sqlite3.Connection, error: Any) -> None:
        if connection.in_transaction:
            connection.execute("ROLLBACK TO part")
            connection.execute("RELEASE part")
        elif isinstance(error, (sqlite3.Error, JournalError)):
            # On a full disk SQLite takes the whole transaction back, and so what others wrote.
            failed = "what was written with others was taken back"
            self._failed[id(database)] = JournalError(journal="in a group", problem=failed)

    def end(self) -> JournalError | None:
        """Commit; what went wrong, if anything did: then nothing is written."""
        problem: JournalError | None = None
        for key, (database, _) in self._begun.items():
            try:
                database.end_group(commit=key not in self._failed)
            except JournalError as error:
                problem = self._failed[key] = error
            if key not in self._failed:
                for function in self._then.get(key, ()):
                    function()
            problem = problem or self._failed.get(key)
        return problem


class _Present(threading.local):
    group: Group | None = None


_PRESENT: Final = _Present()


def present_group() -> Group | None:
    """The group that this thread is at work on, if it is."""
    return _PRESENT.group


def together(functions: Sequence[Callable[[], Any]]) -> list[tuple[Any, BaseException | None]]:
    """Call functions one after another; what they write is on the disk when this returns.

    Returns:
        Of each what it returned, or raised. Where the commit failed, all raise that.
    """
    if len(functions) == 1:
        return [_called(functions[0])]  # alone it commits by itself
    _PRESENT.group = group = Group()
    try:
        answers = [_called(one) for one in functions]
    finally:
        _PRESENT.group = None
        problem = group.end()
    if problem is None:
        return answers
    # Each its own: whoever raises it, perhaps in another thread, adds where that was.
    return [(None, error or copy(problem)) for _, error in answers]


def _called(function: Callable[[], Any]) -> tuple[Any, BaseException | None]:
    try:
        return function(), None
    except BaseException as error:  # noqa: BLE001 - whoever asked for it gets it
        return None, error


#: So many writings are one commit at most: other processes wait meanwhile.
TOGETHER: Final = 128


@define(eq=False)
class _Asked:
    function: Callable[[], Any]
    answer: tuple[Any, BaseException | None] | None = None


class Turns:
    """How threads that heal side by side come to write: one at a time, for all that wait then."""

    def __init__(self) -> None:
        self._turn = threading.Lock()
        self._waiting: deque[_Asked] = deque()

    def write(self, function: Callable[[], Any]) -> Any:
        """Call a function which writes; what it writes is on the disk when this returns.

        The main thread calls its own only: Ctrl-C, which comes to that thread, is meant for its
        healing and for nobody else's.

        Returns:
            What the function returns; raises what it raises, or that nothing could be committed.
        """
        if threading.current_thread() is threading.main_thread():
            with self._turn:
                return function()
        mine = _Asked(function)
        self._waiting.append(mine)
        with self._turn:
            while mine.answer is None:  # if not, whoever had its turn before has written it, too
                self._write_next()
        answer, error = mine.answer
        if error is not None:
            raise error
        return answer

    def _write_next(self) -> None:
        batch = [self._waiting.popleft() for _ in range(min(len(self._waiting), TOGETHER))]
        try:
            answers = together([one.function for one in batch])
        except BaseException:
            said = "what was written with others was broken off"
            for asked in batch:
                asked.answer = None, JournalError(journal="in a group", problem=said)
            raise
        for asked, answer in zip(batch, answers, strict=True):
            asked.answer = answer

"""The way that one run has taken through a table: plain data, for pictures and pages."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from attrs import field, frozen

from popheal.tables.debts import DebtKind
from popheal.util.text import one_line


@frozen(kw_only=True)
class PathStep:
    """One action carried out, and what came of it. Times are aware UTC."""

    state: str
    outcome: str = field(converter=one_line)
    started_at: datetime
    finished_at: datetime

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.finished_at - self.started_at).total_seconds()


@frozen
class Hop:
    """From one place to the next, and what was done there before; None if a stop came first."""

    source: str
    target: str
    step: PathStep | None


@frozen(kw_only=True)
class RunPath:
    """The way that a run has taken.

    Attributes:
        run: Its id.
        server: The server it is about.
        monitor: The monitor whose alert it answers.
        states: The states it went through, in order: the one it is in, or the ending, last.
        steps: What was carried out in them, in order; the last state may have none yet.
        owed: What it has changed and not undone: owed yet, or handed over at its end.
        as_of: When it was so; None for a run that has ended.
        interrupted: Whether nobody carries it on just now, as its process has died.
    """

    run: str
    server: str = field(converter=one_line)
    monitor: str = field(default="", converter=one_line)
    states: tuple[str, ...]
    steps: tuple[PathStep, ...] = ()
    owed: frozenset[DebtKind] = frozenset()
    as_of: datetime | None = None
    interrupted: bool = False

    @property
    def hops(self) -> tuple[Hop, ...]:
        """Each move, with the step that led to it."""
        return tuple(self._hops())

    def _hops(self) -> Iterator[Hop]:
        left = list(self.steps)
        for source, target in zip(self.states, self.states[1:], strict=False):
            done = [step for step in left if step.state == source]
            yield Hop(source, target, done[-1] if done else None)
            left = [step for step in left if step.state != source]

    @property
    def began_at(self) -> datetime | None:
        """When its first action began; None if none has."""
        return self.steps[0].started_at if self.steps else self.as_of

    @property
    def until(self) -> datetime | None:
        """When it ended, or what :attr:`as_of` says."""
        return self.as_of or (self.steps[-1].finished_at if self.steps else None)

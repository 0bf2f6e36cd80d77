"""Watching: look at the POP health of servers all the time, and heal what turns ill.

What has been done about an incident is asked of the journal, and of nothing else: a watch that
is started anew goes on where the last one was. What is kept in memory only spares repeated
lines in the log, and logons that would be refused once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TypedDict, Unpack

from attrs import define, field

from popheal.engine.control import Control
from popheal.exchange.backend import AsyncBackend, Backend
from popheal.journal import Journal
from popheal.policy.policy import Policy
from popheal.reports import events
from popheal.reports.events import Observer
from popheal.reports.report import Alert
from popheal.second_opinion.settings import SecondOpinion
from popheal.tables.table import Verdict
from popheal.util.clock import Clock
from popheal.watch.answer import Answer
from popheal.watch.carrier import Carrier
from popheal.watch.watching import Watching


@define(eq=False)
class Watch:
    """Heals what turns ill on some servers, in the event loop of whoever runs it.

    All servers are looked at all the time, and several are healed at once: one at a time in each
    group, and one client access server without the Mailbox role at a time in each site. Nobody
    waits for a server that is sick or silent.

    Attributes:
        servers: Whose health is looked at. It may be nobody's, for :meth:`raise_alert` alone.
        backend: What reaches the Exchange organisation. One that blocks is called in threads:
            several, if it can have several connections
            (:class:`~popheal.exchange.backend.SideBySide`), else one at a time.
        journal: Where healings are written down, and where it is looked up what has been done.
        carrier: Who carries healings out in place of this process, and knows what has been done;
            then there is no journal.
        policy: How far to go; safe by default. It also holds for what is resumed; if None,
            that may do what it was allowed when it began.
        every: Seconds from one look at a server to the next.
        retry: Seconds from the end of a healing to the next one of the same server, at least,
            and between looks where a look was refused.
        at_once: Healings at the same time, at most; those that wait for a person don't count.
        per_endpoint: Looks at the same time by way of one entrance to the organisation, at most.
        clock: As for :class:`~popheal.api.Healer`. Several wait on it at once.
        observers: Called with each event of the watch and of its healings, in the event loop.
        control: Cancel it to end: healings at work are stopped, and only restore from then on.
            Detach it to end at once: healings at work are left for the next start, which resumes
            them.
        second_opinion: As for :class:`~popheal.api.Healer`.
    """

    servers: Sequence[str]
    backend: AsyncBackend | Backend
    journal: Journal | None = field(default=None, kw_only=True)
    carrier: Carrier | None = field(default=None, kw_only=True)
    policy: Policy | None = field(default=None, kw_only=True)
    every: float = field(default=60.0, kw_only=True)
    retry: float = field(default=900.0, kw_only=True)
    at_once: int = field(default=8, kw_only=True)
    per_endpoint: int = field(default=4, kw_only=True)
    clock: Clock | None = field(default=None, kw_only=True)
    observers: Sequence[Observer] = field(default=(), kw_only=True)
    control: Control = field(factory=Control, kw_only=True)
    second_opinion: SecondOpinion | None = field(default=None, kw_only=True)
    _watching: Watching | None = field(default=None, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        if (self.journal is None) is (self.carrier is None):
            raise ValueError("a watch needs either a journal or a carrier")

    async def run(self, *, once: bool = False, check: bool = False) -> list[Verdict]:
        """Watch, until ``control`` says to end.

        It begins by going on with every healing of the journal whose process has died. If the
        task is cancelled, that does what ``control.detach()`` does.

        Args:
            once: End by itself, once each server was looked at.
            check: Make a :meth:`~popheal.api.Healer.check` meanwhile, and tell what has changed
                since the last one with this journal. Whatever comes of it, the watch goes on.

        Returns:
            How healings ended: with ``once``, or else once it was told to end. For each look that
            failed, ``UNKNOWN``.

        Raises:
            JournalError: If the journal can't be read or written, or is being watched already.
        """
        work = Watching(self, once=once)
        with work.carrier.alone():
            self._watching = work
            work.emit(
                events.WatchStarted, servers=tuple(self.servers), every=self.every, retry=self.retry
            )
            try:
                await work.carry_out(check=check)
            except (Exception, asyncio.CancelledError):
                await work.end()
                raise
            except BaseException:
                self.abandon()  # whoever raised that wants out at once
                raise
            else:
                if problem := await work.end():
                    raise problem
            finally:
                self._watching = None
            work.emit(events.WatchEnded, left=", ".join(work.healings.left))
            return work.healings.ended

    async def raise_alert(self, alert: Alert) -> Answer:
        """Have an alert answered: its server is looked at now, and healed if it is unhealthy.

        As with what the watch sees by itself, what has been done already decides, so the same
        alert raised twice is one healing. A server that is not watched is from now on, until it
        is well. Cancelling this does not take the alert back.

        Raises:
            RuntimeError: If the watch does not run, or is ending.
        """
        if self._watching is None or not self.runs:
            raise RuntimeError("an alert needs a watch that runs")
        return await self._watching.raise_alert(alert)

    @property
    def runs(self) -> bool:
        """Whether it is at work, so that an alert can be raised."""
        return self._watching is not None and not self._watching.is_ending

    def abandon(self) -> None:
        """Break everything off at once, from any thread: calls that are under way, too."""
        self.control.detach()
        if self._watching:
            self._watching.connections.abandon()


class Settings(TypedDict, total=False):
    """What a :class:`Watch` takes by name."""

    policy: Policy | None
    every: float
    retry: float
    at_once: int
    per_endpoint: int
    clock: Clock | None
    observers: Sequence[Observer]
    control: Control
    second_opinion: SecondOpinion | None


def watch(
    servers: Sequence[str],
    backend: AsyncBackend | Backend,
    *,
    journal: Journal,
    once: bool = False,
    check: bool = False,
    **settings: Unpack[Settings],
) -> list[Verdict]:
    """:meth:`Watch.run` in an event loop of its own, blocking; ``settings`` are those of Watch.

    Raises:
        JournalError: As for :meth:`Watch.run`.
    """
    if not servers:
        raise ValueError("there is no server to watch")
    watching = Watch(servers, backend, journal=journal, **settings)
    with asyncio.Runner() as runner:
        try:
            return runner.run(watching.run(once=once, check=check))
        except BaseException:
            # Closing the loop waits for whatever is left in it.
            watching.abandon()
            raise

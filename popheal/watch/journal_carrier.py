"""Healings that the watch's own process carries out, as its journal has them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractContextManager
from typing import ClassVar

from attrs import define

from popheal.api import Healer
from popheal.engine.context import HealingContext
from popheal.engine.writer import with_journal
from popheal.journal import HealingRecord, Journal
from popheal.policy.policy import Policy
from popheal.reports.report import Alert, Report
from popheal.watch.carrier import AtWork, Concern, Known
from popheal.watch.connections import Connections
from popheal.watch.place import Place
from popheal.watch.watch_lock import watching_alone


@define(kw_only=True, eq=False)
class JournalCarrier:
    """Carries healings out in this process: the :class:`~popheal.watch.carrier.Carrier` of a file.

    Attributes:
        organisation: Whose healings are meant: a journal may have those of several.
        policy: How far healings may go; None for the safe default, and for what was allowed to
            one that is resumed.
        connections: What each healing asks by.
    """

    follows: ClassVar[bool] = False
    patience: ClassVar[float | None] = None

    organisation: str
    journal: Journal
    policy: Policy | None
    connections: Connections

    def alone(self) -> AbstractContextManager[None]:
        """One watch for a journal. Raises JournalError."""
        return watching_alone(self.journal)

    async def unfinished(self, servers: Sequence[str]) -> Sequence[HealingRecord]:  # noqa: ARG002
        """Every healing of the journal whose process has died, whoever began it."""
        found = await with_journal(self.journal, lambda: self.journal.healings(unfinished=True))
        mine = [one for one in found if one.organisation == self.organisation]
        return [one for one in mine if not one.alive]

    async def known(self, concern: Concern) -> Known:
        """As the journal has it. Raises JournalError."""
        return await with_journal(self.journal, lambda: self._known(concern))

    async def heal(self, alert: Alert, work: AtWork, session: HealingContext) -> Report:
        """By a :class:`~popheal.api.Healer`."""
        return await self._carry_out(
            lambda healer: healer.aheal(alert, control=work.control), work, session
        )

    async def go_on(self, record: HealingRecord, work: AtWork, session: HealingContext) -> Report:
        """Likewise."""
        return await self._carry_out(
            lambda healer: healer.aresume(record.id, control=work.control), work, session
        )

    # --- inside ----------------------------------------------------------------------------------

    async def _carry_out(
        self, carry: Callable[[Healer], Awaitable[Report]], work: AtWork, session: HealingContext
    ) -> Report:
        async with self.connections.of_its_own() as backend:
            healer = Healer(
                backend,
                policy=self.policy,
                clock=session.clock,
                journal=self.journal,
                observers=(*session.observers, work.see),
                second_opinion=session.second_opinion,
            )
            report = await carry(healer)
            record = await with_journal(self.journal, lambda: self.journal.healing(report.id))
            if work.control.cancelled and (record.cancel_at is None or work.stop_noted):
                session.control.cancel()  # a Ctrl-C that nobody caught
            return report

    def _known(self, concern: Concern) -> Known:
        journal, organisation = self.journal, self.organisation
        of_each = {
            server: journal.healings(server=server, organisation=organisation, since=since)
            for server, since in concern.reaches_back.items()
        }
        lately = []
        if concern.incident.only_end_to_end:
            since = concern.now - concern.retry
            ended = journal.healings(organisation=organisation, since=since)
            lately = [one for one in ended if one.server not in concern.far]
        open_now = [one for one in of_each[concern.server] if one.ended_at is None]
        entries = journal.entries(open_now[0].id) if open_now and not open_now[0].alive else []
        return Known(
            healings=of_each,
            lately=lately,
            at_place=self._at(concern.place),
            heard_of=entries[-1].at if entries else None,
        )

    def _at(self, place: Place | None) -> HealingRecord | None:
        """Who is at work in a place, begun by hand or by a healing of a front end."""
        if place is None:
            return None
        for kind, name, healing in self.journal.claims():
            if (kind, name) == (place.kind, place.name):
                holder = self.journal.healing(healing)
                if holder.organisation == self.organisation and holder.alive:
                    return holder
        return None

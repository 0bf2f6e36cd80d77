"""Healings that a fleet carries out, for a watch that begins them there and follows them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import count
from typing import Any, ClassVar, Final

from attrs import define, evolve, field
from temporalio.exceptions import WorkflowAlreadyStartedError
from temporalio.service import RPCError

from popheal.engine.context import HealingContext
from popheal.errors import AlreadyEnded, AlreadyRunning, Detached, FleetSilent, UnknownName
from popheal.gateway.fleet_records import FleetRecords
from popheal.gateway.found import Found
from popheal.gateway.silence import answered, in_time, never_gone
from popheal.journal import HealingRecord
from popheal.reports import events
from popheal.reports.report import Alert, Report
from popheal.tables.actions import Impact
from popheal.tables.table import Verdict
from popheal.temporal.healing_workflow import Healing, healing_id, healing_of
from popheal.temporal.messages import Asked, HealingOrder
from popheal.temporal.operations import begin_healing
from popheal.util.serialize import to_jsonable
from popheal.watch.carrier import AtWork, Concern, Known
from popheal.watch.decide import Incident
from popheal.watch.place import Place

#: Seconds from one look at a healing that is followed to the next.
_EVERY: Final = 2.0
#: So many looks after each other only one sees whether it asks for an approval.
_SELDOM: Final = 5


@define(kw_only=True, eq=False)
class FleetCarrier:
    """Has healings carried out by a fleet: the :class:`~popheal.watch.carrier.Carrier` of that.

    Nothing of them is kept here. Whoever watches after this one is gone finds those under way by
    the names of their workflows, and two that watch the same servers begin no healing twice.

    Attributes:
        records: What has been done.
        order: What is asked for with each alert.
        options: What else a workflow is started with.
    """

    follows: ClassVar[bool] = True
    patience: ClassVar[float | None] = 2.0

    records: FleetRecords
    order: HealingOrder
    options: dict[str, Any] = field(factory=dict)

    def alone(self) -> AbstractContextManager[None]:
        """Others may watch, too."""
        return nullcontext()

    async def unfinished(self, servers: Sequence[str]) -> Sequence[HealingRecord]:
        """Those of the servers that are under way.

        If that can't be told now, one is found as soon as its server is seen to be unhealthy.
        """
        with contextlib.suppress(FleetSilent):
            async with in_time("what is under way"):
                return [one.record for one in await self.records.at_work(servers)]
        return []

    async def known(self, concern: Concern) -> Known:
        """As the fleet has it. Raises FleetSilent if that can't be told in time."""
        async with in_time(f"what was done about {concern.server}"):
            return await self._known(concern)

    async def _known(self, concern: Concern) -> Known:
        lately, holder, own, *others = await asyncio.gather(
            self._lately(concern),
            self._holder(concern.place),
            *(
                self.records.of_server(server, concern.now - since)
                for server, since in concern.reaches_back.items()
            ),
        )
        of_each = dict(zip(concern.reaches_back, (own, *others), strict=True))
        return Known(
            healings={
                server: [
                    one
                    for one in map(_as_ended, of_each[server])
                    if one.ended_at is None or one.ended_at >= since
                ]
                for server, since in concern.reaches_back.items()
            },
            lately=lately,
            at_place=holder.record if holder else None,
            in_the_way=_lost_among(own, concern.incident, concern),
        )

    async def _lately(self, concern: Concern) -> list[HealingRecord]:
        if not concern.incident.only_end_to_end:
            return []
        since = concern.now - concern.retry
        ended = await self.records.ended_since(since, concern.now, but_of=concern.far)
        return [one.record for one in ended]

    async def _holder(self, place: Place | None) -> Found | None:
        return await self.records.holder(place.kind, place.name) if place else None

    @never_gone
    async def heal(self, alert: Alert, work: AtWork, session: HealingContext) -> Report:
        """Have the fleet begin a healing, and follow it to its end.

        Raises:
            AlreadyRunning: If somebody else has begun one meanwhile.
            FleetSilent: If nobody can tell whether it has begun.
        """
        workflow = healing_id(self.order.organisation, alert.server)
        order = evolve(self.order, alert=to_jsonable(alert))
        try:
            async with answered():
                begun = await begin_healing(self.records.client, order, **self.options)
        except WorkflowAlreadyStartedError:
            newest = await self.records.newest_of(workflow)
            name = healing_of(newest.first_run) if newest else workflow
            work.healing = name
            raise AlreadyRunning(
                healing=name, server=alert.server, owner=f"workflow {workflow}"
            ) from None
        first_run = begun.first_execution_run_id or ""
        name = healing_of(first_run)
        now = session.clock.now()
        work.has_begun(name)
        session.tell(events.HealingStarted(at=now, server=alert.server, healing_id=name, id=name))
        return await self._follow(workflow, first_run, work, session)

    async def go_on(self, record: HealingRecord, work: AtWork, session: HealingContext) -> Report:
        """Follow a healing that is under way to its end."""
        found = await self.records.find(record.id)
        work.has_begun(record.id)
        session.tell(
            events.HealingResumed(
                at=session.clock.now(), server=record.server, healing_id=record.id, id=record.id
            )
        )
        return await self._follow(found.at.workflow, found.at.first_run, work, session)

    # --- following -------------------------------------------------------------------------------

    async def _follow(
        self, workflow: str, first_run: str, work: AtWork, session: HealingContext
    ) -> Report:
        """Wait for the end of a healing; that the fleet is silent meanwhile changes nothing."""
        told, silent, looks = set[str](), False, count()
        while not (work.control.detached or work.control.cancelled):
            try:
                found = await self._ended(workflow, first_run)
                if found is not None:
                    return _report_of(found, work, session)
                if next(looks) % _SELDOM == 0:
                    await self._see_what_it_asks(workflow, told, work, session)
                silent = False
            except FleetSilent as error:
                if not silent:
                    session.tell(_event_of_silence(error, work, session))
                silent = True
            await session.clock.asleep(_EVERY)
        raise Detached(run=work.healing)

    async def _see_what_it_asks(
        self, workflow: str, told: set[str], work: AtWork, session: HealingContext
    ) -> None:
        asked = await self._asked(workflow)
        work.asks = bool(asked)
        for one in asked:
            if one.plan not in told:
                told.add(one.plan)
                session.tell(_event_of(one, work, session))

    async def _ended(self, workflow: str, first_run: str) -> Found | None:
        """The healing, once it has ended; None as long as it has not."""
        at = await self.records.of_chain(workflow, first_run)
        if at is None:
            name = healing_of(first_run)
            raise AlreadyEnded(healing=name, server=workflow, how="its history is gone")
        if at.is_open:
            return None
        found = await self.records.at(at)
        if found is None:
            raise UnknownName(kind="server", name=workflow.rpartition("/")[2])
        return found

    async def _asked(self, workflow: str) -> tuple[Asked, ...]:
        handle = self.records.client.get_workflow_handle_for(Healing.run, workflow)
        try:
            async with answered(by_worker=True) as within:
                told = await handle.query(Healing.progress, rpc_timeout=within)
        except RPCError:
            return ()
        return told.asked


def _event_of(asked: Asked, work: AtWork, session: HealingContext) -> events.ApprovalAsked:
    procedure = str(asked.planned.get("procedure", ""))
    return events.ApprovalAsked(
        at=session.clock.now(),
        server=asked.server,
        healing_id=work.healing,
        run_id=asked.run,
        procedure=procedure,
        plan=asked.plan,
        impact=Impact(asked.impact),
        action=f"Carry out the procedure {procedure}",
        expires_at=asked.expires_at,
        databases=(),
    )


def _event_of_silence(
    error: FleetSilent, work: AtWork, session: HealingContext
) -> events.AlertWaits:
    why = f"how healing {work.healing} goes can't be told: {str(error).rstrip('.')}"
    return events.AlertWaits(
        at=session.clock.now(),
        server=work.server.name,
        healing_id=work.healing,
        healing=work.healing,
        why=why,
    )


def _report_of(found: Found, work: AtWork, session: HealingContext) -> Report:
    record, now, name = found.record, session.clock.now(), work.healing
    if record.report is None:
        session.tell(events.HealingForgotten(at=now, server=record.server, healing_id=name))
        raise AlreadyEnded(healing=record.id, server=record.server, how=found.how_lost)
    report = Report.from_json(record.report)
    took = ((record.ended_at or now) - record.begun_at).total_seconds()
    ended = events.HealingEnded(
        at=now,
        server=record.server,
        healing_id=name,
        verdict=report.verdict,
        summary=report.summary,
        seconds=max(0.0, took),
    )
    session.tell(ended)
    return report


def _as_ended(found: Found) -> HealingRecord:
    """For what is decided, one whose workflow was terminated is left to a person."""
    if not found.is_lost:
        return found.record
    return evolve(found.record, ended_at=found.at.closed, verdict=Verdict.CANCELLED.value)


def _lost_among(
    own: Sequence[Found], incident: Incident, concern: Concern
) -> tuple[HealingRecord, str] | None:
    """Of the same incident: of another one begins another healing, which looks for itself."""
    if not own or not own[-1].is_lost:
        return None
    last = _as_ended(own[-1])
    if incident.is_new_to(last, concern.now, concern.retry):
        return None
    return last, f"healing {last.id} is left to a person: {own[-1].how_lost}"

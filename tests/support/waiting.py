"""A healing on a fleet that waits at an effect, so that something can be done to it there."""

from __future__ import annotations

import asyncio
from multiprocessing import Pipe
from typing import Any
from uuid import uuid4

from popheal.backends.simulated import load_scenario
from popheal.reports.report import Report
from tests.support.fleet import NEVER_LONG, Fleet, Gate, Gated, site_worker_of
from tests.support.healing import Watched, alert_of
from tests.support.lab_process import Witness


class WaitingHealing:
    """A healing whose site waits at an effect.

    Args:
        fleet: The fleet.
        scenario: What is healed.
        nth: At which effect, counted by its commands.
        name: Of the organisation; by default one that no other test has.
        long: After so many events it begins a new history.
    """

    def __init__(
        self, fleet: Fleet, scenario: str, nth: int, name: str = "", long: int = NEVER_LONG
    ) -> None:
        self.fleet, self.name = fleet, name or f"{scenario}-{uuid4().hex[:6]}"
        self.long = long
        played = load_scenario(scenario)
        self.alert, self.organisation = alert_of(played), played.organisation
        self.witness = Witness(played.organisation)
        self.ours, theirs = Pipe()
        gate = Gate(theirs, nth, "done")
        self.worker = site_worker_of(
            fleet, self.name, Gated(Watched(played.organisation), self.name, gate)
        )

    async def __aenter__(self) -> WaitingHealing:
        await self.worker.__aenter__()
        self.handle = await self.begin()
        await asyncio.to_thread(self.ours.recv)
        return self

    async def __aexit__(self, *raised: Any) -> None:
        await self.worker.__aexit__(*raised)

    async def begin(self) -> Any:
        """Begin it, or another one of the same server."""
        pace = {"long": self.long}
        return await self.fleet.begin(self.alert, self.name, self.name, pace=pace)

    async def terminate(self) -> None:
        """Terminate its workflow; then whoever waits goes on."""
        await self.newest().terminate()
        self.ours.send("go on")

    async def settle(self) -> Report:
        """Have it settled; the report."""
        from popheal.temporal.settlement import begin_settlement

        handle = await begin_settlement(self.fleet.client, self.name, self.alert.server)
        return Report.from_json((await handle.result()).report)

    def newest(self) -> Any:
        """Its workflow, in whichever run."""
        return self.fleet.client.get_workflow_handle(self.handle.id)

    async def custody(self, kind: str, name: str) -> Any:
        """What a custodian knows."""
        from popheal.temporal.custodian import Custodian, custodian_id

        guards = custodian_id(self.name, kind, name)
        return await self.fleet.client.get_workflow_handle(guards).query(Custodian.state)

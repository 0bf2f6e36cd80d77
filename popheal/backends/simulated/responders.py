"""Managed Availability's responder that takes POP offline on a front end that fails its test."""

from __future__ import annotations

from datetime import datetime

from attrs import define

from popheal.backends.simulated.history import MANAGED_AVAILABILITY
from popheal.backends.simulated.model import FRONT_END, HEALTH_MANAGER, Server
from popheal.backends.simulated.organisation import Organisation
from popheal.backends.simulated.recovery_actions import Recovery

#: Seconds between two looks at the proxy test.
INTERVAL = 30.0
RESPONDER = "PopProxyTestCafeOffline"
COMPONENT, REQUESTER = "PopProxy", "HealthAPI"


@define
class OfflineResponder:
    """Takes PopProxy offline on one server when its proxy test has failed for long enough.

    Whoever lifts that sees it come back, if the test goes on failing for as long again.
    """

    organisation: Organisation
    server: Server
    patience: float
    failing_since: datetime | None = None

    def begin(self) -> None:
        self.organisation.world.after(INTERVAL, self._tick)

    def _tick(self) -> None:
        world, server = self.organisation.world, self.server
        world.after(INTERVAL, self._tick)
        if not server.runs(HEALTH_MANAGER) or not self._fails():
            self.failing_since = None
            return
        self.failing_since = self.failing_since or world.now
        long = (world.now - self.failing_since).total_seconds() >= self.patience
        if long and server.component_active("RecoveryActionsEnabled"):
            self._take_offline()

    def _fails(self) -> bool:
        server = self.server
        if not server.component_active(COMPONENT):
            return False  # There is nothing left to take offline.
        return bool(self.organisation.monitoring.broken(server, "proxy", "monitors"))

    def _take_offline(self) -> None:
        self.failing_since = None
        recovering = self.organisation.recovering
        deed = recovering.begin(
            Recovery(
                server=self.server,
                action="TakeComponentOffline",
                resource=COMPONENT,
                requester=RESPONDER,
            )
        )
        self.organisation.set_component(
            self.server.name, COMPONENT, REQUESTER, "Inactive", MANAGED_AVAILABILITY
        )
        recovering.end(deed)


def watch_front_ends(organisation: Organisation) -> None:
    """Set the responder going on each server that has it."""
    for server in organisation.world.servers:
        if server.proxy_offline_after is not None and server.service(FRONT_END):
            OfflineResponder(organisation, server, server.proxy_offline_after).begin()

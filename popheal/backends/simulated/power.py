"""Servers going down and coming up again."""

from __future__ import annotations

from datetime import datetime, timedelta

from attrs import define

from popheal.backends.simulated import faults
from popheal.backends.simulated.availability import Availability
from popheal.backends.simulated.history import (
    Booted,
    RebootCommanded,
    WentDown,
)
from popheal.backends.simulated.model import Server
from popheal.backends.simulated.services import Services
from popheal.backends.simulated.world import World

#: Seconds from an accepted command to the server's going down.
SHUTDOWN = 8.0
#: Windows counts its boot time from this many seconds before the server answers.
KERNEL_LEAD = 40.0
#: Seconds from answering to usable database copies.
READY = 75.0
#: Seconds a server that boots twice is up in between.
INTERLUDE = 90.0
#: A boot time read and sent back may have lost its fraction of a second.
TOLERANCE = 1.0


@define
class Power:
    """The power button of all servers."""

    world: World
    services: Services
    availability: Availability

    def reboot(self, server: Server, booted_at: datetime | None, actor: str) -> None:
        """Command a reboot.

        Args:
            server: The server.
            booted_at: Refuse if its boot time, by its own clock, is another; None for any.
            actor: Who commands it.
        """
        refusal = self._refusal(server, booted_at)
        self.world.record(
            RebootCommanded,
            server,
            actor,
            accepted=not refusal,
            refusal=refusal,
            boot_time=server.boot_time,
            active_databases=self.world.active_replicated(server),
            unreplicated_databases=self.world.active_unreplicated(server),
            drained=server.activation_disabled,
            drained_by=server.activation_set_by if server.activation_disabled else "",
            situation=self.world.situation(server),
        )
        if refusal:
            raise self.world.failed(server, "Restart-Computer", refusal)
        # As the real command does, which a crash may have somebody send a second time.
        server.restart_marked = server.restart_marked or booted_at is not None
        if server.reboot != "never_goes_down":
            server.going_down, server.down_by = True, actor
            times = 2 if server.reboot == "boots_twice" else 1
            self._go_down_after(server, SHUTDOWN, actor, times)

    def crash(self, server: Server, actor: str) -> None:
        """Take a running server down at once, without a command."""
        self._go_down(server, actor, 1)

    def switch_on(self, server: Server, actor: str) -> None:
        """Boot a server that is down, whether or not it would have come back by itself."""
        if not server.up:
            server.boots += 1
            self._come_up(server, actor, 1, KERNEL_LEAD)

    def _refusal(self, server: Server, booted_at: datetime | None) -> str:
        if server.going_down:
            return "A system shutdown is in progress."
        if server.restart_marked and booted_at is not None:
            return "A restart is already under way, or was aborted."
        told = server.told(server.boot_time)
        if booted_at is not None and abs((told - booted_at).total_seconds()) > TOLERANCE:
            return f"The server booted at {told.isoformat()}, not at {booted_at.isoformat()}."
        return ""

    def _go_down_after(self, server: Server, seconds: float, actor: str, times: int) -> None:
        self.world.while_up(server, seconds, lambda: self._go_down(server, actor, times))

    def _go_down(self, server: Server, actor: str, times: int) -> None:
        self.world.record(
            WentDown, server, actor, active_databases=self.world.active_replicated(server)
        )
        server.up, server.going_down, server.down_by = False, False, actor
        server.restart_marked = False
        server.boots += 1
        self.services.power_lost(server)
        self.availability.server_went_down(server)
        if server.reboot != "never_comes_back":
            slow = 2.0 if server.reboot_pending else 1.0
            away = max(30.0, server.reboot_seconds * slow - SHUTDOWN)
            lead = min(KERNEL_LEAD, away / 2)
            self.world.while_up(server, away, lambda: self._come_up(server, actor, times, lead))

    def _come_up(self, server: Server, actor: str, times: int, lead: float) -> None:
        server.up, server.down_by, server.reboot_pending = True, "", False
        server.boots += 1
        server.boot_time = self.world.now - timedelta(seconds=lead)
        server.ready_at = self.world.now + timedelta(seconds=READY)
        server.succeeded.clear()
        self.world.record(Booted, server, actor, boot_time=server.boot_time)
        faults.booted(self.world, server)
        self.services.booted(server)
        self.world.while_up(server, READY, lambda: self.availability.server_is_ready(server))
        if times > 1:
            self._go_down_after(server, INTERLUDE, actor, times - 1)

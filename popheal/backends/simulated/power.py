"""Servers going down and coming up again."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

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
from popheal.errors import BackendError

COMMAND = "Restart-Computer"
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
            accepted=refusal is None,
            refusal=refusal.cause if refusal else "",
            boot_time=server.boot_time,
            active_databases=self.world.active_replicated(server),
            unreplicated_databases=self.world.active_unreplicated(server),
            drained=server.activation_disabled,
            drained_by=server.activation_set_by if server.activation_disabled else "",
            situation=self.world.situation(server),
        )
        if refusal:
            raise refusal
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

    def _refusal(self, server: Server, booted_at: datetime | None) -> BackendError | None:
        """The error by which the command is declined, as popheal's own script does it."""
        declined = partial(self.world.not_begun, server, COMMAND)
        told = server.told(server.boot_time)
        if booted_at is not None and abs((told - booted_at).total_seconds()) > TOLERANCE:
            seen = f"The server booted at {told.isoformat()}, not at {booted_at.isoformat()}."
            return declined(seen, "boot_time")
        if server.restart_marked and booted_at is not None:
            # That is no certain refusal: the first command may be about to take effect.
            why = "A restart is already under way, or was aborted."
            return self.world.failed(server, COMMAND, why)
        if server.going_down:
            return declined("A system shutdown is in progress. (1115)", "shutdown")
        if server.shutdown_scheduled:
            return declined("A system shutdown has already been scheduled. (1190)", "shutdown")
        return None

    def _go_down_after(self, server: Server, seconds: float, actor: str, times: int) -> None:
        self.world.while_up(server, seconds, lambda: self._go_down(server, actor, times))

    def _go_down(self, server: Server, actor: str, times: int) -> None:
        self.world.record(
            WentDown, server, actor, active_databases=self.world.active_replicated(server)
        )
        server.up, server.going_down, server.down_by = False, False, actor
        server.restart_marked = server.shutdown_scheduled = False
        server.boots += 1
        self.services.power_lost(server)
        self.availability.server_went_down(server)
        if server.reboot != "never_comes_back":
            takes = server.reboot_seconds
            if server.reboot_pending:
                takes += takes if server.update_seconds is None else server.update_seconds
            away = max(30.0, takes - SHUTDOWN)
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

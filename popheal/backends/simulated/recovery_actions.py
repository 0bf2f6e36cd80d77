"""What Managed Availability notes down of its own recovery actions, on each server."""

from __future__ import annotations

from datetime import datetime, timedelta

from attrs import define, field

from popheal.backends.simulated.history import (
    MANAGED_AVAILABILITY,
    Booted,
    Happening,
    ServiceRestarted,
    ServiceStarted,
)
from popheal.backends.simulated.model import Server
from popheal.backends.simulated.world import World
from popheal.exchange.models import RecoveryAction

REBOOT, RESTART = "ForceReboot", "RestartService"
#: Seconds in which an action should be over, where nothing else is said.
EXPECTED = 300.0


@define(kw_only=True)
class Deed:
    """One recovery action. Times are the organisation's.

    Attributes:
        expected: When it should be over.
        finished: When it ended, with ``result``; None while it goes on.
        throttled: It was refused, and never began.
        scripted: It ends when the script says so; a boot ends a reboot all the same.
    """

    server: Server
    action: str
    resource: str
    requester: str
    instance: str
    started: datetime
    expected: datetime
    finished: datetime | None = None
    result: str = ""
    throttled: bool = False
    scripted: bool = False


@define
class Recovering:
    """The recovery actions of all servers."""

    world: World
    deeds: list[Deed] = field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.world.history.listen(self._hear)

    def begin(
        self,
        server: Server,
        action: str,
        resource: str = "",
        requester: str = "",
        *,
        expected: float = EXPECTED,
        ago: float = 0.0,
        throttled: bool = False,
        scripted: bool = False,
    ) -> Deed:
        """Note that an action begins.

        Args:
            server: Where it is noted.
            action: Its id.
            resource: What it is done to; the server if empty.
            requester: The responder; one named after the other two if empty.
            expected: Seconds after which it should be over.
            ago: Seconds since when it has been going on.
            throttled: It is refused instead.
            scripted: Its end is the caller's to note.
        """
        started = self.world.now - timedelta(seconds=ago)
        told = server.told(started)
        resource = resource or server.name
        deed = Deed(
            server=server,
            action=action,
            resource=resource,
            requester=requester or f"{resource}{action}",
            # As the product makes them: by a clock of twelve hours, and a running number.
            instance=f"{told:%y%m%d.%I%M%S}.{told.microsecond // 10:05d}.{len(self.deeds) + 1:03d}",
            started=started,
            expected=started + timedelta(seconds=expected),
            throttled=throttled,
            scripted=scripted,
        )
        self.deeds.append(deed)
        return deed

    def end(self, deed: Deed, result: str = "Succeeded", *, at: datetime | None = None) -> None:
        """Note that an action has ended, now or then; of several ends the first one counts."""
        if deed.finished is None:
            deed.finished, deed.result = at or self.world.now, result

    def seen(self, server: Server, since: datetime) -> list[RecoveryAction]:
        """What the logs of a server hold since a moment of its own clock, by their first events."""
        found = []
        for deed in self.deeds:
            started, finished = server.told(deed.started), None
            if deed.finished is not None:
                finished = server.told(deed.finished)
            begun = started >= since
            if deed.server is not server or not (begun or (finished and finished >= since)):
                continue
            row = RecoveryAction(
                server=self.world.spelled(server),
                action=deed.action,
                resource=deed.resource,
                requester=deed.requester,
                instance="" if deed.throttled else deed.instance,
                started=started,
                # Only the start tells this, and it may be too long ago.
                expected_finish=server.told(deed.expected)
                if begun and not deed.throttled
                else None,
                finished=finished,
                result=deed.result,
                throttled=deed.throttled,
            )
            found.append((started if begun else finished or started, row))
        return [row for _, row in sorted(found, key=lambda pair: pair[0])]

    def _hear(self, happening: Happening) -> None:
        """End what is over by what has happened."""
        going_on = [
            deed
            for deed in self.deeds
            if deed.server.name == happening.server and deed.finished is None and not deed.throttled
        ]
        if isinstance(happening, Booted):
            for deed in going_on:
                if deed.action == REBOOT:
                    self.end(deed)
        elif isinstance(happening, (ServiceRestarted, ServiceStarted)):
            restarts = [
                deed
                for deed in going_on
                if (deed.action, deed.resource) == (RESTART, happening.service)
                and not deed.scripted
            ]
            if restarts and happening.actor == MANAGED_AVAILABILITY:
                self.end(restarts[0], "Succeeded" if happening.worked else "Failed")

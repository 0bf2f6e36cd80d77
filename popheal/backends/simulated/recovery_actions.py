"""What Managed Availability notes down of its own recovery actions, on each server."""

from __future__ import annotations

from datetime import datetime, timedelta

from attrs import define, field, frozen

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
from popheal.util.schema import unfit

REBOOT, RESTART = "ForceReboot", "RestartService"
#: Seconds in which an action should be over, where nothing else is said.
EXPECTED = 300.0


@frozen(kw_only=True)
class Recovery:
    """What is noted of a recovery action.

    Attributes:
        action: Its id.
        resource: What it is done to; the server if empty.
        requester: The responder; one named after the other two if empty.
        begins: Seconds from the start at which it begins; 0 if it was going on before.
        there_for: Seconds for which it had been going on then.
        expected: Seconds after its own start at which it should be over.
        ends: And at which it is, with ``result``; None for never.
        throttled: It is refused, and never begins.
    """

    server: Server
    action: str
    resource: str = ""
    requester: str = ""
    begins: float = 0.0
    there_for: float | None = None
    expected: float = EXPECTED
    ends: float | None = None
    result: str = "Succeeded"
    throttled: bool = False

    def __attrs_post_init__(self) -> None:
        if self.begins and self.there_for:
            raise unfit(self, "there_for", "and 'begins' don't fit", "Give at most one of them.")
        if self.throttled and self.ends is not None:
            right = "Leave it out if it is throttled."
            raise unfit(self, "ends", "is the end of what never begins", right)
        if not self.result:
            right = 'Give one, like "Failed"; it counts if there is an end.'
            raise unfit(self, "result", "is empty", right)


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

    def begin(self, what: Recovery, *, ago: float = 0.0, scripted: bool = False) -> Deed:
        """Note that an action begins.

        Args:
            what: The action. When it begins and ends is the caller's to see to.
            ago: Seconds since when it has been going on.
            scripted: Its end is the caller's to note.
        """
        server, started = what.server, self.world.now - timedelta(seconds=ago)
        told = server.told(started)
        resource = what.resource or server.name
        deed = Deed(
            server=server,
            action=what.action,
            resource=resource,
            requester=what.requester or f"{resource}{what.action}",
            # As the product makes them: by a clock of twelve hours, and a running number.
            instance=f"{told:%y%m%d.%I%M%S}.{told.microsecond // 10:05d}.{len(self.deeds) + 1:03d}",
            started=started,
            expected=started + timedelta(seconds=what.expected),
            throttled=what.throttled,
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

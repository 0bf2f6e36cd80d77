"""Calls that are made to fail: the script of what goes wrong between popheal and Exchange."""

from __future__ import annotations

from attrs import define, field

from popheal.backends.simulated.model import Server
from popheal.backends.simulated.world import World
from popheal.errors import (
    BackendError,
    CommandFailed,
    NotAuthorised,
    OutcomeUnknown,
    Unreachable,
    Unreadable,
)

ERRORS: dict[str, type[BackendError]] = {
    "Unreachable": Unreachable,
    "NotAuthorised": NotAuthorised,
    "CommandFailed": CommandFailed,
    "OutcomeUnknown": OutcomeUnknown,
    "Unreadable": Unreadable,
}
#: After these errors nothing can have been done: that is what they promise.
HARMLESS = frozenset({"Unreachable", "NotAuthorised"})
DONE = ("no", "yes", "later")
CAUSES = {
    "Unreachable": "the connection was refused",
    "NotAuthorised": "access is denied",
    "CommandFailed": "the operation failed",
    "OutcomeUnknown": "the connection was lost before the answer came",
    "Unreadable": "the answer could not be understood",
}
#: Seconds after which an effect arrives that the caller has given up on.
LATE = 20.0


@define(kw_only=True)
class BrokenCall:
    """Some calls that raise.

    Attributes:
        method: Method of the backend, or ``*`` for all.
        server: The server it is about, or None for any.
        nth: From which matching call on, counting from 1.
        times: How many calls; None for all from then on.
        error: Name of the exception, a key of ERRORS.
        done: Whether an effect is carried out nevertheless: ``no``, ``yes`` (before the
            exception), or ``later`` (some seconds after it).
        since: Seconds from the start at which this begins to count.
        until: And at which it ends; None for never.
    """

    method: str
    error: str
    server: Server | None = None
    nth: int = 1
    times: int | None = 1
    done: str = "no"
    cause: str = ""
    since: float = 0.0
    until: float | None = None
    _seen: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        if self.done != "no" and self.error in HARMLESS:
            raise ValueError(f"{self.error} promises that nothing was done")

    def strikes(self, method: str, server: Server | None, seconds: float) -> bool:
        """Count a call, and tell whether it is one to break."""
        if self.method not in ("*", method):
            return False
        if self.server is not None and self.server is not server:
            return False
        if seconds < self.since or (self.until is not None and seconds >= self.until):
            return False
        self._seen += 1
        past = self._seen - self.nth
        return past >= 0 and (self.times is None or past < self.times)


@define
class BrokenCalls:
    """The whole script."""

    world: World
    script: list[BrokenCall] = field(factory=list)

    def next(self, method: str, server: str) -> BrokenCall | None:
        """Count a call against each entry; return the first that breaks it."""
        found = self.world.find(server)
        seconds = (self.world.now - self.world.started).total_seconds()
        struck = [b for b in self.script if b.strikes(method, found, seconds)]
        return struck[0] if struck else None


#: What the product calls the methods of a backend.
COMMANDS = {
    "server_info": "Get-ExchangeServer",
    "all_servers": "Get-ExchangeServer",
    "mailbox_server": "Get-MailboxServer",
    "dag": "Get-DatabaseAvailabilityGroup",
    "server_health": "Get-ServerHealth",
    "invoke_probe": "Invoke-MonitoringProbe",
    "database_copies": "Get-MailboxDatabaseCopyStatus",
    "copies_of": "Get-MailboxDatabaseCopyStatus",
    "databases": "Get-MailboxDatabase",
    "component_states": "Get-ServerComponentState",
    "pop_settings": "Get-PopSettings",
    "services": "Get-Service",
    "host_status": "Win32_OperatingSystem",
    "pop_logs": "Get-ChildItem",
    "recovery_actions": "Get-WinEvent",
    "restart_service": "Restart-Service",
    "start_service": "Start-Service",
    "set_activation_disabled": "Set-MailboxServer",
    "move_database": "Move-ActiveMailboxDatabase",
    "set_protocol_logging": "Set-PopSettings",
    "reboot": "Restart-Computer",
}


def error_of(broken: BrokenCall, server: str, method: str) -> BackendError:
    """Make the exception a broken call raises."""
    cause = broken.cause or CAUSES[broken.error]
    return ERRORS[broken.error](server=server, command=COMMANDS[method], cause=cause)

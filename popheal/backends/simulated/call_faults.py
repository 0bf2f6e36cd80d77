"""Calls that are made to fail: the script of what goes wrong between popheal and Exchange."""

from __future__ import annotations

from typing import Annotated

from attrs import define, field

from popheal.backends.simulated.model import Ordinal, Server
from popheal.backends.simulated.world import World
from popheal.errors import (
    BackendError,
    CommandFailed,
    NotAuthorised,
    NotBegun,
    OutcomeUnknown,
    Unreachable,
    Unreadable,
)
from popheal.exchange.backend import EFFECTS, LOOKS
from popheal.util.schema import one_of, unfit

#: What can go wrong, and what is said of it if nothing else is.
CAUSES: dict[type[BackendError], str] = {
    Unreachable: "the connection was refused",
    NotAuthorised: "access is denied",
    NotBegun: "the server declined it before it began",
    CommandFailed: "the operation failed",
    OutcomeUnknown: "the connection was lost before the answer came",
    Unreadable: "the answer could not be understood",
}
ERRORS = {error.__name__: error for error in CAUSES}
#: After these errors nothing can have been done: that is what they promise.
HARMLESS = frozenset({"Unreachable", "NotAuthorised", "NotBegun"})
#: Why the far side declines, in a word; empty for any other reason.
REASONS = ("", "boot_time", "shutdown", "denied", "missing", "disabled", "wrong_server")
#: Seconds after which an effect arrives that the caller has given up on.
LATE = 20.0


@define(kw_only=True)
class BrokenCall:
    """Some calls that raise.

    Attributes:
        method: Method of the backend, or ``*`` for all.
        error: Name of the exception, a key of ERRORS.
        server: The server it is about, or None for any.
        nth: From which matching call on, counting from 1.
        times: How many calls.
        for_ever: All from then on.
        done: Whether an effect is carried out nevertheless: ``no``, ``yes`` (before the
            exception), or ``later`` (some seconds after it).
        reason: Why it was declined, for ``NotBegun``: one of REASONS.
        since: Seconds from the start at which this begins to count.
        until: And at which it ends; None for never.
    """

    method: Annotated[str, one_of("*", *LOOKS, *EFFECTS)]
    error: Annotated[str, one_of(*ERRORS)]
    server: Server | None = None
    nth: Ordinal = 1
    times: Ordinal = 1
    for_ever: bool = False
    done: Annotated[str, one_of("no", "yes", "later")] = "no"
    cause: str = ""
    reason: Annotated[str, one_of(*REASONS)] = ""
    since: float = 0.0
    until: float | None = None
    _seen: int = field(default=0, init=False)

    def __attrs_post_init__(self) -> None:
        if self.done != "no" and self.error in HARMLESS:
            right = f"{self.error} promises that nothing was done."
            raise unfit(self, "done", f"is '{self.done}'", right)
        if self.error == "NotBegun" and self.method not in EFFECTS:
            right = f"Only an effect can be declined: {', '.join(EFFECTS)}."
            raise unfit(self, "method", f"is '{self.method}'", right)
        if self.reason and self.error != "NotBegun":
            raise unfit(self, "reason", f"is nothing to {self.error}", "It goes with NotBegun.")

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
        return past >= 0 and (self.for_ever or past < self.times)


@define
class BrokenCalls:
    """The whole script."""

    world: World
    script: list[BrokenCall] = field(factory=list)

    def next(self, method: str, server: str) -> BrokenCall | None:
        """Count a call against each entry; return the first that breaks it."""
        found = self.world.find(server)
        struck = [b for b in self.script if b.strikes(method, found, self.world.elapsed)]
        return struck[0] if struck else None


def error_of(broken: BrokenCall, server: str, command: str) -> BackendError:
    """Make the exception a broken call raises."""
    error, given = ERRORS[broken.error], {"server": server, "command": command}
    given["cause"] = broken.cause or CAUSES[error]
    if error is NotBegun:
        return NotBegun(**given, reason=broken.reason)
    return error(**given)

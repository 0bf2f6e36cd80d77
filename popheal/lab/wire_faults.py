"""Faults of the wire, by plan: the n-th request of a kind to a server goes wrong in one way."""

from __future__ import annotations

import threading
from enum import Enum

from attrs import define, frozen


class Wire(Enum):
    """What can go wrong with a request."""

    UNAUTHORISED = "401"
    OTHER_LOGON = "401, and other ways to log on are offered"
    REDIRECT = "302"
    REDIRECT_KEPT = "307, which asks to send the same elsewhere"
    NO_SUCH_PATH = "the WS-Management fault of a path where there is no endpoint"
    FORBIDDEN = "403"
    NOT_FOUND = "404"
    ERROR_EMPTY = "500 without a body"
    ERROR_PAGE = "500 with a page that is XML"
    UNAVAILABLE = "503"
    FAULT = "a WS-Management fault"
    SHELL_LIMIT = "too many shells"
    SHELL_GONE = "the shell isn't there"
    TIMED_OUT = "the WS-Management fault of an operation that takes too long"
    DROP_UNDONE = "connection closed, nothing done"
    DROP_DONE = "done, and connection closed without an answer"
    CUT = "done, and the answer cut in the middle"
    STALL = "done, and no answer within the client's patience"
    NOT_XML = "done, and answered with something that isn't XML"
    FOREIGN_XML = "done, and answered with XML that isn't WS-Management"
    STOPPED_EMPTY = "done, and the pipeline ends as stopped, without output"
    STOPPED_PARTLY = "done, and the pipeline ends as stopped, with a part of the output"
    FAILED_EMPTY = "done, and the pipeline ends as failed, without output or error"
    FAILED_PARTLY = "done, and the pipeline ends as failed, with a part of the output, no error"


#: Those before which the request is carried out all the same.
DONE_ANYWAY = frozenset({Wire.DROP_DONE, Wire.CUT, Wire.STALL, Wire.NOT_XML, Wire.FOREIGN_XML})

#: Those in which the command's pipeline doesn't end as completed. They are planned for Command or
#: Receive; before there is a command nothing of the kind can happen, and nothing does.
BROKEN_OFF = frozenset(
    {Wire.STOPPED_EMPTY, Wire.STOPPED_PARTLY, Wire.FAILED_EMPTY, Wire.FAILED_PARTLY}
)


@frozen(kw_only=True)
class WireFault:
    """One planned fault.

    Attributes:
        kind: What goes wrong.
        action: ``Create``, ``Command``, ``Receive``, ``Send``, ``Signal`` or ``Delete``; and
            ``Negotiate`` is Receive before there is a command, as a shell is opened.
        nth: Which of the requests it fits, counting from 1, and from when it was planned.
        times: How many in a row, from there on.
        server: Only at this server (full name); any if None.
        endpoint: Only at ``"exchange"`` or ``"plain"``; both if None.
        seconds: How long a stall lasts.
        location: Where a redirect leads to.
    """

    kind: Wire
    action: str
    nth: int = 1
    times: int = 1
    server: str | None = None
    endpoint: str | None = None
    seconds: float = 5.0
    location: str = "https://elsewhere.contoso.test/PowerShell?secret=1"

    def fits(self, server: str, endpoint: str, action: str) -> bool:
        return (
            action == self.action
            and self.server in (None, server)
            and self.endpoint in (None, endpoint)
        )


@define
class _Planned:
    fault: WireFault
    seen: int = 0


class FaultPlan:
    """The faults still to come. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._planned: list[_Planned] = []

    def add(self, fault: WireFault) -> None:
        """Plan one more."""
        with self._lock:
            self._planned.append(_Planned(fault))

    def clear(self) -> None:
        """Forget all that are planned."""
        with self._lock:
            self._planned.clear()

    def next(self, server: str, endpoint: str, action: str) -> WireFault | None:
        """Count a request; the fault it meets, if any."""
        with self._lock:
            for planned in self._planned:
                fault = planned.fault
                if not fault.fits(server, endpoint, action):
                    continue
                planned.seen += 1
                if fault.nth <= planned.seen < fault.nth + fault.times:
                    return fault
        return None

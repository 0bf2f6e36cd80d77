"""One endpoint of one server: WS-Management requests to shells and back."""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from xml.etree import ElementTree as ET

from attrs import field, frozen

from popheal.lab import wsman
from popheal.lab.error_writer import Ended, LostTrack, NobodyThere, Withheld
from popheal.lab.served import Opening
from popheal.lab.shells import Asked, Running, Shell, Shells
from popheal.lab.wire_faults import BROKEN_OFF, DONE_ANYWAY, FaultPlan, Wire, WireFault
from popheal.lab.wsman import Request

#: Seconds for which Command waits for its command to end, in case the end concerns the connection.
_SETTLE = 0.5
#: Seconds after an unreachable server during which a new shell isn't had either.
_UNREACHABLE = 2.0

_SOAP = "application/soap+xml;charset=UTF-8"
_NO_XML = b"-ERR this is not the service you are looking for"

SHELL_LIMIT_TEXT = (
    "The WS-Management service cannot process the request. This user is allowed a maximum number "
    "of {limit} concurrent shells, which has been exceeded. Close existing shells or raise the "
    "quota for this user."
)


@frozen
class Reply:
    """What goes back over HTTP.

    Attributes:
        headers: Headers besides those that every answer has.
        cut: Send half of it and close.
        last: Nothing keeps a server that restarts up after this.
    """

    status: int
    body: bytes
    content_type: str = _SOAP
    headers: Mapping[str, str] = field(factory=dict)
    cut: bool = False
    last: bool = False


class Hangup(Exception):
    """The connection is to be closed without an answer."""


class Endpoint:
    """Answers the requests to one path of one server.

    Args:
        kind: ``"exchange"`` or ``"plain"``.
        resource: The session configuration offered, as a resource address.
        run: Carries out a command, given the shell's id.
        opening: How the next shell comes about.
    """

    def __init__(
        self,
        *,
        server: str,
        kind: str,
        resource: str,
        run: Callable[[str, Asked], Ended],
        opening: Callable[[], Opening] = Opening,
        plan: FaultPlan,
        limit: int,
    ) -> None:
        self.server = server
        self.kind = kind
        self.resource = resource
        self.shells = Shells(limit)
        self._run = run
        self._opening = opening
        self._plan = plan
        self._unreachable_until = 0.0

    def answer(self, data: bytes) -> Reply:
        """Answer one request. Raises Hangup where there is to be none."""
        try:
            request = wsman.parse(data)
        except (ET.ParseError, ValueError):
            return Reply(500, b"")
        negotiates = request.action == "Receive" and not request.command_id
        action = "Negotiate" if negotiates else request.action
        fault = self._plan.next(self.server, self.kind, action)
        if fault is None:
            return self._act(request)
        if fault.kind in BROKEN_OFF:
            return self._break_off(fault.kind, request)
        if fault.kind in DONE_ANYWAY:
            reply = self._act(request)
            if request.action == "Command":
                self._finish(request)
            return _spoilt(fault, reply)
        return self._refuse(fault, request)

    def _break_off(self, kind: Wire, request: Request) -> Reply:
        """Carry it out, but the command it is about ends before its end."""
        reply = self._act(request) if request.action == "Command" else None
        shell = self._shell(request)
        if shell is not None and request.action in ("Command", "Receive"):
            shell.break_off(
                request.command_id,
                failed=kind in (Wire.FAILED_EMPTY, Wire.FAILED_PARTLY),
                partly=kind in (Wire.STOPPED_PARTLY, Wire.FAILED_PARTLY),
            )
        return reply or self._act(request)

    def _act(self, request: Request) -> Reply:
        actions = {
            "Create": self._create,
            "Command": self._command,
            "Send": self._send,
            "Receive": self._receive,
            "Signal": self._signal,
            "Delete": self._delete,
        }
        action = actions.get(request.action)
        if action is None:
            return _fault(request, wsman.UNKNOWN_RESOURCE, "The action is not supported.")
        return action(request)

    def _create(self, request: Request) -> Reply:
        if time.monotonic() < self._unreachable_until:
            self._unreachable_until = 0.0
            raise Hangup
        if request.resource.lower() != self.resource.lower():
            reason = (
                f"The resource URI ({request.resource}) was not found in the WS-Management catalog."
            )
            return _fault(request, wsman.UNKNOWN_RESOURCE, reason)
        identity = str(uuid.uuid4()).upper()
        if request.body is not None:
            identity = (request.body.get("ShellId") or identity).upper()
        opening = self._opening()
        if opening.refusal is not None:
            return self._refuse(WireFault(kind=opening.refusal, action="Create"), request)
        shell = Shell(lambda asked: self._run(identity, asked), opening.greeting)
        if not self.shells.add(identity, shell):
            return self._too_many(request)
        for data in request.payloads(f"{{{wsman.POWERSHELL}}}creationXml"):
            shell.feed(data)
        return Reply(200, wsman.created(request, identity))

    def _command(self, request: Request) -> Reply:
        shell = self._shell(request)
        if shell is None:
            return _gone(request)
        for data in request.payloads(f"{{{wsman.SHELL}}}Arguments"):
            shell.feed(data, request.command_id)
        running = shell.settle(request.command_id, _SETTLE)
        if isinstance(running.trouble, NobodyThere):
            # The command went nowhere. Say so in a way that proves it, and have no new shell.
            self.shells.remove(request.shell_id)
            self._unreachable_until = time.monotonic() + _UNREACHABLE
            return _gone(request)
        if isinstance(running.trouble, Withheld):
            return self._refuse(WireFault(kind=running.trouble.wire, action="Command"), request)
        _raise_if_lost(running)
        command = f"<rsp:CommandId>{request.command_id}</rsp:CommandId>"
        body = f"<rsp:CommandResponse>{command}</rsp:CommandResponse>"
        return Reply(200, wsman.answer(request, body))

    def _send(self, request: Request) -> Reply:
        shell = self._shell(request)
        if shell is None:
            return _gone(request)
        for data in request.payloads(f"{{{wsman.SHELL}}}Stream"):
            shell.feed(data, request.command_id)
        return Reply(200, wsman.answer(request, "<rsp:SendResponse />"))

    def _receive(self, request: Request) -> Reply:
        shell = self._shell(request)
        if shell is None:
            return _gone(request)
        try:
            received = shell.receive(request.command_id, request.timeout)
        except KeyError:
            return _gone(request)
        except LostTrack:
            raise Hangup from None
        if received is None:
            reason = (
                "The WS-Management service cannot complete the operation within the time "
                "specified in OperationTimeout."
            )
            return _fault(request, wsman.OPERATION_TIMED_OUT, reason)
        chunks, running = received
        done = False
        if running is not None:
            _raise_if_lost(running)
            done = running.finished and not running.chunks
        return Reply(200, wsman.received(request, chunks, done=done), last=done)

    def _signal(self, request: Request) -> Reply:
        shell = self._shell(request)
        if shell is None:
            return _gone(request)
        shell.end(request.command_id)
        return Reply(200, wsman.answer(request, "<rsp:SignalResponse />"))

    def _delete(self, request: Request) -> Reply:
        self.shells.remove(request.shell_id)
        return Reply(200, wsman.answer(request, ""))

    def _shell(self, request: Request) -> Shell | None:
        return self.shells.find(request.shell_id)

    def _finish(self, request: Request) -> None:
        """Let a command end whose answer will never be fetched."""
        shell = self._shell(request)
        if shell is not None:
            shell.settle(request.command_id, _SETTLE)

    def _too_many(self, request: Request) -> Reply:
        return _fault(
            request, wsman.QUOTA_EXCEEDED, SHELL_LIMIT_TEXT.format(limit=self.shells.limit)
        )

    def _refuse(self, fault: WireFault, request: Request) -> Reply:
        match fault.kind:
            case Wire.FAULT:
                return _fault(request, 2150859046, "WinRM cannot complete the operation.")
            case Wire.SHELL_LIMIT:
                return self._too_many(request)
            case Wire.SHELL_GONE:
                return _gone(request)
            case Wire.TIMED_OUT:
                return _fault(request, wsman.OPERATION_TIMED_OUT, "It takes too long.")
            case Wire.NO_SUCH_PATH:
                return _fault(request, wsman.NO_SUCH_PATH, "Die Anforderung wird nicht erkannt.")
            case Wire.REDIRECT | Wire.REDIRECT_KEPT:
                status = 302 if fault.kind is Wire.REDIRECT else 307
                return Reply(status, b"", "text/html", {"Location": fault.location})
            case Wire.DROP_UNDONE:
                raise Hangup
        return _PAGES[fault.kind]


_PAGES = {
    Wire.NOT_XML: Reply(200, _NO_XML),
    Wire.UNAUTHORISED: Reply(401, b"", "text/html"),
    Wire.OTHER_LOGON: Reply(
        401, b"", "text/html", {"WWW-Authenticate": 'Negotiate, Kerberos realm="a, Basic b"'}
    ),
    Wire.FORBIDDEN: Reply(403, b"", "text/html"),
    Wire.NOT_FOUND: Reply(404, b"<html><body>Not Found</body></html>", "text/html"),
    Wire.ERROR_EMPTY: Reply(500, b""),
    Wire.ERROR_PAGE: Reply(500, b"<html><body><h1>Server Error</h1></body></html>", "text/html"),
    Wire.UNAVAILABLE: Reply(503, b"The service is unavailable.", "text/html"),
}


def _spoilt(fault: WireFault, reply: Reply) -> Reply:
    """What becomes of the answer to a request that was carried out."""
    match fault.kind:
        case Wire.CUT:
            return Reply(reply.status, reply.body, cut=True)
        case Wire.NOT_XML:
            return Reply(200, _NO_XML)
        case Wire.FOREIGN_XML:
            return Reply(200, b"<answer><not>ours</not></answer>")
        case Wire.STALL:
            threading.Event().wait(fault.seconds)
    raise Hangup


def _raise_if_lost(running: Running) -> None:
    # Too late to prove that a command went nowhere: the client knows it was taken.
    if running.trouble is not None:
        raise Hangup


def _fault(request: Request, code: int, reason: str) -> Reply:
    return Reply(500, wsman.fault(code, reason, request.message_id))


def _gone(request: Request) -> Reply:
    reason = (
        "The request for the Windows Remote Shell with ShellId "
        f"{request.shell_id} failed because the shell was not found on the server."
    )
    return _fault(request, wsman.SHELL_NOT_FOUND, reason)

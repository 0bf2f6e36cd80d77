"""WS-Management envelopes: requests read, answers and faults written."""

from __future__ import annotations

import base64
import re
import uuid
from collections.abc import Sequence
from xml.etree import ElementTree as ET
from xml.sax.saxutils import escape, quoteattr

from attrs import frozen

SOAP = "http://www.w3.org/2003/05/soap-envelope"
ADDRESSING = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
MANAGEMENT = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
FAULT = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"
TRANSFER = "http://schemas.xmlsoap.org/ws/2004/09/transfer"
POWERSHELL = "http://schemas.microsoft.com/powershell"

OPERATION_TIMED_OUT = 2150858793
SHELL_NOT_FOUND = 2150858843
QUOTA_EXCEEDED = 2150859173
UNKNOWN_RESOURCE = 2150858752
NO_SUCH_PATH = 2150858811

_HEAD = (
    f'<s:Envelope xmlns:s="{SOAP}" xmlns:a="{ADDRESSING}" xmlns:w="{MANAGEMENT}" '
    f'xmlns:rsp="{SHELL}" xmlns:x="{TRANSFER}" xml:lang="en-US">'
)
_SECONDS = re.compile(r"PT(\d+(?:\.\d+)?)S", re.ASCII)


@frozen(kw_only=True)
class Request:
    """One request.

    Attributes:
        action: Last part of the action's address: ``Create``, ``Command``, ``Receive``...
        timeout: Seconds after which a long poll is to end.
        body: The body's element, or None.
    """

    action: str
    message_id: str
    resource: str
    shell_id: str
    timeout: float
    body: ET.Element | None

    @property
    def command_id(self) -> str:
        """The command it is about, upper case; empty for the shell itself."""
        if self.body is None:
            return ""
        for element in self.body.iter():
            found = element.get("CommandId")
            if found:
                return found.upper()
        return ""

    def payloads(self, tag: str) -> list[bytes]:
        """The decoded contents of all elements of that tag."""
        elements = [] if self.body is None else self.body.iter(tag)
        return [base64.b64decode(element.text or "") for element in elements]


def parse(data: bytes) -> Request:
    """Read a request. Raises ``ElementTree.ParseError`` or ValueError if it isn't one."""
    # Only who knows the password gets here, and only from this machine.
    root = ET.fromstring(data)  # noqa: S314
    header = root.find(f"{{{SOAP}}}Header")
    body = root.find(f"{{{SOAP}}}Body")
    if header is None or body is None:
        raise ValueError("not an envelope")

    def said(tag: str) -> str:
        return (header.findtext(tag) or "").strip()

    shell = next(
        (
            selector.text or ""
            for selector in header.iter(f"{{{MANAGEMENT}}}Selector")
            if selector.get("Name") == "ShellId"
        ),
        "",
    )
    timeout = _SECONDS.fullmatch(said(f"{{{MANAGEMENT}}}OperationTimeout"))
    return Request(
        action=said(f"{{{ADDRESSING}}}Action").rpartition("/")[2],
        message_id=said(f"{{{ADDRESSING}}}MessageID"),
        resource=said(f"{{{MANAGEMENT}}}ResourceURI"),
        shell_id=shell.upper(),
        timeout=float(timeout[1]) if timeout else 20.0,
        body=body[0] if len(body) else None,
    )


def answer(request: Request, body: str) -> bytes:
    """An answer to a request, with this body."""
    text = (
        f"{_HEAD}<s:Header><a:Action>{SHELL}/{request.action}Response</a:Action>"
        f"<a:MessageID>uuid:{str(uuid.uuid4()).upper()}</a:MessageID>"
        f"<a:RelatesTo>{escape(request.message_id)}</a:RelatesTo></s:Header>"
        f"<s:Body>{body}</s:Body></s:Envelope>"
    )
    return text.encode()


def created(request: Request, shell_id: str) -> bytes:
    """The answer to Create: the new shell."""
    selectors = f'<w:SelectorSet><w:Selector Name="ShellId">{shell_id}</w:Selector></w:SelectorSet>'
    return answer(
        request,
        f"<x:ResourceCreated><a:ReferenceParameters>"
        f"<w:ResourceURI>{escape(request.resource)}</w:ResourceURI>{selectors}"
        f"</a:ReferenceParameters></x:ResourceCreated>"
        f"<rsp:Shell><rsp:ShellId>{shell_id}</rsp:ShellId>"
        f"<rsp:ResourceUri>{escape(request.resource)}</rsp:ResourceUri>"
        f"<rsp:InputStreams>stdin pr</rsp:InputStreams>"
        f"<rsp:OutputStreams>stdout</rsp:OutputStreams></rsp:Shell>",
    )


def received(request: Request, chunks: Sequence[bytes], *, done: bool) -> bytes:
    """The answer to Receive: output, and whether the command has ended."""
    command = request.command_id
    about = f" CommandId={quoteattr(command)}" if command else ""
    streams = "".join(
        f'<rsp:Stream Name="stdout"{about}>{base64.b64encode(chunk).decode()}</rsp:Stream>'
        for chunk in chunks
    )
    state = ""
    if command:
        word = "Done" if done else "Running"
        state = f'<rsp:CommandState{about} State="{SHELL}/CommandState/{word}" />'
    return answer(request, f"<rsp:ReceiveResponse>{streams}{state}</rsp:ReceiveResponse>")


def fault(code: int, reason: str, relates_to: str = "") -> bytes:
    """A WS-Management fault; sent with HTTP status 500."""
    relates = f"<a:RelatesTo>{escape(relates_to)}</a:RelatesTo>" if relates_to else ""
    text = (
        f"{_HEAD}<s:Header><a:Action>{MANAGEMENT}/fault</a:Action>{relates}</s:Header><s:Body>"
        f"<s:Fault><s:Code><s:Value>s:Receiver</s:Value><s:Subcode>"
        f"<s:Value>w:InternalError</s:Value></s:Subcode></s:Code>"
        f'<s:Reason><s:Text xml:lang="en-US">{escape(reason)}</s:Text></s:Reason>'
        f'<s:Detail><f:WSManFault xmlns:f="{FAULT}" Code="{code}" Machine="lab">'
        f"<f:Message>{escape(reason)}</f:Message></f:WSManFault></s:Detail></s:Fault>"
        f"</s:Body></s:Envelope>"
    )
    return text.encode()

"""How a client logs on to the lab: by Basic authentication, or by Kerberos with sealed messages.

Each connection is a conversation of its own: with Kerberos it is the connection that is logged
on, and everything after that is sealed with its keys, unless TLS does so.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import ssl
from pathlib import Path
from typing import Any, Final, Protocol

from attrs import evolve, frozen

from popheal.lab.endpoint import Reply

_BOUNDARY: Final = "Encrypted Boundary"


@frozen(kw_only=True)
class Admission:
    """What comes of a request before anybody looks into it.

    Attributes:
        accepted: Whether the client is logged on.
        data: What it asks, unsealed; None if it only logs on.
        challenge: What to answer for the client's next step.
    """

    accepted: bool
    data: bytes | None = None
    challenge: str = ""


class Conversation(Protocol):
    """One connection."""

    def admit(self, authorization: str, data: bytes) -> Admission:
        """Look at a request: its Authorization header and its body."""
        ...

    def seal(self, reply: Reply) -> Reply:
        """The reply as it goes back on this connection."""
        ...


class Logon(Protocol):
    """A way to log on."""

    @property
    def offers(self) -> tuple[str, ...]:
        """What a client that isn't logged on is told: values of WWW-Authenticate."""
        ...

    def converse(self, server: str, certificate: str) -> Conversation:
        """Begin with a connection.

        Args:
            server: Full name of the server connected to.
            certificate: Path of its certificate; empty without TLS.
        """
        ...


# --- Basic ---------------------------------------------------------------------------------------


@frozen(kw_only=True)
class Login:
    """A user name and a password, with each request."""

    username: str
    password: str

    offers = ('Basic realm="lab"',)

    def converse(self, server: str, certificate: str) -> Conversation:  # noqa: ARG002 - alike
        return self

    def admit(self, authorization: str, data: bytes) -> Admission:
        return Admission(accepted=self.accepts(authorization), data=data)

    def accepts(self, header: str) -> bool:
        """Whether an Authorization header is right."""
        token = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        return hmac.compare_digest(header.encode(), f"Basic {token}".encode())

    def seal(self, reply: Reply) -> Reply:
        return reply

    def __repr__(self) -> str:
        return f"Login({self.username!r}, ***)"


# --- Kerberos ------------------------------------------------------------------------------------


@frozen(kw_only=True)
class KerberosLogon:
    """Tickets of a real KDC, by the keytab that ``KRB5_KTNAME`` names.

    Needs ``popheal[kerberos]``.

    Attributes:
        schemes: ``Negotiate`` or ``Kerberos``, or both, in the order in which they are offered.
        service: First part of the principal that tickets are for.
    """

    schemes: tuple[str, ...] = ("Negotiate", "Kerberos")
    service: str = "host"

    @property
    def offers(self) -> tuple[str, ...]:
        return self.schemes

    def converse(self, server: str, certificate: str) -> Conversation:
        return _Negotiation(self, server, certificate)


class _Negotiation:
    """A connection on which a client proves who it is, and stays known."""

    def __init__(self, logon: KerberosLogon, server: str, certificate: str) -> None:
        self._logon = logon
        self._server = server
        self._certificate = certificate
        self._context: Any = None
        self._sealing: Any = None

    def admit(self, authorization: str, data: bytes) -> Admission:
        scheme, _, token = authorization.partition(" ")
        if token and scheme in self._logon.schemes:
            return self._step(scheme, token, data)
        if self._context is None or not self._context.complete:
            return Admission(accepted=False)
        return Admission(accepted=True, data=self._unsealed(data))

    def _step(self, scheme: str, token: str, data: bytes) -> Admission:
        import spnego
        from pypsrp.encryption import WinRMEncryption
        from spnego.exceptions import SpnegoError

        if self._context is None or self._context.complete:
            self._context = spnego.server(
                hostname=self._server,
                service=self._logon.service,
                protocol=scheme.lower(),
                channel_bindings=_channel_of(self._certificate),
                options=spnego.NegotiateOptions.wrapping_winrm,
            )
        try:
            answer = self._context.step(base64.b64decode(token))
        except (SpnegoError, binascii.Error, AttributeError):
            # The last comes from a context that has just been refused, and is asked about.
            self._context = None
            return Admission(accepted=False)
        said = f"{scheme} {base64.b64encode(answer).decode()}" if answer else scheme
        if not self._context.complete:
            return Admission(accepted=False, challenge=said)
        spnego_kind = scheme == "Negotiate"
        protocol = WinRMEncryption.SPNEGO if spnego_kind else WinRMEncryption.KERBEROS
        self._sealing = None if self._certificate else WinRMEncryption(self._context, protocol)
        asked = self._unsealed(data) if data else None
        return Admission(accepted=True, data=asked, challenge=said)

    def _unsealed(self, data: bytes) -> bytes:
        if self._sealing is None:
            return data
        opened: bytes = self._sealing.unwrap_message(data, _BOUNDARY)
        return opened

    def seal(self, reply: Reply) -> Reply:
        if self._sealing is None or not reply.body:
            return reply
        kind, body = self._sealing.wrap_message(reply.body)
        sealed = f'{kind};protocol="{self._sealing.protocol}";boundary="{_BOUNDARY}"'
        return evolve(reply, body=body, content_type=sealed)


def _channel_of(certificate: str) -> Any:
    """What ties a logon to the TLS connection that it is made on (RFC 5929)."""
    import spnego

    if not certificate:
        return None
    *_, last = Path(certificate).read_text("ascii").partition("-----BEGIN CERTIFICATE")
    told = hashlib.sha256(ssl.PEM_cert_to_DER_cert(f"-----BEGIN CERTIFICATE{last}")).digest()
    data = b"tls-server-end-point:" + told
    return spnego.channel_bindings.GssChannelBindings(application_data=data)

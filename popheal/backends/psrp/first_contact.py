"""A server's door, before anybody logs on: its name, its port, its certificate, what it offers.

Each step has as long as ``connect_timeout`` says for connecting, and looks only.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from attrs import frozen
from pypsrp.exceptions import WinRMTransportError
from requests import Request
from requests.exceptions import SSLError

from popheal.backends.psrp.client import session_for
from popheal.backends.psrp.failures import Diagnosis, chain, diagnose
from popheal.backends.psrp.http import LogonRefused, Redirected
from popheal.backends.psrp.settings import PsrpSettings, Target
from popheal.backends.psrp.transport import Limits

if TYPE_CHECKING:
    from requests import Session

T = TypeVar("T")

_MOST_BYTES: Final = 1024 * 1024
#: What no endpoint says to somebody who has not logged on yet.
_IS_NONE: Final = (403, 404)
_SERVER_ERROR: Final = 500


def proxy_of(target: Target, settings: PsrpSettings) -> str:
    """The proxy by which a connection would go; empty for none."""
    session, url, _ = _session(target, settings)
    found = session.proxies.get(url.partition(":")[0])
    session.close()
    return str(found) if found else ""


def resolve(host: str, port: int, seconds: float) -> list[str]:
    """The addresses that a name leads to. Raises OSError, TimeoutError."""
    found = _within(seconds, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def connect(host: str, port: int, seconds: float) -> float:
    """Connect, and hang up again; how many seconds that took. Raises OSError."""
    began = time.monotonic()
    socket.create_connection((host, port), timeout=max(0.05, seconds)).close()
    return time.monotonic() - began


@frozen(kw_only=True)
class Certificate:
    """What a server shows, whether it is to be trusted or not."""

    names: tuple[str, ...]
    issuer: str
    expires: datetime

    def days_left(self, now: datetime) -> int:
        """Full days until it expires; below 0 once it has."""
        return (self.expires - now).days


def certificate_of(target: Target, seconds: float) -> Certificate | None:
    """The certificate that the server shows; None if there is none to be had."""
    from cryptography import x509

    # To be looked at, not trusted: whether it is, the client says that connects in earnest.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    where = (target.address.strip("[]"), target.connection.port)
    with contextlib.suppress(OSError, ValueError):
        with (
            socket.create_connection(where, timeout=max(0.05, seconds)) as plain,
            context.wrap_socket(plain, server_hostname=target.server) as shaken,
        ):
            data = shaken.getpeercert(binary_form=True)
        if data:
            read = x509.load_der_x509_certificate(data)
            return Certificate(
                names=_names_of(read),
                issuer=read.issuer.rfc4514_string(),
                # Newer versions of the library say in which zone; by the standard it is this one.
                expires=read.not_valid_after.replace(tzinfo=UTC)
                if not hasattr(read, "not_valid_after_utc")
                else read.not_valid_after_utc,
            )
    return None


def _names_of(certificate: Any) -> tuple[str, ...]:
    from cryptography import x509

    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except (x509.ExtensionNotFound, ValueError):
        return (certificate.subject.rfc4514_string(),)
    return tuple(found.value.get_values_for_type(x509.DNSName))


@frozen(kw_only=True)
class Hello:
    """What came of a first request, by somebody who does not log on.

    Attributes:
        offered: The schemes to log on by, where they were told.
        fits: Whether the configured way is among them, as far as that was told.
        problem: What went wrong instead; None if it answered as an endpoint does.
        at_tls: Whether that was at the certificate.
    """

    offered: tuple[str, ...] = ()
    fits: bool = True
    problem: Diagnosis | None = None
    at_tls: bool = False
    seconds: float = 0.0


def hello(target: Target, settings: PsrpSettings) -> Hello:
    """Ask the endpoint something without logging on. Never raises for what it meets."""
    began = time.monotonic()
    session, url, limits = _session(target, settings)
    # Neither a ticket nor a password goes out.
    session.auth = _nobody
    session.headers.pop("Authorization", None)
    try:
        with limits.within(settings.connect_timeout):
            _ask(session, url, settings.connect_timeout)
    except LogonRefused as refused:
        took = time.monotonic() - began
        return Hello(offered=refused.offered, fits=refused.fits, seconds=took)
    except Redirected as redirected:
        return Hello(problem=diagnose(redirected))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        at_tls = any(isinstance(one, (ssl.SSLError, SSLError)) for one in chain(error))
        return Hello(problem=diagnose(error), at_tls=at_tls)
    finally:
        limits.close_connections()
        session.close()
    return Hello(seconds=time.monotonic() - began)


def _ask(session: Session, url: str, seconds: float) -> None:
    """Send an empty request. Raises what the answer means, if that is not an endpoint's."""
    # As the client sends: so the session's own settings hold, whatever the environment says.
    request = session.prepare_request(Request("POST", url, data=b""))
    status = session.send(request, timeout=seconds).status_code
    if status in _IS_NONE or status >= _SERVER_ERROR:
        raise WinRMTransportError("http", status, "")


def _nobody(request: Any) -> Any:
    return request


def _session(target: Target, settings: PsrpSettings) -> tuple[Session, str, Limits]:
    """A session of requests as the client would have it, and the endpoint's address."""
    limits = Limits(_MOST_BYTES)
    return (*session_for(target, settings, limits), limits)


def _within(seconds: float, do: Callable[[], T]) -> T:
    """Do what has no time limit of its own. Raises TimeoutError, and what it raises."""
    results: list[T] = []
    failed: list[BaseException] = []

    def work() -> None:
        try:
            results.append(do())
        except OSError as error:
            failed.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not results:
        raise TimeoutError
    return results[0]

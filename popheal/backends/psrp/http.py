"""What the web server in front of an endpoint says instead of WS-Management: other ways in.

The client library would follow a redirect (and take a password, or a ticket, and the command with
it), and drops which ways to log on a server offers.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from requests import Response

_REDIRECTS: Final = range(300, 400)
_UNAUTHORISED: Final = 401
_QUOTED: Final = re.compile(r'"[^"]*"')
_SCHEME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]*(?!\S)")

#: The schemes of HTTP by which each way to log on is offered, lower case. A certificate is shown
#: before there is any HTTP.
_OFFERED_AS: Final[Mapping[str, frozenset[str]]] = {
    "basic": frozenset({"basic"}),
    "credssp": frozenset({"credssp"}),
    "kerberos": frozenset({"kerberos", "negotiate"}),
    "negotiate": frozenset({"kerberos", "negotiate", "ntlm"}),
    "ntlm": frozenset({"negotiate", "ntlm"}),
}


class Redirected(Exception):
    """The answer was to go elsewhere. That was not done.

    Attributes:
        code: The HTTP status.
        target: Where to, without what could be secret; empty if that was not said.
    """

    def __init__(self, code: int, target: str) -> None:
        super().__init__(code, target)
        self.code = code
        self.target = target


class LogonRefused(Exception):
    """HTTP 401, at the end of whatever was tried.

    Attributes:
        auth: The way to log on that is configured.
        offered: The schemes that the server offers.
    """

    def __init__(self, auth: str, offered: tuple[str, ...]) -> None:
        super().__init__(auth, offered)
        self.auth = auth
        self.offered = offered

    @property
    def fits(self) -> bool:
        """Whether the configured way is among what is offered, as far as that was told."""
        names = {scheme.lower() for scheme in self.offered}
        ways = _OFFERED_AS.get(self.auth, names)
        return not names or bool(ways & names)


def ways_offered(offered: tuple[str, ...]) -> tuple[str, ...]:
    """Which ways to log on could be configured instead."""
    names = {scheme.lower() for scheme in offered}
    return tuple(auth for auth, schemes in _OFFERED_AS.items() if schemes & names)


def schemes_in(header: str) -> tuple[str, ...]:
    """The schemes that a ``WWW-Authenticate`` header names, without their parameters."""
    pieces = (piece.strip() for piece in _QUOTED.sub('""', header).split(","))
    found = (_SCHEME.match(piece) for piece in pieces)
    return tuple(dict.fromkeys(one[0] for one in found if one))


def check(auth: str) -> Callable[..., Response]:
    """A hook for the client's session: raises Redirected, and LogonRefused."""

    def hook(response: Response, **_: Any) -> Response:
        if response.status_code in _REDIRECTS:
            raise Redirected(response.status_code, _shown(response.headers.get("Location", "")))
        if response.status_code == _UNAUTHORISED:
            header = response.headers.get("WWW-Authenticate", "")
            raise LogonRefused(auth, schemes_in(header))
        return response

    return hook


def _shown(location: str) -> str:
    """An address without user, password, query and fragment."""
    try:
        parts = urlsplit(location)
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}" if host else parts.path

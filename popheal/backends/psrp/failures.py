"""What a failure of the connection means: which error it becomes, and in which words.

Two questions decide. *What happened* (:class:`Trouble`) is read off the exception; *how far had
we got* (:class:`Stage`) is known by who was calling. Their meeting point in :data:`MEANING` gives
the class of error. It rests on one rule: an effect is *Unreachable* or *NotAuthorised* only if it
provably never began; whatever may have begun is *OutcomeUnknown*.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from enum import Enum
from xml.etree import ElementTree as ET

from attrs import frozen
from pypsrp.exceptions import (
    AuthenticationError,
    InvalidPSRPOperation,
    WinRMError,
    WinRMTransportError,
    WSManFaultError,
)
from requests.exceptions import (
    ChunkedEncodingError,
    ConnectTimeout,
    ContentDecodingError,
    ProxyError,
    SSLError,
    Timeout,
)
from requests.exceptions import ConnectionError as RequestsConnectionError
from spnego.exceptions import SpnegoError

from popheal.backends.psrp.http import LogonRefused, Redirected, schemes_in, ways_offered
from popheal.backends.psrp.kerberos import reason_of, reason_of_code
from popheal.backends.psrp.transport import AnswerTooLong
from popheal.errors import (
    BackendError,
    CommandFailed,
    NotAuthorised,
    OutcomeUnknown,
    Unreachable,
    Unreadable,
)
from popheal.util.extras import how_to_install
from popheal.util.text import one_line

#: How much of what is said of a failure is worth repeating in a sentence.
LONGEST = 400


class Stage(Enum):
    """How far a command had got."""

    CONNECTING = "connecting"  #: nothing of the command was sent
    SENDING = "sending"  #: it was being handed over
    WAITING = "waiting"  #: it was taken, its answer is awaited


class Trouble(Enum):
    """What happened to the connection, as far as it matters what to do about it."""

    NO_WAY = "no way"  #: no connection came about for this request
    DENIED = "denied"  #: the far side wants other credentials
    ABSENT = "absent"  #: there is no such endpoint
    GONE = "gone"  #: the shell the request was for doesn't exist
    BUSY = "busy"  #: refused for a limit on shells, commands or load
    FAULT = "fault"  #: a WS-Management fault of another kind
    HTTP = "http"  #: an error of the web server, nobody knows before or after what
    DROPPED = "dropped"  #: the connection ended in the middle
    LATE = "late"  #: no answer in time
    GARBLED = "garbled"  #: an answer that isn't what it should be
    UNFINISHED = "unfinished"  #: the command ended before its end, without an error record


_T, _S = Trouble, Stage

#: (trouble, stage) to (error of a look, error of an effect).
MEANING: dict[tuple[Trouble, Stage], tuple[type[BackendError], type[BackendError]]] = {
    (_T.NO_WAY, _S.SENDING): (Unreachable, Unreachable),
    (_T.DENIED, _S.CONNECTING): (NotAuthorised, NotAuthorised),
    (_T.DENIED, _S.SENDING): (NotAuthorised, NotAuthorised),
    (_T.DENIED, _S.WAITING): (NotAuthorised, OutcomeUnknown),
    (_T.ABSENT, _S.SENDING): (Unreachable, Unreachable),
    (_T.GONE, _S.SENDING): (Unreachable, Unreachable),
    (_T.BUSY, _S.SENDING): (Unreachable, Unreachable),
    (_T.FAULT, _S.SENDING): (CommandFailed, CommandFailed),
    (_T.FAULT, _S.WAITING): (CommandFailed, OutcomeUnknown),
    (_T.GARBLED, _S.SENDING): (Unreadable, OutcomeUnknown),
    (_T.GARBLED, _S.WAITING): (Unreadable, OutcomeUnknown),
}

#: Troubles that prove, while a command is handed over, that it was not taken.
NOT_TAKEN = frozenset({_T.NO_WAY, _T.DENIED, _T.ABSENT, _T.GONE})


def meaning(trouble: Trouble, stage: Stage, *, effect: bool) -> type[BackendError]:
    """The class of error for what happened at a stage."""
    anyhow = Unreachable if stage is Stage.CONNECTING else OutcomeUnknown
    pair = MEANING.get((trouble, stage), (anyhow, anyhow))
    return pair[1] if effect else pair[0]


_ACCESS_DENIED = 5
_TIMED_OUT = 2150858793
_SHELL_GONE = frozenset({2150858843, 2150859113})
_QUOTAS = frozenset({2150859173, 2150859174, 2150859175, 2150859176})
_NO_SUCH_RESOURCE = frozenset({2150858752, 2150859002})
#: What a web server's WS-Management says where there is no endpoint at the path.
_NO_SUCH_PATH = frozenset({2150858811})
_LIMIT = re.compile(
    r"concurrent shells|maximum number of connections allowed|load quota|"
    r"exceeded the maximum number of (?:concurrent|connections)",
    re.IGNORECASE,
)

_NEXT_STEPS = {
    Trouble.BUSY: (
        "Close other remote shells of this account, or wait until leaked ones time out, and try "
        "again."
    ),
    Trouble.ABSENT: "Check the port and the path of the endpoint in the configuration.",
}
_HTTP_OK_TO_DENY = frozenset({401, 403, 407})
#: Of those that deny something: the codes by which a right is missing, and no logon has failed.
_OF_RIGHTS = frozenset({403, _ACCESS_DENIED})


@frozen(kw_only=True)
class Diagnosis:
    """What an exception tells.

    Attributes:
        trouble: What happened.
        cause: The same, as part of a sentence for the operator.
        advice: What to do about it, where that is special to this case.
        of_password: Whether it may be the password that is wrong.
    """

    trouble: Trouble
    cause: str
    advice: str = ""
    of_password: bool = False

    @property
    def next_step(self) -> str:
        """What to do about it, where that is special; else empty."""
        return self.advice or _NEXT_STEPS.get(self.trouble, "")


#: What a reader gives: trouble, cause and, where there is any, advice.
_Read = tuple[Trouble, str] | tuple[Trouble, str, str]


def diagnose(error: Exception) -> Diagnosis:
    """Read off an exception of the connection what happened. Never raises."""
    reader = next((reader for kind, reader in _READERS if isinstance(error, kind)), _unexpected)
    trouble, cause, *advice = reader(error)
    return Diagnosis(
        trouble=trouble,
        cause=cause,
        advice="".join(advice),
        of_password=trouble is Trouble.DENIED and not _is_of_rights(error),
    )


def _is_of_rights(error: Exception) -> bool:
    """Whether who logs on was not even asked, or is known, and may not do that."""
    codes = {getattr(link, "code", None) for link in chain(error)}
    return isinstance(error, ImportError) or not codes.isdisjoint(_OF_RIGHTS)


def _login(error: Exception) -> _Read:
    # The library itself says only in words what was offered, where it knows none of it.
    unknown = re.search(r"actual: '(.*)'", str(error))
    if isinstance(error, LogonRefused):
        offered, fits = error.offered, error.fits
    else:
        offered, fits = schemes_in(unknown[1]) if unknown else (), not unknown
    if fits:
        return Trouble.DENIED, "the user name or the password was not accepted (HTTP 401)"
    told = ", ".join(offered) or "none"
    cause = f"it does not offer the way to log on that is configured, but {told} (HTTP 401)"
    others = " or ".join(f'"{one}"' for one in ways_offered(offered))
    return (
        Trouble.DENIED,
        cause,
        f"Set auth to {others} in the configuration, or have the endpoint offer yours."
        if others
        else "Have the endpoint offer the way to log on that is configured.",
    )


def _redirected(error: Exception) -> _Read:
    assert isinstance(error, Redirected)  # noqa: S101 - for the type checker
    where = f" to {one_line(error.target, LONGEST)}" if error.target else ""
    return (
        Trouble.ABSENT,
        f"it redirects{where} (HTTP {error.code}), which is not followed",
        "Name the server itself, not an alias, and check ssl, port and path in the configuration.",
    )


def _ticket(error: Exception) -> _Read:
    reason = reason_of(str(error))
    if reason is None:
        return Trouble.DENIED, f"logging on failed: {one_line(str(error), 200)}", ""
    return Trouble.DENIED, f"logging on failed: {reason.cause}", reason.next_step


def _http(error: Exception) -> tuple[Trouble, str]:
    code = getattr(error, "code", 0)
    if code in _HTTP_OK_TO_DENY:
        return Trouble.DENIED, f"the account may not use this endpoint (HTTP {code})"
    if code == 404:  # noqa: PLR2004
        return Trouble.ABSENT, "there is no remoting endpoint at this path (HTTP 404)"
    if code == 503:  # noqa: PLR2004
        return Trouble.HTTP, "the remoting service is not available (HTTP 503)"
    return Trouble.HTTP, f"the web server answered with an error (HTTP {code}) and no reason"


def _fault(error: Exception) -> tuple[Trouble, str]:
    assert isinstance(error, WSManFaultError)  # noqa: S101 - for the type checker
    code, reason = error.code, one_line(error.reason or error.provider_fault or "", LONGEST)
    said = f": {reason}" if reason else ""
    if not isinstance(code, int):
        # An error page of the web server that happens to be XML: its status is further back.
        for link in chain(error):
            if isinstance(link, WinRMTransportError):
                return _http(link)
        return Trouble.HTTP, f"the web server answered with an error page{said}"
    if code == _TIMED_OUT:
        return Trouble.LATE, "the server gave up waiting for the end of the operation"
    if code == _ACCESS_DENIED:
        return Trouble.DENIED, f"access is denied to this account{said}"
    if code in _SHELL_GONE:
        return Trouble.GONE, "the remote shell no longer exists"
    if code in _NO_SUCH_PATH:
        return Trouble.ABSENT, f"there is no remoting endpoint at this port and path{said}"
    if code in _NO_SUCH_RESOURCE:
        return Trouble.ABSENT, f"the endpoint doesn't offer this session configuration{said}"
    if code in _QUOTAS or _LIMIT.search(reason):
        return Trouble.BUSY, f"the server allows no more shells or commands for now{said}"
    return Trouble.FAULT, f"WS-Management fault {code}{said}"


def _connection(error: Exception) -> tuple[Trouble, str]:
    names = {type(link).__name__ for link in chain(error)}
    if "NameResolutionError" in names:
        return Trouble.NO_WAY, "its name could not be resolved to an address"
    number = _errno(error)
    why = os.strerror(number).lower() if number else ""
    # Only these prove that it was the making of the connection that failed.
    if "NewConnectionError" in names:
        return Trouble.NO_WAY, why or "no connection could be made"
    return Trouble.DROPPED, f"the connection was lost{f' ({why})' if why else ''}"


#: Of what OpenSSL says, the part that is about the certificate.
_WHY_REFUSED = re.compile(r"certificate verify failed: (.+?)(?: \(_ssl|[.'\")]*$)")


def _tls(error: Exception) -> tuple[Trouble, str]:
    said = one_line(str(error.args[0]) if error.args else "", LONGEST)
    if re.search("certificate|hostname", said, re.IGNORECASE):
        why = _WHY_REFUSED.search(said)
        return (
            Trouble.NO_WAY,
            f"its TLS certificate was not accepted{f': {why[1]}' if why else ''}",
        )
    return Trouble.DROPPED, "the TLS connection failed"


def _unexpected(error: Exception) -> _Read:
    code = getattr(error, "err_code", None)
    if isinstance(code, int) and type(error).__module__.partition(".")[0] == "krb5":
        # Where a password gets the ticket, it is another library that says so.
        reason = reason_of_code(code)
        told = reason.cause if reason else f"Kerberos says {one_line(str(error), 200)}"
        return Trouble.DENIED, f"logging on failed: {told}", reason.next_step if reason else ""
    return Trouble.GARBLED, f"the answer is not understood ({type(error).__name__})"


def _foreign(_error: Exception) -> tuple[Trouble, str]:
    return Trouble.GARBLED, "the answer is not WS-Management"


_BROKEN = re.compile(r"Received a broken RunspacePoolState message: (.+)", re.DOTALL)


def _broken(error: Exception) -> _Read:
    """The endpoint speaks WS-Management, but PowerShell could not be started there."""
    said = _BROKEN.match(str(error))
    if said is None:
        return _foreign(error)
    return (
        Trouble.GARBLED,
        "no session could be opened there"
        + ("" if said[1] == "None" else f": {one_line(said[1], LONGEST)}"),
        "See on that server to its session configuration, and to the modules that it loads.",
    )


def _fixed(trouble: Trouble, cause: str) -> Callable[[Exception], tuple[Trouble, str]]:
    return lambda _error: (trouble, cause)


def _no_library(_error: Exception) -> _Read:
    return (
        Trouble.DENIED,
        "the library for this way to log on is not installed here",
        how_to_install("kerberos"),
    )


#: Exception types, the more special first, and how each is read.
_READERS: tuple[tuple[type[Exception], Callable[[Exception], _Read]], ...] = (
    (LogonRefused, _login),
    (AuthenticationError, _login),
    (Redirected, _redirected),
    (WinRMTransportError, _http),
    (WSManFaultError, _fault),
    (InvalidPSRPOperation, _broken),
    (WinRMError, _foreign),
    (SpnegoError, _ticket),
    (ET.ParseError, _foreign),
    (ConnectTimeout, _fixed(Trouble.NO_WAY, "no connection could be made in time")),
    (Timeout, _fixed(Trouble.LATE, "no answer came in time")),
    (ProxyError, _fixed(Trouble.NO_WAY, "the proxy could not be used")),
    (SSLError, _tls),
    (ChunkedEncodingError, _fixed(Trouble.DROPPED, "the answer was cut off")),
    (ContentDecodingError, _foreign),
    (RequestsConnectionError, _connection),
    (TimeoutError, _fixed(Trouble.LATE, "no answer came in time")),
    (AnswerTooLong, _fixed(Trouble.GARBLED, "the answer is longer than the settings allow")),
    (ImportError, _no_library),
    (OSError, _connection),
)


def chain(error: BaseException) -> Iterator[BaseException]:
    """An exception and those it was made from, each once."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        link = waiting.pop(0)
        if not isinstance(link, BaseException) or id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        waiting += [link.__cause__, link.__context__, getattr(link, "reason", None), *link.args]


def _errno(error: BaseException) -> int | None:
    for link in chain(error):
        if isinstance(link, OSError) and isinstance(link.errno, int) and link.errno > 0:
            return link.errno
    return None

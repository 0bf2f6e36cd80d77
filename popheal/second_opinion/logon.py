"""The logon itself, with the standard library's POP3 client.

One deadline holds for all of it, from finding the address to the last byte: the session is in a
thread of its own, which is left behind once the time is up, with its socket shut, so that it ends
too. That a far side trickles a byte each second, or answers without end, changes nothing.
"""

from __future__ import annotations

import contextlib
import poplib
import re
import socket
import ssl
import threading
from typing import Any, Final

from popheal.second_opinion.settings import PLAIN, STLS, TLS, Answer, Opinion, SecondOpinion

#: In bytes. No command that is sent here has an answer of more than one line.
_LONGEST_LINE: Final = 2048
_CLOSED: Final = "the server closed the connection"
_STARTING_TLS: Final = "STLS, before any password was sent"


class _NoAnswerError(Exception):
    """What came is no line of an answer; the text says what it was."""


class _Session(poplib.POP3):
    """A session whose answers are bounded, and which another thread can break off.

    Attributes:
        doing: What it is about, for people.
        broken_off: Whether nobody waits for it any more.
    """

    def __init__(self, settings: SecondOpinion) -> None:
        self.settings = settings
        self.doing = "connecting"
        self.broken_off = False
        self.sock = None  # type: ignore[assignment] # not connected yet
        self.file = None  # type: ignore[assignment]
        self._context: ssl.SSLContext

    def log_on(self) -> None:
        """Connect and log on. Raises whatever speaks against it."""
        if self.settings.tls != PLAIN:
            self.doing = "the authorities in ca_bundle"
            self._context = _context(self.settings)
            self.doing = "connecting"
        super().__init__(self.settings.host, self.settings.port, timeout=self.settings.deadline)
        if self.settings.tls == STLS:
            self.doing = _STARTING_TLS
            # Without asking first whether it is offered: that answer has any number of lines.
            self._shortcmd("STLS")  # type: ignore[attr-defined]
            self.file = self.secure(self.sock).makefile("rb")
        self.doing = "the user name"
        self.user(self.settings.username)
        self.doing = "the password"
        self.pass_(self.settings.password.reveal())

    def break_off(self) -> None:
        """Have it end, wherever it is. From another thread."""
        self.broken_off = True
        if self.sock is not None:
            # Past the TLS layer, which belongs to the other thread.
            with contextlib.suppress(OSError):
                socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def tidy(self) -> None:
        """Take leave, if anybody is there, and close."""
        with contextlib.suppress(Exception):
            if self.doing == "" and not self.broken_off:
                self.sock.sendall(b"QUIT\r\n")  # its answer is not waited for
        with contextlib.suppress(Exception):
            self.close()

    def secure(self, sock: socket.socket) -> socket.socket:
        """Have TLS upon a connection, and the certificate checked."""
        self.doing = "the TLS handshake"
        self.sock = self._context.wrap_socket(
            sock, server_hostname=self.host, do_handshake_on_connect=False
        )
        # Only now: whoever breaks it off has to find the socket.
        self._go_on()
        self.sock.do_handshake()
        return self.sock

    def _go_on(self) -> None:
        if self.broken_off:
            raise TimeoutError

    def _create_socket(self, timeout: Any) -> socket.socket:
        self.sock = sock = socket.create_connection((self.host, self.port), timeout)
        self._go_on()
        if self.settings.tls == TLS:
            sock = self.secure(sock)
        self.doing = "the greeting"
        return sock

    def _getline(self) -> tuple[bytes, int]:
        line = self.file.readline(_LONGEST_LINE)
        self._go_on()
        if not line.endswith(b"\n"):
            # The beginning of an answer is none: a "+" alone would be a yes.
            raise _NoAnswerError("a line without end" if len(line) == _LONGEST_LINE else _CLOSED)
        return line.rstrip(b"\r\n"), len(line)


def _context(settings: SecondOpinion) -> ssl.SSLContext:
    """A context that checks the certificate, its name too."""
    return ssl.create_default_context(cafile=settings.ca_bundle)


def ask(settings: SecondOpinion) -> Opinion:
    """Log on once, and say what came of it. Takes ``deadline`` seconds at most; never raises.

    Args:
        settings: Where, and as whom.
    """
    session = _Session(settings)
    found: list[Opinion] = []
    over = threading.Event()

    def work() -> None:
        try:
            found.append(_answer_of(session))
        finally:
            over.set()
            session.tidy()

    # A daemon: should even finding the address hang, no program waits for it.
    threading.Thread(target=work, name="popheal-second-opinion", daemon=True).start()
    ended = False
    try:
        ended = over.wait(settings.deadline)
    finally:
        if not ended:
            session.break_off()
    if ended and found:
        return found[0]
    return Opinion(
        Answer.COULD_NOT_TELL,
        f"no end within {settings.deadline:g} s, at {session.doing or 'the end'}",
    )


def _answer_of(session: _Session) -> Opinion:
    """Log on, and make an answer of what comes of it, whatever that is."""
    try:
        session.log_on()
    except poplib.error_proto as error:
        return _of_words(session, error.args[0] if error.args else b"")
    except Exception as error:  # noqa: BLE001 - it is told, and must never end a healing
        return Opinion(
            Answer.COULD_NOT_TELL, f"{session.doing}: {_hidden(session, _said_by(error))}"
        )
    session.doing = ""
    return Opinion(Answer.WORKED, "logged on")


def _of_words(session: _Session, said: bytes) -> Opinion:
    """What a POP3 answer that is not ``+OK`` means."""
    words = _hidden(session, said.decode("utf-8", "replace"))
    if said[:4].upper() != b"-ERR":
        return Opinion(Answer.COULD_NOT_TELL, f"{session.doing}: this is not POP3: {words}")
    # Who refuses STLS has not been told the account yet.
    no_logon = session.doing == _STARTING_TLS
    answer = Answer.COULD_NOT_TELL if no_logon else Answer.REFUSED
    return Opinion(answer, f"{session.doing}: {words}")


def _said_by(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate was not accepted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, _NoAnswerError):
        return str(error)
    if isinstance(error, UnicodeError):
        return "a name that can't be sent"  # its text holds what could not be
    if isinstance(error, OSError):
        return error.strerror or str(error) or type(error).__name__
    return type(error).__name__


def _hidden(session: _Session, text: str) -> str:
    """A text without the password: a server may well repeat a command that it does not like."""
    secret = session.settings.password.reveal()
    return re.sub(re.escape(secret), "***", text, flags=re.IGNORECASE)

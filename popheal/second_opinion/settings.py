"""Where and as whom to log on for a second opinion, and what comes of it. Nothing here connects."""

from __future__ import annotations

from enum import Enum
from typing import Any, Final

from attrs import Factory, field, frozen

from popheal.errors import InvalidValue
from popheal.util.addresses import is_loopback
from popheal.util.numbers import seconds, whole
from popheal.util.schema import TEXT, Rule, is_text, one_of
from popheal.util.secrets import Secret
from popheal.util.text import printable

#: How the connection is made safe: TLS from the first byte, ``STLS`` upon a plain one, or not.
TLS, STLS, PLAIN = "tls", "stls", "plain"
_USUAL_PORT: Final = {TLS: 995, STLS: 110, PLAIN: 110}
_HIGHEST_PORT: Final = 65535
_LONGEST: Final = 300

#: What a user name or a password must not have in it: it would begin a command of its own.
_ENDS_A_LINE: Final = frozenset("\r\n\0")


def _fits_a_line(text: str) -> bool:
    return not _ENDS_A_LINE & set(text)


def _is_password(value: Any) -> bool:
    return isinstance(value, Secret) and bool(value.reveal()) and _fits_a_line(value.reveal())


def _secret(value: Any) -> Any:
    return Secret(value) if isinstance(value, str) else value


_HOST: Final = Rule(
    "the name of a host, like pop.contoso.com, or an address",
    lambda value: is_text(value) and not set(value) & set(" /@\\\r\n\t\0"),
)
_PORT: Final = whole(1, 65_535)
_USERNAME: Final = Rule(
    "the user name of a test mailbox of your own, on one line",
    lambda value: is_text(value) and _fits_a_line(value),
)
#: Not shown, whatever it is.
_PASSWORD: Final = Rule(
    "a password, on one line",
    lambda value: (
        isinstance(value, Secret) and bool(value.reveal()) and _fits_a_line(value.reveal())
    ),
    quoted=False,
    raw=False,
)
_DEADLINE: Final = seconds(0.001, _LONGEST)


@frozen(kw_only=True)
class SecondOpinion:
    """An independent POP3 logon: where, and as whom.

    Attributes:
        host: What POP3 clients connect to: a name or an address. The certificate must be for it.
        tls: ``tls`` from the first byte on, ``stls`` (a plain connection that is turned into
            one), or ``plain``, which sends the password in clear text and is for loopback only.
        port: By default 995 for ``tls``, else 110.
        username: The account: a test mailbox of your own, never a health mailbox.
        password: Its password; it shows nowhere.
        ca_bundle: Path of a file with the authorities that may have signed the certificate;
            None for the system's.
        deadline: Seconds in which all of it has to be over, up to 300.

    Raises:
        InvalidValue: If a value can't be used. It never holds the password.
    """

    host: str = field(validator=_HOST, metadata={"example": '"pop.contoso.com"'})
    tls: str = field(default=TLS, validator=one_of(TLS, STLS, PLAIN))
    port: int = field(
        default=Factory(lambda self: _USUAL_PORT.get(self.tls, 995), takes_self=True),
        validator=_PORT,
    )
    username: str = field(validator=_USERNAME, metadata={"example": '"popheal@contoso.com"'})
    password: Secret = field(converter=_secret, validator=_PASSWORD)
    ca_bundle: str | None = field(default=None, validator=TEXT)
    deadline: float = field(default=20.0, validator=_DEADLINE)

    def __attrs_post_init__(self) -> None:
        if self.tls == PLAIN and not is_loopback(self.host):
            raise self._unfit(
                "tls",
                f"is 'plain', so the password would go to {self.host} in clear text",
                'Give "tls" or "stls".',
            )
        if "healthmailbox" in self.username.casefold():
            raise self._unfit(
                "username",
                "is a health mailbox, whose sessions popheal looks for in the POP3 log",
                "Give a test mailbox of your own.",
            )

    def _unfit(self, key: str, seen: str, next_step: str) -> InvalidValue:
        return InvalidValue(source=type(self).__name__, path=(key,), seen=seen, next_step=next_step)

    @property
    def where(self) -> str:
        """What is connected to, for people."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port} ({self.tls})"


class Answer(Enum):
    """What came of the logon."""

    WORKED = "worked"  #: The server accepted the account.
    REFUSED = "refused"  #: The server said no, in words of its own.
    COULD_NOT_TELL = "could_not_tell"  #: There was no such answer: nothing is known.


@frozen
class Opinion:
    """What a second opinion came to.

    It is told, and decides nothing. A front end passes each session on to the Mailbox server on
    which the mailbox's database is active at that moment: so a logon that worked proves nothing
    of the server under repair, least of all while that is drained; and one that was refused may
    have met another server, or an account whose password has changed.

    Attributes:
        answer: One of three.
        detail: What was said, or seen, on one line. The password is not in it.
    """

    answer: Answer
    detail: str = field(default="", converter=printable)


@frozen
class Consulted:
    """A second opinion, and whose it is: all that a report tells of it, and no password.

    Attributes:
        username: The account that logged on.
        where: At what, for people.
        opinion: What came of it.
    """

    username: str
    where: str
    opinion: Opinion

"""Who may ask for what over HTTP, and where. Nothing here needs the extra."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from attrs import field, frozen

from popheal.errors import InvalidValue
from popheal.util.addresses import is_loopback
from popheal.util.numbers import whole
from popheal.util.schema import FLAG, TEXT, Rule, is_text
from popheal.util.secrets import Secret

#: What a token may be good for.
LOOK: Final = "look"
ALERT: Final = "alert"
DECIDE: Final = "decide"
RIGHTS: Final[Mapping[str, str]] = {
    LOOK: "see healings, reports and metrics",
    ALERT: "raise alerts",
    DECIDE: "approve and refuse plans, and stop healings",
}
#: A token that is shorter could be guessed.
SHORTEST: Final = 24

_MAY: Final = Rule(
    f"a list of some of {', '.join(RIGHTS)}",
    lambda value: isinstance(value, (list, tuple)) and bool(value) and set(value) <= set(RIGHTS),
    read=tuple,
)


@frozen(kw_only=True)
class TokenSource:
    """Whose a token is, what it is good for, and where it is kept.

    Attributes:
        owner: The person, or the program, that has it: who approves with it is the owner.
        may: Some of ``look``, ``alert`` and ``decide``.
        token_env: Name of an environment variable with the token.
        keyring: The keyring service that has it, for the owner; True for the usual one.
    """

    owner: str = field(validator=TEXT, metadata={"example": '"ann"'})
    may: tuple[str, ...] = field(validator=_MAY, metadata={"example": '["look", "decide"]'})
    token_env: str | None = None
    keyring: Any = None


@frozen(kw_only=True)
class Token:
    """A token, with its owner and what it is good for."""

    owner: str
    may: frozenset[str]
    secret: Secret


@frozen(kw_only=True)
class ServeSettings:
    """What ``[serve]`` says.

    Attributes:
        host: The address to listen at.
        port: The port; 0 for any that is free.
        certificate: Path of a certificate with its chain, for TLS; None for none.
        certificate_key: Path of its key.
        without_tls: Whether others than this machine may ask in clear text, as where a proxy in
            front of it does TLS.
        tokens: Who may ask for what.

    Raises:
        InvalidValue: If tokens would cross a network readable by anyone.
    """

    host: str = field(default="127.0.0.1", validator=TEXT)
    port: int = field(default=8023, validator=whole(0, 65_535))
    certificate: str | None = field(default=None, validator=TEXT)
    certificate_key: str | None = field(default=None, validator=TEXT)
    without_tls: bool = field(default=False, validator=FLAG)
    tokens: tuple[TokenSource, ...] = field(default=(), converter=tuple)

    def __attrs_post_init__(self) -> None:
        if bool(self.certificate) != bool(self.certificate_key):
            raise _wrong("certificate", "and certificate_key belong together", "Give both.")
        if not (self.certificate or self.without_tls or is_loopback(self.host)):
            raise _wrong(
                "host",
                f"is {self.host}, so tokens would cross the network in clear text",
                "Give certificate and certificate_key; or, if a proxy in front of it does TLS, "
                "without_tls = true.",
            )


def _wrong(key: str, seen: str, next_step: str) -> InvalidValue:
    return InvalidValue(source="ServeSettings", path=(key,), seen=seen, next_step=next_step)


def is_token(text: str) -> bool:
    """Whether a text is long enough for a token, and can stand in a header."""
    return (
        is_text(text)
        and len(text) >= SHORTEST
        and text.isascii()
        and text.isprintable()
        and (" " not in text)
    )

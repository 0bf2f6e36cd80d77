"""What Kerberos says where logging on fails, in plain words, each with its own next step.

GSSAPI's own sentences come in the language of the machine and begin with "Unspecified GSS
failure". Its codes are the same everywhere: those of RFC 4120, section 7.5.9, and of MIT's
library, both counted from a base of their own.
"""

from __future__ import annotations

import importlib
import re
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from attrs import frozen

from popheal.errors import NotAuthorised


@frozen
class Reason:
    """Why a logon failed, and what to do."""

    cause: str
    next_step: str


_RENEW: Final = (
    "Get a ticket with kinit, or name a keytab that renews it by itself: "
    "KRB5_CLIENT_KTNAME=FILE:/path/to/keytab. What is waiting goes on as soon as there is one."
)
_NO_TICKET: Final = Reason("there is no Kerberos ticket for whoever runs this", _RENEW)

_WRONG: Final = Reason(
    "the password or the key in the keytab is wrong", "Check it, or make a new keytab."
)

#: The base of MIT's table of errors, of which the minor codes are made.
_BASE: Final = 2529638912
_EXPIRED: Final = 32
#: By number in that table.
_REASONS: Final = {
    6: Reason(
        "the KDC does not know this account",
        "Check the user name: user@REALM, the realm in capitals.",
    ),
    7: Reason(
        "the KDC does not know the service on that server",
        "Name the server as in Active Directory, fully qualified; and see with setspn -L whether "
        "it is known as HTTP/… or as host/…: negotiate_service says which is asked for.",
    ),
    18: Reason(
        "the account is locked or disabled", "Have the account unlocked in Active Directory."
    ),
    23: Reason("the account's password has expired", "Have it changed, then get a new ticket."),
    24: _WRONG,
    31: _WRONG,
    _EXPIRED: Reason("the Kerberos ticket has expired", _RENEW),
    37: Reason(
        "the clocks of this machine and of the KDC or the server are too far apart",
        "Set the clock of this machine: Kerberos allows five minutes.",
    ),
    154: Reason(
        "no KDC is known for the realm", "Name one in krb5.conf, or let DNS be asked for it."
    ),
    156: Reason("no KDC of the realm answers", "Check that the KDC is up, and port 88 to it open."),
}
_MINOR: Final = re.compile(r"Minor \((\d+)\)")
#: GSS_S_NO_CRED.
_NO_CREDENTIALS: Final = "Major (458752)"


def lasts(server: str, user: str | None, only_kerberos: bool) -> timedelta | None:
    """How long the ticket at hand lasts; None if a keytab renews it, or another way may be taken.

    Args:
        server: For whom it is asked, for errors.
        user: Whose ticket; None for the one of whoever runs this.
        only_kerberos: Whether there is no logging on without a ticket.

    Raises:
        NotAuthorised: There is none, or it has expired.
    """
    try:
        # Typed loosely, as it need not be there.
        gssapi: Any = importlib.import_module("gssapi")
        problem = gssapi.exceptions.GSSError
    except (ImportError, OSError):
        return None  # Windows has another library, which renews tickets by itself
    name = gssapi.Name(user, gssapi.NameType.user) if user else None
    with suppress(problem):
        # A cache that is empty is filled by a keytab, or not at all.
        store = {"ccache": f"MEMORY:popheal-{uuid4().hex}"}
        gssapi.Credentials(usage="initiate", name=name, store=store)
        return None
    reason = _NO_TICKET
    try:
        left = gssapi.Credentials(usage="initiate", name=name).lifetime
    except gssapi.exceptions.ExpiredCredentialsError:
        reason = _REASONS[_EXPIRED]
    except problem as error:
        if not only_kerberos:
            return None
        reason = reason_of(str(error)) or reason
    else:
        return None if left is None else timedelta(seconds=left)
    raise NotAuthorised(
        server=server, command="log on", cause=reason.cause, next_step=reason.next_step
    )


def reason_of_code(code: int) -> Reason | None:
    """What is meant by a code of MIT's library; None if it is not known."""
    # It is a number of 32 bits, which some take for one with a sign.
    return _REASONS.get(code % (1 << 32) - _BASE)


def reason_of(said: str) -> Reason | None:
    """What is meant by what pyspnego says; None if no code in it is known."""
    for code in _MINOR.findall(said):
        if found := reason_of_code(int(code)):
            return found
    return _NO_TICKET if _NO_CREDENTIALS in said else None

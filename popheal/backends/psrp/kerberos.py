"""What Kerberos says where logging on fails, in plain words, each with its own next step.

GSSAPI's own sentences come in the language of the machine and begin with "Unspecified GSS
failure". Its codes are the same everywhere: those of RFC 4120, section 7.5.9, and of MIT's
library, both counted from a base of their own.
"""

from __future__ import annotations

import re
from typing import Final

from attrs import frozen


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

#: The base of MIT's table of errors, of which the minor codes are made.
_BASE: Final = 2529638912
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
    24: Reason("the password or the key in the keytab is wrong", "Check it, or make a new keytab."),
    32: Reason("the Kerberos ticket has expired", _RENEW),
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


def reason_of(said: str) -> Reason | None:
    """What is meant by what pyspnego says; None if no code in it is known."""
    for code in _MINOR.findall(said):
        if found := _REASONS.get(int(code) - _BASE):
            return found
    return _NO_TICKET if _NO_CREDENTIALS in said else None

"""What else may stand in a POP3 protocol log beside the sessions of a probe."""

from __future__ import annotations

from typing import Annotated

from attrs import frozen

from popheal.util.schema import one_of


@frozen(kw_only=True)
class Oddities:
    """What is odd about the protocol logs of an organisation.

    Attributes:
        stranger: A client elsewhere types a user name with ``healthmailbox`` in it in the very
            seconds of a probe. Its logon is ``refused`` before it is proxied, or ``proxied`` to
            the last Mailbox server, where it fails.
        nameless: A failed session from the server itself that names no account.
        probe: The session of the probe is there.
        ids_begin_anew: When the service starts, session ids begin at their first again, without
            a new head in the file.
    """

    stranger: Annotated[str, one_of("none", "refused", "proxied")] = "none"
    nameless: bool = False
    probe: bool = True
    ids_begin_anew: bool = False

"""What is said to custodians, and what they say: plain records, as in messages.

A field is only ever added, with a default: histories outlive the popheal that wrote them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from attrs import frozen

#: An entry of the history, as an export of a journal has it.
Line = Mapping[str, Any]


@frozen(kw_only=True)
class Claimant:
    """Who claims something.

    Attributes:
        healing: The healing's id.
        workflow: Its workflow, and the first run of that, which stays the same.
    """

    healing: str
    workflow: str
    first_run: str


@frozen(kw_only=True)
class ClaimOrder:
    """A claim of what a custodian guards.

    Attributes:
        custodian: Its workflow id.
        only_look: Whether it is not to be claimed, even if it is free.
        entries: As in :class:`~popheal.temporal.messages.Command`.
    """

    custodian: str
    who: Claimant
    only_look: bool = False
    entries: tuple[Line, ...] = ()


@frozen(kw_only=True)
class TakeOver:
    """A right of a healing whose workflow has ended is to go to who settles it.

    Attributes:
        who: The same healing, by the workflow that settles it.
        instead_of: Who has it, and was seen to have ended.
    """

    custodian: str
    who: Claimant
    instead_of: Claimant | None = None


@frozen(kw_only=True)
class Begun:
    """An effect that a custodian has granted; see :class:`Begin`."""

    healing: str
    effect: str
    nonce: str
    server: str
    what: str
    at: datetime
    dag: str = ""
    revoked: bool = False


@frozen(kw_only=True)
class ClaimAnswer:
    """What a custodian says to a claim.

    Attributes:
        token: The fencing token, if it was granted; 0 if not, or if it was only asked.
        holder: Who else has it.
        alive: Whether the workflow of that one still runs.
        begun: Where it was granted, what others have done there in the last days. As long as it
            is held, nobody else adds to that.
    """

    token: int = 0
    holder: Claimant | None = None
    alive: bool = True
    begun: tuple[Begun, ...] = ()


@frozen(kw_only=True)
class Begin:
    """An effect is about to be commanded: may it?

    Attributes:
        healing: The healing's id.
        token: Of its claim.
        effect: Tells this effect from all others, whatever is replayed.
        nonce: Tells this execution from another one of the same effect.
        what: The method of the backend.
        dag: The group of the server; empty if none.
        at: When, by the healing's clock.
        revoked: Nobody may command it any more: whoever was to do so is silent.
    """

    healing: str
    token: int
    effect: str
    server: str
    what: str
    at: datetime
    dag: str = ""
    nonce: str = ""
    revoked: bool = False


@frozen(kw_only=True)
class BeginAnswer:
    """Whether an effect may be commanded.

    Attributes:
        granted: Yes: once, and to nobody else.
        begun: No, as it has begun already: nobody here knows what came of it.
        why: Why not, where it has not begun.
    """

    granted: bool = False
    begun: bool = False
    why: str = ""


@frozen(kw_only=True)
class Revoke:
    """An effect that nobody answers for is not to begin any more."""

    custodian: str
    begin: Begin
    entries: tuple[Line, ...] = ()


@frozen(kw_only=True)
class Release:
    """A healing gives up what it had claimed.

    Attributes:
        token: Of its claim: whoever goes on with it has another. 0 from workers of before.
    """

    healing: str
    token: int = 0


@frozen(kw_only=True)
class Custody:
    """What a custodian knows.

    Attributes:
        token: The last fencing token.
        holder: Who has what it guards; and since when.
        begun: The effects it has granted, those of the last days.
    """

    token: int = 0
    holder: Claimant | None = None
    since: datetime | None = None
    begun: tuple[Begun, ...] = ()

"""What is sent between workflows, activities and clients: plain records, JSON in every history.

A field is only ever added, with a default: histories outlive the popheal that wrote them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from attrs import field, frozen

#: An entry of the history, as an export of a journal has it.
Line = Mapping[str, Any]

ENGINE_QUEUE: Final = "popheal-engine"


def site_queue(site: str) -> str:
    """The task queue of the workers next to the servers of a site."""
    return f"popheal-site-{site}" if site else "popheal-site"


@frozen(kw_only=True)
class Pace:
    """How time passes: for tests, which wait for nothing.

    Attributes:
        speed: How many seconds of a healing pass in one of the Temporal server.
        simulated: Whether pauses are carried out by the site's worker, whose clock tells the time.
    """

    speed: float = 1.0
    simulated: bool = False


@frozen(kw_only=True)
class Settlement:
    """What is known of a healing whose workflow has ended without putting back what it changed.

    Attributes:
        healing: Its id, which it keeps.
        begun_by: Who had begun it, and by which process and popheal: as its journal has it.
        entries: What it has written down.
        custodians: Those whose right it has: of all of them, or nothing is done.
        effects: What it has had commanded, by the names that custodians know.
        not_before: Until then a command of its may be on the way.
    """

    healing: str
    begun_by: str
    process: str
    version: str
    entries: tuple[Line, ...]
    custodians: tuple[str, ...]
    effects: tuple[str, ...] = ()
    not_before: datetime | None = None


@frozen(kw_only=True)
class HealingOrder:
    """A healing that is asked for.

    Attributes:
        alert: What it answers, as JSON values; and the policy likewise.
        organisation: The organisation's name, as the backend of the site's workers has it.
        by: The account that asks for it.
        site: Whose workers look and act.
        second_opinion: Whether one is wanted, where the site's worker has been told how.
        listed: Whether the namespace has the search attributes that lists show.
        settles: The healing to be settled; None for a new one.
    """

    alert: Mapping[str, Any]
    policy: Mapping[str, Any]
    organisation: str
    by: str
    site: str = ""
    pace: Pace = Pace()
    second_opinion: bool = False
    listed: bool = False
    settles: Settlement | None = None


@frozen(kw_only=True)
class HealingResult:
    """How a healing ended.

    Attributes:
        report: The report, as JSON values.
        entries: The last entries of its history; those before have gone with its commands.
        head: The end of their chain.
        about: What an export says besides of this journal: its first lines.
    """

    report: Mapping[str, Any]
    entries: tuple[Line, ...] = ()
    head: str = ""
    about: tuple[Line, ...] = ()


# --- to the site's workers -----------------------------------------------------------------------


@frozen(kw_only=True)
class Command:
    """Something that the worker of a site is asked to do.

    Attributes:
        name: The look or the effect.
        args: What it is called with, as JSON values; the server first.
        organisation: The organisation: a worker of another one does nothing.
        policy: The healing's, as JSON values; only where a look needs it.
        under_repair: The servers to lead no way through.
        entries: What has been written down since the last command: with this one it is kept.
    """

    name: str
    args: tuple[Any, ...]
    organisation: str
    under_repair: tuple[str, ...] = ()
    entries: tuple[Line, ...] = ()


@frozen(kw_only=True)
class Guarded(Command):
    """An effect, and what must be granted right before it.

    Attributes:
        begin: The question to the custodian.
        custodian: The workflow id of the custodian.
        guard: A look that is repeated right before: by its name and arguments; empty for none.
        command_timeout: For how many seconds the healing waits for a command.
    """

    begin: Begin
    custodian: str
    guard: tuple[Any, ...] = ()
    command_timeout: float = 0.0


@frozen(kw_only=True)
class Polled(Command):
    """A look that is repeated while it answers the same.

    Attributes:
        seen: The answer that is known already; what is told about time apart.
        failed: The error that the look has failed with, by name; empty if it has not.
        every: Seconds from one look to the next, at first.
        slowest: How many times longer that becomes.
        left: Seconds to the deadline; and ``speed`` how many of them pass in a real one.
    """

    seen: Any = None
    failed: str = ""
    every: float = 15.0
    slowest: int = 1
    left: float = 0.0
    speed: float = 1.0


@frozen(kw_only=True)
class Answer:
    """What came of a look or an effect.

    Attributes:
        value: The answer, as JSON values.
        told: Whether there is one: a poll may end for an error, which the next look shows.
        at: What the worker's clock showed, where pauses are simulated.
    """

    value: Any = None
    told: bool = True
    at: datetime | None = None


@frozen(kw_only=True)
class Notice:
    """A healing is handed over to people: whom the site's worker notifies is told.

    Attributes:
        report: The report, as JSON values.
        head: The journal's last hash then.
        at: When, by the healing's clock.
    """

    healing: str
    report: Mapping[str, Any]
    at: datetime
    head: str | None = None


# --- to custodians -------------------------------------------------------------------------------


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
        entries: As in :class:`Command`.
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


# --- from people ---------------------------------------------------------------------------------


@frozen(kw_only=True)
class Decision:
    """A person's answer to what a healing asks, or a stop.

    Attributes:
        who: Who says so, for people: whoever may write to the namespace may say anything.
        plan: Hash of the plan that is answered; for a stop, empty.
        granted: Whether it may be carried out.
        why: In a few words.
    """

    who: str
    plan: str = ""
    granted: bool = True
    why: str = ""


@frozen(kw_only=True)
class Asked:
    """A plan that a healing waits to have approved."""

    plan: str
    run: str
    server: str
    impact: str
    expires_at: datetime
    planned: Mapping[str, Any] = field(factory=dict)


@frozen(kw_only=True)
class Progress:
    """How far a healing has come.

    Attributes:
        state: The state of the last run, like ``mailbox: draining``; empty before the first.
        events: What has happened, in words, the newest last.
        asked: What waits for an answer.
    """

    healing: str
    server: str
    state: str = ""
    verdict: str = ""
    events: tuple[str, ...] = ()
    asked: tuple[Asked, ...] = ()


@frozen(kw_only=True)
class Written:
    """What a healing has written down so far, as an export of a journal has it."""

    lines: tuple[Line, ...] = ()

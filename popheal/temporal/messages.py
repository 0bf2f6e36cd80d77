"""What is sent between workflows, activities and clients: plain records, JSON in every history.

A field is only ever added, with a default: histories outlive the popheal that wrote them.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from attrs import field, frozen

from popheal.temporal.custody import Begin, Begun, Line

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
        long: So many events are a long history; 0 leaves that to the server.
    """

    speed: float = 1.0
    simulated: bool = False
    long: int = 0


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
class Continued:
    """Where a healing stood when its workflow began a new history, as the present one was long.

    Attributes:
        version: popheal's, that has begun it: as its journal has it.
        parked: What the engine goes on with.
        entries: What has been written down.
        rights: The custodians whose right it has, each with its fencing token.
        begun: What others have done there lately.
        effects: What it has had commanded, by the names that custodians know.
        told: Its newest events, in words.
        stopped: Whether a person has said stop.
        began: When it began, by the server; ``at``: what the site's clock showed last, where time
            is simulated.
    """

    version: str
    parked: Mapping[str, Any]
    entries: tuple[Line, ...]
    rights: Mapping[str, int]
    began: datetime
    begun: tuple[Begun, ...] = ()
    effects: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    stopped: bool = False
    at: datetime | None = None


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
        tables: Tables that must be followed, by name and hash; of others, those that workers have.
        settles: The healing to be settled; None for a new one.
        continues: Where the workflow's last history has ended; None for its first.
    """

    alert: Mapping[str, Any]
    policy: Mapping[str, Any]
    organisation: str
    by: str
    site: str = ""
    pace: Pace = Pace()
    second_opinion: bool = False
    listed: bool = False
    tables: Mapping[str, str] = field(factory=dict)
    settles: Settlement | None = None
    continues: Continued | None = None


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

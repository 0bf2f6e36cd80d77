"""What is read from a journal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import Enum
from typing import Any, Final

from attrs import frozen

from popheal.errors import AlreadyEnded
from popheal.util.text import moment

#: What may come of a question.
GRANTED: Final = "granted"
REFUSED: Final = "refused"
EXPIRED: Final = "expired"


class Kind(Enum):
    """What an entry of the history says."""

    FINDING = "finding"  #: Triage saw something.
    RUN_STARTED = "run_started"
    INTENT = "intent"  #: An effect is about to be commanded.
    WAITING = "waiting"  #: A long pause begins; holds when it ends.
    OUTCOME = "outcome"  #: An action has been carried out, and the run has moved on.
    CANCELLED = "cancelled"  #: A person's stop has been heeded, and the run has moved on.
    ASKED = "asked"  #: A person is asked to approve.
    ANSWERED = "answered"
    TAKEN_OVER = "taken_over"  #: Another process goes on with the healing.


@frozen(kw_only=True)
class Entry:
    """One entry of the history.

    Attributes:
        seq: Its place in the journal.
        at: When, aware UTC, by the clock of the process that wrote it.
        healing: The healing.
        run: The run; empty outside one.
        server: The server it is about.
        kind: What it says.
        what: Of an intent the effect (a backend's method), of an outcome the action.
        outcome: What came of it.
        data: The rest, plain JSON values. ``run`` and ``memory`` hold the run as it then was.
    """

    seq: int
    at: datetime
    healing: str
    run: str
    server: str
    kind: Kind
    what: str
    outcome: str
    data: Mapping[str, Any]


@frozen(kw_only=True)
class HealingRecord:
    """One healing: the answer to one alert, with all its runs.

    Attributes:
        id: Tells it from all others; its runs are named after it.
        server: The alert's server.
        version: popheal's, when it began.
        alert: As JSON values.
        policy: As JSON values.
        owner: The process that carries it out, for people.
        alive: Whether that process still lives and is at work on it.
        cancel_at: When a person said stop, if one did.
        ended_at: When it ended; None while it has not.
        verdict: How it ended; empty while it has not.
        report: The report as JSON values, once it ended.
    """

    id: str
    organisation: str
    server: str
    version: str
    alert: Mapping[str, Any]
    policy: Mapping[str, Any]
    begun_at: datetime
    owner: str
    alive: bool
    cancel_at: datetime | None
    ended_at: datetime | None
    verdict: str
    report: Mapping[str, Any] | None

    def require_unfinished(self) -> None:
        """Raise AlreadyEnded if it has ended."""
        if self.ended_at is not None:
            how = f"{self.verdict}, {moment(self.ended_at)}"
            raise AlreadyEnded(healing=self.id, server=self.server, how=how)


def moment_as_text(at: datetime) -> str:
    """A time such that earlier ones sort before later ones."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")


def text_as_moment(text: str | None) -> datetime | None:
    """The time that was written; None for none."""
    return datetime.fromisoformat(text) if text else None

"""What a journal says of a healing as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from attrs import field, frozen

from popheal.errors import AlreadyEnded
from popheal.journal.rows import text_as_moment
from popheal.util.serialize import ADDED
from popheal.util.text import moment

#: The key of the alert's JSON that says who began the healing: no column, so that journals of
#: one version are all alike.
BEGUN_BY: Final = "begun_by"


@frozen(kw_only=True)
class HealingRecord:
    """One healing: the answer to one alert, with all its runs.

    Attributes:
        id: Tells it from all others; its runs are named after it.
        server: The alert's server.
        version: popheal's, when it began.
        alert: As JSON values, and the policy likewise.
        begun_by: The account that began it; empty where an older popheal wrote it.
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
    begun_by: str = field(default="", metadata=ADDED)

    def require_unfinished(self) -> None:
        """Raise AlreadyEnded if it has ended."""
        if self.ended_at is not None:
            how = f"{self.verdict}, {moment(self.ended_at)}"
            raise AlreadyEnded(healing=self.id, server=self.server, how=how)

    @property
    def alerted_at(self) -> datetime | None:
        """When the alert was issued, if it says so."""
        return text_as_moment(self.alert.get("at"))

    @property
    def retry_at(self) -> datetime | None:
        """When another try may go further, if the report says so."""
        return text_as_moment((self.report or {}).get("retry_at"))

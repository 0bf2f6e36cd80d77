"""What happens over HTTP, reported to observers."""

from __future__ import annotations

from attrs import frozen

from popheal.reports.events import Event


@frozen(kw_only=True)
class RequestAnswered(Event):
    """A request over HTTP was answered.

    Attributes:
        by: Whose token it had; None without one that is known.
        method: What was asked, and of which ``path``.
        status: The status of the answer.
        client: The address that it came from.
        refused: Why popheal refused it, where that is no mistake of the request.
    """

    name = "request_answered"
    by: str | None = None
    method: str
    path: str
    status: int
    client: str
    refused: str | None = None

"""What whoever raises an alert is told."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class Answer:
    """What is done about an alert.

    Attributes:
        what: ``heals`` (a healing has begun, or was resumed), ``waits`` (nothing is done now),
            ``nothing_unhealthy`` (the server was looked at, and no monitor that the runbook heals
            is Unhealthy there), ``could_not_look``, or ``not_taken`` (who carries healings out
            gives no answer, so it must be raised again).
        healing: The healing that has begun, or that is the reason; empty if there is none.
        why: Why nothing is done now, as a sentence without its full stop.
    """

    what: str
    healing: str = ""
    why: str = ""

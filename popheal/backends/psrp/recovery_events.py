"""From the events about Managed Availability's recovery actions to the actions."""

from __future__ import annotations

from collections.abc import Sequence

from attrs import evolve

from popheal.backends.psrp.parse import Row
from popheal.exchange import models

#: Events about recovery actions: what each says has happened to one.
_BEGAN, _ENDED, _THROTTLED = 500, (501, 502), 2051


def recovery_actions(events: Sequence[Row]) -> list[models.RecoveryAction]:
    """The actions that a server's events are about: a start and an end are one action.

    A time that can't be read is None. An event without what tells one action from another, or an
    end without result, is unreadable: it could be mistaken for something else.
    """
    actions: dict[tuple[str, ...], models.RecoveryAction] = {}
    for number, row in enumerate(sorted(events, key=lambda row: row.moment("TimeCreated"))):
        seen, kind = _recovery_action(row), row.count("EventId")
        # Nothing joins throttled ones: each is an attempt of its own.
        own = seen.instance or str(number)
        key = tuple(text.casefold() for text in (own, seen.action, seen.resource))
        known = actions.get(key)
        if known is not None:
            last = known if kind == _BEGAN else seen
            seen = evolve(
                last,
                started=known.started or seen.started,
                expected_finish=known.expected_finish or seen.expected_finish,
            )
        actions[key] = seen
    return list(actions.values())


def _recovery_action(row: Row) -> models.RecoveryAction:
    """What one event alone says."""
    kind = row.count("EventId")
    seen = models.RecoveryAction(
        server=row.server,
        action=row.text("Id", "ActionId"),
        resource=row.maybe_text("ResourceName") or "",
        requester=row.maybe_text("RequestorName", "RequesterName") or "",
        started=row.maybe_moment("StartTime"),
    )
    if kind == _THROTTLED:
        return evolve(seen, started=row.moment("TimeCreated"), throttled=True)
    seen = evolve(seen, instance=row.text("InstanceId"))
    if kind == _BEGAN:
        expected = row.maybe_moment("ExpectedToFinishAt") or row.maybe_moment("EndTime")
        return evolve(seen, expected_finish=expected)
    if kind in _ENDED:
        return evolve(seen, finished=row.maybe_moment("EndTime"), result=row.text("Result"))
    raise row.fail(f"EventId is {row.maybe_text('EventId')!r}, which is not about an action")

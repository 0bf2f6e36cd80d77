"""What the rows of the POP health sets, and the components, mean for POP."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from popheal.exchange.interpret import WHOLE_SERVER, is_unhealthy, rows_of, value_since
from popheal.exchange.models import (
    ComponentState,
    MonitorHealth,
)
from popheal.healthsets.pop.catalog import (
    HEALTH_SETS,
    LOGON_MONITORS,
    MONITORS,
    POP_PROXY_COMPONENT,
    Monitor,
    find_monitor,
)

_POP: Final = {name.casefold() for name in HEALTH_SETS}


def pop_rows(server: str, rows: Iterable[MonitorHealth]) -> list[MonitorHealth]:
    """The rows of the three POP health sets of that server (erratum D5)."""
    return rows_of(server, (row for row in rows if row.health_set.casefold() in _POP))


def is_row_of(monitor: Monitor, row: MonitorHealth) -> bool:
    """Whether the row is of that monitor; a monitor may have a row for each of its targets."""
    return monitor_of(row) == monitor.name.casefold()


def monitor_of(row: MonitorHealth) -> str:
    """The monitor that a row is of, without case."""
    known = find_monitor(row.monitor)  # by the runbook's own misspellings too (D2)
    return (known.name if known else row.monitor).casefold()


#: Monitors are evaluated every few minutes; an older row tells of an older time. By the server's
#: own clock, so it is no matter of a policy's waits.
EVALUATED_WITHIN: Final = timedelta(minutes=30)


def serves_pop(
    server: str, rows: Sequence[MonitorHealth], now: datetime, utc_offset: float | None = None
) -> bool:
    """Whether a server's POP monitors all say Healthy, lately, with their component online.

    Args:
        server: Name of the server.
        rows: Its rows, as they came.
        now: The time by the server's own clock.
        utc_offset: Seconds by which its zone is ahead of UTC; None if it isn't known.
    """
    mine = [row for row in pop_rows(server, rows) if find_monitor(row.monitor)]
    offline = any(row.state.casefold() == "offline" for row in mine)
    return not offline and value_since(mine, now - EVALUATED_WITHIN, utc_offset) == "healthy"


def is_maintenance(component: ComponentState, requesters: list[str]) -> bool:
    """Whether an inactive component says that somebody is working on the server.

    Only of those that :func:`holds` is true of; of all others, inactivity means nothing for POP.
    """
    name = component.component.casefold()
    if name in _HANDS_OFF or name == WHOLE_SERVER:
        return True  # the whole server takes PopProxy along, whoever's name was given
    if name not in _HOLDING:
        return False
    if not requesters:  # Nobody can be named: somebody's work, except where POP itself is off.
        return name != POP_PROXY_COMPONENT.casefold()
    return any(who.casefold() != "healthapi" for who in requesters)


def holds(component: ComponentState) -> bool:
    """Whether POP must be left alone while this component is inactive.

    ``OwaProxy`` and the like can be off for months without concerning POP: they are reported.
    """
    return component.component.casefold() in _HOLDING


#: Inactive here: the owner has told Managed Availability not to act, and means us too.
_HANDS_OFF: Final = {"monitoring", "recoveryactionsenabled"}
#: The whole server, POP itself, the taking over of databases, and the two above.
_HOLDING: Final = {
    *_HANDS_OFF,
    WHOLE_SERVER,
    "highavailability",
    POP_PROXY_COMPONENT.casefold(),
}


# --- what other monitors say about a monitor of POP ----------------------------------------------


def unhealthy_mailbox_side(server: str, rows: Iterable[MonitorHealth]) -> list[str]:
    """Which monitors of the mailbox side (deep test, self test) are Unhealthy on that server."""
    mine = pop_rows(server, rows)
    return [
        monitor.name
        for monitor in MONITORS
        if monitor.mailbox_side
        and any(is_row_of(monitor, row) and is_unhealthy(row) for row in mine)
    ]


def failing_protocols(server: str, rows: Iterable[MonitorHealth]) -> dict[str, str]:
    """The other protocols whose logon test is Unhealthy on that server.

    Returns:
        By protocol, the monitor that says so, as ``HealthSet\\Monitor``.
    """
    found: dict[str, str] = {}
    for row in rows_of(server, rows):
        family = row.health_set.casefold()
        for protocol, (health_set, monitors) in LOGON_MONITORS.items():
            alike = family == health_set.casefold() or family.startswith(
                f"{health_set}.".casefold()
            )
            if alike and row.monitor.casefold() in monitors and is_unhealthy(row):
                found.setdefault(protocol, f"{row.health_set}\\{row.monitor}")
    return found

"""What the rows of Get-ServerHealth say about the catalogued monitors (Verifying 2.1, 2.2)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from attrs import frozen

from popheal.exchange.interpret import alert_value
from popheal.exchange.models import MonitorHealth
from popheal.healthsets.pop.catalog import Monitor, find_monitor
from popheal.healthsets.pop.health import monitor_of, pop_rows
from popheal.reports.report import Finding, FindingKind

#: What to call a value; any other counts as "could not tell".
_CLASSES = {"healthy", "unhealthy", "degraded", "repairing", "disabled"}
#: The worst first: a monitor with several targets is as ill as its worst row.
_WORST_FIRST = ("unhealthy", "degraded", "repairing", "could_not_tell", "healthy", "disabled")


@frozen(kw_only=True)
class Rows:
    """The POP rows of one server, sorted by what they say.

    Attributes:
        by_class: The catalogued monitors under ``healthy``, ``unhealthy``, ``degraded``,
            ``repairing``, ``disabled`` and ``could_not_tell``.
        without_recipe: Unhealthy rows of monitors that the runbook does not know.
        offline: Rows that look well while their server component is offline.
        all_rows: Every row of the server, of other health sets too.
    """

    by_class: dict[str, list[Monitor]]
    without_recipe: list[MonitorHealth]
    offline: list[MonitorHealth]
    all_rows: list[MonitorHealth]

    def are(self, what: str) -> list[Monitor]:
        """The monitors of that class, in the order of healing."""
        return self.by_class.get(what, [])


def sort_rows(server: str, monitors: Sequence[Monitor], rows: Sequence[MonitorHealth]) -> Rows:
    """Sort the rows of one server; rows of other servers are dropped (erratum D5)."""
    mine = pop_rows(server, rows)
    said: dict[str, set[str]] = {}
    for row in mine:
        said.setdefault(monitor_of(row), set()).add(_class_of(row))
    by_class: dict[str, list[Monitor]] = {}
    for monitor in monitors:
        classes = said.get(monitor.name.casefold(), ())
        worst = next((one for one in _WORST_FIRST if one in classes), None)
        if worst:
            by_class.setdefault(worst, []).append(monitor)
    return Rows(
        by_class=by_class,
        without_recipe=[
            row for row in mine if not find_monitor(row.monitor) and _class_of(row) == "unhealthy"
        ],
        offline=[
            row
            for row in mine
            if row.state.casefold() == "offline" and _class_of(row) in ("healthy", "could_not_tell")
        ],
        all_rows=list(rows),
    )


def _class_of(row: MonitorHealth) -> str:
    value = alert_value(row)
    return value if value in _CLASSES else "could_not_tell"


def describe(server: str, rows: Rows) -> Iterable[Finding]:
    """One finding for each class of monitors that is worth telling."""
    kinds = {
        "unhealthy": (FindingKind.UNHEALTHY, "is Unhealthy"),
        "degraded": (FindingKind.COULD_NOT_TELL, "is Degraded: not yet known to be unhealthy"),
        "could_not_tell": (FindingKind.COULD_NOT_TELL, "is unavailable, stale or unreadable"),
        "repairing": (FindingKind.REPAIRING, "is marked Repairing by an administrator"),
        "disabled": (FindingKind.LEFT_ALONE, "is disabled by an administrator"),
    }
    for what, (kind, says) in kinds.items():
        for monitor in rows.are(what):
            yield Finding(
                kind=kind, server=server, monitor=monitor.name, detail=f"{monitor.name} {says}"
            )
    for row in rows.without_recipe:
        yield Finding(
            kind=FindingKind.NO_RECIPE,
            server=server,
            monitor=row.monitor,
            detail=f"{row.health_set}\\{row.monitor} is Unhealthy, and the runbook has no recipe",
            next_step="Read the monitor's message; no procedure of popheal applies to it.",
        )

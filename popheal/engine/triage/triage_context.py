"""What triage has seen of a server so far, and what its blockers answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Final

from attrs import define, field

from popheal.engine.context import HealingContext
from popheal.engine.requests import Logic
from popheal.engine.triage.health import Rows
from popheal.exchange.interpret import rows_of
from popheal.exchange.models import MonitorHealth, RecoveryAction, ServerInfo, ServiceStatus
from popheal.healthsets.pop.catalog import Monitor
from popheal.healthsets.pop.health import is_row_of, pop_rows
from popheal.reports.report import Finding, FindingKind
from popheal.tables.table import Verdict

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@define(kw_only=True)
class TriageContext:
    """What triage has seen of the server so far.

    Attributes:
        disrupting: It is asked right before the server is taken out of service. Then a nearer
            cause elsewhere lifts no brake: it would be no reason to restart *this* server.
        utc_offset: Seconds by which the server's zone is ahead of UTC; None if it isn't known.
        server_rows: Rows of other servers that were asked already, by name; None for one that did
            not answer.
        healed_behind: Mailbox servers that were healed just now: rows that they explain may lag.
        nearer: By monitor, the Mailbox servers that were found to explain it.
    """

    session: HealingContext
    info: ServerInfo
    rows: Rows
    suspects: list[Monitor]
    findings: list[Finding]
    setup_running: bool = False
    server_time: datetime = _LONG_AGO
    boot_time: datetime = _LONG_AGO
    utc_offset: float | None = None
    services: list[ServiceStatus] = field(factory=list)
    actions: Sequence[RecoveryAction] = ()
    dag: str | None = None
    disrupting: bool = False
    servers: Sequence[ServerInfo] | None = None
    server_rows: dict[str, Sequence[MonitorHealth] | None] = field(factory=dict)
    healed_behind: tuple[str, ...] = ()
    nearer: dict[str, tuple[str, ...]] = field(factory=dict)

    def note(
        self,
        kind: FindingKind,
        detail: str,
        next_step: str = "",
        monitor: Monitor | None = None,
    ) -> Finding:
        """A finding about the server, or about one of its monitors."""
        return Finding(
            kind=kind,
            server=self.info.fqdn,
            detail=detail,
            next_step=next_step,
            monitor=monitor.name if monitor else None,
        )

    def own_rows(self) -> list[MonitorHealth]:
        """The rows of this server, of every health set."""
        return rows_of(self.info.fqdn, self.rows.all_rows)

    def rows_of(self, monitor: Monitor) -> list[MonitorHealth]:
        """The rows of that monitor on this server."""
        mine = pop_rows(self.info.fqdn, self.rows.all_rows)
        return [row for row in mine if is_row_of(monitor, row)]


#: Why not, and how it ends.
Stop = tuple[Finding, Verdict]
#: A reason to leave the whole server alone.
ServerBlocker = Callable[[TriageContext], Logic[Stop | None]]
#: A reason to leave one monitor alone.
MonitorBlocker = Callable[[TriageContext, Monitor], Awaitable["Stop | None"]]

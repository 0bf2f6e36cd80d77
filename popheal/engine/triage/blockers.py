"""Reasons to touch nothing although a monitor is unhealthy. Each is only a look.

A blocker returns a finding and the verdict it leads to, or None; it raises BackendError if it
can't be told. They are asked in the order of the table at the end; the first that holds decides.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

from attrs import define, field

from popheal.engine.context import HealingContext, RunContext
from popheal.engine.looks.managed_availability import (
    NOT_HEEDED,
    described,
    recent_actions,
    under_way,
)
from popheal.engine.looks.retry import retry_call
from popheal.engine.requests import Logic, call
from popheal.engine.triage.health import Rows, sort_rows
from popheal.errors import BackendError
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import OVERDUE_AFTER, inactive_components, is_unhealthy, rows_of
from popheal.exchange.models import ServerInfo, ServiceStatus
from popheal.exchange.names import same_server
from popheal.healthsets.pop.catalog import MONITORS, POP_PROXY_COMPONENT, Monitor
from popheal.healthsets.pop.health import is_maintenance, is_row_of, pop_rows
from popheal.reports.report import Finding, FindingKind
from popheal.tables.table import Verdict

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


@define(kw_only=True)
class TriageContext:
    """What triage has seen of the server so far."""

    session: HealingContext
    info: ServerInfo
    rows: Rows
    suspects: list[Monitor]
    findings: list[Finding]
    setup_running: bool = False
    server_time: datetime = _LONG_AGO
    boot_time: datetime = _LONG_AGO
    services: list[ServiceStatus] = field(factory=list)
    dag: str | None = None

    def note(self, kind: FindingKind, detail: str, next_step: str = "") -> Finding:
        """A finding about the server."""
        return Finding(kind=kind, server=self.info.fqdn, detail=detail, next_step=next_step)


Stop = tuple[Finding, Verdict]
Blocker = Callable[[TriageContext], Logic[Stop | None]]


async def setup_running(context: TriageContext) -> Stop | None:
    """Somebody is patching."""
    if not context.setup_running:
        return None
    return (
        context.note(
            FindingKind.SETUP_RUNNING,
            "Exchange Setup is running on the server",
            "Let Setup finish, then look again.",
        ),
        Verdict.HELD,
    )


async def component_states(context: TriageContext) -> Stop | None:
    """Somebody is maintaining the server, or PopProxy is inactive (D14, KB 3025138)."""
    seen = await retry_call(context.session, Backend.component_states, context.info.fqdn)
    inactive = inactive_components(seen)
    # Maintenance explains an inactive PopProxy, so it is looked for first; and who is named
    # explains those whose requester can't be read.
    inactive.sort(key=lambda one: not one[1])
    for component, who in inactive:
        if is_maintenance(component, who):
            return (
                context.note(
                    FindingKind.MAINTENANCE,
                    f"{component.component} is {component.state} (requested by "
                    f"{', '.join(who) or 'a requester that could not be read'})",
                    "Somebody is working on the server. Let them finish, then look again.",
                ),
                Verdict.HELD,
            )
    for component, who in inactive:
        if component.component.casefold() == POP_PROXY_COMPONENT.casefold():
            requester = who[0] if len(who) == 1 else "<requester>"
            return (
                context.note(
                    FindingKind.COMPONENT_INACTIVE,
                    f"PopProxy is {component.state} (requested by "
                    f"{', '.join(who) or 'unknown'}): no restart or reboot helps",
                    f"Find out why, then Set-ServerComponentState -Identity {context.info.fqdn} "
                    f"-Component PopProxy -State Active -Requester {requester}, and restart POP3.",
                ),
                Verdict.ESCALATED,
            )
        context.findings.append(
            context.note(
                FindingKind.NOTE,
                f"{component.component} is {component.state} (requested by "
                f"{', '.join(who) or 'unknown'})",
            )
        )
    return None


async def drained(context: TriageContext) -> Stop | None:
    """Somebody else has disabled database activation on the server."""
    if not context.info.mailbox_role:
        return None
    seen = await retry_call(context.session, Backend.mailbox_server, context.info.fqdn)
    context.dag = seen.dag
    if seen.auto_activation_policy.casefold() == "blocked":
        context.findings.append(
            context.note(
                FindingKind.NOTE,
                "DatabaseCopyAutoActivationPolicy is Blocked, so the server will not be rebooted",
            )
        )
    if not seen.activation_disabled:
        return None
    return (
        context.note(
            FindingKind.DRAINED,
            "DatabaseCopyActivationDisabledAndMoveNow is set already, not by this healing",
            "Find out who drained the server. When they are done: Set-MailboxServer "
            f"{context.info.fqdn} -DatabaseCopyActivationDisabledAndMoveNow $false.",
        ),
        Verdict.HELD,
    )


async def repairing(context: TriageContext) -> Stop | None:
    """An administrator has said: I am on it."""
    marked = [monitor.name for monitor in context.rows.are("repairing")]
    if not marked:
        return None
    return (
        context.note(
            FindingKind.REPAIRING,
            f"{', '.join(marked)}: marked Repairing, somebody is on it",
            "When they are done, Set-ServerMonitor -Repairing $false.",
        ),
        Verdict.HELD,
    )


async def managed_availability(context: TriageContext) -> Stop | None:
    """The product is healing the server by itself right now: let it."""
    if not context.session.policy.heed_managed_availability:
        return None
    try:
        actions = await recent_actions(context.session, context.info.fqdn, context.server_time)
    except BackendError as error:
        next_step = f"{error.next_step} {NOT_HEEDED}".strip()
        unread = context.note(FindingKind.COULD_NOT_TELL, error.sentence(), next_step)
        return unread, Verdict.UNKNOWN
    acting = under_way(actions, context.server_time, context.boot_time)
    if not acting:
        return None
    done_by = acting.expected_finish
    if done_by:
        left = done_by + OVERDUE_AFTER - context.server_time
        context.session.retry_at = context.session.clock.now() + left
    return (
        context.note(
            FindingKind.MANAGED_AVAILABILITY,
            f"Managed Availability is at work on the server: {described(acting)}",
            "Let it end, then look again.",
        ),
        Verdict.HELD,
    )


async def dependency(context: TriageContext) -> Stop | None:
    """Something that POP needs is unhealthy: healing POP would not help."""
    for monitor in context.suspects:
        for name in monitor.dependencies:
            health_sets = {
                one.casefold() for one in context.session.policy.dependencies.get(name, ())
            }
            for row in rows_of(context.info.fqdn, context.rows.all_rows):
                if row.health_set.casefold() in health_sets and is_unhealthy(row):
                    return (
                        context.note(
                            FindingKind.DEPENDENCY,
                            f"{monitor.name} depends on {name}, and "
                            f"{row.health_set}\\{row.monitor} is Unhealthy",
                            f"Heal the health set {row.health_set} first.",
                        ),
                        Verdict.ESCALATED,
                    )
    return None


async def siblings(context: TriageContext) -> Stop | None:
    """Several servers fail alike: the cause is elsewhere, and healing each would be harm."""
    servers = await retry_call(context.session, Backend.all_servers, context.info.fqdn)
    asked: list[tuple[str, set[str]]] = []
    for one in servers:
        if one.unreadable:
            said = f"{one.fqdn} is not compared, as its row can't be read: {one.unreadable}"
            context.findings.append(context.note(FindingKind.NOTE, said))
        if same_server(one.fqdn, context.info.fqdn) or not _alike(one, context.info):
            continue
        try:
            rows = await call(Backend.server_health, one.fqdn)
        except BackendError as error:
            context.findings.append(
                context.note(FindingKind.NOTE, f"sibling {one.fqdn} could not be asked: {error}")
            )
            continue
        mine = pop_rows(one.fqdn, rows)
        asked.append(
            (
                one.fqdn,
                {
                    monitor.name
                    for monitor in context.suspects
                    if any(is_row_of(monitor, row) and is_unhealthy(row) for row in mine)
                },
            )
        )
    for monitor in context.suspects:
        ill = [server for server, names in asked if monitor.name in names]
        if ill and len(ill) >= context.session.policy.sibling_share * len(asked):
            return (
                context.note(
                    FindingKind.SIBLINGS,
                    f"{monitor.name} is Unhealthy on {', '.join(ill)} too "
                    f"({len(ill)} of {len(asked)} other servers)",
                    "Look for what they share: network, name service, certificate, load balancer.",
                ),
                Verdict.ESCALATED,
            )
    return None


async def why_blocked(work: RunContext) -> Stop | None:
    """The blockers asked again in the middle of a run: the first that holds now.

    All but :func:`drained`: the run itself may have drained the server.

    Raises:
        BackendError: If one can't be told.
    """
    session, server = work.session, work.server
    rows = await retry_call(session, Backend.server_health, server)
    host = await retry_call(session, Backend.host_status, server)
    context = TriageContext(
        session=session,
        info=work.info,
        rows=sort_rows(server, MONITORS, rows),
        suspects=[work.monitor],
        findings=[],
        setup_running=host.setup_running,
        server_time=host.local_time,
        boot_time=host.boot_time,
        dag=work.dag,
    )
    for blocker in BLOCKERS:
        if blocker is not drained and (stop := await blocker(context)):
            return stop
    return None


def _alike(one: ServerInfo, other: ServerInfo) -> bool:
    roles = (one.mailbox_role, one.client_access_role)
    return roles == (other.mailbox_role, other.client_access_role) and one.site == other.site


#: In the order in which they are asked; the cheap ones and the certain ones first.
BLOCKERS: Final[tuple[Blocker, ...]] = (
    repairing,
    setup_running,
    component_states,
    drained,
    managed_availability,
    dependency,
    siblings,
)

"""What other servers' monitors say: each is asked once, and no more than a few."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from popheal.engine.looks.retry import retry_call
from popheal.engine.requests import call, open_ahead
from popheal.engine.triage.triage_context import TriageContext
from popheal.errors import BackendError
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import (
    backends_named_in,
    find_service,
    inactive_components,
    is_running,
    is_unhealthy,
)
from popheal.exchange.models import MonitorHealth, ServerInfo, ServiceStatus
from popheal.exchange.names import same_server, short_name
from popheal.healthsets.pop.catalog import POP3_BACK_END, Monitor
from popheal.healthsets.pop.health import (
    is_maintenance,
    is_row_of,
    pop_rows,
    unhealthy_mailbox_side,
)
from popheal.reports.report import FindingKind

#: As many servers as a database availability group may have. In a larger organisation the nearest
#: are asked: those that the monitor names, then those of the same site.
MOST_ASKED: Final = 16


async def failing_alike(context: TriageContext, monitor: Monitor) -> tuple[list[str], int]:
    """The other servers of the same roles and site with this monitor Unhealthy; how many answered.

    One that somebody is working on is Unhealthy for that, so it is not compared.

    Raises:
        BackendError: If the servers of the organisation can't be listed.
    """
    alike = await _choose(context, monitor, lambda one: _are_alike(one, context.info))
    asked = [(one, rows) for one in alike if (rows := await _rows_of(context, one)) is not None]
    ill = [one.fqdn for one, rows in asked if _is_failing(monitor, one.fqdn, rows)]
    in_work = [one for one in ill if await _is_in_maintenance(context, one)]
    return [one for one in ill if one not in in_work], len(asked) - len(in_work)


async def _is_in_maintenance(context: TriageContext, server: str) -> bool:
    """Whether its components say so; not if they can't be read, as then it is compared."""
    try:
        inactive = inactive_components(await call(Backend.component_states, server))
    except BackendError:
        return False
    said = [one.component for one, who in inactive if is_maintenance(one, who)]
    if said:
        why = f"{short_name(server)} is not compared, as it is in maintenance ({', '.join(said)})"
        context.findings.append(context.note(FindingKind.NOTE, why))
    return bool(said)


async def nearer_cause(context: TriageContext, monitor: Monitor) -> tuple[str, ...]:
    """The Mailbox servers that explain a failing end-to-end test, by themselves.

    That test goes through the front end to a Mailbox server: where the own test of such a server
    fails, the front ends fail with it, all of them, and the way of the runbook (CTP 3.5, 3.6)
    leads there. A server whose likes fail with it explains nothing: it has the same cause.

    Raises:
        BackendError: If the servers of the organisation can't be listed.
    """
    if not monitor.through_back_end:
        return ()
    if monitor.name not in context.nearer:
        found = await _look_behind(context, monitor)
        context.nearer[monitor.name] = found or context.healed_behind
    return context.nearer[monitor.name]


async def _look_behind(context: TriageContext, monitor: Monitor) -> tuple[str, ...]:
    behind = await _choose(context, monitor, lambda one: one.mailbox_role)
    asked = [(one, rows) for one in behind if (rows := await _rows_of(context, one)) is not None]
    if context.info.mailbox_role:
        asked.append((context.info, context.own_rows()))
    ill = {one.fqdn for one, rows in asked if unhealthy_mailbox_side(one.fqdn, rows)}
    return tuple(
        one.fqdn
        for one, _ in asked
        if one.fqdn in ill and not _fails_with_its_likes(context, one, [it for it, _ in asked], ill)
    )


async def back_ends_down(context: TriageContext, monitor: Monitor) -> dict[str, ServiceStatus]:
    """The Mailbox servers whose POP3 back end does not run, where the test goes through one.

    It only adds to what is told: a server that can't be asked is noted, and left out.

    Raises:
        BackendError: If the servers of the organisation can't be listed.
    """
    if not monitor.through_back_end:
        return {}
    seen = {context.info.fqdn: context.services}
    others = await _choose(context, monitor, lambda one: one.mailbox_role)
    if others:
        await open_ahead(others[0].fqdn, [one.fqdn for one in others[1:]])
    for one in others:
        try:
            seen[one.fqdn] = list(await call(Backend.services, one.fqdn, (POP3_BACK_END,)))
        except BackendError as error:
            said = f"{short_name(one.fqdn)} could not be asked about {POP3_BACK_END}: {error}"
            context.findings.append(context.note(FindingKind.NOTE, said))
    back_ends = {server: find_service(POP3_BACK_END, services) for server, services in seen.items()}
    return {name: one for name, one in back_ends.items() if one and not is_running(one)}


def _fails_with_its_likes(
    context: TriageContext, server: ServerInfo, asked: Sequence[ServerInfo], ill: set[str]
) -> bool:
    likes = [one for one in asked if one.fqdn != server.fqdn and _are_alike(one, server)]
    too = sum(one.fqdn in ill for one in likes)
    return too > 0 and weighs(context, too, len(likes))


def weighs(context: TriageContext, ill: int, asked: int) -> bool:
    """Whether so many of the servers that were asked are enough to look for a shared cause."""
    share = context.session.policy.sibling_share
    return share > 0 and ill > 0 and ill >= share * asked


async def _choose(
    context: TriageContext, monitor: Monitor, wanted: Callable[[ServerInfo], bool]
) -> list[ServerInfo]:
    """Other servers to ask, the nearest first; those that the monitor's own error names lead."""
    if context.servers is None:
        everybody = await retry_call(context.session, Backend.all_servers, context.info.fqdn)
        context.servers = [one for one in everybody if not same_server(one.fqdn, context.info.fqdn)]
        for one in context.servers:
            if one.unreadable:
                said = f"{one.fqdn} is not compared, as its row can't be read: {one.unreadable}"
                context.findings.append(context.note(FindingKind.NOTE, said))
    named = [name for row in context.rows_of(monitor) for name in backends_named_in(row.error)]

    def distance(one: ServerInfo) -> tuple[bool, bool, str]:
        is_named = any(same_server(name, one.fqdn) for name in named)
        return not is_named, one.site != context.info.site, one.fqdn.casefold()

    return sorted(filter(wanted, context.servers), key=distance)[:MOST_ASKED]


async def _rows_of(context: TriageContext, server: ServerInfo) -> Sequence[MonitorHealth] | None:
    if server.fqdn not in context.server_rows:
        try:
            rows = await call(Backend.server_health, server.fqdn)
        except BackendError as error:
            said = f"{short_name(server.fqdn)} could not be asked about its monitors: {error}"
            context.findings.append(context.note(FindingKind.NOTE, said))
            rows = None
        context.server_rows[server.fqdn] = rows
    return context.server_rows[server.fqdn]


def _is_failing(monitor: Monitor, server: str, rows: Sequence[MonitorHealth]) -> bool:
    mine = pop_rows(server, rows)
    return any(is_row_of(monitor, row) and is_unhealthy(row) for row in mine)


def _are_alike(one: ServerInfo, other: ServerInfo) -> bool:
    roles = (one.mailbox_role, one.client_access_role)
    return roles == (other.mailbox_role, other.client_access_role) and one.site == other.site

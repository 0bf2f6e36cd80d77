"""What is looked at of POP, and of Managed Availability: the very rows that decide later."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from popheal.engine.limits import seconds_needed
from popheal.engine.looks.component import serves_no_loopback
from popheal.engine.plan import ROLES
from popheal.engine.requests import call, logon_lasts
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import alert_value, evaluated_after, inactive_components
from popheal.exchange.models import MonitorHealth, ServerInfo
from popheal.exchange.moments import possible_moments
from popheal.healthsets.pop import PROCEDURES
from popheal.healthsets.pop.catalog import HEALTH_MANAGER, HEALTH_SETS, MONITORS, Monitor
from popheal.healthsets.pop.health import EVALUATED_WITHIN, holds, is_row_of, pop_rows
from popheal.readiness.subject import Answer, Subject, bad, good
from popheal.util.text import span

#: With these nothing can be said of a monitor, or it says nothing by itself.
_SILENT: Final = ("disabled", "unavailable", "uninitialized")


async def server(subject: Subject) -> Sequence[Answer]:
    info = await call(Backend.server_info, subject.server)
    subject.info = info
    roles = [
        name
        for has, name in (
            (info.mailbox_role, "Mailbox"),
            (info.client_access_role, "Client Access"),
        )
        if has
    ]
    said = ", ".join(part for part in (" and ".join(roles), info.version, info.site) if part)
    if roles:
        return [good(f"{info.fqdn}: {said}")]
    return [
        bad(
            f"{info.fqdn}: {said}" if said else info.fqdn,
            "it has neither the Mailbox nor the Client Access role, so POP is no matter of it",
            "Leave it out of what is checked and watched.",
        )
    ]


async def ticket(subject: Subject) -> Sequence[Answer]:
    """What popheal logs on with, where it has an end; of any server, as it is the same for all."""
    left = await logon_lasts(subject.server)
    if left is None:
        return []  # none is needed, or it renews itself
    seconds, policy = left.total_seconds(), subject.policy
    needed = max(seconds_needed(one, role, policy) for one in PROCEDURES.values() for role in ROLES)
    said = f"lasts for {span(max(0.0, seconds))}"
    if seconds >= needed:
        return [good(said)]
    return [
        bad(
            said,
            f"a healing may take {span(needed)}, and none is begun that the ticket does not "
            "outlast",
            "Get a new ticket (kinit), or let a keytab renew it by itself: "
            "KRB5_CLIENT_KTNAME=FILE:/path/to/keytab.",
        )
    ]


async def servers(subject: Subject) -> Sequence[Answer]:
    found = await call(Backend.all_servers, subject.server)
    unread = [one for one in found if one.unreadable]
    if not unread:
        return [good(f"{len(found)} servers, each with a row that can be read")]
    return [
        bad(
            "its row can't be read",
            one.unreadable,
            f"See what Get-ExchangeServer {one.fqdn} | Format-List says. It is healed no more "
            "than it is asked about.",
            one.fqdn,
        )
        for one in unread
    ]


async def rows(subject: Subject) -> Sequence[Answer]:
    found = await call(Backend.server_health, subject.server)
    mine = pop_rows(subject.server, found)
    if mine:
        sets = {row.health_set.casefold() for row in mine}
        return [good(f"of {', '.join(one for one in HEALTH_SETS if one.casefold() in sets)}")]
    return [
        bad(
            f"none of {len(found)} rows",
            "no row is about POP on this server",
            f"See whether its Health Manager ({HEALTH_MANAGER}) has ever run, and what "
            "Get-ServerHealth says there.",
        )
    ]


async def monitors(subject: Subject) -> Sequence[Answer]:
    found = pop_rows(subject.server, await call(Backend.server_health, subject.server))
    host = await call(Backend.host_status, subject.server)
    since = host.local_time - EVALUATED_WITHIN
    answers = []
    for monitor in _expected(subject.info):
        mine = [row for row in found if is_row_of(monitor, row)]
        old = [
            row
            for row in mine
            if _is_readable(row, host.utc_offset)
            and not evaluated_after(row, since, host.utc_offset)
        ]
        answers.append(_monitor(monitor, mine, old))
    return answers


def _monitor(
    monitor: Monitor, mine: Sequence[MonitorHealth], old: Sequence[MonitorHealth]
) -> Answer:
    if not mine:
        return bad(
            "not there",
            "the catalogue expects it on a server of this role, and it has no row",
            f"See Get-MonitoringItemIdentity {monitor.health_set} -Server there, and whether an "
            "override (Get-GlobalMonitoringOverride, Get-ServerMonitoringOverride) took it away.",
            monitor.name,
        )
    said = ", ".join(dict.fromkeys(row.alert_value for row in mine))
    if any(row.stale for row in mine) or old:
        return bad(
            said,
            f"it has not been evaluated for {span(EVALUATED_WITHIN.total_seconds())} or more",
            f"See whether {HEALTH_MANAGER} is at work there: Restart-Service {HEALTH_MANAGER}.",
            monitor.name,
        )
    if silent := [row for row in mine if alert_value(row) in _SILENT]:
        return bad(
            silent[0].alert_value,
            "it says nothing, so popheal would never be told of a fault by it",
            "See whether an override has turned it off (Get-GlobalMonitoringOverride, "
            "Get-ServerMonitoringOverride).",
            monitor.name,
        )
    # Whether POP is healthy is for triage to say; here it is whether that can be told.
    return good(said, monitor.name)


async def times(subject: Subject) -> Sequence[Answer]:
    found = pop_rows(subject.server, await call(Backend.server_health, subject.server))
    offset = (await call(Backend.host_status, subject.server)).utc_offset
    unread = [row for row in found if not _is_readable(row, offset)]
    if unread:
        text = unread[0].last_execution_text
        return [
            bad(
                f"'{text}'" if text else "none",
                "when a monitor was last evaluated can't be told, so nothing could be proven "
                f"after a change: {', '.join(sorted({row.monitor for row in unread}))}",
                "See what (Get-ServerHealth there).LastExecutionTime says, and in which culture "
                "the account's sessions run.",
            )
        ]
    texts = [row.last_execution_text for row in found if row.last_execution_text]
    if texts:
        return [good(f"without a time zone ({texts[0]}), read in the server's own")]
    return [good("with a time zone")]


def _is_readable(row: MonitorHealth, offset: float | None) -> bool:
    return bool(row.last_execution or possible_moments(row.last_execution_text, offset))


async def probes(subject: Subject) -> Sequence[Answer]:
    answers = []
    for monitor in _expected(subject.info):
        if monitor.probe is None:
            continue
        listed = await call(Backend.monitoring_items, subject.server, monitor.health_set)
        name = monitor.probe.rpartition("\\")[2]
        there = any(
            one.name.casefold() == name.casefold() and one.kind.casefold() == "probe"
            for one in listed
        )
        answers.append(_probe(monitor.probe, there=there))
    return answers


def _probe(probe: str, *, there: bool) -> Answer:
    if there:
        return good("listed, so it can be run by hand", probe)
    return bad(
        "not listed",
        "Invoke-MonitoringProbe can't run it, so a fault that only it shows is never verified",
        f"See Get-MonitoringItemIdentity {probe.partition(chr(92))[0]} -Server there. Some "
        "versions have no such probe; then triage goes by the monitor alone.",
        probe,
    )


async def components(subject: Subject) -> Sequence[Answer]:
    found = inactive_components(await call(Backend.component_states, subject.server))
    ignored = {name.casefold() for name in subject.policy.ignored_components}
    holding = [
        (one, who) for one, who in found if holds(one) and one.component.casefold() not in ignored
    ]
    if holding:
        return [
            bad(
                f"{one.state} by {', '.join(who) or 'nobody that could be read'}",
                "while it is, popheal leaves the server alone",
                "Find out who did that, and when they are done: Set-ServerComponentState "
                f"{subject.server} -Component {one.component} -State Active -Requester "
                f"{who[0] if len(who) == 1 else '<requester>'}.",
                one.component,
            )
            for one, who in holding
        ]
    others = ", ".join(one.component for one, _ in found)
    return [good(f"all that matters is active{f'; inactive: {others}' if others else ''}")]


async def settings(subject: Subject) -> Sequence[Answer]:
    found = await call(Backend.pop_settings, subject.server)
    on = "on" if found.protocol_log_enabled else "off"
    return [good(f"protocol logging is {on}, in {found.log_location or 'the default folder'}")]


async def loopback(subject: Subject) -> Sequence[Answer]:
    if subject.info is None or not subject.info.client_access_role:
        return []
    found = await call(Backend.pop_settings, subject.server)
    if cause := serves_no_loopback(found.bindings):
        return [
            bad(
                ", ".join(found.bindings) or "none",
                cause,
                "Have POP3 listen on all addresses again: Set-PopSettings "
                f"-Server {subject.server} -SSLBindings 0.0.0.0:995,[::]:995; then restart POP3.",
            )
        ]
    return [good(", ".join(found.bindings))]


def _expected(info: ServerInfo | None) -> Iterable[Monitor]:
    """The monitors of the catalogue that a server of these roles has."""
    if info is None:
        return ()
    # What is slow may be either side's.
    return [
        one
        for one in MONITORS
        if one.probe is None or (info.mailbox_role if one.mailbox_side else info.client_access_role)
    ]

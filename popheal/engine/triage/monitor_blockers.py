"""Reasons to leave one monitor alone, while others of the same server may be healed.

A blocker returns a finding and the verdict it leads to, or None; it raises BackendError if it
can't be told.
"""

from __future__ import annotations

from collections.abc import Mapping

from popheal.engine.triage.neighbours import back_ends_down, failing_alike, nearer_cause, weighs
from popheal.engine.triage.triage_context import Stop, TriageContext
from popheal.exchange.interpret import find_service, is_running, is_switched_off, is_unhealthy
from popheal.exchange.models import MonitorHealth, ServiceStatus
from popheal.exchange.names import same_server
from popheal.healthsets.pop.catalog import (
    ALIKE_AT_LEAST,
    BEHIND_THE_FRONT_END,
    DEPENDENCY_HEALTH_SETS,
    Monitor,
    services_of,
)
from popheal.healthsets.pop.health import failing_protocols
from popheal.reports.report import FindingKind
from popheal.tables.actions import BY_ROLE
from popheal.tables.table import Verdict


async def switched_off(context: TriageContext, monitor: Monitor) -> Stop | None:
    """The service that would be restarted isn't meant to run here (D13)."""
    services = [
        service
        for name in _services_restarted(context, monitor)
        if (service := find_service(name, context.services)) and is_switched_off(service)
    ]
    if not services:
        return None
    off = [one.name for one in services]
    why = (
        "does not run and is not set to start by itself: "
        "POP is off here, and healing would turn it on"
    )
    if all(map(is_running, services)):
        why = "runs and is Disabled: it could be stopped, but not started again"
    return (
        context.note(
            FindingKind.SWITCHED_OFF,
            f"{', '.join(off)} {why}",
            f"If POP is meant to run here: {turn_on(off, context.info.fqdn)}",
            monitor,
        ),
        Verdict.HELD,
    )


def _services_restarted(context: TriageContext, monitor: Monitor) -> tuple[str, ...]:
    """The services that the monitor's procedure would restart, and so start."""
    which = {
        one.action.argument
        for one in context.session.procedures[monitor.procedure].states
        if one.action.name == "restart_service"
    }
    return tuple(name for one in sorted(which) for name in services_of(one, context.info))


def turn_on(services: list[str], server: str) -> str:
    """The commands that make services run, and start by themselves; to be given on the server."""
    commands = [
        f"Set-Service {name} -StartupType Automatic; Start-Service {name}" for name in services
    ]
    return f"on {server}, {'; '.join(commands)}"


def half_enabled(context: TriageContext) -> Stop | None:
    """One of the server's two POP3 services runs and the other is switched off.

    POP needs both. Neither a drain nor a reboot starts a service that is switched off, and
    turning it on is for whoever turned it off.
    """
    mine = [find_service(name, context.services) for name in services_of(BY_ROLE, context.info)]
    known: list[ServiceStatus] = [one for one in mine if one]
    off = [one for one in known if is_switched_off(one) and not is_running(one)]
    if not off or not any(map(is_running, known)):
        return None
    names = [one.name for one in off]
    on = ", ".join(one.name for one in known if is_running(one))
    return (
        context.note(
            FindingKind.SWITCHED_OFF,
            f"{', '.join(names)} is switched off ({off[0].state}, {off[0].start_type}) while {on} "
            "runs: POP needs both, and no reboot starts it",
            f"To turn POP on here: {turn_on(names, context.info.fqdn)}",
        ),
        Verdict.ESCALATED,
    )


async def dependency(context: TriageContext, monitor: Monitor) -> Stop | None:
    """Something that the monitor's probe needs is unhealthy: healing POP would not help.

    The self test, the proxy test and command times need nothing, says the runbook's table. But a
    server is not taken out of service for one of them while its store, say, or its cluster is ill.
    """
    for name in DEPENDENCY_HEALTH_SETS if context.disrupting else monitor.dependencies:
        row = _unhealthy_row(context, name)
        if row is None or await _is_elsewhere(context, monitor, name):
            continue
        return (
            context.note(
                FindingKind.DEPENDENCY,
                f"{_why_it_matters(monitor, name)}{row.health_set}\\{row.monitor} is Unhealthy",
                f"Heal the health set {row.health_set} first.",
                monitor,
            ),
            Verdict.ESCALATED,
        )
    return None


def _why_it_matters(monitor: Monitor, name: str) -> str:
    if name in monitor.dependencies:
        return f"{monitor.name} depends on {name}, and "
    return f"a server is not taken out of service for {monitor.name} while "


def _unhealthy_row(context: TriageContext, name: str) -> MonitorHealth | None:
    health_sets = {one.casefold() for one in context.session.policy.dependencies.get(name, ())}
    return next(
        (
            row
            for row in context.own_rows()
            if row.health_set.casefold() in health_sets and is_unhealthy(row)
        ),
        None,
    )


async def _is_elsewhere(context: TriageContext, monitor: Monitor, name: str) -> bool:
    """Whether what fails is another Mailbox server, where its own triage asks about this."""
    if context.disrupting or name not in BEHIND_THE_FRONT_END:
        return False
    servers = await nearer_cause(context, monitor)
    return bool(servers) and not any(same_server(one, context.info.fqdn) for one in servers)


async def other_protocols(context: TriageContext, monitor: Monitor) -> Stop | None:
    """Other protocols' logon tests fail alike here: the cause is what they share, and not POP."""
    if not monitor.logs_on:
        return None
    failing = failing_protocols(context.info.fqdn, context.own_rows())
    if len(failing) < ALIKE_AT_LEAST:
        return None
    return (
        context.note(
            FindingKind.OTHER_PROTOCOLS,
            f"{monitor.name} fails together with the logon tests of {', '.join(failing)} "
            f"({', '.join(failing.values())}): restarting POP3 can't help",
            "Look for what they share: the health mailboxes and their passwords "
            "(Get-Mailbox -Monitoring), the directory, authentication, certificates, the store.",
            monitor,
        ),
        Verdict.ESCALATED,
    )


async def siblings(context: TriageContext, monitor: Monitor) -> Stop | None:
    """Several servers fail alike: the cause is elsewhere, and healing each would be harm.

    Weighs only what nothing nearer explains: see :func:`nearer_cause`.
    """
    if not context.session.policy.sibling_share:
        return None
    ill, asked = await failing_alike(context, monitor)
    if not weighs(context, len(ill), asked):
        return None
    said = f"{monitor.name} is Unhealthy on {', '.join(ill)} too ({len(ill)} of {asked} other "
    nearer = () if context.disrupting else await nearer_cause(context, monitor)
    if nearer:
        context.findings.append(
            context.note(
                FindingKind.NOTE,
                f"{said}servers), which is explained by {', '.join(nearer)}: the own test of "
                "POP there fails, so it is gone after there",
                monitor=monitor,
            )
        )
        return None
    down = await back_ends_down(context, monitor)
    named = f". {_told(down)}: no front end serves a mailbox behind it" if down else ""
    first = f"If POP is meant to run there: {_to_turn_on(down)} Else look" if down else "Look"
    return (
        context.note(
            FindingKind.SIBLINGS,
            f"{said}servers){named}",
            f"{first} for what they share: network, name service, certificate, load balancer.",
            monitor,
        ),
        Verdict.ESCALATED,
    )


def _told(down: Mapping[str, ServiceStatus]) -> str:
    return "; ".join(
        f"{service.name} of {server} does not run ({service.state}, {service.start_type})"
        for server, service in down.items()
    )


def _to_turn_on(down: Mapping[str, ServiceStatus]) -> str:
    commands = (f"{turn_on([service.name], server)}." for server, service in down.items())
    return " ".join(commands)

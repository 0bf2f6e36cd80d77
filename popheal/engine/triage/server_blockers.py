"""Reasons to leave a whole server alone, although a monitor is unhealthy. Each is only a look.

A blocker returns a finding and the verdict it leads to, or None; it raises BackendError if it
can't be told.
"""

from __future__ import annotations

from popheal.engine.looks.managed_availability import (
    NOT_HEEDED,
    described,
    recent_actions,
    under_way,
)
from popheal.engine.looks.retry import retry_call
from popheal.engine.triage.triage_context import Stop, TriageContext
from popheal.errors import BackendError
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import (
    OVERDUE_AFTER,
    draining_components,
    inactive_components,
    is_blocked,
)
from popheal.exchange.models import ComponentState
from popheal.healthsets.pop.catalog import POP_PROXY_COMPONENT
from popheal.healthsets.pop.health import holds, is_maintenance
from popheal.reports.report import FindingKind
from popheal.tables.table import Verdict


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
    """Somebody is maintaining the server, or PopProxy is inactive (D14, KB 3025138).

    Components that do not concern POP, and those that the policy ignores, are only reported.
    """
    seen = await retry_call(context.session, Backend.component_states, context.info.fqdn)
    for component, who in draining_components(seen):
        # Forgotten after a maintenance, most likely, and of transport, which has no part in POP.
        said = f"{component.component} was set to Draining by {', '.join(who)}, and not back"
        context.findings.append(context.note(FindingKind.NOTE, said))
    inactive = inactive_components(seen)
    # Maintenance explains an inactive PopProxy, so it is looked for first; and who is named
    # explains those whose requester can't be read.
    inactive.sort(key=lambda one: not one[1])
    ignored = {name.casefold() for name in context.session.policy.ignored_components}
    ignored.discard(POP_PROXY_COMPONENT.casefold())  # POP can't work without it
    holding = []
    for component, who in inactive:
        if holds(component) and component.component.casefold() not in ignored:
            holding.append((component, who))
        else:
            context.findings.append(context.note(FindingKind.NOTE, _is_inactive(component, who)))
    for component, who in holding:
        if is_maintenance(component, who):
            return (
                context.note(
                    FindingKind.MAINTENANCE,
                    _is_inactive(component, who, nobody="a requester that could not be read"),
                    "Somebody is working on the server. Let them finish, then look again."
                    + _meant_to_stay(component),
                ),
                Verdict.HELD,
            )
    for component, who in holding:
        if component.component.casefold() == POP_PROXY_COMPONENT.casefold():
            return _pop_proxy(context, component, who)
        # HighAvailability by HealthAPI alone: the product's own doing.
        context.findings.append(context.note(FindingKind.NOTE, _is_inactive(component, who)))
    return None


def _meant_to_stay(component: ComponentState) -> str:
    if component.component.casefold() == POP_PROXY_COMPONENT.casefold():
        return ""  # POP can't work without it
    return " If it is meant to stay so, name it in ignored_components (policy)."


def _pop_proxy(context: TriageContext, component: ComponentState, who: list[str]) -> Stop:
    requester = who[0] if len(who) == 1 else "<requester>"
    return (
        context.note(
            FindingKind.COMPONENT_INACTIVE,
            f"{_is_inactive(component, who)}: no restart or reboot helps",
            f"Find out why, then Set-ServerComponentState -Identity {context.info.fqdn} "
            f"-Component PopProxy -State Active -Requester {requester}, and restart POP3.",
        ),
        Verdict.ESCALATED,
    )


def _is_inactive(component: ComponentState, who: list[str], nobody: str = "unknown") -> str:
    by = ", ".join(who) or nobody
    return f"{component.component} is {component.state} (requested by {by})"


async def drained(context: TriageContext) -> Stop | None:
    """Somebody else has disabled database activation on the server."""
    if not context.info.mailbox_role:
        return None
    seen = await retry_call(context.session, Backend.mailbox_server, context.info.fqdn)
    context.dag = seen.dag
    if is_blocked(seen):
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
            "Find out who drained the server; a healing that ended before may have left it so, "
            "and popheal healings lists those. When they are done: Set-MailboxServer "
            f"{context.info.fqdn} -DatabaseCopyActivationDisabledAndMoveNow $false.",
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
    context.actions = actions
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

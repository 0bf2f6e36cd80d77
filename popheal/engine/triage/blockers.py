"""The reasons to touch nothing, or not this, in the order in which they are asked.

Triage asks them before anything is done; :func:`why_blocked` asks them again within a run.
"""

from __future__ import annotations

from typing import Final

from popheal.engine.context import RunContext
from popheal.engine.looks.retry import retry_call
from popheal.engine.triage.health import sort_rows
from popheal.engine.triage.monitor_blockers import (
    dependency,
    half_enabled,
    other_protocols,
    siblings,
    switched_off,
)
from popheal.engine.triage.neighbours import nearer_cause
from popheal.engine.triage.server_blockers import (
    component_states,
    drained,
    managed_availability,
    repairing,
    setup_running,
)
from popheal.engine.triage.triage_context import (
    MonitorBlocker,
    ServerBlocker,
    Stop,
    TriageContext,
)
from popheal.engine.triage.words import cause_of_probe, no_disruption
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import backends_named_in, is_running
from popheal.exchange.models import ServiceStatus
from popheal.exchange.names import same_server
from popheal.healthsets.pop.catalog import MONITORS, POP3_BACK_END, POP3_FRONT_END
from popheal.reports.report import FindingKind
from popheal.tables.actions import CHECK_SWITCHOVER, DRAIN, REBOOT
from popheal.tables.table import Verdict

__all__ = ["MONITOR_BLOCKERS", "SERVER_BLOCKERS", "Stop", "TriageContext", "why_blocked"]

#: Of the whole server; the cheap ones and the certain ones first. The first that holds decides.
SERVER_BLOCKERS: Final[tuple[ServerBlocker, ...]] = (
    repairing,
    setup_running,
    component_states,
    drained,
    managed_availability,
)

#: Of one monitor: it is left alone, and the others are healed.
MONITOR_BLOCKERS: Final[tuple[MonitorBlocker, ...]] = (
    switched_off,
    dependency,
    other_protocols,
    siblings,
)

#: The run itself may have drained the server, and what Managed Availability does is asked about
#: by the policy's limits before each effect.
_NOT_AGAIN: Final = (drained, managed_availability)

#: The actions that take a server out of service, and the one that asks whether they may.
_DISRUPTING: Final = {one.name for one in (CHECK_SWITCHOVER, DRAIN, REBOOT)}


async def why_blocked(work: RunContext) -> Stop | None:
    """Triage's blockers asked again within a run, and what the last failed probe said.

    Before a drain or a reboot more holds than after a failed probe: a nearer cause elsewhere
    lifts no brake, a cause that only a service restart may cure is one, and so is a POP3 service
    that is switched off while the other runs.

    Returns:
        The first that holds now, and the verdict that it would have in triage; None if none does.

    Raises:
        BackendError: If one can't be told.
    """
    action = work.run.next_action()
    disrupting = action is not None and action.name in _DISRUPTING
    said = cause_of_probe(work) or (no_disruption(work) if disrupting else None)
    if said:
        return said
    context = await _context_of(work, disrupting=disrupting)
    for blocker in SERVER_BLOCKERS:
        if blocker not in _NOT_AGAIN and (stop := await blocker(context)):
            return stop
    if disrupting and (stop := half_enabled(context)):
        return stop
    for one in MONITOR_BLOCKERS:
        if stop := await one(context, work.monitor):
            return stop
    return await _why_elsewhere(work, context) if disrupting else None


async def _why_elsewhere(work: RunContext, context: TriageContext) -> Stop | None:
    """Before a front end is taken out of service: is a Mailbox server behind it at fault?

    One whose own test of POP fails is, and one that the last failed probe names, unless it has
    been looked at and found to be well, or healed, meanwhile.
    """
    if not work.monitor.through_back_end:
        return None
    found = await nearer_cause(context, work.monitor)
    nearer = [one for one in found if not same_server(one, work.server)]
    probe = work.memory.last_probe
    named = [
        one
        for one in backends_named_in(probe.error if probe else "")
        if not same_server(one, work.server)
        and not any(same_server(one, known) for known in work.memory.backends)
    ]
    if not nearer and not named:
        return None
    said = (
        f"POP fails at {', '.join(nearer)}"
        if nearer
        else f"the probe was passed on to {', '.join(named)}, which has not been looked at"
    )
    return (
        context.note(
            FindingKind.DEPENDENCY,
            f"{said}: no restart of a front end cures that",
            f"Look at POP on {', '.join(nearer or named)} first.",
            work.monitor,
        ),
        Verdict.ESCALATED,
    )


async def _context_of(work: RunContext, *, disrupting: bool) -> TriageContext:
    session, server = work.session, work.server
    rows = await retry_call(session, Backend.server_health, server)
    host = await retry_call(session, Backend.host_status, server)
    names = (POP3_FRONT_END, POP3_BACK_END)
    services = await retry_call(session, Backend.services, server, names)
    return TriageContext(
        session=session,
        info=work.info,
        rows=sort_rows(server, MONITORS, rows),
        suspects=[work.monitor],
        findings=[],
        setup_running=host.setup_running,
        server_time=host.local_time,
        boot_time=host.boot_time,
        utc_offset=host.utc_offset,
        services=[one for one in services if not _is_down_by_us(work, one)],
        dag=work.dag,
        disrupting=disrupting,
    )


def _is_down_by_us(work: RunContext, service: ServiceStatus) -> bool:
    """Whether a service ran when the run began, and nobody has switched it off since."""
    ran = service.name.casefold() in {name.casefold() for name in work.memory.running_before}
    return ran and not is_running(service) and service.start_type.casefold() != "disabled"

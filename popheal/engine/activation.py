"""Where PopProxy is what stands in the way: whether making it active may be tried.

Triage ends there, as no restart helps. What helps is no part of the runbook, and needs a
person's approval by default; so it is begun only if somebody could approve, if nothing speaks
against it at once, and at most once a healing.
"""

from __future__ import annotations

from collections.abc import Sequence

from popheal.engine.authorize import nobody_to_ask
from popheal.engine.case import Case
from popheal.engine.context import HealingContext
from popheal.engine.looks.component import why_not_activate
from popheal.engine.looks.probe import run_probe
from popheal.engine.triage import Triage
from popheal.errors import BackendError
from popheal.healthsets.pop import POP_PROXY
from popheal.healthsets.pop.catalog import POP_PROXY_MONITOR, Monitor, monitor_named
from popheal.policy.policy import Consent
from popheal.reports.report import Finding, FindingKind
from popheal.tables.actions import ACTIVATE_COMPONENT
from popheal.tables.table import Verdict


async def activates_pop_proxy(case: Case, triage: Triage, monitors: Sequence[Monitor]) -> bool:
    """Whether a triage that has ended at PopProxy is to go on with making it active.

    Then the triage says so: what fails, and by which procedure that is answered.

    Args:
        case: The healing.
        triage: The triage; changed if it is.
        monitors: Those that were looked at: the front end's must be among them.
    """
    policy = case.session.policy
    tried = any(one.run.procedure.name == POP_PROXY.name for one in case.run_records)
    looked_at = any(one.name == POP_PROXY_MONITOR for one in monitors)
    unasked = policy.asks_about(ACTIVATE_COMPONENT) and nobody_to_ask(case.session)
    if tried or unasked or not looked_at:
        return False
    found = await look_at_pop_proxy(case.session, triage)
    await case.find(*found)
    return triage.verdict is None


async def look_at_pop_proxy(session: HealingContext, triage: Triage) -> list[Finding]:
    """See what speaks against making PopProxy active, whoever would have to approve of it.

    Args:
        session: The healing.
        triage: How triage has ended. Where nothing speaks against it, it has not ended any more.

    Returns:
        What was seen; nothing where triage did not end at PopProxy.
    """
    policy = session.policy
    allowed = policy.pop_proxy is not Consent.NEVER and policy.allows(ACTIVATE_COMPONENT.impact)
    if not allowed or not _ended_there(triage):
        return []
    monitor = monitor_named(POP_PROXY_MONITOR)
    try:
        why = await why_not_activate(session, triage.server)
        outcome, said = ("", why) if why else await _probe(session, triage.server, monitor)
    except BackendError as error:
        outcome, said = "", str(error)
    if outcome == "failed":
        triage.verdict, triage.failing, triage.procedure = None, [monitor], POP_PROXY.name
        triage.summary = f"{monitor.name} verified to fail, as PopProxy is inactive"
        return [
            Finding(
                kind=FindingKind.VERIFIED,
                server=triage.server,
                monitor=monitor.name,
                detail=said,
            )
        ]
    reason = f"PopProxy is not made active by popheal: {said}"
    return [Finding(kind=FindingKind.NOTE, server=triage.server, detail=reason)]


def _ended_there(triage: Triage) -> bool:
    """Whether a monitor is Unhealthy, and PopProxy is why nothing is done about it."""
    last = triage.findings[-1] if triage.findings else None
    inactive = last is not None and last.kind is FindingKind.COMPONENT_INACTIVE
    return inactive and triage.verdict is Verdict.ESCALATED and triage.host is not None


async def _probe(session: HealingContext, server: str, monitor: Monitor) -> tuple[str, str]:
    """Verifying 2.3: no effect without a failure that was seen."""
    observed, _ = await run_probe(session, server, monitor.probe or "")
    session.progress.clear()
    return observed.outcome, observed.detail

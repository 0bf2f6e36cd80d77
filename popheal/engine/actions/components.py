"""Looking at PopProxy: before it is made active, and once it has been so for a while."""

from __future__ import annotations

from popheal.engine.context import ActionResult, RunContext
from popheal.engine.looks.component import is_active, why_not_activate
from popheal.engine.looks.retry import retry_call
from popheal.exchange.backend import Backend
from popheal.reports.report import FindingKind


async def check_component(work: RunContext) -> ActionResult:
    """See that nothing but an entry of HealthAPI keeps PopProxy inactive."""
    why = await why_not_activate(work.session, work.server)
    if why:
        return ActionResult("infeasible", why, kind=FindingKind.COMPONENT_INACTIVE)
    return ActionResult("feasible", "PopProxy is inactive by HealthAPI alone")


async def keep_component(work: RunContext) -> ActionResult:
    """See that PopProxy is still active: then it is to stay so."""
    if is_active(await retry_call(work.session, Backend.component_states, work.server)):
        return ActionResult("done", "PopProxy is still active")
    return ActionResult(
        "inactive", "PopProxy was taken offline again", kind=FindingKind.COMPONENT_INACTIVE
    )

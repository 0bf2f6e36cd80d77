"""After a look that saw POP fail: does anything say that going on would be in vain?"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from popheal.engine.context import ActionResult, RunContext
from popheal.engine.triage.blockers import why_blocked
from popheal.errors import BackendError
from popheal.healthsets.pop.causes import CAUSES, Cause, find_cause
from popheal.reports.report import FindingKind
from popheal.tables.outcomes import BLOCKED


async def weigh(work: RunContext, observed: ActionResult, said: Iterable[str]) -> ActionResult:
    """The failure as it was seen, or ``blocked``, if no further step would help.

    Asked are the blockers of triage, as they are now, and then the words: a state is more certain
    than a text. Where the blockers can't be asked, the failure stays one, and says so: whatever
    disrupts asks them again itself.

    Args:
        work: The run.
        observed: What was seen.
        said: What the probe, or the monitor, says of the failure.
    """
    unasked = ""
    try:
        stop = await why_blocked(work)
    except BackendError as error:
        unasked, stop = f"; what would forbid a further step could not be looked at: {error}", None
    if stop:
        finding, _ = stop
        detail = f"{observed.detail}; {finding.detail}"
        return ActionResult(BLOCKED, detail, kind=finding.kind)
    if cause := find_cause(said, known_causes(work)):
        detail = f"{observed.detail}; {cause.says} ({cause.name}). {cause.next_step}"
        return ActionResult(BLOCKED, detail.rstrip(), kind=FindingKind.CAUSE)
    return evolve(observed, detail=observed.detail + unasked) if unasked else observed


def known_causes(work: RunContext) -> tuple[Cause, ...]:
    """Those of the table, and those that the policy adds."""
    return (*getattr(work.session.policy, "causes", ()), *CAUSES)

"""After a look that saw POP fail: does anything say that going on would be in vain?"""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from popheal.engine.context import ActionResult, RunContext
from popheal.engine.triage.blockers import why_blocked
from popheal.engine.triage.words import heed_words, stop_for
from popheal.errors import BackendError
from popheal.healthsets.pop.causes import Helps
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
    cause = heed_words(work, said)
    if cause and cause.helps is Helps.NOTHING:
        finding, _ = stop_for(cause, work.server, work.monitor.name)
        detail = f"{observed.detail}; {finding.detail}. {finding.next_step}"
        return ActionResult(BLOCKED, detail.rstrip(), kind=finding.kind)
    return evolve(observed, detail=observed.detail + unasked) if unasked else observed

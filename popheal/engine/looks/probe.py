"""Running a probe until it has said the same often enough."""

from __future__ import annotations

from popheal.engine.context import ActionResult, HealingContext
from popheal.engine.looks.retry import again
from popheal.engine.requests import call
from popheal.errors import BackendError
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import probe_outcome
from popheal.exchange.models import ProbeResult
from popheal.reports.report import FindingKind


async def run_probe(
    session: HealingContext, server: str, identity: str
) -> tuple[ActionResult, ProbeResult | None]:
    """Run a probe until it has succeeded once, or failed as often in a row as the policy asks.

    A single failure may be the service still warming up; one success shows that it serves. Runs
    that failed or ran into their time limit count together, but then only for the less that a
    time-out allows: the outcome is ``timed_out``.

    Returns:
        ``succeeded``, ``failed``, ``timed_out`` or ``could_not_tell``, and the last result.
    """
    needed = min(session.policy.probe_failures, session.timing.probe_attempts)
    failures, last = session.progress.failures, None
    in_vain = f"{identity}, in vain"
    while True:
        try:
            result = await call(Backend.invoke_probe, server, identity)
        except BackendError as error:
            outcome, why = "could_not_tell", str(error)
        else:
            outcome = probe_outcome(result)
            last, why = result, f"{identity}: {result.result} {result.error}".rstrip()
        for name, counted in ((identity, ("failed",)), (in_vain, ("failed", "timed_out"))):
            failures[name] = failures.get(name, 0) + 1 if outcome in counted else 0
        if outcome == "succeeded":
            said = ActionResult("succeeded", why)
        elif failures[identity] >= needed:
            said = ActionResult("failed", why)
        elif failures[in_vain] >= needed:
            said = ActionResult("timed_out", f"{why} (it hangs)")
        elif await again(session, identity):
            continue
        else:
            said = ActionResult("could_not_tell", why, kind=FindingKind.COULD_NOT_TELL)
        session.progress.forget(identity)
        session.progress.forget(in_vain)
        return said, last

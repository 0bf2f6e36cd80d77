"""Running a probe until it has said the same often enough."""

from __future__ import annotations

from popheal.engine.context import ActionResult, HealingContext
from popheal.engine.requests import Steps, attempt, pause
from popheal.errors import BackendError
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import probe_outcome
from popheal.exchange.models import ProbeResult


def run_probe(
    session: HealingContext, server: str, identity: str
) -> Steps[tuple[ActionResult, ProbeResult | None]]:
    """Run a probe until it has succeeded once, or failed as often in a row as the policy asks.

    A single failure may be the service still warming up; one success shows that it serves.
    """
    needed = min(session.policy.probe_failures, session.timing.probe_attempts)
    failures, last, why = 0, None, ""
    for again in range(session.timing.probe_attempts):
        if again:
            yield from pause(session.timing.probe_pause)
        result = yield from attempt(Backend.invoke_probe, server, identity)
        if isinstance(result, BackendError):
            failures, why = 0, str(result)
        elif (outcome := probe_outcome(result)) == "succeeded":
            return ActionResult("succeeded", f"{identity}: {result.result}"), result
        else:
            failures = failures + 1 if outcome == "failed" else 0
            last, why = result, f"{identity}: {result.result} {result.error}".rstrip()
        if failures >= needed:
            return ActionResult("failed", why), last
        if session.stop_requested:
            break
    return ActionResult("could_not_tell", why), last

"""Running a probe until it has said the same often enough."""

from __future__ import annotations

from popheal.engine.context import ActionResult, HealingContext
from popheal.engine.looks.retry import again
from popheal.engine.requests import call
from popheal.errors import BackendError
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import probe_outcome
from popheal.exchange.models import ProbeResult


async def run_probe(
    session: HealingContext, server: str, identity: str
) -> tuple[ActionResult, ProbeResult | None]:
    """Run a probe until it has succeeded once, or failed as often in a row as the policy asks.

    A single failure may be the service still warming up; one success shows that it serves.
    """
    needed = min(session.policy.probe_failures, session.timing.probe_attempts)
    failures, last = session.progress.failures, None
    while True:
        try:
            result = await call(Backend.invoke_probe, server, identity)
        except BackendError as error:
            failures[identity], why = 0, str(error)
        else:
            outcome = probe_outcome(result)
            if outcome == "succeeded":
                session.progress.forget(identity)
                return ActionResult("succeeded", f"{identity}: {result.result}"), result
            failures[identity] = failures.get(identity, 0) + 1 if outcome == "failed" else 0
            last, why = result, f"{identity}: {result.result} {result.error}".rstrip()
        if failures[identity] >= needed:
            session.progress.forget(identity)
            return ActionResult("failed", why), last
        if not await again(session, identity):
            return ActionResult("could_not_tell", why), last

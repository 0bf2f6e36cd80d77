"""Running a probe until it has said the same often enough."""

from __future__ import annotations

from typing import Final

from popheal.engine.context import ActionResult, HealingContext
from popheal.engine.looks.retry import again
from popheal.engine.requests import call
from popheal.errors import BackendError
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import probe_outcome
from popheal.exchange.models import ProbeResult
from popheal.reports.report import FindingKind

#: Which outcomes each count of runs in a row is about.
_COUNTED: Final = (("failed",), ("timed_out",), ("failed", "timed_out"))


async def run_probe(
    session: HealingContext, server: str, identity: str
) -> tuple[ActionResult, ProbeResult | None]:
    """Run a probe until it has succeeded once, or failed as often in a row as the policy asks.

    A single failure may be the service still warming up; one success shows that it serves. A run
    that took too long counts likewise, as ``timed_out``. Where both take turns until no try is
    left, that is the less that can be said: ``timed_out``.

    Returns:
        ``succeeded``, ``failed``, ``timed_out`` or ``could_not_tell``, and the last result.
    """
    last: ProbeResult | None = None
    while True:
        try:
            last = await call(Backend.invoke_probe, server, identity)
        except BackendError as error:
            outcome, why = "could_not_tell", str(error)
        else:
            outcome, why = probe_outcome(last), f"{identity}: {last.result} {last.error}".rstrip()
        said = _enough(session, identity, outcome)
        if said is None and not await again(session, identity):
            said = _at_last(session, identity)
        if said:
            for one in _counts(identity):
                session.progress.forget(one)
            hangs = " (it hangs)" if said == "timed_out" else ""
            kind = FindingKind.COULD_NOT_TELL if said == "could_not_tell" else None
            return ActionResult(said, f"{why}{hangs}", kind=kind), last


def _needed(session: HealingContext) -> int:
    return min(session.policy.probe_failures, session.timing.probe_attempts)


def _counts(identity: str) -> tuple[str, str, str]:
    """Under which names is kept how often in a row it failed, took too long, or did either."""
    return identity, f"{identity}, timed out", f"{identity}, in vain"


def _enough(session: HealingContext, identity: str, outcome: str) -> str | None:
    """Count a run; what it has come to, if that can be said already."""
    if outcome == "succeeded":
        return outcome
    failures = session.progress.failures
    for name, outcomes in zip(_counts(identity), _COUNTED, strict=True):
        failures[name] = failures.get(name, 0) + 1 if outcome in outcomes else 0
    return (
        outcome
        if any(failures[name] >= _needed(session) for name in _counts(identity)[:2])
        else None
    )


def _at_last(session: HealingContext, identity: str) -> str:
    """What several runs have come to that did not say the same."""
    in_vain = session.progress.failures[_counts(identity)[2]]
    return "timed_out" if in_vain >= _needed(session) else "could_not_tell"

"""Whether a server may be put back although its front end has not been healed (erratum D27)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from popheal.engine.context import ActionResult, RunContext
from popheal.engine.looks.copies import Copies, read_copies_on
from popheal.engine.looks.retry import poll, retry_call
from popheal.engine.triage.blockers import why_blocked
from popheal.errors import BackendError
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import LONGEST_QUEUE, is_mounted
from popheal.exchange.models import DatabaseCopy, ReplicationCheck
from popheal.exchange.names import same_server
from popheal.reports.report import FindingKind

#: While one of these holds, the server is somebody else's: whatever else fails is no reason.
_OF_OTHERS: Final = (FindingKind.MAINTENANCE, FindingKind.SETUP_RUNNING, FindingKind.REPAIRING)


async def refuse_put_back(work: RunContext) -> ActionResult | None:
    """Why the server stays drained; None if it may take active databases again.

    The mailbox side has been probed before, on this boot: that is for the failback itself to see.
    """
    if not work.session.policy.fail_back_unhealed:
        said = "the policy keeps a server drained that is not healed (policy: fail_back_unhealed)"
        return ActionResult("refused", said, attempted=False, kind=FindingKind.POLICY)
    try:
        return await _why_somebody_works(work) or await _why_unfit(work)
    except BackendError as error:
        said = f"whether it may take active databases again can't be told: {error}"
        return ActionResult("refused", said, kind=FindingKind.COULD_NOT_TELL)


async def _why_somebody_works(work: RunContext) -> ActionResult | None:
    stop = await why_blocked(work)
    if stop and stop[0].kind in _OF_OTHERS:
        return ActionResult("refused", stop[0].detail, kind=stop[0].kind)
    return None


async def _why_unfit(work: RunContext) -> ActionResult | None:
    """Copies catch up for a while after a restart, so they are looked at until the deadline."""
    while True:
        why = why_copies_unfit(await read_copies_on(work.server))
        if not why:
            break
        every = work.timing.probe_pause
        if not await poll(work, "fit", work.deadline, every, what="copies to catch up"):
            return ActionResult("refused", why, kind=FindingKind.REDUNDANCY)
    checks = await retry_call(work.session, Backend.replication_health, work.server)
    why = why_replication_unfit(work.server, checks)
    return ActionResult("refused", why, kind=FindingKind.REDUNDANCY) if why else None


def why_copies_unfit(copies: Copies) -> str:
    """The first copy that is neither Healthy with short queues nor mounted, in words."""
    for copy, database in copies:
        lags = any(same_server(one, copy.server) for one in database.lagged)
        if not database.recovery and not is_mounted(copy) and not _is_healthy(copy, lags=lags):
            return (
                f"the copy of {copy.database} on it is {copy.status}, copy queue "
                f"{copy.copy_queue}, replay queue {copy.replay_queue}"
            )
    return ""


def _is_healthy(copy: DatabaseCopy, *, lags: bool) -> bool:
    # A copy that lags on purpose has logs to replay for days.
    queues = (copy.copy_queue, 0 if lags else copy.replay_queue)
    return copy.status.casefold() == "healthy" and all(
        one is not None and one <= LONGEST_QUEUE for one in queues
    )


def why_replication_unfit(server: str, checks: Sequence[ReplicationCheck]) -> str:
    """What of Test-ReplicationHealth does not pass there, in words."""
    mine = [one for one in checks if same_server(one.server, server)]
    if not mine:
        return "Test-ReplicationHealth told nothing about it"
    failed = [one for one in mine if one.result.casefold() != "passed"]
    if not failed:
        return ""
    said = ", ".join(f"{one.check} {one.result} {one.error}".strip() for one in failed)
    return f"Test-ReplicationHealth does not pass on it: {said}"

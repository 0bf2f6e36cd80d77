"""Before a reboot: can the databases leave, and have they left?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from attrs import evolve

from popheal.engine.actions.gates import why_group_forbids, why_not_ours, why_not_touch
from popheal.engine.actions.proof import why_no_proof, why_wait_would_fail
from popheal.engine.context import ActionResult, RunContext
from popheal.engine.limits import Refusal
from popheal.engine.looks.copies import read_copies_of, read_copies_on
from popheal.engine.looks.retry import poll, retry, retry_call
from popheal.engine.requests import Claim, look, try_call
from popheal.errors import BackendError, NotBegun, Unreadable
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import is_mounted, still_active
from popheal.exchange.models import HostStatus
from popheal.exchange.names import same_server
from popheal.reports.reasons import kind_of
from popheal.reports.report import FindingKind


async def check_switchover(work: RunContext) -> ActionResult:
    """Whether draining and rebooting the server would leave every database in service.

    Errata D9 and D15: the runbook moves databases without looking whether they can move, and
    whether enough stays. Whatever will be needed after the restart is looked at here, too.
    """
    host = await retry_call(work.session, Backend.host_status, work.server)
    refusal = await why_not_touch(work, host)
    if refusal:
        return _infeasible(refusal)
    mailbox = await retry_call(work.session, Backend.mailbox_server, work.server)
    refusal = why_not_ours(mailbox)
    if refusal or mailbox.dag is None:
        return _infeasible(refusal)
    if await Claim("dag", mailbox.dag):
        said = f"another healing is acting on a member of {mailbox.dag}"
        return ActionResult("infeasible", said, kind=FindingKind.BUSY)
    work.dag = mailbox.dag
    refusal, seen = await why_group_forbids(work, mailbox.dag)
    refusal = refusal or await why_wait_would_fail(work, host) or await why_no_proof(work)
    if refusal:
        return _infeasible(refusal)
    notes = [*seen.notes(work), *_on_the_way(host)]
    return ActionResult("feasible", "; ".join(["all databases can move", *notes]))


def _infeasible(refusal: Refusal | None) -> ActionResult:
    if refusal is None:
        raise AssertionError("what is infeasible has a reason")
    return ActionResult("infeasible", refusal.reason, kind=refusal.kind)


def _on_the_way(host: HostStatus) -> Iterator[str]:
    if host.reboot_pending:
        yield "Windows has a restart pending, so it will take longer: it configures updates"


async def verify_copies(work: RunContext) -> ActionResult:
    """Deep/SelfTest 4 and 5: poll until nothing is active here and all is mounted elsewhere."""
    every = work.timing.drain_poll
    look_at_active = read_active(work.server, work.memory.active_before)
    while True:
        failed, active = None, []
        try:
            active = await active_here(work)
            observed = _still_here(active) if active else await _look_elsewhere(work)
        except BackendError as error:
            failed = error
            observed = ActionResult("could_not_tell", str(error), kind=kind_of(error))
        if observed.outcome == "clear":
            return observed
        watch = look_at_active if active else None
        if not await poll(
            work,
            "copies",
            work.deadline,
            every,
            what="the switchover",
            failed=failed,
            watch=watch,
            seen=active,
        ):
            return await _told_why(work, observed) if active else observed


async def _told_why(work: RunContext, observed: ActionResult) -> ActionResult:
    """With what may be why databases stay, once they have had their time: the drain was undone."""
    mailbox = await try_call(Backend.mailbox_server, work.server)
    if isinstance(mailbox, BackendError) or mailbox.activation_disabled:
        return observed
    said = f"{observed.detail}; activation is allowed there: somebody has undone the drain"
    return evolve(observed, detail=said)


def _still_here(active: Sequence[str]) -> ActionResult:
    said = f"still on the server: {', '.join(active)}"
    return ActionResult("active", said, kind=FindingKind.STAYED)


async def _look_elsewhere(work: RunContext) -> ActionResult:
    unmounted = await _not_mounted_elsewhere(work)
    if unmounted:
        said = f"moved, but not mounted elsewhere: {', '.join(unmounted)}"
        return ActionResult("active", said, kind=FindingKind.STAYED)
    return ActionResult("clear", "no active copy on the server")


async def active_here(work: RunContext) -> list[str]:
    """The copies on the server that forbid its reboot. Raises BackendError if unreadable."""
    return await read_active(work.server, work.memory.active_before)


@look
async def read_active(_context: Any, server: str, expected: Sequence[str]) -> list[str]:
    """The databases that are active on a server.

    Args:
        server: The server.
        expected: What was active there before it was drained: it must still be listed, as a copy
            that is not active.

    Raises:
        BackendError: If it can't be read, or one of these is missing.
    """
    copies = await read_copies_on(server)
    missing = {name.casefold() for name in expected} - {
        copy.database.casefold() for copy, _ in copies
    }
    if missing:
        raise Unreadable(
            server=server,
            command="Get-MailboxDatabaseCopyStatus",
            cause=f"the copies of {', '.join(sorted(missing))} are missing in the answer",
        )
    return still_active(copies)


@look
async def require_clear(_context: Any, server: str, expected: Sequence[str]) -> None:
    """Likewise, as a guard of the reboot. Raises NotBegun if a database is active there."""
    if active := await read_active(server, expected):
        cause = f"copies are active on the server again: {', '.join(active)}"
        raise NotBegun(server=server, command="Restart-Computer", cause=cause)


async def _not_mounted_elsewhere(work: RunContext) -> list[str]:
    missing = []
    for database in work.memory.active_before:
        copies = await read_copies_of(work.server, database)
        if not any(is_mounted(one) and not same_server(one.server, work.server) for one in copies):
            missing.append(database)
    return missing


async def why_not_now(work: RunContext) -> Refusal | None:
    """The gates of a drained server again, right before its reboot.

    Raises:
        BackendError: If they can't be looked at.
    """
    mailbox = await retry_call(work.session, Backend.mailbox_server, work.server)
    if mailbox.dag is None or not mailbox.activation_disabled:
        return Refusal(
            FindingKind.BUSY,
            "somebody else has allowed database activation on the server again",
        )
    refusal, _ = await why_group_forbids(work, mailbox.dag, patient=True)
    return refusal


async def why_not_clear(work: RunContext) -> str | None:
    """The very last look before a reboot: why not, or None. Raises BackendError."""
    active = await retry(work.session, "copies", lambda: active_here(work))
    return f"copies are active on the server again: {', '.join(active)}" if active else None

"""Before a reboot: can the databases leave, and have they left?"""

from __future__ import annotations

from collections.abc import Iterable

from popheal.engine.context import ActionResult, RunContext
from popheal.engine.limits import check_disruption_limits
from popheal.engine.looks.copies import read_copies_of, read_copies_on
from popheal.engine.looks.retry import poll, retry, retry_call
from popheal.engine.requests import Claim, call
from popheal.errors import BackendError, Unreadable
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import can_take_over, is_active, is_mounted, still_active
from popheal.exchange.models import DatabaseCopy, MailboxServer
from popheal.exchange.names import same_server
from popheal.reports.reasons import kind_of


async def check_switchover(work: RunContext) -> ActionResult:
    """Whether draining and rebooting the server would leave every database in service.

    Errata D9 and D15: the runbook moves databases without looking whether they can move.
    """
    refusal = await check_disruption_limits(work)
    if refusal:
        return ActionResult("infeasible", refusal.reason)
    mailbox = await retry_call(work.session, Backend.mailbox_server, work.server)
    if mailbox.dag is None:
        return ActionResult(
            "infeasible",
            "the server is in no database availability group: its mailboxes have nowhere to go, "
            "so a restart would be an outage",
        )
    dag = mailbox.dag
    if await Claim("dag", dag):
        return ActionResult("infeasible", f"another healing is acting on a member of {dag}")
    work.dag = dag
    why = await retry(work.session, "databases", lambda: _why_infeasible(work, mailbox, dag))
    return (
        ActionResult("infeasible", why)
        if why
        else ActionResult("feasible", "all databases can move")
    )


async def _why_infeasible(work: RunContext, mailbox: MailboxServer, dag: str) -> str | None:
    return await _why_dag_forbids(work, mailbox, dag) or await _why_databases_stay(work)


async def _why_dag_forbids(work: RunContext, mailbox: MailboxServer, name: str) -> str | None:
    """The server itself is somebody else's, or another member is out of service already."""
    if mailbox.activation_disabled:
        return "somebody else has disabled database activation on the server meanwhile"
    if mailbox.auto_activation_policy.casefold() == "blocked":
        return "its DatabaseCopyAutoActivationPolicy is Blocked: somebody keeps it out of service"
    return await _why_members_forbid(work, name)


async def _why_members_forbid(work: RunContext, name: str) -> str | None:
    """Another member of the DAG is drained, or too few are up. Raises BackendError if unclear.

    A drained one always forbids: it may be one of ours, and two are never out of service by us.
    """
    dag = await call(Backend.dag, work.server, name)
    if dag.name.casefold() != name.casefold() or not _is_among(work.server, dag.members):
        raise Unreadable(
            server=work.server,
            command="Get-DatabaseAvailabilityGroup",
            cause=f"the answer is not about {name}, or does not list the server as a member",
        )
    others = [one for one in dag.members if not same_server(one, work.server)]
    down = [one for one in others if not _is_among(one, dag.operational)]
    needed = work.session.policy.healthy_members
    if down and needed is None:
        return f"{down[0]}, another member of {name}, is down"
    for member in others:
        other = await call(Backend.mailbox_server, member)
        if other.activation_disabled:
            return f"{member}, another member of {name}, is drained"
    up = len(others) - len(down)
    if needed is not None and up < needed:
        return (
            f"{up} other members of {name} are up, and {needed} must be "
            f"(policy: healthy_members = {needed}); down: {', '.join(down) or 'none'}"
        )
    if down and 2 * up <= len(dag.members):
        return f"{', '.join(down)} down: the rest of {name} would be no majority of its cluster"
    return None


def _is_among(server: str, servers: Iterable[str]) -> bool:
    return any(same_server(server, one) for one in servers)


async def _why_databases_stay(work: RunContext) -> str | None:
    """The first database that could not be switched over, and why."""
    copies = await read_copies_on(work.server)
    for copy, database in copies:
        if database.recovery:
            continue
        if not database.replicated:
            return f"{database.name} has no other copy, so a restart would be an outage"
        if is_active(copy) and (why := await _why_no_target(work, database.name)):
            return why
    return None


async def _why_no_target(work: RunContext, database: str) -> str | None:
    """None if a healthy copy stands on an unblocked server; else what is wrong with each."""
    problems = []
    copies = await read_copies_of(work.server, database)
    for copy in copies:
        if same_server(copy.server, work.server):
            continue
        if not can_take_over(copy):
            problems.append(f"{copy.server}: {_why_unfit(copy)}")
            continue
        target = await call(Backend.mailbox_server, copy.server)
        if target.auto_activation_policy.casefold() == "blocked" or target.activation_disabled:
            problems.append(f"{copy.server}: activation is blocked there")
            continue
        limit = target.maximum_active_databases
        if limit is not None and await _active_on(copy.server) >= limit:
            problems.append(f"{copy.server}: hosts its maximum of {limit} active databases")
            continue
        return None
    return f"{database} can't be switched over ({'; '.join(problems) or 'no other copy'})"


def _why_unfit(copy: DatabaseCopy) -> str:
    if copy.activation_suspended is not False:
        return "activation of its copy is suspended"
    return (
        f"its copy is {copy.status}, copy queue {copy.copy_queue}, "
        f"replay queue {copy.replay_queue}, index {copy.content_index or 'none'}"
    )


async def _active_on(server: str) -> int:
    copies = await read_copies_on(server)
    return sum(is_active(copy) for copy, _ in copies)


async def verify_copies(work: RunContext) -> ActionResult:
    """Deep/SelfTest 4 and 5: poll until nothing is active here and all is mounted elsewhere."""
    every = work.timing.drain_poll
    while True:
        failed = None
        try:
            observed = await _look_at_copies(work)
        except BackendError as error:
            failed = error
            observed = ActionResult("could_not_tell", str(error), kind=kind_of(error))
        if observed.outcome == "clear":
            return observed
        if not await poll(work.session, "copies", work.deadline, every, failed=failed):
            return observed


async def _look_at_copies(work: RunContext) -> ActionResult:
    active = await active_here(work)
    if active:
        return ActionResult("active", f"still on the server: {', '.join(active)}")
    unmounted = await _not_mounted_elsewhere(work)
    if unmounted:
        return ActionResult("active", f"moved, but not mounted elsewhere: {', '.join(unmounted)}")
    return ActionResult("clear", "no active copy on the server")


async def active_here(work: RunContext) -> list[str]:
    """The copies on the server that forbid its reboot. Raises BackendError if unreadable.

    What was active before the drain must still be listed here, as a copy that is not active.
    """
    copies = await read_copies_on(work.server)
    missing = {name.casefold() for name in work.memory.active_before} - {
        copy.database.casefold() for copy, _ in copies
    }
    if missing:
        raise Unreadable(
            server=work.server,
            command="Get-MailboxDatabaseCopyStatus",
            cause=f"the copies of {', '.join(sorted(missing))} are missing in the answer",
        )
    return still_active(copies)


async def _not_mounted_elsewhere(work: RunContext) -> list[str]:
    missing = []
    for database in work.memory.active_before:
        copies = await read_copies_of(work.server, database)
        if not any(is_mounted(one) and not same_server(one.server, work.server) for one in copies):
            missing.append(database)
    return missing


async def why_not_now(work: RunContext) -> str | None:
    """The gates again, right before a reboot: a drain may have taken half an hour.

    Raises:
        BackendError: If they can't be looked at.
    """

    async def look() -> str | None:
        mailbox = await call(Backend.mailbox_server, work.server)
        if mailbox.dag is None or not mailbox.activation_disabled:
            return "somebody else has allowed database activation on the server again"
        return await _why_members_forbid(work, mailbox.dag)

    return await retry(work.session, "gates", look)


async def why_not_clear(work: RunContext) -> str | None:
    """The very last look before a reboot: why not, or None. Raises BackendError."""
    active = await retry(work.session, "copies", lambda: active_here(work))
    return f"copies are active on the server again: {', '.join(active)}" if active else None

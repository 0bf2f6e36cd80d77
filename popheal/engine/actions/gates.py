"""What is asked again and again on the way to a reboot: before anything is moved, right before the
drain, and right before the restart. Only looks; none of it may be taken from an earlier step, as
each step may take half an hour, or wait for a person's approval.
"""

from __future__ import annotations

from attrs import frozen

from popheal.engine.context import RunContext
from popheal.engine.limits import Refusal, check_disruption_limits, check_group_pause
from popheal.engine.looks.copies import Layout, read_layout
from popheal.engine.looks.feasibility import (
    KEPT_OUT,
    Obstacle,
    notes_on,
    why_backups_forbid,
    why_databases_forbid,
    why_members_forbid,
    why_node_forbids,
    why_quorum_is_unsure,
)
from popheal.engine.looks.group import Group, read_group, with_active_counted
from popheal.engine.looks.retry import again, retry, retry_call
from popheal.engine.triage.blockers import why_blocked
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import is_blocked
from popheal.exchange.models import HostStatus, MailboxServer
from popheal.reports.report import FindingKind

#: What may be so for a moment only, while copies and cluster settle after the databases moved.
_PASSES = (FindingKind.REDUNDANCY, FindingKind.QUORUM)


@frozen(kw_only=True)
class Surroundings:
    """The group of a server and where its databases are, as seen by one step."""

    group: Group
    layout: Layout

    def notes(self, work: RunContext) -> tuple[str, ...]:
        """What a person should know, though it holds nothing."""
        return tuple(notes_on(self.group, self.layout, work.session.policy))


async def why_not_touch(work: RunContext, host: HostStatus | None = None) -> Refusal | None:
    """What holds any restart of the server: triage's blockers, the policy, and its own state.

    Args:
        work: The run.
        host: The server, if it has just been looked at.

    Raises:
        BackendError: If it can't be told.
    """
    blocked = await why_blocked(work)
    if blocked:
        finding, _ = blocked
        return Refusal(finding.kind, finding.detail, next_step=finding.next_step)
    if host is None:
        host = await retry_call(work.session, Backend.host_status, work.server)
    if obstacle := why_node_forbids(host):
        return Refusal(obstacle.kind, obstacle.why)
    if host.reboot_pending and work.session.policy.heed_pending_restart:
        return Refusal(
            FindingKind.UNDER_WAY,
            "Windows has a restart pending, so it would configure updates on the way "
            "(policy: heed_pending_restart)",
        )
    return await check_disruption_limits(work, host)


def why_not_ours(mailbox: MailboxServer) -> Refusal | None:
    """Whether somebody else keeps the server's databases away, before anything is moved."""
    if mailbox.dag is None:
        return Refusal(
            FindingKind.NOWHERE_TO_GO,
            "the server is in no database availability group: its mailboxes have nowhere to go, "
            "so a restart would be an outage",
        )
    if mailbox.activation_disabled:
        return Refusal(
            FindingKind.DRAINED,
            "somebody else has disabled database activation on the server meanwhile",
        )
    if is_blocked(mailbox):
        return Refusal(FindingKind.MAINTENANCE, KEPT_OUT)
    return None


async def why_group_forbids(
    work: RunContext, dag: str, *, patient: bool = False
) -> tuple[Refusal | None, Surroundings]:
    """Whether the group can do without the server, and its databases elsewhere.

    Args:
        work: The run.
        dag: Name of the group.
        patient: Whether what may pass in a moment is looked at again. For a server that is
            drained already: giving up would leave it so.

    Raises:
        BackendError: If it can't be told.
    """
    while True:
        seen = await retry(work.session, "group", lambda: _look(work, dag))
        obstacle = _why_not(work, seen, drained=patient)
        if obstacle is None:
            return await check_group_pause(work, seen.group.hosts), seen
        passes = patient and obstacle.kind in _PASSES
        if not (passes and await again(work.session, "settling")):
            return Refusal(obstacle.kind, obstacle.why), seen


async def _look(work: RunContext, dag: str) -> Surroundings:
    group = await read_group(work.server, dag, True)
    layout = await with_active_counted(group, await read_layout(work.server))
    # What they don't tell counts as "could not tell", and is looked at again as such.
    why_quorum_is_unsure(group)
    return Surroundings(group=group, layout=layout)


def _why_not(work: RunContext, seen: Surroundings, *, drained: bool) -> Obstacle | None:
    policy = work.session.policy
    return (
        why_members_forbid(seen.group, policy)
        or why_quorum_is_unsure(seen.group)
        or why_databases_forbid(seen.group, seen.layout, policy)
        or (None if drained else why_backups_forbid(seen.layout, policy))
    )

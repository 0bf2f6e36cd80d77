"""Reading the state that a plan starts from, and what stands in its way now. Only looks."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import timedelta

from attrs import evolve, frozen

from popheal.engine.context import HealingContext
from popheal.engine.looks.copies import Layout, read_layout
from popheal.engine.looks.feasibility import (
    KEPT_OUT,
    NO_REBOOT,
    moves_of,
    note_on_the_manager,
    notes_on,
    why_backups_forbid,
    why_databases_forbid,
    why_members_forbid,
    why_node_forbids,
    why_quorum_is_unsure,
)
from popheal.engine.looks.front_ends import NONE_SERVES, another_serves
from popheal.engine.looks.group import Group, read_group, with_active_counted
from popheal.engine.looks.retry import retry
from popheal.engine.plan import PlannedMove
from popheal.engine.plan_basis import DatabaseFacts, MemberFacts, ServerState
from popheal.engine.requests import call, try_call
from popheal.errors import BackendError
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import is_active, is_blocked
from popheal.exchange.models import Dag, HostStatus
from popheal.exchange.names import same_server
from popheal.healthsets.pop.catalog import MAILBOX_SIDE_HEALTH_SET, MAILBOX_SIDE_PROBES
from popheal.policy.policy import Policy
from popheal.util.text import moment


@frozen(kw_only=True)
class Seen:
    """The state of a server.

    Attributes:
        facts: What an approval stands or falls with.
        moves: Where its active databases could go at this moment.
        notes: What a person should know beforehand, though it holds nothing.
        obstacles: What a drain, or a restart, would be refused for at this moment.
    """

    facts: ServerState
    moves: tuple[PlannedMove, ...] = ()
    notes: tuple[str, ...] = ()
    obstacles: tuple[str, ...] = ()


async def look_for_state(
    session: HealingContext, server: str, drained: Collection[str] | None = None
) -> ServerState:
    """Read the state of a server, a bounded number of times if that fails.

    Args:
        session: The healing.
        server: Fully qualified name.
        drained: The databases that were active there before this run drained it: they count as
            active, and the server as not drained. None if it did not.

    Raises:
        BackendError: What the last try raised.
    """
    facts, _, _ = await retry(session, "plan", lambda: _read_state(server, drained))
    return facts


async def look_for_plan(
    session: HealingContext, server: str, drained: Collection[str] | None = None
) -> Seen:
    """Likewise, with what would be moved where, what is known beforehand, and what would hold.

    What speaks against a drain is only told here: that it can't be read is such an obstacle too.
    """
    facts, layout, host = await retry(session, "plan", lambda: _read_state(server, drained))
    notes = list(_on_the_host(host))
    held = tuple(_why_host_holds(host, session.policy))
    if layout is None:
        held += await _why_last(session, server)
        return Seen(facts=facts, notes=tuple(notes), obstacles=held)
    notes.append(await _proof(server))
    if not facts.dag:
        nowhere = "it is in no database availability group: its mailboxes have nowhere to go"
        return Seen(facts=facts, notes=tuple(notes), obstacles=(*held, nowhere))
    try:
        group = await read_group(server, facts.dag, drained is None)
        layout = await with_active_counted(group, layout)
        held += (KEPT_OUT,) if is_blocked(await call(Backend.mailbox_server, server)) else ()
        held += tuple(_obstacles(group, layout, session.policy, drained=drained is not None))
    except BackendError as error:
        return Seen(facts=facts, notes=tuple(notes), obstacles=(*held, str(error)))
    moves = moves_of(group, layout, session.policy, drained or ())
    notes += [*note_on_the_manager(group, server), *notes_on(group, layout, session.policy)]
    return Seen(facts=facts, moves=moves, notes=tuple(notes), obstacles=held)


def _on_the_host(host: HostStatus) -> Iterator[str]:
    if host.reboot_pending:
        yield "Windows has a restart pending: a restart takes longer, as it configures updates"


def _why_host_holds(host: HostStatus, policy: Policy) -> Iterator[str]:
    if node := why_node_forbids(host):
        yield node.why
    if host.reboot_pending and policy.heed_pending_restart:
        yield "Windows has a restart pending (policy: heed_pending_restart)"
    limit = policy.reboots_per_server
    if not limit:
        yield NO_REBOOT
    elif limit == 1 and _is_up_for_less(host, 24):
        yield (
            f"it was restarted within the day, at {moment(host.boot_time)}, whoever did so "
            "(policy: reboots_per_server = 1)"
        )


def _is_up_for_less(host: HostStatus, hours: float) -> bool:
    return host.local_time - host.boot_time < timedelta(hours=hours)


async def _why_last(session: HealingContext, server: str) -> tuple[str, ...]:
    """Whether a server without databases is the only one of its site that serves clients."""
    if session.policy.reboot_last_of_role:
        return ()
    try:
        info = await call(Backend.server_info, server)
        return () if await another_serves(session, info) else (NONE_SERVES,)
    except BackendError as error:
        return (str(error),)


async def _proof(server: str) -> str:
    """What will have to succeed before the server is put back."""
    listed = await try_call(Backend.monitoring_items, server, MAILBOX_SIDE_HEALTH_SET)
    if isinstance(listed, BackendError):
        return f"which probes of its mailbox side there are can't be told: {listed}"
    names = {one.name.casefold() for one in listed}
    there = [name for one in MAILBOX_SIDE_PROBES if (name := one.rpartition("\\")[2])]
    there = [name for name in there if name.casefold() in names]
    if not there:
        return "it has no probe of its mailbox side, so nothing could prove that it may be put back"
    return (
        f"once drained and restarted it is put back only if {' or '.join(there)}, run by hand, "
        "succeeds; on a drained server the deep test may find no database to test"
    )


def _obstacles(group: Group, layout: Layout, policy: Policy, *, drained: bool) -> Iterator[str]:
    for found in (
        why_members_forbid(group, policy),
        None if drained else why_quorum_is_unsure(group),
        why_databases_forbid(group, layout, policy),
        None if drained else why_backups_forbid(layout, policy),
    ):
        if found:
            yield found.why
    hours = policy.hours_between_reboots
    for name, host in group.hosts.items():
        if _is_up_for_less(host, hours):
            yield (
                f"{name}, another member of {group.dag.name}, has booted at "
                f"{moment(host.boot_time)}, less than {hours:g} hours ago, whoever restarted it "
                f"(policy: hours_between_reboots = {hours:g})"
            )


async def _read_state(
    server: str, drained: Collection[str] | None
) -> tuple[ServerState, Layout | None, HostStatus]:
    info = await call(Backend.server_info, server)
    host = await call(Backend.host_status, server)
    state = ServerState(
        server=info.fqdn,
        booted_at=host.boot_time,
        mailbox_role=info.mailbox_role,
        client_access_role=info.client_access_role,
    )
    if not info.mailbox_role:
        return state, None, host
    mailbox = await call(Backend.mailbox_server, server)
    members = await _members(server, mailbox.dag) if mailbox.dag else ()
    layout = await read_layout(server)
    state = evolve(
        state,
        dag=mailbox.dag or "",
        drained=mailbox.activation_disabled and drained is None,
        members=members,
        databases=tuple(_databases(layout, drained or ())),
    )
    return state, layout, host


async def _members(server: str, name: str) -> tuple[MemberFacts, ...]:
    dag: Dag = await call(Backend.dag, server, name)
    members = []
    for member in dag.members:
        if same_server(member, server):
            continue
        seen = await call(Backend.mailbox_server, member)
        members.append(
            MemberFacts(
                server=member,
                operational=any(same_server(member, one) for one in dag.operational),
                drained=seen.activation_disabled,
            )
        )
    return tuple(members)


def _databases(layout: Layout, drained: Collection[str]) -> Iterator[DatabaseFacts]:
    before = {name.casefold() for name in drained}
    for copy, database in layout.here:
        active = is_active(copy) or database.name.casefold() in before
        movable = database.replicated and not database.recovery
        yield DatabaseFacts(
            name=database.name,
            replicated=database.replicated,
            recovery=database.recovery,
            active=active,
            copies=[one.server for one in layout.copies_of(database)] if active and movable else [],
        )

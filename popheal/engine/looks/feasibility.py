"""What stands in the way of taking a member out of its group for a while.

Judges what :mod:`popheal.engine.looks.group` and :mod:`popheal.engine.looks.copies` have read;
shared by the gates before a drain and a reboot, and by plans. Pure, but that what was not told
raises, as it must never count as no.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

from attrs import frozen

from popheal.engine.looks.copies import Layout
from popheal.engine.looks.group import Group, Member
from popheal.engine.plan import PlannedMove
from popheal.errors import Unreadable
from popheal.exchange.interpret import (
    can_take_over,
    is_active,
    is_blocked,
    is_dismounted,
    is_out_of_cluster,
    is_seeding,
    is_seeding_source,
    is_service_down,
    stays_in_site,
)
from popheal.exchange.models import Database, DatabaseCopy, HostStatus
from popheal.exchange.names import same_server
from popheal.exchange.placement import without_a_place
from popheal.exchange.quorum import keeps_majority, needs_witness, read_checks
from popheal.exchange.redundancy import copies_needed, healthy_elsewhere, is_lagged
from popheal.policy.policy import Policy
from popheal.reports.report import FindingKind


@frozen
class Obstacle:
    """Why a server may not be taken out of service, and of which kind that is."""

    kind: FindingKind
    why: str


# --- the server itself ---------------------------------------------------------------------------

#: Why a server is left alone whose databases may not be activated on it.
KEPT_OUT: Final = (
    "its DatabaseCopyAutoActivationPolicy is Blocked: somebody keeps it out of service"
)
#: Why none is restarted, by the policy, whatever was done lately.
NO_REBOOT: Final = "the policy allows no restart of a server (reboots_per_server = 0)"


def why_node_forbids(host: HostStatus) -> Obstacle | None:
    """The server's own node in the cluster is not up."""
    if host.cluster_node.casefold() == "paused":
        return Obstacle(
            FindingKind.MAINTENANCE,
            "its node in the cluster is Paused: somebody is working on the server",
        )
    if is_out_of_cluster(host):
        return Obstacle(
            FindingKind.DEPENDENCY,
            f"its node in the cluster is {host.cluster_node}: no database is switched over in "
            "order from a member that is not in the cluster",
        )
    return None


# --- the group -----------------------------------------------------------------------------------


def why_out(member: Member) -> str:
    """Why a member doesn't count as one in service, after its name; empty if it does."""
    if not member.up:
        return "is down"
    if member.mailbox.activation_disabled:
        return "is drained"
    return f"is out of service: {member.out_of_service}" if member.out_of_service else ""


def in_service(group: Group) -> list[Member]:
    """The other members that are in service."""
    return [one for one in group.members if not why_out(one)]


def why_members_forbid(group: Group, policy: Policy) -> Obstacle | None:
    """Another member is out of service already, or too few would be left.

    A drained one always forbids: it may be one of ours, and two are never out of service by us.
    """
    name, needed = group.dag.name, policy.healthy_members
    out = [one for one in group.members if why_out(one)]
    if needed is None and out:
        # One that is down explains more than one that is drained.
        first = min(out, key=lambda one: one.up)
        return Obstacle(
            FindingKind.OUT_OF_SERVICE,
            f"{first.server}, another member of {name}, {why_out(first)}",
        )
    drained = [one.server for one in out if one.mailbox.activation_disabled]
    if drained:
        return Obstacle(
            FindingKind.OUT_OF_SERVICE, f"{drained[0]}, another member of {name}, is drained"
        )
    staying = in_service(group)
    if needed is not None and len(staying) < needed:
        said = ", ".join(f"{one.server} {why_out(one)}" for one in out) or "the group has no more"
        return Obstacle(
            FindingKind.OUT_OF_SERVICE,
            f"{len(staying)} other members of {name} are up and in service, and {needed} must be "
            f"(policy: healthy_members = {needed}); {said}",
        )
    if not keeps_majority(group.dag, len(staying)):
        witness = f", its witness is {group.dag.witness or 'not told'}"
        return Obstacle(
            FindingKind.QUORUM,
            f"the rest of {name} would be no majority of its cluster: {len(staying)} of "
            f"{len(group.dag.members)} members would stay"
            f"{witness if len(group.dag.members) % 2 == 0 else ''}",
        )
    return None


def why_quorum_is_unsure(group: Group) -> Obstacle | None:
    """A member that stays says that the cluster, or what takes databases over, is not in order.

    Raises:
        Unreadable: If one doesn't say enough.
    """
    for member in in_service(group):
        seen = read_checks(member.server, member.checks, witness=needs_witness(group.dag))
        if seen.failed:
            said = ", ".join(
                f"{one.check} is {one.result}{f' ({one.error})' if one.error else ''}"
                for one in seen.failed
            )
            return Obstacle(
                FindingKind.QUORUM, f"Test-ReplicationHealth of {member.server}: {said}"
            )
        if seen.missing:
            raise Unreadable(
                server=member.server,
                command="Test-ReplicationHealth",
                cause=f"it says nothing of {', '.join(seen.missing)}",
            )
    return None


# --- the databases -------------------------------------------------------------------------------


def why_databases_forbid(group: Group, layout: Layout, policy: Policy) -> Obstacle | None:
    """The first database that could not leave, or would be left with too little."""
    for copy, database in layout.here:
        if not database.recovery and not database.replicated:
            return Obstacle(
                FindingKind.NOWHERE_TO_GO,
                f"{database.name} has no other copy, so a restart would be an outage",
            )
        if is_seeding_source(copy):
            return Obstacle(
                FindingKind.UNDER_WAY,
                f"another copy of {database.name} is being reseeded from the one on this server "
                "(SeedingSource); let that end",
            )
        if is_seeding(copy):
            return Obstacle(
                FindingKind.UNDER_WAY,
                f"the copy of {database.name} on this server is being reseeded (Seeding), which a "
                "restart would break off; let that end",
            )
        if is_service_down(copy):
            return Obstacle(
                FindingKind.DEPENDENCY,
                f"the copy of {database.name} on this server reads ServiceDown: MSExchangeRepl "
                "does not answer there, and without it no database is switched over",
            )
        if not database.recovery and is_dismounted(copy):
            return Obstacle(
                FindingKind.UNDER_WAY,
                f"{database.name} is active on this server and dismounted: a drain moves mounted "
                "databases only, and somebody may be at work on it",
            )
    return _why_they_stay(group, layout, policy) or _why_too_few(group, layout, policy)


def why_backups_forbid(layout: Layout, policy: Policy) -> Obstacle | None:
    """A backup would be broken off."""
    running = [one.name for _, one in layout.here if one.backup_in_progress]
    if not running or not policy.heed_backups:
        return None
    return Obstacle(
        FindingKind.UNDER_WAY,
        f"a backup of {', '.join(running)} is running (policy: heed_backups); let it end",
    )


def _why_they_stay(group: Group, layout: Layout, policy: Policy) -> Obstacle | None:
    targets: dict[str, list[str]] = {}
    for database in _leaving(layout):
        problems = _problems_of(database, group, layout, policy)
        fit = [server for server, problem in problems.items() if not problem]
        if not fit:
            said = "; ".join(f"{server}: {problem}" for server, problem in problems.items())
            return Obstacle(
                FindingKind.NOWHERE_TO_GO,
                f"{database.name} can't be switched over ({said or 'no other copy'})",
            )
        targets[database.name] = fit
    free = {one.server: _free_places(one, layout) for one in group.members}
    named = {name: [_member_name(group, server) for server in fit] for name, fit in targets.items()}
    stuck = without_a_place(named, free)
    if not stuck:
        return None
    places = ", ".join(f"{server} takes {free[server]} more" for server in named[stuck[0]])
    return Obstacle(
        FindingKind.NOWHERE_TO_GO,
        f"{', '.join(stuck)} may find no place once the others have moved: {len(targets)} "
        f"databases would leave, and {places} (MaximumActiveDatabases)",
    )


def _leaving(layout: Layout, drained: Collection[str] = ()) -> list[Database]:
    """The databases that are active here, or were until this run drained the server."""
    before = {name.casefold() for name in drained}
    return [
        database
        for copy, database in layout.here
        if not database.recovery and (is_active(copy) or database.name.casefold() in before)
    ]


def _problems_of(
    database: Database, group: Group, layout: Layout, policy: Policy
) -> dict[str, str]:
    """For each other server with a copy: why it could not take the database; empty if it could."""
    return {
        copy.server: next(_why_not_there(copy, database, group, layout, policy), "")
        for copy in layout.copies_of(database)
        if not same_server(copy.server, layout.server)
    }


def _why_not_there(
    copy: DatabaseCopy, database: Database, group: Group, layout: Layout, policy: Policy
) -> Iterator[str]:
    if not can_take_over(copy):
        yield _why_unfit(copy)
    if is_lagged(database, copy.server):
        yield "its copy lags on purpose (ReplayLagTimes)"
    member = group.member(copy.server)
    if member is None:
        yield "it is no member of the group"
        return
    if out := why_out(member):
        yield f"it {out}"
    if member.does_not_serve:
        yield f"POP would not work there: {member.does_not_serve}"
    if member.takes_no_more:
        yield "activation is blocked there"
    yield from _why_not_from_here(member, group, policy)
    free = _free_places(member, layout)
    if free is not None and free <= 0:
        limit = member.mailbox.maximum_active_databases
        yield f"hosts its maximum of {limit} active databases"


def _why_not_from_here(member: Member, group: Group, policy: Policy) -> Iterator[str]:
    if _same_site(member, group):
        return
    sites = f"it is in {_site(member.site)}, and the database in {_site(group.site)}"
    if stays_in_site(member.mailbox):
        yield f"it takes databases of its own site only (IntrasiteOnly); {sites}"
    if policy.same_site_only:
        yield f"databases stay in their site (policy: same_site_only); {sites}"


def _why_unfit(copy: DatabaseCopy) -> str:
    if copy.activation_suspended is not False:
        return "activation of its copy is suspended"
    return (
        f"its copy is {copy.status}, copy queue {copy.copy_queue}, "
        f"replay queue {copy.replay_queue}, index {copy.content_index or 'none'}"
    )


def _site(name: str | None) -> str:
    return f"the site {name}" if name else "a site that was not told"


def _same_site(member: Member, group: Group) -> bool:
    """Whether the member is seen to be in the site that the databases leave."""
    if member.site is None or group.site is None:
        return False
    return member.site.casefold() == group.site.casefold()


def _member_name(group: Group, server: str) -> str:
    member = group.member(server)
    return member.server if member else server


def _free_places(member: Member, layout: Layout) -> int | None:
    limit = member.mailbox.maximum_active_databases
    return None if limit is None else limit - layout.active_on.get(member.server, limit)


def _why_too_few(group: Group, layout: Layout, policy: Policy) -> Obstacle | None:
    """Of every replicated database here, active or not, enough healthy copies must stay."""
    out = [one.server for one in group.members if why_out(one)]
    for _, database in layout.here:
        if database.recovery or not database.replicated:
            continue
        copies = layout.copies_of(database)
        needed = copies_needed(database, copies, policy.healthy_copies)
        healthy = healthy_elsewhere(layout.server, database, copies, out)
        if len(healthy) < needed:
            asked = (
                f" (policy: healthy_copies = {needed})" if policy.healthy_copies == needed else ""
            )
            kept = f"{len(healthy)} healthy {'copy' if len(healthy) == 1 else 'copies'}"
            return Obstacle(
                FindingKind.REDUNDANCY,
                f"{database.name} would be left with {kept} elsewhere, and "
                f"{needed} must stay{asked}; elsewhere: {_described(database, layout)}",
            )
    return None


def _described(database: Database, layout: Layout) -> str:
    return ", ".join(
        f"{copy.server} {copy.status}{' (lagged)' if is_lagged(database, copy.server) else ''}, "
        f"copy queue {copy.copy_queue}, replay queue {copy.replay_queue}"
        for copy in layout.copies_of(database)
        if not same_server(copy.server, layout.server)
    )


# --- what is told --------------------------------------------------------------------------------


def moves_of(
    group: Group, layout: Layout, policy: Policy, drained: Collection[str] = ()
) -> tuple[PlannedMove, ...]:
    """Each database that would leave, and where it could go as things stand.

    Args:
        group: The group.
        layout: Where its copies are.
        policy: What the policy allows.
        drained: Those that were active here until this run drained the server.
    """
    moves = []
    for database in _leaving(layout, drained):
        if not database.replicated:
            moves.append(PlannedMove(database=database.name, targets=()))
            continue
        problems = _problems_of(database, group, layout, policy)
        fit = sorted(server for server, problem in problems.items() if not problem)
        far = [one for one in fit if (m := group.member(one)) and not _same_site(m, group)]
        moves.append(PlannedMove(database=database.name, targets=tuple(fit), other_site=tuple(far)))
    return tuple(sorted(moves, key=lambda one: one.database.casefold()))


def notes_on(group: Group, layout: Layout, policy: Policy) -> Iterator[str]:
    """What a person should know beforehand, though it holds nothing."""
    for move in moves_of(group, layout, policy):
        if move.other_site:
            sites = {m.site for one in move.other_site if (m := group.member(one))}
            says = "can only go" if set(move.targets) == set(move.other_site) else "may go"
            where = " or ".join(sorted(_site(one) for one in sites))
            yield f"{move.database} {says} to another site ({where})"
    blocked = [one.server for one in group.members if is_blocked(one.mailbox)]
    if blocked:
        yield f"{', '.join(blocked)} can take none (DatabaseCopyAutoActivationPolicy is Blocked)"
    for one in in_service(group):
        # The product does not ask for POP when it chooses where a database goes.
        if one.does_not_serve:
            yield f"POP would not work for what moves to {one.server}: {one.does_not_serve}"
    recovery = [one.name for _, one in layout.here if one.recovery]
    if recovery:
        yield f"recovery databases stay where they are: {', '.join(recovery)}"
    untold = [
        one.name for _, one in layout.here if one.backup_in_progress is None and not one.recovery
    ]
    if untold:
        yield f"whether a backup is running was not told of {', '.join(untold)}"


def note_on_the_manager(group: Group, server: str) -> Iterator[str]:
    """Whether the server holds the group's role that decides where databases are active."""
    manager = group.dag.primary_active_manager
    if manager and same_server(manager, server):
        yield f"it is the primary active manager of {group.dag.name}; another member takes over"

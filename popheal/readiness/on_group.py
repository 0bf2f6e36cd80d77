"""What is looked at of a server's databases and of its group: what a drain would need."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from popheal.engine.looks.copies import Layout, read_layout
from popheal.engine.looks.server_state import look_for_plan
from popheal.engine.requests import call
from popheal.errors import BackendError
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import is_blocked, why_out_of_service
from popheal.exchange.models import Dag, Database, DatabaseCopy, ReplicationCheck
from popheal.exchange.names import same_server
from popheal.exchange.quorum import WITNESS_CHECK, has_even_votes, needs_witness
from popheal.exchange.redundancy import copies_needed, healthy_elsewhere, is_among
from popheal.readiness.lines import Judgement, Line
from popheal.readiness.subject import Answer, Subject, bad, failed, good, not_asked, untold

#: The check that says of all members at once what each has a line for.
_MEMBERS_UP: Final = "dagmembersup"


async def activation(subject: Subject) -> Sequence[Answer]:
    if not _has_databases(subject):
        return []
    found = await call(Backend.mailbox_server, subject.server)
    if found.activation_disabled:
        return [
            bad(
                "disabled",
                "somebody, or a healing that popheal healings lists, has drained the server "
                "(DatabaseCopyActivationDisabledAndMoveNow), so no other healing touches it",
                "Let a healing end that is at work there. When whoever it was is done: "
                f"Set-MailboxServer {subject.server} "
                "-DatabaseCopyActivationDisabledAndMoveNow $false.",
            )
        ]
    if is_blocked(found):
        return [good("allowed; but the policy there is Blocked, so it is never restarted")]
    return [good(f"allowed, {found.auto_activation_policy}")]


async def group(subject: Subject) -> Sequence[Answer]:
    if not _has_databases(subject):
        return []
    name = (await call(Backend.mailbox_server, subject.server)).dag
    if not name:
        return [good("none: its mailboxes have nowhere to go, so it is never drained or restarted")]
    found = await call(Backend.dag, subject.server, name)
    if is_among(subject.server, found.members):
        manager = found.primary_active_manager or "not told"
        return [good(f"{found.name}: {', '.join(found.members)}; active manager {manager}")]
    return [
        bad(
            f"{found.name}: {', '.join(found.members)}",
            "the group does not list this server as a member, though the server says it is",
            f"See Get-DatabaseAvailabilityGroup {name} -Status, and how directory servers "
            "replicate.",
        )
    ]


async def members(subject: Subject) -> Sequence[Answer]:
    found = await _dag_of(subject)
    others = [one for one in found.members if not same_server(one, subject.server)] if found else []
    return [await _member(subject, one, found) for one in others if found]


async def _member(subject: Subject, name: str, found: Dag) -> Answer:
    uses = (Backend.host_status, Backend.component_states, Backend.mailbox_server)
    for method in uses:
        if because := subject.blocked.why(method.__name__, name):
            return not_asked(f"{name}: {because}", name)
    if not is_among(name, found.operational):
        return bad(
            "down",
            f"{found.name} does not count it as operational, so no other member is taken out of "
            "service",
            f"See to {name}: is it up, and its cluster service?",
            name,
        )
    try:
        host = await call(Backend.host_status, name)
        components = await call(Backend.component_states, name)
        seen = await call(Backend.mailbox_server, name)
    except BackendError as error:
        return failed(error, name)
    if not host.cluster_node:
        return untold(
            "up",
            "the state of its node in the cluster was not told, so it may be in maintenance",
            f"Let the account read the cluster on {name} (Get-ClusterNode).",
            name,
        )
    if why := why_out_of_service(components, host):
        return bad("out of service", why, "Let whoever works on it finish, and take it back.", name)
    if seen.activation_disabled:
        return bad(
            "drained",
            "database activation is disabled there",
            f"When whoever did it is done: Set-MailboxServer {name} "
            "-DatabaseCopyActivationDisabledAndMoveNow $false.",
            name,
        )
    return good(f"up, node {host.cluster_node}, {seen.auto_activation_policy}", name)


async def witness(subject: Subject) -> Sequence[Answer]:
    found = await _dag_of(subject)
    if found is None:
        return []
    if not has_even_votes(found):
        return [good(f"not needed, with {len(found.members)} members")]
    told = found.witness or "not told"
    checks = await call(Backend.replication_health, subject.server)
    mine = [
        one
        for one in checks
        if one.check.casefold() == WITNESS_CHECK.casefold()
        and same_server(one.server, subject.server)
    ]
    wrong = [one for one in mine if one.result.casefold() != "passed"]
    look = f"See Get-DatabaseAvailabilityGroup {found.name} -Status and the share of its witness."
    if not needs_witness(found):
        why = f"{len(found.members)} members need one: half of them would be no majority"
        return [bad(told, why, look)]
    if wrong:
        return [bad(told, wrong[0].error or f"{WITNESS_CHECK} is {wrong[0].result}", look)]
    if not mine:
        return [untold(told, f"Test-ReplicationHealth did not tell about {WITNESS_CHECK}", look)]
    return [good(f"{told}, and it can be reached")]


async def replication(subject: Subject) -> Sequence[Answer]:
    if await _dag_of(subject) is None:
        return []
    checks = await call(Backend.replication_health, subject.server)
    mine = [
        one
        for one in checks
        if same_server(one.server, subject.server)
        and one.check.casefold() != WITNESS_CHECK.casefold()  # which has a line of its own
    ]
    wrong = [one for one in mine if one.result.casefold() != "passed"]
    if not wrong:
        return [good(f"{len(mine)} checks passed")]
    return [_check(one, subject) for one in wrong]


def _check(one: ReplicationCheck, subject: Subject) -> Answer:
    if one.check.casefold() == _MEMBERS_UP and (member := _bad_member(subject)):
        return not_asked(member.because or member.name, one.check)
    return bad(
        one.result,
        one.error or "the check did not pass",
        f"See Test-ReplicationHealth {subject.server} | Format-List.",
        one.check,
    )


async def copies(subject: Subject) -> Sequence[Answer]:
    if not _has_databases(subject):
        return []
    layout = await read_layout(subject.server)
    return [
        _database(copy, database, layout, subject)
        for copy, database in sorted(layout.here, key=lambda one: one[1].name.casefold())
    ]


def _database(copy: DatabaseCopy, database: Database, layout: Layout, subject: Subject) -> Answer:
    if database.recovery or not database.replicated:
        kind = "a recovery database" if database.recovery else "one copy only"
        return good(f"{copy.status}; {kind}, it never moves", database.name)
    everywhere = layout.copies_of(database)
    elsewhere = ", ".join(
        f"{one.server} {one.status}"
        for one in everywhere
        if not same_server(one.server, layout.server)
    )
    said = f"{copy.status}; elsewhere: {elsewhere or 'none'}"
    needed = copies_needed(database, everywhere, subject.policy.healthy_copies)
    healthy = healthy_elsewhere(layout.server, database, everywhere)
    if len(healthy) >= needed:
        return good(said, database.name)
    # What is wrong with a member explains its copies.
    lacking = [one for one in database.servers if not is_among(one, healthy)]
    if member := _bad_member(subject, lacking):
        return not_asked(member.because or member.name, database.name)
    return bad(
        said,
        f"of {needed} healthy copies that must stay elsewhere there are {len(healthy)}, so the "
        "server would not be drained",
        f"See Get-MailboxDatabaseCopyStatus {database.name} | Format-List.",
        database.name,
    )


async def drain(subject: Subject) -> Sequence[Answer]:
    if not _has_databases(subject):
        return []
    seen = await look_for_plan(subject.context, subject.server)
    if not seen.facts.dag:
        return []
    if seen.obstacles:
        return [
            bad(
                "no",
                "; ".join(seen.obstacles),
                "If that is to be so, POP3 is restarted there at most; popheal plan says more.",
            )
        ]
    moves = ", ".join(f"{one.database} to {' or '.join(one.targets)}" for one in seen.moves)
    return [good(f"yes{f': {moves}' if moves else ''}")]


def _bad_member(subject: Subject, among: Sequence[str] | None = None) -> Line | None:
    """The line of a member that is not well, if there is one; of any, or of one of these."""
    return next(
        (
            one
            for one in subject.lines
            if one.key == "member"
            and one.judgement is not Judgement.GOOD
            and (among is None or is_among(one.about, among))
        ),
        None,
    )


def _has_databases(subject: Subject) -> bool:
    return subject.info is not None and subject.info.mailbox_role


async def _dag_of(subject: Subject) -> Dag | None:
    if not _has_databases(subject):
        return None
    name = (await call(Backend.mailbox_server, subject.server)).dag
    return await call(Backend.dag, subject.server, name) if name else None

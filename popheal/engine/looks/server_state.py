"""Reading the state that a plan starts from. Only looks."""

from __future__ import annotations

from collections.abc import Collection

from attrs import frozen

from popheal.engine.context import HealingContext
from popheal.engine.looks.copies import read_copies_of, read_copies_on
from popheal.engine.looks.retry import retry
from popheal.engine.plan import PlannedMove
from popheal.engine.plan_basis import DatabaseFacts, MemberFacts, ServerState
from popheal.engine.requests import call
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import can_take_over, is_active
from popheal.exchange.models import Dag, Database, DatabaseCopy
from popheal.exchange.names import same_server


@frozen(kw_only=True)
class Seen:
    """The state of a server, and where its active databases could go at this moment."""

    facts: ServerState
    moves: tuple[PlannedMove, ...] = ()


async def look_for_plan(
    session: HealingContext, server: str, drained: Collection[str] | None = None
) -> Seen:
    """Read the state of a server, a bounded number of times if that fails.

    Args:
        session: The healing.
        server: Fully qualified name.
        drained: The databases that were active there before this run drained it: they count as
            active, and the server as not drained. None if it did not.

    Raises:
        BackendError: What the last try raised.
    """
    return await retry(session, "plan", lambda: _read_all(server, drained))


async def _read_all(server: str, drained: Collection[str] | None) -> Seen:
    info = await call(Backend.server_info, server)
    host = await call(Backend.host_status, server)
    facts = ServerState(
        server=info.fqdn,
        booted_at=host.boot_time,
        mailbox_role=info.mailbox_role,
        client_access_role=info.client_access_role,
    )
    if not info.mailbox_role:
        return Seen(facts=facts)
    mailbox = await call(Backend.mailbox_server, server)
    members = await _members(server, mailbox.dag) if mailbox.dag else ()
    databases, moves = await _databases(server, members, drained)
    return Seen(
        facts=ServerState(
            server=facts.server,
            booted_at=facts.booted_at,
            mailbox_role=facts.mailbox_role,
            client_access_role=facts.client_access_role,
            dag=mailbox.dag or "",
            drained=mailbox.activation_disabled and drained is None,
            members=members,
            databases=databases,
        ),
        moves=moves,
    )


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


async def _databases(
    server: str, members: Collection[MemberFacts], drained: Collection[str] | None
) -> tuple[tuple[DatabaseFacts, ...], tuple[PlannedMove, ...]]:
    databases, moves = [], []
    before = {name.casefold() for name in drained or ()}
    for copy, database in await read_copies_on(server):
        active = is_active(copy) or database.name.casefold() in before
        copies: list[DatabaseCopy] = []
        if active and _may_move(database):
            copies = list(await read_copies_of(server, database.name))
            targets = [one.server for one in copies if _could_take(one, server, members)]
            moves.append(PlannedMove(database=database.name, targets=tuple(sorted(targets))))
        databases.append(
            DatabaseFacts(
                name=database.name,
                replicated=database.replicated,
                recovery=database.recovery,
                active=active,
                copies=[one.server for one in copies],
            )
        )
    return tuple(databases), tuple(sorted(moves, key=lambda one: one.database.casefold()))


def _may_move(database: Database) -> bool:
    return database.replicated and not database.recovery


def _could_take(copy: DatabaseCopy, server: str, members: Collection[MemberFacts]) -> bool:
    barred = any(
        same_server(copy.server, one.server) and (one.drained or not one.operational)
        for one in members
    )
    return not same_server(copy.server, server) and can_take_over(copy) and not barred

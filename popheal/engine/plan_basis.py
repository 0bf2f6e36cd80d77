"""What a plan starts from: the state of a server, as far as it bounds what a healing may do."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from attrs import evolve, field, frozen

from popheal.exchange.names import short_name
from popheal.util.serialize import to_jsonable
from popheal.util.text import moment

_HALF_A_MINUTE = timedelta(seconds=30)


def _short(name: str) -> str:
    # Rows of the product name one server in several ways.
    return short_name(name)


def _sorted_names(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({_short(name) for name in names}))


@frozen(kw_only=True)
class MemberFacts:
    """Another member of the server's database availability group.

    Attributes:
        server: Its short name.
        operational: Whether the group counts it as up.
        drained: Whether database activation is disabled there.
    """

    server: str = field(converter=_short)
    operational: bool
    drained: bool


@frozen(kw_only=True)
class DatabaseFacts:
    """A database with a copy on the server.

    Attributes:
        replicated: Whether it may have copies elsewhere.
        recovery: A recovery database: serves nobody, never moves.
        active: Whether it is active on the server, or can't be told not to be.
        copies: Short names of the servers with a copy of it, this one among them; only asked
            for where it is active here, as only such a database would be moved.
    """

    name: str
    replicated: bool
    recovery: bool
    active: bool
    copies: tuple[str, ...] = field(default=(), converter=_sorted_names)


def _by_server(members: Iterable[MemberFacts]) -> tuple[MemberFacts, ...]:
    return tuple(sorted(members, key=attrgetter("server")))


def _by_name(databases: Iterable[DatabaseFacts]) -> tuple[DatabaseFacts, ...]:
    return tuple(sorted(databases, key=lambda one: one.name.casefold()))


@frozen(kw_only=True)
class ServerState:
    """The state of a server, read by looks.

    Attributes:
        server: Fully qualified name.
        booted_at: When it booted, by its own clock; aware UTC.
        dag: Its database availability group; empty if none. This and what follows is only there
            for a server with the Mailbox role.
        drained: Whether database activation is disabled on it.
        members: The other members of the group.
        databases: Those with a copy on it.
    """

    server: str
    booted_at: datetime
    mailbox_role: bool
    client_access_role: bool
    dag: str = ""
    drained: bool = False
    members: tuple[MemberFacts, ...] = field(default=(), converter=_by_server)
    databases: tuple[DatabaseFacts, ...] = field(default=(), converter=_by_name)

    def canonical(self) -> Any:
        """The same value for the same state, however its names are written; plain JSON values.

        A boot time counts to the minute, as it is told a little apart from look to look.
        """
        to_the_minute = (self.booted_at + _HALF_A_MINUTE).replace(second=0, microsecond=0)
        return json.loads(json.dumps(to_jsonable(evolve(self, booted_at=to_the_minute))).casefold())


def drift(before: ServerState, now: ServerState) -> list[str]:
    """What is not as it was, in words; empty if everything is."""
    return [
        *_of_server(before, now),
        *_of_members(before, now),
        *_of_databases(before, now),
    ]


def _of_server(before: ServerState, now: ServerState) -> Iterator[str]:
    if before.booted_at != now.booted_at:
        yield f"the server has booted at {moment(now.booted_at)}"
    if (before.mailbox_role, before.client_access_role) != (
        now.mailbox_role,
        now.client_access_role,
    ):
        yield "the server has other roles"
    if before.dag.casefold() != now.dag.casefold():
        yield f"its database availability group is {now.dag or 'none'}, not {before.dag or 'none'}"
    if before.drained != now.drained:
        yield f"database activation on it is {'disabled' if now.drained else 'allowed'} now"


def _of_members(before: ServerState, now: ServerState) -> Iterator[str]:
    old = {one.server: one for one in before.members}
    new = {one.server: one for one in now.members}
    for name in sorted(old.keys() ^ new.keys()):
        yield f"{name} is {'a' if name in new else 'no'} member of {now.dag or before.dag} now"
    for name in sorted(old.keys() & new.keys()):
        was, is_now = old[name], new[name]
        if was.operational != is_now.operational:
            yield f"{name} is {'operational' if is_now.operational else 'down'} now"
        if was.drained != is_now.drained:
            yield f"{name} is {'drained' if is_now.drained else 'not drained'} now"


def _of_databases(before: ServerState, now: ServerState) -> Iterator[str]:
    old = {one.name.casefold(): one for one in before.databases}
    new = {one.name.casefold(): one for one in now.databases}
    for name in sorted(old.keys() ^ new.keys()):
        known = new.get(name) or old[name]
        yield f"{known.name} has {'a' if name in new else 'no'} copy on the server now"
    for name in sorted(old.keys() & new.keys()):
        was, is_now = old[name], new[name]
        if (was.replicated, was.recovery) != (is_now.replicated, is_now.recovery):
            yield f"{is_now.name} is of another kind now"
        if was.active != is_now.active:
            yield f"{is_now.name} is {'active' if is_now.active else 'not active'} there now"
        elif was.copies != is_now.copies:
            yield f"{is_now.name} has its copies on {', '.join(is_now.copies)} now"

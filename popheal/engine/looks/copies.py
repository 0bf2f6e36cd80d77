"""Looking at database copies, and refusing answers that are not about what was asked.

A row of another server, or one that is missing, would make a server look free of active copies
that has them. So every answer is checked against a second one before it counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from attrs import field, frozen

from popheal.engine.requests import call, look, try_call
from popheal.errors import BackendError, Unreadable
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import is_active
from popheal.exchange.models import Database, DatabaseCopy
from popheal.exchange.names import same_server
from popheal.exchange.redundancy import is_among

_COMMAND = "Get-MailboxDatabaseCopyStatus"

#: Each copy on a server, with its database.
Copies = list[tuple[DatabaseCopy, Database]]


@look
async def read_copies_on(_context: Any, server: str) -> Copies:
    """The copies on a server.

    Raises:
        BackendError: If they can't be read, or don't fit the databases.
    """
    databases = await call(Backend.databases, server)
    copies = await call(Backend.database_copies, server)
    strangers = [copy.server for copy in copies if not same_server(copy.server, server)]
    if strangers:
        raise _unreadable(server, f"it answered with copies of {', '.join(sorted(set(strangers)))}")
    by_name = {one.name.casefold(): one for one in databases}
    listed = {copy.database.casefold() for copy in copies}
    if listed != set(by_name):
        odd = ", ".join(sorted(listed ^ set(by_name)))
        raise _unreadable(server, f"copies and databases of the server don't agree on {odd}")
    return [(copy, by_name[copy.database.casefold()]) for copy in copies]


@look
async def read_copies_of(_context: Any, server: str, database: str) -> Sequence[DatabaseCopy]:
    """The copies of a database that has one on the server. Raises BackendError."""
    copies = await call(Backend.copies_of, server, database)
    if any(copy.database.casefold() != database.casefold() for copy in copies):
        raise _unreadable(server, f"it answered with copies of other databases than {database}")
    if not any(same_server(copy.server, server) for copy in copies):
        raise _unreadable(server, f"the copy of {database} on this server is missing in the answer")
    return copies


@frozen(kw_only=True)
class Layout:
    """Where the databases are that have a copy on a server.

    Attributes:
        server: The server.
        here: Its copies, each with its database.
        everywhere: For each replicated one that is no recovery database, all of its copies; by
            its name without case.
        active_on: How many databases are active on other servers, where that matters.
    """

    server: str
    here: Copies
    everywhere: Mapping[str, Sequence[DatabaseCopy]]
    active_on: Mapping[str, int] = field(factory=dict)

    def copies_of(self, database: Database) -> Sequence[DatabaseCopy]:
        """All copies of a replicated database."""
        return self.everywhere[database.name.casefold()]


@look
async def read_layout(_context: Any, server: str) -> Layout:
    """The copies on a server, and all other copies of the same databases.

    Raises:
        BackendError: If any of it can't be read, or doesn't fit together.
    """
    here = await read_copies_on(server)
    wanted = [(copy, one) for copy, one in here if one.replicated and not one.recovery]
    everywhere = await _by_server(server, wanted)
    if everywhere is None:
        everywhere = {
            one.name.casefold(): await read_copies_of(server, one.name) for _, one in wanted
        }
    return Layout(server=server, here=here, everywhere=everywhere)


async def _by_server(server: str, here: Copies) -> dict[str, Sequence[DatabaseCopy]] | None:
    """All copies of the databases, read from the other servers that have some.

    A server has a hundred databases sooner than a group has a hundred members. None where that
    would be no fewer calls, where a database doesn't say which servers have copies of it, or where
    one of these doesn't answer: then each database has to be asked for.
    """
    others = {
        one.casefold(): one
        for _, database in here
        for one in database.servers
        if not same_server(one, server)
    }
    if not all(database.servers for _, database in here) or len(others) >= len(here):
        return None
    found = {database.name.casefold(): [copy] for copy, database in here}
    for other in others.values():
        rows = await try_call(Backend.database_copies, other)
        if isinstance(rows, BackendError):
            return None
        for row in rows:
            if not same_server(row.server, other):
                raise _unreadable(other, f"it answered with a copy of {row.server}")
            if row.database.casefold() in found:
                found[row.database.casefold()].append(row)
    for _, database in here:
        told = [copy.server for copy in found[database.name.casefold()]]
        if missing := [one for one in database.servers if not is_among(one, told)]:
            raise _unreadable(missing[0], f"its copy of {database.name} is missing in the answer")
    return {name: tuple(copies) for name, copies in found.items()}


@look
async def count_active(_context: Any, server: str) -> int:
    """How many databases are active on a server. Raises BackendError."""
    return sum(is_active(copy) for copy, _ in await read_copies_on(server))


def _unreadable(server: str, cause: str) -> Unreadable:
    return Unreadable(server=server, command=_COMMAND, cause=cause)

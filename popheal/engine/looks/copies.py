"""Looking at database copies, and refusing answers that are not about what was asked.

A row of another server, or one that is missing, would make a server look free of active copies
that has them. So every answer is checked against a second one before it counts.
"""

from __future__ import annotations

from collections.abc import Sequence

from popheal.engine.requests import call
from popheal.errors import Unreadable
from popheal.exchange.backend import Backend
from popheal.exchange.models import Database, DatabaseCopy
from popheal.exchange.names import same_server

_COMMAND = "Get-MailboxDatabaseCopyStatus"

#: Each copy on a server, with its database.
Copies = list[tuple[DatabaseCopy, Database]]


async def read_copies_on(server: str) -> Copies:
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


async def read_copies_of(server: str, database: str) -> Sequence[DatabaseCopy]:
    """The copies of a database that has one on the server. Raises BackendError."""
    copies = await call(Backend.copies_of, server, database)
    if any(copy.database.casefold() != database.casefold() for copy in copies):
        raise _unreadable(server, f"it answered with copies of other databases than {database}")
    if not any(same_server(copy.server, server) for copy in copies):
        raise _unreadable(server, f"the copy of {database} on this server is missing in the answer")
    return copies


def _unreadable(server: str, cause: str) -> Unreadable:
    return Unreadable(server=server, command=_COMMAND, cause=cause)

"""How many healthy copies of a database stay elsewhere when a server goes. Pure.

Counted as Microsoft's own maintenance script counts: of a database with two copies one must stay,
of one with three or more two; copies that lag on purpose are no help in a hurry, so they neither
count nor are asked for.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final

from popheal.exchange.interpret import has_short_queues, is_mounted
from popheal.exchange.models import Database, DatabaseCopy
from popheal.exchange.names import same_server

_MOST_ASKED_FOR: Final = 2
#: A passive copy whose data is whole. Being the source of a reseed of another copy takes nothing
#: away from it.
_WHOLE: Final = {"healthy", "disconnectedandhealthy", "seedingsource"}


def is_among(server: str, servers: Iterable[str]) -> bool:
    """Whether one of the names means that server."""
    return any(same_server(server, one) for one in servers)


def is_lagged(database: Database, server: str) -> bool:
    """Whether the copy on that server is kept behind on purpose."""
    return is_among(server, database.lagged)


def copies_needed(
    database: Database, copies: Sequence[DatabaseCopy], at_least: int | None = None
) -> int:
    """How many healthy copies must stay elsewhere: at least one.

    Args:
        database: The database.
        copies: Its copies, for where it isn't told where they are configured.
        at_least: What the policy asks for; None for nothing more.
    """
    configured = database.servers or tuple(copy.server for copy in copies)
    in_step = sum(not is_lagged(database, server) for server in configured)
    return max(1, min(_MOST_ASKED_FOR, in_step - 1), at_least or 0)


def is_healthy(copy: DatabaseCopy) -> bool:
    """Whether a copy counts: it is mounted, or whole and hardly behind.

    Whether it may be activated by itself is another question: its data is there.
    """
    if is_mounted(copy):
        return True
    return copy.status.casefold() in _WHOLE and has_short_queues(copy)


def healthy_elsewhere(
    server: str,
    database: Database,
    copies: Iterable[DatabaseCopy],
    out_of_service: Collection[str] = (),
) -> list[str]:
    """The servers with a healthy copy that doesn't lag.

    Args:
        server: The one that goes.
        database: The database.
        copies: Its copies, wherever they are.
        out_of_service: Servers whose copies don't count, whatever they look like.
    """
    left_out = (server, *out_of_service, *database.lagged)
    return [
        copy.server for copy in copies if not is_among(copy.server, left_out) and is_healthy(copy)
    ]

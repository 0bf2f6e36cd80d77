"""Where only one server is healed at a time: a group, or the client access servers of a site.

The leases in the journal see to that, whoever heals. A watch that knows beforehand does not
begin what would only be held back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from attrs import frozen

from popheal.exchange.backend import Backend
from popheal.exchange.names import client_access_of

#: Calls a look of a backend by its name.
Ask = Callable[..., Awaitable[Any]]


@frozen
class Place:
    """What a healing of a server claims besides the server, as a journal names it.

    Attributes:
        kind: ``dag`` or ``site``.
        name: Its name, in lower case.
    """

    kind: str
    name: str

    def __str__(self) -> str:
        return f"group {self.name}" if self.kind == "dag" else self.name


async def place_of(ask: Ask, server: str) -> Place | None:
    """Where a server stands; None for one that stands alone, or if it can't be told."""
    try:
        info = await ask(Backend.server_info.__name__, server)
        if not info.mailbox_role:
            return Place("site", client_access_of(info.site).casefold())
        mailbox = await ask(Backend.mailbox_server.__name__, server)
    except Exception:  # noqa: BLE001 - its healing will ask again, and say what comes of it
        return None
    return Place("dag", mailbox.dag.casefold()) if mailbox.dag else None

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


async def place_of(ask: Ask, server: str) -> tuple[str | None, Place | None]:
    """The site of a server, and where it stands; None if it stands alone, or it can't be told."""
    site: str | None = None
    try:
        info = await ask(Backend.server_info.__name__, server)
        site = info.site
        if not info.mailbox_role:
            return site, Place("site", client_access_of(site).casefold())
        mailbox = await ask(Backend.mailbox_server.__name__, server)
    except Exception:  # noqa: BLE001 - its healing will ask again, and say what comes of it
        return site, None
    return site, Place("dag", mailbox.dag.casefold()) if mailbox.dag else None

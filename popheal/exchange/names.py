"""Names of servers: the product mixes short and full ones, in any case."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

from popheal.util.schema import Rule, are_texts


def short_name(server: str) -> str:
    """The host part of a server name, without case."""
    return _plain(server).split(".", 1)[0]


def same_server(one: str, other: str) -> bool:
    """Whether two names mean one server; a short name matches any domain."""
    if one == other:
        return True
    one, other = _plain(one), _plain(other)
    if "." in one and "." in other:
        return one == other
    return short_name(one) == short_name(other)


def is_server_name(text: str) -> bool:
    """Whether it may be the name of a server, short or full: no address of a page, no pattern."""
    return _NAME.fullmatch(text) is not None


#: Letters of any script, digits, hyphens and underscores, in parts with single dots between them.
_NAME: Final = re.compile(r"[\w-]{1,63}(\.[\w-]{1,63})*\.?")


def repeated(servers: Iterable[str]) -> str | None:
    """The first name that means the same server as one before it, if any."""
    seen: set[str] = set()
    for one in servers:
        if _plain(one) in seen:
            return one
        seen.add(_plain(one))
    return None


def client_access_of(site: str | None) -> str:
    """What is claimed by whoever takes a client access server of a site out of service."""
    return f"client access, {site}"


def _are_servers(value: Any) -> bool:
    return are_texts(value) and all(map(is_server_name, value)) and repeated(value) is None


#: What a setting may be that names servers.
SERVERS: Final = Rule(
    'a list of names of servers, each once, like ["ex1.contoso.com", "ex2.contoso.com"]',
    lambda value: _are_servers(value) and bool(value),
    read=tuple,
)


@lru_cache(maxsize=16_384)  # asked for each row of each server, all the time
def _plain(server: str) -> str:
    """Without case, and without the dot that may end a fully qualified name."""
    return server.casefold().rstrip(".")

"""Names of servers: the product mixes short and full ones, in any case."""

from __future__ import annotations


def short_name(server: str) -> str:
    """The host part of a server name, without case."""
    return server.casefold().split(".", 1)[0]


def same_server(one: str, other: str) -> bool:
    """Whether two names mean one server; a short name matches any domain."""
    if "." in one and "." in other:
        return one.casefold() == other.casefold()
    return short_name(one) == short_name(other)

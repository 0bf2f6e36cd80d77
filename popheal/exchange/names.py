"""Names of servers: the product mixes short and full ones, in any case."""

from __future__ import annotations


def short_name(server: str) -> str:
    """The host part of a server name, without case."""
    return _plain(server).split(".", 1)[0]


def same_server(one: str, other: str) -> bool:
    """Whether two names mean one server; a short name matches any domain."""
    one, other = _plain(one), _plain(other)
    if "." in one and "." in other:
        return one == other
    return short_name(one) == short_name(other)


def _plain(server: str) -> str:
    """Without case, and without the dot that may end a fully qualified name."""
    return server.casefold().rstrip(".")

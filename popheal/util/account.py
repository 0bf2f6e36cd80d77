"""Who runs this process: the operating system's account, which no environment variable sets."""

from __future__ import annotations

import os
import socket
import sys
from functools import cache


def account() -> str:
    """The account and the host, like ``ann on mail1``; by its number if it has no name."""
    return f"{_name()} on {socket.gethostname()}"


if sys.platform == "win32":

    def _name() -> str:
        return os.getlogin()

else:

    def _name() -> str:
        return _name_of(os.getuid())

    @cache
    def _name_of(user: int) -> str:
        import pwd

        try:
            return pwd.getpwuid(user).pw_name
        except KeyError:
            return f"user {user}"


def same_account(one: str, other: str) -> bool:
    """Whether two accounts may be one; names compare without case.

    A name without a host is the account of that name on any.
    """
    one, other = one.strip().casefold(), other.strip().casefold()
    if " on " in one and " on " in other:
        return one == other
    return one.partition(" on ")[0] == other.partition(" on ")[0]

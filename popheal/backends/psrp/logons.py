"""Trying a password while nobody knows whether it is right.

A directory locks an account out that gives a wrong password a few times. So whoever looks at many
endpoints at once tries it at one of them first, and not at all of them if it is refused.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from attrs import define, field

from popheal.backends.psrp.settings import Connection

#: Endpoints that may refuse a password. One alone may be wrong about it.
_MOST_REFUSALS: Final = 2
#: Seconds after which it may be another password: somebody has mended it.
_REMEMBERED: Final = 60.0


@define
class Account:
    """What is known of the password of an account."""

    _turn: threading.Lock = field(factory=threading.Lock)
    _accepted: bool = False
    _refused: list[tuple[float, str]] = field(factory=list)

    def accept(self) -> None:
        """It is right."""
        self._accepted = True

    def refuse(self, where: str) -> None:
        """An endpoint has refused it."""
        self._refused.append((time.monotonic(), where))

    @property
    def refused_by(self) -> tuple[str, ...]:
        """Which endpoints have refused it; empty as long as another may be tried."""
        since = time.monotonic() - _REMEMBERED
        lately = tuple(where for at, where in self._refused if at > since)
        return lately if len(lately) >= _MOST_REFUSALS and not self._accepted else ()

    @contextmanager
    def turn(self, patience: float) -> Iterator[None]:
        """While this lasts nobody else tries, unless it is known to be right.

        Args:
            patience: Seconds to wait for whoever tries it. One that hangs keeps nobody else.
        """
        alone = not self._accepted and self._turn.acquire(timeout=patience)
        if alone and self._accepted:
            self._turn.release()
            alone = False
        try:
            yield
        finally:
            if alone:
                self._turn.release()


class Logons:
    """The accounts by which endpoints are logged on to. Threads may share it."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Account] = {}
        self._lock = threading.Lock()

    def account(self, how: Connection) -> Account:
        """Whose password is tried; one of its own where there is none to be wrong."""
        if not how.password:
            return Account()
        with self._lock:
            return self._known.setdefault((how.username or "", how.password.reveal()), Account())

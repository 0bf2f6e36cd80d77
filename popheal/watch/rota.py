"""Whose turn it is to be looked at: by time, and so that nobody has to wait for a silent server.

Nothing here looks, waits or knows a clock: whoever does says when things happen, in seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import ceil, floor, inf
from typing import Final

from attrs import define, field

#: A look that takes longer than so many seconds waits for a server that is silent.
_PATIENCE: Final = 10.0


@define
class _Turn:
    """Where a server stands.

    Attributes:
        due: When it is to be looked at next.
        regular: When it is, if nobody has asked for it before.
        began: When the look at it that is under way began; None if none is.
        silent: The last look at it took too long.
        failed: The last look at it has seen nothing.
        refused: It was refused.
    """

    due: float
    regular: float
    began: float | None = None
    silent: bool = False
    failed: bool = False
    refused: bool = False


@define(kw_only=True)
class Rota:
    """The order in which servers are looked at.

    Each has its own moment within the interval, so that as many are looked at at any time; what is
    due comes before what somebody has asked for besides. A server that is silent makes a look last
    until its deadline. So such servers together get at most half of the looks that are possible at
    a time, and the others never wait for them.

    While nobody knows whether the account's password is right, at the beginning and after a look
    was refused, one server is looked at at a time, one that has not refused before any that has:
    a wrong password must not be tried until the account is locked out.

    Attributes:
        every: Seconds from the beginning of one look at a server to that of the next; infinite
            for a single look.
        retry: Seconds until a server that refused a look is looked at again; until any is, where
            two in a row have refused.
        at_once: Looks at the same time, at most.
    """

    every: float
    retry: float
    at_once: int
    _turns: dict[str, _Turn] = field(factory=dict, init=False)
    _doubtful: bool = field(default=True, init=False)
    _held_until: float = field(default=-inf, init=False)

    def add(self, servers: Sequence[str], now: float) -> None:
        """Have servers looked at, at once and from then on."""
        # As many as can be, at the same moment: what they show together is seen together.
        size = self.at_once if len(servers) <= self.at_once else max(1, self.at_once // 2)
        apart = 0.0 if self.every == inf else self.every / max(1, ceil(len(servers) / size))
        for number, server in enumerate(servers):
            self._turns[server] = _Turn(due=now, regular=now + number // size * apart)

    def ask_for(self, server: str, now: float) -> None:
        """Have a server looked at before its time, as soon as there is room."""
        self._turns[server].due = min(now, self._turns[server].due)

    def drop(self, server: str) -> None:
        """Look at a server no more."""
        self._turns.pop(server, None)

    def next(self, now: float) -> str | None:
        """The server to begin a look at now, if there is one."""
        under_way = list(self._under_way())
        if now < self._held_until or len(under_way) >= self.at_once:
            return None
        if self._doubtful and under_way:
            return None
        waiting = [name for name, one in self._turns.items() if one.began is None]
        if self._doubtful:
            waiting = [name for name in waiting if not self._turns[name].refused] or waiting
        silent = sum(one.silent or now - (one.began or now) > _PATIENCE for one in under_way)
        if silent >= max(1, self.at_once // 2):
            waiting = [name for name in waiting if not self._turns[name].silent]
        due = [name for name in waiting if self._turns[name].due <= now]
        return min(due, key=lambda name: self._turns[name].regular, default=None)

    def until_next(self, now: float) -> float:
        """Seconds until it is worth asking again, if no look comes back before; may be infinite."""
        moments = [one.due for one in self._turns.values() if one.began is None and one.due > now]
        moments += [one.began + _PATIENCE for one in self._under_way() if one.began is not None]
        soonest = min((one for one in moments if one > now), default=inf)
        return max(soonest, self._held_until) - now

    def is_blind(self, server: str, now: float) -> bool:
        """Whether nobody is to wait for what a look at the server will see."""
        one = self._turns.get(server)
        if one is None or one.silent or one.failed:
            return True
        return one.began is not None and now - one.began > _PATIENCE

    def begins(self, server: str, now: float) -> None:
        """A look begins."""
        one = self._turns[server]
        if one.regular <= now:
            one.regular += self.every * (floor((now - one.regular) / self.every) + 1)
        one.began, one.due = now, one.regular

    def has_seen(self, server: str, now: float) -> None:
        """A look has come back with an answer."""
        self._doubtful, self._held_until = False, -inf
        one = self._comes_back(server, now)
        one.failed = one.refused = False

    def has_failed(self, server: str, now: float) -> None:
        """A look has come back without an answer, and without a refusal."""
        one = self._comes_back(server, now)
        one.failed, one.refused = True, False

    def was_refused(self, server: str, now: float) -> None:
        """A look was refused: that server may be without rights, or the password be wrong."""
        one = self._comes_back(server, now)
        one.failed = one.refused = True
        one.due = one.regular = now + max(self.every, self.retry)
        if self._doubtful:
            self._held_until = now + max(self.every, self.retry)
        self._doubtful = True

    def _comes_back(self, server: str, now: float) -> _Turn:
        one = self._turns.get(server) or _Turn(due=inf, regular=inf)  # dropped meanwhile
        one.silent = one.began is not None and now - one.began > _PATIENCE
        one.began = None
        return one

    def _under_way(self) -> Iterator[_Turn]:
        return (one for one in self._turns.values() if one.began is not None)

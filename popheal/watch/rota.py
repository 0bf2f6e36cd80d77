"""Whose turn it is to be looked at: by time, and so that nobody has to wait for a silent server.

Nothing here looks, waits or knows a clock: whoever does says when things happen, in seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from math import ceil, floor, inf
from typing import Final

from attrs import define, field

#: A look that takes longer than so many seconds waits for a server that is silent.
_PATIENCE: Final = 10.0


@define
class _Turn:
    """Where a server stands.

    Attributes:
        number: By which those come that have the same moment.
        due: When it is to be looked at next.
        regular: When it is, if nobody has asked for it before.
        began: When the look at it that is under way began; None if none is.
        silent: The last look at it took too long.
        failed: The last look at it has seen nothing.
        refused: It was refused.
    """

    number: int
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
    #: When servers will be due. There may be thousands, of which few are due at any time, so nobody
    #: goes through all. What was planned otherwise since stays in it, and counts for nothing.
    _later: list[tuple[float, str]] = field(factory=list, init=False)
    _due: dict[str, _Turn] = field(factory=dict, init=False)
    _under_way: dict[str, _Turn] = field(factory=dict, init=False)
    _doubtful: bool = field(default=True, init=False)
    _held_until: float = field(default=-inf, init=False)

    def add(self, servers: Sequence[str], now: float) -> None:
        """Have servers looked at, at once and from then on."""
        # As many as can be, at the same moment: what they show together is seen together.
        size = self.at_once if len(servers) <= self.at_once else max(1, self.at_once // 2)
        apart = 0.0 if self.every == inf else self.every / max(1, ceil(len(servers) / size))
        for number, server in enumerate(servers):
            self._turns[server] = _Turn(
                number=len(self._turns), due=now, regular=now + number // size * apart
            )
            self._plan(server)

    def ask_for(self, server: str, at: float) -> None:
        """Have a server looked at before its time: at that moment, or when there is room then."""
        one = self._turns[server]
        if at < one.due:
            one.due = at
            self._plan(server)

    def drop(self, server: str) -> None:
        """Look at a server no more."""
        for turns in (self._turns, self._due, self._under_way):
            turns.pop(server, None)

    def next(self, now: float) -> str | None:
        """The server to begin a look at now, if there is one."""
        under_way = self._under_way.values()
        if now < self._held_until or len(under_way) >= self.at_once:
            return None
        if self._doubtful and under_way:
            return None
        self._have_come(now)
        due = self._due
        if self._doubtful and any(
            not one.refused for one in self._turns.values() if one.began is None
        ):
            due = {name: one for name, one in due.items() if not one.refused}
        silent = sum(one.silent or now - (one.began or now) > _PATIENCE for one in under_way)
        if silent >= max(1, self.at_once // 2):
            due = {name: one for name, one in due.items() if not one.silent}
        return min(due, key=lambda name: (due[name].regular, due[name].number), default=None)

    def until_next(self, now: float) -> float:
        """Seconds until it is worth asking again, if no look comes back before; may be infinite."""
        self._have_come(now)
        while self._later and not self._is_planned(*self._later[0]):
            heappop(self._later)
        moments = [
            one.began + _PATIENCE for one in self._under_way.values() if one.began is not None
        ]
        moments += [at for at, _ in self._later[:1]]
        soonest = min((one for one in moments if one > now), default=inf)
        return max(soonest, self._held_until) - now

    def _plan(self, server: str) -> None:
        heappush(self._later, (self._turns[server].due, server))

    def _is_planned(self, at: float, server: str) -> bool:
        one = self._turns.get(server)
        return one is not None and one.began is None and one.due == at

    def _have_come(self, now: float) -> None:
        """Find those that are due by now."""
        while self._later and self._later[0][0] <= now:
            at, server = heappop(self._later)
            if self._is_planned(at, server):
                self._due[server] = self._turns[server]

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
        self._due.pop(server, None)
        self._under_way[server] = one

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
        if server in self._turns:
            self._plan(server)
        if self._doubtful:
            self._held_until = now + max(self.every, self.retry)
        self._doubtful = True

    def _comes_back(self, server: str, now: float) -> _Turn:
        one = self._turns.get(server) or _Turn(number=0, due=inf, regular=inf)  # dropped meanwhile
        one.silent = one.began is not None and now - one.began > _PATIENCE
        one.began = None
        if self._under_way.pop(server, None):
            self._plan(server)
        return one

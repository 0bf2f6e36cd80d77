"""Carrying a check out: first the ways in, then everything else by those that work.

Servers are looked at side by side where the backend can have several connections
(:class:`~popheal.exchange.backend.Inspectable`); else one after the other.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any, Final

from attrs import field, frozen

from popheal.engine.adrive import adrive
from popheal.engine.context import HealingContext
from popheal.engine.control import Control
from popheal.engine.drive import drive
from popheal.engine.plan import effects_in_reach
from popheal.errors import BackendError, Detached, UnknownName
from popheal.exchange.backend import LOOKS, OF_THE_SERVER, Inspectable
from popheal.exchange.inspection import Inspection
from popheal.exchange.names import same_server, short_name
from popheal.policy.policy import Policy
from popheal.readiness.items import BY_KEY, ITEMS, Item
from popheal.readiness.lines import Judgement, Line, ServerReadiness
from popheal.readiness.subject import Blocked, Subject, failed, not_asked
from popheal.tables.table import Procedure
from popheal.util.side_by_side import LeftOff, side_by_side

#: Makes the engine's context for looking at a server.
MakeContext = Callable[[str], HealingContext]

#: How many look at once by way of one entrance: an account has 18 shells there.
_AT_ONCE: Final = 6
#: Ways are looked at all at once: each costs a thread that waits.
_WAYS_AT_ONCE: Final = 64

#: What Exchange asks the server for, and waits for if that is down.
_PASSED_ON: Final = (
    "server_health",
    "monitoring_items",
    "database_copies",
    "replication_health",
)

_JUDGED: Final = {True: Judgement.GOOD, False: Judgement.BAD, None: Judgement.COULD_NOT_TELL}


def _each_once(servers: Iterable[str]) -> tuple[str, ...]:
    """The servers, each by the name that it was given first."""
    found: list[str] = []
    for one in servers:
        if not _is_among(one, found):
            found.append(one)
    return tuple(found)


@frozen(kw_only=True)
class Way:
    """One way to a server, as it was inspected."""

    server: str
    way: str
    seen: tuple[Inspection, ...]

    def lines(self) -> list[Line]:
        """Its lines."""
        return [
            Line(
                key=one.question,
                about=" ".join(part for part in (self.way, one.about) if part),
                judgement=_JUDGED[one.passed],
                value=one.seen,
                cause=one.cause,
                next_step=one.next_step,
                because=f"{one.because} {self.way}" if one.because else "",
            )
            for one in self.seen
        ]

    def silent(self) -> str:
        """The line that says that no connection comes about; empty if one does."""
        failed = [one for one in self.lines() if one.judgement is Judgement.BAD]
        return next((one.name for one in failed if one.key == "tcp"), "")

    def blocked(self) -> dict[str, str]:
        """By method: the line that says why it can do nothing by this way."""
        found: dict[str, str] = {}
        for one, line in zip(self.seen, self.lines(), strict=True):
            for method in one.blocks:
                found.setdefault(method, line.because or line.name)
        return found


@frozen(kw_only=True)
class Survey:
    """What is to be looked at, and how.

    Attributes:
        servers: Whose readiness is asked.
        policy: What may be needed.
        procedures: The tables that may be followed.
        make_context: See :data:`MakeContext`.
        control: Ends it early.
    """

    servers: tuple[str, ...] = field(converter=_each_once)
    policy: Policy
    procedures: Iterable[Procedure]
    make_context: MakeContext
    control: Control = field(factory=Control)

    def carry_out(self, backend: Any) -> tuple[ServerReadiness, ...]:
        """Look at every server, by a synchronous backend. Raises Detached."""
        if not _is_inspectable(backend):
            return tuple(self._one_by_one(backend))
        try:
            return self._side_by_side(backend)
        except LeftOff:
            raise Detached(run="") from None

    def _one_by_one(self, backend: Any) -> Iterator[ServerReadiness]:
        for server in self.servers:
            if self._ending():
                raise Detached(run="")
            yield _readiness(self.look(backend, server, Blocked()))

    def _ending(self) -> bool:
        return self.control.cancelled or self.control.detached

    async def acarry_out(self, backend: Any) -> tuple[ServerReadiness, ...]:
        """Likewise without blocking the event loop; an asynchronous backend is asked about all of
        them at once.
        """
        if not inspect.iscoroutinefunction(getattr(type(backend), "server_info", None)):
            return await asyncio.to_thread(self.carry_out, backend)

        async def look(server: str) -> ServerReadiness:
            subject = self.subject(server, Blocked())
            await adrive(lambda: look_at(subject), backend, subject.context)
            return _readiness(subject)

        return tuple(await asyncio.gather(*map(look, self.servers)))

    def look(self, backend: Any, server: str, blocked: Blocked) -> Subject:
        """Look at a server, as far as that is not blocked."""
        subject = self.subject(server, blocked)
        drive(lambda: look_at(subject), backend, subject.context)
        return subject

    def subject(self, server: str, blocked: Blocked) -> Subject:
        """A server that is about to be looked at."""
        return Subject(context=self.make_context(server), server=server, blocked=blocked)

    # --- side by side ----------------------------------------------------------------------------

    def _side_by_side(self, backend: Inspectable) -> tuple[ServerReadiness, ...]:
        ways = self._inspect(backend)
        entrances = [one for one in ways if one.way != backend.ways(one.server)[-1]]
        unsound = {one.server: one.blocked() for one in entrances if _blocks_looks(one)}
        sound = [one.server for one in entrances if one.server not in unsound]
        blocked = Blocked(
            by_server=_by_server(backend, ways),
            everywhere={} if sound else _by_all(unsound),
        )
        at_once = _AT_ONCE * max(1, len(sound))
        jobs = [
            partial(self._look_apart, backend, tuple(unsound), blocked, server)
            for server in self.servers
        ]
        looked = side_by_side(jobs, at_once, self._ending)
        return _merged(looked, ways)

    def _inspect(self, backend: Inspectable) -> list[Way]:
        """Every way, all at once: one that leads nowhere keeps none of the others waiting."""
        methods = (*LOOKS, *effects_in_reach(self.procedures, self.policy))
        asked = list(self.servers)
        asked += [one for one in backend.entrances if not _is_among(one, asked)]
        wanted = [
            (server, way)
            for server in asked
            for way in backend.ways(server)
            if _is_among(server, self.servers) or way != backend.ways(server)[-1]
        ]

        def look(server: str, way: str, _worker: int) -> Way:
            seen = tuple(backend.inspect(server, way, methods))
            return Way(server=server, way=way, seen=seen)

        jobs = [partial(look, server, way) for server, way in wanted]
        return side_by_side(jobs, _WAYS_AT_ONCE, self._ending)

    def _look_apart(
        self,
        backend: Inspectable,
        without: tuple[str, ...],
        blocked: Blocked,
        server: str,
        worker: int,
    ) -> Subject:
        with backend.apart(without, worker) as own:
            return self.look(own, server, blocked)


async def look_at(subject: Subject) -> None:
    """Look at a server, item by item: what comes of one ends none of the others."""
    for item in ITEMS:
        if item.ask is not None and not subject.has(item.key):
            await _look(subject, item)


async def _look(subject: Subject, item: Item) -> None:
    assert item.ask is not None  # noqa: S101 - for the type checker
    if because := subject.why_not(item.needs, item.uses):
        subject.note(item.key, [not_asked(because)])
        return
    try:
        subject.note(item.key, await item.ask(subject))
    except UnknownName as error:
        subject.note(item.key, [failed(error)])
    except BackendError as error:
        subject.note(item.key, [failed(error)])
        subject.lose(error, item.key, item.uses)


# --- putting together ----------------------------------------------------------------------------


def _is_inspectable(backend: object) -> bool:
    return all(hasattr(type(backend), name) for name in ("entrances", "ways", "inspect", "apart"))


def _blocks_looks(way: Way) -> bool:
    return any(method in LOOKS and method not in OF_THE_SERVER for method in way.blocked())


def _by_server(backend: Inspectable, ways: Iterable[Way]) -> dict[str, Mapping[str, str]]:
    """What can't be asked of servers themselves, nor by Exchange on our behalf."""
    found: dict[str, Mapping[str, str]] = {}
    for one in ways:
        if one.way == backend.ways(one.server)[-1]:
            blocked = one.blocked()
            own = {method: why for method, why in blocked.items() if method in OF_THE_SERVER}
            found[short_name(one.server)] = own | dict.fromkeys(_PASSED_ON, one.silent())
    return found


def _by_all(unsound: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """What can't be asked by way of any entrance: with the first one's reason."""
    if not unsound:
        return {}
    (first, why), *others = unsound.items()
    return {
        method: f"{first}: {line}"
        for method, line in why.items()
        if method not in OF_THE_SERVER and all(method in one for _, one in others)
    }


def _merged(looked: Sequence[Subject], ways: Sequence[Way]) -> tuple[ServerReadiness, ...]:
    """The lines of each server: of its ways, and of what was looked at; in the table's order."""
    found: dict[str, list[Line]] = {one.server: [] for one in looked}
    for server, of_one in groupby(ways, key=lambda one: one.server):
        lines = [line for one in of_one for line in one.lines()]
        found.setdefault(server, []).extend(lines)
    for subject in looked:
        found[subject.server] += subject.lines
    return tuple(
        ServerReadiness(server=server, lines=_in_order(lines)) for server, lines in found.items()
    )


def _in_order(lines: Iterable[Line]) -> tuple[Line, ...]:
    order = list(BY_KEY)
    return tuple(sorted(lines, key=lambda line: order.index(line.key)))


def _readiness(subject: Subject) -> ServerReadiness:
    return ServerReadiness(server=subject.server, lines=_in_order(subject.lines))


def _is_among(server: str, servers: Iterable[str]) -> bool:
    return any(same_server(server, one) for one in servers)

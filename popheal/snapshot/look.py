"""Looking at a whole organisation through a backend. Changes nothing, and guesses nothing.

A coroutine that awaits looks, as triage is one: so it works on every backend, blocking or not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import partial
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from attrs import frozen

from popheal.backends.simulated.build import services_of
from popheal.backends.simulated.faults import POP_ASPECTS
from popheal.backends.simulated.model import Server
from popheal.backends.simulated.monitors import MONITORS, MonitorKind
from popheal.backends.simulated.probes import REFUSED
from popheal.engine.context import HealingContext
from popheal.engine.looks.probe import run_probe
from popheal.engine.requests import Logic, Request, call, try_call
from popheal.errors import BackendError, CommandFailed, NotAuthorised, Unreachable, Unreadable
from popheal.exchange.backend import Backend
from popheal.exchange.models import (
    Database,
    DatabaseCopy,
    HostStatus,
    MailboxServer,
    ProbeResult,
    ServerInfo,
)
from popheal.snapshot.seen import Asked, Probed, Seen, kinds_on

P = ParamSpec("P")
T = TypeVar("T")

#: The services that servers of any role have.
SERVICES: Final = tuple(name for name in services_of(Server(roles=("mailbox", "client_access"))))
HEALTH_SETS: Final = tuple(
    dict.fromkeys(one.health_set for one in MONITORS if one.aspect in POP_ASPECTS)
)
#: The budgets of the policy look back a day; no recovery action that matters began longer ago.
_FAR_BACK: Final = timedelta(hours=25)
#: What a monitor says whose probe triage would rerun.
_SUSPICIOUS: Final = {"unhealthy", "degraded"}


#: Told before each server: how many are over, how many there are, and which it is.
Progress = Callable[[int, int, str], None]


def unseen(_over: int, _of: int, _what: str) -> None:
    """Progress that nobody watches."""


async def look_at(context: HealingContext, start: str, progress: Progress = unseen) -> Seen:
    """Look at every server of an organisation, its groups and databases.

    What can't be looked at is noted; nothing is left out silently.

    Args:
        context: By whose clock and policy it is looked.
        start: A server of it, to be asked for the others.
        progress: Told before each server.

    Raises:
        BackendError: The servers can't be listed, or none of them can be described.
        UnknownName: There is no such server.
        KeyboardInterrupt: A person pressed Ctrl-C.
    """
    await call(Backend.server_info, start)
    context.server_known = True
    looking = _Looking(context, Seen(at=context.clock.now()))
    names: set[str] = set()
    for one in await call(Backend.all_servers, start):
        why = one.unreadable and f"its row can't be read: {one.unreadable}"
        if not (why or one.mailbox_role or one.client_access_role):
            why = "it has neither of the two roles"
        if not why and one.name.casefold() in names:
            why = "another server has the same name"
        names.add(one.name.casefold())
        if why:
            looking.seen.left_out[one.fqdn] = why
        else:
            looking.seen.servers.append(one)
    if not looking.seen.servers:
        left_out = "; ".join(f"{name}: {why}" for name, why in looking.seen.left_out.items())
        raise Unreadable(
            server=start,
            command="Get-ExchangeServer",
            cause=f"it lists no server that can be described ({left_out or 'none at all'})",
        )
    looking.seen.servers.sort(key=lambda one: one.fqdn.casefold())
    for number, one in enumerate(looking.seen.servers):
        progress(number, len(looking.seen.servers), one.name)
        await looking.at_server(one)
    await looking.at_groups()
    await looking.at_other_copies()
    looking.seen.at = context.clock.now()
    for one in looking.seen.servers:
        await looking.at_probes(one)
    return looking.seen


@frozen
class _Looking:
    """The looks, and what they have seen so far."""

    context: HealingContext
    seen: Seen

    async def ask(
        self,
        method: Callable[Concatenate[Backend, P], T],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> T | None:
        """Make a look, twice if the first is in vain; None, and a note, if it can't be made."""
        if self.context.control.cancelled:
            raise KeyboardInterrupt  # in the look before: there is nothing to be put back
        answer: Any = await try_call(method, *args, **kwargs)
        if isinstance(answer, BackendError) and not isinstance(answer, NotAuthorised):
            answer = await try_call(method, *args, **kwargs)
        self.note(answer, method.__name__, *(one for one in args if isinstance(one, str)))
        return None if isinstance(answer, BackendError) else answer

    def note(self, answer: Any, method: str, server: str, *further: str) -> None:
        self.seen.answers[Asked(method, server, further)] = answer

    async def at_server(self, info: ServerInfo) -> None:
        server = info.fqdn
        await self.at_host(server)
        await self.ask(Backend.component_states, server)
        await self.ask(Backend.pop_settings, server)
        await self.ask(Backend.server_health, server)
        for health_set in HEALTH_SETS:
            await self.ask(Backend.monitoring_items, server, health_set)
        if info.mailbox_role:
            await self.at_mailbox_side(server)

    async def at_host(self, server: str) -> None:
        """What the server itself is asked. Where it doesn't answer, it isn't asked again."""
        host: HostStatus | None = await self.ask(Backend.host_status, server)
        error = self.seen.error(Backend.host_status.__name__, server)
        now = self.context.clock.now()
        if host is not None:
            self.seen.skew[server] = (host.local_time - now).total_seconds()
            now = host.local_time
        if isinstance(error, Unreachable):
            for method in (Backend.services, Backend.recovery_actions):
                self.note(error, method.__name__, server)
            return
        await self.ask(Backend.services, server, SERVICES)
        await self.ask(Backend.recovery_actions, server, now - _FAR_BACK)

    async def at_mailbox_side(self, server: str) -> None:
        mailbox: MailboxServer | None = await self.ask(Backend.mailbox_server, server)
        await self.ask(Backend.database_copies, server)
        await self.ask(Backend.databases, server)
        if mailbox is not None and mailbox.dag:
            await self.ask(Backend.replication_health, server)

    async def at_groups(self) -> None:
        """Each database availability group, asked for once."""
        known: set[str] = set()
        for server, mailbox in self._answers(Backend.mailbox_server.__name__):
            if mailbox.dag and mailbox.dag.casefold() not in known:
                found = await self.ask(Backend.dag, server, mailbox.dag)
                known |= {found.name.casefold()} if found else set()

    def _answers(self, method: str) -> list[tuple[str, Any]]:
        found = [(one.fqdn, self.seen.get(method, one.fqdn)) for one in self.seen.servers]
        return [(server, answer) for server, answer in found if answer is not None]

    async def at_other_copies(self) -> None:
        """The copies on servers that told nothing of theirs, by way of their databases."""
        told: set[tuple[str, str]] = set()
        for server, copies in self._answers(Backend.database_copies.__name__):
            rows: Sequence[DatabaseCopy] = copies
            told |= {(one.database.casefold(), self.seen.name_of(server)) for one in rows}
        for server, databases in self._answers(Backend.databases.__name__):
            rows_of_server: Sequence[Database] = databases
            for one in rows_of_server:
                names = {self.seen.name_of(name) for name in one.servers}
                if {(one.name.casefold(), name) for name in names} - told:
                    told |= {(one.name.casefold(), name) for name in names}
                    await self.ask(Backend.copies_of, server, one.name)

    async def at_probes(self, info: ServerInfo) -> None:
        """Rerun the probes that triage would rerun: those of monitors that are not well."""
        rows = self.seen.monitors(info.fqdn)
        for kind in kinds_on(info):
            row = rows.get(kind.name.casefold())
            suspicious = row is not None and row.alert_value.casefold() in _SUSPICIOUS
            if suspicious and kind.aspect in POP_ASPECTS and kind.probe:
                await self._probe(info.fqdn, kind)

    async def _probe(self, server: str, kind: MonitorKind) -> None:
        identity = f"{kind.health_set}\\{kind.probe}"
        (observed, last), heard = await _overheard(run_probe(self.context, server, identity))
        answer: Probed | BackendError | None = next(
            (one for one in heard if isinstance(one, BackendError)), None
        )
        if last is not None:
            results = tuple(word for one in heard if (word := _result(one)))
            answer = Probed(observed.outcome, results, last.error, last.exception)
        self.note(answer, Backend.invoke_probe.__name__, server, identity)


def _result(answer: Any) -> str:
    """What a run of a probe has come to, in the words of a scenario."""
    if isinstance(answer, CommandFailed):
        return REFUSED
    return answer.result if isinstance(answer, ProbeResult) else ""


async def _overheard(logic: Logic[T]) -> tuple[T, list[Any]]:
    """Carry out a coroutine of the engine; what it returns, and all that it was answered."""
    heard: list[Any] = []
    answer: Callable[[], Request[Any]] = partial(logic.send, None)
    while True:
        try:
            request = answer()
        except StopIteration as end:
            return end.value, heard
        try:
            heard.append(await request)
            answer = partial(logic.send, heard[-1])
        except BackendError as error:
            heard.append(error)
            answer = partial(logic.throw, error)

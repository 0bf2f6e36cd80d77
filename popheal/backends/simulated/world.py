"""What the parts of the simulation share: the state, the timeline and the history.

Nothing here locks or waits: :class:`~popheal.backends.simulated.organisation.Organisation`
does that, around everything.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from attrs import Factory, define, field, frozen

from popheal.backends.simulated.faults import Fault
from popheal.backends.simulated.history import NATURE, DagSituation, Happening, History
from popheal.backends.simulated.model import Copy, DagGroup, Database, Server
from popheal.backends.simulated.oddities import Oddities
from popheal.backends.simulated.timeline import Timeline
from popheal.errors import CommandFailed, NotBegun, UnknownName

#: Rows of the product name servers in several ways, which mean the same.
SPELLINGS: dict[str, Callable[[Server], str]] = {
    "short": lambda server: server.name,
    "lower": lambda server: server.name.lower(),
    "fqdn": lambda server: server.fqdn,
    "upper": lambda server: server.fqdn.upper(),
}


@frozen
class Pending:
    """Something a caller has to wait for.

    Attributes:
        due: When it is over.
        check: To be called then; raises if it came to nothing.
    """

    due: datetime
    check: Callable[[], None]


@define(kw_only=True)
class World:
    """The state of everything, with the few questions that all parts ask.

    Attributes:
        started: When the simulation began; scripts count from here.
        names: How rows spell the names of servers: a key of SPELLINGS.
        identity_ignored: ``Get-ServerHealth`` answers with the rows of all servers.
        deep_needs_active_database: The deep test fails where no database is mounted to test.
        log: What is odd about the protocol logs.
    """

    timeline: Timeline
    history: History = Factory(History)
    started: datetime
    domain: str = "contoso.com"
    servers: list[Server] = field(factory=list)
    _by_name: dict[str, Server] = field(factory=dict, init=False)
    _indexed: int = field(default=0, init=False)
    _faults_on: dict[str, list[Fault]] = field(factory=dict, init=False)
    _sorted: tuple[int, ...] = field(default=(), init=False)
    _copies_on: dict[str, list[tuple[Database, Copy]]] = field(factory=dict, init=False)
    _placed: list[int] = field(factory=list, init=False)
    dags: list[DagGroup] = field(factory=list)
    databases: list[Database] = field(factory=list)
    faults: list[Fault] = field(factory=list)
    names: str = "short"
    identity_ignored: bool = False
    deep_needs_active_database: bool = False
    log: Oddities = field(factory=Oddities)

    @property
    def now(self) -> datetime:
        return self.timeline.now

    @property
    def elapsed(self) -> float:
        """Seconds since the simulation began."""
        return (self.now - self.started).total_seconds()

    def after(self, seconds: float, action: Callable[[], None]) -> datetime:
        """Plan the action, and return when it is due."""
        due = self.now + timedelta(seconds=seconds)
        self.timeline.plan(due, action)
        return due

    def while_up(self, server: Server, seconds: float, action: Callable[[], None]) -> datetime:
        """Plan the action for a server; void if the server goes down or boots before that."""
        boots = server.boots

        def only_then() -> None:
            if server.boots == boots:
                action()

        return self.after(seconds, only_then)

    def record(
        self, kind: type[Happening], server: Server | str, actor: str = NATURE, **details: Any
    ) -> None:
        """Write down what happens now on a server; the details are the fields of its kind."""
        name = server if isinstance(server, str) else server.name
        self.history.append(kind(at=self.now, actor=actor, server=name, **details))

    def spelled(self, server: Server) -> str:
        """Return the name of a server the way rows give it."""
        return SPELLINGS[self.names](server)

    # --- questions -------------------------------------------------------------------------------

    def find(self, name: str) -> Server | None:
        if self._indexed != len(self.servers):  # there may be hundreds, and each call asks
            self._indexed = len(self.servers)
            for one in reversed(self.servers):
                self._by_name.update(dict.fromkeys((one.name.casefold(), one.fqdn.casefold()), one))
        return self._by_name.get(name.casefold())

    def faults_on(self, server: Server) -> list[Fault]:
        """Return the faults that can break something there, now or later."""
        known = tuple(map(id, self.faults))
        if self._sorted != known:
            self._sorted = known
            self._faults_on.clear()
            for fault in self.faults:
                for name in {fault.server.name, *(one.name for one in fault.breaks_ctp_of)}:
                    self._faults_on.setdefault(name, []).append(fault)
        return self._faults_on.get(server.name, [])

    def named(self, name: str) -> Server:
        """Return the server of that name. Raises UnknownName."""
        found = self.find(name)
        if found is None:
            known = [s.fqdn for s in self.servers]
            raise UnknownName(kind="server", name=name, known=known)
        return found

    def dag_of(self, server: Server) -> DagGroup | None:
        return next((d for d in self.dags if any(m is server for m in d.members)), None)

    def database(self, name: str) -> Database | None:
        return next((d for d in self.databases if d.name.casefold() == name.casefold()), None)

    def copies_on(self, server: Server) -> list[tuple[Database, Copy]]:
        """Return the databases with a copy on the server, and the copies."""
        placed_now = [len(one.copies) for one in self.databases]
        if self._placed != placed_now:  # a copy may come or go
            self._placed = placed_now
            self._copies_on.clear()
            for database in self.databases:
                for copy in database.copies:
                    placed = self._copies_on.setdefault(copy.server.name, [])
                    placed.append((database, copy))
        return list(self._copies_on.get(server.name, ()))

    def active_on(self, server: Server) -> list[Database]:
        """Return the databases whose active copy is on the server, recovery databases apart."""
        return [d for d, _ in self.copies_on(server) if d.active is server and not d.recovery]

    def active_replicated(self, server: Server) -> tuple[str, ...]:
        return tuple(d.name for d in self.active_on(server) if d.replicated)

    def active_unreplicated(self, server: Server) -> tuple[str, ...]:
        return tuple(d.name for d in self.active_on(server) if not d.replicated)

    def situation(self, server: Server) -> DagSituation | None:
        """Describe the other members of the server's DAG as they are now."""
        dag = self.dag_of(server)
        if dag is None:
            return None
        others = [m for m in dag.members if m is not server]
        down = [m for m in others if not m.up or m.going_down]
        drained = [m for m in others if m.activation_disabled]
        return DagSituation(
            dag=dag.name,
            down=tuple(m.name for m in down),
            drained=tuple(m.name for m in drained),
            down_by=tuple((m.name, m.down_by) for m in down),
            drained_by=tuple((m.name, m.activation_set_by) for m in drained),
        )

    def back_end_of(self, front_end: Server) -> Server:
        """Return the server to which the front end proxies its health mailbox's logon."""
        for fault in self.faults:
            if fault.active and any(s is front_end for s in fault.breaks_ctp_of):
                return fault.server
        if front_end.mailbox_role:
            return front_end
        # The health mailbox of a front end alone lives in the first database.
        homes = [d.active for d in self.databases if not d.recovery]
        return homes[0] if homes else front_end

    def failed(self, server: Server, command: str, cause: str) -> CommandFailed:
        """Make the error of a command that the far side refused."""
        return CommandFailed(server=server.fqdn, command=command, cause=cause)

    def not_begun(self, server: Server, command: str, cause: str, reason: str = "") -> NotBegun:
        """Make the error of a command that was declined before anything was done."""
        return NotBegun(server=server.fqdn, command=command, cause=cause, reason=reason)

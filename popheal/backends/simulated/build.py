"""From the tables of a scenario to the servers, databases and DAGs of an organisation."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, NoReturn

from attrs import define, field, frozen

from popheal.backends.simulated.components import COMPONENTS, OTHER_COMPONENTS
from popheal.backends.simulated.faults import Cure
from popheal.backends.simulated.model import (
    ABSENT,
    BACK_END,
    COMMON_SERVICES,
    FRONT_END,
    MAILBOX_SERVICES,
    POP_START,
    REPLICATION_CHECKS,
    VERSIONS,
    Copy,
    DagGroup,
    Database,
    Server,
    Service,
)
from popheal.backends.simulated.monitors import MONITORS
from popheal.backends.simulated.oddities import Oddities
from popheal.backends.simulated.organisation import Organisation
from popheal.backends.simulated.presets import PRESETS
from popheal.backends.simulated.probes import SHORT_NAMES
from popheal.backends.simulated.script import SCRIPTS, follow, read_cure
from popheal.backends.simulated.world import SPELLINGS, World
from popheal.util.schema import Document, Key, Path, Reader, Rule, Schema, one_of
from popheal.util.text import did_you_mean

_MOMENT = Rule(
    "a date and time with its zone, like 2026-01-05T08:00:00Z",
    lambda value: isinstance(value, datetime) and value.tzinfo is not None,
    read=lambda value: value.astimezone(UTC),
)


@frozen(kw_only=True)
class _General:
    """What a scenario says of the whole organisation."""

    preset: Annotated[str, one_of(*PRESETS)] = ""
    at: Annotated[datetime, _MOMENT] | None = None
    version: Annotated[str, one_of(*VERSIONS)] = ""
    domain: str = "contoso.com"
    names: Annotated[str, one_of(*SPELLINGS)] = "short"
    identity_ignored: bool = False
    deep_needs_active_database: bool = False
    log: Oddities = field(factory=Oddities)


@frozen(kw_only=True)
class _Described:
    """What a scenario says of a database."""

    copies: tuple[Server, ...] = field(metadata={"example": '["MBX1"], in order of preference'})
    active: Server | None = None
    dismounted: bool = False
    recovery: bool = False
    backup_in_progress: bool = False
    untold: tuple[Annotated[str, one_of("backup_in_progress", "servers")], ...] = ()
    on: dict[str, Copy] = field(factory=dict)


#: What there is. What others refer to by its name is read first.
_TABLES: Schema = {
    "organisation": Key(kind=_General),
    "servers": Key(kind=dict[str, Server]),
    "databases": Key(kind=dict[str, _Described]),
    "dags": Key(kind=dict[str, DagGroup]),
}


def build(organisation: Organisation, document: Document, further: Schema) -> dict[str, Any]:
    """Make an empty organisation the one that a scenario describes, and set it going.

    Args:
        organisation: The organisation.
        document: The scenario.
        further: What else the scenario may hold.

    Returns:
        What it holds of that, with servers in place of their names.

    Raises:
        InvalidValue: Something in the tables is unknown or can't be.
    """
    reader = Reader(document, _Builder(organisation.world).hooks())
    content = {**{name: document.content.get(name, {}) for name in _TABLES}, **document.content}
    read = reader.values({**_TABLES, **SCRIPTS, **further}, (), content)
    follow(organisation, read)
    return read


@define
class _Builder:
    """Puts what is read into the world, where later tables find it by name."""

    world: World
    preset: Mapping[str, Any] = field(factory=dict)
    version: str = "2019"

    def hooks(self) -> dict[Any, Any]:
        return {
            _General: self._general,
            dict[str, Server]: self._servers,
            dict[str, _Described]: self._databases,
            dict[str, DagGroup]: self._dags,
            Server: self._named,
            Database: self._database_named,
            Cure: read_cure,
        }

    def _named(self, reader: Reader, path: Path, value: Any) -> Server:
        found = self.world.find(reader.read(str, path, value))
        if found is None:
            names = [server.name for server in self.world.servers]
            right = f"{did_you_mean(value, names)}There are: {', '.join(names)}."
            reader.document.wrong(path, f"names '{value}', which isn't there", right)
        return found

    def _database_named(self, reader: Reader, path: Path, value: Any) -> Database:
        known = {database.name: database for database in self.world.databases}
        return known[one_of(*known).taken(reader, path, value)]

    def _general(self, reader: Reader, path: Path, value: Any) -> None:
        given, world = reader.record(_General, path, value), self.world
        self.preset = PRESETS.get(given.preset, {})
        self.version = given.version or str(self.preset.get("version", self.version))
        world.domain, world.names = given.domain, given.names
        world.identity_ignored = given.identity_ignored
        world.deep_needs_active_database = given.deep_needs_active_database
        world.log = given.log

    def _merged(
        self, reader: Reader, path: Path, value: Any
    ) -> Iterator[tuple[str, Path, Mapping[str, Any]]]:
        """Lay what the file says over what the preset says, name by name and key by key."""
        base = self.preset.get(str(path[0]), {})
        for name, own in {**base, **reader.table(path, value)}.items():
            at = (*path, name)
            yield name, at, {**base.get(name, {}), **reader.table(at, own)}

    # --- servers ---------------------------------------------------------------------------------

    def _servers(self, reader: Reader, path: Path, value: Any) -> None:
        for name, at, table in self._merged(reader, path, value):
            server = reader.record(Server, at, table)
            server.name = name
            self._set_up(server)
            known: dict[str, Collection[str]] = {
                "services": services_of(server),
                "components": (*COMPONENTS, *OTHER_COMPONENTS),
                "check_errors": REPLICATION_CHECKS,
            }
            for key, names in known.items():
                for one in getattr(server, key):
                    if one not in names:
                        reader.unknown((*at, key, one), {}, names)
            for key, names in _MISSING.items():
                for number, one in enumerate(getattr(server, key)):
                    one_of(*names).taken(reader, (*at, key, number), one)
            self._start(server)
            self.world.servers.append(server)
        if not self.world.servers:
            reader.document.wrong(path, "is empty", "Choose a preset, or describe a server.")

    def _set_up(self, server: Server) -> None:
        server.fqdn = server.fqdn or f"{server.name.lower()}.{self.world.domain}"
        server.version = server.version or self.version
        server.boot_time = self.world.now - timedelta(hours=server.up_for_hours)
        server.ready_at = self.world.now
        server.protocol_log_enabled = server.protocol_logging

    def _start(self, server: Server) -> None:
        given, server.services = server.services, {}
        for name, boots_after in services_of(server).items():
            service = given.get(name, Service())
            if service.state == ABSENT:
                continue
            pop = name in (FRONT_END, BACK_END)
            service.name = name
            if service.boots_after is None:
                service.boots_after = boots_after
            service.start_type = service.start_type or (server.pop_start if pop else "Automatic")
            runs = server.pop_running if pop else True
            service.state = service.state or ("Running" if runs else "Stopped")
            # One that did not come by itself after the last boot is missed.
            service.in_use = service.state != "Stopped" or not service.starts_after_boot
            server.services[name.casefold()] = service
        if server.protocol_log_enabled:
            server.log_in_effect = {name: server.runs(name) for name in (FRONT_END, BACK_END)}
        front_end = server.service(FRONT_END)
        inactive = server.pop_proxy_inactive == "stops" and not server.component_active("PopProxy")
        if inactive and front_end is not None:
            # It has been so for long: the front end stopped, as it always does then.
            front_end.state = "Stopped"
        server.up = not server.down
        server.down_by = "administrator" if server.down else ""
        for service in server.services.values():
            if server.down:
                service.state = "Stopped"
            elif service.state != "Stopped":
                # One that is stuck on its way has a process, too.
                service.process_id = 1000 + 4 * len(self.world.servers) + len(server.services)
                service.started_at = server.boot_time + timedelta(minutes=3)

    # --- databases and DAGs ----------------------------------------------------------------------

    def _databases(self, reader: Reader, path: Path, value: Any) -> None:
        for name, at, table in self._merged(reader, path, value):
            given = reader.record(_Described, at, table)
            self.world.databases.append(self._database(reader, at, name, given))

    def _database(self, reader: Reader, path: Path, name: str, given: _Described) -> Database:
        wrong = reader.document.wrong
        on: dict[str, Copy] = {}
        for key, copy in given.on.items():
            found = self.world.find(key)
            if found is None or not any(found is server for server in given.copies):
                wrong((*path, "on", key), "has no copy of it", "Name one of copies.")
            on[found.name] = copy
        copies = []
        for number, server in enumerate(given.copies):
            if not server.mailbox_role:
                self._no_mailbox(reader, (*path, "copies", number), server)
            copies.append(on.get(server.name, Copy()))
            copies[-1].server = server
        if not copies:
            right = 'Name the servers in order of preference: ["MBX1"].'
            wrong((*path, "copies"), "is empty", right)
        active = given.active or copies[0].server
        database = Database(name=name, copies=copies, active=active, recovery=given.recovery)
        database.backup_in_progress, database.untold = given.backup_in_progress, given.untold
        if database.copy_on(active) is None:
            wrong((*path, "active"), "names a server without a copy", "Choose one of copies.")
        if given.recovery and len(copies) > 1:
            right = "A recovery database has just one copy."
            wrong((*path, "copies"), "has several servers", right)
        if given.dismounted or given.recovery or not active.up:
            database.mount = "Dismounted"
        return database

    def _no_mailbox(self, reader: Reader, path: Path, server: Server) -> NoReturn:
        seen = f"names '{server.name}', not a Mailbox server"
        reader.document.wrong(path, seen, "Choose one that is.")

    def _dags(self, reader: Reader, path: Path, value: Any) -> None:
        for name, at, table in self._merged(reader, path, value):
            dag = reader.record(DagGroup, at, table)
            dag.name = name
            if dag.rebalances is None:
                # Since 2016 a DAG goes back to its activation preference by itself.
                dag.rebalances = self.version != "2013"
            for number, member in enumerate(dag.members):
                if not member.mailbox_role:
                    self._no_mailbox(reader, (*at, "members", number), member)
            self.world.dags.append(dag)


#: What a server may lack, by key.
_MISSING = {
    "missing_probes": tuple(SHORT_NAMES),
    "missing_monitors": tuple(one.name for one in MONITORS),
}


def services_of(server: Server) -> dict[str, float]:
    """The services that a server of its roles has, and how long after a boot they run."""
    wanted = dict(COMMON_SERVICES)
    if server.mailbox_role:
        wanted |= {**MAILBOX_SERVICES, BACK_END: POP_START}
    if server.client_access_role:
        wanted[FRONT_END] = POP_START
    return wanted

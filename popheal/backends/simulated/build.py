"""From the tables of a scenario to the servers, databases and DAGs of an organisation."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from popheal.backends.simulated.model import (
    BACK_END,
    COMMON_SERVICES,
    COMPONENT_STATES,
    COMPONENTS,
    COPY_STATUSES,
    FRONT_END,
    LOG_LOCATION,
    MAILBOX_SERVICES,
    POP_START,
    VERSIONS,
    Copy,
    DagGroup,
    Database,
    RebootManners,
    Server,
    Service,
)
from popheal.backends.simulated.organisation import Organisation
from popheal.backends.simulated.presets import PRESETS
from popheal.backends.simulated.script import read_scripts
from popheal.backends.simulated.tables import Table
from popheal.backends.simulated.world import SPELLINGS, World
from popheal.util.clock import Clock

ROLES = ("mailbox", "client_access")
REBOOTS = ("normal", "never_goes_down", "never_comes_back", "boots_twice")
SERVICE_STATES = ("Running", "Stopped", "StartPending", "StopPending", "Paused")
START_TYPES = ("Automatic", "Manual", "Disabled")
ON_RESTART = ("works", "hangs", "fails", "stops_again")
POLICIES = ("Unrestricted", "IntrasiteOnly", "Blocked")


def build(root: Table, clock: Clock, name: str) -> Organisation:
    """Build the organisation a scenario describes; the tables about it are used up.

    Raises:
        ConfigurationError: Something in the tables is unknown or can't be.
    """
    organisation = Organisation(clock, name=name)
    world = organisation.world
    general = root.table("organisation")
    preset: Mapping[str, object] = {}
    if "preset" in general:
        preset = PRESETS[general.choice("preset", PRESETS)]
    version = general.choice("version", VERSIONS, str(preset.get("version", "2019")))
    world.domain = general.text("domain", "contoso.com")
    world.names = general.choice("names", SPELLINGS, "short")
    world.identity_ignored = general.flag("identity_ignored")
    general.done()

    for key, table in _merged(root, preset, "servers").items():
        world.servers.append(_server(world, key, table, version))
    if not world.servers:
        root.wrong("servers", "is empty", "Choose a preset, or describe a server.")
    for key, table in _merged(root, preset, "databases").items():
        world.databases.append(_database(world, key, table))
    for key, table in _merged(root, preset, "dags").items():
        world.dags.append(_dag(world, key, table, version))
    read_scripts(root, organisation)
    return organisation


def _merged(root: Table, preset: Mapping[str, object], key: str) -> dict[str, Table]:
    """Lay what the file says over what the preset says, name by name and key by key."""
    base = preset.get(key, {})
    content: dict[str, object] = dict(base) if isinstance(base, dict) else {}
    for name, table in root.named_tables(key).items():
        before = content.get(name, {})
        laid_over = dict(before) if isinstance(before, dict) else {}
        content[name] = {**laid_over, **table.content}
    return Table(root.source, "", {key: content}).named_tables(key)


def server_named(world: World, table: Table, key: str, default: str | None = None) -> Server:
    """Return the server a key names; raise ConfigurationError if there is none."""
    name = table.text(key) if default is None else table.text(key, default)
    found = world.find(name)
    if found is None:
        known = ", ".join(s.name for s in world.servers)
        table.wrong(key, f"names the server '{name}', which isn't there", f"There are: {known}.")
    return found


def _server(world: World, name: str, table: Table, version: str) -> Server:
    now = world.now
    roles = table.choices("roles", ROLES, ROLES)
    server = Server(
        name=name,
        fqdn=table.text("fqdn", f"{name.lower()}.{world.domain}"),
        site=table.text("site", "Default-First-Site-Name"),
        version=table.choice("version", VERSIONS, version),
        mailbox_role="mailbox" in roles,
        client_access_role="client_access" in roles,
        skew=table.number("clock_skew", negative=True),
        boot_time=now - timedelta(hours=table.number("up_for_hours", 300)),
        ready_at=now,
        manners=_manners(table),
        setup_running=table.flag("setup_running"),
        reboot_pending=table.flag("reboot_pending"),
        pop_proxy_inactive=table.choice("pop_proxy_inactive", ("stops", "refuses"), "stops"),
        protocol_log_enabled=table.flag("protocol_logging"),
        log_location=table.text("log_location", LOG_LOCATION),
        activation_disabled=table.flag("activation_disabled"),
        auto_activation_policy=table.choice("auto_activation_policy", POLICIES, POLICIES[0]),
        maximum_active_databases=table.optional_whole("maximum_active_databases"),
    )
    if not roles:
        table.wrong("roles", "is empty", 'Give "mailbox", "client_access" or both.')
    _services(server, table)
    for component, requesters in table.known_tables("components", COMPONENTS).items():
        server.components[component] = {
            requester: requesters.choice(requester, COMPONENT_STATES)
            for requester in requesters.content
        }
    if server.pop_proxy_inactive == "stops" and not server.component_active("PopProxy"):
        # It has been so for long: the front end stopped, as it always does then.
        stopped = server.service(FRONT_END)
        if stopped is not None:
            stopped.state = "Stopped"
    server.up = not table.flag("down")
    if not server.up:
        server.down_by = "administrator"
        for service in server.services.values():
            service.state = "Stopped"
    for service in server.services.values():
        if service.running:
            service.process_id = 1000 + 4 * len(world.servers) + len(server.services)
            service.started_at = server.boot_time + timedelta(minutes=3)
    table.done()
    return server


def _manners(table: Table) -> RebootManners:
    variant = table.choice("reboot", REBOOTS, "normal")
    return RebootManners(
        seconds=table.number("reboot_seconds", 240),
        goes_down=variant != "never_goes_down",
        comes_back=variant != "never_comes_back",
        times=2 if variant == "boots_twice" else 1,
    )


def _services(server: Server, table: Table) -> None:
    pop_type = table.choice("pop_start", START_TYPES, "Automatic")
    pop_runs = table.flag("pop_running", default=True)
    wanted = dict(COMMON_SERVICES)
    if server.mailbox_role:
        wanted |= {**MAILBOX_SERVICES, BACK_END: POP_START}
    if server.client_access_role:
        wanted[FRONT_END] = POP_START
    for name, boots_after in wanted.items():
        service = Service(name=name, boots_after=boots_after)
        if name in (FRONT_END, BACK_END):
            service.start_type = pop_type
            service.state = "Running" if pop_runs else "Stopped"
        server.services[name.casefold()] = service
    names = [service.name for service in server.services.values()]
    for name, given in table.known_tables("services", names).items():
        known = server.services[name.casefold()]
        known.state = given.choice("state", SERVICE_STATES, known.state)
        known.start_type = given.choice("start_type", START_TYPES, known.start_type)
        known.on_restart = given.choice("on_restart", ON_RESTART, known.on_restart)
        given.done()
    for service in server.services.values():
        service.in_use = service.running
    if server.protocol_log_enabled:
        server.log_in_effect = {n: server.runs(n) for n in (FRONT_END, BACK_END)}


def _database(world: World, name: str, table: Table) -> Database:
    copies = []
    for number, on in enumerate(table.texts("copies")):
        found = world.find(on)
        if found is None:
            known = ", ".join(s.name for s in world.servers)
            table.wrong("copies", f"names '{on}' at place {number + 1}", f"There are: {known}.")
        if not found.mailbox_role:
            table.wrong("copies", f"names '{on}', not a Mailbox server", "Choose one that is.")
        copies.append(Copy(server=found))
    if not copies:
        table.wrong("copies", "is missing", 'Name the servers in order of preference: ["MBX1"].')
    database = Database(
        name=name,
        copies=copies,
        active=server_named(world, table, "active", copies[0].server.name),
        recovery=table.flag("recovery"),
    )
    if database.copy_on(database.active) is None:
        table.wrong("active", "names a server without a copy", "Choose one of copies.")
    if database.recovery and len(copies) > 1:
        table.wrong("copies", "has several servers", "A recovery database has just one copy.")
    if table.flag("dismounted") or database.recovery or not database.active.up:
        database.mount = "Dismounted"
    for on, given in table.named_tables("on").items():
        found = world.find(on)
        one = None if found is None else database.copy_on(found)
        if one is None:
            table.wrong("on", f"describes a copy on '{on}'", "Name one of copies.")
        one.status = given.choice("status", COPY_STATUSES, "Healthy")
        one.activation_suspended = given.flag("activation_suspended")
        one.copy_queue = given.whole("copy_queue")
        one.copy_queue_growth = given.number("copy_queue_growth")
        one.replay_queue = given.whole("replay_queue")
        one.content_index = given.text("content_index", "NotApplicable")
        given.done()
    table.done()
    return database


def _dag(world: World, name: str, table: Table, version: str) -> DagGroup:
    members = []
    for member in table.texts("members"):
        found = world.find(member)
        if found is None or not found.mailbox_role:
            table.wrong("members", f"names '{member}'", "Name Mailbox servers that are described.")
        members.append(found)
    dag = DagGroup(
        name=name,
        members=members,
        witness=table.flag("witness", default=True),
        # Since 2016 a DAG goes back to its activation preference by itself.
        rebalances=table.flag("rebalances", default=version != "2013"),
        move_suppression=table.number("move_suppression"),
    )
    table.done()
    return dag

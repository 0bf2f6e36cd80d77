"""From what was seen to the tables of a scenario: servers, databases and groups.

Each key of a table says what a look has said. What is as the simulation has it anyway is left out.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from popheal.backends.simulated.build import services_of
from popheal.backends.simulated.components import (
    COMPONENT_STATES,
    COMPONENTS,
    OTHER_COMPONENTS,
)
from popheal.backends.simulated.model import (
    ABSENT,
    AUTO_ACTIVATION,
    BINDINGS,
    FRONT_END,
    LOG_LOCATION,
    SERVICE_STATES,
    START_TYPES,
    VERSIONS,
    Server,
)
from popheal.backends.simulated.world import SPELLINGS
from popheal.errors import Unreachable
from popheal.exchange.interpret import find_service, is_running
from popheal.exchange.models import (
    ComponentState,
    HostStatus,
    MailboxServer,
    PopSettings,
    ServerInfo,
    ServiceStatus,
)
from popheal.exchange.names import same_server
from popheal.snapshot.databases import databases, groups
from popheal.snapshot.description import Description, Tables, said
from popheal.snapshot.seen import Seen, kinds_on, roles_of

#: The number in ``AdminDisplayVersion`` to the word of a scenario.
_WORDS: Final = {shown.split()[1]: word for word, shown in VERSIONS.items()}
_VERSION: Final = re.compile(r"\b(15\.\d+)\b")


def describe(seen: Seen) -> Description:
    """Write down what was seen of an organisation."""
    it = Description(seen)
    domains = Counter(one.fqdn.partition(".")[2] for one in seen.servers)
    versions = Counter(_word(one) for one in seen.servers if _word(one))
    general = {
        "at": seen.at.replace(microsecond=0),
        "version": versions.most_common(1)[0][0] if versions else "",
        "domain": domains.most_common(1)[0][0] if domains else "",
        "names": _spelling(seen),
        "identity_ignored": _is_identity_ignored(seen),
    }
    it.tables["organisation"] = said(general, names="short", identity_ignored=False)
    it.tables["servers"] = {one.name: {} for one in seen.servers}
    for one in seen.servers:
        it.server(one.fqdn).update(_server(it, one))
    it.tables["databases"] = databases(it)
    it.tables["dags"] = groups(it)
    return it


# --- the organisation ----------------------------------------------------------------------------


def _word(info: ServerInfo) -> str:
    found = _VERSION.search(info.version)
    return _WORDS.get(found[1], "") if found else ""


def _spelling(seen: Seen) -> str:
    """How rows spell the names of servers: the way in which most do."""
    spelt = []
    for info in seen.servers:
        mailbox: MailboxServer | None = seen.get("mailbox_server", info.fqdn)
        health = seen.get("server_health", info.fqdn) or ()
        own = [row.server for row in health if same_server(row.server, info.fqdn)]
        server = Server(fqdn=info.fqdn)
        server.name = info.name
        spelt += [(server, name) for name in own + ([mailbox.server] if mailbox else [])]
    right = {
        word: sum(spell(server) == name for server, name in spelt)
        for word, spell in SPELLINGS.items()
    }
    return max(right, key=lambda word: right[word])


def _is_identity_ignored(seen: Seen) -> bool:
    """Whether an answer about the health of one server has rows of another that is there."""
    return any(
        not same_server(row.server, one.fqdn) and seen.is_listed(row.server)
        for one in seen.servers
        for row in seen.get("server_health", one.fqdn) or ()
    )


# --- servers -------------------------------------------------------------------------------------


def _server(it: Description, info: ServerInfo) -> Tables:
    seen, general = it.seen, it.tables["organisation"]
    usual = general.get("version", "")
    word = _word(info)
    if not word:
        it.note(f"its version can't be told: {info.version or 'nothing'}", "servers", info.name)
    derived = f"{info.name.lower()}.{general.get('domain', '')}"
    table: Tables = {
        "roles": list(roles_of(info)),
        "fqdn": None if info.fqdn == derived else info.fqdn,
        "site": info.site or "",
        "version": None if word == usual else word or None,
        "build": None if info.version == VERSIONS.get(word) else info.version or None,
        "down": True if _is_down(seen, info.fqdn) else None,
    }
    table |= _host(seen, info)
    mailbox: MailboxServer | None = seen.get("mailbox_server", info.fqdn)
    if mailbox is not None:
        table |= said(
            {
                "activation_disabled": mailbox.activation_disabled,
                "auto_activation_policy": mailbox.auto_activation_policy
                if mailbox.auto_activation_policy in AUTO_ACTIVATION
                else None,
                "maximum_active_databases": mailbox.maximum_active_databases,
            },
            activation_disabled=False,
            auto_activation_policy="Unrestricted",
        )
    table |= _times(seen, info.fqdn)
    table |= _pop(seen, info.fqdn)
    table["components"] = _components(seen, info.fqdn)
    table["services"] = _services(it, info)
    if _refuses(seen, info.fqdn):
        table["pop_proxy_inactive"] = "refuses"
    table["missing_monitors"] = _missing_monitors(seen, info)
    table["missing_probes"] = _missing_probes(seen, info)
    return {key: value for key, value in table.items() if value not in (None, {}, [])}


def _is_down(seen: Seen, server: str) -> bool:
    """Whether nothing that has to be asked of the server itself has an answer."""
    silent = isinstance(seen.error("host_status", server), Unreachable)
    return silent and seen.error("server_health", server) is not None


def _host(seen: Seen, info: ServerInfo) -> Tables:
    host: HostStatus | None = seen.get("host_status", info.fqdn)
    if host is None:
        return {}
    settings: PopSettings | None = seen.get("pop_settings", info.fqdn)
    # A server of a cluster says how its node is; where nothing is said, there may be no cluster.
    mailbox: MailboxServer | None = seen.get("mailbox_server", info.fqdn)
    in_group = mailbox is not None and mailbox.dag
    untold = {
        "reboot_pending": host.reboot_pending is None,
        "utc_offset": host.utc_offset is None,
        "cluster_node": bool(in_group) and not host.cluster_node,
        "bindings": settings is not None and not settings.bindings,
    }
    skew = seen.skew[info.fqdn]
    table = {
        "up_for_hours": _number(max(0.0, seen.ago(info.fqdn, host.boot_time)) / 3600, 6),
        # By less than that an answer is late.
        "clock_skew": _number(skew, 3) if abs(skew) >= 1 else 0,
        "utc_offset": _number(host.utc_offset or 0.0, 0),
        "reboot_pending": bool(host.reboot_pending),
        "setup_running": host.setup_running,
        "cluster_node": "Paused" if host.cluster_node.casefold() == "paused" else "",
        "untold": [name for name, is_so in untold.items() if is_so] or None,
    }
    return said(table, clock_skew=0, utc_offset=0, reboot_pending=False, setup_running=False)


def _number(value: float, digits: int) -> float:
    """Rounded, and whole where it is."""
    rounded = round(value, digits)
    return int(rounded) if rounded == int(rounded) else rounded


def _times(seen: Seen, server: str) -> Tables:
    """In which form its rows tell when a monitor was evaluated, if not with the zone."""
    rows = seen.monitors(server).values()
    if not rows or any(row.last_execution for row in rows):
        return {}
    unzoned = any(row.last_execution_text for row in rows)
    return {"times_without_zone": True} if unzoned else {"times_missing": True}


def _pop(seen: Seen, server: str) -> Tables:
    settings: PopSettings | None = seen.get("pop_settings", server)
    if settings is None:
        return {}
    return said(
        {
            "protocol_logging": settings.protocol_log_enabled,
            "log_location": settings.log_location,
            "bindings": list(settings.bindings) or None,
        },
        protocol_logging=False,
        log_location=LOG_LOCATION,
        bindings=list(BINDINGS),
    )


def _components(seen: Seen, server: str) -> Tables:
    """What keeps a component from being active, by requester."""
    rows: Sequence[ComponentState] = seen.get("component_states", server) or ()
    whole = next((one for one in rows if one.component == "ServerWideOffline"), None)
    offline = whole is not None and whole.state != "Active"
    found: Tables = {}
    for one in rows:
        if one.component not in (*COMPONENTS, *OTHER_COMPONENTS):
            continue
        held = {who: state for who, state in one.requesters if state in COMPONENT_STATES}
        inactive = one.state == "Inactive"
        by_itself = offline or COMPONENTS.get(one.component) == "Inactive"
        if inactive and not held and not by_itself:
            held = {"": one.state}
        if any(state != "Active" for state in held.values()):
            found[one.component] = held
    return found


def _services(it: Description, info: ServerInfo) -> Tables:
    rows: Sequence[ServiceStatus] | None = it.seen.get("services", info.fqdn)
    if rows is None:
        return {}
    found: Tables = {}
    for name in services_of(Server(roles=roles_of(info))):
        row = find_service(name, rows)
        table = {"state": ABSENT} if row is None else _service(row)
        if table:
            found[name] = table
    return found


def _service(row: ServiceStatus) -> Tables:
    table = said(
        {"state": row.state, "start_type": row.start_type},
        state="Running",
        start_type="Automatic",
    )
    known = {"state": SERVICE_STATES, "start_type": START_TYPES}
    return {key: word for key, word in table.items() if word in known[key]}


def _refuses(seen: Seen, server: str) -> bool:
    """Whether the front end runs though PopProxy is inactive: else it stops."""
    components: Sequence[ComponentState] = seen.get("component_states", server) or ()
    proxy = next((one for one in components if one.component == "PopProxy"), None)
    front_end = find_service(FRONT_END, seen.get("services", server) or ())
    inactive = proxy is not None and proxy.state != "Active"
    return inactive and front_end is not None and is_running(front_end)


def _missing_monitors(seen: Seen, info: ServerInfo) -> list[str]:
    """The monitors that servers of its roles have, and this one has no row of."""
    if seen.get("server_health", info.fqdn) is None:
        return []
    rows = seen.monitors(info.fqdn)
    return [one.name for one in kinds_on(info) if one.name.casefold() not in rows]


def _missing_probes(seen: Seen, info: ServerInfo) -> list[str]:
    """The probes of monitors that are there, and aren't."""
    rows, missing = seen.monitors(info.fqdn), []
    for asked, items in seen.of("monitoring_items", info.fqdn):
        listed = {one.name.casefold() for one in items}
        for kind in kinds_on(info):
            mine = kind.probe and (kind.health_set,) == asked.further
            if mine and kind.name.casefold() in rows and kind.probe.casefold() not in listed:
                missing.append(kind.probe)
    return missing

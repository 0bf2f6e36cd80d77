"""From what was seen of databases, their copies and their groups to the tables of a scenario."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from popheal.backends.simulated.model import COPY_STATUSES
from popheal.exchange.models import Dag, Database, DatabaseCopy
from popheal.exchange.names import same_server
from popheal.exchange.quorum import WITNESS_CHECK, has_even_votes, needs_witness
from popheal.snapshot.description import Description, Tables, said
from popheal.snapshot.seen import Seen

#: What a copy says of itself while it is the active one.
_MOUNTS: Final = {"mounted", "mounting", "dismounted", "dismounting"}


def databases(it: Description) -> Tables:
    seen = it.seen
    rows: dict[str, Database] = {}
    copies: dict[str, dict[str, DatabaseCopy]] = {}
    for info in seen.servers:
        for database in seen.get("databases", info.fqdn) or ():
            rows.setdefault(database.name, database)
        for method in ("database_copies", "copies_of"):
            for _, answer in seen.of(method, info.fqdn):
                for copy in answer:
                    own = copies.setdefault(copy.database, {})
                    own.setdefault(seen.name_of(copy.server), copy)
    found = {}
    for name in sorted(rows, key=str.casefold):
        table = _database(it, rows[name], copies.get(name, {}))
        if table:
            found[name] = table
    return found


def _database(it: Description, row: Database, copies: Mapping[str, DatabaseCopy]) -> Tables:
    seen = it.seen
    hosts = {one.name for one in seen.servers if one.mailbox_role}
    told = [*map(seen.name_of, row.servers), *copies]
    servers = list(dict.fromkeys(name for name in told if name in hosts))
    if row.recovery:
        servers = servers[:1]
    if not servers:
        it.note(f"{row.name} is left out: on which servers it is can't be told")
        return {}
    if not row.servers and len(servers) > 1:
        it.note(f"{row.name}: the order in which its copies are preferred is not told")
    active = _active(seen, copies) or servers[0]
    if active not in servers:
        it.note(f"{row.name}: it is active on {active}, where no copy of it was seen")
        active = servers[0]
    mounted = copies.get(active)
    untold = {
        "backup_in_progress": row.backup_in_progress is None,
        "servers": not row.servers,
    }
    lagged = {seen.name_of(one) for one in row.lagged}
    on = {name: _copy(copies.get(name), name == active, name in lagged) for name in servers}
    return {
        key: value
        for key, value in {
            "copies": servers,
            "active": None if active == servers[0] else active,
            "dismounted": not row.recovery
            and mounted is not None
            and mounted.status.casefold() == "dismounted",
            "recovery": row.recovery,
            "backup_in_progress": bool(row.backup_in_progress),
            "untold": [one for one, is_so in untold.items() if is_so],
            "on": {name: table for name, table in on.items() if table},
        }.items()
        if value not in (None, False, [], {})
    }


def _active(seen: Seen, copies: Mapping[str, DatabaseCopy]) -> str | None:
    """The server with the active copy: what a copy says of itself is surest."""
    for name, copy in copies.items():
        if copy.status.casefold() in _MOUNTS:
            return name
    named = [copy.active_server for copy in copies.values() if copy.active_server]
    if named:
        return seen.name_of(named[0])
    return next((name for name, copy in copies.items() if copy.active_copy), None)


def _copy(copy: DatabaseCopy | None, active: bool, lags: bool) -> Tables:
    table: Tables = {}
    if copy is not None:
        passive = not active and copy.status in COPY_STATUSES
        table = said(
            {
                "status": copy.status if passive else "Healthy",
                "activation_suspended": bool(copy.activation_suspended),
                "copy_queue": max(0, copy.copy_queue or 0),
                "replay_queue": max(0, copy.replay_queue or 0),
                "content_index": copy.content_index,
            },
            status="Healthy",
            activation_suspended=False,
            copy_queue=0,
            replay_queue=0,
            content_index="NotApplicable",
        )
    if lags:
        # That it lags is told, and not for how long.
        table["replay_lag"] = 1
    return table


# --- groups --------------------------------------------------------------------------------------


def groups(it: Description) -> Tables:
    found: Tables = {}
    for info in it.seen.servers:
        for _, row in it.seen.of("dag", info.fqdn):
            found.setdefault(row.name, _group(it, row))
    return {name: table for name, table in found.items() if table}


def _group(it: Description, row: Dag) -> Tables:
    seen = it.seen
    hosts = {one.name for one in seen.servers if one.mailbox_role}
    strange = [one for one in row.members if seen.name_of(one) not in hosts]
    if strange:
        it.note(f"{row.name}: not found among the Mailbox servers: {', '.join(strange)}")
    members = [name for name in map(seen.name_of, row.members) if name in hosts]
    manager = row.primary_active_manager
    table: Tables = {"members": members}
    if manager and seen.name_of(manager) in members:
        table["primary_active_manager"] = seen.name_of(manager)
    return table | _witness(seen, row) if members else {}


def _witness(seen: Seen, row: Dag) -> Tables:
    shown = row.witness
    checks = [
        one
        for member in seen.servers
        if any(same_server(member.fqdn, name) for name in row.members)
        for one in seen.get("replication_health", member.fqdn) or ()
        if one.check == WITNESS_CHECK
    ]
    votes = needs_witness(row) if shown else bool(checks)
    table: Tables = {}
    if not (votes or checks):
        table["witness"] = False
    if checks and all(one.result != "Passed" for one in checks):
        table["witness_reachable"] = False
    usual = "Primary" if has_even_votes(row) and (votes or checks) else "None"
    if not shown:
        table["untold"] = ["witness"]
    elif shown != usual:
        table["witness_share"] = shown
    return table

"""What the organisation shows of its state: rows as the cmdlets return them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

from attrs import evolve

from popheal.backends.simulated.availability import Availability
from popheal.backends.simulated.components import COMPONENTS
from popheal.backends.simulated.history import CopiesLookedAt, CopySeen
from popheal.backends.simulated.model import (
    INSTALL_PATH,
    REPLICATION,
    UNTOLD,
    VERSIONS,
    Copy,
    DagGroup,
    Database,
    Server,
)
from popheal.backends.simulated.world import World
from popheal.exchange import models

R = TypeVar("R")


def _untold(row: R, names: Sequence[str]) -> R:
    """The row without what it leaves untold."""
    whole: Any = row
    rest: R = evolve(whole, **{name: UNTOLD[name] for name in names})
    return rest


def server_info(server: Server) -> models.ServerInfo:
    return models.ServerInfo(
        fqdn=server.fqdn,
        name=server.name,
        site=server.site or None,
        mailbox_role=server.mailbox_role,
        client_access_role=server.client_access_role,
        version=server.build or VERSIONS.get(server.version, server.version),
    )


def mailbox_server(world: World, server: Server) -> models.MailboxServer:
    dag = world.dag_of(server)
    return models.MailboxServer(
        server=world.spelled(server),
        dag=None if dag is None else dag.name,
        activation_disabled=server.activation_disabled,
        auto_activation_policy=server.auto_activation_policy,
        maximum_active_databases=server.maximum_active_databases,
    )


def dag(world: World, group: DagGroup) -> models.Dag:
    share = "Primary" if group.witness_in_use else "None"
    row = models.Dag(
        name=group.name,
        members=tuple(world.spelled(m) for m in group.members),
        operational=tuple(world.spelled(m) for m in group.members if m.in_cluster),
        primary_active_manager=None if group.pam is None else world.spelled(group.pam),
        # That it is in use doesn't say that it can be reached: only the check of it does.
        witness=group.witness_share or share,
    )
    return _untold(row, group.untold)


def database(model: Database) -> models.Database:
    row = models.Database(
        name=model.name,
        replicated=model.replicated,
        recovery=model.recovery,
        servers=tuple(one.server.name for one in model.copies),
        lagged=tuple(one.server.name for one in model.copies if one.replay_lag),
        backup_in_progress=model.backup_in_progress,
    )
    return _untold(row, model.untold)


def replication_health(world: World, server: Server) -> list[models.ReplicationCheck]:
    """The checks of a member of a group, each by what it looks at."""
    group = world.dag_of(server)
    if group is None:
        return []
    quorum, replicates = group.has_quorum(), server.runs(REPLICATION)
    passive = [one.status for model, one in world.copies_on(server) if model.active is not server]
    results = {
        # Without a majority the cluster's service stops.
        "ClusterService": server.in_cluster and quorum,
        "ReplayService": replicates,
        "ActiveManager": replicates and quorum,
        "TasksRpcListener": replicates,
        "TcpListener": replicates,
        "DagMembersUp": all(one.up for one in group.members),
        "QuorumGroup": quorum,
        "FileShareQuorum": group.witness_reachable or not group.witness_in_use,
        "DBCopySuspended": not any("Suspended" in status for status in passive),
        "DBCopyFailed": not any("Failed" in status for status in passive),
    }
    if not group.witness:
        del results["FileShareQuorum"]
    rows = []
    for check, passed in results.items():
        fine = passed and check not in server.failed_checks
        usual = check_error(check, server.name)
        error = "" if fine else server.check_errors.get(check, usual)
        result = "Passed" if fine else "*FAILED*"
        name = world.spelled(server)
        rows.append(models.ReplicationCheck(server=name, check=check, result=result, error=error))
    return rows


def check_error(check: str, server: str) -> str:
    """What a check that fails says on a server, if nobody says otherwise."""
    return f"The check {check} did not pass on {server}."


def copy(availability: Availability, model: Database, one: Copy) -> models.DatabaseCopy:
    status = availability.status(model, one)
    hidden = status == "ServiceDown"
    active = availability.flagged_active(model, one.server)
    return models.DatabaseCopy(
        database=model.name,
        server=availability.world.spelled(one.server),
        status=status,
        # Nobody there to ask: the role is hidden, as with the product.
        active_copy=None if hidden else active,
        # The product mixes cases here, so this does too.
        active_server=model.active.name.lower(),
        activation_suspended=one.activation_suspended,
        copy_queue=availability.copy_queue(one),
        replay_queue=availability.replay_queue(one),
        content_index=one.content_index,
    )


def look_at_copies(
    availability: Availability,
    server: Server,
    actor: str,
    pairs: Sequence[tuple[Database, Copy]],
    *,
    whole_server: bool,
) -> list[models.DatabaseCopy]:
    """Answer what was asked about copies, and write it down beside the truth."""
    rows = [copy(availability, model, one) for model, one in pairs]
    availability.world.record(
        CopiesLookedAt,
        server,
        actor,
        rows=tuple(
            CopySeen(
                database=row.database,
                server=one.server.name,
                status=row.status,
                active=model.active is one.server,
            )
            for row, (model, one) in zip(rows, pairs, strict=True)
        ),
        active_databases=availability.world.active_replicated(server),
        whole_server=whole_server,
    )
    return rows


def component_states(server: Server) -> list[models.ComponentState]:
    return [
        models.ComponentState(
            component=name,
            state="Active" if server.component_active(name) else "Inactive",
            requesters=tuple(
                (who, state) for who, state in server.components.get(name, {}).items() if who
            ),
        )
        for name in sorted({*COMPONENTS, *server.components})
    ]


def pop_settings(world: World, server: Server) -> models.PopSettings:
    row = models.PopSettings(
        server=world.spelled(server),
        protocol_log_enabled=server.protocol_log_enabled,
        log_location=server.log_location,
        bindings=server.bindings,
    )
    return _untold(row, [name for name in server.untold if name == "bindings"])


def host_status(world: World, server: Server) -> models.HostStatus:
    row = models.HostStatus(
        server=world.spelled(server),
        boot_time=server.told(server.boot_time),
        local_time=server.told(world.now),
        setup_running=server.setup_running,
        reboot_pending=server.reboot_pending,
        utc_offset=server.utc_offset,
        cluster_node=server.cluster_node if world.dag_of(server) and server.in_cluster else "",
    )
    return _untold(row, [name for name in server.untold if name != "bindings"])


def same_folder(one: str, other: str) -> bool:
    """Compare two Windows paths the way Windows does."""
    return _plain(one) == _plain(other)


def _plain(path: str) -> str:
    expanded = path.casefold().replace("%exchangeinstallpath%", INSTALL_PATH.casefold())
    return expanded.replace("/", "\\").rstrip("\\")

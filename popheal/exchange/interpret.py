"""What the product's words mean for a decision: one place, no I/O.

The strict readings are deliberate. What can't be read counts as the dangerous case.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from popheal.exchange.models import (
    ComponentState,
    Database,
    DatabaseCopy,
    HostStatus,
    MailboxServer,
    MonitorHealth,
    ProbeResult,
    RecoveryAction,
    ServerInfo,
    ServiceStatus,
)
from popheal.exchange.moments import possible_moments
from popheal.exchange.names import same_server

_ONLY_ACTIVE_COPIES_ARE: Final = {"mounted", "mounting", "dismounted", "dismounting"}
_A_PASSIVE_COPY_IS: Final = {
    "healthy",
    "failed",
    "seeding",
    "suspended",
    "initializing",
    "resynchronizing",
    "disconnectedandhealthy",
    "disconnectedandresynchronizing",
    "failedandsuspended",
    "singlepagerestore",
}
#: Copies that could take over: in order, or in order but for the connection to the active one.
_CAN_BE_ACTIVATED: Final = {"healthy", "disconnectedandhealthy"}
#: More logs than this not yet copied or replayed, and a switchover would lose or delay mail.
LONGEST_QUEUE: Final = 40


# --- copies --------------------------------------------------------------------------------------


def is_active(copy: DatabaseCopy) -> bool:
    """Whether a copy must be counted as active on its server (erratum D7).

    ServiceDown hides the role, SeedingSource may be either, and an unknown status may be
    anything: all three count as active unless the row clearly says otherwise.
    """
    status = copy.status.casefold()
    if copy.active_copy or status in _ONLY_ACTIVE_COPIES_ARE:
        return True
    if copy.active_server and same_server(copy.active_server, copy.server):
        return True
    if status == "seedingsource":
        return copy.active_copy is None or not copy.active_server
    return status not in _A_PASSIVE_COPY_IS


def is_dismounted(copy: DatabaseCopy) -> bool:
    """Whether it is the active copy of a database that is not mounted, nor about to be."""
    return copy.status.casefold() == "dismounted"


def can_take_over(copy: DatabaseCopy) -> bool:
    """Whether a passive copy could be activated without losing or delaying mail."""
    return (
        copy.status.casefold() in _CAN_BE_ACTIVATED
        and not is_active(copy)
        and copy.activation_suspended is False
        and has_short_queues(copy)
        and copy.content_index.casefold() in ("", "healthy", "notapplicable")
    )


def has_short_queues(copy: DatabaseCopy) -> bool:
    """Whether a copy is hardly behind; not where that wasn't told."""
    queues = (copy.copy_queue, copy.replay_queue)
    return all(queue is not None and queue <= LONGEST_QUEUE for queue in queues)


def is_seeding_source(copy: DatabaseCopy) -> bool:
    """Whether another copy is being reseeded from this one, active or not."""
    return copy.status.casefold() == "seedingsource"


def is_seeding(copy: DatabaseCopy) -> bool:
    """Whether this copy is being reseeded."""
    return copy.status.casefold() == "seeding"


def is_service_down(copy: DatabaseCopy) -> bool:
    """Whether the replication service of its server does not answer, so that nothing can move."""
    return copy.status.casefold() == "servicedown"


def is_out_of_cluster(host: HostStatus) -> bool:
    """Whether a server's node in the cluster is neither up nor untold, nor paused by somebody."""
    return host.cluster_node.casefold() not in (*_IN_THE_CLUSTER, "paused")


def is_mounted(copy: DatabaseCopy) -> bool:
    """Whether a copy serves its mailboxes."""
    return copy.status.casefold() == "mounted"


def still_active(copies: Iterable[tuple[DatabaseCopy, Database]]) -> list[str]:
    """The copies that forbid a reboot, as ``database (status)``.

    Recovery databases are left out: they serve nobody, and they never move.
    """
    return [
        f"{copy.database} ({copy.status})"
        for copy, database in copies
        if is_active(copy) and not database.recovery
    ]


# --- health --------------------------------------------------------------------------------------


def rows_of(server: str, rows: Iterable[MonitorHealth]) -> list[MonitorHealth]:
    """The rows that really are about that server: the cmdlet may answer with all."""
    return [row for row in rows if same_server(row.server, server)]


def alert_value(row: MonitorHealth) -> str:
    """AlertValue without case; ``stale`` where the row is not current."""
    return "stale" if row.stale else row.alert_value.casefold()


def is_unhealthy(row: MonitorHealth) -> bool:
    """Whether the row says, and says now, that the monitor is Unhealthy."""
    return alert_value(row) == "unhealthy"


def evaluated_after(row: MonitorHealth, when: datetime, utc_offset: float | None = None) -> bool:
    """Whether the monitor was evaluated after a moment of the server's clock, for certain.

    A time that came without a time zone counts only if it is after the moment in every way in
    which it can be read: as UTC and in the server's zone, the month or the day first.

    Args:
        row: Its row.
        when: The moment, by the server's own clock.
        utc_offset: Seconds by which the server's zone is ahead of UTC; None if it isn't known.
    """
    if row.last_execution:
        return row.last_execution > when
    readings = possible_moments(row.last_execution_text, utc_offset)
    return bool(readings) and min(readings) > when


def value_since(
    rows: Sequence[MonitorHealth], since: datetime | None, utc_offset: float | None = None
) -> str:
    """What a monitor's rows say, if they were evaluated after a moment of the server's clock.

    ``unhealthy`` if any of them says so, ``healthy`` if all do, else ``could_not_tell``: a row
    from before proves nothing (erratum D16), and neither does Degraded or Repairing.

    Args:
        rows: The rows of one monitor.
        since: The moment, by the server's own clock; None if it isn't known.
        utc_offset: Seconds by which the server's zone is ahead of UTC; None if it isn't known.
    """
    current = [
        alert_value(row) if since and evaluated_after(row, since, utc_offset) else "old"
        for row in rows
    ]
    if "unhealthy" in current:
        return "unhealthy"
    return "healthy" if current and set(current) == {"healthy"} else "could_not_tell"


# --- probes, services, components ----------------------------------------------------------------

#: Only Succeeded is a pass and only Failed is a failure of the service. A Timeout may be the
#: service that hangs, and says so only where the monitor is Unhealthy as well. Poisoned,
#: Quarantined and Rejected tell of the probe's own trouble.
_PROBE_OUTCOMES: Final = {"succeeded": "succeeded", "failed": "failed", "timeout": "timed_out"}


def probe_outcome(result: ProbeResult) -> str:
    """``succeeded``, ``failed``, ``timed_out`` or ``could_not_tell`` (D3: read ResultType)."""
    return _PROBE_OUTCOMES.get(result.result.casefold(), "could_not_tell")


def is_running(service: ServiceStatus) -> bool:
    """Whether the service is Running, and not on its way up or down."""
    return service.state.casefold() == "running"


def is_switched_off(service: ServiceStatus) -> bool:
    """Whether the service isn't meant to run here (erratum D13).

    Disabled, or neither running nor set to start by itself. A Manual service that runs is in
    use; a Disabled one that still runs could be stopped, but not started again.
    """
    start_type = service.start_type.casefold()
    return start_type == "disabled" or (not is_running(service) and start_type != "automatic")


def is_stopping(service: ServiceStatus) -> bool:
    """Whether the service is on its way down, and nothing more can be asked of it meanwhile."""
    return service.state.casefold() == "stoppending"


def starts_by_itself(service: ServiceStatus) -> bool:
    """Whether it is set to start by itself, with the server."""
    return service.start_type.casefold() == "automatic"


def find_service(name: str, services: Iterable[ServiceStatus]) -> ServiceStatus | None:
    """The service of that name, without case."""
    return next((one for one in services if one.name.casefold() == name.casefold()), None)


def inactive_requesters(component: ComponentState) -> list[str] | None:
    """Who made a component inactive: requesters; [] if it is not known; None if it is active."""
    if component.state.casefold() == "active":
        return None
    return sorted({who for who, state in component.requesters if state.casefold() != "active"})


def is_blocked(server: MailboxServer) -> bool:
    """Whether no database is activated there by itself, whatever happens elsewhere."""
    return server.auto_activation_policy.casefold() == "blocked"


def stays_in_site(server: MailboxServer) -> bool:
    """Whether only databases of its own site are activated there by themselves."""
    return server.auto_activation_policy.casefold() == "intrasiteonly"


#: A node that takes part and takes databases; empty where there is no cluster, or it wasn't told.
_IN_THE_CLUSTER: Final = {"", "up"}
#: The component, in lower case, that overrides all others that matter here.
WHOLE_SERVER: Final = "serverwideoffline"
#: Microsoft's own maintenance sets the first, whoever maintains a server the second.
_KEEPS_A_MEMBER_OUT: Final = {"highavailability", WHOLE_SERVER}


def why_out_of_service(components: Iterable[ComponentState], host: HostStatus) -> str:
    """Why a member of a database availability group is out of service; empty if it isn't.

    That its databases aren't activated by themselves (``Blocked``) is usual for the members of a
    second site, and no reason.
    """
    if host.setup_running:
        return "Exchange Setup is running on it"
    if host.cluster_node.casefold() not in _IN_THE_CLUSTER:
        return f"its node in the cluster is {host.cluster_node}"
    for one in components:
        if one.component.casefold() in _KEEPS_A_MEMBER_OUT and one.state.casefold() != "active":
            return f"its component {one.component} is {one.state}"
    return ""


#: Inactive by default, so being inactive means nothing.
_INACTIVE_BY_DEFAULT: Final = {"forwardsyncdaemon", "provisioningrps"}


def inactive_components(
    components: Iterable[ComponentState],
) -> list[tuple[ComponentState, list[str]]]:
    """The components that are inactive and should not be, each with its requesters."""
    return [
        (one, who)
        for one in components
        if (who := inactive_requesters(one)) is not None
        and one.component.casefold() not in _INACTIVE_BY_DEFAULT
    ]


def draining_components(
    components: Iterable[ComponentState],
) -> list[tuple[ComponentState, list[str]]]:
    """The components that are active while somebody has set them to Draining, and who has."""
    return [
        (one, who)
        for one in components
        if one.state.casefold() == "active"
        and (who := sorted({by for by, state in one.requesters if state.casefold() == "draining"}))
    ]


# --- what Managed Availability does --------------------------------------------------------------

_REBOOT: Final = "forcereboot"
_RESTART: Final = "restartservice"
#: A recovery action without a result may be this much later than it was expected to be.
OVERDUE_AFTER: Final = timedelta(minutes=5)


def is_reboot(action: RecoveryAction) -> bool:
    """Whether it restarts the server, with or without success; a throttled one was never begun.

    An action id that isn't known is no reboot, and no restart of a service either.
    """
    return action.action.casefold() == _REBOOT and not action.throttled


def is_service_restart(action: RecoveryAction, services: Iterable[str]) -> bool:
    """Whether it restarts one of these services, with or without success.

    Args:
        action: What was seen; a throttled one was never begun.
        services: Names of services, in any case.
    """
    if action.action.casefold() != _RESTART or action.throttled:
        return False
    return action.resource.casefold() in {name.casefold() for name in services}


def is_under_way(action: RecoveryAction, now: datetime, *, booted: datetime | None = None) -> bool:
    """Whether it must be counted as still being carried out: begun, and without a result.

    It no longer is once its expected finish has passed by :data:`OVERDUE_AFTER`. Where that or
    its start can't be told, or makes no sense, it counts as under way.

    Args:
        action: What was seen, whatever kind of action it is.
        now: The time by the server's own clock.
        booted: When the server booted, by its own clock; nothing outlives a boot. None if that
            isn't known.
    """
    if action.throttled or action.result or action.finished:
        return False
    started, expected = action.started, action.expected_finish
    if booted and started and started < booted:
        return False
    if expected is None or started is None or expected < started:
        return True
    return now - expected <= OVERDUE_AFTER


# --- back ends -----------------------------------------------------------------------------------

#: ``Proxy=host:1995:SSL`` in a probe's error, ``Proxy:host:1995:SSL`` in the log,
#: ``_Mbx:host`` in the texts of the IMAP twin of the runbook.
_BACKEND_IN_TEXT: Final = re.compile(
    r"\bProxy[=:](?P<proxy>[\w.-]+):\d+|_Mbx:(?P<mailbox>[\w.-]*\w)", re.IGNORECASE
)


def backends_named_in(text: str) -> list[str]:
    """Host names of back ends that an error text or a log's context column names, in order."""
    found = (m["proxy"] or m["mailbox"] for m in _BACKEND_IN_TEXT.finditer(text))
    return list(dict.fromkeys(found))


def servers_named(names: Sequence[str], servers: Sequence[ServerInfo]) -> list[ServerInfo] | None:
    """The servers of the organisation with these names that have the Mailbox role.

    None if a short name could be either of two, or its server's row can't be read: which one is
    meant can't be told.
    """
    found: dict[str, ServerInfo] = {}
    for name in names:
        alike = [one for one in servers if same_server(name, one.fqdn)]
        meant = [one for one in alike if one.mailbox_role]
        if len(meant) > 1 or any(one.unreadable for one in alike):
            return None
        found.update({one.fqdn: one for one in meant})
    return list(found.values())


# --- boots ---------------------------------------------------------------------------------------

#: Boot times of one boot may be told a little apart, as Windows corrects its clock.
_SAME_BOOT: Final = timedelta(seconds=30)


def same_boot(one: datetime, other: datetime) -> bool:
    """Whether two boot times of a server are of the same boot."""
    return abs(one - other) <= _SAME_BOOT


def booted_since(before: datetime, now: datetime) -> bool:
    """Whether a server has booted again; a boot time moved back is only a corrected clock."""
    return now - before > _SAME_BOOT

"""Observations as the objects that popheal's scripts return for them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from popheal.exchange import models
from popheal.lab.serializer import Int64, PsObject, time_text

_SERVICE_STATES = {"StartPending": "Start Pending", "StopPending": "Stop Pending"}
_CUSTOM = ("System.Management.Automation.PSCustomObject", "System.Object")


def service(seen: models.ServiceStatus) -> PsObject:
    started = None if seen.started_at is None else time_text(seen.started_at)
    return PsObject(
        types=_CUSTOM,
        notes={
            "Name": seen.name,
            "State": _SERVICE_STATES.get(seen.state, seen.state),
            "StartMode": "Auto" if seen.start_type == "Automatic" else seen.start_type,
            "ProcessId": seen.process_id or 0,
            "StartedAt": started,
        },
    )


def host_status(seen: models.HostStatus) -> PsObject:
    return PsObject(
        types=_CUSTOM,
        notes={
            "LastBootUpTime": time_text(seen.boot_time),
            "LocalDateTime": time_text(seen.local_time),
            "SetupRunning": seen.setup_running,
            "RebootPending": seen.reboot_pending,
            "UtcOffset": seen.utc_offset,
            "ClusterNode": seen.cluster_node,
        },
    )


def log_file(seen: models.LogFile, head_bytes: int, tail_bytes: int) -> PsObject:
    """Long files are cut to head and tail, as the script does."""
    data = seen.text.encode()
    head, tail, omitted = seen.text, None, 0
    if len(data) > head_bytes + tail_bytes:
        head = data[:head_bytes].decode(errors="replace")
        tail = data[-tail_bytes:].decode(errors="replace")
        omitted = len(data) - head_bytes - tail_bytes
    return PsObject(
        types=_CUSTOM,
        notes={"Name": seen.name, "Head": head, "Tail": tail, "Omitted": Int64(omitted)},
    )


#: Events are stamped when they are written; this one is for what has no time to be told.
_SOME_TIME = datetime(2026, 1, 1, tzinfo=UTC)


def recovery_events(seen: models.RecoveryAction) -> list[PsObject]:
    """The events that tell of an action: that it began, that it ended, or that it may not begin."""
    if seen.throttled:
        # This log spells two of the names in its own way.
        told: dict[str, object] = {"ActionId": seen.action, "RequesterName": seen.requester}
        return [_recovery_event(2051, seen.started, {**told, "ResourceName": seen.resource})]
    about = {
        "Id": seen.action,
        "RequestorName": seen.requester,
        "ResourceName": seen.resource,
        "InstanceId": seen.instance,
        "StartTime": _stamp(seen.started),
    }
    events = []
    if seen.expected_finish is not None or not seen.result:
        began = {**about, "EndTime": _stamp(seen.expected_finish), "Result": "Unknown"}
        events.append(_recovery_event(500, seen.started, began))
    if seen.result:
        ended = {**about, "EndTime": _stamp(seen.finished), "Result": seen.result}
        kind = 502 if seen.result.casefold() == "failed" else 501
        events.append(_recovery_event(kind, seen.finished, ended))
    return events


def _recovery_event(kind: int, at: datetime | None, told: Mapping[str, object]) -> PsObject:
    stamped = {"EventId": kind, "TimeCreated": _stamp(at or _SOME_TIME)}
    return PsObject(types=_CUSTOM, notes={**dict.fromkeys(_RECOVERY_FIELDS), **stamped, **told})


_RECOVERY_FIELDS = (
    "EventId",
    "TimeCreated",
    "Id",
    "ActionId",
    "ResourceName",
    "RequestorName",
    "RequesterName",
    "InstanceId",
    "StartTime",
    "EndTime",
    "ExpectedToFinishAt",
    "Result",
)


def _stamp(at: datetime | None) -> str | None:
    return None if at is None else time_text(at)

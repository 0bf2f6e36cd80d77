"""From PowerShell objects to observations: one small reader for each class of them.

Each reader takes a :class:`Row` and returns one observation, or raises
:class:`~popheal.errors.Unreadable` where something it can't do without is missing. Nothing is
filled in: what isn't there is None where the observation allows that, and an error elsewhere.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime

from attrs import frozen

from popheal.backends.psrp.clixml import (
    Record,
    count_of,
    flag_of,
    items_of,
    moment_of,
    pairs_of,
    text_of,
)
from popheal.errors import Unreadable
from popheal.exchange import models
from popheal.exchange.names import same_server

#: A pair as it prints, of a server and a time span: ``[MBX1, 7.00:00:00]``.
_PAIR = re.compile(r"\[(.+), *([^,\]]+)\]")
#: A time span of nothing, as it prints and as it is serialised.
_NO_TIME = re.compile(r"0|(?:0+\.)?0?0:00(?::00(?:\.0+)?)?|P(?:0+(?:\.0+)?[DHMS]|T)+", re.ASCII)
_REQUESTER = re.compile(r"Request[eo]r:\s*(\w+);\s*State:\s*(\w+)")
_START_TYPES = {"auto": "Automatic"}


@frozen(kw_only=True)
class Row:
    """One object of an answer, and what was asked for, to be named if it can't be read.

    Attributes:
        server: The server asked about.
        command: The command, in the product's words.
    """

    record: Record
    server: str
    command: str

    def fail(self, what: str) -> Unreadable:
        return Unreadable(server=self.server, command=self.command, cause=what)

    def maybe_text(self, *names: str) -> str | None:
        return text_of(self.record.get(*names))

    def text(self, *names: str) -> str:
        found = self.maybe_text(*names)
        if found is None:
            raise self.fail(f"the answer has no {names[0]}")
        return found

    def maybe_flag(self, name: str) -> bool | None:
        return flag_of(self.record.get(name))

    def flag(self, name: str) -> bool:
        found = self.maybe_flag(name)
        if found is None:
            raise self.fail(f"the answer doesn't say whether {name} is true")
        return found

    def count(self, name: str) -> int | None:
        return count_of(self.record.get(name))

    def maybe_moment(self, name: str) -> datetime | None:
        return moment_of(self.record.get(name))

    def moment(self, name: str) -> datetime:
        found = self.maybe_moment(name)
        if found is None:
            seen = self.maybe_text(name)
            raise self.fail(f"{name} can't be read as a time: {seen!r}")
        return found

    def unzoned(self, name: str) -> str:
        """A time as it came, where it is a text that names no time zone; else nothing."""
        return "" if self.maybe_moment(name) else self.maybe_text(name) or ""

    def maybe_number(self, name: str) -> float | None:
        try:
            found = float(self.maybe_text(name) or "")
        except ValueError:
            return None
        return found if math.isfinite(found) else None

    def lagged(self, name: str) -> tuple[str, ...]:
        """Of pairs of a server and a time span, the servers with another span than nothing.

        A span that can't be read is not taken for nothing.
        """
        pairs = [self._pair(name, item) for item in pairs_of(self.record.get(name))]
        return tuple(server for server, span in pairs if not _NO_TIME.fullmatch(span))

    def _pair(self, name: str, item: object) -> tuple[str, str]:
        """A server's short name, and a time span; both can be lost but for the printed form."""
        if isinstance(item, tuple):
            key, value = item
        elif isinstance(item, Record) and item.get("Key") is not None:
            key, value = item.get("Key"), item.get("Value")
        else:
            printed = _PAIR.fullmatch(text_of(item) or "")
            if printed is None:
                raise self.fail(f"{name} has something in it that is no pair: {item!r:.80}")
            key, value = printed[1], printed[2]
        server = _name(key)
        if server is None:
            raise self.fail(f"{name} does not name a server: {item!r:.80}")
        return server, text_of(value) or ""

    def names(self, name: str) -> tuple[str, ...]:
        """A list of objects, each by its short name."""
        return tuple(
            text for item in items_of(self.record.get(name)) if (text := _name(item)) is not None
        )

    def present(self, name: str) -> None:
        """Raise Unreadable unless the property is there, be it Nil."""
        if name not in self.record:
            raise self.fail(f"the answer has no {name}")


def rows(answer: Sequence[object], *, server: str, command: str) -> list[Row]:
    """The objects of an answer. Raises Unreadable if one of them isn't an object."""
    flat: list[object] = []
    for item in answer:
        if isinstance(item, list):
            flat.extend(item)
        elif isinstance(item, Record) and isinstance(item.value, list):
            flat.extend(item.value)
        elif item is not None and item != "":
            flat.append(item)
    found = []
    for item in flat:
        if not isinstance(item, Record):
            raise Unreadable(
                server=server, command=command, cause=f"the answer is no object: {item!r:.80}"
            )
        found.append(Row(record=item, server=server, command=command))
    return found


def only(answer: Sequence[object], *, server: str, command: str) -> Row:
    """The one object of an answer. Raises Unreadable if there is none, or more than one."""
    found = rows(answer, server=server, command=command)
    if len(found) != 1:
        raise Unreadable(
            server=server, command=command, cause=f"{len(found)} objects came, not just one"
        )
    return found[0]


def server_info(row: Row) -> models.ServerInfo:
    """Roles come from the booleans: ``ServerRole`` leaves out the front end on newer versions."""
    site = row.record.get("Site")
    return models.ServerInfo(
        fqdn=row.text("Fqdn"),
        name=row.text("Name"),
        site=_name(site),
        mailbox_role=row.flag("IsMailboxServer"),
        client_access_role=row.flag("IsClientAccessServer"),
        version=row.maybe_text("AdminDisplayVersion") or "",
    )


def mailbox_server(row: Row) -> models.MailboxServer:
    name = row.text("Name")
    if not same_server(name, row.server):
        raise row.fail(f"the answer is about '{name}'")
    row.present("DatabaseAvailabilityGroup")
    return models.MailboxServer(
        server=row.server,
        dag=_name(row.record.get("DatabaseAvailabilityGroup")),
        activation_disabled=row.flag("DatabaseCopyActivationDisabledAndMoveNow"),
        auto_activation_policy=row.text("DatabaseCopyAutoActivationPolicy"),
        maximum_active_databases=row.count("MaximumActiveDatabases"),
    )


def dag(row: Row) -> models.Dag:
    row.present("Servers")
    return models.Dag(
        name=row.text("Name"),
        members=row.names("Servers"),
        operational=row.names("OperationalServers"),
        primary_active_manager=_name(row.record.get("PrimaryActiveManager")),
        witness=row.maybe_text("WitnessShareInUse") or "",
    )


def monitor_health(row: Row) -> models.MonitorHealth:
    return models.MonitorHealth(
        server=row.text("Server"),
        monitor=row.text("Name"),
        health_set=row.text("HealthSetName"),
        target=row.maybe_text("TargetResource") or "",
        alert_value=row.text("AlertValue"),
        # Some versions write "Partially Online" in two words.
        state=(row.maybe_text("CurrentHealthSetState", "State") or "Unknown").replace(" ", ""),
        last_transition=row.maybe_moment("LastTransitionTime"),
        last_execution=row.maybe_moment("LastExecutionTime"),
        last_execution_text=row.unzoned("LastExecutionTime"),
        stale=bool(row.maybe_flag("IsStale")),
        error=_joined(row.maybe_text("Error"), row.maybe_text("Exception")),
    )


def probe_result(row: Row, probe: str) -> models.ProbeResult:
    return models.ProbeResult(
        probe=probe,
        result=row.text("ResultType"),
        error=row.maybe_text("Error") or "",
        exception=row.maybe_text("Exception") or "",
        started=row.maybe_moment("ExecutionStartTime"),
        finished=row.maybe_moment("ExecutionEndTime"),
    )


def database_copy(row: Row) -> models.DatabaseCopy:
    return models.DatabaseCopy(
        database=row.text("DatabaseName"),
        server=row.text("MailboxServer"),
        status=row.text("Status"),
        active_copy=row.maybe_flag("ActiveCopy"),
        active_server=_name(row.record.get("ActiveDatabaseCopy")),
        activation_suspended=row.maybe_flag("ActivationSuspended"),
        copy_queue=row.count("CopyQueueLength"),
        replay_queue=row.count("ReplayQueueLength"),
        content_index=row.maybe_text("ContentIndexState") or "",
    )


def database(row: Row) -> models.Database:
    replication = row.text("ReplicationType")
    if replication.casefold() not in ("none", "remote"):
        raise row.fail(f"ReplicationType '{replication}' is not known")
    return models.Database(
        name=row.text("Name"),
        replicated=replication.casefold() == "remote",
        recovery=row.flag("Recovery"),
        servers=row.names("Servers"),
        lagged=row.lagged("ReplayLagTimes"),
        backup_in_progress=row.maybe_flag("BackupInProgress"),
    )


def replication_check(row: Row) -> models.ReplicationCheck:
    return models.ReplicationCheck(
        server=row.text("Server"),
        check=row.text("Check"),
        result=_check_result(row),
        error=row.maybe_text("Error") or "",
    )


def _check_result(row: Row) -> str:
    """What a check came to. It is an object: what it prints as, and its value, are the same.

    Where they are not, it has not passed for certain, so that one counts which says so.
    """
    result = row.record.get("Result")
    said = [text_of(result)]
    if isinstance(result, Record):
        # What has no printed form of its own prints as the name of its type.
        said = [one for one in (text_of(result),) if one not in result.types]
        said.append(text_of(result.get("Value")))
    told = [one for one in said if one]
    if not told:
        raise row.fail("the answer has no Result")
    return next((one for one in told if one.casefold() != "passed"), told[0])


def monitoring_item(row: Row) -> models.MonitoringItem:
    return models.MonitoringItem(
        name=row.text("Name"),
        kind=row.text("ItemType"),
        health_set=row.text("HealthSetName"),
        target=row.maybe_text("TargetResource") or "",
    )


def component_state(row: Row) -> models.ComponentState:
    pairs: list[tuple[str, str]] = []
    for name in ("LocalStates", "RemoteStates"):
        for item in items_of(row.record.get(name)):
            pair = _requester(item)
            if pair is not None and pair not in pairs:
                pairs.append(pair)
    return models.ComponentState(
        component=row.text("Component"), state=row.text("State"), requesters=tuple(pairs)
    )


def pop_settings(row: Row) -> models.PopSettings:
    about = _name(row.record.get("Server"))
    if about is not None and not same_server(about, row.server):
        raise row.fail(f"the answer is about '{about}'")
    return models.PopSettings(
        server=row.server,
        protocol_log_enabled=row.flag("ProtocolLogEnabled"),
        log_location=row.maybe_text("LogFileLocation") or "",
        bindings=tuple(
            binding
            for name in ("UnencryptedOrTLSBindings", "SSLBindings")
            for item in items_of(row.record.get(name))
            if (binding := _binding(item)) is not None
        ),
    )


def service(row: Row) -> models.ServiceStatus:
    """Of ``Win32_Service`` (``Start Pending``, ``Auto``) or ``Get-Service`` alike."""
    start_type = row.text("StartMode", "StartType")
    return models.ServiceStatus(
        name=row.text("Name", "ServiceName"),
        state=row.text("State", "Status").replace(" ", ""),
        start_type=_START_TYPES.get(start_type.casefold(), start_type),
        process_id=row.count("ProcessId") or None,
        started_at=row.maybe_moment("StartedAt"),
    )


def host_status(row: Row) -> models.HostStatus:
    return models.HostStatus(
        server=row.server,
        boot_time=row.moment("LastBootUpTime"),
        local_time=row.moment("LocalDateTime"),
        setup_running=row.flag("SetupRunning"),
        reboot_pending=row.maybe_flag("RebootPending"),
        utc_offset=row.maybe_number("UtcOffset"),
        cluster_node=row.maybe_text("ClusterNode") or "",
    )


def log_file(row: Row) -> models.LogFile:
    """A file too long to be read whole comes as its head and its tail, and the text says so."""
    head, tail = row.record.get("Head"), row.record.get("Tail")
    if not isinstance(head, str) or not (tail is None or isinstance(tail, str)):
        raise row.fail("the answer has no Head: a log file without text")
    omitted = row.count("Omitted") or 0
    if omitted:
        note = f"#Omitted: {omitted} bytes\r\n"
        # The cut falls anywhere: what is left of the lines it went through is no line.
        whole_head = head[: head.rfind("\n") + 1]
        text = whole_head + note + (tail or "").partition("\n")[2]
    else:
        text = head + (tail or "")
    return models.LogFile(name=row.text("Name"), text=text)


def _binding(item: object) -> str | None:
    """An address and a port, as they print or (that can be lost on the way) by their fields."""
    if isinstance(item, Record) and not item.text and item.value is None:
        address, port = text_of(item.get("Address")), count_of(item.get("Port"))
        if address is not None and port is not None:
            return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"
    return text_of(item)


def _joined(*texts: str | None) -> str:
    return "\n".join(text for text in texts if text)


def _name(value: object) -> str | None:
    """The name of a directory object: its Name, or the end of its path."""
    if isinstance(value, Record) and (name := text_of(value.get("Name"))) is not None:
        return name
    text = text_of(value)
    return None if text is None else re.split(r"[/\\]", text)[-1] or None


def _requester(item: object) -> tuple[str, str] | None:
    """Who set a state, from the fields or (they can be lost on the way) from the printed form."""
    if isinstance(item, Record):
        who, state = text_of(item.get("Requester")), text_of(item.get("State"))
        if who is not None and state is not None:
            return who, state
    found = _REQUESTER.match(text_of(item) or "")
    return (found[1], found[2]) if found else None

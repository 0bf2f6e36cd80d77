"""What looking at Exchange gives: one frozen class per thing seen, no interpretation.

Strings of the product (``AlertValue``, ``Status``, ``ResultType``...) are kept as they came,
because new versions add values. What they mean is decided in one place,
:mod:`popheal.exchange.interpret`.
All times are aware datetimes in UTC, told by the clock of the server they came from: compare
them only with times of the same server.
"""

from __future__ import annotations

from datetime import datetime

from attrs import field, frozen

from popheal.util.serialize import ADDED


@frozen(kw_only=True)
class ServerInfo:
    """One row of ``Get-ExchangeServer``: who the server is and which roles it has.

    Attributes:
        unreadable: Why no more than its name is known, where its row in a list can't be read:
            then it has no role here, so nothing is expected of it. Empty for any other.
    """

    fqdn: str
    name: str
    site: str | None = None
    mailbox_role: bool
    client_access_role: bool
    version: str = ""
    unreadable: str = field(default="", metadata=ADDED)


@frozen(kw_only=True)
class MailboxServer:
    """One row of ``Get-MailboxServer``: DAG membership and what may be activated there.

    Attributes:
        dag: Name of the database availability group, None outside one.
        activation_disabled: ``DatabaseCopyActivationDisabledAndMoveNow``.
        auto_activation_policy: ``Unrestricted``, ``IntrasiteOnly`` or ``Blocked``.
        maximum_active_databases: None for no limit.
    """

    server: str
    dag: str | None = None
    activation_disabled: bool
    auto_activation_policy: str = "Unrestricted"
    maximum_active_databases: int | None = None


@frozen(kw_only=True)
class Dag:
    """One row of ``Get-DatabaseAvailabilityGroup -Status``. Server names may be short.

    Attributes:
        operational: ``OperationalServers``.
        witness: ``WitnessShareInUse``: ``Primary``, ``Alternate``, ``None``,
            ``InvalidConfiguration``; empty where it was not told. That a witness is in use does
            not say that it can be reached: see :class:`ReplicationCheck`.
    """

    name: str
    members: tuple[str, ...]
    operational: tuple[str, ...] = ()
    primary_active_manager: str | None = None
    witness: str = ""


@frozen(kw_only=True)
class MonitorHealth:
    """One row of ``Get-ServerHealth``.

    Attributes:
        alert_value: ``Healthy``, ``Unhealthy``, ``Degraded``, ``Repairing``, ``Disabled``,
            ``Unavailable``, ``UnInitialized``, or whatever a newer version says.
        state: State of the server component, for example ``Online``; independent of alert_value.
        last_execution: When the monitor was last evaluated; None where it was not told, or
            without a time zone.
        last_execution_text: ``LastExecutionTime`` as it came, where it names no time zone.
        stale: ``IsStale``.
        error: ``Error`` and ``Exception`` of the row: what the monitor says of the failure.
    """

    server: str
    monitor: str
    health_set: str
    target: str = ""
    alert_value: str
    state: str = "NotApplicable"
    last_transition: datetime | None = None
    last_execution: datetime | None = None
    last_execution_text: str = ""
    stale: bool = False
    error: str = ""


@frozen(kw_only=True)
class ProbeResult:
    """What ``Invoke-MonitoringProbe`` returned.

    Attributes:
        result: ``ResultType``: ``Succeeded``, ``Failed``, ``Timeout``, ``Poisoned``,
            ``Quarantined`` or ``Rejected``. Only the first is a pass.
        error: The probe's own error text; on the front end it may name the back end.
        exception: ``Exception``: the exception's type, message and trace, as text.
    """

    probe: str
    result: str
    error: str = ""
    exception: str = ""
    started: datetime | None = None
    finished: datetime | None = None


@frozen(kw_only=True)
class DatabaseCopy:
    """One row of ``Get-MailboxDatabaseCopyStatus``.

    Attributes:
        status: ``Mounted``, ``Healthy``, ``ServiceDown``... as the product says it.
        active_copy: ``ActiveCopy``; None where the row did not say.
        active_server: ``ActiveDatabaseCopy``, the server with the active copy.
        copy_queue: ``CopyQueueLength``, logs not yet copied.
        replay_queue: ``ReplayQueueLength``, logs not yet replayed.
        content_index: ``ContentIndexState``; ``NotApplicable`` on newer versions.
    """

    database: str
    server: str
    status: str
    active_copy: bool | None = None
    active_server: str | None = None
    activation_suspended: bool | None = None
    copy_queue: int | None = None
    replay_queue: int | None = None
    content_index: str = ""


@frozen(kw_only=True)
class Database:
    """One row of ``Get-MailboxDatabase``.

    Attributes:
        replicated: True for ``ReplicationType`` ``Remote``, False for ``None``.
        recovery: A recovery database: holds restored data, serves nobody, never moves.
        servers: ``Servers``: where copies of it are configured; empty where it was not told.
        lagged: The servers whose copy has a replay lag above 0 (``ReplayLagTimes``).
        backup_in_progress: ``BackupInProgress``; None where it was not told.
    """

    name: str
    replicated: bool
    recovery: bool = False
    servers: tuple[str, ...] = ()
    lagged: tuple[str, ...] = ()
    backup_in_progress: bool | None = None


@frozen(kw_only=True)
class ComponentState:
    """One row of ``Get-ServerComponentState``.

    Attributes:
        requesters: (requester, state) pairs of LocalStates and RemoteStates together; empty
            where they were not readable. Any inactive requester makes the component inactive.
    """

    component: str
    state: str
    requesters: tuple[tuple[str, str], ...] = ()


@frozen(kw_only=True)
class PopSettings:
    """``Get-PopSettings``: the POP3 settings of one server.

    Attributes:
        protocol_log_enabled: ``ProtocolLogEnabled``.
        log_location: ``LogFileLocation``, a path local to the server.
        bindings: ``UnencryptedOrTLSBindings`` and ``SSLBindings`` together, each
            ``address:port``; empty where they were not told.
    """

    server: str
    protocol_log_enabled: bool
    log_location: str = ""
    bindings: tuple[str, ...] = ()


@frozen(kw_only=True)
class ServiceStatus:
    """One Windows service.

    Attributes:
        state: ``Running``, ``Stopped``, ``StartPending``, ``StopPending``...
        start_type: ``Automatic``, ``Manual`` or ``Disabled``.
        started_at: When its process started, by the server's clock; None if it isn't running.
    """

    name: str
    state: str
    start_type: str
    process_id: int | None = None
    started_at: datetime | None = None


@frozen(kw_only=True)
class HostStatus:
    """The operating system of one server.

    Attributes:
        boot_time: ``LastBootUpTime``.
        local_time: ``LocalDateTime``: the server's own clock, when it was asked.
        setup_running: An Exchange Setup process is running: somebody is patching.
        reboot_pending: Windows wants a restart anyway (it will take longer); None if not told.
        utc_offset: Seconds by which the server's time zone is ahead of UTC now; None if not told.
        cluster_node: State of its node in the failover cluster: ``Up``, ``Paused``, ``Down``,
            ``Joining``; empty where there is no cluster, or it was not told.
    """

    server: str
    boot_time: datetime
    local_time: datetime
    setup_running: bool = False
    reboot_pending: bool | None = None
    utc_offset: float | None = None
    cluster_node: str = ""


@frozen(kw_only=True)
class ReplicationCheck:
    """One row of ``Test-ReplicationHealth``.

    Attributes:
        check: ``ClusterService``, ``QuorumGroup``, ``FileShareQuorum``, ``ActiveManager``...
        result: ``Passed``, ``*FAILED*`` or the like, as the product says it.
        error: What it says of a failure.
    """

    server: str
    check: str
    result: str
    error: str = ""


@frozen(kw_only=True)
class MonitoringItem:
    """One row of ``Get-MonitoringItemIdentity``: a probe, monitor or responder that exists.

    Attributes:
        kind: ``ItemType``: ``Probe``, ``Monitor``, ``Responder``, ``Maintenance``.
    """

    name: str
    kind: str
    health_set: str
    target: str = ""


@frozen(kw_only=True)
class LogFile:
    """One protocol log file as read: its name, and its text (the last line may be partial)."""

    name: str
    text: str


@frozen(kw_only=True)
class RecoveryAction:
    """One recovery action of Managed Availability, from the event logs of the server it ran on.

    Attributes:
        action: Its id: ``ForceReboot``, ``RestartService``, ``ServerFailover``...
        resource: What it was done to: a service, the server, a database.
        requester: The responder that asked for it.
        instance: ``InstanceId``, the same in all events of one action; empty where throttled.
        started: When it began; where throttled, when it was asked for.
        expected_finish: When it should be over, as said at its start; None if that wasn't seen.
        finished: When it ended.
        result: ``Succeeded``, ``Failed``..., as the product says it; empty while there is none.
        throttled: It was refused for the product's own limits, and not begun.
    """

    server: str
    action: str
    resource: str = ""
    requester: str = ""
    instance: str = ""
    started: datetime | None = None
    expected_finish: datetime | None = None
    finished: datetime | None = None
    result: str = ""
    throttled: bool = False

"""The state of a simulated organisation: what there is, without anything that happens to it.

Times in here are the organisation's own. What a server tells is by its own clock, which may be
wrong: see :meth:`Server.told`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

from attrs import define, field

from popheal.backends.simulated.components import (
    COMPONENT_STATES,
    COMPONENTS,
    INDEPENDENT_COMPONENTS,
)
from popheal.util.schema import NUMBER, ORDINAL, one_of, unfit

FRONT_END = "MSExchangePop3"
BACK_END = "MSExchangePOP3BE"
HEALTH_MANAGER = "MSExchangeHM"
REPLICATION = "MSExchangeRepl"
STORE = "MSExchangeIS"
CLUSTER = "ClusSvc"
LOG_LOCATION = r"C:\Program Files\Microsoft\Exchange Server\V15\Logging\Pop3"
INSTALL_PATH = "C:\\Program Files\\Microsoft\\Exchange Server\\V15\\"

#: Version words to what ``AdminDisplayVersion`` shows.
VERSIONS = {
    "2013": "Version 15.0 (Build 1497.2)",
    "2016": "Version 15.1 (Build 2507.6)",
    "2019": "Version 15.2 (Build 986.5)",
}

#: Services of every server, with the seconds after boot at which automatic ones run.
COMMON_SERVICES = {
    "WinRM": 0.0,
    "W3SVC": 5.0,
    "MSExchangeADTopology": 20.0,
    "MSExchangeServiceHost": 40.0,
    HEALTH_MANAGER: 90.0,
    "MSExchangeHMRecovery": 90.0,
}
MAILBOX_SERVICES = {CLUSTER: 20.0, STORE: 40.0, REPLICATION: 45.0}
POP_START = 60.0
#: Where POP3 listens, if nobody says otherwise.
BINDINGS = ("[::]:110", "0.0.0.0:110", "[::]:995", "0.0.0.0:995")
#: The port that the front end's probes connect to, on the server itself.
PROBED_PORT = 995
START_TYPES = ("Automatic", "Manual", "Disabled")

COPY_STATUSES = (
    "Healthy",
    "Failed",
    "Suspended",
    "FailedAndSuspended",
    "Seeding",
    "SeedingSource",
    "Initializing",
    "Resynchronizing",
    "DisconnectedAndHealthy",
    "DisconnectedAndResynchronizing",
    "SinglePageRestore",
)
#: What ``Test-ReplicationHealth`` looks at, where it is asked of a member of a DAG.
REPLICATION_CHECKS = (
    "ClusterService",
    "ReplayService",
    "ActiveManager",
    "TasksRpcListener",
    "TcpListener",
    "DagMembersUp",
    "QuorumGroup",
    "FileShareQuorum",
    "DBCopySuspended",
    "DBCopyFailed",
)
AUTO_ACTIVATION = ("Unrestricted", "IntrasiteOnly", "Blocked")
ROLES = ("mailbox", "client_access")
SERVICE_STATES = ("Running", "Stopped", "StartPending", "StopPending", "Paused")
#: A service that is not installed.
ABSENT = "Absent"
#: What a row may leave untold, by its field, and what it says then.
UNTOLD: dict[str, Any] = {
    "reboot_pending": None,
    "utc_offset": None,
    "cluster_node": "",
    "bindings": (),
    "backup_in_progress": None,
    "servers": (),
    "witness": "",
}

Ordinal = Annotated[int, ORDINAL]
ComponentState = Annotated[str, one_of(*COMPONENT_STATES)]


@define(kw_only=True)
class Service:
    """One Windows service. What a scenario does not say depends on the server.

    Attributes:
        on_restart: ``works``; ``hangs`` in StopPending; ``fails`` to start again; or
            ``stops_again`` some seconds after it started.
        boots_after: Seconds from the server's answering to the service's running, if automatic.
        starts_after_boot: An automatic service that nevertheless does not come by itself is one
            that Windows gave up on; by hand it starts.
        in_use: It ran when the simulation began, or somebody started it since.
    """

    state: Annotated[str, one_of(*SERVICE_STATES, ABSENT)] = ""
    start_type: Annotated[str, one_of(*START_TYPES)] = ""
    on_restart: Annotated[str, one_of("works", "hangs", "fails", "stops_again")] = "works"
    boots_after: float | None = None
    starts_after_boot: bool = True

    name: str = field(default="", init=False)
    in_use: bool = field(default=True, init=False)
    process_id: int | None = field(default=None, init=False)
    started_at: datetime | None = field(default=None, init=False)

    @property
    def running(self) -> bool:
        return self.state == "Running"


@define(kw_only=True)
class Server:
    """One Exchange server: first what a scenario may say of it, then how it is.

    Attributes:
        clock_skew: Seconds its clock is ahead of the organisation's.
        reboot: What it does when it is rebooted.
        reboot_seconds: From the command to answering again.
        update_seconds: By how much longer that takes while a restart is pending, as updates are
            configured on the way; None: as long again.
        shutdown_scheduled: Somebody has scheduled a shutdown: no other is accepted.
        utc_offset: Seconds by which its time zone is ahead of UTC.
        times_without_zone: Rows of Get-ServerHealth have times as texts in its time zone.
        times_missing: They have none.
        cluster_node: State of its node in the cluster, while that runs.
        failed_checks: Checks of Test-ReplicationHealth that fail here, whatever is so.
        build: What it says of its version; by ``version`` if empty.
        missing_probes: Probes that are not defined on it.
        missing_monitors: And monitors that aren't.
        proxy_offline_after: Seconds for which its proxy test has to fail until Managed
            Availability takes PopProxy offline; None for never.
        deep_needs_active_database: Its deep test fails where it has nothing to test; None: as
            the organisation says.
        services: Its services by name; by the name in lower case once it is set up.
        components: For each component that somebody set: requester to state. What stands under
            an empty name is the state of somebody who isn't told.
        check_errors: For each of ``failed_checks``: what it says, if not the usual.
        untold: Fields of its rows that say nothing.
        boots: Number of boots and downs so far: what was planned under another number is void.
        down_by: Who took it down, while it is down or about to go down.
        going_down: A reboot has been accepted and has not begun yet.
        restart_marked: A conditional restart has been commanded since the boot, which clears it.
        ready_at: When its database copies are usable again after a boot.
        log_in_effect: For each POP3 service, whether the running process writes protocol logs.
        succeeded: POP probes that succeeded since the latest boot.
    """

    roles: tuple[Annotated[str, one_of(*ROLES)], ...] = ROLES
    fqdn: str = ""
    site: str = "Default-First-Site-Name"
    version: Annotated[str, one_of(*VERSIONS)] = ""
    build: str = ""
    clock_skew: Annotated[float, NUMBER] = 0.0
    up_for_hours: float = 300.0
    down: bool = False
    reboot: Annotated[
        str, one_of("normal", "never_goes_down", "never_comes_back", "boots_twice")
    ] = "normal"
    reboot_seconds: float = 240.0
    reboot_pending: bool = False
    update_seconds: float | None = None
    shutdown_scheduled: bool = False
    utc_offset: Annotated[float, NUMBER] = 0.0
    times_without_zone: bool = False
    times_missing: bool = False
    setup_running: bool = False
    pop_start: Annotated[str, one_of(*START_TYPES)] = "Automatic"
    pop_running: bool = True
    services: dict[str, Service] = field(factory=dict)
    components: dict[str, dict[str, ComponentState]] = field(factory=dict)
    pop_proxy_inactive: Annotated[str, one_of("stops", "refuses")] = "stops"
    proxy_offline_after: float | None = None
    bindings: tuple[str, ...] = BINDINGS
    protocol_logging: bool = False
    log_location: str = LOG_LOCATION
    missing_probes: tuple[str, ...] = ()
    missing_monitors: tuple[str, ...] = ()
    deep_needs_active_database: bool | None = None
    cluster_node: Annotated[str, one_of("Up", "Paused")] = "Up"
    failed_checks: tuple[Annotated[str, one_of(*REPLICATION_CHECKS)], ...] = ()
    check_errors: dict[str, str] = field(factory=dict)
    untold: tuple[
        Annotated[str, one_of("reboot_pending", "utc_offset", "cluster_node", "bindings")], ...
    ] = ()
    activation_disabled: bool = False
    auto_activation_policy: Annotated[str, one_of(*AUTO_ACTIVATION)] = "Unrestricted"
    maximum_active_databases: int | None = None

    name: str = field(default="", init=False)
    up: bool = field(default=True, init=False)
    boot_time: datetime = field(init=False)
    boots: int = field(default=0, init=False)
    going_down: bool = field(default=False, init=False)
    restart_marked: bool = field(default=False, init=False)
    down_by: str = field(default="", init=False)
    ready_at: datetime = field(init=False)
    protocol_log_enabled: bool = field(default=False, init=False)
    log_in_effect: dict[str, bool] = field(factory=dict, init=False)
    activation_set_by: str = field(default="administrator", init=False)
    succeeded: list[str] = field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        if not self.roles:
            raise unfit(self, "roles", "is empty", 'Give "mailbox", "client_access" or both.')
        if self.times_missing and self.times_without_zone:
            right = "Give at most one of them."
            raise unfit(self, "times_missing", "and 'times_without_zone' don't fit", right)

    @property
    def mailbox_role(self) -> bool:
        return "mailbox" in self.roles

    @property
    def client_access_role(self) -> bool:
        return "client_access" in self.roles

    def told(self, moment: datetime) -> datetime:
        """Translate a moment into what this server's clock shows then."""
        return moment + timedelta(seconds=self.clock_skew) if self.clock_skew else moment

    def printed(self, moment: datetime) -> str:
        """A moment as a text of this server's time zone, which does not say which it is."""
        local = self.told(moment) + timedelta(seconds=self.utc_offset)
        return f"{local.month}/{local.day}/{local.year} {local.hour % 12 or 12}:{local:%M:%S %p}"

    def is_named(self, name: str) -> bool:
        return name.casefold() in {self.name.casefold(), self.fqdn.casefold()}

    def service(self, name: str) -> Service | None:
        return self.services.get(name.casefold())

    def runs(self, name: str) -> bool:
        service = self.service(name)
        return self.up and service is not None and service.running

    @property
    def in_cluster(self) -> bool:
        """Whether its node takes part in the cluster: a paused one does, and votes."""
        return self.runs(CLUSTER)

    @property
    def serves_loopback(self) -> bool:
        """Whether POP3 listens where the probes of the front end connect to."""
        hosts = ("127.0.0.1", "0.0.0.0", "[::]")  # noqa: S104
        return any(f"{host}:{PROBED_PORT}" in self.bindings for host in hosts)

    def component_active(self, component: str) -> bool:
        """Any inactive requester wins; ServerWideOffline takes most components along."""
        default = COMPONENTS.get(component, "Active")
        requesters = self.components.get(component, {})
        if "Inactive" in requesters.values() or (default == "Inactive" and not requesters):
            return False
        if component in INDEPENDENT_COMPONENTS or component == "ServerWideOffline":
            return True
        return self.component_active("ServerWideOffline")


@define(kw_only=True)
class Copy:
    """The copy of a database on one server.

    Attributes:
        status: What it is while passive: ``Healthy``, ``Failed``, ``Suspended``, ``Seeding``...
        copy_queue_growth: Logs by which the copy queue grows each minute.
        replay_lag: Seconds for which it holds back what it has copied before replaying it.
        settles_at: Until then it is ``Resynchronizing`` after it stopped being the active one.
    """

    status: Annotated[str, one_of(*COPY_STATUSES)] = "Healthy"
    activation_suspended: bool = False
    copy_queue: int = 0
    copy_queue_growth: float = 0.0
    replay_queue: int = 0
    replay_lag: float = 0.0
    content_index: str = "NotApplicable"

    server: Server = field(init=False)
    settles_at: datetime | None = field(default=None, init=False)


@define(kw_only=True)
class Database:
    """One mailbox database.

    Attributes:
        copies: In the order of activation preference.
        active: The server that has the active copy.
        mount: ``Mounted``, ``Mounting``, ``Dismounting`` or ``Dismounted``, of the active copy.
        transition: Counts changes of ``mount`` and ``active``: a planned step is void once
            something else came first.
        flagged: Server that ``ActiveCopy`` still names, while its cache lags behind.
        untold: Fields of its row that say nothing.
    """

    name: str
    copies: list[Copy]
    active: Server
    recovery: bool = False
    backup_in_progress: bool = False
    untold: tuple[str, ...] = ()
    mount: str = "Mounted"
    transition: int = 0
    flagged: Server | None = None
    flag_expires: datetime | None = None
    moved_at: datetime | None = None
    out: bool = False

    @property
    def replicated(self) -> bool:
        return len(self.copies) > 1 and not self.recovery

    def copy_on(self, server: Server) -> Copy | None:
        return next((c for c in self.copies if c.server is server), None)


@define(kw_only=True)
class DagGroup:
    """A database availability group.

    Attributes:
        witness: A file share witness votes where the number of members is even.
        witness_reachable: It can be reached; else it is configured, and does not vote.
        witness_share: What the row says of it; by the other two and the members if empty.
        primary_active_manager: The member that is it at the start; the first that can if None.
        untold: Fields of its row that say nothing.
        rebalances: It moves databases back to their preferred server every hour. None: as its
            version does.
        move_suppression: Seconds after a move in which the same database isn't moved again by
            command.
    """

    members: list[Server]
    witness: bool = True
    witness_reachable: bool = True
    witness_share: str = ""
    primary_active_manager: Server | None = None
    untold: tuple[Annotated[str, one_of("witness")], ...] = ()
    rebalances: bool | None = None
    move_suppression: float = 0.0

    name: str = field(default="", init=False)
    pam: Server | None = field(default=None, init=False)

    @property
    def witness_in_use(self) -> bool:
        return self.witness and len(self.members) % 2 == 0

    def has_quorum(self) -> bool:
        """Whether the members that are in the cluster are a majority of the votes."""
        votes = len(self.members) + self.witness_in_use
        present = sum(m.in_cluster for m in self.members)
        present += self.witness_in_use and self.witness_reachable
        return present * 2 > votes

"""The state of a simulated organisation: what there is, without anything that happens to it.

Times in here are the organisation's own. What a server tells is by its own clock, which may be
wrong: see :meth:`Server.told`.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from attrs import Factory, define, field

FRONT_END = "MSExchangePop3"
BACK_END = "MSExchangePOP3BE"
HEALTH_MANAGER = "MSExchangeHM"
REPLICATION = "MSExchangeRepl"
STORE = "MSExchangeIS"
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
MAILBOX_SERVICES = {"ClusSvc": 20.0, STORE: 40.0, REPLICATION: 45.0}
POP_START = 60.0

#: Components, with the state they have when nobody set anything.
COMPONENTS = {
    "ServerWideOffline": "Active",
    "HubTransport": "Active",
    "FrontendTransport": "Active",
    "Monitoring": "Active",
    "RecoveryActionsEnabled": "Active",
    "AutoDiscoverProxy": "Active",
    "EwsProxy": "Active",
    "ImapProxy": "Active",
    "MapiProxy": "Active",
    "OwaProxy": "Active",
    "PopProxy": "Active",
    "RpcProxy": "Active",
    "HighAvailability": "Active",
    # These two are inactive on a healthy server.
    "ForwardSyncDaemon": "Inactive",
    "ProvisioningRps": "Inactive",
}
COMPONENT_STATES = ("Active", "Inactive", "Draining")
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
#: Components that ``ServerWideOffline`` does not take along.
INDEPENDENT_COMPONENTS = frozenset({"Monitoring", "RecoveryActionsEnabled"})


@define(kw_only=True)
class Service:
    """One Windows service.

    Attributes:
        on_restart: ``works``; ``hangs`` in StopPending; ``fails`` to start again; or
            ``stops_again`` some seconds after it started.
        boots_after: Seconds from the server's answering to the service's running, if automatic.
        in_use: It ran when the simulation began, or somebody started it since.
    """

    name: str
    state: str = "Running"
    start_type: str = "Automatic"
    on_restart: str = "works"
    boots_after: float = 0.0
    in_use: bool = True
    process_id: int | None = None
    started_at: datetime | None = None

    @property
    def running(self) -> bool:
        return self.state == "Running"


@define(kw_only=True)
class RebootManners:
    """What a server does when it is rebooted.

    Attributes:
        seconds: From the command to answering again.
        goes_down: False for a server that ignores the command.
        comes_back: False for one that stays down.
        times: Boots it makes of one command.
    """

    seconds: float = 240.0
    goes_down: bool = True
    comes_back: bool = True
    times: int = 1


@define(kw_only=True)
class Server:
    """One Exchange server.

    Attributes:
        skew: Seconds its clock is ahead of the organisation's.
        boots: Number of boots and downs so far: what was planned under another number is void.
        down_by: Who took it down, while it is down or about to go down.
        going_down: A reboot has been accepted and has not begun yet.
        restart_marked: A conditional restart has been commanded since the boot, which clears it.
        ready_at: When its database copies are usable again after a boot.
        log_in_effect: For each POP3 service, whether the running process writes protocol logs.
        succeeded: POP probes that succeeded since the latest boot.
    """

    name: str
    fqdn: str
    site: str = "Default-First-Site-Name"
    version: str = "2019"
    mailbox_role: bool = True
    client_access_role: bool = True
    skew: float = 0.0

    up: bool = True
    boot_time: datetime
    boots: int = 0
    going_down: bool = False
    restart_marked: bool = False
    down_by: str = ""
    ready_at: datetime
    manners: RebootManners = Factory(RebootManners)
    setup_running: bool = False
    reboot_pending: bool = False

    services: dict[str, Service] = field(factory=dict)
    components: dict[str, dict[str, str]] = field(factory=dict)
    pop_proxy_inactive: str = "stops"

    protocol_log_enabled: bool = False
    log_location: str = LOG_LOCATION
    log_in_effect: dict[str, bool] = field(factory=dict)

    activation_disabled: bool = False
    activation_set_by: str = "administrator"
    auto_activation_policy: str = "Unrestricted"
    maximum_active_databases: int | None = None

    succeeded: list[str] = field(factory=list)

    def told(self, moment: datetime) -> datetime:
        """Translate a moment into what this server's clock shows then."""
        return moment + timedelta(seconds=self.skew)

    def is_named(self, name: str) -> bool:
        return name.casefold() in {self.name.casefold(), self.fqdn.casefold()}

    def service(self, name: str) -> Service | None:
        return self.services.get(name.casefold())

    def runs(self, name: str) -> bool:
        service = self.service(name)
        return self.up and service is not None and service.running

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
        settles_at: Until then it is ``Resynchronizing`` after it stopped being the active one.
    """

    server: Server
    status: str = "Healthy"
    activation_suspended: bool = False
    copy_queue: int = 0
    copy_queue_growth: float = 0.0
    replay_queue: int = 0
    content_index: str = "NotApplicable"
    settles_at: datetime | None = None


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
    """

    name: str
    copies: list[Copy]
    active: Server
    recovery: bool = False
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
        rebalances: It moves databases back to their preferred server every hour.
        move_suppression: Seconds after a move in which the same database isn't moved again by
            command.
    """

    name: str
    members: list[Server]
    witness: bool = True
    pam: Server | None = None
    rebalances: bool = True
    move_suppression: float = 0.0

    def has_quorum(self) -> bool:
        """Whether the members that are up are a majority of the votes."""
        even = len(self.members) % 2 == 0
        votes = len(self.members) + (1 if even and self.witness else 0)
        present = sum(m.up for m in self.members) + (1 if even and self.witness else 0)
        return present * 2 > votes

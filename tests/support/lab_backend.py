"""A small backend for tests of the lab and of the PSRP backend: two servers, one DAG."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta

from attrs import evolve

from popheal.errors import NotBegun, UnknownName
from popheal.exchange.models import (
    ComponentState,
    Dag,
    Database,
    DatabaseCopy,
    HostStatus,
    LogFile,
    MailboxServer,
    MonitorHealth,
    MonitoringItem,
    PopSettings,
    ProbeResult,
    RecoveryAction,
    ReplicationCheck,
    ServerInfo,
    ServiceStatus,
)

EX1, EX2 = "ex1.contoso.test", "ex2.contoso.test"
SERVERS = (EX1, EX2)
BOOT = datetime(2026, 1, 4, 3, 2, 1, 123456, tzinfo=UTC)
NOW = datetime(2026, 1, 5, 8, 0, 0, 500000, tzinfo=UTC)


class FakeBackend:
    """Says the same of each server, notes each call, and raises what is scripted.

    Attributes:
        calls: (method, arguments) of each call, also of those that raise.
        scripted: Errors for the next calls of a method, in order; None lets one pass.
    """

    organisation = "contoso.test"

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[object, ...]]] = []
        self.scripted: dict[str, deque[Exception | None]] = {}
        self.boots: dict[str, datetime] = dict.fromkeys(SERVERS, BOOT)
        self.down: set[str] = set()
        self.on_reboot: Callable[[str], None] = lambda server: None
        self.disabled = False
        self.logging = False
        self.log_text = "#Fields: dateTime\r\n2026-01-05T08:00:00.000Z\r\n"

    def fail(self, method: str, *errors: Exception | None) -> None:
        self.scripted.setdefault(method, deque()).extend(errors)

    def count(self, method: str) -> int:
        return sum(name == method for name, _ in self.calls)

    def is_up(self, server: str) -> bool:
        return server not in self.down

    def _note(self, method: str, *arguments: object) -> None:
        self.calls.append((method, arguments))
        waiting = self.scripted.get(method)
        error = waiting.popleft() if waiting else None
        if error is not None:
            raise error

    def _full(self, server: str) -> str:
        for name in SERVERS:
            if server.lower() in (name, name.partition(".")[0]):
                return name
        raise UnknownName(kind="server", name=server, known=SERVERS)

    def server_info(self, server: str) -> ServerInfo:
        self._note("server_info", server)
        fqdn = self._full(server)
        return ServerInfo(
            fqdn=fqdn,
            name=fqdn.partition(".")[0],
            site="Main",
            mailbox_role=True,
            client_access_role=True,
            version="Version 15.2 (Build 986.5)",
        )

    def all_servers(self, server: str) -> Sequence[ServerInfo]:
        self._note("all_servers", server)
        return [self.server_info(name) for name in SERVERS]

    def mailbox_server(self, server: str) -> MailboxServer:
        self._note("mailbox_server", server)
        return MailboxServer(
            server=self._full(server),
            dag="DAG1",
            activation_disabled=self.disabled,
            auto_activation_policy="IntrasiteOnly",
            maximum_active_databases=4,
        )

    def dag(self, server: str, name: str) -> Dag:
        self._note("dag", server, name)
        return Dag(
            name=name,
            members=("ex1", "ex2"),
            operational=("ex1", "ex2"),
            primary_active_manager="ex2",
            witness="InvalidConfiguration",
        )

    def server_health(self, server: str) -> Sequence[MonitorHealth]:
        self._note("server_health", server)
        return [
            MonitorHealth(
                server=self._full(server),
                monitor=monitor,
                health_set=health_set,
                target=target,
                alert_value="Unhealthy" if monitor == "PopProxyTestMonitor" else "Healthy",
                state="Online",
                last_transition=NOW - timedelta(hours=1),
                last_execution=NOW if target else None,
                last_execution_text="" if target else "10/9/2024 8:58:55\u202fPM",
                stale=monitor == "PopCTPMonitor",
                error="-ERR Logon failure\nSystem.Exception: no\n  at A.B()" if target else "",
            )
            for monitor, health_set, target in (
                ("PopCTPMonitor", "POP", "MSExchangePop3"),
                ("PopProxyTestMonitor", "POP.Proxy", "MSExchangePop3"),
                ("PopSelfTestMonitor", "POP.Protocol", "MSExchangePop3BE"),
                ("PopDeepTestMonitor", "POP.Protocol", ""),
                ("AverageCommandProcessingTimeGt60sMonitor", "POP", ""),
            )
        ]

    def invoke_probe(self, server: str, probe: str) -> ProbeResult:
        self._note("invoke_probe", server, probe)
        return ProbeResult(
            probe=probe,
            result="Failed",
            error="[Error=ProxyNotAuthenticated Proxy=EX2.contoso.test:1995] <&> \x07 \U0001f4a9",
            exception="System.ApplicationException: -ERR\r\n   at Größe.Probe.DoWork()",
            started=NOW - timedelta(seconds=3),
            finished=NOW,
        )

    def monitoring_items(self, server: str, health_set: str) -> Sequence[MonitoringItem]:
        self._note("monitoring_items", server, health_set)
        named = ("PopDeepTestMonitor", "Monitor"), ("PopDeepTestProbe", "Probe")
        return [
            MonitoringItem(name=name, kind=kind, health_set=health_set, target=target)
            for name, kind in named
            for target in ("", "MSExchangePOP3BE")
        ]

    def database_copies(self, server: str) -> Sequence[DatabaseCopy]:
        self._note("database_copies", server)
        return [
            DatabaseCopy(
                database="DB1",
                server="EX1",
                status="Mounted",
                active_copy=True,
                active_server="ex1",
                activation_suspended=False,
                copy_queue=0,
                replay_queue=2**33,
                content_index="Healthy",
            ),
            DatabaseCopy(database="DB2", server="EX1", status="ServiceDown"),
        ]

    def copies_of(self, server: str, database: str) -> Sequence[DatabaseCopy]:
        self._note("copies_of", server, database)
        return [DatabaseCopy(database=database, server="EX2", status="Healthy", active_copy=False)]

    def databases(self, server: str) -> Sequence[Database]:
        self._note("databases", server)
        return [
            Database(
                name="DB1",
                replicated=True,
                servers=("EX1", "EX2"),
                lagged=("EX2",),
                backup_in_progress=True,
            ),
            Database(name="RDB", replicated=False, recovery=True, backup_in_progress=False),
            Database(name="DB2", replicated=True, servers=("EX1",)),
        ]

    def replication_health(self, server: str) -> Sequence[ReplicationCheck]:
        self._note("replication_health", server)
        error = "The quorum has \u201cfailed\u201d."
        return [
            ReplicationCheck(server="EX1", check="ClusterService", result="Passed"),
            ReplicationCheck(server="EX1", check="QuorumGroup", result="*FAILED*", error=error),
        ]

    def component_states(self, server: str) -> Sequence[ComponentState]:
        self._note("component_states", server)
        return [
            ComponentState(
                component="PopProxy",
                state="Inactive",
                requesters=(("HealthAPI", "Inactive"), ("Maintenance", "Active")),
            )
        ]

    def pop_settings(self, server: str) -> PopSettings:
        self._note("pop_settings", server)
        return PopSettings(
            server=self._full(server),
            protocol_log_enabled=self.logging,
            log_location=r"%ExchangeInstallPath%Logging\Pop3",
            bindings=("[::]:110", "192.0.2.1:110", "0.0.0.0:995"),
        )

    def services(self, server: str, names: Sequence[str]) -> Sequence[ServiceStatus]:
        self._note("services", server, tuple(names))
        return [
            ServiceStatus(
                name="MSExchangePop3",
                state="StopPending",
                start_type="Automatic",
                process_id=4242,
                started_at=NOW,
            ),
            ServiceStatus(name="MSExchangePOP3BE", state="Stopped", start_type="Manual"),
        ]

    def host_status(self, server: str) -> HostStatus:
        self._note("host_status", server)
        return HostStatus(
            server=self._full(server),
            boot_time=self.boots[self._full(server)],
            local_time=NOW,
            setup_running=False,
            reboot_pending=True,
            utc_offset=-12600.0,
            cluster_node="Paused",
        )

    def pop_logs(
        self, server: str, location: str, since: datetime, until: datetime
    ) -> Sequence[LogFile]:
        self._note("pop_logs", server, location, since, until)
        return [LogFile(name="POP32026010508-1.LOG", text=self.log_text)]

    def recovery_actions(self, server: str, since: datetime) -> Sequence[RecoveryAction]:
        self._note("recovery_actions", server, since)
        restart = RecoveryAction(
            server=self._full(server),
            action="RestartService",
            resource="MSExchangePOP3BE",
            requester="PopRestart <&> \U0001f4a9",
        )
        return [
            # Its start is older than what was asked for.
            evolve(
                restart,
                instance="260105.070000.00000.001",
                started=NOW - timedelta(hours=2),
                finished=NOW - timedelta(minutes=50),
                result="Succeeded",
            ),
            evolve(
                restart,
                instance="260105.071000.00000.002",
                started=NOW - timedelta(minutes=40),
                expected_finish=NOW - timedelta(minutes=38),
                finished=NOW - timedelta(minutes=20),
                result="Failed",
            ),
            # It goes on while the one before comes to its end.
            evolve(
                restart,
                action="ForceReboot",
                resource="EX1",
                instance="260105.072000.00000.003",
                started=NOW - timedelta(minutes=30),
                expected_finish=NOW + timedelta(minutes=2),
            ),
            evolve(restart, started=NOW - timedelta(minutes=10), throttled=True),
            evolve(restart, started=NOW - timedelta(minutes=5), throttled=True),
        ]

    def restart_service(self, server: str, service: str) -> None:
        self._note("restart_service", server, service)

    def start_service(self, server: str, service: str) -> None:
        self._note("start_service", server, service)

    def set_activation_disabled(self, server: str, disabled: bool) -> None:
        self._note("set_activation_disabled", server, disabled)
        self.disabled = disabled

    def move_database(self, server: str, database: str) -> None:
        self._note("move_database", server, database)

    def set_protocol_logging(self, server: str, enabled: bool) -> None:
        self._note("set_protocol_logging", server, enabled)
        self.logging = enabled

    def set_component_state(
        self, server: str, component: str, active: bool, requester: str
    ) -> None:
        self._note("set_component_state", server, component, active, requester)

    def reboot(self, server: str, booted_at: datetime) -> None:
        self._note("reboot", server, booted_at)
        name = self._full(server)
        if abs(self.boots[name] - booted_at) > timedelta(seconds=30):
            cause = "it was started since"
            raise NotBegun(server=server, command="reboot", cause=cause, reason="boot_time")
        self.on_reboot(name)

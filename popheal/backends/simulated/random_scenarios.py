"""Random organisations with random troubles, for property tests and for soaking.

Everything is drawn from one source and put into the tables of a scenario, so what was drawn can
be printed, kept as a file, and played again. A source may be a seed, a :class:`random.Random`,
or anything alike, for example what Hypothesis's ``st.randoms(use_true_random=False)`` gives.
Low numbers and first choices mean the plain case: that is what such a source shrinks towards.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Protocol, TypeVar

from attrs import define

from popheal.backends.simulated.faults import OTHER_PROTOCOLS
from popheal.backends.simulated.probes import RESULT_TYPES
from popheal.backends.simulated.scenario import Scenario, build_scenario
from popheal.exchange.backend import EFFECTS, LOOKS
from popheal.util.clock import Clock

T = TypeVar("T")
Content = dict[str, object]

#: For each aspect of POP: the role it needs, its health set, monitor and probe.
_ASPECTS = {
    "deep": ("mailbox", "POP.Protocol", "PopDeepTestMonitor", "PopDeepTestProbe"),
    "self": ("mailbox", "POP.Protocol", "PopSelfTestMonitor", "PopSelfTestProbe"),
    "ctp": ("client_access", "POP", "PopCTPMonitor", "PopCTPProbe"),
    "proxy": ("client_access", "POP.Proxy", "PopProxyTestMonitor", "PopProxyTestProbe"),
    "command_time": ("", "POP", "AverageCommandProcessingTimeGt60sMonitor", ""),
}
_TRIGGERS = (
    "service_restarted",
    "activation_disabled_set",
    "protocol_logging_set",
    "reboot_commanded",
    "went_down",
    "booted",
    "probe_run",
    "database_moved",
)


#: What else somebody may have taken offline.
_COMPONENTS: tuple[Content, ...] = (
    {"PopProxy": {"HealthAPI": "Inactive"}},
    {"OwaProxy": {"Maintenance": "Inactive"}},
    {"HighAvailability": {"Maintenance": "Inactive"}},
    {"RecoveryActionsEnabled": {"Functional": "Inactive"}},
)
#: Words that name a cause, and words that name none.
_WORDS: tuple[Content, ...] = (
    {"error": "-ERR Logon failure: unknown user name or bad password. User: HealthMailbox1@x.test"},
    {"error": "-ERR Logon failure.", "log_error": "ProxyNotAuthenticated"},
    {"error": "-ERR Server Unavailable. 21"},
    {"error": "", "exception": "System.TimeoutException: The operation has timed out."},
    {"exception": "System.Security.Authentication.AuthenticationException: certificate"},
)


class Chooser(Protocol):
    """What is needed of a source of chance."""

    def random(self) -> float: ...
    def randint(self, a: int, b: int, /) -> int: ...
    def choice(self, seq: Sequence[T], /) -> T: ...


def random_organisation(source: int | Chooser, clock: Clock | None = None) -> Scenario:
    """Make a random scenario, ready to be played. The same source gives the same one.

    Args:
        source: A seed, or something with ``random``, ``randint`` and ``choice``.
        clock: The organisation's clock; a new virtual one if None.

    Returns:
        A scenario that expects nothing in particular: check its history.
    """
    name = f"random-{source}" if isinstance(source, int) else "random"
    return build_scenario(random_tables(source), name=name, source=name, clock=clock)


def random_tables(source: int | Chooser) -> Content:
    """Draw the tables of a random scenario, as they would stand in its file."""
    # Nothing secret depends on this chance.
    chooser: Chooser = Random(source) if isinstance(source, int) else source  # noqa: S311
    return _Drawing(chooser).scenario()


@define
class _Drawing:
    chance: Chooser

    def likely(self, share: float) -> bool:
        """Draw yes with that probability; a source shrinks towards no."""
        return self.chance.random() >= 1.0 - share

    def scenario(self) -> Content:
        version = self.chance.choice(("2019", "2016", "2013"))
        servers = self._servers(version)
        mailbox = [n for n, s in servers.items() if "mailbox" in s["roles"]]  # type: ignore[operator]
        aspect, ill = self._alert(servers)
        _, health_set, monitor, probe = _ASPECTS[aspect]
        databases = self._databases(mailbox)
        tables: Content = {
            "title": "A random organisation",
            "alert": {"server": ill, "health_set": health_set, "monitor": monitor},
            "organisation": {
                "version": version,
                "names": self.chance.choice(("short", "lower", "fqdn", "upper")),
                "identity_ignored": self.likely(0.1),
                "deep_needs_active_database": self.likely(0.1),
                "log": self._log(),
            },
            "servers": servers,
            "databases": databases,
            "dags": self._dags(mailbox, databases),
            "faults": self._faults(servers, aspect, ill),
            "rows": self._rows(list(servers), ill, monitor),
            "calls": [self._call(list(servers)) for _ in range(self._few(3))],
            "events": [self._event(servers, databases) for _ in range(self._few(2))],
        }
        if probe and self.likely(0.2):
            tables["probes"] = [self._probe(ill, probe)]
        return tables

    def _few(self, most: int) -> int:
        return self.chance.randint(0, most) if self.likely(0.5) else 0

    # --- what there is ---------------------------------------------------------------------------

    def _servers(self, version: str) -> dict[str, Content]:
        servers: dict[str, Content] = {}
        for number in range(1, self.chance.randint(1, 4) + 1):
            servers[f"MBX{number}"] = self._server(["mailbox", "client_access"])
        if version == "2013" and self.likely(0.5):
            for server in servers.values():
                server["roles"] = ["mailbox"]
            for number in range(1, self.chance.randint(1, 2) + 1):
                servers[f"CAS{number}"] = self._server(["client_access"])
        return servers

    def _server(self, roles: list[str]) -> Content:
        server: Content = {"roles": roles}
        self._maybe(server, 0.2, "clock_skew", 90, -400, 7200)
        self._maybe(server, 0.25, "reboot", "boots_twice", "never_comes_back", "never_goes_down")
        self._maybe(server, 0.2, "reboot_seconds", 60, 900, 2600)
        self._maybe(server, 0.1, "pop_start", "Manual", "Disabled")
        self._maybe(server, 0.1, "protocol_logging", True)
        self._maybe(server, 0.05, "setup_running", True)
        self._maybe(server, 0.1, "reboot_pending", True)
        self._maybe(server, 0.05, "update_seconds", 1500, 5000)
        self._maybe(server, 0.03, "shutdown_scheduled", True)
        self._maybe(server, 0.1, "utc_offset", 7200, -25200)
        self._maybe(server, 0.05, "_times", "times_without_zone", "times_missing")
        if "_times" in server:
            server[str(server.pop("_times"))] = True
        if self.likely(0.15):
            server["services"] = self._service("mailbox" in roles)
        self._maybe(server, 0.1, "components", *_COMPONENTS)
        if "client_access" in roles:
            self._maybe(server, 0.1, "proxy_offline_after", 60, 600)
            self._maybe(server, 0.03, "bindings", ["192.0.2.10:995"], ["127.0.0.1:995"])
        if "mailbox" in roles:
            self._member(server)
        return server

    def _service(self, mailbox: bool) -> Content:
        """A service that does not do as it should, or comes late."""
        own = "MSExchangePOP3BE" if mailbox else "MSExchangePop3"
        troubles: tuple[Content, ...] = (
            {"on_restart": "stops_again"},
            {"on_restart": "hangs"},
            {"on_restart": "fails"},
            {"starts_after_boot": False},
            {"boots_after": 600.0},
            {"state": "Stopped", "start_type": "Manual"},
        )
        return self.chance.choice(
            (
                {own: self.chance.choice(troubles)},
                {"MSExchangeHM": {"starts_after_boot": False}},
                {"MSExchangeHM": {"boots_after": 700.0}},
            )
        )

    def _member(self, server: Content) -> None:
        """What there is to say of a server with databases."""
        self._maybe(server, 0.1, "auto_activation_policy", "IntrasiteOnly", "Blocked")
        if self.likely(0.1):
            server["maximum_active_databases"] = self.chance.randint(1, 3)
        self._maybe(server, 0.05, "activation_disabled", True)
        self._maybe(server, 0.05, "down", True)
        self._maybe(server, 0.1, "site", "Far")
        self._maybe(server, 0.05, "cluster_node", "Paused")
        self._maybe(server, 0.05, "failed_checks", ["QuorumGroup"], ["DBCopyFailed"])
        self._maybe(server, 0.1, "missing_probes", ["PopSelfTestProbe"], ["PopDeepTestProbe"])

    def _log(self) -> Content:
        log: Content = {}
        self._maybe(log, 0.1, "stranger", "refused", "proxied")
        self._maybe(log, 0.1, "nameless", True)
        self._maybe(log, 0.05, "probe", False)
        self._maybe(log, 0.1, "ids_begin_anew", True)
        return log

    def _maybe(self, table: Content, share: float, key: str, *values: object) -> None:
        """Give the table that key, with that probability and one of the values."""
        if self.likely(share):
            table[key] = self.chance.choice(values) if len(values) > 1 else values[0]

    def _databases(self, mailbox: list[str]) -> dict[str, Content]:
        databases: dict[str, Content] = {}
        for number in range(1, self.chance.randint(1, 5) + 1):
            first = self.chance.randint(0, len(mailbox) - 1)
            order = mailbox[first:] + mailbox[:first]
            copies = order[:1] if self.likely(0.1) else order[: self.chance.randint(2, 4)]
            database: Content = {"copies": copies}
            if self.likely(0.2):
                database["active"] = self.chance.choice(copies)
            if len(copies) > 1 and self.likely(0.15):
                copy = self._copy()
                database["on"] = {copies[-1]: copy}
                if copy.get("status") == "Seeding":
                    database["on"] = {copies[0]: {"status": "SeedingSource"}, copies[-1]: copy}
            self._maybe(database, 0.05, "backup_in_progress", True)
            databases[f"DB{number:02d}"] = database
        if self.likely(0.1):
            databases["RDB"] = {"copies": [self.chance.choice(mailbox)], "recovery": True}
        return databases

    def _copy(self) -> Content:
        return self.chance.choice(
            (
                {"activation_suspended": True},
                {"status": "FailedAndSuspended"},
                {"copy_queue": 40},
                {"copy_queue_growth": 5.0},
                {"status": "Seeding"},
                {"replay_lag": 86400.0},
            )
        )

    def _dags(self, mailbox: list[str], databases: dict[str, Content]) -> Content:
        if len(mailbox) == 1 or self.likely(0.1):
            # Without a DAG there is no second copy of anything.
            for database in databases.values():
                copies = database["copies"]
                database["copies"] = [database.get("active", copies[0])]  # type: ignore[index]
                database.pop("on", None)
            return {}
        dag: Content = {"members": mailbox}
        self._maybe(dag, 0.1, "witness", False)
        self._maybe(dag, 0.1, "witness_reachable", False)
        self._maybe(dag, 0.1, "move_suppression", 600)
        return {"DAG1": dag}

    # --- what is wrong ---------------------------------------------------------------------------

    def _alert(self, servers: dict[str, Content]) -> tuple[str, str]:
        aspect = self.chance.choice(list(_ASPECTS))
        role = _ASPECTS[aspect][0]
        able = [n for n, s in servers.items() if not role or role in s["roles"]]  # type: ignore[operator]
        return aspect, self.chance.choice(able)

    def _faults(self, servers: dict[str, Content], aspect: str, ill: str) -> list[Content]:
        faults: list[Content] = []
        if not self.likely(0.05):
            faults.append({"server": ill, "fails": [aspect], "cure": self._cure()})
        behind = [n for n, s in servers.items() if n != ill and "mailbox" in s["roles"]]  # type: ignore[operator]
        if aspect == "ctp" and behind and self.likely(0.5):
            faults[:] = [
                {
                    "server": self.chance.choice(behind),
                    "fails": ["deep"] if self.likely(0.8) else [],
                    "breaks_ctp_of": [ill],
                    "cure": self._cure(),
                    "names_back_end": self.likely(0.5),
                    "logs_back_end": self.likely(0.8),
                }
            ]
        for _ in range(self._few(2)):
            fails = self.chance.choice((*_ASPECTS, "working_set", "store", "network"))
            fault: Content = {"server": self.chance.choice(list(servers)), "fails": [fails]}
            fault["cure"] = self._cure()
            if self.likely(0.5):
                fault["begins"] = float(self.chance.randint(0, 3000))
            faults.append(fault)
        for fault in faults:
            self._words(fault)
        return faults

    def _words(self, fault: Content) -> None:
        """What is said of a fault, and which other protocols fail alike."""
        if self.likely(0.15):
            fault |= self.chance.choice(_WORDS)
        self._maybe(fault, 0.1, "hangs", True)
        self._maybe(fault, 0.1, "seen_by", "monitors", "probes")
        if self.likely(0.1):
            fault["also"] = [self.chance.choice(OTHER_PROTOCOLS)]
        elif self.likely(0.05):
            fault["also"] = list(OTHER_PROTOCOLS)

    def _cure(self) -> object:
        return self.chance.choice(
            (
                "restart",
                "reboot",
                "never",
                "logging_restart",
                {"restarts": 2},
                {"reboots": 2},
                {"seconds": float(self.chance.randint(0, 2000))},
            )
        )

    def _rows(self, names: list[str], ill: str, monitor: str) -> list[Content]:
        if not self.likely(0.2):
            return []
        row: Content = {"server": ill, "monitor": monitor}
        row |= self.chance.choice(
            (
                {"alert_value": "Repairing"},
                {"alert_value": "Disabled"},
                {"alert_value": "Unhealthy", "frozen": True},
                {"alert_value": "Unhealthy", "stale": True},
                {"alert_value": "Unavailable"},
                {"alert_value": "Unhealthy", "until": 900.0},
                {"alert_value": "Confused"},
                {"state": "Offline"},
                {"alert_value": "Unhealthy", "of_server": self.chance.choice(names)},
            )
        )
        return [row]

    def _probe(self, ill: str, probe: str) -> Content:
        words = (*RESULT_TYPES, "truth", "refused")
        results = [self.chance.choice(words) for _ in range(self.chance.randint(1, 4))]
        return {"server": ill, "probe": probe, "results": results}

    def _call(self, names: list[str]) -> Content:
        # Effects first: they are what matters most.
        method = self.chance.choice((*EFFECTS, *LOOKS, "*"))
        error = self.chance.choice(
            ("OutcomeUnknown", "CommandFailed", "Unreachable", "NotAuthorised", "Unreadable")
        )
        call: Content = {"method": method, "error": error, "nth": self.chance.randint(1, 6)}
        if self.likely(0.3):
            call["times"] = self.chance.randint(1, 8)
        if self.likely(0.5):
            call["server"] = self.chance.choice(names)
        if method in EFFECTS and self.likely(0.15):
            call["error"] = error = "NotBegun"
            call["reason"] = self.chance.choice(("denied", "shutdown", "boot_time", ""))
        if error in ("OutcomeUnknown", "CommandFailed"):
            call["done"] = self.chance.choice(("no", "yes", "later"))
        return call

    # --- what others do --------------------------------------------------------------------------

    def _event(self, servers: dict[str, Content], databases: dict[str, Content]) -> Content:
        do = self.chance.choice(
            (
                *("restart_service", "reboot", "crash", "drain", "undrain", "move"),
                *("setup_begins", "set_component", "pause_node", "schedule_shutdown"),
                "backup_begins",
            )
        )
        server = self.chance.choice(list(servers))
        actor = self.chance.choice(("managed_availability", "administrator"))
        event: Content = {"do": do, "server": server, "actor": actor}
        if do == "restart_service":
            roles = servers[server]["roles"]
            services = {"mailbox": "MSExchangePOP3BE", "client_access": "MSExchangePop3"}
            event["service"] = self.chance.choice([services[role] for role in roles])  # type: ignore[attr-defined]
        if do == "set_component":
            event |= {"component": "PopProxy", "requester": "HealthAPI", "state": "Inactive"}
        if do in ("move", "backup_begins"):
            name = self.chance.choice(list(databases))
            event["database"] = name
            event["server"] = self.chance.choice(databases[name]["copies"])  # type: ignore[arg-type]
        if self.likely(0.6):
            event["on"] = self.chance.choice(_TRIGGERS)
            event["nth"] = self.chance.randint(1, 2)
            event["delay"] = float(self.chance.choice((0, 2, 10, 60)))
        else:
            event["at"] = float(self.chance.randint(0, 4000))
        return event

"""The monitors of Managed Availability that the simulation knows, and what each of them watches."""

from __future__ import annotations

from functools import cache

from attrs import frozen

from popheal.backends.simulated.model import FRONT_END, Server


@frozen
class MonitorKind:
    """One monitor as the product defines it; ``aspect`` is what it watches, if we simulate it."""

    name: str
    health_set: str
    aspect: str = ""
    target: str = ""
    component: str = ""
    role: str = "any"

    @property
    def probe(self) -> str:
        """The probe whose results it judges; measures have none."""
        tested = self.name.endswith(("TestMonitor", "CTPMonitor"))
        return self.name.replace("Monitor", "Probe") if tested else ""

    def on(self, server: Server) -> bool:
        return self.name not in server.missing_monitors and self.fits(server)

    def fits(self, server: Server) -> bool:
        """Whether servers of its roles have it."""
        if self.role == "mailbox":
            return server.mailbox_role
        return server.client_access_role if self.role == "client_access" else True


_BE = "MSExchangePop3BE"
MONITORS = (
    MonitorKind("PopCTPMonitor", "POP", "ctp", FRONT_END, "PopProxy", "client_access"),
    MonitorKind("AverageCommandProcessingTimeGt60sMonitor", "POP", "command_time", FRONT_END),
    MonitorKind(
        "PopProxyTestMonitor", "POP.Proxy", "proxy", FRONT_END, "PopProxy", "client_access"
    ),
    MonitorKind("PopDeepTestMonitor", "POP.Protocol", "deep", _BE, "", "mailbox"),
    MonitorKind("PopSelfTestMonitor", "POP.Protocol", "self", _BE, "", "mailbox"),
    MonitorKind(
        "PrivateWorkingSetWarningMonitor", "POP.Protocol", "working_set", _BE, "", "mailbox"
    ),
    MonitorKind(
        "ProcessProcessorTimeErrorMonitor", "POP.Protocol", "processor_time", _BE, "", "mailbox"
    ),
    MonitorKind("CrashEventMonitor", "POP.Protocol", "crashes", _BE, "", "mailbox"),
    MonitorKind("ActiveDirectoryConnectivityMonitor", "AD", "active_directory"),
    MonitorKind("StoreServiceMonitor", "Store", "store", "MSExchangeIS", "", "mailbox"),
    MonitorKind(
        "ServiceHealthMSExchangeReplMonitor", "DataProtection", "data_protection", "", "", "mailbox"
    ),
    MonitorKind("ClusterGroupMonitor", "Clustering", "clustering", "", "", "mailbox"),
    MonitorKind("NetworkAdapterMonitor", "Network", "network"),
    MonitorKind("OwaDeepTestMonitor", "OWA.Protocol", "owa", "MSExchangeOWAAppPool", "", "mailbox"),
    MonitorKind("ImapDeepTestMonitor", "IMAP.Protocol", "imap", "MSExchangeImap4BE", "", "mailbox"),
    MonitorKind(
        "ActiveSyncDeepTestMonitor",
        "ActiveSync.Protocol",
        "activesync",
        "MSExchangeSyncAppPool",
        "",
        "mailbox",
    ),
    MonitorKind(
        "EwsDeepTestMonitor", "EWS.Protocol", "ews", "MSExchangeServicesAppPool", "", "mailbox"
    ),
    MonitorKind(
        "OutlookMapiHttpDeepTestMonitor",
        "Outlook.MapiHttp.Protocol",
        "mapi",
        "MSExchangeMapiMailboxAppPool",
        "",
        "mailbox",
    ),
    MonitorKind("ImapProxyTestMonitor", "IMAP.Proxy", "", "MSExchangeImap4", "ImapProxy"),
    MonitorKind("HubAvailabilityMonitor", "HubTransport", "", "", "HubTransport", "mailbox"),
    MonitorKind("FreeDiskSpaceMonitor", "MailboxSpace", "", "", "", "mailbox"),
)


@cache
def monitors_of(roles: tuple[str, ...], missing: tuple[str, ...]) -> tuple[MonitorKind, ...]:
    """Those of a server of these roles that lacks some."""
    there = (one for one in MONITORS if one.name not in missing)
    return tuple(one for one in there if one.role == "any" or one.role in roles)

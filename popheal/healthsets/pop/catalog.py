"""The runbook's table of monitors, probes, health sets and dependencies, and the two services.

From the Explanation section of the runbook; deviations are errata (docs/errata.md).
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from attrs import frozen

from popheal.errors import UnknownName
from popheal.tables.actions import BACK_END, FRONT_END

if TYPE_CHECKING:
    from popheal.exchange.models import ServerInfo

#: The three health sets about POP (erratum D5: the runbook's first query misses two of them).
HEALTH_SETS: Final = ("POP", "POP.Protocol", "POP.Proxy")

#: Windows services; names compare without case.
POP3_FRONT_END: Final = "MSExchangePOP3"
POP3_BACK_END: Final = "MSExchangePOP3BE"
#: Evaluates every monitor, and runs every probe.
HEALTH_MANAGER: Final = "MSExchangeHM"

#: The server component that must be active for the front end to serve POP (erratum D14).
POP_PROXY_COMPONENT: Final = "PopProxy"

#: The runbook's dependencies as health sets of Managed Availability. For the two
#: authentication dependencies no health set is known, so they can't be checked.
DEPENDENCY_HEALTH_SETS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "Active Directory": ("AD",),
        "Authentication": (),
        "Mailbox Server Authentication": (),
        "Information Store": ("Store",),
        "High Availability": ("DataProtection", "Clustering"),
        "Network": ("Network",),
    }
)

#: The tests of other protocols that log on to a mailbox as POP's do: by protocol, the health set
#: (with its ``.Protocol``) and the monitors, in lower case. What they share with POP is the
#: directory, authentication, the monitoring mailboxes and the store; they share no POP3 service.
#: Microsoft's pages on each health set list them; MAPI over HTTP's are seen in Get-ServerHealth.
LOGON_MONITORS: Final[Mapping[str, tuple[str, frozenset[str]]]] = MappingProxyType(
    {
        "IMAP": ("IMAP", frozenset({"imapdeeptestmonitor", "imapctpmonitor"})),
        "OWA": ("OWA", frozenset({"owadeeptestmonitor", "owactpmonitor"})),
        "ActiveSync": (
            "ActiveSync",
            frozenset({"activesyncdeeptestmonitor", "activesyncctpmonitor"}),
        ),
        "EWS": ("EWS", frozenset({"ewsdeeptestmonitor", "ewsctpmonitor"})),
        "MAPI": (
            "Outlook",
            frozenset(
                {
                    "outlookmapihttpdeeptestmonitor",
                    "outlookmapihttpctpmonitor",
                    "outlookrpcdeeptestmonitor",
                    "outlookrpcctpmonitor",
                }
            ),
        ),
    }
)

#: How many of them must fail for the cause to be what they share.
ALIKE_AT_LEAST: Final = 2


@frozen(kw_only=True)
class Monitor:
    """One row of the runbook's table.

    Attributes:
        name: The monitor, as the product spells it.
        health_set: The health set it belongs to.
        probe: The probe to rerun, ``HealthSet\\Probe``; None where a rerun says nothing (D6).
        procedure: Name of the procedure that answers it.
        dependencies: As the runbook lists them for the probe.
        aliases: Other spellings, the runbook's own misspellings among them (D2).
        logs_on: Whether its probe logs on to a mailbox, as the deep tests of other protocols do.
        through_back_end: Whether it fails, too, where only a Mailbox server behind it does.
    """

    name: str
    health_set: str
    probe: str | None
    procedure: str
    dependencies: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    logs_on: bool = False
    through_back_end: bool = False

    @property
    def mailbox_side(self) -> bool:
        """Whether it tests a Mailbox server's own POP3 service."""
        return self.procedure == "mailbox"


#: In the order in which several failing monitors are healed: mailbox side first, then proxy,
#: then end-to-end, then command time. The earlier ones are common causes of the later ones.
MONITORS: Final = (
    Monitor(
        name="PopDeepTestMonitor",
        health_set="POP.Protocol",
        probe="POP.Protocol\\PopDeepTestProbe",
        procedure="mailbox",
        dependencies=(
            "Active Directory",
            "Authentication",
            "Information Store",
            "High Availability",
        ),
        aliases=("PopTestDeepMonitor",),
        logs_on=True,
    ),
    Monitor(
        name="PopSelfTestMonitor",
        health_set="POP.Protocol",
        probe="POP.Protocol\\PopSelfTestProbe",
        procedure="mailbox",
    ),
    Monitor(
        name="PopProxyTestMonitor",
        health_set="POP.Proxy",
        probe="POP.Proxy\\PopProxyTestProbe",
        procedure="proxy",
    ),
    Monitor(
        name="PopCTPMonitor",
        health_set="POP",
        probe="POP\\PopCTPProbe",
        procedure="client_access",
        dependencies=tuple(DEPENDENCY_HEALTH_SETS),
        aliases=("POPCTPMonitor",),
        logs_on=True,
        through_back_end=True,
    ),
    Monitor(
        name="AverageCommandProcessingTimeGt60sMonitor",
        health_set="POP",
        probe=None,
        procedure="command_time",
    ),
)

#: The dependencies of the end-to-end test that are the Mailbox server's behind it: where another
#: server is seen to be at fault, they are asked about there.
BEHIND_THE_FRONT_END: Final = frozenset(
    {"Mailbox Server Authentication", "Information Store", "High Availability"}
)

#: The probe that shows, before failing back, that a server serves POP at all.
SELF_TEST_PROBE: Final = "POP.Protocol\\PopSelfTestProbe"

_BY_NAME = {
    spelling.casefold(): monitor
    for monitor in MONITORS
    for spelling in (monitor.name, *monitor.aliases)
}


def find_monitor(name: str) -> Monitor | None:
    """The catalogued monitor of that name or alias, without case; None if it has no recipe."""
    return _BY_NAME.get(name.casefold())


def monitor_named(name: str) -> Monitor:
    """Likewise, for a name a person gave: raises UnknownName instead."""
    monitor = find_monitor(name)
    if monitor is None:
        raise UnknownName(kind="monitor", name=name, known=[one.name for one in MONITORS])
    return monitor


def health_set_named(name: str) -> str:
    """The health set as the product spells it. Raises UnknownName."""
    for health_set in HEALTH_SETS:
        if health_set.casefold() == name.casefold():
            return health_set
    raise UnknownName(kind="health set", name=name, known=HEALTH_SETS)


def services_of(which: str, info: ServerInfo) -> tuple[str, ...]:
    """The services that a restart means on a server (CommandTime 1 leaves the choice: D18)."""
    if which == FRONT_END:
        return (POP3_FRONT_END,)
    if which == BACK_END:
        return (POP3_BACK_END,)
    by_role = ((info.client_access_role, POP3_FRONT_END), (info.mailbox_role, POP3_BACK_END))
    return tuple(service for has_role, service in by_role if has_role)

"""Commands that a person pastes into the Exchange Management Shell.

Templates only look, but for those that say what they do. ``{server}``, ``{monitor}``,
``{probe}`` and ``{service}`` become arguments; a command that names what is not known in a case
is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from popheal.util.text import without_controls

# --- arguments -----------------------------------------------------------------------------------

#: What PowerShell takes for a single quote, of whichever shape.
_QUOTES: Final = re.compile("['\u2018\u2019\u201a\u201b]")
_PLAIN: Final = re.compile(r"[a-z][\w.-]*(\\[a-z][\w.-]*)?", re.ASCII | re.IGNORECASE)
_PLACE: Final = re.compile(r"\{([a-z]+)\}")


def argument(name: str) -> str:
    """A name as an argument that PowerShell takes as it is, whatever is in it."""
    if _PLAIN.fullmatch(name):
        return name
    quoted = _QUOTES.sub(r"\g<0>\g<0>", without_controls(name))
    return f"'{quoted}'"


def filled(template: str, names: Mapping[str, str]) -> str | None:
    """A command with its arguments; None if one of them is not known."""
    if any(not names.get(place) for place in _PLACE.findall(template)):
        return None
    return _PLACE.sub(lambda place: argument(names[place[1]]), template)


# --- templates -----------------------------------------------------------------------------------

HEALTH: Final = (
    "Get-ServerHealth -Identity {server} | Where-Object { $_.HealthSetName -like 'POP*' } | "
    "Format-Table HealthSetName, Name, AlertValue, LastTransitionTime"
)
ALL_HEALTH: Final = (
    "Get-HealthReport -Identity {server} | Where-Object { $_.AlertValue -ne 'Healthy' } | "
    "Format-Table HealthSet, AlertValue, LastTransitionTime"
)
MONITOR: Final = (
    "Get-ServerHealth -Identity {server} | Where-Object Name -eq {monitor} | Format-List"
)
RUN_PROBE: Final = "Invoke-MonitoringProbe {probe} -Server {server} | Format-List"
PROBES: Final = (
    "'POP', 'POP.Protocol', 'POP.Proxy' | ForEach-Object { Get-MonitoringItemIdentity "
    "-Identity $_ -Server {server} } | Where-Object { $_.ItemType -eq 'Probe' } | "
    "Format-Table HealthSetName, Name"
)
SERVICES: Final = (
    "Get-Service -ComputerName {server} -Name MSExchangePOP3* | "
    "Format-Table Name, Status, StartType"
)
START: Final = "Get-Service -ComputerName {server} -Name {service} | Start-Service"
START_BY_ITSELF: Final = "Set-Service -ComputerName {server} -Name {service} -StartupType Automatic"
PROCESSES: Final = (
    "Get-CimInstance -ClassName Win32_Service -ComputerName {server} "
    "-Filter \"Name LIKE 'MSExchangePOP3%'\" | Format-Table Name, State, ProcessId"
)
NOT_STARTED: Final = (
    "Get-Service -ComputerName {server} -Name MSExchange* | Where-Object "
    "{ $_.StartType -eq 'Automatic' -and $_.Status -ne 'Running' }"
)
SERVICE_EVENTS: Final = (
    "Get-WinEvent -ComputerName {server} -MaxEvents 20 "
    "-FilterHashtable @{ LogName = 'System'; ProviderName = 'Service Control Manager' }"
)
#: Who restarted it, and when it went down without being told to.
RESTARTS: Final = (
    "Get-WinEvent -ComputerName {server} -MaxEvents 20 "
    "-FilterHashtable @{ LogName = 'System'; Id = 1074, 6008 }"
)
BOOT_TIME: Final = (
    "(Get-CimInstance -ClassName Win32_OperatingSystem -ComputerName {server}).LastBootUpTime"
)
COMPONENTS: Final = (
    "Get-ServerComponentState -Identity {server} | Where-Object { $_.State -ne 'Active' } | "
    "Format-List Component, State, LocalStates, RemoteStates"
)
ACTIVATION: Final = (
    "Get-MailboxServer -Identity {server} | Format-List Name, DatabaseCopyActivationDisabled"
    "AndMoveNow, DatabaseCopyAutoActivationPolicy"
)
ALLOW_ACTIVATION: Final = (
    "Set-MailboxServer -Identity {server} -DatabaseCopyActivationDisabledAndMoveNow $false"
)
ACTIVATION_OF_ALL: Final = (
    "Get-MailboxServer | Format-Table Name, DatabaseAvailabilityGroup, "
    "DatabaseCopyActivationDisabledAndMoveNow, DatabaseCopyAutoActivationPolicy"
)
ACTIVE_HERE: Final = (
    "Get-MailboxDatabaseCopyStatus -Server {server} | Where-Object { $_.ActiveCopy } | "
    "Format-Table Name, Status"
)
COPIES: Final = (
    "Get-MailboxDatabase -Server {server} | Get-MailboxDatabaseCopyStatus | Sort-Object Name | "
    "Format-Table Name, Status, CopyQueueLength, ReplayQueueLength, ContentIndexState"
)
GROUP: Final = (
    "Get-DatabaseAvailabilityGroup -Status | Format-List Name, Servers, OperationalServers, "
    "WitnessServer, WitnessShareInUse"
)
REPLICATION: Final = (
    "Get-MailboxServer | Where-Object { $_.DatabaseAvailabilityGroup } | ForEach-Object "
    "{ Test-ReplicationHealth -Identity $_.Name } | "
    "Where-Object { \"$($_.Result)\" -ne 'Passed' } | Format-Table Server, Check, Result, Error"
)
#: The roles of popheal's account, if its name says whose it is.
ROLES: Final = (
    "Get-ManagementRoleAssignment -GetEffectiveUsers | Where-Object EffectiveUserName "
    "-like '*popheal*' | Format-Table Role, EffectiveUserName"
)
REMOTING: Final = "Test-WSMan -ComputerName {server}"
LOGGING: Final = (
    "Get-PopSettings -Server {server} | Format-List ProtocolLogEnabled, LogFileLocation"
)

#: What a drained server calls for, wherever it comes from: that its databases are in service.
MOUNTED: Final = (
    "Get-MailboxDatabase -Server {server} -Status | Format-Table Name, Mounted, MountedOnServer"
)

r"""The PowerShell that popheal runs on a server's own endpoint: all of it.

Short, plain constants. Nothing is ever pasted into them: values travel as parameters. Each first
makes sure that it is on the server it was meant for, as a wrong address in the configuration must
not restart the wrong machine; all but the one that is asked where it is. Any error ends them at
once, so that nothing is done on the strength of what could not be found out. Times go both ways as
ISO 8601 in UTC. They ask for PowerShell 3, and are run in a scope of their own, so that none sees
what another has left in the shell.

What they refuse before anything was begun has an error id that says so, as what is written in the
error is for people: :data:`NOT_BEGUN`, a full stop, and the reason as
:class:`~popheal.errors.NotBegun` has it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

#: How the error ids of refusals begin.
NOT_BEGUN: Final = "PophealNotBegun"

_ON_THE_RIGHT_SERVER = r"""$ErrorActionPreference = 'Stop'
Set-StrictMode -Off
function Deny([string] $Reason, [string] $Text) {
    $why = New-Object System.InvalidOperationException $Text
    throw (New-Object System.Management.Automation.ErrorRecord $why,
        "PophealNotBegun.$Reason", 'OperationStopped', $null)
}
# The wrong address must not lead to the wrong server.
$here = [System.Net.Dns]::GetHostName()
if ($here -ne $HostName) { Deny 'wrong_server' "This server is $here, not $HostName." }
"""

#: State, start mode, process and its start of each named service; unknown names are left out.
SERVICES = (
    r"""
param([string] $HostName, [string[]] $Name)
"""
    + _ON_THE_RIGHT_SERVER
    + r"""
foreach ($service in Get-CimInstance -ClassName Win32_Service) {
    if ($Name -notcontains $service.Name) { continue }
    $startedAt = $null
    if ($service.ProcessId -gt 0) {
        $process = Get-Process -Id $service.ProcessId -ErrorAction SilentlyContinue
        if ($process -and $process.StartTime) {
            $startedAt = $process.StartTime.ToUniversalTime().ToString('o')
        }
    }
    [pscustomobject] @{
        Name      = $service.Name
        State     = $service.State
        StartMode = $service.StartMode
        ProcessId = $service.ProcessId
        StartedAt = $startedAt
    }
}
"""
)

#: Boot time, clock and its zone, whether Exchange Setup runs, whether Windows wants a restart
#: anyway, and the state of its node in the failover cluster.
HOST_STATUS = (
    r"""
param([string] $HostName)
"""
    + _ON_THE_RIGHT_SERVER
    + r"""
$system = Get-CimInstance -ClassName Win32_OperatingSystem
$setup = @(Get-Process -Name 'ExSetup*' -ErrorAction SilentlyContinue)
$current = 'HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion'
$servicing = Test-Path "$current\Component Based Servicing\RebootPending"
$update = Test-Path "$current\WindowsUpdate\Auto Update\RebootRequired"
# No cluster, no module that knows of clusters, or no right to ask: then its node is not told.
$node = ''
try { $node = [string] (Get-ClusterNode -Name $env:COMPUTERNAME).State } catch { $node = '' }
[pscustomobject] @{
    LastBootUpTime = $system.LastBootUpTime.ToUniversalTime().ToString('o')
    LocalDateTime  = $system.LocalDateTime.ToUniversalTime().ToString('o')
    SetupRunning   = $setup.Count -gt 0
    RebootPending  = $servicing -or $update
    UtcOffset      = [System.TimeZoneInfo]::Local.GetUtcOffset([datetime]::UtcNow).TotalSeconds
    ClusterNode    = $node
}
"""
)

#: Restart a service and those that depend on it; a stopped one is started. A disabled one is left
#: as it is: once stopped, it could not be started again.
RESTART_SERVICE = (
    r"""
param([string] $HostName, [string] $Service)
"""
    + _ON_THE_RIGHT_SERVER
    + r"""
$found = @(Get-CimInstance -ClassName Win32_Service | Where-Object { $_.Name -eq $Service })
if ($found.Count -ne 1) { Deny 'missing' "Not restarted: there is no service $Service." }
if ($found[0].StartMode -eq 'Disabled') { Deny 'disabled' "Not restarted: $Service is disabled." }
Restart-Service -Name $Service -Force
"""
)

#: Start a service; a running one is left alone.
START_SERVICE = (
    r"""
param([string] $HostName, [string] $Service)
"""
    + _ON_THE_RIGHT_SERVER
    + r"""
$found = @(Get-CimInstance -ClassName Win32_Service | Where-Object { $_.Name -eq $Service })
if ($found.Count -ne 1) { Deny 'missing' "Not started: there is no service $Service." }
if ($found[0].State -eq 'Running') { return }
if ($found[0].StartMode -eq 'Disabled') { Deny 'disabled' "Not started: $Service is disabled." }
Start-Service -Name $Service
"""
)

#: Restart the server, if it hasn't been since the given boot time, and only once.
RESTART_SERVER = (
    r"""
param([string] $HostName, [string] $BootedAt)
"""
    + _ON_THE_RIGHT_SERVER
    + r"""
$culture = [System.Globalization.CultureInfo]::InvariantCulture
$style = [System.Globalization.DateTimeStyles]::RoundtripKind
$expected = [datetime]::Parse($BootedAt, $culture, $style).ToUniversalTime()
$system = Get-CimInstance -ClassName Win32_OperatingSystem
if ($null -eq $system) { Deny '' 'Not restarted: Windows does not tell about itself.' }
if ($null -eq $system.LastBootUpTime) { Deny '' 'Not restarted: the boot time is not known.' }
$booted = $system.LastBootUpTime.ToUniversalTime()
# Windows shifts the boot time a little when its clock is set; two boots are never that close.
if ([math]::Abs(($booted - $expected).TotalSeconds) -gt 30) {
    $last = $booted.ToString('o')
    Deny 'boot_time' "Not restarted: the last boot was at $last, not at $BootedAt."
}

# A volatile key is kept in memory only, so the restart clears it. While it is there, no second
# restart is begun. That is no certain refusal: the first one may be about to happen.
$path = 'SOFTWARE\PophealRestart'
$root = [Microsoft.Win32.Registry]::LocalMachine
if ($null -ne $root.OpenSubKey($path)) {
    throw "Not restarted: a restart is already under way, or was aborted (see HKLM:\$path)."
}
$check = [Microsoft.Win32.RegistryKeyPermissionCheck]::Default
$volatile = [Microsoft.Win32.RegistryOptions]::Volatile
[void] $root.CreateSubKey($path, $check, $volatile)

try {
    # In ten seconds, so that the answer still gets through. As a process of its own, as what it
    # writes to its error output would else be an error here.
    $arguments = '/r /f /t 10 /d p:4:1 /c "popheal: POP health set recovery"'
    $shutdown = Start-Process -FilePath "$env:SystemRoot\System32\shutdown.exe" `
        -ArgumentList $arguments -NoNewWindow -Wait -PassThru
    $code = $shutdown.ExitCode
    $said = "Not restarted: shutdown.exe ended with code $code."
    # These say for certain that nothing was begun: it was called wrongly, it was denied, or
    # another shutdown is under way (1115) or scheduled (1190).
    $reasons = @{ 1 = ''; 87 = ''; 5 = 'denied'; 1300 = 'denied'; 1314 = 'denied'
        1115 = 'shutdown'; 1190 = 'shutdown' }
    if ($null -ne $code -and $reasons.ContainsKey($code)) { Deny $reasons[$code] $said }
    if ($code -ne 0) { throw $said }
} catch {
    $root.DeleteSubKey($path)
    throw
}
"""
)

#: The POP3 protocol logs that may hold lines of a time span, long ones as head and tail.
READ_LOGS = (
    r"""
param([string] $HostName, [string] $Location, [string] $Since, [string] $Until,
      [int] $HeadBytes, [int] $TailBytes, [int] $Newest, [int] $Most)
"""
    + _ON_THE_RIGHT_SERVER
    + r"""
$folder = $Location
if ($folder -match '%ExchangeInstallPath%') {
    $install = $env:ExchangeInstallPath
    if (-not $install) {
        $setup = 'HKLM:\SOFTWARE\Microsoft\ExchangeServer\v15\Setup'
        $install = (Get-ItemProperty -LiteralPath $setup -ErrorAction Stop).MsiInstallPath
    }
    $folder = $folder -replace '%ExchangeInstallPath%', $install.Replace('$', '$$')
}

$culture = [System.Globalization.CultureInfo]::InvariantCulture
$style = [System.Globalization.DateTimeStyles]::RoundtripKind
$after = [datetime]::Parse($Since, $culture, $style).ToUniversalTime()
$before = [datetime]::Parse($Until, $culture, $style).ToUniversalTime()

function Read-Part($stream, [int] $count) {
    $bytes = New-Object byte[] $count
    $done = 0
    while ($done -lt $count) {
        $read = $stream.Read($bytes, $done, $count - $done)
        if ($read -le 0) { break }
        $done += $read
    }
    [System.Text.Encoding]::UTF8.GetString($bytes, 0, $done)
}

# The time of writing of a file that is still open lags, so the newest are read whatever it says.
$files = @(Get-ChildItem -LiteralPath $folder -Filter 'POP3*.LOG' -ErrorAction Stop |
    Sort-Object -Property CreationTimeUtc -Descending)
$taken = 0
for ($i = 0; $i -lt $files.Count; $i++) {
    $file = $files[$i]
    if ($file.CreationTimeUtc -gt $before) { continue }
    if ($taken -ge $Newest -and $file.LastWriteTimeUtc -lt $after) { continue }
    if ($taken -ge $Most) { break }
    $taken++
    # The service keeps its file open for writing: share that.
    $stream = [System.IO.File]::Open($file.FullName, [System.IO.FileMode]::Open,
        [System.IO.FileAccess]::Read, [System.IO.FileShare]::ReadWrite)
    try {
        $length = $stream.Length
        $tail = $null
        $omitted = 0
        if ($length -le $HeadBytes + $TailBytes) {
            $head = Read-Part $stream $length
        } else {
            $head = Read-Part $stream $HeadBytes
            $omitted = $length - $HeadBytes - $TailBytes
            [void] $stream.Seek($length - $TailBytes, [System.IO.SeekOrigin]::Begin)
            $tail = Read-Part $stream $TailBytes
        }
    } finally {
        $stream.Dispose()
    }
    [pscustomobject] @{ Name = $file.Name; Head = $head; Tail = $tail; Omitted = $omitted }
}
"""
)

#: Recovery actions of Managed Availability since a moment: 500 when one began, 501 and 502 when it
#: ended, 2051 when one was throttled.
RECOVERY_ACTIONS = (
    r"""
param([string] $HostName, [string] $Since, [int] $Most)
"""
    + _ON_THE_RIGHT_SERVER
    + r"""
$culture = [System.Globalization.CultureInfo]::InvariantCulture
$style = [System.Globalization.DateTimeStyles]::RoundtripKind
$after = [datetime]::Parse($Since, $culture, $style).ToUniversalTime()
$channels = @{ RecoveryActionResults = 500, 501, 502; RecoveryActionLogs = 2051 }

foreach ($channel in 'RecoveryActionResults', 'RecoveryActionLogs') {
    $name = "Microsoft-Exchange-ManagedAvailability/$channel"
    # A query for events finds none in a log that it may not read: make sure first.
    $log = Get-WinEvent -ListLog $name -ErrorAction Stop
    if ($null -eq $log) { throw "There is no event log $name." }
    if (-not $log.IsEnabled) { throw "The event log $name is turned off." }
    if ($null -eq $log.RecordCount) { throw "The event log $name does not tell what it holds." }
    $filter = @{ LogName = $name; Id = $channels[$channel]; StartTime = $after }
    try {
        $found = @(Get-WinEvent -FilterHashtable $filter -MaxEvents $Most -ErrorAction Stop)
    } catch {
        # This error says that there are none. Every other one says that they weren't read.
        if ($_.FullyQualifiedErrorId -notlike 'NoMatchingEventsFound,*') { throw }
        $found = @()
    }
    # The newest come first. What is left out could be the start of something under way.
    if ($channel -eq 'RecoveryActionResults' -and $found.Count -ge $Most) {
        throw "The event log $name has $Most or more events since $Since."
    }
    foreach ($entry in $found) {
        $told = ([xml] $entry.ToXml()).Event.UserData.EventXML
        [pscustomobject] @{
            EventId            = $entry.Id
            TimeCreated        = $entry.TimeCreated.ToUniversalTime().ToString('o')
            Id                 = $told.Id
            ActionId           = $told.ActionId
            ResourceName       = $told.ResourceName
            RequestorName      = $told.RequestorName
            RequesterName      = $told.RequesterName
            InstanceId         = $told.InstanceId
            StartTime          = $told.StartTime
            EndTime            = $told.EndTime
            ExpectedToFinishAt = $told.ExpectedToFinishAt
            Result             = $told.Result
        }
    }
}
"""
)

#: Where a shell is, and how much of the language it understands. Written for one in which nothing
#: can be called: there the name is the short one of old, of fifteen letters.
ABOUT = r"""
param([string] $HostName)
$here = $env:COMPUTERNAME
try { $here = [System.Net.Dns]::GetHostName() } catch { $here = $env:COMPUTERNAME }
[pscustomobject] @{
    Name     = $here
    Language = [string] $ExecutionContext.SessionState.LanguageMode
    Version  = [string] $PSVersionTable.PSVersion
}
"""

#: What the other scripts will need of Windows and of the account, as far as looking can tell.
CONDITIONS = (
    r"""
param([string] $HostName, [string[]] $Commands)
"""
    + _ON_THE_RIGHT_SERVER
    + r"""
$me = [System.Security.Principal.WindowsIdentity]::GetCurrent()
$principal = New-Object System.Security.Principal.WindowsPrincipal $me
$role = [System.Security.Principal.WindowsBuiltInRole]::Administrator
$lacking = @($Commands | Where-Object { -not (Get-Command $_ -ErrorAction SilentlyContinue) })
# Opened for writing, and closed again: nothing is written.
$root = [Microsoft.Win32.Registry]::LocalMachine
$closed = ''
try { $root.OpenSubKey('SOFTWARE', $true).Close() } catch { $closed = $_.Exception.Message }
[pscustomobject] @{
    Account       = $me.Name
    Administrator = $principal.IsInRole($role)
    Lacking       = $lacking -join ', '
    Registry      = $closed
    Marked        = $null -ne $root.OpenSubKey('SOFTWARE\PophealRestart')
    Shutdown      = Test-Path "$env:SystemRoot\System32\shutdown.exe"
}
"""
)

#: What each is called, in errors and in recordings.
NAMES: Final[Mapping[str, str]] = {
    SERVICES: "read services",
    HOST_STATUS: "read boot time",
    READ_LOGS: "read POP3 logs",
    RECOVERY_ACTIONS: "read recovery actions",
    RESTART_SERVICE: "Restart-Service",
    START_SERVICE: "Start-Service",
    RESTART_SERVER: "restart server",
    ABOUT: "look where the shell is",
    CONDITIONS: "look what scripts need",
}

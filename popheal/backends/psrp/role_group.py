"""The rights that popheal needs, as PowerShell to paste: a role group with them and no others."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import fill
from typing import Final

from popheal.backends.psrp.rights import ON_THE_SERVER, Cmdlet, needed_for
from popheal.util.version import __version__

#: Whom the role group is for, where nobody says.
ACCOUNT: Final = r"CONTOSO\popheal"
#: Not the account's name: what is looked up by it would be one of two.
GROUP: Final = "popheal rights"

# One role a cmdlet: then any role of Exchange's own that has the cmdlet can be its parent, and
# nobody has to know which one that is in which version.
_IN_EXCHANGE: Final = r"""# What popheal needs {about}. Written by popheal {version}.
#
# 1. In Exchange. Paste this into the Exchange Management Shell, as a member of Organization
#    Management. It makes a management role for each cmdlet, with the parameters that stand here
#    and no others, and a role group that has these roles. Pasted again, it brings them up to date.

$group = {group}
$account = {account}

$needed = [ordered] @{{
{needed}
}}

$roles = foreach ($cmdlet in $needed.Keys) {{
    $role = "$group $cmdlet"
    if (-not (Get-ManagementRole -Identity $role -ErrorAction SilentlyContinue)) {{
        # Any of Exchange's own roles that has all of it: what else it has is taken out.
        $parent = @(Get-ManagementRole -Cmdlet $cmdlet -CmdletParameters $needed[$cmdlet] |
            Where-Object {{ $_.IsRootRole -and -not $_.IsEndUserRole }})[0]
        if (-not $parent) {{ throw "No role has $cmdlet with $($needed[$cmdlet] -join ', ')." }}
        $null = New-ManagementRole -Name $role -Parent $parent.Name
        Get-ManagementRoleEntry "$role\*" | Where-Object {{ $_.Name -ne $cmdlet }} |
            Remove-ManagementRoleEntry -Confirm:$false
    }}
    Set-ManagementRoleEntry "$role\$cmdlet" -Parameters $needed[$cmdlet]
    $role
}}

if (-not (Get-RoleGroup -Identity $group -ErrorAction SilentlyContinue)) {{
    New-RoleGroup -Name $group -Roles $roles -Members $account
}}
$has = @(Get-ManagementRoleAssignment -RoleAssignee $group | ForEach-Object {{ "$($_.Role)" }})
$roles | Where-Object {{ $has -notcontains $_ }} |
    ForEach-Object {{ New-ManagementRoleAssignment -SecurityGroup $group -Role $_ }}
$has | Where-Object {{ $roles -notcontains $_ }} |
    ForEach-Object {{ Write-Warning "popheal does not need the role '$_' of the group '$group'." }}

Set-User -Identity $account -RemotePowerShellEnabled $true
"""

_ON_SERVERS: Final = r"""
# 2. On every Exchange server that popheal may look at. There it
{reasons}
#    A local administrator may do all of that; whether less would do has not been tried:

# net.exe localgroup Administrators {account} /add

# 3. Open to popheal's machine: the port of the Exchange endpoint (80, or 443 with ssl) and of
#    WinRM (5985, or 5986 with ssl). See then what is still missing: popheal check
"""
_WIDTH: Final = 96
#: What ends a text in single quotes; typographic ones do, too.
_QUOTES: Final = "'\u2018\u2019\u201a\u201b"


def paste(methods: Iterable[str], *, about: str, group: str = GROUP, account: str = ACCOUNT) -> str:
    """The PowerShell that gives an account the rights for these methods.

    Args:
        methods: Methods of the backend.
        about: For what it needs them, as the end of a sentence.
        group: The name of the role group; the names of its roles begin with it.
        account: Who popheal logs on as.
    """
    methods = tuple(methods)
    text = _IN_EXCHANGE.format(
        about=about,
        version=__version__,
        group=_quoted(group),
        account=_quoted(account),
        needed="\n".join(map(_entry, needed_for(methods))),
    )
    reasons = [_comment(said) for one, said in ON_THE_SERVER.items() if one in methods]
    return text + _ON_SERVERS.format(reasons="\n".join(reasons), account=_quoted(account))


def _comment(said: str) -> str:
    return fill(said, _WIDTH, initial_indent="#    - ", subsequent_indent="#      ")


def _entry(cmdlet: Cmdlet) -> str:
    return f"    {_quoted(cmdlet.name)} = @({', '.join(map(_quoted, cmdlet.parameters))})"


def _quoted(text: str) -> str:
    """A text as PowerShell takes it literally."""
    return "'" + "".join(one * 2 if one in _QUOTES else one for one in text) + "'"

"""What the account must have: each cmdlet with its parameters, and each script with what it asks.

One table for all who need it: the backend sends nothing that is not in it, what the account lacks
is found by it, and the role group that :mod:`popheal.backends.psrp.role_group` makes is made of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

from attrs import frozen

from popheal.backends.psrp.clixml import Record, text_of


@frozen
class Cmdlet:
    """A cmdlet, and the parameters that it is given: all of them, for Exchange hides the others."""

    name: str
    parameters: tuple[str, ...] = ()


#: By method of the backend.
CMDLETS: Final[Mapping[str, Cmdlet]] = MappingProxyType(
    {
        "server_info": Cmdlet("Get-ExchangeServer", ("Identity",)),
        "all_servers": Cmdlet("Get-ExchangeServer"),
        "mailbox_server": Cmdlet("Get-MailboxServer", ("Identity",)),
        "dag": Cmdlet("Get-DatabaseAvailabilityGroup", ("Identity", "Status")),
        "server_health": Cmdlet("Get-ServerHealth", ("Identity",)),
        "invoke_probe": Cmdlet("Invoke-MonitoringProbe", ("Identity", "Server")),
        "monitoring_items": Cmdlet("Get-MonitoringItemIdentity", ("Identity", "Server")),
        "database_copies": Cmdlet("Get-MailboxDatabaseCopyStatus", ("Server",)),
        "copies_of": Cmdlet("Get-MailboxDatabaseCopyStatus", ("Identity",)),
        "databases": Cmdlet("Get-MailboxDatabase", ("Server", "Status")),
        "replication_health": Cmdlet("Test-ReplicationHealth", ("Identity",)),
        "component_states": Cmdlet("Get-ServerComponentState", ("Identity",)),
        "pop_settings": Cmdlet("Get-PopSettings", ("Server",)),
        "set_activation_disabled": Cmdlet(
            "Set-MailboxServer",
            ("Identity", "DatabaseCopyActivationDisabledAndMoveNow", "Confirm"),
        ),
        "move_database": Cmdlet(
            "Move-ActiveMailboxDatabase", ("Identity", "ActivateOnServer", "Confirm")
        ),
        "set_protocol_logging": Cmdlet(
            "Set-PopSettings", ("Server", "ProtocolLogEnabled", "Confirm")
        ),
        "set_component_state": Cmdlet(
            "Set-ServerComponentState",
            ("Identity", "Component", "Requester", "State", "Confirm"),
        ),
    }
)

#: By method: what its script asks of the server itself, and of the account that it runs as.
ON_THE_SERVER: Final[Mapping[str, str]] = MappingProxyType(
    {
        "host_status": "reads the boot time and the clock (CIM), whether Setup runs, whether a "
        "restart is pending (registry), and the node of the cluster (Get-ClusterNode)",
        "services": "reads the state of services (CIM) and when their processes began",
        "pop_logs": "reads the folder of the POP3 protocol logs",
        "recovery_actions": "reads the event logs Microsoft-Exchange-ManagedAvailability/"
        "RecoveryActionResults and /RecoveryActionLogs",
        "restart_service": "restarts a POP3 service",
        "start_service": "starts a service that did not come back after a boot",
        "reboot": "restarts Windows (shutdown.exe), and marks that in the registry, "
        r"HKLM:\SOFTWARE\PophealRestart",
    }
)

#: A cmdlet that was run before: where even that is not listed, the list means nothing.
_CONTROL: Final = "Get-ServerHealth"


def cmdlet_for(method: str, given: Iterable[str]) -> str:
    """The cmdlet that a method sends with these parameters.

    Raises:
        ValueError: If the table does not have them: no role would.
    """
    known = CMDLETS[method]
    if odd := set(given) - set(known.parameters):
        raise ValueError(f"{known.name} is given {', '.join(sorted(odd))}, which no role has")
    return known.name


def needed_for(methods: Iterable[str]) -> tuple[Cmdlet, ...]:
    """Each cmdlet once, sorted, with all the parameters that these methods give it."""
    found: dict[str, dict[str, None]] = {}
    for one in (CMDLETS[method] for method in methods if method in CMDLETS):
        found.setdefault(one.name, {}).update(dict.fromkeys(one.parameters))
    return tuple(Cmdlet(name, tuple(found[name])) for name in sorted(found))


# --- what an account has -------------------------------------------------------------------------


#: Works where nothing but cmdlets does, and lists what this account has.
ASKS: Final = "Get-Command"


def question(methods: Iterable[str]) -> Mapping[str, object]:
    """The parameters by which it is asked for what the methods need."""
    names = dict.fromkeys((_CONTROL, *(one.name for one in needed_for(methods))))
    # What is not there would else be an error.
    return {"Name": list(names), "ErrorAction": "SilentlyContinue"}


@frozen(kw_only=True)
class Held:
    """What an account has of a cmdlet.

    Attributes:
        cmdlet: What is needed.
        there: Whether the cmdlet is there at all.
        lacking: The parameters of it that are not.
    """

    cmdlet: Cmdlet
    there: bool
    lacking: tuple[str, ...] = ()


def held(methods: Iterable[str], output: Iterable[object]) -> tuple[Held, ...] | None:
    """What the account has of what the methods need, by what Get-Command has listed.

    None where the list means nothing.
    """
    listed = {_name(one): one for one in output if isinstance(one, Record)}
    if _CONTROL.casefold() not in listed:
        return None
    return tuple(_held(one, listed.get(one.name.casefold())) for one in needed_for(methods))


def _held(cmdlet: Cmdlet, found: Record | None) -> Held:
    if found is None:
        return Held(cmdlet=cmdlet, there=False)
    known = _parameters(found)  # none: not told
    lacking = [one for one in cmdlet.parameters if known and one.casefold() not in known]
    return Held(cmdlet=cmdlet, there=True, lacking=tuple(lacking))


def missing(methods: Iterable[str], output: Iterable[object]) -> Sequence[str]:
    """What the account lacks for the methods, in words."""
    return tuple(word for one in held(methods, output) or () for word in _in_words(one))


def _in_words(one: Held) -> Iterator[str]:
    if not one.there:
        yield f"the cmdlet {one.cmdlet.name}"
    for parameter in one.lacking:
        yield f"the parameter {parameter} of {one.cmdlet.name}"


def _name(command: Record) -> str:
    return (text_of(command.get("Name")) or "").casefold()


def _parameters(command: Record) -> set[str]:
    """Names of a command's parameters; none if they were not told."""
    told = command.get("Parameters")
    inner = told.value if isinstance(told, Record) else told
    return {name.casefold() for name in inner} if isinstance(inner, dict) else set()

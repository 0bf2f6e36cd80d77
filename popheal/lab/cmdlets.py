"""The Exchange endpoint's commands: each cmdlet as a call of the backend that is served."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from attrs import frozen

from popheal.errors import (
    NotAuthorised,
    OutcomeUnknown,
    PophealError,
    UnknownName,
    Unreachable,
    Unreadable,
)
from popheal.exchange.backend import Backend
from popheal.lab import objects
from popheal.lab.error_writer import NOT_RECOGNIZED, Ended, LostTrack, NobodyThere, Problem
from popheal.lab.objects import Origin
from popheal.lab.serializer import PsObject

Given = Mapping[str, object]
Run = Callable[[Backend, Origin, Given], list[PsObject]]


@frozen(kw_only=True)
class Cmdlet:
    """One cmdlet: its parameters, lower case, and what it does."""

    name: str
    parameters: frozenset[str]
    run: Run
    effect: bool = False


_COMMON = frozenset({"erroraction", "warningaction", "domaincontroller", "verbose", "debug"})


def _get_exchange_server(backend: Backend, origin: Origin, given: Given) -> list[PsObject]:
    identity = given.get("identity")
    if identity is None:
        return [objects.server_info(origin, row) for row in backend.all_servers(origin.server)]
    return [objects.server_info(origin, backend.server_info(str(identity)))]


def _get_mailbox_server(backend: Backend, origin: Origin, given: Given) -> list[PsObject]:
    return [objects.mailbox_server(origin, backend.mailbox_server(_text(given, "identity")))]


def _get_dag(backend: Backend, origin: Origin, given: Given) -> list[PsObject]:
    seen = backend.dag(origin.server, _text(given, "identity"))
    return [objects.dag(origin, seen)]


def _get_server_health(backend: Backend, origin: Origin, given: Given) -> list[PsObject]:
    found = backend.server_health(_text(given, "identity"))
    return [objects.monitor_health(origin, row) for row in found]


def _invoke_probe(backend: Backend, origin: Origin, given: Given) -> list[PsObject]:
    seen = backend.invoke_probe(_text(given, "server"), _text(given, "identity"))
    return [objects.probe_result(origin, seen)]


def _get_monitoring_items(backend: Backend, origin: Origin, given: Given) -> list[PsObject]:
    found = backend.monitoring_items(_text(given, "server"), _text(given, "identity"))
    return [objects.monitoring_item(origin, row) for row in found]


def _get_copies(backend: Backend, origin: Origin, given: Given) -> list[PsObject]:
    if "identity" in given:
        found = backend.copies_of(origin.server, _text(given, "identity"))
    else:
        found = backend.database_copies(_text(given, "server"))
    return [objects.database_copy(origin, row) for row in found]


def _get_databases(backend: Backend, origin: Origin, given: Given) -> list[PsObject]:
    found = backend.databases(_text(given, "server"))
    status = given.get("status") is True
    return [objects.database(origin, row, status=status) for row in found]


def _test_replication(backend: Backend, origin: Origin, given: Given) -> list[PsObject]:
    # Without a server it means the connected one.
    server = str(given.get("identity") or origin.server)
    return [objects.replication_check(origin, row) for row in backend.replication_health(server)]


def _get_components(backend: Backend, origin: Origin, given: Given) -> list[PsObject]:
    server = _text(given, "identity")
    found = backend.component_states(server)
    return [objects.component_state(origin, server, row) for row in found]


def _get_pop_settings(backend: Backend, origin: Origin, given: Given) -> list[PsObject]:
    # Without a server it means the connected one.
    server = str(given.get("server") or origin.server)
    return [objects.pop_settings(origin, backend.pop_settings(server))]


def _set_mailbox_server(backend: Backend, _origin: Origin, given: Given) -> list[PsObject]:
    disabled = given.get("databasecopyactivationdisabledandmovenow")
    if isinstance(disabled, bool):
        backend.set_activation_disabled(_text(given, "identity"), disabled)
    return []


def _move_database(backend: Backend, _origin: Origin, given: Given) -> list[PsObject]:
    backend.move_database(_text(given, "activateonserver"), _text(given, "identity"))
    return []


def _set_pop_settings(backend: Backend, origin: Origin, given: Given) -> list[PsObject]:
    enabled = given.get("protocollogenabled")
    if isinstance(enabled, bool):
        backend.set_protocol_logging(str(given.get("server") or origin.server), enabled)
    return []


def _set_component_state(backend: Backend, _origin: Origin, given: Given) -> list[PsObject]:
    backend.set_component_state(
        _text(given, "identity"),
        _text(given, "component"),
        _text(given, "state").lower() == "active",
        _text(given, "requester"),
    )
    return []


def _text(given: Given, name: str) -> str:
    return str(given.get(name, ""))


def _cmdlet(name: str, parameters: str, run: Run, *, effect: bool = False) -> Cmdlet:
    own = frozenset(parameters.lower().split())
    extra = frozenset({"confirm", "whatif"}) if effect else frozenset()
    return Cmdlet(name=name, parameters=own | extra | _COMMON, run=run, effect=effect)


#: The cmdlets by name, lower case.
CMDLETS = {
    cmdlet.name.lower(): cmdlet
    for cmdlet in (
        _cmdlet("Get-ExchangeServer", "Identity Status", _get_exchange_server),
        _cmdlet("Get-MailboxServer", "Identity Status", _get_mailbox_server),
        _cmdlet("Get-DatabaseAvailabilityGroup", "Identity Status", _get_dag),
        _cmdlet("Get-ServerHealth", "Identity HealthSet HaImpactingOnly", _get_server_health),
        _cmdlet("Get-MonitoringItemIdentity", "Identity Server", _get_monitoring_items),
        _cmdlet("Invoke-MonitoringProbe", "Identity Server TimeOutSeconds", _invoke_probe),
        _cmdlet("Get-MailboxDatabaseCopyStatus", "Identity Server Active Local", _get_copies),
        _cmdlet("Get-MailboxDatabase", "Identity Server Status", _get_databases),
        _cmdlet(
            "Test-ReplicationHealth",
            "Identity ActiveDirectoryTimeout MonitoringContext OutputObjects",
            _test_replication,
        ),
        _cmdlet("Get-ServerComponentState", "Identity Component", _get_components),
        _cmdlet("Get-PopSettings", "Server", _get_pop_settings),
        _cmdlet(
            "Set-MailboxServer",
            "Identity DatabaseCopyActivationDisabledAndMoveNow DatabaseCopyAutoActivationPolicy",
            _set_mailbox_server,
            effect=True,
        ),
        _cmdlet(
            "Move-ActiveMailboxDatabase",
            "Identity ActivateOnServer Server MountDialOverride MoveComment",
            _move_database,
            effect=True,
        ),
        _cmdlet(
            "Set-PopSettings",
            "Server ProtocolLogEnabled LogFileLocation LogFileRollOverSettings",
            _set_pop_settings,
            effect=True,
        ),
        _cmdlet(
            "Set-ServerComponentState",
            "Identity Component Requester State LocalOnly RemoteOnly TimeoutInSeconds",
            _set_component_state,
            effect=True,
        ),
    )
}


def _get_command(given: Given) -> list[PsObject]:
    """What an account may use, as its roles show it."""
    names = given.get("name")
    asked = names if isinstance(names, list) else [names]
    found = (CMDLETS.get(str(name).lower()) for name in asked)
    return [objects.command(one.name, one.parameters) for one in found if one]


def run_cmdlet(backend: Backend, origin: Origin, name: str, given: Given) -> Ended:
    """Run one cmdlet with its parameters (names in any case).

    Raises NobodyThere where the backend can't reach the server for an effect (no error record
    proves that nothing was begun), LostTrack where it doesn't know the outcome itself.
    """
    lowered = {key.lower(): value for key, value in given.items()}
    if name.lower() == "get-command":
        return Ended(output=_get_command(lowered))
    cmdlet = CMDLETS.get(name.lower())
    if cmdlet is None:
        return _refused(_not_recognized(origin, name))
    for key in given:
        if key.lower() not in cmdlet.parameters:
            return _refused(
                Problem(
                    text=f"A parameter cannot be found that matches parameter name '{key}'.",
                    reason="ParameterBindingException",
                    command=name,
                    category=5,
                    error_id=f"NamedParameterNotFound,{name}",
                )
            )
    try:
        return Ended(output=cmdlet.run(backend, origin, lowered))
    except PophealError as error:
        return _failed(origin, cmdlet, error)


def refused_script() -> Ended:
    """What an endpoint in no-language mode says to a script."""
    text = (
        "The syntax is not supported by this runspace. This can occur if the runspace is in "
        "no-language mode."
    )
    return _refused(Problem(text=text, reason="ParseException", command="", category=0))


def _failed(origin: Origin, cmdlet: Cmdlet, error: PophealError) -> Ended:
    if isinstance(error, OutcomeUnknown) or (cmdlet.effect and isinstance(error, Unreadable)):
        raise LostTrack
    if cmdlet.effect and isinstance(error, Unreachable):
        raise NobodyThere
    if isinstance(error, Unreadable):
        # An object with nothing in it that anybody could read.
        return Ended(output=[PsObject(types=("System.Object",), text="?")])
    if isinstance(error, NotAuthorised):
        return _refused(_not_recognized(origin, cmdlet.name))
    return Ended(problem=_problem(origin, cmdlet.name, error))


def _problem(origin: Origin, name: str, error: PophealError) -> Problem:
    reason, text = "InvalidOperationException", str(getattr(error, "cause", error))
    if isinstance(error, UnknownName):
        reason = "ManagementObjectNotFoundException"
        text = (
            f"The operation couldn't be performed because object '{error.name}' couldn't be "
            "found on 'dc1.contoso.test'."
        )
    elif isinstance(error, Unreachable):
        reason, text = "RpcException", f"Error 0x6ba (The RPC server is unavailable): {text}"
    return Problem(text=text, reason=reason, command=name, exchange=True, server=origin.server)


def _not_recognized(origin: Origin, name: str) -> Problem:
    return Problem(
        text=NOT_RECOGNIZED.format(name),
        reason="CommandNotFoundException",
        command=name,
        category=13,
        server=origin.server,
    )


def _refused(problem: Problem) -> Ended:
    return Ended(problem=problem, terminating=True)

"""Observations as the objects that Exchange would return for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from attrs import frozen

from popheal.exchange import models
from popheal.lab.serializer import Int64, LocalTime, PsEnum, PsList, PsObject

_CONFIGURABLE = ("Microsoft.Exchange.Data.ConfigurableObject", "System.Object")
_MONITORING = "Microsoft.Exchange.Management.Monitoring"
_DIRECTORY = "Microsoft.Exchange.Data.Directory"
_DAG_TASKS = "Microsoft.Exchange.Management.SystemConfigurationTasks"

#: The servers of the lab tell local time in the zone of their data centre.
_ZONE = 120

_NUMBERS = {"Healthy": 6, "Mounted": 11, "Dismounted": 12, "Inactive": 0, "Active": 1, "Remote": 1}


@frozen
class Origin:
    """Where a row comes from: the connected server, and the shell."""

    server: str
    shell: str


def _enum(kind: str, name: str) -> PsEnum | None:
    return PsEnum(kind, name, _NUMBERS.get(name, 0)) if name else None


def _ad_object(name: str, container: str = "Servers") -> PsObject:
    """A reference to a directory object."""
    parent = f"CN={container},CN=Contoso,CN=Microsoft Exchange,CN=Services,CN=Configuration"
    return PsObject(
        types=(f"{_DIRECTORY}.ADObjectId", "Microsoft.Exchange.Data.ObjectId", "System.Object"),
        text=name,
        props={
            "Rdn": f"CN={name}",
            "DistinguishedName": f"CN={name},{parent}",
            "Depth": 9,
            "Name": name.rpartition("/")[2],
        },
    )


def _row(origin: Origin, types: Sequence[str], text: str, props: Mapping[str, object]) -> PsObject:
    return PsObject(
        types=types,
        text=text,
        props=props,
        notes={
            "PSComputerName": origin.server,
            "RunspaceId": origin.shell,
            "PSShowComputerName": False,
        },
    )


def command(name: str, parameters: Iterable[str]) -> PsObject:
    """A cmdlet as an endpoint shows it: a function in its place."""
    kind = "System.Management.Automation"
    return PsObject(
        types=(f"{kind}.FunctionInfo", f"{kind}.CommandInfo", "System.Object"),
        text=name,
        props={
            "Name": name,
            "CommandType": PsEnum(f"{kind}.CommandTypes", "Function", 2),
            "Parameters": dict.fromkeys(sorted(parameters), f"{kind}.ParameterMetadata"),
        },
    )


def server_info(origin: Origin, seen: models.ServerInfo) -> PsObject:
    return _row(
        origin,
        (f"{_DIRECTORY}.Management.ExchangeServer", *_CONFIGURABLE),
        seen.name,
        {
            "Name": seen.name,
            "Fqdn": seen.fqdn,
            "IsHubTransportServer": seen.mailbox_role,
            "IsClientAccessServer": seen.client_access_role,
            "IsEdgeServer": False,
            "IsMailboxServer": seen.mailbox_role,
            "IsE15OrLater": True,
            # The newer versions leave out the front end here.
            "ServerRole": "Mailbox" if seen.mailbox_role else "ClientAccess",
            "AdminDisplayVersion": PsObject(
                types=("Microsoft.Exchange.Data.ServerVersion", "System.Object"),
                text=seen.version,
            )
            if seen.version
            else None,
            "Site": _ad_object(f"contoso.test/Configuration/Sites/{seen.site}", "Sites")
            if seen.site
            else None,
            "Identity": _ad_object(seen.name),
            "IsValid": True,
            "ObjectState": "Unchanged",
        },
    )


def mailbox_server(origin: Origin, seen: models.MailboxServer) -> PsObject:
    name = seen.server.partition(".")[0]
    policy = (
        "Microsoft.Exchange.Data.Directory.SystemConfiguration.DatabaseCopyAutoActivationPolicyType"
    )
    return _row(
        origin,
        (f"{_DIRECTORY}.Management.MailboxServer", *_CONFIGURABLE),
        name,
        {
            "Name": name,
            "DatabaseAvailabilityGroup": _ad_object(seen.dag, "Database Availability Groups")
            if seen.dag
            else None,
            "DatabaseCopyAutoActivationPolicy": _enum(policy, seen.auto_activation_policy),
            "DatabaseCopyActivationDisabledAndMoveNow": seen.activation_disabled,
            "MaximumActiveDatabases": seen.maximum_active_databases,
            "Identity": _ad_object(name),
        },
    )


def dag(origin: Origin, seen: models.Dag) -> PsObject:
    def servers(names: Sequence[str]) -> PsList:
        kind = f"Microsoft.Exchange.Data.MultiValuedProperty`1[[{_DIRECTORY}.ADObjectId]]"
        return PsList(kind, [_ad_object(name) for name in names])

    manager = seen.primary_active_manager
    return _row(
        origin,
        (f"{_DIRECTORY}.SystemConfiguration.DatabaseAvailabilityGroup", *_CONFIGURABLE),
        seen.name,
        {
            "Name": seen.name,
            "Servers": servers(seen.members),
            "StoppedMailboxServers": PsList("System.String[]", []),
            "OperationalServers": servers(seen.operational) if seen.operational else None,
            # Its type is first named inside the list above: clients have stumbled over that.
            "PrimaryActiveManager": _ad_object(manager) if manager else None,
            "WitnessShareInUse": _enum(
                f"{_DIRECTORY}.SystemConfiguration.WitnessShareUsage", seen.witness
            ),
        },
    )


def monitor_health(origin: Origin, seen: models.MonitorHealth) -> PsObject:
    target = f"\\{seen.target}" if seen.target else "\\"
    # A time without zone is a text in the culture of the server.
    executed = seen.last_execution and LocalTime(seen.last_execution, _ZONE)
    error, _, exception = seen.error.partition("\n")
    return _row(
        origin,
        (f"{_MONITORING}.MonitorHealthEntry", *_CONFIGURABLE),
        "",
        {
            "Server": seen.server,
            "CurrentHealthSetState": _enum(
                f"{_MONITORING}.MonitorServerComponentState", seen.state
            ),
            "Name": seen.monitor,
            "TargetResource": seen.target,
            "HealthSetName": seen.health_set,
            "HealthGroupName": "Customer Touch Points",
            "AlertValue": _enum(f"{_MONITORING}.MonitorAlertState", seen.alert_value),
            "FirstAlertObservedTime": None,
            "Description": "",
            "IsHaImpacting": False,
            "RecurranceInterval": 0,
            "HealthSetDescription": "",
            "ServerComponentName": "None",
            "LastTransitionTime": None
            if seen.last_transition is None
            else LocalTime(seen.last_transition, _ZONE),
            "LastExecutionTime": executed or seen.last_execution_text or None,
            "LastExecutionResult": "Succeeded",
            "ResultId": Int64(1204012),
            "WorkItemId": 210,
            "IsStale": seen.stale,
            "Error": error,
            "Exception": exception,
            "IsNotified": False,
            "LastFailedProbeId": -1,
            "LastFailedProbeResultId": -1,
            "ServicePriority": 2,
            "Identity": f"{seen.health_set}\\{seen.monitor}{target}",
            "IsValid": True,
            "ObjectState": "New",
        },
    )


def probe_result(origin: Origin, seen: models.ProbeResult) -> PsObject:
    return _row(
        origin,
        (f"{_MONITORING}.MonitoringProbeResult", *_CONFIGURABLE),
        "",
        {
            "MonitorIdentity": seen.probe,
            "RequestId": "5c8b5d2e-3f0c-4a29-9d26-5f3f0f6e7a10",
            "ExecutionStartTime": seen.started,
            "ExecutionEndTime": seen.finished,
            "Error": seen.error,
            "Exception": seen.exception,
            "PoisonedCount": 0,
            "ResultType": _enum(f"{_MONITORING}.ResultType", seen.result),
            "IsValid": True,
            "ObjectState": "New",
        },
    )


def database_copy(origin: Origin, seen: models.DatabaseCopy) -> PsObject:
    name = f"{seen.database}\\{seen.server.partition('.')[0].upper()}"
    props: dict[str, object] = {
        "Identity": _ad_object(name, "Databases"),
        "Name": name,
        "DatabaseName": seen.database,
        "Status": _enum(f"{_DAG_TASKS}.CopyStatus", seen.status),
        "MailboxServer": seen.server,
        "ActiveDatabaseCopy": seen.active_server,
        "ActivationSuspended": seen.activation_suspended,
        "ContentIndexState": _enum(
            "Microsoft.Exchange.Rpc.Cluster.ContentIndexStatusType", seen.content_index
        ),
        "CopyQueueLength": None if seen.copy_queue is None else Int64(seen.copy_queue),
        "ReplayQueueLength": None if seen.replay_queue is None else Int64(seen.replay_queue),
        "OutstandingDumpsterRequests": PsList(f"{_DAG_TASKS}.DumpsterRequestEntry[]", []),
    }
    if seen.active_copy is not None:
        props["ActiveCopy"] = seen.active_copy
    kind = f"{_DAG_TASKS}.DatabaseCopyStatusEntry"
    return _row(origin, (kind, "System.Object"), kind, props)


def database(origin: Origin, seen: models.Database, *, status: bool) -> PsObject:
    """What needs ``-Status`` is nothing without it."""
    replication = f"{_DIRECTORY}.SystemConfiguration.ReplicationType"
    return _row(
        origin,
        (f"{_DIRECTORY}.SystemConfiguration.MailboxDatabase", *_CONFIGURABLE),
        seen.name,
        {
            "Name": seen.name,
            "Recovery": seen.recovery,
            "ReplicationType": _enum(replication, "Remote" if seen.replicated else "None"),
            "Servers": [_ad_object(name) for name in seen.servers],
            "ReplayLagTimes": [
                _lag(name, name in seen.lagged)
                for name in dict.fromkeys((*seen.servers, *seen.lagged))
            ],
            "BackupInProgress": seen.backup_in_progress if status else None,
            "Identity": _ad_object(seen.name, "Databases"),
        },
    )


def _lag(server: str, lagged: bool) -> PsObject:
    """A pair of a copy's server and its replay lag."""
    span = "7.00:00:00" if lagged else "00:00:00"
    kind = f"System.Collections.Generic.KeyValuePair`2[[{_DIRECTORY}.ADObjectId],[TimeSpan]]"
    return PsObject(
        types=(kind, "System.ValueType", "System.Object"),
        text=f"[{server}, {span}]",
        props={
            "Key": _ad_object(server),
            "Value": PsObject(types=("Microsoft.Exchange.Data.EnhancedTimeSpan",), text=span),
        },
    )


def replication_check(origin: Origin, seen: models.ReplicationCheck) -> PsObject:
    kind = "Microsoft.Exchange.Monitoring.ReplicationCheck"
    return _row(
        origin,
        (f"{kind}Outcome", *_CONFIGURABLE),
        f"{kind}Outcome",
        {
            "Server": seen.server,
            "Check": seen.check,
            "CheckDescription": "",
            "Result": PsObject(
                types=(f"{kind}Result", *_CONFIGURABLE),
                text=seen.result,
                props={"Value": seen.result, "Identity": None, "IsValid": True},
            ),
            "Error": seen.error,
            "Identity": None,
            "IsValid": True,
        },
    )


def monitoring_item(origin: Origin, seen: models.MonitoringItem) -> PsObject:
    target = f"\\{seen.target}" if seen.target else ""
    return _row(
        origin,
        (f"{_MONITORING}.MonitoringItemIdentity", *_CONFIGURABLE),
        "",
        {
            "Identity": f"{seen.health_set}\\{seen.name}{target}",
            "ItemType": _enum(f"{_MONITORING}.MonitorItemType", seen.kind),
            "Name": seen.name,
            "HealthSetName": seen.health_set,
            "TargetResource": seen.target,
            "IsValid": True,
            "ObjectState": "New",
        },
    )


def component_state(origin: Origin, server: str, seen: models.ComponentState) -> PsObject:
    kind = f"{_DIRECTORY}.Management.ServerComponentStatePresentationObject"
    details = f"{kind}+RequesterDetails"
    states = [
        PsObject(
            types=(details, "System.Object"),
            text=f"Requestor:{who}; State:{state}; Timestamp:1/5/2026 7:00:00 AM",
            props={"Requester": who, "State": state, "Component": seen.component},
        )
        for who, state in seen.requesters
    ]
    listed = f"System.Collections.Generic.List`1[[{details}]]"
    return _row(
        origin,
        (kind, *_CONFIGURABLE),
        kind,
        {
            "ServerFqdn": server,
            "Component": seen.component,
            "State": _enum("Microsoft.Exchange.Data.ServiceState", seen.state),
            "ServerWideOfflineIsOffline": False,
            "RemoteStates": PsList(listed, states),
            "LocalStates": PsList(listed, states),
            "Identity": _ad_object(server.partition(".")[0]),
        },
    )


def pop_settings(origin: Origin, seen: models.PopSettings) -> PsObject:
    return _row(
        origin,
        (f"{_DIRECTORY}.SystemConfiguration.Pop3AdConfiguration", *_CONFIGURABLE),
        "1",
        {
            "Name": "1",
            "ProtocolName": "POP3",
            "MaxConnectionsPerUser": 16,
            "ProxyTargetPort": 1995,
            "LogFileLocation": seen.log_location,
            "LogFileRollOverSettings": _enum("Microsoft.Exchange.Data.LogFileRollOver", "Hourly"),
            "ProtocolLogEnabled": seen.protocol_log_enabled,
            "UnencryptedOrTLSBindings": _bindings(one for one in seen.bindings if not _tls(one)),
            "SSLBindings": _bindings(filter(_tls, seen.bindings)),
            "Server": _ad_object(seen.server.partition(".")[0]),
        },
    )


def _tls(binding: str) -> bool:
    return binding.endswith(":995")


def _bindings(found: Iterable[str]) -> PsList:
    kind = "Microsoft.Exchange.Data.IPBinding"
    listed = [PsObject(types=(kind, "System.Object"), text=one) for one in found]
    return PsList(f"Microsoft.Exchange.Data.MultiValuedProperty`1[[{kind}]]", listed)

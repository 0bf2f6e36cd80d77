"""The server components that there are."""

from __future__ import annotations

#: Components, with the state they have when nobody set anything.
COMPONENTS = {
    "ServerWideOffline": "Active",
    "HubTransport": "Active",
    "FrontendTransport": "Active",
    "Monitoring": "Active",
    "RecoveryActionsEnabled": "Active",
    "AutoDiscoverProxy": "Active",
    "EwsProxy": "Active",
    "ImapProxy": "Active",
    "MapiProxy": "Active",
    "OwaProxy": "Active",
    "PopProxy": "Active",
    "RpcProxy": "Active",
    "HighAvailability": "Active",
    # These two are inactive on a healthy server.
    "ForwardSyncDaemon": "Inactive",
    "ProvisioningRps": "Inactive",
}
#: Others that servers of newer versions have. They are shown where somebody set them.
OTHER_COMPONENTS = (
    "ActiveSyncProxy",
    "CafeLAMv2",
    "DefaultProxy",
    "E4EProxy",
    "EcpProxy",
    "EdgeTransport",
    "HttpProxyAvailabilityGroup",
    "LogExportProvider",
    "Lsass",
    "MailboxDeliveryProxy",
    "OabProxy",
    "PushNotificationsProxy",
    "RestProxy",
    "RoutingService",
    "RoutingUpdates",
    "RpsProxy",
    "RwsProxy",
    "SharedCache",
    "UMCallRouter",
    "XropProxy",
)
COMPONENT_STATES = ("Active", "Inactive", "Draining")
#: Components that ``ServerWideOffline`` does not take along.
INDEPENDENT_COMPONENTS = frozenset({"Monitoring", "RecoveryActionsEnabled"})

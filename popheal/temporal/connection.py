"""The way to the fleet's server: by Temporal's own environment variables and profiles."""

from __future__ import annotations

from typing import Final

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.service import RPCError, RPCStatusCode

from popheal.errors import ConfigurationError
from popheal.temporal.fleet_keys import fleet_keys
from popheal.temporal.sealing import converter_of

#: Where Temporal's own tools look for a server if nobody says where it is.
_HERE: Final = "localhost:7233"
#: What is said when nobody polls, or what was asked of a worker took too long: by the server, or
#: by the client, where that was the first to have waited long enough.
NO_WORKER: Final = (
    RPCStatusCode.FAILED_PRECONDITION,
    RPCStatusCode.DEADLINE_EXCEEDED,
    RPCStatusCode.CANCELLED,
)
#: What Temporal says where there is no such namespace, and not only no such workflow.
_NO_NAMESPACE: Final = "NamespaceNotFoundFailure"


async def connect() -> Client:
    """Connect, as ``TEMPORAL_ADDRESS``, ``TEMPORAL_NAMESPACE`` and the like say.

    What is sent is encrypted by the first key that the environment gives, if it gives any.

    Raises:
        ConfigurationError: If the server can't be reached, or these make no sense.
    """
    converter = converter_of(fleet_keys())
    where = _HERE
    try:
        options = {"target_host": _HERE, **ClientConfig.load_client_connect_config()}
        where = str(options["target_host"])
        return await Client.connect(**options, data_converter=converter)  # type: ignore[arg-type]
    except (RuntimeError, ValueError, OSError) as error:
        raise ConfigurationError(
            source=f"The Temporal server {where}",
            problem=f"can't be reached: {error}",
            next_step="Set TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE, or start it. Without it a "
            "fleet heals nothing; popheal heal needs none.",
        ) from None


def is_without_namespace(error: RPCError) -> bool:
    """Whether something was not found because the whole namespace is not there."""
    said = error.grpc_status
    return any(one.type_url.endswith(_NO_NAMESPACE) for one in said.details)


async def require_namespace(client: Client) -> None:
    """Raise RPCError if the namespace is not there: a worker would say so less clearly."""
    asked = DescribeNamespaceRequest(namespace=client.namespace)
    await client.workflow_service.describe_namespace(asked)

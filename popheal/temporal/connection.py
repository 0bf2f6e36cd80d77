"""The way to the fleet's server: by Temporal's own environment variables and profiles."""

from __future__ import annotations

import logging
from functools import cache
from typing import Any, Final

from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.envconfig import ClientConfig
from temporalio.exceptions import ApplicationError
from temporalio.runtime import LogForwardingConfig, LoggingConfig, Runtime, TelemetryConfig
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
    options = _options()
    try:
        return await Client.connect(**options, data_converter=converter, runtime=_runtime())
    except (RuntimeError, ValueError, OSError) as error:
        by, also = (" by TLS", "See that it speaks TLS there. ") if options.get("tls") else ("", "")
        raise ConfigurationError(
            source=f"The Temporal server {options['target_host']}",
            problem=f"can't be reached{by}: {error}",
            next_step=f"{also}Set TEMPORAL_ADDRESS and TEMPORAL_NAMESPACE, or start it. Without "
            "it a fleet heals nothing; popheal heal needs none.",
        ) from None


@cache
def _runtime() -> Runtime:
    """One that logs where Python does: by itself it would write in colours on standard error."""
    forwarding = LogForwardingConfig(
        logger=logging.getLogger("temporalio.core"), prepend_target_on_message=False
    )
    logs = LoggingConfig(filter=LoggingConfig.default.filter, forwarding=forwarding)
    return Runtime(telemetry=TelemetryConfig(logging=logs))


def _options() -> dict[str, Any]:
    """What the environment and the profile say. Raises ConfigurationError if it makes no sense."""
    try:
        options: dict[str, Any] = {**ClientConfig.load_client_connect_config()}
    except (RuntimeError, ValueError, OSError) as error:
        raise _unusable(str(error)) from None
    where = options.setdefault("target_host", _HERE)
    if "://" in where:
        raise _unusable(f"the address begins with {where.partition('://')[0]}://, and is HOST:PORT")
    return options


def _unusable(problem: str) -> ConfigurationError:
    return ConfigurationError(
        source="Temporal's settings",
        problem=f"can't be used: {problem}",
        next_step="Mend TEMPORAL_... in the environment, or the profile that it names.",
    )


def is_without_namespace(error: RPCError) -> bool:
    """Whether something was not found because the whole namespace is not there."""
    said = error.grpc_status
    return any(one.type_url.endswith(_NO_NAMESPACE) for one in said.details)


def said_by(cause: BaseException) -> str:
    """Why a healing has not taken what it was told, in its own words: without a class's name."""
    return cause.message if isinstance(cause, ApplicationError) else str(cause)


async def require_namespace(client: Client) -> None:
    """Raise RPCError if the namespace is not there: a worker would say so less clearly."""
    asked = DescribeNamespaceRequest(namespace=client.namespace)
    await client.workflow_service.describe_namespace(asked)

"""Whether another client access server of a site serves POP while one is restarted."""

from __future__ import annotations

from typing import Final

from popheal.engine.context import HealingContext
from popheal.engine.looks.retry import retry_call
from popheal.engine.requests import call
from popheal.errors import BackendError
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import find_service, inactive_components, is_running
from popheal.exchange.models import ServerInfo
from popheal.exchange.names import same_server
from popheal.healthsets.pop.catalog import POP3_FRONT_END
from popheal.healthsets.pop.health import serves_pop

#: Why a server is not restarted where none does.
NONE_SERVES: Final = (
    "no other client access server of its site is seen to serve POP, so clients would be "
    "cut off (policy: reboot_last_of_role)"
)


async def another_serves(session: HealingContext, info: ServerInfo) -> bool:
    """Whether one is seen to. Raises BackendError if the servers can't be listed."""
    for one in await retry_call(session, Backend.all_servers, info.fqdn):
        alike = one.client_access_role and info.site is not None and one.site == info.site
        if alike and not same_server(one.fqdn, info.fqdn) and await _is_serving(one.fqdn):
            return True
    return False


async def _is_serving(server: str) -> bool:
    """Whether a client access server is seen to serve POP now; if it can't be told, it is not.

    Monitors of a service that was never started may say Healthy (D26), so it is looked at itself.
    """
    try:
        host = await call(Backend.host_status, server)
        rows = await call(Backend.server_health, server)
        components = await call(Backend.component_states, server)
        services = await call(Backend.services, server, (POP3_FRONT_END,))
    except BackendError:
        return False
    front_end = find_service(POP3_FRONT_END, services)
    if host.setup_running or front_end is None or not is_running(front_end):
        return False
    serves = serves_pop(server, rows, host.local_time, host.utc_offset)
    return serves and not inactive_components(components)

"""Whether PopProxy is active, and whether it may be made so where it is not."""

from __future__ import annotations

from collections.abc import Iterable

from popheal.engine.context import HealingContext
from popheal.engine.looks.managed_availability import described, recent_actions, under_way
from popheal.engine.looks.retry import retry_call
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import WHOLE_SERVER, find_service
from popheal.exchange.models import ComponentState, ServiceStatus
from popheal.healthsets.pop.catalog import (
    HEALTH_API,
    POP3_FRONT_END,
    POP3_PORTS,
    POP_PROXY_COMPONENT,
)

_ACTIVE = "active"
#: Where POP3 has to listen, so that a probe on the server itself gets an answer.
_LOOPBACK = frozenset({"0.0.0.0", "[::]", "127.0.0.1", "[::1]"})  # noqa: S104 - only compared


def is_active(seen: Iterable[ComponentState]) -> bool:
    """Whether PopProxy is among the components, and active."""
    mine = _find(seen, POP_PROXY_COMPONENT)
    return mine is not None and mine.state.casefold() == _ACTIVE


def is_offline_by_health_api(seen: Iterable[ComponentState]) -> bool:
    """Whether HealthAPI's own entry for PopProxy is Inactive: that of another does not count."""
    mine = _find(seen, POP_PROXY_COMPONENT)
    return mine is not None and any(
        (who.casefold(), state.casefold()) == (HEALTH_API.casefold(), "inactive")
        for who, state in mine.requesters
    )


async def why_not_activate(session: HealingContext, server: str) -> str:
    """Why PopProxy may not be made active in the name of HealthAPI; empty if it may.

    Only where that would help: each requester has an entry of its own, any inactive one wins,
    and only the same requester can lift it. And only where it would not be taken offline again
    at once: where POP3 serves no loopback, the probe on the server fails for ever.

    Args:
        session: The healing.
        server: The server, by its full name.

    Raises:
        BackendError: If it can't be told.
    """
    components = await retry_call(session, Backend.component_states, server)
    services = await retry_call(session, Backend.services, server, (POP3_FRONT_END,))
    return (
        _held_by_others(components)
        or _can_not_start(services)
        or await _acted_upon(session, server)
        or serves_no_loopback((await retry_call(session, Backend.pop_settings, server)).bindings)
    )


def _find(seen: Iterable[ComponentState], name: str) -> ComponentState | None:
    return next((one for one in seen if one.component.casefold() == name.casefold()), None)


def _held_by_others(seen: Iterable[ComponentState]) -> str:
    components = list(seen)
    mine = _find(components, POP_PROXY_COMPONENT)
    if mine is None:
        return "PopProxy is not among the server's components"
    if mine.state.casefold() == _ACTIVE:
        return "PopProxy is active"
    whole = _find(components, WHOLE_SERVER)
    if whole is not None and whole.state.casefold() != _ACTIVE:
        return f"ServerWideOffline is {whole.state}"
    holding = {who.casefold(): who for who, state in mine.requesters if state.casefold() != _ACTIVE}
    if set(holding) != {HEALTH_API.casefold()}:
        named = ", ".join(holding.values()) or "nobody that could be read"
        return f"PopProxy is {mine.state} by {named}, and not by {HEALTH_API} alone"
    return ""


def _can_not_start(services: Iterable[ServiceStatus]) -> str:
    service = find_service(POP3_FRONT_END, services)
    if service is None:
        return f"there is no service {POP3_FRONT_END} on the server"
    return f"{service.name} is Disabled" if service.start_type.casefold() == "disabled" else ""


async def _acted_upon(session: HealingContext, server: str) -> str:
    if not session.policy.heed_managed_availability:
        return ""
    host = await retry_call(session, Backend.host_status, server)
    actions = await recent_actions(session, server, host.local_time)
    acting = under_way(actions, host.local_time, host.boot_time)
    return f"Managed Availability is at work on the server: {described(acting)}" if acting else ""


def serves_no_loopback(bindings: Iterable[str]) -> str:
    """Why the front end's probe could not connect to POP3 on the server; empty if it could."""
    known = [one.strip().rpartition(":") for one in bindings]
    if any(host in _LOOPBACK and port in POP3_PORTS for host, _, port in known):
        return ""
    told = ", ".join(f"{host}:{port}" for host, _, port in known) or "none that could be read"
    return (
        f"POP3 is bound to no loopback address that the probe could connect to ({told}), so "
        "PopProxy would be taken offline again"
    )

"""Restarting a server once, and seeing it and its services come back."""

from __future__ import annotations

from datetime import datetime

from popheal.engine.actions.switchover import why_not_clear, why_not_now
from popheal.engine.context import ActionResult, RunContext
from popheal.engine.limits import check_disruption_limits
from popheal.engine.looks.retry import poll, retry_call
from popheal.engine.requests import Claim, call, try_call
from popheal.errors import NOTHING_DONE, BackendError, NotAuthorised, NotBegun
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import booted_since, find_service, inactive_components, is_running
from popheal.exchange.models import HostStatus, ServiceStatus
from popheal.exchange.names import same_server
from popheal.healthsets.pop.catalog import services_of
from popheal.healthsets.pop.health import is_maintenance, pop_rows, serves_pop
from popheal.reports.reasons import kind_of
from popheal.reports.report import FindingKind
from popheal.util.text import moment

#: What must run again after a reboot if it ran before: POP3 itself, and what it needs to serve
#: and to be probed.
NEEDED_SERVICES = (
    "MSExchangeADTopology",
    "MSExchangeHM",
    "MSExchangeIS",
    "MSExchangeRepl",
    "MSExchangeServiceHost",
)


async def reboot(work: RunContext) -> ActionResult:
    """Deep/SelfTest 5: restart the server, if nothing is active on it at the very last look.

    The command is conditional on the boot time read here, so that it can't work twice. If the
    server has restarted since triage, whoever did it, that counts as the reboot.
    """
    # Written down before a crash, so perhaps commanded: then nothing is certain but the boot time.
    not_done = "could_not_tell" if work.memory.intended else "refused"
    host = await retry_call(work.session, Backend.host_status, work.server)
    if booted_since(work.memory.boot_at_start, host.boot_time):
        work.memory.boot_before = work.memory.boot_at_start
        said = f"it has been restarted meanwhile, at {moment(host.boot_time)}; not repeated"
        return ActionResult("done", said, by_others=True)
    refused = await _why_not(work, host)
    if refused:
        return ActionResult(not_done, f"not attempted: {refused}")
    if not work.memory.intended:
        work.memory.running_before = await _running_now(work)
        work.memory.boot_before = host.boot_time
    await work.intend(
        Backend.reboot,
        host.boot_time,
        command="Restart-Computer",
        booted_at=host.boot_time.isoformat(),
    )
    # The last look comes after everything else, directly before the command.
    if work.info.mailbox_role and (why := await why_not_clear(work)):
        return ActionResult(not_done, f"not attempted: {why}")
    if work.stopped:
        return ActionResult(not_done, "not attempted: a person said stop")
    error = await try_call(Backend.reboot, work.server, host.boot_time)
    moved = isinstance(error, NotBegun) and error.reason == "boot_time"
    if isinstance(error, NOTHING_DONE) and not moved:
        # Somebody else's shutdown is not ours to wait for.
        return ActionResult(not_done, str(error), kind=kind_of(error))
    if error:
        # Even an error may have come after the command had begun to work: the boot time tells.
        return ActionResult("could_not_tell", str(error))
    return ActionResult("done", f"restart commanded; it had booted at {moment(host.boot_time)}")


async def _why_not(work: RunContext, host: HostStatus) -> str | None:
    if host.setup_running:
        return "Exchange Setup is running on the server"
    refusal = await check_disruption_limits(work)
    if refusal:
        return refusal.reason
    why = await _why_maintained(work)
    if why:
        return why
    if work.info.mailbox_role:
        return await why_not_now(work)
    return await _why_last_of_role(work)


async def _why_maintained(work: RunContext) -> str | None:
    """Somebody may have begun to work on the server since triage."""
    seen = await retry_call(work.session, Backend.component_states, work.server)
    for component, who in inactive_components(seen):
        if is_maintenance(component, who):
            return f"{component.component} is {component.state}: somebody works on the server"
    return None


async def _why_last_of_role(work: RunContext) -> str | None:
    """A server without the Mailbox role has no databases to look after, but clients to serve."""
    if work.session.policy.reboot_last_of_role:
        return None
    site = work.info.site
    if await Claim("site", f"client access, {site}"):
        return f"another healing is acting on a client access server of site {site}"
    for one in await retry_call(work.session, Backend.all_servers, work.server):
        alike = one.client_access_role and site is not None and one.site == site
        if not alike or same_server(one.fqdn, work.server):
            continue
        if await _is_serving(one.fqdn):
            return None
    return (
        "no other client access server of its site is seen to serve POP, so clients would be "
        "cut off (policy: reboot_last_of_role)"
    )


async def _is_serving(server: str) -> bool:
    """Whether a client access server is seen to serve POP now; if it can't be told, it is not."""
    try:
        host = await call(Backend.host_status, server)
        rows = await call(Backend.server_health, server)
        components = await call(Backend.component_states, server)
    except BackendError:
        return False
    return serves_pop(server, rows, host.local_time) and not inactive_components(components)


async def _running_now(work: RunContext) -> tuple[str, ...]:
    names = (*services_of("by_role", work.info), *NEEDED_SERVICES)
    seen = await retry_call(work.session, Backend.services, work.server, names)
    return tuple(one.name for one in seen if is_running(one))


async def await_server(work: RunContext) -> ActionResult:
    """Deep/SelfTest 6: the boot time has moved, services run again, health is being evaluated.

    A Manual service that ran before does not come back by itself: it is started, once.
    """
    every = work.timing.reboot_poll
    while True:
        host = await try_call(Backend.host_status, work.server)
        observed = await _come_back(work, host)
        if observed.outcome == "up":
            return observed
        failed = host if isinstance(host, BackendError) else None
        if not await poll(work.session, "boot", work.deadline, every, failed=failed):
            return observed


async def _come_back(work: RunContext, host: HostStatus | BackendError) -> ActionResult:
    if isinstance(host, NotAuthorised):
        # It may well be up: this says nothing about the server.
        return ActionResult("could_not_tell", str(host), kind=kind_of(host))
    if isinstance(host, BackendError):
        return _not_back(f"it does not answer: {host}")
    before = work.memory.boot_before
    if before is None:
        return ActionResult("could_not_tell", "its boot time was not recorded before")
    if not booted_since(before, host.boot_time):
        said = f"it has not gone down: it still runs since {moment(host.boot_time)}"
        return _not_back(said, FindingKind.STUCK)
    work.memory.changed_at = host.boot_time
    try:
        missing = await _services_missing(work)
    except BackendError as error:
        return ActionResult("could_not_tell", str(error))
    if missing:
        return _not_back(f"up, but not running: {', '.join(missing)}")
    if not await _health_is_fresh(work, host.boot_time):
        return ActionResult("could_not_tell", "up, but its monitors have not been evaluated yet")
    return ActionResult("up", f"booted at {moment(host.boot_time)}")


def _not_back(said: str, kind: FindingKind = FindingKind.NOT_BACK) -> ActionResult:
    return ActionResult("not_back", said, kind=kind)


async def _services_missing(work: RunContext) -> list[str]:
    """Those that ran before the reboot and do not run now; each Manual one is started once."""
    wanted = work.memory.running_before
    if not wanted:
        return []
    seen = await call(Backend.services, work.server, wanted)
    missing = []
    for name in wanted:
        service = find_service(name, seen)
        if service and is_running(service):
            continue
        missing.append(name)
        command = f"Start-Service {name}"
        if service and _waits_to_be_started(service) and work.session.progress.count(command) == 1:
            await work.intend(
                Backend.start_service, name, command=command, reason="it ran before the reboot"
            )
            await try_call(Backend.start_service, work.server, name)
    return missing


def _waits_to_be_started(service: ServiceStatus) -> bool:
    return service.state.casefold() == "stopped" and service.start_type.casefold() == "manual"


async def _health_is_fresh(work: RunContext, booted: datetime) -> bool:
    try:
        rows = await call(Backend.server_health, work.server)
    except BackendError:
        return False
    return any(
        row.last_execution and row.last_execution > booted and not row.stale
        for row in pop_rows(work.server, rows)
    )

"""Seeing a server, and its services, come back from a restart."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from popheal.engine.context import ActionResult, RunContext
from popheal.engine.looks.boot import only_its_clock_was_set
from popheal.engine.looks.retry import poll
from popheal.engine.requests import Look, call, try_call
from popheal.errors import BackendError, NotAuthorised
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import (
    WHOLE_SERVER,
    booted_since,
    evaluated_after,
    find_service,
    inactive_components,
    is_running,
    starts_by_itself,
)
from popheal.exchange.models import HostStatus, ServiceStatus
from popheal.healthsets.pop.catalog import (
    HEALTH_MANAGER,
    POP3_BACK_END,
    POP3_FRONT_END,
    POP_PROXY_COMPONENT,
)
from popheal.healthsets.pop.health import pop_rows
from popheal.reports.report import FindingKind
from popheal.util.text import moment

#: The product itself writes these names in several ways, so they are compared without case.
_POP3: Final = frozenset({POP3_FRONT_END.casefold(), POP3_BACK_END.casefold()})


async def await_server(work: RunContext) -> ActionResult:
    """Deep/SelfTest 6: the boot time has moved, services run again, health is being evaluated.

    A service that ran before and does not come back by itself is started, once: one that is
    Manual at once; one of POP3, or the Health Manager where the policy allows it, once it has
    had the time that a service may take.
    """
    deadline = work.deadline
    if work.memory.update_pending:
        deadline = max(deadline, work.timing.update_deadline)
    while True:
        host = await try_call(Backend.host_status, work.server)
        observed = await _look_for_server(work, host)
        if observed.outcome == "up":
            work.memory.up_since = work.session.clock.now()
            return observed
        every = work.timing.reboot_poll
        failed = host if isinstance(host, BackendError) else None
        watch, seen = await _awaited(work, host, observed)
        if not await poll(
            work,
            "boot",
            deadline,
            every,
            what="the restart",
            backs_off=True,
            failed=failed,
            watch=watch,
            seen=seen,
        ):
            return observed


async def _awaited(
    work: RunContext, host: HostStatus | BackendError, observed: ActionResult
) -> tuple[Look[Any] | None, Any]:
    """What has to change for anything to come of another look, and what it is now.

    None where what is done about a service depends on how long the server has been up.
    """
    before = work.memory.boot_before
    if isinstance(host, BackendError) or before is None or not _has_booted(work, before, host):
        return Look(Backend.host_status.__name__, (work.server,)), host
    wanted = work.memory.running_before
    if observed.kind is not FindingKind.NOT_RUNNING or not _has_had_its_time(work, host):
        return None, None
    seen = await try_call(Backend.services, work.server, wanted)  # of this very moment
    if isinstance(seen, BackendError):
        return None, None
    return Look(Backend.services.__name__, (work.server, wanted)), seen


def _has_booted(work: RunContext, before: datetime, host: HostStatus) -> bool:
    return booted_since(before, host.boot_time) and not only_its_clock_was_set(work, host)


def _has_had_its_time(work: RunContext, host: HostStatus) -> bool:
    """Whether a service that starts by itself should have."""
    waited = host.local_time - host.boot_time
    return waited > timedelta(seconds=work.timing.service_deadline)


def _not_back(said: str, kind: FindingKind = FindingKind.NOT_BACK) -> ActionResult:
    return ActionResult("not_back", said, kind=kind)


async def _look_for_server(work: RunContext, host: HostStatus | BackendError) -> ActionResult:
    if isinstance(host, NotAuthorised):
        # Not the server's fault, and no sign that it isn't there.
        said = f"it can't be logged on to: {host}"
        return ActionResult("could_not_tell", said, kind=FindingKind.NOT_AUTHORISED)
    if isinstance(host, BackendError):
        return _not_back(f"it does not answer: {host}")
    before = work.memory.boot_before
    if before is None:
        return ActionResult("could_not_tell", "its boot time was not recorded before")
    if not _has_booted(work, before, host):
        said = f"it has not gone down: it still runs since {moment(host.boot_time)}"
        return _not_back(said, FindingKind.STUCK)
    work.memory.changed_at = host.boot_time
    try:
        missing, by_design = await _services_missing(work, host)
    except BackendError as error:
        return ActionResult("could_not_tell", str(error))
    if missing:
        kind = FindingKind.COMPONENT_INACTIVE if by_design else FindingKind.NOT_RUNNING
        return _not_back(f"up, but not running: {', '.join(missing)}{by_design}", kind)
    if not await _health_is_fresh(work, host):
        return ActionResult("could_not_tell", "up, but its monitors have not been evaluated yet")
    return ActionResult("up", f"booted at {moment(host.boot_time)}{_started(work)}")


async def _services_missing(work: RunContext, host: HostStatus) -> tuple[list[str], str]:
    """Those that ran before the reboot and do not run now, in words; some are started.

    And why the front end is not: with PopProxy inactive it stops by design.
    """
    wanted = work.memory.running_before
    if not wanted:
        return [], ""
    seen = await call(Backend.services, work.server, wanted)
    missing, by_design = [], ""
    for name in wanted:
        service = find_service(name, seen)
        if service and is_running(service):
            continue
        missing.append(_in_words(work, name, service))
        reason = _why_to_start(work, service, host) if service else ""
        if reason and name.casefold() == POP3_FRONT_END.casefold():
            by_design = await _why_it_stops(work)
            if by_design:
                continue
        command = f"Start-Service {name}"
        if reason and work.session.progress.count(command) == 1:
            await work.intend(Backend.start_service, name, command=command, reason=reason)
            await try_call(Backend.start_service, work.server, name)
    return missing, by_design


async def _why_it_stops(work: RunContext) -> str:
    """Why a front end that was started would stop again; empty if it would not."""
    seen = await call(Backend.component_states, work.server)
    names = (WHOLE_SERVER, POP_PROXY_COMPONENT.casefold())
    off = [one for one in inactive_components(seen) if one[0].component.casefold() in names]
    said = "".join(
        f"; {one.component} is Inactive" + (f" ({', '.join(who)})" if who else "")
        for one, who in off
    )
    return f"{said}: with that the front end stops by design" if said else ""


def _in_words(work: RunContext, name: str, service: ServiceStatus | None) -> str:
    said = f"{name} ({service.state}, {service.start_type})" if service else name
    if _is_health_manager(name) and not work.session.policy.start_health_manager:
        return f"{said}, which popheal may not start (policy: start_health_manager)"
    return said


def _is_health_manager(name: str) -> bool:
    return name.casefold() == HEALTH_MANAGER.casefold()


def _why_to_start(work: RunContext, service: ServiceStatus, host: HostStatus) -> str:
    """Why a service that ran before the reboot is to be started; empty if it is not."""
    if service.state.casefold() != "stopped":
        return ""
    if service.start_type.casefold() == "manual":
        return "it ran before the reboot"
    ours = service.name.casefold() in _POP3 or (
        _is_health_manager(service.name) and work.session.policy.start_health_manager
    )
    if not ours or not starts_by_itself(service) or not _has_had_its_time(work, host):
        return ""
    return "it ran before the reboot, and did not start by itself after it"


def _started(work: RunContext) -> str:
    """Which services had to be started, and why."""
    started = [
        f"; {command.removeprefix('Start-Service ')} had to be started: {details['reason']}"
        for command, details in work.memory.intended.items()
        if command.startswith("Start-Service ")
    ]
    return "".join(started)


async def _health_is_fresh(work: RunContext, host: HostStatus) -> bool:
    try:
        rows = await call(Backend.server_health, work.server)
    except BackendError:
        return False
    return any(
        not row.stale and evaluated_after(row, host.boot_time, host.utc_offset)
        for row in pop_rows(work.server, rows)
    )

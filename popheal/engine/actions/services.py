"""Restarting the POP3 services, and seeing that it happened."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from attrs import evolve

from popheal.engine.context import ActionResult, RunContext
from popheal.engine.looks.retry import poll, retry_call
from popheal.engine.requests import Look, try_call
from popheal.errors import NOTHING_DONE, BackendError, OutcomeUnknown
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import find_service, is_running, is_stopping, starts_by_itself
from popheal.exchange.models import ServiceStatus
from popheal.healthsets.pop.catalog import POP3_FRONT_END, services_of
from popheal.reports.reasons import kind_of
from popheal.reports.report import FindingKind
from popheal.tables.actions import BY_ROLE
from popheal.tables.debts import DebtKind

_NOT_ATTEMPTED: Final = "not attempted: "


async def restart_service(work: RunContext) -> ActionResult:
    """Step 1 of each section, on the alert's server only (D17)."""
    action = work.run.next_action()
    which = action.argument if action else BY_ROLE
    restarted: list[ActionResult] = []
    for service in services_of(which, work.info):
        observed = await _restart(work, service)
        if observed.outcome in ("refused", "could_not_tell"):
            return _cut_short(observed, restarted)
        restarted.append(observed)
    # That a service was restarted is all there is to say, unless it had not been running.
    notable = [one for one in restarted if one.outcome == "failed"] or [
        one for one in restarted if one.kind
    ]
    if notable:
        return evolve(notable[-1], detail="; ".join(one.detail for one in restarted))
    return ActionResult("done", "restarted")


def _cut_short(observed: ActionResult, restarted: Sequence[ActionResult]) -> ActionResult:
    """One of two services was not restarted; what was done to the other one has been done."""
    if not restarted:
        return observed
    done = "; ".join(one.detail for one in restarted)
    why = observed.detail.removeprefix(_NOT_ATTEMPTED)
    said = f"{done}; but {why}: whether that is enough can't be told"
    return ActionResult("could_not_tell", said, kind=observed.kind)


async def reload_pop3(work: RunContext) -> ActionResult:
    """CTP 7: restart the front end so that the restored logging setting takes effect."""
    if work.run.owed(DebtKind.PROTOCOL_LOGGING) is None:
        return ActionResult("done", "no setting was changed, so no restart is needed")
    return await _restart(work, POP3_FRONT_END)


async def _restart(work: RunContext, service: str) -> ActionResult:
    before = await retry_call(work.session, Backend.services, work.server, (service,))
    old = find_service(service, before)
    command = f"Restart-Service {service}"
    if old and (intended := work.memory.intended.get(command)):
        # Commanded, perhaps, before a crash: look first; only if it was not, command it (again).
        seen = await _see_restarted(work, _as_it_was(old, intended), None)
        # One that ran, and runs no more, was restarted in vain.
        commanded = seen.outcome == "failed" and intended["running"]
        if commanded or seen.outcome in ("done", "could_not_tell"):
            return seen
    if old is None:
        said = f"{_NOT_ATTEMPTED}there is no service {service} on the server"
        return ActionResult("refused", said)
    if old.start_type.casefold() == "disabled":
        said = f"{_NOT_ATTEMPTED}{old.name} is Disabled, so it would not start"
        return ActionResult("refused", said, kind=FindingKind.SWITCHED_OFF)
    await work.intend(
        Backend.restart_service,
        service,
        command=command,
        process_id=old.process_id,
        started_at=old.started_at.isoformat() if old.started_at else None,
        running=is_running(old),
    )
    error = await try_call(Backend.restart_service, work.server, service)
    if isinstance(error, NOTHING_DONE):
        return ActionResult("refused", str(error), kind=kind_of(error))
    return await _see_restarted(work, old, error)


async def _see_restarted(
    work: RunContext, old: ServiceStatus, error: BackendError | None
) -> ActionResult:
    """Look until the service runs as a new process; the command's return proves nothing."""
    why = f" ({error})" if error else ""
    was = _what_was_wrong(old)
    every = work.timing.service_poll
    while True:
        seen = await try_call(Backend.services, work.server, (old.name,))
        failed = seen if isinstance(seen, BackendError) else None
        now = None if isinstance(seen, BackendError) else find_service(old.name, seen)
        if now and is_running(now) and not _same_process(old, now):
            work.memory.changed_at = now.started_at
            said = f"{old.name} {was}runs as process {now.process_id}{why}"
            return ActionResult("done", said, kind=FindingKind.NOT_RUNNING if was else None)
        watch = Look[Any](Backend.services.__name__, (work.server, (old.name,)))
        if not await poll(
            work,
            old.name,
            work.deadline,
            every,
            what=old.name,
            failed=failed,
            watch=watch,
            seen=seen,
        ):
            break
    if now is None:
        said = f"{old.name} could not be looked at{why}{f': {failed}' if failed else ''}"
        return ActionResult("could_not_tell", said, kind=kind_of(failed) if failed else None)
    if is_running(now):
        # A restart whose answer was lost may still arrive.
        outcome = "could_not_tell" if isinstance(error, OutcomeUnknown) else "refused"
        return ActionResult(outcome, f"{old.name} is still the same process, not restarted{why}")
    if is_stopping(now):
        return ActionResult("could_not_tell", _stuck(work, now, why), kind=FindingKind.STUCK)
    said = f"{old.name} is {now.state} after the restart{why}"
    return ActionResult("failed", said, kind=FindingKind.NOT_RUNNING)


def _what_was_wrong(old: ServiceStatus) -> str:
    """Why a restart is right for a reason: a service that starts by itself, and does not run."""
    if is_running(old) or not starts_by_itself(old):
        return ""
    return f"was {old.state}, although it starts by itself ({old.start_type}); it was started and "


def _stuck(work: RunContext, service: ServiceStatus, why: str) -> str:
    """What a person is told of a service that never stops. Its process is never ended by us."""
    process = service.process_id
    said = f"{service.name} is stuck in {service.state} since its restart was commanded{why}"
    if process is None:
        return f"{said}; its process id was not told"
    return (
        f"{said}; it is process {process}. To end it, on {work.server}: "
        f"Stop-Process -Id {process} -Force; then Start-Service {service.name}"
    )


def _as_it_was(now: ServiceStatus, intended: Mapping[str, Any]) -> ServiceStatus:
    """The service before the restart that was written down."""
    started = intended["started_at"]
    return evolve(
        now,
        state="Running" if intended["running"] else "Stopped",
        process_id=intended["process_id"],
        started_at=datetime.fromisoformat(started) if started else None,
    )


def _same_process(old: ServiceStatus, new: ServiceStatus) -> bool:
    """Unless it is seen that it is another one: another process, or another start."""
    if not is_running(old):
        return False
    if old.process_id != new.process_id:
        return old.process_id is None or new.process_id is None
    if old.started_at is None or new.started_at is None:
        return True
    return old.started_at == new.started_at

"""Before anything is disrupted: will what is needed after the restart be there?

After a boot popheal waits until the server is seen to be well, by its boot time, its services, and
rows that tell when they were evaluated; and it puts a drained server back only once a probe of its
mailbox side, run by hand, has succeeded. Where one of these can't be had now, it can't be had then,
and the server would stay out of service for no reason of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from popheal.engine.context import RunContext
from popheal.engine.limits import Refusal
from popheal.engine.looks.retry import retry_call
from popheal.engine.requests import try_call
from popheal.errors import BackendError, CommandFailed, Unreadable
from popheal.exchange.backend import Backend
from popheal.exchange.models import HostStatus, MonitorHealth
from popheal.exchange.moments import possible_moments
from popheal.healthsets.pop.catalog import (
    MAILBOX_SIDE_HEALTH_SET,
    MAILBOX_SIDE_PROBES,
    services_of,
)
from popheal.healthsets.pop.health import pop_rows
from popheal.reports.report import FindingKind

#: Results of a probe that came of its running: so it can be run by hand.
_IT_RAN: Final = {"succeeded", "failed", "timeout"}


async def why_wait_would_fail(work: RunContext, host: HostStatus) -> Refusal | None:
    """Whether the wait for the server could never see that it is back.

    Raises:
        BackendError: If services or rows can't be read.
    """
    await retry_call(work.session, Backend.services, work.server, services_of("by_role", work.info))
    rows = await retry_call(work.session, Backend.server_health, work.server)
    mine = pop_rows(work.server, rows)
    if any(tells_when(row, host.utc_offset) for row in mine):
        return None
    seen = next((row.last_execution_text for row in mine if row.last_execution_text), "nothing")
    return Refusal(
        FindingKind.NO_PROOF,
        "no row of the POP health sets says in a readable way when it was last evaluated "
        f"(LastExecutionTime: {seen}), so after a restart nothing would show that the monitors "
        "have looked again",
        next_step="See that Get-ServerHealth gives LastExecutionTime with a time zone, or that "
        "the server tells its time zone, and that MSExchangeHM runs there.",
    )


def tells_when(row: MonitorHealth, utc_offset: float | None) -> bool:
    """Whether a row says when it was evaluated, if only by a time that has several readings."""
    if row.stale:
        return False
    return bool(row.last_execution or possible_moments(row.last_execution_text, utc_offset))


async def why_no_proof(work: RunContext) -> Refusal | None:
    """Find out which probes of the mailbox side can be run by hand, and remember them.

    Where the failing monitor's own probe is one of them, it has just been run, and decides after
    the restart; the other one is then asked only if that one can't tell, so it isn't tried before.

    Raises:
        BackendError: If it can't be told.
    """
    named = await _probes_that_exist(work)
    own = [one for one in named if _has_just_run(work, one)]
    unclear: BackendError | None = None
    refused, runnable = [], []
    for probe in [] if own else named:
        error = await _why_not_runnable(work, probe)
        if error is None:
            runnable.append(probe)
        elif isinstance(error, CommandFailed):
            refused.append(f"{probe}: {error.cause}")
        else:
            unclear = error
    work.memory.proof_probes = tuple(named if own else runnable)
    if work.memory.proof_probes:
        return None
    if unclear:
        raise unclear
    said = "; ".join(refused) or "Get-MonitoringItemIdentity lists none of them"
    return Refusal(
        FindingKind.NO_PROOF,
        "no probe of its mailbox side can be run by hand, so after a restart nothing could prove "
        f"that its databases may come back, and it would stay drained ({said})",
        next_step="See by Get-MonitoringItemIdentity -Identity POP.Protocol which probes there "
        "are, and by Invoke-MonitoringProbe which of them can be run.",
    )


async def _probes_that_exist(work: RunContext) -> Sequence[str]:
    """Those that are listed; all that are known where the list can't be read: a run will tell."""
    listed = await try_call(Backend.monitoring_items, work.server, MAILBOX_SIDE_HEALTH_SET)
    if isinstance(listed, BackendError):
        return MAILBOX_SIDE_PROBES
    names = {one.name.casefold() for one in listed if one.kind.casefold() == "probe"}
    return [one for one in MAILBOX_SIDE_PROBES if one.rpartition("\\")[2].casefold() in names]


async def _why_not_runnable(work: RunContext, probe: str) -> BackendError | None:
    """None if a run of it shows that it can be run; else what was seen instead.

    The cmdlet's own error says that it can't; a probe that was poisoned, quarantined or rejected
    says neither.
    """
    result = await try_call(Backend.invoke_probe, work.server, probe)
    if isinstance(result, BackendError):
        return result
    if _has_run(result.result):
        return None
    return Unreadable(
        server=work.server,
        command="Invoke-MonitoringProbe",
        cause=f"{probe}: {result.result} {result.error}".rstrip(),
        next_step="Look by hand whether the probe can be run there.",
    )


def _has_just_run(work: RunContext, probe: str) -> bool:
    """Whether it was run by hand in this run already, and failed."""
    last = work.memory.last_probe
    return bool(last and last.probe.casefold() == probe.casefold() and _has_run(last.result))


def _has_run(result: str) -> bool:
    return result.casefold() in _IT_RAN

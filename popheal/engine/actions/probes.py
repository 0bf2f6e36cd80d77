"""Rerunning probes and reading monitors: the observations that decide."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from popheal.engine.actions.futility import weigh
from popheal.engine.context import ActionResult, RunContext
from popheal.engine.looks.deep_test import NO_DATABASE, had_nothing_to_test, has_active, is_deep
from popheal.engine.looks.probe import run_probe
from popheal.engine.looks.retry import again, retry_call
from popheal.engine.requests import Look, Pause, Watch, call
from popheal.errors import BackendError
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import same_boot, value_since
from popheal.exchange.models import MonitorHealth, ProbeResult
from popheal.healthsets.pop.catalog import MAILBOX_SIDE_PROBES
from popheal.healthsets.pop.health import is_row_of, pop_rows
from popheal.reports.events import Pausing
from popheal.reports.report import FindingKind
from popheal.tables.actions import PROBE_MAILBOX_SIDE, Action
from popheal.tables.debts import DebtKind
from popheal.util.text import moment

_FAILURES: Final = ("failed", "timed_out")


async def probe(work: RunContext) -> ActionResult:
    """Verifying 2.3: rerun the monitor's probe, or those of the mailbox side.

    After a restart of the server one that does not succeed is repeated, until POP has had the
    time to come up that the policy gives it.
    """
    action = work.run.next_action()
    mailbox_side = action is not None and action.argument == PROBE_MAILBOX_SIDE.argument
    while True:
        observed, result = await (_mailbox_side(work) if mailbox_side else _own(work))
        if observed.outcome == "succeeded" or not await _is_patient(work, action, result):
            break
    if mailbox_side or observed.outcome not in _FAILURES:
        return observed
    if not work.memory.up_since:
        if await had_nothing_to_test(work.server, result):
            said = f"{observed.detail}; {NO_DATABASE}"
            return ActionResult("could_not_tell", said, kind=FindingKind.COULD_NOT_TELL)
        work.memory.last_probe = result
    elif await _has_nothing_to_test(work, result):
        return ActionResult(
            "could_not_tell",
            f"{observed.detail}; before the restart it failed with other words, and with no "
            "database active here it may have nothing to test",
            kind=FindingKind.COULD_NOT_TELL,
        )
    return await weigh(work, observed, (result.error, result.exception) if result else ())


async def _is_patient(work: RunContext, action: Action | None, seen: ProbeResult | None) -> bool:
    """After a pause: whether POP may still be coming up after a restart of the server.

    Args:
        work: The run.
        action: The action that probes.
        seen: What the probe has said just now, where it is a single one.
    """
    if action is None or not action.deadline or work.session.stop_requested:
        return False
    now = work.session.clock.now()
    if work.memory.up_since is None:
        work.memory.up_since = now
    until = work.memory.up_since + timedelta(seconds=work.deadline)
    left = (until - now).total_seconds()
    if left <= 0:
        return False
    work.emit(Pausing, what="POP to come up", seconds=left, most=work.deadline)
    watch = None
    if seen is not None and work.monitor.probe:
        # That it says anything else ends the pause, and proves nothing: it is run again.
        probing = Look[Any](Backend.invoke_probe.__name__, (work.server, work.monitor.probe))
        watch = Watch(look=probing, seen=seen, left=left)
    await Pause(min(work.timing.probe_pause, left), watch)
    return True


_Probed = tuple[ActionResult, ProbeResult | None]


async def _own(work: RunContext) -> _Probed:
    """The probe of the failing monitor."""
    identity = work.monitor.probe
    if identity is None:
        said = f"{work.monitor.name} has no probe to rerun"
        return ActionResult("could_not_tell", said), None
    return await _run(work, identity)


async def _mailbox_side(work: RunContext) -> _Probed:
    """Those of the mailbox side that can be run by hand, until one succeeds."""
    outcomes, details = set(), []
    for identity in work.memory.proof_probes or MAILBOX_SIDE_PROBES:
        observed, result = await _run(work, identity)
        if observed.outcome == "succeeded":
            return observed, result
        outcomes.add(observed.outcome)
        details.append(observed.detail)
    failed = outcomes.intersection(_FAILURES)
    outcome = "failed" if failed else "could_not_tell"
    return ActionResult(outcome, "; ".join(details), kind=FindingKind.NO_PROOF), None


async def _run(work: RunContext, identity: str) -> _Probed:
    """Run a probe; while the server is drained, a success counts only for the boot it was seen on.

    The boot time is read before and after, and both must agree. Only a probe of the mailbox side
    says that databases may come back, and only until one of them fails.
    """
    drained = work.run.owed(DebtKind.ACTIVATION_DISABLED) is not None
    before = await _boot_time(work) if drained else None
    observed, result = await run_probe(work.session, work.server, identity)
    proves = identity in MAILBOX_SIDE_PROBES
    if observed.outcome != "succeeded":
        if proves and observed.outcome in _FAILURES:
            work.memory.passed_on_boot = None
        return observed, result
    if drained:
        after = await _boot_time(work)
        if before is None or after is None or not same_boot(before, after):
            said = "the server's boot time changed or was not readable"
            return ActionResult("could_not_tell", said), result
        if proves:
            work.memory.passed_on_boot = after
    return observed, result


async def _boot_time(work: RunContext) -> datetime | None:
    try:
        return (await retry_call(work.session, Backend.host_status, work.server)).boot_time
    except BackendError:
        return None


#: What may differ between two texts that say the same: numbers, ids, times.
_VARIES: Final = re.compile(r"[0-9a-f]{4,}|\d+", re.IGNORECASE)


async def _has_nothing_to_test(work: RunContext, result: ProbeResult | None) -> bool:
    """Whether a deep test may have failed for want of an active database (erratum D24).

    Not if it says the same as before the restart of the server: then it is the same fault.
    """
    before = work.memory.last_probe
    if result is None or not is_deep(result) or before is None:
        return False
    return _words(before) != _words(result) and not await has_active(work.server)


def _words(result: ProbeResult) -> str:
    return _VARIES.sub("", f"{result.error} {result.exception}").casefold()


async def check_health(work: RunContext) -> ActionResult:
    """CommandTime 2 and 4: the monitor's own row, evaluated since the last restart (D16)."""
    while True:
        try:
            rows = await call(Backend.server_health, work.server)
            mine = [row for row in pop_rows(work.server, rows) if is_row_of(work.monitor, row)]
            value = value_since(mine, work.memory.changed_at, await _utc_offset(work, mine))
        except BackendError as error:
            why = str(error)
        else:
            why = "; ".join(
                f"{row.monitor} is {row.alert_value}, evaluated "
                f"{moment(row.last_execution) if row.last_execution else row.last_execution_text}"
                for row in mine
            )
            if value == "healthy":
                return ActionResult(value, why)
            if value == "unhealthy":
                said = [row.error for row in mine]
                return await weigh(work, ActionResult(value, why), said)
        if not await again(work.session, "health"):
            break
    return ActionResult("could_not_tell", why or f"there is no row of {work.monitor.name}")


async def _utc_offset(work: RunContext, rows: Sequence[MonitorHealth]) -> float | None:
    """The server's zone, where a row has a time without one; raises BackendError."""
    if all(row.last_execution or not row.last_execution_text for row in rows):
        return None
    return (await call(Backend.host_status, work.server)).utc_offset

"""Rerunning probes and reading monitors: the observations that decide."""

from __future__ import annotations

from datetime import datetime

from popheal.engine.context import ActionResult, RunContext
from popheal.engine.looks.probe import run_probe
from popheal.engine.looks.retry import again, retry_call
from popheal.engine.requests import call
from popheal.errors import BackendError
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import same_boot, value_since
from popheal.healthsets.pop.catalog import SELF_TEST_PROBE
from popheal.healthsets.pop.health import is_row_of, pop_rows
from popheal.tables.debts import DebtKind
from popheal.util.text import moment


async def probe(work: RunContext) -> ActionResult:
    """Verifying 2.3: rerun the monitor's probe, or the one that the state names.

    While the server is drained, a success counts only for the boot it was seen on: the boot
    time is read before and after, and both must agree.
    """
    action = work.run.next_action()
    identity = SELF_TEST_PROBE if action and action.argument else work.monitor.probe
    if identity is None:
        return ActionResult("could_not_tell", f"{work.monitor.name} has no probe to rerun")
    drained = work.run.owed(DebtKind.ACTIVATION_DISABLED) is not None
    before = await _boot_time(work) if drained else None
    observed, result = await run_probe(work.session, work.server, identity)
    if observed.outcome == "failed":
        work.memory.last_probe = result
    if observed.outcome == "succeeded" and drained:
        after = await _boot_time(work)
        if before is None or after is None or not same_boot(before, after):
            return ActionResult(
                "could_not_tell", "the server's boot time changed or was not readable"
            )
        work.memory.passed_on_boot = after
    return observed


async def _boot_time(work: RunContext) -> datetime | None:
    try:
        return (await retry_call(work.session, Backend.host_status, work.server)).boot_time
    except BackendError:
        return None


async def check_health(work: RunContext) -> ActionResult:
    """CommandTime 2 and 4: the monitor's own row, evaluated since the last restart (D16)."""
    while True:
        try:
            rows = await call(Backend.server_health, work.server)
        except BackendError as error:
            why = str(error)
        else:
            mine = [row for row in pop_rows(work.server, rows) if is_row_of(work.monitor, row)]
            value = value_since(mine, work.memory.changed_at)
            why = "; ".join(
                f"{row.monitor} is {row.alert_value}, evaluated {moment(row.last_execution)}"
                for row in mine
            )
            if value in ("healthy", "unhealthy"):
                return ActionResult(value, why)
        if not await again(work.session, "health"):
            break
    return ActionResult("could_not_tell", why or f"there is no row of {work.monitor.name}")

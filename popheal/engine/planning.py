"""From an alert to a plan: triage, and a look at the state from which healing would start."""

from __future__ import annotations

from functools import partial

from popheal.engine.activation import look_at_pop_proxy
from popheal.engine.context import HealingContext
from popheal.engine.healing import triage_only
from popheal.engine.looks.server_state import look_for_plan
from popheal.engine.plan import Plan, plan_run
from popheal.errors import BackendError
from popheal.reports.report import Alert


async def plan_only(session: HealingContext, alert: Alert) -> Plan:
    """Verify, and say what healing could do from here.

    Raises:
        UnknownName: If the organisation has no such server.
    """
    triage, report = await triage_only(session, alert)
    if triage.verdict:
        await look_at_pop_proxy(session, triage)
    if triage.info is None or not triage.failing:
        return Plan(report=report)
    try:
        seen = await look_for_plan(session, triage.info.fqdn)
        planned = partial(
            plan_run,
            facts=seen.facts,
            moves=seen.moves,
            notes=seen.notes,
            obstacles=seen.obstacles,
        )
    except BackendError as error:
        planned = partial(plan_run, facts=None, problem=str(error))
    monitors = {
        triage.procedure or monitor.procedure: monitor for monitor in reversed(triage.failing)
    }
    return Plan(
        report=report,
        runs=tuple(
            planned(
                table,
                server=triage.info.fqdn,
                monitor=monitors[table.name].name,
                mailbox_role=triage.info.mailbox_role,
                policy=session.policy,
            )
            for table in session.procedures.values()
            if table.name in monitors
        ),
    )

"""Rerunning the probes of unhealthy monitors, and heeding what they say (Verifying 2.1 to 2.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from popheal.engine.looks.deep_test import NO_DATABASE, had_nothing_to_test
from popheal.engine.looks.probe import run_probe
from popheal.engine.looks.retry import retry_call
from popheal.engine.triage.monitor_blockers import half_enabled
from popheal.engine.triage.triage_context import Stop, TriageContext
from popheal.engine.triage.words import (
    TIMED_OUT,
    cause_in,
    message_details,
    restart_only,
    stop_for,
)
from popheal.errors import BackendError
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import backends_named_in, value_since
from popheal.exchange.models import MonitorHealth, ProbeResult
from popheal.exchange.names import same_server
from popheal.healthsets.pop.catalog import Monitor
from popheal.healthsets.pop.causes import Cause, Helps
from popheal.healthsets.pop.health import EVALUATED_WITHIN, is_row_of, pop_rows
from popheal.reports.report import Finding, FindingKind
from popheal.tables.table import Verdict
from popheal.util.text import moment

if TYPE_CHECKING:
    from popheal.engine.triage.triage import Triage

_BY_HAND = (
    "Look by hand whether POP works there. Get-MonitoringItemIdentity lists the probes that exist."
)
_BY_ITS_ROW = (
    "Compare the row's LastExecutionTime (Get-ServerHealth, in a shell on that server) with the "
    "server's clock: only a row of the last half hour says that POP is slow now."
)


async def verify(context: TriageContext, result: Triage, stops: dict[str, Stop]) -> None:
    """Verifying 2.3 and 2.4: rerun the probe of each unhealthy monitor that may be healed."""
    for monitor in context.suspects:
        if monitor.name in stops:
            continue
        outcome, detail, said = await _verify_one(context, monitor)
        finding = _finding_of(context, monitor, outcome, detail)
        context.findings.append(finding)
        if finding.kind is FindingKind.COULD_NOT_TELL:
            stops[monitor.name] = finding, Verdict.UNKNOWN
        elif finding.kind is FindingKind.VERIFIED:
            told = message_details(context, monitor, said)
            if stop := _own_back_end_is_off(context, monitor, told):
                stops[monitor.name] = stop
                continue
            _heed(context, result, monitor, cause_in(context.session, told), stops)
            if outcome == "timed_out" and monitor.name not in stops:
                result.no_disruption.setdefault(monitor.name, TIMED_OUT)
    result.failing = [
        monitor
        for monitor in context.suspects
        if monitor.name not in stops and _is_verified(context, monitor)
    ]
    if result.failing:
        names = ", ".join(monitor.name for monitor in result.failing)
        result.summary = f"{names} verified to fail"
        return
    first = next((stops[one.name] for one in context.suspects if one.name in stops), None)
    if first is None:
        result.end(Verdict.TRANSIENT, None, "the probes succeed: a transient error, gone by now")
        return
    finding, verdict = first
    unclear = verdict is Verdict.UNKNOWN
    said_so = f"the fault could not be verified: {finding.detail}" if unclear else finding.detail
    result.end(verdict, None, said_so)


def _own_back_end_is_off(
    context: TriageContext, monitor: Monitor, told: Sequence[str]
) -> Stop | None:
    """The end-to-end test was passed on to this server's own back end, which is switched off.

    No restart of the front end starts that. Where another server is named, or none, the way of
    the runbook goes on: this server's back end may be off for good reasons.
    """
    named = [name for text in told for name in backends_named_in(text)]
    own = bool(named) and all(same_server(name, context.info.fqdn) for name in named)
    if not monitor.through_back_end or not own or not context.info.mailbox_role:
        return None
    return half_enabled(context)


def _is_verified(context: TriageContext, monitor: Monitor) -> bool:
    return any(
        one.kind is FindingKind.VERIFIED and one.monitor == monitor.name for one in context.findings
    )


def _finding_of(context: TriageContext, monitor: Monitor, outcome: str, detail: str) -> Finding:
    """What a probe's outcome means. A hang is what a restart cures, so it is a fault."""
    kinds = {
        "failed": FindingKind.VERIFIED,
        "timed_out": FindingKind.VERIFIED,
        "succeeded": FindingKind.TRANSIENT,
    }
    kind = kinds.get(outcome, FindingKind.COULD_NOT_TELL)
    hangs = "the probe times out, which looks like a hang: " if outcome == "timed_out" else ""
    return context.note(
        kind,
        f"{hangs}{detail or outcome}",
        (_BY_HAND if monitor.probe else _BY_ITS_ROW) if kind is FindingKind.COULD_NOT_TELL else "",
        monitor,
    )


def _heed(
    context: TriageContext,
    result: Triage,
    monitor: Monitor,
    cause: Cause | None,
    stops: dict[str, Stop],
) -> None:
    """Do, or leave, what follows from the cause that the message details name."""
    if cause is None:
        return
    if cause.helps is Helps.NOTHING:
        stop = stop_for(cause, context.info.fqdn, monitor.name)
        stops[monitor.name] = stop
        context.findings.append(stop[0])
        return
    kind = FindingKind.NOTE
    if cause.helps is Helps.SERVICE_RESTART:
        kind = FindingKind.CAUSE
        result.no_disruption[monitor.name] = restart_only(cause)
    said = f"{cause.name}: {cause.says}"
    context.findings.append(context.note(kind, said, cause.next_step, monitor))


async def _verify_one(
    context: TriageContext, monitor: Monitor
) -> tuple[str, str, ProbeResult | None]:
    if monitor.probe:
        observed, said = await run_probe(context.session, context.info.fqdn, monitor.probe)
        if observed.outcome == "failed" and await had_nothing_to_test(context.info.fqdn, said):
            return "could_not_tell", f"{observed.detail}; {NO_DATABASE}", said
        return observed.outcome, observed.detail, said
    # D6: no probe says anything about command times; the row itself is read once more.
    try:
        rows = await retry_call(context.session, Backend.server_health, context.info.fqdn)
    except BackendError as error:
        return "could_not_tell", str(error), None
    mine = [row for row in pop_rows(context.info.fqdn, rows) if is_row_of(monitor, row)]
    value = value_since(mine, context.server_time - EVALUATED_WITHIN, context.utc_offset)
    outcome = {"unhealthy": "failed", "healthy": "succeeded"}.get(value, "could_not_tell")
    told = ", ".join(f"{row.alert_value}, evaluated {_evaluated(row)}" for row in mine)
    return outcome, f"{monitor.name} is {told or 'not there'}", None


def _evaluated(row: MonitorHealth) -> str:
    """When a row was evaluated, as well as it is known."""
    if row.last_execution or not row.last_execution_text:
        return moment(row.last_execution)
    return f"{row.last_execution_text} (without a time zone)"

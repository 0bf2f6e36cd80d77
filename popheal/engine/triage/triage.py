"""Triage, step by step: read the health sets, apply the blockers, rerun the probes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from attrs import define, field

from popheal.engine.context import HealingContext
from popheal.engine.looks.probe import run_probe
from popheal.engine.looks.retry import retry_call
from popheal.engine.requests import Pause, try_call
from popheal.engine.triage.blockers import MONITOR_BLOCKERS, SERVER_BLOCKERS
from popheal.engine.triage.health import Rows, describe, sort_rows
from popheal.engine.triage.monitor_blockers import half_enabled
from popheal.engine.triage.server_blockers import component_states
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
from popheal.exchange.interpret import is_running, value_since
from popheal.exchange.models import (
    HostStatus,
    MailboxServer,
    MonitorHealth,
    ProbeResult,
    ServerInfo,
    ServiceStatus,
)
from popheal.healthsets.pop.catalog import (
    HEALTH_MANAGER,
    POP3_BACK_END,
    POP3_FRONT_END,
    Monitor,
)
from popheal.healthsets.pop.causes import Cause, Helps
from popheal.healthsets.pop.health import EVALUATED_WITHIN, is_row_of, pop_rows
from popheal.reports.report import Finding, FindingKind
from popheal.tables.table import Verdict
from popheal.util.text import moment


@define(kw_only=True)
class Triage:
    """What triage found on one server.

    Attributes:
        server: Fully qualified name, or as given if the server could not be asked.
        verdict: How it ends here; None if there is a verified fault to heal.
        blind: The server's health could not be read at all.
        summary: One sentence for people.
        failing: The monitors whose failure was verified, in the order of healing.
        no_disruption: By name of a failing monitor, why the server must not be taken out of
            service for it; only of those where there is such a reason.
        dag: The database availability group of the server, if it is in one.
        skew: By how many seconds the server's clock is ahead of ours.
    """

    server: str
    verdict: Verdict | None = None
    blind: bool = False
    summary: str = ""
    findings: list[Finding] = field(factory=list)
    failing: list[Monitor] = field(factory=list)
    no_disruption: dict[str, str] = field(factory=dict)
    info: ServerInfo | None = None
    host: HostStatus | None = None
    services: list[ServiceStatus] = field(factory=list)
    dag: str | None = None
    skew: float = 0.0

    def end(self, verdict: Verdict, finding: Finding | None, summary: str = "") -> Triage:
        """End here."""
        if finding:
            self.findings.append(finding)
        self.verdict = verdict
        self.summary = summary or (finding.detail if finding else "")
        return self

    @property
    def running(self) -> tuple[str, ...]:
        """The POP3 services that run."""
        pop3 = {POP3_FRONT_END.casefold(), POP3_BACK_END.casefold()}
        mine = (one for one in self.services if one.name.casefold() in pop3)
        return tuple(one.name for one in mine if is_running(one))


async def triage_server(
    session: HealingContext,
    server: str,
    monitors: Sequence[Monitor],
    healed: Collection[str] = (),
) -> Triage:
    """Verify whether a server's POP health sets are ill, and whether that is ours to heal.

    Args:
        session: The healing.
        server: Name of the server, short or full.
        monitors: The monitors to look at.
        healed: Names of monitors healed before in this healing: their rows may lag.

    Raises:
        UnknownName: If the organisation has no such server.
    """
    result = Triage(server=server)
    try:
        info = await retry_call(session, Backend.server_info, server)
        session.server_known = True
        result.info, result.server = info, info.fqdn
        wanted = [one for one in monitors if one.name not in healed]
        rows = await _read_rows(session, info.fqdn, wanted)
    except BackendError as error:
        result.blind = True
        return result.end(Verdict.UNKNOWN, _could_not_tell(result.server, error))
    result.findings += describe(info.fqdn, rows)
    suspects = rows.are("unhealthy")
    if not suspects:
        if healed and not rows.by_class:
            return result.end(Verdict.NOTHING_WRONG, None, "no other POP monitor is there")
        return await _nothing_unhealthy(session, result, info, rows)
    try:
        context = await _context_of(session, info, rows, suspects, result)
        for blocker in SERVER_BLOCKERS:
            stop = await blocker(context)
            if stop:
                return result.end(stop[1], stop[0])
        _note_services(context)
        stops = await _judge_each(context)
    except BackendError as error:
        return result.end(Verdict.UNKNOWN, _could_not_tell(info.fqdn, error))
    result.dag = context.dag
    await _verify(context, result, stops)
    return result


def _could_not_tell(server: str, error: BackendError) -> Finding:
    return Finding(
        kind=FindingKind.COULD_NOT_TELL,
        server=server,
        detail=error.sentence(),
        next_step=error.next_step,
    )


async def _read_rows(session: HealingContext, server: str, monitors: Sequence[Monitor]) -> Rows:
    """Read the rows; while a monitor is only Degraded, wait and read again (bounded)."""
    while True:
        answer = await retry_call(session, Backend.server_health, server)
        rows = sort_rows(server, monitors, answer)
        if rows.are("unhealthy") or not rows.are("degraded") or session.control.cancelled:
            return rows
        tries = session.progress.count("degraded")
        await Pause(session.timing.degraded_pause)
        if tries >= session.timing.probe_attempts:
            return rows


async def _nothing_unhealthy(
    session: HealingContext, result: Triage, info: ServerInfo, rows: Rows
) -> Triage:
    """No catalogued monitor is Unhealthy: say what that means, without touching anything."""
    if rows.offline:
        # AlertValue says Healthy while the component is off: "all well" would be wrong.
        context = TriageContext(
            session=session,
            info=info,
            rows=rows,
            suspects=[],
            findings=result.findings,
        )
        try:
            stop = await component_states(context)
        except BackendError as error:
            return result.end(Verdict.UNKNOWN, _could_not_tell(info.fqdn, error))
        if stop:
            return result.end(stop[1], stop[0])
        result.findings += [_offline_note(info.fqdn, row) for row in rows.offline]
    repairing = [one.name for one in rows.are("repairing")]
    if repairing:
        return result.end(
            Verdict.HELD, None, f"{', '.join(repairing)}: marked Repairing, somebody is on it"
        )
    if rows.without_recipe:
        row = rows.without_recipe[0]
        return result.end(
            Verdict.ESCALATED, None, f"{row.monitor} is Unhealthy, and the runbook has no recipe"
        )
    unclear = [*rows.are("degraded"), *rows.are("could_not_tell")]
    if unclear:
        names = ", ".join(one.name for one in unclear)
        return result.end(Verdict.UNKNOWN, None, f"could not tell whether {names} is healthy")
    if rows.are("healthy"):
        await _note_drain(info, result)
        return result.end(Verdict.NOTHING_WRONG, None, "no POP monitor is Unhealthy")
    if rows.are("disabled"):
        return result.end(Verdict.HELD, None, "every POP monitor is disabled by an administrator")
    return result.end(
        Verdict.UNKNOWN,
        Finding(
            kind=FindingKind.COULD_NOT_TELL,
            server=info.fqdn,
            detail="Get-ServerHealth returned no row of a known POP monitor for this server",
            next_step="Check that the Health Manager service (MSExchangeHM) runs there.",
        ),
    )


async def _note_drain(info: ServerInfo, result: Triage) -> None:
    """All is well, but the server may still be kept out of service from an earlier time."""
    if not info.mailbox_role:
        return
    seen = await try_call(Backend.mailbox_server, info.fqdn)
    if isinstance(seen, MailboxServer) and seen.activation_disabled:
        result.findings.append(
            Finding(
                kind=FindingKind.NOTE,
                server=info.fqdn,
                detail="database activation is disabled: the server takes no active databases",
                next_step="If nobody means it: Set-MailboxServer -Identity "
                f"{info.fqdn} -DatabaseCopyActivationDisabledAndMoveNow $false",
            )
        )


def _offline_note(server: str, row: MonitorHealth) -> Finding:
    return Finding(
        kind=FindingKind.NOTE,
        server=server,
        monitor=row.monitor,
        detail=f"{row.monitor} is {row.alert_value} while its component state reads {row.state}",
    )


async def _context_of(
    session: HealingContext, info: ServerInfo, rows: Rows, suspects: list[Monitor], result: Triage
) -> TriageContext:
    host = await retry_call(session, Backend.host_status, info.fqdn)
    asked_at = session.clock.now()
    names = (POP3_FRONT_END, POP3_BACK_END, HEALTH_MANAGER)
    services = await retry_call(session, Backend.services, info.fqdn, names)
    result.host, result.services = host, list(services)
    result.skew = (host.local_time - asked_at).total_seconds()
    return TriageContext(
        session=session,
        info=info,
        rows=rows,
        suspects=suspects,
        setup_running=host.setup_running,
        server_time=host.local_time,
        boot_time=host.boot_time,
        services=list(services),
        findings=result.findings,
    )


def _note_services(context: TriageContext) -> None:
    """Report services that should run and don't: the state for which a restart is right."""
    for service in context.services:
        if is_running(service) or service.start_type.casefold() != "automatic":
            continue
        pop3 = service.name.casefold() != HEALTH_MANAGER.casefold()
        why = (
            "a reason for restarting it"
            if pop3
            else "without it no monitor is evaluated, and no probe can be run"
        )
        context.findings.append(
            context.note(
                FindingKind.NOT_RUNNING,
                f"{service.name} is set to start by itself, and is {service.state}: {why}",
                f"If it does not stay up, the System log of {context.info.fqdn} has its reason "
                "(Service Control Manager), and the state of the PopProxy component.",
            )
        )
    if half := half_enabled(context):
        context.findings.append(half[0])


async def _judge_each(context: TriageContext) -> dict[str, Stop]:
    """Ask, for each monitor by itself, what speaks against healing it: by its name."""
    stops: dict[str, Stop] = {}
    for monitor in context.suspects:
        for blocker in MONITOR_BLOCKERS:
            if stop := await blocker(context, monitor):
                stops[monitor.name] = stop
                context.findings.append(stop[0])
                break
    return stops


_BY_HAND = (
    "Look by hand whether POP works there. Get-MonitoringItemIdentity lists the probes that exist."
)


async def _verify(context: TriageContext, result: Triage, stops: dict[str, Stop]) -> None:
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
            cause = cause_in(context.session, message_details(context, monitor, said))
            _heed(context, result, monitor, cause, stops)
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
        _BY_HAND if kind is FindingKind.COULD_NOT_TELL else "",
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
        return observed.outcome, observed.detail, said
    # D6: no probe says anything about command times; the row itself is read once more.
    try:
        rows = await retry_call(context.session, Backend.server_health, context.info.fqdn)
    except BackendError as error:
        return "could_not_tell", str(error), None
    mine = [row for row in pop_rows(context.info.fqdn, rows) if is_row_of(monitor, row)]
    value = value_since(mine, context.server_time - EVALUATED_WITHIN)
    outcome = {"unhealthy": "failed", "healthy": "succeeded"}.get(value, "could_not_tell")
    told = ", ".join(f"{row.alert_value}, evaluated {moment(row.last_execution)}" for row in mine)
    return outcome, f"{monitor.name} is {told or 'not there'}", None

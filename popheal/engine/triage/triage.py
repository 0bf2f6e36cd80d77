"""Triage, step by step: read the health sets, apply the blockers, rerun the probes."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from attrs import define, field

from popheal.engine.context import HealingContext
from popheal.engine.looks.probe import run_probe
from popheal.engine.looks.retry import retry_call
from popheal.engine.requests import Pause, try_call
from popheal.engine.triage.blockers import BLOCKERS, TriageContext, component_states
from popheal.engine.triage.health import Rows, describe, sort_rows
from popheal.errors import BackendError
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import find_service, is_running, is_switched_off, value_since
from popheal.exchange.models import (
    HostStatus,
    MailboxServer,
    MonitorHealth,
    ServerInfo,
    ServiceStatus,
)
from popheal.healthsets.pop.catalog import POP3_BACK_END, POP3_FRONT_END, Monitor, services_of
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
        procedure: The procedure that answers it, where that is not the monitor's own.
        dag: The database availability group of the server, if it is in one.
        skew: By how many seconds the server's clock is ahead of ours.
    """

    server: str
    verdict: Verdict | None = None
    blind: bool = False
    summary: str = ""
    findings: list[Finding] = field(factory=list)
    failing: list[Monitor] = field(factory=list)
    procedure: str = ""
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
        return tuple(one.name for one in self.services if is_running(one))


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
        for blocker in BLOCKERS:
            stop = await blocker(context)
            if stop:
                return result.end(stop[1], stop[0])
    except BackendError as error:
        return result.end(Verdict.UNKNOWN, _could_not_tell(info.fqdn, error))
    result.dag = context.dag
    if not _drop_switched_off(context, result):
        return result
    await _verify(context, result)
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
    names = (POP3_FRONT_END, POP3_BACK_END)
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


def _drop_switched_off(context: TriageContext, result: Triage) -> bool:
    """Leave out monitors whose service isn't meant to run here (D13); False if none is left."""
    kept = []
    for monitor in context.suspects:
        off = [
            service.name
            for name in _services_restarted(context, monitor)
            if (service := find_service(name, context.services)) and is_switched_off(service)
        ]
        if not off:
            kept.append(monitor)
            continue
        context.findings.append(
            Finding(
                kind=FindingKind.SWITCHED_OFF,
                server=context.info.fqdn,
                monitor=monitor.name,
                detail=f"{', '.join(off)} does not run and is not set to start by itself: "
                "POP is off here, and healing would turn it on",
                next_step="If POP is meant to run here, set the service to Automatic and start it.",
            )
        )
    if not kept:
        result.end(Verdict.HELD, None, context.findings[-1].detail)
    context.suspects = kept
    return bool(kept)


def _services_restarted(context: TriageContext, monitor: Monitor) -> tuple[str, ...]:
    """The services that the monitor's procedure would restart, and so start."""
    which = {
        one.action.argument
        for one in context.session.procedures[monitor.procedure].states
        if one.action.name == "restart_service"
    }
    return tuple(name for one in sorted(which) for name in services_of(one, context.info))


_BY_HAND = (
    "Look by hand whether POP works there. Get-MonitoringItemIdentity lists the probes that exist."
)


async def _verify(context: TriageContext, result: Triage) -> None:
    """Verifying 2.3 and 2.4: rerun the probe of each unhealthy monitor."""
    unclear: list[Finding] = []
    for monitor in context.suspects:
        outcome, detail = await _verify_one(context, monitor)
        kind = {
            "failed": FindingKind.VERIFIED,
            "succeeded": FindingKind.TRANSIENT,
        }.get(outcome, FindingKind.COULD_NOT_TELL)
        finding = Finding(
            kind=kind,
            server=context.info.fqdn,
            monitor=monitor.name,
            detail=detail or outcome,
            next_step=_BY_HAND if kind is FindingKind.COULD_NOT_TELL else "",
        )
        result.findings.append(finding)
        if kind is FindingKind.VERIFIED:
            result.failing.append(monitor)
        elif kind is FindingKind.COULD_NOT_TELL:
            unclear.append(finding)
    if result.failing:
        names = ", ".join(monitor.name for monitor in result.failing)
        result.summary = f"{names} verified to fail"
    elif unclear:
        result.end(Verdict.UNKNOWN, None, f"the fault could not be verified: {unclear[0].detail}")
    else:
        result.end(Verdict.TRANSIENT, None, "the probes succeed: a transient error, gone by now")


async def _verify_one(context: TriageContext, monitor: Monitor) -> tuple[str, str]:
    if monitor.probe:
        observed, _ = await run_probe(context.session, context.info.fqdn, monitor.probe)
        return observed.outcome, observed.detail
    # D6: no probe says anything about command times; the row itself is read once more.
    try:
        rows = await retry_call(context.session, Backend.server_health, context.info.fqdn)
    except BackendError as error:
        return "could_not_tell", str(error)
    mine = [row for row in pop_rows(context.info.fqdn, rows) if is_row_of(monitor, row)]
    value = value_since(mine, context.server_time - EVALUATED_WITHIN)
    outcome = {"unhealthy": "failed", "healthy": "succeeded"}.get(value, "could_not_tell")
    said = ", ".join(f"{row.alert_value}, evaluated {moment(row.last_execution)}" for row in mine)
    return outcome, f"{monitor.name} is {said or 'not there'}"

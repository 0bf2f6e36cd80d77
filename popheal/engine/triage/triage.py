"""Triage, step by step: read the health sets, apply the blockers, rerun the probes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from attrs import define, field

from popheal.engine.context import HealingContext
from popheal.engine.looks.retry import retry_call
from popheal.engine.requests import Pause, open_ahead, try_call
from popheal.engine.triage.blockers import MONITOR_BLOCKERS, SERVER_BLOCKERS
from popheal.engine.triage.health import Rows, describe, sort_rows
from popheal.engine.triage.monitor_blockers import half_enabled
from popheal.engine.triage.server_blockers import component_states
from popheal.engine.triage.triage_context import Stop, TriageContext
from popheal.engine.triage.verification import verify
from popheal.errors import BackendError
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import find_service, is_running, is_switched_off
from popheal.exchange.models import (
    HostStatus,
    MailboxServer,
    MonitorHealth,
    ServerInfo,
    ServiceStatus,
)
from popheal.healthsets.pop.catalog import (
    HEALTH_MANAGER,
    MAILBOX_SIDE,
    POP3_BACK_END,
    POP3_FRONT_END,
    Monitor,
)
from popheal.reports.events import Pausing
from popheal.reports.report import Finding, FindingKind
from popheal.tables.table import Verdict

_NO_HEALTH_MANAGER: Final = "without it no monitor is evaluated, and no probe can be run"


@define(kw_only=True)
class Triage:
    """What triage found on one server.

    Attributes:
        server: Fully qualified name, or as given if the server could not be asked.
        verdict: How it ends here; None if there is a verified fault to heal.
        blind: The server's health could not be read at all.
        summary: One sentence for people.
        failing: The monitors whose failure was verified, in the order of healing.
        nearer: By name of a monitor, the Mailbox servers whose own tests fail and explain it.
        procedure: The procedure that answers it, where that is not the monitor's own.
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
    nearer: dict[str, tuple[str, ...]] = field(factory=dict)
    procedure: str = ""
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
    behind: Collection[str] = (),
    *,
    ill: bool = False,
) -> Triage:
    """Verify whether a server's POP health sets are ill, and whether that is ours to heal.

    Args:
        session: The healing.
        server: Name of the server, short or full.
        monitors: The monitors to look at.
        healed: Names of monitors healed before in this healing: their rows may lag.
        behind: Mailbox servers behind it that were healed before in this healing, likewise.
        ill: Whether a run of another server has seen that its POP3 back end is not well.

    Raises:
        UnknownName: If the organisation has no such server.
    """
    result = Triage(server=server)
    session.moment.end()  # what a run has seen on its way says nothing of how it ended
    try:
        info = await retry_call(session, Backend.server_info, server)
        session.server_known = True
        result.info, result.server = info, info.fqdn
        await open_ahead(info.fqdn)
        wanted = [one for one in monitors if one.name not in healed]
        rows = await _read_rows(session, info.fqdn, wanted)
    except BackendError as error:
        result.blind = True
        return result.end(Verdict.UNKNOWN, _could_not_tell(result.server, error))
    result.findings += describe(info.fqdn, rows)
    try:
        suspects = rows.are("unhealthy") or (await _unseen(session, info, rows) if ill else [])
    except BackendError as error:
        return result.end(Verdict.UNKNOWN, _could_not_tell(info.fqdn, error))
    if not suspects:
        if healed and not rows.by_class:
            return result.end(Verdict.NOTHING_WRONG, None, "no other POP monitor is there")
        return await _nothing_unhealthy(session, result, info, rows)
    try:
        context = await _context_of(session, info, rows, suspects, result)
        context.healed_behind = tuple(behind)
        for blocker in SERVER_BLOCKERS:
            stop = await blocker(context)
            if stop:
                return result.end(stop[1], stop[0])
        _note_services(context)
        stops = await _judge_each(context)
    except BackendError as error:
        return result.end(Verdict.UNKNOWN, _could_not_tell(info.fqdn, error))
    result.dag = context.dag
    result.nearer = dict(context.nearer)
    await verify(context, result, stops)
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
        pause = session.timing.degraded_pause
        session.emit(Pausing, server, what="a Degraded monitor", seconds=pause, most=pause)
        await Pause(pause)
        if tries >= session.timing.probe_attempts:
            return rows


async def _unseen(session: HealingContext, info: ServerInfo, rows: Rows) -> list[Monitor]:
    """Monitors to verify by their probe, as the back end does not run and their rows don't say so.

    A row lags behind by minutes; what a front end's test was passed on to and found stopped is
    stopped now.
    """
    services = await retry_call(session, Backend.services, info.fqdn, (POP3_BACK_END,))
    service = find_service(POP3_BACK_END, services)
    if service is None or is_running(service) or is_switched_off(service):
        return []
    return [one for one in MAILBOX_SIDE if one in rows.are("healthy")]


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
        said = f"could not tell whether {names} is healthy"
        if stopped := await _health_manager_stopped(info):
            result.findings.append(stopped)
            said = f"{stopped.detail}; {said}"
        return result.end(Verdict.UNKNOWN, None, said)
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


async def _health_manager_stopped(info: ServerInfo) -> Finding | None:
    """The service without which no row says anything, if it is seen not to run."""
    seen = await try_call(Backend.services, info.fqdn, (HEALTH_MANAGER,))
    service = None if isinstance(seen, BackendError) else find_service(HEALTH_MANAGER, seen)
    if service is None or is_running(service):
        return None
    return Finding(
        kind=FindingKind.NOT_RUNNING,
        server=info.fqdn,
        detail=f"{service.name} is {service.state} ({service.start_type}): {_NO_HEALTH_MANAGER}",
        next_step=f"Start it on {info.fqdn}: Start-Service {service.name}. Its monitors need some "
        "minutes then. If it does not stay up, the System log there has its reason.",
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
        utc_offset=host.utc_offset,
        services=list(services),
        findings=result.findings,
    )


def _note_services(context: TriageContext) -> None:
    """Report services that should run and don't: the state for which a restart is right."""
    for service in context.services:
        if is_running(service) or service.start_type.casefold() != "automatic":
            continue
        pop3 = service.name.casefold() != HEALTH_MANAGER.casefold()
        why = "a reason for restarting it" if pop3 else _NO_HEALTH_MANAGER
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

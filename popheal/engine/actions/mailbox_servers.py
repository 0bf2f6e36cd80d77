"""CTP 3.4 to 3.6: which Mailbox server served the failed probe, and is that the ill one?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from attrs import frozen

from popheal.engine.context import ActionResult, RunContext
from popheal.engine.looks.retry import again, retry_call
from popheal.engine.requests import call, look
from popheal.engine.triage.words import heed_words
from popheal.errors import BackendError
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import (
    alert_value,
    backends_named_in,
    find_service,
    is_running,
    is_switched_off,
    is_unhealthy,
    servers_named,
    value_since,
)
from popheal.exchange.models import (
    HostStatus,
    MonitorHealth,
    ProbeResult,
    ServerInfo,
    ServiceStatus,
)
from popheal.exchange.names import same_server
from popheal.exchange.protocol_log import Correlation, correlate
from popheal.healthsets.pop.catalog import MAILBOX_SIDE, POP3_BACK_END, find_monitor
from popheal.healthsets.pop.health import EVALUATED_WITHIN, is_row_of, pop_rows
from popheal.reports.report import FindingKind
from popheal.tables.table import Verdict

#: Log lines are written a little before and after the times that the probe reports.
SLACK = timedelta(seconds=2)

_MAILBOX_SET = "pop.protocol"


_PASSED_ON_TO_NONE: Final = ActionResult(
    "not_found", "the front end logged the failed probe, and passed it on to none"
)
_SESSION_NOT_WHOLE: Final = ActionResult(
    "could_not_tell", "the log does not hold the whole session of the probe"
)


async def find_backends(work: RunContext) -> ActionResult:
    """CTP 3.4 and 3.5: the probe's own error first, then the front-end log (erratum D8)."""
    probe = work.memory.last_probe
    if probe is None:
        return ActionResult("could_not_tell", "there is no failed probe to trace")
    servers = await retry_call(work.session, Backend.all_servers, work.server)
    named = backends_named_in(probe.error)
    if named:
        return _found(work, named, servers, "the probe's error")
    return await _find_in_log(work, probe, servers)


def _found(
    work: RunContext, names: Sequence[str], servers: Sequence[ServerInfo], where: str
) -> ActionResult:
    meant = servers_named(names, servers)
    if not meant:
        unsure = "more than one server, or one whose row can't be read"
        why = "no Mailbox server of the organisation" if meant == [] else unsure
        return ActionResult("could_not_tell", f"{where} names {', '.join(names)}: {why}")
    work.memory.backends = tuple(one.fqdn for one in meant)
    return ActionResult("found", f"{where} names {', '.join(work.memory.backends)}")


async def _find_in_log(
    work: RunContext, probe: ProbeResult, servers: Sequence[ServerInfo]
) -> ActionResult:
    """Back ends in the front-end log; POP3 buffers its log, so it may take a moment.

    None at all means something only if the whole failed session of the probe is there: then
    the front end did not get as far as a back end. A log without it tells nothing.
    """
    if probe.started is None or probe.finished is None:
        return ActionResult("could_not_tell", "the probe did not say when it ran")
    while True:
        try:
            found = await read_log(work.server, probe.started - SLACK, probe.finished + SLACK)
        except BackendError as error:
            last = ActionResult("could_not_tell", str(error))
        else:
            heed_words(work, found.said)
            if found.backends:
                _note_proven(work, found.proven, servers)
                return _found(work, found.backends, servers, "the protocol log")
            last = _PASSED_ON_TO_NONE if found.conclusive else _SESSION_NOT_WHOLE
        if not await again(work.session, "log"):
            return last


@look
async def read_log(_context: Any, server: str, since: datetime, until: datetime) -> Correlation:
    """What the POP3 protocol log of that time tells about whom sessions were passed to.

    Raises:
        BackendError: If it can't be read.
    """
    settings = await call(Backend.pop_settings, server)
    files = await call(Backend.pop_logs, server, settings.log_location, since, until)
    return correlate(files, since, until)


def _note_proven(work: RunContext, names: Sequence[str], servers: Sequence[ServerInfo]) -> None:
    meant = servers_named(names, servers) or ()
    work.memory.backends_proven = tuple(one.fqdn for one in meant)


async def why_not_proven(work: RunContext) -> str:
    """Why back ends that are well prove nothing about the front end; empty if they do.

    A back end's name is only text: in a probe's error, or beside a logon that need not be the
    probe's. It points at a server to look at. That the front end is at fault follows only if a
    session that can be nobody's but the probe's was passed to a server that is well.
    """
    named, probe = work.memory.backends, work.memory.last_probe
    missing = [one for one in named if one not in work.memory.backends_proven]
    if not missing:
        return ""
    if probe and probe.started and probe.finished:
        while True:
            try:
                found = await read_log(work.server, probe.started - SLACK, probe.finished + SLACK)
            except BackendError:
                found = Correlation(conclusive=False, backends=())
            heed_words(work, found.said)
            missing = [
                one for one in named if not any(same_server(host, one) for host in found.proven)
            ]
            if not missing:
                work.memory.backends_proven = named
                return ""
            if not await again(work.session, "proof"):
                break
    return (
        f"that {', '.join(missing)} is well proves nothing about the front end: the protocol log "
        "has no session of the probe that was passed on to there"
    )


async def check_backends(work: RunContext) -> ActionResult:
    """CTP 3.5 and 3.6: keep those that are ill, by their POP3 service or by their monitors.

    One on which POP is switched off is neither well nor ill: that is told, and nothing is done.
    """
    judged = [await _judge(work, backend) for backend in work.memory.backends]
    ill = [one for one in judged if one.outcome == "unhealthy"]
    if ill:
        work.memory.backends = tuple(one.server for one in ill)
    for outcome, kind in _WORST_FIRST:
        found = [one for one in judged if one.outcome == outcome]
        if found and outcome == "healthy" and (why := await why_not_proven(work)):
            return ActionResult("could_not_tell", why, kind=FindingKind.COULD_NOT_TELL)
        if found:
            # Whatever else was seen is told, too: it may explain what is left after this.
            said = [*found, *(one for one in judged if one not in found and one.why)]
            return ActionResult(outcome, "; ".join(map(str, said)), kind=kind)
    return ActionResult("could_not_tell", "no back end to look at")


#: What the worst of several back ends is comes first, and the reason that goes with it.
_WORST_FIRST: Final = (
    ("unhealthy", FindingKind.UNHEALTHY),
    ("off", FindingKind.SWITCHED_OFF),
    ("could_not_tell", FindingKind.COULD_NOT_TELL),
    ("healthy", None),
)


@frozen
class _Judged:
    """What a Mailbox server was found to be: an outcome, and why in words, where there is more."""

    server: str
    outcome: str
    why: str = ""

    def __str__(self) -> str:
        how = {"unhealthy": "ill", "healthy": "well", "off": "switched off"}
        said = f"{self.server} is {how[self.outcome]}" if self.outcome in how else self.server
        return f"{said}: {self.why}" if self.why else said


async def _judge(work: RunContext, backend: str) -> _Judged:
    """Its service first: monitors may say Healthy for a while after it has stopped."""
    try:
        services = await retry_call(work.session, Backend.services, backend, (POP3_BACK_END,))
        service = find_service(POP3_BACK_END, services)
        if service is None:
            return _Judged(backend, "could_not_tell", f"{POP3_BACK_END} was not found there")
        if not is_running(service):
            return _judge_idle(backend, service)
        rows = await retry_call(work.session, Backend.server_health, backend)
        host = await retry_call(work.session, Backend.host_status, backend)
    except BackendError as error:
        return _Judged(backend, "could_not_tell", str(error))
    health = mailbox_side_of(backend, rows, host)
    if health in ("healthy", "unhealthy"):
        return _Judged(backend, health)
    return _Judged(backend, "could_not_tell", health)


def _judge_idle(backend: str, service: ServiceStatus) -> _Judged:
    """A POP3 back-end service that does not run: by accident, or on purpose."""
    said = f"{service.name} is {service.state} ({service.start_type})"
    if is_switched_off(service):
        return _Judged(
            backend,
            "off",
            f"{said}, so POP is off there. If it is meant to be on, run on {backend}: "
            f"Set-Service {service.name} -StartupType Automatic; Start-Service {service.name}",
        )
    if service.state.casefold() == "startpending":
        return _Judged(backend, "could_not_tell", said)
    return _Judged(backend, "unhealthy", f"{said}, although it starts by itself")


def mailbox_side_of(server: str, rows: Sequence[MonitorHealth], host: HostStatus) -> str:
    """``unhealthy`` or ``healthy``; else why neither can be said.

    Healthy needs both monitors, evaluated lately by the server's own clock and with their component
    online, and nothing else unhealthy in their health set.
    """
    mine = [row for row in pop_rows(server, rows) if row.health_set.casefold() == _MAILBOX_SET]
    known = {
        monitor.name: [row for row in mine if is_row_of(monitor, row)] for monitor in MAILBOX_SIDE
    }
    if any(is_unhealthy(row) for found in known.values() for row in found):
        return "unhealthy"
    missing = [name for name, found in known.items() if not found]
    if missing:
        return f"there is no row of {', '.join(missing)}"
    odd = [
        row.monitor
        for row in mine
        if is_unhealthy(row)
        or (find_monitor(row.monitor) and alert_value(row) != "healthy")
        or row.state.casefold() == "offline"
    ]
    if odd:
        return f"{', '.join(odd)} can't be called well"
    lately = host.local_time - EVALUATED_WITHIN
    old = [
        name
        for name, found in known.items()
        if value_since(found, lately, host.utc_offset) != "healthy"
    ]
    return f"{', '.join(old)} has not been evaluated lately" if old else "healthy"


async def recover_backends(work: RunContext) -> ActionResult:
    """CTP 3.6: each as a run of its own, with guards of its own, one after another (D22)."""
    said = []
    for backend in work.memory.backends:
        verdict = await work.heal_server(backend)
        said.append(f"{backend}: {verdict.value}")
        if not verdict.good:
            return ActionResult("failed", "; ".join(said))
        if verdict is not Verdict.RECOVERED and (idle := await _idle(work, backend)):
            return ActionResult("failed", "; ".join([*said, idle]), kind=FindingKind.NOT_RUNNING)
    return ActionResult("done", "; ".join(said))


async def _idle(work: RunContext, backend: str) -> str:
    """Why a back end where nothing was found to heal is no success: its service doesn't run.

    Neither is one of which that can't be told: what follows may restart the front end's server.
    """
    try:
        services = await retry_call(work.session, Backend.services, backend, (POP3_BACK_END,))
    except BackendError as error:
        return str(error)
    service = find_service(POP3_BACK_END, services)
    if service is None or is_running(service):
        return ""
    return (
        f"no monitor of {backend} says that {service.name} is {service.state}; run on {backend}: "
        f"Start-Service {service.name}"
    )

"""CTP 3.4 to 3.6: which Mailbox server served the failed probe, and is that the ill one?"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from popheal.engine.context import ActionResult, RunContext
from popheal.engine.looks.retry import again, retry_call
from popheal.engine.requests import call
from popheal.engine.triage.words import heed_words
from popheal.errors import BackendError
from popheal.exchange.backend import Backend
from popheal.exchange.interpret import alert_value, backends_named_in, is_unhealthy, servers_named
from popheal.exchange.models import MonitorHealth, ProbeResult, ServerInfo
from popheal.exchange.names import same_server
from popheal.exchange.protocol_log import Correlation, correlate
from popheal.healthsets.pop.catalog import MONITORS, find_monitor
from popheal.healthsets.pop.health import is_row_of, pop_rows
from popheal.reports.report import FindingKind

#: Log lines are written a little before and after the times that the probe reports.
SLACK = timedelta(seconds=2)

#: The monitors whose recovery step 3.6 refers to.
MAILBOX_SIDE = tuple(one for one in MONITORS if one.procedure == "mailbox")

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
        why = "no Mailbox server of the organisation" if meant == [] else "more than one server"
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
            found = await _read_log(work, probe.started - SLACK, probe.finished + SLACK)
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


async def _read_log(work: RunContext, since: datetime, until: datetime) -> Correlation:
    settings = await call(Backend.pop_settings, work.server)
    files = await call(Backend.pop_logs, work.server, settings.log_location, since, until)
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
                found = await _read_log(work, probe.started - SLACK, probe.finished + SLACK)
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
    """CTP 3.5 and 3.6: keep those whose deep or self test monitor is Unhealthy."""
    ill, unclear = [], []
    for backend in work.memory.backends:
        try:
            rows = await retry_call(work.session, Backend.server_health, backend)
        except BackendError as error:
            unclear.append(str(error))
            continue
        health = mailbox_side_of(backend, rows)
        if health == "unhealthy":
            ill.append(backend)
        elif health != "healthy":
            unclear.append(f"{backend}: {health}")
    if ill:
        work.memory.backends = tuple(ill)
        return ActionResult("unhealthy", f"ill: {', '.join(ill)}")
    if unclear or not work.memory.backends:
        return ActionResult("could_not_tell", "; ".join(unclear) or "no back end to look at")
    if why := await why_not_proven(work):
        return ActionResult("could_not_tell", why, kind=FindingKind.COULD_NOT_TELL)
    return ActionResult("healthy", f"well: {', '.join(work.memory.backends)}")


def mailbox_side_of(server: str, rows: Sequence[MonitorHealth]) -> str:
    """``unhealthy`` or ``healthy``; else why neither can be said.

    Healthy needs both monitors, current and with their component online, and nothing else
    unhealthy in their health set.
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
    return f"{', '.join(odd)} can't be called well" if odd else "healthy"


async def recover_backends(work: RunContext) -> ActionResult:
    """CTP 3.6: each as a run of its own, with guards of its own, one after another (D22)."""
    said = []
    for backend in work.memory.backends:
        verdict = await work.heal_server(backend)
        said.append(f"{backend}: {verdict.value}")
        if not verdict.good:
            return ActionResult("failed", "; ".join(said))
    return ActionResult("done", "; ".join(said))

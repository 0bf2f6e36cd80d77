"""Probes run by hand: ``Invoke-MonitoringProbe``."""

from __future__ import annotations

from datetime import datetime, timedelta

from attrs import define, field, frozen

from popheal.backends.simulated.history import ProbeRun
from popheal.backends.simulated.model import FRONT_END, HEALTH_MANAGER, Server
from popheal.backends.simulated.monitoring import Monitoring
from popheal.backends.simulated.pop3_log import LogBook
from popheal.backends.simulated.world import World
from popheal.errors import OutcomeUnknown
from popheal.exchange.models import ProbeResult

COMMAND = "Invoke-MonitoringProbe"
SUCCEEDED = "Succeeded"
RESULT_TYPES = (SUCCEEDED, "Failed", "Timeout", "Poisoned", "Quarantined", "Rejected")
#: Seconds a probe takes; one that times out takes longer.
DURATION, DURATION_TIMEOUT = 5.0, 60.0

#: Probe to the aspect it tests, and the role it needs. Exact case, as the product wants it.
PROBES = {
    "POP\\PopCTPProbe": ("ctp", "client_access"),
    "POP.Proxy\\PopProxyTestProbe": ("proxy", "client_access"),
    "POP.Protocol\\PopDeepTestProbe": ("deep", "mailbox"),
    "POP.Protocol\\PopSelfTestProbe": ("self", "mailbox"),
}


@frozen
class Scripted:
    """A result a probe gives whatever the truth is.

    Attributes:
        result: One of RESULT_TYPES, or ``truth`` for what it would give by itself, or
            ``refused`` where the cmdlet fails because this probe can't be run by hand.
        error: Its error text.
    """

    result: str
    error: str = ""


@define(kw_only=True)
class ProbeScript:
    """The results of one probe on one server: first a list, then the last one for ever."""

    server: Server
    probe: str
    results: list[Scripted]
    then: Scripted = field(factory=lambda: Scripted("truth"))
    _used: int = field(default=0, init=False)

    def next(self) -> Scripted:
        if self._used < len(self.results):
            self._used += 1
            return self.results[self._used - 1]
        return self.then


@define
class Running:
    """A probe on its way."""

    server: Server
    probe: str
    aspect: str
    actor: str
    scripted: Scripted
    started: datetime
    due: datetime
    boots: int


@define
class Probing:
    """The probes of all servers."""

    world: World
    monitoring: Monitoring
    log_book: LogBook
    scripts: list[ProbeScript] = field(factory=list)

    def begin(self, server: Server, probe: str, actor: str) -> Running:
        """Start a probe; it has to be finished when it is due."""
        name = "\\".join(probe.split("\\")[:2])
        known = PROBES.get(name)
        if known is None:
            raise self.world.failed(server, COMMAND, f"The monitoring item {probe} wasn't found.")
        aspect, role = known
        if not (server.mailbox_role if role == "mailbox" else server.client_access_role):
            raise self.world.failed(
                server, COMMAND, f"The monitoring item {probe} isn't defined on this server."
            )
        scripted = self._scripted(server, name)
        if scripted.result == "refused":
            raise self.world.failed(
                server,
                COMMAND,
                f"The probe {probe} can't be run manually. {scripted.error}".strip(),
            )
        if not server.runs(HEALTH_MANAGER):
            raise self.world.failed(
                server, COMMAND, "The Microsoft Exchange Health Manager service isn't running."
            )
        takes = DURATION_TIMEOUT if scripted.result == "Timeout" else DURATION
        now = self.world.now
        due = now + timedelta(seconds=takes)
        return Running(server, name, aspect, actor, scripted, now, due, server.boots)

    def finish(self, running: Running) -> ProbeResult:
        """Say what came of a probe."""
        server, probe = running.server, running.probe
        if server.boots != running.boots:
            raise OutcomeUnknown(
                server=server.fqdn,
                command=COMMAND,
                cause="the connection was lost while the probe was running",
            )
        truth = self.monitoring.broken(server, running.aspect, "probes")
        result, error = running.scripted.result, running.scripted.error
        if result == "truth":
            result, error = ("Failed", truth) if truth else (SUCCEEDED, "")
        logging = server.runs(FRONT_END) and server.log_in_effect.get(FRONT_END, False)
        if running.aspect == "ctp" and logging:
            failing = "" if result == SUCCEEDED else error or "failed"
            silent = any(f.breaks(server, "ctp") and not f.logs_back_end for f in self.world.faults)
            self.log_book.probe_ran(server, running.started, failing, proxied=not silent)
        if result == SUCCEEDED:
            server.succeeded.append(probe)
        self.world.record(
            ProbeRun(
                at=self.world.now,
                actor=running.actor,
                server=server.name,
                probe=probe,
                result=result,
                error=error,
                started=running.started,
                boot_time=server.boot_time,
            )
        )
        return ProbeResult(
            probe=probe,
            result=result,
            error=error,
            started=server.told(running.started),
            finished=server.told(self.world.now),
        )

    def _scripted(self, server: Server, probe: str) -> Scripted:
        for script in self.scripts:
            if script.server is server and script.probe == probe:
                return script.next()
        return Scripted("truth")

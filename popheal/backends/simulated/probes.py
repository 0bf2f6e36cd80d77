"""Probes run by hand: ``Invoke-MonitoringProbe``."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial
from typing import Annotated

from attrs import define, field

from popheal.backends.simulated.faults import Trouble
from popheal.backends.simulated.history import ProbeRun
from popheal.backends.simulated.model import FRONT_END, HEALTH_MANAGER, Server
from popheal.backends.simulated.monitoring import Monitoring
from popheal.backends.simulated.pop3_log import LogBook
from popheal.backends.simulated.world import World
from popheal.errors import OutcomeUnknown
from popheal.exchange.models import ProbeResult
from popheal.util.schema import one_of

COMMAND = "Invoke-MonitoringProbe"
SUCCEEDED = "Succeeded"
#: The cmdlet itself fails.
REFUSED = "refused"
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


#: What a probe is called without its health set, and with it.
SHORT_NAMES = {name.split("\\")[1]: name for name in PROBES}
_Probe = Annotated[
    str, one_of(*PROBES, *SHORT_NAMES, read=lambda name: SHORT_NAMES.get(name, name))
]
_Word = Annotated[str, one_of(*RESULT_TYPES, "truth", REFUSED)]


@define(kw_only=True)
class ProbeScript:
    """The results of one probe on one server: first some, then the last one for ever.

    A result is a word of the product, ``truth`` for what it would give by itself, or ``refused``
    where the cmdlet fails because this probe can't be run by hand.

    Attributes:
        probe: A key of PROBES; in a scenario its health set may be left out.
        error: The error text of the results that have one.
        exception: And their exception.
    """

    server: Server
    probe: _Probe
    results: tuple[_Word, ...] = ()
    then: _Word = "truth"
    error: str = field(default="The probe failed by script.", metadata={"lines": True})
    exception: str = field(default="", metadata={"lines": True})
    _used: int = field(default=0, init=False)

    def next(self) -> tuple[str, Trouble | None]:
        """The next result, with what it says."""
        self._used += 1
        word = self.results[self._used - 1] if self._used <= len(self.results) else self.then
        silent = word in (SUCCEEDED, "truth")
        return word, None if silent else Trouble(error=self.error, exception=self.exception)


@define
class Running:
    """A probe on its way."""

    server: Server
    probe: str
    aspect: str
    actor: str
    result: str
    trouble: Trouble | None
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
        failed = partial(self.world.failed, server, COMMAND)
        name = "\\".join(probe.split("\\")[:2])
        if name not in PROBES:
            raise failed(f"The monitoring item {probe} wasn't found.")
        aspect, role = PROBES[name]
        if role not in server.roles or name.split("\\")[1] in server.missing_probes:
            raise failed(f"The monitoring item {probe} isn't defined on this server.")
        result, trouble = self._scripted(server, name)
        if result == REFUSED:
            why = trouble.error if trouble else ""
            raise failed(f"The probe {probe} can't be run manually. {why}".strip())
        if not server.runs(HEALTH_MANAGER):
            raise failed("The Microsoft Exchange Health Manager service isn't running.")
        truth = self.monitoring.broken(server, aspect, "probes") if result == "truth" else None
        hangs = result == "Timeout" or (truth is not None and truth.hangs)
        takes = DURATION_TIMEOUT if hangs else DURATION
        now = self.world.now
        due = now + timedelta(seconds=takes)
        return Running(server, name, aspect, actor, result, trouble, now, due, server.boots)

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
        result, trouble = running.result, running.trouble
        if result == "truth":
            result, trouble = _result(truth), truth
        said = trouble or Trouble(error="")
        logging = server.runs(FRONT_END) and server.log_in_effect.get(FRONT_END, False)
        if running.aspect == "ctp" and logging:
            silent = any(f.breaks(server, "ctp") and not f.logs_back_end for f in self.world.faults)
            seen = None if result == SUCCEEDED else said
            self.log_book.probe_ran(server, running.started, seen, proxied=not silent)
        if result == SUCCEEDED:
            server.succeeded.append(probe)
        self.world.record(
            ProbeRun,
            server,
            running.actor,
            probe=probe,
            result=result,
            error=said.error,
            started=running.started,
            boot_time=server.boot_time,
        )
        return ProbeResult(
            probe=probe,
            result=result,
            error=said.error,
            exception=said.exception,
            started=server.told(running.started),
            finished=server.told(self.world.now),
        )

    def _scripted(self, server: Server, probe: str) -> tuple[str, Trouble | None]:
        for script in self.scripts:
            if script.server is server and script.probe == probe:
                return script.next()
        return "truth", None


def _result(trouble: Trouble | None) -> str:
    if trouble is None:
        return SUCCEEDED
    return "Timeout" if trouble.hangs else "Failed"

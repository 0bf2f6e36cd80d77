"""Health Manager: monitors that are evaluated every minute, and the rows they show."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from attrs import define, field

from popheal.backends.simulated.faults import POP_ASPECTS, Trouble
from popheal.backends.simulated.history import MonitorChanged
from popheal.backends.simulated.model import (
    BACK_END,
    FRONT_END,
    HEALTH_MANAGER,
    PROBED_PORT,
    Server,
)
from popheal.backends.simulated.monitors import MONITORS, MonitorKind, monitors_of
from popheal.backends.simulated.world import World
from popheal.exchange.models import MonitorHealth, MonitoringItem

#: Seconds between evaluations, and how long a monitor is Degraded before it is Unhealthy.
INTERVAL = 60.0
#: Seconds over which servers differ in when they are first evaluated.
_SPREAD = 420.0
#: Seconds from the start of Health Manager to the first evaluation.
WARM_UP = 120.0
_BY_NAME = {kind.name: kind for kind in MONITORS}
#: What a deep test says that finds no database to test; it is ActiveSync's that was seen.
_INDEX = "Index was out of range. Must be non-negative and less than the size of the collection."
NOTHING_TO_TEST = Trouble(
    error=_INDEX,
    exception=f"System.ArgumentOutOfRangeException: {_INDEX} Parameter name: index",
)


@define(kw_only=True)
class RowOverride:
    """A row that doesn't say what it would by itself; an unknown monitor makes an extra row.

    Attributes:
        server: The server asked about.
        of_server: What the row says its server is; another one for a row that isn't asked for.
        error: What it says of the failure, while it doesn't say Healthy; None for the usual.
        frozen: The row is never evaluated again: its times stand still.
        evaluated_ago: Seconds since when, at the start.
        since: Seconds from the start of the simulation at which this begins.
        until: And at which it ends; None for never.
    """

    server: Server
    monitor: str
    health_set: str = ""
    of_server: str = ""
    alert_value: str = ""
    state: str = ""
    stale: bool = False
    error: str | None = field(default=None, metadata={"lines": True})
    frozen: bool = False
    evaluated_ago: float = 3600.0
    since: float = 0.0
    until: float | None = None

    def applies(self, seconds: float) -> bool:
        return self.since <= seconds and (self.until is None or seconds < self.until)


@define(kw_only=True)
class _Row:
    alert_value: str = "Healthy"
    last_transition: datetime
    last_execution: datetime | None
    failing_since: datetime | None = None
    error: str = ""


@define
class Monitoring:
    """All monitors of all servers.

    Attributes:
        first: The number of the first server. Each is evaluated at moments of its own, by number.
    """

    world: World
    overrides: list[RowOverride] = field(factory=list)
    first: int = 0
    _rows: dict[tuple[str, str], _Row] = field(factory=dict, init=False)
    _awake_at: dict[str, datetime] = field(factory=dict, init=False)

    def begin(self) -> None:
        """Start as if the organisation had been running for long: no monitor is just noticing."""
        now = self.world.now
        for number, server in enumerate(self.world.servers, self.first):
            self._awake_at[server.name] = now
            for kind in MONITORS:
                row = _Row(
                    last_transition=now - timedelta(hours=20),
                    last_execution=now - timedelta(seconds=20 + number % INTERVAL),
                )
                began = self._failing_since(server, kind)
                if began is not None:
                    degraded = (now - began).total_seconds() < INTERVAL
                    row.alert_value = "Degraded" if degraded else "Unhealthy"
                    row.last_transition = row.failing_since = began
                    row.error = _words(self._failing(server, kind))
                self._rows[server.name, kind.name] = row
            # Each at a moment of its own, and all within minutes, however many there are.
            self.world.after(30 + 7 * number % _SPREAD, partial(self._tick, server))

    def health_manager_started(self, server: Server) -> None:
        """Forget everything: results are there again after a while."""
        self._awake_at[server.name] = self.world.now + timedelta(seconds=WARM_UP)
        for kind in MONITORS:
            self._rows[server.name, kind.name] = _Row(
                alert_value="UnInitialized", last_transition=self.world.now, last_execution=None
            )

    def rows(self, server: Server) -> Sequence[MonitorHealth]:
        """Answer ``Get-ServerHealth``."""
        asked = self.world.servers if self.world.identity_ignored else [server]
        return [row for one in asked if one.up for row in self._rows_of(one)]

    def items(self, server: Server, health_set: str) -> Sequence[MonitoringItem]:
        """Answer ``Get-MonitoringItemIdentity``."""
        asked = health_set.casefold()
        known = [one for one in MONITORS if one.on(server) and one.health_set.casefold() == asked]
        found = [(kind.name, "Monitor", kind) for kind in known]
        probes = [(kind.probe, "Probe", kind) for kind in known if kind.probe]
        found += [one for one in probes if one[0] not in server.missing_probes]
        return [
            MonitoringItem(name=name, kind=what, health_set=kind.health_set, target=kind.target)
            for name, what, kind in found
        ]

    # --- evaluation ------------------------------------------------------------------------------

    def broken(self, server: Server, aspect: str, seen_by: str) -> Trouble | None:
        """Say why the aspect of POP doesn't work there, or nothing if it does.

        Args:
            server: The server in question.
            aspect: ``ctp``, ``deep``...
            seen_by: ``monitors`` or ``probes``: some faults are seen by one of them only.
        """
        if aspect == "deep" and self._nothing_to_test(server):
            return NOTHING_TO_TEST
        for fault in self.world.faults_on(server):
            if fault.breaks(server, aspect) and fault.seen_by in ("both", seen_by):
                return fault.told(server)
        error = (
            self._service_missing(server, aspect)
            or self._proxy_inactive(server, aspect, seen_by)
            or self._loopback_missing(server, aspect)
            or self._back_end_missing(server, aspect)
            or self._dependency_missing(server, aspect)
        )
        return Trouble(error=error) if error else None

    def _nothing_to_test(self, server: Server) -> bool:
        """A test that logs on to a mailbox of each database active here finds none."""
        needs = server.deep_needs_active_database
        if needs is None:
            needs = self.world.deep_needs_active_database
        active = self.world.active_on(server)
        return needs and not any(one.mount == "Mounted" for one in active)

    def _loopback_missing(self, server: Server, aspect: str) -> str:
        # The probes of the front end connect to the server itself.
        if aspect not in ("ctp", "proxy") or server.serves_loopback:
            return ""
        return _refused(PROBED_PORT)

    def _service_missing(self, server: Server, aspect: str) -> str:
        needed = {"ctp": FRONT_END, "proxy": FRONT_END, "deep": BACK_END, "self": BACK_END}
        name = needed.get(aspect, "")
        if not name or server.runs(name):
            return ""
        port = PROBED_PORT if name == FRONT_END else 1995
        return _refused(port)

    def _proxy_inactive(self, server: Server, aspect: str, seen_by: str) -> str:
        # The proxy test's own monitor stays Healthy, beside a state of Offline: seen in the field.
        seen = ("ctp", "proxy") if seen_by == "probes" else ("ctp",)
        if aspect not in seen or server.component_active("PopProxy"):
            return ""
        return "The connection was closed by the remote host before the banner was received."

    def _back_end_missing(self, server: Server, aspect: str) -> str:
        if aspect != "ctp":
            return ""
        back_end = self.world.back_end_of(server)
        if back_end.runs(BACK_END):
            return ""
        return f"[Error=ProxyFailed Proxy={back_end.fqdn}:1995:SSL] The back end did not answer."

    def _dependency_missing(self, server: Server, aspect: str) -> str:
        if aspect not in ("ctp", "deep"):
            return ""
        needed = ("active_directory", "store", "data_protection", "clustering")
        if any(f.breaks(server, one) for f in self.world.faults_on(server) for one in needed):
            return "The mailbox could not be opened: MapiExceptionNetworkError."
        return ""

    def _failing(self, server: Server, kind: MonitorKind) -> Trouble | None:
        if not kind.aspect or not kind.on(server):
            return None
        if self._off_on_purpose(server, kind.aspect):
            return None
        return self.broken(server, kind.aspect, "monitors")

    def _off_on_purpose(self, server: Server, aspect: str) -> bool:
        # Where POP was never in use, Managed Availability doesn't raise alerts about it...
        name = FRONT_END if aspect in ("ctp", "proxy") else BACK_END
        service = server.service(name)
        off = service is None or not (service.running or service.in_use)
        # ...unless something more is wrong than that it doesn't run.
        return off and not any(f.breaks(server, aspect) for f in self.world.faults_on(server))

    def _failing_since(self, server: Server, kind: MonitorKind) -> datetime | None:
        if not self._failing(server, kind):
            return None
        begun = [f.began for f in self.world.faults_on(server) if f.breaks(server, kind.aspect)]
        return min(begun, default=self.world.now - timedelta(minutes=10))

    def _tick(self, server: Server) -> None:
        self.world.after(INTERVAL, lambda: self._tick(server))
        if not server.runs(HEALTH_MANAGER) or self.world.now < self._awake_at[server.name]:
            return
        frozen = {one.monitor for one in self._applicable(server) if one.frozen}
        for kind in monitors_of(server.roles, server.missing_monitors):
            if kind.name not in frozen:
                self._evaluate(server, kind)

    def _evaluate(self, server: Server, kind: MonitorKind) -> None:
        row, now = self._rows[server.name, kind.name], self.world.now
        row.last_execution = now
        trouble = self._failing(server, kind)
        row.error = _words(trouble)
        if trouble is None:
            row.failing_since, value = None, "Healthy"
        else:
            row.failing_since = row.failing_since or now
            long = (now - row.failing_since).total_seconds() >= INTERVAL
            value = "Unhealthy" if long else "Degraded"
        if value == row.alert_value:
            return
        before, row.alert_value, row.last_transition = row.alert_value, value, now
        if kind.aspect in POP_ASPECTS:
            self.world.record(MonitorChanged, server, monitor=kind.name, before=before, after=value)

    # --- rows ------------------------------------------------------------------------------------

    def _applicable(self, server: Server) -> list[RowOverride]:
        now = self.world.elapsed
        return [o for o in self.overrides if o.server is server and o.applies(now)]

    def _rows_of(self, server: Server) -> list[MonitorHealth]:
        overrides = self._applicable(server)
        known, rows = _BY_NAME, []
        for kind in monitors_of(server.roles, server.missing_monitors):
            own = [o for o in overrides if o.monitor == kind.name and not o.of_server]
            rows.append(self._row(server, kind, own[-1] if own else None))
        for one in (o for o in overrides if o.of_server or o.monitor not in known):
            kind = known.get(one.monitor, MonitorKind(one.monitor, "POP.Protocol"))
            rows.append(self._extra(server, kind, one))
        return rows

    def _row(
        self, server: Server, kind: MonitorKind, override: RowOverride | None
    ) -> MonitorHealth:
        row, state = self._rows[server.name, kind.name], "NotApplicable"
        if kind.component:
            state = "Online" if server.component_active(kind.component) else "Offline"
        value = row.alert_value if server.runs(HEALTH_MANAGER) else "Unavailable"
        executed, error = row.last_execution, row.error
        if override is not None:
            value, state = override.alert_value or value, override.state or state
            if override.error is not None and value != "Healthy":
                error = override.error
            if override.frozen and override.since == 0:
                executed = self.world.started - timedelta(seconds=override.evaluated_ago)
        return MonitorHealth(
            server=self.world.spelled(server),
            monitor=kind.name,
            health_set=kind.health_set,
            target=kind.target,
            alert_value=value,
            state=state,
            stale=override is not None and override.stale,
            error=error,
            **_times(server, row.last_transition, executed),
        )

    def _extra(self, server: Server, kind: MonitorKind, override: RowOverride) -> MonitorHealth:
        started, executed = self.world.started, self.world.now - timedelta(seconds=20)
        if override.frozen:
            executed = started - timedelta(seconds=override.evaluated_ago)
        return MonitorHealth(
            server=override.of_server or self.world.spelled(server),
            monitor=kind.name,
            health_set=override.health_set or kind.health_set,
            target=kind.target,
            alert_value=override.alert_value or "Healthy",
            state=override.state or "NotApplicable",
            stale=override.stale,
            error=override.error or "",
            **_times(server, started - timedelta(minutes=10), executed),
        )


def _times(server: Server, changed: datetime, executed: datetime | None) -> dict[str, Any]:
    """The times of a row, by the clock of its server, in the form in which that one gives them."""
    if server.times_missing:
        return {}
    if not server.times_without_zone:
        told = None if executed is None else server.told(executed)
        return {"last_transition": server.told(changed), "last_execution": told}
    return {"last_execution_text": "" if executed is None else server.printed(executed)}


def _words(trouble: Trouble | None) -> str:
    """What a row says of a failure."""
    return "" if trouble is None else "\n".join(filter(None, (trouble.error, trouble.exception)))


def _refused(port: int) -> str:
    return (
        "No connection could be made because the target machine actively refused it "
        f"127.0.0.1:{port}"
    )

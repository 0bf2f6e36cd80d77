"""Numbers for Prometheus: what healings come to, and how long things take.

No label has more values than the tables, Exchange's enumerations and the backend's methods have
names. Names of servers are none of them, and can't be had as labels: each would be a time series
for good. Which server it was is in the log, in the journal, and in the health file of a watch.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from popheal.errors import BackendError, ConfigurationError
from popheal.reports import events, measures
from popheal.reports.events import Event
from popheal.util.extras import how_to_install

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

#: Upper bounds in seconds. A remote call takes up to minutes, a step up to an hour, a healing
#: up to several, as a person may be waited for.
_OF_CALLS: Final = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300)
_OF_STEPS: Final = (1, 5, 15, 30, 60, 120, 300, 600, 1200, 1800, 2700, 3600)
_OF_HEALINGS: Final = (10, 30, 60, 300, 600, 1200, 1800, 3600, 7200, 14400, 28800)

#: Whatever else a backend may raise is not counted by its name.
_ERRORS: Final = frozenset(one.__name__ for one in BackendError.__subclasses__())
_OTHER: Final = "other"


class Metrics:
    """An observer that counts for Prometheus (the extra ``metrics``).

    It keeps its metrics in a registry of its own, unless one is given, and serves nothing: hand
    :attr:`registry` to whatever your program is scraped by, such as
    ``prometheus_client.start_http_server(9464, addr="127.0.0.1", registry=metrics.registry)``,
    or have ``prometheus_client.write_to_textfile`` write it for the node exporter.

    Args:
        registry: Where to register the metrics; one of its own if None.
        journal: The journal whose size is told, with the files beside it; none if None.

    Attributes:
        registry: The registry.

    Raises:
        ConfigurationError: If ``prometheus_client`` is not installed.
    """

    registry: CollectorRegistry

    def __init__(
        self,
        registry: CollectorRegistry | None = None,
        *,
        journal: str | os.PathLike[str] | None = None,
    ) -> None:
        try:
            import prometheus_client as prometheus
        except ImportError:
            raise ConfigurationError(
                source="metrics",
                problem="prometheus_client is not installed",
                next_step=how_to_install("metrics"),
            ) from None
        self.registry = registry or prometheus.CollectorRegistry(auto_describe=True)

        def counter(name: str, says: str, *labels: str) -> Any:
            return prometheus.Counter(f"popheal_{name}", says, labels, registry=self.registry)

        def gauge(name: str, says: str, *labels: str) -> Any:
            return prometheus.Gauge(f"popheal_{name}", says, labels, registry=self.registry)

        def histogram(name: str, says: str, bounds: tuple[float, ...], *labels: str) -> Any:
            return prometheus.Histogram(
                f"popheal_{name}", says, labels, buckets=bounds, registry=self.registry
            )

        self._healings = counter("healings", "Healings that have ended.", "verdict")
        self._open = gauge("healings_open", "Healings at work in this process.")
        self._healing = histogram("healing_seconds", "How long healings took.", _OF_HEALINGS)
        self._findings = counter("findings", "What triage and healings have found.", "kind")
        self._steps = counter("steps", "Steps taken.", "procedure", "action", "outcome")
        self._step = histogram("step_seconds", "How long steps took.", _OF_STEPS, "action")
        self._refusals = counter("refusals", "Steps that were refused.", "reason")
        self._approvals = counter("approvals", "Approvals asked for, and answers.", "outcome")
        self._debts = counter("debts_handed_over", "Changes left for a person to undo.", "kind")
        self._waits = counter("waits", "Waits that have begun.")
        self._waited = counter("wait_seconds", "Time that was waited.")
        self._call = histogram("call_seconds", "How long calls took.", _OF_CALLS, "call")
        self._errors = counter("call_errors", "Calls that failed.", "call", "error")
        self._looks = counter("looks", "Looks of a watch at a server.", "health")
        self._look = histogram("look_seconds", "How long those looks took.", _OF_CALLS)
        self._looked_at = gauge("last_look_timestamp_seconds", "When a watch looked last.")
        self._servers = gauge("servers", "Watched servers, by what they were last.", "health")
        if journal is not None:
            size = gauge("journal_bytes", "Size of the journal, with the files beside it.")
            path = Path(journal)
            size.set_function(lambda: _size_of(path))
        self._lock = threading.Lock()
        self._at_work: set[str] = set()
        self._seen: dict[str, str] = {}

    def __call__(self, event: Event) -> None:
        if handle := _HANDLERS.get(type(event)):
            with self._lock:  # healings may be carried out in several threads
                handle(self, event)

    # --- a healing -------------------------------------------------------------------------------

    def _begins(self, event: events.HealingStarted | events.HealingResumed) -> None:
        self._at_work.add(event.id)
        self._open.set(len(self._at_work))

    def _is_over(self, event: Event) -> None:
        self._at_work.discard(event.healing_id)
        self._open.set(len(self._at_work))

    def _ends(self, event: events.HealingEnded) -> None:
        self._healings.labels(event.verdict.value).inc()
        self._healing.observe(event.seconds)
        self._is_over(event)

    def _finds(self, event: events.FindingMade) -> None:
        self._findings.labels(event.kind.value).inc()

    def _hands_over(self, event: events.DebtHandedOver) -> None:
        self._debts.labels(event.kind.value).inc()

    def _takes_step(self, event: events.ActionFinished) -> None:
        self._steps.labels(event.procedure, event.action, event.outcome).inc()
        self._step.labels(event.action).observe(event.seconds)
        if event.outcome == "refused":
            self._refusals.labels(event.kind.value if event.kind else _OTHER).inc()

    def _asks(self, _event: events.ApprovalAsked) -> None:
        self._approvals.labels("asked").inc()

    def _is_answered(self, event: events.ApprovalAnswered) -> None:
        self._approvals.labels(event.outcome).inc()

    def _waits_for(self, _event: events.Pausing) -> None:
        self._waits.inc()

    def _has_waited(self, event: measures.PauseEnded) -> None:
        self._waited.inc(event.seconds)

    def _calls(self, event: measures.CallEnded) -> None:
        self._call.labels(event.call).observe(event.seconds)
        if event.error:
            error = event.error if event.error in _ERRORS else _OTHER
            self._errors.labels(event.call, error).inc()

    # --- a watch ---------------------------------------------------------------------------------

    def _looks_at(self, event: measures.ServerLooked) -> None:
        self._looks.labels(event.health).inc()
        self._look.observe(event.seconds)
        self._looked_at.set(event.at.timestamp())
        before = self._seen.get(event.server)
        self._seen[event.server] = event.health
        if before != event.health:
            self._servers.labels(event.health).inc()
            if before is not None:
                self._servers.labels(before).dec()


def _size_of(path: Path) -> float:
    """Of a journal, with what SQLite keeps beside it; what is not there has none."""
    total = 0
    for ending in ("", "-wal", "-shm"):
        try:
            total += path.with_name(path.name + ending).stat().st_size
        except OSError:
            continue
    return total


#: By the class of the event; what is not here is not counted.
_HANDLERS: Final[Mapping[type[Event], Callable[[Metrics, Any], None]]] = {
    events.HealingStarted: Metrics._begins,
    events.HealingResumed: Metrics._begins,
    events.HealingForgotten: Metrics._is_over,
    events.HealingEnded: Metrics._ends,
    events.FindingMade: Metrics._finds,
    events.DebtHandedOver: Metrics._hands_over,
    events.ActionFinished: Metrics._takes_step,
    events.ApprovalAsked: Metrics._asks,
    events.ApprovalAnswered: Metrics._is_answered,
    events.Pausing: Metrics._waits_for,
    measures.PauseEnded: Metrics._has_waited,
    measures.CallEnded: Metrics._calls,
    measures.ServerLooked: Metrics._looks_at,
}

"""Spans for OpenTelemetry: a healing, its steps, and their calls, as one tree.

Attributes hold names and outcomes, never a sentence that somebody else has written: nothing in
them comes from an answer, a log or an error.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from attrs import define, field

from popheal.errors import ConfigurationError
from popheal.reports import events, measures
from popheal.reports.events import Event
from popheal.util.extras import how_to_install
from popheal.util.version import __version__

if TYPE_CHECKING:
    from opentelemetry.trace import Span, TracerProvider


@define
class _Healing:
    """The spans of a healing that have not ended: the healing's own, and its steps within.

    A step that heals another server has that one's steps within it.
    """

    root: Span
    steps: list[tuple[tuple[str, str], Span]] = field(factory=list)

    @property
    def innermost(self) -> Span:
        return self.steps[-1][1] if self.steps else self.root


class Tracing:
    """An observer that makes spans for OpenTelemetry (the extra ``tracing``).

    A healing is a root span, ``popheal.healing``; within it are its steps, named after their
    states, and within those their calls, named after the backend's methods. What a healing waits
    for and asks people are events of its spans.

    A healing that is resumed is a root span of its own, with ``popheal.resumed``: both parts have
    the same ``popheal.healing.id``. What a process had begun when it died is not exported.

    Args:
        provider: Makes the tracer; by default OpenTelemetry's own for the process, which does
            nothing unless the program has set one up.

    Raises:
        ConfigurationError: If ``opentelemetry`` is not installed.
    """

    def __init__(self, provider: TracerProvider | None = None) -> None:
        try:
            from opentelemetry import trace
        except ImportError:
            raise ConfigurationError(
                source="tracing",
                problem="opentelemetry is not installed",
                next_step=how_to_install("tracing"),
            ) from None
        self._trace = trace
        self._tracer = trace.get_tracer("popheal", __version__, provider)
        self._lock = threading.Lock()
        self._open: dict[str, _Healing] = {}

    def __call__(self, event: Event) -> None:
        if handle := _HANDLERS.get(type(event)):
            with self._lock:  # healings may be carried out in several threads
                handle(self, event)

    def close(self, at: datetime | None = None) -> None:
        """End the spans of healings that were left to another process.

        Args:
            at: When that was, aware UTC; now if None.
        """
        with self._lock:
            for name in tuple(self._open):
                self._leave(name, at)

    def _leave(self, name: str, at: datetime | None) -> None:
        healing = self._open.pop(name, None)
        if healing is None:
            return
        for span in [*(one for _, one in reversed(healing.steps)), healing.root]:
            span.set_attribute("popheal.left", True)
            span.end(_nanoseconds(at) if at else None)

    # --- a healing -------------------------------------------------------------------------------

    def _begins(self, event: events.HealingStarted | events.HealingResumed) -> None:
        self._leave(event.id, event.at)  # by this very process, when it was detached
        attributes: dict[str, str | bool] = {
            "popheal.healing.id": event.id,
            "server.address": event.server,
        }
        if isinstance(event, events.HealingResumed):
            attributes["popheal.resumed"] = True
        # In a context of its own: whatever span the program is in, a healing is a root.
        root = self._tracer.start_span(
            "popheal.healing",
            context=self._trace.set_span_in_context(self._trace.INVALID_SPAN),
            attributes=attributes,
            start_time=_nanoseconds(event.at),
        )
        self._open[event.id] = _Healing(root)

    def _is_over(self, event: Event) -> None:
        self._leave(event.healing_id, event.at)

    def _ends(self, event: events.HealingEnded) -> None:
        healing = self._open.get(event.healing_id)
        if healing is None:
            return
        healing.root.set_attribute("popheal.verdict", event.verdict.value)
        if event.verdict.for_a_person:
            healing.root.set_status(self._trace.StatusCode.ERROR, event.verdict.meaning)
        while healing.steps:
            healing.steps.pop()[1].end(_nanoseconds(event.at))
        healing.root.end(_nanoseconds(event.at))
        del self._open[event.healing_id]

    def _begins_step(self, event: events.ActionStarted) -> None:
        healing = self._open.get(event.healing_id)
        if healing is None:
            return
        span = self._tracer.start_span(
            event.state,
            context=self._trace.set_span_in_context(healing.innermost),
            attributes={
                "popheal.healing.id": event.healing_id,
                "popheal.run.id": event.run_id,
                "popheal.procedure": event.procedure,
                "popheal.action": event.action,
                "popheal.impact": event.impact.value,
                "server.address": event.server,
            },
            start_time=_nanoseconds(event.at),
        )
        healing.steps.append(((event.run_id, event.state), span))

    def _ends_step(self, event: events.ActionFinished) -> None:
        healing = self._open.get(event.healing_id)
        this = (event.run_id, event.state)
        if healing is None or this not in [name for name, _ in healing.steps]:
            return
        name = None
        while name != this:
            name, span = healing.steps.pop()
            if name == this:
                span.set_attribute("popheal.outcome", str(event.outcome))
            span.end(_nanoseconds(event.at))

    def _calls(self, event: measures.CallEnded) -> None:
        healing = self._open.get(event.healing_id)
        if healing is None:
            return
        began = event.at - timedelta(seconds=event.seconds)
        span = self._tracer.start_span(
            event.call,
            context=self._trace.set_span_in_context(healing.innermost),
            kind=self._trace.SpanKind.CLIENT,
            attributes={"server.address": event.server},
            start_time=_nanoseconds(began),
        )
        if event.error:
            span.set_attribute("error.type", event.error)
            span.set_status(self._trace.StatusCode.ERROR)
        span.end(_nanoseconds(event.at))

    def _notes(self, event: Event) -> None:
        if healing := self._open.get(event.healing_id):
            healing.innermost.add_event(event.name, timestamp=_nanoseconds(event.at))


def _nanoseconds(at: datetime) -> int:
    """Since the epoch, as OpenTelemetry counts; without the rounding of a float."""
    return int(at.timestamp()) * 10**9 + at.microsecond * 1000


#: By the class of the event; what is not here is in no span.
_HANDLERS: Final[Mapping[type[Event], Callable[[Tracing, Any], None]]] = {
    events.HealingStarted: Tracing._begins,
    events.HealingResumed: Tracing._begins,
    events.HealingForgotten: Tracing._is_over,
    events.HealingEnded: Tracing._ends,
    events.ActionStarted: Tracing._begins_step,
    events.ActionFinished: Tracing._ends_step,
    measures.CallEnded: Tracing._calls,
    events.EffectIntended: Tracing._notes,
    events.Pausing: Tracing._notes,
    events.WaitHindered: Tracing._notes,
    events.ApprovalAsked: Tracing._notes,
    events.ApprovalAnswered: Tracing._notes,
    events.StopNoted: Tracing._notes,
}

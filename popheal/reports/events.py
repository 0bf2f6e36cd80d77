"""What happens during a healing, told to observers as it happens."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import structlog
from attrs import field, frozen

from popheal.reports.report import Report


@frozen(kw_only=True)
class Event:
    """Something that happened.

    Attributes:
        name: ``healing_started``, ``triage_started``, ``finding``, ``run_started``,
            ``action_started``, ``effect_intended``, ``action_finished``, ``transition``,
            ``run_ended``, ``pausing``, ``approval_asked``, ``approval_answered``,
            ``debt_handed_over``, ``handed_over``, ``stop_noted`` (a person's stop has been written
            down), ``healing_ended`` or ``healing_resumed``; while
            watching also ``watch_started``, ``server_health``, ``look_failed``,
            ``alert_raised``, ``alert_waits`` or ``watch_ended``.
        at: When, aware UTC, by the driver's clock.
        server: The server it is about.
        run_id: The run; empty outside one.
        procedure: Name of the procedure, likewise.
        state: The state the run is in, likewise.
        details: What else there is to say, by name: plain values. Only ``handed_over`` has
            a ``report`` among them, the :class:`~popheal.reports.report.Report` itself.
    """

    name: str
    at: datetime
    server: str
    run_id: str = ""
    procedure: str = ""
    state: str = ""
    details: Mapping[str, Any] = field(factory=dict)


#: An observer is called with each event; what it raises is logged and otherwise ignored,
#: because telling about a recovery must never change it.
Observer = Callable[[Event], None]


def is_logged() -> bool:
    """Whether the host program wants to know: else nothing is made ready for its log."""
    return structlog.is_configured() or _STANDARD.isEnabledFor(logging.INFO)


def log_event(event: Event) -> None:
    """The observer that is always there: structlog.

    Goes through the host program's structlog if it has configured it, else to the standard
    library's logger ``popheal``, which is silent until the host program wants it. This library
    configures neither.
    """
    fields = {
        "server": event.server,
        "run_id": event.run_id,
        "procedure": event.procedure,
        "state": event.state,
        **_without_report(event.details),
    }
    _logger().info(event.name, **{name: value for name, value in fields.items() if value != ""})


def _without_report(details: Mapping[str, Any]) -> Mapping[str, Any]:
    """The details, and of a whole report only the two things that belong into a log."""
    report = details.get("report")
    if not isinstance(report, Report):
        return details
    rest = {name: value for name, value in details.items() if name != "report"}
    return {"verdict": report.verdict.value, "summary": report.summary, **rest}


def log_failure(about: str, error: BaseException) -> None:
    """Tell the log that an observer, or an approver, raised."""
    _logger().warning("observer_failed", about=about, error=repr(error))


_STANDARD = logging.getLogger("popheal")
_STANDARD.addHandler(logging.NullHandler())


def _logger() -> Any:
    if structlog.is_configured():
        return structlog.get_logger("popheal")
    return structlog.wrap_logger(
        _STANDARD,
        wrapper_class=structlog.stdlib.BoundLogger,
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.add_logger_name,
            structlog.stdlib.render_to_log_kwargs,
        ],
    )

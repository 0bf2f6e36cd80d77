"""The log of the host program: where every event goes, whoever observes besides."""

from __future__ import annotations

import logging
from typing import Any, Final

import structlog

from popheal.reports.events import Event, HandedOver

#: What a log says of every event, each only where there is something to say.
LOGGED_OF_EACH: Final = ("server", "healing_id", "run_id", "procedure", "state")


def is_logged() -> bool:
    """Whether the host program wants to know: else nothing is made ready for its log."""
    return structlog.is_configured() or _STANDARD.isEnabledFor(logging.INFO)


def log_event(event: Event) -> None:
    """The observer that is always there: structlog.

    Goes through the host program's structlog if it has configured it, else to the standard
    library's logger ``popheal``, which is silent until the host program wants it. This library
    configures neither.
    """
    said = {name: getattr(event, name) for name in LOGGED_OF_EACH}
    if isinstance(event, HandedOver):  # of a whole report only what belongs into a log
        said |= {"verdict": event.report.verdict.value, "summary": event.report.summary}
    else:
        said |= event.details
    said = {name: value for name, value in said.items() if value != ""}
    (_logger().info if event.level >= logging.INFO else _logger().debug)(event.name, **said)


def log_failure(about: str, error: BaseException) -> None:
    """Tell the log that an observer, or an approver, raised; ``about`` is the event's name."""
    _logger().warning("observer_failed", about=about, error=repr(error))


def log_concern(problem: str, next_step: str) -> None:
    """Tell the log what speaks against how something is set up."""
    _logger().warning("concern", problem=problem, next_step=next_step)


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

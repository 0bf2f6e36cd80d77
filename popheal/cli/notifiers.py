"""Who is told what happens, besides whoever looks at the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from popheal.config.load import Config
    from popheal.reports.events import Observer


def notifiers(told: Config) -> list[Observer]:
    """What the configuration's ``[notify]`` asks for. Raises ConfigurationError."""
    if told.notify is None:
        return []
    from popheal.notify import Notifier

    return [Notifier(told.notify.urls, verdicts=told.notify.verdicts)]

"""Events that come many times a minute: for numbers rather than for people.

They go to the same observers as all others (:mod:`popheal.reports.events`), and into a log that
is there for debugging.
"""

from __future__ import annotations

import logging

from attrs import frozen

from popheal.reports.events import Event


@frozen(kw_only=True)
class Measure(Event):
    """An event of that kind."""

    level = logging.DEBUG


@frozen(kw_only=True)
class PauseEnded(Measure):
    """Time was let pass, so many ``seconds`` of it: a wait has one pause, or many."""

    name = "pause_ended"
    seconds: float


@frozen(kw_only=True)
class CallEnded(Measure):
    """A call of the backend has come back: for real servers, a remote one.

    Attributes:
        call: The backend's method: ``server_health``.
        seconds: How long it took.
        error: The class of the error that it came back with; None if it did its work.
    """

    name = "call_ended"
    call: str
    seconds: float
    error: str | None = None


@frozen(kw_only=True)
class ServerLooked(Measure):
    """A watch has looked at a server; told of each look, whatever it has seen.

    Attributes:
        health: The worst of its POP monitors; ``silent`` if the look has failed.
        seconds: How long it took.
    """

    name = "server_looked"
    health: str
    seconds: float

"""The alert that somebody gives: by fields, by a text, or by both where they agree."""

from __future__ import annotations

from collections.abc import Mapping

from popheal.errors import PophealError
from popheal.exchange.names import same_server
from popheal.healthsets.pop.catalog import health_set_named, monitor_named
from popheal.reports.alert_text import AlertText
from popheal.reports.report import Alert


class UnclearAlert(PophealError):
    """It can't be told which alert is meant.

    Attributes:
        problem: Why not.
    """

    def __init__(self, *, problem: str, next_step: str = "") -> None:
        self.problem = problem
        super().__init__(problem)
        self.next_step = next_step

    def sentence(self) -> str:
        return self.problem


def alert_given(
    told: AlertText | None,
    *,
    server: str | None,
    health_set: str | None,
    monitor: str | None,
    names: Mapping[str, str],
) -> Alert:
    """The alert that is meant.

    Args:
        told: What its text says, if there is one.
        server: The server, if it was given apart from that; so are the health set and the monitor.
        names: How whoever gives them calls ``server``, ``health_set``, ``monitor`` and ``text``.

    Raises:
        UnknownName: If there is no such health set or monitor.
        UnclearAlert: If there is no server, or the fields and the text contradict each other.
    """
    server = _server(server, told, names)
    monitor = monitor_named(monitor).name if monitor else None
    health_set = health_set_named(health_set) if health_set else None
    if told:
        _agree(names["monitor"], monitor, told.monitor)
        monitor = monitor or told.monitor
        named = told.health_set if told.monitor is None or told.monitor == monitor else None
        if health_set:
            _agree(names["health_set"], health_set, named)
        else:
            health_set = named
    if health_set is None:
        health_set = monitor_named(monitor).health_set if monitor else "POP"
    return Alert(
        server=server, health_set=health_set, monitor=monitor, text=told.text if told else ""
    )


def _server(given: str | None, told: AlertText | None, names: Mapping[str, str]) -> str:
    named, called = told.servers if told else (), names["server"]
    if given is None:
        if len(named) == 1:
            return named[0]
        if named:
            raise UnclearAlert(
                problem=f"The alert names several servers: {', '.join(named)}",
                next_step=f"Say which: {called}.",
            )
        raise (
            UnclearAlert(
                problem="Which server? The alert names none", next_step=f"Give {called} too."
            )
            if told
            else UnclearAlert(
                problem=f"Which server? Give {called}, or an alert that names it ({names['text']})"
            )
        )
    if named and not any(same_server(given, one) for one in named):
        raise UnclearAlert(
            problem=f"{called} is {given}, but the alert is about {', '.join(named)}",
            next_step="Give one of them, or the right alert.",
        )
    return given


def _agree(option: str, given: str | None, told: str | None) -> None:
    if given and told and given != told:
        raise UnclearAlert(
            problem=f"{option} is {given}, but the alert names {told}",
            next_step=f"Leave {option} out, or give the right alert.",
        )

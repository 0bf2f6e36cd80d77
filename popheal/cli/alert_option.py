"""The alert that a command is given: by its options, by a text, or by both where they agree."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from popheal.cli.render import console
from popheal.exchange.names import same_server
from popheal.healthsets.pop.catalog import health_set_named, monitor_named
from popheal.reports.alert_text import AlertText, decode_alert, read_alert
from popheal.reports.report import Alert

#: No alert is longer; whatever is, is something else.
_MOST_BYTES: Final = 1_000_000


def alert_of(
    server: str | None, health_set: str | None, monitor: str | None, alert_file: Path | None
) -> Alert:
    """The alert that the arguments describe.

    Raises:
        UnknownName: If there is no such health set or monitor.
        UsageError: If there is no server, or the options and the text contradict each other.
    """
    told = read_alert(_read(alert_file)) if alert_file else None
    if told:
        for one in told.unclear:
            console.say(f"In the alert: {one}.")
    server = _server(server, told)
    monitor = monitor_named(monitor).name if monitor else None
    health_set = health_set_named(health_set) if health_set else None
    if told:
        _agree("--monitor", monitor, told.monitor)
        monitor = monitor or told.monitor
        named = told.health_set if told.monitor is None or told.monitor == monitor else None
        if health_set:
            _agree("--health-set", health_set, named)
        else:
            health_set = named
    if health_set is None:
        health_set = monitor_named(monitor).health_set if monitor else "POP"
    return Alert(
        server=server, health_set=health_set, monitor=monitor, text=told.text if told else ""
    )


def _read(path: Path) -> str:
    try:
        if str(path) == "-":
            data = sys.stdin.buffer.read(_MOST_BYTES + 1)
        else:
            with path.open("rb") as file:
                data = file.read(_MOST_BYTES + 1)
    except OSError as error:
        raise click.UsageError(
            f"The alert can't be read from {path}: {error.strerror or error}. "
            "Give a file that is there, or - for standard input."
        ) from None
    if len(data) > _MOST_BYTES:
        raise click.UsageError(
            f"{path} has more than {_MOST_BYTES:,} bytes, so it is no alert. Give its text alone."
        )
    text = decode_alert(data)
    if not text.strip():
        raise click.UsageError(f"There is no alert in {path}: it is empty.")
    return text


def _server(given: str | None, told: AlertText | None) -> str:
    named = told.servers if told else ()
    if given is None:
        if len(named) == 1:
            return named[0]
        if named:
            raise click.UsageError(
                f"The alert names several servers: {', '.join(named)}. Say which: SERVER."
            )
        raise click.UsageError(
            "Which server? The alert names none. Give SERVER too."
            if told
            else "Which server? Give SERVER, or an alert that names it (--alert-file)."
        )
    if named and not any(same_server(given, one) for one in named):
        raise click.UsageError(
            f"SERVER is {given}, but the alert is about {', '.join(named)}. Give one of them, or "
            "the right alert."
        )
    return given


def _agree(option: str, given: str | None, told: str | None) -> None:
    if given and told and given != told:
        raise click.UsageError(
            f"{option} is {given}, but the alert names {told}. Leave {option} out, or give the "
            "right alert."
        )

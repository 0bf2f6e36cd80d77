"""The alert that a command is given: by its options, by a text, or by both where they agree."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from popheal.cli.render import console
from popheal.reports.alert_given import UnclearAlert, alert_given
from popheal.reports.alert_text import decode_alert, read_alert
from popheal.reports.report import Alert

#: No alert is longer; whatever is, is something else.
_MOST_BYTES: Final = 1_000_000
_NAMES: Final = {
    "server": "SERVER",
    "health_set": "--health-set",
    "monitor": "--monitor",
    "text": "--alert-file",
}


def alert_of(
    server: str | None, health_set: str | None, monitor: str | None, alert_file: Path | None
) -> Alert:
    """The alert that the arguments describe.

    Raises:
        UnknownName: If there is no such health set or monitor.
        UsageError: If there is no server, or the options and the text contradict each other.
    """
    told = read_alert(_read(alert_file)) if alert_file else None
    for one in told.unclear if told else ():
        console.say(f"In the alert: {one}.")
    try:
        return alert_given(
            told, server=server, health_set=health_set, monitor=monitor, names=_NAMES
        )
    except UnclearAlert as error:
        raise click.UsageError(str(error)) from None


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

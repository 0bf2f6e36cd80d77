"""``report``: what came of the healings of some time."""

from __future__ import annotations

import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import click

from popheal.cli.options import html_option, journal_options, json_option
from popheal.cli.render import console
from popheal.cli.session import journal_path, open_journal

_UNITS: Final = {"h": "hours", "d": "days", "w": "weeks"}
_SPAN: Final = re.compile(r"(\d{1,6})([hdw])")


def _moment(
    _context: click.Context, _option: click.Parameter, given: str | None
) -> datetime | None:
    """A day, a time, or how long ago. Without a zone it is UTC, as everything that is shown."""
    if given is None:
        return None
    try:
        if ago := _SPAN.fullmatch(given):
            return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        at = datetime.fromisoformat(given)
        return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)
    except (OverflowError, ValueError):
        raise click.BadParameter(
            f"'{given}' is no time. Give a day (2026-01-31), a time (2026-01-31T08:00), or how "
            "long ago (24h, 30d, 4w)."
        ) from None


@click.command(short_help="Say what came of the healings of some time.")
@click.option(
    "--since",
    callback=_moment,
    default="30d",
    show_default=True,
    metavar="WHEN",
    help="Those that began from then on: a day, a time (UTC), or how long ago, like 30d.",
)
@click.option(
    "--until",
    callback=_moment,
    metavar="WHEN",
    help="Only those that began before; else all since.",
)
@journal_options
@html_option
@json_option
def report(
    since: datetime,
    until: datetime | None,
    journal: Path | None,
    config: Path | None,
    html: Path | None,
    as_json: bool,
) -> int:
    """Say what came of the healings of some time: how many ended how, how long they took, what kept
    others from ending well, what was done, and what a person was asked.

    \b
      popheal report --config popheal.toml
      popheal report --journal journal.db --since 7d
      popheal report --journal journal.db \\
        --since 2026-01-01 --until 2026-02-01 \\
        --html january.html

    This only looks: it can be asked while others write.
    """
    from popheal.review import page_of_period, period_of

    now = until or datetime.now(UTC)
    if since >= now:
        raise click.UsageError("--since is not before --until: nothing lies between them.")
    with open_journal(journal_path(journal, config), read_only=True) as opened:
        period = period_of(opened, since, now)
    if html:
        console.answer_file(page_of_period(period), html, option="--html")
    if as_json:
        console.answer_json(period.to_json())
        return 0
    from popheal.cli.render.period import period_lines

    out = console.console(sys.stdout)
    console.print_lines(out, period_lines(out, period))
    return 0

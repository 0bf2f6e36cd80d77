"""``check``: whether popheal finds in an organisation what it needs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import click
from attrs import evolve

from popheal.api import Healer
from popheal.cli.options import (
    config_option,
    journal_option,
    json_option,
    record_option,
    server_name,
)
from popheal.cli.render import console
from popheal.cli.render.now import shown
from popheal.cli.session import connected, notifiers, under_way
from popheal.cli.signals import obeying
from popheal.errors import ConfigurationError

if TYPE_CHECKING:
    from popheal.config.load import Config
    from popheal.readiness import Line, Readiness


def _print_schema(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        console.answer_text(schema_text())
        context.exit()


def schema_text() -> str:
    """The JSON schema of what ``--json`` answers."""
    return (resources.files("popheal.readiness") / "check.schema.json").read_text("utf-8")


@click.command(short_help="See whether popheal finds what it needs.")
@click.argument("servers", metavar="[SERVER ...]", nargs=-1, callback=server_name)
@config_option
@journal_option
@record_option
@json_option
@click.option(
    "--html", type=click.Path(path_type=Path), metavar="PATH", help="Write a page to PATH, too."
)
@click.option("--all", "whole", is_flag=True, help="Show each line, also those that are well.")
@click.option(
    "--schema",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_schema,
    help="Print the JSON schema of what --json answers, and end.",
)
def check(
    servers: tuple[str, ...],
    config: Path,
    journal: Path | None,
    record: Path | None,
    as_json: bool,
    html: Path | None,
    whole: bool,
) -> int:
    """Look whether popheal finds on each SERVER what it needs: names, certificates, logons, rights,
    clocks, logs, monitors, probes, databases. It only looks, and changes nothing.

    Without SERVER, those that [watch] in FILE names, else those of [exchange].

    \b
      popheal check --config popheal.toml
      popheal check ex1.contoso.com --config popheal.toml --all
      popheal check --config popheal.toml --html check.html

    Each line is well, not well, or could not be told, with the cause and what to do. One that is
    not well ends nothing. The exit status is 0 if all is well, 1 if something is not, and 4 if
    something could not be told. The page "The check" of the documentation has each line.
    """
    from popheal.config.load import load_config

    told = load_config(config)
    console.expect_file(html, option="--html")
    wanted = servers or (told.watch.servers if told.watch else told.settings.exchange.servers)
    with (
        obeying(),
        connected(told.settings, record) as backend,
        shown("the check", _in_short(wanted), under_way(backend)),
    ):
        found = Healer(backend, policy=told.policy).check(wanted)
    found = evolve(found, here=_here(told, journal))
    if html:
        console.answer_file(found.to_html().encode(), html, option="--html")
    if as_json:
        console.answer_json(found.to_json())
    else:
        _show(found, whole=whole)
    return found.exit_status


def _show(found: Readiness, *, whole: bool) -> None:
    from popheal.cli.render.readiness import readiness_lines

    out = console.console(sys.stdout)
    console.print_lines(out, readiness_lines(out, found, whole=whole))


def _in_short(servers: Sequence[str]) -> str:
    more = len(servers) - 1
    return f"{servers[0]} and {more} more" if more else servers[0]


def _here(told: Config, journal: Path | None) -> tuple[Line, ...]:
    from popheal.readiness.on_this_machine import journal_lines

    return (*journal_lines(journal or told.journal, told.policy), *_notified(told))


def _notified(told: Config) -> Sequence[Line]:
    """Who is told how healings end."""
    from popheal.readiness.subject import bad, good, lines_of

    if told.notify is None:
        return lines_of("notified", [good("nobody ([notify])")])
    number = len(told.notify.urls)
    said = f"{number} address{'' if number == 1 else 'es'}, of handovers that ended as "
    said += ", ".join(one.value for one in told.notify.verdicts)
    try:
        notifiers(told)
    except ConfigurationError as error:
        return lines_of("notified", [bad(said, error.problem, error.next_step)])
    return lines_of("notified", [good(said)])

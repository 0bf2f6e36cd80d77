"""The options and arguments that several commands share, each written once."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from popheal.cli import completion
from popheal.exchange.names import is_server_name

Command = TypeVar("Command", bound=Callable[..., Any])

#: Names the configuration where ``--config`` does not.
CONFIG_VARIABLE: Final = "POPHEAL_CONFIG"
PATH: Final = click.Path(path_type=Path)


def _config(about: str, *, required: bool = False) -> Callable[[Command], Command]:
    return click.option(
        "-c",
        "--config",
        type=PATH,
        envvar=CONFIG_VARIABLE,
        required=required,
        metavar="FILE",
        help=f"The configuration {about}. Or set {CONFIG_VARIABLE}.",
    )


#: ``--config``, which must be there.
config_option: Final = _config("(TOML): where the organisation is, policy, timing", required=True)
#: ``--journal``, for a command that has ``--config`` already.
journal_option: Final = click.option(
    "--journal",
    type=PATH,
    metavar="PATH",
    help="The journal, whatever the configuration says.",
)
json_option: Final = click.option(
    "--json", "as_json", is_flag=True, help="Answer with one JSON object, and nothing else."
)


def _page(_context: click.Context, _option: click.Parameter, given: Path | None) -> Path | None:
    """See that a page can be written there, as far as that can be told before the work is done."""
    if given is not None and (given.is_dir() or not os.access(given.absolute().parent, os.W_OK)):
        raise click.BadParameter(f"{given} can't be written; give another path.")
    return given


#: ``--html``, for a command that makes a report.
html_option: Final = click.option(
    "--html",
    type=PATH,
    metavar="FILE",
    callback=_page,
    help="Write the report as a page for a browser or a printer to FILE, too.",
)

#: ``--record``, for a command that asks real servers.
record_option: Final = click.option(
    "--record",
    type=PATH,
    metavar="FILE",
    help="Write what is asked and answered to a new file, with the names in it replaced.",
)


def optional_config_option(about: str) -> Callable[[Command], Command]:
    """``--config``, which need not be there."""
    return _config(about)


#: ``--yes``, for a command that may take servers out of service.
yes_option: Final = click.option(
    "--yes",
    is_flag=True,
    help="Take servers out of service, as far as the policy allows, without asking where the "
    "configuration does not say approval_from.",
)


def journal_options(command: Command) -> Command:
    """Add ``--journal`` and ``--config``, one of which must name a journal."""
    return journal_option(_config("that names the journal")(command))


def output_option(about: str) -> Callable[[Command], Command]:
    """``--output``, with what may be given."""
    return click.option(
        "-o",
        "--output",
        type=PATH,
        metavar="PATH",
        help=f"The file to write to, {about}; else standard output.",
    )


def server_name(_context: click.Context, _option: click.Parameter, given: Any) -> Any:
    """See that what is given are names of servers; for one, or for several."""
    for one in given if isinstance(given, tuple) else [given]:
        if one is not None and not is_server_name(one):
            raise click.BadParameter(
                f"{one!r} is not the name of a server. Give its name alone, like ex1.contoso.com: "
                "no address of a page, no pattern, no account."
            )
    return given


def server_options(command: Command) -> Command:
    """Add what describes an alert on a server, and what answering it takes."""
    for decorate in (
        json_option,
        record_option,
        config_option,
        click.option(
            "--monitor",
            metavar="M",
            shell_complete=completion.monitors,
            help="The monitor that alerted, if known.",
        ),
        click.option(
            "--health-set",
            metavar="S",
            shell_complete=completion.health_sets,
            help="The health set that alerted: POP, POP.Protocol or POP.Proxy.",
        ),
        click.option(
            "--alert-file",
            type=PATH,
            metavar="FILE",
            help="The text of the alert, as a mail or an event log has it; - for standard input.",
        ),
        click.argument("server", required=False, callback=server_name),
    ):
        command = decorate(command)
    return command

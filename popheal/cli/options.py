"""The options and arguments that several commands share, each written once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import click

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


def server_options(command: Command) -> Command:
    """Add what describes an alert on a server, and what answering it takes."""
    for decorate in (
        json_option,
        config_option,
        click.option("--monitor", metavar="M", help="The monitor that alerted, if known."),
        click.option(
            "--health-set",
            metavar="S",
            help="The health set that alerted: POP, POP.Protocol or POP.Proxy.",
        ),
        click.option(
            "--alert-file",
            type=PATH,
            metavar="FILE",
            help="The text of the alert, as a mail or an event log has it; - for standard input.",
        ),
        click.argument("server", required=False),
    ):
        command = decorate(command)
    return command

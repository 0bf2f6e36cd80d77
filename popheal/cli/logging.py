"""``--verbose``: the library's events as lines on standard error.

A library leaves logging to its host program; here, that is us.
"""

from __future__ import annotations

import sys
import traceback
from typing import Final

import click

_KEY = "popheal.verbose"


def _remember(context: click.Context, _option: click.Parameter, wanted: bool) -> None:
    if wanted and not context.meta.get(_KEY):
        context.meta[_KEY] = True
        _configure()


#: ``-v``, which every command takes.
verbose_option: Final = click.option(
    "-v",
    "--verbose",
    is_flag=True,
    expose_value=False,
    callback=_remember,
    help="Log every event to standard error; with a traceback should popheal itself fail.",
)


def is_verbose(context: click.Context | None) -> bool:
    """Whether ``-v`` was given, before or after the command."""
    return bool(context and context.meta.get(_KEY))


def _configure() -> None:
    import structlog

    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            # Values in quotes with their odd characters escaped: they come from far away.
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"]),
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )


def print_traceback() -> None:
    """The traceback of the exception being handled."""
    traceback.print_exc(file=sys.stderr)

"""``serve``: a watch that alerts can be sent to, and that people can answer over HTTP."""

from __future__ import annotations

import asyncio
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from popheal.cli.commands.watch import approved_by, health_file_option, leaving, pace_of, tell
from popheal.cli.logging import is_verbose
from popheal.cli.options import config_option, journal_option
from popheal.cli.render.console import say
from popheal.cli.session import aside, in_journal, needed_journal, notifiers, open_journal
from popheal.cli.signals import BrokenOff
from popheal.cli.watchers import watched_by
from popheal.engine.control import Control
from popheal.reports.events import Event
from popheal.serve.events import RequestAnswered

if TYPE_CHECKING:
    from popheal.config.load import Config
    from popheal.reports.events import Observer
    from popheal.serve.app import Metrics
    from popheal.serve.settings import ServeSettings

#: Statuses from here on are refusals.
_REFUSED: Final = 400


@click.command(short_help="Take alerts over HTTP, and watch servers meanwhile.")
@config_option
@journal_option
@health_file_option
def serve(config: Path, journal: Path | None, health_file: Path | None) -> int:
    """Take alerts over HTTP, and answer each as popheal heal would; people may approve and stop.

    Where [serve] in FILE says, and for whoever has a token that it names: POST /alerts, GET
    /healings, GET /healings/ID, POST /healings/ID/approve, refuse and stop, GET /metrics. Servers
    that [watch] names are watched as popheal watch does; there needs to be none. It needs a
    journal, and ends as popheal watch does. What happens goes to standard error, line by line.

    \b
      popheal serve --config popheal.toml
      curl -H "Authorization: Bearer $TOKEN" --data-binary @alert.txt \\
        -H "Content-Type: text/plain" http://127.0.0.1:8023/alerts
    """
    import uvicorn  # noqa: F401 - so that a missing extra is told before anything is begun

    from popheal.backends.psrp import PsrpBackend
    from popheal.config.load import load_config
    from popheal.config.tokens import load_tokens
    from popheal.policy.in_words import undecided_in_words
    from popheal.serve.app import Service
    from popheal.serve.desk import JournalDesk
    from popheal.serve.server import serve as serve_until_it_ends
    from popheal.watch.loop import Watch

    told = load_config(config)
    settings = wanted(told)
    path = needed_journal(told, journal, without="what was done would be forgotten")
    tokens = load_tokens(settings, config)
    if told.policy.approval_undecided:
        say(f"{told.source}: {undecided_in_words()}")
    control = Control()
    counters, metrics = counted(path)
    lines = [] if is_verbose(click.get_current_context()) else [partial(tell, approved_by(path))]
    with (
        leaving(control),
        aside(notifiers(told)) as notified,
        watched_by(health_file, None, path) as watchers,
        open_journal(path, create=True) as opened,
        PsrpBackend(told.settings) as backend,
        asyncio.Runner() as runner,
    ):
        watch = Watch(
            told.watch.servers if told.watch else (),
            backend,
            journal=opened,
            policy=told.policy,
            observers=[*counters, *watchers, *lines, *notified],
            control=control,
            second_opinion=told.second_opinion,
            **pace_of(told.watch),
        )
        try:
            runner.run(
                serve_until_it_ends(
                    Service(
                        JournalDesk(watch, opened),
                        tokens,
                        metrics=metrics,
                        observers=[but_looks(one) for one in lines],
                    ),
                    watch,
                    settings,
                    check=bool(told.watch),
                    listening=lambda url: say(f"Listening at {url}"),
                )
            )
        except BaseException as error:
            watch.abandon()
            if isinstance(error, BrokenOff):
                known = f"the journal has it: popheal healings {in_journal(path)}"
                say(f"Broken off. What was begun is not undone; {known}")
            raise
    return 0


def counted(journal: Path | None) -> tuple[list[Observer], Metrics | None]:
    """What counts, and what tells of it; nothing where the extra ``metrics`` is not installed."""
    try:
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
    except ImportError:
        return [], None
    from popheal.observers.metrics import Metrics as Counter

    counter = Counter(journal=journal)
    return [counter], lambda: (generate_latest(counter.registry), CONTENT_TYPE_LATEST)


def but_looks(tell: Observer) -> Observer:
    """Tell of requests that change something or were refused: monitoring looks all the time."""

    def observe(event: Event) -> None:
        if isinstance(event, RequestAnswered) and (
            event.method != "GET" or event.status >= _REFUSED
        ):
            tell(event)

    return observe


def wanted(told: Config) -> ServeSettings:
    """Where to listen. Raises ConfigurationError if nobody could ask for anything."""
    from popheal.errors import ConfigurationError

    if told.serve is None or not told.serve.tokens:
        raise ConfigurationError(
            source=told.source,
            problem="has no [serve] with a token, so nobody could ask for anything",
            next_step="Add one: [[serve.tokens]] with owner, may and token_env.",
        )
    return told.serve

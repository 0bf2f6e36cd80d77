"""``fleet watch`` and ``fleet serve``: a watch whose healings a fleet carries out."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click
from attrs import frozen

from popheal.cli.commands.fleet_client import require_decided, site_option
from popheal.cli.commands.fleet_worker import hashes_of, own_tables_option
from popheal.cli.commands.serve import but_looks, counted
from popheal.cli.commands.serve import wanted as wanted_serving
from popheal.cli.commands.watch import (
    health_file_option,
    leaving,
    metrics_port_option,
    pace_of,
    tell,
    wanted,
)
from popheal.cli.exit_codes import worst
from popheal.cli.logging import is_verbose
from popheal.cli.options import config_option
from popheal.cli.render.console import say
from popheal.cli.signals import BrokenOff
from popheal.cli.watchers import watched_by
from popheal.engine.control import Control
from popheal.reports.events import Event, Observer

if TYPE_CHECKING:
    from popheal.config.load import Config
    from popheal.gateway.fleet_records import FleetRecords
    from popheal.watch.loop import Watch

#: Both leave the healings to the fleet: to stop one there is a command.
_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


@click.command(short_help="Watch servers, and have the fleet heal what turns unhealthy.")
@config_option
@site_option
@own_tables_option
@click.option("--once", is_flag=True, help="Look at each server once, and end.")
@health_file_option
@metrics_port_option
def watch(
    config: Path,
    site: str,
    procedure: tuple[str, ...],
    once: bool,
    health_file: Path | None,
    metrics_port: int | None,
) -> int:
    """Like popheal watch, by the fleet: it begins healings there, and follows them.

    It looks at the servers that [watch] in FILE names, by the connections in FILE, and the
    workers of the site heal. It needs no journal. If it is ended or killed, healings go on, and
    the next one finds those that are under way. SIGTERM or Ctrl-C ends it; to stop a healing:
    popheal fleet stop SERVER.

    \b
      popheal fleet watch --config popheal.toml --site berlin
    """
    from popheal.config.load import load_config

    told = load_config(config)
    settings = wanted(told)
    require_decided(told.policy, told.source)
    tables = hashes_of(procedure)

    async def work(watching: Watch, _: FleetRecords) -> int:
        ended = await watching.run(once=once, check=not once)
        return worst(one.exit_status for one in ended) if once else 0

    with watched_by(health_file, metrics_port, None) as watchers:
        observers = [*watchers, *_lines()]
        return _run(_Told(told, site, settings.servers, observers, tables), work)


@click.command(short_help="Take alerts over HTTP for the fleet, and watch servers meanwhile.")
@config_option
@site_option
@own_tables_option
@health_file_option
def serve(config: Path, site: str, procedure: tuple[str, ...], health_file: Path | None) -> int:
    """Like popheal serve, by the fleet: alerts come in over HTTP, and healings begin there.

    The requests are the same, and so are the tokens that [serve] in FILE names. It looks at
    servers by the connections in FILE, and the workers of the site heal. It needs no journal, and
    ends as popheal fleet watch does.

    \b
      popheal fleet serve --config popheal.toml --site berlin
    """
    import uvicorn  # noqa: F401 - so that a missing extra is told before anything is begun

    from popheal.config.load import load_config
    from popheal.config.tokens import load_tokens
    from popheal.gateway.fleet_desk import FleetDesk
    from popheal.serve.app import Service
    from popheal.serve.server import serve as serve_until_it_ends

    told = load_config(config)
    settings = wanted_serving(told)
    tokens = load_tokens(settings, config)
    require_decided(told.policy, told.source)
    tables = hashes_of(procedure)
    counters, metrics = counted(None)
    lines = _lines()

    async def work(watching: Watch, records: FleetRecords) -> int:
        requests = [but_looks(one) for one in lines]
        desk = FleetDesk(watching, records)
        await serve_until_it_ends(
            Service(desk, tokens, metrics=metrics, observers=requests),
            watching,
            settings,
            check=bool(told.watch),
            listening=lambda url: say(f"Listening at {url}"),
        )
        return 0

    servers = told.watch.servers if told.watch else ()
    with watched_by(health_file, None, None) as watchers:
        return _run(_Told(told, site, servers, [*counters, *watchers, *lines], tables), work)


# --- inside --------------------------------------------------------------------------------------


@frozen
class _Told:
    """What was said to the command."""

    config: Config
    site: str
    servers: Sequence[str]
    observers: Sequence[Observer]
    tables: Mapping[str, str]


def _run(said: _Told, work: Callable[[Watch, FleetRecords], Awaitable[int]]) -> int:
    """Watch by the fleet, until that is told to end."""
    from popheal.backends.psrp import PsrpBackend

    control = Control()
    with (
        leaving(control, _SIGNALS),
        PsrpBackend(said.config.settings) as backend,
        asyncio.Runner() as runner,
    ):
        watching, records = runner.run(_watch(said, backend, control))
        with _abandoned_at_last(watching):
            return runner.run(_awaited(work(watching, records)))


async def _awaited(work: Awaitable[int]) -> int:
    return await work


async def _watch(said: _Told, backend: object, control: Control) -> tuple[Watch, FleetRecords]:
    from popheal.backends.psrp.backend import ORGANISATION
    from popheal.gateway.fleet_carrier import FleetCarrier
    from popheal.gateway.fleet_records import FleetRecords
    from popheal.temporal.connection import connect
    from popheal.temporal.messages import HealingOrder
    from popheal.util.account import account
    from popheal.watch.loop import Watch

    told = said.config
    records = FleetRecords(await connect(), ORGANISATION)
    order = HealingOrder(
        alert={},
        policy=told.policy.to_json(),
        organisation=ORGANISATION,
        by=account(),
        site=said.site,
        second_opinion=told.second_opinion is not None,
        tables=said.tables,
    )
    watching = Watch(
        said.servers,
        backend,  # type: ignore[arg-type] # a PsrpBackend
        carrier=FleetCarrier(records=records, order=order),
        policy=told.policy,
        observers=said.observers,
        control=control,
        **pace_of(told.watch),
    )
    return watching, records


@contextmanager
def _abandoned_at_last(watching: Watch) -> Iterator[None]:
    try:
        yield
    except BaseException as error:
        watching.abandon()
        if isinstance(error, BrokenOff):
            say("Broken off. Healings go on in the fleet: popheal fleet healings")
        raise


def _lines() -> list[Observer]:
    """What tells of events on standard error, line by line, unless all are logged."""
    return [] if is_verbose(click.get_current_context()) else [partial(tell, _approved)]


def _approved(event: Event) -> str:
    return f"popheal fleet approve {event.server} --plan {event.details.get('plan')}"

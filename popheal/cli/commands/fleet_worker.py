"""``fleet worker``: a process that carries healings out, or looks and acts at a site."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from popheal.cli.commands.fleet_client import site_option
from popheal.cli.render.console import say
from popheal.cli.session import notifiers
from popheal.cli.tables import table_named
from popheal.healthsets.pop import PROCEDURES

if TYPE_CHECKING:
    from popheal.config.load import Config

own_tables_option: Final = click.option(
    "--procedure",
    multiple=True,
    metavar="MODULE:NAME",
    help="A table of your own, in place of popheal's of its name; any number of times.",
)


def hashes_of(procedures: Iterable[str]) -> dict[str, str]:
    """Tables that a healing must follow, as an order has them. Raises UnknownName."""
    return {one.name: one.hash for one in map(table_named, procedures)}


@click.command(short_help="Be a worker: of the engine, or next to the servers of a site.")
@click.option("--engine", is_flag=True, help="Carry healings out; reaches no Exchange server.")
@click.option("--current", is_flag=True, help="Let healings begin on this build from now on.")
@click.option("-c", "--config", type=click.Path(path_type=Path), metavar="FILE", help="The site's.")
@site_option
@click.option("--at-once", default=4, show_default=True, type=click.IntRange(1, 18))
@own_tables_option
def worker(
    *,
    engine: bool,
    current: bool,
    config: Path | None,
    site: str,
    at_once: int,
    procedure: tuple[str, ...],
) -> int:
    """Work until SIGTERM or Ctrl-C, then end what is at work and leave.

    With --engine it carries healings out. With --config it looks and acts at a site, by the
    connections in FILE; its passwords stay here. Both may be given.

    An open healing keeps to the build of the engine that it has begun with, so the old workers
    must run until their healings have ended. --current lets new ones begin on this build.

    \b
      popheal fleet worker --engine --current
      popheal fleet worker --config popheal.toml --site berlin
    """
    from popheal.config.load import load_config
    from popheal.temporal.own_tables import use_tables

    if not engine and config is None:
        raise click.UsageError("Which worker? Give --engine, --config FILE, or both.")
    if procedure and not engine:
        raise click.UsageError("Tables are followed by workers of the engine: give --engine.")
    use_tables(map(table_named, procedure))
    told = load_config(config) if config else None
    asyncio.run(_work(engine=engine, current=current, told=told, site=site, at_once=at_once))
    return 0


async def _work(
    *, engine: bool, current: bool, told: Config | None, site: str, at_once: int
) -> None:
    from popheal.backends.psrp import PsrpBackend
    from popheal.temporal.activities import BackendPool, SiteActivities
    from popheal.temporal.build_name import build_id
    from popheal.temporal.connection import connect
    from popheal.temporal.fleet_keys import VARIABLE, fleet_keys
    from popheal.temporal.operations import make_current
    from popheal.temporal.own_tables import tables
    from popheal.temporal.worker import engine_worker, site_worker

    client = await connect()
    by = next((f"encrypted by the key {one.name}" for one in fleet_keys()), "")
    say(f"What it sends is {by or f'in the clear: {VARIABLE} is not set'}.")
    leave = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, leave.set)
    async with AsyncExitStack() as stack:
        if told is not None:
            pool = BackendPool(lambda: PsrpBackend(told.settings))
            stack.callback(pool.close)
            activities = SiteActivities(
                pool,
                command_timeout=told.timing.command_timeout,
                observers=tuple(notifiers(told)),
                second_opinion=told.second_opinion,
            )
            at_site = site_worker(client, site, activities, at_once=at_once)
            await stack.enter_async_context(at_site)
            say(f"At work for the site {site or '(no name)'}, {at_once} commands at a time.")
        if engine:
            await stack.enter_async_context(engine_worker(client))
            say(f"At work on healings, build {build_id()}.")
            for name, table in tables().items():
                if table is not PROCEDURES[name]:
                    say(f"By a table of your own: {name}, hash {table.hash}.")
        if current:
            await make_current(client)
            say("New healings begin on this build.")
        await leave.wait()
        say("Leaving when what is at work has ended.")

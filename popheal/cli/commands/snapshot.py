"""``snapshot``: one's own organisation as a scenario of the simulator."""

from __future__ import annotations

import contextlib
import os
import shlex
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from popheal.cli.exit_codes import COULD_NOT_TELL
from popheal.cli.options import PATH, config_option, json_option, record_option, server_name
from popheal.cli.render import console
from popheal.cli.render.now import progress
from popheal.cli.session import connected, under_way
from popheal.cli.signals import obeying
from popheal.errors import BackendError, ConfigurationError

if TYPE_CHECKING:
    from popheal.snapshot import Snapshot


@click.command(short_help="Describe your organisation for rehearsals.")
@click.argument("server", required=False, callback=server_name)
@click.option(
    "-o",
    "--output",
    type=PATH,
    required=True,
    metavar="FILE",
    help="The file to write, like org.toml.",
)
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@config_option
@record_option
@json_option
def snapshot(
    server: str | None,
    output: Path,
    force: bool,
    config: Path,
    record: Path | None,
    as_json: bool,
) -> int:
    """Look at your organisation, and write it down as a scenario to rehearse on. Changes nothing.

    SERVER is the one to ask for the others; else the first of the configuration. Probes of
    monitors that are Unhealthy are rerun, as popheal triage does.

    \b
      popheal snapshot -o org.toml --config popheal.toml
      popheal rehearse org.toml \\
        --fault "ex1: PopDeepTestMonitor, cured by reboot"
      popheal rehearse org.toml --every-fault

    The file names your servers, databases and groups. What could not be read is said on standard
    error and at the head of the file; the exit status is 4 then.
    """
    if output.exists() and not force:
        raise click.UsageError(f"{output} is there already. Give another path, or --force")
    console.expect_file(output, option="--output")
    from popheal.config.load import load_config
    from popheal.snapshot import take_snapshot

    told = load_config(config)
    start = server or told.settings.exchange.servers[0]
    try:
        with (
            obeying(),
            connected(told.settings, record) as backend,
            progress("the snapshot", start, under_way(backend)) as told_of,
        ):
            taken = take_snapshot(backend, start, policy=told.policy, progress=told_of)
    except BackendError as error:
        console.say(f"Nothing was written: {error}")
        return COULD_NOT_TELL
    _write(taken.to_toml(), output, force=force)
    return _tell(taken, output, config, as_json=as_json)


def _tell(taken: Snapshot, output: Path, config: Path, *, as_json: bool) -> int:
    """What was written, and what is not in it."""
    for sentence in taken.unread:
        console.say(f"Could not be read: {sentence}")
    for sentence in taken.differing:
        console.say(f"Not as it was seen: {sentence}")
    tables = taken.tables
    counted = {name: len(tables.get(name, ())) for name in ("servers", "dags", "databases")}
    if as_json:
        answer: dict[str, Any] = {
            "file": str(output),
            **counted,
            "unread": list(taken.unread),
            "differing": list(taken.differing),
        }
        console.answer_json(answer)
    else:
        said = ", ".join(f"{name}: {number}" for name, number in counted.items())
        file, policy = shlex.quote(str(output)), shlex.quote(str(config))
        try_it = f"popheal rehearse {file} --every-fault --config {policy}"
        console.answer_lines([f"{output} ({said})", f"Try it: {try_it}"])
    return COULD_NOT_TELL if taken.unread else 0


def _write(text: str, path: Path, *, force: bool) -> None:
    """Write the file whole or not at all, and replace none unless told to.

    Raises:
        ConfigurationError: If it can't be written there, or has come to be there meanwhile.
    """
    try:
        number, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with contextlib.ExitStack() as stack:
            stack.callback(Path(name).unlink, missing_ok=True)
            with os.fdopen(number, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            if force:
                Path(name).replace(path)
            else:
                path.hardlink_to(name)
    except OSError as error:
        raise ConfigurationError(
            source=str(path),
            problem=f"can't be written ({error.strerror})",
            next_step="Give another path with --output.",
        ) from None

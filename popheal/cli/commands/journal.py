"""``healings``, ``show`` and ``export``: what the journal knows. They only look."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import click

from popheal.cli import completion
from popheal.cli.options import html_option, journal_options, json_option, output_option
from popheal.cli.render import console
from popheal.cli.session import (
    approve_command,
    find,
    journal_path,
    open_journal,
    options_again,
    write_page,
)
from popheal.util.serialize import to_jsonable
from popheal.util.text import one_line

if TYPE_CHECKING:
    from popheal.journal import HealingRecord, Journal
    from popheal.journal.status import Standing

_PRIVATE: Final = 0o600
#: As many as anybody reads; of a long journal all would take minutes.
_NEWEST: Final = 200


@click.command(short_help="List what the journal knows.")
@click.option("--unfinished", is_flag=True, help="Only those that have not ended.")
@click.option(
    "--newest",
    type=click.IntRange(min=1),
    metavar="N",
    default=_NEWEST,
    show_default=True,
    help="At most so many, the newest.",
)
@click.option("--all", "everything", is_flag=True, help="All, however many.")
@journal_options
@json_option
def healings(
    unfinished: bool,
    newest: int,
    everything: bool,
    journal: Path | None,
    config: Path | None,
    as_json: bool,
) -> int:
    """List the healings of the journal, the newest last: how each ended, or how it stands.

    \b
      popheal healings --config popheal.toml
      popheal healings --journal journal.db --unfinished

    A healing is the answer to one alert. Times are in UTC. This only looks: it can be asked
    while others write.
    """
    from popheal.journal.status import standing_of

    path = journal_path(journal, config)
    with open_journal(path, read_only=True) as opened:
        # What is open is never left out.
        limit = None if everything or unfinished else newest + 1
        records = opened.healings(unfinished=unfinished, newest=limit)
        is_cut = limit is not None and len(records) == limit
        found = [standing_of(opened, one) for one in records[is_cut:]]
    if as_json:
        more = {"earlier": True} if is_cut else {}
        console.answer_json({"runs": [one.to_json() for one in found], **more})
    elif found:
        _list(found, path, options_again(config, journal))
        if is_cut:
            console.answer_lines(["", f"There are earlier ones than these {newest}: see --all."])
    else:
        which = "unfinished healing" if unfinished else "healing yet"
        console.answer_lines([f"There is no {which}."])
    return 0


def _list(found: list[Standing], journal: Path, options: str) -> None:
    from rich.text import Text

    from popheal.cli.render.lines import command_line, hanging
    from popheal.journal.status import INTERRUPTED, in_words

    out = console.console(sys.stdout)
    ids = max(12, *(len(one_line(one.record.id)) for one in found))
    names = max(6, *(len(one_line(one.server)) for one in found))
    head = f"{'Healing':<{ids}}  {'Begun (UTC)':<16}  {'Server':<{names}}  How it stands"
    lines = [Text(head, "bold")]
    for one in found:
        name, server = one_line(one.record.id), one_line(one.server)
        lead = f"{name:<{ids}}  {one.record.begun_at:%Y-%m-%d %H:%M}  {server:<{names}}  "
        style = "bold yellow" if one.state == INTERRUPTED else ""
        lines += hanging(out, Text(lead), in_words(one), style)
    if any(one.state == INTERRUPTED for one in found):
        resume = command_line(f"popheal resume {options}")
        lines += [Text(""), Text("Go on with what was interrupted:", "bold"), resume]
    if questions := [one.question for one in found if one.question]:
        lines += [Text(""), Text("Approve what is asked for, or refuse it:", "bold")]
        lines += [command_line(approve_command(one.run_id, one.plan, journal)) for one in questions]
    console.print_lines(out, lines)


#: What it was called in version 0.1.0.
runs = click.Command(
    "runs", callback=healings.callback, params=[*healings.params], help=healings.help, hidden=True
)


@click.command(short_help="Tell the story of one healing.")
@click.argument("healing", shell_complete=completion.healings)
@journal_options
@html_option
@json_option
def show(
    healing: str, journal: Path | None, config: Path | None, html: Path | None, as_json: bool
) -> int:
    """Tell the story of HEALING: what was seen, what was about to be done, and what came of it.

    HEALING is what popheal healings lists, or its beginning.

    \b
      popheal show 3f2a --config popheal.toml
      popheal show 3f2a --config popheal.toml \\
        --html 3f2a.html
      popheal show 3f2a --journal journal.db \\
        --json | jq '.entries[].kind'

    Times are in UTC. This only looks: it can be asked while others write.
    """
    from popheal.cli.render.replay import next_step, story_lines
    from popheal.journal.status import standing_of
    from popheal.review import case_of_record

    path = journal_path(journal, config)
    options = options_again(config, journal)
    with open_journal(path, read_only=True) as opened:
        record = find(opened, healing)
        entries, exported = opened.entries(record.id), opened.exported(record.id)
        now = standing_of(opened, record, entries)
        if html:
            todo = next_step(now, path, options)
            case = case_of_record(opened, record, as_of=datetime.now(UTC), next_step=todo)
            write_page(case, html)
    if as_json:
        console.answer_json(
            {
                **now.to_json(),
                "healing": _healing_line(record),
                "entries": [{"type": "entry", **one} for one in exported],
            }
        )
        return 0
    out = console.console(sys.stdout)
    console.print_lines(out, story_lines(out, now, entries, journal=path, options=options))
    return 0


# --- export --------------------------------------------------------------------------------------


@click.command(short_help="Write the journal as JSON lines.")
@click.argument("healing", required=False, shell_complete=completion.healings)
@output_option("for its owner only")
@journal_options
def export(
    healing: str | None, output: Path | None, journal: Path | None, config: Path | None
) -> int:
    """Write the journal as JSON lines: all of it, or what is about HEALING.

    \b
      popheal export --config popheal.toml > all.jsonl
      popheal export 3f2a --journal journal.db \\
        --output 3f2a.jsonl

    First a line about the journal; then of each healing its record, and what was written down
    about it, in order, with its hash. This only looks: it can be asked while others write.
    popheal check-journal --journal FILE checks what was written.
    """
    with open_journal(journal_path(journal, config), read_only=True) as opened:
        name = find(opened, healing).id if healing else ""
        with _output(output, opened) as stream:
            try:
                for line in opened.export(*filter(None, (name,))):
                    stream.write(json.dumps(line) + "\n")
                stream.flush()
            except BrokenPipeError:
                console.silence(stream)
    return 0


@contextmanager
def _output(path: Path | None, journal: Journal) -> Iterator[IO[str]]:
    """Where to write; never the journal's own files."""
    if path is None:
        yield sys.stdout
        return
    own = [f"{journal.path}{ending}" for ending in ("", "-wal", "-shm")]
    if any(path.exists() and Path(one).exists() and path.samefile(one) for one in own):
        raise click.UsageError(f"{path} is the journal itself; give another path with --output.")
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE)
    except OSError as error:
        raise click.UsageError(
            f"{path} can't be written ({error.strerror}); give another path with --output."
        ) from None
    with os.fdopen(file, "w", encoding="utf-8") as stream:
        yield stream


def _healing_line(record: HealingRecord) -> dict[str, Any]:
    return {"type": "healing", **to_jsonable(record)}

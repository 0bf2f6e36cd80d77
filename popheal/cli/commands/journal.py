"""``runs``, ``show`` and ``export``: what the journal knows. They only look."""

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
from attrs import asdict

from popheal.cli.commands.heal import json_option
from popheal.cli.journal_option import find, journal_options, open_journal, options_again
from popheal.cli.logging import verbose_option
from popheal.cli.render import console
from popheal.util.text import one_line

if TYPE_CHECKING:
    from popheal.journal import Entry, HealingRecord, Journal
    from popheal.journal.status import Standing

#: Of the lines that ``export`` writes; grows when one of their keys changes its meaning.
_FORMAT: Final = 1
_PRIVATE: Final = 0o600


@click.command(short_help="List what the journal knows.")
@click.option("--unfinished", is_flag=True, help="Only those that have not ended.")
@journal_options
@json_option
@verbose_option
def runs(unfinished: bool, journal: Path | None, config: Path | None, as_json: bool) -> int:
    """List the healings of the journal, the newest last: how each ended, or how it stands.

    \b
      popheal runs --config popheal.toml
      popheal runs --journal journal.db --unfinished

    A healing is the answer to one alert. Times are in UTC. This only looks: it can be asked
    while others write.
    """
    from popheal.journal.status import standing_of

    with open_journal(journal, config, read_only=True) as opened:
        found = [standing_of(opened, one) for one in opened.healings(unfinished=unfinished)]
    if as_json:
        console.answer_json({"runs": [one.to_json() for one in found]})
    elif found:
        _list(found, options_again(config, journal))
    else:
        console.answer_text("There is no unfinished run." if unfinished else "There is no run yet.")
    return 0


def _list(found: list[Standing], options: str) -> None:
    from rich.text import Text

    from popheal.cli.render.live import hanging
    from popheal.cli.render.replay import command_line
    from popheal.journal.status import INTERRUPTED, how_to_answer, in_words

    out = console.console(sys.stdout)
    ids = max(12, *(len(one_line(one.record.id)) for one in found))
    names = max(6, *(len(one_line(one.server)) for one in found))
    head = f"{'Run':<{ids}}  {'Begun (UTC)':<16}  {'Server':<{names}}  How it stands"
    lines = [Text(head, "bold")]
    for one in found:
        name, server = one_line(one.record.id), one_line(one.server)
        lead = f"{name:<{ids}}  {one.record.begun_at:%Y-%m-%d %H:%M}  {server:<{names}}  "
        style = "bold yellow" if one.state == INTERRUPTED else ""
        lines += hanging(out, Text(lead), in_words(one), style)
    if any(one.state == INTERRUPTED for one in found):
        resume = command_line(f"popheal resume {options}")
        lines += [Text(""), Text("Go on with what was interrupted:", "bold"), resume]
    if questions := [how_to_answer(one) for one in found if one.question]:
        lines += [Text(""), Text("Approve what is asked for, or refuse it:", "bold")]
        lines += map(command_line, questions)
    for line in lines:
        out.print(line, soft_wrap=True)


@click.command(short_help="Tell one run of the journal.")
@click.argument("run")
@journal_options
@json_option
@verbose_option
def show(run: str, journal: Path | None, config: Path | None, as_json: bool) -> int:
    """Tell the story of RUN: what was seen, what was about to be done, and what came of it.

    RUN is what popheal runs lists, or its beginning.

    \b
      popheal show 3f2a --config popheal.toml
      popheal show 3f2a --journal journal.db \\
        --json | jq '.entries[].kind'

    Times are in UTC. This only looks: it can be asked while others write.
    """
    from popheal.journal.status import standing_of

    with open_journal(journal, config, read_only=True) as opened:
        record = find(opened, run)
        entries = opened.entries(record.id)
        now = standing_of(opened, record, entries)
    if as_json:
        console.answer_json(
            {
                **now.to_json(),
                "healing": _healing_line(record),
                "entries": [_entry_line(one) for one in entries],
            }
        )
        return 0
    from popheal.cli.render.replay import story_lines

    out = console.console(sys.stdout)
    for line in story_lines(out, now, entries, options=options_again(config, journal)):
        out.print(line, soft_wrap=True)
    return 0


# --- export --------------------------------------------------------------------------------------


@click.command(short_help="Write the journal as JSON lines.")
@click.argument("run", required=False)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="The file to write to, for its owner only; else standard output.",
)
@journal_options
@verbose_option
def export(run: str | None, output: Path | None, journal: Path | None, config: Path | None) -> int:
    """Write the journal as JSON lines: all of it, or what is about RUN.

    \b
      popheal export --config popheal.toml > all.jsonl
      popheal export 3f2a --journal journal.db \\
        --output 3f2a.jsonl

    First a line about the journal; then of each healing its record, and what was written down
    about it, in order. This only looks: it can be asked while others write.
    """
    with open_journal(journal, config, read_only=True) as opened:
        found = [find(opened, run)] if run else opened.healings()
        with _output(output, opened) as stream:
            try:
                for line in _lines(opened, found):
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


def _lines(journal: Journal, found: list[HealingRecord]) -> Iterator[dict[str, Any]]:
    # One healing at a time: a journal may be long, and others write to it meanwhile.
    import popheal

    yield {
        "type": "journal",
        "format": _FORMAT,
        "path": str(journal.path),
        "popheal": popheal.__version__,
        "exported_at": datetime.now(UTC).isoformat(),
    }
    for record in found:
        yield _healing_line(record)
        for entry in journal.entries(record.id):
            yield _entry_line(entry)


def _healing_line(record: HealingRecord) -> dict[str, Any]:
    return {"type": "healing", **_plain(asdict(record, recurse=False))}


def _entry_line(entry: Entry) -> dict[str, Any]:
    return {"type": "entry", **_plain(asdict(entry, recurse=False)), "kind": entry.kind.value}


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in values.items()
    }

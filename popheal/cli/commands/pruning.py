"""``journal``: its last hash; and removing what is old, having shown what that is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from popheal.cli.options import PATH, journal_options, json_option
from popheal.cli.render.console import answer_json, answer_lines, answer_text
from popheal.cli.session import journal_path, open_journal
from popheal.util.text import iso, moment

if TYPE_CHECKING:
    from popheal.journal.pruning import Pruning

#: What must hold before anything is removed: else the traces would go, too.
_OF_THE_JOURNAL: Final = ("J1", "J6", "J7", "J8")
#: Before that no journal was written.
_MOST_DAYS: Final = 36_500


@click.group(short_help="Keep the journal small.")
def journal() -> None:
    """Remove old healings from the journal, or move them into an archive; print its last hash.

    \b
      popheal journal head --config popheal.toml
      popheal journal prune --older-than 365 --config popheal.toml
      popheal journal archive --older-than 365 \\
        --output 2025.jsonl --config popheal.toml --yes

    Without --yes prune and archive only show what they would do.
    """


def _pruning_options(command: Any) -> Any:
    for option in (
        json_option,
        journal_options,
        click.option("--yes", is_flag=True, help="Do it; else it is only shown."),
        click.option(
            "--older-than",
            type=click.IntRange(min=2, max=_MOST_DAYS),
            metavar="DAYS",
            required=True,
            help="Only what has ended so many days ago, at least 2.",
        ),
    ):
        command = option(command)
    return command


@journal.command(short_help="Remove old healings.")
@_pruning_options
def prune(
    older_than: int, yes: bool, journal: Path | None, config: Path | None, as_json: bool
) -> int:
    """Remove healings that have ended DAYS ago or before.

    \b
      popheal journal prune --older-than 365 --config popheal.toml
      popheal journal prune --older-than 365 --journal journal.db --yes

    What a budget, a claim, something left to be put back, a watch or an open healing needs is
    kept. The chain of hashes is checked before, and can be checked afterwards.
    """
    return _carry_out(older_than, journal_path(journal, config), yes, as_json)


@journal.command(short_help="Move old healings into a file.")
@click.option(
    "-o",
    "--output",
    type=PATH,
    metavar="PATH",
    required=True,
    help="The archive, a file that is not there yet; for its owner only.",
)
@_pruning_options
def archive(
    output: Path,
    older_than: int,
    yes: bool,
    journal: Path | None,
    config: Path | None,
    as_json: bool,
) -> int:
    """Write healings that have ended DAYS ago or before to a file, then remove them.

    \b
      popheal journal archive --older-than 365 \\
        --output 2025.jsonl --config popheal.toml --yes
      popheal check-journal --journal 2025.jsonl

    The file is as popheal export writes it. What is kept is as with popheal journal prune.
    """
    return _carry_out(older_than, journal_path(journal, config), yes, as_json, output)


@journal.command(short_help="Print the last hash.")
@journal_options
def head(journal: Path | None, config: Path | None) -> int:
    """Print the last hash of the journal, to be noted where nobody who can write to it can.

    \b
      popheal journal head --config popheal.toml
      popheal check-journal --noted 1234:9f86d0... --config popheal.toml

    Each entry is chained to the one before by its hash. What is printed is the newest one's.
    """
    with open_journal(journal_path(journal, config), read_only=True) as opened:
        answer_text(str(opened.head()))  # to be noted, on one line
    return 0


def _carry_out(days: int, path: Path, yes: bool, as_json: bool, archive: Path | None = None) -> int:
    if archive is not None and archive.exists():
        raise click.UsageError(f"{archive} is there already; give another path with --output.")
    before = datetime.now(UTC) - timedelta(days=days)
    with open_journal(path) as opened:
        plan = opened.plan_pruning(before)
        if yes and plan.healings:
            _require_whole(path)
            try:
                opened.prune(plan, archive=archive)
            except OSError as error:
                raise click.UsageError(
                    f"{archive} can't be written ({error.strerror}), and nothing was removed; give "
                    "another path with --output."
                ) from None
    done = yes and bool(plan.healings)
    if as_json:
        answer_json(_as_json(plan, done, archive))
    else:
        answer_lines(_lines(plan, done, archive))
    return 0


def _require_whole(path: Path) -> None:
    from popheal import audit

    broken = [
        one.checked.id
        for one in audit.check_journal(path).results
        if one.violations and one.checked.id in _OF_THE_JOURNAL
    ]
    if broken:
        raise click.ClickException(
            f"The journal {path} is not as it was written ({', '.join(broken)}), and nothing was "
            f"removed: that would remove traces, too. See: popheal check-journal --journal {path}"
        )


def _as_json(plan: Pruning, done: bool, archive: Path | None) -> dict[str, Any]:
    return {
        "done": done,
        "before": iso(plan.before),
        "healings": list(plan.healings),
        "entries": plan.entries,
        "kept": dict(plan.kept),
        "unfinished": plan.unfinished,
        "archive": str(archive) if archive else None,
    }


def _lines(plan: Pruning, done: bool, archive: Path | None) -> list[str]:
    size = f"{len(plan.healings)} healings with {plan.entries} entries"
    verb = f"moved to {archive}" if archive else "removed"
    said = "were" if done else "would be"
    lines = [f"Of what had ended before {moment(plan.before)}, {size} {said} {verb}."]
    lines += [f"Kept, {reason}: {count}." for reason, count in plan.kept.items()]
    if plan.unfinished:
        lines.append(f"Not touched: {plan.unfinished}, as they have not ended.")
    if done:
        lines.append("The file keeps its size; what is written next uses the room.")
    elif plan.healings:
        lines.append("Nothing was changed. To do it, give --yes.")
    return lines

"""``check-journal``: what must always hold, checked on what was written down."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from popheal.cli.options import journal_options, json_option
from popheal.cli.render.console import answer_json, answer_lines, say, width_of
from popheal.cli.render.lines import hanging_text
from popheal.cli.session import journal_path
from popheal.util.text import one_line

if TYPE_CHECKING:
    from popheal.audit import AuditResult, Result, Violation

_VIOLATED: Final = 1
#: How many violations of one property are shown to people.
_SHOWN: Final = 20


@click.command("check-journal", short_help="Check what must always hold on a journal.")
@click.option(
    "--noted",
    metavar="SEQ:HASH",
    help="The last hash as it was noted elsewhere: it must still be in the chain.",
)
@journal_options
@json_option
def check_journal(
    noted: str | None, journal: Path | None, config: Path | None, as_json: bool
) -> int:
    """Check on a journal that what must always hold has held.

    \b
      popheal check-journal --config popheal.toml
      popheal check-journal --journal journal.db --json
      popheal check-journal --noted 1234:9f86d0... --config popheal.toml

    The properties are those that 'popheal verify' proves of the tables. The journal is only
    read, and others may write to it meanwhile. Its entries are chained by hashes: note the last
    one elsewhere, and give it with --noted the next time.

    Exits with 1, and says what to look at, if a property was violated.
    """
    from popheal import audit

    if noted is not None and not noted.strip():
        raise click.UsageError("--noted is empty, so nothing would be compared. Give SEQ:HASH.")
    judgement = audit.check_journal(journal_path(journal, config), noted=noted or "")
    if as_json:
        answer_json(judgement.to_json())
    else:
        answer_lines(_lines(judgement))
        if not judgement.ok:
            say("Not everything holds; above is each place, and what to look at.")
    return 0 if judgement.ok else _VIOLATED


def _lines(judgement: AuditResult) -> Iterator[str]:
    size = f"healings: {judgement.healings}, runs: {judgement.runs}, entries: {judgement.entries}"
    yield f"{one_line(judgement.journal)} ({size})"
    yield ""
    for result in judgement.results:
        verdict = result.verdict.replace("_", " ")
        why = f" ({result.checked.open})" if result.checked.open else ""
        lead = f"{result.checked.id:<4} {verdict:<12} "
        yield from hanging_text(lead, f"{result.checked.sentence}{why}", width_of(sys.stdout))
    for result in judgement.results:
        if result.violations:
            yield from _violated(result)
    if judgement.notes:
        yield ""
        yield "Notes:"
        yield from (f"  {one_line(note)}" for note in judgement.notes)
    if judgement.head.seq:
        yield ""
        yield "Last hash, to be noted elsewhere and given with --noted the next time:"
        yield f"  {judgement.head}"
    if judgement.ok:
        yield ""
        yield (
            "Every property that is decided holds. What that says: the page "
            '"Checking a journal" of the documentation.'
        )


def _violated(result: Result) -> Iterator[str]:
    yield ""
    yield f"{result.checked.id} does not hold:"
    for found in result.violations[:_SHOWN]:
        yield f"  {_place(found)}: {one_line(found.sentence)}"
    more = len(result.violations) - _SHOWN
    if more > 0:
        yield f"  and {more} more: see them with --json"
    yield f"  {result.checked.look_at}"


def _place(found: Violation) -> str:
    """Where it is: a run is named after its healing."""
    whose = f"run {one_line(found.run)}" if found.run else ""
    if found.healing and not whose:
        whose = f"healing {one_line(found.healing)}"
    entry = f"entry {found.seq}" if found.seq is not None else ""
    return ", ".join(part for part in (whose, entry) if part) or "the journal"

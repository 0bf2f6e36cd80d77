"""``verify``: the proof of the procedures as a table, or what is wrong with one."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

import click

from popheal.cli import completion
from popheal.cli.options import json_option
from popheal.cli.render.console import answer_json, answer_lines, answer_text, say, width_of
from popheal.cli.render.lines import hanging_text
from popheal.cli.tables import table_named
from popheal.healthsets.pop import PROCEDURES

if TYPE_CHECKING:
    from popheal.verify import Proofs

_REFUTED: Final = 1


@click.command(short_help="Prove the procedures.")
@click.argument("name", metavar="[PROCEDURE]", required=False, shell_complete=completion.procedures)
@click.option("--mermaid", is_flag=True, help="Counterexamples as sequence diagrams.")
@json_option
def verify(name: str | None, mermaid: bool, as_json: bool) -> int:
    """Prove the procedures by exploring the very tables that run.

    \b
    PROCEDURE is one of popheal's, or a table of your own as MODULE:NAME:
      popheal verify mailbox
      popheal verify my_procedures:CAREFUL

    Exits with 1, and shows the shortest way to break it, if a property does not hold.
    """
    from popheal.verify import counterexample, verify_all

    tables = [table_named(name)] if name else list(PROCEDURES.values())
    proofs = verify_all(tables)
    if as_json:
        answer_json(proofs.to_json())
        return 0 if proofs.ok else _REFUTED
    answer_lines([*_sizes(proofs), "", *_verdicts(proofs), ""])
    for proof in proofs.procedures:
        for one in proof.refuted:
            shown = counterexample(one, "mermaid" if mermaid else "text")
            answer_lines([f"{proof.name}: {one.property.id} does not hold:"])
            if mermaid:
                answer_text(f"{shown}\n")
            else:
                answer_lines([*shown.splitlines(), ""])
    if proofs.ok:
        closing = "Every property that is decided holds."
        more = 'What is not proved: the page "The proof" of the documentation.'
        answer_lines([f"{closing} {more}"])
    else:
        say("Not everything holds; above is the shortest way to break each property.")
    return 0 if proofs.ok else _REFUTED


def _sizes(proofs: Proofs) -> Iterable[str]:
    """What was explored of each procedure, and its bounds."""
    for one in proofs.procedures:
        explored = f"{one.states} states, {one.edges} edges, depth {one.depth}"
        yield f"{one.name} (table {one.hash}): {explored}, {one.seconds:.2f} s"
        yield f"    {one.bounds or 'without bounds'}"


def _verdicts(proofs: Proofs) -> Iterable[str]:
    """The properties with a column for each procedure, as wide as its widest word."""
    from popheal.verify import rows

    table = [(number, *verdicts, sentence) for number, sentence, *verdicts in rows(proofs)]
    widths = [max(len(row[n]) for row in table) for n in range(len(table[0]) - 1)]
    width = width_of(sys.stdout)
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=False))
        yield from hanging_text("".join(f"{cell}  " for cell in cells), row[-1], width)

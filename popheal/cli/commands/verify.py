"""``verify``: the proof of the procedures as a table, or what is wrong with one."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Final

import click

from popheal.cli.options import json_option
from popheal.cli.render.console import answer_json, answer_text, say
from popheal.errors import UnknownName
from popheal.healthsets.pop import PROCEDURES, procedure_named
from popheal.tables.table import Procedure

if TYPE_CHECKING:
    from popheal.verify import Proofs

_REFUTED: Final = 1


@click.command(short_help="Prove the procedures.")
@click.argument("name", metavar="[PROCEDURE]", required=False)
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

    tables = [_table(name)] if name else list(PROCEDURES.values())
    proofs = verify_all(tables)
    if as_json:
        answer_json(proofs.to_json())
        return 0 if proofs.ok else _REFUTED
    answer_text("\n".join([*_sizes(proofs), "", *_verdicts(proofs), ""]))
    for proof in proofs.procedures:
        for one in proof.refuted:
            shown = counterexample(one, "mermaid" if mermaid else "text")
            answer_text(f"{proof.name}: {one.property.id} does not hold:\n{shown}\n")
    if proofs.ok:
        answer_text("Every property that is decided holds. What is not proved: docs/proof.md")
    else:
        say("Not everything holds; above is the shortest way to break each property.")
    return 0 if proofs.ok else _REFUTED


def _table(name: str) -> Procedure:
    """One of ours by its name, or somebody's own as ``module:name``."""
    module_name, colon, attribute = name.partition(":")
    if not colon:
        return procedure_named(name)
    sys.path.insert(0, "")  # a table of one's own lies where one works
    try:
        found = getattr(importlib.import_module(module_name), attribute, None)
    except ImportError as error:
        raise UnknownName(kind="module", name=module_name) from error
    if not isinstance(found, Procedure):
        raise UnknownName(kind=f"procedure in the module {module_name}", name=attribute)
    return found


def _sizes(proofs: Proofs) -> list[str]:
    """What was explored of each procedure, and its bounds."""
    lines = []
    for one in proofs.procedures:
        explored = f"{one.states} states, {one.edges} edges, depth {one.depth}"
        lines.append(f"{one.name} (table {one.hash}): {explored}, {one.seconds:.2f} s")
        lines.append(f"    {one.bounds or 'without bounds'}")
    return lines


def _verdicts(proofs: Proofs) -> list[str]:
    """The properties with a column for each procedure, as wide as its widest word."""
    from popheal.verify import rows

    table = [(number, *verdicts, sentence) for number, sentence, *verdicts in rows(proofs)]
    widths = [max(len(row[n]) for row in table) for n in range(len(table[0]) - 1)]
    return [
        "  ".join(
            [*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]
        ).rstrip()
        for row in table
    ]

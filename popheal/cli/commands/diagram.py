"""``diagram`` and ``procedures``: the procedures as pictures and tables."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import click

from popheal.cli import completion
from popheal.cli.options import json_option, output_option
from popheal.cli.render.console import answer_file, answer_json, answer_text
from popheal.cli.tables import table_named
from popheal.healthsets.pop import PROCEDURES
from popheal.tables.table import Procedure, State

#: The formats, and what their files' names end with.
_ENDINGS: Final = {
    "mermaid": "mmd",
    "dot": "dot",
    "svg": "svg",
    "png": "png",
    "table": "md",
    "scxml": "scxml",
}


@click.command(short_help="Draw a procedure.")
@click.argument("name", required=False, shell_complete=completion.procedures)
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(list(_ENDINGS), case_sensitive=False),
    default="mermaid",
    show_default=True,
    help="svg and png need Graphviz.",
)
@click.option("--all", "everything", is_flag=True, help="Write every procedure in all usual forms.")
@output_option("or a directory")
def diagram(name: str | None, form: str, everything: bool, output: Path | None) -> int:
    """Draw the procedure NAME from the very table that runs.

    Names: mailbox, client_access, proxy, command_time; or a table of your own as MODULE:NAME.

    \b
      popheal diagram mailbox
      popheal diagram my_procedures:CAREFUL
      popheal diagram client_access --format svg \\
        --output client_access.svg
      popheal diagram --all --output diagrams
    """
    from popheal.diagrams import render, write_all

    if everything:
        if name or output is None:
            raise click.UsageError("--all takes no name, and needs --output with a directory.")
        answer_text("\n".join(str(path) for path in write_all(output)))
        return 0
    if name is None:
        raise click.UsageError(f"Which procedure? One of {', '.join(PROCEDURES)}, or --all.")
    table = table_named(name)
    if form == "png" and output is None and sys.stdout.isatty():
        raise click.UsageError("This format is not for a terminal; give --output FILE.")
    if output and output.is_dir():
        output /= f"{table.name}.{_ENDINGS[form]}"
    answer_file(render(table, form), output, option="--output")
    return 0


@click.command(short_help="List the procedures, or show one as a table.")
@click.argument("name", required=False, shell_complete=completion.procedures)
@json_option
def procedures(name: str | None, as_json: bool) -> int:
    """List the procedures, or show the table of one, to read beside the runbook.

    NAME is one of popheal's, or a table of your own as MODULE:NAME.

    \b
      popheal procedures
      popheal procedures mailbox
    """
    tables = [table_named(name)] if name else list(PROCEDURES.values())
    if as_json:
        answer_json({"procedures": [_as_json(table) for table in tables]})
    elif name:
        answer_text("\n".join(_table(tables[0])))
    else:
        answer_text("\n".join(_summaries(tables)))
    return 0


def _summaries(tables: Iterable[Procedure]) -> Iterable[str]:
    for table in tables:
        yield f"{table.name}: {len(table.states)} states, for {', '.join(table.monitors)}"
        if table.section:
            yield f"    runbook: {table.section.value}"


def _table(table: Procedure) -> Iterable[str]:
    """A procedure for reading: what each state does, by which step, and where it leads."""
    yield from _summaries([table])
    for one in table.states:
        yield ""
        yield f"{one.name}  ({one.action.impact.value})"
        yield f"    {one.action.sentence or one.action}  [{one.cites}]"
        for target, labels in _by_target(one).items():
            yield f"    {', '.join(labels)} -> {target}"
    yield ""
    for name, verdict in table.endings.items():
        yield f"{name}: the verdict is {verdict.value}"


def _by_target(one: State) -> dict[str, list[str]]:
    targets: dict[str, list[str]] = {}
    for row in one.transitions:
        targets.setdefault(row.target, []).append(row.label)
    return targets


def _as_json(table: Procedure) -> dict[str, object]:
    return {
        "name": table.name,
        "hash": table.hash,
        "monitors": list(table.monitors),
        "start": table.start,
        "endings": {name: verdict.value for name, verdict in table.endings.items()},
        "states": [
            {
                "name": one.name,
                "action": str(one.action),
                "impact": one.action.impact.value,
                "transitions": [
                    {"outcome": row.label, "target": row.target} for row in one.transitions
                ],
            }
            for one in table.states
        ],
    }

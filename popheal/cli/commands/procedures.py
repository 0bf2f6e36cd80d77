"""``procedures``: the procedures as text, to be read beside the runbook."""

from __future__ import annotations

from collections.abc import Iterable

import click

from popheal.cli import completion
from popheal.cli.options import json_option
from popheal.cli.render.console import answer_json, answer_lines
from popheal.cli.tables import table_named
from popheal.healthsets.pop import PROCEDURES
from popheal.tables.table import Procedure, State


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
        answer_lines(_table(tables[0]))
    else:
        answer_lines(_summaries(tables))
    return 0


def _summaries(tables: Iterable[Procedure]) -> Iterable[str]:
    for table in tables:
        monitors = f", for {', '.join(table.monitors)}" if table.monitors else ""
        yield f"{table.name}: {len(table.states)} states{monitors}"
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

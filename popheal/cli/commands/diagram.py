"""``diagram``: a procedure as a picture, alone or with the way that a run has taken."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import click

from popheal.cli import completion
from popheal.cli.options import journal_options, output_option
from popheal.cli.render.console import answer_file, answer_text
from popheal.cli.session import find, journal_path, open_journal
from popheal.cli.tables import table_named
from popheal.healthsets.pop import PROCEDURES
from popheal.tables.run_path import RunPath
from popheal.tables.table import Procedure

#: The formats, and what their files' names end with.
_ENDINGS: Final = {
    "svg": "svg",
    "mermaid": "mmd",
    "dot": "dot",
    "full-svg": "svg",
    "png": "png",
    "table": "md",
    "scxml": "scxml",
    "xstate": "json",
    "html": "html",
}


@click.command(short_help="Draw a procedure.")
@click.argument("name", required=False, shell_complete=completion.procedures)
@click.option(
    "-f",
    "--format",
    "form",
    type=click.Choice(list(_ENDINGS), case_sensitive=False),
    metavar="FORMAT",
    help="svg: cards to read from top to bottom. html: a page to walk through. table: Markdown. "
    "scxml, xstate: for other tools. The full graph: mermaid, dot, and by Graphviz full-svg and "
    "png.  [default: mermaid; svg for a run]",
)
@click.option("--part", type=click.IntRange(1), metavar="N", help="Only part N of a long one.")
@click.option("--narrow", is_flag=True, help="Cards for a narrow screen.")
@click.option(
    "--healing",
    metavar="HEALING",
    shell_complete=completion.healings,
    help="Draw the way that its run has taken.",
)
@click.option("--run", metavar="RUN", help="Which run of that healing, if it has several.")
@click.option("--all", "everything", is_flag=True, help="Write every procedure in all usual forms.")
@output_option("or a directory")
@journal_options
def diagram(
    name: str | None,
    form: str | None,
    healing: str | None,
    run: str | None,
    everything: bool,
    output: Path | None,
    journal: Path | None,
    config: Path | None,
    **shown: Any,
) -> int:
    """Draw the procedure NAME from the very table that runs.

    Names: mailbox, client_access, proxy, command_time; or a table of your own as MODULE:NAME.

    \b
      popheal diagram mailbox
      popheal diagram my_procedures:CAREFUL
      popheal diagram client_access --format svg \\
        --output client_access.svg
      popheal diagram --all --output diagrams

    With --healing instead of NAME, the picture is that of a run in the journal: the way it has
    taken, where it is now, what may follow, and what it owes.

    \b
      popheal diagram --healing 3f2a \\
        --journal journal.db --output run.svg
    """
    from popheal.diagrams import render, write_all

    if everything:
        if name or healing or output is None:
            raise click.UsageError("--all takes no name, and needs --output with a directory.")
        answer_text("\n".join(str(path) for path in write_all(output)))
        return 0
    if healing:
        if name:
            raise click.UsageError(f"Either {name} or --healing: a run has its own procedure.")
        table, path = _run(healing, run, journal_path(journal, config))
    else:
        table, path = _named(name, run), None
    form = form or ("svg" if path else "mermaid")
    _see_that_it_shows(form, table, path, **shown)
    if form == "png" and output is None and sys.stdout.isatty():
        raise click.UsageError("This format is not for a terminal; give --output FILE.")
    if output and output.is_dir():
        output /= f"{path.run if path else table.name}.{_ENDINGS[form]}"
    picture = render(table, form, path=path, part=shown["part"] or 0, narrow=shown["narrow"])
    answer_file(picture, output, option="--output")
    return 0


def _named(name: str | None, run: str | None) -> Procedure:
    if run:
        raise click.UsageError("--run needs --healing: which healing is it of?")
    if name is None:
        raise click.UsageError(f"Which procedure? One of {', '.join(PROCEDURES)}, or --all.")
    return table_named(name)


def _see_that_it_shows(
    form: str, table: Procedure, path: RunPath | None, *, part: int | None, narrow: bool
) -> None:
    """Raise UsageError if that format can't show what is asked for."""
    if form != "svg" and (part or narrow):
        raise click.UsageError("A part, and a narrow picture, are drawn as svg only.")
    if path and form not in ("svg", "html"):
        raise click.UsageError("A run is shown as svg or html only.")
    if part and part > len(table.parts):
        count = f"has parts 1 to {len(table.parts)}" if table.parts else "is not divided into parts"
        raise click.UsageError(f"The procedure {table.name} {count}.")


def _run(healing: str, run: str | None, journal: Path) -> tuple[Procedure, RunPath]:
    """The run that is meant, and its table."""
    from popheal.journal.drawable_runs import runs_on_tables

    with open_journal(journal, read_only=True) as opened:
        record = find(opened, healing)
        found = runs_on_tables(opened, record, datetime.now(UTC))
    if not found:
        raise click.ClickException(f"Healing {record.id} has begun no procedure: nothing to draw.")
    if run is None and healing in [one.path.run for one in found]:
        run = healing  # a healing may be named by a run of it
    chosen = [one for one in found if run in (None, one.path.run)]
    if len(chosen) != 1:
        listed = "; ".join(f"{one.path.run}, {one.procedure} on {one.path.server}" for one in found)
        problem = f"Healing {record.id} has no run '{run}'." if run else "Which run?"
        raise click.UsageError(f"{problem} Give one of these with --run: {listed}.")
    (only,) = chosen
    if only.table is None:
        raise click.ClickException(
            f"Run {only.path.run} followed a table '{only.procedure}' that this popheal does not "
            "know. Draw it with the version that made it."
        )
    return only.table, only.path

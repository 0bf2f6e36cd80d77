"""``schema``: what the documents of popheal may hold, for other programs and for editors."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import click

from popheal.cli.options import output_option
from popheal.cli.render import console

#: The documents, and what makes the schema of each.
_OF: Final = {
    "report": ("popheal.review.schemas", "report_schema"),
    "plan": ("popheal.review.schemas", "plan_schema"),
    "events": ("popheal.review.schemas", "events_schema"),
    "configuration": ("popheal.config.json_schema", "configuration_schema"),
}


@click.command(short_help="Print the JSON Schema of a document.")
@click.argument("document", type=click.Choice(list(_OF)))
@output_option("for an editor")
def schema(document: str, output: Path | None) -> int:
    """Print the JSON Schema of DOCUMENT: a report or a plan as --json answers it, events as they
    are logged, or the configuration.

    \b
      popheal schema report
      popheal schema configuration \\
        --output popheal.schema.json

    An editor that knows Taplo (Even Better TOML for VS Code) checks and completes a
    configuration that begins with the line
      #:schema ./popheal.schema.json
    """
    import json

    module, name = _OF[document]
    make: Callable[[], dict[str, Any]] = getattr(import_module(module), name)
    text = json.dumps(make(), indent=2) + "\n"
    console.answer_file(text, output, option="--output")
    return 0

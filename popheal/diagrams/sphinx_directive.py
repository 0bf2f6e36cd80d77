"""A directive for Sphinx: ``.. popheal-procedure:: NAME`` shows a procedure on a page.

Name this module among the ``extensions`` of ``conf.py``. NAME is one of popheal's procedures, or
a table of one's own as ``MODULE:NAME``. The picture is drawn as the page is written, so it is
always that of the table; a narrow screen gets a narrow one. Below it are links: to the picture by
itself, and to a page on which one can walk through the procedure. The option ``parts`` shows each
part of a long one, too. In what is not HTML there is a sentence in its place.
"""

from __future__ import annotations

import pkgutil
from html import escape
from pathlib import Path
from typing import Any, Final

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.util.docutils import SphinxDirective
from sphinx.util.osutil import relative_uri

from popheal.diagrams import cards, walkthrough
from popheal.diagrams.graph import graph_of
from popheal.errors import PophealError
from popheal.healthsets.pop import procedure_named
from popheal.tables.table import Procedure
from popheal.util.version import __version__

#: Where in the site the files are.
_FOLDER: Final = "_popheal"
#: Screens up to this width get the narrow picture.
_NARROW: Final = "(max-width: 36em)"


class ProcedureNode(nodes.General, nodes.Element):  # type: ignore[misc] # docutils has no types
    """A procedure, or a part of it, on a page."""


class ProcedureDirective(SphinxDirective):
    """``.. popheal-procedure:: NAME``."""

    required_arguments = 1
    option_spec = {"parts": directives.flag}  # noqa: RUF012 - as docutils has it

    def run(self) -> list[Any]:
        """A node for the whole, and one for each part."""
        try:
            table = _table(self.arguments[0])
        except (PophealError, ImportError, AttributeError, TypeError) as error:
            raise self.error(f"popheal-procedure: {error}") from error
        count = len(table.parts) if "parts" in self.options else 0
        # Its name, as a page that has been read is kept in a file.
        name = self.arguments[0]
        return [ProcedureNode(table=name, part=part) for part in range(count + 1)]


def _table(name: str) -> Procedure:
    if ":" not in name:
        return procedure_named(name)
    found = pkgutil.resolve_name(name)
    if not isinstance(found, Procedure):
        raise TypeError(f"'{name}' is no procedure")
    return found


def _visit_html(self: Any, node: Any) -> None:
    """Write the pictures beside the pages, and show them."""
    table, part = _table(node["table"]), node["part"]
    folder = Path(self.builder.outdir) / _FOLDER
    here = self.builder.get_target_uri(self.builder.current_docname)
    graph, stem = graph_of(table), f"{table.name}-{part}" if part else table.name

    def address(number: int) -> str:
        return f"{table.name}-{number}.svg" if number else f"{table.name}.svg"

    links = address if table.parts else None
    files = {
        f"{stem}.svg": cards.render(graph, part=part, links=links),
        f"{stem}-narrow.svg": cards.render(graph, part=part, narrow=True),
    }
    if not part:
        files[f"{table.name}.html"] = walkthrough.render(table)
    _write(folder, files)
    target = {name: escape(relative_uri(here, f"{_FOLDER}/{name}")) for name in files}
    # The parts are what is legible of a long procedure on a narrow screen.
    narrow = f'<source media="{_NARROW}" srcset="{target[f"{stem}-narrow.svg"]}">'
    caption = f'<a href="{target[f"{stem}.svg"]}">The picture by itself</a>'
    if not part:
        caption += f' · <a href="{target[f"{table.name}.html"]}">Walk through it</a>'
    self.body.append(
        '<figure class="popheal-procedure"><picture>'
        f'{narrow}<img src="{target[f"{stem}.svg"]}" alt="{escape(_alternative(table, part))}"'
        f' loading="lazy"></picture><figcaption>{caption}</figcaption></figure>\n'
    )
    raise nodes.SkipNode


def _write(folder: Path, files: dict[str, str]) -> None:
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        path = folder / name
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, encoding="utf-8", newline="\n")


def _alternative(table: Procedure, part: int) -> str:
    if part:
        return f"Part {part} of {table.name}: {table.parts[part - 1].title}."
    return f"The procedure {table.name}, a state below the other. “Walk through it” says the same."


def _visit_text(self: Any, node: Any) -> None:
    said = _alternative(_table(node["table"]), node["part"])
    if hasattr(self, "new_state"):  # of the builder of plain text
        self.new_state(0)
        self.add_text(said)
        self.end_state()
    raise nodes.SkipNode


def setup(app: Any) -> dict[str, Any]:
    """Tell Sphinx of it."""
    other = (_visit_text, None)
    app.add_node(
        ProcedureNode,
        html=(_visit_html, None),
        latex=other,
        text=other,
        man=other,
        texinfo=other,
    )
    app.add_directive("popheal-procedure", ProcedureDirective)
    return {"version": __version__, "parallel_read_safe": True, "parallel_write_safe": True}

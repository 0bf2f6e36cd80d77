"""Help as wide as the terminal, however narrow, and without a broken word.

Click's own takes no terminal for narrower than 50 columns, and cuts words at hyphens and where
they are too long.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterable
from typing import Final

import click

from popheal.cli.render.console import width_of
from popheal.cli.render.lines import fitted_text, hanging_text

#: Columns of help are no wider than this; and how many stay free at the right.
_WIDEST: Final = 100
_MARGIN: Final = 2
#: What is a paragraph to click whose lines are kept as they are.
_AS_IT_IS: Final = "\b\n"
_EXAMPLE: Final = re.compile(r" +popheal ")


class Formatter(click.HelpFormatter):
    """Writes help in lines that fit; examples are left as they are, to be pasted."""

    def __init__(
        self, indent_increment: int = 2, width: int | None = None, max_width: int | None = None
    ) -> None:
        room = min(width_of(sys.stdout), max_width or _WIDEST) - _MARGIN
        super().__init__(indent_increment, width or room)

    def write_usage(self, prog: str, args: str = "", prefix: str | None = None) -> None:
        """How a command is called."""
        self._write(fitted_text(f"{prefix or 'Usage: '}{prog} {args}".rstrip(), self.width))

    def write_text(self, text: str) -> None:
        """Paragraphs."""
        for number, paragraph in enumerate(re.split(r"\n\s*\n", inspect.cleandoc(text))):
            if number:
                self.write_paragraph()
            if paragraph.startswith(_AS_IT_IS):
                self._write_as_it_is(paragraph.removeprefix(_AS_IT_IS).splitlines())
            else:
                words = " ".join(paragraph.split())
                self._write(hanging_text(" " * self.current_indent, words, self.width))

    def write_dl(
        self, rows: Iterable[tuple[str, str]], col_max: int = 30, col_spacing: int = 2
    ) -> None:
        """Names, with what they mean beside them, or below one that is long."""
        rows, most = list(rows), min(col_max, self.width // 3)
        name = min(most, max(len(first) for first, _ in rows))
        start = " " * self.current_indent
        for first, second in rows:
            lead = f"{start}{first:<{name}}{' ' * col_spacing}"
            if len(first) > name:
                self._write([f"{start}{first}"])
                lead = " " * (len(start) + name + col_spacing)
            self._write(hanging_text(lead, second, self.width))

    def _write_as_it_is(self, lines: Iterable[str]) -> None:
        example = False
        for line in lines:
            shown = " " * self.current_indent + line
            example = example or _EXAMPLE.match(shown) is not None
            self._write([shown] if example else fitted_text(shown, self.width))
            example = example and line.endswith("\\")

    def _write(self, lines: Iterable[str]) -> None:
        self.write("".join(f"{line.rstrip()}\n" for line in lines))


class Context(click.Context):
    """A context whose help is written so."""

    formatter_class = Formatter

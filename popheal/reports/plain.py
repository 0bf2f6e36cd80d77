"""A report's page as plain text, for what shows Markdown as it is written: a pager, a text message.

It is made of the page itself, so that both say the same. What keeps an address from being one
stays: many a program makes links of plain text, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_ESCAPED: Final = re.compile(r"\\([\\`*_\[\]~|$#+=:.)-])")
_FENCE: Final = re.compile(r"`{3,}$")
_LINK: Final = re.compile(r"<(https?://[^>\s]+)>")
_HEADING: Final = re.compile(r"(#+) (.*)")
_UNDERLINES: Final = "=-"


def plain(page: str) -> str:
    """The text of a page that :func:`popheal.reports.markdown.page` has made."""
    return "\n".join(_lines(page)) + "\n"


def _lines(page: str) -> Iterator[str]:
    fence = ""
    for line in page.splitlines():
        if line == fence:
            fence = ""
        elif fence:
            yield f"    {line}"
        elif _FENCE.match(line):
            fence = line
        elif heading := _HEADING.match(line):
            text = _text(heading[2])
            yield text
            yield _UNDERLINES[min(len(heading[1]), len(_UNDERLINES)) - 1] * len(text)
        else:
            yield _text(line)


def _text(line: str) -> str:
    """What is read of a line, where nothing in it is a mark of the format."""
    line = _LINK.sub(r"\1", line)
    line = _ESCAPED.sub(r"\1", line)
    return line.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")

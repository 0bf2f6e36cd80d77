"""The items of a check as a part of the documentation, made from the table itself.

Write it again: ``python -m tests.readiness.check_page``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from popheal.readiness.items import ITEMS, Section
from tests.support.paths import ROOT

PAGE = ROOT / "docs" / "check.md"
_BEGIN, _END = "<!-- items: made by tests.readiness.check_page -->", "<!-- end of items -->"


def items_markdown() -> str:
    """The tables, one a section."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    for section in Section:
        yield f"### {section.value}\n"
        yield "| Line | Key | It is well if | Needs |"
        yield "| --- | --- | --- | --- |"
        for one in ITEMS:
            if one.section is section:
                needs = ", ".join(f"`{key}`" for key in one.needs)
                yield f"| {one.title} | `{one.key}` | {one.means} | {needs} |"
        yield ""


def with_items(page: str) -> str:
    """The page, with the tables as they are now."""
    part = re.compile(f"{re.escape(_BEGIN)}.*?{re.escape(_END)}", re.DOTALL)
    return part.sub(lambda _: f"{_BEGIN}\n\n{items_markdown()}\n{_END}", page)


if __name__ == "__main__":
    PAGE.write_text(with_items(PAGE.read_text("utf-8")), "utf-8")

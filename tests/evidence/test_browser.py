"""What a browser makes of every kind of page, and of Mermaid's text: looked at once, all together.

``python -m tests.support.browser FOLDER`` makes pictures of the pages, for people.
"""

from __future__ import annotations

import re

import pytest

from popheal.diagrams import graph_of
from popheal.diagrams.graph import ANYWHERE, ids
from popheal.diagrams.mermaid import RESERVED
from tests.support.browser import WIDTHS, mermaid_texts, pages, shown
from tests.support.node import needs_packages
from tests.support.programs import needs_program
from tests.support.walks import TABLES, moves_of, walk

#: Words of pictures have so many pixels at least, where there is room for that.
LEGIBLE = 11


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """What the browser has found, of all of them."""
    pytest.importorskip("sphinx", reason="needs Sphinx, of the extra docs")
    return shown(pages(tmp_path_factory.mktemp("pages")), mermaid_texts())


@pytest.mark.slow
@needs_packages()
@needs_program("chromium")
class TestInABrowser:
    """One class, so that one worker does it, with one browser."""

    def test_axe_finds_nothing_serious(self, found):
        """On light and on dark ground; on each page."""
        faults = {name: page["faults"] for name, page in found["pages"].items()}
        assert set(faults) >= {
            "report",
            "walkthrough-mailbox",
            "period",
            "check",
            "tabletop",
            "docs-index",
        }
        assert faults == {name: {"light": [], "dark": []} for name in faults}

    def test_pages_need_nothing_else(self, found):
        """Nothing is fetched from elsewhere, and nothing that a page says is refused."""
        for name, page in found["pages"].items():
            assert (name, page["fetched"], page["errors"]) == (name, [], [])

    def test_nothing_sticks_out(self, found):
        """No page is wider than its window, or than paper, nor is anything on it."""
        for name, page in found["pages"].items():
            assert len(page["views"]) == sum(map(len, WIDTHS.values()))
            for view, seen in page["views"].items():
                assert (name, view, seen["overflow"], seen["wide"]) == (name, view, 0, [])

    def test_words_of_pictures_are_legible(self, found):
        """Those within a page; of the others, that none is shrunk."""
        counted = 0
        for name, page in found["pages"].items():
            for view in ("light 1440", "light 1000", "dark 1000"):
                seen = page["views"][view]
                assert seen["smallest"] >= LEGIBLE, (name, view)
                assert all(one["scale"] >= 1 for one in seen["pictures"]), (name, view)
                counted += seen["words"] + len(seen["pictures"])
        assert counted > 1000

    @pytest.mark.parametrize("name", TABLES)
    def test_mermaid_moves_as_the_table_does(self, found, name):
        """The arrows that its own parser has read lead, for each move, to one place."""
        table = TABLES[name]
        graph = graph_of(table)
        known = ids((node.name for node in graph.nodes), RESERVED)
        back = {one: name for name, one in known.items()} | {"anywhere": ANYWHERE}
        read = found["mermaid"][name]
        assert set(known.values()) < set(read["nodes"])
        edges = [
            (back.get(start, start), back[end], label)
            for start, end, labels in read["edges"]
            for label in re.split("<br ?/?>", labels)
        ]
        moves = list(moves_of(name))
        assert [walk(edges, move) for move in moves] == [[move.target] for move in moves]

    def test_mermaid_reads_all_that_is_written_for_it(self, found):
        """Flowcharts, overviews, and sequences that break a property."""
        kinds = [one["type"] for one in found["mermaid"].values()]
        assert kinds.count("flowchart-v2") == 2 * len(TABLES)
        assert kinds.count("sequence") >= 20
        assert len(kinds) == kinds.count("flowchart-v2") + kinds.count("sequence")

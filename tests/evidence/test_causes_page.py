"""The page of causes is what the table says."""

from __future__ import annotations

from popheal.healthsets.pop.causes import CAUSES
from tests.evidence.causes_page import causes_markdown
from tests.support.paths import ROOT


def test_the_committed_page_is_true():
    """Written from the table; each cause has its line."""
    committed = (ROOT / "docs" / "causes.md").read_text("utf-8")
    assert committed == causes_markdown(), (
        "write it again: python -m tests.evidence.causes_page > docs/causes.md"
    )
    for one in CAUSES:
        assert f"| {one.name} |" in committed

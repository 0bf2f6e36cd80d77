"""What a build of the engine's workers is called."""

from __future__ import annotations

import shutil

import pytest

pytest.importorskip("temporalio", reason="needs the extra 'temporal'")

from popheal import __version__
from popheal.tables.table import Procedure
from popheal.temporal import build_name as build
from tests.support.paths import ROOT

OURS = build.build_id()


@pytest.fixture
def copied(tmp_path, monkeypatch):
    """A copy of the code, of which the build is computed."""
    shutil.copytree(ROOT / "popheal", tmp_path / "popheal")
    monkeypatch.setattr(build, "__file__", str(tmp_path / "popheal" / "temporal" / "build_name.py"))
    return tmp_path / "popheal"


def test_it_changes_with_whatever_a_replay_depends_on(copied, monkeypatch):
    monkeypatch.setattr(build, "build_of", build.build_of.__wrapped__)  # each time anew
    named = build.build_id
    before = named()
    assert before == OURS
    assert before.startswith(f"{__version__}-")
    (copied / "cli" / "app.py").write_text("# other words\n")
    assert named() == before
    rest = copied / "engine" / "limits.py"
    rest.write_text(rest.read_text() + "\n")
    changed = named()
    assert changed != before
    # A table of another hash, whatever file it comes from.
    monkeypatch.setattr(Procedure, "hash", property(lambda _: "another"))
    assert named() not in (before, changed)

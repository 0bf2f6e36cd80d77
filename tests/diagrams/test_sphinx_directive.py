"""The directive for Sphinx: a procedure on somebody's own page."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

pytest.importorskip("sphinx", reason="needs Sphinx, of the extra docs")

OWN = """
from attrs import evolve
from popheal.healthsets.pop import MAILBOX
OWN = evolve(MAILBOX, name="of_ones_own")
NONE = 1
"""


def build(folder, page, builder="html"):
    """What Sphinx says, and where it writes."""
    (folder / "pages").mkdir(exist_ok=True)
    (folder / "own.py").write_text(OWN, "utf-8")
    (folder / "conf.py").write_text("extensions = ['popheal.diagrams.sphinx_directive']\n", "utf-8")
    (folder / "index.rst").write_text("Index\n=====\n\n.. toctree::\n\n   pages/one\n", "utf-8")
    (folder / "pages" / "one.rst").write_text(f"One\n===\n\n{page}\n", "utf-8")
    out = folder / builder
    command = [sys.executable, "-m", "sphinx", "-q", "-n", "-b", builder, folder, out]
    env = {"PYTHONPATH": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, env=env, check=False)
    return done.stderr, out


def test_a_procedure_on_a_page(tmp_path):
    """The picture, a narrow one, and links to both pages, from a page in a folder."""
    page = ".. popheal-procedure:: client_access\n   :parts:\n\n.. popheal-procedure:: own:OWN\n"
    said, out = build(tmp_path, page)
    assert said == ""
    shown = (out / "pages" / "one.html").read_text("utf-8")
    targets = re.findall(r'(?:src|srcset|href)="\.\./_popheal/([^"]+)"', shown)
    assert {"of_ones_own.svg", "of_ones_own-narrow.svg", "of_ones_own.html"} < set(targets)
    assert {f"client_access-{part}.svg" for part in range(1, 6)} < set(targets)
    for target in targets:
        assert (out / "_popheal" / target).read_text("utf-8").startswith(("<svg", "<!DOCTYPE"))
    linked = re.findall(r'<a href="([^"]+)"', (out / "_popheal" / "client_access.svg").read_text())
    assert {f"client_access-{part}.svg" for part in range(1, 6)} == set(linked)


def test_what_is_not_html_has_a_sentence_and_what_is_no_name_an_error(tmp_path):
    """An error is that of its line, with what is wrong."""
    names = ["mailbox", "mailbx", "own:NOTHING", "own:NONE", "nowhere:X"]
    page = "\n\n".join(f".. popheal-procedure:: {name}" for name in names)
    said, out = build(tmp_path, page, "text")
    assert "The procedure mailbox" in (out / "pages" / "one.txt").read_text("utf-8")
    assert re.findall(r"one.rst:(\d+): ERROR: popheal-procedure: ", said) == ["6", "8", "10", "12"]
    assert "There is no procedure 'mailbx'" in said
    assert "'own:NONE' is no procedure" in said

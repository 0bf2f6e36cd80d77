"""What judges in Node: packages that ``npm ci --prefix tests/node`` installs, and their scripts."""

from __future__ import annotations

import json
import shutil
import subprocess

import pytest

from tests.support.paths import ROOT

FOLDER = ROOT / "tests" / "node"


def needs_packages() -> pytest.MarkDecorator:
    """Skip the test where Node, or a package for it that a test needs, is not installed."""
    wanted = json.loads((FOLDER / "package.json").read_text("utf-8"))["devDependencies"]
    there = all((FOLDER / "node_modules" / name).is_dir() for name in wanted)
    return pytest.mark.skipif(
        not (there and shutil.which("node")),
        reason="needs Node, and the packages that `npm ci --prefix tests/node` installs",
    )


def answer_of(script, given, timeout=300):
    """What a script of that folder answers to some data, both JSON."""
    process = subprocess.Popen(
        ["node", FOLDER / script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        try:
            said, complaint = process.communicate(json.dumps(given), timeout)
        except subprocess.TimeoutExpired:
            process.terminate()  # not killed: a browser that it has started ends with it
            raise
    assert process.returncode == 0, complaint
    return json.loads(said)

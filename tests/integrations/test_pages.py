"""What the pages show besides programs: units of systemd, and a procedure of one's own."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys

import pytest

from popheal.cli.app import popheal as command
from popheal.verify import verify
from tests.support.examples import EXAMPLES, example
from tests.support.paths import ROOT
from tests.support.programs import needs_program

# --- systemd -------------------------------------------------------------------------------------

UNITS = sorted(path.stem for path in EXAMPLES.glob("*.service"))


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_calls_popheal_as_it_is(name):
    """Its command, and options that this command has."""
    unit = (EXAMPLES / f"{name}.service").read_text("utf-8")
    (called,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
    program, subcommand, *options = shlex.split(called)
    assert program == "/opt/popheal/bin/popheal"
    known = {one for param in command.commands[subcommand].params for one in param.opts}
    assert {one for one in options if one.startswith("-")} <= known


@needs_program("systemd-analyze")
def test_systemd_takes_the_units(tmp_path):
    """All of them, and the timers, in one go."""
    paths = [*EXAMPLES.glob("*.service"), *EXAMPLES.glob("*.timer")]
    for path in paths:
        said = path.read_text("utf-8").replace("/opt/popheal/bin/popheal", sys.executable)
        (tmp_path / path.name).write_text(said, "utf-8")
    copies = [str(tmp_path / path.name) for path in paths]
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *copies],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not [line for line in (done.stdout + done.stderr).splitlines() if "popheal" in line]
    assert done.returncode == 0


def test_each_timer_has_its_service():
    assert {path.stem for path in EXAMPLES.glob("*.timer")} <= set(UNITS)


# --- a procedure of one's own --------------------------------------------------------------------


def test_the_careful_procedure_keeps_all_properties_but_the_one_that_its_page_names():
    """It gives up where the runbook restarts the server; and it never does more than it says."""
    careful = example("my_procedures").CAREFUL
    proof = verify(careful)
    assert [one.property.id for one in proof.refuted] == ["P23"]
    page = (ROOT / "docs" / "own-procedure.md").read_text("utf-8")
    assert f"> P23 {proof.refuted[0].property.sentence}\n" in page
    assert proof.bounds.reboots == 0
    effects = {effect for one in careful.states for effect in one.action.effects}
    assert effects == {"restart_service"}


# --- the pages -----------------------------------------------------------------------------------


def test_every_example_is_on_a_page():
    """Each program and unit is shown, or linked to, by a page."""
    pages = "".join(path.read_text("utf-8") for path in ROOT.glob("docs/**/*.md"))
    for path in EXAMPLES.iterdir():
        if path.is_file():
            assert re.search(rf"examples/{re.escape(path.name)}", pages), path.name

"""The units of systemd that the documentation has: what they start, and that systemd takes them."""

from __future__ import annotations

import configparser
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from popheal import Policy
from popheal.cli.app import popheal as command
from tests.support.paths import ROOT
from tests.support.programs import needs_program

UNITS = [ROOT / "docs" / "examples" / f"popheal-{name}.service" for name in ("serve", "watch")]

each_unit = pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)


def service(unit):
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str
    parser.read(unit, "utf-8")
    return parser["Service"]


@each_unit
def test_the_unit_starts_the_command_as_it_is(unit):
    program, name, *args = shlex.split(service(unit)["ExecStart"])
    assert (Path(program).name, f"popheal-{name}") == ("popheal", unit.stem)
    known = {one for param in command.commands[name].params for one in param.opts}
    assert {one for one in args if one.startswith("-")} <= known


@each_unit
def test_the_unit_gives_a_remote_command_the_time_to_end(unit):
    found = service(unit)
    assert float(found["TimeoutStopSec"]) > Policy().timing.command_timeout
    assert found["RestartPreventExitStatus"] == "2"


@needs_program("systemd-analyze")
def test_systemd_takes_the_units(tmp_path):
    copies = [tmp_path / unit.name for unit in UNITS]
    for unit, copy in zip(UNITS, copies, strict=True):
        program = shlex.split(service(unit)["ExecStart"])[0]
        copy.write_text(unit.read_text("utf-8").replace(program, sys.executable), "utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, copies)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not any(unit.name in done.stdout + done.stderr for unit in UNITS)
    assert done.returncode == 0

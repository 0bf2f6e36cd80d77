"""--record, and a lab that serves what it has written."""

from __future__ import annotations

import io
import json
import re
import stat
from contextlib import contextmanager

import pytest
from click.testing import CliRunner

from popheal.backends.psrp.recording import read_recording
from popheal.backends.simulated import load_scenario
from popheal.cli import session
from popheal.cli.app import popheal as command
from popheal.cli.commands import lab as lab_command
from popheal.lab import Lab
from popheal.util.clock import SystemClock
from tests.support.paths import ROOT
from tests.support.recordings import recorded

pytestmark = pytest.mark.lab

SAMPLE = ROOT / "tests" / "samples" / "recordings" / "mailbox-healed-by-restart.jsonl"
PASSWORD = "correct-horse-battery-staple"


@pytest.fixture
def config(tmp_path):
    """The configuration of a lab in which nothing is wrong."""
    scenario = load_scenario("nothing-wrong", SystemClock(200))
    servers = [one.fqdn for one in scenario.organisation.all_servers(scenario.server)]
    with Lab(scenario.backend, servers, password=PASSWORD) as lab:
        login = 'auth = "basic"\nusername = "lab"\npassword_env = "LAB_PASSWORD"\n'
        addresses = "".join(f'"{one}" = "{at}"\n' for one, at in lab.addresses.items())
        path = tmp_path / "lab.toml"
        path.write_text(
            f"[exchange]\nservers = {json.dumps(servers)}\n{login}"
            f"[winrm]\n{login}[addresses]\n{addresses}",
            "utf-8",
        )
        yield path


def run(*args):
    env = {"POPHEAL_CONFIG": None, "LAB_PASSWORD": PASSWORD}
    return CliRunner().invoke(command, list(map(str, args)), env=env)


@pytest.mark.parametrize("name", ["triage", "plan", "heal"])
def test_what_a_command_asks_is_recorded(name, config, tmp_path):
    """For its owner only; the answer is as without."""
    path = tmp_path / "recording.jsonl"
    result = run(name, "mbx1", "--config", config, "--json", "--record", path)
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["verdict"] == "nothing_wrong"
    recording = read_recording(path)
    assert result.stderr == (
        f"popheal: {len(recording.commands)} commands recorded in {path}. "
        "Names are replaced; read it before you send it.\n"
    )
    assert recording.heading.command == name
    assert recording.heading.alert["server"] == "server1"
    assert "Get-ServerHealth" in [one.command for one in recording.commands]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert not re.search("(?i)mbx|contoso|correct", path.read_text("utf-8"))


@pytest.mark.parametrize(
    ("name", "more"), [("check", ["--json"]), ("snapshot", ["--output", "org.toml"])]
)
def test_what_is_asked_about_an_organisation_is_recorded(name, more, config, tmp_path, monkeypatch):
    """Also what is asked of several servers side by side, over connections of their own."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "recording.jsonl"
    result = run(name, *more, "--config", config, "--record", path)
    assert "commands recorded in" in result.stderr
    recording = read_recording(path)
    assert recording.heading.command == name
    asked = {one.command for one in recording.commands}
    assert {"Get-ExchangeServer", "read boot time"} <= asked
    assert len({one.server for one in recording.commands}) > 1
    assert len(recording.commands) == len({one.number for one in recording.commands})
    assert not re.search("(?i)mbx|contoso|correct", path.read_text("utf-8"))


def test_nothing_is_written_over(config, tmp_path):
    """Nor asked: a recording that can't be made is known before the first command."""
    path = tmp_path / "precious"
    path.write_text("precious", "utf-8")
    for file, why in ((path, "File exists"), (tmp_path / "no" / "folder", "No such file")):
        result = run("heal", "mbx1", "--config", config, "--record", file)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert f"{file} can't be written ({why}" in result.stderr
        assert "--record" in result.stderr
    assert path.read_text("utf-8") == "precious"


def test_a_full_disk_is_told_and_changes_nothing_else(config, monkeypatch, tmp_path):
    """The healing is not about the recording."""

    class Full(io.StringIO):
        def write(self, text):
            raise OSError(28, "No space left on device")

    @contextmanager
    def full(path):
        yield Full()

    monkeypatch.setattr(session, "_new_file", full)
    result = run("triage", "mbx1", "--config", config, "--record", tmp_path / "file")
    assert result.exit_code == 0
    assert "ends early: it could not be written (No space left on device)" in result.stderr


def test_a_lab_takes_one_or_the_other(tmp_path):
    """And a recording that is one."""
    both = run("lab", "nothing-wrong", "--replay", SAMPLE)
    assert both.exit_code == 2
    assert "Give a SCENARIO or --replay, not both." in both.stderr
    path = tmp_path / "some.jsonl"
    heading = json.loads(SAMPLE.read_text("utf-8").splitlines()[0])
    for text, why in (
        ("{}\n", "this is no recording"),
        (json.dumps({**heading, "servers": []}) + "\n", "it names no server"),
        (json.dumps({**heading, "servers": ['a"]\n[policy]']}) + "\n", "one whose name is none"),
    ):
        path.write_text(text, "utf-8")
        result = run("lab", "--replay", path)
        assert result.exit_code == 2
        assert result.stdout == ""
        assert why in result.stderr


def test_the_command_to_try_is_the_one_that_was_recorded(config, tmp_path):
    """Another one would ask what is not in there: about other servers, say."""
    checked = tmp_path / "check.jsonl"
    run("check", "mbx1", "--config", config, "--record", checked)
    assert {one.server for one in read_recording(checked).commands} >= {"server2.domain1.com"}
    assert lab_command._recorded(checked).command == "check server1.domain1.com"
    heading, *rest = SAMPLE.read_text("utf-8").splitlines()
    for name, expected in (
        ("plan", "plan server1.domain1.com"),
        ("snapshot", "snapshot -o org.toml"),
        ("a program of mine", "heal server1.domain1.com"),
    ):
        path = tmp_path / "some.jsonl"
        path.write_text("\n".join([json.dumps({**json.loads(heading), "command": name}), *rest]))
        assert lab_command._recorded(path).command.startswith(expected)


@pytest.mark.slow
def test_a_recording_is_healed_like_a_lab(tmp_path):
    """Months later, in real time, by another process: its times are moved to now."""
    from tests.cli.test_over_lab import answer, lab
    from tests.cli.test_over_lab import run as process

    then = recorded(load_scenario("mailbox-healed-by-restart"), tmp_path / "recording.jsonl")
    with lab(tmp_path, f"--replay={then.path}") as path:
        report = answer(process("heal", "server1.domain1.com", "--json", "--config", path))
        assert report["verdict"] == "recovered", report["summary"]
        assert [one["procedure"] for one in report["runs"]] == ["mailbox"]

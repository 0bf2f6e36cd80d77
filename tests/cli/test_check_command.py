"""``popheal check``: over a lab, as people and as scripts read it."""

from __future__ import annotations

import json
import re

import pytest
from attrs import evolve
from click.testing import CliRunner

from popheal.backends.simulated import SimulatedBackend
from popheal.backends.simulated.scenario import build_scenario
from popheal.cli.app import popheal as command
from popheal.cli.commands.check import schema_text
from popheal.lab import Lab
from popheal.util.clock import SystemClock

pytest.importorskip("psrpcore", reason="needs popheal[lab]")
pytestmark = pytest.mark.lab

MBX1 = "mbx1.contoso.com"
PASSWORD = "a-password-of-this-test"


@pytest.fixture(scope="module")
def lab():
    content = {
        "title": "One server",
        "alert": {"server": "MBX1", "health_set": "POP"},
        "organisation": {"preset": "standalone"},
    }
    organisation = build_scenario(content, clock=SystemClock()).organisation
    with Lab(SimulatedBackend(organisation), [MBX1], password=PASSWORD) as lab:
        yield lab


@pytest.fixture
def config(lab, tmp_path, monkeypatch):
    monkeypatch.setenv("POPHEAL_LAB_PASSWORD", PASSWORD)
    path = tmp_path / "popheal.toml"
    path.write_text(
        f"""
[exchange]
servers = ["{MBX1}"]
auth = "basic"
username = "lab"
password_env = "POPHEAL_LAB_PASSWORD"
[addresses]
"{MBX1}" = "{lab.addresses[MBX1]}"
[journal]
path = "{tmp_path}/journal.db"
"""
    )
    return path


def run(*arguments, width=80):
    result = CliRunner().invoke(
        command, ["check", *map(str, arguments)], env={"COLUMNS": str(width)}
    )
    assert "Traceback" not in result.output
    assert PASSWORD not in result.output
    return result


def test_all_is_well(config, tmp_path):
    page = tmp_path / "check.html"
    result = run("--config", config, "--json", "--html", page)
    data = json.loads(result.stdout)
    wrong = [
        line for one in data["servers"] for line in one["lines"] if line["judgement"] != "good"
    ]
    assert wrong == []
    assert result.exit_code == data["exit_status"] == 0
    assert [line["key"] for line in data["here"]] == ["journal", "notified"]
    assert [one["server"] for one in data["servers"]] == [MBX1]
    keys = {line["key"] for line in data["servers"][0]["lines"]}
    assert {"tcp", "session", "cmdlet", "condition", "clock", "monitor", "probe", "copy"} <= keys
    text = page.read_text("utf-8")
    assert PASSWORD not in text
    assert "Get-ServerHealth" in text
    assert not (tmp_path / "journal.db").exists(), "it only looks"


def test_what_is_not_well_is_shown_with_what_to_do(config, lab, monkeypatch):
    less = evolve(lab.manners[MBX1], administrator=False)
    monkeypatch.setitem(lab.manners, MBX1, less)
    result = run("mbx1", "--config", config)
    assert result.exit_code == 1
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    (at,) = [number for number, line in enumerate(lines) if "✗" in line]
    assert "Condition of a script [winrm] administrator" in lines[at]
    assert "no local administrator" in lines[at + 1]
    assert "→ Make the account a local administrator" in lines[at + 2]
    assert "  ✓ Windows: all 10 well" in lines
    assert re.search(r"Checked +\d+ well, 1 not well, 0 could not be told; 1 server", result.stdout)
    assert "popheal may restart the POP3 services" in result.stdout


def test_where_nothing_answers_the_rest_is_folded(config, tmp_path):
    config.write_text(config.read_text().replace(MBX1 + '" = "127.0.0.1', MBX1 + '" = "127.0.0.2'))
    result = run("--config", config, "--all")
    assert result.exit_code == 1
    assert "✗ Port [winrm]: " in result.stdout
    # Once for each way, by the name that the line itself is shown under.
    ways_in = result.stdout.split("Cmdlet")[0]
    assert ways_in.count("not asked, see Port [winrm]: ") == 1
    assert "firewall" in result.stdout


def test_a_page_that_can_not_be_written_is_told_before_anything_is_asked(config, tmp_path):
    """It would else be told after minutes, and all that was seen would be lost."""
    for page, why in ((tmp_path / "no" / "check.html", "no folder"), (tmp_path, "is a folder")):
        result = run("--config", config, "--html", page, "--record", tmp_path / "asked.jsonl")
        assert (result.exit_code, result.stdout) == (2, "")
        assert why in result.stderr
        assert "Give another path with --html" in " ".join(result.stderr.split())
        assert not (tmp_path / "asked.jsonl").exists(), "nothing was asked"


def test_what_is_wrong_with_the_configuration_is_no_line(tmp_path):
    config = tmp_path / "popheal.toml"
    config.write_text("[exchange]\n")
    result = run("--config", config)
    assert (result.exit_code, result.stdout) == (2, "")
    for name in ("https://ex1", "ex1 ex2", "*"):
        assert run(name, "--config", config).exit_code == 2


def test_the_schema_can_be_had():
    result = run("--schema")
    assert result.exit_code == 0
    assert result.stdout == schema_text()
    assert json.loads(result.stdout)["title"]

"""The commands of a tabletop exercise: snapshot, rehearse --fault, rehearse --every-fault."""

from __future__ import annotations

import json
import shlex
import tomllib
from contextlib import contextmanager

import pytest
from click.shell_completion import ShellComplete
from click.testing import CliRunner

from popheal.cli.app import popheal as command
from tests.tabletop.test_exercise import ALONE, written

FAULT = "mbx1: PopDeepTestMonitor, cured by reboot"


def run(*args: object, **env: str):
    arguments = [str(one) for one in args]
    return CliRunner().invoke(command, arguments, env={"POPHEAL_CONFIG": None, **env})


# --- rehearse ------------------------------------------------------------------------------------


def test_a_fault_by_name_is_rehearsed():
    """With the alert that it raises, and the status of the verdict."""
    result = run("rehearse", "nothing-wrong", "--fault", FAULT)
    assert result.exit_code == 0
    assert "A rehearsal: PopDeepTestMonitor." in result.stdout
    assert "Verdict    recovered" in result.stdout
    assert "Expected" not in result.stdout


def test_every_fault_fits_a_terminal(tmp_path):
    """80 columns; each kind of fault has its line."""
    result = run("rehearse", written(tmp_path, ALONE), "--every-fault", COLUMNS="80")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    assert [line for line in lines if line.startswith("  PopDeepTestMonitor")]
    assert "    never cured                     escalated  touches nothing" in lines
    assert lines[-1].startswith("In all     ")


def test_every_fault_as_json_and_as_a_page(tmp_path):
    """One object on standard output; a file where one is named."""
    config = tmp_path / "popheal.toml"
    config.write_text('[policy]\nhighest_impact = "change"\n', "utf-8")
    page = tmp_path / "tabletop.html"
    options = ("--every-fault", "--html", page, "--config", config)
    result = run("rehearse", written(tmp_path, ALONE), *options, "--json")
    assert result.exit_code == 0
    told = json.loads(result.stdout)
    assert told["policy"]["highest_impact"] == "change"
    assert told["policy"]["approval_undecided"] is True, "as a healing by this file has it"
    assert {one["server"] for one in told["trials"]} == {"a"}
    assert page.read_text("utf-8").startswith("<!DOCTYPE html>")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--every-fault", "--fault", FAULT], "--fault and --every-fault"),
        (["--seed", "1", "--fault", FAULT], "--fault and --seed"),
        (["--every-fault", "--over-psrp"], "--every-fault takes no"),
        (["--html", "no/such/folder/x.html"], "can't be written; give another path"),
        (["--fault", "mbx9: PopDeepTestMonitor, never cured"], "there is no server 'mbx9'"),
    ],
)
def test_what_does_not_go_together_is_wrong_usage(options, says):
    """One sentence, and nothing played."""
    result = run("rehearse", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr


def test_faults_are_completed():
    """By the servers of the scenario that is named."""
    completing = ShellComplete(command, {}, "popheal", "_POPHEAL_COMPLETE")
    split = "client-access-split-role-healed-by-reboot"
    found = completing.get_completions(["rehearse", split, "--fault"], "cas1: popp")
    assert [one.value for one in found] == [
        f"CAS1: PopProxyTestMonitor, {cure}"
        for cure in ("cured by restart", "cured by reboot", "never cured")
    ]
    assert completing.get_completions(["rehearse", "no-such.toml", "--fault"], "") == []


# --- snapshot ------------------------------------------------------------------------------------


@contextmanager
def lab_of(name, folder):
    """A configuration for a lab of that scenario, which answers while this lasts."""
    pytest.importorskip("psrpcore", reason="needs popheal[lab]")
    from popheal.cli.commands.lab import PASSWORD_VARIABLE, _configuration, _simulated
    from popheal.lab import Lab

    stage = _simulated(name, 1000)
    with Lab(stage.served, stage.servers, password="secret", is_up=stage.is_up) as lab:
        config = folder / "lab.toml"
        config.write_text("\n".join(_configuration(lab.addresses, stage, 1000)), "utf-8")
        yield config, {PASSWORD_VARIABLE: "secret"}


@pytest.mark.lab
def test_a_snapshot_is_written_whole_and_replaces_nothing(tmp_path):
    """It can be played; what could not be read is said, by the exit status too."""
    org = tmp_path / "org.toml"
    with lab_of("another-member-is-down", tmp_path) as (config, env):
        first = run("snapshot", "-o", org, "--config", config, **env)
        kept = org.read_bytes()
        again = run("snapshot", "-o", org, "--config", config, **env)
        forced = run("snapshot", "mbx2", "-o", org, "--force", "--config", config, "--json", **env)
    astray = run("snapshot", "-o", tmp_path / "no" / "org.toml", "--config", config)
    assert first.exit_code == 4
    assert first.stdout.startswith(f"{org} (servers: 3, dags: 1, databases: 6)\n")
    # By the same policy, so that the exercise is about what popheal would do.
    tried = " ".join(first.stdout.splitlines()[1:]).split("popheal ", 1)[1]
    assert shlex.split(tried) == ["rehearse", f"{org}", "--every-fault", "--config", f"{config}"]
    assert "Could not be read: host_status, services, recovery_actions of mbx3" in first.stderr
    assert "secret" not in kept.decode()
    assert tomllib.loads(kept.decode())["servers"]["MBX3"]["down"] is True
    assert again.exit_code == 2
    assert "is there already" in again.stderr
    assert json.loads(forced.stdout)["servers"] == 3
    assert astray.exit_code == 2
    assert "there is no folder" in astray.stderr
    assert "Give another path with --output" in astray.stderr
    assert sorted(one.name for one in tmp_path.iterdir()) == ["lab.toml", "org.toml"]
    played = run("rehearse", org, "--fault", "mbx1: PopProxyTestMonitor, cured by restart")
    assert played.exit_code in (0, 1)


@pytest.mark.lab
def test_where_nobody_may_look_nothing_is_written(tmp_path):
    """And the status is that of "could not tell"."""
    org = tmp_path / "org.toml"
    with lab_of("not-authorised", tmp_path) as (config, env):
        result = run("snapshot", "-o", org, "--config", config, **env)
    assert result.exit_code == 4
    assert "Nothing was written" in result.stderr
    assert not org.exists()

"""The command line as people use it: a real process, healing a lab that is another."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import pytest

from popheal.config.load import load_config

pytest.importorskip("psrpcore", reason="needs popheal[lab]")

pytestmark = [pytest.mark.slow, pytest.mark.lab]

POPHEAL = [sys.executable, "-m", "popheal"]
PASSWORD = "a-password-of-this-test"
#: A process that takes longer than this has gone astray.
PATIENCE = 120


def environment(password: str | None = PASSWORD) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("POPHEAL_")}
    return kept | ({} if password is None else {"POPHEAL_LAB_PASSWORD": password})


@contextmanager
def lab(tmp_path, scenario: str, speed: int = 200, *more: str):
    """A lab in a process of its own; gives the path of its configuration."""
    config = tmp_path / "lab.toml"
    process = subprocess.Popen(
        [*POPHEAL, "lab", scenario, "--speed", str(speed), "--config-out", str(config), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    told = []
    try:
        for line in process.stderr:
            told.append(line)
            if "Ctrl-C closes the lab" in line:
                break
        else:
            pytest.fail("".join(told))
        yield config
    finally:
        process.send_signal(signal.SIGTERM)
        answer, complaints = process.communicate(timeout=PATIENCE)
    assert answer == ""
    assert complaints == "popheal: The lab is closed.\n"
    assert process.returncode == 0
    assert PASSWORD not in "".join(told)
    assert PASSWORD not in config.read_text()


def run(*args: object, password: str | None = PASSWORD) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(
        [*POPHEAL, *map(str, args)],
        capture_output=True,
        text=True,
        env=environment(password),
        timeout=PATIENCE,
        check=False,
    )
    for stream in (result.stdout, result.stderr):
        assert PASSWORD not in stream
        assert not password or password not in stream
        assert "Traceback" not in stream
        assert "\x1b" not in stream
    return result


def answer(result: subprocess.CompletedProcess[str]) -> dict[str, object]:
    """The one JSON object; nothing else is written anywhere."""
    assert result.stderr == ""
    return json.loads(result.stdout)


HEALED = {
    "mailbox-healed-by-reboot": ("mbx1.contoso.com", ["mailbox"]),
    "client-access-back-end-named-by-probe": ("cas1.contoso.com", ["client_access", "mailbox"]),
    "proxy-healed-by-reboot": ("mbx1.contoso.com", ["proxy"]),
    "command-time-healed-by-restart": ("mbx1.contoso.com", ["command_time"]),
}


@pytest.mark.parametrize("scenario", HEALED)
def test_each_procedure_heals_over_remoting(tmp_path, scenario):
    server, procedures = HEALED[scenario]
    with lab(tmp_path, scenario) as config:
        result = run("heal", server, "--json", "--config", config)
        report = answer(result)
        assert report["verdict"] == "recovered", report["summary"]
        assert result.returncode == 0
        assert server == report["server"]
        assert procedures == [one["procedure"] for one in report["runs"]]
        assert all(one["status"] == "paid" for one in report["debts"])
        again = run("heal", server, "--json", "--config", config)
    assert answer(again)["verdict"] == "nothing_wrong"
    assert again.returncode == 0


def test_looking_and_planning_change_nothing(tmp_path):
    with lab(tmp_path, "mailbox-healed-by-restart") as config:
        first = run("triage", "mbx1", "--config", config)
        planned = run("plan", "mbx1", "--config", config)
        every = run("plan", "mbx1", "--all-paths", "--config", config)
        as_json = run("plan", "mbx1", "--json", "--config", config)
        last = run("triage", "mbx1", "--json", "--config", config)
    assert 1 == first.returncode == planned.returncode == last.returncode
    assert "the fault is real; nothing was done about it" in first.stdout
    assert f"popheal plan mbx1.contoso.com --config {config}" in " ".join(first.stdout.split())
    assert "At most    1 reboot, 1 service restart, 11 actions" in planned.stdout
    assert "Way 1      restarting_pop3_backend* > reprobing > recovered" in planned.stdout
    assert "12 other ways end as escalated" in planned.stdout
    assert "Way 11 " in every.stdout
    plan = answer(as_json)["plan"]
    assert {name: plan[0]["worst_case"][name] for name in ("actions", "restarts", "reboots")} == {
        "actions": 11,
        "restarts": 1,
        "reboots": 1,
    }
    report = answer(last)
    assert report["verdict"] == "escalated"
    assert report["runs"] == []


def test_what_can_go_wrong_with_a_connection(tmp_path):
    with lab(tmp_path, "mailbox-healed-by-restart") as config:
        wrong = run("heal", "mbx1", "--json", "--config", config, password="not-the-password")
        unset = run("heal", "mbx1", "--json", "--config", config, password=None)
        nobody = run("heal", "no-such-server", "--json", "--config", config)
        monitor = run("heal", "mbx1", "--json", "--config", config, "--monitor", "PopNone")
        people = run("heal", "mbx1", "--config", config, password="not-the-password")
    closed = run("heal", "mbx1.contoso.com", "--json", "--config", config)
    for result in (wrong, closed):
        assert result.returncode == 4
        report = answer(result)
        assert report["verdict"] == "unknown"
        assert report["handover"]["next_steps"]
    assert people.returncode == 4
    assert "the user name or the password was not accepted" in " ".join(people.stdout.split())
    for result, said in (
        (unset, "POPHEAL_LAB_PASSWORD"),
        (nobody, "There is no server 'no-such-server'"),
        (monitor, "There is no monitor 'PopNone'"),
    ):
        assert result.returncode == 2
        assert result.stdout == ""
        assert re.fullmatch(r"popheal: [^\n]+\n", result.stderr)
        assert said in result.stderr


def test_the_configuration_of_a_lab_is_complete_and_scaled(tmp_path, monkeypatch):
    monkeypatch.setenv("POPHEAL_LAB_PASSWORD", PASSWORD)
    with lab(tmp_path, "mailbox-healed-by-restart", 100) as path:
        config = load_config(path)
    assert config.timing.settle == 6
    assert config.timing.probe_attempts == 3
    assert config.timing.command_timeout == 300
    assert config.settings.winrm.username == "lab"
    first, second = config.settings.exchange.servers[:2]
    ports = [config.settings.target(name, config.settings.winrm) for name in (first, second)]
    assert len({target.connection.port for target in ports}) == 2


def test_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        result = run("lab", "--port", taken.getsockname()[1])
    assert result.returncode == 2
    assert result.stdout == ""
    assert "Choose another port" in result.stderr


def test_a_lab_without_a_file_prints_its_configuration():
    process = subprocess.Popen(
        [*POPHEAL, "lab", "--speed", "50"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    for line in process.stderr:
        if "Ctrl-C closes the lab" in line:
            break
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert printed.startswith("# A lab on this machine")
    assert "[timing]\nsettle = 12\n" in printed


# --- Ctrl-C --------------------------------------------------------------------------------------


@contextmanager
def healing_until(config, state: str, *more: str):
    """A ``popheal heal`` that has come to a state, told by its log."""
    process = subprocess.Popen(
        [*POPHEAL, "heal", "mbx1", "-v", "--config", str(config), *more],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    for line in process.stderr:
        if "action_started" in line and f"state='{state}'" in line:
            break
    else:
        pytest.fail(process.stdout.read())
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def test_ctrl_c_stops_and_puts_things_back(tmp_path):
    with (
        lab(tmp_path, "command-time-healed-by-reboot", 60) as config,
        healing_until(config, "waiting", "--json") as process,
    ):
        process.send_signal(signal.SIGINT)
        printed, complaints = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert json.loads(printed)["verdict"] == "cancelled"
    assert "popheal: Stopping: " in complaints


def test_a_second_ctrl_c_breaks_off(tmp_path):
    with (
        lab(tmp_path, "command-time-healed-by-reboot", 60) as config,
        healing_until(config, "waiting") as process,
    ):
        # Ten minutes at this speed: the second one surely comes before the wait is over.
        process.send_signal(signal.SIGINT)
        for line in process.stderr:
            if "Stopping" in line:
                break
        process.send_signal(signal.SIGINT)
        _, complaints = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert "Broken off. What was begun is not undone (restarting_pop3_services)" in complaints

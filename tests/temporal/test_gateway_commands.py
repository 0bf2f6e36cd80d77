"""``popheal fleet serve`` and ``watch`` as commands: what they refuse, and how they end."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys

import pytest

pytest.importorskip("temporalio", reason="needs the extra 'temporal'")
pytest.importorskip("uvicorn", reason="needs popheal[serve]")

from tests.serve.test_command import ENVIRONMENT, EXCHANGE, SECRET, TOKEN
from tests.support.paths import ROOT
from tests.temporal.test_commands import fleet_command

WATCH = '[watch]\nservers = ["ex1.contoso.test"]\n'
UNDECIDED = EXCHANGE.replace('approval_from = "disrupt"', "")
#: Nobody is there.
NOWHERE = {"TEMPORAL_ADDRESS": "127.0.0.1:1"}


@pytest.mark.parametrize(
    ("command", "configuration", "said"),
    [
        ("serve", EXCHANGE, "has no [serve] with a token"),
        ("watch", EXCHANGE, "has no [watch]"),
        ("serve", UNDECIDED + TOKEN, "does not say approval_from, and nobody is asked here"),
        ("watch", UNDECIDED + WATCH, "does not say approval_from, and nobody is asked here"),
        ("serve", EXCHANGE + TOKEN, "The Temporal server 127.0.0.1:1: can't be reached"),
        ("watch", EXCHANGE + WATCH, "The Temporal server 127.0.0.1:1: can't be reached"),
    ],
)
def test_what_it_can_not_begin_with_is_said(tmp_path, command, configuration, said):
    path = tmp_path / "popheal.toml"
    path.write_text(configuration)
    status, out, told = fleet_command(command, "--config", str(path), **ENVIRONMENT, **NOWHERE)
    assert (status, out) == (2, "")
    assert said in told
    assert SECRET not in told
    assert not (tmp_path / "journal.db").exists(), "a fleet needs none"


@pytest.mark.parametrize(("command", "section"), [("serve", TOKEN), ("watch", WATCH)])
def test_a_table_that_is_nowhere_is_no_table(tmp_path, command, section):
    path = tmp_path / "popheal.toml"
    path.write_text(EXCHANGE + section)
    said = ("--config", str(path), "--procedure", "no_such_module:TABLE")
    status, _, told = fleet_command(command, *said, **ENVIRONMENT, **NOWHERE)
    assert (status, "no_such_module" in told) == (2, True)


@pytest.mark.slow
def test_it_serves_until_it_is_told_to_end(fleet, tmp_path):
    """Servers that can't be reached are looked at, too; what is told of that has no secret."""
    path = tmp_path / "popheal.toml"
    path.write_text(f"{EXCHANGE}[serve]\nport = 0\n{TOKEN}{WATCH}")
    process = subprocess.Popen(
        [sys.executable, "-m", "popheal", "fleet", "serve", "--config", str(path)],
        stderr=subprocess.PIPE,
        text=True,
        env={
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "TEMPORAL_ADDRESS": fleet.address,
            **ENVIRONMENT,
        },
    )
    try:
        said = []
        for line in process.stderr:
            said.append(line)
            if "Listening at" in line:
                break
        port = int(said[-1].rpartition(":")[2])
        asked = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        headers = {"Authorization": f"Bearer {SECRET}", "Content-Type": "application/json"}
        asked.request("POST", "/alerts", json.dumps({"server": "ex1"}), headers)
        answer = asked.getresponse()
        assert answer.status == 202
        assert json.loads(answer.read())["answer"] == "could_not_look"
        asked.request("GET", "/healings?server=ex1", headers=headers)
        assert json.loads(asked.getresponse().read()) == {"healings": []}
        asked.close()
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=60)
    finally:
        process.kill()
        process.communicate()
    told = "".join(said) + rest
    assert process.returncode == 0, told
    assert "scom 127.0.0.1: POST /alerts: 202\n" in told
    assert told.endswith("Z the watch has ended\n")
    assert "journal" not in told.casefold(), "it needs none, so none is missed"
    assert SECRET not in told
    assert "Traceback" not in told

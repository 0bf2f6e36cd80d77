"""Programs beside a healing: a plug-in of Nagios, a receiver of webhooks, a log of events."""

from __future__ import annotations

import logging
import re
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request

import pytest

import popheal
from popheal import Alert
from popheal.backends.simulated import load_scenario
from popheal.notify import Notifier
from tests.support.examples import EXAMPLES, SERVER, TOKEN, example

# --- Nagios and Icinga ---------------------------------------------------------------------------

#: What the Monitoring Plugins' guidelines allow: one line, and performance data behind a bar.
NUMBER = r"-?\d+(\.\d+)?"
PERFORMANCE = rf"[\w.]+={NUMBER}(us|ms|s|%|B|c)?(;({NUMBER})?){{0,4}}"
LINE = re.compile(rf"POP [A-Z]+ - [^|\n]+( \| {PERFORMANCE}( {PERFORMANCE})*)?\n")


@pytest.mark.parametrize(
    ("scenario", "status", "said"),
    [
        ("nothing-wrong", 0, "POP OK"),
        ("transient", 0, "POP OK"),
        ("maintenance", 1, "POP WARNING"),
        ("mailbox-healed-by-reboot", 2, "POP CRITICAL - POP.Protocol\\PopDeepTestProbe: Failed"),
        ("unreachable", 3, "POP UNKNOWN"),
    ],
)
def test_the_plug_in_answers_with_a_line_and_a_status(reaching, capsys, scenario, status, said):
    reaching.play(scenario)
    plug_in = example("check_popheal")
    assert plug_in.main(["--config", str(reaching.config), reaching.scenario.server]) == status
    shown = capsys.readouterr().out
    assert shown.startswith(said)
    assert LINE.fullmatch(shown), shown
    assert "failing=1;;0;0" in shown if status == 2 else "failing=0;;0;0" in shown


@pytest.mark.parametrize("server", ["nosuch", SERVER])
def test_whatever_goes_wrong_the_plug_in_answers_unknown(reaching, capsys, monkeypatch, server):
    def fail(*_):
        raise RuntimeError("a | defect\nof two lines")

    plug_in = example("check_popheal")
    if server == SERVER:
        monkeypatch.setattr(plug_in, "load_config", fail)
    assert plug_in.main(["--config", str(reaching.config), server]) == 3
    assert LINE.fullmatch(capsys.readouterr().out)


@pytest.mark.slow
def test_a_silent_server_does_not_keep_the_plug_in(tmp_path):
    """It ends by itself, where Nagios would kill it without a word."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        config = tmp_path / "popheal.toml"
        config.write_text(
            f'[exchange]\nservers = ["{SERVER}"]\nusername = "x"\npassword_env = "SECRET"\n'
            f'auth = "ntlm"\nssl = false\nport = {silent.getsockname()[1]}\n'
            f'[addresses]\n"{SERVER}" = "127.0.0.1"\n'
        )
        program = [sys.executable, str(EXAMPLES / "check_popheal.py"), SERVER]
        done = subprocess.run(
            [*program, "--config", str(config), "--timeout", "1"],
            env={"SECRET": "x"},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 3, done.stderr
    assert done.stdout == "POP UNKNOWN - no answer within 1 s\n"


# --- notifications, and a log of events ----------------------------------------------------------


@pytest.fixture
def hook(monkeypatch):
    """The receiver on loopback, and what it has handed on."""
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    got = []
    server = example("webhook_receiver").make_server(0, TOKEN, got.append)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server.server_port, got
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_handover_reaches_the_receiver(hook):
    """From a healing, through the notifier and apprise, to whoever opens a ticket."""
    port, got = hook
    scenario = load_scenario("fault-survives-the-reboot")
    notifier = Notifier([f"json://127.0.0.1:{port}/popheal?+X-Token={TOKEN}"])
    report = popheal.heal(Alert(server=scenario.server), scenario.backend, observers=[notifier])
    (notification,) = got
    assert notification["type"] == "failure"
    assert notification["title"] == "popheal: escalated: mbx1.contoso.com"
    assert report.handover.commands[0] in notification["message"]


@pytest.mark.parametrize(
    ("token", "body", "status"),
    [
        (TOKEN, b'{"type": "failure", "title": "t", "message": "m"}', 204),
        ("wrong", b"{}", 403),
        (TOKEN, b"{}", 400),
        (TOKEN, b"[1]", 400),
        (TOKEN, b"\xff", 400),
        (TOKEN, b"x" * (256 * 1024 + 1), 413),
    ],
)
def test_the_receiver_takes_nothing_else(hook, token, body, status):
    port, got = hook
    asked = urllib.request.Request(
        f"http://127.0.0.1:{port}/popheal", data=body, headers={"X-Token": token}
    )
    try:
        with urllib.request.urlopen(asked, timeout=10) as answer:
            said = answer.status
    except urllib.error.HTTPError as error:
        with error:
            said = error.code
    except (ConnectionError, urllib.error.URLError):
        said = 413  # it answers and closes while more is being sent
    assert said == status
    assert len(got) == (status == 204)


def test_what_a_person_must_know_is_in_the_event_log():
    class Kept(logging.Handler):
        def emit(self, record):
            kept.append((self.getMessageID(record), record.levelname, record.getMessage()))

    kept, scenario = [], load_scenario("fault-survives-the-reboot")
    observer = example("event_log").EventLog(Kept())
    popheal.heal(Alert(server=scenario.server), scenario.backend, observers=[observer])
    numbers = [number for number, _, _ in kept]
    assert numbers == [100] * (len(kept) - 2) + [300, 200]
    assert (100, "INFO", f"{SERVER}: Restart-Service MSExchangePOP3BE") in kept
    (handed_over,) = [one for one in kept if one[0] == 300]
    assert handed_over[1] == "ERROR"
    assert "Set-MailboxServer" in handed_over[2]

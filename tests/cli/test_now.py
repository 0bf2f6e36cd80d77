"""What a person at a terminal is told while popheal waits, or while a server is silent."""

from __future__ import annotations

import contextlib
import os
import re
import socket
import subprocess
import sys
import threading
import time
from functools import partial

import pytest

import popheal
from popheal.backends.simulated import load_scenario
from popheal.cli.commands.watch import approved_by, tell
from popheal.cli.render.now import Doing, Now
from popheal.reports.events import ActionFinished, ActionStarted, Pausing
from popheal.util.text import span

RESTART = Doing(what="waiting for the restart", server="mbx1.contoso.com", began=0, most=2700)

# --- the line ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "shown"),
    [
        (80, "waiting for the restart on mbx1.contoso.com, 12 min of at most 45 min"),
        (66, "waiting for the restart on mbx1, 12 min of at most 45 min"),
        (50, "waiting for the restart, 12 min of at most 45 min"),
        (40, "12 min of at most 45 min"),
    ],
)
def test_a_wait_is_told_with_its_bound(columns, shown):
    assert RESTART.told(720, "", columns) == shown


def test_the_call_that_takes_so_long_is_told_where_there_is_room():
    doing = Doing(what="verifying", server="mbx1.contoso.com", began=0)
    told = partial(doing.told, 5, "connecting to mbx2.contoso.com")
    assert told(80) == "verifying on mbx1.contoso.com, 5 s: connecting to mbx2.contoso.com"
    assert told(60) == "verifying on mbx1, 5 s: connecting to mbx2.contoso.com"
    assert told(40) == "connecting to mbx2.contoso.com, 5 s"


@pytest.mark.parametrize("columns", [38, 78, 118])
@pytest.mark.parametrize("server", ["ex1", "mbx1.contoso.com", "a" * 30 + ".emea.corp.contoso.com"])
@pytest.mark.parametrize("most", [None, 45.0, 2700.0, 90061.0])
def test_the_line_fits_and_breaks_no_name(server, most, columns):
    """The time is there at any width; a name is whole, or its host part, or not there."""
    doing = Doing(what="waiting for copies to catch up", server=server, began=0, most=most)
    for passed in (0.0, 59.4, 765.0, 90061.0):
        for asked in ("", "Test-ReplicationHealth asked of mbx2.contoso.com"):
            line = doing.told(passed, asked, columns)
            assert len(line) <= columns
            assert span(passed) in line
            assert most is None or f"of at most {span(most)}" in line
            (place,) = re.findall(r" on (\S+),", line) or [server]
            assert place in (server, server.partition(".")[0])


def test_a_plain_terminal_is_told_once_and_once_more_of_the_call(monkeypatch, capsys):
    """As soon as there is one; not each time that another is made."""
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setattr("popheal.cli.render.now.PATIENCE", 0.001)
    calls = iter(["", ""])
    now, timer = Now(lambda: next(calls, "connecting to ex2")), None
    now.show("verifying", "ex1")
    while timer is not now._timer:  # as long as each has made another one
        timer = now._timer
        assert timer.finished.wait(60), "which it may be before it has even begun"
    assert capsys.readouterr().err.splitlines() == [
        "popheal: verifying on ex1, 0 s",
        "popheal: verifying on ex1, 0 s: connecting to ex2",
    ]


def test_a_wait_that_is_over_gives_way_to_the_step_it_was_part_of(monkeypatch):
    """A pause between two tries is part of a longer wait, and both of a step."""
    monkeypatch.setenv("NO_COLOR", "1")  # no thread draws
    time_is = [0.0]
    now = Now(clock=lambda: time_is[0])
    now.show("awaiting_server", "mbx1")
    now.wait("the restart", "mbx1", seconds=600, most=2700)
    now.wait("another try", "mbx1", seconds=30, most=30)
    shown = []
    for moment in (10, 40, 599, 700):
        time_is[0] = float(moment)
        shown.append(now.line(80, in_full=False))
    now.wipe()
    assert shown == [
        "waiting for another try on mbx1, 10 s of at most 30 s",
        "waiting for the restart on mbx1, 35 min 40 s of at most 45 min",
        "waiting for the restart on mbx1, 44 min 59 s of at most 45 min",
        "awaiting_server on mbx1, 11 min 40 s",
    ]


# --- what is told --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "waits"),
    [
        ("server-never-comes-back", {"another try", "the switchover", "the restart"}),
        ("command-time-healed-by-reboot", {"POP to settle", "the restart"}),
        ("service-stuck-in-stop-pending", {"MSExchangePOP3BE"}),
        ("pop-needs-minutes-after-the-boot", {"POP to come up"}),
        ("degraded-first", {"a Degraded monitor"}),
    ],
)
def test_whatever_takes_long_is_told_to_be_waited_for(name, waits):
    """Each step of a minute or more has said so in its state, with a bound that it kept to."""
    scenario, told = load_scenario(name), []
    popheal.heal(popheal.Alert(server=scenario.server), scenario.backend, observers=[told.append])
    assert waits <= {one.what for one in told if isinstance(one, Pausing)}
    began, waits = told[0].at, []
    for event in told:
        if isinstance(event, ActionStarted):
            began, waits = event.at, []
        elif isinstance(event, Pausing):
            waits.append(event)
        elif isinstance(event, ActionFinished) and (event.at - began).total_seconds() >= 60:
            first = next(one for one in waits if one.state == event.state)
            answering = 60  # a look that was begun before the deadline
            assert (event.at - first.at).total_seconds() <= first.seconds + answering


def test_a_watch_tells_of_long_waits(capsys, tmp_path):
    scenario = load_scenario("server-never-comes-back")
    alert = popheal.Alert(server=scenario.server)
    popheal.heal(
        alert, scenario.backend, observers=[partial(tell, approved_by(tmp_path / "journal.db"))]
    )
    told = capsys.readouterr().err
    server = "mbx1.contoso.com: awaiting_server"
    assert f"{server}: waiting for the restart, at most 45 min\n" in told
    assert "another try" not in told


# --- a silent server -----------------------------------------------------------------------------


@pytest.fixture
def silent(tmp_path):
    """A configuration whose servers take connections and never answer, and when they took one."""
    taken, kept = [], []

    def listen():
        with contextlib.suppress(OSError):
            while True:
                kept.append(listener.accept())
                taken.append(time.monotonic())

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        threading.Thread(target=listen, daemon=True).start()
        path = tmp_path / "popheal.toml"
        path.write_text(
            f'[exchange]\nservers = ["ex1.contoso.com", "ex2.contoso.com"]\nusername = "lab"\n'
            f'password_env = "SECRET"\nauth = "ntlm"\nssl = false\nport = {port}\n'
            f'[winrm]\nauth = "ntlm"\nssl = false\nport = {port}\n'
            '[addresses]\n"ex1.contoso.com" = "127.0.0.1"\n"ex2.contoso.com" = "127.0.0.1"\n'
        )
        yield path, taken
        listener.shutdown(socket.SHUT_RDWR)
    for connection, _ in kept:
        connection.close()


LINES = {
    "heal": (["heal", "ex1.contoso.com"], {}, "verifying on ex1.contoso.com", "connecting to ex2"),
    "plain": (["triage", "ex1"], {"NO_COLOR": "1"}, "verifying on ex1", "connecting to ex2"),
    "check": (["check"], {}, "the check on ex1.contoso.com and 1 more", "[exchange] of ex"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", LINES)
def test_a_line_says_within_two_seconds_what_is_tried_on_which_server(name, silent, tmp_path):
    """Counted from when the server took the connection: what comes before is Python's start."""
    pty = pytest.importorskip("pty")
    args, env, first, then = LINES[name]
    config, taken = silent
    ours, its = pty.openpty()
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    process = subprocess.Popen(
        [sys.executable, "-m", "popheal", *args, "--config", str(config)],
        stdin=its,
        stdout=its,
        stderr=its,
        cwd=tmp_path,
        env=environment | {"SECRET": "x", "TERM": "xterm-256color", "COLUMNS": "100"} | env,
    )
    os.close(its)
    shown, seen_at = "", 0.0
    late = threading.Timer(60, process.kill)
    late.start()
    with open(ours, "rb", buffering=0) as stream, contextlib.suppress(OSError):  # noqa: PTH123
        while then not in shown:
            shown += stream.read(4096).decode()
            seen_at = seen_at or (time.monotonic() if first in shown else 0.0)
    late.cancel()
    process.kill()
    process.wait(timeout=30)
    assert then in shown
    assert 0 < seen_at <= (taken or [seen_at])[0] + 2
    assert ("\x1b" in shown) is not bool(env)

"""Out at once, from real processes: whatever the far side does, two signals are enough."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from popheal import Journal, Policy
from popheal.cli.exit_codes import BROKEN_OFF
from tests.backends.psrp.test_hostile_server import HEADERS, serving, silent, trickled
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow

#: Seconds from the last signal to the end of the process, and some for a busy machine.
AT_ONCE, SLACK = 2.0, 6.0
#: A name server that is down, say: the C library waits on, whatever signal comes.
STUCK = """
import ctypes, socket, sys
from popheal.cli import main

def stuck(*_, **__):
    sys.stderr.write("looking it up\\n")
    sys.stderr.flush()
    library, mutex = ctypes.CDLL(None), ctypes.create_string_buffer(256)
    library.pthread_mutex_lock(mutex)
    library.pthread_mutex_lock(mutex)

socket.getaddrinfo = stuck
main()
"""


def configuration(folder, port: int) -> str:
    path = folder / "popheal.toml"
    logon = f'auth = "basic"\nport = {port}\nusername = "u"\npassword_env = "POPHEAL_TEST_PASSWORD"'
    path.write_text(
        f'[exchange]\nservers = ["ex1.contoso.test", "ex2.contoso.test"]\n{logon}\n'
        f"[winrm]\n{logon}\n"
        '[addresses]\n"ex1.contoso.test" = "127.0.0.1"\n"ex2.contoso.test" = "127.0.0.1"\n'
        '[journal]\npath = "journal.db"\n'
        '[watch]\nservers = ["ex1.contoso.test"]\n'
    )
    return str(path)


@contextmanager
def started(*arguments: str):
    """A process of Python that is ended in any case."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), "POPHEAL_TEST_PASSWORD": "p"},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


class Meeting:
    """Behaves as told, and knows when somebody has come."""

    def __init__(self, behave):
        self._behave = behave
        self._met = threading.Event()

    def __call__(self, client):
        self._met.set()
        self._behave(client)

    def happens(self):
        return self._met.wait(60)


def end_of(process, *signals):
    """Send them, a moment apart; how long it took from the last one, and what was said."""
    for number in signals:
        time.sleep(0.3)  # so that the first one is seen as such: a process has no virtual clock
        process.send_signal(number)
    began = time.monotonic()
    _, said = process.communicate(timeout=60)
    return time.monotonic() - began, said


TWICE = [(signal.SIGTERM,) * 2, (signal.SIGINT,) * 2, (signal.SIGINT, signal.SIGTERM)]


def shown(signals):
    return "+".join(signal.Signals(number).name for number in signals)


@pytest.mark.parametrize("signals", TWICE, ids=shown)
@pytest.mark.parametrize(
    "behave", [silent, trickled(HEADERS + b"Content-Length: 9999\r\n\r\n")], ids=["silent", "slow"]
)
def test_a_healing_is_broken_off(tmp_path, behave, signals):
    meeting = Meeting(behave)
    with serving(meeting) as port:
        config = configuration(tmp_path, port)
        with started("-m", "popheal", "heal", "ex1.contoso.test", "--config", config) as process:
            assert meeting.happens()
            took, said = end_of(process, *signals)
    assert took < AT_ONCE + SLACK
    assert process.returncode == BROKEN_OFF
    assert "popheal: Stopping: " in said
    assert "Broken off. Nothing had been changed" in said
    assert "Traceback" not in said


def test_what_changes_nothing_is_broken_off_by_the_first(tmp_path):
    meeting = Meeting(silent)
    with serving(meeting) as port:
        config = configuration(tmp_path, port)
        with started("-m", "popheal", "triage", "ex1.contoso.test", "--config", config) as process:
            assert meeting.happens()
            took, said = end_of(process, signal.SIGTERM)
    assert took < AT_ONCE + SLACK
    assert process.returncode == BROKEN_OFF
    assert "Broken off" in said


@pytest.mark.parametrize("signals", [*TWICE, (signal.SIGTERM, signal.SIGINT)], ids=shown)
def test_a_watch_is_broken_off(tmp_path, signals):
    """While a healing, which was left by another process, waits for a server that is silent."""
    meeting = Meeting(silent)
    with Journal(tmp_path / "journal.db") as journal:
        journal.begin(
            "left",
            at=datetime.now(UTC),
            organisation="exchange",
            server="ex1.contoso.test",
            version="",
            alert={"server": "ex1.contoso.test"},
            policy=Policy().to_json(),
        )
    with serving(meeting) as port:
        config = configuration(tmp_path, port)
        # Without the check, which the first signal ends.
        with started("-m", "popheal", "watch", "--once", "--config", config) as process:
            assert meeting.happens()
            took, said = end_of(process, *signals)
    assert took < AT_ONCE + SLACK
    assert process.returncode == BROKEN_OFF
    assert "What was begun is not undone" in said
    assert "Traceback" not in said


def test_the_looks_of_a_watch_are_left_by_the_first(tmp_path):
    """They change nothing either."""
    meeting = Meeting(silent)
    with serving(meeting) as port:
        config = configuration(tmp_path, port)
        with started("-m", "popheal", "watch", "--once", "--config", config) as process:
            assert meeting.happens()
            took, said = end_of(process, signal.SIGTERM)
    assert took < AT_ONCE + SLACK
    assert process.returncode == 0
    assert "the watch has ended" in said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_check_of_a_watch_is_left_by_the_first(tmp_path, number):
    """It changes nothing, so nobody has to wait for a server that is silent."""
    meeting = Meeting(silent)
    with serving(meeting) as port:
        config = configuration(tmp_path, port)
        with started("-m", "popheal", "watch", "--config", config) as process:
            assert meeting.happens()
            took, said = end_of(process, number)
    assert took < AT_ONCE + SLACK
    assert process.returncode == 0
    assert "the watch has ended" in said


@pytest.mark.skipif(sys.platform != "linux", reason="the call is one of Linux' C library")
def test_even_in_the_middle_of_a_call_that_no_signal_interrupts(tmp_path):
    """Python's handlers wait for such a call to come back."""
    config = configuration(tmp_path, 1)
    arguments = ["heal", "ex1.contoso.test", "--config", config]
    with started("-c", STUCK, *arguments) as process:
        for line in process.stderr:
            if line == "looking it up\n":
                break
        took, said = end_of(process, signal.SIGTERM, signal.SIGTERM)
    assert took < AT_ONCE + SLACK
    assert process.returncode == BROKEN_OFF
    assert "did not come back" in said

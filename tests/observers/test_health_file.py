"""The sign of life of a watch: whole at any moment, true, and old if the watch is stuck."""

from __future__ import annotations

import json
import os
import re
import urllib.request
from datetime import datetime

import pytest

from popheal.backends.simulated import SimulatedBackend
from popheal.cli.watchers import watched_by
from popheal.errors import ConfigurationError, Unreachable
from popheal.observers.health_file import FORMAT, HealthFile
from popheal.reports.measures import ServerLooked
from tests.support.paths import ROOT
from tests.watch.test_watch import MBX1, SERVERS, Watching, fault, organisation

NUMBERS = (ROOT / "docs" / "numbers.md").read_text("utf-8")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "health.json"


def test_it_says_how_the_watch_is(path, tmp_path):
    """Each server as it was seen, who is sick, what is being healed, and when it looks next."""
    seen = []

    def reads(event):
        seen.append(json.loads(path.read_text("utf-8")))

    kept = HealthFile(path)

    def observe(event):
        kept(event)
        reads(event)

    watching = Watching(tmp_path, organisation(faults=[fault()]))
    watching.start(minutes=3, every=60, observe=observe)
    first, last = seen[0], seen[-1]
    assert first["format"] == FORMAT
    assert first["servers"] == dict.fromkeys(SERVERS)
    assert first["next_look"] is None
    assert first["pid"] == os.getpid()
    sick = [one for one in seen if one["sick"]]
    assert sick[0]["sick"] == [MBX1]
    at_work = [one["healings"] for one in seen if one["healings"]]
    assert {tuple(one.values()) for one in at_work} == {(MBX1,)}
    assert last["ended"]
    assert last["next_look"] is None
    assert last["healings"] == {}
    looks = [one for one in watching.events if isinstance(one, ServerLooked)]
    assert (
        last["servers"][MBX1]["at"]
        == [one for one in looks if one.server == MBX1][-1].at.isoformat()
    )
    while_it_runs = seen[-2]
    (documented,) = re.findall(r"```json\n(.*?)```", NUMBERS, re.DOTALL)
    assert list(json.loads(documented)) == list(while_it_runs)
    assert list(json.loads(documented)["servers"][MBX1]) == list(while_it_runs["servers"][MBX1])
    due = datetime.fromisoformat(while_it_runs["next_look"])
    assert (due - datetime.fromisoformat(while_it_runs["servers"][SERVERS[-1]]["at"])).seconds <= 60


def test_each_look_and_each_call_is_a_sign_of_life(path, tmp_path):
    """Also in the middle of a healing; its time never goes back."""
    kept, times = HealthFile(path), []

    def observe(event):
        kept(event)
        times.append((event.name, json.loads(path.read_text("utf-8"))["at"]))

    Watching(tmp_path, organisation(faults=[fault()])).start(observe=observe)
    assert [at for _, at in times] == sorted(at for _, at in times)
    assert {"server_looked", "call_ended", "pause_ended"} <= {name for name, _ in times}


def test_a_silent_server_is_named(path, tmp_path):
    """It is neither well nor sick."""

    class Silent(SimulatedBackend):
        def server_health(self, server):
            if server == MBX1:
                raise Unreachable(server=server, command="server_health", cause="no answer")
            return super().server_health(server)

    simulation = organisation()
    watching = Watching(tmp_path, simulation, Silent(simulation))
    watching.start(observe=HealthFile(path))
    told = json.loads(path.read_text("utf-8"))
    assert told["silent"] == [MBX1]
    assert told["sick"] == []
    assert told["servers"][SERVERS[1]]["health"] == "healthy"


def test_anybody_may_read_it_and_nothing_is_left_beside_it(path, tmp_path):
    """Whatever the umask is; and it is replaced, not written over."""
    before = os.umask(0o077)
    try:
        Watching(tmp_path, organisation()).start(observe=HealthFile(path))
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == 0o644
    assert [one.name for one in tmp_path.iterdir() if "health" in one.name] == [path.name]


@pytest.mark.parametrize(
    ("where", "why"), [("nowhere/health.json", "No such"), ("", "a folder"), (".", "a folder")]
)
def test_where_it_cannot_be_written(tmp_path, monkeypatch, where, why):
    """It is said at the beginning, not when it is missed."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigurationError, match=f"can't be written .*{why}"):
        HealthFile(where)


def test_numbers_are_served_while_the_watch_runs(path, tmp_path):
    """On loopback only; a port that another has is an error of the configuration."""
    pytest.importorskip("prometheus_client", reason="needs prometheus-client, of extra metrics")
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with (
            pytest.raises(ConfigurationError, match=f"{port} can't be had"),
            watched_by(None, port, tmp_path / "journal.db"),
        ):
            pass
    with watched_by(path, port, tmp_path / "journal.db") as observers:
        watching = Watching(tmp_path, organisation(faults=[fault()]))
        for observer in observers:
            watching.start(observe=observer)
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            text = answer.read().decode()
    assert "popheal_looks_total" in text
    assert "popheal_journal_bytes" in text
    assert path.exists()
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10)

"""A recording served again: whoever asks as before is answered as before."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from attrs import evolve

from popheal import Policy
from popheal.backends.psrp import PsrpBackend
from popheal.backends.psrp.recording import Recorder, Recording, read_recording
from popheal.backends.simulated import load_scenario
from popheal.errors import CommandFailed, NotBegun, PophealError, Unreachable
from popheal.lab import Lab, Replay, Wire, WireFault
from popheal.policy.policy import Consent
from popheal.util.clock import VirtualClock
from tests.support.lab_backend import BOOT, EX1, EX2, SERVERS, FakeBackend
from tests.support.paths import ROOT
from tests.support.recordings import recorded, replayed, told

pytestmark = pytest.mark.lab

SAMPLE = ROOT / "tests" / "samples" / "recordings" / "mailbox-healed-by-restart.jsonl"
ALLOWED = Policy(pop_proxy=Consent.ALLOW)
#: One of each procedure, and calls that can't be made. ``python -m tests.lab.replays`` takes all.
SCENARIOS = [
    "proxy-healed-by-restart",
    "command-time-healed-by-restart",
    "pop-proxy-inactive",
    "unreachable",
    "not-authorised",
]


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_recorded_healing_ends_the_same_way(name: str, tmp_path: Path) -> None:
    """Step by step, with every detail and time; only names are others."""
    then = recorded(load_scenario(name), tmp_path / "recording.jsonl", ALLOWED)
    assert told(then.report) == then.as_it_was(replayed(then.path, ALLOWED))


def test_a_recording_of_an_earlier_version() -> None:
    """What was recorded once is understood from then on."""
    recording = read_recording(SAMPLE)
    assert recording.heading.alert["server"] == "server1.domain1.com"
    clock = VirtualClock(recording.heading.at)
    with (
        Lab(Replay(recording, clock=clock), recording.servers) as lab,
        PsrpBackend(lab.settings(recording.heading.servers)) as backend,
    ):
        server = recording.heading.alert["server"]
        deep = "PopDeepTestMonitor"
        (row,) = (one for one in backend.server_health(server) if one.monitor == deep)
        assert row.alert_value == "Unhealthy"
        assert row.last_execution == datetime(2026, 1, 5, 7, 59, 40, tzinfo=UTC)
        assert backend.mailbox_server(server).dag == "GROUP1"
        backend.restart_service(server, "MSExchangePOP3BE")
        (service,) = backend.services(server, ["MSExchangePOP3BE"])
        assert (service.state, service.start_type) == ("Running", "Automatic")
        probe = backend.invoke_probe(server, r"POP.Protocol\PopDeepTestProbe")
        assert probe.result == "Succeeded"


# --- which answer it is --------------------------------------------------------------------------


def recording_of(tmp_path: Path, *asked: str, faults: tuple[WireFault, ...] = ()) -> Recording:
    """What a lab answers to some commands about EX1, in the form of a recording."""
    path, fake = tmp_path / "recording.jsonl", FakeBackend()
    with Lab(fake, SERVERS) as lab, path.open("w", encoding="utf-8") as stream:
        settings = lab.settings(command_timeout=5, request_timeout=2)
        for fault in faults:
            lab.faults.add(fault)
        with PsrpBackend(settings, Recorder(stream, settings)) as backend:
            ask(backend, *asked)
    return read_recording(path)


CALLS = {
    "on": ("set_protocol_logging", True),
    "off": ("set_protocol_logging", False),
    "logging": ("pop_settings",),
    "health": ("server_health",),
    "restart": ("restart_service", "MSExchangePOP3"),
    "reboot": ("reboot", BOOT),
    "host": ("host_status",),
}


def ask(backend: PsrpBackend, *asked: str, server: str = EX1) -> list[object]:
    """What came of some commands: what they gave, or the error that they raised."""
    answers: list[object] = []
    for one in asked:
        method, *arguments = CALLS[one]
        try:
            answers.append(getattr(backend, method)(server, *arguments))
        except PophealError as error:
            answers.append(error)
    return answers


def asked_again(recording: Recording, *asked: str) -> list[object]:
    """What a replay answers."""
    with (
        Lab(Replay(recording), recording.servers) as lab,
        PsrpBackend(lab.settings(recording.heading.servers)) as backend,
    ):
        return ask(backend, *asked, server="server1.domain1.test")


def test_an_answer_holds_until_the_next_effect(tmp_path: Path) -> None:
    """What is asked more often than then gets the last answer, but none from before an effect."""
    recording = recording_of(tmp_path, "logging", "on", "logging", "off", "logging")
    answers = asked_again(
        recording, "logging", "logging", "on", "logging", "logging", "off", "logging"
    )
    told = [getattr(one, "protocol_log_enabled", one) for one in answers]
    assert told == [False, False, None, True, True, None, False]


def test_what_is_not_in_it_is_said_to_be_not(tmp_path: Path) -> None:
    """A look could not tell; an effect was certainly not begun."""
    recording = recording_of(tmp_path, "health", "on", "logging")
    health, logging, restart, off = asked_again(recording, "health", "logging", "restart", "off")
    assert not isinstance(health, PophealError)
    assert isinstance(logging, CommandFailed)
    assert "Get-PopSettings (Server server1.domain1.test) is not in the recor" in str(logging)
    for effect in (restart, off):
        assert isinstance(effect, NotBegun)
        assert "is not in the recording" in str(effect)


def test_an_effect_is_not_done_twice(tmp_path: Path) -> None:
    """It was done once then."""
    recording = recording_of(tmp_path, "on")
    first, second = asked_again(recording, "on", "on")
    assert first is None
    assert isinstance(second, NotBegun)


FAULTS = {
    Wire.DROP_UNDONE: "Create",
    Wire.UNAUTHORISED: "Create",
    Wire.NO_SUCH_PATH: "Create",
    Wire.UNAVAILABLE: "Create",
    Wire.FAULT: "Command",
    Wire.SHELL_GONE: "Command",
    Wire.TIMED_OUT: "Command",
    Wire.DROP_DONE: "Command",
    Wire.NOT_XML: "Command",
    Wire.STOPPED_PARTLY: "Command",
}


@pytest.mark.parametrize("kind", FAULTS)
def test_what_went_wrong_then_goes_wrong_again(kind: Wire, tmp_path: Path) -> None:
    """As an error of the same class, and then it goes on as it did."""
    fault = WireFault(kind=kind, action=FAULTS[kind], server=EX2, times=2)
    then: list[object] = []
    with Lab(FakeBackend(), SERVERS) as lab, (tmp_path / "r.jsonl").open("w") as stream:
        settings = lab.settings(command_timeout=5, request_timeout=2, busy_timeout=0)
        lab.faults.add(fault)
        with PsrpBackend(settings, Recorder(stream, settings)) as backend:
            then = ask(backend, "health", "health", "on")
    recording = read_recording(tmp_path / "r.jsonl")
    now = asked_again(recording, "health", "health", "on")
    assert list(map(type, now)) == list(map(type, then))
    assert any(isinstance(one, PophealError) or one for one in then)


def test_a_server_that_is_not_in_it(tmp_path: Path) -> None:
    """Nobody listens for it."""
    recording = recording_of(tmp_path, "host")
    with (
        Lab(Replay(recording), recording.servers) as lab,
        PsrpBackend(lab.settings(connect_timeout=0.5)) as backend,
        pytest.raises(Unreachable),
    ):
        backend.host_status("server9.invalid")


# --- when it happens -----------------------------------------------------------------------------


def test_times_are_moved_to_now(tmp_path: Path) -> None:
    """What was an hour ago then is an hour ago now; and one moment is the same in all answers."""
    recording = recording_of(tmp_path, "host", "on", "host")
    clock = VirtualClock(datetime(2031, 7, 1, 12, tzinfo=UTC))
    with (
        Lab(Replay(recording, clock=clock), recording.servers) as lab,
        PsrpBackend(lab.settings(recording.heading.servers)) as backend,
    ):
        (first,) = ask(backend, "host", server="server1.domain1.test")
        clock.sleep(60)
        _, again = ask(backend, "on", "host", server="server1.domain1.test")
    shift = clock.now() - timedelta(seconds=60) - recording.commands[0].at
    assert abs(first.boot_time - BOOT - shift) < timedelta(milliseconds=1)
    assert again.boot_time == first.boot_time


def test_an_answer_takes_its_time_if_that_is_wanted(tmp_path: Path) -> None:
    """By the clock of the replay."""
    recording = recording_of(tmp_path, "host")
    slow = evolve(recording, commands=[evolve(one, seconds=90.0) for one in recording.commands])
    clock = VirtualClock()
    for takes_time in (False, True):
        replay = Replay(slow, clock=clock, takes_time=takes_time)
        with (
            Lab(replay, recording.servers) as lab,
            PsrpBackend(lab.settings(recording.heading.servers)) as backend,
        ):
            before = clock.now()
            ask(backend, "host", server="server1.domain1.test")
            assert clock.now() - before == timedelta(seconds=90 * takes_time)

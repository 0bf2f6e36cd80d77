"""What is written down while popheal works, and what never is."""

from __future__ import annotations

import io
import json
from contextlib import suppress
from pathlib import Path

import pytest

from popheal import Alert, plan
from popheal.backends.psrp import PsrpBackend, PsrpSettings, Secret
from popheal.backends.psrp.recording import Recorder, Recording, read_recording
from popheal.backends.psrp.settings import exchange_connection, winrm_connection
from popheal.backends.simulated import Scenario, load_scenario
from popheal.errors import CommandFailed, ConfigurationError, PophealError
from popheal.exchange.backend import LOOKS
from popheal.lab import Lab, LabClock, Wire, WireFault
from tests.support.canaries import Canaries
from tests.support.lab_backend import EX1, NOW, SERVERS, FakeBackend
from tests.support.recordings import recorded, replayed, told

pytestmark = pytest.mark.lab

ARGUMENTS = {
    "dag": ("DAG1",),
    "invoke_probe": ("POP.Proxy\\PopProxyTestProbe",),
    "monitoring_items": ("POP.Protocol",),
    "copies_of": ("DB1",),
    "services": (("MSExchangePop3",),),
    "pop_logs": ("", NOW, NOW),
    "recovery_actions": (NOW,),
}


class Planted(FakeBackend):
    """Every text of every answer is a name that must not come out."""

    def __init__(self, canaries: Canaries) -> None:
        super().__init__()
        for method in LOOKS:
            answer = getattr(self, method)
            setattr(
                self,
                method,
                lambda *args, answer=answer: canaries.in_place_of_texts(answer(*args)),
            )


def test_no_name_of_any_field_is_in_it() -> None:
    """Each text of each object, in every form that names have, of every look."""
    canaries, stream = Canaries(), io.StringIO()
    with Lab(Planted(canaries), SERVERS, password="s3cret") as lab:
        settings = lab.settings()
        with PsrpBackend(settings, Recorder(stream, settings, command="check")) as backend:
            for method in LOOKS:
                for _ in range(2):
                    with suppress(PophealError):
                        getattr(backend, method)(EX1, *ARGUMENTS.get(method, ()))
    recording = stream.getvalue()
    assert len(canaries.planted) > 300
    assert canaries.found_in(recording) == set()
    assert "s3cret" not in recording
    # And it is not for lack of anything to be read.
    assert "PIPELINE_OUTPUT" in recording
    assert "HealthSetName" in recording


def test_no_name_of_an_error_is_in_it() -> None:
    """Nor of what is asked for: servers, databases, accounts, folders."""
    canaries, stream, fake = Canaries(), io.StringIO(), FakeBackend()
    text = " ".join(canaries.text() for _ in range(40))
    alert = {"server": f"{canaries.word()}.{canaries.word()}.com", "text": text}
    fake.fail("server_health", CommandFailed(server=EX1, command="x", cause=text))
    fake.fail("services", CommandFailed(server=EX1, command="x", cause=text))
    login = {"auth": "basic", "username": canaries.text(), "password": Secret(canaries.word())}
    with Lab(fake, SERVERS, username=login["username"], password=login["password"].reveal()) as lab:
        settings = PsrpSettings(
            exchange=exchange_connection(
                [*SERVERS, f"{canaries.word()}.{canaries.word()}"], **login
            ),
            winrm=winrm_connection(**login),
            addresses=lab.addresses,
        )
        recorder = Recorder(stream, settings, command="triage", alert=alert)
        with PsrpBackend(settings, recorder) as backend:
            for ask in (
                lambda: backend.server_health(EX1),
                lambda: backend.services(EX1, [canaries.word()]),
                lambda: backend.copies_of(EX1, canaries.text()),
                lambda: backend.pop_logs(EX1, f"D:\\{canaries.word()}", NOW, NOW),
                lambda: backend.move_database(EX1, canaries.text()),
            ):
                with suppress(PophealError):
                    ask()
    recording = stream.getvalue()
    assert recorder.commands >= 5
    assert canaries.found_in(recording) == set()
    assert recording.count("ERROR_RECORD") + recording.count("ExceptionAsErrorRecord") >= 2


ORGANISATION = """
title = "Names that must not come out"

[alert]
server = "{front}"
monitor = "PopCTPMonitor"
health_set = "POP"
text = "POP fails for {alert} on {front}"

[organisation]
domain = "{domain}.{domain2}.com"
log.stranger = "refused"

[servers.{front}]
roles = ["client_access"]
site = "{site}"
log_location = 'D:\\{folder}\\Pop3'
[servers.{back}]
roles = ["mailbox"]
site = "{site2}"
[servers.{other}]
site = "{site}"

[databases."{database} 01"]
copies = ["{back}", "{other}"]
[databases.{database2}]
copies = ["{other}", "{back}"]

[dags.{group}]
members = ["{back}", "{other}"]

[[faults]]
server = "{back}"
fails = ["deep"]
breaks_ctp_of = ["{front}"]
names_back_end = {named}
cure = "restart"
error = "-ERR Logon failure of {person}@{domain}.com at {place}"
exception = "System.ApplicationException: {exception} at {folder}.Probe.DoWork()"
log_error = "{log}"
"""


def organisation(canaries: Canaries, tmp_path: Path, *, named: bool) -> Scenario:
    fields = (
        "front back other domain domain2 site site2 folder database database2 group alert person "
        "place exception log"
    )
    words = {name: canaries.word() for name in fields.split()}
    path = tmp_path / "organisation.toml"
    path.write_text(ORGANISATION.format(**words, named=str(named).lower()), "utf-8")
    return load_scenario(path)


def test_no_name_of_an_organisation_is_in_it(tmp_path: Path) -> None:
    """Its servers, databases, sites, people, logs, errors and alert, from triage to the end.

    And what is left says all that matters: healed again, it comes to the same, step by step.
    """
    canaries = Canaries()
    then = recorded(organisation(canaries, tmp_path, named=False), tmp_path / "recording.jsonl")
    assert [one.procedure for one in then.report.runs] == ["client_access", "mailbox"]
    recording = then.path.read_text("utf-8")
    assert "read POP3 logs" in recording
    assert canaries.found_in(recording) == set()
    # That is not for lack of having met them.
    assert len(canaries.planted & set(then.names)) > len(canaries.planted) / 2
    assert told(then.report) == then.as_it_was(replayed(then.path))


def test_nor_in_that_of_a_plan(tmp_path: Path) -> None:
    """Of triage, and of every look that a plan takes; the probe names its back end."""
    canaries, stream = Canaries(), io.StringIO()
    scenario = organisation(canaries, tmp_path, named=True)
    servers = [one.fqdn for one in scenario.organisation.all_servers(scenario.server)]
    with Lab(scenario.backend, servers, is_up=scenario.organisation.answers) as lab:
        settings, clock = lab.settings(), LabClock(scenario.clock, lab)
        with PsrpBackend(settings, Recorder(stream, settings, clock=clock)) as backend:
            plan(Alert(server=scenario.server, text=scenario.text), backend, clock=clock)
    assert "PopCTPProbe" in stream.getvalue()
    assert canaries.found_in(stream.getvalue()) == set()


# --- what a line says ----------------------------------------------------------------------------


def recording_of(
    fake: FakeBackend, tmp_path: Path, *asked: str, faults: tuple[WireFault, ...] = ()
) -> Recording:
    """The recording of some looks at EX1."""
    path = tmp_path / "recording.jsonl"
    with Lab(fake, SERVERS) as lab, path.open("w", encoding="utf-8") as stream:
        settings = lab.settings(command_timeout=5, request_timeout=2)
        for fault in faults:
            lab.faults.add(fault)
        with PsrpBackend(settings, Recorder(stream, settings)) as backend:
            for method in asked:
                with suppress(PophealError):
                    getattr(backend, method)(EX1, *ARGUMENTS.get(method, ()))
    return read_recording(path)


def test_a_line_says_what_was_asked_and_what_came(tmp_path: Path) -> None:
    """The messages about the session come once, with the first command on it."""
    first, second, third = recording_of(
        FakeBackend(), tmp_path, "server_health", "server_health", "host_status"
    ).commands
    assert (first.number, first.endpoint, first.command) == (1, "exchange", "Get-ServerHealth")
    assert first.parameters == {"Identity": "server1.domain1.test"}
    assert (first.state, first.failure, first.effect) == ("Completed", None, False)
    assert 0 < first.seconds < 5
    kinds = [one.type for one in first.messages]
    assert kinds[0] == "SESSION_CAPABILITY"
    assert kinds[-1] == "PIPELINE_STATE"
    assert kinds.count("PIPELINE_OUTPUT") == 5
    assert [one.is_of_session for one in second.messages] == [False] * 6
    assert (third.endpoint, third.command) == ("plain", "read boot time")
    assert third.parameters == {"HostName": "server1"}
    assert third.server == "server1.domain1.test"


def test_a_failure_is_a_line_too(tmp_path: Path) -> None:
    """With how far it had got, and what happened: each attempt."""
    fault = WireFault(kind=Wire.DROP_DONE, action="Receive")
    lost, again = recording_of(FakeBackend(), tmp_path, "server_health", faults=(fault,)).commands
    assert lost.failure is not None
    assert (lost.failure.stage, lost.failure.trouble) == ("waiting", "dropped")
    assert lost.state == ""
    assert again.failure is None
    assert again.parameters == lost.parameters


def test_an_error_record_is_in_it(tmp_path: Path) -> None:
    """Word for word, but for names."""
    fake = FakeBackend()
    fake.fail("server_health", CommandFailed(server=EX1, command="x", cause="Wingtip is full."))
    (one,) = recording_of(fake, tmp_path, "server_health").commands
    (error,) = (message for message in one.messages if message.type == "ERROR_RECORD")
    assert '<S N="Message">name' in error.clixml
    assert "is full." in error.clixml


# --- it never gets in the way --------------------------------------------------------------------


class Full(io.StringIO):
    """A disk with room for the heading."""

    def write(self, text: str) -> int:
        if self.getvalue():
            raise OSError(28, "No space left on device")
        return super().write(text)


def test_a_full_disk_ends_the_recording_and_nothing_else() -> None:
    """And it is known that it has ended, and why."""
    with Lab(FakeBackend(), SERVERS) as lab:
        settings = lab.settings()
        recorder = Recorder(Full(), settings)
        with PsrpBackend(settings, recorder) as backend:
            assert len(backend.server_health(EX1)) == 5
            assert backend.host_status(EX1).setup_running is False
    assert recorder.trouble == "No space left on device"


def test_what_can_not_be_recorded_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake in here changes nothing about the answer."""
    stream = io.StringIO()

    def broken(self: object, text: str, kind: str = "") -> str:
        raise RecursionError

    with Lab(FakeBackend(), SERVERS) as lab:
        settings = lab.settings()
        recorder = Recorder(stream, settings)
        monkeypatch.setattr(type(recorder.redaction), "name", broken)
        with PsrpBackend(settings, recorder) as backend:
            assert len(backend.server_health(EX1)) == 5
    last = json.loads(stream.getvalue().splitlines()[-1])
    assert last == {"type": "not recorded", "number": 1, "why": "RecursionError"}


# --- reading it ----------------------------------------------------------------------------------

NO_RECORDINGS = {
    "": "no recording",
    "no JSON at all\n": "line 1: this is no JSON",
    '{"type": "healing"}\n': "no recording",
    '{"type": "recording", "format": 1}\n': "line 1: popheal is missing",
    '{"type": "recording", "format": 99, "popheal": "9.9", "python": "", "system": "", '
    '"at": "2026-01-05T08:00:00+00:00"}\n': "it has format 99",
    "\ufeff[]\n": "line 1: this is no JSON",
}


@pytest.mark.parametrize("text", NO_RECORDINGS)
def test_what_is_no_recording(text: str, tmp_path: Path) -> None:
    """It is said what is wrong, and in which line."""
    path = tmp_path / "some.jsonl"
    path.write_text(text, "utf-8")
    with pytest.raises(ConfigurationError) as caught:
        read_recording(path)
    assert NO_RECORDINGS[text] in str(caught.value)
    with pytest.raises(ConfigurationError, match="can't be read"):
        read_recording(tmp_path / "nowhere.jsonl")


def test_lines_of_a_kind_that_is_not_known_are_passed_over(tmp_path: Path) -> None:
    """A later version may write more."""
    recording = recording_of(FakeBackend(), tmp_path, "host_status")
    path = tmp_path / "recording.jsonl"
    path.write_text(path.read_text("utf-8") + '{"type": "later"}\n[1]\n', "utf-8")
    assert read_recording(path).commands == recording.commands


def test_who_breaks_off_does_not_wait_for_it() -> None:
    """That it was broken off is told, and what had come by then is not read any more."""
    stream = io.StringIO()
    with Lab(FakeBackend(), SERVERS) as lab:
        recorder = Recorder(stream, lab.settings())

    def broken_off() -> None:
        with recorder.take(EX1, "Get-ServerHealth", {}, script=False, effect=False) as take:
            take.heard.append((0x00041004, "<S>long</S>" * 1_000_000))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken_off()
    last = json.loads(stream.getvalue().splitlines()[-1])
    assert last["failure"] == {"stage": "", "trouble": "broken off", "cause": "KeyboardInterrupt"}
    assert "messages" not in last

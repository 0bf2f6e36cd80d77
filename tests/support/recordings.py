"""Heals a simulated organisation over remoting and records it, and heals the recording."""

from __future__ import annotations

import json
import re
from pathlib import Path

from attrs import frozen

from popheal import Alert, Journal, Policy, Report, heal
from popheal.backends.psrp import PsrpBackend
from popheal.backends.psrp.recording import Recorder, read_recording
from popheal.backends.psrp.recording.pseudonyms import Pseudonyms
from popheal.backends.simulated import Scenario
from popheal.lab import Lab, LabClock, Replay
from popheal.util.clock import VirtualClock

NOBODY = Policy()


@frozen
class Recorded:
    """What a healing came to, where its recording is, and who is who in it."""

    report: Report
    path: Path
    names: Pseudonyms

    def as_it_was(self, report: Report) -> str:
        """A report about the recording, told of the names that it stands for."""
        back = {self.names.of(one).casefold(): one.casefold() for one in self.names}
        longest_first = sorted(back, key=len, reverse=True)
        either = "|".join(map(re.escape, longest_first))
        pattern = re.compile(rf"(?<![0-9a-z])(?:{either})(?![0-9a-z])")
        return pattern.sub(lambda found: back[found[0]], told(report))


def told(report: Report) -> str:
    """All that a report says, but for what is drawn by lot, and without case.

    How a connection ended is not told apart: a replay can't refuse one.
    """
    text = json.dumps(report.to_json(), ensure_ascii=False).casefold()
    ended = r"connection refused|the connection was lost(?: \([a-z ]+\))?"
    return re.sub(rf"127\.0\.0\.1:\d+|\b[0-9a-f]{{12}}\b|{ended}", "-", text)


def recorded(scenario: Scenario, path: Path, policy: Policy = NOBODY) -> Recorded:
    """Heal it over the lab, on its virtual clock, and record that."""
    alert = Alert(
        server=scenario.server,
        health_set=scenario.health_set,
        monitor=scenario.monitor,
        text=scenario.text,
    )
    about = {name: getattr(alert, name) for name in ("server", "health_set", "monitor", "text")}
    servers = [one.fqdn for one in scenario.organisation.all_servers(scenario.server)]
    with (
        Lab(scenario.backend, servers, is_up=scenario.organisation.answers) as lab,
        path.open("w", encoding="utf-8") as stream,
    ):
        settings, clock = lab.settings(), LabClock(scenario.clock, lab)
        recorder = Recorder(stream, settings, command="heal", alert=about, clock=clock)
        with PsrpBackend(settings, recorder) as backend:
            report = heal(alert, backend, policy=policy, clock=clock, journal=Journal())
    return Recorded(report, path, recorder.redaction.names)


def replayed(path: Path, policy: Policy = NOBODY) -> Report:
    """Heal what was recorded, from the same moment on. Fails where something isn't in it."""
    missing: list[str] = []
    recording = read_recording(path)
    alert = Alert(**{"server": "", **recording.heading.alert})
    clock = VirtualClock(recording.heading.at)
    replay = Replay(recording, clock=clock, takes_time=True, on_missing=missing.append)
    with (
        Lab(replay, recording.servers) as lab,
        PsrpBackend(lab.settings(recording.heading.servers)) as backend,
    ):
        report = heal(alert, backend, policy=policy, clock=clock, journal=Journal())
    assert missing == []
    return report

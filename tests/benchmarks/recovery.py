"""A whole simulated recovery: in process, and through PowerShell remoting on loopback."""

from __future__ import annotations

import statistics
import time

from popheal import Alert, Journal, Verdict, heal
from popheal.backends.psrp import PsrpBackend
from popheal.backends.simulated import DEFAULT_SCENARIO, load_scenario
from popheal.lab import Lab, LabClock

ROUNDS = 10


def in_process() -> float:
    """Seconds for a recovery on the organisation itself, in virtual time."""
    scenario = load_scenario(DEFAULT_SCENARIO)
    started = time.perf_counter()
    report = heal(Alert(server=scenario.server), scenario.backend, journal=Journal())
    assert report.verdict is Verdict.RECOVERED
    return time.perf_counter() - started


def over_psrp() -> float:
    """The same through the real client, against the organisation served on loopback."""
    scenario = load_scenario(DEFAULT_SCENARIO)
    organisation = scenario.organisation
    servers = [one.fqdn for one in organisation.all_servers(scenario.server)]
    with Lab(scenario.backend, servers, is_up=organisation.answers) as lab:
        clock = LabClock(scenario.clock, lab)
        with PsrpBackend(lab.settings()) as backend:
            started = time.perf_counter()
            alert = Alert(server=scenario.server)
            report = heal(alert, backend, clock=clock, journal=Journal())
            assert report.verdict is Verdict.RECOVERED
            return time.perf_counter() - started


def main() -> None:
    """Alternate, and compare pair by pair."""
    in_process()
    over_psrp()  # the first of each imports what it needs
    pairs = [(in_process(), over_psrp()) for _ in range(ROUNDS)]
    ratio = statistics.median(b / a for a, b in pairs)
    print(f"in process   {statistics.median(a for a, _ in pairs) * 1e3:7.1f} ms")
    print(
        f"over remoting {statistics.median(b for _, b in pairs) * 1e3:6.1f} ms   ratio {ratio:5.1f}"
    )


if __name__ == "__main__":
    main()

"""A plug-in for Nagios and Icinga: does POP on a server really fail?

    check_popheal.py --config /etc/popheal/popheal.toml --timeout 50 mbx1.contoso.com

It only looks, and reruns the probes of monitors that are unhealthy. One line, and the statuses of
the Monitoring Plugins: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.
"""

import argparse
import os
import sys
import threading

import popheal
from popheal.backends.psrp import PsrpBackend
from popheal.config.load import load_config
from popheal.reports.report import FindingKind

OK, WARNING, CRITICAL, UNKNOWN = range(4)
WORDS = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
STATUSES = {
    popheal.Verdict.NOTHING_WRONG: OK,
    popheal.Verdict.TRANSIENT: OK,  # the probe succeeds: the monitor will see it, too
    popheal.Verdict.HELD: WARNING,  # off on purpose, maintenance, somebody is at work
    popheal.Verdict.ESCALATED: CRITICAL,
}


def line(status: int, said: str, performance: str = "") -> str:
    """One line; a bar would begin the performance data, and a line feed the long output."""
    text = " ".join(said.replace("|", "/").split())
    return f"POP {WORDS[status]} - {text}" + (f" | {performance}" if performance else "")


def judged(report: popheal.Report) -> tuple[int, str]:
    """The status, and the line."""
    status = STATUSES.get(report.verdict, UNKNOWN)
    failing = [one for one in report.findings if one.kind is FindingKind.VERIFIED]
    said = "; ".join(one.detail for one in failing) or report.summary
    seconds = (report.finished_at - report.started_at).total_seconds()
    return status, line(status, said, f"failing={len(failing)};;0;0 time={seconds:.1f}s;;;0")


def give_up(after: float) -> None:
    """End the process, whatever a server does that is being waited for."""
    print(line(UNKNOWN, f"no answer within {after:g} s"), flush=True)
    os._exit(UNKNOWN)


def main(arguments: list[str]) -> int:
    """Look, print the line, and return the status."""
    parser = argparse.ArgumentParser()
    parser.add_argument("server")
    parser.add_argument("--config", required=True)
    parser.add_argument("--timeout", type=float, default=50.0)
    given = parser.parse_args(arguments)
    timer = threading.Timer(given.timeout, give_up, [given.timeout])
    timer.daemon = True
    timer.start()
    try:
        told = load_config(given.config)
        with PsrpBackend(told.settings) as backend:
            report = popheal.triage(popheal.Alert(server=given.server), backend, policy=told.policy)
        status, said = judged(report)
    except Exception as error:  # noqa: BLE001 - whatever it is, monitoring wants a line
        status, said = UNKNOWN, line(UNKNOWN, str(error) or type(error).__name__)
    timer.cancel()
    print(said)
    return status


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except SystemExit as end:
        sys.exit(UNKNOWN if end.code not in range(4) or "--help" in sys.argv else end.code)

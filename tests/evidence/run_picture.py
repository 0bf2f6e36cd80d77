"""The picture of a run on the page about procedures: drawn from a rehearsal.

``python -m tests.evidence.run_picture`` draws it anew.
"""

from __future__ import annotations

from attrs import evolve

from popheal import Alert, heal
from popheal.backends.simulated import load_scenario
from popheal.diagrams import render
from popheal.healthsets.pop import PROCEDURES
from popheal.reports.run_paths import path_of
from tests.support.paths import ROOT

PICTURE = ROOT / "docs" / "_static" / "run.svg"


def picture() -> str:
    """The run of a server that never comes back; its id is another one each time, but here."""
    scenario = load_scenario("server-never-comes-back")
    alert = Alert(server=scenario.server, monitor=scenario.monitor)
    report = heal(alert, scenario.backend)
    (run,) = report.runs
    table = PROCEDURES[run.procedure]
    return render(table, "svg", path=evolve(path_of(run, report, table), run="3f2a9c1b7d05.1"))


if __name__ == "__main__":
    PICTURE.write_text(picture(), encoding="utf-8", newline="\n")

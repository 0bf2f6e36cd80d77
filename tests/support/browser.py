"""Every kind of page that popheal makes, as a browser shows it.

``python -m tests.support.browser FOLDER`` writes the pages there, and pictures of them, to be
looked at.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import popheal
from popheal import Alert, Healer, Journal, Policy, verify
from popheal.backends.simulated import load_scenario
from popheal.diagrams import overview, render
from popheal.review import case_of_report, page_of, page_of_period, period_of
from popheal.tabletop import rehearse_every_fault
from popheal.tabletop.page import page_of as page_of_tabletop
from tests.evidence.literal import literal_findings
from tests.support.node import answer_of
from tests.support.paths import ROOT
from tests.support.walks import TABLES
from tests.tabletop.test_exercise import ALONE, written

#: In pixels; the last is what A4 has between its margins.
WIDTHS = {"light": (400, 1440, 1000), "dark": (400, 1440, 1000), "print": (718,)}
#: One run that a person is left with, and several, with the widest picture.
REPORTED = {
    "report": "fault-survives-the-reboot",
    "report-of-two": "client-access-back-end-rebooted",
}
#: Of the documentation: one with a picture, and one with tables.
DOCUMENTED = ("index", "gates")


def _healings(folder):
    """A report with debts and a long table, its page, and that of what a journal has."""
    with Journal(folder / "journal.db") as journal:
        for name, scenario in REPORTED.items():
            played = load_scenario(scenario)
            alert = Alert(server=played.server, monitor=played.monitor, text=played.text)
            report = popheal.heal(alert, played.backend, journal=journal)
            yield name, page_of(case_of_report(report, policy=Policy()))
        now = played.backend.clock.now()
        year = timedelta(days=365)
        yield "period", page_of_period(period_of(journal, now - year, now + year))


def _others(folder):
    yield "tabletop", page_of_tabletop(rehearse_every_fault(written(folder, ALONE)))
    played = load_scenario("nothing-wrong")
    yield "check", Healer(played.backend).check([played.server]).to_html()
    for name in ("mailbox", "client_access"):
        yield f"walkthrough-{name}", render(TABLES[name], "html")


def _documentation(folder):
    """Some pages of the documentation; that others are missing here is no matter."""
    only = ",".join(f"{name}.md" for name in DOCUMENTED)
    command = [sys.executable, "-m", "sphinx", "-Q", "-b", "html", "-D", f"include_patterns={only}"]
    subprocess.run([*command, ROOT / "docs", folder / "docs"], check=True, timeout=120)
    return {f"docs-{name}": folder / "docs" / f"{name}.html" for name in DOCUMENTED}


def pages(folder: Path) -> dict[str, Path]:
    """Write one page of each kind; by what they are called, where they are."""
    found = _documentation(folder)
    for make in (_healings, _others):
        for name, text in make(folder):
            found[name] = folder / f"{name}.html"
            found[name].write_text(text, "utf-8")
    return found


def mermaid_texts() -> dict[str, str]:
    """All that popheal writes for Mermaid: whole tables, overviews, and counterexamples."""
    whole = {name: render(table, "mermaid") for name, table in TABLES.items()}
    overall = {f"{name} overview": overview(table) for name, table in TABLES.items()}
    broken = {
        f"{one.proof.name} {one.result.property.id}": verify.counterexample(one.result, "mermaid")
        for one in literal_findings()
    }
    return {**whole, **overall, **broken}


def shown(found: dict[str, Path], texts: dict[str, str], shots: Path | None = None):
    """What a browser makes of pages and of Mermaid's text: see ``tests/node/browser.cjs``."""
    return answer_of(
        "browser.cjs",
        {
            "browser": shutil.which("chromium"),
            "pages": {name: path.as_uri() for name, path in found.items()},
            "widths": WIDTHS,
            "mermaid": texts,
            "shots": shots and str(shots),
        },
    )


if __name__ == "__main__":
    target = Path(sys.argv[1]).resolve()
    target.mkdir(parents=True, exist_ok=True)
    for page, answer in shown(pages(target), {}, shots=target)["pages"].items():
        print(page, answer["errors"], answer["faults"])

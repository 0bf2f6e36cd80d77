"""``popheal diagram``: formats, parts, and runs of a journal on their tables."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET

import pytest
from click.testing import CliRunner

import popheal
from popheal import Alert, Journal
from popheal.backends.simulated import load_scenario
from popheal.cli.app import popheal as command
from popheal.journal.drawable_runs import runs_on_tables
from tests.cli.test_journal_commands import Died, Dying, die
from tests.support.svg import SVG, nodes


def run(*args):
    return CliRunner().invoke(command, list(map(str, args)), env={"POPHEAL_CONFIG": None})


def refused(*args):
    result = run(*args)
    assert result.exit_code != 0
    assert result.stdout == ""
    return result.stderr


@pytest.fixture(scope="module")
def journal(tmp_path_factory):
    """A journal with a healing of one run, one of two, and one whose process died in the reboot."""
    path = tmp_path_factory.mktemp("journal") / "journal.db"
    ids = {}
    with Journal(path, create=True) as opened:
        for name in ("server-never-comes-back", "client-access-back-end-rebooted"):
            scenario = load_scenario(name)
            alert = Alert(server=scenario.server, monitor=scenario.monitor)
            ids[name] = popheal.heal(alert, scenario.backend, journal=opened).id
    scenario = load_scenario("mailbox-healed-by-reboot")
    alert = Alert(server=scenario.server, monitor=scenario.monitor)
    backend = Dying(scenario.backend, "reboot", die)
    with Journal(path) as opened, pytest.raises(Died):
        popheal.heal(alert, backend, journal=opened)
    with Journal(path, read_only=True) as opened:
        (ids["died"],) = [one.id for one in opened.healings(unfinished=True)]
    return path, ids


def test_a_run_of_a_journal_is_drawn(journal, tmp_path):
    """Where it ended, by its healing's id; as a file that has the run's name, too."""
    path, ids = journal
    healing = ids["server-never-comes-back"]
    shown = run("diagram", "--healing", healing[:6], "--journal", path).stdout
    assert "escalated after 46 min 5 s" in shown
    assert "owed: activation disabled" in shown
    assert run("diagram", "--healing", healing, "--journal", path, "-o", tmp_path).exit_code == 0
    assert (tmp_path / f"{healing}.1.svg").read_text("utf-8") == shown


def test_one_of_several_runs_is_chosen(journal):
    """They are listed, with what they are."""
    path, ids = journal
    healing = ids["client-access-back-end-rebooted"]
    said = refused("diagram", "--healing", healing, "--journal", path)
    assert f"{healing}.1, client_access on cas1.contoso.com; {healing}.2, mailbox on" in said
    shown = run("diagram", "--healing", healing, "--journal", path, "--run", f"{healing}.2").stdout
    assert "mailbox on mbx1.contoso.com" in shown
    assert run("diagram", "--healing", f"{healing}.2", "--journal", path).stdout == shown
    again = refused("diagram", "--healing", healing, "--journal", path, "--run", "x.9")
    assert f"no run 'x.9'. Give one of these with --run: {healing}.1" in again


def test_a_run_that_has_not_ended_is_drawn_as_it_stands(journal):
    """From what was written down: where it is, what it owes, what may follow."""
    path, ids = journal
    shown = run("diagram", "--healing", ids["died"], "--journal", path).stdout
    root = ET.fromstring(shown)
    now = [name for name, one in nodes(root).items() if "now" in one.get("class").split()]
    assert now == ["rebooting"]
    assert "interrupted, and not ended for" in shown
    assert "rail ahead" in shown


def test_a_run_as_a_page(journal):
    """The page to walk through opens with the run."""
    path, ids = journal
    shown = run("diagram", "--healing", ids["died"], "--journal", path, "-f", "html").stdout
    data = json.loads(re.search(r'id="run">(.*?)</script>', shown)[1])
    assert data["runs"][0]["path"][-1] == "rebooting"


def test_a_table_that_is_not_known_any_more(journal, monkeypatch):
    """It is said, and by what it can be drawn."""
    path, ids = journal
    monkeypatch.setattr("popheal.journal.drawable_runs.PROCEDURES", {})
    monkeypatch.setattr(Journal, "tables", lambda _: {})
    for name in ("server-never-comes-back", "died"):
        said = refused("diagram", "--healing", ids[name], "--journal", path)
        assert "followed a table 'mailbox' that this popheal does not know" in said


def test_a_healing_without_a_run(tmp_path):
    """Triage alone: there is nothing to draw."""
    path = tmp_path / "journal.db"
    scenario = load_scenario("nothing-wrong")
    with Journal(path, create=True) as opened:
        report = popheal.heal(Alert(server=scenario.server), scenario.backend, journal=opened)
    said = refused("diagram", "--healing", report.id, "--journal", path)
    assert "has begun no procedure: nothing to draw" in said


def test_a_table_of_ones_own_is_kept_with_the_journal(tmp_path):
    """A run by a table that popheal does not bring is drawn on that table, as it was then."""
    from attrs import evolve

    from popheal.healthsets.pop import MAILBOX
    from popheal.tables.citations import Ours
    from popheal.tables.table import on

    first, *rest = MAILBOX.states
    rows = [one for one in first.transitions if one.outcome != "failed"]
    own = evolve(
        MAILBOX,
        states=(
            evolve(first, transitions=(*rows, on("failed", "escalated", Ours("careful")))),
            *rest,
        ),
    )
    path = tmp_path / "journal.db"
    scenario = load_scenario("mailbox-healed-by-restart")
    with Journal(path, create=True) as opened:
        report = popheal.heal(
            Alert(server=scenario.server, monitor=scenario.monitor),
            scenario.backend,
            journal=opened,
            procedures={own.name: own},
        )
        (found,) = runs_on_tables(opened, opened.healing(report.id), report.finished_at)
    assert found.table is not None
    assert found.table.hash == own.hash


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mailbox", "--part", "1", "-f", "svg"], "mailbox is not divided into parts"),
        (["client_access", "--part", "9", "-f", "svg"], "client_access has parts 1 to 5"),
        (["mailbox", "--part", "1"], "A part, and a narrow picture, are drawn as svg only"),
        (["mailbox", "--narrow", "-f", "html"], "A part, and a narrow picture, are drawn as svg"),
        (["mailbox", "--run", "x"], "--run needs --healing"),
        (["mailbox", "--healing", "x"], "Either mailbox or --healing"),
        (["--healing", "x"], "Which journal?"),
    ],
)
def test_what_does_not_go_together(arguments, said):
    assert said in refused("diagram", *arguments)


def test_a_run_is_not_drawn_as_just_anything(journal):
    path, ids = journal
    said = refused("diagram", "--healing", ids["died"], "--journal", path, "-f", "dot")
    assert "A run is shown as svg or html only" in said


def test_a_part_and_a_narrow_picture():
    part = ET.fromstring(run("diagram", "client_access", "-f", "svg", "--part", "2").stdout)
    narrow = ET.fromstring(run("diagram", "mailbox", "-f", "svg", "--narrow").stdout)
    assert part.findtext(f"{SVG}title").startswith("client_access 2: ")
    assert float(narrow.get("width")) <= 400

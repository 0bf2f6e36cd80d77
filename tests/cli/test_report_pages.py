"""``--html`` of rehearse, heal and show, over a simulated organisation."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from popheal import Journal
from popheal.backends.simulated import load_scenario
from popheal.cli.app import popheal as command
from tests.support.pages import require_whole


def run(*args):
    arguments = [str(one) for one in args]
    return CliRunner().invoke(command, arguments, env={"POPHEAL_CONFIG": None})


@pytest.fixture
def config(tmp_path, monkeypatch):
    """A configuration with a journal, which leads to a simulated organisation."""

    class Backend:
        def __init__(self, settings):
            self.settings = settings

        def __enter__(self):
            return load_scenario("mailbox-healed-by-reboot").backend

        def __exit__(self, *error):
            return None

    monkeypatch.setattr("popheal.backends.psrp.PsrpBackend", Backend)
    path = tmp_path / "popheal.toml"
    path.write_text(
        '[exchange]\nservers = ["ex1.contoso.com"]\n[journal]\npath = "journal.db"\n'
        "[policy]\nreboots_per_server = 3\n"
    )
    return path


def test_a_rehearsal_as_a_page(tmp_path):
    """Beside the answer, which stays as it is."""
    page = tmp_path / "page.html"
    result = run("rehearse", "fault-survives-the-reboot", "--json", "--html", page)
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    said = require_whole(page.read_text("utf-8")).said
    assert report["summary"] in said
    assert "at most once within 24 hours" in said


def test_a_healing_and_its_journal_as_a_page(tmp_path, config):
    """With the policy that it went by: that of the configuration, and --yes."""
    page, again = tmp_path / "page.html", tmp_path / "again.html"
    assert run("heal", "mbx1", "-c", config, "--yes", "--html", page).exit_code == 0
    with Journal(tmp_path / "journal.db", read_only=True) as journal:
        (record,) = journal.healings()
    result = run("show", record.id, "-c", config, "--html", again)
    assert result.exit_code == 0
    assert "Verdict    recovered" in result.stdout
    for one in (page, again):
        said = require_whole(one.read_text("utf-8")).said
        assert "recovered, healed" in said
        assert "at most 3 times within 24 hours" in said
        assert "asks nobody before it drains or restarts a server" in said
    assert "Restart-Computer" in require_whole(again.read_text("utf-8")).said


def test_where_no_page_can_be_written_nothing_is_begun(tmp_path, config):
    """A folder that isn't there is said before anything is done."""
    for path in (tmp_path, tmp_path / "nowhere" / "page.html"):
        result = run("heal", "mbx1", "-c", config, "--yes", "--html", path)
        assert (result.exit_code, result.stdout) == (2, "")
        assert "give another path" in result.stderr
    assert not (tmp_path / "journal.db").exists()


def test_a_page_that_can_not_be_written_after_all_changes_nothing_about_the_end(
    tmp_path, config, monkeypatch
):
    """The disk may be full by then: that is said, and the status is the verdict's."""

    def full(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    result = run("heal", "mbx1", "-c", config, "--yes", "--html", tmp_path / "page.html")
    assert result.exit_code == 0
    assert "Verdict    recovered" in result.stdout
    assert "No space left on device" in result.stderr

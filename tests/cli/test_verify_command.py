"""``popheal verify``: the proof, as a table and as JSON, of ours and of somebody's own tables."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

from popheal.cli.app import popheal
from popheal.healthsets.pop import PROCEDURES

OWN = """
from attrs import evolve
from popheal.healthsets.pop import MAILBOX
from popheal.tables.table import on

hasty = MAILBOX.by_name["awaiting_server"]
HASTY = MAILBOX.with_states(
    evolve(hasty, transitions=tuple(
        on("up", "failing_back", row.why) if row.outcome == "up" else row
        for row in hasty.transitions
    )),
    evolve(MAILBOX.by_name["failing_back"], transitions=tuple(
        on("done", "reprobing_after_reboot", row.why) if row.outcome == "done" else row
        for row in MAILBOX.by_name["failing_back"].transitions
    )),
    evolve(MAILBOX.by_name["reprobing_after_reboot"], transitions=tuple(
        on("succeeded", "recovered", row.why) if row.outcome == "succeeded" else row
        for row in MAILBOX.by_name["reprobing_after_reboot"].transitions
    )),
)
"""


def run(*arguments):
    return CliRunner().invoke(popheal, ["verify", *arguments], standalone_mode=False)


def test_all_procedures_are_proved():
    """Every property that is decided, with sizes and bounds."""
    result = run()
    assert result.exit_code == 0
    for name in PROCEDURES:
        assert f"{name} (table {PROCEDURES[name].hash})" in result.stdout
    assert "1 reboot" in result.stdout
    assert "refuted" not in result.stdout


def test_as_json():
    """One object, in the form that is documented."""
    result = run("mailbox", "--json")
    answer = json.loads(result.stdout)
    assert answer["ok"] is True
    (proof,) = answer["procedures"]
    assert set(proof) >= {"name", "hash", "states", "edges", "depth", "seconds", "bounds"}
    assert {one["verdict"] for one in proof["properties"]} == {"proved", "open"}


@pytest.mark.parametrize(
    ("option", "shown"), [((), "failing_back"), (("--mermaid",), "sequenceDiagram")]
)
def test_a_table_of_ones_own_that_fails(tmp_path, monkeypatch, option, shown):
    """Failing back before the probe: refuted, with the way to it, and exit status 1."""
    (tmp_path / "hasty_procedures.py").write_text(OWN, "utf-8")
    monkeypatch.chdir(tmp_path)
    result = run("hasty_procedures:HASTY", *option)
    assert result.exit_code == 1
    assert "P7 does not hold" in result.stdout
    assert shown in result.stdout


@pytest.mark.parametrize("name", ["nothing", "no_such_module:X", "popheal:Alert"])
def test_what_is_no_procedure(name):
    """One sentence, and exit status 2."""
    with pytest.raises(SystemExit) as ended:
        popheal.main(["verify", name])
    assert ended.value.code == 2

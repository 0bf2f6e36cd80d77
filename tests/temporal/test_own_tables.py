"""Healings by tables that somebody has written, by workers that are told of them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

pytest.importorskip("temporalio", reason="needs the extra 'temporal'")

from temporalio.client import WorkflowFailureError

from popheal.audit import check_journal
from popheal.cli.tables import table_named
from popheal.errors import UnknownName
from popheal.temporal import own_tables
from popheal.temporal.build_name import build_id
from tests.support.fleet import healed
from tests.support.paths import ROOT
from tests.temporal.test_commands import fleet_command
from tests.temporal.test_kept_histories import builds_of

EXAMPLES = ROOT / "docs" / "examples"
TABLE = "my_procedures:CAREFUL"
SCENARIO = "proxy-healed-by-reboot"


@pytest.fixture
def careful(monkeypatch):
    """The table of the documentation's example."""
    monkeypatch.syspath_prepend(EXAMPLES)
    monkeypatch.delitem(sys.modules, "my_procedures", raising=False)
    return table_named(TABLE)


def test_they_are_in_the_name_of_the_build(monkeypatch, careful):
    before = build_id()
    monkeypatch.setattr(own_tables, "_at_work", own_tables.tables())
    own_tables.use_tables([careful])
    assert own_tables.tables()["proxy"] is careful
    assert build_id() != before
    own_tables.use_tables([])
    assert build_id() == before
    with pytest.raises(UnknownName, match="no procedure 'another'"):
        own_tables.use_tables([type("Table", (), {"name": "another"})()])


def test_who_follows_none_is_told_of_none():
    status, _, said = fleet_command("worker", "--config", "popheal.toml", "--procedure", TABLE)
    assert (status, "workers of the engine: give --engine" in said) == (2, True)
    status, _, said = fleet_command("worker", "--engine", "--procedure", "no_such_module:TABLE")
    assert (status, "no_such_module" in said) == (2, True)


@pytest.fixture
def worker(fleet):
    """The command in a process of its own, by whose build healings begin meanwhile."""
    from popheal.temporal.operations import make_current

    command = ["fleet", "worker", "--engine", "--current", "--procedure"]
    process = subprocess.Popen(
        [sys.executable, "-m", "popheal", *command, TABLE],
        cwd=EXAMPLES,
        env={**os.environ, "TEMPORAL_ADDRESS": fleet.address},
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr
    said = []
    for line in process.stderr:
        said.append(line)
        if "New healings begin on this build" in line:
            break
    yield " ".join(said)
    fleet.run(make_current(fleet.client))
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)


@pytest.mark.slow
def test_a_healing_follows_the_tables_of_its_workers(fleet, worker, careful, tmp_path):
    """From its beginning to its end, through several histories; and its export holds them."""
    from popheal.temporal.healing_history import as_text, histories_of, lines_of, misfits

    assert f"proxy, hash {careful.hash}" in worker
    wanted = {"proxy": careful.hash}
    result, handle, _ = fleet.run(healed(fleet, SCENARIO, tables=wanted, pace={"long": 5}))
    (run,) = result.report["runs"]
    assert (result.report["verdict"], run["hash"]) == ("escalated", careful.hash)
    assert run["path"][-2:] == ["reprobing_after_wait", "escalated"]
    histories = fleet.run(histories_of(fleet.client, handle.id))
    assert len(histories) > 1
    (build,) = set.union(*map(builds_of, histories))
    assert f"build {build}." in worker
    assert fleet.run(misfits(histories)) == []
    path = tmp_path / "healing.jsonl"
    path.write_text(as_text(fleet.run(lines_of(histories[-1]))))
    assert check_journal(path).ok


@pytest.mark.slow
def test_an_order_for_others_is_refused(fleet, careful):
    """And nothing is begun."""
    with pytest.raises(WorkflowFailureError) as raised:
        fleet.run(healed(fleet, SCENARIO, tables={"proxy": careful.hash}))
    said = str(raised.value.cause)
    assert f"proxy ({own_tables.tables()['proxy'].hash}, not {careful.hash})" in said
    assert "--procedure" in said

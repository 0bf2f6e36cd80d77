"""Rows and entries: what any popheal wrote is read, and written again just so."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest

from popheal import Journal
from popheal.journal.entries import (
    ActionFinished,
    EffectIntended,
    Kind,
    UnreadableEntry,
    read_entry,
)
from popheal.journal.rows import Row, as_text
from popheal.tables.debts import DebtKind

FOLDER = Path(__file__).parents[1] / "samples" / "journals"
OF_SOME_EFFECTS = {
    "reason",
    "value",
    "prior",
    "active",
    "process_id",
    "started_at",
    "running",
    "booted_at",
    "database",
}


def rows_of(name: str, folder: Path) -> list[Row]:
    """The rows of a sample, read from a copy of it."""
    path = Path(shutil.copyfile(FOLDER / f"{name}.db", folder / f"{name}.db"))
    with Journal(path, create=False) as journal:
        return journal.rows()


@pytest.fixture(scope="module")
def rows(tmp_path_factory):
    """Rows of every kind, by kind."""
    folder = tmp_path_factory.mktemp("samples")
    found = {}
    for path in FOLDER.glob("*.db"):
        found |= {row.kind: row for row in rows_of(path.stem, folder)}
    return found


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.db")))
def test_what_version_0_1_0_wrote_is_written_again_just_so(name, tmp_path):
    """Each column, and each key in its place; blanks between keys mean nothing."""
    for row in rows_of(name, tmp_path):
        entry = read_entry(row)
        assert not isinstance(entry, UnreadableEntry), entry
        assert (entry.seq, entry.healing) == (row.seq, row.healing)
        written = as_text(json.loads(row.data))
        assert entry.to_row() == (row.at, *row[3:8], written)


def test_the_samples_have_every_kind(rows):
    assert set(rows) == {kind.value for kind in Kind}


def without(row: Row, key: str) -> Row:
    """The row, without a key of its JSON."""
    data = json.loads(row.data)
    del data[key]
    return row._replace(data=json.dumps(data))


def changed(row: Row, **values: object) -> Row:
    return row._replace(data=json.dumps(json.loads(row.data) | values))


@pytest.mark.parametrize("kind", Kind)
def test_a_key_that_is_missing(rows, kind):
    """Whichever it is, the entry is unreadable, and says so; nothing is raised."""
    row = rows[kind.value]
    for key in {*json.loads(row.data)} - OF_SOME_EFFECTS:
        entry = read_entry(without(row, key))
        assert isinstance(entry, UnreadableEntry)
        assert entry.problem == f"{key} is missing"
        assert not entry.damaged
        assert (entry.kind, entry.what, entry.run_id) == (kind, row.what, row.run)
        assert entry.at == datetime.fromisoformat(row.at)


@pytest.mark.parametrize("kind", Kind)
def test_more_than_this_popheal_knows(rows, kind):
    """A later version may add keys."""
    row = rows[kind.value]
    assert not isinstance(read_entry(changed(row, mood="good")), UnreadableEntry)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"kind": "sung"}, "'sung' is not a valid Kind"),
        ({"at": "2026-01-05T08:00:50"}, "a time has no zone"),
        ({"at": "yesterday"}, "Invalid isoformat string: 'yesterday'"),
        ({"data": "[1]"}, "it is no JSON object"),
        ({"data": "{"}, "its JSON is damaged: "),
    ],
)
def test_a_row_that_is_damaged(rows, change, problem):
    entry = read_entry(rows["outcome"]._replace(**change))
    assert isinstance(entry, UnreadableEntry)
    assert entry.damaged
    assert entry.problem.startswith(problem)


def test_values_that_make_no_sense(rows):
    outcome, intent = rows["outcome"], rows["intent"]
    setting = intent._replace(what="set_protocol_logging")
    for row in (
        outcome._replace(outcome="splendid"),
        outcome._replace(run=""),
        changed(outcome, step="a text"),
        changed(outcome, run=["a list"]),
        changed(outcome, memory=None),
        changed(setting, value="yes"),
        changed(intent, booted_at="noon"),
        changed(rows["finding"], findings=[{"kind": "sung", "server": "s", "detail": ""}]),
        changed(rows["asked"], expires_at=7),
    ):
        entry = read_entry(row)
        assert isinstance(entry, UnreadableEntry)
        assert entry.problem
        assert not entry.damaged


def test_what_was_owed_is_salvaged(rows):
    """Debt by debt."""
    owed = {"kind": "activation_disabled", "server": "mbx1", "prior": False, "status": "owed"}
    run = json.loads(rows["outcome"].data)["run"] | {"debts": [owed, {"kind": "sung"}, None]}
    entry = read_entry(changed(without(rows["outcome"], "step"), run=run))
    assert isinstance(entry, UnreadableEntry)
    (debt,) = entry.debts
    assert (debt.kind, debt.server) == (DebtKind.ACTIVATION_DISABLED, "mbx1")
    assert read_entry(without(rows["outcome"], "run")).debts is None


def test_what_an_effect_changes_is_told_by_its_fields(rows):
    entry = read_entry(changed(rows["intent"], value=True, booted_at="2026-01-05T08:00:00+00:00"))
    assert isinstance(entry, EffectIntended)
    assert entry.value is True
    assert entry.booted_at == datetime(2026, 1, 5, 8, tzinfo=UTC)
    entry = read_entry(rows["outcome"])
    assert isinstance(entry, ActionFinished)
    assert entry.state == entry.step.state

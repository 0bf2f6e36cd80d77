"""Journals that an older popheal wrote: they are read, checked and gone on with as by that one.

The samples themselves are never opened, only copies of them. See tests/samples/journals.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest
from attrs import evolve
from click.testing import CliRunner

from popheal import Journal, Report, heal
from popheal.cli.app import popheal as command
from popheal.healthsets.pop import POP_PROXY, PROCEDURES, SETTLE_DEBTS
from popheal.journal import Kind
from popheal.journal.tables_before import tables_before
from popheal.tables.actions import ACTIONS, BY_ROLE
from popheal.tables.stored import table_from_json
from popheal.tables.table import State
from tests.journal import sampling
from tests.journal.sampling import Moment, Sample
from tests.support.healing import alert_of

FOLDER = Path(__file__).parents[1] / "samples" / "journals"
TOLD = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(FOLDER.glob("*.json"))}
#: No budget looks back from here to what is in the samples.
LONG_AFTER = datetime(2026, 6, 1, 8, 0, tzinfo=UTC)
FINISHED = [name for name, told in TOLD.items() if "healings" in told]
UNFINISHED = [name for name, told in TOLD.items() if "resumed" in told]

#: Of what is no mark.
KINDS = {one.value for one in Kind}

finished = pytest.mark.parametrize("name", FINISHED)
unfinished = pytest.mark.parametrize("name", UNFINISHED)


@pytest.fixture
def copy_of(tmp_path):
    """A sample's copy; opened for writing once, which brings its tables up to date."""

    def copied(name: str) -> Path:
        path = Path(shutil.copyfile(FOLDER / f"{name}.db", tmp_path / f"{name}.db"))
        Journal(path, create=False).close()
        return path

    return copied


def told_by(status: int, *args) -> str:
    """What a command answers."""
    result = CliRunner().invoke(command, [str(one) for one in args], env={"POPHEAL_CONFIG": None})
    assert result.exit_code == status, result.output
    assert result.stderr == ""
    return result.stdout


def healings_in(path: Path, *more: str) -> list[dict]:
    return json.loads(told_by(0, "healings", "--journal", path, "--json", *more))["runs"]


def shown(path: Path, healing: str) -> dict:
    """A healing as JSON; it is told to people, too."""
    assert healing in told_by(0, "show", healing, "--journal", path)
    return json.loads(told_by(0, "show", healing, "--journal", path, "--json"))


def sample_of(told: dict) -> Sample:
    """How a sample came to be, from what was written down beside it."""
    given = {name: value for name, value in told.items() if hasattr(Sample, name)}
    return Sample(**{**given, "deaths": [Moment(**one) for one in told["deaths"]]})


def test_the_samples_are_as_they_were_written():
    assert FINISHED
    assert UNFINISHED
    for name, told in TOLD.items():
        assert sha256((FOLDER / f"{name}.db").read_bytes()).hexdigest() == told["sha256"], name
    assert {path.suffix for path in FOLDER.iterdir() if path.is_file()} == {".db", ".json", ".md"}


def judged_then(path: Path) -> dict[str, list[str]]:
    """What checking it says of the properties that version 0.1.0 knew."""
    since = {"P24", "P25", "P26", "P27", "P28", "J6", "J7", "J8"}
    return {
        verdict: [one for one in found if one not in since]
        for verdict, found in sampling.judged(path).items()
    }


def tables_of(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute("SELECT name, sql FROM sqlite_master"))


@pytest.mark.parametrize("name", TOLD)
def test_brought_up_to_date_they_have_the_tables_of_a_new_journal(name, copy_of, tmp_path):
    Journal(tmp_path / "new").close()
    assert tables_of(copy_of(name)) == tables_of(tmp_path / "new")


@pytest.mark.parametrize("name", FINISHED)
def test_they_are_read_as_they_are_where_nothing_may_be_written(name, tmp_path):
    """Listing, showing and checking bring no file up to date, and need no file that is."""
    path = Path(shutil.copyfile(FOLDER / f"{name}.db", tmp_path / f"{name}.db"))
    content = path.read_bytes()
    for healing in healings_in(path):
        assert shown(path, healing["id"])
    checked = json.loads(told_by(0, "check-journal", "--journal", path, "--json"))
    assert not [one for one in checked["notes"] if "does not know" in one]
    assert path.read_bytes() == content


def test_their_tables_are_kept(copy_of):
    """Under their hashes, so that a popheal that ships others knows them."""
    with Journal(copy_of("finished")) as journal:
        kept = journal.tables()
        used = {run["hash"] for one in journal.healings() for run in one.report["runs"]}
    assert used <= set(kept)
    assert {table.name for table in kept.values()} == {*PROCEDURES, SETTLE_DEBTS.name} - {
        POP_PROXY.name
    }


def test_together_they_have_entries_of_every_kind(copy_of):
    kinds = set()
    for name in TOLD:
        with Journal(copy_of(name)) as journal:
            kinds |= {one.kind for one in journal.entries()}
    assert kinds == set(Kind)


# --- finished ------------------------------------------------------------------------------------


@finished
def test_finished_healings_are_listed_and_shown(name, copy_of):
    path, expected = copy_of(name), TOLD[name]["healings"]
    assert healings_in(path, "--unfinished") == []
    for run, one in zip(healings_in(path), expected, strict=True):
        assert run["id"] == one["healing"]
        assert run["begun_at"] == one["begun_at"]
        assert run["ended_at"] == one["finished_at"]
        assert run["verdict"] == one["verdict"]
        assert [[had["procedure"], had["verdict"]] for had in run["runs"]] == [
            [had["procedure"], had["verdict"]] for had in one["runs"]
        ]
        story = shown(path, one["healing"])
        assert len(story["entries"]) == one["entries"]
        report = Report.from_json(story["healing"]["report"])
        assert sampling.outcome_of(report).items() <= one.items()
    lines = [json.loads(one) for one in told_by(0, "export", "--journal", path).splitlines()]
    story = [one for one in lines if one["type"] == "entry" and one["kind"] in KINDS]
    assert len(story) == sum(one["entries"] for one in expected)


@finished
def test_finished_healings_are_checked(name, copy_of):
    path = copy_of(name)
    assert judged_then(path) == TOLD[name]["properties"]
    assert json.loads(told_by(0, "check-journal", "--journal", path, "--json"))["ok"]


@pytest.mark.parametrize("name", TOLD)
def test_their_exports_are_checked_like_them(name, copy_of):
    """The whole, and each healing: nobody is named who began it, and tables are spelled apart."""
    path = copy_of(name)
    exported = path.with_suffix(".jsonl")
    for healing in ("", *(one["id"] for one in healings_in(path))):
        told_by(0, "export", *filter(None, (healing,)), "--journal", path, "--output", exported)
        assert json.loads(told_by(0, "check-journal", "--journal", exported, "--json"))["ok"]


@finished
def test_after_them_a_healing_is_written_as_into_a_new_journal(name, copy_of):
    """And nothing that was there is changed."""
    path = copy_of(name)
    scenario = sampling.played("mailbox-healed-by-reboot", LONG_AFTER)
    with Journal(path) as journal:
        before = journal.entries()
        report = heal(alert_of(scenario), scenario.backend, journal=journal)
        assert journal.entries()[: len(before)] == before
    assert report.verdict.value == "recovered"
    assert len(healings_in(path)) == len(TOLD[name]["healings"]) + 1
    assert json.loads(told_by(0, "check-journal", "--journal", path, "--json"))["ok"]


def test_what_was_done_lately_counts(copy_of):
    """A budget looks back at what the older version wrote."""
    path = copy_of("finished-otherwise")
    with Journal(path) as journal:
        last = [one for one in journal.entries() if one.what == "reboot"][-1]
        scenario = sampling.played("mailbox-healed-by-reboot", last.at)
        report = heal(alert_of(scenario), scenario.backend, journal=journal)
    assert "reboots_per_server" in str(report.to_json())
    assert "rebooting" not in report.runs[0].path[:-1]


# --- unfinished ----------------------------------------------------------------------------------


@unfinished
def test_an_unfinished_healing_is_listed_shown_and_checked(name, copy_of):
    path, told = copy_of(name), TOLD[name]
    for found in (healings_in(path), healings_in(path, "--unfinished")):
        ((healing, state, verdict),) = [(one["id"], one["state"], one["verdict"]) for one in found]
        assert (healing, state, verdict) == (told["healing"], "interrupted", None)
    assert len(shown(path, told["healing"])["entries"]) == len(told["entries"])
    assert sampling.written(path) == told["entries"]
    assert json.loads(told_by(0, "check-journal", "--journal", path, "--json"))["ok"]


def carried_out(state: State) -> State:
    """With the waits and deadlines of today, which are not kept with a table."""
    kept = state.action
    known = ACTIONS[kept.name]
    return evolve(
        state,
        action=evolve(
            known,
            argument=kept.argument,
            outcomes=kept.outcomes,
            restarts=2 if kept.argument == BY_ROLE else known.restarts,
        ),
    )


#: The tables by which version 0.1.0 healed, by name; those of today are others.
TABLES_THEN = {
    table.name: evolve(table, states=tuple(map(carried_out, table.states)))
    for data in tables_before().values()
    if (table := table_from_json(data)) and table.name in PROCEDURES
}
#: What may be done on behalf of a run whose table has changed: logging is set back.
PUT_BACK = ("protocol_logging_set", "service_restarted")


def died_as_then(told: dict, thrown_away: Path):
    """The organisation at the moment at which the sample was broken off."""
    scenario = sampling.die_as_told(sample_of(told), thrown_away, procedures=TABLES_THEN)
    assert sampling.written(thrown_away) == told["entries"]
    return scenario


#: Those of the unfinished in which a run had been started.
BEGUN = [name for name in UNFINISHED if " run_started " in "\n".join(TOLD[name]["entries"])]


@pytest.mark.parametrize("name", [name for name in UNFINISHED if name not in BEGUN])
def test_a_healing_that_had_done_nothing_is_gone_on_with(name, copy_of, tmp_path):
    """By the tables of today: it has nothing that another could not go on with."""
    told = TOLD[name]
    path = copy_of(name)
    scenario = died_as_then(told, tmp_path / "thrown-away")
    found = sampling.gone_on(sample_of(told), told["healing"], path, scenario)
    if any(death["then"] == "approve" for death in told["deaths"]):
        # What a person approved was another plan, so they are asked again, and don't answer.
        assert (found["verdict"], found["effects"]) == ("held", [])
        return
    assert found["verdict"] == told["resumed"]["verdict"]
    # At other times: it is waited otherwise for a server to come back than it was then.
    then, now = told["resumed"]["effects"], found["effects"]
    assert [one.partition(" ")[2] for one in now] == [one.partition(" ")[2] for one in then]


@pytest.mark.parametrize("name", BEGUN)
def test_a_run_by_a_table_of_then_is_settled(name, copy_of, tmp_path):
    """It is not gone on with on another table: what is safe is put back, the rest handed over."""
    told = TOLD[name]
    path = copy_of(name)
    scenario = died_as_then(told, tmp_path / "thrown-away")
    before = list(sampling.effects_on(scenario))
    found = sampling.gone_on(sample_of(told), told["healing"], path, scenario)
    assert found["verdict"] in ("escalated", "cancelled")
    since = found["effects"][len(before) :]
    assert found["effects"][: len(before)] == before
    assert all(any(f" {kind} " in line for kind in PUT_BACK) for line in since), since
    assert not [line for line in since if '"value": true' in line]
    assert all(status in ("paid", "handed_over") for _, _, status in found["debts"])
    for kind, _, status in found["debts"]:
        assert (kind, status) != ("activation_disabled", "paid")
    if any(kind == "protocol_logging" for kind, _, _ in found["debts"]):
        assert any('"value": false' in line for line in since)
    assert sampling.judged(path).keys() == {"holds", "not_decided"}, sampling.judged(path)

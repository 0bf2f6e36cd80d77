"""The chain of hashes: whatever is changed in a journal, given its last hash, is noticed."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing, suppress
from hashlib import sha256
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from popheal import Journal, heal
from popheal.audit import chain_checks, check_journal
from popheal.backends.simulated import load_scenario
from popheal.cli.app import popheal
from popheal.errors import ConfigurationError, JournalError
from popheal.journal.chain import Head, append
from popheal.journal.marks import IS_STORY, Mark, mark
from popheal.journal.rows import moment_as_text
from popheal.journal.schema import make_version, pruning
from popheal.reports.events import HealingEnded
from tests.evidence import tampering
from tests.evidence.tampering import NOW, noticed, pattern
from tests.support.healing import alert_of


@pytest.fixture
def path(tmp_path):
    """A copy of it."""
    target = tmp_path / "journal"
    target.write_bytes(pattern()[0])
    return target


def edit(path: Path, *statements: str) -> None:
    """Change the file as anybody can who may write to it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        triggers = connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
        kept = triggers.fetchall()
        for name, _ in kept:
            connection.execute(f"DROP TRIGGER {name}")
        for one in statements:
            connection.execute(one)
        there = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
        for _, sql in kept if "entry" in there else ():
            connection.execute(sql)


def test_as_it_was_written_it_holds(path):
    assert noticed(path) == set()
    assert noticed(path, pattern()[1]) == set()
    assert str(check_journal(path).head) == pattern()[1]


CLOSED = "(SELECT id FROM healing WHERE ended_at IS NOT NULL LIMIT 1)"


@pytest.mark.parametrize(
    ("found", "statement"),
    [
        ("J6", "UPDATE entry SET at = replace(at, 'T0', 'T1') WHERE kind = 'intent'"),
        ("J6", "UPDATE entry SET server = 'mbx7.contoso.com' WHERE what = 'reboot'"),
        (
            "J6",
            "UPDATE entry SET data = replace(data, 'by', 'bi') WHERE kind = 'answered'",
        ),
        ("J6", "UPDATE entry SET outcome = 'refused' WHERE kind = 'answered'"),
        ("J6", "UPDATE entry SET hash = lower(hex(zeroblob(32))) WHERE seq = 5"),
        ("J6", "UPDATE entry SET hash = 'ü' || substr(hash, 2) WHERE seq = 5"),
        ("J6", "UPDATE entry SET hash = CAST(x'ff' || substr(hash, 2) AS TEXT) WHERE seq = 5"),
        ("J6", "DELETE FROM entry WHERE seq = 7"),
        ("J8", f"UPDATE healing SET server = 'mbx7' WHERE id = {CLOSED}"),
        ("J8", f"UPDATE healing SET alert = '{{}}' WHERE id = {CLOSED}"),
        ("J8", f"UPDATE healing SET policy = '{{}}' WHERE id = {CLOSED}"),
        ("J8", f"UPDATE healing SET ended_at = NULL, verdict = NULL WHERE id = {CLOSED}"),
        ("J8", f"UPDATE healing SET report = replace(report, 'done', 'gone') WHERE id = {CLOSED}"),
        ("J8", "UPDATE healing SET cancel_at = NULL"),
        ("J8", "UPDATE healing SET fence = fence + 1"),
        ("J8", "UPDATE owner SET process = 'process 1 on elsewhere'"),
        ("J8", "DELETE FROM claim"),
        ("J8", "INSERT INTO claim VALUES ('contoso', 'dag', 'dag1', 'unfinished')"),
        ("J8", "DELETE FROM procedure"),
        ("J8", "DELETE FROM healing WHERE id = 'unfinished'"),
        ("J7", "CREATE TRIGGER x AFTER INSERT ON entry BEGIN DELETE FROM claim; END"),
        ("J7", "DROP INDEX entry_of_healing"),
        ("J8", f"UPDATE healing SET report = replace(report, '_', '\\u005f') WHERE id = {CLOSED}"),
        ("J8", 'UPDATE healing SET report = replace(report, \'{"id"\', \'{"id":"x","id"\')'),
        ("J8", "UPDATE healing SET alert = replace(alert, '\"server\"', '\"\\u0073erver\"')"),
        ("J8", "UPDATE sqlite_sequence SET seq = 9223372036854775807"),
        ("J8", "INSERT INTO sqlite_sequence VALUES ('entry', 1)"),
        ("J7", "CREATE TABLE more (a)"),
        ("J7", "PRAGMA user_version = 2"),
    ],
)
def test_a_change_is_noticed(path, found, statement):
    before = path.read_bytes()
    edit(path, statement)
    assert path.read_bytes() != before
    assert found in noticed(path)


def test_dropped_triggers_are_noticed(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER entry_is_never_removed")
    assert noticed(path) == {"J7"}


def test_a_trigger_of_a_table_s_name_is_noticed(path):
    """SQLite has names of triggers apart; the table may have been made after it."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(
            "CREATE TRIGGER claim AFTER INSERT ON entry BEGIN DELETE FROM claim; END"
        )
        sql = "SELECT sql FROM sqlite_master WHERE name = 'claim' AND type = 'table'"
        ((made,),) = connection.execute(sql).fetchall()
        rows = connection.execute("SELECT * FROM claim").fetchall()
        connection.execute("DROP TABLE claim")
        connection.execute(made)
        connection.executemany("INSERT INTO claim VALUES (?, ?, ?, ?)", rows)
    assert noticed(path) == {"J7"}


def test_a_trigger_of_a_name_of_sqlite_s_is_noticed(path):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("CREATE TRIGGER x AFTER INSERT ON entry BEGIN DELETE FROM claim; END")
        connection.execute("PRAGMA writable_schema = ON")
        new = "name = 'sqlite_stat1', sql = replace(sql, 'TRIGGER x', 'TRIGGER sqlite_stat1')"
        connection.execute(f"UPDATE sqlite_master SET {new} WHERE name = 'x'")
    assert noticed(path) == {"J7"}


def test_what_sqlite_makes_to_analyse_is_none_of_anybody_s(path):
    edit(path, "ANALYZE", "VACUUM")
    assert noticed(path, pattern()[1]) == set()


LAST = "(SELECT max(seq) FROM entry)"


def test_an_end_that_was_cut_off_needs_the_noted_hash(path):
    """Whoever has the file can cut off the whole of what was last, without a trace in it."""
    edit(
        path,
        "UPDATE healing SET cancel_at = NULL WHERE id = 'unfinished'",
        f"DELETE FROM entry WHERE seq = {LAST} AND kind = 'stop_asked'",
    )
    assert noticed(path) == set()
    assert noticed(path, pattern()[1]) == {"J6"}


def test_what_was_noted_before_still_holds_when_more_was_written(path):
    with Journal(path) as journal:
        journal.take_over("unfinished", at=NOW).leave()
    assert noticed(path, pattern()[1]) == set()
    assert str(check_journal(path).head) != pattern()[1]


def test_written_anew_it_is_another_chain(path, tmp_path):
    """Even with the same rows: who wants to have it so must have noted the end."""
    edit(path, "UPDATE entry SET server = 'mbx7' WHERE what = 'reboot'")
    rows, digest = [], ""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for row in connection.execute("SELECT * FROM entry ORDER BY seq"):
            text = f"{digest}\n{json.dumps(row[:-1], separators=(',', ':'))}"
            digest = sha256(text.encode()).hexdigest()
            rows.append((digest, row[0]))
        connection.execute("DROP TRIGGER entry_is_never_changed")
        connection.executemany("UPDATE entry SET hash = ? WHERE seq = ?", rows)
        connection.execute(
            "CREATE TRIGGER entry_is_never_changed BEFORE UPDATE ON entry\n"
            "BEGIN SELECT RAISE(ABORT, 'the history only grows'); END"
        )
    assert "J6" not in noticed(path)  # its own hashes say nothing
    assert "J6" in noticed(path, pattern()[1])


def test_a_chain_that_came_undone_is_noticed(path):
    """As a journal of an older version it has no hashes, and so none that was noted."""
    older = path.with_name("older")
    with closing(sqlite3.connect(older, isolation_level=None)) as connection:
        make_version(connection, 2)
        connection.execute("ATTACH ? AS chained", (str(path),))
        for table in ("owner", "healing", "procedure"):
            connection.execute(f"INSERT INTO {table} SELECT * FROM chained.{table}")
        columns = "seq, at, healing, run, server, kind, what, outcome, data"
        connection.execute(
            f"INSERT INTO entry SELECT {columns} FROM chained.entry WHERE {IS_STORY}"
        )
    assert noticed(older) == set()
    assert noticed(older, pattern()[1]) == {"J6"}


def test_a_noted_entry_that_was_pruned_since_is_said_to_be(path):
    """Who may write the file may prune it, too, and more than popheal would: that is told."""
    head = Head(*(int(pattern()[1].partition(":")[0]) + 1, "ab" * 32))
    row = mark(Mark.PRUNED, moment_as_text(NOW), gaps=[[1, head.seq, head.hash]])
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for table in (*tampering.TABLES[1:], "sqlite_sequence"):
            connection.execute(f"DELETE FROM {table}")
        with pruning(connection):
            connection.execute("DELETE FROM entry")
        append(connection, [("", row)], head=head)
    notes = " ".join(check_journal(path, noted=pattern()[1]).notes)
    assert f"{head.seq} entries were removed on purpose" in notes
    assert "whose hash was noted, is among what was removed on purpose" in notes


@pytest.mark.parametrize("data", ["[" * 20_000, "3", '"x"', "null", '{"a": ' + "9" * 5000 + "}"])
@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("entry", "data"),
        *(("healing", column) for column in ("alert", "policy", "report")),
        ("procedure", "data"),
    ],
)
def test_whatever_stands_there_is_damage_and_no_defect(path, table, column, data):
    value = data.replace("'", "''")
    edit(path, f"UPDATE {table} SET {column} = '{value}'")
    assert noticed(path)
    with Journal(path, read_only=True) as journal:
        for ask in (journal.healings, journal.debts, journal.tables, journal.entries):
            with suppress(JournalError):
                ask()
        with suppress(JournalError):
            list(journal.export())


# --- random edits --------------------------------------------------------------------------------


@settings(
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(st.randoms(use_true_random=False))
def test_whatever_is_changed_is_noticed(tmp_path, random):
    """`python -m tests.evidence.tampering` makes a thousand such edits."""
    path = tmp_path / "random"
    change = tampering.tamper(path, random)
    assume(change)
    assert tampering.missed(path, change) == ""


def test_a_check_that_overlooks_the_chain_is_found_out(tmp_path, monkeypatch):
    monkeypatch.setattr(chain_checks.ChainCheck, "violations", lambda _: iter(()))
    path = tmp_path / "random"
    found = []
    for seed in range(20):
        change = tampering.tamper(path, Random(seed))
        found += [tampering.missed(path, change)] if change else []
    assert any(found)


# --- exports -------------------------------------------------------------------------------------


def export_of(path: Path, *more: str) -> Path:
    target = path.with_suffix(".jsonl")
    arguments = ["export", *more, "--journal", str(path), "--output", str(target)]
    result = CliRunner().invoke(popheal, arguments)
    assert result.exit_code == 0, result.output
    return target


def test_an_export_is_checked_like_the_journal(path):
    exported = export_of(path)
    whole, again = check_journal(path), check_journal(exported, noted=pattern()[1])
    assert again.ok
    assert again.head == whole.head
    assert (again.healings, again.runs, again.entries) == (
        whole.healings,
        whole.runs,
        whole.entries,
    )


def test_each_line_of_an_export_that_is_changed_is_noticed(path):
    """A text or a number in it; a line left out."""
    exported = export_of(path)
    lines = exported.read_text("utf-8").splitlines()
    for number in range(1, len(lines), 3):
        line = json.loads(lines[number])
        kind = line["type"]
        changed = {
            "owner": lambda one: one | {"process": "another"},
            "table": lambda one: one | {"table": {}},
            "healing": lambda one: one | {"server": "another"},
            "entry": lambda one: one | {"data": one["data"] | {"more": 1}},
        }[kind](line)
        for instead in ([json.dumps(changed)], []):
            doctored = [*lines[:number], *instead, *lines[number + 1 :]]
            exported.write_text("\n".join(doctored) + "\n", "utf-8")
            assert noticed(exported), (number, kind, instead)


def test_a_part_of_a_journal_is_checked_as_far_as_it_goes(path):
    with Journal(path) as journal:
        name = journal.healings()[1].id
    exported = export_of(path, name)
    judged = check_journal(exported)
    assert judged.ok
    assert judged.healings == 1
    undecided = {one.checked.id for one in judged.results if one.verdict == "not_decided"}
    assert "J7" in undecided
    assert "a part of a journal" in " ".join(judged.notes)
    exported.write_text(exported.read_text("utf-8").replace('"done"', '"refused"', 1), "utf-8")
    assert noticed(exported)


def test_the_hash_that_was_noted_is_looked_for_in_a_part_as_well(path):
    with Journal(path) as journal:
        name = journal.healings()[0].id
    exported = export_of(path, name)
    assert noticed(exported) == set()
    assert noticed(exported, pattern()[1]) == {"J6"}


CHANGED_LINES = {
    "who has it": ("healing", lambda one: one | {"owner": "process 1 on elsewhere"}),
    "what it claims": ("healing", lambda one: one | {"claims": [{"kind": "dag", "name": "x"}]}),
    "the hash before": ("entry", lambda one: one | {"previous": "ab" * 32}),
    "another text": ("entry", lambda one: one | {"text": "{}", "data": {"more": 1}}),
    "a table's other text": ("table", lambda one: one | {"text": json.dumps(one["table"])}),
    "a table beside its text": (
        "table",
        lambda one: one | {"text": json.dumps(one["table"], separators=(",", ":")), "table": {}},
    ),
    "a number too large": ("entry", lambda one: one | {"seq": 10**30}),
    "a time too late": ("entry", lambda one: one | {"at": "9999-12-31T23:59:59-14:00"}),
    "no version": ("journal", lambda one: one | {"version": -1}),
    "another version": ("journal", lambda one: one | {"version": 99}),
    "a part": ("journal", lambda one: one | {"whole": False}),
}


@pytest.mark.parametrize(("kind", "change"), CHANGED_LINES.values(), ids=CHANGED_LINES)
def test_what_a_line_of_an_export_says_is_held_against_the_others(path, kind, change):
    exported = export_of(path)
    lines = [json.loads(one) for one in exported.read_text("utf-8").splitlines()]
    place = max(n for n, line in enumerate(lines) if line["type"] == kind)
    lines[place] = change(lines[place])
    exported.write_text("".join(f"{json.dumps(one)}\n" for one in lines), "utf-8")
    assert noticed(exported, pattern()[1])


@pytest.mark.parametrize("more", ["[" * 100_000, '{"type": "owner", "type": "table"}', "\n"])
def test_a_line_that_can_not_be_read_in_one_way_only_is_none(path, more):
    exported = export_of(path)
    with exported.open("a", encoding="utf-8") as file:
        file.write(more)
    with pytest.raises(JournalError, match="is no export of a journal"):
        check_journal(exported)


@pytest.mark.parametrize(
    "text", ['{"type": "journal"}\n', '{"type": "sung"}\n', "{", '{"type": "journal", "format": 1}']
)
def test_what_is_no_export_is_said_to_be_none(tmp_path, text):
    other = tmp_path / "other.jsonl"
    other.write_text(text, "utf-8")
    with pytest.raises(JournalError, match="is no export of a journal: line 1"):
        check_journal(other)


@pytest.mark.parametrize("noted", ["", " "])
def test_what_was_noted_and_is_empty_is_no_assurance(path, noted):
    """As of a script whose variable is not set: nothing was compared."""
    asked = ["check-journal", "--journal", str(path), "--noted", noted]
    result = CliRunner().invoke(popheal, asked)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "--noted is empty, so nothing would be compared" in result.stderr


@pytest.mark.parametrize("lines", [slice(1, None), slice(0, 0), [0, 0, 1]])
def test_an_export_begins_with_the_line_of_the_journal_and_has_no_other(path, lines):
    """Cut off at its beginning, or put together of two: in words, and as wrong usage."""
    exported = export_of(path)
    there = exported.read_text("utf-8").splitlines(keepends=True)
    taken = there[lines] if isinstance(lines, slice) else [there[one] for one in lines]
    exported.write_text("".join(taken), "utf-8")
    result = CliRunner().invoke(popheal, ["check-journal", "--journal", str(exported)])
    assert result.exit_code == 2, result.output
    said = "the first line, and no other, is that of the journal" if taken else "is empty"
    assert said in result.stderr


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_no_journal(tmp_path):
    """Nobody may ever write to it, so it is not waited for."""
    pipe = tmp_path / "journal.jsonl"
    os.mkfifo(pipe)
    with pytest.raises(JournalError, match="is no file"):
        check_journal(pipe)


# --- what is told --------------------------------------------------------------------------------


def test_the_command_prints_the_last_hash_and_compares_it(path):
    head = pattern()[1]
    result = CliRunner().invoke(popheal, ["journal", "head", "--journal", str(path)])
    assert (result.exit_code, result.stdout) == (0, f"{head}\n")
    result = CliRunner().invoke(popheal, ["check-journal", "--journal", str(path)])
    assert result.exit_code == 0
    assert head in result.stdout
    result = CliRunner().invoke(
        popheal, ["check-journal", "--journal", str(path), "--noted", head, "--json"]
    )
    assert json.loads(result.stdout)["head"] == head
    wrong = head[:-1] + ("0" if head[-1] != "0" else "1")
    result = CliRunner().invoke(
        popheal, ["check-journal", "--journal", str(path), "--noted", wrong]
    )
    assert result.exit_code == 1
    assert "was cut off, or all of it was written anew" in " ".join(result.stdout.split())


@pytest.mark.parametrize("text", ["12", "x:00", "12:zz", f"12:{'0' * 63}"])
def test_what_is_no_hash_is_refused(path, text):
    with pytest.raises(ConfigurationError, match="is no end of a chain"):
        check_journal(path, noted=text)


def test_the_end_of_a_healing_tells_the_last_hash(tmp_path):
    """To observers, the log among them: what they keep is out of reach of who has the file."""
    path, seen = tmp_path / "journal", []
    scenario = load_scenario("mailbox-healed-by-restart")
    with Journal(path) as journal:
        heal(alert_of(scenario), scenario.backend, journal=journal, observers=[seen.append])
        assert isinstance(seen[-1], HealingEnded)
        assert seen[-1].head == str(journal.head())
    assert check_journal(path, noted=seen[-1].head).ok


def test_an_older_journal_can_not_tell(path, tmp_path):
    """Opened once to be written to, it can from then on."""
    samples = Path(__file__).parents[1] / "samples" / "journals"
    old = Path(shutil.copyfile(samples / "finished.db", tmp_path / "old"))
    verdicts = {one.checked.id: one.verdict for one in check_journal(old).results}
    assert (verdicts["J6"], verdicts["J7"], verdicts["J8"]) == (
        "not_decided",
        "holds",
        "not_decided",
    )
    Journal(old).close()
    verdicts = {one.checked.id: one.verdict for one in check_journal(old).results}
    assert (verdicts["J6"], verdicts["J7"], verdicts["J8"]) == ("holds", "holds", "holds")

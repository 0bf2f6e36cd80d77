"""What can be asked of a journal: which healings, what was done, what is left, what is owed."""

from __future__ import annotations

import errno
import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, timezone

import pytest
from click.testing import CliRunner

from popheal import Journal, Policy, heal
from popheal.audit import check_journal
from popheal.backends.simulated import load_scenario
from popheal.cli.app import popheal
from popheal.errors import JournalError, UnknownName
from popheal.util.clock import VirtualClock
from tests.support.healing import alert_of

NOW = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
LONG_AGO = datetime(2020, 1, 5, 8, 0, tzinfo=UTC)
REBOOTED, RESTARTED = "mailbox-healed-by-reboot", "mailbox-healed-by-restart"
LEFT_DRAINED = "fault-survives-the-reboot"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal"


def healed(journal: Journal, name: str, at: datetime = NOW, organisation: str = "contoso"):
    scenario = load_scenario(name, VirtualClock(at))
    scenario.organisation.name = organisation
    return heal(alert_of(scenario), scenario.backend, journal=journal)


def begun(
    journal: Journal, name: str, *, at=NOW, server="mbx1.contoso.com", organisation="contoso"
):
    return journal.begin(
        name, at=at, organisation=organisation, server=server, version="0", alert={}, policy={}
    )


# --- healings ------------------------------------------------------------------------------------


def test_healings_are_asked_for_by_what_they_are(path):
    with Journal(path) as journal:
        for number, server in enumerate(("MBX1", "mbx1.contoso.com", "mbx1.fabrikam.com", "mbx2")):
            at = NOW + timedelta(days=number)
            lease = begun(journal, f"h{number}", at=at, server=server)
            if number < 3:
                lease.end(at=at + timedelta(hours=1), verdict="held", report={})
        begun(journal, "other", organisation="fabrikam").end(at=NOW, verdict="held", report={})

        def ids(**asked) -> list[str]:
            return [one.id for one in journal.healings(**asked)]

        assert ids() == ["h0", "other", "h1", "h2", "h3"]
        assert ids(unfinished=True) == ["h3"]
        assert ids(server="mbx1") == ["h0", "other", "h1", "h2"]
        assert ids(server="MBX1.contoso.com") == ["h0", "other", "h1"]
        assert ids(organisation="fabrikam") == ["other"]
        assert ids(since=NOW + timedelta(days=1)) == ["h1", "h2", "h3"]
        assert ids(newest=2) == ["h2", "h3"]
        assert ids(newest=10**30) == ids()
        assert ids(newest=1, server="mbx1.contoso.com") == ["h1"]
        assert [one.id for one in journal.each_healing()] == ids()


def test_names_beyond_ascii_are_compared_without_case_too(path):
    with Journal(path) as journal:
        begun(journal, "one", server="MÜNCHEN1.contoso.com")
        assert [one.id for one in journal.healings(server="münchen1")] == ["one"]


def test_of_a_beginning_that_many_have_some_are_named(path):
    with Journal(path) as journal:
        for number in range(30):
            begun(journal, f"same{number:02}").leave()
        with pytest.raises(UnknownName) as caught:
            journal.healing("same")
        assert 1 < len(caught.value.known) < 30


def plans_of(journal: Journal, ask) -> str:
    """How SQLite answers what is asked."""
    asked, database = [], journal._database
    read, glance = database.read_with, database.glance

    def noting(sql, values=()):
        asked.extend(line[-1] for line in read(f"EXPLAIN QUERY PLAN {sql}", values))
        return read(sql, values)

    def noting_glance(sql, values):
        asked.extend(line[-1] for line in glance(f"EXPLAIN QUERY PLAN {sql}", values))
        return glance(sql, values)

    database.read_with, database.glance = noting, noting_glance
    try:
        ask()
    finally:
        del database.read_with, database.glance
    return "\n".join(asked)


@pytest.mark.parametrize(
    "ask",
    [
        lambda journal: journal.healings(unfinished=True),
        lambda journal: journal.healings(server="mbx1", since=NOW),
        lambda journal: journal.healings(since=NOW),
        lambda journal: journal.healings(newest=5),
        lambda journal: journal.healing("h"),
        lambda journal: journal.entries("h"),
        lambda journal: journal.effects(since=NOW),
        lambda journal: journal.debts(),
        lambda journal: journal.budgets("mbx1", Policy(), organisation="contoso", at=NOW),
    ],
)
def test_each_question_is_answered_from_an_index(path, ask):
    """What it reads does not grow with the journal."""
    with Journal(path) as journal:
        begun(journal, "h")
        plans = plans_of(journal, lambda: ask(journal))
    assert plans
    assert "SCAN entry" not in plans
    assert "SCAN healing\n" not in f"{plans}\n"


# --- what was done, what is left, what is owed ---------------------------------------------------


def test_effects_are_told_with_what_came_of_them(path):
    with Journal(path) as journal:
        report = healed(journal, REBOOTED)
        done = journal.effects(server="mbx1")
        assert [(one.effect, one.value, one.outcome) for one in done] == [
            ("restart_service", None, "done"),
            ("set_activation_disabled", True, "done"),
            ("reboot", None, "done"),
            ("set_activation_disabled", False, "done"),
        ]
        assert {one.healing for one in done} == {report.id}
        assert journal.effects(server="mbx2") == []
        assert journal.effects(since=done[2].at) == done[2:]


def test_budgets_tell_what_is_left_and_when_there_is_room_again(path):
    with Journal(path) as journal:
        healed(journal, REBOOTED)
        (rebooted,) = (one for one in journal.effects() if one.effect == "reboot")
        later = rebooted.at + timedelta(minutes=30)
        reboots, restarts = journal.budgets("mbx1", Policy(), organisation="contoso", at=later)
        assert (reboots.name, reboots.used, reboots.left) == ("reboots_per_server", 1, 0)
        assert reboots.frees_up_at > rebooted.at + timedelta(hours=23)
        assert (restarts.used, restarts.left, restarts.frees_up_at) == (1, 5, None)
        tomorrow = rebooted.at + timedelta(hours=25)
        for server, organisation, at in (
            ("mbx1", "contoso", tomorrow),
            ("mbx2", "contoso", later),
            ("mbx1", "fabrikam", later),
        ):
            reboots, _ = journal.budgets(server, Policy(), organisation=organisation, at=at)
            assert (reboots.used, reboots.left) == (0, 1)


def test_debts_are_those_of_who_is_at_work_and_those_that_were_handed_over(path):
    with Journal(path) as journal:
        healed(journal, RESTARTED)
        assert journal.debts() == []
        report = healed(journal, LEFT_DRAINED)
        (owed,) = journal.debts()
        assert (owed.healing, owed.debt.kind.value) == (report.id, "activation_disabled")
        assert owed.debt.server.startswith("mbx1")


# --- pruning -------------------------------------------------------------------------------------


def run(*arguments) -> tuple[int, str]:
    result = CliRunner().invoke(popheal, [str(one) for one in arguments])
    return result.exit_code, result.stdout


@pytest.fixture
def old(path):
    """A journal with healings of six years ago, and some that are needed."""
    with Journal(path) as journal:
        for number in range(3):
            healed(journal, RESTARTED, LONG_AGO + timedelta(days=number))
        healed(journal, LEFT_DRAINED, LONG_AGO + timedelta(days=10))
        healed(journal, REBOOTED, LONG_AGO + timedelta(days=20))
        begun(journal, "unfinished", at=LONG_AGO, server="mbx9").leave()
        healed(journal, RESTARTED, LONG_AGO + timedelta(days=30))
    return path


def test_what_pruning_would_do_is_shown_first(old):
    status, said = run("journal", "prune", "--older-than", "30", "--journal", old)
    assert status == 0
    assert "4 healings with" in said
    assert "would be removed" in said
    assert "Kept, as they left something to be put back: 1." in said
    assert "Kept, as a watch asks about the newest of each server: 1." in said
    assert "Not touched: 1" in said
    assert "give --yes" in said
    assert check_journal(old).healings == 7


def test_pruned_it_is_checked_as_before(old):
    noted = str(check_journal(old).head)
    status, said = run(
        "journal", "prune", "--older-than", "30", "--journal", old, "--yes", "--json"
    )
    assert status == 0
    answer = json.loads(said)
    assert answer["done"]
    assert len(answer["healings"]) == 4
    judged = check_journal(old, noted=noted)
    assert judged.ok
    assert judged.healings == 3
    with Journal(old) as journal:
        assert journal.healings(unfinished=True)
        assert journal.debts()
        healed(journal, REBOOTED)
    assert check_journal(old).ok
    # And once more, beside the gaps that are there.
    status, _ = run("journal", "prune", "--older-than", "30", "--journal", old, "--yes")
    assert status == 0
    assert check_journal(old, noted=noted).ok
    exported = old.with_suffix(".jsonl")
    assert run("export", "--journal", old, "--output", exported)[0] == 0
    assert check_journal(exported).ok


def test_archived_it_can_be_checked_on_its_own(old, tmp_path):
    archive = tmp_path / "old.jsonl"
    asked = ("journal", "archive", "--older-than", "30", "--journal", old, "--output", archive)
    status, said = run(*asked)
    assert status == 0
    assert "would be moved" in said
    assert not archive.exists()
    assert run(*asked, "--yes")[0] == 0
    assert archive.stat().st_mode & 0o777 == 0o600
    judged = check_journal(archive)
    assert judged.ok
    assert judged.healings == 4
    assert check_journal(old).ok
    assert run(*asked, "--yes")[0] == 2  # it is there already


def test_what_two_have_planned_is_removed_once(old, tmp_path):
    with Journal(old) as journal, Journal(old) as other:
        before = datetime.now(UTC) - timedelta(days=30)
        plan, same = journal.plan_pruning(before), other.plan_pruning(before)
        journal.prune(plan)
        head = journal.head()
        other.prune(same)
        assert journal.head() == head
        with pytest.raises(UnknownName):
            other.prune(same, archive=tmp_path / "archive")
        assert list(tmp_path.glob("archive*")) == []
    assert check_journal(old).ok


def test_an_archive_that_can_not_be_written_whole_is_none(old, tmp_path, monkeypatch):
    archive = tmp_path / "old.jsonl"
    asked = ("journal", "archive", "--older-than", "30", "--journal", old, "--output", archive)

    def full(_file):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        result = CliRunner().invoke(popheal, [str(one) for one in (*asked, "--yes")])
    assert result.exit_code == 2
    assert f"{archive} can't be written (No space left on device), and nothing was" in result.stderr
    assert not archive.exists()
    assert check_journal(old).healings == 7
    assert run(*asked, "--yes")[0] == 0


def test_an_archive_s_name_is_on_the_disk_before_anything_is_removed(old, tmp_path, monkeypatch):
    """A file that is synced, and whose folder is not, may be gone after a loss of power."""
    synced, sync = [], os.fsync

    def noted(file):
        synced.append(os.fstat(file).st_ino)
        sync(file)

    monkeypatch.setattr(os, "fsync", noted)
    archive = tmp_path / "folder" / "old.jsonl"
    archive.parent.mkdir()
    with Journal(old) as journal:
        journal.prune(journal.plan_pruning(datetime.now(UTC)), archive=archive)
    assert synced == [one.stat().st_ino for one in (archive, archive.parent)]


def test_the_newest_healing_of_each_organisation_s_server_stays(path):
    """A journal may be of two, which have a server of one name."""
    with Journal(path) as journal:
        for number, organisation in enumerate(("one", "other")):
            at = LONG_AGO + timedelta(days=number)
            lease = begun(journal, organisation, at=at, organisation=organisation)
            lease.end(at=at, verdict="recovered", report={})
        assert journal.plan_pruning(datetime.now(UTC)).healings == ()


# --- odd questions -------------------------------------------------------------------------------


def test_a_time_without_a_zone_is_no_time(path):
    """It would be taken for one of this machine's zone."""
    then = NOW.replace(tzinfo=None)
    with Journal(path) as journal:
        for ask in (
            lambda: journal.healings(since=then),
            lambda: journal.effects(since=then),
            lambda: journal.budgets("mbx1", Policy(), organisation="contoso", at=then),
            lambda: journal.cancel("one", at=then),
            lambda: begun(journal, "two", at=then),
        ):
            begun(journal, "one")
            with pytest.raises(ValueError, match="needs a time zone"):
                ask()


def test_the_first_and_the_last_moment_are_moments_everywhere(path):
    with Journal(path) as journal:
        begun(journal, "one").end(at=NOW, verdict="recovered", report={})
        for hours, count in ((14, 1), (-14, 1)):
            early = datetime.min.replace(tzinfo=timezone(timedelta(hours=hours)))
            late = datetime.max.replace(tzinfo=timezone(timedelta(hours=hours)))
            assert len(journal.healings(since=early)) == count
            assert journal.healings(since=late) == []


def test_less_than_none_of_them_can_not_be_asked_for(path):
    with Journal(path) as journal, pytest.raises(ValueError, match="can't be -1"):
        journal.healings(newest=-1)


def test_a_name_that_is_no_text_is_no_healing_s(path):
    with Journal(path) as journal, pytest.raises(UnknownName):
        journal.healing("\udc80")


@pytest.mark.parametrize("kind", ["written", "read", "in memory"])
def test_an_export_that_is_not_finished_holds_up_nobody(path, kind):
    """Not another one, nor another thread: whoever takes the lines may never come back."""
    with ExitStack() as stack:
        first = stack.enter_context(Journal(None if kind == "in memory" else path))
        begun(first, "one")
        reads = kind == "read"
        journal = stack.enter_context(Journal(path, read_only=True)) if reads else first
        lines = journal.export()
        next(lines)
        whole = [one["type"] for one in journal.export()]
        with ThreadPoolExecutor(1) as thread:
            assert len(thread.submit(journal.healings).result(timeout=30)) == 1
        assert [*(one["type"] for one in lines)] == whole[1:]


def test_of_a_closed_one_nothing_is_exported(path):
    with Journal(path) as journal:
        begun(journal, "one")
    with pytest.raises(JournalError, match="It was closed: open it anew"):
        next(journal.export())


def test_what_was_tampered_with_is_not_pruned(old):
    with Journal(old) as journal, journal._database.transaction() as connection:
        connection.execute("DROP TRIGGER entry_is_never_changed")
        connection.execute("UPDATE entry SET server = 'mbx7' WHERE seq = 5")
    result = CliRunner().invoke(
        popheal, ["journal", "prune", "--older-than", "30", "--journal", str(old), "--yes"]
    )
    assert result.exit_code == 2
    assert "is not as it was written (J6, J7)" in result.stderr
    assert check_journal(old).healings == 7


def test_a_reboot_of_this_year_stays(path):
    """A policy may keep the restarts of a group's members up to a year apart."""
    with Journal(path) as journal:
        healed(journal, REBOOTED, datetime.now(UTC) - timedelta(days=100))
        healed(journal, RESTARTED, datetime.now(UTC) - timedelta(days=90))
        plan = journal.plan_pruning(datetime.now(UTC) - timedelta(days=50))
    assert plan.healings == ()
    assert plan.kept["as a budget may ask about their reboots for a year"] == 1


def test_the_list_is_of_the_newest(old):
    _, said = run("healings", "--journal", old, "--newest", "2", "--json")
    answer = json.loads(said)
    assert len(answer["runs"]) == 2
    assert answer["earlier"] is True
    assert "see --all" in run("healings", "--journal", old, "--newest", "2")[1]
    assert len(json.loads(run("healings", "--journal", old, "--all", "--json")[1])["runs"]) == 7

"""The command line over a journal: healing with one, reading it, going on, stopping.

In process with a simulated organisation in place of a real one, where a process that dies is a
journal that is closed; at the end with real processes, over the lab.
"""

from __future__ import annotations

import json
import os
import re
import resource
import shlex
import signal
import sqlite3
import subprocess
import time
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import pytest
from click.testing import CliRunner

import popheal
from popheal import Alert, Journal
from popheal.backends.simulated import load_scenario
from popheal.cli.app import popheal as command
from popheal.cli.exit_codes import worst
from popheal.cli.signals import BrokenOff
from popheal.journal.marks import Mark
from popheal.reports.report import Report
from tests.cli.test_over_lab import PATIENCE, POPHEAL, environment, lab

SERVER = "mbx1.contoso.com"


class Died(BaseException):
    """The process dies: nobody handles this."""


class Dying:
    """A backend under which the process dies, or something happens, in a method."""

    def __init__(self, backend, method, act):
        self._backend, self._method, self._act = backend, method, act

    def __getattr__(self, name):
        if name == self._method:
            self._act()
        return getattr(self._backend, name)


def die():
    raise Died


def run(*args, **env: str):
    arguments = [str(one) for one in args]
    return CliRunner().invoke(command, arguments, env={"POPHEAL_CONFIG": None, **env})


def answered(*args) -> dict:
    """What a command answers with --json, when all is well."""
    result = run(*args, "--json")
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    return json.loads(result.stdout)


def complaint(status: int, *args) -> str:
    """The one sentence of a command that can't do what it should."""
    for more in ((), ("--json",)):
        result = run(*args, *more)
        assert result.exit_code == status, result.output
        assert result.stdout == ""
        assert re.fullmatch(r"popheal: [^\n]+\n", result.stderr), result.stderr
        assert "Traceback" not in result.stderr
    return result.stderr


class World:
    """An organisation, a configuration that leads to it, and a journal."""

    def __init__(self, folder, scenario):
        self.folder = folder
        self.path = folder / "journal.db"
        self.config = folder / "popheal.toml"
        self.config.write_text(
            '[exchange]\nservers = ["ex1.contoso.com"]\n[journal]\npath = "journal.db"\n'
            '[policy]\napproval_from = "never"\n'
        )
        self.play(scenario)

    def play(self, scenario):
        self.scenario = load_scenario(scenario)
        self.backend = self.scenario.backend

    def heal(self, server=SERVER, at="", act=die, **options):
        """Heal in a process that may die when it calls a method; returns the healing's id."""
        backend = Dying(self.scenario.backend, at, act)
        with Journal(self.path) as journal:
            try:
                report = popheal.heal(Alert(server=server), backend, journal=journal, **options)
            except Died:
                (record,) = journal.healings(unfinished=True)[-1:]
                return record.id
        return report.id


@pytest.fixture
def world(tmp_path, monkeypatch):
    class Backend:
        def __init__(self, settings):
            assert settings.exchange.servers

        def __enter__(self):
            return made.backend

        def __exit__(self, *error):
            return None

    made = World(tmp_path, "mailbox-healed-by-reboot")
    monkeypatch.setattr("popheal.backends.psrp.PsrpBackend", Backend)
    return made


# --- heal ----------------------------------------------------------------------------------------


def test_a_healing_is_written_down_where_the_configuration_says(world):
    report = answered("heal", SERVER, "--config", world.config)
    with Journal(world.path, create=False) as journal:
        (record,) = journal.healings()
    assert record.id == report["id"]
    assert record.verdict == "recovered"


def test_the_option_goes_before_the_configuration(world):
    other = world.folder / "other.db"
    answered("heal", SERVER, "--config", world.config, "--journal", other)
    assert other.exists()
    assert not world.path.exists()


def test_without_a_journal_nothing_is_written(world):
    world.config.write_text('[exchange]\nservers = ["ex1.contoso.com"]\n')
    answered("heal", SERVER, "--yes", "--config", world.config)
    assert [one.name for one in world.folder.iterdir()] == ["popheal.toml"]


def test_a_server_that_another_run_has_is_left_alone(world):
    held = world.heal(at="restart_service")
    result = run("heal", SERVER, "--config", world.config, "--json")
    assert result.exit_code == 3
    report = json.loads(result.stdout)
    assert report["verdict"] == "held"
    (busy,) = [one for one in report["findings"] if one["kind"] == "busy"]
    assert held in busy["detail"]


def test_breaking_off_says_how_to_go_on(world):
    def out():
        raise BrokenOff

    world.backend = Dying(world.scenario.backend, "reboot", out)
    result = run("heal", SERVER, "--config", world.config)
    assert result.exit_code == 130
    (told,) = re.findall(
        r"Broken off\. What was begun is not undone \(restarting_pop3_backend, draining, "
        r"rebooting\)\. Go on with it: popheal (.*)\n",
        result.stderr,
    )
    world.backend = world.scenario.backend
    result = run(*shlex.split(told))
    assert result.exit_code == 0, result.output
    assert "Verdict    recovered" in result.stdout


def test_breaking_off_before_anything_was_begun(world):
    def out():
        raise BrokenOff

    world.backend = Dying(world.scenario.backend, "server_health", out)
    other = world.folder / "other.db"
    result = run("heal", SERVER, "--config", world.config, "--journal", other)
    assert result.exit_code == 130
    assert "Broken off. Nothing had been changed. Go on with it: popheal resume" in result.stderr
    assert f"--config {world.config} --journal {other}\n" in result.stderr


# --- a journal that fails ------------------------------------------------------------------------


def not_a_database(path):
    path.write_text("Dear diary, " * 1000)


def another_database(path):
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE diary (dear TEXT)")
    connection.close()


def of_the_future(path):
    Journal(path).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 1000")
    connection.close()


WRONG_PATHS = {
    "not a database": (not_a_database, "is no journal"),
    "another database": (another_database, "a database, but not a journal"),
    "a folder": (Path.mkdir, "is no file"),
    "of the future": (of_the_future, "a newer popheal"),
}


@pytest.mark.parametrize(("make", "said"), WRONG_PATHS.values(), ids=WRONG_PATHS)
def test_a_path_that_leads_to_no_journal_is_wrong_usage(world, make, said):
    path = world.folder / "other"
    make(path)
    assert said in complaint(2, "heal", SERVER, "--config", world.config, "--journal", path)
    assert said in complaint(2, "resume", "--config", world.config, "--journal", path)
    for name in ("healings", "show x", "cancel x"):
        assert complaint(2, *name.split(), "--journal", path)


def test_a_folder_that_is_not_there(world):
    path = world.folder / "none" / "journal.db"
    said = complaint(2, "heal", SERVER, "--config", world.config, "--journal", path)
    assert "can't be made (No such file or directory)" in said


@pytest.mark.parametrize("name", ["healings", "show x", "cancel x", "resume", "resume x"])
def test_a_journal_that_is_not_there_is_not_made(world, name):
    assert "does not exist" in complaint(2, *name.split(), "--config", world.config)
    assert not world.path.exists()


@pytest.mark.parametrize("name", ["healings", "show x", "cancel x", "export"])
def test_no_journal_named(world, name):
    nowhere = run(*name.split())
    assert nowhere.exit_code == 2
    assert "Give --journal PATH, or a configuration that names one" in nowhere.stderr
    world.config.write_text("")
    nowhere = run(*name.split(), "--config", world.config)
    assert nowhere.exit_code == 2
    assert "names none: give --journal PATH, or add [journal]" in nowhere.stderr


def test_a_configuration_that_names_none_can_resume_nothing(world):
    world.config.write_text('[exchange]\nservers = ["ex1.contoso.com"]\n')
    assert "names none" in complaint(2, "resume", "--config", world.config)


def test_a_corrupt_journal(world):
    world.heal()
    with sqlite3.connect(world.path) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    connection.close()
    size = world.path.stat().st_size
    with world.path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (size - 4096))
    assert "Keep the file" in complaint(74, "healings", "--config", world.config)
    assert "Keep the file" in complaint(74, "heal", SERVER, "--config", world.config)


def test_a_journal_that_another_program_has_locked(world, monkeypatch):
    world.heal()
    monkeypatch.setattr("popheal.journal.database._BUSY", 0.05)
    other = sqlite3.connect(world.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    assert "locked" in complaint(74, "heal", SERVER, "--config", world.config)
    assert len(answered("healings", "--config", world.config)["runs"]) == 1, "reading goes on"
    other.close()


def test_a_journal_that_is_moved_away_in_the_middle(world):
    """It is no wrong usage: a server has been drained, and what is to be done is said."""
    gone = world.folder / "gone.db"
    world.backend = Dying(world.scenario.backend, "reboot", lambda: world.path.rename(gone))
    result = run("heal", SERVER, "--config", world.config, "--json")
    assert (result.exit_code, result.stdout) == (74, "")
    assert "it was moved or replaced. Put it back, then: popheal resume." in result.stderr
    gone.rename(world.path)
    world.backend = world.scenario.backend
    assert "recovered" in run("resume", "--config", world.config).stdout


def test_a_disk_that_fills_up_in_the_middle(world, monkeypatch):
    def open_journal(path, **keywords):
        journal = Journal(path, **keywords)
        connection = journal._database._connection
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages + 2}")
        return journal

    with monkeypatch.context() as patched:
        patched.setattr("popheal.cli.commands.heal.open_journal", open_journal)
        result = run("heal", SERVER, "--config", world.config, "--json")
    assert result.exit_code == 74
    assert result.stdout == ""
    assert re.fullmatch(r"popheal: [^\n]+\n", result.stderr)
    assert "can't be written (database or disk is full). Make room on the disk" in result.stderr
    assert "What was begun is not undone (restarting_pop3_backend" in result.stderr
    (told,) = re.findall(r"Go on with it then: popheal (.*)\n", result.stderr)
    result = run(*shlex.split(told))
    assert result.exit_code == 0, result.output
    assert "Verdict    recovered" in result.stdout


def test_a_healing_that_is_taken_over_stops_and_says_so(world):
    def steal():
        with Journal(world.path) as journal:
            (record,) = journal.healings(unfinished=True)
            journal.take_over(record.id, at=datetime.now(UTC), steal=True)

    world.backend = Dying(world.scenario.backend, "mailbox_server", steal)
    result = run("heal", SERVER, "--config", world.config, "--json")
    assert result.exit_code == 3
    assert result.stdout == ""
    assert "another process has taken over" in result.stderr
    assert "popheal show" in result.stderr


# --- healings ------------------------------------------------------------------------------------


def test_runs_are_listed_the_newest_last(world):
    healed = world.heal()
    world.play("fault-survives-the-reboot")
    given_up = world.heal()
    world.play("mailbox-healed-by-reboot")
    broken = world.heal("mbx2", at="server_health")
    shown = run("healings", "--config", world.config)
    assert shown.exit_code == 0
    assert shown.stderr == ""
    head, *lines = shown.stdout.splitlines()
    assert head.split()[0] == "Healing"
    starts = [line for line in lines if re.match(r"\w{12}  ", line)]
    assert [line.split()[0] for line in starts] == [healed, given_up, broken]
    assert "recovered, after 9 min" in starts[0]
    assert "escalated, after" in starts[1]
    text = " ".join(shown.stdout.split())
    assert f"handed over: activation disabled on {SERVER} (off before)" in text
    assert "interrupted, verifying" in text


def test_an_interrupted_run_is_listed_with_what_it_owes_and_claims(world):
    world.heal(at="reboot")
    unfinished = run("healings", "--unfinished", "--config", world.config).stdout
    text = " ".join(unfinished.split())
    assert "interrupted: mailbox at rebooting;" in text
    how = f"  popheal resume --config {world.config}\n"
    assert unfinished.endswith(f"Go on with what was interrupted:\n{how}")
    assert f"owed: activation disabled on {SERVER} (off before)" in text
    assert "claims dag dag1, server mbx1" in text
    (one,) = answered("healings", "--config", world.config)["runs"]
    assert one["state"] == "interrupted"
    assert one["verdict"] is None
    assert one["ended_at"] is None
    assert one["runs"][0]["state"] == "rebooting"
    assert one["debts"] == [
        {"kind": "activation_disabled", "server": SERVER, "prior": False, "status": "owed"}
    ]
    assert one["claims"] == [{"kind": "dag", "name": "dag1"}, {"kind": "server", "name": "mbx1"}]


def test_a_run_of_a_living_process_is_running_or_waiting(world):
    told = []

    def look():
        if not told:
            told.append(answered("healings", "--config", world.config)["runs"][0])
            told.append(run("healings", "--config", world.config).stdout)
            name = told[0]["id"]
            told.append(run("show", name[:5], "--config", world.config).stdout)

    world.heal(at="restart_service", act=look)
    assert told[0]["state"] == "running"
    assert "running: mailbox at restarting_pop3_backend" in " ".join(told[1].split())
    assert f"Now        process {os.getpid()} on " in told[2]
    assert (
        f"Next       Let it, or stop it:\n  popheal cancel {told[0]['id']} --journal {world.path}\n"
        in told[2]
    )


def test_the_name_of_version_0_1_0_is_still_understood(world):
    """``runs`` lists the same, and the help does not mention it."""
    world.heal()
    for args in (["--config", world.config], ["--journal", world.path, "--unfinished", "--json"]):
        assert run("runs", *args).output == run("healings", *args).output != ""
    assert "popheal runs" not in run("--help").stdout
    assert " runs " not in run("--help").stdout


def test_nothing_to_list(world):
    Journal(world.path).close()
    assert run("healings", "--config", world.config).stdout == "There is no healing yet.\n"
    shown = run("healings", "--unfinished", "--journal", world.path).stdout
    assert shown == "There is no unfinished healing.\n"
    assert answered("healings", "--config", world.config) == {"runs": []}


def test_looking_changes_nothing(world):
    name = world.heal(at="reboot")
    before = sorted((one.name, one.read_bytes()) for one in world.folder.iterdir())
    for args in (["healings"], ["show", name], ["export"]):
        assert run(*args, "--config", world.config).exit_code == 0
    after = sorted((one.name, one.read_bytes()) for one in world.folder.iterdir())
    assert [name for name, _ in before if "-owner-" not in name] == [
        name for name, _ in after if "-owner-" not in name
    ]
    assert dict(before)["journal.db"] == dict(after)["journal.db"]


# --- show ----------------------------------------------------------------------------------------


def test_the_story_of_a_run_that_has_ended(world):
    name = world.heal()
    story = run("show", name, "--config", world.config).stdout
    in_order = [
        f"Healing    {name} on {SERVER}",
        "Begun      2026-01-05 08:00:00 UTC, with popheal",
        f"Alert      {SERVER}, health set POP",
        "Seen       unhealthy: PopDeepTestMonitor is Unhealthy",
        f"mailbox on {SERVER}, for PopDeepTestMonitor ({name}.1)",
        "intent  restarting_pop3_backend     Restart-Service MSExchangePOP3BE",
        "change  restarting_pop3_backend     done: restarted",
        "intent  draining                    Set-MailboxServer",
        "disrupt draining",
        "intent  rebooting                   Restart-Computer",
        "restore awaiting_server",
        "restore failing_back",
        "Verdict    recovered",
        f"Debts      paid: activation disabled on {SERVER} (off before)",
    ]
    places = [story.find(part) for part in in_order]
    assert -1 not in places, in_order[places.index(-1)]
    assert places == sorted(places)
    assert "\x1b" not in story
    assert not [line for line in story.splitlines() if line != line.rstrip()]


@pytest.mark.parametrize("columns", [30, 80, 120])
def test_the_story_fits_the_terminal(world, columns):
    name = world.heal()
    for args in (["show", name], ["healings"]):
        shown = run(*args, "--config", world.config, COLUMNS=str(columns)).stdout
        assert max(map(len, shown.splitlines())) <= max(columns, 70)


def test_the_handover_is_part_of_the_story(world):
    world.play("server-never-comes-back")
    name = world.heal()
    story = run("show", name, "--config", world.config).stdout
    assert "Left as    mbx1.contoso.com is left drained" in story
    assert "-DatabaseCopyActivationDisabledAndMoveNow $false" in story


def test_the_story_of_a_run_that_was_interrupted_and_gone_on_with(world):
    name = world.heal(at="reboot")
    story = run("show", name, "--config", world.config).stdout
    assert f"Now        interrupted: process {os.getpid()} on " in story
    assert "Debts      owed: activation disabled" in story
    how = f"popheal resume {name} --config {world.config}"
    assert f"Next       Go on with it:\n  {how}\n" in story, "to be pasted, however narrow"
    run("resume", "--config", world.config)
    story = run("show", f"{name}.1", "--config", world.config).stdout
    assert "  another process goes on with it\n" in story
    assert f"mailbox on {SERVER}, going on ({name}.1)" in story
    assert "Verdict    recovered" in story


def test_the_story_of_an_approval(world):
    from popheal.tables.actions import Impact

    name = world.heal(policy=popheal.Policy(approval_from=Impact.DISRUPT))
    story = run("show", name, "--config", world.config).stdout
    assert "ask     a person is asked to approve plan" in story
    assert "answer  plan" in story
    assert "at most 1 reboot" in " ".join(story.split())


def test_a_run_that_waits_for_an_approval_says_how_to_give_it(world):
    from popheal.tables.actions import Impact

    told = []

    def approver(request):
        told.append(answered("healings", "--config", world.config)["runs"][0])
        told.append(run("healings", "--config", world.config).stdout)
        told.append(run("show", told[0]["id"], "--config", world.config).stdout)
        return False

    world.heal(policy=popheal.Policy(approval_from=Impact.DISRUPT), approver=approver)
    standing, lines, story = told
    assert standing["state"] == "asking"
    how = (
        f"popheal approve {standing['asking']['run']} --plan {standing['asking']['plan']} "
        f"--journal {world.path}"
    )
    assert "asking for an approval until 09:01:30: mailbox at draining" in " ".join(lines.split())
    assert lines.endswith(f"Approve what is asked for, or refuse it:\n  {how}\n")
    assert f"Next       Approve the plan, or refuse it:\n  {how}\n" in story


def test_the_record_as_json(world):
    name = world.heal()
    shown = answered("show", name[:4], "--config", world.config)
    assert shown["id"] == name
    assert shown["state"] == "ended"
    assert shown["verdict"] == "recovered"
    assert shown["healing"]["report"]["verdict"] == "recovered"
    assert Report.from_json(shown["healing"]["report"]).verdict.value == "recovered"
    kinds = [one["kind"] for one in shown["entries"]]
    assert kinds[:4] == ["finding", "run_started", "intent", "outcome"]


def test_a_run_nobody_knows(world):
    world.heal()
    for name in ("show", "cancel", "resume"):
        said = complaint(2, name, "nosuch", "--config", world.config)
        assert f"There is no healing 'nosuch' in the journal {world.path}." in said
        assert "popheal healings" in said


def test_the_beginning_of_several_runs(world):
    with Journal(world.path) as journal:
        for name in ("abc1", "abc2"):
            journal.begin(
                name,
                at=datetime.now(UTC),
                organisation="o",
                server="s",
                version="1",
                alert={"server": "s"},
                policy={},
            )
    said = complaint(2, "show", "abc", "--config", world.config)
    assert "the beginning of more than one healing: abc1, abc2. Give more of it." in said


def spoil(data: dict, evil: str) -> dict:
    """What was written down, with something evil in each text."""
    for one in data.get("findings", ()):
        one["detail"] = one["server"] = evil
    if "step" in data:
        data["step"] |= dict.fromkeys(("state", "detail", "impact"), evil)
    if "command" in data:
        data["command"] = evil
    if "run" in data:
        data["run"] |= dict.fromkeys(("state", "procedure", "monitor"), evil)
        for debt in data["run"]["debts"]:
            debt["server"] = debt["kind"] = evil
    return data


def test_what_others_wrote_cannot_steer_a_terminal(world):
    evil = "\x1b]0;owned\x07\x1b[31mred\u202e\r\nVerdict    recovered\x9b2J"
    name = world.heal(at="reboot")
    with sqlite3.connect(world.path) as connection:
        connection.execute("DROP TRIGGER entry_is_never_changed")
        connection.execute("UPDATE healing SET server = ?, version = ?", (evil, evil))
        connection.execute("UPDATE owner SET process = ?", (evil,))
        connection.execute("UPDATE claim SET name = name || ?", (evil,))
        connection.execute("UPDATE entry SET server = ?, outcome = outcome || ?", (evil, evil))
        alert = json.dumps({"server": evil, "text": evil, "health_set": "POP"})
        connection.execute("UPDATE healing SET alert = ?", (alert,))
        for seq, text in connection.execute("SELECT seq, data FROM entry").fetchall():
            spoilt = json.dumps(spoil(json.loads(text), evil))
            connection.execute("UPDATE entry SET data = ? WHERE seq = ?", (spoilt, seq))
    connection.close()
    for args in (
        ["healings"],
        ["show", name],
        ["cancel", name],
        ["healings", "--json"],
        ["export"],
    ):
        result = run(*args, "--config", world.config)
        assert result.exit_code == 0, (args, result.output)
        for shown in (result.stdout, result.stderr):
            assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", shown), args
        assert not re.search(r"^Verdict", result.stdout, re.MULTILINE)


# --- export --------------------------------------------------------------------------------------


def lines_of(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_the_journal_as_json_lines(world):
    first = world.heal()
    second = world.heal()
    exported = run("export", "--config", world.config)
    assert exported.exit_code == 0
    head, *lines = lines_of(exported.stdout)
    assert head["type"] == "journal"
    assert head["format"] == 2
    assert [one["id"] for one in lines if one["type"] == "healing"] == [first, second]
    with Journal(world.path) as journal:
        known = journal.entries()
    marks = {one.value for one in Mark}
    entries = [one for one in lines if one["type"] == "entry" and one["kind"] not in marks]
    assert [one["seq"] for one in entries] == [one.seq for one in known]
    assert [one["kind"] for one in entries] == [one.kind.value for one in known]
    healing = next(one for one in lines if one["type"] == "healing")
    assert healing["id"] == entries[0]["healing"] == first
    assert set(healing) == {
        *("type", "id", "organisation", "server", "version", "alert", "policy", "begun_at"),
        *("owner", "alive", "cancel_at", "ended_at", "verdict", "report", "begun_by"),
        *("owner_number", "fence", "claims"),
    }
    assert set(entries[0]) == {
        *("type", "seq", "at", "healing", "run", "server", "kind", "what", "outcome", "data"),
        "hash",
    }


def test_one_run_to_a_file_for_its_owner_only(world):
    world.heal()
    second = world.heal()
    output = world.folder / "second.jsonl"
    exported = run("export", second, "--config", world.config, "--output", output)
    assert exported.exit_code == 0
    assert exported.stdout == ""
    assert output.stat().st_mode & 0o777 == 0o600
    _, *lines = lines_of(output.read_text())
    assert {one.get("healing", one.get("id")) for one in lines} == {second}


def test_an_export_never_overwrites_the_journal(world):
    world.heal()
    before = world.path.read_bytes()
    result = run("export", "--config", world.config, "-o", world.path)
    assert result.exit_code == 2
    assert "is the journal itself" in result.stderr
    assert world.path.read_bytes() == before


def test_an_export_that_can_not_be_written(world):
    world.heal()
    nowhere = run("export", "--config", world.config, "-o", world.folder / "none" / "x")
    assert nowhere.exit_code == 2
    assert "can't be written (No such file or directory)" in nowhere.stderr
    full = run("export", "--config", world.config, "-o", "/dev/full")
    assert full.exit_code == 74
    assert "No space left" in full.stderr


def test_a_reader_that_goes_away(world):
    for _ in range(10):
        world.heal()
    script = f"{shlex.join(POPHEAL)} export --journal {world.path} | head -n 1"
    result = subprocess.run(
        ["bash", "-o", "pipefail", "-c", script],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (result.returncode, result.stderr) == (0, "")


# --- resume --------------------------------------------------------------------------------------


def test_one_run_is_gone_on_with(world):
    name = world.heal(at="reboot")
    report = answered("resume", name[:6], "--config", world.config)
    assert report["id"] == name
    assert report["verdict"] == "recovered"


def test_going_on_is_told(world):
    name = world.heal(at="reboot")
    result = run("resume", "--config", world.config)
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Resumed    {name}, begun 2026-01-05 08:00:00 UTC\nAlert  ")
    assert f"mailbox on {SERVER}, going on" in result.stdout
    assert "Verdict    recovered" in result.stdout


def test_all_are_gone_on_with_the_oldest_first(world):
    first = world.heal(at="reboot")
    second = world.heal("mbx2", at="server_health")
    resumed = answered("resume", "--config", world.config)
    assert [one["id"] for one in resumed["resumed"]] == [first, second]
    assert [one["verdict"] for one in resumed["resumed"]] == ["recovered", "nothing_wrong"]


def test_the_status_is_that_of_the_worst(world):
    assert worst([]) == 0
    assert worst([0, 3]) == 3
    assert worst([3, 4, 0]) == 4
    assert worst([4, 1, 3]) == 1
    world.play("fault-survives-the-reboot")
    world.heal(at="reboot")
    world.heal("mbx2", at="server_health")
    result = run("resume", "--config", world.config)
    assert result.exit_code == 1
    assert "Verdict    escalated" in result.stdout
    assert "Verdict    nothing_wrong" in result.stdout


def test_nothing_to_resume(world):
    world.heal()
    result = run("resume", "--config", world.config)
    assert (result.exit_code, result.stdout) == (0, "There is nothing to resume.\n")
    assert answered("resume", "--config", world.config) == {"resumed": []}


def test_what_lives_is_left_alone(world):
    told = []

    def look():
        name = answered("healings", "--config", world.config)["runs"][0]["id"]
        told.append(run("resume", "--config", world.config, "--json"))
        told.append(complaint(3, "resume", name, "--config", world.config))

    world.heal(at="restart_service", act=look)
    everything, one = told
    assert everything.exit_code == 0
    assert json.loads(everything.stdout)["resumed"] == []
    (skipped,) = json.loads(everything.stdout)["skipped"]
    assert f"it is being carried out by process {os.getpid()}" in skipped["why"]
    assert "is left alone: it is being carried out" in everything.stderr
    assert "is being carried out by process" in one
    assert "popheal cancel" in one


def test_what_has_ended_can_not_be_resumed(world):
    name = world.heal()
    said = complaint(2, "resume", name, "--config", world.config)
    assert f"Healing {name} on {SERVER} has ended already (recovered, " in said


def test_another_organisation_is_refused(world):
    name = world.heal(at="reboot")
    with sqlite3.connect(world.path) as connection:
        connection.execute("UPDATE healing SET organisation = 'another'")
    connection.close()
    said = complaint(2, "resume", name, "--config", world.config)
    assert "was begun on the organisation another" in said
    result = run("resume", "--config", world.config, "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["resumed"] == []
    assert "another" in json.loads(result.stdout)["skipped"][0]["why"]


def test_the_policy_of_the_configuration_counts(world):
    world.heal(at="mailbox_server")
    with world.config.open("a") as file:
        file.write('highest_impact = "change"\n')
    report = json.loads(run("resume", "--config", world.config, "--json").stdout)["resumed"][0]
    assert report["verdict"] == "escalated"
    assert "the policy allows nothing beyond 'change'" in report["summary"]


def test_breaking_off_what_was_resumed_says_how_to_go_on(world):
    name = world.heal(at="reboot")

    def out():
        raise BrokenOff

    world.backend = Dying(world.scenario.backend, "reboot", out)
    result = run("resume", "--config", world.config)
    assert result.exit_code == 130
    assert f"Go on with it: popheal resume {name} --config {world.config}\n" in result.stderr


def test_a_stop_ends_the_others_before_they_are_begun(world):
    world.heal(at="reboot")
    second = world.heal("mbx2", at="server_health")
    stops = []

    def stop():
        if not stops:
            stops.append(signal.raise_signal(signal.SIGINT))

    world.backend = Dying(world.scenario.backend, "host_status", stop)
    result = run("resume", "--config", world.config, "--json")
    told = json.loads(result.stdout)
    assert result.exit_code == 1
    assert len(told["resumed"]) == 1
    assert [one["run"] for one in told["skipped"]] == [second]
    assert told["skipped"][0]["why"] == "a person said stop"


# --- cancel --------------------------------------------------------------------------------------


def test_a_living_run_is_stopped_from_elsewhere(world):
    told = []

    def stop():
        if not told:
            name = answered("healings", "--config", world.config)["runs"][0]["id"]
            told.append(run("cancel", name, "--journal", world.path))
            told.append(run("healings", "--config", world.config))

    name = world.heal(at="restart_service", act=stop)
    assert told[0].exit_code == 0
    assert f"Healing {name} on {SERVER} is marked to be stopped. process {os.getpid()}" in " ".join(
        told[0].stdout.split()
    )
    assert "a person said stop" in " ".join(told[1].stdout.split())
    (one,) = answered("healings", "--config", world.config)["runs"]
    assert one["verdict"] == "cancelled"


def test_an_interrupted_run_is_only_put_back_afterwards(world):
    name = world.heal(at="reboot")
    stopped = answered("cancel", name, "--config", world.config)
    assert stopped["id"] == name
    assert stopped["state"] == "interrupted"
    assert stopped["stop_asked_at"]
    assert stopped["next_step"].endswith(f"popheal resume {name} --config {world.config}")
    shown = run("cancel", name, "--journal", world.path).stdout
    assert "It was interrupted, so nobody is at work on it." in shown
    assert f"popheal resume {name} --config FILE --journal {world.path}" in shown


def test_what_was_stopped_is_not_gone_on_with_but_put_back(world):
    name = world.heal(at="reboot")
    answered("cancel", name, "--config", world.config)
    result = run("resume", name, "--config", world.config, "--json")
    assert result.exit_code == 1
    report = json.loads(result.stdout)
    assert "rebooting" not in [
        one["state"] for one in report["runs"][0]["steps"] if one["outcome"] == "done"
    ]


def test_what_has_ended_can_not_be_stopped(world):
    name = world.heal()
    said = complaint(2, "cancel", name, "--config", world.config)
    assert f"Healing {name} on {SERVER} has ended already (recovered, " in said


# --- help ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["healings", "show", "export", "resume", "cancel"])
def test_every_command_has_help_with_an_example(name):
    result = run(name, "--help")
    assert result.exit_code == 0
    assert f"    popheal {name}" in result.stdout
    narrow = CliRunner().invoke(command, [name, "--help"], terminal_width=60).stdout
    assert max(map(len, narrow.splitlines())) <= 60


# --- real processes ------------------------------------------------------------------------------

over_the_lab = pytest.mark.skipif(find_spec("psrpcore") is None, reason="needs popheal[lab]")


def execute(*args: object, **options) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(
        [*POPHEAL, *map(str, args)],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=PATIENCE,
        check=False,
        **options,
    )
    assert "Traceback" not in result.stderr
    return result


def listed(config) -> list[dict]:
    return json.loads(execute("healings", "--config", config, "--json").stdout)["runs"]


class Healing:
    """A ``popheal heal`` that runs until it comes to a state, told by its log."""

    def __init__(self, config, state, *more):
        self.process = subprocess.Popen(
            [*POPHEAL, "heal", "mbx1", "-v", "--config", str(config), *more],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        for line in self.process.stderr:
            if "action_started" in line and f"state='{state}'" in line:
                break
        else:
            pytest.fail(self.process.stdout.read())

    def __enter__(self):
        return self.process

    def __exit__(self, *_error):
        self.process.kill()
        self.process.communicate()


def with_journal(config):
    with config.open("a") as file:
        file.write('\n[journal]\npath = "journal.db"\n')


@pytest.mark.slow
@pytest.mark.lab
@over_the_lab
def test_killed_while_it_waits_for_the_server_and_gone_on_with(tmp_path):
    with lab(tmp_path, "mailbox-healed-by-reboot", 60) as config:
        with_journal(config)
        with Healing(config, "awaiting_server") as process:
            process.send_signal(signal.SIGSTOP)  # it waits however long the others take
            (living,) = listed(config)
            assert living["state"] == "running"
            assert living["process"].startswith(f"process {process.pid} on ")
            busy = execute("heal", "mbx1", "--config", config, "--json")
            # While it is down there may be nothing to be verified; nothing is done either way.
            assert busy.returncode in (3, 4), busy.stdout
            assert json.loads(busy.stdout)["runs"] == []
            process.send_signal(signal.SIGKILL)
            process.wait()
        (dead,) = [one for one in listed(config) if not one["ended_at"]]
        assert dead["state"] == "interrupted"
        assert [one["kind"] for one in dead["debts"]] == ["activation_disabled"]
        resumed = execute("resume", "--config", config, "--json")
        assert resumed.returncode == 0, resumed.stdout
        (report,) = json.loads(resumed.stdout)["resumed"]
        assert report["id"] == dead["id"]
        assert report["verdict"] == "recovered"
        assert [one["status"] for one in report["debts"]] == ["paid"]
        assert execute("resume", "--config", config).stdout == "There is nothing to resume.\n"
        story = execute("show", dead["id"], "--config", config).stdout
    assert story.count("Restart-Computer") == 1
    assert (tmp_path / "journal.db").stat().st_mode & 0o777 == 0o600


@pytest.mark.slow
@pytest.mark.lab
@over_the_lab
def test_stopped_by_another_process(tmp_path):
    with lab(tmp_path, "command-time-healed-by-reboot", 60) as config:
        with_journal(config)
        with Healing(config, "waiting", "--json") as process:
            (living,) = listed(config)
            busy = execute("heal", "mbx1", "--config", config, "--json")
            assert busy.returncode == 3
            assert living["id"] in busy.stdout
            stopped = execute("cancel", living["id"], "--config", config)
            assert stopped.returncode == 0
            assert f"process {process.pid} on " in stopped.stdout
            printed, _ = process.communicate(timeout=PATIENCE)
        assert process.returncode == 1
    report = json.loads(printed)
    assert report["id"] == living["id"]
    assert report["verdict"] == "cancelled"


@pytest.mark.slow
@pytest.mark.lab
@over_the_lab
def test_broken_off_by_a_second_ctrl_c_and_gone_on_with(tmp_path):
    with lab(tmp_path, "command-time-healed-by-restart", 60) as config:
        with_journal(config)
        with Healing(config, "waiting") as process:
            process.send_signal(signal.SIGINT)
            for line in process.stderr:
                if "Stopping" in line:
                    break
            process.send_signal(signal.SIGINT)
            _, complaints = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130, complaints
        (told,) = re.findall(r"Go on with it: popheal (resume \w{12} --config .*)\n", complaints)
        resumed = execute(*shlex.split(told), "--json")
    # The first Ctrl-C has said stop, which whoever goes on heeds: it only puts things back.
    assert resumed.returncode == 1, resumed.stdout
    assert json.loads(resumed.stdout)["verdict"] == "cancelled"


@pytest.mark.slow
@pytest.mark.lab
@over_the_lab
def test_a_file_that_must_not_grow(tmp_path):
    """What a full disk does, by a limit on the size of files."""

    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    with lab(tmp_path, "mailbox-healed-by-restart") as config:
        with_journal(config)
        execute("healings", "--config", config)
        result = execute("heal", "mbx1", "--config", config, "--json", preexec_fn=limit)
        assert result.returncode == 74, result.stderr
        assert result.stdout == ""
        assert re.fullmatch(r"popheal: The journal [^\n]+\n", result.stderr), result.stderr


@pytest.mark.slow
@pytest.mark.lab
@over_the_lab
def test_reading_while_another_writes(tmp_path):
    with lab(tmp_path, "mailbox-healed-by-reboot") as config:
        with_journal(config)
        with Healing(config, "restarting_pop3_backend") as process:
            ended = time.monotonic() + PATIENCE
            looks = 0
            while process.poll() is None and time.monotonic() < ended:
                for args in (["healings", "--json"], ["export"]):
                    shown = execute(*args, "--config", config)
                    assert (shown.returncode, shown.stderr) == (0, "")
                    for line in shown.stdout.splitlines() if args == ["export"] else []:
                        json.loads(line)
                looks += 1
                if looks == 3:
                    process.communicate(timeout=PATIENCE)
        assert looks
    assert process.returncode == 0

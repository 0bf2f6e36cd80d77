"""Asking at the terminal, and ``popheal approve``: real processes, over a lab."""

from __future__ import annotations

import json
import os
import queue
import re
import shlex
import signal
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from threading import Thread
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from popheal import Alert, Journal, Policy, Verdict, heal, plan
from popheal.backends.simulated import load_scenario
from popheal.cli import prompt
from popheal.cli.app import popheal as command
from popheal.engine.approval import ApprovalRequest
from popheal.journal.entries import ApprovalAsked
from popheal.tables.actions import Impact
from popheal.util import account

SCENARIO = "mailbox-healed-by-restart"
CHANGE = Policy(approval_from=Impact.CHANGE)


def run(*args: str):
    return CliRunner().invoke(command, args, env={"POPHEAL_CONFIG": None})


# --- popheal approve -----------------------------------------------------------------------------


@pytest.fixture
def asking(tmp_path):
    """A journal in which a run waits, and what it asks; times are those of the wall clock."""
    path = tmp_path / "journal.db"
    journal = Journal(path)
    lease = journal.begin(
        "abc123",
        at=datetime.now(UTC),
        organisation="o",
        server="mbx1",
        version="0",
        alert={},
        policy={},
    )
    now = datetime.now(UTC)
    lease.ask(
        ApprovalAsked(
            at=now,
            server="mbx1.contoso.com",
            run_id="abc123.1",
            plan="f00d",
            impact=Impact.DISRUPT,
            expires_at=now + timedelta(hours=1),
            planned={},
        )
    )
    yield path, journal
    journal.close()


@pytest.mark.parametrize("name", ["abc123", "abc123.1", "abc"])
def test_approving(asking, name):
    path, journal = asking
    result = run("approve", name, "--plan", "f00d", "--journal", str(path))
    assert result.output == "Plan f00d of run abc123.1 on mbx1.contoso.com: approved.\n"
    assert result.exit_code == 0
    (question,) = journal.questions("abc123")
    assert question.outcome == "granted"
    assert " on " in question.by


def test_refusing_as_json(asking):
    path, journal = asking
    result = run(
        "approve", "abc123", "--plan", "f00d", "--refuse", "--json", "--journal", str(path)
    )
    assert json.loads(result.stdout)["outcome"] == "refused"
    assert journal.questions("abc123")[0].outcome == "refused"


@pytest.fixture(autouse=True)
def names_are_looked_up_anew():
    """What an account is called is remembered for as long as a process lives."""
    yield
    account._name_of.cache_clear()


def named_by(monkeypatch, names):
    import pwd

    monkeypatch.setattr(pwd, "getpwuid", names)
    account._name_of.cache_clear()


@pytest.mark.skipif(sys.platform == "win32", reason="accounts have numbers on POSIX only")
@pytest.mark.parametrize("known", [True, False])
def test_who_answers_is_known_to_the_operating_system(asking, monkeypatch, known):
    """Not what the environment says, which anybody can set; nor is a name needed."""

    def named(number):
        assert number == os.getuid()
        if not known:
            raise KeyError(number)
        return SimpleNamespace(pw_name="ann")

    named_by(monkeypatch, named)
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.setenv(name, "the-director")
    path, journal = asking
    run("approve", "abc123", "--plan", "f00d", "--journal", str(path))
    who = "ann" if known else f"user {os.getuid()}"
    assert journal.questions("abc123")[0].by == f"{who} on {socket.gethostname()}"


def test_who_began_is_told_that_another_person_is_wanted(tmp_path, monkeypatch):
    """Over a journal in a file: the account of the operating system decides."""
    path = tmp_path / "journal.db"
    scenario = load_scenario("mailbox-healed-by-reboot")
    told = []

    def somebody(event):
        if event.name == "approval_asked":
            told.append(run("approve", event.run_id, "--plan", event.plan, "--journal", str(path)))
            named = SimpleNamespace(pw_name="another")
            named_by(monkeypatch, lambda _: named)
            told.append(run("approve", event.run_id, "--plan", event.plan, "--journal", str(path)))

    monkeypatch.setattr("popheal.journal.journal.datetime", scenario_time(scenario))
    policy = Policy(approval_from=Impact.DISRUPT, approval_by_another=True)
    with Journal(path) as journal:
        report = heal(
            Alert(server=scenario.server),
            scenario.backend,
            policy=policy,
            journal=journal,
            observers=[somebody],
        )
    assert report.verdict is Verdict.RECOVERED
    refused, taken = told
    assert refused.exit_code == 2
    assert "the policy wants another person to approve" in refused.stderr
    assert taken.exit_code == 0, taken.stderr


def scenario_time(scenario):
    """The wall's clock of the command that answers, by the scenario's."""

    class Now(datetime):
        @classmethod
        def now(cls, tz=None):
            return scenario.backend.clock.now()

    return Now


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["abc123", "--plan", "beef"], "what it asks to be approved is plan f00d"),
        (["zzz", "--plan", "f00d"], "There is no healing 'zzz'"),
        (["abc123"], "Missing option '--plan'"),
    ],
)
def test_what_can_not_be_approved(asking, args, said):
    result = run("approve", *args, "--journal", str(asking[0]))
    assert result.exit_code == 2
    assert result.stdout == ""
    assert said in result.stderr
    assert run("approve", "abc123", "--plan", "f00d").exit_code == 2


# --- asking --------------------------------------------------------------------------------------


def request_of(scenario, policy: Policy = CHANGE, **fields) -> ApprovalRequest:
    found = load_scenario(scenario)
    (planned,) = plan(Alert(server=found.server), found.backend, policy=policy).runs
    now = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
    return ApprovalRequest(
        run="abc123.1",
        server=planned.server,
        plan=planned,
        action="Restart it",
        asked_at=now,
        expires_at=now + timedelta(hours=1),
        **fields,
    )


def test_without_a_terminal_the_command_is_said(tmp_path, capsys):
    request = request_of("mailbox-healed-by-reboot", journal=tmp_path / "a journal.db")
    assert prompt.ask_here(request) is None
    said = capsys.readouterr().err
    assert f"--plan {request.plan.hash} --journal '{tmp_path / 'a journal.db'}'" in said
    assert "at most 1 reboot" in said
    assert "DB01 (to MBX2 or MBX3" in said
    assert prompt.ask_here(request_of(SCENARIO)) is None
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("typed", "said"), [("y\n", True), ("Yes\n", True), ("\n", False), ("n\n", False), ("", False)]
)
def test_what_is_typed(monkeypatch, capsys, typed, said):
    lines = queue.SimpleQueue()
    lines.put("y\n")  # before the question
    monkeypatch.setattr(prompt, "_keyboard", lambda: lines)
    monkeypatch.setattr(prompt, "_at_a_terminal", lambda: True)
    later = Thread(target=lambda: lines.put(typed))
    looks = []

    def over():
        if not looks:
            later.start()
        looks.append(1)
        return False

    assert prompt.ask_here(request_of("mailbox-healed-by-reboot", over=over)) is said
    told = capsys.readouterr().err
    for label in ("Approve?", "Now", "Impact", "At most", "Databases", "Plan", "Until"):
        assert re.search(rf"^{re.escape(label)} ", told, re.MULTILINE)


def test_who_is_asked_is_told_where_the_policy_ends_it(monkeypatch, capsys):
    policy = Policy(highest_impact=Impact.CHANGE, approval_from=Impact.CHANGE)
    monkeypatch.setattr(prompt, "_keyboard", queue.SimpleQueue)
    monkeypatch.setattr(prompt, "_at_a_terminal", lambda: True)
    prompt.ask_here(request_of("mailbox-healed-by-reboot", policy, over=lambda: True))
    told = capsys.readouterr().err
    assert "The policy allows no 'disrupt'" in told
    assert "Databases  none is moved" in told, "though two are active there"


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
def test_ctrl_d_is_a_no_to_one_question(monkeypatch, capsys):
    """The next one is asked as if nothing had been; it would else wait until it expires."""
    ours, theirs = os.openpty()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(fileno=lambda: theirs))
    monkeypatch.setattr(prompt, "_at_a_terminal", lambda: True)
    prompt._keyboard.cache_clear()
    for keys, expected in ((b"\x04", False), (b"y\n", True)):
        looks = iter(range(100))

        def over(keys=keys, looks=looks):
            look = next(looks, None)
            if look == 0:
                os.write(ours, keys)
            return look is None or look > 20  # about five seconds

        assert prompt.ask_here(request_of(SCENARIO, over=over)) is expected
    assert "[y/N] \n" in capsys.readouterr().err
    prompt._keyboard.cache_clear()
    os.close(ours)
    os.close(theirs)


def test_a_question_that_is_over_is_no_longer_asked(monkeypatch, capsys):
    monkeypatch.setattr(prompt, "_keyboard", queue.SimpleQueue)
    monkeypatch.setattr(prompt, "_at_a_terminal", lambda: True)
    assert prompt.ask_here(request_of(SCENARIO, over=lambda: True)) is None
    assert capsys.readouterr().err.endswith("[y/N] \n")


def test_nobody_is_asked_without_a_terminal_or_a_journal(tmp_path):
    config = tmp_path / "policy.toml"
    config.write_text('[policy]\napproval_from = "change"\n')
    result = run("rehearse", SCENARIO, "--json", "--config", str(config))
    report = json.loads(result.stdout)
    assert report["verdict"] == "held"
    assert "nobody to ask" in report["summary"]


def test_a_plan_prints_its_hash_and_its_databases(tmp_path):
    scenario = load_scenario("mailbox-healed-by-reboot")
    made = plan(Alert(server=scenario.server), scenario.backend)
    from popheal.cli.render.console import console
    from popheal.cli.render.plan import plan_lines

    told = "\n".join(str(line) for line in plan_lines(console(sys.stdout), made, Policy()))
    assert f"Plan       {made.runs[0].hash}" in told
    assert "Databases  DB01 (to MBX2 or MBX3" in told
    asked = []
    heal(
        Alert(server=scenario.server),
        scenario.backend,
        policy=CHANGE,
        approver=lambda request: bool(asked.append(request.plan.hash)),
        journal=Journal(),
    )
    assert asked == [made.runs[0].hash]


# --- over a lab ----------------------------------------------------------------------------------


@pytest.fixture
def lab_config(tmp_path):
    pytest.importorskip("psrpcore", reason="needs popheal[lab]")
    from tests.cli.test_over_lab import lab

    with lab(tmp_path, SCENARIO, 100) as config:
        path = config.with_name("prompt.toml")
        journal = tmp_path / "journal.db"
        text = config.read_text().replace('approval_from = "never"', 'approval_from = "change"')
        path.write_text(f"{text}\n[journal]\npath = '{journal}'\n")
        yield path


def healing(config, **streams):
    from tests.cli.test_over_lab import POPHEAL, environment

    return subprocess.Popen(
        [*POPHEAL, "heal", "mbx1", "--json", "--config", str(config)],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
        **streams,
    )


@pytest.mark.slow
@pytest.mark.lab
def test_approved_from_another_process(lab_config):
    from tests.cli.test_over_lab import PATIENCE, POPHEAL, environment

    process = healing(lab_config, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = next(line for line in process.stderr if "To give it: " in line)
    _, *words = shlex.split(said.partition("To give it: ")[2])
    subprocess.run([*POPHEAL, *words], env=environment(), check=True, timeout=PATIENCE)
    printed, _ = process.communicate(timeout=PATIENCE)
    assert json.loads(printed)["verdict"] == "recovered"
    assert process.returncode == 0


@pytest.mark.slow
@pytest.mark.lab
@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(
    ("answer", "verdict", "status"),
    [("y\n", "recovered", 0), ("n\n", "held", 3), ("", "cancelled", 1)],
)
def test_asked_at_the_terminal(lab_config, answer, verdict, status):
    from tests.cli.test_over_lab import PATIENCE

    ours, theirs = os.openpty()
    process = healing(lab_config, stdin=theirs, stderr=theirs)
    os.close(theirs)
    told = ""
    while "[y/N]" not in told:
        told += os.read(ours, 4096).decode()
    assert "Restart the POP3 back-end service" in told
    if answer:
        os.write(ours, answer.encode())
    else:
        process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=PATIENCE)
    os.close(ours)
    assert json.loads(printed)["verdict"] == verdict
    assert status == process.returncode

"""One healing as a page: it says all that the report says, and can be no more than read."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from attrs import evolve

import popheal
from popheal import Alert, Impact, Journal, Policy, Report, Verdict
from popheal.backends.simulated import load_scenario
from popheal.policy.in_words import in_words
from popheal.reports.report import Finding, FindingKind, Handover
from popheal.review import case_of_record, case_of_report, page_of
from tests.support.pages import require_whole

#: Each verdict; several runs; a long table; debts that are left.
SCENARIOS = (
    "nothing-wrong",
    "transient",
    "mailbox-healed-by-reboot",
    "client-access-back-end-rebooted",
    "fault-survives-the-reboot",
    "maintenance",
    "probe-cannot-be-run",
)


def healed(name, **options):
    """The report of a scenario."""
    played = load_scenario(name)
    alert = Alert(
        server=played.server,
        health_set=played.health_set,
        monitor=played.monitor,
        text=played.text,
        at=played.observed_at,
    )
    return popheal.heal(alert, played.backend, clock=played.clock, **options)


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_page_says_what_the_report_says(name):
    """All of it, in words; and it loads nothing."""
    report = healed(name)
    page = require_whole(page_of(case_of_report(report, policy=Policy())))
    said = page.said
    assert said.count(report.verdict.meaning) >= 1
    for text in (report.summary, report.server, report.id, *in_words(Policy())):
        assert text in said
    for step in (step for run in report.runs for step in run.steps):
        for text in (step.state, step.outcome.replace("_", " "), step.detail):
            assert text in said
    assert all(one.detail in said and one.next_step in said for one in report.findings)
    for debt in report.debts:
        assert debt.kind.value.replace("_", " ") in said
    told = report.handover or Handover(summary="")
    for text in (*told.next_steps, *told.first_commands, *told.commands, *told.evidence):
        assert text in said
    assert page.elements["svg"] == 2 * len(report.runs), "for broad screens, and for narrow ones"
    assert ("What a person must do Nothing." in said) == report.verdict.good


def test_what_is_needed_first_comes_first():
    """The verdict, what to do, what is left, and only then what happened."""
    said = require_whole(page_of(case_of_report(healed("fault-survives-the-reboot")))).said
    places = [
        said.index(one)
        for one in (
            "a person is needed",
            "What a person must do",
            "DatabaseCopyActivationDisabledAndMoveNow $false",
            "Changes that had to be undone",
            "What happened",
            "The way it took",
            "What was seen",
        )
    ]
    assert places == sorted(places)
    assert "How far it was allowed to go" not in said, "as nobody said how far"


def test_what_others_have_written_does_nothing_on_the_page():
    """Names, details, commands, a cause: markup in them is text."""
    evil = '<img src=x onerror="alert(1)"></style><script>alert("x")</script>\x1b[31m&amp;'
    report = healed("fault-survives-the-reboot")
    (run,) = report.runs
    step = evolve(run.steps[0], detail=evil, outcome=evil)
    report = evolve(
        report,
        server=evil,
        summary=evil,
        alert=evolve(report.alert, text=evil),
        findings=(
            Finding(kind=FindingKind.CAUSE, server=evil, detail=evil, monitor=evil, next_step=evil),
        ),
        runs=(evolve(run, server=evil, monitor=evil, steps=(step, *run.steps[1:])),),
        debts=(evolve(report.debts[0], server=evil),),
        handover=Handover(
            summary=evil,
            next_steps=(evil,),
            first_commands=(evil,),
            commands=(evil,),
            left_as=(evil,),
            evidence=(evil,),
            logs=(evil,),
            support=evil,
        ),
    )
    page = require_whole(page_of(case_of_report(report)))
    assert page.said.count('<script>alert("x")</script>') > 15


def test_a_run_by_a_table_that_is_not_known_is_told_without_a_picture():
    """And drawn, where its table is given."""
    report = healed("mailbox-healed-by-restart")
    (run,) = report.runs
    other = evolve(report, runs=(evolve(run, hash="0" * 16),))
    assert not require_whole(page_of(case_of_report(other))).elements["svg"]
    assert require_whole(page_of(case_of_report(report))).elements["svg"]


# --- from a journal ------------------------------------------------------------------------------


class Died(BaseException):
    """The process dies."""


@pytest.fixture
def journal(tmp_path):
    with Journal(tmp_path / "journal.db") as opened:
        yield opened


def test_a_journal_tells_what_was_commanded_and_who_approved(journal):
    """Beside what the report says, and under the policy that it was begun with."""
    policy = Policy(approval_from=Impact.DISRUPT)
    report = healed(
        "mailbox-healed-by-reboot", journal=journal, policy=policy, approver=lambda _: True
    )
    case = case_of_record(journal, journal.healing(report.id), as_of=datetime.now(UTC))
    assert (case.verdict, case.policy) == (Verdict.RECOVERED, policy)
    said = require_whole(page_of(case)).said
    plain = require_whole(page_of(case_of_report(report, policy=policy))).said
    for text in ("question", "granted", "Restart-Computer"):
        assert text in said
        assert text not in plain
    told = [one.what for one in case.timeline]
    at = told.index("rebooting")
    assert told[at : at + 3] == ["rebooting", "command", "awaiting_server"], "as it happened"


def test_a_healing_that_was_broken_off(journal):
    """Where it is, what it owes, and how to go on with it."""
    played = load_scenario("mailbox-healed-by-reboot")

    class Dying:
        def __getattr__(self, name):
            if name == "reboot":
                raise Died
            return getattr(played.backend, name)

    with pytest.raises(Died):
        popheal.heal(Alert(server=played.server), Dying(), journal=journal, clock=played.clock)
    (record,) = journal.healings()
    case = case_of_record(
        journal,
        record,
        as_of=record.begun_at,
        next_step=("Go on with it:", "popheal resume --config popheal.toml"),
    )
    assert case.verdict is None
    page = require_whole(page_of(case))
    assert page.elements["svg"] == 2
    for text in (
        "How it stands interrupted: mailbox at rebooting",
        "popheal resume --config popheal.toml",
        "activation disabled",
        "owed",
        "verifying_no_active_copies",
    ):
        assert text in page.said


def test_a_policy_of_another_version_is_left_out(journal):
    """The page is made all the same."""
    report = healed("mailbox-healed-by-restart", journal=journal)
    record = evolve(journal.healing(report.id), policy={"of_tomorrow": 1})
    case = case_of_record(journal, record, as_of=datetime.now(UTC))
    assert case.policy is None
    assert isinstance(Report.from_json(record.report), Report)
    assert "How far" not in require_whole(page_of(case)).said

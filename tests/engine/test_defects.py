"""Mistakes of our own, put in wherever there may be some: told as such, and the healing ends.

What was owed is handed over, and nobody is told that the command was given wrongly.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest
from click.testing import CliRunner

from popheal import Alert, Journal, Policy, Timing, Verdict, aheal, heal, resume
from popheal.audit import check_journal
from popheal.backends.simulated import DEFAULT_SCENARIO, load_scenario
from popheal.cli.app import popheal as command
from popheal.cli.exit_codes import status_of
from popheal.engine import one_server
from popheal.engine.actions.handlers import HANDLERS
from popheal.engine.run import Run
from popheal.errors import IllegalOutcome, UnknownName
from popheal.journal.lease import Lease
from popheal.reports.report import FindingKind
from popheal.tables import actions
from popheal.util.defects import DEFECTS
from tests.support.healing import alert_of

ILLEGAL = IllegalOutcome(procedure="p", current="s", outcome="o", expected=["a"])
#: One of each kind.
RAISED = [
    ZeroDivisionError("no idea"),
    OverflowError("no idea"),
    AssertionError("no idea"),
    AttributeError("no idea"),
    KeyError("no idea"),
    NameError("no idea"),
    NotImplementedError("no idea"),
    RecursionError("no idea"),
    TypeError("no idea"),
    ValueError("no idea"),
    ILLEGAL,
]


def raiser(error, *, from_call=1):
    """A function that raises, from that call on."""
    calls = []

    def broken(*_args, **_kwargs):
        calls.append(1)
        if len(calls) >= from_call:
            raise error

    return broken


def after_draining(function, error):
    """The function, until a run owes something; then it raises."""

    def broken(run, *args):
        if run.debts:
            raise error
        return function(run, *args)

    return broken


@pytest.fixture
def scenario():
    return load_scenario(DEFAULT_SCENARIO)


@pytest.fixture
def opened(tmp_path):
    with Journal(tmp_path / "journal.db") as journal:
        yield journal


def ended(journal, report):
    """The healing has ended in the journal as well, and keeps the properties."""
    (record,) = journal.healings()
    assert record.id == report.id
    assert record.verdict == report.verdict.value
    assert record.ended_at
    return record


def told_as_defect(report, error):
    assert report.verdict is Verdict.ESCALATED
    assert status_of(report) == 70
    assert type(error).__name__ in report.summary
    assert "a defect of popheal" in report.summary
    assert [one.kind for one in report.findings].count(FindingKind.DEFECT) == 1
    assert "mistake in popheal" in report.to_markdown()


def test_each_kind_of_defect_is_tried():
    assert {type(one).__mro__[1] for one in RAISED} | {type(one) for one in RAISED} >= {
        *DEFECTS
    } - {LookupError}


@pytest.mark.parametrize("error", RAISED, ids=lambda one: type(one).__name__)
def test_in_a_handler_that_has_a_way_on(monkeypatch, scenario, error):
    """It could not tell, and what was owed is paid or handed over by the procedure's own way."""
    monkeypatch.setattr(
        "popheal.engine.executor.HANDLERS", {**HANDLERS, actions.REBOOT.name: raiser(error)}
    )
    report = heal(alert_of(scenario), scenario.backend, journal=Journal())
    (step,) = [one for one in report.runs[0].steps if one.action == "reboot"]
    assert step.outcome in ("could_not_tell", "refused")
    assert step.kind is FindingKind.DEFECT
    assert step.detail.startswith(f"a defect of popheal: {type(error).__name__}: ")
    assert report.verdict is Verdict.ESCALATED
    assert status_of(report) == 1, "the run went its way to a person"


@pytest.mark.parametrize("error", RAISED, ids=lambda one: type(one).__name__)
def test_between_two_steps_what_is_owed_is_handed_over(monkeypatch, scenario, opened, error):
    """There is no way on: the healing ends, with all that it owes."""
    monkeypatch.setattr(Run, "observe", after_draining(Run.observe, error))
    report = heal(alert_of(scenario), scenario.backend, journal=opened)
    told_as_defect(report, error)
    assert [str(one.status) for one in report.debts] == ["DebtStatus.HANDED_OVER"]
    assert "left drained" in report.summary
    ended(opened, report)
    monkeypatch.undo()
    again = heal(alert_of(scenario), scenario.backend, journal=opened)
    assert again.verdict is not Verdict.UNKNOWN, "the server is not claimed any more"


def test_in_an_action_that_has_no_way_on(monkeypatch, opened):
    """As the wait of the command-time procedure, which only elapses."""
    scenario = load_scenario("command-time-healed-by-restart")
    monkeypatch.setattr(
        "popheal.engine.executor.HANDLERS",
        {**HANDLERS, actions.WAIT.name: raiser(OverflowError("date value out of range"))},
    )
    report = heal(alert_of(scenario), scenario.backend, journal=opened)
    told_as_defect(report, OverflowError())
    ended(opened, report)


def test_in_a_look_of_triage(monkeypatch, scenario, opened):
    monkeypatch.setattr(one_server, "triage_server", raiser(TypeError("no idea")))
    report = heal(alert_of(scenario), scenario.backend, journal=opened)
    told_as_defect(report, TypeError())
    assert not report.runs
    ended(opened, report)


@pytest.mark.parametrize("asynchronous", [False, True])
def test_in_the_driver(monkeypatch, scenario, opened, asynchronous):
    """Here where it checks what a look has answered."""
    module = "popheal.engine.drive.check_answer_of"
    monkeypatch.setattr(module, raiser(KeyError("no idea")))
    if asynchronous:
        report = asyncio.run(aheal(alert_of(scenario), scenario.backend, journal=opened))
    else:
        report = heal(alert_of(scenario), scenario.backend, journal=opened)
    assert report.verdict in (Verdict.UNKNOWN, Verdict.ESCALATED)
    ended(opened, report)


def test_in_an_observer_nothing_changes(scenario, opened):
    report = heal(
        alert_of(scenario),
        scenario.backend,
        journal=opened,
        observers=[raiser(ILLEGAL), raiser(TypeError("no idea"))],
    )
    assert report.verdict is Verdict.RECOVERED
    ended(opened, report)


@pytest.mark.parametrize("from_call", [1, 2, 5, 9])
def test_in_the_journal_the_defect_is_what_is_raised(monkeypatch, scenario, opened, from_call):
    """Nothing can be written down, so nothing more is done; later it can be ended."""
    write, calls = Lease.write, []

    def broken(self, *args, **kwargs):
        calls.append(1)
        if len(calls) >= from_call:
            raise TypeError("no idea")
        return write(self, *args, **kwargs)

    monkeypatch.setattr(Lease, "write", broken)
    with pytest.raises(TypeError, match="no idea"):
        heal(alert_of(scenario), scenario.backend, journal=opened)
    monkeypatch.undo()
    (record,) = opened.healings(unfinished=True)
    assert not record.alive
    opened.cancel(record.id, at=datetime.now(UTC))
    report = resume(record.id, scenario.backend, journal=opened)
    assert report.verdict in (Verdict.CANCELLED, Verdict.ESCALATED)
    assert not opened.healings(unfinished=True)


def test_an_interrupted_healing_with_a_defect_in_its_way_can_be_ended(
    monkeypatch, scenario, opened
):
    """However often it is resumed it would raise: so it ends, once, and hands over."""

    class Died(BaseException):
        pass

    class Dying:
        clock, organisation = scenario.backend.clock, scenario.backend.organisation

        def __getattr__(self, name):
            if name == "reboot":
                raise Died
            return getattr(scenario.backend, name)

    with pytest.raises(Died):
        heal(alert_of(scenario), Dying(), journal=opened)
    monkeypatch.setattr(Run, "observe", raiser(ILLEGAL))
    (record,) = opened.healings(unfinished=True)
    report = resume(record.id, scenario.backend, journal=opened)
    told_as_defect(report, ILLEGAL)
    assert report.debts
    ended(opened, report)


def test_an_unknown_server_is_no_defect(scenario, opened):
    with pytest.raises(UnknownName):
        heal(Alert(server="nobody"), scenario.backend, journal=opened)
    assert not opened.healings()


def test_an_audit_tells_of_the_run_that_was_broken_off(monkeypatch, scenario, tmp_path):
    with Journal(tmp_path / "journal.db") as opened:
        monkeypatch.setattr(Run, "observe", after_draining(Run.observe, ILLEGAL))
        heal(alert_of(scenario), scenario.backend, journal=opened)
    result = check_journal(tmp_path / "journal.db")
    violated = {one.checked.id for one in result.results if one.violations}
    assert "P13" in violated, "a run came to no ending"
    assert violated <= {"P4", "P10", "P13"}, "and nothing is wrong but what that means"


# --- the command line ----------------------------------------------------------------------------


@pytest.mark.parametrize("error", RAISED, ids=lambda one: type(one).__name__)
@pytest.mark.parametrize(
    ("place", "arguments"),
    [
        ("popheal.api.heal", ["rehearse"]),
        ("popheal.diagrams.render", ["diagram", "mailbox"]),
        ("popheal.cli.commands.journal.find", ["show", "3f2a", "--journal", "JOURNAL"]),
        ("popheal.cli.commands.resume.find", ["cancel", "3f2a", "--journal", "JOURNAL"]),
        ("popheal.cli.commands.approve.find", ["approve", "3f", "--plan", "x", "-j", "JOURNAL"]),
    ],
    ids=lambda one: one[0] if isinstance(one, list) else "",
)
def test_no_command_says_that_it_was_given_wrongly(monkeypatch, tmp_path, error, place, arguments):
    path = tmp_path / "journal.db"
    Journal(path).close()
    monkeypatch.setattr(place, raiser(error))
    given = ["--journal" if one == "-j" else one for one in arguments]
    given = [str(path) if one == "JOURNAL" else one for one in given]
    result = CliRunner().invoke(command, given)
    assert (result.exit_code, result.stdout) == (70, ""), result.output
    assert f"This is a defect of popheal: {type(error).__name__}: " in result.stderr
    assert "Traceback" not in result.stderr
    assert "Traceback" in CliRunner().invoke(command, ["-v", *given]).stderr


def test_a_rehearsal_with_a_defect_tells_it_and_hands_over(monkeypatch):
    monkeypatch.setattr(Run, "observe", after_draining(Run.observe, ILLEGAL))
    result = CliRunner().invoke(command, ["rehearse"])
    assert result.exit_code == 70
    assert "a defect of popheal: IllegalOutcome" in " ".join(result.stdout.split())
    assert "left drained" in result.stdout


def test_nothing_waits_for_ever(scenario):
    """The number by which one was found: it is refused before anything is begun."""
    with pytest.raises(ValueError, match=r"from 0\.001 to 86400"):
        heal(alert_of(scenario), scenario.backend, policy=Policy(timing=Timing(settle=1e12)))

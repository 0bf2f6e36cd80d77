"""The second opinion in a healing: told beside the probe, deciding nothing, holding up nothing."""

from __future__ import annotations

import asyncio
import json
import socket

import pytest

from popheal import Control, Healer, Journal, Verdict, heal
from popheal.backends.simulated import history as h
from popheal.backends.simulated import load_scenario, scenario_names
from popheal.errors import Detached
from popheal.reports.report import FindingKind
from popheal.second_opinion import Answer, Opinion, SecondOpinion, logon
from tests.support.healing import alert_of

PASSWORD = "Tr0ub4dor&3-pop"
SETTINGS = SecondOpinion(
    host="pop.contoso.test", username="popheal@contoso.test", password=PASSWORD
)
HEALED = "mailbox-healed-by-reboot"


@pytest.fixture
def asked(monkeypatch):
    """Whom it was asked of, where a test doesn't want to connect; with an answer to be set."""
    calls = []

    def ask(settings):
        calls.append(settings)
        return calls.answer

    class Calls(list):
        answer = Opinion(Answer.WORKED, "logged on")

    calls = Calls()
    monkeypatch.setattr(logon, "ask", ask)
    return calls


def opinions(report):
    return [one.detail for one in report.findings if one.kind is FindingKind.SECOND_OPINION]


def test_it_is_asked_in_triage_and_at_the_end(asked):
    scenario = load_scenario(HEALED)
    report = heal(alert_of(scenario), scenario.backend, second_opinion=SETTINGS)
    assert report.verdict is Verdict.RECOVERED
    assert asked == [SETTINGS, SETTINGS]
    first, last = opinions(report)
    assert first.startswith("in triage, a POP3 logon of popheal@contoso.test at pop.contoso.test")
    assert last.startswith("at the end, a POP3 logon")


def test_it_says_whose_back_end_it_tested(asked):
    scenario = load_scenario(HEALED)
    report = Healer(scenario.backend, second_opinion=SETTINGS).triage(alert_of(scenario))
    (said,) = opinions(report)
    assert "the Mailbox server where that mailbox's database is active" in said
    assert "says nothing of the back end of another" in said
    assert said in report.to_markdown().replace("\\", "").replace("\u200b", "")


def test_without_settings_nobody_is_asked(asked):
    scenario = load_scenario(HEALED)
    assert not opinions(heal(alert_of(scenario), scenario.backend))
    assert asked == []


def test_a_back_end_found_on_the_way_is_no_occasion(asked):
    """What it tests is not that server, so it would only be the same again."""
    scenario = load_scenario("client-access-back-end-rebooted")
    report = heal(alert_of(scenario), scenario.backend, second_opinion=SETTINGS)
    assert len(report.runs) > 1
    assert len(opinions(report)) == len(asked) == 2


@pytest.mark.parametrize("name", sorted(scenario_names()))
def test_it_changes_no_verdict_and_no_call(asked, name):
    """For no scenario, whatever it says."""

    def healed(**options):
        scenario = load_scenario(name)
        report = heal(alert_of(scenario), scenario.backend, **options)
        called = scenario.organisation.history.of(h.Called)
        return (
            report.verdict,
            report.summary,
            [one.steps for one in report.runs],
            [(one.method, one.server) for one in called],
        )

    without = healed()
    for answer in Answer:
        asked.answer = Opinion(answer, "in these words")
        assert healed(second_opinion=SETTINGS) == without


def test_what_it_says_is_no_evidence_of_a_fault(asked):
    asked.answer = Opinion(Answer.REFUSED, "the password: -ERR no")
    scenario = load_scenario("fault-survives-the-reboot")
    report = heal(alert_of(scenario), scenario.backend, second_opinion=SETTINGS)
    assert any("-ERR no" in one for one in report.handover.seen)
    assert not any("-ERR no" in one for one in report.handover.evidence)


def test_the_event_loop_goes_on_meanwhile(monkeypatch):
    """It is asked in a thread."""
    turns = []

    async def heal_and_count():
        loop = asyncio.get_running_loop()
        turned = asyncio.Event()

        def ask(_):
            asyncio.run_coroutine_threadsafe(turn(), loop).result(10)
            return Opinion(Answer.WORKED)

        async def turn():
            turns.append(1)
            turned.set()

        monkeypatch.setattr(logon, "ask", ask)
        scenario = load_scenario("transient")
        healer = Healer(scenario.backend, second_opinion=SETTINGS)
        return await healer.aheal(alert_of(scenario))

    report = asyncio.run(heal_and_count())
    assert len(opinions(report)) == len(turns) == 1


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_defect_in_it_ends_nothing(monkeypatch, asynchronous):
    def fail(_):
        raise RuntimeError(PASSWORD)

    monkeypatch.setattr(logon, "ask", fail)
    scenario = load_scenario(HEALED)
    healer = Healer(scenario.backend, second_opinion=SETTINGS)
    alert = alert_of(scenario)
    report = asyncio.run(healer.aheal(alert)) if asynchronous else healer.heal(alert)
    assert (report.verdict, opinions(report)) == (Verdict.RECOVERED, [])


def test_a_stop_is_not_held_up_by_it(asked):
    """Somebody who wants an end is not kept waiting for an opinion."""
    scenario = load_scenario(HEALED)
    control = Control()

    def stop(event):
        if event.name == "run_started":
            control.cancel()

    report = heal(
        alert_of(scenario),
        scenario.backend,
        second_opinion=SETTINGS,
        observers=[stop],
        control=control,
    )
    assert report.verdict is Verdict.CANCELLED
    assert len(asked) == 1


def test_an_interrupt_meanwhile_is_a_stop_and_leaves_no_opinion(monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(logon, "ask", interrupt)
    scenario = load_scenario(HEALED)
    report = heal(alert_of(scenario), scenario.backend, second_opinion=SETTINGS)
    assert (report.verdict, opinions(report)) == (Verdict.CANCELLED, [])


def test_a_healing_that_is_resumed_asks_anew(asked, tmp_path):
    """What was said before the crash stays; the end is looked at when it has come."""
    scenario = load_scenario(HEALED)
    control = Control()

    def leave(event):
        if event.name == "action_started" and event.state == "awaiting_server":
            control.detach()

    with Journal(tmp_path / "journal.db") as journal:
        healer = Healer(
            scenario.backend, journal=journal, observers=[leave], second_opinion=SETTINGS
        )
        with pytest.raises(Detached):
            healer.heal(alert_of(scenario), control=control)
        (begun,) = journal.healings(unfinished=True)
        report = Healer(scenario.backend, journal=journal, second_opinion=SETTINGS).resume(begun.id)
    assert report.verdict is Verdict.RECOVERED
    assert [one.partition(",")[0] for one in opinions(report)] == ["in triage", "at the end"]
    assert len(asked) == 2


def test_the_password_is_nowhere_to_be_found(tmp_path, caplog):
    """Not in the report, an event, the log or the journal; and not even if the server says it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    settings = SecondOpinion(
        host="localhost", tls="plain", port=port, username="a@contoso.test", password=PASSWORD
    )
    scenario, events = load_scenario(HEALED), []
    caplog.set_level(0)
    with Journal(tmp_path / "journal.db") as journal:
        report = heal(
            alert_of(scenario),
            scenario.backend,
            second_opinion=settings,
            journal=journal,
            observers=[events.append],
        )
    assert len(opinions(report)) == 2
    assert "could not tell (connecting: Connection refused)" in opinions(report)[0]
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir()).decode("utf-8", "replace")
    said = [json.dumps(report.to_json()), report.to_markdown(), repr(events), caplog.text, written]
    assert "a@contoso.test" in written
    for text in (*said, repr(Healer(scenario.backend, second_opinion=settings))):
        assert PASSWORD not in text

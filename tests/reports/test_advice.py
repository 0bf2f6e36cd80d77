"""Advice by reason: there is some for each, it is what is written down, and the worst is first."""

from __future__ import annotations

import pytest
from attrs import evolve

from popheal.errors import CommandFailed, NotAuthorised, NotBegun, Unreachable
from popheal.healthsets.pop import causes
from popheal.healthsets.pop.causes import Cause
from popheal.reports.advice import FOR_KIND
from popheal.reports.advice_by_outcome import FOR_ACTION
from popheal.reports.commands import argument, filled
from popheal.reports.reasons import TELLING, advice_for, decisive_step, kind_of, reasons
from popheal.reports.report import Finding, FindingKind
from popheal.tables.actions import ACTIONS
from popheal.tables.table import Verdict
from tests.reports.advice_pages import (
    BY_KIND,
    CAS,
    FOLDER,
    MBX,
    PROXY,
    RESTARTED,
    SILENT,
    STILL_FAILS,
    TO_REBOOT,
    K,
    a_run,
    pages,
    ran,
    report,
)

PAGES = pages()

# --- what is written down ------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(PAGES))
def test_each_page_is_as_it_was_read(name):
    """Written anew by ``python -m tests.reports.advice_pages``; then read it."""
    assert PAGES[name].to_markdown() == (FOLDER / f"{name}.md").read_text("utf-8")


def test_no_page_is_left_over():
    assert {one.stem for one in FOLDER.glob("*.md")} == set(PAGES)


@pytest.mark.parametrize("kind", [one for one in FindingKind if one not in TELLING])
def test_each_kind_that_can_decide_has_advice_and_a_page(kind):
    """The page shows it: its first step, or the headline that it begins with."""
    advice = FOR_KIND[kind]
    assert advice.headline
    assert advice.steps
    made = BY_KIND[kind]()
    assert made.handover
    server = made.server
    shown = made.handover.next_steps[:-1] or made.handover.next_steps
    own = [one.next_step for one in made.findings if one.kind is kind and one.next_step]
    wanted = own or [one.replace("{server}", server) for one in advice.steps]
    if kind is not FindingKind.NOT_RUNNING:  # its page shows what is said of a back end
        assert set(wanted) <= {*shown, *made.handover.next_steps}


def test_nothing_that_only_tells_has_advice():
    assert not TELLING & set(FOR_KIND)


@pytest.mark.parametrize("action", ACTIONS.values(), ids=str)
def test_each_outcome_that_ends_a_run_has_advice(action):
    """Shipped actions have one of their own, or the one of every action."""
    for outcome in (*action.reasons, *action.last_resort):
        advice = advice_for(None, action.name, outcome)
        assert advice, outcome
        assert advice.steps, outcome


def test_what_is_off_behind_a_front_end_is_not_said_of_the_front_end():
    advice = advice_for(FindingKind.SWITCHED_OFF, "check_backends", "off")
    assert advice
    assert "a Mailbox server behind {front_end}" in advice.headline


@pytest.mark.parametrize("outcome", ["failed", "refused", "could_not_tell"])
def test_logging_that_stays_on_is_named(outcome):
    """Not by the name of a step."""
    advice = advice_for(None, "restore_protocol_logging", outcome)
    assert advice
    assert advice.headline
    assert "fills the disk" in " ".join(advice.steps)


def test_advice_is_about_what_there_is():
    """No action or outcome that no table has. The outcomes of later tables are known by name."""
    for name, outcome in FOR_ACTION:
        assert name in ACTIONS
        known = {*ACTIONS[name].outcomes, "timed_out", "blocked", "off"}
        assert isinstance(outcome, FindingKind) or outcome in known


@pytest.mark.parametrize("name", sorted(PAGES))
def test_nothing_is_left_to_fill_in(name):
    """No placeholder, and each sentence ends."""
    made = PAGES[name]
    assert made.handover
    told = (*made.handover.next_steps, *made.handover.first_commands, made.summary)
    places = ("{server}", "{monitor}", "{probe}", "{service}", "{front_end}", "{tried}")
    assert not [text for text in told for place in places if place in text]
    assert all(step.endswith((".", "?", ".)")) for step in made.handover.next_steps)


# --- the worst first -----------------------------------------------------------------------------


def test_a_server_that_is_down_comes_before_everything():
    made = PAGES["front-end-never-comes-back"]
    assert made.summary.startswith(f"{CAS} did not come back after its restart: it does not")
    assert made.handover.next_steps[0].startswith(f"Look at the console of {CAS} now")


def test_then_a_server_that_is_left_drained():
    assert PAGES["not-back"].summary.endswith(f"; {MBX} is left drained")
    assert PAGES["fault-survives-the-reboot"].summary.startswith(f"{MBX} is left drained; POP")


def test_what_makes_it_well_comes_before_what_to_put_back():
    for made in PAGES.values():
        steps = made.handover.next_steps
        back = [number for number, step in enumerate(steps) if "put back what was left" in step]
        assert bool(back) == bool(made.debts)
        assert not back or back[0] > 0


def test_what_is_down_is_told_although_a_run_went_on():
    """A service that did not come up is worse than that the databases can't leave."""
    made = PAGES["service-does-not-start"]
    assert made.summary.startswith(f"POP3 does not run on {MBX} after its restart")
    assert "Start-Service" in made.handover.first_commands[1]


def test_a_service_that_came_up_with_the_server_is_not_down():
    failed = ("restarting_pop3_backend", "failed", "MSExchangePOP3BE is Stopped after the restart")
    up = ("awaiting_server", "up", "booted")
    again = ("reprobing_after_reboot", "failed", "no answer")
    made = ran(failed, *TO_REBOOT[1:], up, again)
    assert "does not run" not in made.summary


def test_what_came_of_putting_back_does_not_decide():
    run = a_run(
        RESTARTED,
        STILL_FAILS,
        ("disabling_protocol_logging_unhealed", "refused", "no"),
        ("restarting_pop3_unhealed", "refused", "no"),
    )
    assert decisive_step(run.steps).state == "reprobing"
    assert decisive_step(run.steps[2:]).state == "restarting_pop3_unhealed"
    assert decisive_step(run.steps[:1]) is None


def test_a_back_end_is_nearer_than_its_front_end():
    found = PAGES["back-end-left-drained"]
    servers = [one.server for one in reasons(found.verdict, found.findings, found.runs)]
    assert servers == [MBX, CAS]


def test_another_time_comes_after_what_is_down():
    """And before anything else where waiting is all that it takes."""
    later = PAGES["window"].retry_at
    down = ran(*TO_REBOOT, ("awaiting_server", "not_back", SILENT, K.NOT_BACK), retry_at=later)
    assert "console" in down.handover.next_steps[0]
    assert any("Another time may do" in one for one in down.handover.next_steps)
    assert "Another time may do" in PAGES["window"].handover.next_steps[0]


# --- no wrong advice -----------------------------------------------------------------------------


def said(name):
    return " ".join((*PAGES[name].handover.next_steps, *PAGES[name].handover.first_commands))


def test_nobody_is_told_to_restart_what_was_just_restarted():
    for name in ("fault-survives-the-reboot", "budget"):
        assert "restart the server" not in said(name)
        assert "Restart-Computer" not in said(name)
    assert "Don't restart mbx1.contoso.com by hand" in said("budget")


def test_a_missing_right_is_no_person_at_work():
    assert "who" not in said("not-authorised").split()
    assert "role" in said("not-authorised")


def test_a_budget_that_is_used_up_is_no_matter_of_databases():
    assert "Copy" not in said("budget")
    assert "healthy copy" in said("nowhere-to-go")


def test_a_person_s_stop_is_no_failure_of_what_came_before():
    assert "Look for the cause" not in said("stopped-by-a-person")


def unhealthy(monitor):
    return Finding(kind=K.UNHEALTHY, server=CAS, monitor=monitor, detail=f"{monitor} is Unhealthy")


def test_support_cites_the_run_that_decided():
    """Not what else was unhealthy beside it."""
    run = a_run(("restarting_pop3", "refused", "no"), server=CAS, monitor=PROXY)
    other = [unhealthy(PROXY), unhealthy("PopCTPMonitor")]
    made = report(Verdict.ESCALATED, "why", server=CAS, findings=other, runs=[run])
    assert "PopProxyTestMonitor recovery actions, step 5" in made.handover.support
    healed = evolve(a_run(RESTARTED), verdict=Verdict.RECOVERED)
    both = report(Verdict.ESCALATED, "why", runs=[run, healed])
    assert "PopProxyTestMonitor recovery actions, step 5" in both.handover.support


def test_of_what_nothing_was_begun_about_the_nearest_is_cited():
    """The monitors stand in whatever order the rows came."""
    names = (PROXY, "PopCTPMonitor", "AverageCommandProcessingTimeGt60sMonitor")
    found = [unhealthy(name) for name in names]
    for findings in (found, found[::-1]):
        made = report(Verdict.ESCALATED, "why", server=CAS, findings=findings)
        assert "PopProxyTestMonitor recovery actions, step 5" in made.handover.support


def test_the_protocol_log_is_named():
    made = PAGES["back-end-could-not-be-told"]
    (log,) = made.handover.logs
    assert log.startswith(f"{CAS}: C:\\")
    assert "## POP3 protocol logs" in made.to_markdown()


# --- errors and causes ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "more", "wanted"),
    [
        (NotAuthorised, {}, K.NOT_AUTHORISED),
        (NotBegun, {"reason": "denied"}, K.NOT_AUTHORISED),
        (NotBegun, {"reason": "shutdown"}, K.UNDER_WAY),
        (NotBegun, {"reason": "boot_time"}, None),
        (Unreachable, {}, K.UNREACHABLE),
        (CommandFailed, {}, None),
    ],
)
def test_an_error_that_is_a_reason_of_its_own(kind, more, wanted):
    assert kind_of(kind(server=MBX, command="Set-MailboxServer", cause="no", **more)) is wanted


def test_that_it_could_not_be_told_says_less_than_what():
    """A kind comes before the outcome, but for that one."""
    vague = advice_for(K.COULD_NOT_TELL, "drain", "refused")
    assert vague is FOR_ACTION["drain", "refused"]
    assert advice_for(K.BUDGET, "drain", "refused") is FOR_KIND[K.BUDGET]
    assert advice_for(None, "an_action_of_ours", "refused").steps
    assert advice_for(None, "an_action_of_ours", "odd") is None


def test_a_known_cause_says_what_makes_it_well(monkeypatch):
    cause = Cause(
        name="vault", pattern="contoso-4711", says="It is shut.", next_step="Open the vault."
    )
    monkeypatch.setattr(causes.find_cause, "__defaults__", ((cause,),))
    assert BY_KIND[K.CAUSE]().handover.next_steps[0] == "Open the vault."


# --- commands ------------------------------------------------------------------------------------


def test_a_command_of_what_is_not_known_is_left_out():
    assert filled("Get-X {server} {probe}", {"server": MBX, "probe": ""}) is None
    assert filled("Get-X {server} | ? { $_ }", {"server": "a b"}) == "Get-X 'a b' | ? { $_ }"


def test_a_probe_is_one_argument():
    assert argument("POP.Protocol\\PopDeepTestProbe") == "POP.Protocol\\PopDeepTestProbe"
    assert argument("a\\$(b)") == "'a\\$(b)'"

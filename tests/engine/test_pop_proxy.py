"""PopProxy made active again: only where it may help, only if a person says yes, and put back."""

from __future__ import annotations

import asyncio

import pytest

from popheal import Control, Impact, Journal, Policy, Verdict, aheal, heal, plan, resume
from popheal.audit import check_journal
from popheal.backends.simulated import history as h
from popheal.backends.simulated.recovery_actions import Recovery
from popheal.errors import Detached
from popheal.policy.policy import Consent
from popheal.reports.report import FindingKind
from popheal.tables.debts import DebtKind, DebtStatus
from tests.backends.simulated.test_availability import organised
from tests.support.healing import alert_of, healed
from tests.support.properties import violations

FRONT_END = "MSExchangePop3"
OFFLINE = {"PopProxy": {"HealthAPI": "Inactive"}}
PATH = (
    "checking_pop_proxy",
    "activating_pop_proxy",
    "starting_pop3",
    "reprobing",
    "waiting",
    "reprobing_finally",
    "keeping_pop_proxy",
    "recovered",
)
ALLOWED = Policy(pop_proxy=Consent.ALLOW)


def yes(_request):
    return True


def no(_request):
    return False


def offline(components=OFFLINE, **tables):
    """A server whose front end was taken offline by Managed Availability alone."""
    server = {"components": components, **tables.pop("server", {})}
    return organised("dag2", servers={"MBX1": server}, **tables)


def set_by_us(scenario):
    """What popheal has set PopProxy to, in order."""
    return [
        one.state
        for one in scenario.organisation.history.of(h.ComponentStateSet)
        if one.actor == h.POPHEAL
    ]


def pop_proxy(scenario):
    states = scenario.backend.component_states("MBX1")
    return next(one.state for one in states if one.component == "PopProxy")


def take_offline(scenario):
    scenario.organisation.set_component(
        "MBX1", "PopProxy", "HealthAPI", "Inactive", h.MANAGED_AVAILABILITY
    )


def when(scenario, name, state, act):
    """An observer that does something with the organisation at one moment of the story."""

    def observe(event):
        if event.name == name and state in ("", event.state):
            act(scenario)

    return observe


def path_of(report):
    (run,) = report.runs
    assert run.procedure == "pop_proxy"
    return run.path


def notes(report):
    return [one.detail for one in report.findings if one.kind is FindingKind.NOTE]


# --- when it helps -------------------------------------------------------------------------------


def test_approved_it_is_made_active_started_probed_and_looked_at_again():
    scenario, asked = offline(), []

    def approve(request):
        asked.append(request.action)
        return True

    case = healed(scenario, approver=approve)
    assert case.report.verdict is Verdict.RECOVERED
    assert path_of(case.report) == PATH
    assert asked == ["Make PopProxy active again, in the name of HealthAPI"], "once"
    assert set_by_us(scenario) == ["Active"]
    assert pop_proxy(scenario) == "Active"
    assert [one.status for one in case.report.debts] == [DebtStatus.PAID]
    assert case.report.handover is None
    assert violations(case) == []


def test_it_is_lifted_in_the_name_of_who_set_it():
    """With another requester the command succeeds, and nothing is lifted."""
    scenario = offline()
    healed(scenario, approver=yes)
    (done,) = scenario.organisation.history.of(h.ComponentStateSet)
    assert (done.component, done.requester, done.state) == ("PopProxy", "HealthAPI", "Active")


def test_there_are_ten_minutes_between():
    scenario = offline()
    report = healed(scenario, approver=yes).report
    (run,) = report.runs
    times = {one.state: one for one in run.steps}
    between = times["reprobing_finally"].started_at - times["reprobing"].finished_at
    assert between.total_seconds() >= 600


def test_the_same_without_blocking():
    scenario = offline()
    report = asyncio.run(aheal(alert_of(scenario), scenario.backend, approver=yes))
    assert path_of(report) == PATH


# --- who is asked --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "approver"),
    [
        (Policy(), None),
        (Policy(pop_proxy=Consent.NEVER), yes),
        (Policy(pop_proxy=Consent.ALLOW, approval_from=Impact.CHANGE), None),
        (Policy(pop_proxy=Consent.ALLOW, highest_impact=Impact.LOOK), yes),
    ],
    ids=["nobody to ask", "never", "asked about anyway", "look only"],
)
def test_where_it_may_not_be_triage_ends_as_it_does_without(policy, approver):
    """At once, with the component named and the commands given."""
    scenario = offline()
    case = healed(scenario, policy=policy, approver=approver)
    assert case.report.verdict is Verdict.ESCALATED
    assert case.report.runs == ()
    assert set_by_us(scenario) == []
    assert "PopProxy is Inactive" in case.report.summary
    assert any(
        "-Component PopProxy -State Active -Requester HealthAPI" in one
        for one in case.report.handover.next_steps
    )
    assert case.lasted.total_seconds() < 600


def test_a_policy_may_leave_it_to_the_limits():
    scenario = offline()
    report = healed(scenario, policy=ALLOWED).report
    assert (report.verdict, path_of(report)) == (Verdict.RECOVERED, PATH)


def test_a_no_is_a_no():
    scenario = offline()
    report = healed(scenario, approver=no).report
    assert report.verdict is Verdict.ESCALATED
    assert path_of(report) == ("checking_pop_proxy", "activating_pop_proxy", "escalated")
    assert (set_by_us(scenario), report.debts) == ([], ())
    assert any("PopProxy is Inactive" in one for one in report.handover.seen)


def test_with_a_journal_file_somebody_may_answer_later(tmp_path):
    """Nobody does: an hour later it is refused, and nothing was changed."""
    scenario = offline()
    with Journal(tmp_path / "journal.db") as journal:
        report = heal(alert_of(scenario), scenario.backend, journal=journal)
    assert report.verdict is Verdict.ESCALATED
    assert "nobody answered in time" in report.summary
    assert set_by_us(scenario) == []


def test_what_is_asked_says_which_setting_wants_it(tmp_path):
    scenario = offline()
    with Journal(tmp_path / "journal.db") as journal:
        healer = {"approver": yes, "journal": journal}
        heal(alert_of(scenario), scenario.backend, **healer)
        (asked,) = [one for one in journal.entries() if one.kind and one.kind.value == "asked"]
    assert asked.impact is Impact.CHANGE


def test_a_plan_says_what_could_be_done():
    scenario = offline()
    planned = plan(alert_of(scenario), scenario.backend)
    assert [one.procedure for one in planned.runs] == ["pop_proxy"]
    assert planned.report.verdict is Verdict.ESCALATED
    never = plan(alert_of(scenario), scenario.backend, policy=Policy(pop_proxy=Consent.NEVER))
    assert never.runs == ()


# --- what speaks against it ----------------------------------------------------------------------


def begin_recovery(scenario):
    with scenario.organisation.present() as world:
        what = Recovery(server=world.named("MBX1"), action="RestartService", resource=FRONT_END)
        scenario.organisation.recovering.begin(what, scripted=True)


@pytest.mark.parametrize(
    ("components", "server", "verdict", "said"),
    [
        (
            {"PopProxy": {"HealthAPI": "Inactive", "Maintenance": "Inactive"}},
            {},
            Verdict.HELD,
            "Maintenance",
        ),
        (
            {"PopProxy": {"HealthAPI": "Inactive", "Functional": "Inactive"}},
            {},
            Verdict.HELD,
            "Functional",
        ),
        ({**OFFLINE, "ServerWideOffline": {"Maintenance": "Inactive"}}, {}, Verdict.HELD, "Server"),
        (
            OFFLINE,
            {"bindings": ["192.0.2.7:110", "192.0.2.7:995"]},
            Verdict.ESCALATED,
            "bound to no loopback address that the probe could connect to (192.0.2.7:110,",
        ),
        (OFFLINE, {"bindings": ["127.0.0.1:1110"]}, Verdict.ESCALATED, "no loopback"),
    ],
    ids=["maintenance", "functional", "whole server", "bindings", "another port"],
)
def test_where_something_speaks_against_it_nobody_is_asked(components, server, verdict, said):
    scenario = offline(components, server=server)

    def approve(_request):
        raise AssertionError("nobody is asked")

    report = healed(scenario, approver=approve).report
    assert report.runs == ()
    assert report.verdict is verdict
    assert any(said in one.detail for one in report.findings), report.findings
    assert set_by_us(scenario) == []


@pytest.mark.parametrize("bindings", [["127.0.0.1:995"], ["0.0.0.0:110", "0.0.0.0:995"]])
def test_loopback_may_be_served_by_any_of_its_names(bindings):
    report = healed(offline(server={"bindings": bindings}), approver=yes).report
    assert report.verdict is Verdict.RECOVERED


def test_while_managed_availability_is_at_work_it_is_left_alone():
    scenario = offline()
    begin_recovery(scenario)
    report = healed(scenario, approver=yes).report
    assert (report.verdict, report.runs) == (Verdict.ESCALATED, ())
    assert any("Managed Availability is at work" in one for one in notes(report))


def test_a_probe_that_succeeds_is_no_reason():
    """No effect without a failure that was seen."""
    scenario = offline(
        probes=[{"server": "MBX1", "probe": "PopProxyTestProbe", "then": "Succeeded"}]
    )
    report = healed(scenario, approver=yes).report
    assert (report.verdict, report.runs) == (Verdict.ESCALATED, ())
    assert any("PopProxy is not made active by popheal" in one for one in notes(report))


@pytest.mark.parametrize(
    "method", ["pop_settings", "recovery_actions", "services", "component_states", "host_status"]
)
def test_what_can_not_be_told_is_no_reason(method):
    """Not told in triage, or only afterwards."""
    for nth in (1, 2, 3, 4, 5, 6):
        call = {"method": method, "error": "Unreadable", "nth": nth, "for_ever": True}
        scenario = offline(calls=[call])
        case = healed(scenario, approver=yes)
        assert case.report.verdict in (Verdict.ESCALATED, Verdict.UNKNOWN, Verdict.RECOVERED)
        assert violations(case) == []
        if nth == 1:
            assert set_by_us(scenario) == []


def set_maintenance(scenario):
    scenario.organisation.set_component(
        "MBX1", "PopProxy", "Maintenance", "Inactive", h.MANAGED_AVAILABILITY
    )


def test_what_comes_up_while_a_person_thinks_is_seen():
    """It is looked at once more right before the command."""
    scenario = offline()

    def approve(_request):
        set_maintenance(scenario)
        return True

    report = healed(scenario, approver=approve).report
    assert report.verdict is Verdict.ESCALATED
    (run,) = report.runs
    assert "by HealthAPI, Maintenance, and not by HealthAPI alone" in run.steps[-1].detail
    assert run.steps[-1].kind is FindingKind.COMPONENT_INACTIVE
    assert (set_by_us(scenario), report.debts) == ([], ())


def test_a_service_that_would_not_start_is_seen():
    scenario = offline()

    def approve(_request):
        with scenario.organisation.present() as world:
            world.named("MBX1").service(FRONT_END).start_type = "Disabled"
        return True

    report = healed(scenario, approver=approve).report
    (run,) = report.runs
    assert run.steps[-1].detail == "not attempted: MSExchangePop3 is Disabled"
    assert (set_by_us(scenario), report.debts) == ([], ())


def test_who_was_faster_is_not_undone():
    """Somebody makes it active meanwhile: nothing is sent, and nothing put back."""
    scenario = offline()

    def approve(_request):
        scenario.organisation.set_component("MBX1", "PopProxy", "HealthAPI", "Active", "a person")
        return True

    report = healed(scenario, approver=approve).report
    assert report.verdict is Verdict.ESCALATED
    assert set_by_us(scenario) == []
    assert pop_proxy(scenario) == "Active"


# --- when it does not help -----------------------------------------------------------------------


def test_where_pop_still_fails_it_is_put_back():
    scenario = offline(faults=[{"server": "MBX1", "fails": ["proxy"], "cure": "never"}])
    case = healed(scenario, approver=yes)
    report = case.report
    assert report.verdict is Verdict.ESCALATED
    assert path_of(report)[-3:] == ("reprobing", "deactivating_unhealed", "escalated")
    assert set_by_us(scenario) == ["Active", "Inactive"]
    assert [one.status for one in report.debts] == [DebtStatus.PAID]
    assert report.handover.left_as == ("Every setting is as it was before.",)
    assert violations(case) == []


def test_where_it_is_taken_offline_again_that_is_said():
    """And not fought over: it stays as Managed Availability left it."""
    scenario = offline()
    observer = when(scenario, "action_started", "waiting", take_offline)
    report = healed(scenario, approver=yes, observers=[observer]).report
    assert report.verdict is Verdict.ESCALATED
    assert path_of(report)[-3:] == ("reprobing_finally", "deactivating_unhealed", "escalated")
    assert set_by_us(scenario) == ["Active"]
    assert pop_proxy(scenario) == "Inactive"
    assert [one.status for one in report.debts] == [DebtStatus.PAID]


def test_where_only_the_component_tells_it():
    """The probe happens to succeed all the same."""
    scenario = offline(
        probes=[
            {
                "server": "MBX1",
                "probe": "PopProxyTestProbe",
                "results": ["Failed", "Failed"],
                "then": "Succeeded",
            }
        ]
    )
    observer = when(scenario, "action_started", "waiting", take_offline)
    report = healed(scenario, approver=yes, observers=[observer]).report
    assert report.verdict is Verdict.ESCALATED
    assert path_of(report)[-3:] == ("keeping_pop_proxy", "deactivating_unhealed", "escalated")
    (run,) = report.runs
    assert run.steps[-2].detail == "PopProxy was taken offline again"
    assert run.steps[-2].kind is FindingKind.COMPONENT_INACTIVE


def test_it_is_tried_once_a_healing():
    """What comes back right after a recovery is a person's."""
    scenario = offline()
    observer = when(scenario, "run_ended", "", take_offline)
    report = healed(scenario, approver=yes, observers=[observer]).report
    assert report.verdict is Verdict.ESCALATED
    assert [one.procedure for one in report.runs] == ["pop_proxy"]
    assert set_by_us(scenario) == ["Active"]


def test_the_responder_that_took_it_offline_finds_it_well():
    """With a fault that a start of the service cures, it has no reason any more."""
    scenario = offline(server={"proxy_offline_after": 120})
    report = healed(scenario, approver=yes).report
    assert report.verdict is Verdict.RECOVERED


def test_what_nobody_can_see_is_left_active_and_handed_over():
    """POP had worked ten minutes before: it is not taken away because a look fails."""
    scenario = offline(
        probes=[
            {
                "server": "MBX1",
                "probe": "PopProxyTestProbe",
                "results": ["Failed", "Failed", "Succeeded"],
                "then": "refused",
            }
        ]
    )
    report = healed(scenario, approver=yes).report
    assert report.verdict is Verdict.ESCALATED
    assert path_of(report)[-2:] == ("reprobing_finally", "escalated")
    assert set_by_us(scenario) == ["Active"]
    (debt,) = report.debts
    assert (debt.kind, debt.status) == (DebtKind.COMPONENT_ACTIVATED, DebtStatus.HANDED_OVER)
    (command,) = report.handover.commands
    assert command.startswith("Set-ServerComponentState -Identity mbx1.contoso.com -Component Pop")
    assert command.endswith("-State Inactive -Requester HealthAPI")
    assert any("Leave PopProxy active where POP works" in one for one in report.handover.next_steps)


@pytest.mark.parametrize("done", ["no", "yes", "later"])
@pytest.mark.parametrize("error", ["OutcomeUnknown", "CommandFailed"])
def test_an_answer_that_is_lost_is_looked_for(error, done):
    """The command is not sent again; what is not certain is handed over."""
    call = {"method": "set_component_state", "error": error, "done": done}
    scenario = offline(calls=[call])
    case = healed(scenario, approver=yes)
    assert violations(case) == []
    seen = done != "no"
    assert (case.report.verdict is Verdict.RECOVERED) is seen
    if not seen:
        assert [one.status for one in case.report.debts] == [DebtStatus.HANDED_OVER]


@pytest.mark.parametrize("error", ["NotBegun", "NotAuthorised", "Unreachable"])
def test_what_is_declined_has_changed_nothing(error):
    scenario = offline(calls=[{"method": "set_component_state", "error": error}])
    report = healed(scenario, approver=yes).report
    assert (report.verdict, report.debts) == (Verdict.ESCALATED, ())
    assert path_of(report)[-2:] == ("activating_pop_proxy", "escalated")


# --- stops and crashes ---------------------------------------------------------------------------


@pytest.mark.parametrize("state", PATH[2:-2])
def test_a_stop_puts_it_back(state):
    """From wherever it is made active."""
    scenario, control = offline(), Control()
    observer = when(scenario, "action_started", state, lambda _: control.cancel())
    case = healed(scenario, approver=yes, observers=[observer], control=control)
    assert case.report.verdict is Verdict.CANCELLED
    assert set_by_us(scenario) == ["Active", "Inactive"]
    assert [one.status for one in case.report.debts] == [DebtStatus.PAID]


def test_a_stop_at_the_last_look_comes_too_late():
    """POP was seen to work before it, and is not taken away."""
    scenario, control = offline(), Control()
    observer = when(scenario, "action_started", PATH[-2], lambda _: control.cancel())
    report = healed(scenario, approver=yes, observers=[observer], control=control).report
    assert report.verdict is Verdict.CANCELLED
    assert path_of(report) == PATH
    assert set_by_us(scenario) == ["Active"]


def test_a_stop_before_it_changes_nothing():
    scenario, control = offline(), Control()
    observer = when(scenario, "action_started", PATH[0], lambda _: control.cancel())
    report = healed(scenario, approver=yes, observers=[observer], control=control).report
    assert (report.verdict, report.debts) == (Verdict.CANCELLED, ())
    assert set_by_us(scenario) == []


@pytest.mark.parametrize("name", ["action_started", "action_finished", "effect_intended"])
@pytest.mark.parametrize("state", PATH[:-1])
def test_whoever_resumes_goes_on_from_there(tmp_path, state, name):
    """Nothing is commanded twice, and nobody is asked again; the journal holds."""
    scenario, control, asked = offline(), Control(), []

    def approve(_request):
        asked.append(1)
        return True

    leave = when(scenario, name, state, lambda _: control.detach())
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        settings = {"journal": journal, "approver": approve}
        try:
            report = heal(
                alert_of(scenario), scenario.backend, control=control, observers=[leave], **settings
            )
        except Detached:
            (begun,) = journal.healings(unfinished=True)
            report = resume(begun.id, scenario.backend, **settings)
    assert report.verdict is Verdict.RECOVERED
    assert path_of(report) == PATH
    assert set_by_us(scenario) == ["Active"]
    assert asked == [1]
    assert not [one for one in check_journal(path).results if one.violations]


@pytest.mark.parametrize("approver", [yes, no])
@pytest.mark.parametrize("cure", ["never", None])
def test_the_journal_of_each_way_holds(tmp_path, approver, cure):
    faults = [{"server": "MBX1", "fails": ["proxy"], "cure": cure}] if cure else []
    scenario = offline(faults=faults)
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        heal(alert_of(scenario), scenario.backend, journal=journal, approver=approver)
    assert not [one for one in check_journal(path).results if one.violations]

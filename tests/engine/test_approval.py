"""Approval: a person says yes or no to a plan, in time, and only to what was planned."""

from __future__ import annotations

import asyncio
import json
import logging
import multiprocessing
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from threading import Event as Flag
from threading import Thread

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from popheal import Journal, Policy, Timing, Verdict, aheal, heal, plan, resume
from popheal.audit import check_journal
from popheal.backends.simulated import history as h
from popheal.backends.simulated import load_scenario, scenario_names
from popheal.engine.control import Control
from popheal.engine.plan import paths, plan_run, tree_of
from popheal.engine.plan_basis import DatabaseFacts, MemberFacts, ServerState, drift
from popheal.errors import (
    ApprovalNotPending,
    Detached,
    Fenced,
    JournalError,
    UnknownName,
    Unreachable,
)
from popheal.healthsets.pop import PROCEDURES
from popheal.journal import Kind
from popheal.policy.policy import Consent
from popheal.policy.windows import DAYS, Window
from popheal.reports.report import FindingKind
from popheal.tables.actions import Impact
from popheal.tables.debts import DebtStatus
from popheal.tables.table import Guard
from popheal.util.account import account
from tests.engine.test_drive import Asynchronous, Delegating
from tests.support.healing import alert_of

REBOOTED = "mailbox-healed-by-reboot"
RESTARTED = "mailbox-healed-by-restart"
SPLIT = "proxy-split-role-healed-by-reboot"
BACK_END = "client-access-back-end-rebooted"

DISRUPT = Policy(approval_from=Impact.DISRUPT)
CHANGE = Policy(approval_from=Impact.CHANGE)


@pytest.fixture
def journal(tmp_path):
    """A journal in a file; whatever a test does, what is in it must be in order."""
    path = tmp_path / "journal.db"
    with Journal(path) as opened:
        yield opened
    assert [str(one) for result in check_journal(path).results for one in result.violations] == []


def yes(request):
    return True


def no(request):
    return False


def on(event, act):
    """An observer that acts on one kind of event."""
    return lambda told: act(told) if told.name == event else None


def entries(journal, *kinds):
    return [one for one in journal.entries() if one.kind in kinds]


def answers(journal):
    return [(one.run_id, one.outcome) for one in entries(journal, Kind.ANSWERED)]


def effects(scenario):
    """What popheal did to the organisation."""
    kinds = (h.ServiceRestarted, h.ActivationDisabledSet, h.RebootCommanded)
    return [
        type(one).__name__
        for one in scenario.organisation.history
        if isinstance(one, kinds) and one.actor == h.POPHEAL
    ]


# --- the plan ------------------------------------------------------------------------------------


@pytest.mark.parametrize("table", PROCEDURES.values(), ids=str)
@pytest.mark.parametrize("role", [frozenset(), frozenset({Guard.MAILBOX_ROLE})])
def test_the_tree_is_finite_and_has_the_very_paths(table, role):
    """Walked from its first state, it gives each path and no other."""
    tree = tree_of(table, role)
    by_id = {one.id: one for one in tree}
    assert len(by_id) == len(tree) < 60

    def walk(name, before):
        if name in table.endings:
            yield (*before, name)
            return
        one = by_id[name]
        assert name not in before
        assert sorted(sum((lead.outcomes for lead in one.leads), ())) == sorted(
            table.by_name[one.state].action.outcomes
        )
        for lead in one.leads:
            yield from walk(lead.to, (*before, one.state))

    walked = set(walk(tree[0].id, ()))
    assert walked == {path.states for path in paths(table, role)}


def test_a_plan_names_databases_impact_and_worst_case():
    """And its JSON form holds all of it, as plain values."""
    scenario = load_scenario(REBOOTED)
    (run,) = plan(alert_of(scenario), scenario.backend).runs
    assert [one.database for one in run.databases] == ["DB01", "DB04"]
    assert all(one.targets for one in run.databases)
    assert run.impact is Impact.DISRUPT
    assert run.table == PROCEDURES["mailbox"].hash != run.hash
    data = json.loads(json.dumps(run.to_json()))
    assert data["impact"] == "disrupt"
    assert data["worst_case"]["reboots"] == 1
    assert data["facts"]["dag"] == "DAG1"
    assert {"mbx2", "mbx3"} <= {one["server"] for one in data["facts"]["members"]}
    first = data["tree"][0]
    assert first["state"] == "restarting_pop3_backend"
    assert {"outcomes": ["done", "failed"], "to": "reprobing"} in first["leads"]


def test_a_plan_that_may_not_disrupt_moves_nothing():
    """Then it is 'change', or 'look', and names no database."""
    for highest in (Impact.CHANGE, Impact.LOOK):
        scenario = load_scenario(REBOOTED)
        made = plan(alert_of(scenario), scenario.backend, policy=Policy(highest_impact=highest))
        assert made.runs[0].impact is highest
        assert made.runs[0].databases == ()


def test_a_server_without_databases_has_few_facts():
    """Its boot time and its roles."""
    scenario = load_scenario(SPLIT)
    (run,) = plan(alert_of(scenario), scenario.backend).runs
    assert run.facts == ServerState(
        server=run.server,
        booted_at=run.facts.booted_at,
        mailbox_role=False,
        client_access_role=True,
    )


def test_nothing_is_planned_where_nothing_fails():
    """Then the state is not read, either."""
    scenario = load_scenario("nothing-wrong")
    assert plan(alert_of(scenario), scenario.backend).runs == ()
    assert all(one.method != "databases" for one in scenario.organisation.history.of(h.Called))


def test_a_plan_without_the_state_has_no_hash():
    """It says why, and there is nothing to approve."""
    scenario = load_scenario(REBOOTED)

    class Blind(Delegating):
        def databases(self, server):
            raise Unreachable(server=server, command="Get-MailboxDatabase", cause="no answer")

    (run,) = plan(alert_of(scenario), Blind(scenario)).runs
    assert (run.hash, run.facts) == ("", None)
    assert "no answer" in run.problem
    assert run.paths


@pytest.mark.parametrize("name", [REBOOTED, SPLIT, "command-time-healed-by-reboot", BACK_END])
def test_plan_and_heal_name_the_same(name):
    """What popheal plan prints is what is asked, if nothing has changed."""
    scenario, asked = load_scenario(name), []
    (planned, *_) = plan(alert_of(scenario), scenario.backend).runs

    def note(request):
        asked.append(request)
        return False

    heal(alert_of(scenario), scenario.backend, policy=CHANGE, approver=note, journal=Journal())
    assert [one.plan for one in asked] == [planned]


BOOTED = datetime(2026, 1, 5, 7, 0, tzinfo=UTC)
names = st.sampled_from(["db1", "DB2", "db3"])
database_facts = st.builds(
    DatabaseFacts,
    name=names,
    replicated=st.booleans(),
    recovery=st.booleans(),
    active=st.booleans(),
    copies=st.sets(st.sampled_from(["mbx1", "mbx2", "mbx3"])),
)
member_facts = st.builds(
    MemberFacts,
    server=st.sampled_from(["mbx2", "mbx3", "mbx4"]),
    operational=st.booleans(),
    drained=st.booleans(),
)
facts = st.builds(
    ServerState,
    server=st.just("mbx1.contoso.com"),
    booted_at=st.integers(0, 3).map(lambda minutes: BOOTED + timedelta(minutes=minutes)),
    mailbox_role=st.booleans(),
    client_access_role=st.booleans(),
    dag=st.sampled_from(["", "DAG1", "DAG2"]),
    drained=st.booleans(),
    members=st.lists(member_facts, max_size=3, unique_by=lambda one: one.server),
    databases=st.lists(database_facts, max_size=3, unique_by=lambda one: one.name),
)


def hash_of(state, policy=CHANGE, monitor="PopDeepTestMonitor", table="mailbox"):
    return plan_run(
        PROCEDURES[table],
        server=state.server,
        monitor=monitor,
        mailbox_role=state.mailbox_role,
        policy=policy,
        facts=state,
    ).hash


@given(facts, facts)
def test_a_hash_is_that_of_one_state(one, other):
    """Equal exactly where nothing has drifted; and what has is said in words."""
    assert (hash_of(one) == hash_of(other)) is (drift(one, other) == [])


@given(facts)
def test_a_hash_does_not_depend_on_spelling(state):
    """Case, order, short names, and seconds of the boot time."""
    other = evolve(
        state,
        server=state.server.upper(),
        dag=state.dag.lower(),
        booted_at=state.booted_at + timedelta(seconds=7),
        members=[evolve(one, server=f"{one.server}.contoso.com") for one in state.members[::-1]],
        databases=[
            evolve(one, name=one.name.upper(), copies=[f"{x}.contoso.com" for x in one.copies])
            for one in state.databases[::-1]
        ],
    )
    assert hash_of(state) == hash_of(other)


def test_a_hash_is_that_of_one_policy_and_table():
    """Whatever could let more happen makes another plan; who is asked does not."""
    state = ServerState(
        server="m", booted_at=BOOTED, mailbox_role=True, client_access_role=True, dag="DAG1"
    )
    others = [
        hash_of(state, evolve(CHANGE, move_databases_back=True)),
        hash_of(state, evolve(CHANGE, highest_impact=Impact.CHANGE)),
        hash_of(state, evolve(CHANGE, reboots_per_server=2)),
        hash_of(state, evolve(CHANGE, timing=Timing(drain_deadline=60))),
        hash_of(state, monitor="PopSelfTestMonitor"),
        hash_of(state, table="proxy"),
    ]
    assert len({hash_of(state), *others}) == len(others) + 1
    assert hash_of(state) == hash_of(state, Policy())
    assert hash_of(state) == hash_of(state, evolve(CHANGE, timing=Timing(approval_deadline=1)))


# --- granted -------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [CHANGE, DISRUPT])
def test_granted_by_an_approver(journal, policy):
    """Asked once for the whole run, and written down."""
    scenario, asked = load_scenario(REBOOTED), []

    def approver(request):
        asked.append(request)
        assert not request.over()
        return True

    report = heal(
        alert_of(scenario), scenario.backend, policy=policy, approver=approver, journal=journal
    )
    assert report.verdict is Verdict.RECOVERED
    (request,) = asked
    assert request.over()
    assert request.journal == journal.path
    assert request.expires_at - request.asked_at == timedelta(hours=1)
    (question,) = journal.questions(report.id)
    assert (question.plan, question.outcome) == (request.plan.hash, "granted")
    assert question.planned == json.loads(json.dumps(request.plan.to_json()))
    assert question.run == report.runs[0].id


def test_nothing_is_read_where_nothing_is_asked():
    """A policy without approval costs no call more; nor does one that needs none after all."""

    def calls(name, policy):
        scenario = load_scenario(name)
        heal(alert_of(scenario), scenario.backend, policy=policy, approver=no, journal=Journal())
        return len(scenario.organisation.history.of(h.Called))

    assert calls(RESTARTED, Policy()) == calls(RESTARTED, DISRUPT) < calls(RESTARTED, CHANGE)


def answering(journal, *, granted=True):
    """An observer that answers from another thread, as another process would."""

    def answer(event):
        def work():
            with Journal(journal.path, create=False) as opened:
                opened.approve(
                    event.run_id,
                    event.details["plan"],
                    granted=granted,
                    by="ann",
                    at=event.at,
                )

        thread = Thread(target=work)
        thread.start()
        thread.join()

    return on("approval_asked", answer)


def test_granted_by_the_journal(journal):
    """From elsewhere, while the healing waits; with who it was."""
    scenario = load_scenario(REBOOTED)
    observers = [answering(journal)]
    report = heal(
        alert_of(scenario), scenario.backend, policy=CHANGE, observers=observers, journal=journal
    )
    assert report.verdict is Verdict.RECOVERED
    assert journal.questions(report.id)[0].by == "ann"


def approve_from_elsewhere(path, run, plan_hash, at):
    with Journal(path, create=False) as opened:
        opened.approve(run, plan_hash, by="another process", at=at)


@pytest.mark.slow
def test_granted_by_another_process(journal):
    """The journal is all that the two have in common."""
    scenario = load_scenario(REBOOTED)

    def answer(event):
        process = multiprocessing.get_context("spawn").Process(
            target=approve_from_elsewhere,
            args=(journal.path, event.run_id, event.details["plan"], event.at),
        )
        process.start()
        process.join(60)
        assert process.exitcode == 0

    report = heal(
        alert_of(scenario),
        scenario.backend,
        policy=DISRUPT,
        observers=[on("approval_asked", answer)],
        journal=journal,
    )
    assert report.verdict is Verdict.RECOVERED


@pytest.mark.parametrize("coroutine", [False, True])
def test_granted_asynchronously(journal, coroutine):
    """An approver may block, in a thread of its own, or be a coroutine function."""
    scenario, ticks = load_scenario(REBOOTED), []
    free = Flag()

    def blocking(request):
        assert free.wait(10)
        return True

    async def waiting(request):
        await asyncio.sleep(0.05)
        return True

    async def work():
        async def tick():
            while True:
                await asyncio.sleep(0.01)
                ticks.append(1)
                if len(ticks) > 3:
                    free.set()

        ticking = asyncio.create_task(tick())
        try:
            return await aheal(
                alert_of(scenario),
                Asynchronous(scenario),
                policy=CHANGE,
                approver=waiting if coroutine else blocking,
                journal=journal,
            )
        finally:
            ticking.cancel()

    assert asyncio.run(work()).verdict is Verdict.RECOVERED
    assert len(ticks) > 2, "the event loop went on"


def test_cancelling_a_task_that_asks(journal):
    """It does not wait for the answer, and nothing is done."""
    scenario = load_scenario(REBOOTED)

    async def work():
        task = asyncio.current_task()

        async def approver(request):
            task.cancel()
            await asyncio.sleep(60)

        await aheal(
            alert_of(scenario),
            Asynchronous(scenario),
            policy=CHANGE,
            approver=approver,
            journal=journal,
        )

    with pytest.raises(asyncio.CancelledError):
        asyncio.run(work())
    assert effects(scenario) == []
    assert [outcome for _, outcome in answers(journal)] == ["refused"]


def test_an_approval_is_good_for_the_whole_worst_case():
    """A drain that takes longer than the approval's time does not leave the server half-way."""
    scenario = load_scenario(REBOOTED)
    timing = Timing(approval_deadline=10.0)
    policy = Policy(approval_from=Impact.CHANGE, timing=timing)
    report = heal(
        alert_of(scenario), scenario.backend, policy=policy, approver=yes, journal=Journal()
    )
    assert report.verdict is Verdict.RECOVERED
    assert report.finished_at - report.started_at > timedelta(seconds=10)


# --- refused and expired -------------------------------------------------------------------------


def held(scenario, report):
    assert report.verdict is Verdict.HELD
    assert report.findings[-1].kind is FindingKind.APPROVAL
    assert report.runs == ()
    assert effects(scenario) == []
    return report.summary


def test_refused_before_anything(journal):
    """The run is held: nothing was changed."""
    scenario = load_scenario(REBOOTED)
    report = heal(alert_of(scenario), scenario.backend, policy=CHANGE, approver=no, journal=journal)
    assert "was refused" in held(scenario, report)
    assert [outcome for _, outcome in answers(journal)] == ["refused"]


def test_refused_after_a_restart(journal):
    """The run escalates, and no database has moved."""
    scenario = load_scenario(REBOOTED)
    report = heal(
        alert_of(scenario),
        scenario.backend,
        policy=DISRUPT,
        observers=[answering(journal, granted=False)],
        journal=journal,
    )
    assert report.verdict is Verdict.ESCALATED
    assert report.runs[0].path[-2:] == ("draining", "escalated")
    assert "refused, by ann" in report.summary
    assert effects(scenario) == ["ServiceRestarted"]


def test_a_refusal_pays_debts():
    """Protocol logging was on: it is put back all the same."""
    scenario = load_scenario("client-access-healed-by-reboot")
    report = heal(
        alert_of(scenario), scenario.backend, policy=DISRUPT, approver=no, journal=Journal()
    )
    assert report.verdict is Verdict.ESCALATED
    assert {debt.status.value for debt in report.debts} == {"paid"}
    with scenario.organisation.present() as world:
        assert not any(server.protocol_log_enabled for server in world.servers)


@pytest.mark.parametrize("policy", [CHANGE, DISRUPT])
def test_expired(journal, policy):
    """Nobody answers: after the deadline, and not before, it goes on without."""
    scenario = load_scenario(REBOOTED)
    report = heal(alert_of(scenario), scenario.backend, policy=policy, journal=journal)
    assert "nobody answered in time" in report.summary
    assert report.verdict is (Verdict.HELD if policy is CHANGE else Verdict.ESCALATED)
    (asked,), (answered,) = entries(journal, Kind.ASKED), entries(journal, Kind.ANSWERED)
    assert answered.outcome == "expired"
    assert answered.at - asked.at == timedelta(hours=1)
    assert "ActivationDisabledSet" not in effects(scenario)


def test_a_yes_that_comes_too_late(journal):
    """The approver took longer than the question was good for."""
    scenario = load_scenario(REBOOTED)

    def slow(request):
        scenario.backend.clock.sleep(3601)
        assert request.over()
        return True

    report = heal(
        alert_of(scenario), scenario.backend, policy=CHANGE, approver=slow, journal=journal
    )
    assert "in time" in held(scenario, report)


def test_nobody_to_ask():
    """Neither an approver nor a journal file: refused at once, and it says so."""
    scenario = load_scenario(REBOOTED)
    before = scenario.backend.clock.now()
    journal = Journal()
    report = heal(alert_of(scenario), scenario.backend, policy=CHANGE, journal=journal)
    assert "nobody to ask" in held(scenario, report)
    assert scenario.backend.clock.now() - before < timedelta(minutes=5)
    assert entries(journal, Kind.ASKED) == []


@pytest.mark.parametrize("said", [None, "yes", 1])
def test_an_approver_that_does_not_decide(said):
    """In memory nobody else can answer; anything but True and False is no answer."""
    scenario, journal = load_scenario(REBOOTED), Journal()
    report = heal(
        alert_of(scenario),
        scenario.backend,
        policy=CHANGE,
        approver=lambda _: said,
        journal=journal,
    )
    assert "left it to a journal file" in held(scenario, report)
    assert [outcome for _, outcome in answers(journal)] == ["refused"]


@pytest.mark.parametrize("error", [RuntimeError("no"), JournalError(journal="x", problem="is bad")])
def test_an_approver_that_fails_has_not_answered(journal, caplog, error):
    """It is logged; the journal still can."""
    scenario = load_scenario(REBOOTED)

    def failing(request):
        raise error

    with caplog.at_level(logging.WARNING, logger="popheal"):
        report = heal(
            alert_of(scenario),
            scenario.backend,
            policy=CHANGE,
            approver=failing,
            observers=[answering(journal)],
            journal=journal,
        )
    assert report.verdict is Verdict.RECOVERED
    assert "observer_failed" in [record.message for record in caplog.records]


@pytest.mark.parametrize("policy", [CHANGE, DISRUPT])
@pytest.mark.parametrize("how", ["flag", "interrupt", "journal"])
def test_stopped_while_waiting(journal, policy, how):
    """By a flag, Ctrl-C at the prompt, or popheal cancel: cancelled, and the question closed."""
    scenario, stop = load_scenario(REBOOTED), Control()

    def approver(request):
        if how == "interrupt":
            raise KeyboardInterrupt
        if how == "flag":
            stop.cancel()
        else:
            journal.cancel(request.run, at=request.asked_at)
        assert request.over()

    report = heal(
        alert_of(scenario),
        scenario.backend,
        policy=policy,
        approver=approver,
        control=stop,
        journal=journal,
    )
    assert report.verdict is Verdict.CANCELLED
    assert [outcome for _, outcome in answers(journal)] == ["refused"]
    assert effects(scenario) == ([] if policy is CHANGE else ["ServiceRestarted"])


def test_fenced_while_waiting(journal):
    """Another process has taken the healing over: this one does nothing more."""
    scenario = load_scenario(REBOOTED)

    def approver(request):
        journal.take_over(request.run.partition(".")[0], at=request.asked_at, steal=True)
        assert request.over()

    with pytest.raises(Fenced):
        heal(
            alert_of(scenario), scenario.backend, policy=CHANGE, approver=approver, journal=journal
        )
    assert effects(scenario) == []


def test_the_policy_is_asked_again_after_a_long_answer():
    """The window has closed meanwhile; and nobody is asked for what the policy forbids."""
    scenario, asked = load_scenario(REBOOTED), []
    now = scenario.backend.clock.now()
    closes = f"{now + timedelta(minutes=30):%H:%M}"

    def approver(request):
        asked.append(request)
        scenario.backend.clock.sleep(1800)
        return True

    policy = evolve(CHANGE, windows=(Window(DAYS, f"{now:%H:%M}", closes),))
    for _ in range(2):
        report = heal(
            alert_of(scenario),
            scenario.backend,
            policy=policy,
            approver=approver,
            journal=Journal(),
        )
        assert report.findings[-1].kind is FindingKind.WINDOW
    assert len(asked) == 1


# --- drift ---------------------------------------------------------------------------------------


def _member(world):
    return next(s for s in world.dags[0].members if s.name != "MBX1")


def _database(world, *, active):
    mine = world.named("mbx1")
    return next(
        one for one in world.databases if (one.active is mine) is active and one.copy_on(mine)
    )


def rebooted(world):
    world.named("mbx1").boot_time += timedelta(minutes=5)


def role_lost(world):
    world.named("mbx1").roles = ("mailbox",)


def drained_by_somebody(world):
    world.named("mbx1").activation_disabled = True


def group_renamed(world):
    world.dags[0].name = "DAG9"


def member_drained(world):
    _member(world).activation_disabled = True


def member_down(world):
    _member(world).services["clussvc"].state = "Stopped"


def member_gone(world):
    world.dags[0].members.remove(world.dags[0].members[-1])


def database_came(world):
    _database(world, active=False).active = world.named("mbx1")


def database_went(world):
    one = _database(world, active=True)
    one.active = next(c.server for c in one.copies if c.server.name != "MBX1")


def copy_gone(world):
    one = _database(world, active=True)
    one.copies.remove(one.copies[-1])


def database_is_new(world):
    one = _database(world, active=True)
    copy = type(one.copies[0])()
    copy.server = one.active
    world.databases.append(type(one)(name="DB99", copies=[copy], active=one.active))


def recovery_database(world):
    _database(world, active=True).recovery = True


DRIFTS = {
    rebooted: "has booted at",
    role_lost: "has other roles",
    drained_by_somebody: "database activation on it is disabled now",
    group_renamed: "its database availability group is DAG9, not DAG1",
    member_drained: "is drained now",
    member_down: "is down now",
    member_gone: "is no member of DAG1 now",
    database_came: "is active there now",
    database_went: "is not active there now",
    copy_gone: "has its copies on",
    database_is_new: "DB99 has a copy on the server now",
    recovery_database: "is of another kind now",
}


@pytest.mark.parametrize("change", DRIFTS, ids=lambda one: one.__name__)
def test_an_approval_lapses_with_the_state(change):
    """Whatever has changed while the person thought it over: refused, and said."""
    scenario = load_scenario(REBOOTED)

    def approver(request):
        with scenario.organisation.present() as world:
            change(world)
        return True

    report = heal(
        alert_of(scenario), scenario.backend, policy=CHANGE, approver=approver, journal=Journal()
    )
    said = held(scenario, report)
    assert "the state has changed since it was approved" in said
    assert DRIFTS[change] in said


@pytest.mark.parametrize("change", [member_drained, database_came], ids=lambda one: one.__name__)
def test_the_state_is_read_again_before_each_effect(change):
    """Between the drain and the reboot, too; the drain itself is no drift."""
    scenario = load_scenario(REBOOTED)

    def watch(event):
        if event.state == "rebooting":
            with scenario.organisation.present() as world:
                change(world)

    report = heal(
        alert_of(scenario),
        scenario.backend,
        policy=DISRUPT,
        approver=yes,
        observers=[on("action_started", watch)],
        journal=Journal(),
    )
    assert report.verdict is Verdict.ESCALATED
    assert "RebootCommanded" not in effects(scenario)
    assert [debt.status.value for debt in report.debts] == ["handed_over"]
    if change is member_drained:
        assert "since it was approved" in report.summary


def test_a_reboot_by_somebody_else_needs_no_approval():
    """Rebooted after the drain, by whoever it was: ours is not commanded, and it goes on."""
    scenario = load_scenario(REBOOTED)

    def watch(event):
        if event.state == "rebooting":
            with scenario.organisation.present() as world:
                world.named("mbx1").boot_time = world.now

    report = heal(
        alert_of(scenario),
        scenario.backend,
        policy=DISRUPT,
        approver=yes,
        observers=[on("action_started", watch)],
        journal=Journal(),
    )
    assert "RebootCommanded" not in effects(scenario)
    (step,) = [one for one in report.runs[0].steps if one.state == "rebooting"]
    assert "it has been restarted meanwhile" in step.detail
    assert "reprobing_after_reboot" in report.runs[0].path


@pytest.mark.parametrize("readable", [0, 1])
def test_a_state_that_can_not_be_read_is_not_approved(readable):
    """Neither asked about, nor acted on."""
    scenario, asked = load_scenario(REBOOTED), []

    class Blind(Delegating):
        def databases(self, server):
            if len(asked) >= readable:
                raise ZeroDivisionError("defect")
            return super().__getattr__("databases")(server)

    def approver(request):
        asked.append(request)
        return True

    report = heal(
        alert_of(scenario), Blind(scenario), policy=CHANGE, approver=approver, journal=Journal()
    )
    assert "can't be told" in held(scenario, report)
    assert len(asked) == readable


def test_answers_that_make_no_sense_are_no_state():
    """A backend that returns what it may not is a state that can't be read."""
    scenario = load_scenario(REBOOTED)

    class Odd(Delegating):
        def databases(self, server):
            return None

    report = heal(alert_of(scenario), Odd(scenario), policy=CHANGE, approver=yes, journal=Journal())
    assert "can't be used" in held(scenario, report)


# --- after a crash -------------------------------------------------------------------------------


@contextmanager
def broken_off(scenario, journal, policy, when, approver=None):
    """A healing that is broken off at an event, as by a crash; gives its id."""

    class Died(BaseException):
        pass

    def die(_):
        raise Died

    with pytest.raises(Died):
        heal(
            alert_of(scenario),
            scenario.backend,
            policy=policy,
            approver=approver,
            observers=[on(when, die)],
            journal=journal,
        )
    (record,) = journal.healings(unfinished=True)
    yield record.id


@pytest.mark.parametrize("policy", [CHANGE, DISRUPT])
def test_resumed_while_it_asks(journal, policy):
    """The question stands: it is not asked twice, and its time goes on."""
    scenario, asked = load_scenario(REBOOTED), []
    with broken_off(scenario, journal, policy, "approval_asked") as healing:
        scenario.backend.clock.sleep(600)

        def approver(request):
            asked.append(request)
            return True

        report = resume(healing, scenario.backend, journal=journal, approver=approver)
    assert report.verdict is Verdict.RECOVERED
    (question,) = journal.questions(healing)
    assert asked[0].expires_at == question.expires_at


@pytest.mark.parametrize("policy", [CHANGE, DISRUPT])
def test_answered_while_nobody_was_at_work(journal, policy):
    """popheal approve needs no living process."""
    scenario = load_scenario(REBOOTED)
    with broken_off(scenario, journal, policy, "approval_asked") as healing:
        (question,) = journal.questions(healing)
        journal.approve(healing, question.plan, by="ann", at=question.asked_at)
        report = resume(healing, scenario.backend, journal=journal)
    assert report.verdict is Verdict.RECOVERED
    assert len(answers(journal)) == 1


@pytest.mark.parametrize("policy", [CHANGE, DISRUPT])
@pytest.mark.parametrize("late", [False, True])
def test_resumed_after_the_answer(journal, policy, late):
    """What was approved still is, unless it has expired."""
    scenario = load_scenario(REBOOTED)
    with broken_off(scenario, journal, policy, "approval_answered", yes) as healing:
        scenario.backend.clock.sleep(3600 if late else 600)
        report = resume(healing, scenario.backend, journal=journal)
    assert ("expired" in report.summary) is late
    assert (report.verdict is Verdict.RECOVERED) is not late
    assert len(journal.questions(healing)) == 1


def test_a_refusal_stands_after_a_crash(journal):
    """Even if the state is another one by then."""
    scenario = load_scenario(REBOOTED)
    with broken_off(scenario, journal, DISRUPT, "approval_answered", no) as healing:
        with scenario.organisation.present() as world:
            copy_gone(world)
        report = resume(healing, scenario.backend, journal=journal, approver=yes)
    assert report.verdict is Verdict.ESCALATED
    assert "was refused" in report.summary


@pytest.mark.parametrize("answered", [False, True])
def test_another_state_after_a_crash_is_asked_about_anew(journal, answered):
    """The old question expires; what was approved before lapses."""
    scenario = load_scenario(REBOOTED)
    when = "approval_answered" if answered else "approval_asked"
    with broken_off(scenario, journal, DISRUPT, when, yes if answered else None) as healing:
        with scenario.organisation.present() as world:
            copy_gone(world)
        report = resume(healing, scenario.backend, journal=journal, approver=yes)
    assert report.verdict is Verdict.RECOVERED
    outcomes = [one.outcome for one in journal.questions(healing)]
    assert outcomes == ["granted" if answered else "expired", "granted"]


def test_no_question_stays_open(journal):
    """Resumed, and there is nothing to do any more: the question is closed."""
    scenario = load_scenario(REBOOTED)
    with broken_off(scenario, journal, CHANGE, "approval_asked") as healing:
        with scenario.organisation.present() as world:
            world.faults.clear()
        scenario.backend.clock.sleep(600)
        report = resume(healing, scenario.backend, journal=journal)
    assert report.verdict in (Verdict.NOTHING_WRONG, Verdict.TRANSIENT)
    assert [one.outcome for one in journal.questions(healing)] == ["expired"]


@pytest.mark.parametrize("method", ["set_activation_disabled", "reboot", "restart_service"])
def test_an_interrupted_effect_is_not_asked_about_again(journal, method):
    """It may have been done: it is looked for, and what follows still has its approval."""
    scenario, leave = load_scenario(REBOOTED), Control()

    class Crashing(Delegating):
        def __getattr__(self, name):
            found = super().__getattr__(name)
            if name == method:
                leave.detach()
            return found

    with pytest.raises(Detached):
        heal(
            alert_of(scenario),
            Crashing(scenario),
            policy=CHANGE,
            approver=yes,
            control=leave,
            journal=journal,
        )
    (record,) = journal.healings(unfinished=True)
    report = resume(record.id, scenario.backend, journal=journal)
    assert report.verdict is Verdict.RECOVERED
    assert len(journal.questions(record.id)) == 1


def test_a_stricter_policy_after_a_crash_withholds_what_nobody_approved(journal):
    """An effect that was intended without approval is not commanded again."""
    scenario = load_scenario(REBOOTED)

    class Killed(BaseException):
        pass

    class Crashing(Delegating):
        def set_activation_disabled(self, server, disabled):
            raise Killed

    with pytest.raises(Killed):
        heal(alert_of(scenario), Crashing(scenario), journal=journal)
    (record,) = journal.healings(unfinished=True)
    report = resume(record.id, scenario.backend, journal=journal, policy=DISRUPT, approver=yes)
    assert report.verdict is Verdict.ESCALATED
    assert "nobody has approved of it" in report.runs[0].steps[-1].detail
    assert "ActivationDisabledSet" not in effects(scenario)


def test_a_looser_policy_after_a_crash_lapses_the_approval(journal):
    """What was approved was approved under another one."""
    scenario, leave = load_scenario(REBOOTED), Control()
    observers = [
        on("action_started", lambda event: leave.detach() if event.state == "reprobing" else None)
    ]
    with pytest.raises(Detached):
        heal(
            alert_of(scenario),
            scenario.backend,
            policy=CHANGE,
            approver=yes,
            control=leave,
            observers=observers,
            journal=journal,
        )
    (record,) = journal.healings(unfinished=True)
    looser = evolve(CHANGE, move_databases_back=True)
    report = resume(record.id, scenario.backend, journal=journal, policy=looser, approver=yes)
    assert report.verdict is Verdict.ESCALATED
    assert "the policy has changed since it was approved" in report.summary


# --- answering from elsewhere --------------------------------------------------------------------


def test_what_can_not_be_answered(journal):
    """Each with a reason; and the answer that came first counts."""
    scenario, said = load_scenario(REBOOTED), []

    def refused(*given, **options):
        with pytest.raises(ApprovalNotPending) as caught:
            journal.approve(*given, **options)
        said.append(str(caught.value))

    def approver(request):
        run, name, at = request.run, request.plan.hash, request.asked_at
        refused(run, "0" * 16, at=at)
        refused(run, name, at=request.expires_at)
        refused(f"{run.partition('.')[0]}.7", name, at=at)
        with pytest.raises(UnknownName):
            journal.approve("nosuch", name, at=at)
        journal.approve(run[:6], f" {name.upper()} ", at=at, by="ann")
        refused(run, name, at=at, granted=False)
        return False

    report = heal(
        alert_of(scenario), scenario.backend, policy=CHANGE, approver=approver, journal=journal
    )
    assert report.verdict is Verdict.RECOVERED, "the journal's answer was first"
    refused(report.id, "0" * 16)
    assert [
        fragment in text
        for fragment, text in zip(
            (
                "what it asks to be approved is plan",
                "the time to answer was up",
                "it asks for no approval",
                "it was granted already, by ann",
                "the healing has ended",
            ),
            said,
            strict=True,
        )
    ] == [True] * 5


# --- runs within runs ----------------------------------------------------------------------------


def test_each_back_end_is_asked_about_by_itself(journal):
    """Recovering back ends asks nothing; each run of one asks, with a plan of its own."""
    scenario, asked = load_scenario(BACK_END), []

    def approver(request):
        asked.append((request.plan.procedure, request.server))
        return True

    report = heal(
        alert_of(scenario), scenario.backend, policy=CHANGE, approver=approver, journal=journal
    )
    assert report.verdict is Verdict.RECOVERED
    assert [name for name, _ in asked] == ["client_access", "mailbox"]
    assert len({server for _, server in asked}) == 2
    assert {run for run, _ in answers(journal)} == {run.id for run in report.runs}


def test_a_refused_back_end_puts_logging_back():
    """The parent gives up by its table."""
    scenario = load_scenario(BACK_END)
    report = heal(
        alert_of(scenario), scenario.backend, policy=DISRUPT, approver=no, journal=Journal()
    )
    assert report.verdict is Verdict.ESCALATED
    assert {debt.status.value for debt in report.debts} == {"paid"}
    assert "RebootCommanded" not in effects(scenario)


@pytest.mark.parametrize("name", scenario_names())
def test_approved_throughout_is_as_without(name):
    """With a yes to everything each scenario takes the same way."""
    one, other = load_scenario(name), load_scenario(name)
    plain = Policy(pop_proxy=Consent.ALLOW)  # which would be asked about anyway
    report = heal(alert_of(one), one.backend, policy=plain, journal=Journal())
    approved = heal(alert_of(other), other.backend, policy=CHANGE, approver=yes, journal=Journal())
    assert [run.path for run in approved.runs] == [run.path for run in report.runs]
    assert approved.verdict is report.verdict


@pytest.mark.parametrize("name", scenario_names())
def test_no_effect_without_its_approval(name, journal):
    """P8 and P12: with a no to everything no effect beyond what needs none, in any scenario."""
    scenario = load_scenario(name)
    heal(alert_of(scenario), scenario.backend, policy=CHANGE, approver=no, journal=journal)
    assert entries(journal, Kind.INTENT) == []
    assert len(entries(journal, Kind.ASKED)) == len(entries(journal, Kind.ANSWERED))


# --- by another person ---------------------------------------------------------------------------

ANOTHER = Policy(approval_from=Impact.DISRUPT, approval_by_another=True)


def asks(journal, *tries):
    """An observer that answers with each account in turn; and what it was told."""
    told = []

    def answer(event):
        with Journal(journal.path) as other:
            for by, granted in tries:
                try:
                    other.approve(event.run_id, event.plan, by=by, granted=granted, at=event.at)
                except ApprovalNotPending as error:
                    told.append(error.problem)
                else:
                    told.append("taken")

    return on("approval_asked", answer), told


def test_who_began_is_written_down(journal):
    scenario = load_scenario(RESTARTED)
    report = heal(alert_of(scenario), scenario.backend, journal=journal)
    record = journal.healing(report.id)
    assert record.begun_by == account()
    assert "begun_by" not in record.alert


def test_who_began_can_not_approve_and_another_can(journal):
    """In whatever case the name is written; and nobody is not somebody else."""
    scenario = load_scenario(REBOOTED)
    observer, told = asks(
        journal, (account(), True), (f" {account().upper()} ", True), ("", True), ("ben", True)
    )
    report = heal(
        alert_of(scenario), scenario.backend, policy=ANOTHER, journal=journal, observers=[observer]
    )
    assert report.verdict is Verdict.RECOVERED
    *refused, taken = told
    assert taken == "taken"
    assert "has begun or resumed this healing" in refused[0]
    assert "approval_by_another" in refused[1]
    assert "nobody is named" in refused[2]
    (question,) = journal.questions(report.id)
    assert (question.outcome, question.by) == ("granted", "ben")


def test_who_began_may_refuse(journal):
    scenario = load_scenario(REBOOTED)
    observer, told = asks(journal, (account(), False))
    report = heal(
        alert_of(scenario), scenario.backend, policy=ANOTHER, journal=journal, observers=[observer]
    )
    assert told == ["taken"]
    assert report.verdict is Verdict.ESCALATED
    assert not scenario.organisation.history.of(h.RebootCommanded)


@pytest.mark.parametrize("said", [True, None])
def test_the_yes_of_whoever_sits_there_does_not_count(journal, said):
    """The question stays open for another person, until it expires."""
    scenario = load_scenario(REBOOTED)
    requests = []

    def approver(request):
        requests.append(request)
        return said

    report = heal(
        alert_of(scenario), scenario.backend, policy=ANOTHER, journal=journal, approver=approver
    )
    assert requests[0].by_another
    assert report.verdict is Verdict.ESCALATED
    assert [outcome for _, outcome in answers(journal)] == ["expired"]
    assert "RebootCommanded" not in effects(scenario)


def test_their_no_does(journal):
    scenario = load_scenario(REBOOTED)
    heal(alert_of(scenario), scenario.backend, policy=ANOTHER, journal=journal, approver=no)
    assert [outcome for _, outcome in answers(journal)] == ["refused"]


def test_without_a_file_there_is_nobody_else():
    scenario = load_scenario(REBOOTED)
    report = heal(
        alert_of(scenario), scenario.backend, policy=ANOTHER, journal=Journal(), approver=yes
    )
    assert "no journal file by which somebody else could answer" in report.summary
    assert "RebootCommanded" not in effects(scenario)


def test_who_resumes_can_not_approve_either(journal, monkeypatch):
    """Two people know of each other then; a third one has to say so."""
    scenario = load_scenario(REBOOTED)

    class Killed(BaseException):
        pass

    def kill(event):
        raise Killed

    with pytest.raises(Killed):
        heal(
            alert_of(scenario),
            scenario.backend,
            policy=ANOTHER,
            journal=journal,
            observers=[on("action_started", kill)],
        )
    monkeypatch.setattr("popheal.journal.journal.account", lambda: "ben on mail1")
    (record,) = journal.healings(unfinished=True)
    observer, told = asks(
        journal, (account(), True), ("ben on mail1", True), ("carla on mail1", True)
    )
    resume(record.id, scenario.backend, policy=ANOTHER, journal=journal, observers=[observer])
    assert told[-1] == "taken"
    assert len([one for one in told if "has begun or resumed" in one]) == 2


def test_where_nobody_was_written_down_nobody_can_approve(journal, monkeypatch):
    """As in a healing that an older version has begun."""
    monkeypatch.setattr("popheal.journal.journal.account", lambda: "")
    scenario = load_scenario(REBOOTED)
    report = heal(alert_of(scenario), scenario.backend, policy=ANOTHER, journal=journal)
    assert "did not write down who began" in report.summary
    assert "RebootCommanded" not in effects(scenario)


# --- nobody has decided whether to ask -----------------------------------------------------------

UNDECIDED = Policy(approval_undecided=True)
TAKEN_OUT = {"ActivationDisabledSet", "RebootCommanded"}


def test_undecided_and_nobody_to_ask_holds_before_a_server_is_taken_out(journal):
    """The service has been restarted by then; nothing is owed, so it is not escalated.

    A journal makes no difference: nobody knows that there is a question in it.
    """
    scenario = load_scenario(REBOOTED)
    report = heal(alert_of(scenario), scenario.backend, policy=UNDECIDED, journal=journal)
    assert report.verdict is Verdict.HELD
    assert report.runs[0].path[-2:] == ("draining", "escalated")
    step = report.runs[0].steps[-1]
    assert (step.outcome, step.kind) == ("refused", FindingKind.UNDECIDED)
    assert 'approval_from = "disrupt"' in report.summary
    assert '"never"' in report.to_text()
    assert effects(scenario).count("ServiceRestarted") == 1
    assert not TAKEN_OUT & set(effects(scenario))
    assert answers(journal) == []


@pytest.mark.parametrize("name", [SPLIT, BACK_END, "client-access-healed-by-reboot"])
def test_undecided_puts_back_what_was_changed_on_the_way(journal, name):
    """A front end alone, a Mailbox server behind one, and protocol logging that was turned on."""
    scenario = load_scenario(name)
    report = heal(alert_of(scenario), scenario.backend, policy=UNDECIDED, journal=journal)
    assert report.verdict is Verdict.HELD
    assert all(one.status is DebtStatus.PAID for one in report.debts)
    assert not TAKEN_OUT & set(effects(scenario))


def test_undecided_asks_an_approver(journal):
    """Once, as if the policy said disrupt; and what is smaller is not asked about."""
    requests = []

    def approver(request):
        requests.append(request)
        return True

    scenario = load_scenario(REBOOTED)
    report = heal(
        alert_of(scenario), scenario.backend, policy=UNDECIDED, journal=journal, approver=approver
    )
    assert report.verdict is Verdict.RECOVERED
    (asked,) = requests
    planned = plan(alert_of(load_scenario(REBOOTED)), load_scenario(REBOOTED).backend)
    assert asked.plan.procedure == planned.runs[0].procedure
    scenario = load_scenario(RESTARTED)
    report = heal(
        alert_of(scenario), scenario.backend, policy=UNDECIDED, journal=journal, approver=approver
    )
    assert report.verdict is Verdict.RECOVERED
    assert len(requests) == 1


def test_undecided_and_a_no(journal):
    """A person has decided, for this time: it is theirs now."""
    scenario = load_scenario(REBOOTED)
    report = heal(
        alert_of(scenario), scenario.backend, policy=UNDECIDED, journal=journal, approver=no
    )
    assert report.verdict is Verdict.ESCALATED
    assert [outcome for _, outcome in answers(journal)] == ["refused"]
    assert not TAKEN_OUT & set(effects(scenario))


def test_undecided_goes_on_with_what_somebody_had_begun(journal):
    """A server that was drained while it was decided is not left so by a resumption."""
    scenario = load_scenario(REBOOTED)

    class Killed(BaseException):
        pass

    def kill(event):
        if event.state == "rebooting":
            raise Killed

    killing = on("action_started", kill)
    with pytest.raises(Killed):
        heal(alert_of(scenario), scenario.backend, journal=journal, observers=[killing])
    (record,) = journal.healings(unfinished=True)
    report = resume(record.id, scenario.backend, policy=UNDECIDED, journal=journal)
    assert report.verdict is Verdict.RECOVERED


def test_undecided_is_no_part_of_a_plan():
    """So that the plan that is shown is the plan that is asked about."""
    hashes = {
        plan(alert_of(scenario), scenario.backend, policy=policy).runs[0].hash
        for policy in (Policy(), DISRUPT, UNDECIDED)
        for scenario in [load_scenario(REBOOTED)]
    }
    assert len(hashes) == 1

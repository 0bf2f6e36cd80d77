"""What stands between a failed probe and a drain or a reboot."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve

from popheal import Healer, Journal, Policy, Verdict, heal
from popheal.backends.simulated import SimulatedBackend, load_scenario
from popheal.backends.simulated import history as h
from popheal.errors import CommandFailed, NotBegun, Unreachable
from popheal.exchange.backend import LOOKS
from popheal.exchange.models import ComponentState, RecoveryAction
from popheal.reports.report import FindingKind
from popheal.tables.actions import Impact
from tests.support.healing import alert_of

#: A fault that only a reboot heals, on a member of a group; what the group is like comes after.
FAULT = """
title = "A fault that a reboot heals"

[alert]
server = "MBX1"
health_set = "{health_set}"
monitor = "{monitor}"

[[faults]]
server = "MBX1"
fails = ["{fails}"]
cure = "reboot"

[organisation]
{organisation}
"""

#: Seconds after which what was seen counts for nothing any more.
A_MOMENT = 21.0

#: A group of three, each with a copy of each database.
DAG3 = 'preset = "dag3"'


class Altered(SimulatedBackend):
    """A backend whose answers a test alters, from a moment on if it wants.

    Attributes:
        altered: By method, what makes another answer of the one that would be given.
        since: The state from which on; empty for always. A moment passes before it begins, as
            looks of one moment are shared.
        asked: Each look that was made: its name, and about which server.
    """

    def __init__(self, organisation, since="", **altered):
        super().__init__(organisation)
        self.altered, self.since, self.asked = altered, since, []
        self.state = ""
        for name in (*LOOKS, "reboot", "set_activation_disabled"):
            setattr(self, name, self._watched(name, getattr(self, name)))

    def _watched(self, name, method):
        def ask(server, *args):
            self.asked.append((name, server))
            change = self.altered.get(name)
            if change is None or (self.since and self.state != self.since):
                return method(server, *args)
            return change(method, server, *args)

        return ask

    def observe(self, event):
        """An observer: which state the run is in."""
        if event.name == "action_started":
            self.state = event.state
            if self.state == self.since:
                self.clock.sleep(A_MOMENT)


def each(**changes):
    """Answers in which each row is changed so."""
    return lambda ask, *args: [evolve(row, **changes) for row in ask(*args)]


def changed(**changes):
    """An answer that is changed so."""
    return lambda ask, *args: evolve(ask(*args), **changes)


def only_of(name, **changes):
    """Answers about one server that are changed so."""

    def change(ask, server, *args):
        seen = ask(server, *args)
        if not server.casefold().startswith(name.casefold()):
            return seen
        if isinstance(seen, list):
            return [evolve(row, **changes) for row in seen]
        return evolve(seen, **changes)

    return change


def failing(error=Unreachable, *, of=""):
    """No answer, about one server or about each."""

    def fail(ask, server, *args):
        if of and not server.casefold().startswith(of.casefold()):
            return ask(server, *args)
        raise error(server=server, command="a look", cause="the test wants it so")

    return fail


@pytest.fixture
def scenario(tmp_path):
    """Makes a scenario."""

    def make(
        organisation=DAG3, fails="deep", health_set="POP.Protocol", monitor="PopDeepTestMonitor"
    ):
        path = tmp_path / "one.toml"
        path.write_text(
            FAULT.format(
                organisation=organisation, fails=fails, health_set=health_set, monitor=monitor
            )
        )
        return load_scenario(str(path))

    return make


def healed(scenario, policy=None, journal=None, backend=None, **altered):
    """Heal it; the report, and the backend that was asked."""
    backend = backend or Altered(scenario.organisation, **altered)
    report = heal(
        alert_of(scenario),
        backend,
        journal=journal or Journal(),
        clock=scenario.backend.clock,
        policy=policy or Policy(),
        observers=[backend.observe],
    )
    return report, backend


def last_step(report):
    """The step that ended the run."""
    return report.runs[-1].steps[-1]


def drained(scenario):
    """Whether popheal drained anything."""
    return [
        one
        for one in scenario.organisation.history.of(h.ActivationDisabledSet)
        if one.actor == h.POPHEAL
    ]


def assert_refused(scenario, report, kind, *words, state="checking_switchover"):
    """Escalated at that state for that reason, with nothing drained before."""
    step = last_step(report)
    assert (report.verdict, step.state) == (Verdict.ESCALATED, state), step
    assert step.kind is kind
    for word in words:
        assert word in step.detail
    assert not drained(scenario)
    assert not scenario.organisation.history.of(h.RebootCommanded)


# --- enough stays --------------------------------------------------------------------------------

COPIES = """
version = "2019"
[servers.MBX1]
[servers.MBX2]
[servers.MBX3]
[dags.DAG1]
members = ["MBX1", "MBX2", "MBX3"]
[databases.DB01]
copies = ["MBX1", "MBX2"]
[databases.DB02]
copies = ["MBX2", "MBX1", "MBX3"]
[databases.DB02.on.MBX3]
"""


def test_a_passive_copy_here_that_is_all_the_redundancy_there_is(scenario):
    """Of a database that is active elsewhere, two of three copies must stay."""
    one = scenario(COPIES + 'status = "FailedAndSuspended"\nreplay_queue = 9000')
    report, _ = healed(one)
    assert_refused(one, report, FindingKind.REDUNDANCY, "DB02", "1 healthy", "2 must", "MBX3")


def test_the_same_with_all_copies_well(scenario):
    """It is healed."""
    report, _ = healed(scenario(COPIES))
    assert report.verdict is Verdict.RECOVERED


def test_a_copy_that_lags_neither_counts_nor_takes_over(scenario):
    """Of three copies two are in step, so one must stay; and the lagged one is no target."""
    one = scenario(COPIES)
    report, _ = healed(one, databases=each(lagged=("MBX3",)))
    assert report.verdict is Verdict.RECOVERED
    one = scenario(COPIES)
    report, _ = healed(one, databases=each(lagged=("MBX2",)))
    assert_refused(one, report, FindingKind.NOWHERE_TO_GO, "DB01", "ReplayLagTimes")


def test_a_policy_that_asks_for_more_copies(scenario):
    """Of the two copies of DB01 only one can stay."""
    one = scenario(COPIES)
    report, _ = healed(one, Policy(healthy_copies=2))
    assert_refused(one, report, FindingKind.REDUNDANCY, "DB01", "healthy_copies")


def test_a_copy_here_from_which_another_is_reseeded(scenario):
    """A restart would break the reseed off."""
    one = scenario(COPIES + '[databases.DB02.on.MBX1]\nstatus = "SeedingSource"')
    report, _ = healed(one)
    assert_refused(one, report, FindingKind.UNDER_WAY, "DB02", "SeedingSource")


def test_a_copy_here_that_is_reseeded_itself(scenario):
    """A restart would break that off, too, and the copy would have to be begun anew."""
    one = scenario(f'{DAG3}\n[databases.DB02.on.MBX1]\nstatus = "Seeding"')
    report, _ = healed(one)
    assert_refused(one, report, FindingKind.UNDER_WAY, "DB02", "Seeding")


def test_nothing_moves_from_a_server_whose_replication_service_is_down(scenario):
    """It would only be left drained."""
    one = scenario(f'{DAG3}\n[servers.MBX1.services.MSExchangeRepl]\nstate = "Stopped"')
    report, _ = healed(one)
    assert_refused(one, report, FindingKind.DEPENDENCY, "DB01", "MSExchangeRepl")
    assert report.handover.commands == ()


def test_redundancy_that_goes_while_the_databases_move(scenario):
    """It is counted again before the restart, and more than once, as a copy may settle."""
    one = scenario(COPIES)
    report, _ = healed(one, since="rebooting", copies_of=only_last_copy_fails)
    step = last_step(report)
    assert (step.state, step.outcome, step.kind) == ("rebooting", "refused", FindingKind.REDUNDANCY)
    assert not one.organisation.history.of(h.RebootCommanded)

    one = scenario(COPIES)
    settling = iter([True, False, False, False, False, False])

    def for_a_moment(ask, server, database):
        rows = ask(server, database)
        return only_last_copy_fails(ask, server, database) if next(settling, False) else rows

    report, _ = healed(one, since="rebooting", copies_of=for_a_moment)
    assert report.verdict is Verdict.RECOVERED


def only_last_copy_fails(ask, server, database):
    """The copies on other servers than the one with the active copy have failed."""
    return [
        evolve(row, status="Failed") if row.status == "Healthy" else row
        for row in ask(server, database)
    ]


# --- it will move --------------------------------------------------------------------------------

SITES = """
version = "2019"
[servers.MBX1]
site = "Main"
[servers.DR1]
site = "{site}"
auto_activation_policy = "{policy}"
[dags.DAG1]
members = ["MBX1", "DR1"]
[databases.DB01]
copies = ["MBX1", "DR1"]
"""


@pytest.mark.parametrize(
    ("site", "policy", "words"),
    [
        ("DR", "IntrasiteOnly", "IntrasiteOnly"),
        ("DR", "Blocked", "blocked"),
    ],
)
def test_a_target_that_takes_nothing_from_here(scenario, site, policy, words):
    """The policy is the target's, and the site the one that the database is active in now."""
    one = scenario(SITES.format(site=site, policy=policy))
    report, _ = healed(one)
    assert_refused(one, report, FindingKind.NOWHERE_TO_GO, "DB01", words)


def test_a_target_in_the_same_site(scenario):
    """IntrasiteOnly forbids nothing within a site."""
    one = scenario(SITES.format(site="main", policy="IntrasiteOnly"))
    report, _ = healed(one)
    assert "another site" not in report.runs[0].steps[2].detail
    assert [step.state for step in report.runs[0].steps].count("draining") == 1


def test_another_site_is_told_and_a_policy_may_forbid_it(scenario):
    """By default a database may go there."""
    one = scenario(SITES.format(site="DR", policy="Unrestricted"))
    report, _ = healed(one)
    assert report.verdict is Verdict.RECOVERED
    looked = next(step for step in report.runs[0].steps if step.state == "checking_switchover")
    assert "DB01 can only go to another site (the site DR)" in looked.detail
    one = scenario(SITES.format(site="DR", policy="Unrestricted"))
    report, _ = healed(one, Policy(same_site_only=True))
    assert_refused(one, report, FindingKind.NOWHERE_TO_GO, "same_site_only")


def test_a_site_that_is_not_told_is_another_one(scenario):
    """Unknown is never as good as known."""
    one = scenario(SITES.format(site="Main", policy="IntrasiteOnly"))
    report, _ = healed(one, all_servers=each(site=None))
    assert_refused(one, report, FindingKind.NOWHERE_TO_GO, "IntrasiteOnly")


PLACES = """
version = "2019"
[servers.MBX1]
[servers.MBX2]
maximum_active_databases = {two}
[servers.MBX3]
maximum_active_databases = {three}
[dags.DAG1]
members = ["MBX1", "MBX2", "MBX3"]
[databases.DB01]
copies = ["MBX1", "MBX2", "MBX3"]
[databases.DB02]
copies = ["MBX1", "MBX2", "MBX3"]
"""


@pytest.mark.parametrize(
    ("two", "three", "fits"), [(1, 0, False), (0, 0, False), (2, 0, True), (1, 1, True)]
)
def test_two_databases_and_the_places_that_are_free(scenario, two, three, fits):
    """All are given places together: one free place is not enough for two."""
    one = scenario(PLACES.format(two=two, three=three))
    report, _ = healed(one)
    if fits:
        assert report.verdict is Verdict.RECOVERED
    else:
        words = ("MaximumActiveDatabases", "DB01, DB02") if two else ("its maximum of 0",)
        assert_refused(one, report, FindingKind.NOWHERE_TO_GO, *words)


# --- the group -----------------------------------------------------------------------------------


def inactive(component):
    """The components of MBX3, with that one inactive."""

    def change(ask, server):
        rows = list(ask(server))
        if not server.casefold().startswith("mbx3"):
            return rows
        return [
            ComponentState(component=component, state="Inactive")
            if row.component == component
            else row
            for row in rows
        ]

    return change


@pytest.mark.parametrize(
    ("altered", "words"),
    [
        ({"component_states": inactive("HighAvailability")}, "HighAvailability is Inactive"),
        ({"component_states": inactive("ServerWideOffline")}, "ServerWideOffline is Inactive"),
        ({"host_status": only_of("mbx3", cluster_node="Paused")}, "is Paused"),
        ({"host_status": only_of("mbx3", cluster_node="Down")}, "is Down"),
        ({"host_status": only_of("mbx3", setup_running=True)}, "Exchange Setup is running"),
        ({"mailbox_server": only_of("mbx3", activation_disabled=True)}, "is drained"),
    ],
)
@pytest.mark.parametrize("since", ["", "draining", "rebooting"])
def test_another_member_out_of_service(scenario, altered, words, since):
    """Before anything is moved, right before the drain, and right before the restart."""
    one = scenario()
    report, _ = healed(one, since=since, **altered)
    step = last_step(report)
    assert step.kind is FindingKind.OUT_OF_SERVICE
    assert words in step.detail
    assert step.state == (since or "checking_switchover")
    assert not one.organisation.history.of(h.RebootCommanded)
    assert bool(drained(one)) is (since == "rebooting")


def test_a_member_that_is_only_blocked(scenario):
    """Usual for members of a second site: told, and no target."""
    one = scenario()
    report, _ = healed(one, mailbox_server=only_of("mbx3", auto_activation_policy="Blocked"))
    assert report.verdict is Verdict.RECOVERED
    looked = next(step for step in report.runs[0].steps if step.state == "checking_switchover")
    assert "MBX3 can take none" in looked.detail


@pytest.mark.parametrize("method", ["host_status", "component_states", "replication_health"])
@pytest.mark.parametrize("since", ["checking_switchover", "draining", "rebooting"])
def test_a_member_that_can_not_be_asked(scenario, method, since):
    """Whether it is in service could not be told: never a yes."""
    one = scenario()
    report, _ = healed(one, since=since, **{method: failing(of="mbx3")})
    step = last_step(report)
    assert step.state == since
    assert step.outcome == ("refused" if since != "checking_switchover" else "could_not_tell")
    assert "MBX3" in step.detail
    assert not one.organisation.history.of(h.RebootCommanded)


def test_a_node_whose_state_is_not_told(scenario):
    """It may be paused."""
    one = scenario()
    report, _ = healed(one, host_status=only_of("mbx2", cluster_node=""))
    assert last_step(report).outcome == "could_not_tell"
    assert not drained(one)


def test_the_own_node_is_paused(scenario):
    """Somebody is working on the server itself."""
    one = scenario()
    report, _ = healed(one, host_status=only_of("mbx1", cluster_node="Paused"))
    assert_refused(one, report, FindingKind.MAINTENANCE, "Paused")


@pytest.mark.parametrize(
    "services",
    [
        "MSExchangePOP3BE = { state = 'Stopped', start_type = 'Manual' }",
        "MSExchangePOP3BE = { state = 'Absent' }",
        "MSExchangeIS = { state = 'Stopped' }",
    ],
)
def test_pop_would_not_work_where_the_databases_go(scenario, services):
    """A healing of POP takes it from no mailbox: that member is no target; one that serves is."""
    off = f"[servers.MBX2]\nservices = {{ {services} }}\n"
    one = scenario(f'preset = "dag2"\n{off}')
    report, _ = healed(one)
    name = services.partition(" ")[0]
    assert_refused(one, report, FindingKind.NOWHERE_TO_GO, "POP would not work there", name)

    one = scenario(f"{DAG3}\n{off}")
    run = planned(one)
    assert {one.targets for one in run.databases} == {("MBX3",)}
    assert any("POP would not work for what moves to MBX2" in one for one in run.notes)


@pytest.mark.parametrize("node", ["Down", "Joining"])
def test_the_own_node_is_not_in_the_cluster(scenario, node):
    """Then no database is switched over from it in order."""
    one = scenario()
    report, _ = healed(one, host_status=only_of("mbx1", cluster_node=node))
    assert_refused(one, report, FindingKind.DEPENDENCY, node)


@pytest.mark.parametrize("method", ["component_states", "all_servers"])
@pytest.mark.parametrize("since", ["checking_switchover", "draining", "rebooting"])
def test_an_answer_with_nothing_in_it_says_nothing(scenario, method, since):
    """Every server has components, and is one of the organisation's: never "none is off"."""
    one = scenario()
    report, _ = healed(one, since=since, **{method: lambda ask, *args: []})
    step = last_step(report)
    assert step.state == since
    assert step.outcome == ("refused" if since != "checking_switchover" else "could_not_tell")
    assert "nothing came" in step.detail
    assert not one.organisation.history.of(h.RebootCommanded)


@pytest.mark.parametrize("witness", [True, False])
def test_two_members_and_a_witness(scenario, witness):
    """One of two is no majority without it."""
    text = SITES.format(site="Main", policy="Unrestricted")
    one = scenario(text.replace("[databases", f"witness = {str(witness).lower()}\n[databases"))
    report, _ = healed(one)
    if witness:
        assert report.verdict is Verdict.RECOVERED
    else:
        assert_refused(one, report, FindingKind.QUORUM, "no majority")


def check_of(name, *, result="*FAILED*", there=True):
    """The replication checks of each member, with one of them so, or not there."""

    def change(ask, server):
        rows = [row for row in ask(server) if row.check != name]
        if there:
            rows.append(evolve(rows[0], check=name, result=result, error="as the test wants"))
        return rows

    return change


@pytest.mark.parametrize("since", ["", "draining", "rebooting"])
@pytest.mark.parametrize("name", ["QuorumGroup", "ActiveManager", "FileShareQuorum"])
def test_replication_that_is_not_in_order_on_a_member_that_stays(scenario, name, since):
    """Asked before anything is moved, right before the drain, and right before the restart."""
    one = scenario()
    report, _ = healed(one, since=since, replication_health=check_of(name))
    step = last_step(report)
    assert (step.state, step.kind) == (since or "checking_switchover", FindingKind.QUORUM)
    assert name in step.detail
    assert not one.organisation.history.of(h.RebootCommanded)


def test_a_check_that_is_not_told(scenario):
    """Could not tell; that of the witness only where it has a vote."""
    one = scenario()
    report, _ = healed(one, replication_health=check_of("TcpListener", there=False))
    assert last_step(report).outcome == "could_not_tell"
    assert "TcpListener" in last_step(report).detail
    report, _ = healed(scenario(), replication_health=check_of("FileShareQuorum", there=False))
    assert report.verdict is Verdict.RECOVERED
    report, _ = healed(
        scenario('preset = "dag4"'), replication_health=check_of("FileShareQuorum", there=False)
    )
    assert "FileShareQuorum" in last_step(report).detail


def test_members_are_asked_about_themselves_and_once_in_a_step(scenario):
    """So that no answer about them comes by way of the server under repair.

    The drain follows upon the look whether it can be, in the same moment, and shares what that saw;
    the restart looks anew, and so does a drain that a person took time to approve.
    """
    one = scenario()
    _, backend = healed(one)
    of_members = [(name, at) for name, at in backend.asked if at.casefold().startswith("mbx2")]
    for name in ("mailbox_server", "host_status", "component_states", "replication_health"):
        assert of_members.count((name, "MBX2")) == 2, name
    one = scenario()
    policy = Policy(approval_from=Impact.DISRUPT)
    backend = Altered(one.organisation)

    def approve(_):
        one.backend.clock.sleep(A_MOMENT)
        return True

    alert, clock = alert_of(one), one.backend.clock
    report = heal(alert, backend, journal=Journal(), clock=clock, policy=policy, approver=approve)
    assert report.verdict is Verdict.RECOVERED
    for name in ("mailbox_server", "host_status", "component_states", "replication_health"):
        assert backend.asked.count((name, "MBX2")) == 3, name


# --- what triage knows, asked again --------------------------------------------------------------


def offline_by_health_api(ask, server):
    """PopProxy is taken offline, as the product's own responder does."""
    return [
        evolve(row, state="Inactive", requesters=(("HealthAPI", "Inactive"),))
        if row.component == "PopProxy"
        else row
        for row in ask(server)
    ]


@pytest.mark.parametrize("since", ["checking_switchover", "draining", "rebooting"])
def test_pop_proxy_is_taken_offline_meanwhile(scenario, since):
    """No restart helps then, and the verdict names it."""
    one = scenario()
    report, _ = healed(one, since=since, component_states=offline_by_health_api)
    step = last_step(report)
    assert (step.state, step.kind) == (since, FindingKind.COMPONENT_INACTIVE)
    assert "PopProxy" in report.summary + step.detail
    assert not one.organisation.history.of(h.RebootCommanded)


def acting(ask, server, since):
    """Managed Availability has begun something, and not ended it."""
    return [RecoveryAction(server=server, action="ForceReboot", instance="1")]


def test_managed_availability_begins_before_the_drain(scenario):
    """Its own recovery is not crossed."""
    one = scenario()
    report, _ = healed(one, since="draining", recovery_actions=acting)
    assert_refused(one, report, FindingKind.MANAGED_AVAILABILITY, state="draining")


# --- what the wait will need ---------------------------------------------------------------------


def can_t_run(*probes):
    """Those probes can't be run by hand."""

    def run(ask, server, probe):
        if probe.rpartition("\\")[2] in probes:
            raise CommandFailed(
                server=server, command="Invoke-MonitoringProbe", cause="not by hand"
            )
        return ask(server, probe)

    return run


def test_no_probe_of_the_mailbox_side_can_be_run(scenario):
    """Nothing could prove afterwards that the databases may come back."""
    one = scenario(fails="proxy", health_set="POP.Proxy", monitor="PopProxyTestMonitor")
    report, _ = healed(one, invoke_probe=can_t_run("PopDeepTestProbe", "PopSelfTestProbe"))
    assert_refused(one, report, FindingKind.NO_PROOF, "stay drained", "PopSelfTestProbe")


def test_no_probe_of_the_mailbox_side_is_there(scenario):
    """What isn't listed isn't tried."""
    one = scenario(fails="proxy", health_set="POP.Proxy", monitor="PopProxyTestMonitor")
    report, _ = healed(one, monitoring_items=lambda *_: [])
    assert_refused(one, report, FindingKind.NO_PROOF, "lists none")


def test_a_list_of_probes_that_can_not_be_read_forbids_nothing(scenario):
    """A run shows as much."""
    report, _ = healed(scenario(), monitoring_items=failing(CommandFailed))
    assert report.verdict is Verdict.RECOVERED


def test_a_probe_that_was_poisoned_tells_nothing(scenario):
    """Neither that it can be run nor that it can't."""

    def poisoned(ask, server, probe):
        seen = ask(server, probe)
        return seen if "Proxy" in probe else evolve(seen, result="Poisoned")

    one = scenario(fails="proxy", health_set="POP.Proxy", monitor="PopProxyTestMonitor")
    report, _ = healed(one, invoke_probe=poisoned)
    assert last_step(report).outcome == "could_not_tell"
    assert not drained(one)


@pytest.mark.parametrize(
    ("probes", "proof"),
    [
        ((), ("PopDeepTestProbe", "PopSelfTestProbe")),
        (("PopSelfTestProbe",), ("PopDeepTestProbe",)),
        (("PopDeepTestProbe",), ("PopSelfTestProbe",)),
    ],
)
def test_which_probe_will_be_the_proof_is_remembered(scenario, tmp_path, probes, proof):
    """Found out before the drain, and in the journal for whoever goes on after a crash."""
    one = scenario(fails="proxy", health_set="POP.Proxy", monitor="PopProxyTestMonitor")
    with Journal(tmp_path / "journal") as journal:
        report, _ = healed(one, journal=journal, invoke_probe=can_t_run(*probes))
        history = journal.entries(report.id)
    memory = next(
        entry.memory
        for entry in history
        if getattr(entry, "effect", "") == "set_activation_disabled"
    )
    assert [name.rpartition("\\")[2] for name in memory["proof_probes"]] == list(proof)


@pytest.mark.parametrize(
    ("changes", "readable"),
    [
        ({"last_execution": None}, False),
        ({"last_execution": None, "last_execution_text": "in a while"}, False),
        ({"last_execution": None, "last_execution_text": "1/5/2026 7:59:40 AM"}, True),
        ({"stale": True}, False),
    ],
)
def test_rows_that_say_when_they_were_evaluated(scenario, changes, readable):
    """Else nothing would show after the restart that monitors have looked again."""
    one = scenario()
    report, _ = healed(one, since="checking_switchover", server_health=each(**changes))
    if readable:
        assert drained(one)
    else:
        assert_refused(one, report, FindingKind.NO_PROOF, "LastExecutionTime")


def test_a_front_end_without_databases_needs_no_proof_but_rows_it_does():
    """Looked at right before its restart."""
    name = "proxy-split-role-healed-by-reboot"
    one = load_scenario(name)
    unread = only_of("cas2", last_execution=None)
    report, _ = healed(one, since="rebooting", server_health=unread)
    step = last_step(report)
    assert (step.state, step.outcome, step.kind) == ("rebooting", "refused", FindingKind.NO_PROOF)
    report, backend = healed(load_scenario(name), invoke_probe=can_t_run("PopSelfTestProbe"))
    assert report.verdict is Verdict.RECOVERED
    assert "monitoring_items" not in {name for name, _ in backend.asked}


#: CAS2 is the one that is ill, so CAS1 has to serve.
ALONE = """
[alert]
server = "CAS2"
health_set = "POP.Proxy"

[organisation]
preset = "split2013"

[[faults]]
server = "CAS2"
fails = ["proxy"]
cure = "reboot"

[servers.CAS1]
"""


@pytest.mark.parametrize(
    "other",
    [
        "pop_start = 'Manual'\npop_running = false",
        "services = { MSExchangePop3 = { state = 'Stopped' } }",
        "setup_running = true",
    ],
)
def test_a_front_end_that_does_not_serve_whatever_its_monitors_say(tmp_path, other):
    """Clients would be cut off: monitors of a service that never ran say Healthy."""
    path = tmp_path / "one.toml"
    path.write_text(f'title = "Alone"\n{ALONE}{other}\n')
    one = load_scenario(str(path))
    assert any("no other client access" in said for said in planned(one).obstacles)
    report, _ = healed(one)
    step = last_step(report)
    assert (step.state, step.outcome) == ("rebooting", "refused")
    assert "no other client access server" in step.detail
    assert not one.organisation.history.of(h.RebootCommanded)


# --- what else is under way ----------------------------------------------------------------------


@pytest.mark.parametrize("since", ["checking_switchover", "draining"])
def test_a_backup_that_runs(scenario, since):
    """Let it end; unless the policy says otherwise."""
    one = scenario()
    report, _ = healed(one, since=since, databases=only_of("mbx1", backup_in_progress=True))
    assert_refused(one, report, FindingKind.UNDER_WAY, "backup", "heed_backups", state=since)
    report, _ = healed(
        scenario(), Policy(heed_backups=False), databases=only_of("mbx1", backup_in_progress=True)
    )
    assert report.verdict is Verdict.RECOVERED


def test_whether_a_backup_runs_is_not_told(scenario):
    """Told so, and no reason to hold."""
    report, _ = healed(scenario(), databases=each(backup_in_progress=None))
    assert report.verdict is Verdict.RECOVERED
    looked = next(step for step in report.runs[0].steps if step.state == "checking_switchover")
    assert "whether a backup is running was not told" in looked.detail


def test_a_restart_that_windows_has_pending(scenario):
    """Told, and remembered for the wait; it holds only if the policy says so."""
    pending = {"host_status": only_of("mbx1", reboot_pending=True)}
    report, _ = healed(scenario(), **pending)
    assert report.verdict is Verdict.RECOVERED
    said = {step.state: step.detail for step in report.runs[0].steps}
    assert "restart pending" in said["checking_switchover"]
    assert "restart pending" in said["rebooting"]
    one = scenario()
    report, _ = healed(one, Policy(heed_pending_restart=True), **pending)
    assert_refused(one, report, FindingKind.UNDER_WAY, "heed_pending_restart")


def test_a_shutdown_by_somebody_else(scenario):
    """It is not ours, so there is nothing to wait for."""

    def declined(ask, server, booted_at):
        raise NotBegun(
            server=server, command="restart server", cause="going down already", reason="shutdown"
        )

    one = scenario()
    report, _ = healed(one, reboot=declined)
    step = last_step(report)
    assert (step.state, step.outcome, step.kind) == ("rebooting", "refused", FindingKind.UNDER_WAY)


def test_a_drain_that_the_far_side_declines(scenario):
    """Certain to have changed nothing, so nothing is owed."""
    one = scenario()
    report, _ = healed(one, set_activation_disabled=failing(NotBegun))
    step = last_step(report)
    assert (step.state, step.outcome, report.debts) == ("draining", "refused", ())


# --- limits --------------------------------------------------------------------------------------


def booted(ago, *, of):
    """A server that says it has booted so long ago."""

    def change(ask, server):
        seen = ask(server)
        if not server.casefold().startswith(of):
            return seen
        return evolve(seen, boot_time=seen.local_time - ago)

    return change


@pytest.mark.parametrize("since", ["checking_switchover", "draining", "rebooting"])
def test_a_member_that_somebody_has_restarted_lately(scenario, since):
    """Whoever it was: the hours between two members count from its boot."""
    one = scenario()
    report, _ = healed(one, since=since, host_status=booted(timedelta(hours=3), of="mbx2"))
    step = last_step(report)
    assert (step.state, step.kind) == (since, FindingKind.BUDGET)
    assert "MBX2" in step.detail
    assert "hours_between_reboots" in step.detail
    left = report.retry_at - report.finished_at
    assert timedelta(minutes=55) < left < timedelta(minutes=65)
    assert not one.organisation.history.of(h.RebootCommanded)


def test_a_member_that_was_restarted_long_enough_ago(scenario):
    """Or a policy that wants no hours between."""
    report, _ = healed(scenario(), host_status=booted(timedelta(hours=5), of="mbx2"))
    assert report.verdict is Verdict.RECOVERED
    policy = Policy(hours_between_reboots=0)
    report, _ = healed(scenario(), policy, host_status=booted(timedelta(hours=1), of="mbx2"))
    assert report.verdict is Verdict.RECOVERED


LATELY = """
version = "2019"
[servers.MBX1]
up_for_hours = {hours}
[servers.MBX2]
[servers.MBX3]
[dags.DAG1]
members = ["MBX1", "MBX2", "MBX3"]
[databases.DB01]
copies = ["MBX1", "MBX2", "MBX3"]
"""


#: A boot before the virtual clock begins, by two hours.
LATELY_AT = datetime(2026, 1, 5, 6, 0, tzinfo=UTC)


@pytest.mark.parametrize(("hours", "limit", "well"), [(5, 1, False), (5, 2, True), (25, 1, True)])
def test_a_boot_within_the_day_counts_whoever_made_it(scenario, hours, limit, well):
    """A crash, an administrator, updates: the server has been restarted."""
    one = scenario(LATELY.format(hours=hours))
    report, _ = healed(one, Policy(reboots_per_server=limit))
    if well:
        assert report.verdict is Verdict.RECOVERED
    else:
        assert_refused(one, report, FindingKind.BUDGET, "1 times", "whoever restarted it")
        assert timedelta(hours=18) < report.retry_at - report.finished_at < timedelta(hours=20)


@pytest.mark.parametrize(("limit", "well"), [(1, False), (2, True)])
def test_a_boot_is_not_counted_beside_the_action_that_it_came_of(scenario, limit, well):
    """What Managed Availability did five minutes before that boot was that boot."""
    one = scenario(LATELY.format(hours=5))
    boot = one.backend.clock.now() - timedelta(hours=5)
    forced = RecoveryAction(
        server="MBX1", action="ForceReboot", started=boot - timedelta(minutes=5), result="Succeeded"
    )
    actions = {"recovery_actions": lambda ask, server, since: [forced]}
    report, _ = healed(one, Policy(reboots_per_server=limit), **actions)
    assert (report.verdict is Verdict.RECOVERED) is well


def test_a_reboot_is_counted_once_though_the_journal_and_the_server_tell_of_it(scenario):
    """Two a day: the second is allowed, the third is not."""
    again = '\n[[faults]]\nserver = "MBX1"\nfails = ["deep"]\ncure = "reboot"\nbegins = {}\n'
    one, journal = scenario(DAG3 + again.format(7200) + again.format(14400)), Journal()
    policy = Policy(reboots_per_server=2)
    for expected in (Verdict.RECOVERED, Verdict.RECOVERED, Verdict.ESCALATED):
        report, _ = healed(one, policy, journal=journal)
        assert report.verdict is expected, report.summary
        one.backend.clock.sleep(8000)
    assert last_step(report).kind is FindingKind.BUDGET
    assert "2 times" in last_step(report).detail


# --- plans ---------------------------------------------------------------------------------------


def planned(scenario, policy=None, **altered):
    """The plan of its first run."""
    backend = Altered(scenario.organisation, **altered)
    healer = Healer(backend, clock=scenario.backend.clock, policy=policy or Policy())
    return healer.plan(alert_of(scenario)).runs[0]


def test_a_plan_names_only_places_that_would_take_a_database(scenario):
    """And says which of them are in another site."""
    run = planned(scenario(SITES.format(site="DR", policy="Unrestricted")))
    assert [(one.targets, one.other_site) for one in run.databases] == [(("DR1",), ("DR1",))]
    assert run.obstacles == ()
    assert any("another site (the site DR)" in one for one in run.notes)

    run = planned(scenario(SITES.format(site="DR", policy="IntrasiteOnly")))
    assert [one.targets for one in run.databases] == [()]
    assert any("IntrasiteOnly" in one for one in run.obstacles)


def test_a_plan_says_what_is_known_beforehand(scenario):
    """None of it holds, and none of it is what an approval stands or falls with."""
    plain = planned(scenario())
    run = planned(scenario(), host_status=only_of("mbx1", reboot_pending=True))
    said = " ".join(run.notes)
    assert "primary active manager of DAG1" in said
    assert "restart pending" in said
    assert "PopDeepTestProbe or PopSelfTestProbe" in said
    assert "deep test may find no database to test" in said
    assert run.hash == plain.hash


@pytest.mark.parametrize(
    ("altered", "words"),
    [
        ({"component_states": inactive("HighAvailability")}, "HighAvailability is Inactive"),
        ({"replication_health": check_of("QuorumGroup")}, "QuorumGroup"),
        ({"replication_health": failing(of="mbx3")}, "MBX3"),
        ({"databases": only_of("mbx1", backup_in_progress=True)}, "backup"),
        ({"host_status": only_of("mbx1", cluster_node="Paused")}, "node in the cluster is Paused"),
        ({"host_status": only_of("mbx1", boot_time=LATELY_AT)}, "restarted within the day"),
        ({"host_status": only_of("mbx2", boot_time=LATELY_AT)}, "MBX2, another member of DAG1"),
        ({"mailbox_server": only_of("mbx1", auto_activation_policy="Blocked")}, "Blocked"),
    ],
)
def test_a_plan_says_what_would_be_refused(scenario, altered, words):
    """As things stand: what can't be told would be refused too."""
    run = planned(scenario(), **altered)
    assert any(words in one for one in run.obstacles), run.obstacles
    assert run.hash


def test_a_plan_that_may_not_disrupt_says_nothing_of_drains(scenario):
    """Nothing would be moved."""
    run = planned(
        scenario(), Policy(highest_impact=Impact.CHANGE), replication_health=check_of("QuorumGroup")
    )
    assert (run.databases, run.notes, run.obstacles) == ((), (), ())


def test_what_is_under_way_when_approved_is_asked_again(scenario):
    """A person approved; meanwhile another member has gone into maintenance."""
    one = scenario()
    backend = Altered(one.organisation)

    def approve(request):
        backend.altered["component_states"] = inactive("HighAvailability")
        return True

    report = heal(
        alert_of(one),
        backend,
        journal=Journal(),
        clock=one.backend.clock,
        policy=Policy(approval_from=Impact.DISRUPT),
        approver=approve,
    )
    assert_refused(one, report, FindingKind.OUT_OF_SERVICE, "HighAvailability", state="draining")


# --- how copies are read -------------------------------------------------------------------------


def copies_asked(backend):
    """What was asked about copies before anything was changed."""
    until = backend.asked.index(("set_activation_disabled", "mbx1.contoso.com"))
    return [one for one in backend.asked[:until] if one[0] in ("copies_of", "database_copies")]


def test_copies_are_read_server_by_server(scenario):
    """A group has fewer members than databases."""
    one = scenario()
    report, backend = healed(one)
    assert report.verdict is Verdict.RECOVERED
    assert {name for name, _ in copies_asked(backend)} == {"database_copies"}
    assert {at for _, at in copies_asked(backend)} == {"mbx1.contoso.com", "MBX2", "MBX3"}


@pytest.mark.parametrize(
    "altered",
    [
        {"database_copies": failing(of="MBX2")},
        {"databases": each(servers=())},
    ],
    ids=["a server does not answer", "databases do not say where they have copies"],
)
def test_copies_are_read_database_by_database_where_they_have_to_be(scenario, altered):
    """So that what is known of one server less decides nothing."""
    plain, _ = healed(scenario())
    report, backend = healed(scenario(), **altered)
    assert report.verdict is Verdict.RECOVERED
    assert [one.path for one in report.runs] == [one.path for one in plain.runs]
    assert copies_asked(backend).count(("copies_of", "mbx1.contoso.com")) >= 6


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows[1:], "missing in the answer"),
        (lambda rows: [evolve(row, server="MBX3") for row in rows], "a copy of MBX3"),
    ],
    ids=["one is missing", "of another server"],
)
def test_an_answer_about_copies_that_does_not_fit_decides_nothing(scenario, change, said):
    """It could hide that the only other copy is on a server that has none."""

    def altered(ask, server):
        rows = ask(server)
        return change(rows) if server == "MBX2" else rows

    report, backend = healed(scenario(), database_copies=altered)
    assert report.verdict is Verdict.ESCALATED
    assert ("set_activation_disabled", "mbx1.contoso.com") not in backend.asked
    assert said in last_step(report).detail


# --- a clock that is set -------------------------------------------------------------------------


def ahead(minutes):
    """A server whose clock has been set forward: its boot time moves with it."""

    def change(ask, server, *args):
        seen = ask(server, *args)
        if not server.casefold().startswith("mbx1"):
            return seen
        by = timedelta(minutes=minutes)
        return evolve(seen, boot_time=seen.boot_time + by, local_time=seen.local_time + by)

    return change


def test_a_clock_that_is_set_is_no_restart(scenario):
    """It has been up as long as before; so it is neither said to have restarted, nor restarted."""
    one = scenario()
    report, _ = healed(one, since="rebooting", host_status=ahead(2))
    step = last_step(report)
    assert (step.state, step.outcome) == ("rebooting", "refused")
    assert "its clock was set" in step.detail
    assert "restart of POP3 and of the server" not in report.summary
    assert not one.organisation.history.of(h.RebootCommanded)
    assert report.handover.commands


def test_a_clock_that_is_set_while_a_server_does_not_go_down(scenario):
    """It is not back, as it has not been away."""
    one = scenario(f'{DAG3}\n[servers.MBX1]\nreboot = "never_goes_down"')
    report, _ = healed(one, since="awaiting_server", host_status=ahead(2))
    step = last_step(report)
    assert (step.state, step.outcome, step.kind) == (
        "awaiting_server",
        "not_back",
        FindingKind.STUCK,
    )

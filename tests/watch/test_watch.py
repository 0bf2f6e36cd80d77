"""Watching: one alert is one healing, whatever the rows say and however often it is restarted."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from popheal import Journal, Policy, Verdict
from popheal.backends.simulated import SimulatedBackend
from popheal.backends.simulated import history as h
from popheal.backends.simulated.faults import Cure, Fault
from popheal.backends.simulated.scenario import build_scenario
from popheal.cli.app import popheal as command
from popheal.cli.signals import BrokenOff
from popheal.engine.control import Control
from popheal.errors import BackendError, JournalError, NotAuthorised, UnknownName, Unreachable
from popheal.exchange.models import MonitorHealth
from popheal.healthsets.pop.catalog import MONITORS
from popheal.journal import HealingRecord
from popheal.policy.windows import DAYS, Window
from popheal.tables.actions import Impact
from popheal.watch.decide import Incident, Next, decide, incident_of
from popheal.watch.loop import Watch, watch
from tests.cli.test_over_lab import PATIENCE, POPHEAL, environment, lab
from tests.support.virtual_time import ParallelClock, run

SERVERS = ["mbx1.contoso.com", "mbx2.contoso.com", "mbx3.contoso.com"]
MBX1 = SERVERS[0]
DEEP = "MSExchangePOP3BE"
QUARTER = timedelta(minutes=15)


def organisation(**tables):
    """Three members of one group; nothing is wrong but what the tables say."""
    content = {
        "title": "A watched organisation",
        "alert": {"server": "MBX1", "health_set": "POP"},
        "organisation": {"preset": "dag3"},
        **tables,
    }
    return build_scenario(content, clock=ParallelClock()).organisation


def fault(server="MBX1", cure="restart", **more):
    return {"server": server, "fails": ["deep"], "cure": cure, **more}


class Watching:
    """A watch over a simulated organisation, which a test may start again and again."""

    def __init__(self, path, simulation, backend=None) -> None:
        self.path = path / "journal.db"
        self.simulation = simulation
        self.backend = backend or SimulatedBackend(simulation)
        self.clock = simulation.clock
        self.began = self.clock.now()
        self.events = []

    def see(self, event) -> None:
        self.events.append(event)

    def start(self, *servers, minutes=None, observe=None, **options):
        """Watch for some minutes of the simulation, or look once."""
        leave = Control()
        how = {"once": not minutes, "check": options.pop("check", False)}
        with Journal(self.path) as journal:
            watching = Watch(
                servers or SERVERS,
                self.backend,
                journal=journal,
                clock=self.clock,
                observers=[self.see, *([observe] if observe else [])],
                **{"control": leave, **options},
            )

            async def watch():
                if minutes:
                    asyncio.get_running_loop().call_later(60 * minutes, watching.control.detach)
                return await watching.run(**how)

            return run(watch(), self.clock)

    def each_minute(self, minutes, *servers, **options):
        """Start it anew each minute: nothing is kept in memory."""
        for _ in range(minutes):
            self.start(*servers, **options)
            self.clock.sleep(60)

    @property
    def healings(self):
        with Journal(self.path) as journal:
            return journal.healings()

    @property
    def verdicts(self):
        return [one.verdict for one in self.healings]

    def named(self, name):
        return [one for one in self.events if one.name == name]

    def of(self, kind, actor=h.POPHEAL):
        return [one for one in self.simulation.history.of(kind) if one.actor == actor]


# --- what is ill ---------------------------------------------------------------------------------

NOW = datetime(2026, 1, 5, 12, 0, tzinfo=UTC)


def ago(minutes):
    return NOW - timedelta(minutes=minutes)


def row(monitor, value="Unhealthy", turned=30, evaluated=1, server=MBX1, **more):
    return MonitorHealth(
        server=server,
        monitor=monitor,
        health_set=more.pop("health_set", "POP.Protocol"),
        alert_value=value,
        last_transition=None if turned is None else ago(turned),
        last_execution=None if evaluated is None else ago(evaluated),
        **more,
    )


def test_the_alert_is_of_the_monitor_that_turned_last():
    rows = [row("PopDeepTestMonitor", turned=30), row("PopSelfTestMonitor", turned=10, evaluated=0)]
    illness = incident_of(MBX1, rows, NOW)
    assert illness == Incident(
        monitor=MONITORS[1], at=ago(10), turned=ago(10), monitors=MONITORS[:2]
    )
    assert illness.nearest is MONITORS[0]


def test_of_those_that_turned_together_it_is_the_one_that_is_healed_first():
    rows = [row("PopSelfTestMonitor"), row("PopDeepTestMonitor")]
    assert incident_of("MBX1", rows, NOW).monitor.name == "PopDeepTestMonitor"


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [row("PopDeepTestMonitor", "Healthy")],
        [row("PopDeepTestMonitor", "Degraded")],
        [row("PopDeepTestMonitor", stale=True)],
        [row("PopDeepTestMonitor", server="mbx2.contoso.com")],
        [row("OwaDeepTestMonitor", health_set="OWA.Protocol")],
        [row("CrashEventMonitor")],
    ],
)
def test_what_is_no_illness_of_ours(rows):
    assert incident_of(MBX1, rows, NOW) is None


@pytest.mark.parametrize("ahead", [-300, 0, 300])
def test_a_wrong_clock_of_the_server_does_not_matter(ahead):
    """What counts is how long ago it was, told by the monitor evaluated last."""
    rows = [row("PopDeepTestMonitor", turned=20 - ahead, evaluated=5 - ahead)]
    other = row("FreeDiskSpaceMonitor", "Healthy", evaluated=-ahead, health_set="MailboxSpace")
    illness = incident_of(MBX1, [*rows, other], NOW)
    assert illness.at == ago(20 - ahead)
    assert illness.turned == ago(20)


def test_a_row_without_times():
    assert incident_of(MBX1, [row("PopDeepTestMonitor", turned=None)], NOW).at is None
    unevaluated = incident_of(MBX1, [row("PopDeepTestMonitor", evaluated=None)], NOW)
    assert unevaluated.turned == unevaluated.at == ago(30)


# --- what is to be done about it -----------------------------------------------------------------


def healing(verdict, *, ended, at=30, retry_at=None, alive=False):
    """A healing that ended that many minutes ago; None if it has not ended."""
    return HealingRecord(
        id=f"h{ended}",
        organisation="exchange",
        server=MBX1,
        version="",
        alert={"at": None if at is None else ago(at).isoformat()},
        policy={},
        begun_at=ago((ended or 0) + 5),
        owner="process 1",
        alive=alive,
        cancel_at=None,
        ended_at=None if ended is None else ago(ended),
        verdict=verdict,
        report={"retry_at": retry_at and ago(retry_at).isoformat()},
    )


def decided(*healings, turned=30):
    at = None if turned is None else ago(turned)
    illness = Incident(monitor=MONITORS[0], at=at, turned=at)
    return decide(illness, healings, NOW, QUARTER)


def test_nothing_has_been_done_yet():
    assert decided().what is Next.HEAL


def test_one_that_has_not_ended():
    alive = decided(healing("", ended=None, alive=True))
    assert alive.what is Next.WAIT
    assert "at work" in alive.why
    assert decided(healing("", ended=None), healing("held", ended=1)).what is Next.RESUME


@pytest.mark.parametrize("verdict", ["escalated", "cancelled"])
def test_a_person_has_it(verdict):
    """For ever, until something turns ill anew, long enough after the end of that healing."""
    assert decided(healing(verdict, ended=10_000, at=20_000), turned=20_000).what is Next.WAIT
    assert decided(healing(verdict, ended=20)).until is None
    # Turned ill while it was at work, or just after: the reboot had the monitors begin anew.
    assert decided(healing(verdict, ended=20, at=90), turned=25).what is Next.WAIT
    assert decided(healing(verdict, ended=20, at=90), turned=10).what is Next.WAIT
    assert decided(healing(verdict, ended=60, at=90), turned=10).what is Next.HEAL


@pytest.mark.parametrize("later", ["held", "unknown"])
def test_what_held_back_takes_it_from_nobody(later):
    """Somebody else's healing meanwhile that did nothing does not count."""
    assert decided(healing("escalated", ended=60), healing(later, ended=40)).what is Next.WAIT
    ended_well = healing("transient", ended=50)
    both = decided(healing("escalated", ended=60), ended_well, healing(later, ended=40))
    assert both.what is Next.HEAL


def test_held_is_tried_again_when_it_said():
    assert decided(healing("held", ended=14)).until == NOW + timedelta(minutes=1)
    assert decided(healing("held", ended=15)).what is Next.HEAL
    assert decided(healing("held", ended=600, retry_at=-60)).until == NOW + timedelta(hours=1)
    assert decided(healing("held", ended=5, retry_at=1)).what is Next.HEAL


def test_the_pause_grows_while_it_can_not_tell():
    """Each try is a message to people, and may be a logon that is refused."""
    ends = [600, 500, 400, 300, 200, 100, 1]
    for number, pause in enumerate([15, 30, 60, 120, 240, 240, 240], start=1):
        tried = [healing("unknown", ended=one, at=1000) for one in ends[-number:]]
        assert decided(*tried, turned=1000).until == ago(1) + timedelta(minutes=pause)


@pytest.mark.parametrize("verdict", ["recovered", "transient", "nothing_wrong"])
def test_rows_that_lag_are_tried_three_times(verdict):
    ended = [healing(verdict, ended=one) for one in (60, 40, 20)]
    assert decided(*ended[:2]).what is Next.HEAL
    assert decided(ended[2]).what is Next.HEAL
    assert decided(healing(verdict, ended=10)).until == NOW + timedelta(minutes=5)
    assert decided(*ended).what is Next.WAIT
    assert decided(*ended).until is None
    assert decided(*ended, turned=1).what is Next.HEAL


def test_without_a_time_a_day_decides():
    assert decided(healing("escalated", ended=23 * 60, at=None), turned=None).what is Next.WAIT
    assert decided(healing("escalated", ended=25 * 60, at=None), turned=None).what is Next.HEAL
    assert decided(healing("recovered", ended=16, at=None), turned=None).what is Next.HEAL


def test_a_healing_that_a_person_began_counts_too():
    assert decided(healing("escalated", ended=20, at=None)).what is Next.WAIT
    assert decided(healing("escalated", ended=60, at=None), turned=10).what is Next.HEAL


# --- a watch -------------------------------------------------------------------------------------


def test_nothing_wrong_is_nothing_done(tmp_path):
    watching = Watching(tmp_path, organisation())
    watching.start(minutes=60)
    assert watching.healings == []
    methods = {one.method for one in watching.of(h.Called)}
    assert methods == {"server_health"}
    assert len(watching.of(h.Called)) == pytest.approx(3 * 60, abs=6)
    assert [one.details["health"] for one in watching.named("server_health")] == ["healthy"] * 3
    assert watching.events[-1].name == "watch_ended"


def test_what_turns_ill_is_healed_once(tmp_path):
    watching = Watching(tmp_path, organisation(faults=[fault(begins=600)]))
    watching.start(minutes=120)
    assert watching.verdicts == ["recovered"]
    (record,) = watching.healings
    assert record.server == MBX1
    assert record.alert["monitor"] == "PopDeepTestMonitor"
    assert datetime.fromisoformat(record.alert["at"]) > watching.began
    (alert,) = watching.named("alert_raised")
    assert "PopDeepTestMonitor has been Unhealthy since 2026-01-05 08:" in alert.details["text"]
    told = [one.details["health"] for one in watching.named("server_health") if one.server == MBX1]
    assert told == ["healthy", "degraded", "unhealthy", "healthy"]


def test_a_fault_that_comes_back_is_healed_again(tmp_path):
    simulation = organisation(faults=[fault(begins=60)])
    watching = Watching(tmp_path, simulation)
    for hours in (1, 2):
        server = simulation.world.find("MBX1")
        again = Fault(
            name=f"again {hours}",
            server=server,
            fails=frozenset(["deep"]),
            cure=Cure(restarts=1),
            service=DEEP,
            begins=hours * 3600,
        )
        simulation.add_fault(again)
    watching.start(minutes=180)
    assert watching.verdicts == ["recovered"] * 3


def test_restarted_each_minute_it_does_the_same(tmp_path):
    """Everything it goes by is in the journal."""
    watching = Watching(tmp_path, organisation(faults=[fault(begins=300), fault("MBX3")]))
    watching.each_minute(60)
    assert watching.verdicts == ["recovered", "recovered"]


@pytest.mark.parametrize("restarted", [False, True])
def test_what_was_escalated_is_a_persons(tmp_path, restarted):
    """Although the reboot had its monitors begin anew."""
    watching = Watching(tmp_path, organisation(faults=[fault(cure="never")]))
    if restarted:
        watching.each_minute(180)
    else:
        watching.start(minutes=240)
        waits = watching.named("alert_waits")
        assert len(waits) <= 3
        assert "left to a person" in waits[-1].details["why"]
    assert watching.verdicts == ["escalated"]
    assert len(watching.of(h.RebootCommanded)) == 1


def test_a_person_heals_it_and_later_it_turns_ill_anew(tmp_path):
    simulation = organisation(faults=[fault(cure={"seconds": 7200})])
    watching = Watching(tmp_path, simulation, SimulatedBackend(simulation))
    policy = Policy(highest_impact=Impact.CHANGE)
    watching.start(minutes=180, policy=policy)
    assert watching.verdicts == ["escalated"]
    fresh = Fault(
        name="another",
        server=simulation.world.find("MBX1"),
        fails=frozenset(["deep"]),
        cure=Cure(restarts=1),
        service=DEEP,
        begins=60,
    )
    simulation.add_fault(fresh)
    watching.start(minutes=60, policy=policy)
    assert watching.verdicts == ["escalated", "recovered"]


def test_held_is_tried_again_each_quarter_of_an_hour(tmp_path):
    """A server in maintenance, until it is not."""
    simulation = organisation(faults=[fault()], servers={"MBX1": {"activation_disabled": True}})
    watching = Watching(tmp_path, simulation)
    watching.each_minute(50)
    assert watching.verdicts == ["held"] * 4
    simulation.set_activation_disabled("MBX1", False, "administrator")
    watching.each_minute(20)
    assert watching.verdicts[4:] == ["recovered"]


def test_held_is_tried_again_when_the_window_opens(tmp_path):
    policy = Policy(windows=(Window(days=DAYS, start="10:00", end="11:00", zone="UTC"),))
    watching = Watching(tmp_path, organisation(faults=[fault()]))
    watching.start(minutes=180, policy=policy)
    assert watching.verdicts == ["held", "recovered"]
    (_, second) = watching.healings
    opening = datetime(2026, 1, 5, 10, 0, tzinfo=UTC)
    assert opening <= second.begun_at <= opening + timedelta(minutes=2)


def test_several_monitors_are_one_healing(tmp_path):
    ill = [fault(), {"server": "MBX1", "fails": ["proxy"], "cure": "restart"}]
    watching = Watching(tmp_path, organisation(faults=ill))
    watching.start(minutes=60)
    assert watching.verdicts == ["recovered"]
    (record,) = watching.healings
    assert len(record.report["runs"]) == 2


def test_a_second_monitor_that_turns_ill_later_is_an_alert_of_its_own(tmp_path):
    ill = [fault(cure="never"), {"server": "MBX1", "fails": ["proxy"], "cure": "restart"}]
    ill[1]["begins"] = 5 * 3600
    policy = Policy(highest_impact=Impact.CHANGE)
    watching = Watching(tmp_path, organisation(faults=ill))
    watching.start(minutes=420, policy=policy)
    monitors = [one.alert["monitor"] for one in watching.healings]
    assert monitors == ["PopDeepTestMonitor", "PopProxyTestMonitor"]


def test_two_members_of_one_group_are_healed_one_after_the_other(tmp_path):
    """And the second is not rebooted so soon after the first."""
    ill = [fault(cure="reboot"), {**fault("MBX2", cure="reboot"), "fails": ["self"]}]
    watching = Watching(tmp_path, organisation(faults=ill))
    watching.start(minutes=300)
    first, second = watching.healings
    assert first.ended_at <= second.begun_at
    assert [one.server for one in watching.of(h.RebootCommanded)] == ["MBX1"]
    assert (first.verdict, second.verdict) == ("recovered", "escalated")


def test_a_row_that_stays_unhealthy_is_left_to_a_person_after_three_tries(tmp_path):
    """The monitor is wrong, or frozen: the probes succeed each time."""
    watching = Watching(tmp_path, organisation(faults=[fault(cure="never", seen_by="monitors")]))
    watching.each_minute(90, MBX1)
    assert watching.verdicts == ["transient"] * 3
    assert "left to a person" in watching.named("alert_waits")[-1].details["why"]


def test_a_row_that_comes_and_goes_without_saying_when_is_tried_once_in_a_while(tmp_path):
    """It says that it turned ill 20 hours ago, each time."""
    rows = [
        {"server": "MBX1", "monitor": "PopDeepTestMonitor", "alert_value": value, **times}
        for value, times in (
            ("Unhealthy", {"until": 120.0}),
            ("Unhealthy", {"since": 240.0, "until": 360.0}),
            ("Unhealthy", {"since": 480.0, "until": 600.0}),
        )
    ]
    watching = Watching(tmp_path, organisation(rows=rows))
    watching.each_minute(30, MBX1)
    assert watching.verdicts == ["transient"]


def test_a_manual_healing_at_work_is_waited_for(tmp_path):
    watching = Watching(tmp_path, organisation(faults=[fault()]))
    with Journal(watching.path) as other:
        other.begin(
            "manual",
            at=watching.began,
            organisation=watching.backend.organisation,
            server="MBX1",
            version="",
            alert={"server": "MBX1"},
            policy=Policy().to_json(),
        )
        watching.start()
        (waits,) = watching.named("alert_waits")
        assert "healing manual is at work on it" in waits.details["why"]
        assert watching.verdicts == [""]


# --- looks that fail -----------------------------------------------------------------------------


class Failing:
    """A backend whose looks at some servers fail, as long as a test wants."""

    def __init__(self, simulation, kind, servers) -> None:
        self._backend = SimulatedBackend(simulation)
        self.kind, self.servers, self.asked = kind, list(servers), []

    def __getattr__(self, name):
        return getattr(self._backend, name)

    def server_health(self, server):
        self.asked.append(server)
        if server not in self.servers:
            return self._backend.server_health(server)
        if issubclass(self.kind, BackendError):
            raise self.kind(server=server, command="Get-ServerHealth", cause="no")
        raise self.kind("no")


def failing(tmp_path, kind, *servers, **tables):
    simulation = organisation(**tables)
    return Watching(tmp_path, simulation, Failing(simulation, kind, servers))


@pytest.mark.parametrize("kind", [Unreachable, RuntimeError])
def test_a_look_that_fails_is_told_once_and_others_are_looked_at(tmp_path, kind):
    watching = failing(tmp_path, kind, MBX1, faults=[fault("MBX2")])
    watching.start(minutes=60)
    assert watching.verdicts == ["recovered"]
    (told,) = watching.named("look_failed")
    assert told.server == MBX1
    assert len([one for one in watching.backend.asked if one == MBX1]) > 50
    watching.backend.servers.clear()
    watching.start(minutes=10)
    assert watching.named("server_health")[-1].details["health"] == "healthy"


def refused(watching, minutes):
    watching.backend.kind = NotAuthorised
    watching.start(minutes=minutes)
    return [one for one in watching.backend.asked if one in watching.backend.servers]


def test_a_wrong_password_is_not_tried_until_the_account_is_locked_out(tmp_path):
    watching = failing(tmp_path, Unreachable, *SERVERS)
    assert len(refused(watching, 120)) <= 9


def test_nor_one_that_expires_meanwhile(tmp_path):
    watching = failing(tmp_path, Unreachable)
    watching.start(minutes=10)
    watching.backend.servers = list(SERVERS)
    watching.backend.asked.clear()
    assert len(refused(watching, 30)) <= 4


@pytest.mark.parametrize("without", [SERVERS[:1], SERVERS[:2]])
def test_servers_without_rights_do_not_keep_the_others_from_being_watched(tmp_path, without):
    watching = failing(tmp_path, Unreachable, *without)
    asked = refused(watching, 240)
    assert len(asked) <= 17 * len(without)
    assert watching.backend.asked.count(SERVERS[2]) > 180
    assert watching.healings == []


# --- nobody has decided ---------------------------------------------------------------------------


def test_undecided_it_goes_as_far_as_it_may_once(tmp_path):
    """Trying again would restart the service again, for nothing; once it is decided, it heals."""
    simulation = organisation(faults=[fault(cure="reboot")])
    watching = Watching(tmp_path, simulation)
    watching.start(minutes=240, policy=Policy(approval_undecided=True))
    assert watching.verdicts == ["held"]
    assert len(watching.of(h.ServiceRestarted)) == 1
    assert watching.of(h.RebootCommanded) == []
    (told,) = watching.named("alert_waits")
    assert "until approval_from is said" in told.details["why"]
    watching.start(minutes=120, policy=Policy())
    assert watching.verdicts == ["held", "recovered"]


# --- restarts ------------------------------------------------------------------------------------


def when(watching, name, state, do):
    """An observer that does something as soon as an event is there."""

    def observe(event):
        if event.name == name and event.state == state:
            do()

    return observe


def test_leaving_breaks_off_and_the_next_start_goes_on(tmp_path):
    simulation = organisation(faults=[fault(cure="reboot")])
    watching = Watching(tmp_path, simulation)
    leave = Control()
    observe = when(watching, "action_started", "awaiting_server", leave.detach)
    assert watching.start(minutes=120, control=leave, observe=observe) == []
    assert watching.verdicts == [""]
    assert watching.named("watch_ended")[0].details["left"] == watching.healings[0].id
    assert len(watching.of(h.RebootCommanded)) == 1
    assert watching.start() == [Verdict.RECOVERED]
    assert watching.verdicts == ["recovered"]
    assert len(watching.of(h.RebootCommanded)) == 1
    assert not simulation.world.find("MBX1").activation_disabled


class Dead(BaseException):
    """The process is killed."""


def test_every_healing_that_was_broken_off_is_gone_on_with_at_once(tmp_path):
    """Also one of a server that is not watched; it is no reason not to look at others."""
    simulation = organisation(faults=[fault("MBX3", cure="reboot"), fault("MBX1", begins=3000)])
    watching = Watching(tmp_path, simulation)

    def die():
        raise Dead

    observe = when(watching, "action_finished", "rebooting", die)
    with pytest.raises(Dead):
        watching.start(SERVERS[2], observe=observe)
    del watching.events[:]
    watching.start(MBX1)
    assert watching.verdicts == ["recovered"]
    names = [one.name for one in watching.events]
    assert names.index("server_health") < names.index("healing_ended")


def test_one_that_dies_meanwhile_is_gone_on_with_after_a_while(tmp_path):
    """Not at once: a person may have broken it off to look at the server."""
    watching = Watching(tmp_path, organisation(faults=[fault(begins=60)]))
    other = Journal(watching.path)

    def begin(event):
        if event.name == "server_health" and event.details["health"] == "degraded":
            other.begin(
                "manual",
                at=watching.clock.now(),
                organisation=watching.backend.organisation,
                server="MBX1",
                version="",
                alert={"server": "MBX1"},
                policy=Policy().to_json(),
            )
            other.close()

    watching.start(minutes=60, observe=begin)
    (record,) = watching.healings
    assert (record.id, record.verdict) == ("manual", "recovered")
    assert record.ended_at - record.begun_at >= QUARTER
    assert "will be gone on with" in watching.named("alert_waits")[0].details["why"]


def test_stopping_stops_the_healing_and_ends_the_watch(tmp_path):
    watching = Watching(tmp_path, organisation(faults=[fault(cure="reboot")]))
    stop = Control()
    observe = when(watching, "action_started", "reprobing", stop.cancel)
    assert watching.start(minutes=120, control=stop, observe=observe) == [Verdict.CANCELLED]
    assert watching.of(h.RebootCommanded) == []
    watching.each_minute(60)
    assert watching.verdicts == ["cancelled"]


def test_cancelling_one_healing_does_not_end_the_watch(tmp_path):
    watching = Watching(tmp_path, organisation(faults=[fault(cure="reboot"), fault("MBX2")]))

    def cancel():
        with Journal(watching.path) as other:
            (record,) = other.healings(unfinished=True)
            other.cancel(record.id, at=watching.clock.now())

    observe = when(watching, "action_finished", "draining", cancel)
    policy = Policy(sibling_share=1.0)
    watching.start(minutes=120, observe=observe, policy=policy)
    assert watching.verdicts[0] == "cancelled"
    assert len(watching.verdicts) == 2


def test_ctrl_c_that_nobody_caught_ends_the_watch(tmp_path):
    class Interrupted(SimulatedBackend):
        def restart_service(self, server, service):
            super().restart_service(server, service)
            raise KeyboardInterrupt

    simulation = organisation(faults=[fault(cure="reboot")])
    watching = Watching(tmp_path, simulation, Interrupted(simulation))
    assert watching.start(minutes=120) == [Verdict.CANCELLED]


def test_a_stop_is_heeded_within_seconds(tmp_path):
    watching = Watching(tmp_path, organisation())
    watching.start(minutes=10, every=86400)
    assert watching.clock.now() - watching.began <= timedelta(minutes=10, seconds=5)


# --- the journal ---------------------------------------------------------------------------------


def test_only_one_watches_with_a_journal(tmp_path):
    watching = Watching(tmp_path, organisation())
    tried = []

    def another(event):
        if event.name == "watch_started" and not tried:
            with (
                ThreadPoolExecutor(1) as thread,  # where no other event loop runs
                pytest.raises(JournalError, match="is being watched by another process") as error,
            ):
                thread.submit(watching.start).result()
            tried.append(error.value.next_step)

    watching.start(observe=another)
    assert tried == ["Let that one watch, or give this one another journal."]
    watching.start()


def test_a_healing_that_another_process_takes_over_is_left_to_it(tmp_path):
    watching = Watching(tmp_path, organisation(faults=[fault(cure="reboot")]))
    other = Journal(watching.path)

    def take_over():
        (record,) = other.healings(unfinished=True)
        other.take_over(record.id, at=watching.clock.now(), steal=True)

    observe = when(watching, "action_finished", "reprobing", take_over)
    watching.start(minutes=60, observe=observe)
    said = [one.details["why"] for one in watching.named("alert_waits")]
    assert "another process has taken over healing" in said[0]
    assert "is at work on it" in said[1]
    assert len(said) == 2
    assert watching.verdicts == [""]
    other.close()


def with_one_left(tmp_path):
    """A watch whose journal has a healing of a server that has gone since."""
    watching = Watching(tmp_path, organisation(faults=[fault()]))
    with Journal(watching.path) as journal:
        journal.begin(
            "nowhere",
            at=watching.began,
            organisation=watching.backend.organisation,
            server="gone.contoso.com",
            version="",
            alert={"server": "gone.contoso.com"},
            policy=Policy().to_json(),
        )
    return watching


def test_one_that_can_not_be_gone_on_with_is_told_and_keeps_nothing_else(tmp_path, monkeypatch):
    async def fails(*_, **__):
        raise UnknownName(kind="server", name="gone", known=())

    monkeypatch.setattr("popheal.api.Healer.aresume", fails)
    watching = with_one_left(tmp_path)
    assert watching.start() == [Verdict.UNKNOWN, Verdict.RECOVERED]
    (told,) = watching.named("look_failed")
    assert "There is no server 'gone'" in told.details["error"]


def test_one_whose_server_has_gone_is_ended(tmp_path):
    watching = with_one_left(tmp_path)
    assert watching.start() == [Verdict.UNKNOWN, Verdict.RECOVERED]
    assert [one.verdict for one in watching.healings if one.id == "nowhere"] == ["unknown"]


def test_what_has_no_recipe_is_told_and_no_alert(tmp_path):
    ill = [{"server": "MBX1", "fails": ["crashes"], "cure": "never"}]
    watching = Watching(tmp_path, organisation(faults=ill))
    watching.start(minutes=30)
    (told,) = [one for one in watching.named("server_health") if one.server == MBX1]
    assert told.details == {"health": "healthy", "without_recipe": ["CrashEventMonitor"]}
    assert watching.healings == []


def test_a_journal_that_fails_ends_the_watch(tmp_path):
    watching = Watching(tmp_path, organisation(faults=[fault()]))

    def fail(event):
        if event.name == "run_started":
            journal.close()

    with Journal(watching.path) as journal, pytest.raises(JournalError):
        watch(SERVERS, watching.backend, journal=journal, observers=[fail])
    assert "restart_service" not in {one.method for one in watching.of(h.Called)}


def test_a_journal_in_memory_will_do_for_a_program(tmp_path):
    simulation = organisation(faults=[fault()])
    backend = SimulatedBackend(simulation)
    assert watch(SERVERS, backend, journal=Journal(), once=True) == [Verdict.RECOVERED]


def test_no_server_is_a_mistake():
    with pytest.raises(ValueError, match="no server to watch"):
        watch([], SimulatedBackend(organisation()), journal=Journal())


# --- the command ---------------------------------------------------------------------------------

CONFIG = '[exchange]\nservers = ["ex1.contoso.com"]\n'
UNDECIDED = CONFIG + f"[watch]\nservers = {SERVERS!r}\n".replace("'", '"')
WATCH = UNDECIDED.removeprefix(CONFIG) + '[policy]\napproval_from = "never"\n'


@pytest.fixture
def watched(tmp_path, monkeypatch):
    """Runs the command over a simulated organisation."""

    def run(simulation, *args, text=CONFIG + WATCH):
        class Backend:
            def __init__(self, settings):
                pass

            def __enter__(self):
                return SimulatedBackend(simulation)

            def __exit__(self, *error):
                return None

        monkeypatch.setattr("popheal.backends.psrp.PsrpBackend", Backend)
        config = tmp_path / "popheal.toml"
        config.write_text(text)
        args = ["watch", "--config", str(config), *args]
        return CliRunner().invoke(command, args, env={"POPHEAL_CONFIG": None})

    return run


def test_at_its_start_it_says_what_nobody_has_decided(watched, tmp_path):
    journal = str(tmp_path / "journal.db")
    told = watched(organisation(), "--once", "--journal", journal, text=UNDECIDED).stderr
    assert "Nobody has decided yet whether a person must approve" in told
    told = watched(organisation(), "--once", "--journal", journal).stderr
    assert "approve" not in told


def test_it_is_told_line_by_line(watched, tmp_path):
    journal = str(tmp_path / "journal.db")
    result = watched(organisation(faults=[fault()]), "--once", "--journal", journal)
    assert result.exit_code == 0
    assert result.stdout == ""
    lines = result.stderr.splitlines()
    at = r"2026-01-05 08:\d\d:\d\dZ "
    for line in lines:
        assert re.match(f"{at}(mbx[123].contoso.com: |watching|the watch)", line), line
    told = [re.sub(at, "", line) for line in lines]
    assert told[0] == f"watching {', '.join(SERVERS)}"
    assert told[1] == f"{MBX1}: unhealthy PopDeepTestMonitor"
    assert {f"{one}: healthy" for one in SERVERS[1:]} < set(told)
    alert = f"{MBX1}: alert: PopDeepTestMonitor has been Unhealthy since 2026-"
    assert any(one.startswith(alert) for one in told)
    assert f"{MBX1}: restarting_pop3_backend: done restarted" in told
    assert f"{MBX1}: recovered: PopDeepTestMonitor: healed" in told
    assert told[-1] == "the watch has ended"


def test_the_status_of_a_single_look_is_the_worst(watched, tmp_path):
    args = ["--once", "--journal", str(tmp_path / "journal.db")]
    ill = [fault(cure="never"), {**fault("MBX2"), "fails": ["self"]}]
    assert watched(organisation(faults=ill), *args).exit_code == 1
    broken = [{"method": "server_health", "error": "Unreachable"}]
    assert watched(organisation(calls=broken), *args).exit_code == 4
    assert watched(organisation(), *args).exit_code == 0


def test_verbose_logs_each_event_instead(watched, tmp_path):
    journal = str(tmp_path / "journal.db")
    result = watched(organisation(), "--once", "-v", "--journal", journal)
    lines = result.stderr.splitlines()
    assert len(lines) == 5 + len(SERVERS), "each look is one for debugging"
    assert all("event='" in line for line in lines)


def test_people_are_told_as_notify_says(watched, tmp_path, monkeypatch):
    sent = []

    class Notifier:
        def __init__(self, urls, *, verdicts):
            self.verdicts = verdicts

        def __call__(self, event):
            if event.name == "handed_over":
                sent.append(event.details["report"].verdict)

    monkeypatch.setattr("popheal.notify.Notifier", Notifier)
    monkeypatch.setenv("POPHEAL_NOTIFY", "json://localhost")
    text = f'{CONFIG}{WATCH}[journal]\npath = "journal.db"\n[notify]\nurls_env = "POPHEAL_NOTIFY"\n'
    assert watched(organisation(faults=[fault(cure="never")]), "--once", text=text).exit_code == 1
    assert sent == [Verdict.ESCALATED]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (CONFIG, "has no [watch]. Add it, with servers"),
        (CONFIG + WATCH, "has no [journal], without which a watch would forget"),
    ],
)
def test_what_it_needs(watched, text, said):
    result = watched(organisation(), text=text)
    assert result.exit_code == 2
    assert re.fullmatch(r"popheal: [^\n]+\n", result.stderr)
    assert said in result.stderr


def test_a_second_watch_says_so(watched, tmp_path):
    watching = Watching(tmp_path, organisation())

    def another(event):
        if event.name == "watch_started":
            with ThreadPoolExecutor(1) as thread:  # where no other event loop runs
                args = ["--journal", str(watching.path)]
                results.append(thread.submit(watched, organisation(), *args).result())

    results = []
    watching.start(observe=another)
    assert results[0].exit_code == 74
    assert "is being watched by another process. Let that one watch" in results[0].stderr


# --- as a process --------------------------------------------------------------------------------


@contextmanager
def process(config):
    """``popheal watch``, with what it says line by line."""
    started = subprocess.Popen(
        [*POPHEAL, "watch", "--config", str(config)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    try:
        yield started
    finally:
        started.kill()
        started.communicate()


def says(started, wanted):
    """Read until it says that; gives what it said before."""
    said = []
    for line in started.stderr:
        said.append(line)
        assert "Traceback" not in line
        assert "\x1b" not in line
        if wanted in line:
            return said
    pytest.fail("".join(said))


@pytest.mark.slow
@pytest.mark.lab
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 0), (signal.SIGKILL, -9)])
def test_ended_in_the_middle_the_next_start_heals(tmp_path, number, status):
    pytest.importorskip("psrpcore", reason="needs popheal[lab]")
    with lab(tmp_path, "mailbox-healed-by-reboot", 100) as config:
        watched = tmp_path / "watched.toml"
        servers = '["mbx1.contoso.com", "mbx2.contoso.com"]'
        watched.write_text(
            f'{config.read_text()}\n[journal]\npath = "journal.db"\n'
            f"[watch]\nservers = {servers}\nevery = 1\n"
        )
        with process(watched) as first:
            says(first, "rebooting: done")
            first.send_signal(number)
            first.communicate(timeout=20)
            assert first.returncode == status
        with Journal(tmp_path / "journal.db") as journal:
            (record,) = journal.healings()
            assert record.verdict == ""
            assert not record.alive
        with process(watched) as second:
            said = says(second, "recovered: ")
            # It was ended before, or just after, it could write down that it is done.
            again = [line for line in said if "rebooting: done" in line]
            assert all("not repeated" in line for line in again)
            if not any("mbx2.contoso.com: healthy" in line for line in said):
                says(second, "mbx2.contoso.com: healthy")
            second.send_signal(signal.SIGTERM)
            answer, complaints = second.communicate(timeout=20)
        assert second.returncode == 0
        assert answer == ""
        assert complaints.endswith("Z the watch has ended\n")
    with Journal(tmp_path / "journal.db") as journal:
        (record,) = journal.healings()
        assert record.verdict == "recovered"


@pytest.mark.slow
@pytest.mark.lab
def test_ctrl_c_stops_what_is_at_work_and_ends(tmp_path):
    pytest.importorskip("psrpcore", reason="needs popheal[lab]")
    with lab(tmp_path, "command-time-healed-by-reboot", 60) as config:
        watched = tmp_path / "watched.toml"
        watched.write_text(
            f'{config.read_text()}\n[journal]\npath = "journal.db"\n'
            '[watch]\nservers = ["mbx1.contoso.com"]\n'
        )
        with process(watched) as started:
            says(started, "restarting_pop3_services: done")
            started.send_signal(signal.SIGINT)
            _, said = started.communicate(timeout=PATIENCE)
    assert started.returncode == 0
    assert "popheal: Stopping: " in said
    assert "cancelled: " in said


def test_sigterm_leaves_a_healing_for_the_next_start(watched, tmp_path, monkeypatch):
    simulation = organisation(faults=[fault(cure="reboot")])

    def terminate(_journal, event):
        if event.name == "action_started" and event.state == "awaiting_server":
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr("popheal.cli.commands.watch.tell", terminate)
    before = signal.getsignal(signal.SIGTERM)
    journal = tmp_path / "journal.db"
    assert watched(simulation, "--journal", str(journal)).exit_code == 0
    assert signal.getsignal(signal.SIGTERM) == before
    with Journal(journal) as opened:
        (record,) = opened.healings()
    assert record.ended_at is None
    assert simulation.world.find("MBX1").activation_disabled


def test_it_runs_in_any_thread(watched, tmp_path):
    """Where no signal can be heeded."""
    args = ["--once", "--journal", str(tmp_path / "journal.db")]
    with ThreadPoolExecutor(1) as thread:
        assert thread.submit(watched, organisation(), *args).result().exit_code == 0


def test_a_second_ctrl_c_says_what_the_journal_has(watched, tmp_path, monkeypatch):
    def broken_off(*_, **__):
        raise BrokenOff

    monkeypatch.setattr("popheal.watch.loop.watch", broken_off)
    result = watched(organisation(), "--journal", str(tmp_path / "journal.db"))
    assert result.exit_code == 130
    assert "Broken off. What was begun is not undone" in result.stderr

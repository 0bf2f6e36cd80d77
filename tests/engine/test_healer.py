"""What a Healer owns, and what it hands on."""

from __future__ import annotations

import asyncio

import pytest

from popheal import Control, Healer, Journal, Verdict, plan
from popheal.audit import check_journal
from popheal.backends.simulated import load_scenario
from popheal.engine.context import HealingContext
from popheal.engine.drive import drive
from popheal.engine.requests import Pause
from popheal.errors import Detached, UnknownName
from popheal.healthsets.pop import MAILBOX
from popheal.policy.policy import Policy
from popheal.util.clock import VirtualClock
from tests.evidence.test_mutants import retargeted
from tests.support.healing import alert_of


def test_a_table_that_is_not_given_is_the_shipped_one():
    """It used to end as a complaint about the backend's answer."""
    scenario = load_scenario("proxy-healed-by-restart")
    healer = Healer(scenario.backend, procedures={"mailbox": MAILBOX}, journal=Journal())
    assert healer.heal(alert_of(scenario)).verdict is Verdict.RECOVERED


def test_a_table_that_no_monitor_asks_for_is_refused():
    """With the names that there are."""
    with pytest.raises(UnknownName, match="careful") as refused:
        Healer(load_scenario("transient").backend, procedures={"careful": MAILBOX})
    assert "client_access" in refused.value.next_step


def test_a_plan_is_of_the_tables_that_are_given():
    """As healing would be; and the same without blocking."""
    own = retargeted(MAILBOX, restarting_pop3_backend={"failed": "escalated"})
    settings = {"procedures": {"mailbox": own}}
    scenario = load_scenario("mailbox-healed-by-reboot")
    planned = plan(alert_of(scenario), scenario.backend, **settings)
    shipped = plan(alert_of(scenario), load_scenario("mailbox-healed-by-reboot").backend)
    again = load_scenario("mailbox-healed-by-reboot")
    later = asyncio.run(Healer(again.backend, **settings).aplan(alert_of(scenario)))
    assert [one.hash for one in planned.runs] == [one.hash for one in later.runs]
    assert [one.hash for one in planned.runs] != [one.hash for one in shipped.runs]


def test_an_intended_restart_of_one_service_lets_no_other_pass():
    """The fence knows what an effect is done to, not only which one it is."""
    clock = VirtualClock()
    with Journal() as journal:
        lease = journal.begin(
            "one", at=clock.now(), organisation="o", server="mbx1", version="", alert={}, policy={}
        )
        intended = ("restart_service", "mbx1", "MSExchangePOP3BE")
        lease._intended |= {intended}
        lease.check(*intended)
        for other in (("restart_service", "mbx1", "MSExchangePOP3"), ("reboot", "mbx1", None)):
            with pytest.raises(AssertionError, match="was not written down"):
                lease.check(*other)


class SlowClock(VirtualClock):
    """Each sleep takes a second longer than asked, as a busy machine's."""

    def sleep(self, seconds):
        super().sleep(seconds + 1)


class BrokenClock(VirtualClock):
    def sleep(self, seconds):
        raise ValueError("no time")


async def paused(seconds):
    await Pause(seconds)


def pause_on(clock, seconds):
    context = HealingContext(policy=Policy(), clock=clock, organisation="o")
    began = clock.now()
    drive(lambda: paused(seconds), None, context)
    return (clock.now() - began).total_seconds()


def test_a_pause_ends_by_the_clock():
    """Its pieces are not counted: what each costs beyond its length adds nothing."""
    assert pause_on(VirtualClock(), 600) == 600
    assert 600 <= pause_on(SlowClock(), 600) <= 606


def test_a_clock_that_fails_ends_no_pause():
    """A poll would else look again at once, and for ever."""
    with pytest.raises(ValueError, match="no time"):
        pause_on(BrokenClock(), 600)


def test_a_stop_is_noted_for_the_server(tmp_path):
    """Where it was a healing's id: in a healing that began here, and in one that is resumed."""
    scenario, events = load_scenario("mailbox-healed-by-reboot"), []
    control, left = Control(), Control()
    settings = {"journal": Journal(tmp_path / "journal.db"), "observers": [events.append]}

    def leave(event):
        if event.name == "action_started" and event.state == "awaiting_server":
            left.detach()

    healer = Healer(scenario.backend, **{**settings, "observers": [leave]})
    with pytest.raises(Detached):
        healer.heal(alert_of(scenario), control=left)
    (begun,) = settings["journal"].healings(unfinished=True)
    control.cancel()
    resumed = Healer(scenario.backend, **settings).resume(begun.id, control=control)
    settings["journal"].close()
    assert resumed.verdict is Verdict.CANCELLED
    (noted,) = [one for one in events if one.name == "stop_noted"]
    assert (noted.server, noted.healing) == (scenario.server, begun.id)


def test_what_is_resumed_ends_where_its_server_has_gone(tmp_path):
    """It was left in its first look, and the server was removed meanwhile: nobody was to be healed.

    Else each resume would end in an error, and its claims would stay.
    """
    scenario = load_scenario("mailbox-healed-by-reboot")
    with Journal(tmp_path / "journal.db") as journal:
        journal.begin(
            "gone",
            at=VirtualClock().now(),
            organisation=scenario.backend.organisation,
            server="mbx9.contoso.com",
            version="",
            alert={"server": "mbx9.contoso.com"},
            policy=Policy().to_json(),
        ).leave()
        report = Healer(scenario.backend, journal=journal).resume("gone")
        assert not journal.healings(unfinished=True)
    assert report.verdict is Verdict.UNKNOWN
    assert "no server 'mbx9.contoso.com' any more" in report.summary
    assert check_journal(tmp_path / "journal.db").ok

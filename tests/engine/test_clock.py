"""A wall clock that is set while a healing goes on, in whichever state, changes nothing in it."""

from __future__ import annotations

from datetime import timedelta
from functools import cache
from itertools import cycle

import pytest

from popheal import Journal, Policy, Verdict, heal, resume
from popheal.audit import check_journal
from popheal.backends.simulated import load_scenario
from popheal.engine.control import Control
from popheal.errors import Detached
from popheal.policy.windows import DAYS, Window
from popheal.reports import events
from tests.support.healing import alert_of

MONTH, HOUR, DAY = timedelta(days=30), timedelta(hours=1), timedelta(hours=25)
#: Together they go through every action.
SCENARIOS = (
    "mailbox-healed-by-reboot",
    "client-access-back-end-rebooted",
    "command-time-healed-by-reboot",
    "server-comes-back-late",
)


class SetClock:
    """The organisation's clock, as a machine shows it whose own is set now and then."""

    def __init__(self, true) -> None:
        self.true = true
        self.ahead = timedelta(0)

    def now(self):
        return self.true.now() + self.ahead

    def monotonic(self):
        return self.true.monotonic()

    def sleep(self, seconds):
        self.true.sleep(seconds)

    async def asleep(self, seconds):
        await self.true.asleep(seconds)


def states_of(name):
    """Each state that the healing of a scenario comes through."""
    seen = []
    scenario = load_scenario(name)
    heal(
        alert_of(scenario),
        scenario.backend,
        journal=Journal(),
        observers=[seen.append],
    )
    return sorted({one.state for one in seen if isinstance(one, events.ActionStarted)})


def what_came(report):
    return (
        report.verdict,
        [(run.procedure, run.path) for run in report.runs],
        [step.detail for run in report.runs for step in run.steps],
        report.finished_at - report.started_at,
    )


@cache
def undisturbed(name):
    """What comes of a scenario where no clock is set."""
    scenario = load_scenario(name)
    return what_came(heal(alert_of(scenario), scenario.backend, journal=Journal()))


def moments():
    """Each state of each scenario, with one of the steps in turn: back, a little on, far on.

    Most kinds of states come up in several scenarios, and so with several steps.
    """
    states = [(name, state) for name in SCENARIOS for state in states_of(name)]
    steps = cycle((-MONTH, HOUR, DAY))
    return [(*one, step) for one, step in zip(states, steps, strict=False)]


@pytest.mark.parametrize(("name", "state", "step"), moments())
def test_a_clock_that_is_set_in_any_state_changes_nothing(name, state, step, tmp_path):
    scenario, told = load_scenario(name), []
    path = tmp_path / "journal.db"
    clock, journal = SetClock(scenario.clock), Journal(path)

    def set_it(event):
        if isinstance(event, events.ActionStarted) and event.state == state:
            clock.ahead = step

    report = heal(
        alert_of(scenario),
        scenario.backend,
        clock=clock,
        journal=journal,
        observers=[set_it, told.append],
    )
    assert what_came(report) == undisturbed(name)
    assert check_journal(path).ok
    said = [one.by for one in told if isinstance(one, events.ClockSet)]
    assert said in ([], [step.total_seconds()])
    begun = [one.state for one in told if isinstance(one, events.ActionStarted)]
    assert said or begun[-1] == state, "told, unless no action came after it"


def test_a_wait_that_another_process_began_lasts_no_longer_than_it_should(tmp_path):
    """Set back by a month in between, what is left of the ten minutes is not a month."""
    scenario = load_scenario("command-time-healed-by-restart")
    path = tmp_path / "journal.db"
    clock, journal, control = SetClock(scenario.clock), Journal(path), Control()

    def leave(event):
        if isinstance(event, events.Pausing) and event.what == "POP to settle":
            control.detach()

    with pytest.raises(Detached) as left:
        heal(
            alert_of(scenario),
            scenario.backend,
            clock=clock,
            journal=journal,
            control=control,
            observers=[leave],
        )
    clock.ahead = -MONTH
    began = scenario.clock.now()
    report = resume(left.value.run, scenario.backend, clock=clock, journal=journal)
    assert report.verdict is Verdict.RECOVERED
    assert scenario.clock.now() - began < timedelta(minutes=20)
    assert check_journal(path).ok, "a clock that was set is no violation"


def test_a_window_is_what_the_clock_on_the_wall_says():
    """It is agreed on with people: where the clock was wrong and is set right, so is the window."""
    scenario = load_scenario("mailbox-healed-by-restart")  # at eight in the morning
    clock = SetClock(scenario.clock)

    def set_it(event):
        if isinstance(event, events.RunStarted):
            clock.ahead = HOUR * 4

    report = heal(
        alert_of(scenario),
        scenario.backend,
        clock=clock,
        journal=Journal(),
        policy=Policy(windows=[Window(DAYS, "07:00", "09:00")]),
        observers=[set_it],
    )
    assert "no maintenance window is open" in str(report.to_json())

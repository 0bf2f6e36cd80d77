"""What might have followed from another outcome: as the table has it, and nothing is called."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from attrs import evolve
from click.testing import CliRunner

import popheal
from popheal import Alert, Journal, Policy, Verdict
from popheal.backends.simulated import load_scenario
from popheal.cli.app import popheal as command
from popheal.engine.plan import tree_of, worst_of
from popheal.errors import UnknownName
from popheal.healthsets.pop import PROCEDURES
from popheal.journal.entries import RunEntry
from popheal.review.what_if import every_look, steps_of, what_if
from popheal.tables.actions import Impact
from popheal.tables.debts import DebtKind
from popheal.tables.table import Guard

#: Among them: two runs, one within the other; guards that hold and do not; a debt that is left.
SCENARIOS = (
    "mailbox-healed-by-reboot",
    "client-access-back-end-rebooted",
    "client-access-split-role-healed-by-reboot",
    "proxy-healed-by-restart",
    "fault-survives-the-reboot",
    "logging-already-on",
    "maintenance",
)


class Died(BaseException):
    """The process dies."""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """A journal with a healing of each scenario."""
    made = tmp_path_factory.mktemp("what-if") / "journal.db"
    for name in SCENARIOS:
        played = load_scenario(name)
        alert = Alert(server=played.server, monitor=played.monitor)
        policy = Policy(reboots_per_server=99, hours_between_reboots=0, restarts_per_hour=99)
        with Journal(made) as journal:
            popheal.heal(alert, played.backend, clock=played.clock, journal=journal, policy=policy)
    return made


@pytest.fixture
def journal(path):
    with Journal(path, read_only=True) as opened:
        yield opened


@pytest.mark.parametrize("number", range(len(SCENARIOS)))
def test_what_really_happened_is_what_the_table_says(journal, number):
    """The real outcome of each step leads where the run went, and no further than foretold."""
    record = journal.healings()[number]
    entries = [one for one in journal.entries(record.id) if isinstance(one, RunEntry)]
    final = {one.run_id: one.run for one in entries}
    steps = steps_of(journal, record)
    assert [one.state for one in steps if one.run.id == record.id + ".1"] == [
        state for run in final.values() if run.id == record.id + ".1" for state in run.path[:-1]
    ]
    for step in steps:
        found = what_if(step, step.really, Policy())
        way = final[step.run.id].path
        rest = way[way.index(step.state) + 1 :]
        assert found.target == rest[0]
        assert len(rest) - 1 <= found.worst_case.actions
        actions = [step.table.by_name[state].action for state in rest[:-1]]
        assert sum(one.reboots for one in actions) <= found.worst_case.reboots
        assert sum(one.restarts for one in actions) <= found.worst_case.restarts
        assert {one.state for one in found.tree} >= set(rest[:-1])
        came = [
            one.run for one in entries if (one.run_id, one.run.state) == (step.run.id, found.target)
        ]
        owed = {debt.kind for debt in came[0].debts if debt.is_owed(debt.kind)}
        assert owed <= set(found.owed)


@pytest.mark.parametrize("table", PROCEDURES.values(), ids=str)
@pytest.mark.parametrize("role", [frozenset(), frozenset({Guard.MAILBOX_ROLE})])
def test_from_the_start_it_is_the_plan(table, role):
    """The tree and the worst case of a place are those that a plan is made of."""
    start = (table.start, role)
    assert tree_of(table, role, start) == tree_of(table, role)
    timing = Policy().timing
    assert worst_of(table, role, timing, start) == worst_of(table, role, timing)


def test_every_outcome_of_each_look(journal):
    """The real ones among them, and of looks only."""
    record = journal.healings()[0]
    steps = steps_of(journal, record)
    found = every_look(steps, Policy())
    looks = [one for one in steps if one.impact is Impact.LOOK]
    counted = Counter(one.state for one in found)
    for step in looks:
        assert counted[step.state] == len(step.table.by_name[step.state].action.outcomes)
    assert set(counted) == {one.state for one in looks}
    assert sum(one.outcome == one.really for one in found) == len(looks)


def test_what_is_owed_decides_what_follows(journal):
    """Had the probe failed after the reboot, the server would have been left drained."""
    (step,) = [
        one
        for one in steps_of(journal, journal.healings()[0])
        if one.state == "reprobing_after_reboot"
    ]
    found = what_if(step, "failed", Policy())
    assert (found.verdict, found.tree) == (Verdict.ESCALATED, ())
    assert found.owed == (DebtKind.ACTIVATION_DISABLED,)
    well = what_if(step, "succeeded", Policy())
    assert (well.target, well.verdict) == ("failing_back", None)


def test_the_policy_bounds_how_drastic_it_gets(journal):
    """What it does not allow is not among what might have followed."""
    step = next(one for one in steps_of(journal, journal.healings()[0]) if one.state == "reprobing")
    assert what_if(step, "failed", Policy()).impact is Impact.DISRUPT
    assert what_if(step, "failed", Policy(highest_impact=Impact.LOOK)).impact is Impact.LOOK


def test_a_step_that_was_not_carried_out(tmp_path):
    """Of a healing that was broken off: what might follow yet."""
    played = load_scenario("mailbox-healed-by-reboot")

    class Dying:
        def __getattr__(self, name):
            if name == "reboot":
                raise Died
            return getattr(played.backend, name)

    with Journal(tmp_path / "journal.db") as journal:
        with pytest.raises(Died):
            popheal.heal(Alert(server=played.server), Dying(), journal=journal, clock=played.clock)
        last = steps_of(journal, journal.healings()[0])[-1]
    assert (last.state, last.really) == ("rebooting", "")
    assert what_if(last, "done", Policy()).target == "awaiting_server"


def test_what_an_action_can_not_come_to(journal):
    """Is said with what it can."""
    step = steps_of(journal, journal.healings()[0])[0]
    with pytest.raises(UnknownName, match="could_not_tell"):
        what_if(step, "exploded", Policy())
    lost = evolve(step, run=evolve(step.run, state=step.table.start))
    assert what_if(lost, "done", Policy()).target == "reprobing"


# --- the command ---------------------------------------------------------------------------------


def run(path, *args, **env):
    arguments = ["what-if", *args, "--journal", str(path)]
    return CliRunner().invoke(command, arguments, env={"POPHEAL_CONFIG": None, **env})


def test_the_command_calls_and_writes_nothing(path, journal):
    """The tree of what might have followed, and of each look; the file stays as it is."""
    healing = journal.healings()[1].id
    before = path.read_bytes()
    told = run(path, healing, "--at", "finding_backends", "--outcome", "not_found")
    assert told.exit_code == 0
    assert "At         finding_backends, which came to found\n" in told.stdout
    assert "At most    disrupt: 1 reboot" in told.stdout
    assert "failed, refused: to disabling_protocol_logging_unhealed" in told.stdout
    every = json.loads(run(path, healing, "--all", "--json").stdout)
    assert {one["run"] for one in every["what_if"]} == {f"{healing}.1", f"{healing}.2"}
    assert "* found: to checking_backends" in run(path, healing, "--all").stdout
    assert path.read_bytes() == before


@pytest.mark.parametrize("columns", ["40", "80", "120"])
def test_it_fits_the_terminal(path, journal, columns):
    """But for names that are longer than that."""
    healing = journal.healings()[1].id
    words = ("--at", "reprobing", "--outcome", "failed", "--run", f"{healing}.1")
    for args in ((healing, "--all"), (healing, *words)):
        lines = run(path, *args, COLUMNS=columns).stdout.splitlines()
        assert len(lines) > 20
        long = [line for line in lines if len(line) > int(columns)]
        assert all(len(line.split()) <= 3 for line in long)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ((), "Give --at STEP and --outcome OUTCOME, or --all"),
        (("--at", "reprobing"), "Give --at STEP and --outcome OUTCOME, or --all"),
        (("--at", "reprobing", "--outcome", "failed", "--all"), "or --all"),
        (("--at", "nowhere", "--outcome", "failed"), "Steps of that healing: restarting_pop3"),
        (("--at", "reprobing", "--outcome", "failed"), "Several runs came to reprobing"),
        (("--at", "draining", "--outcome", "exploded"), "could_not_tell"),
    ],
)
def test_wrong_usage_says_what_is_possible(path, journal, options, says):
    """In one sentence."""
    result = run(path, journal.healings()[1].id, *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert says in result.stderr

"""What reaches the disk when: an effect costs one commit, a pause one, a look none."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import UTC, datetime
from unittest.mock import patch

import pytest

from popheal import Journal, heal
from popheal.backends.simulated import history as h
from popheal.backends.simulated import load_scenario
from popheal.engine.run import Run
from popheal.errors import JournalError
from popheal.exchange.backend import EFFECTS
from popheal.healthsets.pop import MAILBOX
from popheal.journal import Kind, Lease
from popheal.journal.database import Database
from popheal.journal.entries import ActionFinished, EffectIntended
from popheal.reports.report import Step
from popheal.tables.actions import Impact
from tests.support.healing import alert_of

NOW = datetime(2026, 1, 5, 8, 0, tzinfo=UTC)
REBOOTED = "mailbox-healed-by-reboot"


class Noted:
    """A backend and a clock that note what is asked of them, in order."""

    def __init__(self, scenario, seen: list[str]) -> None:
        self._backend, self._seen = scenario.backend, seen

    def __getattr__(self, name):
        found = getattr(self._backend, name)
        if not callable(found) or name.startswith("_"):
            return found

        def noted(*args):
            self._seen.append(f"effect {name}" if name in EFFECTS else f"look {name}")
            return found(*args)

        return noted

    @property
    def clock(self):
        return self

    def now(self):
        return self._backend.clock.now()

    def monotonic(self):
        return self._backend.clock.monotonic()

    def sleep(self, seconds):
        self._seen.append("pause")
        self._backend.clock.sleep(seconds)


def story_of(name: str, journal: Journal) -> list[str]:
    """What happened in a healing: looks, effects, pauses, and each commit that is waited for."""
    seen: list[str] = []
    durable = [True]

    def note(statement: str) -> None:
        if statement.startswith("PRAGMA synchronous"):
            durable[0] = statement.endswith("FULL")
        elif statement == "COMMIT":
            seen.append("commit" if durable[0] else "unhurried")

    journal._database._connection.set_trace_callback(note)
    scenario = load_scenario(name)
    heal(alert_of(scenario), Noted(scenario, seen), journal=journal)
    return seen


@pytest.mark.parametrize("name", [REBOOTED, "client-access-healed-by-logging-restart"])
def test_commits_are_counted(name, tmp_path):
    with Journal(tmp_path / "journal") as journal:
        seen = story_of(name, journal)
    before = [seen[number - 1] for number, one in enumerate(seen) if one == "pause" and number]
    counts = Counter(one.partition(" ")[0] for one in seen)
    pauses = sum(one == "commit" for one in before)
    assert counts["effect"] > 1
    # The begin, each effect's intent, each pause before which something was to be written, the end.
    assert counts["commit"] == 1 + counts["effect"] + pauses + 1
    assert pauses <= counts["pause"]
    # Who carries it out, and what is claimed, others see at once; no disk is waited for.
    assert counts["unhurried"] <= 1 + claims_of(name)
    # The copies are looked at once more right before a reboot, with its intent on the disk.
    steps = [one for one in seen if not one.startswith("look")]
    between = itertools.pairwise(steps)
    assert not [now for now, then in between if then.startswith("effect") and now != "commit"]


def claims_of(name: str) -> int:
    """How often something is claimed in it."""
    claimed = []
    claim = Lease.claim
    scenario = load_scenario(name)
    with patch.object(Lease, "claim", lambda *args: claimed.append(args) or claim(*args)):
        heal(alert_of(scenario), scenario.backend)
    return len(claimed)


def test_what_came_of_an_action_is_written_before_the_next_effect(tmp_path):
    """At each effect the history on the disk has an outcome of every action before."""
    path = tmp_path / "journal"
    scenario = load_scenario(REBOOTED)
    backend = scenario.backend
    told = []

    class Looking:
        def __getattr__(self, name):
            found = getattr(backend, name)
            if name not in EFFECTS:
                return found

            def effect(*args):
                with Journal(path) as other:
                    entries = other.entries()
                assert entries[-1].kind is Kind.INTENT
                assert entries[-1].what == name
                states = [one.run.path for one in entries if one.kind is Kind.OUTCOME]
                told.append((name, states[-1] if states else None))
                return found(*args)

            return effect

    with Journal(path) as journal:
        report = heal(alert_of(scenario), Looking(), journal=journal)
    path_taken = report.runs[0].path
    for name, states in told:
        if states is not None:  # the run has come to just where this effect is commanded
            assert states == path_taken[: len(states)], name
    assert len(told) == 4


def test_who_is_left_behind_has_written_all_that_it_knows(tmp_path):
    """Also where the process leaves a healing to another one, or is broken off."""
    scenario = load_scenario(REBOOTED)

    class Broken(BaseException):
        pass

    class Breaking:
        def __getattr__(self, name):
            if name == "set_activation_disabled":
                raise Broken
            return getattr(scenario.backend, name)

    with Journal(tmp_path / "journal") as journal:
        with pytest.raises(Broken):
            heal(alert_of(scenario), Breaking(), journal=journal)
        kinds = [one.kind for one in journal.entries()]
    assert kinds.count(Kind.INTENT) == 2
    assert kinds.count(Kind.OUTCOME) >= 2


def test_nothing_is_done_where_what_was_found_can_not_be_written(tmp_path):
    """It is only pending, and the next commit fails: no effect comes after it."""
    scenario = load_scenario(REBOOTED)
    transaction = Database.transaction
    allowed = 3

    def full(self, **how):
        nonlocal allowed
        allowed -= 1
        if allowed < 0:
            raise JournalError(journal=self.name, problem="can't be written (disk is full)")
        return transaction(self, **how)

    with (
        Journal(tmp_path / "journal") as journal,
        patch.object(Database, "transaction", full),
        pytest.raises(JournalError),
    ):
        heal(alert_of(scenario), scenario.backend, journal=journal)
    assert not [
        one
        for one in scenario.organisation.history
        if isinstance(one, h.Called) and one.method in EFFECTS
    ]


# --- budgets -------------------------------------------------------------------------------------


def begun(journal: Journal, name: str):
    return journal.begin(
        name, at=NOW, organisation="here", server="mbx1", version="0", alert={}, policy={}
    )


def of_a_run(kind, healing: str, **more):
    run = Run(id=f"{healing}.1", procedure=MAILBOX, server="mbx1", mailbox_role=True)
    said = {"run": run.snapshot(), "memory": {}, "dag": "DAG1", **more}
    return kind(at=NOW, server=run.server, run_id=run.id, **said)


def reboot_of(healing: str) -> EffectIntended:
    return of_a_run(EffectIntended, healing, effect="reboot", command="Restart-Computer")


def rebooted(healing: str, outcome: str) -> ActionFinished:
    step = Step(
        state="rebooting",
        action="reboot",
        impact=Impact.DISRUPT,
        outcome=outcome,
        started_at=NOW,
        finished_at=NOW,
    )
    return of_a_run(ActionFinished, healing, step=step)


@pytest.mark.parametrize("outcome", [None, "done", "could_not_tell", "refused"])
def test_a_budget_counts_what_may_have_been_done(tmp_path, outcome):
    """An intent whose outcome nobody knows, or has not written yet, counts for all others."""
    with Journal(tmp_path / "journal") as journal, Journal(tmp_path / "journal") as other:
        lease, theirs = begun(journal, "one"), begun(other, "two")
        lease.write(reboot_of("one"))
        if outcome:
            lease.write(rebooted("one", outcome))
            assert lease.has_pending
        seen = [(one.server, one.dag) for one in theirs.reboots_since(NOW)]
        assert seen == [("mbx1", "DAG1")]  # what came of it is not on the disk
        own = [one.server for one in lease.reboots_since(NOW)]
        assert own == (["mbx1"] if outcome in ("done", "could_not_tell") else [])
        lease.flush()
        assert not lease.has_pending
        assert len(theirs.reboots_since(NOW)) == (outcome != "refused")
        assert len(lease.reboots_since(NOW)) == len(own)

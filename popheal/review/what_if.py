"""What the table would have done, had a step of a healing come to something else.

Only the table is asked, and what the run owed by then: nothing is called, and nothing is written.
What a policy's limits and the gates before a drain and a reboot would have said is not known
afterwards, so it is the most that might have followed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from attrs import frozen

from popheal.engine.plan import PlannedState, highest, rows_at, tree_of, worst_of
from popheal.errors import UnknownName
from popheal.healthsets.pop import PROCEDURES, SETTLE_DEBTS
from popheal.journal import HealingRecord, Journal
from popheal.journal.entries import ActionFinished, RunEntry
from popheal.policy.policy import Policy
from popheal.reports.report import RunSnapshot
from popheal.tables.actions import Impact
from popheal.tables.bounds import WorstCase
from popheal.tables.debts import DebtKind
from popheal.tables.table import GUARD_OF_DEBT, Guard, Procedure, Verdict
from popheal.util.serialize import to_jsonable

_OURS: Final = {table.hash: table for table in (*PROCEDURES.values(), SETTLE_DEBTS)}


@frozen(kw_only=True)
class WhatIf:
    """One other outcome of one step, and what might have followed.

    Attributes:
        run: The run.
        state: The state whose action would have come to it.
        action: What was done there.
        really: What it came to in fact; empty if it has not been carried out.
        outcome: What it would have come to.
        why: What of the runbook says so.
        target: The state, or the ending, that it leads to.
        verdict: How the run would have ended there; None if it is a state.
        owed: What the run would have owed by then.
        impact: The most drastic thing that might have followed, as far as the policy allows.
        worst_case: The most that might have followed.
        tree: What might have followed, state by state; see
            :class:`~popheal.engine.plan.PlannedRun`.
    """

    run: str
    server: str
    procedure: str
    table: str
    state: str
    action: str
    really: str
    outcome: str
    why: str
    target: str
    verdict: Verdict | None
    owed: tuple[DebtKind, ...]
    impact: Impact
    worst_case: WorstCase
    tree: tuple[PlannedState, ...]

    def to_json(self) -> dict[str, Any]:
        """It as plain JSON values."""
        data: dict[str, Any] = to_jsonable(self)
        return data


@frozen(kw_only=True)
class StepTaken:
    """A state that a run came to, with what it owed then, and what its action came to."""

    run: RunSnapshot
    table: Procedure
    really: str

    @property
    def state(self) -> str:
        """The state."""
        return self.run.state

    @property
    def impact(self) -> Impact:
        """What its action does to the world."""
        return self.table.by_name[self.state].action.impact


def steps_of(journal: Journal, record: HealingRecord) -> tuple[StepTaken, ...]:
    """Every state that the runs of a healing came to, in order.

    Raises:
        UnknownName: If a run followed a table that this popheal does not know.
    """
    entries = [one for one in journal.entries(record.id) if isinstance(one, RunEntry)]
    came_to = {
        (one.run_id, one.step.state): one.step.outcome
        for one in entries
        if isinstance(one, ActionFinished)
    }
    return tuple(_steps(entries, came_to, {**journal.tables(), **_OURS}))


def _steps(
    entries: Iterable[RunEntry],
    came_to: dict[tuple[str, str], str],
    tables: dict[str, Procedure],
) -> Iterator[StepTaken]:
    seen = set()
    for entry in entries:
        run, place = entry.run, (entry.run_id, entry.run.state)
        if run.hash not in tables:
            raise UnknownName(
                kind=f"table of run {run.id} (another version of popheal made it)", name=run.hash
            )
        table = tables[run.hash]
        # The first entry in a state tells what was owed as it was come to: a table has no loops.
        if place not in seen and run.state in table.by_name:
            seen.add(place)
            yield StepTaken(run=run, table=table, really=came_to.get(place, ""))


def what_if(step: StepTaken, outcome: str, policy: Policy) -> WhatIf:
    """What might have followed, had a step come to an outcome.

    Args:
        step: The step.
        outcome: One that its action can have.
        policy: How far it was allowed to go, and how long it waited.

    Raises:
        UnknownName: If the action can't come to that.
    """
    table, run = step.table, step.run
    role = frozenset({Guard.MAILBOX_ROLE} if run.mailbox_role else ())
    owed = {GUARD_OF_DEBT[one.kind] for one in run.debts if one.is_owed(one.kind)}
    leads = {row.outcome: (row, facts) for row, facts in rows_at(table, (step.state, role | owed))}
    if outcome not in leads:
        raise UnknownName(kind=f"outcome of {step.state}", name=outcome, known=list(leads))
    row, facts = leads[outcome]
    target, place = row.target, (row.target, facts)
    ends = target in table.endings
    tree = () if ends else tree_of(table, role, place)
    action = table.by_name[step.state].action
    return WhatIf(
        run=run.id,
        server=run.server,
        procedure=table.name,
        table=table.hash,
        state=step.state,
        action=str(action),
        really=step.really,
        outcome=outcome,
        why=str(row.why),
        target=target,
        verdict=table.endings.get(target),
        owed=tuple(kind for kind, guard in GUARD_OF_DEBT.items() if guard in facts),
        impact=highest((one.impact for one in tree), policy),
        worst_case=WorstCase(actions=0, restarts=0, reboots=0, seconds=0.0)
        if ends
        else worst_of(table, role, policy.timing, place),
        tree=tree,
    )


def every_look(steps: Iterable[StepTaken], policy: Policy) -> tuple[WhatIf, ...]:
    """Each outcome that each look of some steps can have, the real ones among them."""
    return tuple(
        what_if(step, outcome, policy)
        for step in steps
        if step.impact is Impact.LOOK
        for outcome in step.table.by_name[step.state].action.outcomes
    )

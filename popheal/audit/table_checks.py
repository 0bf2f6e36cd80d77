"""What must hold for a run's way through its table, and for where it ended."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, lru_cache
from itertools import pairwise

from attrs import frozen

from popheal.audit.records import RunStory
from popheal.audit.run_checks import LOOKS, RESTARTS, Found, is_stale, waited
from popheal.healthsets.pop import SETTLE_DEBTS
from popheal.journal.entries import ActionFinished, EffectIntended, RunEntry, RunStopped
from popheal.reports.report import RunSnapshot
from popheal.tables.actions import Action
from popheal.tables.debts import Debt, DebtStatus
from popheal.tables.outcomes import COULD_NOT_TELL, TIMED_OUT, outcome_of
from popheal.tables.table import CANCEL, GUARD_OF_DEBT, Guard, Procedure, Transition, Verdict
from popheal.verify.checks import outlook_of


def ended_at_an_ending(run: RunStory) -> Found:
    """P13: no run of a healing that has ended is still in the middle."""
    table = run.table_of(run.then)
    if run.healing.ended and table and run.then.state not in table.endings:
        yield run.lines[-1], f"the healing has ended, but this run is still at {run.then.state}"


@frozen(kw_only=True)
class _Move:
    """A step that was taken, and what its table says about it.

    Attributes:
        acted: Whether an effect of it was written down.
    """

    line: RunEntry
    table: Procedure
    facts: frozenset[Guard]
    source: str
    outcome: str
    target: str
    acted: bool

    @property
    def row(self) -> Transition | None:
        """The row that the table has for it."""
        return self.table.next(self.source, self.outcome, self.facts)

    @property
    def cut_short(self) -> bool:
        """Whether a person's stop cut the action short, so that its outcome led nowhere."""
        action, stop = self.action, self.table.next(self.source, CANCEL, self.facts)
        changes_nothing = action.impact.harmless and not action.incurs and not action.pays
        return (
            (changes_nothing or (self.outcome in ("refused", COULD_NOT_TELL) and not self.acted))
            and (self.row is None or self.row.target != self.target)
            and (stop is not None and stop.target == self.target)
        )

    @property
    def action(self) -> Action:
        """What the table does in that state."""
        return self.table.by_name[self.source].action


@lru_cache(maxsize=8)
def _moves(run: RunStory) -> tuple[_Move, ...]:
    """Each step whose table is known; a stop is one too. Asked for by several properties."""
    return tuple(_each_move(run))


def _each_move(run: RunStory) -> Iterator[_Move]:
    before: RunSnapshot | None = None
    acted = False
    for line in run.moments:
        acted = acted or isinstance(line, EffectIntended)
        table, now = run.table_of(line.run), line.run
        moved = isinstance(line, ActionFinished | RunStopped)
        if moved and before and table and before.hash == now.hash:
            stopped = isinstance(line, RunStopped)
            facts = {GUARD_OF_DEBT[one.kind] for one in before.debts if _is_owed(one)}
            move = _Move(
                line=line,
                table=table,
                facts=frozenset(facts | {Guard.MAILBOX_ROLE} if before.mailbox_role else facts),
                source=before.state if stopped else line.state,
                outcome=CANCEL if stopped else line.outcome,
                target=now.state,
                acted=acted,
            )
            if move.source in table.by_name:
                yield move
        acted = acted and not moved
        before = now


def _is_owed(debt: Debt) -> bool:
    return debt.status is DebtStatus.OWED and debt.kind in GUARD_OF_DEBT


def stopped_at(run: RunStory) -> int | None:
    """The entry with which a person's stop was followed; None if none was."""
    stops = [line.seq for line in run.lines if isinstance(line, RunStopped)]
    stops += [move.line.seq for move in _moves(run) if move.cut_short]
    return min(stops, default=None)


def steps_follow_the_table(run: RunStory) -> Found:
    """P15: each step led where the table leads."""
    for move in _moves(run):
        if move.row and move.row.target != move.target and not move.cut_short:
            yield (
                move.line,
                (
                    f"{move.source} ({move.outcome}) led to {move.target}; the table leads to "
                    f"{move.row.target}"
                ),
            )
    for earlier, later in pairwise(run.moments):
        if later.run.hash != earlier.run.hash and later.run.procedure != SETTLE_DEBTS.name:
            yield later, "the table changed in the middle of the run"


def outcomes_are_handled(run: RunStory) -> Found:
    """P16: each outcome is one that the state's action can have."""
    for move in _moves(run):
        if move.outcome == CANCEL:
            continue
        if move.line.what != move.action.name:
            yield (
                move.line,
                (f"at {move.source} the table does {move.action.name}, not {move.line.what}"),
            )
        elif move.row is None:
            yield move.line, f"{move.line.what} came to {move.outcome}, which the table lacks"


def _saw_it_work(line: ActionFinished) -> bool:
    """Whether it says that POP was looked at, and seen to work."""
    return line.what in LOOKS and outcome_of(line.outcome).good


@cache
def _hopeless(table: Procedure) -> frozenset[str]:
    return outlook_of(table).hopeless


def given_up_for_a_reason(run: RunStory) -> Found:
    """P23: the step after which no recovery was possible any more was a reason to give up."""
    for move in _moves(run):
        lost = _hopeless(move.table)
        if move.outcome == CANCEL or move.target not in lost or move.source in lost:
            continue
        is_last = run.last("reboot", "activate_component", before=move.line.seq) or any(
            _saw_it_work(one) for one in run.outcomes if one.seq < move.line.seq
        )
        action = move.action
        good = move.outcome in action.reasons or (move.outcome in action.last_resort and is_last)
        look = run.last(*LOOKS, before=move.line.seq)
        good = good or (look is not None and look.outcome == TIMED_OUT)
        if not good and not move.cut_short:
            yield (
                move.line,
                (f"it was given up at {move.source}, although that came to: {move.outcome}"),
            )


def _own_look(run: RunStory) -> ActionFinished | None:
    """The last look at what the failing monitor is about: what another probe says is not that."""
    looks = [line for line in run.outcomes if line.what in LOOKS and "(" not in line.step.action]
    return looks[-1] if looks else None


def verdict_of_the_run_is_true(run: RunStory) -> Found:
    """P22, the part of one run: recovered only if seen well; cancelled exactly if stopped."""
    if run.verdict is Verdict.RECOVERED:
        look, restart = _own_look(run), run.last(*RESTARTS)
        if look is None or not _saw_it_work(look) or is_stale(run, look, None):
            yield None, f"{run.then.server} is said to have recovered, but was not last seen well"
        elif look.what == "check_health" and restart and not waited(run, restart, look):
            yield look, "it is said to have recovered, but there was no wait after the restart"
    stopped = stopped_at(run) is not None
    told = run.verdict and run.table_of(run.then) and not run.settled
    if run.verdict and told and stopped != (run.verdict is Verdict.CANCELLED):
        said = "was stopped by a person" if stopped else "was stopped by nobody"
        yield None, f"the run {said}, but ended as {run.verdict.value}"

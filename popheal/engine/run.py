"""A run: one procedure being carried out on one server. Pure state, no I/O.

``run.next_action()`` says what to do, ``run.observe(outcome)`` moves on. Nothing here blocks,
sleeps, logs or reads a clock; whoever performs the actions is somebody else.

The moves are made by a `transitions` machine compiled from the table, one machine a table,
shared by all its runs. The engine is asked through the machine's events, never through
methods added to a model, so there is no back door past the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, cast

from attrs import Factory, define, evolve
from transitions import EventData, Machine

from popheal.errors import IllegalOutcome
from popheal.reports.report import RunSnapshot
from popheal.tables.actions import Action
from popheal.tables.debts import Debt, DebtKind, DebtStatus
from popheal.tables.table import CANCEL, GUARD_OF_DEBT, Guard, Procedure, Transition, Verdict
from popheal.util.serialize import from_jsonable, to_jsonable

# --- the engine ----------------------------------------------------------------------------------


@cache
def engine(procedure: Procedure) -> Machine:
    """The `transitions` machine of a table."""
    machine = Machine(
        model=None,
        states=[one.name for one in procedure.states] + list(procedure.endings),
        initial=procedure.start,
        auto_transitions=False,
        send_event=True,
        ignore_invalid_triggers=False,
    )
    for one in procedure.states:
        for row in (*one.transitions, *procedure.on_cancel):
            machine.add_transition(
                row.outcome,
                one.name,
                row.target,
                conditions=_is(row.given),
                unless=_is(row.unless),
            )
    return machine


def _is(guard: Guard | None) -> Any:
    """The guard as a `transitions` condition."""
    if guard is None:
        return None

    def condition(event: EventData) -> bool:
        return guard in cast("Run", event.model).facts

    return condition


# --- the run -------------------------------------------------------------------------------------


@define(kw_only=True)
class Run:
    """One procedure being carried out on one server.

    Attributes:
        id: Tells this run from all others.
        procedure: The table it follows.
        server: Fully qualified name of the server it acts on.
        monitor: The monitor whose alert it answers.
        mailbox_role: Whether the server has the Mailbox role.
        state: The state it is in.
        path: Every state it has been in, the present one last.
        debts: What it has changed and must undo; paid ones stay listed.
    """

    id: str
    procedure: Procedure
    server: str
    monitor: str = ""
    mailbox_role: bool
    state: str = Factory(lambda self: self.procedure.start, takes_self=True)
    path: list[str] = Factory(lambda self: [self.state], takes_self=True)
    debts: list[Debt] = Factory(list)

    @property
    def facts(self) -> frozenset[Guard]:
        """The guards that hold for this run now."""
        held = {GUARD_OF_DEBT[debt.kind] for debt in self.debts if debt.status is DebtStatus.OWED}
        return frozenset(held | {Guard.MAILBOX_ROLE} if self.mailbox_role else held)

    @property
    def verdict(self) -> Verdict | None:
        """How it ended; None while it goes on."""
        return self.procedure.endings.get(self.state)

    def next_action(self) -> Action | None:
        """What to do now; None at an ending."""
        return None if self.verdict else self.procedure.by_name[self.state].action

    def owed(self, kind: DebtKind) -> Debt | None:
        """The debt of that kind that is still owed, if any."""
        return next((debt for debt in self.debts if debt.is_owed(kind)), None)

    def owe(self, prior: bool) -> Debt:
        """Note, before the effect, the debt that the present action is about to incur.

        Args:
            prior: The value that will have to be restored.

        Raises:
            IllegalOutcome: If the present action incurs none.
        """
        action = self.next_action()
        if action is None or action.incurs is None:
            raise self._illegal("owe")
        debt = Debt(kind=action.incurs, server=self.server, prior=prior)
        self.debts.append(debt)
        return debt

    def disown(self) -> None:
        """Take back the debt of :meth:`owe`: the present action was not begun after all."""
        action = self.next_action()
        if action and action.incurs:
            kind = action.incurs
            self.debts = [debt for debt in self.debts if not debt.is_owed(kind)]

    def observe(self, outcome: str) -> Transition:
        """Take what came of the present action, and move on.

        Debts follow from the outcome alone: an effect that was refused has changed nothing, one
        that failed or could not tell may have, even later; one that is done has paid; at an
        ending, what is still owed is handed over.

        Raises:
            IllegalOutcome: If the action can't have this outcome. The run is unchanged.
        """
        action = self.next_action()
        if action is None or outcome not in action.outcomes:
            raise self._illegal(outcome)
        row = self._move(outcome)
        if action.incurs and outcome == "refused":
            self.debts = [d for d in self.debts if not d.is_owed(action.incurs)]
        elif action.incurs and outcome != "done":
            self.debts = [
                evolve(d, unclear=True) if d.is_owed(action.incurs) else d for d in self.debts
            ]
        if action.pays and outcome == "done":
            self._settle(action.pays, DebtStatus.PAID)
        if self.verdict:
            for kind in DebtKind:
                self._settle(kind, DebtStatus.HANDED_OVER)
        return row

    def cancel(self) -> Transition:
        """A person said stop: from here on only restoring actions.

        Raises:
            IllegalOutcome: If the run has ended. It is unchanged.
        """
        if self.verdict:
            raise self._illegal(CANCEL)
        row = self._move(CANCEL)
        if self.verdict:
            for kind in DebtKind:
                self._settle(kind, DebtStatus.HANDED_OVER)
        return row

    @property
    def cancelled(self) -> bool:
        """Whether it is on, or at the end of, the way that a cancel leads."""
        return any(name in {row.target for row in self.procedure.on_cancel} for name in self.path)

    def _move(self, outcome: str) -> Transition:
        # The row is looked up before the engine moves, both with the facts of this moment.
        row = self.procedure.next(self.state, outcome, self.facts)
        if row is None:
            raise self._illegal(outcome)
        engine(self.procedure).events[outcome].trigger(self)
        self.path.append(self.state)
        return row

    def _settle(self, kind: DebtKind, status: DebtStatus) -> None:
        self.debts = [
            evolve(d, status=status)
            if d.is_owed(kind) and not (d.unclear and status is DebtStatus.PAID)
            else d
            for d in self.debts
        ]

    def _illegal(self, outcome: str) -> IllegalOutcome:
        return IllegalOutcome(
            procedure=self.procedure.name,
            current=self.state,
            outcome=outcome,
            expected=self.procedure.expected(self.state),
        )

    # --- as data ---------------------------------------------------------------------------------

    def snapshot(self) -> RunSnapshot:
        """The run as frozen data."""
        return RunSnapshot(
            id=self.id,
            procedure=self.procedure.name,
            hash=self.procedure.hash,
            server=self.server,
            monitor=self.monitor,
            mailbox_role=self.mailbox_role,
            state=self.state,
            path=tuple(self.path),
            debts=tuple(self.debts),
        )

    @classmethod
    def restore(cls, snapshot: RunSnapshot, procedures: Iterable[Procedure]) -> Run:
        """The run that :meth:`snapshot` described.

        Args:
            snapshot: What it returned.
            procedures: Where to find its table; it must be the very same (by hash).

        Raises:
            LookupError: If none of the procedures is the one the run was started with.
        """
        for procedure in procedures:
            if (procedure.name, procedure.hash) == (snapshot.procedure, snapshot.hash):
                break
        else:
            raise LookupError(
                f"no procedure '{snapshot.procedure}' with table hash {snapshot.hash}"
            )
        return cls(
            id=snapshot.id,
            procedure=procedure,
            server=snapshot.server,
            monitor=snapshot.monitor,
            mailbox_role=snapshot.mailbox_role,
            state=snapshot.state,
            path=list(snapshot.path),
            debts=list(snapshot.debts),
        )

    def to_json(self) -> dict[str, Any]:
        """Everything needed to resume the run elsewhere, as plain JSON values."""
        data: dict[str, Any] = to_jsonable(self.snapshot())
        return data

    @classmethod
    def from_json(cls, data: Mapping[str, Any], procedures: Iterable[Procedure]) -> Run:
        """The run that :meth:`to_json` described; as :meth:`restore`, which see."""
        return cls.restore(from_jsonable(data, RunSnapshot), procedures)

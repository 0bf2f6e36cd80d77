"""The words in which the model of the world is written.

A variable has a few values, each a word. What happens is a guarded command: when these
variables have these values, then those get those. Everything that the explorer walks through,
that is handed to a second model checker and that the documentation shows as "what is assumed"
is made of these records, so there is one model and it can be read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from attrs import Factory, field, frozen

from popheal.tables.actions import Action, Impact
from popheal.tables.outcomes import Outcome, outcome_of
from popheal.tables.table import State, Transition, Verdict

#: Each variable has one of these values. All of them must hold.
Cond = Mapping[str, str | tuple[str, ...]]
#: Each variable gets this value; all at once.
Assign = Mapping[str, str]


class Tabular(Protocol):
    """A table to be examined: a procedure, or one that would not be accepted as such."""

    @property
    def name(self) -> str: ...
    @property
    def start(self) -> str: ...
    @property
    def states(self) -> tuple[State, ...]: ...
    @property
    def endings(self) -> Mapping[str, Verdict]: ...
    @property
    def on_cancel(self) -> tuple[Transition, ...]: ...


@frozen(kw_only=True)
class Variable:
    """Something that the world, the run or the history may be.

    Attributes:
        name: What it is called in the model.
        values: Every value it can have.
        initial: The values it may have when a run starts.
        sentence: What it stands for.
        history: Whether it only remembers what has happened, for the properties to speak of.
    """

    name: str
    values: tuple[str, ...]
    initial: tuple[str, ...]
    sentence: str
    history: bool = False


@frozen(kw_only=True)
class Event:
    """Something that happens by itself, or by somebody else's doing, between any two steps.

    Attributes:
        actor: Who does it: the product, somebody else, or the server.
        calm: Whether it happens even where nobody interferes and nothing fails.
    """

    name: str
    actor: str
    sentence: str
    when: Cond
    then: Assign
    calm: bool = False


@frozen(kw_only=True)
class Answer:
    """One way in which an action can come to an outcome.

    Attributes:
        outcome: The outcome, which knows whether the action went well.
        when: When the world can answer so.
        then: What it changes in the world.
        sends: The effect whose command was sent, if one was: it may reach the world.
        owes: Whether the run has noted the debt before.
        calm: Whether this comes to pass even where nothing fails and no answer is lost.
    """

    outcome: Outcome = field(converter=outcome_of)
    sentence: str
    when: Cond = Factory(dict)
    then: Assign = Factory(dict)
    sends: str = ""
    owes: bool = False
    calm: bool = True


@frozen(kw_only=True)
class Contract:
    """What is assumed of an action, and no more: every way in which it can be answered.

    Attributes:
        action: The action as it is, whatever a table says of it; with its argument where the
            contract is for that one alone.
        sentence: The contract in words.
        answers: Every way it can be answered.
        looks_at_server: Whether it would notice that the server has booted.
    """

    action: Action
    sentence: str
    answers: tuple[Answer, ...]
    looks_at_server: bool = False


@frozen(kw_only=True)
class Note:
    """What is remembered when a step is taken, evaluated on the situation before it."""

    when: Cond
    then: Assign


@frozen(kw_only=True)
class Bad:
    """The situation in which a step (or an ending) breaks a property."""

    property: str
    when: Cond


@frozen(kw_only=True)
class Step:
    """One way in which a table can be moved on: a row, and an answer that leads to it.

    Attributes:
        state: The state it is taken in.
        action: What the state does; None for a cancel.
        contract: The contract of the action; None for a cancel.
        answer: How the action was answered; None for a cancel.
        row: The row taken; None where the table has none for the outcome.
        when: The situations in which it is possible.
        then: What it changes.
        notes: What is remembered.
        bad: The situations before it in which it breaks a property.
        ends_bad: The situations after it that break a property, if it leads to an ending.
    """

    state: str
    action: Action | None
    contract: Contract | None
    answer: Answer | None
    row: Transition | None
    when: Cond
    then: Assign
    notes: tuple[Note, ...] = ()
    bad: tuple[Bad, ...] = ()
    ends_bad: tuple[Bad, ...] = ()

    @property
    def target(self) -> str:
        """Where it leads; nowhere if there is no row."""
        return self.row.target if self.row else ""

    @property
    def outcome(self) -> str:
        """The outcome of the action; ``cancel`` for a cancel."""
        return self.answer.outcome if self.answer else "cancel"

    @property
    def label(self) -> str:
        """The outcome with its guard, as the table has it."""
        return self.row.label if self.row else self.outcome

    @property
    def calm(self) -> bool:
        """Whether it is possible where nothing fails and no answer is lost."""
        return self.answer is None or self.answer.calm


@frozen(kw_only=True)
class System:
    """A table in its world: all there is to explore.

    Attributes:
        variables: Those that matter for this table, in a fixed order.
        impossible: Situations in which no run starts.
        steps: Every step of the run.
        events: Everything else that can happen while it goes on.
    """

    table: Tabular
    variables: tuple[Variable, ...]
    impossible: tuple[Cond, ...]
    steps: tuple[Step, ...]
    events: tuple[Event, ...]

    @property
    def nodes(self) -> tuple[str, ...]:
        """The control states: the table's states, then its endings."""
        return (*(one.name for one in self.table.states), *self.table.endings)


@frozen(kw_only=True)
class Outlook:
    """What a table alone says of its states.

    Attributes:
        impacts: What each state does to the world.
        hopeless: States and endings from which the run can no longer end as recovered.
    """

    impacts: Mapping[str, Impact]
    hopeless: frozenset[str]


#: What breaks a property when a step is taken, given the table: situations before the step.
StepCheck = Callable[[Outlook, Step], Iterable[Cond]]
#: What breaks a property when a run ends so: situations after the last step.
EndCheck = Callable[[Verdict], Sequence[Cond]]

"""What happens during a healing, reported to observers as it happens: one class a kind."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar, Final

from attrs import asdict, field, fields_dict, frozen

from popheal.reports.report import FindingKind, Report
from popheal.tables.actions import Impact
from popheal.tables.debts import DebtKind
from popheal.tables.table import Verdict


@frozen(kw_only=True)
class Event:
    """Something that happened; what is said besides depends on its class.

    Attributes:
        name: What happened, as one word for the log; each class has its own.
        level: At which it is logged: what comes many times a minute is for debugging.
        at: When, aware UTC, by the driver's clock.
        server: The server it is about; empty if it is about none.
        healing_id: The healing; empty outside one that the journal has.
        run_id: The run; empty outside one.
        procedure: Name of the procedure, likewise.
        state: The state the run is in, likewise.
    """

    name: ClassVar[str]
    level: ClassVar[int] = logging.INFO

    at: datetime
    server: str
    healing_id: str = ""
    run_id: str = ""
    procedure: str = ""
    state: str = ""

    @property
    def details(self) -> Mapping[str, Any]:
        """What its class adds, by name and as plain values, as it is logged; without Nones.

        Only :class:`HandedOver` has an object among them, its ``report``.
        """
        own = asdict(self, filter=lambda one, _: one.name not in _COMMON, recurse=False)
        return {name: _plain(value) for name, value in own.items() if value is not None}


_COMMON: Final = frozenset(fields_dict(Event))


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat()
    return list(value) if isinstance(value, tuple) else value


# --- a healing -----------------------------------------------------------------------------------


@frozen(kw_only=True)
class HealingStarted(Event):
    """An alert is being answered; ``id`` names the healing in the journal."""

    name = "healing_started"
    id: str


@frozen(kw_only=True)
class HealingResumed(Event):
    """A healing whose process has died is carried on; or one that a fleet carries is followed."""

    name = "healing_resumed"
    id: str


@frozen(kw_only=True)
class HealingForgotten(Event):
    """A healing was taken back: the organisation has no such server, and nothing was done."""

    name = "healing_forgotten"


@frozen(kw_only=True)
class TriageStarted(Event):
    """It is being verified what fails on the server."""

    name = "triage_started"


@frozen(kw_only=True)
class FindingMade(Event):
    """Triage saw something: a :class:`~popheal.reports.report.Finding`."""

    name = "finding"
    kind: FindingKind
    detail: str


@frozen(kw_only=True)
class StopNoted(Event):
    """A person's stop, which did not come by way of the journal, has been written there."""

    name = "stop_noted"
    healing: str


@frozen(kw_only=True)
class ClockSet(Event):
    """The clock of this machine was set, by so many seconds forward (below 0: back).

    What the healing waits for goes by what passes, so it is no matter; its times are told as if
    the clock had not been set.
    """

    name = "clock_set"
    by: float


@frozen(kw_only=True)
class DebtHandedOver(Event):
    """A change is left for a person to undo; ``prior`` is the value from before."""

    name = "debt_handed_over"
    kind: DebtKind
    prior: bool


@frozen(kw_only=True)
class HandedOver(Event):
    """A person is needed: the report says for what. Comes right before :class:`HealingEnded`."""

    name = "handed_over"
    report: Report
    head: str | None = None


@frozen(kw_only=True)
class HealingEnded(Event):
    """How it ended, and why, in one sentence; and ``head``, the journal's last hash then.

    Attributes:
        seconds: How long it took since it began; time in which it was interrupted counts.
        head: Kept out of reach of who can write the journal, and given to ``popheal check-journal
            --noted``, it tells whether that was written anew. None without a journal on the disk.
    """

    name = "healing_ended"
    verdict: Verdict
    summary: str
    seconds: float
    head: str | None = None


# --- a run ---------------------------------------------------------------------------------------


@frozen(kw_only=True)
class RunStarted(Event):
    """A procedure begins; ``hash`` identifies its table (``Procedure.hash``)."""

    name = "run_started"
    monitor: str
    hash: str


@frozen(kw_only=True)
class ActionStarted(Event):
    """An action begins, written with its parameter: ``restart_service(front_end)``."""

    name = "action_started"
    action: str
    impact: Impact


@frozen(kw_only=True)
class EffectIntended(Event):
    """An effect is about to be written down, and then commanded.

    Attributes:
        command: What will be commanded, for people.
        values: What whoever resumes after a crash needs to know, by name and as plain values;
            among them the value to be set, and the one from before. Each is a detail of its own.
    """

    name = "effect_intended"
    command: str
    values: Mapping[str, Any] = field(factory=dict)

    @property
    def details(self) -> Mapping[str, Any]:
        return {"command": self.command, **self.values}


@frozen(kw_only=True)
class Pausing(Event):
    """It is waited for ``what``, in words: ``seconds`` more at most, of ``most`` in all."""

    name = "pausing"
    what: str
    seconds: float
    most: float


@frozen(kw_only=True)
class WaitHindered(Event):
    """What is waited for can't be looked at, as the logon is refused: a person should see to it.

    The wait goes on, and sees it as soon as popheal can log on again.
    """

    name = "wait_hindered"
    error: str


@frozen(kw_only=True)
class ActionFinished(Event):
    """What came of an action, as a word and as a sentence.

    Attributes:
        seconds: How long it took; after a resume, since then.
        kind: The reason, where one is known.
    """

    name = "action_finished"
    action: str
    outcome: str
    detail: str
    seconds: float
    kind: FindingKind | None = None


@frozen(kw_only=True)
class TransitionTaken(Event):
    """The run has moved on, from ``source`` (None for a stop) to ``state``.

    Attributes:
        outcome: The row's label: the outcome, and the guard that decided.
        why: What of the runbook says so.
    """

    name = "transition"
    source: str | None = None
    outcome: str
    why: str


@frozen(kw_only=True)
class RunEnded(Event):
    """How a run ended, and how many seconds after its first step began."""

    name = "run_ended"
    verdict: Verdict
    seconds: float


@frozen(kw_only=True)
class ApprovalAsked(Event):
    """A person is asked to approve a plan.

    Attributes:
        plan: Its hash: what is approved.
        impact: The most drastic thing in it.
        action: What is about to be done, as a sentence.
        expires_at: Until when it can be answered.
        databases: Those that would be moved.
    """

    name = "approval_asked"
    plan: str
    impact: Impact
    action: str
    expires_at: datetime
    databases: tuple[str, ...]


@frozen(kw_only=True)
class ApprovalAnswered(Event):
    """What came of it: ``granted``, ``refused`` or ``expired``; and who said so."""

    name = "approval_answered"
    plan: str
    outcome: str
    by: str


# --- a watch -------------------------------------------------------------------------------------


@frozen(kw_only=True)
class WatchStarted(Event):
    """Some servers are watched; ``every`` and ``retry`` in seconds."""

    name = "watch_started"
    servers: tuple[str, ...]
    every: float
    retry: float


@frozen(kw_only=True)
class ReadinessChecked(Event):
    """It was looked whether popheal finds what it needs; how many lines came out how."""

    name = "readiness_checked"
    good: int
    bad: int
    could_not_tell: int


@frozen(kw_only=True)
class ReadinessChanged(Event):
    """A line of that check came out in another way than last time.

    Attributes:
        line: What it is about.
        judgement: ``good``, ``bad`` or ``could_not_tell``.
        was: Likewise; None where there was no such line.
        seen: What was seen, and what is wrong with it.
        next_step: What a person can do about it.
    """

    name = "readiness_changed"
    line: str
    judgement: str
    was: str | None = None
    seen: str
    next_step: str


@frozen(kw_only=True)
class ServerHealth(Event):
    """The health of a server has changed.

    Attributes:
        health: The worst of its POP monitors.
        monitors: Those that are so; None if all are well.
        since: Since when, for people; None if nothing is to be healed.
        without_recipe: Unhealthy monitors that the runbook knows nothing about.
    """

    name = "server_health"
    health: str
    monitors: tuple[str, ...] | None = None
    since: str | None = None
    without_recipe: tuple[str, ...] | None = None


@frozen(kw_only=True)
class LookFailed(Event):
    """The health of a server can't be told, and why."""

    name = "look_failed"
    error: str


@frozen(kw_only=True)
class AlertRaised(Event):
    """A healing begins, with this alert."""

    name = "alert_raised"
    monitor: str
    text: str


@frozen(kw_only=True)
class AlertWaits(Event):
    """A server is unhealthy, but nothing is done now: ``why``, and because of which healing."""

    name = "alert_waits"
    healing: str | None = None
    why: str


@frozen(kw_only=True)
class WatchEnded(Event):
    """The watch has ended; ``left`` names the healings that were left for the next one."""

    name = "watch_ended"
    left: str


#: An observer is called with each event; what it raises is logged and otherwise ignored,
#: because reporting a recovery must never change it.
Observer = Callable[[Event], None]

"""A healing as its journal tells it, as records: its runs, and each as an entry has it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from attrs import define, field, fields, frozen

from popheal.healthsets.pop import PROCEDURES, SETTLE_DEBTS
from popheal.journal.entries import (
    ActionFinished,
    EffectIntended,
    Entry,
    RunEntry,
    RunStarted,
)
from popheal.journal.rows import text_as_moment
from popheal.policy.policy import Policy
from popheal.reports.report import RunSnapshot
from popheal.tables.actions import Impact
from popheal.tables.table import Procedure, Verdict

#: The tables that this popheal ships, by hash.
TABLES: Final = {one.hash: one for one in (*PROCEDURES.values(), SETTLE_DEBTS)}


@frozen(kw_only=True)
class Violation:
    """One place where a journal breaks a property.

    Attributes:
        id: The property.
        sentence: What is wrong there.
        healing: The healing; empty if it is about none.
        run: The run; empty if it is about the healing as a whole.
        seq: The entry, by its place in the journal; None if it is about no single one.
    """

    id: str
    sentence: str
    healing: str = ""
    run: str = ""
    seq: int | None = None


@frozen(kw_only=True)
class Memory:
    """What a run remembered, as far as it is asked about here. Boot times by the server's clock.

    Attributes:
        boot_at_start: When the server had booted, as triage looked.
        passed_on_boot: The same, as a probe last succeeded there.
        changed_at: When the last restart took effect.
    """

    boot_at_start: datetime | None = None
    passed_on_boot: datetime | None = None
    changed_at: datetime | None = None

    @classmethod
    def of(cls, entry: RunEntry) -> Memory:
        """What an entry has of it. Raises one of :data:`~popheal.journal.rows.WRONG`."""
        return cls(**{one.name: text_as_moment(entry.memory.get(one.name)) for one in fields(cls)})


def came_of(line: ActionFinished, *actions: str) -> bool:
    """Whether it says what came of one of these actions, which was at least tried."""
    return line.what in actions and line.outcome != "refused"


@define(kw_only=True, slots=False, eq=False)
class RunStory:
    """One run: its entries in order, the first of which started it.

    Attributes:
        found: Whether triage had verified its monitor's failure on its server before it.
        reported: How it ended, by the report; None if there is none.
    """

    id: str
    healing: HealingStory = field(repr=False)
    lines: list[Entry] = field(factory=list)
    found: bool = False
    reported: Verdict | None = None

    @cached_property
    def moments(self) -> list[RunEntry]:
        """Those of its entries that have it as it then was."""
        return [line for line in self.lines if isinstance(line, RunEntry)]

    def table_of(self, run: RunSnapshot) -> Procedure | None:
        """The table it followed then, if it is shipped, or kept in the journal."""
        return self.healing.tables.get(run.hash)

    @property
    def then(self) -> RunSnapshot:
        """The run as its last entry has it."""
        return self.moments[-1].run

    @property
    def verdict(self) -> Verdict | None:
        """How it ended; None if it has not, or if neither table nor report tells."""
        table = self.table_of(self.then)
        return (table.endings.get(self.then.state) if table else None) or self.reported

    @property
    def ended(self) -> bool:
        """Whether it is known to have ended."""
        return self.verdict is not None or self.healing.ended

    @property
    def settled(self) -> bool:
        """Whether it was resumed on another table, only to pay what it owed."""
        return self.then.procedure == SETTLE_DEBTS.name

    @cached_property
    def intents(self) -> list[EffectIntended]:
        """Its effects, as they were written down before they were commanded."""
        return [line for line in self.lines if isinstance(line, EffectIntended)]

    @cached_property
    def outcomes(self) -> list[ActionFinished]:
        """What came of its actions."""
        return [line for line in self.lines if isinstance(line, ActionFinished)]

    def last(self, *actions: str, before: int | None = None) -> ActionFinished | None:
        """The last outcome of one of these actions that was at least tried."""
        for line in reversed(self.outcomes):
            if (before is None or line.seq < before) and came_of(line, *actions):
                return line
        return None

    def outcome_of(self, intent: EffectIntended) -> ActionFinished | None:
        """What came of the action that an effect was part of; None if that was not written."""
        following = next((line for line in self.outcomes if line.seq > intent.seq), None)
        # A run whose table had changed goes on elsewhere.
        return following if following and following.state == intent.state else None

    def dag_at(self, seq: int) -> str:
        """The availability group of its server, as far as it was known then; folded."""
        known = [
            line.dag
            for line in self.moments
            if line.seq <= seq and isinstance(line, RunStarted | EffectIntended | ActionFinished)
        ]
        return (known[-1] or "").casefold() if known else ""

    def impact_of(self, intent: EffectIntended) -> Impact:
        """What an effect did to the world, whatever the table calls it."""
        if intent.effect in ("reboot", "set_activation_disabled"):
            return Impact.RESTORE if intent.value is False else Impact.DISRUPT
        if intent.effect in ("set_protocol_logging", "set_component_state"):
            return Impact.CHANGE if intent.value else Impact.RESTORE
        if intent.effect in ("start_service", "move_database"):
            return Impact.RESTORE
        return Impact.RESTORE if self._is_reload(intent) else Impact.CHANGE

    def _is_reload(self, intent: EffectIntended) -> bool:
        """Whether a restart of a service made a restored setting take effect."""
        outcome = self.outcome_of(intent)
        if outcome:
            name = outcome.what
        else:
            table = self.table_of(intent.run)
            known = table.by_name.get(intent.state) if table else None
            name = known.action.name if known else ""
        restored = any(
            one.effect == "set_protocol_logging" and not one.value and one.seq < intent.seq
            for one in self.intents
        )
        return name == "reload_pop3" and restored

    @cached_property
    def harmful(self) -> list[EffectIntended]:
        """The effects that changed or disrupted something."""
        return [line for line in self.intents if not self.impact_of(line).harmless]


@define(kw_only=True, eq=False)
class HealingStory:
    """One healing, as far as it could be read.

    Attributes:
        tables: Those that are known, by hash.
        policies: What was allowed, each with the entry from which on it was.
        damages: What could not be read. Then the rest is not to be relied on.
        unknown: Kinds of entries that this popheal does not know.
    """

    id: str
    tables: Mapping[str, Procedure] = field(default=TABLES, repr=False)
    organisation: str = ""
    server: str = ""
    begun_at: datetime | None = None
    ended_at: datetime | None = None
    verdict: Verdict | None = None
    report: Mapping[str, Any] | None = None
    policies: list[tuple[int, Policy | None]] = field(factory=list)
    lines: list[Entry] = field(factory=list)
    runs: dict[str, RunStory] = field(factory=dict)
    damages: list[Violation] = field(factory=list)
    unknown: set[str] = field(factory=set)

    @property
    def ended(self) -> bool:
        """Whether it has ended."""
        return self.ended_at is not None

    def policy_at(self, seq: int) -> Policy | None:
        """What was allowed at that entry; None if it can't be read here."""
        return [policy for since, policy in self.policies if since <= seq][-1]

    def damage(self, sentence: str, run: str = "", seq: int | None = None) -> None:
        """Note what could not be read."""
        self.damages.append(
            Violation(id="J1", sentence=sentence, healing=self.id, run=run, seq=seq)
        )

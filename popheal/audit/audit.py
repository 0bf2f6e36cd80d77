"""Reads a journal, one healing after another, and judges it by every property."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from attrs import define, field, frozen

from popheal.audit.cross_run import Across
from popheal.audit.healing_checks import notes_of
from popheal.audit.load import ids, read_story
from popheal.audit.properties import PROPERTIES, JournalProperty
from popheal.audit.records import TABLES, HealingStory, Violation
from popheal.errors import JournalError
from popheal.journal.database import Database
from popheal.journal.kept_tables import read_tables

#: How often to begin again where somebody begins to write just then.
_TIMES: Final = 3
#: How many of those that a note is about are named.
_NAMED: Final = 5


@frozen(kw_only=True)
class Result:
    """What came of checking one property."""

    checked: JournalProperty
    violations: tuple[Violation, ...]

    @property
    def verdict(self) -> str:
        """``holds``, ``violated`` or ``not_decided``."""
        if self.checked.open:
            return "not_decided"
        return "violated" if self.violations else "holds"


@frozen(kw_only=True)
class AuditResult:
    """What came of checking a journal.

    Attributes:
        journal: Its path.
        healings: How many it has; likewise their runs and entries.
        results: One a property, in the order of :data:`PROPERTIES`.
        notes: What could not be checked, and what has not ended.
    """

    journal: str
    healings: int
    runs: int
    entries: int
    results: tuple[Result, ...]
    notes: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is violated."""
        return not any(one.violations for one in self.results)

    def to_json(self) -> dict[str, Any]:
        """The judgement as plain JSON values."""
        return {
            "ok": self.ok,
            "journal": self.journal,
            "healings": self.healings,
            "runs": self.runs,
            "entries": self.entries,
            "properties": [
                {
                    "id": one.checked.id,
                    "sentence": one.checked.sentence,
                    "verdict": one.verdict,
                    "why_not_decided": one.checked.open,
                    "violations": [
                        {
                            "healing": found.healing,
                            "run": found.run,
                            "seq": found.seq,
                            "sentence": found.sentence,
                        }
                        for found in one.violations
                    ],
                }
                for one in self.results
            ],
            "notes": list(self.notes),
        }


def check_journal(path: str | os.PathLike[str]) -> AuditResult:
    """Check every property on a journal. It is only read, and may be in use meanwhile.

    Raises:
        JournalError: If it can't be read, or is no journal.
    """
    for _ in range(_TIMES):
        database = Database(Path(path), create=False, read_only=True)
        try:
            judgement = _judge(database)
        except JournalError:
            # Without locks, what is written meanwhile may look like damage.
            if database.undisturbed():
                raise
        else:
            if database.undisturbed():
                return judgement
        finally:
            database.close()
    raise database.wrong("was begun to be written to, again and again", "Ask again.")


@define
class _Tally:
    """What was found so far."""

    healings: int = 0
    runs: int = 0
    entries: int = 0
    across: Across = field(factory=Across)
    found: dict[str, list[Violation]] = field(factory=lambda: defaultdict(list))
    notes: dict[str, list[str]] = field(factory=lambda: defaultdict(list))

    def add(self, story: HealingStory) -> None:
        """Judge one healing."""
        self.healings += 1
        self.runs += len(story.runs)
        for sentence, about in notes_of(story):
            self.notes[sentence].append(about)
        if story.damages:
            self.found["J1"] += story.damages
            return
        self.across.add(story)
        for one in _violations(story):
            self.found[one.id].append(one)


def _judge(database: Database) -> AuditResult:
    tally = _Tally()
    with database.snapshot():
        database.verify()
        ((tally.entries,),) = database.read("SELECT count(*) FROM entry")
        tables = {**read_tables(database), **TABLES}
        for healing in ids(database):
            story = read_story(database, healing, tables)
            tally.add(story)
            # Runs and healing know each other: without this they would pile up for a while.
            story.runs.clear()
        tally.found["J1"] += _strangers(database)
    for one in tally.across.violations():
        tally.found[one.id].append(one)
    return AuditResult(
        journal=database.name,
        healings=tally.healings,
        runs=tally.runs,
        entries=tally.entries,
        results=tuple(
            Result(checked=one, violations=tuple(tally.found[one.id])) for one in PROPERTIES
        ),
        notes=tuple(f"{', '.join(_some(about))}: {said}" for said, about in tally.notes.items()),
    )


def _strangers(database: Database) -> Iterator[Violation]:
    """Entries and claims of healings that are not there, or have ended."""
    rows = database.read(
        "SELECT min(seq), healing, count(*) FROM entry"
        " WHERE healing NOT IN (SELECT id FROM healing) GROUP BY healing ORDER BY 1"
    )
    for seq, healing, count in rows:
        sentence = f"{count} entries are of a healing that is not there"
        yield Violation(id="J1", sentence=sentence, healing=healing, seq=seq)
    rows = database.read(
        "SELECT kind, name, claim.healing FROM claim LEFT JOIN healing ON id = claim.healing"
        " WHERE id IS NULL OR ended_at IS NOT NULL ORDER BY 1, 2"
    )
    for kind, name, healing in rows:
        sentence = f"the {kind} {name} is claimed by a healing that is not there, or has ended"
        yield Violation(id="J1", sentence=sentence, healing=healing)


def _violations(story: HealingStory) -> Iterator[Violation]:
    for one in PROPERTIES:
        for check in one.healings:
            for name, line, sentence in check(story):
                yield Violation(
                    id=one.id,
                    sentence=sentence,
                    healing=story.id,
                    run=name,
                    seq=line.seq if line else None,
                )
        for check_run in one.runs:
            for run in story.runs.values():
                for line, sentence in check_run(run):
                    yield Violation(
                        id=one.id,
                        sentence=sentence,
                        healing=story.id,
                        run=run.id,
                        seq=line.seq if line else None,
                    )


def _some(names: list[str]) -> list[str]:
    more = len(names) - _NAMED
    return [*names[:_NAMED], f"and {more} more"] if more > 0 else names

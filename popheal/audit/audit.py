"""Reads a journal, one healing after another, and judges it by every property."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from attrs import define, evolve, field, frozen

from popheal.audit.chain_checks import (
    NO_CHAIN,
    NO_HASHES,
    NO_TABLES,
    PART,
    ChainCheck,
    is_chained,
    parse_head,
    schema_violations,
)
from popheal.audit.cross_run import Across
from popheal.audit.healing_checks import notes_of
from popheal.audit.load import ids, read_story
from popheal.audit.properties import PROPERTIES, JournalProperty
from popheal.audit.records import TABLES, HealingStory, Violation
from popheal.errors import JournalError
from popheal.journal.chain import Head
from popheal.journal.database import Database
from popheal.journal.export import Loaded, is_export, load_export
from popheal.journal.kept_tables import read_tables
from popheal.journal.marks import IS_STORY

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
        results: One a property, in the order of ``PROPERTIES``.
        notes: What could not be checked, and what has not ended.
        head: The end of its chain of hashes: the newest entry's place and hash.
    """

    journal: str
    healings: int
    runs: int
    entries: int
    results: tuple[Result, ...]
    notes: tuple[str, ...]
    head: Head = field(default=Head())

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
            "head": str(self.head),
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


def check_journal(path: str | os.PathLike[str], *, noted: str = "") -> AuditResult:
    """Check every property on a journal. It is only read, and may be in use meanwhile.

    Args:
        path: The journal.
        noted: The end of its chain as it was noted elsewhere, ``SEQ:HASH``: it must be part of it.

    Raises:
        JournalError: If it can't be read, or is no journal.
        ConfigurationError: If what was noted is no end of a chain.
    """
    end, path = parse_head(noted) if noted else None, Path(path)
    if not is_export(path):
        return _check_file(path, end)
    with TemporaryDirectory(prefix="popheal-") as folder:
        made = Path(folder) / "journal"
        loaded = load_export(path, made)
        return evolve(_check_file(made, end, loaded, name=str(path)), journal=str(path))


def _check_file(
    path: Path, noted: Head | None, loaded: Loaded | None = None, *, name: str = ""
) -> AuditResult:
    for _ in range(_TIMES):
        database = Database(path, create=False, read_only=True)
        database.name = name or database.name  # as it was given
        try:
            judgement = _judge(database, noted, loaded)
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


def _judge(database: Database, noted: Head | None, loaded: Loaded | None) -> AuditResult:
    tally, chain = _Tally(), ChainCheck(database, noted, loaded or Loaded())
    with database.snapshot():
        database.verify()
        ((tally.entries,),) = database.read(f"SELECT count(*) FROM entry WHERE {IS_STORY}")  # noqa: S608 - of ours
        tables = {**read_tables(database), **TABLES}
        for healing in ids(database):
            story = read_story(database, healing, tables)
            tally.add(story)
            # Runs and healing know each other: without this they would pile up for a while.
            story.runs.clear()
        tally.found["J1"] += _strangers(database)
        tally.found["J7"] += schema_violations(database)
        undecided = _undecided(database, loaded)
        if is_chained(database):
            for violation in chain.violations():
                tally.found[violation.id].append(violation)
        elif noted:
            del undecided["J6"]
            tally.found["J6"].append(Violation(id="J6", sentence=NO_CHAIN))
    for said in chain.notes():
        tally.notes[said].append("the journal")
    if loaded and not loaded.whole:
        tally.notes[PART].append("the export")
    for one in tally.across.violations():
        tally.found[one.id].append(one)
    return AuditResult(
        journal=database.name,
        healings=tally.healings,
        runs=tally.runs,
        entries=tally.entries,
        head=chain.head,
        results=tuple(
            Result(
                checked=evolve(one, open=undecided.get(one.id, one.open)),
                violations=tuple(tally.found[one.id]),
            )
            for one in PROPERTIES
        ),
        notes=tuple(f"{', '.join(_some(about))}: {said}" for said, about in tally.notes.items()),
    )


def _undecided(database: Database, loaded: Loaded | None) -> dict[str, str]:
    """What this journal can't tell, though others can; and why not."""
    if not is_chained(database):
        return dict.fromkeys(("J6", "J8"), NO_HASHES)
    if loaded is None:
        return {}
    return {"J7": NO_TABLES}


def _strangers(database: Database) -> Iterator[Violation]:
    """Entries and claims of healings that are not there, or have ended."""
    rows = database.read(
        "SELECT min(seq), healing, count(*) FROM entry"  # noqa: S608 - of ours
        f" WHERE {IS_STORY} AND healing NOT IN (SELECT id FROM healing) GROUP BY healing ORDER BY 1"
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

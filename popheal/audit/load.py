"""Reads a healing from its journal row by row, and doubts each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from popheal.audit.records import HealingStory, Memory, RunStory
from popheal.errors import PophealError
from popheal.journal import entries
from popheal.journal.database import Database
from popheal.journal.entries import read_entry
from popheal.journal.marks import IS_STORY
from popheal.journal.rows import (
    WRONG,
    Row,
    as_text,
    json_object,
    problem_of,
    text_as_moment,
    zoned,
)
from popheal.journal.schema import SELECT_ENTRIES
from popheal.policy.policy import Policy
from popheal.reports.report import FindingKind
from popheal.tables.table import Procedure, Verdict


def ids(database: Database) -> list[str]:
    """Every healing, the oldest first."""
    return [row[0] for row in database.read("SELECT id FROM healing ORDER BY begun_at, rowid")]


def read_story(database: Database, healing: str, tables: Mapping[str, Procedure]) -> HealingStory:
    """One healing with all its entries, and the tables that are known, by hash."""
    story = HealingStory(id=healing, tables=tables)
    for row in database.read(
        "SELECT organisation, server, policy, begun_at, ended_at, verdict, report, alert"
        " FROM healing WHERE id = ?",
        healing,
    ):
        _read_record(story, row)
    rows = database.read(f"{SELECT_ENTRIES} WHERE healing = ? AND {IS_STORY} ORDER BY seq", healing)
    for row in rows:
        _add_entry(story, read_entry(Row(*row)))
    if not story.damages:
        try:
            _make_runs(story)
        except WRONG as error:
            story.damage(f"its report or findings can't be read ({problem_of(error)})")
    return story


def _read_record(story: HealingStory, row: Sequence[Any]) -> None:
    organisation, server, policy, begun, ended, verdict, report, alert = row
    story.organisation, story.server = str(organisation), str(server)
    try:
        story.begun_at = zoned(begun)
        story.ended_at = text_as_moment(ended)
        story.verdict = Verdict(verdict) if verdict else None
        story.report = json_object(report) if report else None
        json_object(alert)
        story.policies.append((0, _policy(policy)))
    except WRONG as error:
        story.damage(f"the healing itself can't be read ({problem_of(error)})")


def _add_entry(story: HealingStory, entry: entries.Entry) -> None:
    problem = ""
    if isinstance(entry, entries.UnreadableEntry):
        if entry.kind is None:
            story.unknown.add(entry.row.kind)
            return
        problem = entry.problem
    elif isinstance(entry, entries.TakenOver):
        story.policies.append((entry.seq, _policy(as_text(entry.policy))))
    elif isinstance(entry, entries.RunEntry):
        try:
            Memory.of(entry)
        except WRONG as error:
            problem = problem_of(error)
    if problem:
        story.damage(f"the entry can't be read ({problem})", entry.run_id, entry.seq)
    else:
        story.lines.append(entry)


def _make_runs(story: HealingStory) -> None:
    """Sort the entries by their runs, and note what was found before each."""
    verified: set[tuple[str, str | None]] = set()
    reported = {one["id"]: Verdict(one["verdict"]) for one in (story.report or {}).get("runs", ())}
    for line in story.lines:
        if isinstance(line, entries.FindingsNoted):
            verified |= {
                (one.server.casefold(), one.monitor)
                for one in line.findings
                if one.kind is FindingKind.VERIFIED
            }
        if not line.run_id:
            continue
        name = line.run_id
        if name not in story.runs:
            story.runs[name] = RunStory(id=name, healing=story, reported=reported.get(name))
        run = story.runs[name]
        run.lines.append(line)
        if isinstance(line, entries.RunStarted):
            run.found = (line.run.server.casefold(), line.run.monitor) in verified
    for name, run in list(story.runs.items()):
        if not run.moments:
            del story.runs[name]


@lru_cache(maxsize=64)
def _policy(text: str) -> Policy | None:
    try:
        return Policy.from_json(json_object(text))
    except PophealError:
        return None  # of another version, most likely

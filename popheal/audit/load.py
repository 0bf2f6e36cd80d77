"""Reads a healing from its journal row by row, and doubts each."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, Final

from popheal.audit.records import AuditEntry, HealingStory, RunStory, RunThen
from popheal.errors import PophealError
from popheal.journal.database import Database
from popheal.journal.entries import Kind
from popheal.policy.policy import Policy
from popheal.tables.actions import Impact
from popheal.tables.debts import Debt
from popheal.tables.table import Verdict

_KINDS: Final = {one.value for one in Kind}
#: Entries that say how a run then was.
_OF_A_RUN: Final = (Kind.RUN_STARTED, Kind.INTENT, Kind.WAITING, Kind.OUTCOME, Kind.CANCELLED)
#: What can be wrong with what was read from JSON: a value is missing, or is something else.
_WRONG: Final = (KeyError, TypeError, ValueError, AttributeError)


def ids(database: Database) -> list[str]:
    """Every healing, the oldest first."""
    return [row[0] for row in database.read("SELECT id FROM healing ORDER BY begun_at, rowid")]


def read_story(database: Database, healing: str) -> HealingStory:
    """One healing with all its entries."""
    story = HealingStory(id=healing)
    for row in database.read(
        "SELECT organisation, server, policy, begun_at, ended_at, verdict, report, alert"
        " FROM healing WHERE id = ?",
        healing,
    ):
        _read_record(story, row)
    rows = database.read(
        "SELECT seq, at, run, server, kind, what, outcome, data FROM entry"
        " WHERE healing = ? ORDER BY seq",
        healing,
    )
    for row in rows:
        _read_entry(story, row)
    if not story.damages:
        try:
            _make_runs(story)
        except _WRONG as error:
            story.damage(f"its report or findings can't be read ({_said(error)})")
    return story


def _read_record(story: HealingStory, row: Sequence[Any]) -> None:
    organisation, server, policy, begun, ended, verdict, report, alert = row
    story.organisation, story.server = str(organisation), str(server)
    try:
        story.begun_at = _moment(begun)
        story.ended_at = _moment(ended) if ended else None
        story.verdict = Verdict(verdict) if verdict else None
        story.report = _object(report) if report else None
        _object(alert)
        story.policies.append((0, _policy(policy)))
    except _WRONG as error:
        story.damage(f"the healing itself can't be read ({_said(error)})")


def _read_entry(story: HealingStory, row: Sequence[Any]) -> None:
    seq, at, run, server, kind, what, outcome, data = row
    if kind not in _KINDS:
        story.unknown.add(str(kind))
        return
    try:
        line = _line(seq, at, run, server, Kind(kind), what, outcome, _object(data))
        if line.kind is Kind.TAKEN_OVER:
            story.policies.append((seq, _policy(json.dumps(line.data["policy"]))))
    except _WRONG as error:
        story.damage(f"the entry can't be read ({_said(error)})", str(run), seq)
    else:
        story.lines.append(line)


def _line(
    seq: int,
    at: str,
    run: str,
    server: str,
    kind: Kind,
    what: str,
    outcome: str,
    data: Mapping[str, Any],
) -> AuditEntry:
    then = _run_then(data) if "run" in data else None
    if kind in _OF_A_RUN and (then is None or not run):
        raise KeyError("run")
    state, impact = then.state if then else "", None
    if kind is Kind.OUTCOME:
        step = data["step"]
        state, impact = str(step["state"]), Impact(step["impact"])
        if step["outcome"] != outcome or str(step["action"]).partition("(")[0] != what:
            raise ValueError("its step and its columns don't agree")
    if kind is Kind.INTENT and what.startswith("set_") and not isinstance(data["value"], bool):
        raise ValueError("its value is neither true nor false")
    if kind is Kind.FINDING:
        for one in data["findings"]:
            _ = one["kind"], one["server"], one["monitor"]
    return AuditEntry(
        seq=seq,
        at=_moment(at),
        run=str(run),
        server=str(server),
        kind=kind,
        what=str(what),
        outcome=str(outcome),
        data=data,
        then=then,
        state=state,
        impact=impact,
    )


def _run_then(data: Mapping[str, Any]) -> RunThen:
    run, memory = data["run"], data["memory"]
    return RunThen(
        procedure=run["procedure"],
        hash=run["hash"],
        server=run["server"],
        monitor=run["monitor"],
        mailbox_role=bool(run["mailbox_role"]),
        state=run["state"],
        path=tuple(run["path"]),
        debts=tuple(map(Debt.from_json, run["debts"])),
        boot_at_start=_perhaps(memory.get("boot_at_start")),
        passed_on_boot=_perhaps(memory.get("passed_on_boot")),
        changed_at=_perhaps(memory.get("changed_at")),
        active_before=tuple(memory.get("active_before", ())),
    )


def _make_runs(story: HealingStory) -> None:
    """Sort the entries by their runs, and note what was found before each."""
    verified: set[tuple[str, str]] = set()
    reported = {one["id"]: Verdict(one["verdict"]) for one in (story.report or {}).get("runs", ())}
    for line in story.lines:
        if line.kind is Kind.FINDING:
            verified |= {
                (str(one["server"]).casefold(), str(one["monitor"]))
                for one in line.data["findings"]
                if one["kind"] == "verified"
            }
        if not line.run:
            continue
        run = story.runs.get(line.run)
        if run is None:
            run = RunStory(id=line.run, healing=story, reported=reported.get(line.run))
            story.runs[line.run] = run
        run.lines.append(line)
        if line.kind is Kind.RUN_STARTED and line.then:
            run.found = (line.then.server.casefold(), line.then.monitor) in verified
    for name, run in list(story.runs.items()):
        if not any(line.then for line in run.lines):
            del story.runs[name]


@lru_cache(maxsize=64)
def _policy(text: str) -> Policy | None:
    try:
        return Policy.from_json(_object(text))
    except PophealError:
        return None  # of another version, most likely


def _object(text: str) -> Mapping[str, Any]:
    found = json.loads(text)
    if not isinstance(found, Mapping):
        raise TypeError("it is no JSON object")
    return found


def _moment(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError("a time has no zone")
    return at


def _perhaps(text: str | None) -> datetime | None:
    return _moment(text) if text else None


def _said(error: Exception) -> str:
    if isinstance(error, json.JSONDecodeError):
        return f"its JSON is damaged: {error}"
    if isinstance(error, KeyError):
        return f"{error} is missing"
    return str(error) or type(error).__name__

"""What is looked at on this machine: the journal, who else has it, and who is told."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from popheal.errors import JournalError
from popheal.journal import HealingRecord, Journal
from popheal.journal.locks import WATCH, is_alive
from popheal.journal.place import concerns_about
from popheal.policy.policy import Policy
from popheal.readiness.lines import Line
from popheal.readiness.subject import Answer, bad, good, lines_of
from popheal.tables.actions import Impact


def journal_lines(path: Path | None, policy: Policy) -> tuple[Line, ...]:
    """The journal, and who has it. Nothing is made, or brought up to date."""
    if path is None:
        return lines_of("journal", [_without(policy)])
    problem = _why_not_writable(path)
    if problem:
        right = "Give a path that the account of this process may write to ([journal] path)."
        return lines_of("journal", [bad(str(path), problem, right)])
    concerns = [bad(str(path), one.problem, one.next_step) for one in concerns_about(path)]
    if not path.exists():
        return lines_of("journal", concerns or [good(f"{path}, will be made")])
    try:
        with Journal(path, read_only=True) as opened:
            unfinished = opened.healings(unfinished=True)
            watched = is_alive(opened.path or path, WATCH, tidy=False)
    except JournalError as error:
        return lines_of("journal", [bad(str(path), error.problem, error.next_step)])
    return (
        *lines_of("journal", concerns or [good(f"{path}, can be written")]),
        *lines_of("at_work", _at_work(path, unfinished, watched=watched)),
    )


def _without(policy: Policy) -> Answer:
    if not policy.allows(Impact.CHANGE):
        return good("none, and none is needed to look")
    return bad(
        "none",
        "without one, a healing whose process dies can't be resumed, and no limit counts what "
        "another process did",
        'Add [journal] to the configuration, with path = "/var/lib/popheal/journal.db".',
    )


def _why_not_writable(path: Path) -> str:
    if path.is_dir():
        return "it is a folder"
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    # SQLite makes files beside it.
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return f"the folder {path.parent} can't be written to"
    if path.exists() and not os.access(path, os.R_OK | os.W_OK):
        return "the file can't be written to"
    return ""


def _at_work(path: Path, unfinished: Sequence[HealingRecord], *, watched: bool) -> Sequence[Answer]:
    answers = [
        bad(
            "interrupted",
            f"the process of this healing on {one.server} has died",
            f"Resume it: popheal resume {one.id} --journal {quote(str(path))} --config FILE.",
            f"healing {one.id}",
        )
        for one in unfinished
        if not one.alive
    ]
    busy = [f"healing {one.id} on {one.server}, {one.owner}" for one in unfinished if one.alive]
    if watched:
        busy.append("a watch")
    return [*answers, good(f"at work with it: {', '.join(busy)}" if busy else "nobody")]

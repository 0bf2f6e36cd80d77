"""Removing old healings from a journal, such that its chain can still be checked.

Of what is removed the places and the last hash stay, in an entry that is part of the chain.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from popheal.journal.chain import append_to
from popheal.journal.database import Database
from popheal.journal.marks import Mark, mark
from popheal.journal.rows import moment_as_text
from popheal.journal.schema import pruning

#: What ended since may still be asked about: by budgets of a day, and by who looks what happened.
LEAST: Final = timedelta(days=2)
#: A policy may keep the restarts of a group's members up to a year apart.
_REBOOTS_COUNT: Final = timedelta(days=366)
_PRIVATE: Final = 0o600

_NAMED: Final = "IN (SELECT value FROM json_each(?))"
_REMOVED: Final = f"SELECT seq, hash FROM entry WHERE healing {_NAMED} ORDER BY seq"  # noqa: S608 - of ours
_REMOVE_ENTRIES: Final = f"DELETE FROM entry WHERE healing {_NAMED}"  # noqa: S608 - of ours
_REMOVE: Final = f"DELETE FROM healing WHERE id {_NAMED}"  # noqa: S608 - of ours
_OLD: Final = "SELECT id FROM healing WHERE ended_at < :before"
#: Why what is old enough stays all the same, in the order in which it is asked.
_NEEDED: Final[Mapping[str, str]] = {
    "as they left something to be put back": "instr(report, '\"handed_over\"') > 0",
    "as a budget may ask about their reboots for a year": (
        "EXISTS (SELECT 1 FROM entry WHERE entry.healing = healing.id AND what = 'reboot'"
        " AND at >= :reboots)"
    ),
    "as a watch asks about the newest of each server": (
        "NOT EXISTS (SELECT 1 FROM healing AS later WHERE later.begun_at > healing.begun_at"
        " AND later.organisation = healing.organisation"
        " AND lower(substr(later.server, 1, instr(later.server || '.', '.') - 1))"
        " = lower(substr(healing.server, 1, instr(healing.server || '.', '.') - 1)))"
    ),
}


@frozen(kw_only=True)
class Pruning:
    """What pruning would remove, or has removed.

    Attributes:
        before: What has ended before then is old.
        healings: Those that go.
        entries: How many entries go with them.
        kept: How many old ones stay, by the reason.
        unfinished: How many have not ended, and stay in any case.
    """

    before: datetime
    healings: tuple[str, ...]
    entries: int
    kept: Mapping[str, int]
    unfinished: int


def plan_pruning(database: Database, before: datetime, now: datetime) -> Pruning:
    """What pruning would remove; nothing is changed.

    Args:
        database: The journal's.
        before: What has ended before then is old.
        now: By the wall clock.
    """
    values = {
        "before": moment_as_text(before),
        "reboots": moment_as_text(now - _REBOOTS_COUNT),
    }
    others, kept = "", {}
    for reason, condition in _NEEDED.items():
        found = database.read_with(f"{_OLD}{others} AND {condition}", values)
        others += f" AND NOT {condition}"
        if found:
            kept[reason] = len(found)
    found = database.read_with(f"{_OLD}{others} ORDER BY begun_at, rowid", values)
    healings = tuple(name for (name,) in found)
    counts = (
        database.read("SELECT count(*) FROM entry WHERE healing = ?", one) for one in healings
    )
    ((unfinished,),) = database.read("SELECT count(*) FROM healing WHERE ended_at IS NULL")
    return Pruning(
        before=before,
        healings=healings,
        entries=sum(count for ((count,),) in counts),
        kept=kept,
        unfinished=unfinished,
    )


def prune(database: Database, plan: Pruning, *, at: datetime, archive: str = "") -> None:
    """Remove what is planned, and write down that it was.

    Args:
        database: The journal's.
        plan: What to remove. Healings do not begin again, so a plan does not age; what somebody
            else has removed meanwhile is left out.
        at: Now.
        archive: SHA-256 of the archive that has it, if one has.
    """
    with database.transaction() as connection:
        names = json.dumps(plan.healings)
        gaps = list(_gaps(connection.execute(_REMOVED, (names,))))
        if not gaps:
            return
        with pruning(connection):
            connection.execute(_REMOVE_ENTRIES, (names,))
            gone = connection.execute(_REMOVE, (names,)).rowcount
        pruned = mark(
            Mark.PRUNED,
            moment_as_text(at),
            before=moment_as_text(plan.before),
            healings=gone,
            gaps=gaps,
            archive=archive,
        )
        append_to(connection, "", pruned)


def _gaps(removed: Iterator[tuple[int, str]]) -> Iterator[list[Any]]:
    """Each stretch without a hole: its first entry, its last one, and the hash of that."""
    stretch: list[Any] = []
    for seq, digest in removed:
        if stretch and seq == stretch[1] + 1:
            stretch[1:] = [seq, digest]
            continue
        if stretch:
            yield stretch
        stretch = [seq, seq, digest]
    if stretch:
        yield stretch


def write_archive(path: Path, lines: Callable[[], Iterator[Mapping[str, Any]]]) -> str:
    """Write lines to a new file, on the disk when this returns; SHA-256 of it.

    Raises:
        OSError: If it can't be written; FileExistsError if it is there.
    """
    digest = sha256()
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE)
    try:
        with os.fdopen(file, "wb") as stream:
            for line in lines():
                text = f"{json.dumps(line)}\n".encode("ascii")
                digest.update(text)
                stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        _keep_name(path)
    except BaseException:
        path.unlink()  # a part of it is none, and takes the room that there is not
        raise
    return digest.hexdigest()


def _keep_name(path: Path) -> None:
    """A new file's name stands in its folder, which has to be on the disk as well."""
    if os.name == "posix":
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

"""What an older popheal has written without hashes is chained, as it is found, when it is migrated.

The hashes hold from then on: what was changed before can't be told from what was written.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from typing import Any, Final

from popheal.journal.chain import Head, append, digest_of
from popheal.journal.marks import Mark, digest_of_beginning, digest_of_end, mark

_AS_WRITTEN: Final = (
    "SELECT healing, at, run, server, kind, what, outcome, data FROM entry_before ORDER BY seq"
)
_OWNERS: Final = "SELECT id, since, process FROM owner ORDER BY id"
_TABLES: Final = "SELECT hash, data FROM procedure ORDER BY hash"
_HEALINGS: Final = (
    "SELECT id, organisation, server, version, alert, policy, begun_at, owner, fence, cancel_at,"
    " ended_at, verdict, report FROM healing ORDER BY begun_at, rowid"
)
_CLAIMS: Final = "SELECT organisation, kind, name FROM claim WHERE healing = ? ORDER BY kind, name"


def chain_what_was(connection: sqlite3.Connection) -> None:
    """Copy the entries of ``entry_before``, and add the marks that their healings imply.

    Places are counted anew: older tables left gaps where nothing is missing.
    """
    written = ((healing, tuple(row)) for healing, *row in connection.execute(_AS_WRITTEN))
    head = append(connection, written, head=Head())
    append(connection, list(_marks(connection)), head=head)


def _marks(connection: sqlite3.Connection) -> Iterator[tuple[str, tuple[str, ...]]]:
    for owner, since, process in connection.execute(_OWNERS):
        yield "", mark(Mark.OWNER, since, owner=owner, process=process)
    latest = ""
    for healing in connection.execute(_HEALINGS):
        latest = max(latest, healing[6])
        yield from ((healing[0], one) for one in _marks_of(connection, healing))
    for key, data in connection.execute(_TABLES):
        yield "", mark(Mark.TABLE_KEPT, latest, what=key, digest=digest_of(data))


def _marks_of(connection: sqlite3.Connection, row: tuple[Any, ...]) -> Iterator[tuple[str, ...]]:
    healing, organisation, server, version, alert, policy, begun, owner, fence = row[:9]
    cancelled, ended, verdict, report = row[9:]
    digest = digest_of_beginning(
        organisation, server, version, _plain(alert), _plain(policy), begun
    )
    said = {"digest": digest, "owner": owner, "fence": fence}
    yield mark(Mark.BEGUN, begun, server=server, **said)
    for org, kind, name in connection.execute(_CLAIMS, (healing,)):
        yield mark(Mark.CLAIMED, begun, what=kind, organisation=org, name=name)
    if cancelled:
        yield mark(Mark.STOP_ASKED, cancelled)
    if ended:
        digest = digest_of_end(ended, verdict, report and _plain(report))
        yield mark(Mark.ENDED, ended, outcome=verdict or "", digest=digest)


def _plain(text: str) -> Any:
    """What JSON says; the text itself where it is damaged: it must be migrated all the same."""
    try:
        return json.loads(text)
    except ValueError:
        return text

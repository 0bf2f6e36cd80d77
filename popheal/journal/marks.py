"""Marks: entries about rows of the other tables, so that the chain holds for those as well.

Who carries out what, what is claimed and how a healing ended stand in tables of their own, whose
rows change. Each change is an entry too, written in the same transaction. So what these rows must
say follows from the entries, and whoever changes a row alone is found out.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import Any, Final

from popheal.journal.chain import digest_of
from popheal.journal.rows import as_text


class Mark(Enum):
    """What a mark says has happened."""

    #: A process has opened the journal to carry out healings.
    OWNER = "owner"
    #: A healing has begun, or was found begun when an older journal was brought up to date.
    BEGUN = "begun"
    #: A process has taken a healing over.
    TAKEN = "taken"
    #: A person said stop.
    STOP_ASKED = "stop_asked"
    #: A server or a group was claimed.
    CLAIMED = "claimed"
    #: The table of a run was kept.
    TABLE_KEPT = "table_kept"
    #: A healing has ended, and given up its claims.
    ENDED = "ended"
    #: A healing was taken back: there was nothing to answer.
    FORGOTTEN = "forgotten"
    #: Old healings were removed, or moved into an archive.
    PRUNED = "pruned"


#: For queries: what is about a healing's story, and no mark.
IS_STORY: Final = f"kind NOT IN ({', '.join(repr(one.value) for one in Mark)})"


def mark(
    kind: Mark, at: str, *, server: str = "", what: str = "", outcome: str = "", **data: Any
) -> tuple[str, ...]:
    """A mark as a row, but for its place and its healing.

    Args:
        kind: What has happened.
        at: When, as :func:`~popheal.journal.rows.moment_as_text` writes it.
        server: The column.
        what: The column.
        outcome: The column.
        data: What else it says.
    """
    return at, "", server, kind.value, what, outcome, as_text(data)


def digest_of_beginning(
    organisation: str,
    server: str,
    version: str,
    alert: Mapping[str, Any],
    policy: Mapping[str, Any],
    begun_at: str,
) -> str:
    """Of what does not change in a healing's row."""
    return digest_of(organisation, server, version, alert, policy, begun_at)


def digest_of_end(ended_at: str, verdict: str | None, report: Mapping[str, Any] | None) -> str:
    """Of how a healing ended."""
    return digest_of(ended_at, verdict, report)

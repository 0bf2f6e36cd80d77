"""Where the chain has gaps on purpose: what was pruned, as entries of the chain attest."""

from __future__ import annotations

from typing import Final

from popheal.journal.database import Database
from popheal.journal.rows import WRONG, json_object

_PRUNED: Final = "SELECT data FROM entry WHERE kind = 'pruned' ORDER BY seq"


def read_gaps(database: Database) -> dict[int, tuple[int, str]]:
    """What was removed: by the first entry of a gap the last one, and its hash."""
    found: dict[int, tuple[int, str]] = {}
    for (data,) in database.read(_PRUNED):
        try:
            gaps = [(int(a), (int(z), str(digest))) for a, z, digest in json_object(data)["gaps"]]
        except WRONG:
            continue  # its own hash tells
        found.update(gaps)
    return found

"""What an operator can do about what SQLite says of a journal's file."""

from __future__ import annotations

import sqlite3
from typing import Final

#: By the beginning of SQLite's own result code.
NEXT_STEPS: Final = {
    "SQLITE_FULL": "Make room on the disk, then: popheal resume.",
    "SQLITE_READONLY": "Give the account the right to write the file and its folder; "
    "and if it was opened only to be read, open it anew.",
    "SQLITE_CANTOPEN": "Check that the folder is there and can be written. Only to read a journal "
    "that was in use, copy it with what lies beside it (-wal) to one that can.",
    "SQLITE_BUSY": "Another program has locked it: let that end.",
    "SQLITE_NOTADB": "It is no journal: give another path.",
    "SQLITE_CORRUPT": "Keep the file for who can mend it, and begin a new one; look at the "
    "servers by hand for what was under way.",
    "SQLITE_IOERR": "Look at the disk.",
}


def next_step_of(error: sqlite3.Error) -> str:
    """What an operator can do about it; by SQLite's own result code."""
    if isinstance(error, sqlite3.ProgrammingError) and "closed" in str(error):
        return "It was closed: open it anew."
    name = getattr(error, "sqlite_errorname", "") or ""
    for beginning, next_step in NEXT_STEPS.items():
        if name.startswith(beginning):
            return next_step
    return ""

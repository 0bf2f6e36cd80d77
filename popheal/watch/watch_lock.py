"""One watch for a journal: who watches holds a lock beside it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from popheal.errors import JournalError
from popheal.journal import Journal
from popheal.journal.locks import WATCH, OwnerLock


@contextmanager
def watching_alone(journal: Journal) -> Iterator[None]:
    """While this lasts, nobody else watches with this journal. Raises JournalError."""
    if journal.path is None:
        yield
        return
    try:
        lock = _WatchLock(journal.path, WATCH)
    except OSError as error:
        taken = isinstance(error, BlockingIOError) or sys.platform == "win32"
        raise JournalError(
            journal=str(journal.path),
            problem="is being watched by another process"
            if taken
            else f"can't be locked by a file beside it ({error.strerror})",
            next_step="Let that one watch, or give this one another journal."
            if taken
            else "Give a path in a folder that can be written.",
        ) from error
    try:
        yield
    finally:
        lock.release()


class _WatchLock(OwnerLock):
    """The lock of whoever watches."""

    def release(self) -> None:
        # The file stays: another process may have opened it already, and would lock a file
        # that is not there any more.
        os.close(self._file)

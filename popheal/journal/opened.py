"""What a process relies on while it has a journal open: the files stay, and it stays itself.

SQLite goes on writing to a file that was removed, and to a log that was. Nobody else would see it.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from attrs import frozen

#: What lies beside a journal that is in use, by the ending of its name: SQLite's log and its index.
_BESIDE: Final = ("-wal", "-shm")
_PUT_BACK: Final = "Put it back, then: popheal resume. Never move a journal that is in use."
_RESUME: Final = (
    "End what uses the journal, then: popheal resume. Never remove what lies beside one in use."
)
_OPEN_ANEW: Final = "Open the journal in the process that uses it, after the fork."

Identity = tuple[int, int]


class Opened:
    """The files of a journal as they were when this process opened it.

    Args:
        path: The journal, which has been read or written once: before there may be no log.
    """

    __slots__ = ("_files", "_process", "path")

    def __init__(self, path: Path) -> None:
        self.path = path
        self._process = os.getpid()
        beside = (path.with_name(f"{path.name}{ending}") for ending in _BESIDE)
        found = {one: _identity_of(one) for one in (path, *beside)}
        self._files = {one: identity for one, identity in found.items() if identity}

    def in_fork(self) -> tuple[str, str] | None:
        """Whether this process is a fork of the one that opened it: what is wrong, what to do.

        A fork has the same connection and leases, and none of the locks.
        """
        if os.getpid() == self._process:
            return None
        return f"was opened by the process {self._process}, of which this one is a fork", _OPEN_ANEW

    def changed(self) -> tuple[str, str] | None:
        """Likewise whether a file was moved away, removed or replaced."""
        for number, (file, identity) in enumerate(self._files.items()):
            if _identity_of(file) != identity:
                if not number:
                    gone = "is not the file any more that was opened: it was moved or replaced"
                    return gone, _PUT_BACK
                return f"has lost {file.name} beside it, which was removed or replaced", _RESUME
        return None


@frozen
class AsRead:
    """A file as it was when it was read without locks: to see whether it was written to since.

    Attributes:
        file: The journal.
        has_log: Whether SQLite's log lies beside it: then somebody has it open.
        size: In bytes.
        changed: When it was last written to, in nanoseconds.
    """

    file: Path
    has_log: bool
    size: int
    changed: int

    @classmethod
    def of(cls, file: Path) -> AsRead:
        """A file as it is now. Raises OSError if it can't be looked at."""
        status = file.stat()
        log = file.with_name(f"{file.name}-wal")
        return cls(file, log.exists(), status.st_size, status.st_mtime_ns)


def _identity_of(path: Path) -> Identity | None:
    """What tells a file from another one of the same name; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino

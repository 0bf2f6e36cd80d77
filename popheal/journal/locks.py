"""Which processes are alive, told by the operating system: each holds a lock while it lives.

A process that carries out healings of a journal locks a file beside it. The lock goes with the
process, however it ends, so nobody has to guess from a clock or a process number.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from pathlib import Path
from typing import Final

if sys.platform == "win32":
    import msvcrt

    def _lock(file: int) -> None:
        msvcrt.locking(file, msvcrt.LK_NBLCK, 1)

    _try_lock = _lock
else:
    import fcntl

    def _lock(file: int) -> None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)

    def _try_lock(file: int) -> None:
        # Shared, so that two that look at once don't take each other for the owner.
        fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)


_PRIVATE: Final = 0o600
#: A link beside a journal leads to somebody else's file.
_THROUGH_NO_LINK: Final = getattr(os, "O_NOFOLLOW", 0)
#: The number of whoever watches among the owners of a journal, who count from 1.
WATCH: Final = 0


class OwnerLock:
    """The lock of one owner. Raises OSError if the file can't be made or another has it."""

    def __init__(self, journal: Path, owner: int) -> None:
        self._path = path_of(journal, owner)
        self._process = os.getpid()
        flags = os.O_RDWR | os.O_CREAT | _THROUGH_NO_LINK
        self._file = os.open(self._path, flags, _PRIVATE)
        try:
            _require_one_name(self._file)
            _lock(self._file)
        except OSError:
            os.close(self._file)
            raise

    def release(self) -> None:
        """Let go, and take the file away."""
        # Windows takes no file away that is open; elsewhere the order does not matter.
        os.close(self._file)
        if os.getpid() == self._process:  # not in a fork of it
            with contextlib.suppress(OSError):
                self._path.unlink()


def _require_one_name(file: int) -> None:
    if os.fstat(file).st_nlink > 1:
        raise OSError(errno.EMLINK, "it has another name")


def path_of(journal: Path, owner: int) -> Path:
    """The file that an owner locks."""
    return journal.with_name(f"{journal.name}-owner-{owner}")


def is_alive(journal: Path, owner: int, *, tidy: bool = True) -> bool:
    """Whether that owner's process still lives; if not, its file is taken away."""
    path = path_of(journal, owner)
    try:
        file = os.open(path, (os.O_RDWR if tidy else os.O_RDONLY) | _THROUGH_NO_LINK)
    except FileNotFoundError:
        return False
    except OSError:
        return True  # somebody else's, or a link; that it has died can't be told
    try:
        _try_lock(file)
    except OSError:
        return True
    finally:
        os.close(file)
    if tidy:
        with contextlib.suppress(OSError):
            path.unlink()
    return False

"""Where a journal lies: which file it really is, and what speaks against the place.

A journal is its file, not the path by which somebody has come to it: SQLite and popheal keep
files beside it, and two names would have two sets of them.
"""

from __future__ import annotations

import os
import re
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from attrs import frozen

#: Where locks do not tell reliably who else is at work.
_NETWORK: Final = frozenset(
    (
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs"),
        *("9p", "ceph", "glusterfs", "lustre", "gpfs", "beegfs", "davfs"),
        *("fuse.sshfs", "fuse.glusterfs", "fuse.ceph"),
        *("fuse.s3fs", "fuse.rclone", "fuse.davfs2"),
    )
)
_MOUNTS: Final = Path("/proc/self/mountinfo")
#: How white space and backslashes are written there.
_ESCAPED: Final = re.compile(rb"\\([0-3][0-7]{2})")
_REMOTE_DRIVE: Final = 4  # of GetDriveType
_OTHERS: Final = stat.S_IWGRP | stat.S_IWOTH


@frozen
class Concern:
    """What speaks against the place of a journal, and what to do about it."""

    problem: str
    next_step: str

    def __str__(self) -> str:
        return f"{self.problem}. {self.next_step}"


class Misplaced(OSError):
    """The file can be come to by several names, and which one is in use can't be told.

    Attributes:
        problem: What is wrong with the place.
        next_step: What to do about it.
    """

    def __init__(self, problem: str, next_step: str) -> None:
        super().__init__(problem)
        self.problem, self.next_step = problem, next_step


def real_file(path: Path, *, only_read: bool = False) -> Path:
    """The one name under which a journal is used: absolute, and through no symbolic link.

    Args:
        path: As it was given; there need be no such file.
        only_read: Whether any name will do where nobody is at work.

    Raises:
        Misplaced: If it has hard links, and it can't be told which of the names is in use; or if
            it alone is mounted there, and so without the files beside it.
        OSError: If it can't be looked at.
    """
    try:
        file = path.resolve()
    except RuntimeError as error:  # how Python before 3.13 tells of a circle of links
        raise OSError(str(error)) from None
    try:
        status = file.stat()
    except FileNotFoundError:
        return file
    if not only_read and _is_mounted(file):
        problem = "is mounted there alone, and what SQLite and popheal keep beside it is not"
        raise Misplaced(problem, "Mount the folder that it lies in.")
    if status.st_nlink < 2 or not stat.S_ISREG(status.st_mode):  # noqa: PLR2004 - one is its own
        return file
    names = [one for one in file.parent.iterdir() if _is_same(one, status)]
    in_use = [one for one in names if _has_files_beside(one)]
    if len(names) == status.st_nlink:  # else one is elsewhere, and may be in use
        if len(in_use) == 1:
            return in_use[0]
        if only_read and not in_use:
            return file
    known = ", ".join(sorted(str(one) for one in names if one != file)) or "one elsewhere"
    raise Misplaced(
        f"has {status.st_nlink} names (hard links), also {known}",
        "Keep one of them, under which it was used, and remove the others.",
    )


def _is_same(path: Path, status: os.stat_result) -> bool:
    try:
        found = path.lstat()
    except OSError:
        return False
    return (found.st_dev, found.st_ino) == (status.st_dev, status.st_ino)


def _has_files_beside(path: Path) -> bool:
    """Whether SQLite's log lies beside it, or the lock of a process that is at work."""
    return path.with_name(f"{path.name}-wal").exists() or any(
        one.name.startswith(f"{path.name}-owner-") for one in path.parent.iterdir()
    )


# --- what speaks against it ----------------------------------------------------------------------


def concerns_about(path: Path) -> tuple[Concern, ...]:
    """What speaks against keeping a journal there, whether there is one yet or not."""
    try:
        file = real_file(path, only_read=True)
    except OSError:
        return ()  # whoever opens it says why
    return tuple(_concerns(file))


def _concerns(file: Path) -> Iterator[Concern]:
    if os.name == "posix":
        if _can_others_write(file):
            yield Concern(
                f"others than its owner can write to {file}, and so have popheal act, or hide it",
                f"Unless they are to approve: chmod 600 {file}",
            )
        if _can_others_write(file.parent):
            yield Concern(
                f"others can put files beside {file}, in its folder, and so change what it says",
                "Move it, while nobody uses it, to a folder that only its owner can write to.",
            )
    if kind := network_file_system(file):
        yield Concern(
            f"{file} lies on a network file system ({kind}), where locks do not tell reliably who "
            "else is at work",
            "Keep the journal on a local disk of the machine that heals.",
        )


def _can_others_write(path: Path) -> bool:
    try:
        return bool(path.stat().st_mode & _OTHERS)
    except OSError:
        return False


def network_file_system(file: Path) -> str:
    """The kind of network file system that a file lies on; empty if on none, or if unknown.

    It is that of the innermost mount, and of several at one place of the last.
    """
    if sys.platform == "win32":
        return _remote_drive(file)
    kind = max(
        (
            (len(point.parts), number, kind)
            for number, (point, kind) in enumerate(_mounts())
            if file.is_relative_to(point)
        ),
        default=(0, 0, ""),
    )[2]
    return kind if kind in _NETWORK else ""


def _is_mounted(file: Path) -> bool:
    return any(point == file for point, _ in _mounts())


def _mounts() -> Iterator[tuple[Path, str]]:
    """Where something is mounted, and which kind of file system; none where that can't be read."""
    try:
        lines = _MOUNTS.read_bytes().splitlines()
    except OSError:
        return
    for line in lines:
        before, _, after = line.partition(b" - ")
        with suppress(IndexError):
            point = _ESCAPED.sub(lambda found: bytes((int(found[1], 8),)), before.split(b" ")[4])
            yield Path(os.fsdecode(point)), os.fsdecode(after.partition(b" ")[0])


def _remote_drive(file: Path) -> str:
    if file.drive.startswith("\\\\"):
        return "a share"
    import ctypes

    windows = getattr(ctypes, "windll").kernel32  # noqa: B009 - there is none elsewhere
    is_remote = windows.GetDriveTypeW(f"{file.drive}\\") == _REMOTE_DRIVE
    return "a network drive" if is_remote else ""

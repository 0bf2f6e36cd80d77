"""Exit statuses, by which a script tells what to do next."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import Final

from popheal.errors import Fenced, JournalError, JournalLost
from popheal.reports.report import FindingKind, Report
from popheal.tables.table import Verdict

#: Wrong usage or configuration: nothing was done, and nothing is on standard output.
USAGE: Final = 2
#: A defect of popheal itself (``EX_SOFTWARE`` of sysexits.h).
DEFECT: Final = 70
#: A stream or file failed (``EX_IOERR`` of sysexits.h), for example on a full disk.
INPUT_OUTPUT: Final = 74
#: Broken off by a person: what was begun is not undone.
BROKEN_OFF: Final = 130

COULD_NOT_TELL: Final = Verdict.UNKNOWN.exit_status
HELD: Final = Verdict.HELD.exit_status
#: A person is needed.
NEEDED: Final = Verdict.ESCALATED.exit_status

#: Of several healings, the first of these that one ended with.
_WORST_FIRST: Final = (DEFECT, NEEDED, COULD_NOT_TELL, HELD, 0)


def status_of(report: Report) -> int:
    """The verdict's status, unless it was a defect of popheal that ended the healing."""
    broken = any(one.kind is FindingKind.DEFECT for one in report.findings)
    return DEFECT if broken else report.verdict.exit_status


def worst(statuses: Iterable[int]) -> int:
    """One status for several healings: 70 before 1 before 4 before 3 before 0; 0 for none."""
    return min(statuses, key=_WORST_FIRST.index, default=0)


#: What the system says where another path is what it takes.
_ANOTHER_PATH: Final = (errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG)


def of_journal_error(error: JournalError) -> int:
    """Another path would do, reading or writing failed, or another process has it."""
    if isinstance(error, Fenced):
        return HELD
    if isinstance(error, JournalLost):
        return INPUT_OUTPUT
    cause = error.__context__
    if type(cause).__module__ == "sqlite3":
        name = getattr(cause, "sqlite_errorname", "")
        return USAGE if name.startswith("SQLITE_NOTADB") else INPUT_OUTPUT
    if isinstance(cause, OSError):
        return USAGE if cause.errno in _ANOTHER_PATH else INPUT_OUTPUT
    return USAGE

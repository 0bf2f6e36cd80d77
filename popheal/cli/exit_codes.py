"""Exit statuses, by which a script tells what to do next."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from popheal.tables.table import Verdict

#: Wrong usage or configuration: nothing was done, and nothing is on standard output.
USAGE: Final = 2
#: A defect of popheal itself (``EX_SOFTWARE`` of sysexits.h).
DEFECT: Final = 70
#: A stream or file failed (``EX_IOERR`` of sysexits.h), for example on a full disk.
INPUT_OUTPUT: Final = 74
#: Broken off by a person: what was begun is not undone.
BROKEN_OFF: Final = 130

HELD: Final = Verdict.HELD.exit_status
#: A person is needed.
NEEDED: Final = Verdict.ESCALATED.exit_status

#: Of several healings, the first of these that one ended with.
_WORST_FIRST: Final = (NEEDED, Verdict.UNKNOWN.exit_status, HELD, 0)


def worst(statuses: Iterable[int]) -> int:
    """One status for several healings: 1 before 4 before 3 before 0; 0 for none."""
    return min(statuses, key=_WORST_FIRST.index, default=0)

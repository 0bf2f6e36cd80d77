"""Exit statuses, by which a script tells what to do next."""

from __future__ import annotations

from typing import Final

from popheal.definition import Verdict

#: Wrong usage or configuration: nothing was done, and nothing is on standard output.
USAGE: Final = 2
#: A defect of popheal itself (``EX_SOFTWARE`` of sysexits.h).
DEFECT: Final = 70
#: A stream or file failed (``EX_IOERR`` of sysexits.h), for example on a full disk.
INPUT_OUTPUT: Final = 74
#: Broken off by a person: what was begun is not undone.
BROKEN_OFF: Final = 130

OF_VERDICT: Final = {
    Verdict.NOTHING_WRONG: 0,
    Verdict.TRANSIENT: 0,
    Verdict.RECOVERED: 0,
    Verdict.ESCALATED: 1,
    Verdict.CANCELLED: 1,
    Verdict.HELD: 3,
    Verdict.UNKNOWN: 4,
}

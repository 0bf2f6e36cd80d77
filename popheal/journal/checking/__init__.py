"""What must always hold, checked on what was written down: any journal, one in use too.

The properties are those that :mod:`popheal.verify` proves of the tables, here said of what
really happened, as far as a journal tells. It is only read.
"""

from popheal.journal.checking.judging import Judgement, Result, check_journal
from popheal.journal.checking.properties import PROPERTIES, JournalProperty
from popheal.journal.checking.stories import Violation

__all__ = [
    "PROPERTIES",
    "JournalProperty",
    "Judgement",
    "Result",
    "Violation",
    "check_journal",
]

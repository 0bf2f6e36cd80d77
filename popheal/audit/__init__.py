"""What must always hold, checked on what was written down: any journal, one in use too.

The properties are those that :mod:`popheal.verify` proves of the tables, here said of what
really happened, as far as a journal tells. It is only read.
"""

from popheal.audit.audit import AuditResult, Result, check_journal
from popheal.audit.properties import PROPERTIES, JournalProperty
from popheal.audit.records import Violation

__all__ = [
    "PROPERTIES",
    "AuditResult",
    "JournalProperty",
    "Result",
    "Violation",
    "check_journal",
]

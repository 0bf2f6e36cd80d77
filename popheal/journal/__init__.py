"""The journal: what popheal is about to do, and what came of it, where a crash can't lose it.

A SQLite database (WAL, ``synchronous=FULL``); without a path, one in memory. It holds each
healing, the claims that keep two healings from one server or one availability group, and the
history: one entry before each effect and one after each action. The history can only grow.

Imported where a healing starts: a program that only reads a table does not wait for SQLite.
"""

from __future__ import annotations

from popheal.journal.approvals import Question
from popheal.journal.entries import Entry, Kind
from popheal.journal.journal import Author, Journal, process_journal
from popheal.journal.lease import Lease
from popheal.journal.record import HealingRecord

__all__ = [
    "Author",
    "Entry",
    "HealingRecord",
    "Journal",
    "Kind",
    "Lease",
    "Question",
    "process_journal",
]

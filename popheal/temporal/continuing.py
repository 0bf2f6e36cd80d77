"""A healing goes on in a new history, once the present one is long: when, and with what.

A server ends a workflow whose history has grown too long, drained servers or not. So a healing
leaves it before, in a pause in which nothing that it has commanded is open, and goes on from there
in the next run of its workflow, by the engine's own way of resting and going on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from temporalio import workflow

from popheal.healthsets.pop import SETTLE_DEBTS
from popheal.journal import Author, Journal
from popheal.journal.marks import Mark
from popheal.journal.rows import zoned
from popheal.tables.stored import table_to_json
from popheal.tables.table import Procedure
from popheal.temporal.custody import Line
from popheal.temporal.messages import Continued, HealingOrder, Pace
from popheal.util.serialize import to_jsonable

#: What is taken along is no larger than so many bytes: a server takes twice that. Shipped
#: scenarios need a fifteenth.
_LARGEST: Final = 1_000_000


class HistoryIsLong(Exception):
    """The healing rests, and is to go on in a new history.

    Attributes:
        parked: What it goes on with.
    """

    def __init__(self, parked: Mapping[str, Any]) -> None:
        super().__init__()
        self.parked = parked


def is_long(pace: Pace) -> bool:
    """Whether the present history is long, and nobody is just being answered."""
    info = workflow.info()
    if pace.long:
        long = info.get_current_history_length() >= pace.long
    else:
        long = info.is_continue_as_new_suggested()
    return long and workflow.all_handlers_finished()


def fits(taken: Continued) -> bool:
    """Whether what is to be taken along can be."""
    return len(json.dumps(to_jsonable(taken))) <= _LARGEST


def rebuild(
    journal: Journal,
    healing: str,
    order: HealingOrder,
    entries: Iterable[Line],
    *,
    version: str,
    procedures: Iterable[Procedure],
    author: Author,
) -> int:
    """Make a healing's journal again as it was, in an empty one; the place of its last entry.

    Args:
        journal: The empty one, of whoever has begun the healing.
        healing: Its id.
        order: What was asked for.
        entries: All that was written down.
        version: popheal's, that has begun it.
        procedures: The tables by which runs may have been carried out.
        author: Who writes the journal from now on.

    Raises:
        JournalError: If it can't be written; or one of ``popheal.journal.rows.WRONG`` if the
            entries don't follow from each other.
    """
    lines = tuple(entries)
    begun = next((one for one in lines if one["kind"] == Mark.BEGUN.value), {})
    journal.begin(
        healing,
        at=zoned(begun["at"]),
        organisation=order.organisation,
        server=str(order.alert["server"]),
        version=version,
        alert=order.alert,
        policy=order.policy,
    )
    tables = {one.hash: table_to_json(one) for one in (*procedures, SETTLE_DEBTS)}
    return journal.put_back(lines, tables, author)

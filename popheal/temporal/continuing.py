"""A healing goes on in a new history, once the present one is long: when, and with what.

A server ends a workflow whose history has grown too long, drained servers or not. So a healing
leaves it before, in a pause in which nothing that it has commanded is open, and goes on from there
in the next run of its workflow, by the engine's own way of resting and going on.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import product
from typing import Any, Final

from attrs import evolve
from temporalio import workflow

from popheal.errors import ConfigurationError, JournalError
from popheal.healthsets.pop import SETTLE_DEBTS
from popheal.journal import Author, Journal
from popheal.journal.marks import Mark, digest_of_beginning
from popheal.journal.record import BEGUN_BY
from popheal.journal.rows import WRONG, moment_as_text, zoned
from popheal.policy.policy import Policy
from popheal.reports.report import Alert
from popheal.tables.stored import table_to_json
from popheal.tables.table import Procedure
from popheal.temporal.custody import Line
from popheal.temporal.messages import Continued, HealingOrder, Pace
from popheal.util.serialize import from_jsonable, to_jsonable

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


def can_be_read(
    healing: str,
    order: HealingOrder,
    taken: Continued,
    *,
    begun_by: Author,
    procedures: Iterable[Procedure],
) -> bool:
    """Whether a journal can be made again of what is to be taken along; tried before it is left."""
    journal = Journal(author=begun_by)
    try:
        rebuild(
            journal,
            healing,
            order,
            taken.entries,
            version=taken.version,
            procedures=procedures,
            author=begun_by,
        )
    except (*WRONG, JournalError):
        return False
    finally:
        journal.close()
    return True


def begun_with(order: HealingOrder, entries: Iterable[Line], *, version: str) -> HealingOrder:
    """An order with alert and policy as they were when the healing wrote down that it begins.

    There they are complete. In an order what has its default may be missing: by whoever asked, or
    as they are older than the workers.
    """
    begun = _beginning_of(entries)
    if not begun:
        return order
    account = order.settles.begun_by if order.settles else order.by
    about = (order.organisation, str(order.alert["server"]), version)
    try:
        alerts = (to_jsonable(from_jsonable(order.alert, Alert)), order.alert)
        policies = (Policy.from_json(order.policy).to_json(), order.policy)
    except ConfigurationError:
        return order  # of a newer popheal than this one
    for alert, policy in product(alerts, policies):
        asked = {**alert, BEGUN_BY: account}
        digest = digest_of_beginning(*about, asked, policy, moment_as_text(zoned(begun["at"])))
        if digest == begun["data"].get("digest"):
            return evolve(order, alert=alert, policy=policy)
    return order


def _beginning_of(entries: Iterable[Line]) -> Line:
    return next((one for one in entries if one["kind"] == Mark.BEGUN.value), {})


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
    begun = begun_with(order, lines, version=version)
    journal.begin(
        healing,
        at=zoned(_beginning_of(lines)["at"]),
        organisation=order.organisation,
        server=str(order.alert["server"]),
        version=version,
        alert=begun.alert,
        policy=begun.policy,
    )
    tables = {one.hash: table_to_json(one) for one in (*procedures, SETTLE_DEBTS)}
    return journal.put_back(lines, tables, author)

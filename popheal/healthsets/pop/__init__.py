"""The runbook's recovery procedures, one module a section: tables and citations only.

One is ours: ``POP_PROXY``, for what the runbook does not know.

Read a table beside the runbook: each state names the step it carries out, each row the
sentence that leads on, or, where the runbook is silent or wrong, our reason.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from popheal.errors import UnknownName
from popheal.healthsets.pop.client_access import CLIENT_ACCESS
from popheal.healthsets.pop.command_time import COMMAND_TIME
from popheal.healthsets.pop.mailbox import MAILBOX
from popheal.healthsets.pop.pop_proxy import POP_PROXY
from popheal.healthsets.pop.proxy import PROXY
from popheal.healthsets.pop.settle_debts import SETTLE_DEBTS
from popheal.tables.table import Procedure

#: All procedures by name.
PROCEDURES: Final[Mapping[str, Procedure]] = MappingProxyType(
    {table.name: table for table in (MAILBOX, CLIENT_ACCESS, PROXY, COMMAND_TIME, POP_PROXY)}
)


def procedure_named(name: str) -> Procedure:
    """The procedure of that name. Raises UnknownName."""
    try:
        return PROCEDURES[name.casefold().replace("-", "_")]
    except KeyError:
        raise UnknownName(kind="procedure", name=name, known=PROCEDURES) from None


__all__ = [
    "CLIENT_ACCESS",
    "COMMAND_TIME",
    "MAILBOX",
    "POP_PROXY",
    "PROCEDURES",
    "PROXY",
    "SETTLE_DEBTS",
    "procedure_named",
]

"""What a run does whose table has changed since it was started: pay what is safe, hand over.

Not a procedure of the runbook, and not among those that a monitor asks for. A drained server is
not failed back here: without a probe that succeeded, nobody knows that it serves. A person's
stop, of before or of now, changes nothing but how it ends: logging is set back all the same.
"""

from __future__ import annotations

from popheal.healthsets.pop.fragments import (
    ENDINGS,
    STOPPED,
    STOPPED_WHILE_LOGGING,
    restoring_logging,
)
from popheal.tables.citations import Ours
from popheal.tables.table import Procedure

_CHANGED = Ours("a run is not gone on with on a table that it was not started with")

SETTLE_DEBTS = Procedure(
    name="settling",
    section=None,
    monitors=(),
    start="disabling_protocol_logging_settled",
    states=(
        *restoring_logging("settled", then="escalated", why=_CHANGED),
        *restoring_logging("cancelled", then="cancelled", why=STOPPED),
    ),
    endings=ENDINGS,
    on_cancel=STOPPED_WHILE_LOGGING,
)

"""What a run does whose table has changed since it was started: pay what is safe, hand over.

Not a procedure of the runbook, and not among those that a monitor asks for. A drained server is
not failed back here: without a probe that succeeded, nobody knows that it serves.
"""

from __future__ import annotations

from popheal.healthsets.pop.fragments import CANCELLED, ENDINGS
from popheal.tables.actions import RELOAD_POP3, RESTORE_PROTOCOL_LOGGING
from popheal.tables.citations import Ours, Section
from popheal.tables.table import Procedure, on, otherwise, state

_STEP = Section.CLIENT_ACCESS.step
_CHANGED = Ours("a run is not gone on with on a table that it was not started with")
_NOT_SAID = Ours("the handover says what could not be put back")

SETTLE_DEBTS = Procedure(
    name="settling",
    section=None,
    monitors=(),
    start="disabling_protocol_logging_settled",
    states=(
        state(
            "disabling_protocol_logging_settled",
            RESTORE_PROTOCOL_LOGGING,
            _STEP("6"),
            on("done", "restarting_pop3_settled", _STEP("7")),
            otherwise("escalated", _NOT_SAID),
        ),
        state(
            "restarting_pop3_settled",
            RELOAD_POP3,
            _STEP("7"),
            on("done", "escalated", _CHANGED),
            otherwise("escalated", _NOT_SAID),
        ),
    ),
    endings=ENDINGS,
    on_cancel=CANCELLED,
)

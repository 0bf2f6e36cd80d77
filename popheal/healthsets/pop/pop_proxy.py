"""Not in the runbook: PopProxy made active again, where Managed Availability took it offline.

KB 3025138 has the command; Microsoft's documentation of POP3 says that the service stops by
design while the component is inactive, so that it has to be started afterwards. The component
goes offline again if the cause stays, hence the second look after the wait.
"""

from __future__ import annotations

from popheal.healthsets.pop.fragments import ENDINGS, STOPPED
from popheal.tables.actions import (
    ACTIVATE_COMPONENT,
    CHECK_COMPONENT,
    DEACTIVATE_COMPONENT,
    FRONT_END,
    KEEP_COMPONENT,
    PROBE,
    WAIT,
    restart_service,
)
from popheal.tables.citations import Ours
from popheal.tables.table import CANCEL, Guard, Procedure, State, on, otherwise, state

KB = Ours("D14, KB 3025138: while PopProxy is inactive, no restart and no reboot helps")
STARTED = Ours("D14: by design the service stops while PopProxy is inactive: start it afterwards")
PUT_BACK = Ours("D14: it did not help, so it is set back as it was")
HANDED_OVER = Ours("what is not known to fail is not taken offline: a person must look")
NOT_PUT_BACK = Ours("D14: what could not be set back is handed over in writing")


def _deactivating(suffix: str, *, then: str) -> State:
    """Set PopProxy back on a way out that ends in ``then``, whatever comes of it."""
    return state(
        f"deactivating_{suffix}",
        DEACTIVATE_COMPONENT,
        PUT_BACK,
        on("done", then, PUT_BACK),
        otherwise(then, NOT_PUT_BACK),
    )


POP_PROXY = Procedure(
    name="pop_proxy",
    section=None,
    monitors=(),
    start="checking_pop_proxy",
    states=(
        state(
            "checking_pop_proxy",
            CHECK_COMPONENT,
            KB,
            on("feasible", "activating_pop_proxy", KB),
            otherwise("escalated", Ours("D14: only where nothing else keeps it offline")),
        ),
        state(
            "activating_pop_proxy",
            ACTIVATE_COMPONENT,
            KB,
            on("done", "starting_pop3", STARTED),
            on("refused", "escalated", Ours("nothing was changed")),
            otherwise("deactivating_unhealed", PUT_BACK),
        ),
        state(
            "starting_pop3",
            restart_service(FRONT_END),
            STARTED,
            on("done", "reprobing", Ours("see whether that was the cause")),
            on("failed", "reprobing", Ours("the service did not come up: the probe decides")),
            otherwise("deactivating_unhealed", PUT_BACK),
        ),
        state(
            "reprobing",
            PROBE,
            Ours("see whether that was the cause"),
            on("succeeded", "waiting", Ours("D14: it goes offline again if the cause stays")),
            otherwise("deactivating_unhealed", PUT_BACK),
        ),
        state(
            "waiting",
            WAIT,
            Ours("D14: it goes offline again if the cause stays"),
            on("elapsed", "reprobing_finally", Ours("see whether it stays well")),
        ),
        state(
            "reprobing_finally",
            PROBE,
            Ours("see whether it stays well"),
            on("succeeded", "keeping_pop_proxy", Ours("well: see that it is still active")),
            on("could_not_tell", "escalated", HANDED_OVER),
            otherwise("deactivating_unhealed", PUT_BACK),
        ),
        state(
            "keeping_pop_proxy",
            KEEP_COMPONENT,
            Ours("D14: it goes offline again if the cause stays"),
            on("done", "recovered", Ours("POP has worked since, and PopProxy is still active")),
            on("inactive", "deactivating_unhealed", PUT_BACK),
            otherwise("escalated", HANDED_OVER),
        ),
        _deactivating("unhealed", then="escalated"),
        _deactivating("cancelled", then="cancelled"),
    ),
    endings=ENDINGS,
    on_cancel=(
        on(CANCEL, "deactivating_cancelled", PUT_BACK, given=Guard.ACTIVATED),
        on(CANCEL, "cancelled", STOPPED, unless=Guard.ACTIVATED),
    ),
)

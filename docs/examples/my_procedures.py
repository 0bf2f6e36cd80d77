"""A procedure of one's own: restart POP3, wait, look once more, and then call a person.

It takes the place of popheal's ``proxy``, which would go on to restart the server.
"""

from popheal.tables.actions import FRONT_END, PROBE, WAIT, restart_service
from popheal.tables.citations import Ours, Section
from popheal.tables.table import CANCEL, Procedure, Verdict, on, otherwise, state

STEP = Section.PROXY.step
A_PERSON = Ours("here a person decides whether a server is restarted")

CAREFUL = Procedure(
    name="proxy",
    monitors=("PopProxyTestMonitor",),
    start="restarting_pop3",
    states=(
        state(
            "restarting_pop3",
            restart_service(FRONT_END),
            STEP("1"),
            on("done", "reprobing", STEP("2")),
            on("failed", "reprobing", Ours("the service did not come up: the probe decides")),
            otherwise("escalated", A_PERSON),
        ),
        state(
            "reprobing",
            PROBE,
            STEP("2"),
            on("succeeded", "recovered", Section.VERIFYING.step("2.4", 2)),
            on("failed", "waiting", Ours("our front ends take minutes until they serve again")),
            otherwise("escalated", A_PERSON),
        ),
        state(
            "waiting",
            WAIT,
            Ours("our front ends take minutes until they serve again"),
            on("elapsed", "reprobing_after_wait", STEP("2")),
        ),
        state(
            "reprobing_after_wait",
            PROBE,
            STEP("2"),
            on("succeeded", "recovered", Section.VERIFYING.step("2.4", 2)),
            otherwise("escalated", A_PERSON),
        ),
    ),
    endings={
        "recovered": Verdict.RECOVERED,
        "escalated": Verdict.ESCALATED,
        "cancelled": Verdict.CANCELLED,
    },
    on_cancel=(on(CANCEL, "cancelled", Ours("there is nothing to put back")),),
)

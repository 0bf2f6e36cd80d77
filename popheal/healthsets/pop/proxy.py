"""Runbook: "PopProxyTestMonitor recovery actions"."""

from __future__ import annotations

from popheal.healthsets.pop.fragments import (
    CANCELLED,
    ENDINGS,
    RebootSteps,
    safe_reboot,
    to_safe_reboot,
)
from popheal.tables.actions import FAIL_BACK, FRONT_END, PROBE, restart_service
from popheal.tables.citations import Ours, Section
from popheal.tables.table import Guard, Procedure, on, otherwise, state

SECTION = Section.PROXY
STEP = SECTION.step
VERIFYING = Section.VERIFYING.step

PROXY = Procedure(
    name="proxy",
    section=SECTION,
    monitors=("PopProxyTestMonitor",),
    start="restarting_pop3",
    states=(
        state(
            "restarting_pop3",
            restart_service(FRONT_END),
            STEP("1"),
            on("done", "reprobing", STEP("2")),
            on("failed", "reprobing", Ours("the service did not come up: the probe decides")),
            otherwise("escalated", Ours("without a restart that was tried and seen, no reboot")),
        ),
        state(
            "reprobing",
            PROBE,
            STEP("2"),
            on("succeeded", "recovered", VERIFYING("2.4", 2)),
            *to_safe_reboot("failed", STEP("3")),
            otherwise("escalated", Ours("D19: a probe that can't be run proves nothing")),
        ),
        *safe_reboot(
            RebootSteps(reboot=STEP("3"), back=STEP("4")),
            then="reprobing_after_reboot",
            give_up="escalated",
        ),
        state(
            "reprobing_after_reboot",
            PROBE,
            STEP("4"),
            on(
                "succeeded",
                "failing_back",
                Ours("D9: the server was drained for the restart, so it is put back"),
                given=Guard.DRAINED,
            ),
            on("succeeded", "recovered", VERIFYING("2.4", 2), unless=Guard.DRAINED),
            on("failed", "escalated", STEP("5")),
            otherwise("escalated", Ours("D19: a probe that can't be run proves nothing")),
        ),
        state(
            "failing_back",
            FAIL_BACK,
            Ours("D9: as step 7 of Deep/SelfTest, which this section lacks"),
            on(
                "done", "recovered", Ours("D9: the probe had succeeded, and the server is put back")
            ),
            otherwise("escalated", Ours("D10: a server left drained is handed over in writing")),
        ),
    ),
    endings=ENDINGS,
    on_cancel=CANCELLED,
)

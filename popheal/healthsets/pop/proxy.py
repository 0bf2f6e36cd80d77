"""Runbook: "PopProxyTestMonitor recovery actions"."""

from __future__ import annotations

from popheal.healthsets.pop.fragments import (
    BLOCKED,
    CANCELLED,
    ENDINGS,
    HANGS,
    PROBE_UNCLEAR,
    FrontEndSteps,
    RebootSteps,
    after_front_end,
    safe_reboot,
    to_safe_reboot,
)
from popheal.tables.actions import FRONT_END, PROBE, restart_service
from popheal.tables.citations import Ours, Section
from popheal.tables.table import Procedure, on, otherwise, state

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
            on("timed_out", "escalated", HANGS),
            on("blocked", "escalated", BLOCKED),
            otherwise("escalated", PROBE_UNCLEAR),
        ),
        *safe_reboot(
            RebootSteps(reboot=STEP("3"), back=STEP("4")),
            then="reprobing_after_reboot",
            give_up="escalated",
        ),
        *after_front_end(
            FrontEndSteps(
                probe=STEP("4"),
                well=VERIFYING("2.4", 2),
                put_back=Ours("D9: as step 7 of Deep/SelfTest, which this section lacks"),
                unhealed=STEP("5"),
            ),
            well="recovered",
            give_up="escalated",
        ),
    ),
    endings=ENDINGS,
    on_cancel=CANCELLED,
)

"""Runbook: "PopTestDeepMonitor and PopSelfTestMonitor Recovery Actions"."""

from __future__ import annotations

from popheal.healthsets.pop.fragments import CANCELLED, ENDINGS, RebootSteps, safe_reboot
from popheal.tables.actions import BACK_END, FAIL_BACK, PROBE, restart_service
from popheal.tables.citations import Ours, Section
from popheal.tables.table import Procedure, on, otherwise, state

SECTION = Section.MAILBOX
STEP = SECTION.step
VERIFYING = Section.VERIFYING.step

MAILBOX = Procedure(
    name="mailbox",
    section=SECTION,
    monitors=("PopDeepTestMonitor", "PopSelfTestMonitor"),
    start="restarting_pop3_backend",
    states=(
        state(
            "restarting_pop3_backend",
            restart_service(BACK_END),
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
            on("failed", "checking_switchover", STEP("3")),
            otherwise("escalated", Ours("D19: a probe that can't be run proves nothing")),
        ),
        *safe_reboot(
            RebootSteps(
                drain=STEP("3"),
                verify=STEP("4"),
                clear=STEP("5"),
                reboot=STEP("5", 2),
                back=STEP("6"),
            ),
            then="reprobing_after_reboot",
            give_up="escalated",
        ),
        state(
            "reprobing_after_reboot",
            PROBE,
            STEP("6"),
            on("succeeded", "failing_back", STEP("7")),
            on("failed", "escalated", STEP("8")),
            otherwise("escalated", Ours("D19: a probe that can't be run proves nothing")),
        ),
        state(
            "failing_back",
            FAIL_BACK,
            STEP("7"),
            on("done", "recovered", STEP("7")),
            otherwise("escalated", Ours("D10: a server left drained is handed over in writing")),
        ),
    ),
    endings=ENDINGS,
    on_cancel=CANCELLED,
)

"""Runbook: "PopTestDeepMonitor and PopSelfTestMonitor Recovery Actions"."""

from __future__ import annotations

from popheal.healthsets.pop.fragments import (
    BLOCKED,
    CANCELLED,
    ENDINGS,
    HANGS,
    LEFT_DRAINED,
    PROBE_UNCLEAR,
    RebootSteps,
    safe_reboot,
)
from popheal.tables.actions import (
    BACK_END,
    FAIL_BACK,
    PROBE_BACK_END,
    PROBE_MAILBOX_SIDE,
    after_reboot,
    restart_service,
)
from popheal.tables.citations import Ours, Section
from popheal.tables.table import Procedure, on, otherwise, state

SECTION = Section.MAILBOX
STEP = SECTION.step
VERIFYING = Section.VERIFYING.step

#: Why the failing monitor's own probe isn't the last word on a drained server.
NOTHING_TO_TEST = Ours("D24: a drained server may have nothing for the deep test to test")

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
            PROBE_BACK_END,
            STEP("2"),
            on("succeeded", "recovered", VERIFYING("2.4", 2)),
            on("failed", "checking_switchover", STEP("3")),
            on("timed_out", "escalated", HANGS),
            on("blocked", "escalated", BLOCKED),
            otherwise("escalated", PROBE_UNCLEAR),
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
            after_reboot(PROBE_BACK_END),
            STEP("6"),
            on("succeeded", "failing_back", STEP("7")),
            on("failed", "escalated", STEP("8")),
            on("could_not_tell", "reprobing_mailbox_side", NOTHING_TO_TEST),
            otherwise("escalated", STEP("8")),
        ),
        state(
            "failing_back",
            FAIL_BACK,
            STEP("7"),
            on("done", "recovered", STEP("7")),
            otherwise("escalated", LEFT_DRAINED),
        ),
        state(
            "reprobing_mailbox_side",
            after_reboot(PROBE_MAILBOX_SIDE),
            NOTHING_TO_TEST,
            on("succeeded", "failing_back_on_proof", STEP("7")),
            on("failed", "escalated", STEP("8")),
            otherwise("escalated", PROBE_UNCLEAR),
        ),
        state(
            "failing_back_on_proof",
            FAIL_BACK,
            STEP("7"),
            on("done", "reprobing_after_failback", NOTHING_TO_TEST),
            otherwise("escalated", LEFT_DRAINED),
        ),
        state(
            "reprobing_after_failback",
            after_reboot(PROBE_BACK_END),
            Ours("D24: only the failing monitor's own probe shows that it is healed"),
            on("succeeded", "recovered", VERIFYING("2.4", 2)),
            on("failed", "escalated", STEP("8")),
            otherwise("escalated", PROBE_UNCLEAR),
        ),
    ),
    endings=ENDINGS,
    on_cancel=CANCELLED,
)

"""Runbook: "AverageCommandProcessingTimeGt60sMonitor recovery actions".

What is observed here is the monitor's own health, not a probe: the runbook's table ties the
monitor to PopSelfTestProbe, but a passed self-test says nothing about command times (D6).
"""

from __future__ import annotations

from popheal.healthsets.pop.fragments import (
    CANCELLED,
    ENDINGS,
    RebootSteps,
    safe_reboot,
    to_safe_reboot,
)
from popheal.tables.actions import (
    BY_ROLE,
    CHECK_HEALTH,
    FAIL_BACK,
    PROBE_SELF_TEST,
    WAIT,
    restart_service,
)
from popheal.tables.citations import Ours, Section
from popheal.tables.table import Guard, Procedure, on, otherwise, state

SECTION = Section.COMMAND_TIME
STEP = SECTION.step

COMMAND_TIME = Procedure(
    name="command_time",
    section=SECTION,
    monitors=("AverageCommandProcessingTimeGt60sMonitor",),
    start="restarting_pop3_services",
    states=(
        state(
            "restarting_pop3_services",
            restart_service(BY_ROLE),
            STEP("1"),
            on("done", "waiting", STEP("2")),
            on("failed", "waiting", Ours("a service did not come up: the monitor decides")),
            otherwise("escalated", Ours("without a restart that was tried and seen, no reboot")),
        ),
        state(
            "waiting",
            WAIT,
            STEP("2"),
            on("elapsed", "checking_health", STEP("2", 2)),
        ),
        state(
            "checking_health",
            CHECK_HEALTH,
            STEP("2", 2),
            on("healthy", "recovered", STEP("2")),
            *to_safe_reboot("unhealthy", STEP("3", 3), alone=STEP("3", 2)),
            otherwise("escalated", Ours("D16: a row not evaluated since then proves nothing")),
        ),
        *safe_reboot(
            RebootSteps(
                drain=STEP("3.1"),
                verify=STEP("3.2"),
                clear=STEP("3.2", 3),
                reboot=STEP("3.2", 3),
                back=STEP("4"),
            ),
            then="waiting_after_reboot",
            give_up="escalated",
        ),
        state(
            "waiting_after_reboot",
            WAIT,
            STEP("4"),
            on("elapsed", "checking_health_after_reboot", STEP("4")),
        ),
        state(
            "checking_health_after_reboot",
            CHECK_HEALTH,
            STEP("4"),
            on(
                "healthy",
                "reprobing_before_failback",
                Ours("no failback without a probe that succeeded after the boot"),
                given=Guard.DRAINED,
            ),
            on("healthy", "recovered", STEP("4"), unless=Guard.DRAINED),
            on("unhealthy", "escalated", STEP("6")),
            otherwise("escalated", Ours("D16: a row not evaluated since then proves nothing")),
        ),
        state(
            "reprobing_before_failback",
            PROBE_SELF_TEST,
            Ours("no failback without a probe that succeeded after the boot"),
            on("succeeded", "failing_back", STEP("5")),
            on("failed", "escalated", STEP("6")),
            otherwise("escalated", Ours("D19: a probe that can't be run proves nothing")),
        ),
        state(
            "failing_back",
            FAIL_BACK,
            STEP("5"),
            on("done", "recovered", STEP("5")),
            otherwise("escalated", Ours("D10: a server left drained is handed over in writing")),
        ),
    ),
    endings=ENDINGS,
    on_cancel=CANCELLED,
)

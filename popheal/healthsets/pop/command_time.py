"""Runbook: "AverageCommandProcessingTimeGt60sMonitor recovery actions".

What is observed here is the monitor's own health, not a probe: the runbook's table ties the
monitor to PopSelfTestProbe, but a passed self-test says nothing about command times (D6). So
where the monitor stays Unhealthy after the restart, the server stays drained: no probe tells
whether the slow commands are those of its back end.
"""

from __future__ import annotations

from popheal.healthsets.pop.fragments import (
    BLOCKED,
    CANCELLED,
    ENDINGS,
    RebootSteps,
    fail_back_on_proof,
    safe_reboot,
    to_safe_reboot,
)
from popheal.tables.actions import BY_ROLE, CHECK_HEALTH, WAIT, restart_service
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
            on("blocked", "escalated", BLOCKED),
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
                "reprobing_mailbox_side",
                Ours("a row alone proves no back end: no failback without a probe that succeeded"),
                given=Guard.DRAINED,
            ),
            on("healthy", "recovered", STEP("4"), unless=Guard.DRAINED),
            on("unhealthy", "escalated", STEP("6")),
            on("blocked", "escalated", BLOCKED),
            otherwise("escalated", Ours("D16: a row not evaluated since then proves nothing")),
        ),
        *fail_back_on_proof(STEP("5"), then="recovered", give_up="escalated"),
    ),
    endings=ENDINGS,
    on_cancel=CANCELLED,
)

"""Runbook: "POPCTPMonitor Recovery Actions".

Once protocol logging has been turned on, every way out leads through its restoration:
the good one (``disabling_protocol_logging``), giving up (``..._unhealed``) and a person's
stop (``..._cancelled``). The runbook forgets it on most ways (D11, D12).

A hang goes a way of its own: the services are restarted, with logging on, and the Mailbox server
that the hung probe went to is looked at, and healed if it is unhealthy. This server is never
restarted for it.
"""

from __future__ import annotations

from popheal.healthsets.pop.fragments import (
    BLOCKED,
    ENDINGS,
    HANGS,
    NOT_PUT_BACK,
    PROBE_UNCLEAR,
    PUT_BACK,
    STOPPED,
    STOPPED_WHILE_LOGGING,
    FrontEndSteps,
    RebootSteps,
    after_front_end,
    restoring_logging,
    safe_reboot,
    to_safe_reboot,
)
from popheal.tables.actions import (
    CHECK_BACKENDS,
    ENABLE_PROTOCOL_LOGGING,
    FIND_BACKENDS,
    FRONT_END,
    PROBE,
    RECOVER_BACKENDS,
    RELOAD_POP3,
    RESTORE_PROTOCOL_LOGGING,
    restart_service,
)
from popheal.tables.citations import Ours, Section
from popheal.tables.parts import Part
from popheal.tables.table import Procedure, on, otherwise, state

SECTION = Section.CLIENT_ACCESS
STEP = SECTION.step
VERIFYING = Section.VERIFYING.step

GIVE_UP = "disabling_protocol_logging_unhealed"

CLIENT_ACCESS = Procedure(
    name="client_access",
    section=SECTION,
    monitors=("PopCTPMonitor",),
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
            on("failed", "enabling_protocol_logging", STEP("3")),
            on(
                "timed_out",
                "enabling_protocol_logging",
                Ours("D25: a hang may be that of the back end behind it, which step 3 finds"),
            ),
            on("blocked", "escalated", BLOCKED),
            otherwise("escalated", PROBE_UNCLEAR),
        ),
        state(
            "enabling_protocol_logging",
            ENABLE_PROTOCOL_LOGGING,
            STEP("3.1"),
            on("done", "restarting_pop3_for_logging", STEP("3.2")),
            on("refused", "escalated", Ours("nothing was changed; without logging no next step")),
            otherwise(GIVE_UP, PUT_BACK),
        ),
        state(
            "restarting_pop3_for_logging",
            restart_service(FRONT_END),
            STEP("3.2"),
            on("done", "reprobing_with_logging", STEP("3.3")),
            on("failed", "reprobing_with_logging", Ours("the probe decides")),
            otherwise(GIVE_UP, PUT_BACK),
        ),
        state(
            "reprobing_with_logging",
            PROBE,
            STEP("3.3"),
            on(
                "succeeded", "disabling_protocol_logging", Ours("D11: healed, so logging goes back")
            ),
            on("failed", "finding_backends", STEP("3.4")),
            on(
                "timed_out",
                "finding_backends_hung",
                Ours("D25: as 3.4, but a hang leads to no restart of this server"),
            ),
            on("blocked", GIVE_UP, BLOCKED),
            otherwise(GIVE_UP, PROBE_UNCLEAR),
        ),
        state(
            "finding_backends",
            FIND_BACKENDS,
            STEP("3.5"),
            on("found", "checking_backends", STEP("3.5")),
            *to_safe_reboot(
                "not_found",
                Ours("D8: the probe is in the log and was passed to no back end: it is the CAS"),
            ),
            otherwise(GIVE_UP, Ours("D8: a log that can't be read does not clear a back end")),
        ),
        state(
            "checking_backends",
            CHECK_BACKENDS,
            STEP("3.5"),
            on("unhealthy", "recovering_backends", STEP("3.6")),
            *to_safe_reboot("healthy", STEP("4")),
            on("off", GIVE_UP, Ours("D26: POP is switched off there; no restart turns it on")),
            otherwise(GIVE_UP, Ours("only a back end known to be healthy is ruled out")),
        ),
        state(
            "recovering_backends",
            RECOVER_BACKENDS,
            STEP("3.6"),
            on("done", "reprobing_after_backends", Ours("see whether that was the cause")),
            otherwise(GIVE_UP, Ours("step 4 restarts the CAS only if the Mailbox server is well")),
        ),
        state(
            "reprobing_after_backends",
            PROBE,
            Ours("D11: after 3.6 the runbook does not return to this section"),
            on("succeeded", "disabling_protocol_logging", STEP("6")),
            *to_safe_reboot("failed", STEP("4")),
            on("timed_out", GIVE_UP, HANGS),
            on("blocked", GIVE_UP, BLOCKED),
            otherwise(GIVE_UP, PROBE_UNCLEAR),
        ),
        state(
            "finding_backends_hung",
            FIND_BACKENDS,
            Ours("D25: as 3.5, for a probe that hangs"),
            on("found", "checking_backends_hung", STEP("3.5")),
            otherwise(GIVE_UP, HANGS),
        ),
        state(
            "checking_backends_hung",
            CHECK_BACKENDS,
            Ours("D25: as 3.5, for a probe that hangs"),
            on("unhealthy", "recovering_backends", STEP("3.6")),
            on("off", GIVE_UP, Ours("D26: POP is switched off there; no restart turns it on")),
            otherwise(GIVE_UP, HANGS),
        ),
        *safe_reboot(
            RebootSteps(reboot=STEP("4"), back=STEP("5")),
            then="reprobing_after_reboot",
            give_up=GIVE_UP,
        ),
        *after_front_end(
            FrontEndSteps(
                probe=STEP("5"),
                well=STEP("6"),
                put_back=Ours("D9: as step 7 of Deep/SelfTest, which this section lacks"),
                unhealed=STEP("8"),
            ),
            well="disabling_protocol_logging",
            give_up=GIVE_UP,
        ),
        state(
            "disabling_protocol_logging",
            RESTORE_PROTOCOL_LOGGING,
            STEP("6"),
            on("done", "restarting_pop3_after_logging", STEP("7")),
            otherwise("escalated", NOT_PUT_BACK),
        ),
        state(
            "restarting_pop3_after_logging",
            RELOAD_POP3,
            STEP("7"),
            on("done", "reprobing_finally", Ours("the restart of step 7 may itself do harm: look")),
            on("failed", GIVE_UP, Ours("D11: it may still log, so it is not well: once more")),
            otherwise("escalated", Ours("POP3 was left in an unknown state: a person must look")),
        ),
        state(
            "reprobing_finally",
            PROBE,
            Ours("the restart of step 7 may itself do harm: look"),
            on("succeeded", "recovered", VERIFYING("2.4", 2)),
            on("failed", "escalated", STEP("8")),
            otherwise("escalated", PROBE_UNCLEAR),
        ),
        *restoring_logging("unhealed", then="escalated", why=STEP("8")),
        *restoring_logging("cancelled", then="cancelled", why=STOPPED),
    ),
    endings=ENDINGS,
    on_cancel=STOPPED_WHILE_LOGGING,
    parts=(
        Part(
            "Restart, then log",
            (
                "restarting_pop3",
                "reprobing",
                "enabling_protocol_logging",
                "restarting_pop3_for_logging",
                "reprobing_with_logging",
            ),
        ),
        Part(
            "Mailbox servers behind it",
            (
                "finding_backends",
                "checking_backends",
                "recovering_backends",
                "reprobing_after_backends",
                "finding_backends_hung",
                "checking_backends_hung",
            ),
        ),
        Part(
            "Safe reboot",
            (
                "checking_switchover",
                "draining",
                "verifying_no_active_copies",
                "rebooting",
                "awaiting_server",
            ),
        ),
        Part(
            "After the reboot",
            (
                "reprobing_after_reboot",
                "reprobing_mailbox_side",
                "failing_back",
                "reprobing_mailbox_side_unhealed",
                "failing_back_unhealed",
            ),
        ),
        Part(
            "Set logging back",
            (
                "disabling_protocol_logging",
                "restarting_pop3_after_logging",
                "reprobing_finally",
                "disabling_protocol_logging_unhealed",
                "restarting_pop3_unhealed",
                "disabling_protocol_logging_cancelled",
                "restarting_pop3_cancelled",
            ),
        ),
    ),
)

"""Pieces that several procedures share: the safe reboot, and the endings."""

from __future__ import annotations

from attrs import frozen

from popheal.tables.actions import (
    AWAIT_SERVER,
    CHECK_SWITCHOVER,
    DRAIN,
    FAIL_BACK,
    FAIL_BACK_UNHEALED,
    PROBE,
    PROBE_MAILBOX_SIDE,
    REBOOT,
    RELOAD_POP3,
    RESTORE_PROTOCOL_LOGGING,
    VERIFY_COPIES,
    after_reboot,
)
from popheal.tables.citations import Citation, Ours, Section
from popheal.tables.table import CANCEL, Guard, State, Transition, Verdict, on, otherwise, state

#: Why some outcomes of a probe end a run.
BLOCKED = Ours("D28: what stops a healing holds now, or no step cures what the probe names")
HANGS = Ours(
    "D25: a hang earns the restart of a service, and that was done; never one of the server"
)
PROBE_UNCLEAR = Ours("D19: a probe that can't be run proves nothing")
#: Why a server that this run drained stays so.
LEFT_DRAINED = Ours("D10: a server left drained is handed over in writing")

#: Why a person's stop may end a run at once: a drained server may not be put back without a probe.
STOPPED = Ours("D10: a person said stop; a server left drained is handed over in writing")
CANCELLED = (on(CANCEL, "cancelled", STOPPED),)

PUT_BACK = Ours("D11: whatever ends it, logging is set back first")
NOT_PUT_BACK = Ours("D11: logging that could not be turned off is handed over in writing")
#: Where a person's stop leads in a procedure that may have turned logging on.
STOPPED_WHILE_LOGGING = (
    on(CANCEL, "disabling_protocol_logging_cancelled", PUT_BACK, given=Guard.LOGGING),
    on(CANCEL, "cancelled", STOPPED, unless=Guard.LOGGING),
)

ENDINGS = {
    "recovered": Verdict.RECOVERED,
    "escalated": Verdict.ESCALATED,
    "cancelled": Verdict.CANCELLED,
}


#: Steps 3, 4 and 5 of Deep/SelfTest, in sections that restart a server without them.
_LACKED = tuple(Ours(f"D9: as Deep/SelfTest {n}, which this section lacks") for n in (3, 4, 5))


@frozen(kw_only=True)
class RebootSteps:
    """Which sentences of a section a safe reboot carries out.

    Attributes:
        drain: Switch the databases over.
        verify: See that they have left.
        clear: No active copy is left, so the restart may follow.
        reboot: Restart the server.
        back: It has restarted; go on.
    """

    drain: Citation = _LACKED[0]
    verify: Citation = _LACKED[1]
    clear: Citation = _LACKED[2]
    reboot: Citation
    back: Citation


def to_safe_reboot(
    outcome: str, why: Citation, alone: Citation | None = None
) -> tuple[Transition, Transition]:
    """Rows that lead to a restart of the server, by its role.

    Wherever the runbook restarts a server ("the CAS" too), a server with the Mailbox role
    goes through the switchover of its databases first (erratum D9).

    Args:
        outcome: The outcome that asks for the restart.
        why: The sentence that says so.
        alone: The sentence for a server without databases, if it is another one.
    """
    return (
        on(outcome, "checking_switchover", why, given=Guard.MAILBOX_ROLE),
        on(outcome, "rebooting", alone or why, unless=Guard.MAILBOX_ROLE),
    )


def safe_reboot(steps: RebootSteps, *, then: str, give_up: str) -> tuple[State, ...]:
    """Switch over, verify, reboot, wait.

    Args:
        steps: The sentences carried out.
        then: Where to go once the server is back.
        give_up: Where to go when it can't be done safely, or did not work.
    """
    unsafe = Ours("D15: the runbook assumes that a drain always works; without it no reboot")
    unclear = Ours("a reboot needs certainty; a person must look")
    return (
        state(
            "checking_switchover",
            CHECK_SWITCHOVER,
            Ours("D15: before anything is moved, see that everything can be moved"),
            on("feasible", "draining", steps.drain),
            on("infeasible", give_up, unsafe),
            otherwise(give_up, unclear),
        ),
        state(
            "draining",
            DRAIN,
            steps.drain,
            on("done", "verifying_no_active_copies", steps.verify),
            on("failed", give_up, unsafe),
            on("refused", give_up, unsafe),
            otherwise(give_up, unclear),
        ),
        state(
            "verifying_no_active_copies",
            VERIFY_COPIES,
            steps.verify,
            on("clear", "rebooting", steps.clear),
            on(
                "active", give_up, Ours("D15: the runbook would wait for ever; this has a deadline")
            ),
            otherwise(give_up, unclear),
        ),
        state(
            "rebooting",
            REBOOT,
            steps.reboot,
            on("done", "awaiting_server", steps.back),
            on(
                "could_not_tell",
                "awaiting_server",
                Ours("the boot time will tell whether the command arrived; it is not repeated"),
            ),
            otherwise(give_up, Ours("not restarted, or the command failed: a person must look")),
        ),
        state(
            "awaiting_server",
            AWAIT_SERVER,
            steps.back,
            on("up", then, steps.back),
            on("not_back", give_up, Ours("a server that does not come back needs a person")),
            otherwise(give_up, unclear),
        ),
    )


# --- after the restart of a front end ------------------------------------------------------------

_PUT_BACK = Ours("D9: the server was drained for the restart, so it is put back")
_PROOF = Ours("D9: no failback before a probe of the mailbox side succeeded after the boot")
_STAYS_OUT = Ours(
    "D27: the runbook drains for the mailbox side; once that is well, nothing asks it"
)


@frozen(kw_only=True)
class FrontEndSteps:
    """How a section goes on once it has restarted a front end.

    Attributes:
        probe: Probe again.
        well: The probe succeeds.
        put_back: The databases may come back.
        unhealed: The probe still fails.
    """

    probe: Citation
    well: Citation
    put_back: Citation
    unhealed: Citation


def after_front_end(steps: FrontEndSteps, *, well: str, give_up: str) -> tuple[State, ...]:
    """Probe, and let the databases back on a server whose mailbox side is seen to be well.

    The front end's own probe says nothing of the back end on the same server, as it may have
    been passed on to another one; so a probe of the mailbox side comes before either failback.

    Args:
        steps: The sentences carried out.
        well: Where to go once the front end is well, and put back.
        give_up: Where to go otherwise.
    """
    reasons = {"failed": steps.unhealed, "timed_out": HANGS, "blocked": BLOCKED}
    lost = [
        row
        for outcome in PROBE.outcomes
        if not outcome.good
        for why in (reasons.get(outcome, PROBE_UNCLEAR),)
        for row in (
            on(outcome, "reprobing_mailbox_side_unhealed", _STAYS_OUT, given=Guard.DRAINED),
            on(outcome, give_up, why, unless=Guard.DRAINED),
        )
    ]
    return (
        state(
            "reprobing_after_reboot",
            after_reboot(PROBE),
            steps.probe,
            on("succeeded", "reprobing_mailbox_side", _PUT_BACK, given=Guard.DRAINED),
            on("succeeded", well, steps.well, unless=Guard.DRAINED),
            *lost,
        ),
        *fail_back_on_proof(steps.put_back, then=well, give_up=give_up),
        state(
            "reprobing_mailbox_side_unhealed",
            after_reboot(PROBE_MAILBOX_SIDE),
            _PROOF,
            on("succeeded", "failing_back_unhealed", _STAYS_OUT),
            otherwise(give_up, LEFT_DRAINED),
        ),
        state(
            "failing_back_unhealed",
            FAIL_BACK_UNHEALED,
            _STAYS_OUT,
            on("done", give_up, steps.unhealed),
            otherwise(give_up, LEFT_DRAINED),
        ),
    )


def fail_back_on_proof(cites: Citation, *, then: str, give_up: str) -> tuple[State, State]:
    """Probe the mailbox side after the boot; only then let the databases back.

    Args:
        cites: The failback.
        then: Where to go when it is done.
        give_up: Where to go otherwise.
    """
    return (
        state(
            "reprobing_mailbox_side",
            after_reboot(PROBE_MAILBOX_SIDE),
            _PROOF,
            on("succeeded", "failing_back", cites),
            on("failed", give_up, Ours("its mailbox side does not serve, so it stays drained")),
            otherwise(give_up, PROBE_UNCLEAR),
        ),
        state(
            "failing_back",
            FAIL_BACK,
            cites,
            on("done", then, cites),
            otherwise(give_up, LEFT_DRAINED),
        ),
    )


# --- protocol logging ----------------------------------------------------------------------------

_LOGGING = Section.CLIENT_ACCESS.step


def restoring_logging(suffix: str, *, then: str, why: Citation) -> tuple[State, State]:
    """Set logging back and restart POP3 on a way out that ends in ``then``."""
    return (
        state(
            f"disabling_protocol_logging_{suffix}",
            RESTORE_PROTOCOL_LOGGING,
            _LOGGING("6"),
            on("done", f"restarting_pop3_{suffix}", _LOGGING("7")),
            otherwise(then, NOT_PUT_BACK),
        ),
        state(
            f"restarting_pop3_{suffix}",
            RELOAD_POP3,
            _LOGGING("7"),
            on("done", then, why),
            otherwise(then, Ours("the setting is back; the handover says that the restart failed")),
        ),
    )

"""Pieces that several procedures share: the safe reboot, and the endings."""

from __future__ import annotations

from popheal.actions import AWAIT_SERVER, CHECK_SWITCHOVER, DRAIN, REBOOT, VERIFY_COPIES
from popheal.definition import CANCEL, Guard, State, Transition, Verdict, on, otherwise, state
from popheal.runbook import Citation, Ours, Section

#: A person stopped it and there is nothing to put back.
CANCELLED = (on(CANCEL, "cancelled", Ours("a person said stop; nothing needs to be put back")),)

ENDINGS = {
    "recovered": Verdict.RECOVERED,
    "escalated": Verdict.ESCALATED,
    "cancelled": Verdict.CANCELLED,
}

_MAILBOX = Section.MAILBOX
_COMMAND_TIME = Section.COMMAND_TIME


def to_safe_reboot(outcome: str, why: Citation) -> tuple[Transition, Transition]:
    """Rows that lead to a restart of the server, by its role.

    Wherever the runbook restarts a server ("the CAS" too), a server with the Mailbox role
    goes through the switchover of its databases first (erratum D9).
    """
    return (
        on(outcome, "checking_switchover", why, given=Guard.MAILBOX_ROLE),
        on(outcome, "rebooting", why, unless=Guard.MAILBOX_ROLE),
    )


def safe_reboot(*, then: str, give_up: str) -> tuple[State, ...]:
    """Switch over, verify, reboot, wait.

    Args:
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
            on("feasible", "draining", _MAILBOX.step("3")),
            on("infeasible", give_up, unsafe),
            otherwise(give_up, unclear),
        ),
        state(
            "draining",
            DRAIN,
            _MAILBOX.step("3"),
            on("done", "verifying_no_active_copies", _MAILBOX.step("4")),
            on("failed", give_up, unsafe),
            on("refused", give_up, unsafe),
            otherwise(give_up, unclear),
        ),
        state(
            "verifying_no_active_copies",
            VERIFY_COPIES,
            _MAILBOX.step("4", 2),
            on("clear", "rebooting", _MAILBOX.step("5", 2)),
            on(
                "active",
                give_up,
                Ours("D15: the runbook would wait for ever; we wait half an hour"),
            ),
            otherwise(give_up, unclear),
        ),
        state(
            "rebooting",
            REBOOT,
            _MAILBOX.step("5", 2),
            on("done", "awaiting_server", _MAILBOX.step("6")),
            on(
                "could_not_tell",
                "awaiting_server",
                Ours("the boot time will tell whether the command arrived; it is not repeated"),
            ),
            otherwise(give_up, unsafe),
        ),
        state(
            "awaiting_server",
            AWAIT_SERVER,
            _MAILBOX.step("6"),
            on("up", then, _MAILBOX.step("6")),
            on("not_back", give_up, Ours("a server that does not come back needs a person")),
            otherwise(give_up, unclear),
        ),
    )

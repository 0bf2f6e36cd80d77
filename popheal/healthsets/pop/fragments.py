"""Pieces that several procedures share: the safe reboot, and the endings."""

from __future__ import annotations

from attrs import frozen

from popheal.tables.actions import AWAIT_SERVER, CHECK_SWITCHOVER, DRAIN, REBOOT, VERIFY_COPIES
from popheal.tables.citations import Citation, Ours
from popheal.tables.table import CANCEL, Guard, State, Transition, Verdict, on, otherwise, state

#: Why a person's stop may end a run at once: a drained server may not be put back without a probe.
STOPPED = Ours("D10: a person said stop; a server left drained is handed over in writing")
CANCELLED = (on(CANCEL, "cancelled", STOPPED),)

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

"""What a person gets when a person is needed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from popheal.actions import DebtKind, Impact
from popheal.definition import Verdict
from popheal.machine import DebtStatus
from popheal.report import DebtReport, Finding, Handover, RunReport

#: Deep/SelfTest 8 and its like in the other sections, in our words.
SUPPORT: Final = (
    "If you need help, ask Microsoft Support (Exchange Server), following your organisation's "
    "own rules for contacting them first."
)

#: How to undo by hand what could not be undone.
_UNDO: Final = {
    DebtKind.ACTIVATION_DISABLED: "Set-MailboxServer {server} "
    "-DatabaseCopyActivationDisabledAndMoveNow ${value}",
    DebtKind.PROTOCOL_LOGGING: "Set-PopSettings -Server {server} -ProtocolLogEnabled ${value}, "
    "then restart POP3",
    DebtKind.MONITOR_REPAIRING: "Set-ServerMonitor -Server {server} -Repairing ${value}",
}
_LEFT: Final = {
    DebtKind.ACTIVATION_DISABLED: "{server} is left drained: it takes no active databases",
    DebtKind.PROTOCOL_LOGGING: "{server} may still write POP3 protocol logs, which fill its disk",
    DebtKind.MONITOR_REPAIRING: "a monitor of {server} is left marked Repairing",
}


def hand_over(
    verdict: Verdict,
    summary: str,
    findings: Sequence[Finding],
    runs: Sequence[RunReport],
    debts: Sequence[DebtReport],
) -> Handover | None:
    """Everything a person needs to take over; None where nobody is needed."""
    if verdict in (Verdict.NOTHING_WRONG, Verdict.TRANSIENT, Verdict.RECOVERED):
        return None
    owed = [debt for debt in debts if debt.status is DebtStatus.HANDED_OVER]
    seen = [f"{one.server}: {one.detail}" for one in findings]
    done: list[str] = []
    for run in runs:
        for step in run.steps:
            line = f"{run.server}: {step.state}: {step.outcome}"
            line += f" ({step.detail})" if step.detail else ""
            (seen if step.impact is Impact.LOOK else done).append(line)
    return Handover(
        summary=summary,
        seen=tuple(seen),
        done=tuple(done) or ("Nothing was changed.",),
        left_as=tuple(_LEFT[debt.kind].format(server=debt.server) for debt in owed)
        or ("Every setting is as it was before.",),
        next_steps=tuple(_next_steps(verdict, findings, owed)),
    )


def _next_steps(
    verdict: Verdict, findings: Sequence[Finding], owed: Sequence[DebtReport]
) -> list[str]:
    steps = [one.next_step for one in findings if one.next_step]
    for debt in owed:
        command = _UNDO[debt.kind].format(server=debt.server, value=str(debt.prior).lower())
        steps.append(f"When the server is well again, put it back: {command}.")
    if verdict is Verdict.ESCALATED:
        steps.append(SUPPORT)
    return list(dict.fromkeys(steps)) or ["Look at what was seen above, then try again."]

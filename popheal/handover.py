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
    DebtKind.ACTIVATION_DISABLED: "Set-MailboxServer -Identity {server} "
    "-DatabaseCopyActivationDisabledAndMoveNow ${value}",
    DebtKind.PROTOCOL_LOGGING: "Set-PopSettings -Server {server} -ProtocolLogEnabled ${value}",
    DebtKind.MONITOR_REPAIRING: "Set-ServerMonitor -Server {server} -Repairing ${value}",
}
#: What else it takes.
_AND_THEN: Final = {
    DebtKind.PROTOCOL_LOGGING: "Then restart the POP3 service there: only that ends the logging.",
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
        next_steps=tuple(_next_steps(verdict, findings, runs, owed)),
        commands=tuple(_commands(owed)),
    )


#: What to do about the step that ended a run, by its action and outcome.
_ADVICE: Final = {
    ("check_switchover", "infeasible"): "Make it possible to switch the databases over, or restart "
    "the server yourself at a time when its mailboxes may be out of service.",
    ("drain", "refused"): "Find out who is working on the server, and let them finish.",
    ("verify_copies", "active"): "Find out why the databases stayed, and move them by hand.",
    (
        "reboot",
        "refused",
    ): "See why it was not restarted; restart it by hand if that is safe.",
    ("await_server", "not_back"): "Look at the server's console.",
    ("find_backends", "could_not_tell"): "Look into the front end's POP3 protocol log by hand.",
    (
        "recover_backends",
        "failed",
    ): "Heal the Mailbox server first; the front end may then be well.",
    ("probe", "could_not_tell"): "Look by hand whether POP works on the server.",
}


def _next_steps(
    verdict: Verdict,
    findings: Sequence[Finding],
    runs: Sequence[RunReport],
    owed: Sequence[DebtReport],
) -> list[str]:
    steps = [one.next_step for one in findings if one.next_step]
    for run in runs:
        decisive = [step for step in run.steps if step.outcome not in ("done", "elapsed")][-1:]
        for step in decisive:
            advice = _ADVICE.get((step.action.partition("(")[0], step.outcome))
            steps += [advice] if advice else []
    if owed:
        steps.append("When the server is well again, put back what was left, by the commands.")
        steps += [_AND_THEN[debt.kind] for debt in owed if debt.kind in _AND_THEN]
    if verdict is Verdict.ESCALATED:
        steps.append(SUPPORT)
    return list(dict.fromkeys(steps)) or ["Look at what was seen above, then try again."]


def _commands(owed: Sequence[DebtReport]) -> list[str]:
    return [
        _UNDO[debt.kind].format(server=debt.server, value=str(debt.prior).lower()) for debt in owed
    ]

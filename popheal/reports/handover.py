"""What a person gets when a person is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final

from popheal.healthsets.pop.catalog import MONITORS
from popheal.reports.advice import STOPPED
from popheal.reports.commands import MOUNTED, argument, filled
from popheal.reports.markdown import SUPPORT_PAGE
from popheal.reports.reasons import Reason, drained, reasons
from popheal.reports.report import DebtReport, Finding, FindingKind, Handover, RunReport
from popheal.tables.actions import Impact
from popheal.tables.citations import Section
from popheal.tables.debts import DebtKind, DebtStatus
from popheal.tables.outcomes import outcome_of
from popheal.tables.table import Verdict
from popheal.util.text import moment

#: The verdicts that are handed over. With the others nobody is needed.
HANDED_OVER: Final = frozenset(one for one in Verdict if not one.good)

#: Deep/SelfTest 8 and its like in the other sections, in our words.
SUPPORT: Final = (
    "If you need help, ask Microsoft Support, following your organisation's own rules for "
    f"contacting them first: begin at {SUPPORT_PAGE} and pick Servers, then Exchange Server."
)
#: Which step says so, by the name of the procedure.
_SUPPORT_STEP: Final = {
    "mailbox": Section.MAILBOX.step("8"),
    "client_access": Section.CLIENT_ACCESS.step("8"),
    "proxy": Section.PROXY.step("5"),
    "command_time": Section.COMMAND_TIME.step("6"),
}

#: How to undo by hand what could not be undone.
_UNDO: Final = {
    DebtKind.ACTIVATION_DISABLED: "Set-MailboxServer -Identity {server} "
    "-DatabaseCopyActivationDisabledAndMoveNow ${value}",
    DebtKind.PROTOCOL_LOGGING: "Set-PopSettings -Server {server} -ProtocolLogEnabled ${value}",
    DebtKind.MONITOR_REPAIRING: "Set-ServerMonitor -Server {server} -Repairing ${value}",
    DebtKind.COMPONENT_ACTIVATED: "Set-ServerComponentState -Identity {server} "
    "-Component PopProxy -State Inactive -Requester HealthAPI",
}
#: What else it takes.
_AND_THEN: Final = {
    DebtKind.PROTOCOL_LOGGING: "Then restart the POP3 service there: only that ends the logging.",
    DebtKind.COMPONENT_ACTIVATED: "Leave PopProxy active where POP works now; only where it "
    "does not, set it back.",
}
_LEFT: Final = {
    DebtKind.ACTIVATION_DISABLED: "{server} {how} left drained: it takes no active databases",
    DebtKind.PROTOCOL_LOGGING: "{server} may still write POP3 protocol logs, which fill its disk",
    DebtKind.MONITOR_REPAIRING: "a monitor of {server} is left marked Repairing",
    DebtKind.COMPONENT_ACTIVATED: "PopProxy of {server} may be left active, which Managed "
    "Availability had taken offline",
}


def hand_over(
    verdict: Verdict,
    summary: str,
    findings: Sequence[Finding],
    runs: Sequence[RunReport],
    debts: Sequence[DebtReport],
    retry_at: datetime | None = None,
) -> Handover | None:
    """Everything a person needs to take over; None where nobody is needed."""
    if verdict.good:
        return None
    support = _support(findings, runs) if verdict is Verdict.ESCALATED else ""
    found = reasons(verdict, findings, runs)
    owed = [debt for debt in debts if debt.status is DebtStatus.HANDED_OVER]
    left = drained(owed, runs)
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
        left_as=tuple(
            _LEFT[debt.kind].format(server=debt.server, how=left.get(debt.server, "is"))
            for debt in owed
        )
        or ("Every setting is as it was before.",),
        next_steps=(
            *_next_steps(verdict, found, owed, left, retry_at),
            *([support] if support else []),
        ),
        first_commands=tuple(dict.fromkeys(_first_commands(found, left))),
        commands=tuple(_commands(owed)),
        evidence=tuple(_evidence(findings, runs)),
        logs=tuple(_logs(runs)),
        support=support,
        retry_at=retry_at,
    )


# --- evidence ------------------------------------------------------------------------------------

#: Findings that speak for no fault.
_NO_EVIDENCE: Final = (
    FindingKind.HEALTHY,
    FindingKind.TRANSIENT,
    FindingKind.SECOND_OPINION,
    FindingKind.NOTE,
)
#: More often than that, and only the first time and the last are told.
_EACH_TIME: Final = 3


def _evidence(findings: Sequence[Finding], runs: Sequence[RunReport]) -> Iterator[str]:
    """Each thing that was said, once, and when."""
    said: dict[str, list[str]] = {}
    for one in findings:
        if one.kind not in _NO_EVIDENCE:
            said.setdefault(f"{one.server}: {one.detail}", []).append("in triage")
    steps = [(run, step) for run in runs for step in run.steps]
    for run, step in sorted(steps, key=lambda one: one[1].finished_at):
        # What came of a change is told with what was done.
        if step.impact.harmless and step.detail and not outcome_of(step.outcome).good:
            when = moment(step.finished_at)
            said.setdefault(f"{run.server}: {step.detail}", []).append(when)
    for text, times in said.items():
        yield f"{text} ({_times(list(dict.fromkeys(times)))})"


def _times(times: Sequence[str]) -> str:
    if len(times) <= _EACH_TIME:
        return ", ".join(times)
    return f"{len(times)} times, first {times[0]}, last {times[-1]}"


def _logs(runs: Sequence[RunReport]) -> Iterator[str]:
    """Where the protocol logs are, each once."""
    found = (f"{run.server}: {step.log}" for run in runs for step in run.steps if step.log)
    yield from dict.fromkeys(found)


def _support(findings: Sequence[Finding], runs: Sequence[RunReport]) -> str:
    """Where to get help, and the step of the runbook for what decided."""
    unwell = [run for run in runs if run.verdict is not Verdict.RECOVERED]
    procedures = [run.procedure for run in reversed(unwell)]
    # Where no run did, it is what was found to be ill: the nearest to the cause.
    ill = {name for one in findings if (name := one.monitor)} - {run.monitor for run in runs}
    procedures += [monitor.procedure for monitor in MONITORS if monitor.name in ill]
    procedures += [run.procedure for run in reversed(runs)]
    for procedure in procedures:
        if step := _SUPPORT_STEP.get(procedure):
            return f"{SUPPORT} (Runbook: {step.section.value}, step {step.number}.)"
    return SUPPORT


# --- what to do ----------------------------------------------------------------------------------


def _next_steps(
    verdict: Verdict,
    found: Sequence[Reason],
    owed: Sequence[DebtReport],
    left: Mapping[str, str],
    retry_at: datetime | None,
) -> list[str]:
    """What to do: what is down first, then what makes it well, then what to put back."""
    down = [step for one in found if one.advice.is_down for step in one.steps]
    rest = [step for one in found if not one.advice.is_down for step in one.steps]
    again = f"Another time may do: ask popheal again, not before {moment(retry_at)}."
    waits = not down and all(one.advice.waits for one in found[:1])
    steps = [again] if retry_at and waits else []
    steps += [*down, *rest]
    steps += [STOPPED] if verdict is Verdict.CANCELLED else []
    steps += [again] if retry_at else []
    steps += [
        f"{server} {how} drained. See that its databases are mounted on other servers. popheal "
        "leaves a drained server alone, so put that back before you ask it again."
        for server, how in left.items()
    ]
    if owed:
        servers = ", ".join(dict.fromkeys(debt.server for debt in owed))
        steps.append(f"When {servers} is well again, put back what was left, by the commands.")
        steps += [_AND_THEN[debt.kind] for debt in owed if debt.kind in _AND_THEN]
    return list(dict.fromkeys(steps)) or ["Look at what was seen above, then try again."]


def _first_commands(found: Sequence[Reason], left: Iterable[str]) -> Iterator[str]:
    for one in found:
        yield from one.commands
    for server in left:
        yield filled(MOUNTED, {"server": server}) or ""


def _commands(owed: Sequence[DebtReport]) -> list[str]:
    return [
        _UNDO[debt.kind].format(server=argument(debt.server), value=str(debt.prior).lower())
        for debt in owed
    ]

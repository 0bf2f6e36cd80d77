"""A page of a handover for each reason, from reports made by hand.

``python -m tests.reports.advice_pages`` writes them anew, into ``tests/reports/advice``. Read what
has changed as the person on call does, at three in the morning.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

from popheal.healthsets.pop import PROCEDURES
from popheal.healthsets.pop.catalog import monitor_named
from popheal.reports.handover import hand_over
from popheal.reports.reasons import in_a_sentence, worst_first
from popheal.reports.report import (
    Alert,
    DebtReport,
    Finding,
    FindingKind,
    Report,
    RunReport,
    Step,
)
from popheal.tables.actions import Impact
from popheal.tables.debts import DebtKind, DebtStatus
from popheal.tables.table import Verdict
from tests.support.paths import ROOT

FOLDER: Final = ROOT / "tests" / "reports" / "advice"
BEGAN: Final = datetime(2026, 1, 5, 3, tzinfo=UTC)
MBX: Final = "mbx1.contoso.com"
CAS: Final = "cas1.contoso.com"
DEEP, END_TO_END, PROXY = "PopDeepTestMonitor", "PopCTPMonitor", "PopProxyTestMonitor"
K: Final = FindingKind

LOG: Final = "C:\\Program Files\\Microsoft\\Exchange Server\\V15\\Logging\\Pop3"
NO_ANSWER: Final = (
    "POP.Protocol\\PopDeepTestProbe: Failed The POP3 server did not answer the LOGIN in time."
)

#: Action, impact and minutes of each state that is used here.
_STATES: Final = {
    "restarting_pop3_backend": ("restart_service(back_end)", Impact.CHANGE, 1),
    "restarting_pop3": ("restart_service(front_end)", Impact.CHANGE, 1),
    "reprobing": ("probe", Impact.LOOK, 1),
    "enabling_protocol_logging": ("enable_protocol_logging", Impact.CHANGE, 1),
    "restarting_pop3_for_logging": ("restart_service(front_end)", Impact.CHANGE, 1),
    "reprobing_with_logging": ("probe", Impact.LOOK, 1),
    "finding_backends": ("find_backends", Impact.LOOK, 1),
    "checking_backends": ("check_backends", Impact.LOOK, 1),
    "recovering_backends": ("recover_backends", Impact.DISRUPT, 20),
    "checking_switchover": ("check_switchover", Impact.LOOK, 1),
    "draining": ("drain", Impact.DISRUPT, 1),
    "verifying_no_active_copies": ("verify_copies", Impact.LOOK, 1),
    "rebooting": ("reboot", Impact.DISRUPT, 1),
    "awaiting_server": ("await_server", Impact.RESTORE, 8),
    "reprobing_after_reboot": ("probe", Impact.LOOK, 1),
    "failing_back": ("fail_back", Impact.RESTORE, 1),
    "disabling_protocol_logging_unhealed": ("restore_protocol_logging", Impact.RESTORE, 1),
    "restarting_pop3_unhealed": ("reload_pop3", Impact.RESTORE, 1),
}

Said = tuple[str, str, str] | tuple[str, str, str, FindingKind]
RESTARTED: Final = ("restarting_pop3_backend", "done", "MSExchangePOP3BE runs as process 4711")
STILL_FAILS: Final = ("reprobing", "failed", NO_ANSWER)
FEASIBLE: Final = ("checking_switchover", "feasible", "all databases can move")
DRAINED: Final = ("draining", "done", "seen to be set")
CLEAR: Final = ("verifying_no_active_copies", "clear", "no active copy on the server")
REBOOTED: Final = (
    "rebooting",
    "done",
    "restart commanded; it had booted at 2025-12-23 20:00:00 UTC",
)
UP: Final = ("awaiting_server", "up", "booted at 2026-01-05 03:08:00 UTC")
TO_REBOOT: Final = (RESTARTED, STILL_FAILS, FEASIBLE, DRAINED, CLEAR, REBOOTED)

LEFT_DRAINED: Final = DebtReport(
    kind=DebtKind.ACTIVATION_DISABLED, server=MBX, prior=False, status=DebtStatus.HANDED_OVER
)
LOGGING: Final = DebtReport(
    kind=DebtKind.PROTOCOL_LOGGING, server=CAS, prior=False, status=DebtStatus.HANDED_OVER
)


def a_run(
    *said: Said, server: str = MBX, monitor: str = DEEP, number: int = 1, log: str = ""
) -> RunReport:
    """A run of that monitor's procedure, broken off after the last step."""
    steps, at = [], BEGAN
    for state, outcome, detail, *kind in said:
        action, impact, minutes = _STATES[state]
        steps.append(
            Step(
                state=state,
                action=action,
                impact=impact,
                outcome=outcome,
                detail=detail,
                started_at=at,
                finished_at=at + timedelta(minutes=minutes),
                kind=kind[0] if kind else None,
                about=MBX if action == "check_backends" else "",
                log=log if action == "enable_protocol_logging" else "",
            )
        )
        at = steps[-1].finished_at
    procedure = PROCEDURES[monitor_named(monitor).procedure]
    return RunReport(
        id=f"5f0c9a7e21bd.{number}",
        procedure=procedure.name,
        hash="911d04d933ddd6cd",
        server=server,
        monitor=monitor,
        verdict=Verdict.ESCALATED,
        path=(*(one.state for one in steps), "escalated"),
        steps=tuple(steps),
    )


def report(
    verdict: Verdict,
    summary: str,
    *,
    server: str = MBX,
    monitor: str = DEEP,
    findings: Iterable[Finding] = (),
    runs: Iterable[RunReport] = (),
    debts: Iterable[DebtReport] = (),
    retry_at: datetime | None = None,
) -> Report:
    """As a healing reports."""
    found, ran, owed = tuple(findings), tuple(runs), tuple(debts)
    summary = worst_first(summary, ran, owed)
    ends = [step.finished_at for run in ran for step in run.steps]
    return Report(
        id="5f0c9a7e21bd",
        verdict=verdict,
        server=server,
        alert=Alert(server=server, health_set=monitor_named(monitor).health_set, monitor=monitor),
        summary=summary,
        started_at=BEGAN,
        finished_at=max(ends, default=BEGAN),
        retry_at=retry_at,
        findings=found,
        runs=ran,
        debts=owed,
        handover=hand_over(verdict, summary, found, ran, owed, retry_at=retry_at),
    )


def seen(
    kind: FindingKind,
    detail: str,
    verdict: Verdict = Verdict.ESCALATED,
    *,
    server: str = MBX,
    monitor: str = DEEP,
    retry_at: datetime | None = None,
    next_step: str = "",
) -> Report:
    """What triage saw, and why nothing was begun."""
    findings = (
        Finding(kind=K.UNHEALTHY, server=server, monitor=monitor, detail=f"{monitor} is Unhealthy"),
        Finding(kind=kind, server=server, monitor=monitor, detail=detail, next_step=next_step),
    )
    return report(
        verdict, detail, server=server, monitor=monitor, findings=findings, retry_at=retry_at
    )


def ran(*said: Said, debts: Iterable[DebtReport] = (), retry_at: datetime | None = None) -> Report:
    """A healing of a Mailbox server that ended with these steps."""
    run = a_run(*said)
    found = Finding(kind=K.VERIFIED, server=MBX, monitor=DEEP, detail=NO_ANSWER)
    return report(
        Verdict.ESCALATED,
        in_a_sentence(run),
        findings=(found,),
        runs=(run,),
        debts=debts,
        retry_at=retry_at,
    )


def infeasible(kind: FindingKind, why: str, retry_at: datetime | None = None) -> Report:
    """The service was restarted in vain, and the server may not be."""
    said = ("checking_switchover", "infeasible", why, kind)
    return ran(RESTARTED, STILL_FAILS, said, retry_at=retry_at)


def front_end(*said: Said, debts: Iterable[DebtReport] = ()) -> Report:
    """A healing of a front end, from its first step until protocol logging is on."""
    fails = "POP\\PopCTPProbe: Failed -ERR Server Unavailable. 21"
    run = a_run(
        ("restarting_pop3", "done", "MSExchangePOP3 runs as process 3141"),
        ("reprobing", "failed", fails),
        ("enabling_protocol_logging", "done", "seen to be set"),
        ("restarting_pop3_for_logging", "done", "MSExchangePOP3 runs as process 2718"),
        ("reprobing_with_logging", "failed", fails),
        *said,
        server=CAS,
        monitor=END_TO_END,
        log=LOG,
    )
    found = Finding(kind=K.VERIFIED, server=CAS, monitor=END_TO_END, detail=fails)
    return report(
        Verdict.ESCALATED,
        in_a_sentence(run),
        server=CAS,
        monitor=END_TO_END,
        findings=(found,),
        runs=(run,),
        debts=debts,
    )


def a_back_end_left_drained() -> Report:
    """The front end was healed by way of its back end, which a restart did not heal."""
    fails = "POP\\PopCTPProbe: Failed -ERR Server Unavailable. 21"
    first = a_run(
        ("restarting_pop3", "done", "MSExchangePOP3 runs as process 3141"),
        ("reprobing", "failed", fails),
        ("recovering_backends", "failed", f"{MBX}: escalated"),
        server=CAS,
        monitor=END_TO_END,
    )
    second = a_run(*TO_REBOOT, UP, ("reprobing_after_reboot", "failed", NO_ANSWER), number=2)
    return report(
        Verdict.ESCALATED,
        in_a_sentence(first),
        server=CAS,
        monitor=END_TO_END,
        findings=(
            Finding(kind=K.VERIFIED, server=CAS, monitor=END_TO_END, detail=fails),
            Finding(kind=K.VERIFIED, server=MBX, monitor=DEEP, detail=NO_ANSWER),
        ),
        runs=(first, second),
        debts=(LEFT_DRAINED,),
    )


IN_AN_HOUR: Final = BEGAN + timedelta(hours=1)
AT_TEN: Final = BEGAN + timedelta(hours=19)
HELD: Final = Verdict.HELD
NOT_DOWN: Final = "it has not gone down: it still runs since 2025-12-23 20:00:00 UTC"
SILENT: Final = "it does not answer: Get-ComputerInfo for mbx1.contoso.com: no route to host"
#: Of a policy's own table: what is advised about a shipped cause stands with that cause.
OWN_CAUSE: Final = "POP.Protocol\\PopDeepTestProbe: Failed -ERR contoso-4711: the vault is sealed"
DENIED: Final = (
    "Set-MailboxServer for mbx1.contoso.com: the account has no right to run it. Check the "
    "account, its password and its rights (see docs/configuration)."
)

#: A report for each kind of finding that a person can be needed for.
BY_KIND: Final[dict[FindingKind, Callable[[], Report]]] = {
    K.VERIFIED: lambda: seen(K.VERIFIED, NO_ANSWER),
    K.NO_RECIPE: lambda: report(
        Verdict.ESCALATED,
        "PopCrashEventMonitor is Unhealthy, and the runbook has no recipe",
        findings=[
            Finding(
                kind=K.NO_RECIPE,
                server=MBX,
                monitor="PopCrashEventMonitor",
                detail="POP.Protocol\\PopCrashEventMonitor is Unhealthy, and the runbook has no "
                "recipe",
            )
        ],
    ),
    K.COULD_NOT_TELL: lambda: seen(
        K.COULD_NOT_TELL,
        "Get-ServerHealth returned no row of a known POP monitor for this server",
        Verdict.UNKNOWN,
    ),
    K.LEFT_ALONE: lambda: seen(
        K.LEFT_ALONE, "PopDeepTestMonitor is disabled by an administrator", HELD
    ),
    K.REPAIRING: lambda: seen(
        K.REPAIRING, "PopDeepTestMonitor: marked Repairing, somebody is on it", HELD
    ),
    K.COMPONENT_INACTIVE: lambda: seen(
        K.COMPONENT_INACTIVE,
        "PopProxy is Inactive (requested by HealthAPI): no restart or reboot helps",
        server=CAS,
        monitor=PROXY,
    ),
    K.MAINTENANCE: lambda: seen(
        K.MAINTENANCE, "ServerWideOffline is Inactive (requested by Maintenance)", HELD
    ),
    K.DRAINED: lambda: seen(
        K.DRAINED,
        "DatabaseCopyActivationDisabledAndMoveNow is set already, not by this healing",
        HELD,
    ),
    K.SETUP_RUNNING: lambda: seen(K.SETUP_RUNNING, "Exchange Setup is running on the server", HELD),
    K.SWITCHED_OFF: lambda: seen(
        K.SWITCHED_OFF,
        "MSExchangePOP3BE does not run and is not set to start by itself: POP is off here, and "
        "healing would turn it on",
        HELD,
    ),
    K.DEPENDENCY: lambda: seen(
        K.DEPENDENCY,
        "PopDeepTestMonitor depends on Information Store, and Store\\StoreServiceMonitor is "
        "Unhealthy",
    ),
    K.SIBLINGS: lambda: seen(
        K.SIBLINGS,
        "PopCTPMonitor is Unhealthy on cas2.contoso.com, cas3.contoso.com too (2 of 2 other "
        "servers)",
        server=CAS,
        monitor=END_TO_END,
    ),
    K.DEFECT: lambda: report(
        Verdict.ESCALATED,
        "a defect of popheal: TypeError: no idea, at run.py line 155; nothing more was done",
        findings=[
            Finding(
                kind=K.DEFECT,
                server=MBX,
                detail="a defect of popheal: TypeError: no idea, at run.py line 155; nothing more "
                "was done",
            )
        ],
        runs=[a_run(RESTARTED, STILL_FAILS, FEASIBLE, DRAINED)],
        debts=[LEFT_DRAINED],
    ),
    K.BUSY: lambda: seen(
        K.BUSY,
        "another healing is at work on a member of DAG1: 77aa01bc93de",
        HELD,
        next_step="Let it, or stop it: popheal cancel 77aa01bc93de.",
    ),
    K.NOT_AUTHORISED: lambda: ran(
        RESTARTED, STILL_FAILS, FEASIBLE, ("draining", "refused", DENIED, K.NOT_AUTHORISED)
    ),
    K.UNREACHABLE: lambda: seen(
        K.UNREACHABLE, "Get-ServerHealth for mbx1.contoso.com: no route to host", Verdict.UNKNOWN
    ),
    K.POLICY: lambda: infeasible(
        K.POLICY, "the policy allows nothing beyond 'change' (highest_impact)"
    ),
    K.WINDOW: lambda: infeasible(
        K.WINDOW, "no maintenance window is open (policy: windows)", AT_TEN
    ),
    K.BUDGET: lambda: infeasible(
        K.BUDGET,
        "the server was restarted 1 times within the day (policy: reboots_per_server = 1)",
        AT_TEN,
    ),
    K.APPROVAL: lambda: ran(
        RESTARTED,
        STILL_FAILS,
        FEASIBLE,
        (
            "draining",
            "refused",
            "nobody answered in time whether plan 5d41402abc4b may be carried out",
            K.APPROVAL,
        ),
    ),
    K.UNDECIDED: lambda: ran(
        RESTARTED,
        STILL_FAILS,
        FEASIBLE,
        (
            "draining",
            "refused",
            "the policy does not say approval_from, and there is nobody to ask; under [policy], "
            'approval_from = "disrupt" asks a person each time, "never" asks nobody',
            K.UNDECIDED,
        ),
    ),
    K.MANAGED_AVAILABILITY: lambda: seen(
        K.MANAGED_AVAILABILITY,
        "Managed Availability is at work on the server: RestartService of MSExchangePOP3BE since "
        "2026-01-05 02:58:00 UTC",
        HELD,
        retry_at=IN_AN_HOUR,
    ),
    K.CAUSE: lambda: ran(RESTARTED, ("reprobing", "blocked", OWN_CAUSE, K.CAUSE)),
    K.OTHER_PROTOCOLS: lambda: seen(
        K.OTHER_PROTOCOLS,
        "ImapDeepTestMonitor, OwaDeepTestMonitor and EwsDeepTestMonitor are Unhealthy there, too",
    ),
    K.NO_PROOF: lambda: infeasible(
        K.NO_PROOF,
        "neither PopDeepTestProbe nor PopSelfTestProbe can be run by hand on mbx1.contoso.com",
    ),
    K.NOWHERE_TO_GO: lambda: infeasible(
        K.NOWHERE_TO_GO,
        "DB01 can't be switched over (mbx2.contoso.com: activation is blocked there)",
    ),
    K.REDUNDANCY: lambda: infeasible(
        K.REDUNDANCY, "of DB07, active on mbx2.contoso.com, no other copy elsewhere is healthy"
    ),
    K.QUORUM: lambda: infeasible(K.QUORUM, "mbx2.contoso.com: QuorumGroup does not pass: *FAILED*"),
    K.OUT_OF_SERVICE: lambda: infeasible(
        K.OUT_OF_SERVICE, "mbx2.contoso.com, another member of DAG1: its node is Paused"
    ),
    K.UNDER_WAY: lambda: ran(
        *TO_REBOOT[:-1],
        (
            "rebooting",
            "refused",
            "restart server for mbx1.contoso.com: another shutdown is scheduled there already",
            K.UNDER_WAY,
        ),
        debts=(LEFT_DRAINED,),
    ),
    K.NOT_RUNNING: lambda: front_end(
        ("finding_backends", "found", f"the protocol log names {MBX}"),
        (
            "checking_backends",
            "could_not_tell",
            f"{MBX}: MSExchangePOP3BE is Stopped, and starts by itself",
            K.NOT_RUNNING,
        ),
        ("disabling_protocol_logging_unhealed", "done", "seen to be set"),
        ("restarting_pop3_unhealed", "done", "MSExchangePOP3 runs as process 1618"),
    ),
    K.STUCK: lambda: ran(
        (
            "restarting_pop3_backend",
            "could_not_tell",
            "MSExchangePOP3BE is StopPending since the restart, process 4711",
            K.STUCK,
        )
    ),
    K.NOT_BACK: lambda: ran(
        *TO_REBOOT, ("awaiting_server", "not_back", SILENT, K.NOT_BACK), debts=(LEFT_DRAINED,)
    ),
    K.STAYED: lambda: ran(
        *TO_REBOOT[:-2],
        ("verifying_no_active_copies", "active", "still on the server: DB01, DB02", K.STAYED),
        debts=(LEFT_DRAINED,),
    ),
}

#: Reports for what no kind says, and for what is worse than it.
OTHERS: Final[dict[str, Callable[[], Report]]] = {
    "fault-survives-the-reboot": lambda: ran(
        *TO_REBOOT, UP, ("reprobing_after_reboot", "failed", NO_ANSWER), debts=(LEFT_DRAINED,)
    ),
    "server-never-goes-down": lambda: ran(
        *TO_REBOOT, ("awaiting_server", "not_back", NOT_DOWN, K.STUCK), debts=(LEFT_DRAINED,)
    ),
    "probe-could-not-tell": lambda: ran(
        RESTARTED, ("reprobing", "could_not_tell", "POP.Protocol\\PopDeepTestProbe: Quarantined")
    ),
    "probe-hangs": lambda: ran(
        RESTARTED, ("reprobing", "timed_out", "POP.Protocol\\PopDeepTestProbe: Timeout")
    ),
    "service-does-not-start": lambda: ran(
        ("restarting_pop3_backend", "failed", "MSExchangePOP3BE is Stopped after the restart"),
        STILL_FAILS,
        ("checking_switchover", "infeasible", "DB01 has no other copy", K.NOWHERE_TO_GO),
    ),
    "failback-failed": lambda: ran(
        *TO_REBOOT,
        UP,
        ("reprobing_after_reboot", "succeeded", "POP.Protocol\\PopDeepTestProbe: Succeeded"),
        ("failing_back", "could_not_tell", "the new value was not seen"),
        debts=(LEFT_DRAINED,),
    ),
    "front-end-never-comes-back": lambda: front_end(
        ("finding_backends", "not_found", "the front end passed the failed probe on to none"),
        REBOOTED,
        ("awaiting_server", "not_back", SILENT.replace(MBX, CAS), K.NOT_BACK),
        ("disabling_protocol_logging_unhealed", "refused", "not attempted: it does not answer"),
        ("restarting_pop3_unhealed", "refused", "not attempted: it does not answer"),
        debts=(LOGGING,),
    ),
    "back-end-could-not-be-told": lambda: front_end(
        ("finding_backends", "could_not_tell", "the log does not hold the whole session"),
        ("disabling_protocol_logging_unhealed", "done", "seen to be set"),
        ("restarting_pop3_unhealed", "done", "MSExchangePOP3 runs as process 1618"),
    ),
    "back-end-left-drained": a_back_end_left_drained,
    "back-end-is-switched-off": lambda: front_end(
        ("finding_backends", "found", f"the protocol log names {MBX}"),
        ("checking_backends", "off", f"{MBX}: MSExchangePOP3BE is Stopped, and Disabled"),
        ("disabling_protocol_logging_unhealed", "done", "seen to be set"),
        ("restarting_pop3_unhealed", "done", "MSExchangePOP3 runs as process 1618"),
    ),
    "stopped-by-a-person": lambda: report(
        Verdict.CANCELLED,
        "mailbox was stopped by a person, at draining",
        runs=(a_run(RESTARTED, STILL_FAILS, FEASIBLE, DRAINED),),
        debts=(LEFT_DRAINED,),
    ),
}


def pages() -> dict[str, Report]:
    """Each report under the name of its page."""
    by_kind = {kind.value.replace("_", "-"): make() for kind, make in BY_KIND.items()}
    return by_kind | {name: make() for name, make in OTHERS.items()}


def main() -> None:
    """Write every page, and take away those that are no more."""
    FOLDER.mkdir(exist_ok=True)
    for old in FOLDER.glob("*.md"):
        old.unlink()
    for name, made in pages().items():
        (FOLDER / f"{name}.md").write_text(made.to_markdown(), "utf-8")


if __name__ == "__main__":
    main()

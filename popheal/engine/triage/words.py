"""What the message details say, and what follows: words forbid, they never permit.

Verifying 2.1: "The message details provide information about the exact cause of the alert."
They are read wherever they are told: in the probe's error and exception, in the monitor's row, in
the alert, in the protocol log, in Managed Availability's recovery actions.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from popheal.engine.context import HealingContext, RunContext
from popheal.engine.looks.managed_availability import described
from popheal.engine.triage.triage_context import Stop, TriageContext
from popheal.exchange.interpret import probe_outcome
from popheal.exchange.models import ProbeResult
from popheal.exchange.names import same_server
from popheal.healthsets.pop.catalog import Monitor
from popheal.healthsets.pop.causes import CAUSES, Cause, Helps, name_cause
from popheal.reports.report import Finding, FindingKind
from popheal.tables.table import Verdict

#: A probe that only ran into its time limit is reason enough for a restart of the service. Once it
#: has said that it fails, that counts instead.
TIMED_OUT: Final = (
    "the probe ran into its time limit, which a restart of the service may cure; that is not "
    "enough to take the server out of service for"
)


def cause_in(session: HealingContext, texts: Iterable[str]) -> Cause | None:
    """The cause that these texts name, by the policy's table and ours; the gravest, if several."""
    return name_cause(texts, (*session.policy.causes, *CAUSES))


def message_details(
    context: TriageContext, monitor: Monitor, result: ProbeResult | None
) -> list[str]:
    """Everything that has been told about why that monitor is Unhealthy on this server."""
    texts = [result.error, result.exception] if result else []
    texts += [row.error for row in context.rows_of(monitor)]
    texts.append(_alert_text(context, monitor))
    texts += [described(one) for one in context.actions if not one.throttled]
    return [text for text in texts if text]


def _alert_text(context: TriageContext, monitor: Monitor) -> str:
    """What the alert says, if it is about this server, and not about another monitor."""
    case = context.session.case
    alert = case.alert if case else None
    if alert is None or not same_server(alert.server, context.info.fqdn):
        return ""
    return alert.text if alert.monitor in (None, monitor.name) else ""


def stop_for(cause: Cause, server: str, monitor: str) -> Stop:
    """What follows from a cause that nothing here cures."""
    finding = Finding(
        kind=FindingKind.CAUSE,
        server=server,
        monitor=monitor,
        detail=f"{cause.name}: {cause.says}. Neither a restart nor a reboot cures that",
        next_step=cause.next_step,
    )
    return finding, Verdict.ESCALATED


def restart_only(cause: Cause) -> str:
    """Why no server is taken out of service for a cause that at most a restart of POP3 cures."""
    return f"{cause.name}: {cause.says}. No reboot cures that. {cause.next_step}"


def cause_of_probe(work: RunContext) -> Stop | None:
    """What follows if the last failed probe of a run names a cause that nothing here cures."""
    cause = _cause_of_probe(work)
    if cause is None or cause.helps is not Helps.NOTHING:
        return None
    return stop_for(cause, work.server, work.monitor.name)


def _cause_of_probe(work: RunContext) -> Cause | None:
    probe = work.memory.last_probe
    return cause_in(work.session, (probe.error, probe.exception)) if probe else None


def no_disruption(work: RunContext) -> Stop | None:
    """Why this server must not be taken out of service, whatever the table of the run says."""
    cause, probe = _cause_of_probe(work), work.memory.last_probe
    if cause and cause.helps is Helps.SERVICE_RESTART:
        work.memory.no_disruption = restart_only(cause)
    why = work.memory.no_disruption
    fails = probe is not None and probe_outcome(probe) == "failed"
    if not why or (why == TIMED_OUT and fails):
        return None
    finding = Finding(
        kind=FindingKind.CAUSE, server=work.server, monitor=work.monitor.name, detail=why
    )
    return finding, Verdict.ESCALATED


def heed_words(work: RunContext, texts: Iterable[str]) -> Cause | None:
    """Remember, for the rest of the run, what a look found to be said: of the protocol log, say.

    Args:
        work: The run. Its server is not taken out of service any more if a cause is named.
        texts: What was read.

    Returns:
        The cause, where one is named that forbids something.
    """
    cause = cause_in(work.session, texts)
    if cause is None or cause.helps is Helps.UNDECIDED:
        return None
    if cause.helps is Helps.NOTHING:
        work.memory.no_disruption = stop_for(cause, work.server, work.monitor.name)[0].detail
    elif not work.memory.no_disruption:
        work.memory.no_disruption = restart_only(cause)
    return cause

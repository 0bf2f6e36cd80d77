"""What must always hold, checked on what the organisation itself saw.

Each property is a function from a :class:`Case` to the violations it finds, as sentences. It
reads the organisation's own history; only where the property speaks of what is handed over in
writing, or of what the run thought, it reads the report too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

from attrs import define, frozen

from popheal import Report, Verdict
from popheal.backends.simulated import history as h
from popheal.healthsets.pop import PROCEDURES
from popheal.healthsets.pop.catalog import MAILBOX_SIDE_PROBES
from popheal.tables.debts import DebtKind, DebtStatus
from popheal.tables.outcomes import COULD_NOT_TELL

COMMAND_TIME = "AverageCommandProcessingTimeGt60sMonitor"
EFFECTS = (
    h.ServiceRestarted,
    h.ServiceStarted,
    h.ActivationDisabledSet,
    h.ProtocolLoggingSet,
    h.RebootCommanded,
    h.DatabaseMoveCommanded,
)


@frozen(kw_only=True)
class SlownessShown(h.Happening):
    """We were shown a row that says that the command-time monitor is Unhealthy."""


@define(kw_only=True)
class Case:
    """One healing that has ended, and what the organisation saw of it.

    Attributes:
        history: Everything that happened, in order.
        logging_before: Per server (short name), whether protocol logging was on at the start.
        logging_after: The same at the end.
        disabled_after: Per server, whether activation is disabled at the end.
        calls: How many calls the backend got.
        lasted: How long the healing took, by the organisation's clock.
    """

    report: Report
    history: list[h.Happening]
    logging_before: dict[str, bool]
    logging_after: dict[str, bool]
    disabled_after: dict[str, bool]
    calls: int
    lasted: timedelta

    def ours(self, *kinds: type) -> Iterator[tuple[int, h.Happening]]:
        """What we did of these kinds, with the place in the history."""
        for place, one in enumerate(self.history):
            if isinstance(one, kinds or EFFECTS) and one.actor == h.POPHEAL:
                yield place, one

    def handed_over(self, kind: DebtKind, server: str) -> bool:
        """Whether the report leaves that to a person, in writing."""
        return self.report.handover is not None and any(
            debt.kind is kind
            and debt.status is DebtStatus.HANDED_OVER
            and debt.server.split(".", maxsplit=1)[0].casefold() == server.casefold()
            for debt in self.report.debts
        )


Property = Callable[[Case], Iterator[str]]
PROPERTIES: dict[str, Property] = {}


def named(name: str) -> Callable[[Property], Property]:
    def register(check: Property) -> Property:
        PROPERTIES[name] = check
        return check

    return register


def _verified_failure(
    case: Case, server: str, before: int, after: int = 0, words: tuple[str, ...] = ("Failed",)
) -> bool:
    """We saw POP fail on the server, between two places in the history.

    A probe that we ran and that failed (or came to another of these words); or, as command times
    have no probe, the row of the command-time monitor, shown to us as Unhealthy.
    """
    return any(
        one.server == server
        and one.actor == h.POPHEAL
        and (
            isinstance(one, SlownessShown) or (isinstance(one, h.ProbeRun) and one.result in words)
        )
        for one in case.history[after:before]
    )


@named("P1")
def no_reboot_over_active_copies(case: Case) -> Iterator[str]:
    """No reboot of a server with an active or unreadable copy seen on it."""
    for place, one in case.ours(h.RebootCommanded):
        if one.accepted and (one.active_databases or one.unreplicated_databases):
            yield f"rebooted {one.server} over {one.active_databases} {one.unreplicated_databases}"
        looks = [
            look
            for look in case.history[:place]
            if isinstance(look, h.CopiesLookedAt)
            and look.actor == h.POPHEAL
            and look.whole_server
            and look.server == one.server
        ]
        if one.active_databases and looks and not looks[-1].active_databases:
            yield f"databases came back to {one.server} between the last look and the reboot"


@named("P2")
def one_member_at_a_time(case: Case) -> Iterator[str]:
    """Never two members of one DAG down or drained by us."""
    for _, one in case.ours(h.RebootCommanded, h.ActivationDisabledSet):
        takes_out = isinstance(one, h.RebootCommanded) or one.value
        others = one.situation.by(h.POPHEAL) if one.situation else ()
        if takes_out and others:
            yield f"{one.kind} on {one.server} while we keep {others} out of service"


@named("P5")
def nothing_before_a_verified_failure(case: Case) -> Iterator[str]:
    """No effect before a verified failure on that server; a hang counts, but not for a reboot."""
    for place, one in case.ours():
        drains = isinstance(one, h.ActivationDisabledSet) and one.value
        disrupts = drains or isinstance(one, h.RebootCommanded)
        words = ("Failed",) if disrupts else ("Failed", "Timeout")
        if not _verified_failure(case, one.server, place, words=words):
            yield f"{one.kind} on {one.server} without having seen it fail"


@named("P6")
def restart_before_reboot(case: Case) -> Iterator[str]:
    """No reboot before a service restart and a failed re-probe."""
    for place, one in case.ours(h.RebootCommanded):
        restarts = [
            at
            for at, earlier in case.ours(h.ServiceRestarted)
            if at < place and earlier.server == one.server
        ]
        if not restarts or not _verified_failure(case, one.server, place, restarts[0]):
            yield f"rebooted {one.server} without a restart and a failed probe after it"


@named("P7")
def probe_before_failback(case: Case) -> Iterator[str]:
    """No failback before a probe of the mailbox side succeeded since the server's latest boot."""
    for place, one in case.ours(h.ActivationDisabledSet):
        if one.value or not one.previous:
            continue
        passed = False
        for earlier in case.history[:place]:
            if earlier.server != one.server:
                continue
            if isinstance(earlier, (h.WentDown, h.Booted)):
                passed = False
            elif isinstance(earlier, h.ProbeRun) and earlier.actor == h.POPHEAL:
                proves = earlier.probe in MAILBOX_SIDE_PROBES
                passed = passed or (proves and earlier.result == "Succeeded")
        if not passed:
            yield f"failed back to {one.server} without a probe of its mailbox side since its boot"


@named("P9")
def logging_is_put_back(case: Case) -> Iterator[str]:
    """Protocol logging turned on by us is restored, or handed over in writing."""
    touched = {one.server for _, one in case.ours(h.ProtocolLoggingSet)}
    for server in touched:
        back = case.logging_after[server] == case.logging_before[server]
        if not back and not case.handed_over(DebtKind.PROTOCOL_LOGGING, server):
            yield f"protocol logging of {server} is left as {case.logging_after[server]}"


@named("P10")
def activation_is_put_back(case: Case) -> Iterator[str]:
    """Activation disabled by us is restored after success, else handed over in writing."""
    ours: dict[str, bool] = {}
    for one in case.history:
        if isinstance(one, h.ActivationDisabledSet):
            ours[one.server] = one.actor == h.POPHEAL and one.value
    for server, still in ours.items():
        if not still or not case.disabled_after[server]:
            continue
        if case.report.verdict is Verdict.RECOVERED:
            yield f"{server} is left drained after a recovery"
        elif not case.handed_over(DebtKind.ACTIVATION_DISABLED, server):
            yield f"{server} is left drained, and nobody is told"


@named("P13")
def it_ends_within_bounds(case: Case) -> Iterator[str]:
    """Every run ends, within a bound."""
    if case.lasted > timedelta(hours=12) or case.calls > 5000:
        yield f"took {case.lasted} and {case.calls} calls"
    for run in case.report.runs:
        if run.path[-1] not in PROCEDURES[run.procedure].endings:
            yield f"run {run.procedure} stopped in {run.path[-1]}"


@named("P17")
def not_knowing_does_no_harm(case: Case) -> Iterator[str]:
    """Could-not-tell never leads to a change or disrupt effect."""
    for run in case.report.runs:
        for step, following in zip(run.steps, run.steps[1:], strict=False):
            impact = PROCEDURES[run.procedure].by_name[following.state].action.impact
            if step.outcome == COULD_NOT_TELL and not impact.harmless:
                yield f"{step.state} could not tell, and {following.state} followed"
    if case.report.verdict in (Verdict.UNKNOWN, Verdict.HELD, Verdict.NOTHING_WRONG):
        if case.report.runs:
            return
        for _, one in case.ours():
            yield f"{one.kind} on {one.server}, although the verdict says nothing was changed"


@named("P21")
def what_others_set_stays(case: Case) -> Iterator[str]:
    """What somebody else set (drained, logging on) is never undone by us."""
    # What was ours, and was lifted and set again by somebody else behind our back, reads the same
    # as before: that nobody can see, and docs/limits.md says so.
    ours: set[str] = set()
    for _, one in case.ours(h.ActivationDisabledSet):
        if one.value and not one.previous:
            ours.add(one.server)
        elif not one.value and one.previous and one.server not in ours:
            yield f"undid the drain of {one.server} that {one.set_by} had set"
    logging_by: dict[str, str] = {}
    for one in case.history:
        if not isinstance(one, h.ProtocolLoggingSet):
            continue
        owner = logging_by.get(one.server, "somebody" if one.previous else "")
        if one.actor == h.POPHEAL and one.previous and not one.value and owner != h.POPHEAL:
            yield f"turned off the logging of {one.server} that {owner} had turned on"
        if one.value and not one.previous:
            logging_by[one.server] = one.actor


def violations(case: Case, only: str | None = None) -> list[str]:
    """Every violation of every property, with the property's name."""
    return [
        f"{name}: {said}"
        for name, check in PROPERTIES.items()
        if only in (None, name)
        for said in check(case)
    ]

"""Why a person is needed: what decided, the worst first, and what advice there is for each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from attrs import field, frozen

from popheal.errors import BackendError, NotAuthorised, NotBegun, Unreachable
from popheal.healthsets.pop.catalog import POP3_BACK_END, POP3_FRONT_END, find_monitor
from popheal.healthsets.pop.causes import find_cause
from popheal.reports.advice import FOR_KIND, RESTARTING, Advice
from popheal.reports.advice_by_outcome import FOR_ACTION, FOR_OUTCOME
from popheal.reports.commands import filled
from popheal.reports.report import DebtReport, Finding, FindingKind, RunReport, Step
from popheal.tables.actions import (
    AWAIT_SERVER,
    DRAIN,
    FAIL_BACK,
    PROBE,
    REBOOT,
    RESTART_SERVICE,
    VERIFY_COPIES,
)
from popheal.tables.debts import DebtKind, DebtStatus
from popheal.tables.outcomes import COULD_NOT_TELL, FAILED, REFUSED, outcome_of
from popheal.tables.table import Verdict

#: Findings that tell what was seen, and call for nothing by themselves.
TELLING: Final = frozenset(
    {
        FindingKind.HEALTHY,
        FindingKind.UNHEALTHY,
        FindingKind.TRANSIENT,
        FindingKind.NOTE,
        FindingKind.SECOND_OPINION,
    }
)
#: How states end that are gone through once it is decided how a run ends.
_ON_THE_WAY_OUT: Final = ("_unhealed", "_cancelled")

#: The service that a procedure is about; command times are about both.
_SERVICE: Final = {
    "mailbox": POP3_BACK_END,
    "client_access": POP3_FRONT_END,
    "proxy": POP3_FRONT_END,
}


#: Reasons whose advice says that nothing was moved or restarted.
_AGAINST_BEGINNING: Final = frozenset(
    {
        FindingKind.NO_PROOF,
        FindingKind.NOWHERE_TO_GO,
        FindingKind.REDUNDANCY,
        FindingKind.QUORUM,
        FindingKind.OUT_OF_SERVICE,
        FindingKind.BUDGET,
        FindingKind.WINDOW,
    }
)
#: Actions that come when databases have been moved already.
_AFTER_THE_DRAIN: Final = frozenset({VERIFY_COPIES.name, REBOOT.name, PROBE.name, FAIL_BACK.name})


def kind_of(error: BackendError) -> FindingKind | None:
    """The kind of reason that an error is, if it is one of its own."""
    if isinstance(error, NotBegun):
        return {"denied": FindingKind.NOT_AUTHORISED, "shutdown": FindingKind.UNDER_WAY}.get(
            error.reason
        )
    if isinstance(error, NotAuthorised):
        return FindingKind.NOT_AUTHORISED
    return FindingKind.UNREACHABLE if isinstance(error, Unreachable) else None


def advice_for(kind: FindingKind | None, action: str = "", outcome: str = "") -> Advice | None:
    """What is known about a reason; None for what calls for nothing.

    Args:
        kind: The kind of the finding, or of what an action came to.
        action: The action; its argument does not matter.
        outcome: What it came to.
    """
    action = action.partition("(")[0]
    found = [FOR_ACTION.get((action, kind)), FOR_KIND.get(kind)] if kind else []
    by_outcome = FOR_ACTION.get((action, outcome))
    # That something could not be told says less than what it was; and what is said of reasons
    # for not beginning is wrong of what was begun.
    unclear = kind is FindingKind.COULD_NOT_TELL
    begun = kind in _AGAINST_BEGINNING and action in _AFTER_THE_DRAIN
    found = [by_outcome, *found] if unclear or begun else [*found, by_outcome]
    if known := next((one for one in found if one), None):
        return known
    return Advice(headline="", steps=(FOR_OUTCOME[outcome],)) if outcome in FOR_OUTCOME else None


def decisive_step(steps: Sequence[Step]) -> Step | None:
    """The step by which it was decided that a run ends without success, if one says so.

    Not what came of putting things back on the way out.
    """
    bad = [one for one in steps if not outcome_of(one.outcome).good]
    deciding = [one for one in bad if not one.state.endswith(_ON_THE_WAY_OUT)]
    return next(reversed(deciding or bad), None)


@frozen(kw_only=True)
class Reason:
    """One reason for which a person is needed.

    Attributes:
        own_steps: What was advised where it was seen, which says more than the table.
        names: What the places in headline, steps and commands stand for.
    """

    advice: Advice
    server: str
    own_steps: tuple[str, ...] = ()
    names: Mapping[str, str] = field(factory=dict)

    @property
    def headline(self) -> str:
        """What is so."""
        return self._worded(self.advice.headline)

    @property
    def steps(self) -> tuple[str, ...]:
        """What to do."""
        return self.own_steps or tuple(map(self._worded, self.advice.steps))

    @property
    def commands(self) -> Iterator[str]:
        """What helps to see the cause, or to make it well."""
        found = (filled(one, self.names) for one in self.advice.commands)
        return (one for one in found if one)

    def _worded(self, text: str) -> str:
        for place in ("server", "front_end", "tried", "told"):
            text = text.replace(f"{{{place}}}", self.names.get(place, ""))
        return text


# --- of findings and runs ------------------------------------------------------------------------


def reasons(
    verdict: Verdict, findings: Sequence[Finding], runs: Sequence[RunReport]
) -> list[Reason]:
    """Every reason for which a person is needed, what is down first, each once."""
    found = [one for run in reversed(runs) for one in _down(run)]
    if verdict is Verdict.CANCELLED:
        return found  # what was seen before is no reason: a person's stop is
    # What was begun last is nearest to the cause: a back end before its front end.
    unwell = [run for run in reversed(runs) if run.verdict is not Verdict.RECOVERED]
    decisive = [(step, run) for run in unwell if (step := decisive_step(run.steps))]
    found += [reason for step, run in decisive if (reason := _of_step(step, run))]
    found += _of_findings(findings, begun=bool(runs))
    once: dict[tuple[str, str], Reason] = {}
    for one in found:
        once.setdefault((one.server, f"{one.advice.headline}{one.own_steps}"), one)
    return list(once.values())


def _down(run: RunReport) -> Iterator[Reason]:
    """What has gone down in a run, and was not seen to come up again."""
    # A wait that a person broke off says nothing of why the server is not back yet.
    broken_off = run.verdict is Verdict.CANCELLED and _is_restarting(run.steps)
    for number, step in enumerate(run.steps):
        if broken_off and step.action == AWAIT_SERVER.name:
            continue
        reason = _of_step(step, run)
        if reason and reason.advice.is_down and not _came_up(step, run.steps[number + 1 :]):
            yield reason
    if broken_off:
        yield Reason(advice=RESTARTING, server=run.server, names=_names(run.server, run.monitor))


def _is_restarting(steps: Sequence[Step]) -> bool:
    """Whether a restart of the server was commanded, and nobody has seen it come back."""
    done = [one for one in steps if one.action in (REBOOT.name, AWAIT_SERVER.name)]
    commanded = any(
        one.action == REBOOT.name and one.outcome not in (REFUSED, FAILED) for one in done
    )
    return commanded and not (done[-1].action == AWAIT_SERVER.name and _is_good(done[-1]))


def _is_good(step: Step) -> bool:
    return outcome_of(step.outcome).good


def _came_up(step: Step, later: Iterable[Step]) -> bool:
    cures = (step.action, AWAIT_SERVER.name)
    return any(one.action in cures and outcome_of(one.outcome).good for one in later)


def _of_step(step: Step, run: RunReport) -> Reason | None:
    if outcome_of(step.outcome).good:
        return None
    advice = advice_for(step.kind, step.action, step.outcome)
    if advice is None:
        return None
    cause = find_cause([step.detail]) if step.kind is FindingKind.CAUSE else None
    names = _names(run.server, run.monitor)
    names |= {"tried": _tried(run.steps), "told": _told(run.steps)}
    if step.about:
        names |= {"server": step.about, "service": POP3_BACK_END}
    own = (cause.next_step,) if cause else ()
    return Reason(advice=advice, server=run.server, own_steps=own, names=names)


def _of_findings(findings: Sequence[Finding], *, begun: bool) -> Iterator[Reason]:
    deciding = [
        one for one in findings if one.kind not in TELLING and one.kind is not FindingKind.VERIFIED
    ]
    # A fault that nothing was begun about is a reason by itself, where there is no other.
    only_verified = [] if begun or deciding else findings
    deciding += [one for one in only_verified if one.kind is FindingKind.VERIFIED][:1]
    for one in findings:
        own = (one.next_step,) if one.next_step else ()
        advice = advice_for(one.kind) if one in deciding else None
        if advice or own:
            yield Reason(
                advice=advice or Advice(headline=""),
                server=one.server,
                own_steps=own,
                names=_names(one.server, one.monitor),
            )


def _names(server: str, monitor: str | None) -> dict[str, str]:
    known = find_monitor(monitor) if monitor else None
    return {
        "server": server,
        "front_end": server,
        "monitor": monitor or "",
        "probe": (known.probe or "") if known else "",
        "service": _SERVICE.get(known.procedure, "") if known else "",
    }


def _tried(steps: Iterable[Step]) -> str:
    """What a run has restarted, as the end of a headline."""
    done = {step.action.partition("(")[0] for step in steps if outcome_of(step.outcome).good}
    said = ["POP3"] if RESTART_SERVICE.name in done else []
    said += ["the server"] if REBOOT.name in done else []
    return f" after a restart of {' and of '.join(said)}" if said else ""


def _told(steps: Iterable[Step]) -> str:
    """Whether a run has told the server to restart: unknown where it went on after a crash."""
    unclear = any(one.action == REBOOT.name and one.outcome == COULD_NOT_TELL for one in steps)
    return "may have been told" if unclear else "was told"


# --- in one sentence -----------------------------------------------------------------------------


def drained(debts: Iterable[DebtReport], runs: Iterable[RunReport]) -> dict[str, str]:
    """The servers that are left drained: by name ``is``, or ``may be`` where that wasn't seen."""
    left = [one for one in debts if one.status is DebtStatus.HANDED_OVER]
    names = [one.server for one in left if one.kind is DebtKind.ACTIVATION_DISABLED]
    came_to = {
        run.server: step.outcome for run in runs for step in run.steps if step.action == DRAIN.name
    }
    return {
        name: "may be" if came_to.get(name) == COULD_NOT_TELL else "is"
        for name in dict.fromkeys(names)
    }


def in_a_sentence(run: RunReport) -> str:
    """Why a run ended without success: what is so, and what was said."""
    step = decisive_step(run.steps)
    if step is None:
        return f"procedure '{run.procedure}' ended as {run.path[-1]}"
    reason = _of_step(step, run)
    headline = reason.headline if reason else ""
    if headline and not (reason and reason.advice.is_down) and _fails(step, run.steps):
        headline = f"POP still fails, and {headline}"
    plain = f"{run.procedure} ended at {step.state} ({step.outcome})"
    said = f": {step.detail}" if step.detail else ""
    return f"{headline or plain}{said}"


def _fails(last: Step, steps: Iterable[Step]) -> bool:
    """Whether a probe before the last step had failed, and none has succeeded since."""
    probes = [one for one in steps if one.action.partition("(")[0] == PROBE.name]
    return bool(probes) and probes[-1] is not last and probes[-1].outcome == FAILED


def worst_first(summary: str, runs: Sequence[RunReport], debts: Iterable[DebtReport]) -> str:
    """A summary that begins with what is worst: a server that is down, then one left drained."""
    down = [reason.headline for run in reversed(runs) for reason in _down(run)]
    told = [summary if summary.startswith(one) else one for one in down]
    told += [f"{server} {how} left drained" for server, how in drained(debts, runs).items()]
    *first, last = dict.fromkeys([*told, summary])
    return "; ".join([*(one.rstrip(".") for one in first), last])

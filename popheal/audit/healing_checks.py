"""What must hold for a healing as a whole, its rows included; and what its rows leave open."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final

from popheal.audit.records import HealingStory, RunStory
from popheal.audit.table_checks import stopped_at
from popheal.journal import entries
from popheal.journal.entries import EXPIRED, GRANTED, REFUSED, EffectIntended, Entry
from popheal.policy.policy import Consent, Policy
from popheal.reports.report import FindingKind
from popheal.tables.actions import ACTIVATE_COMPONENT, Impact
from popheal.tables.table import Verdict

#: The run at fault (empty: the healing as a whole), the entry, and a sentence.
Found = Iterator[tuple[str, Entry | None, str]]

#: A clock that is corrected while healings go on may be set back by this much.
_CORRECTED: Final = timedelta(seconds=30)
_ANSWERS: Final = (GRANTED, REFUSED, EXPIRED)
#: Verdicts that say that nothing was changed.
_UNTOUCHED: Final = (Verdict.NOTHING_WRONG, Verdict.TRANSIENT, Verdict.HELD, Verdict.UNKNOWN)


def _top(story: HealingStory) -> list[RunStory]:
    """The runs on the alert's server, in order; not those that are part of another."""
    return [
        run
        for run in story.runs.values()
        if not any(line.parent for line in run.lines if isinstance(line, entries.RunStarted))
    ]


# --- the rows ------------------------------------------------------------------------------------


def times_are_in_order(story: HealingStory) -> Found:
    """J2: no entry is of a time before the one in front of it, nor after the end.

    A process tells its times without steps, even if its clock is set meanwhile. Another one that
    takes over, or answers a question, goes by what the clock shows then.
    """
    last: datetime | None = story.begun_at
    takeovers = [n for n, one in enumerate(story.lines) if isinstance(one, entries.TakenOver)]
    for number, line in enumerate(story.lines):
        if isinstance(line, entries.ApprovalAnswered):
            continue
        others = isinstance(line, entries.TakenOver)
        if last and line.at < last - _CORRECTED and not others:
            yield line.run_id, line, f"it is of {line.at}, and what comes before it of {last}"
        of_the_last = not takeovers or number >= takeovers[-1]
        if story.ended_at and of_the_last and line.at > story.ended_at + _CORRECTED:
            yield line.run_id, line, f"it is of {line.at}, after the healing had ended"
        last = line.at


def runs_begin_with_their_start(story: HealingStory) -> Found:
    """J3: a run is started once, before anything is done in it."""
    for run in story.runs.values():
        lines = run.moments
        if not isinstance(lines[0], entries.RunStarted):
            yield run.id, lines[0], "the run has no start before this"
        for line in lines[1:]:
            if isinstance(line, entries.RunStarted):
                yield run.id, line, "the run is started a second time"
        if not run.id.startswith(f"{story.id}."):
            yield run.id, lines[0], "the run is not named after its healing"


def paths_grow_step_by_step(story: HealingStory) -> Found:
    """J4: each step goes on where the one before led, so that none is missing."""
    for run in story.runs.values():
        for earlier, later in pairwise(run.moments):
            if (problem := _path_problem(earlier, later)) is not None:
                yield run.id, later, problem


def _path_problem(earlier: entries.RunEntry, later: entries.RunEntry) -> str | None:
    before, now = earlier.run.path, later.run.path
    if now[: len(before)] != before or later.run.state != now[-1]:
        return "the states that it went through are others than before"
    moved = isinstance(later, entries.ActionFinished | entries.RunStopped)
    if earlier.run.hash != later.run.hash:  # settled on another table
        return None
    if len(now) != len(before) + moved:
        return f"{len(now) - len(before)} steps were taken here, where {moved:d} is written down"
    if isinstance(later, entries.ActionFinished) and later.state != before[-1]:
        return f"it is about {later.state}, but the run was at {before[-1]}"
    return None


def report_agrees(story: HealingStory) -> Found:
    """J5: the report says what the entries say."""
    report = story.report
    if not story.ended:
        if report is not None or story.verdict is not None:
            yield "", None, "it has not ended, but has a verdict or a report"
        return
    if report is None:
        yield "", None, "it has ended without a report"
        return
    said = story.verdict.value if story.verdict else "none"
    if report.get("verdict") != said:
        yield "", None, f"its verdict is {said}, and its report says {report.get('verdict')}"
    if report.get("id") != story.id:
        yield "", None, f"its report is that of {report.get('id')}"
    told = {one.get("id"): one for one in report.get("runs", ())}
    for name in {*told} ^ {*story.runs}:
        where = "the report" if name in told else "the entries"
        yield str(name), None, f"only {where} has this run"
    for run in story.runs.values():
        if run.id in told and tuple(told[run.id].get("path", ())) != run.then.path:
            yield run.id, run.lines[-1], "the report tells of other states than the entries"


# --- properties of all runs together -------------------------------------------------------------


def approvals_are_answered(story: HealingStory) -> Found:
    """P12, the questions: each has an answer, and each answer a question."""
    asked = [line for line in story.lines if isinstance(line, entries.ApprovalAsked)]
    answered = [line for line in story.lines if isinstance(line, entries.ApprovalAnswered)]
    stop = _stopped(story)
    for one in asked:
        moot = stop is not None and stop > one.seq
        if story.ended and not moot and not any(_answers(one, line) for line in answered):
            yield one.run_id, one, "an approval was asked for, and it is not said what came of it"
    for line in answered:
        questions = [one for one in asked if _answers(one, line)]
        if line.outcome not in _ANSWERS:
            yield line.run_id, line, f"an approval was answered with '{line.outcome}'"
        if not questions:
            yield line.run_id, line, "an approval was answered that nobody had asked for"
        elif line.outcome == GRANTED and line.at > questions[-1].expires_at:
            yield line.run_id, line, "an approval was granted after it had expired"


def effects_were_approved(story: HealingStory) -> Found:
    """P12, the effects: what needs an approval comes after one."""
    answered = [line for line in story.lines if isinstance(line, entries.ApprovalAnswered)]
    for run in story.runs.values():
        for line in run.harmful:
            policy = story.policy_at(line.seq)
            if policy is None or not _needs_approval(policy, run, line):
                continue
            before = [one for one in answered if one.run_id == run.id and one.seq < line.seq]
            if not before or before[-1].outcome != GRANTED:
                yield run.id, line, f"{line.what} on {line.server} without the approval it needed"


def _needs_approval(policy: Policy, run: RunStory, line: EffectIntended) -> bool:
    impact = run.impact_of(line)
    if policy.approval_undecided and any(
        one.seq < line.seq and run.impact_of(one) is Impact.DISRUPT for one in run.intents
    ):
        return False  # what begins with a drain is decided with it
    special = line.effect in ACTIVATE_COMPONENT.effects and policy.pop_proxy is Consent.ASK
    return special or policy.needs_approval(impact)


def _answers(question: entries.ApprovalAsked, answer: entries.ApprovalAnswered) -> bool:
    same = (answer.run_id, answer.plan) == (question.run_id, question.plan)
    return same and answer.seq > question.seq


def _stopped(story: HealingStory) -> int | None:
    stops = [at for run in story.runs.values() if (at := stopped_at(run)) is not None]
    return min(stops, default=None)


def after_a_stop_only_restoring(story: HealingStory) -> Found:
    """P18: once a stop was heeded, nothing is changed any more in any run."""
    stop = _stopped(story)
    if stop is None:
        return
    for run in story.runs.values():
        for line in run.harmful:
            if line.seq > stop:
                yield run.id, line, f"{line.what} on {line.server}, after a person had said stop"


def _is_undecided(story: HealingStory) -> bool:
    """Whether it ended where nobody had decided if a server may be taken out of service."""
    return any(
        line.step.kind is FindingKind.UNDECIDED
        for run in story.runs.values()
        for line in run.outcomes
    )


def _disruptions(story: HealingStory) -> Found:
    for run in story.runs.values():
        for line in run.harmful:
            if run.impact_of(line) is Impact.DISRUPT:
                yield run.id, line, f"{line.what}, though nobody had decided that it may be"


def verdict_is_true(story: HealingStory) -> Found:
    """P22, the part of the healing: its verdict fits those of its runs, and what was done."""
    if not story.ended or story.verdict is None:
        return
    top = _top(story)
    verdicts = [run.verdict for run in top]
    if story.verdict is Verdict.RECOVERED and (not top or {*verdicts} != {Verdict.RECOVERED}):
        yield "", None, "it is said to have recovered, but not every run has"
    elif story.verdict is Verdict.HELD and _is_undecided(story):
        yield from _disruptions(story)
        return
    elif verdicts and verdicts[-1] not in (Verdict.RECOVERED, story.verdict):
        said = verdicts[-1].value if verdicts[-1] else "not ended"
        yield top[-1].id, None, f"the last run is {said}, and the healing {story.verdict.value}"
    if story.verdict in _UNTOUCHED:
        for run in story.runs.values():
            for line in run.harmful[:1]:
                yield run.id, line, f"{line.what}, though the verdict is {story.verdict.value}"


# --- what is left open ---------------------------------------------------------------------------


def notes_of(story: HealingStory) -> Iterator[tuple[str, str]]:
    """What could not be checked, or has not ended: the sentence, and what it is about."""
    if story.damages:
        yield "other properties of what can't be read in full are not checked", story.id
        return
    if not story.ended:
        yield "not ended: being carried out, or to be gone on with (popheal resume)", story.id
    for kind in sorted(story.unknown):
        yield (
            f"entries of the kind '{kind}', which this popheal does not know, are left out",
            (story.id),
        )
    if any(policy is None for _, policy in story.policies):
        yield "the policy can't be read by this popheal: P3, P8 and P12 are not checked", story.id
    for run in story.runs.values():
        if run.table_of(run.then) is None:
            told = f"{run.then.procedure}, table {run.then.hash}"
            yield f"this popheal does not know the {told}: P15, P16 and P23 are not checked", run.id

"""Carrying one run out, from where it is to its end; each action is written down."""

from __future__ import annotations

from popheal.engine.actions.handlers import HANDLERS
from popheal.engine.authorize import authorize
from popheal.engine.case import RunRecord
from popheal.engine.context import ActionResult, RunContext
from popheal.engine.not_commanded import EffectCancelled, EffectInterrupted
from popheal.engine.requests import Sync
from popheal.errors import BackendError, JournalError, PophealError
from popheal.journal import entries
from popheal.reports import events
from popheal.reports.reasons import kind_of
from popheal.reports.report import FindingKind, Step
from popheal.tables.actions import Action
from popheal.tables.outcomes import COULD_NOT_TELL
from popheal.util.defects import DEFECTS, describe_defect


async def execute(run_record: RunRecord) -> None:
    """Carry a run out, from where it is to its end."""
    run, work = run_record.run, run_record.work
    session = work.session
    if run.verdict:
        return
    while not run.verdict:
        if not work.rejoins and await _is_stopped(work):
            await _cancel(work)
            continue
        try:
            run_record.steps.append(await _take_step(work))
        except EffectInterrupted:
            session.progress.clear()  # its intent stands: the action looks first, as after a crash
    steps = run_record.steps
    took = (session.clock.now() - steps[0].started_at).total_seconds() if steps else 0.0
    work.emit(events.RunEnded, verdict=run.verdict, seconds=max(0.0, took))


async def _is_stopped(work: RunContext) -> bool:
    """Whether a person has said stop, and nothing that was begun is to be looked into first."""
    await Sync()
    interrupted = bool(work.memory.intended)
    return work.session.control.cancelled and not work.run.cancelled and not interrupted


async def _cancel(work: RunContext) -> None:
    """Carry out a person's stop: from here on, only what restores."""
    session, run = work.session, work.run
    session.restoring = True
    row = run.cancel()
    await work.write(entries.RunStopped)
    work.emit(events.TransitionTaken, outcome=row.outcome, why=str(row.why))


def _is_cut_short(work: RunContext, action: Action, result: ActionResult) -> bool:
    """Whether a person's stop ended the action early, so that its outcome means nothing.

    Only where it changed nothing: what an effect has come to always counts.
    """
    if not work.session.control.cancelled or work.run.cancelled:
        return False
    if not result.attempted:
        return True
    return action.impact.harmless and not action.incurs and not action.pays


async def _perform(work: RunContext, action: Action) -> ActionResult:
    """Carry an action out, unless something speaks against it now."""
    if work.rejoins:
        return await HANDLERS[action.name](work)  # it was authorised when it was begun
    interrupted = bool(work.memory.intended)
    refusal = await authorize(work, action, may_ask=not interrupted)
    why = refusal.reason if refusal else ""
    if interrupted:
        # It may have been done before popheal was interrupted: look, whatever speaks against it.
        work.withheld = "a person said stop" if work.session.control.cancelled else why
    elif why:
        kind = refusal.kind if refusal else None
        return ActionResult("refused", why, attempted=False, kind=kind)
    return await HANDLERS[action.name](work)


async def _result_of(work: RunContext, action: Action) -> ActionResult:
    """What comes of an action: where an error that a handler lets escape becomes an outcome.

    A handler catches what it expects, and after a command looks what came of it. So what escapes
    from an effect did so before the command, and nothing was changed; unless it may have been
    commanded before popheal was interrupted: then nobody knows.
    """
    untouched = "refused" in action.outcomes and not work.memory.intended
    try:
        return await _perform(work, action)
    except (JournalError, EffectInterrupted):
        raise
    except EffectCancelled as error:
        work.run.disown()
        return ActionResult("refused", str(error), attempted=False)
    except BackendError as error:
        if untouched:
            return ActionResult("refused", f"not attempted: {error}", kind=kind_of(error))
        return ActionResult(COULD_NOT_TELL, str(error), kind=kind_of(error))
    except DEFECTS as error:
        if COULD_NOT_TELL not in action.outcomes:
            raise  # there is no way on: the healing ends, and hands over
        # Debts must be paid all the same.
        return ActionResult(COULD_NOT_TELL, describe_defect(error), kind=FindingKind.DEFECT)
    except PophealError as error:
        return ActionResult(COULD_NOT_TELL, str(error))


async def _take_step(work: RunContext) -> Step:
    """Perform the present action, and move the run on."""
    session, run, state = work.session, work.run, work.run.state
    action = run.next_action()
    if action is None:
        raise AssertionError("an ended run takes no step")
    started = work.began = work.began or session.clock.now()
    if not work.rejoins:
        session.note_clock()
        work.emit(events.ActionStarted, action=str(action), impact=action.impact)
    result = await _result_of(work, action)
    said = {"action": str(action), "outcome": result.outcome, "detail": result.detail}
    took = (session.clock.now() - started).total_seconds()
    work.emit(events.ActionFinished, **said, seconds=took, kind=result.kind)
    cut_short = _is_cut_short(work, action, result)
    session.restoring = session.restoring or cut_short
    row = run.cancel() if cut_short else run.observe(result.outcome)
    work.memory.moved_on()
    session.progress.clear()
    work.began, work.withheld, work.rejoins = None, "", False
    finished = session.clock.now()
    step = Step(
        state=state,
        impact=action.impact,
        started_at=started,
        finished_at=finished,
        kind=result.kind,
        about=result.about,
        log=result.log,
        **said,
    )
    others = result.by_others
    await work.write(entries.ActionFinished, step=step, dag=work.dag, by_others=others)
    work.emit(events.TransitionTaken, source=state, outcome=row.label, why=str(row.why))
    return step

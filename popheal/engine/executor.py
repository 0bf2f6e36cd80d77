"""Carrying one run out, from where it is to its end; each action is written down."""

from __future__ import annotations

from popheal.engine.actions.handlers import HANDLERS
from popheal.engine.authorize import authorize
from popheal.engine.case import RunRecord
from popheal.engine.context import ActionResult, EffectCancelled, RunContext
from popheal.engine.requests import Steps, do
from popheal.errors import JournalError, PophealError
from popheal.journal import Kind
from popheal.reports.report import Step
from popheal.tables.actions import COULD_NOT_TELL, Action
from popheal.util.serialize import to_jsonable


def go_on(run_record: RunRecord) -> Steps[None]:
    """Carry a run out, from where it is to its end."""
    run, work = run_record.run, run_record.work
    session = work.session
    if run.verdict:
        return
    while not run.verdict:
        yield from do(session.sync_with_journal)
        interrupted = bool(work.memory.intended)
        if session.stop.is_set() and not run.cancelled and not interrupted:
            yield from _cancel(work)
            continue
        run_record.steps.append((yield from _take_step(work)))
    session.emit("run_ended", run.server, run, verdict=run.verdict.value)


def _cancel(work: RunContext) -> Steps[None]:
    """Heed a person's stop: from here on, only what restores."""
    session, run = work.session, work.run
    session.restoring = True
    row = run.cancel()
    yield from do(
        session.current_lease.write,
        Kind.CANCELLED,
        at=session.clock.now(),
        server=run.server,
        run=run.id,
        data=work.as_json(),
    )
    session.emit("transition", run.server, run, outcome=row.outcome, why=str(row.why))


def _is_cut_short(work: RunContext, action: Action, observed: ActionResult) -> bool:
    """Whether a person's stop ended the action early, so that its outcome means nothing.

    Only where it changed nothing: what an effect has come to is always heeded.
    """
    if not work.session.stop.is_set() or work.run.cancelled:
        return False
    if not observed.attempted:
        return True
    return action.impact.harmless and not action.incurs and not action.pays


def _perform(work: RunContext, action: Action) -> Steps[ActionResult]:
    """Carry an action out; an answer that breaks its performer is an answer that tells nothing."""
    try:
        return (yield from HANDLERS[action.name](work))
    except JournalError:
        raise
    except EffectCancelled as error:
        work.run.disown()
        return ActionResult("refused", str(error), attempted=False)
    except PophealError as error:
        return ActionResult(COULD_NOT_TELL, str(error))
    except Exception as error:  # noqa: BLE001 - debts must be paid, whatever a backend returns
        cause = f"{type(error).__name__}: {error}"
        return ActionResult(COULD_NOT_TELL, f"an answer of the backend can't be used: {cause}")


def _attempt(work: RunContext, action: Action) -> Steps[ActionResult]:
    """Carry an action out, unless something speaks against it now."""
    interrupted = bool(work.memory.intended)
    refusal = yield from authorize(work, action, may_ask=not interrupted)
    why = refusal.reason if refusal else ""
    if interrupted:
        # It may have been done before popheal was interrupted: look, whatever speaks against it.
        work.withheld = "a person said stop" if work.session.stop.is_set() else why
    elif why:
        return ActionResult("refused", why, attempted=False)
    return (yield from _perform(work, action))


def _take_step(work: RunContext) -> Steps[Step]:
    """Perform the present action, and move the run on."""
    session, run, state = work.session, work.run, work.run.state
    action = run.next_action()
    if action is None:
        raise AssertionError("an ended run takes no step")
    started = session.clock.now()
    session.emit("action_started", run.server, run, action=str(action), impact=action.impact.value)
    observed = yield from _attempt(work, action)
    session.emit(
        "action_finished",
        run.server,
        run,
        action=str(action),
        outcome=observed.outcome,
        detail=observed.detail,
    )
    cut_short = _is_cut_short(work, action, observed)
    session.restoring = session.restoring or cut_short
    row = run.cancel() if cut_short else run.observe(observed.outcome)
    work.memory.moved_on()
    work.withheld = ""
    step = Step(
        state=state,
        action=str(action),
        impact=action.impact,
        outcome=observed.outcome,
        started_at=started,
        finished_at=session.clock.now(),
        detail=observed.detail,
    )
    yield from do(
        session.current_lease.observe,
        at=step.finished_at,
        server=run.server,
        run=run.id,
        action=action.name,
        outcome=observed.outcome,
        data={"step": to_jsonable(step), "dag": work.dag, **work.as_json()},
    )
    session.emit("transition", run.server, run, source=state, outcome=row.label, why=str(row.why))
    return step

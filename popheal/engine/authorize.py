"""Whether a person approves of what a run is about to do, where the policy wants that.

An approval names a plan: the procedure's table, the state of the server, the policy, and the
worst case. It holds for all effects of the run, as long as the state is the one that the plan
starts from, apart from what the run itself has changed; so before each effect it is read again.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from attrs import evolve

from popheal.engine.approval import Approval, ApprovalRequest
from popheal.engine.context import HealingContext, RunContext
from popheal.engine.limits import Refusal, check_limits
from popheal.engine.looks.server_state import Seen, look_for_plan, look_for_state
from popheal.engine.plan import PlannedRun, plan_run
from popheal.engine.plan_basis import ServerState, drift
from popheal.engine.requests import Ask, AtWork, Pause, Prompt, Reread, Settle
from popheal.errors import BackendError
from popheal.exchange.interpret import booted_since, same_boot
from popheal.journal.entries import EXPIRED, GRANTED, REFUSED, ApprovalAsked
from popheal.policy.policy import Policy
from popheal.reports import events
from popheal.reports.report import FindingKind
from popheal.tables.actions import REBOOT, RECOVER_BACKENDS, Action
from popheal.tables.debts import DebtKind
from popheal.util.serialize import from_jsonable, to_jsonable
from popheal.util.text import moment

if TYPE_CHECKING:
    from popheal.journal import Question


async def authorize(work: RunContext, action: Action, *, may_ask: bool = True) -> Refusal | None:
    """What speaks against an action now: the policy, or that nobody has approved of it.

    Args:
        work: The run.
        action: What it is about to do.
        may_ask: Whether a person may be asked. Not where the action was begun before a crash.

    Raises:
        BackendError: If it can't be told.
    """
    refusal = await check_limits(work, action)
    if refusal or not _is_asked_about(work, action):
        return refusal
    if work.memory.approval is None and may_ask:
        refusal = await _ask(work, action)
        # A person may have taken an hour to answer.
        refusal = refusal or await check_limits(work, action)
    return refusal or await _why_not_approved(work, action)


def _is_asked_about(work: RunContext, action: Action) -> bool:
    """Recovering back ends is not: each of them is a run of its own, and asks for itself.

    Nor is what follows a drain that somebody let it do: a server that is drained by us would only
    be left so.
    """
    policy = work.session.policy
    if policy.approval_undecided and work.memory.approval is None and _drained(work) is not None:
        return False
    return action.name != RECOVER_BACKENDS.name and policy.asks_about(action)


def _setting(policy: Policy, action: Action) -> str:
    """The setting of the policy by which an action is asked about, as a file has it."""
    if policy.approval_from and policy.needs_approval(action.impact):
        return f"approval_from = '{policy.approval_from.value}'"
    if policy.approval_undecided and policy.needs_approval(action.impact):
        return "approval_from is not set"
    return f"pop_proxy = '{policy.pop_proxy.value}'"


def nobody_to_ask(session: HealingContext) -> bool:
    """Whether there is neither an approver nor a journal file by which somebody could answer."""
    return session.approver is None and session.current_lease.in_memory


def _no(reason: str) -> Refusal:
    return Refusal(FindingKind.APPROVAL, reason)


def _drained(work: RunContext) -> tuple[str, ...] | None:
    """What was active before this run drained the server; None if it did not."""
    owed = work.run.owed(DebtKind.ACTIVATION_DISABLED)
    return work.memory.active_before if owed else None


def _plan(work: RunContext, seen: Seen) -> PlannedRun:
    return plan_run(
        work.run.procedure,
        server=work.server,
        monitor=work.run.monitor,
        mailbox_role=work.info.mailbox_role,
        policy=work.session.policy,
        facts=seen.facts,
        moves=seen.moves,
        notes=seen.notes,
        obstacles=seen.obstacles,
    )


# --- once approved -------------------------------------------------------------------------------


async def _why_not_approved(work: RunContext, action: Action) -> Refusal | None:
    """Whether the approval still stands, right before an effect."""
    approval = work.memory.approval
    if approval is None:
        setting = _setting(work.session.policy, action)
        return _no(f"nobody has approved of it (policy: {setting})")
    if work.session.clock.now() >= approval.until:
        return _no(f"the approval of plan {approval.plan} has expired, at {moment(approval.until)}")
    try:
        now = await look_for_state(work.session, work.server, _drained(work))
    except BackendError as error:
        return _no(f"whether the state is still the one that was approved can't be told: {error}")
    if action.name == REBOOT.name and booted_since(work.memory.boot_at_start, now.booted_at):
        return None  # then it is not restarted again, so there is nothing to approve
    before = from_jsonable(approval.facts, ServerState)
    if same_boot(before.booted_at, now.booted_at):
        now = evolve(now, booted_at=before.booted_at)
    changed = drift(before, now)
    if changed:
        return _no(f"the state has changed since it was approved: {'; '.join(changed)}")
    plan = _plan(work, Seen(facts=now))
    if plan.hash != approval.plan:
        return _no("the policy has changed since it was approved")
    if not approval.begun:
        _begin(work, approval, plan.worst_case.seconds)
    return None


def _begin(work: RunContext, approval: Approval, worst_case: float) -> None:
    end = work.session.clock.now() + timedelta(seconds=worst_case)
    work.memory.approval = evolve(approval, begun=True, until=max(approval.until, end))


# --- asking --------------------------------------------------------------------------------------


async def _ask(work: RunContext, action: Action) -> Refusal | None:
    """Ask a person, and wait for the answer; None if it is yes."""
    session = work.session
    if session.policy.approval_undecided and session.approver is None:
        return Refusal(
            FindingKind.UNDECIDED,
            "the policy does not say approval_from, and there is nobody to ask; under [policy], "
            'approval_from = "disrupt" asks a person each time, "never" asks nobody',
        )
    if nobody_to_ask(session):
        return _no(
            f"it needs a person's approval (policy: {_setting(session.policy, action)}), and there "
            "is nobody to ask: neither an approver, nor a journal file by which somebody could "
            "answer"
        )
    not_by = await _not_by(work)
    if isinstance(not_by, Refusal):
        return not_by
    try:
        seen = await look_for_plan(work.session, work.server, _drained(work))
    except BackendError as error:
        return _no(f"what would have to be approved can't be told: {error}")
    plan = _plan(work, seen)
    now = session.clock.now()
    asked = ApprovalAsked(
        at=now,
        server=work.server,
        run_id=work.run.id,
        plan=plan.hash,
        impact=plan.impact,
        expires_at=now + timedelta(seconds=session.timing.approval_deadline),
        planned=plan.to_json(),
        not_by=not_by,
    )
    question = await Ask(asked)
    if not question.outcome:
        work.emit(
            events.ApprovalAsked,
            plan=plan.hash,
            impact=plan.impact,
            action=action.sentence,
            expires_at=question.expires_at,
            databases=tuple(one.database for one in plan.databases),
        )
        question = await _answered(work, action, question, plan)
        said = {"outcome": question.outcome, "by": question.by}
        work.emit(events.ApprovalAnswered, plan=plan.hash, **said)
    if question.outcome != GRANTED:
        return _no(_why_refused(question))
    work.memory.approval = Approval(
        plan=plan.hash, facts=to_jsonable(seen.facts), until=question.expires_at
    )
    return None


async def _not_by(work: RunContext) -> tuple[str, ...] | Refusal:
    """The accounts by which it can't be approved, if another person must; or why nobody can."""
    if not work.session.policy.approval_by_another:
        return ()
    if work.session.current_lease.in_memory:
        return _no(
            "it needs another person's approval (policy: approval_by_another), and there is no "
            "journal file by which somebody else could answer"
        )
    people = await AtWork()
    if "" in people:
        return _no(
            "it needs another person's approval (policy: approval_by_another), and an older "
            "version did not write down who began this healing"
        )
    return people


def _why_refused(question: Question) -> str:
    if question.outcome == EXPIRED:
        return f"nobody answered in time whether plan {question.plan} may be carried out"
    return f"plan {question.plan} was refused, by {question.by}"


async def _answered(
    work: RunContext, action: Action, question: Question, plan: PlannedRun
) -> Question:
    """Wait until somebody has answered, the time is up, or a person says stop."""
    session, lease = work.session, work.session.current_lease

    def settle(outcome: str, by: str) -> Settle:
        return Settle(question=question, at=session.clock.now(), outcome=outcome, by=by)

    if session.approver and session.clock.now() < question.expires_at:
        said = await _consult(work, question, plan, action)
        if said and question.not_by:
            said = None  # whoever sits in front of this process has begun it
        if said is not None and session.clock.now() < question.expires_at:
            return await settle(GRANTED if said else REFUSED, "whoever was asked")
        if said is None and lease.in_memory and not session.stop_requested:
            return await settle(REFUSED, "nobody: the approver left it to a journal file")
    most = (question.expires_at - question.asked_at).total_seconds()
    left = (question.expires_at - session.clock.now()).total_seconds()
    work.emit(events.Pausing, what="an approval", seconds=left, most=most)
    while True:
        question = await Reread(question)
        if question.outcome:
            return question
        if session.stop_requested:
            return await settle(REFUSED, "the person who said stop")
        left = (question.expires_at - session.clock.now()).total_seconds()
        if left <= 0:
            return await settle(EXPIRED, "")
        await Pause(left, question=question)


async def _consult(
    work: RunContext, question: Question, plan: PlannedRun, action: Action
) -> bool | None:
    """The approver's answer; anything but True and False is none."""
    request = ApprovalRequest(
        run=work.run.id,
        server=work.server,
        plan=plan,
        action=action.sentence,
        asked_at=question.asked_at,
        expires_at=question.expires_at,
        journal=work.session.current_lease.path,
        by_another=bool(question.not_by),
    )
    said = await Prompt(request, question)
    return said if isinstance(said, bool) else None

"""What must hold for the debts of each run: put back, or handed over in so many words."""

from __future__ import annotations

from typing import Final

from popheal.audit.records import RunStory
from popheal.audit.run_checks import Found, intents, is_of_mailbox_side, waited
from popheal.healthsets.pop.catalog import MAILBOX_SIDE, find_monitor
from popheal.journal.entries import ActionFinished, EffectIntended
from popheal.tables.actions import ACTIONS
from popheal.tables.debts import Debt, DebtKind, DebtStatus
from popheal.tables.outcomes import outcome_of
from popheal.tables.table import Verdict

#: Which effect incurs each debt, and which actions pay it.
_PAYMENT: Final = {
    one.incurs: (
        one.effects[0],
        tuple(two.name for two in ACTIONS.values() if two.pays is one.incurs),
    )
    for one in ACTIONS.values()
    if one.incurs
}


def only_what_we_set(run: RunStory) -> Found:
    """P21: each value put back is what it was before we set it."""
    for kind, (effect, _) in _PAYMENT.items():
        for line in intents(run, effect):
            debt = line.run.owes(kind)
            if debt is None:
                yield line, f"{effect} on {line.server}, of which the run says nothing to put back"
            elif debt.prior or line.values.get("prior"):
                yield line, f"{effect} on {line.server}, which somebody else had set before"
            elif not line.value and not _set_by_us(run, effect, line):
                yield line, f"{effect} on {line.server} was to be undone, but was not set by us"
    for line in intents(run, "move_database"):
        drained = intents(run, "set_activation_disabled", value=True)
        ours = drained[-1].values.get("active", []) if drained else []
        if line.values.get("database") not in ours:
            yield (
                line,
                f"{line.values.get('database')} was to be moved, which we had not moved away",
            )


def _set_by_us(run: RunStory, effect: str, back: EffectIntended) -> bool:
    return any(
        line.value is not back.value and line.seq < back.seq for line in intents(run, effect)
    )


def logging_is_settled(run: RunStory) -> Found:
    """P9: put back and reloaded, or tried in vain and handed over."""
    yield from _settled(run, DebtKind.PROTOCOL_LOGGING)
    for debt in _ended_debts(run, DebtKind.PROTOCOL_LOGGING, DebtStatus.HANDED_OVER):
        set_on = intents(run, "set_protocol_logging", value=True)
        tried = [
            line
            for line in run.outcomes
            if line.what == "restore_protocol_logging" and set_on and line.seq > set_on[-1].seq
        ]
        if not tried:
            yield None, f"protocol logging of {debt.server} was handed over, and not set back first"


def activation_is_settled(run: RunStory) -> Found:
    """P10: allowed again after a recovery, else handed over."""
    yield from _settled(run, DebtKind.ACTIVATION_DISABLED)


def well_servers_are_put_back(run: RunStory) -> Found:
    """P26: where only the front end is unwell after a restart, it was tried to put it back."""
    table = run.table_of(run.then)
    if table is None or not any(is_of_mailbox_side(str(one.action)) for one in table.states):
        return  # an older table, which left it drained
    back = run.last("await_server")
    if back is None or back.outcome != "up" or find_monitor(run.then.monitor) in MAILBOX_SIDE:
        return
    if run.verdict is Verdict.CANCELLED:
        return
    later = [line for line in run.outcomes if line.seq > back.seq]
    looks = [line for line in later if line.what == "probe"]
    unwell = any(not _went_well(one) for one in looks if not is_of_mailbox_side(one.step.action))
    unproved = any(not _went_well(one) for one in looks if is_of_mailbox_side(one.step.action))
    tried = any(line.what == "fail_back" for line in later)
    for debt in _ended_debts(run, DebtKind.ACTIVATION_DISABLED, DebtStatus.HANDED_OVER):
        if unwell and not unproved and not tried:
            yield None, f"{debt.server} was left drained, although only its front end was unwell"


def _went_well(line: ActionFinished) -> bool:
    return outcome_of(line.outcome).good


def pop_proxy_is_settled(run: RunStory) -> Found:
    """P28: set back, or handed over, or seen to be of use after the wait."""
    yield from _settled(run, DebtKind.COMPONENT_ACTIVATED)
    kept, started = run.last("keep_component"), run.last("restart_service")
    if run.verdict is Verdict.RECOVERED and kept and started and not waited(run, started, kept):
        yield kept, f"PopProxy of {kept.server} was left active without having waited"


def _settled(run: RunStory, kind: DebtKind) -> Found:
    effect, payments = _PAYMENT[kind]
    for line in intents(run, effect, value=True):
        outcome = run.outcome_of(line)
        refused = outcome is not None and outcome.outcome == "refused"
        if run.ended and not refused and not any(one.kind is kind for one in run.then.debts):
            yield line, f"{effect} on {line.server} is not among what had to be put back"
    for debt in _ended_debts(run, kind, DebtStatus.OWED):
        yield None, f"{_named(debt)} was neither put back nor handed over"
    for debt in _ended_debts(run, kind, DebtStatus.PAID):
        paid = run.last(*payments)
        if paid is None or paid.outcome != "done":
            yield None, f"{_named(debt)} is said to be put back, but no step did that"
    for debt in _ended_debts(run, kind, DebtStatus.HANDED_OVER):
        if run.verdict is Verdict.RECOVERED:
            yield None, f"{_named(debt)} was handed over, and yet the run is said to have recovered"
        if run.healing.ended and not _is_in_writing(run, debt):
            yield None, f"{_named(debt)} was handed over, but the report does not say so"


def _ended_debts(run: RunStory, kind: DebtKind, status: DebtStatus) -> list[Debt]:
    if not run.ended:
        return []
    return [one for one in run.then.debts if one.kind is kind and one.status is status]


def _named(debt: Debt) -> str:
    return f"{debt.kind.value.replace('_', ' ')} of {debt.server}"


def _is_in_writing(run: RunStory, debt: Debt) -> bool:
    report = run.healing.report or {}
    told = {(one["kind"], one["server"], one["status"]) for one in report.get("debts", ())}
    named = (debt.kind.value, debt.server, debt.status.value)
    return bool(report.get("handover")) and named in told

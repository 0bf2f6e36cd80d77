"""What must hold for each run: one small function a property, which yields what breaks it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from popheal.audit.records import Memory, RunStory, came_of
from popheal.exchange.interpret import booted_since
from popheal.healthsets.pop.catalog import MAILBOX_SIDE, find_monitor
from popheal.journal.entries import ActionFinished, EffectIntended, Entry
from popheal.tables.actions import ACTIONS, PROBE_MAILBOX_SIDE
from popheal.tables.debts import DebtKind, DebtStatus
from popheal.tables.outcomes import COULD_NOT_TELL, outcome_of

#: What breaks a property: the entry at fault, if it is a single one, and a sentence.
Found = Iterator[tuple[Entry | None, str]]
RunCheck = Callable[[RunStory], Found]

LOOKS: Final = tuple(one.name for one in ACTIONS.values() if one.sees_pop)
#: After these, an earlier look at POP says nothing any more.
RESTARTS: Final = tuple(one.name for one in ACTIONS.values() if one.restarts or one.reboots)
#: The effects that each action has.
_EFFECTS: Final = {one.name: one.effects for one in ACTIONS.values() if one.effects}
#: How version 0.1.0 said that what was to be done had been done by somebody else: in a sentence.
_BY_OTHERS_IN_0_1_0: Final = (
    "it has been restarted meanwhile",
    "somebody else has put activation back",
)


def _saw_it_fail(look: ActionFinished) -> bool:
    return not outcome_of(look.outcome).good and look.outcome != COULD_NOT_TELL


def intents(run: RunStory, effect: str, *, value: bool | None = None) -> list[EffectIntended]:
    """What of an effect was written down before it, perhaps only where it set or set back."""
    return [
        line
        for line in run.intents
        if line.effect == effect and (value is None or line.value is value)
    ]


def is_stale(run: RunStory, look: ActionFinished | None, before: int | None) -> bool:
    """Whether the service or the server was restarted since POP was looked at."""
    restart = run.last(*RESTARTS, before=before)
    return restart is not None and (look is None or look.seq < restart.seq)


# --- before a reboot -----------------------------------------------------------------------------


def copies_were_clear(run: RunStory) -> Found:
    """P1: drained, and then seen to be clear."""
    for line in intents(run, "reboot"):
        if not line.run.mailbox_role:
            continue
        drained = run.last("drain", before=line.seq)
        looked = run.last("verify_copies", before=line.seq)
        if drained is None or drained.outcome != "done":
            yield line, f"{line.server} was to be restarted without having been drained"
        elif looked is None or looked.seq < drained.seq or looked.outcome != "clear":
            yield (
                line,
                (
                    f"{line.server} was to be restarted although it was not seen, after the drain, "
                    "that no active copy is left on it"
                ),
            )


def switchover_was_feasible(run: RunStory) -> Found:
    """P2, the part of one run: the rest of the group was seen to be able to take over."""
    for line in intents(run, "set_activation_disabled", value=True):
        looked = run.last("check_switchover", before=line.seq)
        if looked is None or looked.outcome != "feasible":
            yield line, f"{line.server} was to be drained without having seen that others can serve"


def restarted_at_most_once(run: RunStory) -> Found:
    """P3, the part of one run: once, and not after a restart by somebody else."""
    done = [line for line in run.outcomes if came_of(line, "reboot")]
    for again in done[1:]:
        yield again, f"{again.server} was restarted a second time in one run"
    for line in intents(run, "reboot"):
        before, booted = Memory.of(line).boot_at_start, line.booted_at
        if before and booted and booted_since(before, booted):
            yield line, f"{line.server} was to be restarted although it had been since triage"


def service_was_tried_first(run: RunStory) -> Found:
    """P6: the service was restarted, POP failed since, and the back end is ruled out."""
    for line in intents(run, "reboot"):
        tried = run.last("restart_service", before=line.seq)
        look = run.last(*LOOKS, before=line.seq)
        if tried is None or tried.outcome not in ("done", "failed"):
            yield line, f"{line.server} was to be restarted before its POP3 service was"
        elif look is None or look.seq < tried.seq or not _saw_it_fail(look):
            yield (
                line,
                (
                    f"{line.server} was to be restarted although POP was not seen to fail "
                    "after the service was restarted"
                ),
            )
        elif look.what == "check_health" and not waited(run, tried, look):
            yield line, f"{line.server} was to be restarted without the wait after the service was"
        if run.last("enable_protocol_logging", before=line.seq):
            found = run.last("find_backends", "check_backends", "recover_backends", before=line.seq)
            if found is None or found.outcome not in ("not_found", "healthy", "done"):
                yield (
                    line,
                    (
                        f"{line.server} was to be restarted while the back end that served "
                        "the probe was not known to be well"
                    ),
                )


def waited(run: RunStory, since: ActionFinished, until: ActionFinished) -> bool:
    waited = run.last("wait", before=until.seq)
    return waited is not None and waited.seq > since.seq


# --- effects -------------------------------------------------------------------------------------


def effects_were_intended(run: RunStory) -> Found:
    """P4: an intent before each effect, and word of what came of each intent."""
    since = 0
    for line in run.outcomes:
        mine = [one for one in run.intents if since < one.seq < line.seq and not _left(one, line)]
        since = line.seq
        allowed = _EFFECTS.get(line.what, ())
        for one in mine:
            if one.what not in allowed:
                yield one, f"{one.what} was to be done, which is no part of {line.what}"
        # Settled, it may find done what it had intended on the table that it came from.
        before = run.settled and any(
            one.what in allowed for one in run.intents if one.seq < line.seq
        )
        if not mine and not before and _must_have_acted(line):
            yield line, f"{line.what} is said to be {line.outcome}, but was not written down before"
    left = [one for one in run.intents if one.seq > since]
    if left and run.ended and not run.settled:
        yield left[0], f"{left[0].what} was to be done, and it is not said what came of it"


def _left(intent: EffectIntended, outcome: ActionFinished) -> bool:
    """Whether an effect was of a step that was not resumed, as its table had changed."""
    return intent.run.hash != outcome.run.hash


def _must_have_acted(line: ActionFinished) -> bool:
    """Whether what came of an action could not have come without its effect."""
    if line.what not in _EFFECTS or line.outcome not in ("done", "failed"):
        return False
    if line.by_others or line.step.detail.startswith(_BY_OTHERS_IN_0_1_0):
        return False
    if line.what in ("enable_protocol_logging", "restore_protocol_logging", "reload_pop3"):
        # Where logging had been on before, nothing is to be done, and nothing is owed; and where
        # it has been set back already, only the service is restarted.
        paid = line.what == "reload_pop3"
        return any(
            debt.kind is DebtKind.PROTOCOL_LOGGING and (paid or debt.status is not DebtStatus.PAID)
            for debt in line.run.debts
        )
    return True


def only_where_it_fails(run: RunStory) -> Found:
    """P5: the last look at POP there saw it fail."""
    for line in run.harmful:
        look = run.last(*LOOKS, before=line.seq)
        if not run.found:
            yield line, f"{line.what} on {line.server}, where no failure had been verified"
        elif look and (
            not _saw_it_fail(look)
            or run.impact_of(line).goes_beyond(outcome_of(look.outcome).furthest)
        ):
            yield line, f"{line.what} on {line.server}, where POP was last seen as: {look.outcome}"
        elif is_stale(run, look, line.seq):
            yield line, f"{line.what} on {line.server}, where POP was not looked at since a restart"


def within_the_policy(run: RunStory) -> Found:
    """P8: nothing beyond the highest impact that was allowed."""
    for line in run.harmful:
        policy, impact = run.healing.policy_at(line.seq), run.impact_of(line)
        if policy and not policy.allows(impact):
            limit = policy.highest_impact.value
            yield line, f"{line.what}, which is '{impact.value}'; '{limit}' was the most allowed"


def no_outcome_led_too_far(run: RunStory) -> Found:
    """P17: nothing follows that does more to the world than an outcome allows."""
    for line in run.outcomes:
        furthest = outcome_of(line.outcome).furthest
        later = run.lines[run.lines.index(line) + 1 :]
        following = next((one for one in later if one in run.harmful or one in run.outcomes), None)
        if isinstance(following, EffectIntended):
            impact = run.impact_of(following)
        elif isinstance(following, ActionFinished):
            impact = following.step.impact
        else:
            continue
        if impact.goes_beyond(furthest):
            said = "could not tell" if line.outcome == COULD_NOT_TELL else f"came to {line.outcome}"
            yield following, f"{line.what} {said}, and {following.what} followed"


def nothing_was_done_in_vain(run: RunStory) -> Found:
    """P24: nothing is changed once a look has said that nothing drastic helps."""
    said = next((one for one in run.outcomes if outcome_of(one.outcome).futile), None)
    if said is None:
        return
    for line in run.harmful:
        if line.seq > said.seq:
            yield line, f"{line.what} on {line.server}, although {said.what} came to {said.outcome}"


# --- putting back --------------------------------------------------------------------------------


def failed_back_on_a_good_boot(run: RunStory) -> Found:
    """P7: a probe of the mailbox side succeeded after the latest boot."""
    backs = [
        *intents(run, "set_activation_disabled", value=False),
        *intents(run, "move_database"),
    ]
    for line in backs:
        probed = _last_proof(run, line)
        boot = run.last("reboot", "await_server", "drain", before=line.seq)
        if probed is None or probed.outcome != "succeeded" or (boot and probed.seq < boot.seq):
            yield (
                line,
                (
                    f"{line.server} was to be failed back although no probe of its mailbox side "
                    "had succeeded on it since it was drained or restarted"
                ),
            )
        elif boot and boot.what == "reboot":
            yield line, f"{line.server} was to be failed back while a restart may still arrive"
        elif boot and not _passed_on(line, boot):
            yield line, f"{line.server} was to be failed back on a boot that no probe was seen on"


def _last_proof(run: RunStory, before: EffectIntended) -> ActionFinished | None:
    """The last probe that could show that the server's mailbox side serves.

    Tables of before that knew no such probe took any.
    """
    table = run.table_of(before.run)
    knows = table is None or any(is_of_mailbox_side(str(one.action)) for one in table.states)
    any_counts = not knows or find_monitor(run.then.monitor) in MAILBOX_SIDE
    probes = [
        line
        for line in run.outcomes
        if line.seq < before.seq
        and line.what == "probe"
        and (any_counts or is_of_mailbox_side(line.step.action))
    ]
    return probes[-1] if probes else None


def is_of_mailbox_side(action: str) -> bool:
    """Whether an action is a probe of the mailbox side, which proves a server for a failback."""
    return action == str(PROBE_MAILBOX_SIDE)


def _passed_on(line: EffectIntended, boot: ActionFinished) -> bool:
    """Whether the probe that succeeded is said to have run on the boot that was waited for."""
    passed = Memory.of(line).passed_on_boot
    if passed is None:
        return False
    booted = Memory.of(boot).changed_at if boot.what == "await_server" else None
    return booted is None or not booted_since(passed, booted)


def pop_proxy_was_checked(run: RunStory) -> Found:
    """P27: made active only after a look that found nothing against it, and not while owed."""
    for line in intents(run, "set_component_state", value=True):
        looked = run.last("check_component", before=line.seq)
        if looked is None or looked.outcome != "feasible":
            yield line, f"PopProxy of {line.server} was to be made active without a look before"
        again = [
            one
            for one in intents(run, "set_component_state", value=True)
            if one.seq < line.seq and one.state != line.state
        ]
        if again:
            yield line, f"PopProxy of {line.server} was to be made active a second time"

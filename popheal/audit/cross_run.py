"""What must hold between runs and healings: one member at a time, and the budget of reboots."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Final

from attrs import frozen

from popheal.audit.records import HealingStory, RunStory, Violation
from popheal.exchange.names import same_server, short_name
from popheal.journal.entries import ActionFinished, EffectIntended, Entry
from popheal.policy.policy import Policy
from popheal.tables.debts import DebtKind, DebtStatus

_DAY: Final = timedelta(days=1)
#: Of what has not ended.
_OPEN: Final = float("inf")


@frozen(kw_only=True)
class _Out:
    """A member of a group that was drained or down by us, from one entry to another."""

    server: str
    healing: str
    run: str
    since: int
    until: float


@frozen(kw_only=True)
class _Reboot:
    """A restart of a server that was, or may have been, commanded.

    Attributes:
        intents: The entries by which it was intended; none if somebody else was first.
    """

    server: str
    dag: str
    healing: str
    run: str
    seq: int
    at: datetime
    counts: bool
    intents: tuple[tuple[int, datetime], ...]
    policy: Policy | None


class Across:
    """Gathers the little that is needed of each healing; then tells what was broken."""

    def __init__(self) -> None:
        self._out: dict[tuple[str, str], list[_Out]] = defaultdict(list)
        self._reboots: dict[str, list[_Reboot]] = defaultdict(list)

    def add(self, story: HealingStory) -> None:
        """Note one healing."""
        for run in story.runs.values():
            for out, dag in _times_out(run):
                self._out[story.organisation, dag.casefold()].append(out)
            self._reboots[story.organisation] += _reboots(run)

    def violations(self) -> Iterator[Violation]:
        """Of P2 and P3."""
        for (_, dag), times in self._out.items():
            yield from _two_members(dag, sorted(times, key=lambda one: one.since))
        for reboots in self._reboots.values():
            yield from _beyond_the_budget(sorted(reboots, key=lambda one: one.seq))


# --- P2 ------------------------------------------------------------------------------------------


def _times_out(run: RunStory) -> Iterator[tuple[_Out, str]]:
    """When its server was drained or down by this run, and in which group."""
    since, drained, dag = None, False, ""
    for line in run.lines:
        if line in run.harmful and line.what in ("reboot", "set_activation_disabled"):
            drained = drained or line.what == "set_activation_disabled"
            since, dag = since or line.seq, run.dag_at(line.seq)
        elif since and _is_back(line, drained=drained):
            yield _out(run, since, line.seq), dag
            since, drained = None, False
    if since:
        yield _out(run, since, _end_of(run)), dag


def _is_back(line: Entry, *, drained: bool) -> bool:
    """Whether an outcome says that the server takes databases again, or never stopped to."""
    if line.what == "fail_back":
        return line.outcome == "done"
    if line.what == "drain":
        return line.outcome == "refused"
    return not drained and (
        (line.what == "await_server" and line.outcome == "up")
        or (line.what == "reboot" and line.outcome == "refused")
    )


def _end_of(run: RunStory) -> float:
    """When a server that was not put back is no more kept out of service by us."""
    handed_over = any(
        debt.kind is DebtKind.ACTIVATION_DISABLED and debt.status is DebtStatus.HANDED_OVER
        for debt in run.then.debts
    )
    if not run.healing.ended and (handed_over or not run.ended):
        return _OPEN
    # What was handed over is a person's from the end of the healing on.
    return run.healing.lines[-1].seq if handed_over else run.lines[-1].seq


def _out(run: RunStory, since: int, until: float) -> _Out:
    return _Out(
        server=short_name(run.then.server),
        healing=run.healing.id,
        run=run.id,
        since=since,
        until=until,
    )


def _two_members(dag: str, times: list[_Out]) -> Iterator[Violation]:
    if not dag:
        return
    still: list[_Out] = []
    for one in times:
        still = [other for other in still if other.until > one.since]
        for other in still:
            if not same_server(other.server, one.server):
                yield Violation(
                    id="P2",
                    sentence=f"{one.server} was taken out of service while {other.server}, another "
                    f"member of {dag}, was (by run {other.run}, since entry {other.since})",
                    healing=one.healing,
                    run=one.run,
                    seq=one.since,
                )
                break
        still.append(one)


# --- P3 ------------------------------------------------------------------------------------------


def _reboots(run: RunStory) -> Iterator[_Reboot]:
    intents: list[EffectIntended] = []
    for line in run.lines:
        if isinstance(line, EffectIntended) and line.effect == "reboot":
            intents.append(line)
        elif isinstance(line, ActionFinished) and line.what == "reboot":
            yield _reboot(run, line, intents, counts=line.outcome != "refused")
            intents = []
    if intents:
        yield _reboot(run, intents[-1], intents, counts=True)


def _reboot(run: RunStory, line: Entry, intents: list[EffectIntended], *, counts: bool) -> _Reboot:
    return _Reboot(
        server=short_name(line.server),
        dag=run.dag_at(line.seq),
        healing=run.healing.id,
        run=run.id,
        seq=line.seq,
        at=line.at,
        counts=counts,
        intents=tuple((one.seq, one.at) for one in intents),
        policy=run.healing.policy_at(intents[-1].seq if intents else line.seq),
    )


def _beyond_the_budget(reboots: list[_Reboot]) -> Iterator[Violation]:
    """Each restart against those before it, as far as the policy of its time looks back."""
    earlier: dict[str, list[_Reboot]] = defaultdict(list)
    for one in reboots:
        if one.policy:
            for seq, at in one.intents:
                before = [
                    other
                    for name in _keys_of(one)
                    for other in _lately(earlier[name], at, one.policy)
                    if other.seq < seq
                ]
                if problem := _problem(one, at, before, one.policy):
                    yield Violation(
                        id="P3", sentence=problem, healing=one.healing, run=one.run, seq=seq
                    )
        if one.counts:
            for name in _keys_of(one):
                earlier[name].append(one)


def _keys_of(one: _Reboot) -> Iterator[str]:
    """The server, and its group: whatever case their names were written in."""
    yield short_name(one.server)
    if one.dag:
        yield f"dag {one.dag.casefold()}"


def _lately(reboots: list[_Reboot], at: datetime, policy: Policy) -> Iterator[_Reboot]:
    """The latest of them, as far back as the policy looks; and a day more, for odd clocks."""
    since = at - max(_DAY, timedelta(hours=policy.hours_between_reboots)) - _DAY
    return takewhile(lambda one: one.at >= since, reversed(reboots))


def _problem(one: _Reboot, at: datetime, before: list[_Reboot], policy: Policy) -> str:
    recent = {other.seq: other for other in before if other.at >= at - _DAY}
    mine = [other for other in recent.values() if same_server(other.server, one.server)]
    if len(mine) >= policy.reboots_per_server:
        return (
            f"{one.server} was to be restarted after {len(mine)} restarts within a day; "
            f"{policy.reboots_per_server} were allowed"
        )
    apart = timedelta(hours=policy.hours_between_reboots)
    for other in before:
        alike = one.dag and other.dag.casefold() == one.dag.casefold()
        alike = alike and not same_server(other.server, one.server)
        if apart and alike and other.at >= at - apart:
            return (
                f"{one.server} was to be restarted less than {policy.hours_between_reboots:g} "
                f"hours after {other.server}, another member of {one.dag}"
            )
    return ""

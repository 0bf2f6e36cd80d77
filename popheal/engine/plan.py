"""What a healing could do from here: every way through the procedures, and the worst of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from attrs import field, frozen

from popheal.engine.plan_basis import ServerState
from popheal.engine.run import GUARD_OF_DEBT
from popheal.policy.policy import Policy, Timing
from popheal.reports.report import Report
from popheal.tables.actions import BY_ROLE, Impact
from popheal.tables.table import Guard, Procedure, State, Verdict
from popheal.util.serialize import to_jsonable


@frozen(kw_only=True)
class Path:
    """One way through a procedure: the states in order, the ending last."""

    states: tuple[str, ...]
    verdict: Verdict


@frozen(kw_only=True)
class WorstCase:
    """At most this much, over all paths of one procedure.

    Attributes:
        actions: Actions carried out, looks included.
        restarts: Restarts of POP3 services.
        reboots: Restarts of the server.
        seconds: Longest time that waits and deadlines add up to, without the commands' own.
    """

    actions: int
    restarts: int
    reboots: int
    seconds: float


@frozen(kw_only=True)
class PlannedMove:
    """A database that would be moved away, and the servers that could take it now."""

    database: str
    targets: tuple[str, ...]


@frozen(kw_only=True)
class Lead:
    """Where a state leads: on any of these outcomes to that state (by its id), or ending."""

    outcomes: tuple[str, ...]
    to: str


@frozen(kw_only=True)
class PlannedState:
    """One state of the tree of what may follow.

    Attributes:
        id: Tells it from the others. It is the state's name, with what the run still owes by
            then where a state may be come to in several ways that lead on differently.
        state: Its name in the table.
        action: What is done there.
        impact: What that does to the world.
        leads: What may follow, by outcome; every outcome is in one of them.
    """

    id: str
    state: str
    action: str
    impact: Impact
    leads: tuple[Lead, ...]


@frozen(kw_only=True)
class PlannedRun:
    """What one procedure could do to one server, from the state that the server is in.

    Attributes:
        hash: Names this plan: two plans with one hash say the same of the same state. Empty if
            the state could not be read.
        table: Hash of the procedure's table.
        impact: The most drastic thing that it could do, as far as the policy allows.
        databases: Those that are active on the server, if it could be drained.
        facts: The state that it starts from; None if that could not be read.
        problem: Why it could not be read.
        tree: The finite tree of what may follow, its first state first; what several states lead
            to is listed once. A person's stop, possible in each, is left out.
        paths: Every way through the tree.
    """

    hash: str
    procedure: str
    table: str
    server: str
    monitor: str
    impact: Impact
    databases: tuple[PlannedMove, ...]
    worst_case: WorstCase
    facts: ServerState | None
    problem: str = ""
    tree: tuple[PlannedState, ...]
    paths: tuple[Path, ...]

    def to_json(self) -> dict[str, Any]:
        """The planned run as plain JSON values."""
        data: dict[str, Any] = to_jsonable(self)
        return data


@frozen(kw_only=True)
class Plan:
    """The answer to "what would you do?": triage's report, and the procedures that would run.

    The runs are in order; each but the first only if the ones before it recovered. Healing a
    back end found on the way is a healing of its own and not unfolded here.
    """

    report: Report
    runs: tuple[PlannedRun, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """The plan as plain JSON values: the report's, and ``plan``."""
        data = self.report.to_json()
        data["plan"] = [run.to_json() for run in self.runs]
        return data


def plan_run(
    table: Procedure,
    *,
    server: str,
    monitor: str,
    mailbox_role: bool,
    policy: Policy,
    facts: ServerState | None,
    moves: tuple[PlannedMove, ...] = (),
    problem: str = "",
) -> PlannedRun:
    """What a procedure could do to a server in that state, under that policy."""
    role = frozenset({Guard.MAILBOX_ROLE}) if mailbox_role else frozenset()
    tree = tree_of(table, role)
    worst = worst_case(table, role, policy.timing)
    impact = _highest((one.impact for one in tree), policy)
    return PlannedRun(
        hash=_hash(table, monitor, facts, policy, worst) if facts else "",
        procedure=table.name,
        table=table.hash,
        server=server,
        monitor=monitor,
        impact=impact,
        databases=moves if impact is Impact.DISRUPT else (),
        worst_case=worst,
        facts=facts,
        problem=problem,
        tree=tree,
        paths=tuple(paths(table, role)),
    )


def _highest(impacts: Iterator[Impact], policy: Policy) -> Impact:
    found = {one for one in impacts if policy.allows(one)}
    for impact in (Impact.DISRUPT, Impact.CHANGE):
        if impact in found:
            return impact
    return Impact.LOOK


#: Settings of the policy that say who is asked and how long is waited, not what may follow.
#: What the waits add up to is part of the worst case.
_NOT_OF_THE_PLAN = ("approval_from", "timing")


def _hash(
    table: Procedure, monitor: str, facts: ServerState, policy: Policy, worst: WorstCase
) -> str:
    # Imported here, as few programs ask for it.
    import hashlib

    rules = {
        name: value for name, value in policy.to_json().items() if name not in _NOT_OF_THE_PLAN
    }
    plan = [table.hash, monitor, facts.canonical(), rules, to_jsonable(worst)]
    return hashlib.sha256(json.dumps(plan, sort_keys=True).encode()).hexdigest()[:16]


# --- walking a table -----------------------------------------------------------------------------


def _ways(table: Procedure, role: frozenset[Guard]) -> Iterator[tuple[list[State], str]]:
    """Every way to an ending: the states gone through, and the ending.

    Tables have no cycles: a recovery that repeats itself would have no worst case.
    """

    def walk(
        name: str, facts: frozenset[Guard], before: list[State]
    ) -> Iterator[tuple[list[State], str]]:
        if name in table.endings:
            yield before, name
            return
        one = table.by_name[name]
        if one in before:
            raise ValueError(f"procedure '{table.name}' comes back to '{name}'")
        for target, after in sorted(_next(one, facts), key=lambda way: way[0]):
            yield from walk(target, after, [*before, one])

    yield from walk(table.start, role, [])


def _next(one: State, facts: frozenset[Guard]) -> set[tuple[str, frozenset[Guard]]]:
    """Where a state can lead, with the guards that hold there; outcomes alike are one."""
    return {(target, after) for _, target, after in _outcomes(one, facts)}


def _outcomes(one: State, facts: frozenset[Guard]) -> Iterator[tuple[str, str, frozenset[Guard]]]:
    """Each outcome of a state, where it leads, and the guards that hold there."""
    for outcome in one.action.outcomes:
        after = facts
        if one.action.incurs and outcome != "refused":
            after |= {GUARD_OF_DEBT[one.action.incurs]}
        row = one.next(outcome, after)
        if one.action.pays and outcome == "done":
            after -= {GUARD_OF_DEBT[one.action.pays]}
        if row:
            yield outcome, row.target, after


def tree_of(table: Procedure, role: frozenset[Guard]) -> tuple[PlannedState, ...]:
    """What may follow, state by state, in the order in which it is come to."""
    found: dict[tuple[str, frozenset[Guard]], None] = {}
    waiting = [(table.start, role)]
    while waiting:
        place = waiting.pop(0)
        if place in found or place[0] in table.endings:
            continue
        found[place] = None
        waiting += [
            (target, after) for _, target, after in _outcomes(table.by_name[place[0]], place[1])
        ]
    ids = {(name, facts): _id(name, facts - role, found) for name, facts in found}
    return tuple(_planned_state(table.by_name[name], facts, ids) for name, facts in found)


def _id(name: str, owed: frozenset[Guard], found: dict[tuple[str, frozenset[Guard]], None]) -> str:
    alone = sum(other == name for other, _ in found) == 1
    words = ", ".join(sorted(one.value for one in owed))
    return name if alone or not words else f"{name} [{words}]"


def _planned_state(
    one: State, facts: frozenset[Guard], ids: dict[tuple[str, frozenset[Guard]], str]
) -> PlannedState:
    leads: dict[str, list[str]] = {}
    for outcome, target, after in _outcomes(one, facts):
        leads.setdefault(ids.get((target, after), target), []).append(outcome)
    return PlannedState(
        id=ids[one.name, facts],
        state=one.name,
        action=str(one.action),
        impact=one.action.impact,
        leads=tuple(Lead(outcomes=tuple(names), to=to) for to, names in leads.items()),
    )


def paths(table: Procedure, role: frozenset[Guard]) -> list[Path]:
    """Every path, each once, the successful ones first and the shorter before the longer."""
    found = {
        (*(one.name for one in states), ending): table.endings[ending]
        for states, ending in _ways(table, role)
    }
    ordered = sorted(found.items(), key=lambda way: (way[1] is not Verdict.RECOVERED, len(way[0])))
    return [Path(states=states, verdict=verdict) for states, verdict in ordered]


def worst_case(table: Procedure, role: frozenset[Guard], timing: Timing) -> WorstCase:
    """The worst of all paths, each figure by itself."""
    ways = [states for states, _ in _ways(table, role)]

    def most(of: Any) -> Any:
        return max((sum(of(one) for one in states) for states in ways), default=0)

    return WorstCase(
        actions=most(lambda _: 1),
        restarts=most(_restarts),
        reboots=most(lambda one: one.action.name == "reboot"),
        seconds=most(lambda one: _longest(one, timing)),
    )


def _restarts(one: State) -> int:
    """How many services a state restarts at most."""
    if one.action.name not in ("restart_service", "reload_pop3"):
        return 0
    return 2 if one.action.argument == BY_ROLE else 1


#: How many looks, each repeated with pauses, a performer may take one after another.
_REPEATED_LOOKS = {
    "check_switchover": 2,
    "drain": 2,
    "enable_protocol_logging": 1,
    "fail_back": 2,
    "find_backends": 3,
    "probe": 3,
    "reboot": 5,
    "reload_pop3": 1,
    "restart_service": 1,
}


def _longest(one: State, timing: Timing) -> float:
    """How long a state may wait in all, by the deadlines and bounds of its performer."""
    retries = (timing.probe_attempts - 1) * timing.probe_pause
    deadlines = {
        "restart_service": timing.service_deadline,
        "reload_pop3": timing.service_deadline,
        "verify_copies": timing.drain_deadline,
        "await_server": timing.reboot_deadline,
        "wait": timing.settle,
        "drain": timing.service_deadline,
        "enable_protocol_logging": timing.service_deadline,
        "fail_back": timing.service_deadline,
        "restore_protocol_logging": timing.service_deadline,
    }
    looks = _REPEATED_LOOKS.get(one.action.name, 0 if one.action.name in deadlines else 1)
    each = looks * retries + deadlines.get(one.action.name, 0.0)
    return each * max(1, _restarts(one))

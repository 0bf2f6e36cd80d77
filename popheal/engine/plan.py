"""What a healing could do from here: every way through the procedures, and the worst of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from typing import Any, Final

from attrs import field, frozen

from popheal.engine.plan_basis import ServerState
from popheal.exchange.backend import EFFECTS, Backend
from popheal.policy.policy import Consent, Policy
from popheal.reports.report import Report
from popheal.tables.actions import ACTIVATE_COMPONENT, Action, Impact
from popheal.tables.bounds import WorstCase, worst_case
from popheal.tables.outcomes import DONE, REFUSED
from popheal.tables.reachability import reached
from popheal.tables.table import GUARD_OF_DEBT, Guard, Procedure, Transition, Verdict
from popheal.tables.timing import Timing
from popheal.util.serialize import to_jsonable


@frozen(kw_only=True)
class Path:
    """One way through a procedure: the states in order, the ending last."""

    states: tuple[str, ...]
    verdict: Verdict


@frozen(kw_only=True)
class PlannedMove:
    """A database that would be moved away, and the servers that could take it now.

    Attributes:
        other_site: Those of the targets that are not seen to be in the server's own site.
    """

    database: str
    targets: tuple[str, ...]
    other_site: tuple[str, ...] = ()


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
        notes: What a person should know beforehand, though it holds nothing.
        obstacles: What a drain or a restart would be refused for, as things stand now.
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
    notes: tuple[str, ...] = ()
    obstacles: tuple[str, ...] = ()
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
    back end found on the way is a run of its own and not unfolded here.
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
    notes: tuple[str, ...] = (),
    obstacles: tuple[str, ...] = (),
    problem: str = "",
) -> PlannedRun:
    """What a procedure could do to a server in that state, under that policy."""
    role = frozenset({Guard.MAILBOX_ROLE}) if mailbox_role else frozenset()
    tree = tree_of(table, role)
    worst = worst_of(table, role, policy.timing)
    impact = highest((one.impact for one in tree), policy)
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
        notes=notes if impact is Impact.DISRUPT else (),
        obstacles=obstacles if impact is Impact.DISRUPT else (),
        tree=tree,
        paths=tuple(paths(table, role)),
    )


def highest(impacts: Iterable[Impact], policy: Policy) -> Impact:
    """The most drastic of some impacts that a policy allows."""
    found = {one for one in impacts if policy.allows(one)}
    for impact in (Impact.DISRUPT, Impact.CHANGE):
        if impact in found:
            return impact
    return Impact.LOOK


#: Settings of the policy that say who is asked and how long is waited, not what may follow.
#: What the waits add up to is part of the worst case.
_NOT_OF_THE_PLAN = ("approval_from", "approval_undecided", "timing")


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

#: A state (or an ending) come to, and the guards that hold there.
Place = tuple[str, frozenset[Guard]]
#: Servers with the Mailbox role, and those without it.
ROLES: Final = (frozenset({Guard.MAILBOX_ROLE}), frozenset[Guard]())


def rows_at(
    table: Procedure, place: Place, policy: Policy | None = None
) -> list[tuple[Transition, frozenset[Guard]]]:
    """The row of each outcome that is possible at a place, and what holds then; none at an ending.

    With a policy, what that does not allow is only ever refused.
    """
    name, facts = place
    if name in table.endings:
        return []
    one = table.by_name[name]
    found: list[tuple[Transition, frozenset[Guard]]] = []
    forbidden = policy is not None and not _allows(policy, one.action)
    for outcome in (REFUSED,) if forbidden else one.action.outcomes:
        after = facts
        if one.action.incurs and outcome != REFUSED:
            after |= {GUARD_OF_DEBT[one.action.incurs]}
        row = one.next(outcome, after)
        if one.action.pays and outcome == DONE:
            after -= {GUARD_OF_DEBT[one.action.pays]}
        if row:
            found.append((row, after))
    return found


def _arrows(table: Procedure, start: Place) -> dict[Place, list[Place]]:
    """What each place leads to, in the order in which they are come to; a stop left out."""

    def ahead(place: Place) -> list[Place]:
        return list(dict.fromkeys((row.target, after) for row, after in rows_at(table, place)))

    return {place: ahead(place) for place in reached([start], ahead)}


def effects_in_reach(
    procedures: Iterable[Procedure], policy: Policy, roles: Iterable[frozenset[Guard]] = ROLES
) -> tuple[str, ...]:
    """The methods of the backend that change something, as far as the policy lets it come to them.

    Args:
        procedures: The tables that may be followed.
        policy: How far to go.
        roles: What is true of the servers: by default, those with the Mailbox role and those
            without it.
    """
    found: set[str] = set()
    for table, role in product(procedures, roles):

        def ahead(place: Place, table: Procedure = table) -> list[Place]:
            return [(row.target, after) for row, after in rows_at(table, place, policy)]

        for name, _ in reached([(table.start, role)], ahead):
            action = table.by_name[name].action if name not in table.endings else None
            if action and _allows(policy, action):
                found |= set(action.effects)
    if not policy.move_databases_back:
        found.discard(Backend.move_database.__name__)
    return tuple(one for one in EFFECTS if one in found)


def _allows(policy: Policy, action: Action) -> bool:
    """Whether the policy ever lets an action be carried out."""
    special = action.name == ACTIVATE_COMPONENT.name and policy.pop_proxy is Consent.NEVER
    return policy.allows(action.impact) and not special


def tree_of(
    table: Procedure, role: frozenset[Guard], start: Place | None = None
) -> tuple[PlannedState, ...]:
    """What may follow, state by state, in the order in which it is come to.

    Args:
        table: The table.
        role: What is true of the server all the while.
        start: From where on; else from the table's start.
    """
    arrows = _arrows(table, start or (table.start, role))
    places = [place for place, ahead in arrows.items() if ahead]
    times = Counter(name for name, _ in places)
    ids = {place: _id(place, role, alone=times[place[0]] == 1) for place in places}
    return tuple(_planned_state(table, place, ids) for place in places)


def _id(place: Place, role: frozenset[Guard], *, alone: bool) -> str:
    words = ", ".join(sorted(one.value for one in place[1] - role))
    return place[0] if alone or not words else f"{place[0]} [{words}]"


def _planned_state(table: Procedure, place: Place, ids: Mapping[Place, str]) -> PlannedState:
    leads: dict[str, list[str]] = {}
    for row, after in rows_at(table, place):
        leads.setdefault(ids.get((row.target, after), row.target), []).append(row.outcome)
    action = table.by_name[place[0]].action
    return PlannedState(
        id=ids[place],
        state=place[0],
        action=str(action),
        impact=action.impact,
        leads=tuple(Lead(outcomes=tuple(names), to=to) for to, names in leads.items()),
    )


def paths(table: Procedure, role: frozenset[Guard]) -> list[Path]:
    """Every path, each once, the successful ones first and the shorter before the longer."""
    arrows = _arrows(table, (table.start, role))

    def ways(place: Place) -> Iterator[tuple[str, ...]]:
        if not arrows[place]:
            yield (place[0],)
        for to in sorted(arrows[place], key=lambda one: one[0]):
            for way in ways(to):
                yield (place[0], *way)

    found = {way: table.endings[way[-1]] for way in ways((table.start, role))}
    ordered = sorted(found.items(), key=lambda way: (way[1] is not Verdict.RECOVERED, len(way[0])))
    return [Path(states=states, verdict=verdict) for states, verdict in ordered]


def worst_of(
    table: Procedure, role: frozenset[Guard], timing: Timing, start: Place | None = None
) -> WorstCase:
    """The worst that may follow, as long as nobody says stop; from a place, else from the start."""
    start = start or (table.start, role)
    arrows = _arrows(table, start)
    return worst_case(start, arrows, lambda place: table.by_name[place[0]].action, timing)

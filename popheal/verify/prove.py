"""From an exploration to verdicts on every property."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import Any

from attrs import asdict, frozen

from popheal.errors import UnknownName
from popheal.healthsets.pop import MAILBOX, PROCEDURES
from popheal.tables.actions import RECOVER_BACKENDS
from popheal.tables.table import Procedure, Verdict
from popheal.tables.timing import Timing
from popheal.verify.build import build
from popheal.verify.contracts import CONTRACTS, ChildEnd, recover_backends
from popheal.verify.explorer import Exploration, explore
from popheal.verify.model import Contract, Tabular
from popheal.verify.properties import PROPERTIES, Property
from popheal.verify.termination import TIMING, Bounds, bounds
from popheal.verify.traces import Trace, trace
from popheal.verify.verdicts import judge, never_well

PROVED, REFUTED, OPEN = "proved", "refuted", "open"


@frozen(kw_only=True)
class Result:
    """What was found about one property of one procedure.

    Attributes:
        property: The property.
        verdict: ``proved``, ``refuted``, or ``open``: not decided here.
        counterexample: How it is broken, in words; None if it isn't.
        trace: The shortest way to break it, where there is one to show.
    """

    property: Property
    verdict: str
    counterexample: str | None = None
    trace: Trace | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "id": self.property.id,
            "sentence": self.property.sentence,
            "verdict": self.verdict,
            "counterexample": self.counterexample,
        }


@frozen(kw_only=True)
class Proof:
    """What was found about a procedure.

    Attributes:
        name: Name of the procedure.
        hash: Hash of its table.
        states: How many situations it can be in: control state and all that surrounds it.
        edges: How many steps and events lead from one to the next.
        depth: How many of them it takes, at least, to get to the farthest.
        seconds: How long the exploration took.
        bounds: The most that a run can do; None if there is no bound.
        results: A result for each property.
        control_states: The states and endings that were reached.
    """

    name: str
    hash: str
    states: int
    edges: int
    depth: int
    seconds: float
    bounds: Bounds | None
    results: tuple[Result, ...]
    control_states: frozenset[str]

    @property
    def ok(self) -> bool:
        """Whether nothing was refuted."""
        return not self.refuted

    @property
    def refuted(self) -> tuple[Result, ...]:
        """The properties that don't hold, those with the shortest way to show it first."""
        broken = (one for one in self.results if one.verdict == REFUTED)
        return tuple(sorted(broken, key=lambda one: len(one.trace) if one.trace else 0))

    def result(self, property_id: str) -> Result:
        """The result for a property, by its id."""
        return next(one for one in self.results if one.property.id == property_id)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {
            "name": self.name,
            "hash": self.hash,
            "states": self.states,
            "edges": self.edges,
            "depth": self.depth,
            "seconds": round(self.seconds, 3),
            "bounds": asdict(self.bounds) if self.bounds else {},
            "properties": [one.to_json() for one in self.results],
        }


@frozen(kw_only=True)
class Proofs:
    """What was found about several procedures."""

    procedures: tuple[Proof, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing was refuted."""
        return all(one.ok for one in self.procedures)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON values."""
        return {"ok": self.ok, "procedures": [one.to_json() for one in self.procedures]}


def result_of(
    one: Property, found: Exploration, calm: Exploration, broken: Mapping[str, str]
) -> Result:
    """The result for a property, with its counterexample."""
    if one.open:
        return Result(property=one, verdict=OPEN)
    if one.id not in broken:
        return Result(property=one, verdict=PROVED)
    shown = _shown(one, found, calm)
    return Result(
        property=one,
        verdict=REFUTED,
        counterexample=shown.text() if shown else broken[one.id],
        trace=shown,
    )


def _shown(one: Property, found: Exploration, calm: Exploration) -> Trace | None:
    claim = f"{one.id} does not hold. {one.sentence}"
    if one.id in found.broken:
        packed, index = found.broken[one.id]
        return trace(found, [*found.way_to(packed), (packed, index)], claim)
    if one.id == "P14" and (stuck := never_well(calm)) is not None:
        return trace(calm, calm.way_to(stuck), claim)
    return None


# --- child runs ----------------------------------------------------------------------------------


def ends(found: Exploration) -> frozenset[ChildEnd]:
    """How runs end: each verdict, with whether the server may then be left drained or down."""
    table, layout = found.system.table, found.layout
    left = set()
    for packed in found.parents:
        name, values = layout.read(packed)
        verdict = table.endings.get(name)
        if verdict:
            out = values.get("activation") in {"sent", "ours"} or values.get("boots") == "commanded"
            left.add((verdict, out))
    return frozenset(left)


@cache
def ends_of(child: Procedure) -> frozenset[ChildEnd]:
    """How runs of a procedure that heals no back end itself end."""
    return ends(explore(build(child, CONTRACTS)))


def contracts_for(
    table: Tabular, child: Procedure = MAILBOX, extra: Mapping[str, Contract] | None = None
) -> dict[str, Contract]:
    """The contracts of all known actions, that of healing a back end computed from the child."""
    contracts = {**CONTRACTS, **(extra or {})}
    if any(one.action.name == RECOVER_BACKENDS.name for one in table.states):
        contracts[RECOVER_BACKENDS.name] = recover_backends(ends_of(child))
    else:
        contracts[RECOVER_BACKENDS.name] = recover_backends(((Verdict.ESCALATED, True),))
    return contracts


# --- the proof -----------------------------------------------------------------------------------


def verify(
    procedure: Procedure,
    *,
    child: Procedure = MAILBOX,
    contracts: Mapping[str, Contract] | None = None,
    timing: Timing = TIMING,
    without: Collection[str] = (),
) -> Proof:
    """Explore everything that can happen to a procedure, and judge every property.

    Args:
        procedure: One of the runbook's, or your own made of the same actions.
        child: The procedure by which a back end is healed on the way. It is explored by itself;
            the procedure then meets every way in which it can end.
        contracts: What is assumed of actions of your own, by name.
        timing: How long is waited and how often is looked, for the bounds.
        without: Names of events that are assumed not to happen.

    Raises:
        UnknownName: If an action, or an outcome of it, has no contract.
    """
    began = time.perf_counter()
    known = contracts_for(procedure, child, contracts)
    found = explore(build(procedure, known, without=without))
    calm = explore(build(procedure, known, calm=True))
    broken = judge(found, calm)
    results = tuple(result_of(one, found, calm, broken) for one in PROPERTIES)
    heals = any(one.action.name == RECOVER_BACKENDS.name for one in procedure.states)
    each = bounds(explore(build(child, known, calm=True)), timing) if heals else None
    table, mask = found.system, found.layout.node_mask
    names = {number: name for name, number in found.layout.nodes.items()}
    return Proof(
        name=table.table.name,
        hash=procedure.hash,
        states=len(found.parents),
        edges=found.edges,
        depth=found.depth,
        seconds=time.perf_counter() - began,
        bounds=bounds(found, timing, each),
        results=results,
        control_states=frozenset(
            names[node] for node in {one & mask for one in found.parents} if names[node]
        ),
    )


def verify_all(procedures: Iterable[Procedure] | None = None) -> Proofs:
    """Verify the runbook's procedures, or those given."""
    given = PROCEDURES.values() if procedures is None else procedures
    return Proofs(procedures=tuple(verify(one) for one in given))


def witness(procedure: Procedure, name: str, *, child: Procedure = MAILBOX) -> Trace:
    """The shortest way in which a run gets to a state or ending.

    Raises:
        UnknownName: If no run gets there.
    """
    found = explore(build(procedure, contracts_for(procedure, child)))
    for packed in found.parents:
        if found.layout.read(packed)[0] == name:
            return trace(found, found.way_to(packed), f"how a run gets to {name}")
    known = [*(one.name for one in procedure.states), *procedure.endings]
    raise UnknownName(kind=f"state of '{procedure.name}' that is reached", name=name, known=known)

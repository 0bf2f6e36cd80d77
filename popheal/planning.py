"""What a healing could do from here: every way through the procedures, and the worst of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from attrs import asdict, field, frozen

from popheal.actions import BY_ROLE
from popheal.definition import Guard, Procedure, State, Verdict
from popheal.machine import GUARD_OF_DEBT
from popheal.policy import Timing
from popheal.report import Report

if TYPE_CHECKING:
    from popheal.performing import Session
    from popheal.triaging import Triage


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
class PlannedRun:
    """What one procedure could do to one server."""

    procedure: str
    hash: str
    server: str
    monitor: str
    paths: tuple[Path, ...]
    worst_case: WorstCase


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
        data["plan"] = [
            asdict(run, value_serializer=lambda *given: _plain(given[2])) for run in self.runs
        ]
        return data


def _plain(value: Any) -> Any:
    return value.value if isinstance(value, Verdict) else value


def plan_from(found: Triage, report: Report, session: Session) -> Plan:
    """The plan that follows from a triage."""
    if found.info is None:
        return Plan(report=report)
    role = frozenset({Guard.MAILBOX_ROLE}) if found.info.mailbox_role else frozenset()
    tables = {monitor.procedure: monitor for monitor in reversed(found.failing)}
    return Plan(
        report=report,
        runs=tuple(
            PlannedRun(
                procedure=table.name,
                hash=table.hash,
                server=found.info.fqdn,
                monitor=tables[table.name].name,
                paths=tuple(paths(table, role)),
                worst_case=worst_case(table, role, session.timing),
            )
            for table in session.procedures.values()
            if table.name in tables
        ),
    )


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
    found = set()
    for outcome in one.action.outcomes:
        after = facts
        if one.action.incurs and outcome != "refused":
            after |= {GUARD_OF_DEBT[one.action.incurs]}
        row = one.next(outcome, after)
        if one.action.pays and outcome == "done":
            after -= {GUARD_OF_DEBT[one.action.pays]}
        if row:
            found.add((row.target, after))
    return found


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

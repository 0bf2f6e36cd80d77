"""Deterministic simulation: the real logic against random organisations, each from one seed.

    python -m tests.evidence.simulation --seeds 10000
    python -m tests.evidence.simulation --enumerate

Two modes. *Safety*: anything may go wrong at any time, and every property of
:mod:`tests.support.properties` must hold on what the organisation saw. *Liveness*: everything stops
going wrong after a while; then POP must end healthy, or the answer must name what only a person
can lift. The seed of a failure is printed: with it, the failure comes back exactly.

Enumerated instead, without chance: each moment of a healing, each call that decides the action
which begins there, each way in which it can fail, for long. Of that the tests play a sample.
"""

from __future__ import annotations

import argparse
import sys
import time
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib import resources
from itertools import count
from random import Random
from threading import Event
from typing import Any

from attrs import define, field

from popheal import Journal, Policy, Verdict, heal
from popheal.backends import simulated
from popheal.backends.simulated import history as h
from popheal.backends.simulated import load_scenario, scenario_names
from popheal.backends.simulated.call_faults import BrokenCall
from popheal.backends.simulated.random_scenarios import random_tables
from popheal.backends.simulated.scenario import build_scenario
from popheal.engine.control import Control
from popheal.exchange.backend import EFFECTS, LOOKS
from popheal.healthsets.pop import PROCEDURES
from popheal.policy.policy import Consent
from popheal.reports.report import FindingKind
from tests.support.healing import alert_of, healed
from tests.support.properties import violations

#: Seconds after which nothing new goes wrong, in liveness mode.
CALM_AFTER = 900.0
#: And how long everything then has to settle before the second alert.
SETTLE_DEBTS = 4 * 3600.0

WELL = {Verdict.NOTHING_WRONG, Verdict.TRANSIENT, Verdict.RECOVERED}
#: What no recovery may lift by itself: a person's decision, or an answer that needs one.
FOR_A_PERSON = {
    FindingKind.COMPONENT_INACTIVE,
    FindingKind.DRAINED,
    FindingKind.MAINTENANCE,
    FindingKind.NO_RECIPE,
    FindingKind.SETUP_RUNNING,
    FindingKind.SWITCHED_OFF,
    FindingKind.LEFT_ALONE,
    FindingKind.REPAIRING,
    FindingKind.DEPENDENCY,
    FindingKind.SIBLINGS,  # for example because POP is off on the others, but monitored there
}


@define
class Coverage:
    """What a series of simulations has reached.

    Attributes:
        rows: Rows of the tables that were taken, as (procedure, state, outcome, target).
    """

    seeds: int = 0
    verdicts: Counter[Verdict] = field(factory=Counter)
    rows: Counter[tuple[str, str, str, str]] = field(factory=Counter)

    def note(self, report: Any) -> None:
        """Count one healing."""
        self.verdicts[report.verdict] += 1
        for run in report.runs:
            for step, target in zip(run.steps, run.path[1:], strict=False):
                self.rows[run.procedure, step.state, step.outcome, target] += 1

    def missed(self) -> list[str]:
        """The rows of the tables that were never taken."""
        return [
            f"{table.name}: {one.name} {row.label} -> {row.target}"
            for table in PROCEDURES.values()
            for one in table.states
            for row in one.transitions
            if not self.rows[table.name, one.name, row.outcome, row.target]
        ]

    def lines(self) -> Iterator[str]:
        """For people."""
        total = sum(len(one.transitions) for table in PROCEDURES.values() for one in table.states)
        missed = self.missed()
        yield f"seeds: {self.seeds}"
        yield "verdicts: " + ", ".join(f"{v.value} {n}" for v, n in self.verdicts.most_common())
        yield f"transitions taken: {total - len(missed)} of {total}"
        yield from (f"  never: {row}" for row in missed)


# --- safety --------------------------------------------------------------------------------------


def safe(seed: int, coverage: Coverage) -> list[str]:
    """Play one seed in safety mode; returns the violations.

    One seed in three is a random organisation. The others are shipped scenarios into which
    trouble is thrown, at any time or just when some state begins, because those lead deep into
    a procedure far more often.
    """
    chance, stop, observers = Random(seed), Control(), []
    name, state = chance.choice(moments())
    if seed % 3 == 0:
        tables = random_tables(seed)
    elif seed % 3 == 1:
        tables = troubled(chance.choice(scenario_names()), chance)
    else:
        tables = tables_of(name)
    scenario = build_scenario(tables, name=f"seed {seed}", source="simulation")
    policy = Policy()
    if seed % 3 == 2:
        policy = WILLING
        observers = [Ambush(scenario.organisation, state, chance, stop)]
    elif chance.random() < 0.2:
        stop_at_call(scenario.organisation, chance.randint(1, 120), stop)
    case = healed(scenario, control=stop, observers=observers, policy=policy)
    coverage.note(case.report)
    return violations(case)


def tables_of(name: str) -> Any:
    """The tables of a shipped scenario, as they are."""
    text = (resources.files(simulated) / "scenarios" / f"{name}.toml").read_text("utf-8")
    return {key: value for key, value in tomllib.loads(text).items() if key != "expect"}


def troubled(name: str, chance: Random) -> Any:
    """Likewise, with calls that break and somebody else at work."""
    tables = tables_of(name)
    breaking = [broken_call(chance) for _ in range(chance.choice((0, 1, 1, 2, 3)))]
    breaking += blinded(chance) if chance.random() < 0.2 else []
    tables["calls"] = [*tables.get("calls", []), *breaking]
    if chance.random() < 0.3:
        do = chance.choice(("reboot", "drain", "undrain", "crash"))
        happening = chance.choice(("service_restarted", "went_down", "booted", "probe_run"))
        event = {"do": do, "server": tables["alert"]["server"], "on": happening}
        event |= {"nth": chance.randint(1, 3), "delay": float(chance.randint(0, 60))}
        tables["events"] = [*tables.get("events", []), event]
    return tables


def broken_call(chance: Random) -> dict[str, Any]:
    """Calls of one method that fail, once or for long; or all calls, for a span of time."""
    error = chance.choice(("Unreachable", "NotAuthorised", "CommandFailed", "OutcomeUnknown"))
    broken: dict[str, Any] = {"error": error, "times": chance.choice((1, 1, 3, 9, 200))}
    kind = chance.random()
    if kind < 0.2:
        since = chance.choice((0.0, 30.0, 60.0, 90.0, 120.0, 300.0, 600.0, 700.0))
        return broken | {"method": "*", "times": 999, "since": since, "until": since + 400.0}
    broken["method"] = chance.choice(EFFECTS if kind < 0.7 else LOOKS)
    broken["nth"] = chance.randint(1, 4 if kind < 0.7 else 25)
    if error == "OutcomeUnknown" and kind < 0.7:
        broken["done"] = chance.choice(("no", "yes", "later"))
    return broken


def blinded(chance: Random) -> list[dict[str, Any]]:
    """An effect whose answer is lost, and then the look that would tell what became of it."""
    effect, look = chance.choice(
        (
            ("restart_service", "services"),
            ("set_activation_disabled", "mailbox_server"),
            ("set_protocol_logging", "pop_settings"),
            ("reboot", "host_status"),
        )
    )
    done = chance.choice(("no", "yes", "later"))
    nth, first = chance.randint(1, 4), chance.randint(1, 12)
    return [
        {"method": effect, "error": "OutcomeUnknown", "done": done, "nth": nth},
        {"method": look, "error": "Unreachable", "nth": first, "times": chance.choice((3, 99))},
    ]


#: As willing as a policy can be: what is done only if a person says yes is done as well.
WILLING = Policy(pop_proxy=Consent.ALLOW)

#: The calls that decide what an action comes to.
DECIDING = {
    "activate_component": ("component_states", "services", "set_component_state"),
    "await_server": ("host_status", "services", "server_health", "*"),
    "check_backends": ("server_health",),
    "check_component": ("component_states", "services", "pop_settings", "host_status"),
    "check_health": ("server_health",),
    "check_switchover": (
        "mailbox_server",
        "dag",
        "databases",
        "copies_of",
        "host_status",
        "component_states",
        "replication_health",
        "monitoring_items",
        "invoke_probe",
    ),
    "deactivate_component": ("component_states", "set_component_state"),
    "drain": (
        "mailbox_server",
        "database_copies",
        "component_states",
        "replication_health",
        "set_activation_disabled",
    ),
    "enable_protocol_logging": ("pop_settings", "set_protocol_logging"),
    "fail_back": ("host_status", "mailbox_server", "set_activation_disabled"),
    "find_backends": ("all_servers", "pop_settings", "pop_logs"),
    "keep_component": ("component_states",),
    "probe": ("invoke_probe", "host_status"),
    "reboot": (
        "host_status",
        "services",
        "database_copies",
        "component_states",
        "replication_health",
        "reboot",
    ),
    "recover_backends": ("server_info", "invoke_probe", "restart_service"),
    "reload_pop3": ("services", "restart_service"),
    "restart_service": ("services", "restart_service"),
    "restore_protocol_logging": ("pop_settings", "set_protocol_logging"),
    "verify_copies": ("databases", "database_copies", "*"),
    "wait": ("*",),
}


@cache
def moments() -> tuple[tuple[str, str], ...]:
    """Every state that a shipped scenario goes through when nothing else happens.

    Each kind of state once for each scenario and procedure, the rarely reached ones as often as
    the common ones.
    """
    reached: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for name in scenario_names():
        for run in healed(load_scenario(name), policy=WILLING).report.runs:
            for state in run.path[:-1]:
                reached.setdefault((run.procedure, state), []).append((name, state))
    return tuple(names[n % len(names)] for names in reached.values() for n in range(8))


# --- enumerated ----------------------------------------------------------------------------------

#: Scenario, state, and how calls break from the moment that the state begins.
Ambushed = tuple[str, str, tuple[str, str, str]]


def states_of_actions() -> dict[str, dict[str, list[str]]]:
    """Each action, with the states in which it is done, and the scenarios that reach each."""
    actions: dict[str, dict[str, list[str]]] = {}
    for name, state in sorted(dict.fromkeys(moments())):
        table = next(one for one in PROCEDURES.values() if state in one.by_name)
        states = actions.setdefault(table.by_name[state].action.name, {})
        states.setdefault(state, []).append(name)
    return actions


def ways_to_break(action: str) -> list[tuple[str, str, str]]:
    """Each call that decides an action, with each way in which it fails: (method, error, done).

    What became of an effect whose answer is lost is known to the organisation alone: both.
    """
    return [
        (method, error, done)
        for method in DECIDING[action]
        for error in ("Unreachable", "CommandFailed", "OutcomeUnknown")
        for done in (("no", "yes") if error == "OutcomeUnknown" and method in EFFECTS else ("no",))
    ]


def every_ambush() -> Iterator[Ambushed]:
    """Every scenario and state of :func:`moments` with every way to break: thousands."""
    for action, states in states_of_actions().items():
        for state, names in states.items():
            yield from ((name, state, way) for name in names for way in ways_to_break(action))


def spread_ambushes(action: str) -> Iterator[Ambushed]:
    """A sample of them: each way to break an action once, and each state and scenario once.

    They are dealt out in turn: the ways go round the states, and the states round the scenarios
    that reach them, so that the sample is the same each time.
    """
    states, ways = states_of_actions()[action], ways_to_break(action)
    for n in range(max(len(states), len(ways))):
        state = sorted(states)[n % len(states)]
        names = states[state]
        yield names[n // len(states) % len(names)], state, ways[n % len(ways)]


def ambushed(name: str, state: str, way: tuple[str, str, str]) -> list[str]:
    """Heal while the calls break from the moment that the state begins; returns violations."""
    scenario = load_scenario(name)
    method, error, done = way
    begun = []

    def watch(event: Any) -> None:
        if event.name == "action_started" and event.state == state:
            begun.append(event)
            scenario.organisation.broken_calls.script.append(
                BrokenCall(method=method, error=error, times=400, done=done)
            )

    found = violations(healed(scenario, policy=WILLING, observers=[watch]))
    # Else it would be a healing like any other, and nothing would have been tried.
    missed = [] if begun else ["the state was never reached"]
    return [f"{name}, {state}, {method} {error} {done}: {said}" for said in (*found, *missed)]


class Ambush:
    """Throws trouble in just when a state begins that was chosen beforehand."""

    def __init__(self, organisation: Any, state: str, chance: Random, stop: Event) -> None:
        self._organisation, self._chance, self._stop = organisation, chance, stop
        self._state = state

    def __call__(self, event: Any) -> None:
        """An observer."""
        if event.name != "action_started" or event.state != self._state:
            return
        if self._chance.random() < 0.1:
            self._stop.cancel()
        action = event.details["action"].partition("(")[0]
        for _ in range(self._chance.choice((1, 1, 2))):
            self._organisation.broken_calls.script.append(self._break(action))
        if self._chance.random() < 0.1:
            self._organisation.crash(event.server, h.MANAGED_AVAILABILITY)

    def _break(self, action: str) -> BrokenCall:
        method = self._chance.choice(DECIDING[action])
        error = self._chance.choice(("Unreachable", "CommandFailed", "OutcomeUnknown"))
        lost = error == "OutcomeUnknown" and method in EFFECTS
        return BrokenCall(
            method=method,
            error=error,
            nth=self._chance.choice((1, 1, 1, 2, 3)),
            times=self._chance.choice((1, 3, 400)),
            done=self._chance.choice(("no", "yes", "later")) if lost else "no",
        )


def stop_at_call(organisation: Any, calls: int, stop: Event) -> None:
    """Have a person say stop at the n-th call."""
    counted = count(1)

    def watch(happening: h.Happening) -> None:
        if isinstance(happening, h.Called) and next(counted) == calls:
            stop.cancel()

    organisation.history.listen(watch)


# --- liveness ------------------------------------------------------------------------------------


#: What may be wrong with a server, and does not pass.
LASTING = (
    "reboot",
    "down",
    "bindings",
    "failed_checks",
    "missing_probes",
    "proxy_offline_after",
    "shutdown_scheduled",
    "times_missing",
    "times_without_zone",
)


def calm(tables: Any) -> Any:
    """The same organisation, in which nothing new goes wrong after a while."""
    tables["calls"] = [{**one, "until": CALM_AFTER} for one in tables["calls"]]
    tables["events"] = [
        one
        for one in tables["events"]
        if one.get("at", CALM_AFTER) < CALM_AFTER and one["do"] != "crash"
    ]
    tables["rows"] = []
    tables["faults"] = [{**one, "cure": {"seconds": CALM_AFTER}} for one in tables["faults"]]
    tables["organisation"]["deep_needs_active_database"] = False
    for server in tables["servers"].values():
        for trouble in LASTING:
            server.pop(trouble, None)
        for service in server.get("services", {}).values():
            for trouble in ("on_restart", "starts_after_boot", "state", "start_type"):
                service.pop(trouble, None)
    return tables


def lively(seed: int) -> list[str]:
    """Play one seed in liveness mode; returns what is wrong with how it ends."""
    scenario = build_scenario(calm(random_tables(seed)), name=f"seed {seed}", source="simulation")
    heal(alert_of(scenario), scenario.backend, journal=Journal())
    scenario.organisation.clock.sleep(CALM_AFTER + SETTLE_DEBTS)
    report = heal(alert_of(scenario), scenario.backend, journal=Journal())
    if report.verdict in WELL or FOR_A_PERSON & {one.kind for one in report.findings}:
        return []
    return [f"calm for hours, and still {report.verdict.value}: {report.summary}"]


def simulate(seeds: range, coverage: Coverage) -> list[str]:
    """Play seeds in both modes; returns every failure with its seed."""
    failures = []
    for seed in seeds:
        coverage.seeds += 1
        failures += [f"seed {seed}, safety: {said}" for said in safe(seed, coverage)]
        failures += [f"seed {seed}, liveness: {said}" for said in lively(seed)]
    return failures


def main() -> int:
    """The command line; 1 if anything failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=200, help="how many seeds (default 200)")
    parser.add_argument("--first", type=int, default=0, help="the first seed (default 0)")
    parser.add_argument("--enumerate", action="store_true", help="every moment and way to fail")
    asked = parser.parse_args()
    if asked.enumerate:
        return _enumerated()
    coverage, started = Coverage(), time.perf_counter()
    failures = simulate(range(asked.first, asked.first + asked.seeds), coverage)
    print(*coverage.lines(), sep="\n")
    print(f"violations: {len(failures)}")
    print(*failures[:20], sep="\n", end="\n" if failures else "")
    print(f"time: {time.perf_counter() - started:.0f} s")
    return bool(failures)


def _enumerated() -> int:
    played, failures, started = Counter[str](), [], time.perf_counter()
    for name, state, way in every_ambush():
        played[state] += 1
        failures += ambushed(name, state, way)
    print(f"states: {len(played)}", f"healings: {played.total()}", sep="\n")
    print(f"violations: {len(failures)}", *failures[:20], sep="\n")
    print(f"time: {time.perf_counter() - started:.0f} s")
    return bool(failures)


if __name__ == "__main__":
    sys.exit(main())

"""Playing every fault on every server of a scenario, each in an organisation of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from attrs import evolve, frozen

from popheal.api import Healer
from popheal.backends.simulated import history as h
from popheal.backends.simulated.model import Server
from popheal.backends.simulated.named_faults import (
    WELL_KNOWN,
    WITH_RECIPE,
    Kind,
    NamedFault,
    fits,
)
from popheal.backends.simulated.scenario import Scenario, built, scenario_file
from popheal.engine.approval import ApprovalRequest
from popheal.engine.plan import PlannedMove
from popheal.journal import Journal
from popheal.policy.policy import Policy
from popheal.policy.windows import next_opening
from popheal.reports.report import Alert, Report
from popheal.tables.debts import DebtStatus
from popheal.tables.table import Verdict
from popheal.util.clock import VirtualClock
from popheal.util.serialize import to_jsonable
from popheal.util.toml import TomlFile

#: The kinds of faults that are tried: what the runbook has a procedure for, and what people know
#: by another name.
KINDS: Final = (*WITH_RECIPE, *WELL_KNOWN)

#: What a scenario has of faults itself.
_LEFT_OUT: Final = ("faults", "probes")

#: Told before each trial: how many are over, how many there are, and which one it is.
Progress = Callable[[int, int, str], None]


@frozen(kw_only=True)
class Move:
    """A database that was switched over, from one server to another."""

    database: str
    source: str
    target: str


@frozen(kw_only=True)
class Trial:
    """What came of one kind of fault on one server.

    Attributes:
        server: Where it was; short names throughout.
        fault: What failed.
        cures: What would have cured it: with each of these it came to the same.
        verdict: How it ended.
        summary: That in a sentence.
        restarted: POP3 services that were restarted, each after its server.
        drained: Servers whose databases were moved away.
        rebooted: Servers that were restarted.
        moves: Where databases went.
        targets: Where each database could have gone, as the plan says.
        asked: What a person was asked to approve, if the policy wants that; the answer was yes.
        left: What state things were left in, where that is not as before.
        lasted: How long it took here, in seconds.
        at_most: How long waits and deadlines add up to at most, by the plan, in seconds; None
            where nothing was planned.
    """

    server: str
    fault: str
    cures: tuple[str, ...]
    verdict: Verdict
    summary: str
    restarted: tuple[str, ...] = ()
    drained: tuple[str, ...] = ()
    rebooted: tuple[str, ...] = ()
    moves: tuple[Move, ...] = ()
    targets: tuple[PlannedMove, ...] = ()
    asked: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    lasted: float
    at_most: float | None = None


@frozen(kw_only=True)
class Tabletop:
    """Every fault on every server of an organisation.

    Attributes:
        title: The scenario's.
        at: When it was played, by the organisation's clock: where the policy has windows, one is
            open then.
        policy: Under which policy.
        servers: The servers, by their short names, in order.
        own_faults: How many faults the scenario has itself, which were left out.
        trials: By server, then by kind of fault.
    """

    title: str
    at: datetime
    policy: Policy
    servers: tuple[str, ...]
    own_faults: int = 0
    trials: tuple[Trial, ...] = ()

    def of(self, server: str) -> tuple[Trial, ...]:
        """The trials on one server."""
        return tuple(one for one in self.trials if one.server == server)

    def to_json(self) -> dict[str, Any]:
        """It as plain JSON values."""
        data: dict[str, Any] = to_jsonable(self)
        return data


def rehearse_every_fault(
    scenario: str | Path,
    *,
    policy: Policy | None = None,
    progress: Progress = lambda _over, _of, _what: None,
) -> Tabletop:
    """Play each kind of fault on each server that can have it, with each cure.

    Each is played in an organisation of its own, as the scenario describes it, but for the faults
    and the results of probes that it has itself: what cures those, a snapshot can't tell.

    Args:
        scenario: The name of a scenario, or the path of one: a snapshot, for example.
        policy: How far to go; the default if None.
        progress: Told before each trial.

    Raises:
        UnknownName: There is no such scenario, and no such file.
        ConfigurationError: The file can't be read, isn't TOML, or says something impossible.
    """
    file = scenario_file(scenario)
    content = {name: one for name, one in file.content.items() if name not in _LEFT_OUT}
    played = _Exercise(evolve(file, content=content), policy or Policy())
    first = played.scenario()
    with first.organisation.present() as world:
        servers = list(world.servers)
    wanted = [(one, kind) for one in servers for kind in KINDS if fits(kind, one)]
    trials: list[Trial] = []
    for number, (server, kind) in enumerate(wanted):
        progress(number, len(wanted), f"{kind.name} on {server.name}")
        trials += played.tried(server, kind)
    return Tabletop(
        title=first.title,
        at=first.observed_at,
        policy=played.policy,
        servers=tuple(one.name for one in servers),
        own_faults=len(file.content.get("faults", ())),
        trials=tuple(trials),
    )


@frozen
class _Exercise:
    file: TomlFile
    policy: Policy

    def scenario(self, *faults: NamedFault) -> Scenario:
        """The organisation with those faults, when the policy lets something be done."""
        names = [str(one) for one in faults]
        scenario = built(self.file, faults=names)
        if not self.policy.windows:
            return scenario
        opening = next_opening(self.policy.windows, scenario.observed_at)
        return built(self.file, VirtualClock(opening), faults=names)

    def tried(self, server: Server, kind: Kind) -> Iterator[Trial]:
        """The trials of one kind of fault; what comes to the same is one."""
        faults = [NamedFault(server=server.fqdn, kind=kind, cure=cure) for cure in kind.cures]
        planned = self.scenario(faults[0])
        plan = Healer(planned.backend, policy=self.policy).plan(alert_of(planned))
        worst = [one.worst_case.seconds for one in plan.runs]
        planned_for: dict[str, Any] = {
            "targets": plan.runs[0].databases if plan.runs else (),
            "at_most": sum(worst) if worst else None,
        }
        found: dict[Any, Trial] = {}
        for fault in faults:
            trial = evolve(self.played(server, fault), **planned_for)
            same = evolve(trial, cures=(), lasted=0.0)
            before = found.get(same)
            cures = (*before.cures, fault.cure) if before else (fault.cure,)
            found[same] = evolve(trial, cures=cures)
        yield from found.values()

    def played(self, server: Server, fault: NamedFault) -> Trial:
        """What comes of one fault with one cure."""
        scenario = self.scenario(fault)
        asked: list[str] = []

        def approve(request: ApprovalRequest) -> bool:
            asked.append(f"{request.action} ({_short(scenario, request.server)})")
            return True

        # Whoever sits at the table is taken for that other person.
        policy = evolve(self.policy, approval_by_another=False)
        healer = Healer(scenario.backend, policy=policy, journal=Journal(), approver=approve)
        report = healer.heal(alert_of(scenario))
        history = scenario.organisation.history
        moved = history.of(h.DatabaseMoved, actor=h.POPHEAL)
        return Trial(
            server=server.name,
            fault=fault.kind.name,
            cures=(fault.cure,),
            verdict=report.verdict,
            summary=report.summary,
            restarted=_once(
                f"{one.service} on {one.server}"
                for one in history.of(h.ServiceRestarted, actor=h.POPHEAL)
            ),
            drained=_once(
                one.server
                for one in history.of(h.ActivationDisabledSet, actor=h.POPHEAL)
                if one.value and not one.previous
            ),
            rebooted=_once(
                one.server for one in history.of(h.RebootCommanded, actor=h.POPHEAL) if one.accepted
            ),
            moves=tuple(
                Move(database=one.database, source=one.source, target=one.server) for one in moved
            ),
            asked=tuple(dict.fromkeys(asked)),
            left=_left(report),
            lasted=(report.finished_at - report.started_at).total_seconds(),
        )


def alert_of(scenario: Scenario) -> Alert:
    """The alert that a scenario raises."""
    return Alert(
        server=scenario.server,
        health_set=scenario.health_set,
        monitor=scenario.monitor,
        text=scenario.text,
        at=scenario.observed_at,
    )


def _left(report: Report) -> tuple[str, ...]:
    """What is not as it was before."""
    handed_over = any(one.status is DebtStatus.HANDED_OVER for one in report.debts)
    return report.handover.left_as if report.handover and handed_over else ()


def _once(names: Iterator[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(names))


def _short(scenario: Scenario, server: str) -> str:
    with scenario.organisation.present() as world:
        found = world.find(server)
        return found.name if found else server
